//! What the options of `nsx spawn` ask for.

use super::*;
use crate::cli::context::Context;
use crate::cli::options::{Parsed, parse};
use crate::cli::spawn::request::Own;
use crate::model::namespace::{Kind, Kinds};
use crate::model::user_map::{Setgroups, Source};

fn asked(line: &str) -> Result<Request, String> {
    let words = line.split_whitespace().map(OsString::from).collect();
    match parse(&Context::new("test"), OPTIONS, "", words) {
        Ok(Parsed::Run { options, program }) => {
            read(options, program).map_err(|failure| failure.message)
        }
        Ok(Parsed::Done(_)) => Err("done".into()),
        Err(failure) => Err(failure.message),
    }
}

#[test]
fn no_letter_and_no_name_is_two_options() {
    let all = || OPTIONS.iter().copied().flatten();
    for option in all() {
        let names =
            |other: &Opt<Id>| other.long == option.long || other.aliases.contains(&option.long);
        assert_eq!(all().filter(|other| names(other)).count(), 1, "{}", option.long);
        let same = |other: &&Opt<Id>| other.short.is_some() && other.short == option.short;
        assert!(all().filter(same).count() <= 1, "{:?}", option.short);
    }
}

#[test]
fn each_spelling_of_a_namespace_is_the_same() {
    for (kind, words) in [
        (Kind::Pid, &["-p", "--newpid", "--pid"][..]),
        (Kind::Net, &["-n", "--newnet"]),
        (Kind::Uts, &["-u", "--newuts", "--uts"]),
        (Kind::Ipc, &["-i", "--newipc", "--ipc"]),
        (Kind::Mnt, &["-m", "--newns", "--newmnt", "--mount"]),
        (Kind::User, &["-U", "--newuser", "--user"]),
        (Kind::Cgroup, &["-C", "--newcgroup", "--cgroup"]),
        (Kind::Time, &["-T", "--newtime", "--time"]),
    ] {
        for word in words {
            let request = asked(word).unwrap();
            assert_eq!((request.new, request.kept), (Kinds::NONE.with(kind), vec![]), "{word}");
            let request = asked(&format!("{word}=/run/x sh")).unwrap();
            assert_eq!(request.kept, [(kind, "/run/x".into())], "{word}");
        }
    }
    assert_eq!(asked("--new-all").unwrap().new, Kinds::EVERY);
    assert_eq!(asked("-pnu sh").unwrap().program, ["sh"]);
}

#[test]
fn maps_are_what_they_say() {
    assert!(asked("-r --map-users 0:0:4294967295").is_ok(), "every id");
    let request = asked("-r --map-users 1:100000:10 --map-groups=auto --setgroups allow").unwrap();
    assert_eq!((request.map.user, request.map.group), (Some(Own::Root), Some(Own::Root)));
    let range = crate::model::security::IdRange { inside: 1, outside: 100_000, count: 10 };
    assert_eq!(request.map.users, [Source::These(range)]);
    assert_eq!(request.map.groups, [Source::Auto]);
    assert_eq!(request.map.setgroups, Some(Setgroups::Allow));
    assert_eq!(asked("--owner 5:6").unwrap().owner, Some((5, 6)));
}

#[test]
fn a_user_is_told_from_a_file() {
    for (line, user) in
        [("--user=web:www", Some("web:www")), ("--user=7", Some("7")), ("--user", None)]
    {
        let request = asked(line).unwrap();
        assert_eq!(request.user, user.map(OsString::from), "{line}");
        assert_eq!(request.new.has(Kind::User), user.is_none(), "{line}");
    }
    assert_eq!(asked("--user=./u").unwrap().kept, [(Kind::User, "./u".into())]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    for line in [
        "--map-users 1:2",
        "--map-users 1:2:0",
        "--map-users 0:0:4294967296",
        "--map-users 4294967295:0:1",
        "--map-users 1:2:3:4",
        "--map-users -1:2:3",
        "--map-users everything",
        "--owner 5",
        "--owner :",
        "--setgroups maybe",
        "--setuid root",
        "--propagation none",
        "--monotonic soon",
        "--kill-child=SIGNOTHING",
        "--timeout 0",
        "--env =x",
        "--user=",
        "--user=a --user=b",
        "--wd=",
        "-n=/a -n=/b",
        "-m=",
    ] {
        assert!(asked(line).is_err(), "{line}");
    }
    for (line, signal) in
        [("--kill-child=TERM", 15), ("--kill-child=SIGINT", 2), ("--kill-child=9", 9)]
    {
        assert_eq!(asked(line).unwrap().life.death_signal, Some(signal));
    }
}
