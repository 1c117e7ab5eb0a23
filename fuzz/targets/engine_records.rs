//! What engines left on disk: docker's records, containerd's bundles, runc's state. A record of
//! another container is none, and no id leads out of a data root.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::collect::runtime::{docker, monitor, runc};

fuzz_target!(|bytes: &[u8]| {
    let _ = docker::parse(bytes, "abc");
    if let Some(entry) = runc::parse(bytes) {
        assert!(entry.init.number() > 0);
    }
    if let Some(data_root) = docker::parse_data_root(bytes, "abc") {
        assert!(data_root.is_absolute());
    }
    if let Some((namespace, id)) = monitor::parse(bytes) {
        assert!(!id.is_empty() && !id.contains(&b'/'));
        assert!(!namespace.is_empty() && !namespace.contains(&b'/'));
    }
});
