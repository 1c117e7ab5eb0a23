//! What is told of programs made by hand, of a captured one and of any bytes.

use super::interpret::{Budget, Call as Made, outcomes};
use super::*;
use crate::model::seccomp::{Action, Verdict};
use proptest::prelude::{ProptestConfig, any, prop, proptest};

const ALLOW: u32 = 0x7fff_0000;
const EPERM: u32 = 0x0005_0001;
const ENOSYS: u32 = 0x0005_0026;
const KILL: u32 = 0x8000_0000;
/// Offsets in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCH: u32 = 4;
const ARGUMENT: u32 = 16;

fn ld(offset: u32) -> Instruction {
    Instruction { code: 0x20, jump_true: 0, jump_false: 0, k: offset }
}

fn jump(code: u16, k: u32, jump_true: u8, jump_false: u8) -> Instruction {
    Instruction { code, jump_true, jump_false, k }
}

fn jeq(k: u32, jump_true: u8, jump_false: u8) -> Instruction {
    jump(0x15, k, jump_true, jump_false)
}

fn ret(k: u32) -> Instruction {
    jump(0x06, k, 0, 0)
}

fn plain(code: u16, k: u32) -> Instruction {
    jump(code, k, 0, 0)
}

fn raw(program: &[Instruction]) -> RawFilter {
    let bytes = |one: &Instruction| {
        let [c0, c1] = one.code.to_ne_bytes();
        let [k0, k1, k2, k3] = one.k.to_ne_bytes();
        [c0, c1, one.jump_true, one.jump_false, k0, k1, k2, k3]
    };
    RawFilter { bytes: program.iter().flat_map(bytes).collect(), flags: Some(FLAG_LOG) }
}

fn verdict(program: &[Instruction], number: u32) -> Verdict {
    let made = Made { number, arch: Abi::X86_64.audit_arch() };
    outcomes(program, made, &mut Budget::default()).verdict()
}

/// Its action, its error, and how many others there are.
fn said(program: &[Instruction], number: u32) -> (Action, u16, usize) {
    let verdict = verdict(program, number);
    (verdict.outcome.action, verdict.outcome.data, verdict.otherwise.len())
}

fn call<'a>(architecture: &'a Architecture, name: &str) -> Option<&'a Call> {
    architecture.calls.iter().find(|call| call.name == name)
}

#[test]
fn a_list_of_denied_calls_by_architecture() {
    let x86_64 = [
        ld(ARCH),
        jeq(Abi::X86_64.audit_arch(), 1, 0),
        ret(KILL),
        ld(NUMBER),
        jump(0x35, 0x4000_0000, 2, 0), // x32
        jeq(165, 1, 0),                // mount
        ret(ALLOW),
        ret(EPERM),
    ];
    let (dump, is_whole) = explain(&[raw(&x86_64)], &Abi::ALL);
    assert!(is_whole);
    assert_eq!(dump.filters[0].program[1], "jeq #0xc000003e, 1, 0");
    assert_eq!((dump.filters[0].instructions, dump.filters[0].logs), (8, Some(true)));
    let [native, i386, x32, aarch64] = dump.architectures.as_slice() else { panic!() };
    let denied: Vec<_> = native.calls.iter().map(|call| (call.name, call.number)).collect();
    assert_eq!(denied, [("mount", 165)]);
    assert_eq!(native.allowed, Abi::X86_64.calls().count() - 1);
    assert!(native.default.is_allowed() && native.beyond.is_allowed());
    for other in [i386, aarch64] {
        assert_eq!(other.allowed, 0);
        assert_eq!(call(other, "read").unwrap().verdict.outcome.action, Action::KillProcess);
    }
    assert_eq!((x32.allowed, x32.default.outcome.data), (0, 1));
}

#[test]
fn arguments_make_a_verdict_conditional() {
    let program = [
        ld(NUMBER),
        jeq(56, 0, 3), // clone
        ld(ARGUMENT),
        jump(0x45, 0x1000_0000, 0, 1), // jset CLONE_NEWUSER
        ret(EPERM),
        ret(ALLOW),
    ];
    let clone = verdict(&program, 56);
    assert!(clone.conditional && clone.otherwise.iter().any(|it| it.action == Action::Allow));
    assert_eq!(clone.outcome.errno.as_deref(), Some("EPERM"));
    assert!(verdict(&program, 57).is_allowed());
    // The instruction pointer is no more known than arguments are.
    assert!(verdict(&[ld(8), jeq(1, 0, 1), ret(EPERM), ret(ALLOW)], 0).conditional);
    // Both ways lead to one answer.
    assert!(!verdict(&[ld(ARGUMENT), jeq(1, 0, 0), ret(EPERM)], 0).conditional);
}

