//! The files that a resolver inside reads: where it asks, and what it knows without asking.

use crate::model::gap::{Gap, Reason};
use crate::model::network::{File, FileState, Resolver};
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::sys::bounded::Bytes;
use crate::sys::error::SysError;
use nix::errno::Errno;
use std::ffi::CStr;

/// In the order in which they are read.
pub const FILES: [&CStr; 3] = [c"/etc/resolv.conf", c"/etc/hosts", c"/etc/nsswitch.conf"];
/// A list of a hundred hosts is shorter.
pub const CAP: usize = 64 << 10;
const MOST_LINES: usize = 200;

/// From what the target has in [`FILES`]; `None` where its root may not be looked into.
pub fn of_files(pid: Pid, answers: &[Result<Bytes, SysError>]) -> (Option<Resolver>, Option<Gap>) {
    let failed = |error: &SysError| {
        matches!(error.reason(), Reason::Denied | Reason::Timeout | Reason::Failed)
    };
    let gap = answers.iter().find_map(|answer| {
        let error = answer.as_ref().err().filter(|error| failed(error))?;
        let object = format!("pid {pid}").into();
        Some(Gap { object, what: "resolver files", reason: error.reason() })
    });
    let denied = |answer: &Result<Bytes, SysError>| {
        answer.as_ref().is_err_and(|error| error.reason() == Reason::Denied)
    };
    if answers.iter().all(denied) {
        return (None, gap);
    }
    let mut files = answers.iter().map(file);
    let mut next = || files.next().unwrap_or_default();
    let (resolv_conf, hosts, nsswitch) = (next(), next(), next());
    let resolver = Resolver {
        nameservers: words(&resolv_conf, b"nameserver"),
        // The last line of either kind counts.
        search: last_words(&resolv_conf, &[b"search", b"domain"]),
        options: words(&resolv_conf, b"options"),
        hosts_sources: words(&nsswitch, b"hosts:"),
        resolv_conf,
        hosts,
        nsswitch,
    };
    (Some(resolver), gap)
}

fn file(answer: &Result<Bytes, SysError>) -> File {
    match answer {
        Ok(read) => {
            let (lines, cut) = lines(&read.bytes);
            let state = if cut || read.truncated { FileState::Cut } else { FileState::Read };
            File { state, lines }
        }
        Err(error) => {
            let state = match (error.errno(), error.reason()) {
                (Some(Errno::ENXIO | Errno::ELOOP), _) => FileState::NotRegular,
                (_, Reason::Denied) => FileState::Denied,
                (_, Reason::Timeout | Reason::Failed) => FileState::NoAnswer,
                _ => FileState::Missing,
            };
            File { state, lines: Vec::new() }
        }
    }
}

