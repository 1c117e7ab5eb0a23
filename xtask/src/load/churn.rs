//! Processes that come and go while nsx looks, and many of nsx at once: what stays is always told, and
//! told once.

use super::nsx::{Nsx, numbers};
use crate::many::isolated::Isolated;
use crate::{run, say};
use anyhow::{Context, Result, ensure};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// How often a process is started; every fifth is isolated.
const STARTS_EVERY: Duration = Duration::from_millis(5);
/// How many commands run at a time.
const AT_ONCE: usize = 24;

pub(super) fn churn(nsx: &Nsx, time: Duration) -> Result<()> {
    let stable = Isolated::gather(5)?;
    let over = AtomicBool::new(false);
    let started = AtomicUsize::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let starter = scope.spawn(|| come_and_go(&over, &started));
        let looked = look_until(nsx, &stable, start + time);
        over.store(true, Ordering::Relaxed);
        let came = starter.join();
        let rounds = looked?;
        came.map_err(|_| anyhow::anyhow!("who starts processes failed"))??;
        let count = started.load(Ordering::Relaxed);
        let time = start.elapsed();
        say::note(format_args!("{count} processes in {time:.1?}; {rounds} rounds of commands"));
        ensure!(rounds > 0 && count > 0, "nothing was tried");
        Ok(())
    })
}

/// 200 a second where the machine can.
fn come_and_go(over: &AtomicBool, started: &AtomicUsize) -> Result<()> {
    let unshare = run::find("unshare").context("unshare is not installed")?;
    let mut next = Instant::now();
    let mut alive = std::collections::VecDeque::new();
    while !over.load(Ordering::Relaxed) {
        let number = started.fetch_add(1, Ordering::Relaxed);
        let mut command = if number.is_multiple_of(5) {
            let mut command = run::plain(&unshare);
            command.args(["--uts", "--ipc", "--", "sleep", "0.02"]);
            command
        } else {
            let mut command = run::plain("sleep");
            command.arg("0.02");
            command
        };
        alive.push_back(command.stdin(Stdio::null()).spawn()?);
        if alive.len() > 50 {
            alive.pop_front().context("nobody")?.wait()?;
        }
        next += STARTS_EVERY;
        // Late on a busy machine, it does not catch up: that would be another load.
        next = next.max(Instant::now());
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    for mut child in alive {
        child.wait()?;
    }
    Ok(())
}

fn look_until(nsx: &Nsx, stable: &Isolated, end: Instant) -> Result<usize> {
    let mut rounds = 0;
    while Instant::now() < end || rounds == 0 {
        rounds += 1;
        let listed = numbers(&nsx.data(&["ps"])?, "pid");
        let namespaces = nsx.data(&["ns", "-t", "net"])?;
        let namespaces = numbers(&namespaces, "pid");
        for pid in stable.pids() {
            let times = |pids: &[i64]| pids.iter().filter(|told| **told == i64::from(pid)).count();
            ensure!(times(&listed) == 1, "nsx ps tells {pid} {} times", times(&listed));
            ensure!(times(&namespaces) == 1, "nsx ns tells {pid} {} times", times(&namespaces));
        }
        let pid = stable.first().context("nobody")?.to_string();
        nsx.output(&["inspect", &pid])?;
        nsx.output(&["who", &format!("pid:{pid}")])?;
        nsx.output(&["enter", "-t", &pid, "-n", "-u", "true"])?;
        nsx.output(&["spawn", "--newpid", "true"])?;
        nsx.output(&["ps", "--usage", "--interval", "100ms"])?;
        nsx.output(&["ps", "--orphans"])?;
        nsx.output(&["who", "--peers", &pid])?;
    }
    Ok(rounds)
}

pub(super) fn at_once(nsx: &Nsx) -> Result<()> {
    let stable = Isolated::gather(3)?;
    let pid = stable.first().context("nobody")?.to_string();
    let clue = format!("pid:{pid}");
    let lines: [&[&str]; 8] = [
        &["ps"],
        &["ns"],
        &["inspect", &pid, "--json"],
        &["who", &clue],
        &["pid", &pid],
        &["enter", "-t", &pid, "-n", "-u", "-i", "readlink", "/proc/self/ns/net"],
        &["spawn", "--newpid", "sh", "-c", "echo $$"],
        &["spawn", "--new-all", "--read-only", "sh", "-c", "echo $$"],
    ];
    let net = std::fs::read_link(format!("/proc/{pid}/ns/net"))?;
    let same = |line: &[&str], text: &str| match line {
        ["enter", ..] => text.trim() == net.to_string_lossy(),
        ["spawn", ..] => text.trim() == "1",
        _ => text.contains(&pid),
    };
    for round in 0..5 {
        std::thread::scope(|scope| {
            let running: Vec<_> = lines
                .iter()
                .cycle()
                .take(AT_ONCE)
                .map(|line| (line, scope.spawn(|| nsx.output(line))))
                .collect();
            for (line, thread) in running {
                let text = thread.join().map_err(|_| anyhow::anyhow!("a thread failed"))??;
                ensure!(same(line, &text), "round {round}: nsx {}: {text}", line.join(" "));
            }
            Ok(())
        })?;
    }
    Ok(())
}