#[test]
fn an_argument_is_known_once_it_was_compared() {
    let twice = [ld(ARGUMENT), jeq(5, 0, 1), jeq(5, 1, 0), ret(EPERM), ret(ALLOW)];
    assert_eq!(said(&twice, 0), (Action::Errno, 1, 1));
    let both = [ld(ARGUMENT), jeq(5, 0, 2), jeq(5, 1, 0), ret(KILL), ret(ALLOW)];
    assert!(verdict(&both, 0).is_allowed(), "it cannot differ from what it equals");
}

#[test]
fn memory_registers_and_arithmetic_are_followed() {
    let program = [
        ld(NUMBER),
        plain(0x02, 3),              // st M[3]
        plain(0x00, 1),              // ld #1
        plain(0x07, 0),              // tax
        plain(0x60, 3),              // ld M[3]
        plain(0x0c, 0),              // add x
        plain(0x64, 4),              // lsh #4
        plain(0x54, 0xf0),           // and #0xf0
        plain(0x44, ENOSYS & !0xff), // or
        plain(0x16, 0),              // ret a
    ];
    assert_eq!(said(&program, 2), (Action::Errno, 0x30, 0));
    // The size of the data, negated and divided.
    let length = [plain(0x80, 0), plain(0x84, 0), plain(0x84, 0), plain(0x34, 2), plain(0x16, 0)];
    assert_eq!(said(&length, 0), (Action::KillThread, 0, 0));
    // An answer out of an argument can be any.
    assert_eq!(said(&[ld(ARGUMENT), plain(0x16, 0)], 0).0, Action::Undetermined);
    // Unless nothing is left of it.
    assert_eq!(said(&[ld(ARGUMENT), plain(0x54, 0), plain(0x16, 0)], 0).0, Action::KillThread);
}

#[test]
fn filters_add_up() {
    let deny = |number| [ld(NUMBER), jeq(number, 0, 1), ret(EPERM), ret(ALLOW)];
    let newer = [ld(NUMBER), jeq(165, 0, 1), ret(ENOSYS), ret(ALLOW)];
    let filters = [raw(&deny(165)), raw(&deny(321)), raw(&newer)];
    let (dump, _) = explain(&filters, &[Abi::X86_64]);
    let native = &dump.architectures[0];
    let errors: Vec<_> = native
        .calls
        .iter()
        .map(|call| (call.name, call.verdict.outcome.errno.clone().unwrap()))
        .collect();
    assert_eq!(errors, [("bpf", "EPERM".to_owned()), ("mount", "ENOSYS".to_owned())]);
}

/// As libseccomp 2.5 and runc made it of docker 20.10's default profile, on Linux 6.18.
#[test]
fn the_default_filter_of_docker() {
    let bytes = include_bytes!("../../../fuzz/corpus/seccomp/docker").to_vec();
    let (dump, is_whole) = explain(&[RawFilter { bytes, flags: Some(0) }], &Abi::ALL);
    assert!(is_whole);
    let [native, i386, x32, aarch64] = dump.architectures.as_slice() else { panic!() };
    for architecture in [native, i386, x32] {
        let told = |name| {
            let verdict = &call(architecture, name)?.verdict;
            Some((verdict.outcome.errno.as_deref().unwrap(), verdict.conditional))
        };
        for name in ["keyctl", "bpf", "mount", "unshare"] {
            assert_eq!(told(name), Some(("EPERM", false)), "{name}");
        }
        assert_eq!(told("clone"), Some(("EPERM", true)));
        assert_eq!(told("clone3"), Some(("ENOSYS", false)));
        assert_eq!(told("read"), None);
        assert_eq!(architecture.default.outcome.errno.as_deref(), Some("EPERM"));
        assert_eq!(architecture.beyond.outcome.errno.as_deref(), Some("ENOSYS"));
    }
    assert_eq!((native.allowed, i386.allowed, x32.allowed), (290, 342, 286));
    assert_eq!(aarch64.allowed, 0, "another machine's programs");
}

