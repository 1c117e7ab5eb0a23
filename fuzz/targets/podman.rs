//! What podman and CRI-O leave: the list of their storage, the command line of a conmon, the
//! specification of a container, a configuration. No id leads out of a storage.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::collect::runtime::{conmon, crio, podman, setting, storage};
use nsx::model::text::Text;

fuzz_target!(|bytes: &[u8]| {
    for kept in storage::parse(bytes).unwrap_or_default() {
        assert!(kept.id.len() == 64 && !kept.id.contains(['/', '.']));
    }
    let arguments: Vec<Text> = bytes.split(|byte| *byte == 0).map(Text::new).collect();
    if let Some(told) = conmon::parse(&arguments) {
        assert!(!told.id.is_empty());
        assert!(told.graph_root.is_none_or(|path| path.is_absolute()));
    }
    let _ = (podman::parse_sandbox(bytes), crio::parse_state(bytes));
    if let Some(record) = crio::parse(bytes) {
        assert!(record.pod.is_some());
    }
    if let Some(text) = setting::text(bytes, "storage", "graphroot") {
        assert!(!text.contains('\n'));
    }
});
