//! Processes or threads that only wait. They end when this is dropped, and with us: their input
//! ends then.

use crate::{run, say};
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// More threads than this do not fit into the mappings of one process (vm.max_map_count).
const THREADS_OF_ONE: usize = 12_500;

pub(crate) struct Idle {
    leaders: Vec<Child>,
    /// Fewer than asked for where the host allows no more (kernel.pid_max, ulimit -u).
    pub(crate) count: usize,
}

impl Idle {
    pub(crate) fn processes(count: usize) -> Result<Self> {
        Self::start("many-processes", &[count])
    }

    pub(crate) fn threads(count: usize) -> Result<Self> {
        let whole = std::iter::repeat_n(THREADS_OF_ONE, count / THREADS_OF_ONE);
        let shares: Vec<usize> = whole.chain([count % THREADS_OF_ONE]).collect();
        Self::start("many-threads", &shares)
    }

    fn start(task: &str, shares: &[usize]) -> Result<Self> {
        let mut idle = Self { leaders: Vec::new(), count: 0 };
        for share in shares {
            let mut leader = Command::new(std::env::current_exe()?);
            leader.args([task, &share.to_string()]).process_group(0);
            let mut leader = leader.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
            let output = leader.stdout.take();
            idle.leaders.push(leader);
            let mut line = String::new();
            BufReader::new(output.context("no pipe")?).read_line(&mut line)?;
            idle.count += line.trim().parse::<usize>().unwrap_or(0);
        }
        Ok(idle)
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        for leader in &mut self.leaders {
            let group = nix::unistd::Pid::from_raw(leader.id().cast_signed());
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
            let _ = leader.wait();
        }
    }
}

/// `xtask many-threads N`: that many threads, or as many as there can be, until our input ends.
pub(crate) fn threads(count: usize) -> Result<()> {
    let wait = || loop {
        std::thread::park();
    };
    let start = || std::thread::Builder::new().stack_size(16 << 10).spawn(wait);
    told_until_the_end((0..count.min(room()?)).map_while(|_| start().ok()).count())
}

/// `xtask many-processes N`: the same with processes, in our process group.
pub(crate) fn processes(count: usize) -> Result<()> {
    let start = || run::plain("sleep").arg("infinity").stdin(Stdio::null()).spawn();
    let children: Vec<Child> = (0..count.min(room()?)).map_while(|_| start().ok()).collect();
    told_until_the_end(children.len())?;
    Ok(nix::sys::signal::killpg(nix::unistd::getpgrp(), nix::sys::signal::Signal::SIGKILL)?)
}

/// How many more there can be, and leave enough numbers to what is started beside them.
fn room() -> Result<usize> {
    const LEFT: usize = 1_000;
    let most: usize = std::fs::read_to_string("/proc/sys/kernel/pid_max")?.trim().parse()?;
    let load = std::fs::read_to_string("/proc/loadavg")?;
    let all = load.split(['/', ' ']).nth(4).context("/proc/loadavg counts no threads")?;
    Ok(most.saturating_sub(all.parse::<usize>()? + LEFT))
}

pub(crate) fn told_until_the_end(started: usize) -> Result<()> {
    say::line(format_args!("{started}"));
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}
