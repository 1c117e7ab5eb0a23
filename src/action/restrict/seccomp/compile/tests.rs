//! What the kernel would make of calls under the compiled filters, by an interpreter of the few
//! instructions that they have.

use super::super::{Facts, usual};
use super::*;
use crate::model::capability::CapSet;
use proptest::prelude::{Strategy, any, prop, proptest};

const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;
const KILL_PROCESS: u32 = 0x8000_0000;
const EPERM: u32 = ERRNO + 1;
const ENOSYS: u32 = ERRNO + 38;

/// The strictest answer of all filters.
fn answer(filters: &[Filter], abi: Abi, number: u32, arguments: [u64; 6]) -> u32 {
    let answers = filters.iter().map(|filter| run(&filter.program, abi, number, arguments));
    // As signed numbers the strictest is the smallest.
    answers.min_by_key(|answer| (answer & 0xffff_0000).cast_signed()).unwrap()
}

fn run(program: &[u8], abi: Abi, number: u32, arguments: [u64; 6]) -> u32 {
    let mut data: Vec<u32> = vec![number, abi.audit_arch(), 0, 0];
    for argument in arguments {
        let [b0, b1, b2, b3, b4, b5, b6, b7] = argument.to_le_bytes();
        data.extend([[b0, b1, b2, b3], [b4, b5, b6, b7]].map(u32::from_le_bytes));
    }
    let (mut at, mut a) = (0, 0);
    loop {
        let instruction: [u8; 8] = program[at * 8..at * 8 + 8].try_into().unwrap();
        let [c0, c1, jt, jf, k @ ..] = instruction;
        let k = u32::from_ne_bytes(k);
        let taken = |yes: bool| usize::from(if yes { jt } else { jf });
        at += 1 + match u16::from_ne_bytes([c0, c1]) {
            0x20 => {
                a = data[k as usize / 4];
                0
            }
            0x54 => {
                a &= k;
                0
            }
            0x05 => k as usize,
            0x15 => taken(a == k),
            0x25 => taken(a > k),
            0x35 => taken(a >= k),
            0x06 => return k,
            code => panic!("{code:#x}"),
        };
    }
}

fn number(abi: Abi, name: &str) -> u32 {
    abi.calls().find(|(known, _)| *known == name).unwrap().1
}

fn native() -> Abi {
    Abi::HERE[0]
}

fn usual(capabilities: CapSet) -> Vec<Filter> {
    let facts = Facts { capabilities, architecture: "amd64", kernel: (6, 1) };
    let compiled = compile(&usual::profile(&facts)).unwrap();
    let here: BTreeSet<&str> =
        Abi::ALL.iter().flat_map(|abi| abi.calls()).map(|(name, _)| name).collect();
    let unknown: Vec<_> =
        compiled.unknown.iter().filter(|name| !here.contains(name.as_str())).collect();
    // On i386 alone, and calls of other machines, under names that the table does not have.
    assert!(
        unknown.iter().all(|name| [
            "recv",
            "send",
            "umount",
            "sendfile64",
            "fstatat64",
            "getsid",
            "utimensat_time64",
            "ugetrlimit"
        ]
        .contains(&name.as_str())),
        "{unknown:?}"
    );
    compiled.filters
}

fn said(filters: &[Filter], name: &str, first: u64) -> u32 {
    answer(filters, native(), number(native(), name), [first, 0, 0, 0, 0, 0])
}

