//! io.stat and io.max of v2, the blkio files of v1, `/proc/partitions`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::sys::cgroupfs::io::{max, partition_name, stat, v1_max, v1_stat};

fuzz_target!(|bytes: &[u8]| {
    let is_device = |device: &nsx::model::text::Text| {
        let bytes = device.as_bytes();
        bytes.iter().all(|byte| byte.is_ascii_digit() || *byte == b':')
            && bytes.iter().filter(|byte| **byte == b':').count() == 1
    };
    assert!(stat(bytes).iter().all(|one| is_device(&one.device)));
    assert!(max(bytes).iter().all(|(device, ..)| is_device(device)));
    assert!(v1_max(bytes).iter().all(|(device, _)| is_device(device)));
    let half = bytes.len() / 2;
    let (moved, operations) = bytes.split_at(half);
    let found = v1_stat(moved, operations);
    assert!(found.iter().all(|one| is_device(&one.device)));
    for (at, one) in found.iter().enumerate() {
        assert!(found[..at].iter().all(|other| other.device != one.device));
        let _ = partition_name(bytes, &one.device);
    }
});
