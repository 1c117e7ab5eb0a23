//! Command lines, and what they ask for.

use super::*;

/// `root` and `alice`, of users and groups, and every number.
struct Two;

impl Names for Two {
    fn uid(&self, name: &[u8]) -> Option<u32> {
        match name {
            b"root" => Some(0),
            b"alice" => Some(1000),
            _ => std::str::from_utf8(name).ok()?.parse().ok(),
        }
    }

    fn gid(&self, name: &[u8]) -> Option<u32> {
        self.uid(name).map(|uid| uid + 1)
    }
}

fn parsed(line: &str) -> Result<Asked, UsageError> {
    parse(line.split_whitespace().map(|word| word.replace("''", "").into()).collect(), &Two)
}

fn request(line: &str) -> Request {
    match parsed(line) {
        Ok(Asked::Run(request)) => *request,
        other => panic!("{line}: {other:?}"),
    }
}

fn wrong(line: &str) -> String {
    match parsed(line) {
        Err(error) => error.to_string(),
        Ok(asked) => panic!("{line}: {asked:?}"),
    }
}

#[test]
fn namespaces_are_named_and_implied() {
    let kinds = |line: &str| request(line).new.to_string();
    for (line, expected) in [
        ("", ""),
        ("-m", "mnt"),
        ("-fp", "pid"),
        ("--net --uts=", "uts net"),
        ("--mount-proc", "mnt"),
        ("--mount-binfmt", "mnt user"),
        ("-l x", "mnt user"),
        ("-r", "user"),
        ("-c", "user"),
        ("--map-user 1", "user"),
        ("--map-group alice", "user"),
        ("--map-users all", "user"),
        ("--map-groups all", "user"),
        ("--map-auto", "user"),
        ("--map-subids", "user"),
        ("--owner 1:2", "user"),
        ("--setgroups deny -S 1 -R / -w / --kill-child --forward-signals", ""),
    ] {
        let expected: Kinds = expected
            .split_whitespace()
            .map(|name| Kind::ALL.into_iter().find(|kind| kind.name() == name).unwrap())
            .collect();
        assert_eq!(kinds(line), expected.to_string(), "{line}");
    }
    assert_eq!(request("-m").manner, Manner::Unshare);
}

#[test]
fn files_are_attached_to_long_options_and_the_last_counts() {
    let kept = request("--net=/a --uts=/b --net=/c --pid -p").kept;
    assert_eq!(kept, [(Kind::Uts, "/b".into()), (Kind::Net, "/c".into())]);
    assert_eq!(request("--net /a").program, ["/a"]);
    assert_eq!(wrong("-n=/a").lines().next(), Some("invalid option -- '='"));
    assert_eq!(request("--net=").kept, [(Kind::Net, "".into())]);
}

#[test]
fn maps() {
    let map =
        request("-r --map-user alice --map-users 0:1:2 --map-users auto --map-groups 9,8,7").map;
    assert_eq!((map.user, map.group), (Some(Own::Number(1000)), Some(Own::Root)));
    let range = |inside, outside, count| {
        Source::These(crate::model::security::IdRange { inside, outside, count })
    };
    assert_eq!(map.users, [range(0, 1, 2), Source::Auto]);
    assert_eq!(map.groups, [range(8, 9, 7)]);
    let map = request("--map-group 5 -c --map-subids --map-users=all").map;
    assert_eq!((map.user, map.group), (Some(Own::Current), Some(Own::Current)));
    assert_eq!(map.users, [Source::Subordinate, Source::All]);
    assert_eq!(map.groups, [Source::Subordinate]);
    assert_eq!(request("--owner 33:34").owner, Some((33, 34)));
    assert_eq!(request("--setgroups=allow -U").map.setgroups, Some(Setgroups::Allow));
}