#[test]
fn the_usual_profile_keeps_programs_from_namespaces_keys_and_the_kernel() {
    let filters = usual(CapSet::USUAL);
    for (name, argument, expected) in [
        ("read", 0, ALLOW),
        ("execve", 0, ALLOW),
        ("ptrace", 0, ALLOW),
        ("chroot", 0, ALLOW),
        ("mount", 0, EPERM),
        ("unshare", 0x1000_0000, EPERM),
        ("setns", 0, EPERM),
        ("keyctl", 0, EPERM),
        ("add_key", 0, EPERM),
        ("bpf", 0, EPERM),
        ("io_uring_setup", 0, EPERM),
        ("userfaultfd", 0, EPERM),
        ("kexec_load", 0, EPERM),
        ("clone", 0x11, ALLOW),
        ("clone", 0x11 | 0x1000_0000, EPERM),
        ("clone3", 0, ENOSYS),
        ("socket", 2, ALLOW),
        ("socket", 40, EPERM),
        ("personality", 0x2_0000, ALLOW),
        ("personality", 0xffff_ffff, ALLOW),
        ("personality", 0x004_0000, EPERM),
    ] {
        assert_eq!(said(&filters, name, argument), expected, "{name} {argument:#x}");
    }
    assert_eq!(answer(&filters, native(), native().beyond(), [0; 6]), ENOSYS);
    let with_all = usual(CapSet::of_bits(u64::MAX));
    for name in ["mount", "unshare", "clone3", "bpf", "reboot"] {
        assert_eq!(said(&with_all, name, 0x1000_0000), ALLOW, "{name}");
    }
    for name in ["keyctl", "add_key", "request_key", "kexec_load", "swapon", "userfaultfd"] {
        assert_eq!(said(&with_all, name, 0), EPERM, "{name}");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn programs_of_32_bits_have_the_same_rules_and_those_of_x32_none() {
    let filters = usual(CapSet::default());
    assert_eq!(filters.len(), 2);
    let lengths = filters.iter().map(|filter| filter.program.len() / 8);
    assert!(lengths.clone().all(|length| length < 2500), "{:?}", lengths.collect::<Vec<_>>());
    let i386 =
        |name, first| answer(&filters, Abi::I386, number(Abi::I386, name), [first, 0, 0, 0, 0, 0]);
    assert_eq!(i386("read", 0), ALLOW);
    assert_eq!(i386("mmap2", 0), ALLOW);
    assert_eq!(i386("clock_gettime64", 0), ALLOW);
    assert_eq!(i386("mount", 0), EPERM);
    assert_eq!(i386("clone", 0x1000_0011), EPERM);
    assert_eq!(i386("clone", 0x11), ALLOW);
    for name in ["read", "mount", "execve"] {
        assert_eq!(answer(&filters, Abi::X32, number(Abi::X32, name), [0; 6]), ENOSYS);
    }
    let aarch64 = answer(&filters, Abi::Aarch64, 0, [0; 6]);
    assert_eq!(aarch64, ALLOW, "there are two ways to call this kernel, and each has its filter");
}

fn profile(default: Action, rules: &[(&str, Action, &[Condition])]) -> Profile {
    let mut rules: Vec<Rule> = rules
        .iter()
        .map(|(names, action, conditions)| Rule {
            names: names.split_whitespace().map(str::to_owned).collect(),
            action: *action,
            conditions: conditions.to_vec(),
        })
        .collect();
    rules.push(Rule { names: vec!["execve".into()], action: Action::Allow, conditions: vec![] });
    Profile { default, i386: false, logs: true, rules }
}

fn first(comparison: Comparison, value: u64) -> Condition {
    Condition { argument: 0, comparison, value }
}

#[test]
fn what_no_architecture_is_listed_for_is_killed_and_x32_never_slips_through() {
    let open = profile(Action::Allow, &[("mount", Action::Errno(13), &[])]);
    let filters = compile(&open).unwrap().filters;
    assert_eq!((filters.len(), filters[0].logs), (1, true));
    assert_eq!(said(&filters, "mount", 0), ERRNO + 13);
    assert_eq!(said(&filters, "umount2", 0), ALLOW);
    assert_eq!(answer(&filters, native(), native().beyond(), [0; 6]), ALLOW);
    if native() == Abi::X86_64 {
        assert_eq!(answer(&filters, Abi::I386, 21, [0; 6]), KILL_PROCESS);
        for name in ["mount", "read"] {
            assert_eq!(answer(&filters, Abi::X32, number(Abi::X32, name), [0; 6]), ENOSYS);
        }
    }
}

#[test]
fn of_several_rules_that_fit_the_strictest_counts() {
    let several = profile(
        Action::Errno(1),
        &[
            ("kill", Action::Allow, &[]),
            ("kill", Action::KillProcess, &[first(Comparison::Equal, 1)]),
            ("kill", Action::Errno(7), &[first(Comparison::Greater, 100)]),
            ("kill", Action::Errno(9), &[first(Comparison::Greater, 200)]),
        ],
    );
    let filters = compile(&several).unwrap().filters;
    let answers = [0, 1, 100, 101, 300].map(|first| said(&filters, "kill", first));
    assert_eq!(answers, [ALLOW, KILL_PROCESS, ALLOW, ERRNO + 7, ERRNO + 7]);
    let killed = profile(
        Action::KillProcess,
        &[("read", Action::Allow, &[]), ("open openat", Action::Errno(2), &[])],
    );
    let filters = compile(&killed).unwrap().filters;
    assert_eq!(said(&filters, "openat", 0), ERRNO + 2);
    assert_eq!(said(&filters, "write", 0), KILL_PROCESS);
    assert_eq!(answer(&filters, native(), native().beyond(), [0; 6]), KILL_PROCESS);
}

#[test]
fn a_profile_under_which_nothing_starts_is_refused() {
    let without = |default, action, conditions: &[Condition]| {
        let mut profile = profile(default, &[]);
        profile.rules =
            vec![Rule { names: vec!["execve".into()], action, conditions: conditions.to_vec() }];
        compile(&profile).map(drop)
    };
    let one = &[first(Comparison::Equal, 0)][..];
    let eperm = Action::Errno(1);
    assert_eq!(without(eperm, Action::Allow, &[]), Ok(()));
    assert_eq!(without(Action::Allow, Action::Log, one), Ok(()));
    for (default, action, conditions) in [
        (eperm, Action::Allow, one),
        (eperm, eperm, &[][..]),
        (Action::Allow, eperm, &[]),
        (Action::Allow, Action::KillThread, one),
        (Action::Trap, Action::Allow, one),
    ] {
        assert_eq!(without(default, action, conditions), Err(Impossible::NoExec));
    }
    let none = Profile { rules: Vec::new(), ..profile(eperm, &[]) };
    assert_eq!(compile(&none), Err(Impossible::NoExec));
}

#[test]
fn names_that_are_no_calls_are_counted() {
    let odd = profile(Action::Errno(1), &[("read nonsense", Action::Allow, &[])]);
    assert_eq!(compile(&odd).unwrap().unknown, BTreeSet::from(["nonsense".to_owned()]));
}

#[test]
fn what_is_too_long_is_refused() {
    let conditions: Vec<Condition> = (0..6)
        .map(|argument| Condition { argument, ..first(Comparison::Equal, 1 << 40) })
        .collect();
    let rules: Vec<_> = (0..200).map(|_| ("read", Action::Allow, &conditions[..])).collect();
    assert!(matches!(compile(&profile(Action::Errno(1), &rules)), Err(Impossible::TooLong(_))));
}

#[test]
fn a_filter_may_be_exactly_as_long_as_the_kernel_takes_it() {
    let length = |calls: usize, rules: usize, last: Comparison| {
        let names: Vec<&str> = native().calls().map(|(name, _)| name).take(calls).collect();
        let (names, one) = (names.join(" "), [first(Comparison::Equal, 1 << 40)]);
        let last = [first(last, 1)];
        let mut all = vec![(&names[..], Action::Log, &[][..]), ("read", Action::Trap, &last)];
        all.extend((0..rules).map(|_| ("read", Action::Errno(7), &one[..])));
        compile(&profile(Action::Errno(1), &all)).map(|made| made.filters[0].program.len() / 8)
    };
    let equal = |calls, rules| length(calls, rules, Comparison::Equal);
    let shortest = equal(100, 1).unwrap();
    let (call, rule) = (equal(101, 1).unwrap() - shortest, equal(100, 2).unwrap() - shortest);
    // As many calls more as leave a number of whole rules to the longest one.
    let left = |more: usize| MOST_INSTRUCTIONS - shortest - more * call;
    let more = (0..rule).find(|more| left(*more).is_multiple_of(rule)).unwrap();
    let (calls, rules) = (100 + more, 1 + left(more) / rule);
    assert_eq!(equal(calls, rules), Ok(MOST_INSTRUCTIONS));
    // Another comparison takes one instruction more.
    let too_long = Err(Impossible::TooLong(MOST_INSTRUCTIONS + 1));
    assert_eq!(length(calls, rules, Comparison::Greater), too_long);
}

fn holds(condition: &Condition, arguments: [u64; 6]) -> bool {
    let (argument, value) = (arguments[usize::from(condition.argument)], condition.value);
    match condition.comparison {
        Comparison::Equal => argument == value,
        Comparison::NotEqual => argument != value,
        Comparison::Less => argument < value,
        Comparison::LessOrEqual => argument <= value,
        Comparison::Greater => argument > value,
        Comparison::GreaterOrEqual => argument >= value,
        Comparison::Masked(mask) => argument & mask == value,
    }
}

/// By the words of the profile.
fn expected(profile: &Profile, name: &str, arguments: [u64; 6]) -> Action {
    let fits = |rule: &&Rule| {
        rule.names.iter().any(|known| known == name)
            && rule.conditions.iter().all(|condition| holds(condition, arguments))
    };
    profile.rules.iter().filter(fits).map(|rule| rule.action).min().unwrap_or(profile.default)
}

const NAMES: [&str; 4] = ["read", "openat", "kill", "futex"];

fn values() -> impl Strategy<Value = u64> {
    prop::sample::select(vec![0, 1, 2, u64::from(u32::MAX), 1 << 32, (1 << 32) + 1, u64::MAX])
}

fn conditions() -> impl Strategy<Value = Condition> {
    (0..6_u8, 0..7_u8, values(), values()).prop_map(|(argument, which, value, mask)| {
        let comparison = match which {
            0 => Comparison::Equal,
            1 => Comparison::NotEqual,
            2 => Comparison::Less,
            3 => Comparison::LessOrEqual,
            4 => Comparison::Greater,
            5 => Comparison::GreaterOrEqual,
            _ => Comparison::Masked(mask),
        };
        Condition { argument, comparison, value }
    })
}

fn actions() -> impl Strategy<Value = Action> {
    prop::sample::select(vec![
        Action::KillProcess,
        Action::KillThread,
        Action::Trap,
        Action::Errno(1),
        Action::Errno(0),
        Action::Trace(3),
        Action::Log,
        Action::Allow,
    ])
}

fn rules() -> impl Strategy<Value = Rule> {
    let names = prop::sample::subsequence(NAMES.map(str::to_owned).to_vec(), 1..3);
    (names, actions(), prop::collection::vec(conditions(), 0..3))
        .prop_map(|(names, action, conditions)| Rule { names, action, conditions })
}

proptest! {
    /// Whatever a profile says, the filter does.
    #[test]
    fn filters_do_what_profiles_say(
        default in actions(),
        mut rules in prop::collection::vec(rules(), 0..6),
        arguments in prop::array::uniform6(values()),
        which in any::<prop::sample::Index>(),
    ) {
        rules.push(Rule { names: vec!["execve".into()], action: Action::Allow, conditions: vec![] });
        let profile = Profile { default, i386: false, logs: false, rules };
        // Something the profile names is newer than all that is asked about.
        let newest = Rule { names: vec!["futex_wait".into()], action: Action::Allow, conditions: vec![] };
        let profile = Profile { rules: [profile.rules, vec![newest]].concat(), ..profile };
        let filters = compile(&profile).unwrap().filters;
        let name = NAMES[which.index(NAMES.len())];
        let told = answer(&filters, native(), number(native(), name), arguments);
        let expected = u32::from(theirs(expected(&profile, name, arguments)));
        proptest::prop_assert_eq!(told, expected, "{} {:?} {:?}", name, arguments, profile);
    }
}

#[test]
fn a_program_that_cannot_say_that_it_is_not_there_is_told_of() {
    let mute = |forbidden: &str| {
        let names = ["write", "exit_group"].into_iter().filter(|name| *name != forbidden);
        let rules: Vec<_> = names.map(|name| (name, Action::Allow, &[][..])).collect();
        compile(&profile(Action::Errno(1), &rules)).unwrap().mute
    };
    assert_eq!(["nothing", "write", "exit_group"].map(mute), [false, true, true]);
}
