//! What is true of the target and of nobody else, what is true of the decoy alone, and whose facts
//! a report tells or a program has.

use crate::support::KINDS;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    Target,
    Decoy,
}

pub(super) fn word(who: Who) -> &'static str {
    match who {
        Who::Target => "target",
        Who::Decoy => "decoy",
    }
}

pub(super) fn host(who: Who) -> String {
    format!("host-{}", word(who))
}

pub(super) fn disk(who: Who) -> String {
    format!("disk-{}", word(who))
}

/// The file name; a command name has 15 bytes.
pub(super) fn program(who: Who) -> String {
    format!("nap-{}", word(who))
}

/// The first word of the command line.
pub(super) fn argument(who: Who) -> String {
    format!("run-{}", word(who))
}

/// The container's name, by which it can be named.
pub(super) fn name(who: Who) -> String {
    format!("race-{}", word(who))
}

pub(super) fn group(who: Who) -> String {
    format!("lxc.payload.{}", name(who))
}

/// The last byte of each address.
fn number(who: Who) -> u8 {
    match who {
        Who::Target => 17,
        Who::Decoy => 18,
    }
}

pub(super) fn address(who: Who) -> String {
    format!("203.0.113.{}", number(who))
}

pub(super) fn resolver(who: Who) -> String {
    format!("198.51.100.{}", number(who))
}

pub(super) fn port(who: Who) -> u16 {
    4100 + u16::from(number(who))
}

/// Its user; its group and another one follow.
pub(super) fn id(who: Who) -> u32 {
    1_414_140_000 + 10 * u32::from(number(who))
}

/// How many files it may have open.
pub(super) fn files(who: Who) -> u64 {
    1100 + u64::from(number(who))
}

pub(super) fn oom_score(who: Who) -> String {
    format!("7{}", number(who))
}

/// What is true of a process: each fact as `/proc` has it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Look {
    pub facts: BTreeMap<&'static str, String>,
    /// It is being killed: it has no memory any more, and what it has is going.
    pub is_dying: bool,
}

impl Look {
    /// `None` of a process that is no more.
    pub(super) fn at(pid: &str) -> Option<Self> {
        let read = |file: &str| std::fs::read(format!("/proc/{pid}/{file}")).ok();
        let text = |file: &str| read(file).map(|text| String::from_utf8_lossy(&text).into_owned());
        let mut facts = BTreeMap::new();
        let mut take = |name, fact: Option<String>| fact.map(|fact| facts.insert(name, fact));
        for kind in KINDS {
            let link = std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
            take(kind, link.map(|link| link.display().to_string()));
        }
        let environment = read("environ")?;
        let mut values = environment.split(|byte| *byte == 0);
        let who = values.find_map(|value| value.strip_prefix(b"WHO="));
        take("environment", who.map(|who| String::from_utf8_lossy(who).into_owned()));
        let status = text("status")?;
        let field = |name: &str| {
            let mut lines = status.lines();
            lines.find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
        };
        take("uid", field("Uid:"));
        take("gid", field("Gid:"));
        take("groups", field("Groups:"));
        take("oom score", text("oom_score_adj"));
        let limits = text("limits").unwrap_or_default();
        let files = limits.lines().find(|line| line.starts_with("Max open files"));
        take("files", files.map(str::to_owned));
        let groups = text("cgroup").unwrap_or_default();
        take(
            "control group",
            groups.lines().find(|line| line.starts_with("0::")).map(str::to_owned),
        );
        take("resolver", text("root/etc/resolv.conf"));
        // `--tools` has the target's root below its own.
        take("disk", text("root/target/mnt/who").or_else(|| text("root/mnt/who")));
        // Memory goes before the rest does.
        let is_dying = read("environ").is_none_or(|environment| environment.is_empty());
        Some(Self { facts, is_dying })
    }

