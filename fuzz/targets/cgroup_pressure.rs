//! Pressure files: finite numbers, and the kernel's own spelling read exactly.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::sys::cgroupfs::values::pressure;

fuzz_target!(|bytes: &[u8]| {
    if let Some(found) = pressure(bytes) {
        assert!(found.some_avg10_percent.is_finite());
        assert!(found.full_avg10_percent.is_none_or(f64::is_finite));
        assert_eq!(found.full_avg10_percent.is_some(), found.full_total_usec.is_some());
    }

    let Some((octets, _)) = bytes.split_first_chunk::<8>() else { return };
    let total = u64::from_le_bytes(*octets);
    let (whole, hundredths) = (total % 101, total % 100);
    let fields = format!("avg10={whole}.{hundredths:02} avg60=1.00 avg300=2.00 total={total}\n");
    let found = pressure(format!("some {fields}full {fields}").as_bytes()).expect("two lines");
    assert_eq!((found.some_total_usec, found.full_total_usec), (total, Some(total)));
    assert_eq!(format!("{:.2}", found.some_avg10_percent), format!("{whole}.{hundredths:02}"));
});
