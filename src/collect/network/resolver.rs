//! The files that a resolver inside reads: where it asks, and what it knows without asking.

use crate::model::gap::{Gap, Reason};
use crate::model::network::{File, FileState, Resolver};
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::sys::bounded::Bytes;
use crate::sys::error::SysError;
use nix::errno::Errno;
use std::ffi::CStr;
use std::net::Ipv6Addr;

/// In the order in which they are read.
pub const FILES: [&CStr; 3] = [c"/etc/resolv.conf", c"/etc/hosts", c"/etc/nsswitch.conf"];
/// A list of a hundred hosts is shorter.
pub const CAP: usize = 64 << 10;
const MOST_LINES: usize = 200;
/// More name servers a resolver does not ask.
const MOST_NAMESERVERS: usize = 3;

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
        nameservers: nameservers(&resolv_conf),
        search: search(&resolv_conf),
        options: of_keyword(&resolv_conf, b"options").flatten().collect(),
        hosts_sources: sources(&nsswitch),
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

/// Without comments and blank lines, and as they begin; true where there are more.
fn lines(bytes: &[u8]) -> (Vec<Text>, bool) {
    let is_told = |line: &&[u8]| !matches!(line.trim_ascii_start(), [] | [b'#' | b';', ..]);
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let mut lines = lines.filter(is_told);
    let first = lines.by_ref().take(MOST_LINES).map(Text::new).collect();
    (first, lines.next().is_some())
}

/// One of each line; what is no address, or stands behind it, does not count.
fn nameservers(resolv_conf: &File) -> Vec<Text> {
    let first = |words: Vec<Text>| words.into_iter().next().filter(is_address);
    of_keyword(resolv_conf, b"nameserver").filter_map(first).take(MOST_NAMESERVERS).collect()
}

/// The last line of either kind counts that has a word; of `domain` that is one.
fn search(resolv_conf: &File) -> Vec<Text> {
    let of = |line: &Text| {
        let domain = || after(line, b"domain").map(|words| words.into_iter().take(1).collect());
        after(line, b"search").or_else(domain).filter(|words: &Vec<Text>| !words.is_empty())
    };
    resolv_conf.lines.iter().rev().find_map(of).unwrap_or_default()
}

fn of_keyword(resolv_conf: &File, keyword: &[u8]) -> impl Iterator<Item = Vec<Text>> {
    resolv_conf.lines.iter().filter_map(move |line| after(line, keyword))
}

/// The words behind a keyword that the line begins with, as the C libraries read resolv.conf(5).
fn after(line: &Text, keyword: &[u8]) -> Option<Vec<Text>> {
    let rest = line.as_bytes().strip_prefix(keyword)?;
    matches!(rest, [] | [b' ' | b'\t', ..]).then(|| words(rest))
}

fn words(bytes: &[u8]) -> Vec<Text> {
    let words = bytes.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.map(Text::new).collect()
}

/// As inet_aton(3) and inet_pton(3) have it, with or without an interface behind `%`.
fn is_address(word: &Text) -> bool {
    let Ok(word) = std::str::from_utf8(word.as_bytes()) else { return false };
    let without_scope = word.split_once('%').map_or(word, |(address, _)| address);
    without_scope.parse::<Ipv6Addr>().is_ok() || is_v4(word)
}

/// `127.0.0.1`, `127.1`, `0x7f000001`: up to four numbers, the last of which fills what is left.
fn is_v4(word: &str) -> bool {
    let number = |part: &str| {
        let (digits, radix) = match part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")) {
            Some(digits) => (digits, 16),
            None => (part, if part.starts_with('0') { 8 } else { 10 }),
        };
        let is_signed = digits.starts_with('+');
        u32::from_str_radix(digits, radix).ok().filter(|_| !is_signed)
    };
    let Some(parts) = word.split('.').map(number).collect::<Option<Vec<u32>>>() else {
        return false;
    };
    let Some((last, others)) = parts.split_last() else { return false };
    let most = [u32::MAX, 0xff_ffff, 0xffff, 0xff].get(others.len());
    others.iter().all(|part| *part <= 0xff) && most.is_some_and(|most| last <= most)
}

/// Of the last line for `hosts`, as nsswitch.conf(5) has it: without what is behind a `#`.
fn sources(nsswitch: &File) -> Vec<Text> {
    let of = |line: &Text| {
        let line = line.as_bytes().split(|byte| *byte == b'#').next()?;
        let rest = line.trim_ascii_start().strip_prefix(b"hosts")?;
        let is_behind = |byte: &u8| !byte.is_ascii_whitespace() && *byte != b':';
        let start = rest.iter().position(is_behind).unwrap_or(rest.len());
        (start > 0).then(|| words(rest.get(start..).unwrap_or_default()))
    };
    nsswitch.lines.iter().rev().find_map(of).unwrap_or_default()
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
        assert_eq!(nameservers(&file), ["198.51.100.53", "2001:db8::53"]);
        assert_eq!(search(&file), ["b.example", "c.example"]);
        let options: Vec<Text> = of_keyword(&file, b"options").flatten().collect();
        assert_eq!(options, ["ndots:0", "edns0"]);
    }

    #[test]
    fn a_resolv_conf_is_read_as_a_resolver_reads_it() {
        let file = read(
            b"nameserver 192.0.2.53 # the office\nnameserver 192.0.2.54 192.0.2.55\n \
              nameserver 192.0.2.56\nnameserver office\nnameservers 192.0.2.57\n\
              domain c.example d.example\nsearch\n",
        );
        assert_eq!(nameservers(&file), ["192.0.2.53", "192.0.2.54"]);
        assert_eq!(search(&file), ["c.example"]);
        let many = read(&b"nameserver 192.0.2.1\n".repeat(4));
        assert_eq!(nameservers(&many).len(), 3);
        for address in ["fe80::1%eth0", "127.1", "0x7f000001", "010.0.0.1", "::ffff:192.0.2.1"] {
            assert!(is_address(&address.into()), "{address}");
        }
        for other in ["", "256.1", "1.256.1", "1.2.3.4.5", "1.2.3.256", "+1", "1.2.3.4%eth0", "a"] {
            assert!(!is_address(&other.into()), "{other}");
        }
    }

    #[test]
    fn the_sources_of_hosts_end_with_a_comment() {
        let of = |text: &str| sources(&read(text.as_bytes()));
        assert_eq!(of("passwd: files\nhosts: files dns # comment\n"), ["files", "dns"]);
        assert_eq!(
            of("  hosts :files [NOTFOUND=return] dns"),
            ["files", "[NOTFOUND=return]", "dns"]
        );
        assert_eq!(of("hosts: files\nhosts: dns\n"), ["dns"], "the last line counts");
        assert!(of("hostsfile: x\n# hosts: files\n").is_empty());
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
            let _ = (nameservers(&file), search(&file), sources(&file));
        }
    }
}
