//! Limits of control groups: cpu.max, and the spellings of "no limit".
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::sys::cgroupfs::values::{Bound, cpu_max, number_or_max, v1_bytes, v1_quota};

fuzz_target!(|bytes: &[u8]| {
    let _ = (cpu_max(bytes), number_or_max(bytes), v1_quota(bytes));
    if let Some(Bound::At(value)) = v1_bytes(bytes) {
        assert!(value < u64::MAX / 2);
    }

    let Some(([quota, period], _)) = bytes.as_chunks::<8>().0.split_first_chunk::<2>() else {
        return;
    };
    let (quota, period) = (u64::from_le_bytes(*quota), u64::from_le_bytes(*period));
    match cpu_max(format!("{quota} {period}\n").as_bytes()) {
        Some(Bound::At(millicores)) => {
            let asked = u128::from(quota) * 1000;
            let given = u128::from(millicores) * u128::from(period);
            assert!(given <= asked && asked - given < u128::from(period));
        }
        Some(Bound::Unlimited) => panic!("{quota} {period} is a limit"),
        None => assert!(
            u128::from(quota) * 1000 / u128::from(period.max(1)) > u128::from(u64::MAX)
                || period == 0
        ),
    }
    assert_eq!(cpu_max(format!("max {period}\n").as_bytes()), Some(Bound::Unlimited));
});
