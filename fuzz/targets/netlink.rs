//! Netlink messages, in which a container chooses names, labels and encapsulations.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::model::network::Protocol;
use nsx::sys::netlink::{addr, link, message, neighbour, nsid, route, rule, socket, unix};

fuzz_target!(|bytes: &[u8]| {
    assert!(message::messages(bytes).count() <= bytes.len() / 16);
    let _ = (link::parse(bytes), link::identity(bytes));
    let _ = nsid::parse(bytes);
    let _ = (addr::parse(bytes), addr::identity(bytes));
    let _ = (route::parse(bytes), route::identity(bytes));
    let _ = (rule::parse(bytes), neighbour::parse(bytes), neighbour::identity(bytes));
    let _ = (socket::parse(Protocol::Tcp, bytes), socket::parse(Protocol::Udp, bytes));
    if let Some(socket) = unix::parse(bytes) {
        assert!(socket.name.is_none_or(|name| name.as_bytes().len() <= 108));
        assert!(socket.peer != Some(0) && !socket.waiting.contains(&0));
        assert!(socket.waiting.len() <= 4096);
    }
});
