//! Containers that runc was told to make directly: `/run/runc/ID/state.json`.

use crate::model::process::Pid;
use crate::sys::root::{self, SysRoot};
use serde::Deserialize;
use std::os::fd::AsFd;
use std::path::Path;

const CAP: usize = 4 << 20;

/// A container in runc's state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: String,
    pub init: Pid,
    /// In clock ticks since boot: a pid alone may have been reused since.
    pub init_start_ticks: u64,
}

/// Every readable entry; an unreadable or malformed one is left out.
pub fn entries(root: &SysRoot) -> Vec<Entry> {
    let Ok(state) = root.open_dir(Path::new("/run/runc")) else {
        return Vec::new();
    };
    let names = root::list(state.as_fd()).unwrap_or_default();
    let entry = |name: &str| {
        let bytes = root::read_beneath(state.as_fd(), &format!("{name}/state.json"), CAP).ok()?;
        parse(&bytes)
    };
    names
        .iter()
        .filter_map(|name| std::str::from_utf8(name.as_bytes()).ok())
        .filter_map(entry)
        .collect()
}

#[derive(Deserialize)]
struct StateFile {
    id: String,
    init_process_pid: u32,
    init_process_start: u64,
}

pub fn parse(bytes: &[u8]) -> Option<Entry> {
    let state: StateFile = serde_json::from_slice(bytes).ok()?;
    Some(Entry {
        id: state.id,
        init: Pid::new(state.init_process_pid)?,
        init_start_ticks: state.init_process_start,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_file_gives_id_pid_and_start() {
        let entry =
            parse(br#"{"id":"t1","init_process_pid":42,"init_process_start":99,"created":"x"}"#);
        assert_eq!(
            entry,
            Some(Entry { id: "t1".into(), init: Pid::new(42).unwrap(), init_start_ticks: 99 })
        );
        assert_eq!(parse(br#"{"id":"t1","init_process_pid":0,"init_process_start":0}"#), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