/// As many paths as there are numbers of 64 bits.
#[test]
fn a_program_of_branches_alone_is_gone_through() {
    let mut program = Vec::new();
    for at in 0..1000 {
        program.push(ld(ARGUMENT + at % 12 * 4));
        program.push(jump(0x45, 1 << (at % 32), 0, 1));
        program.push(plain(0x14, at)); // sub
    }
    program.push(ret(EPERM));
    assert_eq!(said(&program, 0), (Action::Errno, 1, 0));
}

#[test]
fn what_takes_too_long_is_said() {
    let filters = vec![raw(&[vec![ld(ARGUMENT); 60], vec![ret(ALLOW)]].concat()); 60];
    let (dump, is_whole) = explain_within(&filters, &Abi::ALL, Budget(100_000));
    let many = vec![raw(&[ret(ALLOW)]); 600];
    assert!(!explain_within(&many, &[Abi::X86_64], Budget(1_000_000)).1);
    assert!(!is_whole && explain(&filters, &Abi::ALL).1);
    assert!(call(&dump.architectures[0], "_sysctl").is_none(), "it began well");
    let last = dump.architectures.last().unwrap();
    assert_eq!(last.calls.last().unwrap().verdict.outcome.action, Action::Undetermined);
}

/// How many instructions it takes to find out.
fn cost(program: &[Instruction]) -> u32 {
    let made = Made { number: 0, arch: Abi::X86_64.audit_arch() };
    let mut budget = Budget(10_000);
    assert!(!outcomes(program, made, &mut budget).is_any());
    10_000 - budget.0
}

#[test]
fn what_two_ways_have_in_common_is_gone_through_once() {
    let tail = [vec![ld(ARCH); 50], vec![ret(ALLOW)]].concat();
    let way = [vec![ld(ARGUMENT), jeq(7, 0, 1), plain(0x05, 0)], tail.clone()].concat();
    // Both ways read the architecture, behind which they are the same.
    assert!(cost(&way) < cost(&tail) + 10, "{} {}", cost(&way), cost(&tail));
    let fork = [vec![ld(ARGUMENT), jeq(7, 2, 2), ld(0), ld(0)], vec![ret(ALLOW)]].concat();
    let jump = [vec![ld(ARGUMENT), plain(0x05, 2), ld(0), ld(0)], vec![ret(ALLOW)]].concat();
    assert_eq!(cost(&fork), cost(&jump), "a branch that leads to one place is none");
}

#[test]
fn nothing_is_told_of_a_program_that_was_not_gone_through_to_its_end() {
    let made = Made { number: 0, arch: Abi::X86_64.audit_arch() };
    let program = [ld(NUMBER), ld(ARCH), ret(EPERM)];
    let whole = cost(&program);
    let within = |most| outcomes(&program, made, &mut Budget(most));
    assert!(!within(whole).is_any() && within(whole).may_be(EPERM));
    for most in 0..whole {
        assert!(within(most).is_any(), "{most} of {whole}");
    }
}

#[test]
fn what_the_kernel_would_not_take_is_not_determined() {
    for program in [
        &[][..],
        &[ld(NUMBER)],
        &[ld(3), ret(ALLOW)],
        &[ld(64), ret(ALLOW)],
        &[plain(0x60, 16), ret(ALLOW)],
        &[plain(0x05, u32::MAX), ret(ALLOW)],
        &[plain(0xffff, 0), ret(ALLOW)],
        &[jeq(0, 255, 255), ret(ALLOW)],
    ] {
        assert_eq!(said(program, 0).0, Action::Undetermined, "{program:?}");
    }
}

