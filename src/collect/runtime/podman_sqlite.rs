//! podman's own records since version 5: `STORAGE/db.sql`, in which the same JSON is in tables that
//! was in buckets before. The schema is that of podman's `libpod/sqlite_state_internal.go`.

use super::podman_state::{self, Record};
use super::sqlite::{self, Image, Value};
use crate::model::text::Text;
use crate::sys::error::{Problem, Result, SysError};
use crate::sys::owned::Place;
use crate::sys::root;
use std::collections::{BTreeMap, HashMap};

const FILE: &str = "db.sql";

/// By the whole id.
pub type Records = BTreeMap<Vec<u8>, Record>;

/// The records of a storage, by its graph root.
pub fn read(graph_root: &Place) -> Result<Records> {
    let bytes = sqlite::read(graph_root, FILE)?;
    parse_those(&bytes, |record| graph_root.keeps(record.bytes())).map_err(|problem| SysError {
        doing: "read",
        object: root::path_text(&graph_root.path().join(FILE)),
        problem,
    })
}

/// All of them, in a database's bytes. A container whose own record cannot be understood is left
/// out.
pub fn parse(bytes: &[u8]) -> std::result::Result<Records, Problem> {
    parse_those(bytes, |_| true)
}

fn parse_those(
    bytes: &[u8],
    is_kept: impl Fn(&Record) -> bool,
) -> std::result::Result<Records, Problem> {
    let image = Image::new(bytes)?;
    let mut pods = HashMap::new();
    for row in image.rows("PodConfig", 3)? {
        if let [Value::Bytes(id), _, Value::Bytes(config)] = row.as_slice() {
            pods.insert(id.clone(), podman_state::parse_pod(config, id));
        }
    }
    let mut states = HashMap::new();
    for row in image.rows("ContainerState", 4)? {
        if let [Value::Bytes(id), _, _, Value::Bytes(state)] = row.as_slice() {
            states.insert(id.clone(), podman_state::parse_state(state));
        }
    }
    let mut records = Records::new();
    for row in image.rows("ContainerConfig", 4)? {
        let [Value::Bytes(id), _, pod, Value::Bytes(config)] = row.as_slice() else { continue };
        let Some(mut record) = podman_state::parse_config(config, id) else { continue };
        if let Some(Some((state, init))) = states.get(id) {
            (record.state, record.init) = (*state, *init);
        }
        if let Some(pod) = pod.bytes().filter(|pod| !pod.is_empty()) {
            let name: Option<Text> = pods.get(pod).cloned().flatten();
            record.set_pod(pod, name);
        }
        if is_kept(&record) {
            records.insert(id.clone(), record);
        }
    }
    Ok(records)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::runtime::sqlite::tests::REAL;
    use crate::model::container::State;

    #[test]
    fn a_record_has_labels_state_and_pod() {
        let records = parse(REAL).unwrap();
        assert_eq!(records.len(), 101);
        let web = &records[format!("aa{:062}", 1).as_bytes()];
        assert_eq!(web.name, "web");
        assert_eq!(web.image, Some("registry.example/shop/web:5".into()));
        assert_eq!(web.labels, [("app".into(), "shop".into()), ("tier".into(), "front".into())]);
        assert_eq!((web.state, web.init), (Some(State::Running), 4242));
        assert!(web.created_unix_seconds.is_some());
        let pod = web.pod.clone().unwrap();
        assert_eq!((pod.name, pod.container), (Some("shop".into()), Some("web".into())));
        assert!(!pod.sandbox);
        let infra = records.values().find(|record| record.name == "pp-infra").unwrap();
        assert!(infra.pod.as_ref().unwrap().sandbox);
        let many = records.values().filter(|record| record.name.as_bytes().starts_with(b"many-"));
        let many: Vec<_> = many.collect();
        assert_eq!(many.len(), 99);
        assert!(many.iter().all(|one| one.pod.is_none() && one.state == Some(State::Stopped)));
        // Longer than a page: it lies in others.
        assert!(
            many.iter()
                .any(|one| one.labels.iter().any(|(_, value)| value.as_bytes().len() > 20_000))
        );
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(64))]

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, changes: Vec<(u32, u8)>) {
            let _ = parse(&bytes);
            let mut real = REAL.to_vec();
            for (at, byte) in changes {
                let at = at as usize % real.len();
                real[at] = byte;
            }
            let _ = parse(&real);
        }
    }
}
