//! What is read out of profiles, and what is refused.

use super::*;

fn facts() -> Facts {
    Facts { capabilities: CapSet::SYS_ADMIN, architecture: "amd64", kernel: (6, 1) }
}

fn read(json: &str) -> Result<Profile, String> {
    parse(json.as_bytes(), &facts()).map_err(|wrong| wrong.to_string())
}

/// The profile of one rule.
fn rule(fields: &str) -> Result<Vec<Rule>, String> {
    let json = format!(
        r#"{{"defaultAction":"SCMP_ACT_ERRNO","syscalls":[{{"names":["read"],"action":"SCMP_ACT_ALLOW"{fields}}}]}}"#
    );
    read(&json).map(|profile| profile.rules)
}

#[test]
fn what_docker_writes_is_understood() {
    let profile = read(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,
        "archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86","SCMP_ARCH_X32"]},
                   {"architecture":"SCMP_ARCH_RISCV64","subArchitectures":null}],
        "syscalls":[{"names":["read","write"],"action":"SCMP_ACT_ALLOW","args":null,"comment":"","includes":{},"excludes":{}},
                    {"names":["clone"],"action":"SCMP_ACT_ALLOW","args":[{"index":0,"value":2114060288,"op":"SCMP_CMP_MASKED_EQ"}]},
                    {"names":["clone3"],"action":"SCMP_ACT_ERRNO","errnoRet":95}]}"#,
    )
    .unwrap();
    assert_eq!((profile.default, profile.i386, profile.logs), (Action::Errno(38), true, false));
    let [plain, clone, clone3] = profile.rules.as_slice() else { panic!() };
    assert_eq!(plain.names, ["read", "write"]);
    let masked = Comparison::Masked(0x7e02_0000);
    assert_eq!(clone.conditions, [Condition { argument: 0, comparison: masked, value: 0 }]);
    assert_eq!(clone3.action, Action::Errno(95));
}

#[test]
fn what_podman_writes_is_understood() {
    let profile = read(
        r#"{"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":1,"defaultErrno":"ENOSYS",
        "architectures":["SCMP_ARCH_X86_64"],"flags":["SECCOMP_FILTER_FLAG_LOG","SECCOMP_FILTER_FLAG_TSYNC"],
        "syscalls":[{"name":"bdflush","action":"SCMP_ACT_ERRNO","errnoRet":1,"errno":"EPERM"}]}"#,
    )
    .unwrap();
    assert_eq!((profile.default, profile.i386, profile.logs), (Action::Errno(38), false, true));
    assert_eq!(profile.rules[0].names, ["bdflush"]);
    assert_eq!(profile.rules[0].action, Action::Errno(1));
}

