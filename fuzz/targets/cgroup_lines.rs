//! `/proc/PID/cgroup`, and where its paths lie below a mount: nothing found there climbs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::sys::cgroupfs::paths::{CgroupPaths, ancestor, relative};
use nsx::sys::proc::cgroup::parse;

fuzz_target!(|bytes: &[u8]| {
    // The root of a mount may follow after a NUL, which no path holds.
    let mut parts = bytes.splitn(2, |byte| *byte == 0);
    let (lines, root) = (parts.next().unwrap_or(b""), parts.next().unwrap_or(b"/"));
    let paths = CgroupPaths::parse(lines);
    for line in parse(lines) {
        assert!(line.path.starts_with(b"/") && !line.path.contains(&b'\n'));
        assert!(!line.controllers.contains(&b':'));
        for controller in line.controllers.split(|byte| *byte == b',') {
            assert!(line.has(controller));
            assert!(paths.line(controller).is_some());
        }
        let _ = paths.accounts(line);

        assert_eq!(relative(line.path, line.path), Some(Vec::new()));
        for name in relative(line.path, root).into_iter().flatten() {
            assert!(!matches!(name, b"" | b"." | b"..") && !name.contains(&b'/'));
        }
        for levels in 0..4 {
            let above = ancestor(line.path, levels);
            assert!(above.starts_with(b"/"));
            let below = relative(line.path, &above);
            assert!(below.is_none_or(|names| names.len() <= levels));
        }
    }
    let best = paths.best();
    assert!(best == b"/" || parse(lines).any(|line| line.path == best));
});
