//! What a run said, held against what the command says undisturbed.

use super::subjects::Shows;
use super::sweep::Fault;
use serde_json::Value;
use std::collections::BTreeSet;

/// What may be null, or as it is without the fault, and has no gap: settings and counters of the
/// kernel's that a report has where they can be had, and what is used of limits; the trail of `who`,
/// which finds an address by tables of /proc too; through which process a mount is seen.
const AS_FAR_AS_KNOWN: [&str; 17] = [
    ".data.net.settings",
    ".data.net.conntrack",
    ".data.net.sockets.ephemeral_ports",
    ".data.net.sockets.tcp_counters",
    ".data.net.resolver",
    ".data.net.interfaces.1.peer",
    ".data.limits.inotify",
    ".data.limits.rlimits",
    ".data.identity.executable",
    ".data.security.uid.name",
    ".data.security.gid.name",
    ".logs",
    ".data.pid_inode",
    ".comm",
    ".data.findings",
    ".data.0.steps",
    ".through",
];

#[derive(Clone, Debug)]
pub struct Answer {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    /// It had to be killed.
    pub late: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    pub fn ended(&self) -> String {
        match (self.code, self.signal) {
            (Some(code), _) => code.to_string(),
            (_, Some(signal)) => format!("signal {signal}"),
            _ => "?".to_owned(),
        }
    }
}

#[derive(Debug)]
pub struct Known {
    shows: Shows,
    answer: Answer,
    facts: Facts,
    /// Where undisturbed answers differ.
    volatile: BTreeSet<String>,
}

#[derive(Clone, Debug, PartialEq)]
enum Facts {
    Text(String),
    Json { data: Value, gaps: Value },
}

impl Known {
    pub fn new(shows: Shows, answer: &Answer) -> Self {
        assert!(matches!(answer.code, Some(0 | 6)), "undisturbed: {answer:?}");
        let facts = facts(shows, &answer.stdout).unwrap();
        Self { shows, answer: answer.clone(), facts, volatile: BTreeSet::new() }
    }

    pub fn code(&self) -> Option<i32> {
        self.answer.code
    }

    pub fn volatile(&self) -> &BTreeSet<String> {
        &self.volatile
    }

    /// Another undisturbed answer: where it differs there is nothing to compare.
    pub fn learn(&mut self, answer: &Answer) {
        assert_eq!(answer.code, self.answer.code, "undisturbed: {answer:?}");
        let facts = facts(self.shows, &answer.stdout).unwrap();
        let places = differences(&self.facts, &facts);
        assert!(
            matches!(self.shows, Shows::Json | Shows::Table) || places.is_empty(),
            "undisturbed: {facts:?} {:?}",
            self.facts
        );
        self.volatile.extend(places);
        self.facts = facts;
    }

