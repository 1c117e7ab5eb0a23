//! A clue of `who`: written again with its word before it, it is the same clue.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::collect::who::clue::{Clue, parse};
use nsx::model::network::Protocol;
use std::net::SocketAddr;

fuzz_target!(|bytes: &[u8]| {
    let clue = match parse(bytes) {
        Ok(clue) => clue,
        Err(error) => {
            assert!(!error.to_string().chars().any(char::is_control));
            return;
        }
    };
    let suffix = |protocol: Option<Protocol>| {
        protocol.map_or(String::new(), |one| format!("/{}", one.name()))
    };
    let value: Vec<u8> = match clue {
        Clue::Pid(pid) | Clue::PidInside(pid) => pid.to_string().into(),
        Clue::Port { port, protocol } => format!("{port}{}", suffix(protocol)).into(),
        Clue::Endpoint { address, port, protocol } => {
            format!("{}{}", SocketAddr::new(address, port), suffix(protocol)).into()
        }
        Clue::Ip(address) => address.to_string().into(),
        Clue::Mac(mac) => mac.map(|byte| format!("{byte:02x}")).join(":").into(),
        Clue::Namespace { inode, kind: None } | Clue::Socket(inode) => inode.to_string().into(),
        // Spelled as a link: see below.
        Clue::Namespace { inode, kind: Some(kind) } => {
            assert_eq!(parse(format!("{kind}:[{inode}]").as_bytes()), Ok(clue));
            return;
        }
        Clue::Device(device) => device.to_string().into(),
        Clue::Interface(name)
        | Clue::Cgroup(name)
        | Clue::Path(name)
        | Clue::Unit(name)
        | Clue::Overlay(name)
        | Clue::Name(name) => {
            assert!(!name.is_empty() && !name.contains(&0) && bytes.ends_with(name));
            name.to_vec()
        }
    };
    let again = [clue.kind().as_bytes(), b":", &value].concat();
    // Two kinds of namespace are called by a word of ours.
    if nsx::sys::ns::parse_name(&again).is_none() {
        assert_eq!(parse(&again), Ok(clue));
    }
});
