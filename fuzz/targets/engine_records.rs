//! What engines left on disk: docker's records, containerd's bundles, OCI runtimes' state. A record of
//! another container is none, and no id leads out of a data root.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::collect::runtime::{containerd, docker, oci_state, shim};
use nsx::model::text::Text;

fn words(bytes: &[u8]) -> Vec<Text> {
    bytes.split(|byte| *byte == 0).map(Text::new).collect()
}

fuzz_target!(|bytes: &[u8]| {
    if let Some(record) = docker::parse(bytes, "abc") {
        assert_eq!(record.id, "abc");
    }
    for data_root in [docker::configured(bytes), docker::parse_arguments(&words(bytes))] {
        assert!(data_root.is_none_or(|path| path.is_absolute()));
    }
    let _ = (containerd::parse(bytes), containerd::parse_status(bytes));
    let states = [oci_state::runc, oci_state::crun, oci_state::youki];
    for record in states.iter().filter_map(|parse| parse(bytes, "abc")) {
        assert_eq!(record.name, None);
    }
    if let Some(data_root) = docker::parse_data_root(bytes, "abc") {
        assert!(data_root.is_absolute());
    }
    if let Some((namespace, id)) = shim::parse(bytes) {
        assert!(!id.is_empty() && !id.contains(&b'/'));
        assert!(!namespace.is_empty() && !namespace.contains(&b'/'));
    }
});
