//! `/proc/PID/limits`, and what stat and status tell of claims.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::sys::proc::{claims, limits};

fuzz_target!(|bytes: &[u8]| {
    assert!(limits::parse(bytes).iter().all(|limit| limit.used.is_none()));
    let _ = (claims::parse_stat(bytes), claims::parse_status(bytes));
});
