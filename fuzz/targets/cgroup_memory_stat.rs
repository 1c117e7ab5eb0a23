//! memory.stat of v1 and v2.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::sys::cgroupfs::memory_stat::{parse_v1, parse_v2};

fuzz_target!(|bytes: &[u8]| {
    let (one, two) = (parse_v1(bytes), parse_v2(bytes));
    assert!(one.kernel.is_none() && one.slab.is_none());
    assert!(two.swap.is_none() && two.hierarchical_limit.is_none());
});