#[test]
fn rules_apply_where_they_are_to() {
    for (fields, applies) in [
        (r#","includes":{"caps":["CAP_SYS_ADMIN"]}"#, true),
        (r#","includes":{"caps":["CAP_SYS_ADMIN","CAP_CHOWN"]}"#, false),
        (r#","excludes":{"caps":["CAP_CHOWN","CAP_SYS_ADMIN"]}"#, false),
        (r#","excludes":{"caps":["CAP_CHOWN"]}"#, true),
        (r#","includes":{"arches":["arm64","amd64"]}"#, true),
        (r#","includes":{"arches":["arm64"]}"#, false),
        (r#","excludes":{"arches":["amd64"]}"#, false),
        (r#","includes":{"minKernel":"4.8"}"#, true),
        (r#","includes":{"minKernel":"6.1"}"#, true),
        (r#","includes":{"minKernel":"6.2"}"#, false),
        (r#","includes":{"minKernel":"6.10"}"#, false),
        (r#","includes":{"minKernel":"4.8"},"excludes":{"arches":["s390","s390x"]}"#, true),
    ] {
        assert_eq!(rule(fields).unwrap().len(), usize::from(applies), "{fields}");
    }
}

#[test]
fn conditions_for_one_argument_are_rules_of_their_own() {
    let one = r#"{"index":0,"value":1,"op":"SCMP_CMP_EQ"}"#;
    let same = r#"{"index":0,"value":2,"op":"SCMP_CMP_EQ"}"#;
    let other = r#"{"index":1,"value":3,"op":"SCMP_CMP_GE"}"#;
    let lengths = |args: &str| -> Vec<usize> {
        let rules = rule(&format!(r#","args":[{args}]"#)).unwrap();
        rules.iter().map(|rule| rule.conditions.len()).collect()
    };
    assert_eq!(lengths(&format!("{one},{other}")), [2]);
    assert_eq!(lengths(&format!("{one},{same},{other}")), [1, 1, 1]);
}

#[test]
fn what_cannot_be_done_is_named() {
    let top = |fields: &str| {
        read(&format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW"{fields}}}"#)).unwrap_err()
    };
    for (said, expected) in [
        (read("").unwrap_err(), "it is no profile: EOF"),
        (read("{}").unwrap_err(), "missing field `defaultAction`"),
        (top(r#","listenerPath":"/run/x""#), "unknown field `listenerPath`"),
        (top(r#","flags":["SECCOMP_FILTER_FLAG_SPEC_ALLOW"]"#), "FLAG_SPEC_ALLOW"),
        (top(r#","architectures":["x86"]"#), "x86 is no architecture"),
        (read(r#"{"defaultAction":"SCMP_ACT_NOTIFY"}"#).unwrap_err(), "SCMP_ACT_NOTIFY"),
        (read(r#"{"defaultAction":"ALLOW\u001b"}"#).unwrap_err(), "ALLOW\\x1b is no action"),
        (top(r#","defaultErrnoRet":4096"#), "4096 is no error number"),
        (top(r#","defaultErrno":"EWHAT""#), "EWHAT is no error number"),
        (rule(r#","args":[{"index":6,"value":1,"op":"SCMP_CMP_EQ"}]"#).unwrap_err(), "argument 6"),
        (rule(r#","args":[{"index":0,"value":1,"op":"EQ"}]"#).unwrap_err(), "EQ is no comparison"),
        (rule(r#","args":[{"index":0,"value":-1,"op":"SCMP_CMP_EQ"}]"#).unwrap_err(), "-1"),
        (rule(r#","includes":{"caps":["SYS_ADMIN"]}"#).unwrap_err(), "SYS_ADMIN is no capability"),
        (rule(r#","includes":{"minKernel":"new"}"#).unwrap_err(), "new is no kernel version"),
    ] {
        assert!(said.contains(expected), "{said}: {expected}");
    }
}

#[test]
fn kernels_are_told_by_two_numbers() {
    assert_eq!(version("6.18.44-cloud-v6"), Some((6, 18)));
    assert_eq!(version("5.10-rc1"), Some((5, 10)));
    assert_eq!(version("4.8"), Some((4, 8)));
    for wrong in ["", "6", "6.x", "a.b", "-1.2"] {
        assert_eq!(version(wrong), None, "{wrong}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(json: Vec<u8>) {
        let _ = parse(&json, &facts());
    }
}

#[test]
fn actions_have_the_names_of_libseccomp() {
    for (name, expected) in [
        ("KILL_PROCESS", Action::KillProcess),
        ("KILL_THREAD", Action::KillThread),
        ("KILL", Action::KillThread),
        ("TRAP", Action::Trap),
        ("ERRNO", Action::Errno(7)),
        ("TRACE", Action::Trace(7)),
        ("LOG", Action::Log),
        ("ALLOW", Action::Allow),
    ] {
        let json = format!(r#"{{"defaultAction":"SCMP_ACT_{name}","defaultErrnoRet":7}}"#);
        assert_eq!(read(&json).unwrap().default, expected, "{name}");
    }
}

#[test]
fn an_errno_has_every_name_of_its_number() {
    for (name, number) in [
        ("EAGAIN", Errno::EAGAIN),
        ("EWOULDBLOCK", Errno::EAGAIN),
        ("EOPNOTSUPP", Errno::EOPNOTSUPP),
        ("ENOTSUP", Errno::EOPNOTSUPP),
        ("EDEADLK", Errno::EDEADLK),
        ("EDEADLOCK", Errno::EDEADLK),
    ] {
        assert_eq!(errno(None, Some(name)).ok(), u32::try_from(number as i32).ok(), "{name}");
    }
    assert!(errno(None, Some("EVERYTHING")).is_err());
}

#[test]
fn numbers_of_errors_end_where_the_kernels_do() {
    assert_eq!(errno(Some(LARGEST_ERRNO), None).ok(), Some(LARGEST_ERRNO));
    assert!(errno(Some(LARGEST_ERRNO + 1), None).is_err());
    assert_eq!(errno(Some(5), Some("EACCES")).ok(), Some(13), "the name counts");
}

#[test]
fn two_conditions_for_one_argument_are_two_rules() {
    let conditions = |second: u32| {
        let args = format!(
            r#","args":[{{"index":0,"value":1,"op":"SCMP_CMP_EQ"}},{{"index":{second},"value":2,"op":"SCMP_CMP_EQ"}}]"#
        );
        let rules = rule(&args).unwrap();
        rules.iter().map(|rule| rule.conditions.len()).collect::<Vec<_>>()
    };
    assert_eq!(conditions(0), [1, 1]);
    assert_eq!(conditions(1), [2]);
}

#[test]
fn who_answers_for_a_program_is_not_to_be_had() {
    assert!(matches!(action("SCMP_ACT_NOTIFY", 1), Err(Wrong::Notify)));
    assert!(matches!(action("SCMP_ACT_NONE", 1), Err(Wrong::Action(_))));
}

#[test]
fn calls_of_i386_are_of_this_machine_alone() {
    let listed = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| format!("SCMP_ARCH_{name}")).collect();
        allows_i386(&names, &[]).unwrap()
    };
    assert!(listed(&["X86"]) && listed(&["X86", "X86_64"]) && !listed(&["X86_64"]));
    let below = |native: &str, names: &[&str]| {
        let of = WrittenArchitecture {
            architecture: format!("SCMP_ARCH_{native}"),
            sub_architectures: Some(names.iter().map(|one| format!("SCMP_ARCH_{one}")).collect()),
        };
        allows_i386(&[], &[of]).unwrap()
    };
    assert!(below("X86_64", &["X86", "X32"]) && !below("AARCH64", &["X86", "X32"]));
    assert!(!below("X86_64", &["X32"]) && !below("X86_64", &[]));
}
