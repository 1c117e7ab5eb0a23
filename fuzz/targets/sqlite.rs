//! SQLite databases, and the records that podman keeps in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::collect::runtime::podman_sqlite;
use nsx::collect::runtime::sqlite::Image;

fuzz_target!(|bytes: &[u8]| {
    let Ok(image) = Image::new(bytes) else { return };
    for table in ["ContainerConfig", "PodConfig"] {
        for row in image.rows(table, 4).unwrap_or_default() {
            assert!(row.len() <= 4);
        }
    }
    if let Ok(records) = podman_sqlite::parse(bytes) {
        for record in records.values() {
            assert!(record.pod.as_ref().is_none_or(|pod| pod.uid.is_some()));
        }
    }
});