    /// Where both have the same: what a program took over from its target.
    pub(super) fn common(&self, other: &Self) -> Vec<&'static str> {
        let is_same =
            |(name, fact): &(&&'static str, &String)| other.facts.get(**name) == Some(fact);
        self.facts.iter().filter(is_same).map(|(name, _)| *name).collect()
    }

    /// This one with those facts of another.
    pub(super) fn with(&self, names: &[&'static str], other: &Self) -> Self {
        let mut changed = self.clone();
        for name in names {
            match other.facts.get(name) {
                Some(fact) => changed.facts.insert(name, fact.clone()),
                None => changed.facts.remove(name),
            };
        }
        changed
    }

    /// Whether it is so, as far as it can be seen still.
    pub(super) fn agrees(&self, expected: &Self) -> bool {
        let agrees =
            |(name, fact): (&&'static str, &String)| expected.facts.get(name) == Some(fact);
        let all = self.is_dying || self.facts.len() == expected.facts.len();
        all && self.facts.iter().all(agrees)
    }
}

/// The words of a report that only one of them can have caused, and what they tell of it.
fn marks(who: Who, look: &Look) -> BTreeMap<String, &'static str> {
    let mut marks = BTreeMap::from([
        (host(who), "hostname"),
        (disk(who), "mount"),
        (program(who), "program"),
        (argument(who), "command"),
        (name(who), "name"),
        (group(who), "control group"),
        (address(who), "address"),
        (resolver(who), "resolver"),
        (port(who).to_string(), "port"),
        (id(who).to_string(), "uid"),
        ((id(who) + 1).to_string(), "gid"),
        ((id(who) + 2).to_string(), "groups"),
        (files(who).to_string(), "files"),
        (format!("oom_score_adj={}", oom_score(who)), "oom score"),
    ]);
    for kind in KINDS {
        let digits = look.facts[kind].chars().filter(char::is_ascii_digit).collect();
        marks.insert(digits, kind);
    }
    marks
}

/// What a report tells of each of them.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub target: BTreeSet<&'static str>,
    pub decoy: BTreeSet<&'static str>,
    /// Where one item tells of both.
    pub mixed: Option<String>,
    /// It says that something is missing.
    pub gaps: bool,
}

/// Reads the JSON of a command; anything else is taken as one word after the other.
pub(super) fn told(said: &str, target: &Look, decoy: Option<&Look>) -> Told {
    let report: Value = serde_json::from_str(said).unwrap_or_else(|_| said.into());
    let of_target = marks(Who::Target, target);
    let of_decoy = decoy.map(|decoy| marks(Who::Decoy, decoy)).unwrap_or_default();
    let data = report.get("data").unwrap_or(&report);
    let items = data.as_array().map_or(std::slice::from_ref(data), Vec::as_slice);
    let gaps = report.get("gaps").and_then(Value::as_array).is_some_and(|gaps| !gaps.is_empty());
    let mut told = Told { gaps, ..Told::default() };
    for item in items {
        let mut words = BTreeSet::new();
        collect("", item, &mut words);
        let known = |marks: &BTreeMap<String, &'static str>| -> BTreeSet<&'static str> {
            words.iter().filter_map(|word| marks.get(word).copied()).collect()
        };
        let (target, decoy) = (known(&of_target), known(&of_decoy));
        if !target.is_empty() && !decoy.is_empty() {
            told.mixed = Some(format!("{target:?} and {decoy:?} in {item}"));
        }
        told.target.extend(target);
        told.decoy.extend(decoy);
    }
    told
}

fn collect(key: &str, value: &Value, words: &mut BTreeSet<String>) {
    match value {
        Value::Array(list) => list.iter().for_each(|one| collect(key, one, words)),
        Value::Object(fields) => fields.iter().for_each(|(key, one)| collect(key, one, words)),
        _ => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            words.insert(format!("{key}={text}"));
            let is_apart = |one: char| !one.is_ascii_alphanumeric() && !matches!(one, '-' | '.');
            words.extend(text.split(is_apart).map(str::to_owned));
        }
    }
}
