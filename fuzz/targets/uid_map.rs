//! `/proc/PID/uid_map`: bounded, and what was read is what the kernel would write for it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::sys::idmap::{maps, parse};

fuzz_target!(|bytes: &[u8]| {
    let Some(map) = parse(bytes) else { return };
    assert!(map.len() <= 340);
    for range in &map {
        assert!(range.count == 0 || maps(&map, range.inside));
        let _ = maps(&map, range.inside.wrapping_add(range.count));
    }
    let line = |range: &nsx::sys::idmap::Range| {
        format!("{:>10} {:>10} {:>10}\n", range.inside, range.outside, range.count)
    };
    let written: String = map.iter().map(line).collect();
    assert_eq!(parse(written.as_bytes()), Some(map));
});