/// Run with its arguments known, as the kernel does it.
fn concrete(program: &[Instruction], data: [u32; 16]) -> Option<u32> {
    let (mut a, mut x, mut memory, mut at) = (0_u32, 0_u32, [0_u32; 16], 0_usize);
    loop {
        let Instruction { code, jump_true, jump_false, k } = *program.get(at)?;
        at += 1;
        let operand = if code & 8 == 0 { k } else { x };
        let branch = |holds| usize::from(if holds { jump_true } else { jump_false });
        match code {
            0x20 => a = *data.get(usize::try_from(k / 4).ok()?).filter(|_| k % 4 == 0)?,
            0x00 => a = k,
            0x01 => x = k,
            0x60 => a = *memory.get(k as usize)?,
            0x61 => x = *memory.get(k as usize)?,
            0x02 => *memory.get_mut(k as usize)? = a,
            0x07 => x = a,
            0x87 => a = x,
            0x04 | 0x0c => a = a.wrapping_add(operand),
            0x34 | 0x3c if operand == 0 => return Some(0),
            0x34 | 0x3c => a /= operand,
            0x54 | 0x5c => a &= operand,
            0x05 => at = at.checked_add(k as usize)?,
            0x15 | 0x1d => at += branch(a == operand),
            0x35 | 0x3d => at += branch(a >= operand),
            0x45 | 0x4d => at += branch(a & operand != 0),
            0x06 => return Some(k),
            0x16 => return Some(a),
            _ => return None,
        }
    }
}

fn some_program() -> impl prop::strategy::Strategy<Value = Vec<Instruction>> {
    use prop::strategy::Strategy as _;
    let codes = prop::sample::select(vec![
        0x20_u16, 0x20, 0x20, 0x00, 0x01, 0x60, 0x61, 0x02, 0x07, 0x87, 0x04, 0x0c, 0x34, 0x3c,
        0x54, 0x5c, 0x05, 0x15, 0x1d, 0x35, 0x3d, 0x45, 0x4d, 0x06, 0x16,
    ]);
    let constants =
        prop::sample::select(vec![0_u32, 1, 2, 4, 5, 16, 20, 24, 56, 165, ALLOW, EPERM]);
    let one = (codes, 0..4_u8, 0..4_u8, constants);
    let one = one.prop_map(|(code, yes, no, k)| jump(code, k, yes, no));
    prop::collection::vec(one, 1..30)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let (dump, _) = explain(&[RawFilter { bytes, flags: None }], &[Abi::X86_64]);
        assert_eq!(dump.architectures.len(), 1);
    }

    /// Whatever a run with real arguments answers is among the answers that are told.
    #[test]
    fn no_answer_is_missed(program in some_program(), number in 0..3_u32, words in any::<[u8; 14]>()) {
        let mut data = [0; 16];
        data[0] = number;
        data[1] = Abi::X86_64.audit_arch();
        for (to, word) in data[2..].iter_mut().zip(words) {
            *to = u32::from(word % 8);
        }
        if let Some(answer) = concrete(&program, data) {
            let made = Made { number, arch: data[1] };
            let told = outcomes(&program, made, &mut Budget::default());
            assert!(told.may_be(answer), "{answer:#x} of {told:?}");
        }
    }
}

#[test]
fn what_is_computed_from_constants_is_known() {
    let cases = [
        (0x04, 5, 12), // add
        (0x14, 5, 2),
        (0x24, 5, 35),
        (0x34, 2, 3),
        (0x44, 5, 7), // or
        (0x54, 6, 6),
        (0x64, 4, 112), // lsh
        (0x74, 1, 3),
        (0xa4, 5, 2), // xor
    ];
    for (code, operand, expected) in cases {
        let is_it =
            [plain(0x00, 7), plain(code, operand), jeq(expected, 0, 1), ret(EPERM), ret(KILL)];
        assert_eq!(said(&is_it, 0), (Action::Errno, 1, 0), "{code:#x}");
    }
    // Of an unknown value with zero these two are known.
    for code in [0x24, 0x54] {
        let zero = [ld(ARGUMENT), plain(code, 0), jeq(0, 0, 1), ret(EPERM), ret(KILL)];
        assert_eq!(said(&zero, 0), (Action::Errno, 1, 0), "{code:#x}");
    }
    let either = [ld(ARGUMENT), plain(0x44, 0), jeq(0, 0, 1), ret(EPERM), ret(KILL)];
    assert_eq!(said(&either, 0).2, 1);
}

#[test]
fn whether_a_filter_logs_is_told_where_the_kernel_tells_it() {
    for (flags, logs) in [(Some(FLAG_LOG | 1), Some(true)), (Some(1), Some(false)), (None, None)] {
        let filter = RawFilter { flags, ..raw(&[ret(ALLOW)]) };
        assert_eq!(explain(&[filter], &[]).0.filters[0].logs, logs);
    }
}
