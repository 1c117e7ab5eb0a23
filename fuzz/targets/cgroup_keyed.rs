//! Flat keyed files and single numbers of control groups.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::sys::cgroupfs::values::{keyed, keyed_value, number};
use nsx::sys::cgroupfs::{v1, v2};

fuzz_target!(|bytes: &[u8]| {
    for (key, _) in keyed(bytes) {
        assert!(!key.contains(&b' ') && !key.contains(&b'\n'));
        let first = keyed(bytes).find(|(name, _)| *name == key).map(|(_, value)| value);
        assert_eq!(keyed_value(bytes, key), first);
    }
    if let Some(value) = number(bytes) {
        let digits = bytes.trim_ascii();
        assert!(digits.iter().all(u8::is_ascii_digit));
        assert_eq!(number(value.to_string().as_bytes()), Some(value));
    }
    let _ = (v1::frozen_of(bytes), v2::frozen_of(bytes));
});
