//! `net:[4026531840]`, as the link of a descriptor and as the root of a bind mount.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::sys::ns::parse_name;
use nsx::sys::proc::mountinfo::{parse, parse_of_type};

fuzz_target!(|bytes: &[u8]| {
    if let Some(key) = parse_name(bytes) {
        assert_eq!(parse_name(key.to_string().as_bytes()), Some(key));
    }
    let picked: Vec<_> = parse_of_type(bytes, "nsfs").collect();
    let all = parse(bytes).0.into_iter().filter(|mount| mount.fs_type == "nsfs");
    assert_eq!(picked, all.collect::<Vec<_>>());
});
