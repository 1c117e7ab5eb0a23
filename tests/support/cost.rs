//! What a command costs: how long it takes, and the most memory that it or any process that it
//! waited for had at once.
//!
//! A child's peak counts what its parent had when it started it. The test program starts itself
//! anew for that: small, and with nothing else to wait for.

#![allow(clippy::print_stdout, reason = "what each command cost is shown where it is asked for")]

use super::{ends_within, pidfd};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// Set where this program is to run its arguments and to write what they cost into that file.
const ROLE: &str = "NSX_TEST_COST";

/// The memory that any look at the host may take.
pub const MOST_KIB: u64 = 64 << 10;
/// Far more than the two seconds that are promised, on a machine with other things to do.
const LATE: Duration = Duration::from_mins(1);

#[derive(Debug)]
pub struct Cost {
    pub output: Output,
    pub status: ExitStatus,
    pub time: Duration,
    pub peak_kib: u64,
}

/// `NSX_TEST_SHOW_COST=1` shows what each command took, one after the other.
pub fn is_shown() -> bool {
    std::env::var_os("NSX_TEST_SHOW_COST").is_some()
}

/// Runs a command, which must end in time and keep to the memory.
pub fn bounded(command: &Command) -> Cost {
    let cost = measure(command);
    let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy()).collect();
    if is_shown() {
        let (time, peak) = (cost.time.as_millis(), cost.peak_kib);
        println!("cost: {time:5} ms {peak:6} KiB  {}", words.join(" "));
    }
    assert!(cost.peak_kib <= MOST_KIB, "{words:?} had {} KiB", cost.peak_kib);
    cost
}

/// What hangs may be beyond being killed until the test that made it so has ended: it is left, and
/// holds no pipe that anybody reads.
fn measure(command: &Command) -> Cost {
    let [note, stdout, stderr] = [(); 3].map(|()| tempfile::NamedTempFile::new().unwrap());
    let mut outer = Command::new(std::env::current_exe().unwrap());
    outer.env(ROLE, note.path()).arg(command.get_program()).args(command.get_args());
    let file = |file: &tempfile::NamedTempFile| Stdio::from(file.reopen().unwrap());
    outer.stdin(Stdio::null()).stdout(file(&stdout)).stderr(file(&stderr)).process_group(0);
    let start = Instant::now();
    let mut child = outer.spawn().unwrap();
    let pid = child.id();
    let late = !ends_within(&pidfd(pid).unwrap(), LATE);
    let time = start.elapsed();
    if late {
        let group = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
    }
    let status = child.wait().unwrap();
    assert!(!late, "{command:?} did not end in {LATE:?}");
    let read = |file: &tempfile::NamedTempFile| std::fs::read(file.path()).unwrap();
    let output = Output { status, stdout: read(&stdout), stderr: read(&stderr) };
    let peak = String::from_utf8(read(&note)).unwrap();
    let peak_kib =
        peak.parse().unwrap_or_else(|_| panic!("{command:?}: {}", super::stderr(&output)));
    Cost { output, status, time, peak_kib }
}

/// In the program that was started anew: never returns then.
pub fn act() {
    let Some(note) = std::env::var_os(ROLE) else { return };
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let status = Command::new(&words[0]).args(&words[1..]).env_remove(ROLE).status().unwrap();
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN);
    std::fs::write(note, usage.unwrap().max_rss().to_string()).unwrap();
    nsx::sys::raw::fork::exit_now(status.code().unwrap_or(128));
}
