//! Runtimes by cgroup path: what was recognised is in the path, and nothing that a container makes
//! below its own group changes what it is.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::collect::runtime::recognise::{cgroup, path};
use nsx::sys::proc::cgroup::parse;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    for line in parse(bytes) {
        check(line.path);
    }
    let found = cgroup(bytes);
    assert!(found.is_empty() || parse(bytes).any(|line| path(line.path) == found));
});

fn check(whole: &[u8]) {
    let found = path(whole);
    for pair in found.windows(2) {
        assert!(pair[1].group.starts_with(&pair[0].group));
        assert!(pair[1].group.len() > pair[0].group.len());
    }
    let Some(outermost) = found.first() else { return };
    let rest = whole.strip_prefix(outermost.group.as_slice()).expect("the group leads the path");
    assert!(rest.is_empty() || rest.starts_with(b"/"));
    assert!(!outermost.id.is_empty());
    assert_eq!(path(&outermost.group).first(), Some(outermost));
    if !outermost.is_host_service() {
        let below = [outermost.group.as_slice(), b"/lxc.payload.other/", whole].concat();
        assert_eq!(path(&below).first(), Some(outermost));
    }
}
