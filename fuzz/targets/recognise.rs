//! Runtimes by cgroup path: what was recognised is in the path, and nothing that a container makes
//! below its own group changes it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::collect::runtime::recognise::{cgroup, path};
use nsx::sys::proc::cgroup::parse;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    for line in parse(bytes) {
        check(line.path);
    }
    if let Some(found) = cgroup(bytes) {
        assert!(parse(bytes).any(|line| path(line.path).as_ref() == Some(&found)));
    }
});

fn check(whole: &[u8]) {
    let Some(found) = path(whole) else { return };
    let rest = whole.strip_prefix(found.group.as_slice()).expect("the group leads the path");
    assert!(rest.is_empty() || rest.starts_with(b"/"));
    let last = found.group.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    assert!(!found.id.is_empty());
    assert!(last.windows(found.id.len()).any(|window| window == found.id));
    assert_eq!(path(&found.group).as_ref(), Some(&found));
    if !found.is_host_service() {
        let below = [found.group.as_slice(), b"/lxc.payload.other/", whole].concat();
        assert_eq!(path(&below).as_ref(), Some(&found));
    }
}
