//! The environment that a program gets.

use super::context::Context;
use super::error::{Failure, Kind};
use crate::action::launch::DEFAULT_PATH;
use crate::sys::accounts::Account;
use crate::sys::passwd::Users;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::worker::files;
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

/// The kernel lets arguments and environment together have 6 MB (three quarters of 8 MB of stack).
const CAP: usize = 8 << 20;

type Environment = Vec<(OsString, OsString)>;

/// What a program of the target may know of ours: how to talk to the terminal, nothing else. A
/// program of the host gets everything.
pub fn for_program(context: &Context, foreign: bool) -> Environment {
    if !foreign {
        return context.environment();
    }
    let harmless = ["TERM", "COLORTERM", "LANG", "LC_ALL", "LC_CTYPE", "NO_COLOR", "TZ"];
    let mut environment: Environment =
        vec![("PATH".into(), DEFAULT_PATH.into()), ("HOME".into(), "/root".into())];
    for name in harmless {
        if let Some(value) = context.variable(name) {
            environment.push((name.into(), value));
        }
    }
    environment
}

/// Who the program is and where he lives, for one that is somebody of passwd(5).
pub fn set_account(environment: &mut Environment, account: &Account) {
    let Account { name, home, .. } = account;
    for (variable, value) in [("HOME", home), ("USER", name), ("LOGNAME", name)] {
        if let Some(value) = value {
            set(environment, OsStr::new(variable), value);
        }
    }
}

/// In place of what it was.
pub fn set(environment: &mut Environment, name: &OsStr, value: &OsStr) {
    environment.retain(|(known, _)| known != name);
    environment.push((name.to_owned(), value.to_owned()));
}

/// The caller's shell: the one that is `named`, by `SHELL`, else his of the host's users. An empty
/// name is none. A target's passwd(5) is not asked who we are.
pub fn preferred_shell(named: Option<&OsStr>, users: impl FnOnce() -> Users) -> OsString {
    if let Some(shell) = named.filter(|shell| !shell.is_empty()) {
        return shell.to_owned();
    }
    let users = users();
    let ours = users.shell(rustix::process::getuid().as_raw());
    ours.map_or_else(|| "/bin/sh".into(), |shell| shell.as_os_str().to_owned())
}

/// Whether a variable says what a program runs or loads.
pub fn decides(name: &OsStr) -> bool {
    let name = name.as_bytes();
    let prefixes: [&[u8]; 6] = [b"LD_", b"GLIBC_", b"BASH_", b"PYTHON", b"PERL", b"RUBY"];
    let names: [&[u8]; 7] =
        [b"PATH", b"ENV", b"IFS", b"SHELL", b"GCONV_PATH", b"LOCPATH", b"NLSPATH"];
    names.contains(&name) || prefixes.iter().any(|prefix| name.starts_with(prefix))
}

/// The block that the target was started with. Its memory is read, so it may never answer: the
/// read is given up after a second.
pub fn of_target(target: &ProcessHandle) -> Result<Environment, Failure> {
    let deadline = Duration::from_secs(1);
    let read = files::read(target.dir().as_fd(), c"environ", CAP, deadline)?;
    if read.truncated {
        return Err(Failure::new(Kind::Failed, "the target's environment is longer than 8 MiB"));
    }
    Ok(parse(&read.bytes))
}

/// `KEY=VALUE` ended by NUL; anything else is left out, and of a repeated key the last stays.
pub fn parse(block: &[u8]) -> Environment {
    let mut seen = HashSet::new();
    let mut environment = Environment::new();
    for entry in block.rsplit(|byte| *byte == 0) {
        let key_end = entry.iter().position(|byte| *byte == b'=').filter(|at| *at > 0);
        let Some((key, value)) = key_end.map(|at| entry.split_at(at)) else { continue };
        if seen.insert(key) {
            let value = value.get(1..).unwrap_or_default();
            environment.push((os_string(key), os_string(value)));
        }
    }
    environment.reverse();
    environment
}

fn os_string(bytes: &[u8]) -> OsString {
    OsStr::from_bytes(bytes).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_taken_apart_and_what_is_no_entry_left_out() {
        let parsed = parse(b"A=1\0=x\0nonsense\0B=a=b\0A=2\0\0C=\xff");
        let expected: Environment = [("B", "a=b".as_bytes()), ("A", b"2"), ("C", b"\xff")]
            .map(|(key, value)| (key.into(), OsStr::from_bytes(value).to_owned()))
            .into();
        assert_eq!(parsed, expected);
    }

    #[test]
    fn who_the_program_is_takes_the_place_of_who_it_was() {
        let before = [("HOME", "/root"), ("TERM", "xterm"), ("USER", "root")];
        let mut environment: Environment =
            before.map(|(name, value)| (name.into(), value.into())).into();
        let nobody =
            Account { uid: 7, gid: 7, groups: Vec::new(), name: None, home: None, shell: None };
        set_account(&mut environment, &nobody);
        assert_eq!(environment, before.map(|(name, value)| (name.into(), value.into())));
        let ann = Account { name: Some("ann".into()), home: Some("/home/ann".into()), ..nobody };
        set_account(&mut environment, &ann);
        let after = [("TERM", "xterm"), ("HOME", "/home/ann"), ("USER", "ann"), ("LOGNAME", "ann")];
        assert_eq!(environment, after.map(|(name, value)| (name.into(), value.into())));
    }

    #[test]
    fn what_decides_what_runs_is_told_from_what_does_not() {
        let all = "LD_PRELOAD GLIBC_TUNABLES BASH_ENV PYTHONPATH PERL5LIB RUBYOPT PATH ENV IFS SHELL \
             GCONV_PATH LOCPATH NLSPATH";
        for name in all.split_ascii_whitespace() {
            assert!(decides(OsStr::new(name)), "{name}");
        }
        for name in ["TERM", "PATHS", "XPATH", "LD", "OLD_LD_X", "HOME", "env", ""] {
            assert!(!decides(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn the_shell_is_the_named_one_or_the_users() {
        let ours = rustix::process::getuid().as_raw();
        let users = || {
            let line = format!("us:x:{ours}:0::/:/bin/zsh");
            crate::sys::passwd::parse(line.as_bytes())
        };
        assert_eq!(preferred_shell(Some(OsStr::new("fish")), || unreachable!()), "fish");
        for none in [None, Some(OsStr::new(""))] {
            assert_eq!(preferred_shell(none, users), "/bin/zsh");
            assert_eq!(preferred_shell(none, Users::default), "/bin/sh");
        }
    }
}
