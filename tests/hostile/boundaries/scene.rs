//! A pid namespace in which this program is the first process and nobody else takes numbers: the
//! target, and the decoy that gets its number once it has gone.

use super::tracer;
use crate::support::KINDS;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use nsx::sys::raw::fork::{self, Side};
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

/// Set where this program is to be that first process: `reused` or `ended`.
pub(super) const ROLE: &str = "NSX_TEST_BOUNDARIES";
/// The target's, and the decoy's.
pub(super) const NUMBER: &str = "1000";
/// More than any run has.
const ENDLESS: usize = 100_000;

/// All of it is new for the target, and again for the decoy.
const NEW: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWTIME;

/// The eight links of a process, and the word `WHO` of its environment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Look {
    pub links: BTreeMap<&'static str, PathBuf>,
    /// `None` of a process that is being killed: it has no memory any more.
    pub who: Option<String>,
}

impl Look {
    /// `None` of a process that is no more.
    pub(super) fn at(pid: &str) -> Option<Self> {
        let link = |kind| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).ok();
        let links = KINDS.iter().map(|kind| Some((*kind, link(kind)?))).collect::<Option<_>>()?;
        let environment = std::fs::read(format!("/proc/{pid}/environ")).ok()?;
        let mut values = environment.split(|byte| *byte == 0);
        let who = values.find_map(|value| value.strip_prefix(b"WHO=")).unwrap_or_default();
        let who = String::from_utf8_lossy(who).into_owned();
        Some(Self { links, who: (!environment.is_empty()).then_some(who) })
    }

    pub(super) fn is_in_pid_namespace_of(&self, pid: Pid) -> bool {
        let theirs = std::fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
        theirs.as_ref() == self.links.get("pid")
    }
}

/// A process with [`NUMBER`].
#[derive(Debug)]
pub(super) struct Numbered {
    pub pid: Pid,
    pub look: Look,
    /// Held, for the numbers of namespaces are used again too, and the decoy's must be others.
    _namespaces: Vec<File>,
}

impl Numbered {
    /// Becomes `sleep` in namespaces of its own; `who` is all of its environment.
    pub(super) fn start(who: &str) -> Self {
        let number: i32 = NUMBER.parse().unwrap();
        std::fs::write("/proc/sys/kernel/ns_last_pid", (number - 1).to_string()).unwrap();
        let [(go, told), (running, done)] = [(); 2]
            .map(|()| rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("a pipe"));
        let pid = match fork::fork(u64::from(NEW.cast_unsigned())).unwrap() {
            Side::Child => {
                drop((told, running));
                // Until it has its ids.
                let _ = File::from(go).read(&mut [0]);
                sleep(who);
            }
            Side::Parent(child) => child.pid,
        };
        drop((go, done));
        assert_eq!(pid.as_raw(), number, "another process took the number");
        for file in ["uid_map", "gid_map"] {
            std::fs::write(format!("/proc/{pid}/{file}"), "0 0 4294967295").unwrap();
        }
        File::from(told).write_all(b"!").unwrap();
        // Its end of the pipe closes when it has become the program.
        let _ = File::from(running).read(&mut [0]);
        let look = Look::at(NUMBER).unwrap();
        assert_eq!(look.who.as_deref(), Some(who), "it did not start");
        let file = |kind| File::open(format!("/proc/{pid}/ns/{kind}")).unwrap();
        Self { pid, look, _namespaces: KINDS.into_iter().map(file).collect() }
    }

    pub(super) fn kill(&self) {
        let _ = kill(self.pid, Signal::SIGKILL);
    }

    pub(super) fn reap(&self) {
        waitpid(self.pid, None).unwrap();
    }
}

fn sleep(who: &str) -> ! {
    let word = |text: &str| CString::new(text).unwrap();
    let environment = [word(&format!("WHO={who}"))];
    let _ = nix::unistd::execve(&word("/bin/sleep"), &[word("sleep"), word("1000")], &environment);
    fork::exit_now(1)
}

/// What a run joined, by what its program is in and by the kinds that it was asked for.
fn outcome(run: &tracer::Run, undisturbed: &Look, kinds: &[&'static str]) -> String {
    let Some(program) = &run.program else { return "none".to_owned() };
    let mut expected = undisturbed.clone();
    let mut is = |who: &Numbered| {
        for kind in kinds {
            expected.links.insert(kind, who.look.links[kind].clone());
        }
        let theirs = undisturbed.who.as_deref() == Some("target");
        expected.who = if theirs { who.look.who.clone() } else { undisturbed.who.clone() };
        expected.links == program.links && (program.who.is_none() || expected.who == program.who)
    };
    if is(&run.target) {
        "target".to_owned()
    } else if run.decoy.as_ref().is_some_and(&mut is) {
        "decoy".to_owned()
    } else {
        let decoy = run.decoy.as_ref().map(|decoy| &decoy.look);
        format!("mixed: {program:?} of {:?} and {decoy:?}", run.target.look)
    }
}

/// In the program that was started anew: never returns then.
pub fn act() {
    let Some(mode) = std::env::var_os(ROLE) else { return };
    let words: Vec<CString> =
        std::env::args().skip(1).map(|word| CString::new(word).unwrap()).collect();
    let reuse = mode == "reused";
    let first = tracer::run(&words, ENDLESS, reuse);
    let undisturbed = first.program.clone().expect("it runs where nobody disturbs it");
    let own = Look::at("self").unwrap();
    let kinds: Vec<&'static str> =
        KINDS.into_iter().filter(|kind| undisturbed.links[kind] != own.links[kind]).collect();
    tell(0, &first, &undisturbed, &kinds);
    for at in 1.. {
        let run = tracer::run(&words, at, reuse);
        if run.held.is_none() {
            break;
        }
        tell(at, &run, &undisturbed, &kinds);
    }
    fork::exit_now(0);
}

fn tell(at: usize, run: &tracer::Run, undisturbed: &Look, kinds: &[&'static str]) {
    let (call, looked) = run.held.clone().unwrap_or_default();
    let looked = if looked { "looked" } else { "-" };
    let mut outcome = outcome(run, undisturbed, kinds);
    for stranger in &run.strangers {
        outcome = format!("{outcome}, and {stranger} ran");
    }
    let said = run.said.trim().replace(['\n', '\t'], " ");
    println!("{at}\t{looked}\t{call}\t{outcome}\t{}\t{said}", run.ended);
}
