//! `/proc/PID/environ`: each key once, none empty, and no NUL in what a program is given.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::cli::environment::parse;
use std::collections::HashSet;
use std::os::unix::ffi::OsStrExt;

fuzz_target!(|bytes: &[u8]| {
    let environment = parse(bytes);
    let keys: HashSet<_> = environment.iter().map(|(key, _)| key).collect();
    assert_eq!(keys.len(), environment.len());
    for (key, value) in &environment {
        assert!(!key.is_empty() && !key.as_bytes().contains(&b'='));
        assert!(!key.as_bytes().contains(&0) && !value.as_bytes().contains(&0));
    }
});
