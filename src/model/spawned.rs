//! What nsx keeps of a named program while it runs, and what it tells of one on a status descriptor.
//! The first is a file of nsx's own, NAME.json; the second JSON, one object a line.

use super::report::Report;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where root's are; a user's are in `nsx` below his runtime directory.
pub const DIRECTORY: &str = "/run/nsx";

/// A program with a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spawned {
    /// See [`Self::SCHEMA`].
    pub schema: String,
    /// As `--name` gave it, or `nsx-PID` with `--detach`. See [`is_name`].
    pub name: String,
    /// The boot in which all this is so.
    pub boot_id: String,
    /// Where its pids and times are what they are said to be.
    pub seen_from: Option<Viewpoint>,
    /// The nsx that stays beside it.
    pub supervisor: Incarnation,
    /// The first process in its namespaces. Absent before it is there.
    pub process: Option<Incarnation>,
    /// The program itself; the same, but where an init of ours is before it. Absent before it is there, and
    /// of an older nsx.
    #[serde(default)]
    pub program: Option<Incarnation>,
    /// Seconds since 1970, by the clock at that time.
    pub created_unix_seconds: u64,
    /// The program and its arguments, as far as [`shown`] has them; bytes that are no UTF-8 are replaced.
    pub command: Vec<String>,
    /// What it may use at most, in the words of the options.
    pub limits: BTreeMap<String, String>,
    /// The directories of its control groups, which end with it.
    pub cgroups: Vec<String>,
}

/// The namespaces by which processes are told apart: a pid is another's in another pid namespace,
/// and start times are shifted in a time namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewpoint {
    /// Its inode, as `/proc/self/ns/pid` shows it.
    pub pid_namespace: u64,
    /// Absent on a kernel without them.
    pub time_namespace: Option<u64>,
}

/// A process that is not taken for a later one of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incarnation {
    /// As the pid namespace numbers it that it was seen from.
    pub pid: u32,
    /// Clock ticks since boot.
    pub start_ticks: u64,
}

impl Spawned {
    /// A record is a page; its command line may be long.
    pub const MOST_BYTES: usize = 1 << 20;
    /// What a record says it is; another word means one that is not read.
    pub const SCHEMA: &str = "nsx.spawned/1";

    /// `None` for what is not one of ours, or of a later kind.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let spawned: Self = serde_json::from_slice(bytes).ok()?;
        (spawned.schema == Self::SCHEMA && is_name(&spawned.name)).then_some(spawned)
    }

    /// One line, its newline included.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

/// A word that is a file's name and nothing else: letters, digits, `_`, `.` and `-`, at most 64, a
/// letter or digit first.
pub fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    name.len() <= 64
        && name.bytes().all(plain)
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
}

/// No more of a command line is kept.
const MOST_OF_A_COMMAND: usize = 64 << 10;

/// As much of a command line as a record has room for; `…` stands for the rest.
pub fn shown(words: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut left = MOST_OF_A_COMMAND;
    let mut kept = Vec::new();
    for mut word in words {
        // A word without a letter takes room too.
        let length = word.len() + 1;
        if length > left {
            word.truncate(word.floor_char_boundary(left));
            word.push('…');
            kept.push(word);
            break;
        }
        left -= length;
        kept.push(word);
    }
    kept
}

/// A line on the status descriptor.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event<'a> {
    /// The program runs.
    Started {
        /// The program's, on the host.
        pid: u32,
        /// Of the first process in its namespaces, which with `--init` is an init of ours.
        init_pid: u32,
        /// As its record has it; null without a record.
        name: Option<&'a str>,
        /// Inodes, by kind.
        namespaces: BTreeMap<&'static str, Option<u64>>,
        /// The interface at the other end of its veth pair; null without one.
        peer: Option<&'a str>,
    },
    /// The program has ended.
    Exited {
        /// The same as when it was started.
        init_pid: u32,
        /// How it ended, and what it used.
        #[serde(flatten)]
        report: &'a Report,
    },
}

impl Event<'_> {
    /// One line, its newline included.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one() -> Spawned {
        Spawned {
            schema: Spawned::SCHEMA.to_owned(),
            name: "t1".to_owned(),
            boot_id: "b".to_owned(),
            seen_from: Some(Viewpoint { pid_namespace: 5, time_namespace: None }),
            supervisor: Incarnation { pid: 7, start_ticks: 8 },
            process: None,
            program: None,
            created_unix_seconds: 9,
            command: vec!["sh".to_owned()],
            limits: BTreeMap::new(),
            cgroups: vec![],
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        assert_eq!(Spawned::parse(one().to_json().as_bytes()), Some(one()));
        for other in [
            Spawned { schema: "nsx.spawned/2".to_owned(), ..one() },
            Spawned { name: "../x".to_owned(), ..one() },
        ] {
            assert_eq!(Spawned::parse(other.to_json().as_bytes()), None);
        }
        assert_eq!(Spawned::parse(b"{}"), None);
    }

    #[test]
    fn a_command_line_has_room_in_a_record() {
        let short = ["sh".to_owned(), String::new(), "ä".repeat(20_000)];
        assert_eq!(shown(short.clone()), short);
        // With room for each and the byte between; and a byte less.
        let full = ["x".repeat(MOST_OF_A_COMMAND - 4), "yz".to_owned()];
        assert_eq!(shown(full.clone()), full);
        let [long, last] = full;
        assert_eq!(shown([format!("{long}x"), last]), [format!("{long}x"), "yz…".to_owned()]);
        // What takes most room as JSON, the longest that the kernel passes on, and the shortest.
        for word in ["\u{1}".repeat(131_071), "ä".repeat(65_535), String::new()] {
            let command =
                shown(std::iter::once("sh".to_owned()).chain(std::iter::repeat_n(word, 100_000)));
            assert!(command.last().is_some_and(|last| last.ends_with('…')));
            let spawned = Spawned { command, ..one() };
            assert!(spawned.to_json().len() < Spawned::MOST_BYTES / 2);
        }
    }

    #[test]
    fn a_name_is_one_word_of_a_path() {
        for good in ["t1", "a", "web-1.example_x", "0"] {
            assert!(is_name(good), "{good}");
        }
        let long = "x".repeat(65);
        for bad in ["", ".", "..", "-x", "a/b", "a b", "\u{e4}", "a\0", long.as_str()] {
            assert!(!is_name(bad), "{bad}");
        }
    }

    #[test]
    fn an_event_is_one_line() {
        let started = Event::Started {
            pid: 9,
            init_pid: 7,
            name: Some("a\nb"),
            namespaces: BTreeMap::from([("net", Some(5)), ("mnt", None)]),
            peer: None,
        };
        let expected = concat!(
            r#"{"event":"started","pid":9,"init_pid":7,"name":"a\nb","#,
            r#""namespaces":{"mnt":null,"net":5},"peer":null}"#,
            "\n"
        );
        assert_eq!(started.to_json(), expected);
    }
}
