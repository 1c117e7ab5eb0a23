//! `/proc/PID/limits`, what stat and status tell of claims, timens_offsets, and the watches that
//! fdinfo lists.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::sys::proc::{claims, fd, limits, timens};

fuzz_target!(|bytes: &[u8]| {
    assert!(limits::parse(bytes).iter().all(|limit| limit.used.is_none()));
    let _ = (claims::parse_stat(bytes), claims::parse_status(bytes));
    assert!(fd::watches(bytes) <= bytes.split(|byte| *byte == b'\n').count() as u64);
    let Some(read) = timens::parse(bytes) else { return };
    // As the kernel writes them: nanoseconds are never behind.
    let line = |clock: &str, offset: i64| {
        format!(
            "{clock:<10} {:>10} {:>9}\n",
            offset.div_euclid(1_000_000_000),
            offset.rem_euclid(1_000_000_000)
        )
    };
    let [monotonic, boottime] = [read.monotonic_nsec, read.boottime_nsec];
    let written = [line("monotonic", monotonic), line("boottime", boottime)].concat();
    let again = timens::parse(written.as_bytes());
    // The seconds of the smallest number alone are beyond it.
    let fits = |offset: i64| offset.div_euclid(1_000_000_000).checked_mul(1_000_000_000).is_some();
    assert_eq!(again, Some(read).filter(|_| fits(monotonic) && fits(boottime)));
});
