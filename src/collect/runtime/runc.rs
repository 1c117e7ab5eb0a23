//! Containers that runc was told to make directly: `/run/runc/ID/state.json`.

use super::picked::{Path as Key, Picked};
use super::record::{CAP, Case, First, Record, Source};
use super::timestamp;
use crate::model::container::State;
use crate::model::process::Pid;
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::error::Result;
use crate::sys::root::{self, SysRoot};
use std::collections::HashMap;
use std::os::fd::AsFd;
use std::path::Path;

const STATE: &str = "/run/runc";

/// Ids are free text: a container is found by its first process.
#[derive(Debug, Default)]
pub struct Runc {
    by_init: Option<HashMap<(Pid, u64), Record>>,
}

impl Source for Runc {
    fn find(&mut self, case: &Case<'_>) -> Result<Option<Record>> {
        let by_init = self.by_init.get_or_insert_with(|| index(records(case.root)));
        Ok(by_init.get(&(case.init.pid, case.init.start_ticks)).cloned())
    }

    fn all(&mut self, root: &SysRoot) -> Vec<Record> {
        records(root)
    }
}

fn index(records: Vec<Record>) -> HashMap<(Pid, u64), Record> {
    let key = |record: &Record| match record.first {
        First::At { pid, start_ticks: Some(ticks) } => Some((pid, ticks)),
        _ => None,
    };
    records.into_iter().filter_map(|record| Some((key(&record)?, record))).collect()
}

/// Every readable record; an unreadable or malformed one is left out.
fn records(root: &SysRoot) -> Vec<Record> {
    let Ok(state) = root.open_dir(Path::new(STATE)) else {
        return Vec::new();
    };
    let names = root::list(state.as_fd()).unwrap_or_default();
    let record = |name: &str| {
        let bytes = root::read_beneath(state.as_fd(), &format!("{name}/state.json"), CAP).ok()?;
        Some(Record { file: format!("{STATE}/{name}/state.json").into(), ..parse(&bytes)? })
    };
    names
        .iter()
        .filter_map(|name| std::str::from_utf8(name.as_bytes()).ok())
        .filter_map(record)
        .collect()
}

const ID: Key = &["id"];
const CREATED: Key = &["created"];
const PID: Key = &["init_process_pid"];
const START: Key = &["init_process_start"];

pub fn parse(bytes: &[u8]) -> Option<Record> {
    let json = Picked::from_json(bytes, &[ID, CREATED, PID, START])?;
    let id: Text = json.text(ID)?.into();
    Some(Record {
        runtime: Runtime::Runc,
        name: Some(id.clone()),
        id,
        created_unix_seconds: json.text(CREATED).and_then(timestamp::unix_seconds),
        owner_uid: Some(0),
        state: State::Stopped,
        first: First::of(json.number(PID)?, json.number(START)),
        ..Record::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_file_gives_id_pid_and_start() {
        let record =
            parse(br#"{"id":"t1","init_process_pid":42,"init_process_start":99,"created":"x"}"#)
                .unwrap();
        assert_eq!(record.id, "t1");
        assert_eq!(record.first, First::At { pid: Pid::new(42).unwrap(), start_ticks: Some(99) });
        assert_eq!(parse(br#"{"id":"t1"}"#), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
