//! What one run of a command costs, told by what watches it: system calls by strace(1), instructions
//! by callgrind, memory by the kernel. Slow, and apart from what is timed.

use crate::{peak, peer, run};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::process::{Command, Stdio};

/// In seconds: what callgrind takes longer for is counted by nobody.
const PATIENCE: &str = "10";

/// What is not known is absent: without strace or valgrind, or where the command does not run there.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Cost {
    /// With all children.
    pub(super) system_calls: Option<u64>,
    /// Of the process itself.
    pub(super) instructions: Option<u64>,
    /// Resident, of the largest of its processes.
    pub(super) peak_kib: Option<u64>,
}

impl Cost {
    pub(super) fn of(command: &Command) -> Result<Self> {
        Ok(Self {
            system_calls: system_calls(command)?,
            instructions: instructions(command)?,
            peak_kib: peak::of(command)?,
        })
    }
}

/// As `strace -c -f` counts them.
fn system_calls(command: &Command) -> Result<Option<u64>> {
    let Some(strace) = run::find("strace") else {
        return Ok(None);
    };
    let mut traced =
        run::below(Command::new(strace).args(["-c", "-f", "-o", "/proc/self/fd/2"]), command);
    let summary = traced.stderr(Stdio::piped()).output()?.stderr;
    Ok(total(&String::from_utf8_lossy(&summary)))
}

/// The line `100.00 SECONDS USECS CALLS [ERRORS] total`.
fn total(summary: &str) -> Option<u64> {
    let line = summary.lines().rev().find(|line| line.trim_end().ends_with(" total"))?;
    line.split_whitespace().nth(3)?.parse().ok()
}

fn instructions(command: &Command) -> Result<Option<u64>> {
    let Some(valgrind) = peer::valgrind() else {
        return Ok(None);
    };
    let mut watched = Command::new(run::find("timeout").context("there is no timeout")?);
    watched.args(["--foreground", PATIENCE]);
    let mut watched = run::below(&mut watched, &valgrind);
    watched.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    let done = run::below(&mut watched, command).stderr(Stdio::piped()).output()?;
    let collected = collected(&String::from_utf8_lossy(&done.stderr));
    Ok(collected.filter(|_| done.status.success()))
}

/// The line `==PID== Collected : NUMBER` of the process that ends last, which is the first one.
fn collected(log: &str) -> Option<u64> {
    let number = |line: &str| line.split_once("Collected : ")?.1.trim().parse().ok();
    log.lines().rev().find_map(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_of_a_summary() {
        let summary = "% time     seconds  usecs/call     calls    errors syscall\n\
                       ------ ----------- ----------- --------- --------- ----------------\n\
                       100.00    0.000412           3       123         2 total\n";
        assert_eq!(total(summary), Some(123));
        assert_eq!(total(""), None);
    }

    #[test]
    fn what_callgrind_collected() {
        let log = "==7== Events    : Ir\n==7== Collected : 5\n==6== \n==6== Collected : 152841\n";
        assert_eq!(collected(log), Some(152_841));
        assert_eq!(collected("==6== Command: true"), None);
    }
}