    /// The first place where facts are others, numbers that are never the same left out.
    fn difference(&self, facts: &Facts) -> Option<String> {
        let is_volatile = |place: &String| {
            let below = |known: &String| place.strip_prefix(known.as_str());
            self.volatile
                .iter()
                .filter_map(below)
                .any(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let is_known = |place: &String| {
            AS_FAR_AS_KNOWN.iter().any(|known| place.starts_with(known) || place.ends_with(known))
        };
        let places = differences(&self.facts, facts);
        places.into_iter().find(|place| !is_volatile(place) && !is_known(place))
    }

    pub fn judge(&self, answer: &Answer, fault: &Fault) -> Result<(), String> {
        if answer.late {
            return Err("hangs".to_owned());
        }
        // A thread that cannot wake another has nobody to tell.
        let is_wake = fault.call == "write" && answer.stderr.contains("/tokio-");
        if answer.stderr.contains("panicked") || answer.stderr.contains("internal error") {
            return if is_wake { Ok(()) } else { Err(format!("panics: {}", answer.stderr)) };
        }
        let Some(code) = answer.code else {
            // Without memory there is no more than an end.
            if fault.call == "mmap" && answer.signal == Some(libc::SIGABRT) {
                return Ok(());
            }
            // A pid namespace takes its processes with it.
            let killed = self.shows == Shows::Program && answer.signal == Some(libc::SIGKILL);
            return if killed { Ok(()) } else { Err(format!("dies: signal {:?}", answer.signal)) };
        };
        let facts = facts(self.shows, &answer.stdout);
        let difference = facts.as_ref().map_or(Some("no JSON".into()), |it| self.difference(it));
        if code == 0 || Some(code) == self.code() || code == 6 && self.shows == Shows::Json {
            let Some(difference) = difference else { return Ok(()) };
            return match (&facts, &self.facts, self.shows) {
                (Some(Facts::Json { gaps, .. }), Facts::Json { gaps: known, .. }, _)
                    if code == 6 && gaps != known =>
                {
                    Ok(())
                }
                // What is not there needs no words.
                (_, _, Shows::Json) if is_absence(fault) => Ok(()),
                (_, _, Shows::Program) if is_absence(fault) && !difference.contains(":[") => Ok(()),
                // What is printed as another tool prints it has no gaps: a number, a dash.
                (_, _, Shows::Table) => Ok(()),
                (_, _, Shows::Text | Shows::Program) if answer.stderr != self.answer.stderr => {
                    Ok(())
                }
                _ => Err(format!("code {code}, but {difference}")),
            };
        }
        let documented = match self.shows {
            Shows::Json | Shows::Table => (1..=5).contains(&code),
            Shows::Text => (1..=5).contains(&code) || code == 125,
            // Its own, which the fault has hit as well; nsx's are 125 and above.
            Shows::Program => code != 70,
        };
        if !documented {
            return Err(format!("code {code}: {}", answer.stderr));
        }
        // Its words, or the pipe that a child sends them by, may be what the fault has hit.
        let is_of_words = fault.call == "write" || fault.call == "read" && code == 125;
        let speaks = (self.shows != Shows::Program || code >= 125) && !is_of_words;
        if speaks && answer.stderr.is_empty() {
            return Err(format!("code {code} without a word"));
        }
        Ok(())
    }
}

/// The kernel says that a thing is not there, or has ended, or that it has no such thing; of who owns a
/// namespace, that he is beyond our reach; of a fresh /sys, that it would show what is covered here.
fn is_absence(fault: &Fault) -> bool {
    let is_beyond = ["ioctl", "fsopen", "fsconfig", "fsmount"].contains(&fault.call.as_str());
    is_beyond && fault.errno == "EPERM" || ["ENOENT", "ESRCH", "ENOSYS"].contains(&fault.errno)
}

fn facts(shows: Shows, stdout: &str) -> Option<Facts> {
    match shows {
        Shows::Text | Shows::Table => Some(Facts::Text(stdout.to_owned())),
        Shows::Program => Some(Facts::Text(standing(stdout))),
        Shows::Json => {
            let mut data: Value = serde_json::from_str(stdout).ok()?;
            let gaps = data.as_object_mut()?.remove("gaps")?;
            Some(Facts::Json { data, gaps })
        }
    }
}

/// Namespaces by whose they are, and names of groups without their numbers.
fn standing(stdout: &str) -> String {
    let host: Vec<String> = std::fs::read_dir("/proc/self/ns")
        .unwrap()
        .filter_map(|entry| Some(std::fs::read_link(entry.ok()?.path()).ok()?.to_str()?.to_owned()))
        .collect();
    let line = |line: &str| {
        if line.contains(":[") && !host.iter().any(|own| own == line) {
            return line.split('[').next().unwrap_or_default().to_owned() + "[another]";
        }
        if line.contains("/nsx-") {
            let plain = |c: char| !c.is_ascii_digit();
            return line.chars().filter(|c| plain(*c)).collect();
        }
        line.to_owned()
    };
    stdout.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn differences(one: &Facts, other: &Facts) -> BTreeSet<String> {
    let mut places = BTreeSet::new();
    match (one, other) {
        (Facts::Json { data: one, gaps: before }, Facts::Json { data: other, gaps: now }) => {
            differ(one, other, "", &mut places);
            if before != now {
                places.insert("gaps".to_owned());
            }
        }
        (Facts::Text(one), Facts::Text(other)) if one != other => {
            let pairs = one.lines().map(Some).chain(std::iter::repeat(None));
            let mut pairs = pairs.zip(other.lines().map(Some).chain(std::iter::repeat(None)));
            if let Some((one, other)) = pairs.find(|(one, other)| one != other) {
                places.insert(format!("{one:?} is {other:?}"));
            }
        }
        _ => {}
    }
    places
}

fn differ(one: &Value, other: &Value, place: &str, places: &mut BTreeSet<String>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) if one.keys().eq(other.keys()) => {
            for (key, value) in one {
                differ(value, &other[key], &format!("{place}.{key}"), places);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (at, (one, other)) in one.iter().zip(other).enumerate() {
                differ(one, other, &format!("{place}.{at}"), places);
            }
        }
        _ if one != other => {
            places.insert(place.to_owned());
        }
        _ => {}
    }
}
