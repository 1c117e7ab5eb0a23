//! The record of a named program, which is a user's own file: written again it is the same, and its
//! name is a file's.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::model::spawned::{Spawned, is_name};

fuzz_target!(|bytes: &[u8]| {
    let Some(spawned) = Spawned::parse(bytes) else { return };
    assert!(is_name(&spawned.name) && !spawned.name.contains('/') && spawned.name != "..");
    let written = spawned.to_json();
    assert_eq!(written.matches('\n').count(), 1, "one line");
    assert_eq!(Spawned::parse(written.as_bytes()), Some(spawned));
});
