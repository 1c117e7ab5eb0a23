//! Route netlink messages, in which a container chooses names, labels and encapsulations.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::sys::netlink::{addr, link, nsid, route};

fuzz_target!(|bytes: &[u8]| {
    let _ = (link::parse(bytes), link::identity(bytes));
    let _ = nsid::parse(bytes);
    let _ = (addr::parse(bytes), addr::identity(bytes));
    let _ = (route::parse(bytes), route::identity(bytes));
});
