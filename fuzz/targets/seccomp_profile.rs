//! Seccomp profiles of engines, and the filters made of them: what a filter does to each call, told
//! by the other half of nsx, is what the profile says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::action::restrict::seccomp::Facts;
use nsx::action::restrict::seccomp::compile::compile;
use nsx::action::restrict::seccomp::profile::{Action, Profile, parse};
use nsx::collect::seccomp::explain;
use nsx::model::capability::CapSet;
use nsx::model::seccomp::Action as Told;
use nsx::sys::calls::Abi;
use nsx::sys::seccomp::RawFilter;

fuzz_target!(|bytes: &[u8]| {
    let facts = Facts { capabilities: CapSet::SYS_ADMIN, architecture: "amd64", kernel: (6, 1) };
    let profile = match parse(bytes, &facts) {
        Ok(profile) => profile,
        Err(wrong) => {
            assert!(!wrong.to_string().chars().any(char::is_control), "{wrong}");
            return;
        }
    };
    let Ok(compiled) = compile(&profile) else { return };
    // The native one comes last.
    let Some((native, before)) = compiled.filters.split_last() else { return };
    assert_eq!(before.len(), usize::from(profile.i386));
    assert!(native.program.len() <= 4096 * 8 && native.program.len() % 8 == 0);
    let [abi, ..] = Abi::HERE else { return };
    let raw = RawFilter { bytes: native.program.clone(), flags: None };
    let (told, is_whole) = explain(&[raw], &[*abi]);
    if !is_whole {
        return;
    }
    let [told] = told.architectures.as_slice() else { panic!("one was asked for") };
    for (name, number) in abi.calls() {
        let Some(wanted) = unconditional(&profile, name) else { continue };
        let call = told.calls.iter().find(|call| call.number == number);
        let found = call.map_or(Told::Allow, |call| call.verdict.outcome.action);
        assert!(call.is_none_or(|call| !call.verdict.conditional), "{name}");
        assert_eq!(found, wanted, "{name}");
    }
});

/// What becomes of a call whatever its arguments are; `None` where they decide, or where the call is
/// newer than the profile.
fn unconditional(profile: &Profile, call: &str) -> Option<Told> {
    let mut about = profile.rules.iter().filter(|rule| rule.names.iter().any(|name| name == call));
    let all: Vec<_> = about.by_ref().collect();
    if all.is_empty() || all.iter().any(|rule| !rule.conditions.is_empty()) {
        return None;
    }
    // The strictest first.
    all.iter().map(|rule| rule.action).min().map(|action| match action {
        Action::KillProcess => Told::KillProcess,
        Action::KillThread => Told::KillThread,
        Action::Trap => Told::Trap,
        Action::Errno(_) => Told::Errno,
        Action::Trace(_) => Told::Trace,
        Action::Log => Told::Log,
        Action::Allow => Told::Allow,
    })
}
