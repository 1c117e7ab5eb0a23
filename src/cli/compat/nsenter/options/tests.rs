//! Command lines of nsenter(1), in every spelling.

use super::*;

fn parsed(line: &str) -> Result<Request, String> {
    match parse(line.split_whitespace().map(|word| word.replace("''", "").into()).collect()) {
        Ok(Asked::Run { request, .. }) => Ok(*request),
        Ok(other) => Err(format!("{other:?}")),
        Err(error) => Err(error.to_string()),
    }
}

fn request(line: &str) -> Request {
    parsed(line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

#[test]
fn kinds_are_the_targets_or_files() {
    let all = request("-t 42 -a -n/run/x");
    assert!(all.wish.all && all.wish.named.is_empty());
    assert_eq!(all.namespaces, [(Kind::Net, "/run/x".into())]);
    let named = request("-t42 -n -u --ipc");
    assert_eq!(named.wish.named.to_string(), "uts ipc net");
    for line in ["-n/f", "-n=/f", "--net=/f", "-n/e -n/f", "-t 42 -n -n/f", "-t 42 -n/f -n"] {
        let request = request(line);
        assert_eq!(request.namespaces, [(Kind::Net, "/f".into())], "{line}");
        assert!(request.wish.named.is_empty(), "{line}");
    }
    assert_eq!(request("-mu").namespaces, [(Kind::Mnt, "u".into())]);
    assert_eq!(request("-t 1 -n -un").namespaces, [(Kind::Uts, "n".into())]);
    assert_eq!(request("-n:7").namespaces, [(Kind::Net, ":7".into())]);
    assert_eq!(request("-n./:x").namespaces, [(Kind::Net, "./:x".into())]);
}

#[test]
fn a_target_is_a_number() {
    for (line, target) in [
        ("-t 42 -n", "42"),
        ("-t +042 -n", "42"),
        ("-t 42:99 -n", "42:99"),
        ("-t 1 -n -t 2", "2"),
        ("-t 2147483647 -n", "2147483647"),
    ] {
        assert_eq!(request(line).target, Some(target.into()), "{line}");
    }
    for wrong in ["0", "-1", "abc", "1x", "1:", "1:x", "1:0", "1:2:3", "2147483648", "4294967338"] {
        let expected = format!("invalid PID argument: '{wrong}'");
        assert_eq!(parsed(&format!("-t {wrong} -n")).unwrap_err(), expected);
    }
    // Nobody is asked for anything.
    assert_eq!(request("-t 42 -n/f").target, None);
    assert_eq!(request("-t 42 -n/f -w").target, Some("42".into()));
    let joins = request("-t 42 -n/f -c");
    assert!(joins.standing.cgroup && joins.target.is_some());
    assert_eq!(request("-t 42 -n/f -S follow").target, Some("42".into()));
}

#[test]
fn the_first_operand_ends_the_options() {
    let program = |line| request(line).program;
    assert_eq!(program("-t 1 -n id -u -n"), ["id", "-u", "-n"]);
    assert_eq!(program("-t 1 -n -- -u -- x"), ["-u", "--", "x"]);
    assert_eq!(program("-t 1 --net /run/x"), ["/run/x"]);
    assert_eq!(program("-t 1 -n -"), ["-"]);
    assert!(program("-t 1 -n --").is_empty());
}

#[test]
fn ids_are_numbers_or_follow() {
    for line in ["-S 5", "-S5", "--setuid=5", "--setuid 5", "-S +5", "-S 005", "-S 1 -S 5"] {
        let wish = request(&format!("-n/f {line}")).wish;
        assert_eq!((wish.uid, wish.gid), (Some(WishedId::Number(5)), None), "{line}");
    }
    let wish = request("-t 1 -n --setg=follow").wish;
    assert_eq!((wish.uid, wish.gid), (None, Some(WishedId::Follow)));
}

#[test]
fn directories_are_ours_the_targets_or_inside() {
    let places = |line: &str| {
        let request = request(&format!("-t 1 -n {line}"));
        format!("{:?} {:?}", request.root, request.directory)
    };
    for (line, expected) in [
        ("-r -w", "Some(OfTarget) Some(OfTarget)"),
        ("-r/a -w/b", r#"Some(Ours("/a")) Some(Ours("/b"))"#),
        ("-r=/a -w=/b", r#"Some(Ours("=/a")) Some(Ours("/b"))"#),
        ("--root=/a --wd=b", r#"Some(Ours("/a")) Some(Ours("b"))"#),
        ("-W /c", r#"None Some(Inside("/c"))"#),
        ("-W=/c", r#"None Some(Inside("/c"))"#),
        ("--wdns=/c", r#"None Some(Inside("/c"))"#),
        ("--wdns /c", "None None"),
    ] {
        assert_eq!(places(line), expected, "{line}");
    }
}

#[test]
fn what_nsenter_does_by_itself() {
    let request = request("-t 1 -n -F");
    assert!(request.quiet && request.environment.whole && request.wish.may_join_nothing);
    assert_eq!((request.shell, request.wish.terminal), (Shell::Preferred, Terminal::Never));
}

#[test]
fn what_is_wrong_is_said_in_nsenters_words() {
    for (line, expected) in [
        ("", "no namespace specified"),
        ("-t 1", "no namespace specified"),
        ("-t 1 -r -w -e -S 0", "no namespace specified"),
        ("-n", "no target PID specified"),
        ("-N 3", "no target PID specified"),
        ("--user-parent", "no target PID specified"),
        ("-c -n/f", "no target PID specified"),
        ("-t 1 -c", "no namespace specified"),
        ("-n/f -e", "no target PID specified"),
        ("-n/f -G follow", "no target PID specified"),
        ("-a", "no target PID specified for --all"),
        ("-Z -n/f", "no target PID specified for --follow-context"),
        ("-n/f -r", "neither filename nor target pid supplied for root"),
        ("-n/f -w", "neither filename nor target pid supplied for cwd"),
        ("-n/f -w/a -W /b", "options --wd and --wdns cannot be combined"),
        ("-n/f --wdns=/b --wd", "options --wdns and --wd cannot be combined"),
        ("-n/f -S x", "failed to parse uid: 'x'"),
        ("-n/f -G ''", "failed to parse gid: ''"),
        ("-n/f -S 4294967295", "setuid() failed: Invalid argument"),
        ("-n/f -S 4294967296", "failed to parse uid: '4294967296': Numerical result out of range"),
        ("-n/f -G -1", "failed to parse gid: '-1': Numerical result out of range"),
        ("-N x", "failed to parse file descriptor: 'x'"),
        ("-n:x", "failed to parse nsid: x"),
        ("-n:", "failed to parse nsid: "),
        ("-S", "option requires an argument -- 'S'\nTry 'nsenter --help' for more information."),
        ("-W", "option requires an argument -- 'W'\nTry 'nsenter --help' for more information."),
        ("--nope", "unrecognized option '--nope'\nTry 'nsenter --help' for more information."),
        ("-t x --nope", "invalid PID argument: 'x'"),
    ] {
        assert_eq!(parsed(line).unwrap_err(), expected, "{line}");
    }
}

#[test]
fn help_and_version_come_at_once() {
    assert_eq!(parsed("-h --nope").unwrap_err(), "Help");
    assert_eq!(parsed("-aV").unwrap_err(), "Version");
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(words: Vec<Vec<u8>>) {
        use std::os::unix::ffi::OsStringExt;
        let _ = parse(words.into_iter().map(OsString::from_vec).collect());
    }
}
