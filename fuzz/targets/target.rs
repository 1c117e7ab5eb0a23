//! Targets: what is said to be a number, a word or a name is spelled just like that.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::collect::target::grammar::{Spelled, parse, unit_name};

fuzz_target!(|bytes: &[u8]| {
    let Ok(meaning) = parse(bytes) else { return };
    let again: Vec<u8> = match meaning {
        Spelled::Process(pid) => pid.to_string().into(),
        Spelled::ProcessWithInode { pid, inode } => format!("{pid}:{inode}").into(),
        Spelled::Container { runtime: None, name } => name.to_vec(),
        Spelled::Container { runtime: Some(runtime), name } => {
            [runtime.name().as_bytes(), b":", name].concat()
        }
        Spelled::Containerd { namespace, name } => [b"containerd:", namespace, b"/", name].concat(),
        Spelled::Cri(name) => [b"cri:", name].concat(),
        Spelled::Pod { namespace, pod, container } => {
            let mut parts: Vec<&[u8]> = namespace.into_iter().collect();
            parts.push(pod);
            parts.extend(container);
            assert!(parts.iter().all(|part| !part.is_empty() && !part.contains(&b'/')));
            [b"pod:", parts.join(&b'/').as_slice()].concat()
        }
        Spelled::Unit(name) => {
            assert!(unit_name(name).starts_with(name) && !name.contains(&b'/'));
            [b"unit:", name].concat()
        }
        Spelled::Netns(name) => {
            assert!(!name.contains(&b'/') && name != b"..");
            [b"netns:", name].concat()
        }
        Spelled::Namespace(inode) => format!("ns:{inode}").into(),
        Spelled::File(path) => path.to_vec(),
        Spelled::Cgroup(path) => {
            let whole = bytes.strip_prefix(b"cgroup:").expect("it begins so");
            assert!(whole.starts_with(path));
            assert!(whole[path.len()..].iter().all(|byte| *byte == b'/'));
            bytes.to_vec()
        }
    };
    assert_eq!(again, bytes);
});