/// Without comments and blank lines; true where there are more.
fn lines(bytes: &[u8]) -> (Vec<Text>, bool) {
    let mut lines = bytes
        .split(|byte| *byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .filter(|line| !line.is_empty() && !line.starts_with(b"#") && !line.starts_with(b";"));
    let first = lines.by_ref().take(MOST_LINES).map(Text::new).collect();
    (first, lines.next().is_some())
}

/// What stands behind a keyword, of every line that has it.
fn words(file: &File, keyword: &[u8]) -> Vec<Text> {
    file.lines.iter().filter_map(|line| after(line, keyword)).flatten().collect()
}

fn last_words(file: &File, keywords: &[&[u8]]) -> Vec<Text> {
    let of = |line: &Text| keywords.iter().find_map(|keyword| after(line, keyword));
    file.lines.iter().rev().find_map(of).unwrap_or_default()
}

fn after(line: &Text, keyword: &[u8]) -> Option<Vec<Text>> {
    let mut words = line.as_bytes().split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    (words.next()? == keyword).then(|| words.map(Text::new).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::error::Problem;

    fn read(bytes: &[u8]) -> File {
        file(&Ok(Bytes { bytes: bytes.to_vec(), truncated: false }))
    }

    #[test]
    fn a_resolv_conf_is_taken_apart() {
        let file = read(
            b"# made by docker\n\ndomain a.example\nnameserver 198.51.100.53\n\
              search  b.example c.example\nnameserver\t2001:db8::53\noptions ndots:0 edns0\n",
        );
        assert_eq!(file.lines.len(), 5);
        assert_eq!(words(&file, b"nameserver"), ["198.51.100.53", "2001:db8::53"]);
        assert_eq!(last_words(&file, &[b"search", b"domain"]), ["b.example", "c.example"]);
        assert_eq!(words(&file, b"options"), ["ndots:0", "edns0"]);
    }

    fn bytes(text: &str) -> Bytes {
        Bytes { bytes: text.into(), truncated: false }
    }

    fn failed(problem: Problem) -> Result<Bytes, SysError> {
        Err(SysError { doing: "read", object: "/etc/hosts".into(), problem })
    }

    #[test]
    fn each_file_says_what_it_is_for() {
        let pid = Pid::new(7).unwrap();
        let resolv_conf = bytes("nameserver 198.51.100.53\nsearch a.example\noptions ndots:0\n");
        let answers =
            [resolv_conf, bytes("127.0.0.1 localhost\n"), bytes("hosts: files dns\n")].map(Ok);
        let (resolver, gap) = of_files(pid, &answers);
        let read = |lines: &[&str]| File {
            state: FileState::Read,
            lines: lines.iter().map(Text::new).collect(),
        };
        let expected = Resolver {
            nameservers: vec!["198.51.100.53".into()],
            search: vec!["a.example".into()],
            options: vec!["ndots:0".into()],
            hosts_sources: vec!["files".into(), "dns".into()],
            resolv_conf: read(&["nameserver 198.51.100.53", "search a.example", "options ndots:0"]),
            hosts: read(&["127.0.0.1 localhost"]),
            nsswitch: read(&["hosts: files dns"]),
        };
        assert_eq!((resolver, gap), (Some(expected), None));
    }

    #[test]
    fn what_may_not_be_read_or_does_not_answer_is_a_gap() {
        let pid = Pid::new(7).unwrap();
        let denied = || failed(Problem::Errno(Errno::EACCES));
        let missing = || failed(Problem::Errno(Errno::ENOENT));
        let told = |answers: [Result<Bytes, SysError>; 3]| {
            let (resolver, gap) = of_files(pid, &answers);
            let states = resolver.map(|one| [one.resolv_conf, one.hosts, one.nsswitch]);
            (states.map(|files| files.map(|file| file.state)), gap)
        };
        let gap = |reason| Some(Gap { object: "pid 7".into(), what: "resolver files", reason });
        assert_eq!(told([denied(), denied(), denied()]), (None, gap(Reason::Denied)));
        let one = told([Ok(bytes("nameserver ::1\n")), denied(), missing()]);
        let states = [FileState::Read, FileState::Denied, FileState::Missing];
        assert_eq!(one, (Some(states), gap(Reason::Denied)));
        let none = told([missing(), missing(), missing()]);
        assert_eq!(none, (Some([FileState::Missing; 3]), None));
        for (problem, reason) in
            [(Problem::TimedOut, Reason::Timeout), (Problem::Errno(Errno::EIO), Reason::Failed)]
        {
            let late = told([missing(), failed(problem), Ok(bytes(""))]);
            let states = [FileState::Missing, FileState::NoAnswer, FileState::Read];
            assert_eq!(late, (Some(states), gap(reason)));
        }
    }

    #[test]
    fn what_is_no_file_or_not_there_says_so() {
        let state = |errno| file(&Err(SysError::new("read", "/etc/hosts", errno))).state;
        assert_eq!(state(Errno::ENXIO), FileState::NotRegular);
        assert_eq!(state(Errno::ENOENT), FileState::Missing);
        assert_eq!(state(Errno::EACCES), FileState::Denied);
        assert_eq!(read(&b"x\n".repeat(MOST_LINES)).state, FileState::Read);
        let long = read(&b"x\n".repeat(MOST_LINES + 1));
        assert_eq!((long.state, long.lines.len()), (FileState::Cut, MOST_LINES));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let file = read(&bytes);
            let _ = (words(&file, b"nameserver"), last_words(&file, &[b"search"]));
        }
    }
}