#[test]
fn life_clocks_and_environment() {
    assert!(!request("-p").life.fork);
    for (line, signal) in [
        ("-f", None),
        ("--forward-signals", None),
        ("--kill-child", None),
        ("--kill-child=term", Some(15)),
        ("--kill-child=SIGHUP", Some(1)),
        ("--kill-child=CLD", Some(17)),
        ("--kill-child=poll", Some(29)),
        ("--kill-child=RTMIN+1", Some(35)),
        ("--kill-child=SIGRTMAX-0", Some(64)),
    ] {
        let life = request(line).life;
        assert_eq!((life.fork, life.death_signal), (true, signal), "{line}");
    }
    let clocks = request("-T --monotonic -5 --boottime=+7 --boottime 8").clocks;
    assert_eq!((clocks.monotonic, clocks.boottime), (Some(-5), Some(8)));
    assert_eq!(request("--clear-env").environment.only, Some(Vec::new()));
    let only = request("--whitelist-env A,B --clear-env --whitelist-env=C").environment.only;
    assert_eq!(only, Some(vec!["A".into(), "B".into(), "C".into()]));
    assert_eq!(request("-f").environment.only, None);
}

#[test]
fn mounts_and_places() {
    let asked = request("--mount-proc -R /root -w etc");
    assert_eq!(asked.proc.as_deref(), Some(c"/proc"));
    assert_eq!((asked.root.as_deref(), asked.directory.as_deref()), (Some(c"/root"), Some(c"etc")));
    // The working directory is changed to first.
    assert_eq!(request("--mount-proc=p -w /d").proc.as_deref(), Some(c"/d/p"));
    assert_eq!(request("--mount-proc=p").proc.as_deref(), Some(c"p"));
    let asked = request("-l :a:");
    assert_eq!(asked.binfmt.as_deref(), Some(c"/proc/sys/fs/binfmt_misc"));
    assert_eq!(
        (asked.proc.as_deref(), asked.interpreter.as_deref()),
        (Some(c"/proc"), Some(c":a:"))
    );
    assert_eq!(request("--propagation slave -m").propagation, Some(Propagation::Slave));
}

#[test]
fn the_first_word_that_is_no_option_is_the_program() {
    assert_eq!(request("-n echo -x --nope").program, ["echo", "-x", "--nope"]);
    assert_eq!(request("-n -- -x").program, ["-x"]);
    assert!(matches!(parsed("-m --help --nope"), Ok(Asked::Help)));
    assert!(matches!(parsed("-Vx"), Ok(Asked::Version)));
}

#[test]
fn what_is_wrong_is_said_in_the_words_of_unshare() {
    for (line, expected) in [
        ("-S x", "failed to parse uid: 'x'"),
        ("-G ''", "failed to parse gid: ''"),
        ("-S 4294967296", "failed to parse uid: '4294967296': Numerical result out of range"),
        ("-S 4294967295", "setuid() failed: Invalid argument"),
        ("--map-user bob", "failed to parse uid 'bob'"),
        ("--map-group bob", "failed to parse gid 'bob'"),
        ("--map-users 0:0", "invalid mapping '0:0'"),
        ("--map-users 0:0,1", "invalid mapping '0:0,1'"),
        ("--map-users 0:0:0", "invalid mapping '0:0:0'"),
        ("--map-users 0:0:4294967296", "invalid mapping '0:0:4294967296'"),
        ("--map-groups AUTO", "invalid mapping 'AUTO'"),
        ("--owner 0", "failed to parse owner"),
        ("--owner 0:4294967295", "failed to parse owner"),
        ("--setgroups no", "unsupported --setgroups argument 'no'"),
        ("--propagation no", "unsupported propagation mode: no"),
        ("--kill-child=9", "unknown signal: 9"),
        ("--kill-child=RTMIN+31", "unknown signal: RTMIN+31"),
        ("--kill-child=RTMAX", "unknown signal: RTMAX"),
        ("-T --monotonic x", "failed to parse monotonic offset: 'x'"),
        (
            "-T --boottime 99999999999999999999",
            "failed to parse boottime offset: '99999999999999999999': Numerical result out of range",
        ),
        (
            "--boottime 1",
            "options --monotonic and --boottime require unsharing of a time namespace (-T)",
        ),
        (
            "-r --setgroups allow",
            "options --setgroups=allow and --map-group are mutually exclusive",
        ),
        (
            "--u",
            "option '--u' is ambiguous; possibilities: '--uts' '--user'\n\
             Try 'unshare --help' for more information.",
        ),
    ] {
        assert_eq!(wrong(line), expected, "{line}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(words: Vec<Vec<u8>>) {
        use std::os::unix::ffi::OsStringExt;
        let words = words.into_iter().map(OsString::from_vec).collect();
        let _ = parse(words, &Two);
    }
}
