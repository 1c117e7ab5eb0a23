//! How the listings grow with the host: their peers, the least that could be done, and themselves.

use super::crowd::Crowd;
use super::{Bench, util_linux};
use crate::{run, say};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Plain processes and threads beside the crowd, which should change nothing.
const PLAIN: usize = 10_000;
const THREADS: usize = 100_000;

impl Bench {
    pub(super) fn scale(&mut self, sizes: &[usize]) -> Result<()> {
        let floor = Floor::build()?;
        let mut per_process: Vec<(usize, f64)> = Vec::new();
        for size in sizes {
            say::note(format_args!("bench: isolating {size} processes"));
            let crowd = Crowd::gather(*size)?;
            let what = format!("namespaces, {size} isolated processes");
            self.compare(&what, self.nsx("nsx-ns", &[]), util_linux("lsns", &[])?);
            let floors = format!("{what}; against eight links of each");
            if let Some(row) = self.compare(&floors, self.nsx("nsx-ns", &[]), floor.command()) {
                let processes = process_count();
                per_process.push((*size, row.ours_median_usec / to_f64(processes)));
                let calls = row.system_calls.map(|(ours, _)| ours);
                self.note_growth(*size, processes, calls)?;
            }
            let listing = format!("containers, {size} isolated processes; against nsx ns");
            self.compare(&listing, self.nsx("nsx-ps", &[]), self.nsx("nsx-ns", &[]));
            drop(crowd);
        }
        for (size, usec) in per_process {
            self.notes.push(format!("nsx ns, {size} isolated: {usec:.1} us for each process"));
        }
        let crowd = Crowd::gather(100)?;
        let what = "namespaces, 100 isolated processes";
        self.compare(what, self.nsx("nsx-ns", &[]), floor.command());
        let threads = Busy::threads(THREADS)?;
        let beside = format!("{what}; {THREADS} threads beside them");
        self.compare(&beside, self.nsx("nsx-ns", &[]), floor.command());
        drop(threads);
        let plain = Busy::processes(PLAIN)?;
        let beside = format!("{what}; {PLAIN} processes beside them");
        self.compare(&beside, self.nsx("nsx-ns", &[]), floor.command());
        drop((plain, crowd));
        Ok(())
    }

    fn note_growth(&mut self, size: usize, processes: usize, calls: Option<u64>) -> Result<()> {
        let peak = peak_kib(&mut self.nsx("nsx-ns", &[]))?;
        let peak_ps = peak_kib(&mut self.nsx("nsx-ps", &[]))?;
        #[expect(clippy::cast_precision_loss, reason = "a number of system calls is small")]
        let calls = calls.map_or(0.0, |calls| calls as f64) / to_f64(processes);
        self.notes.push(format!(
            "{size} isolated of {processes} processes: nsx ns {calls:.1} system calls for each, \
             peak {peak} KiB; nsx ps peak {peak_ps} KiB"
        ));
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "a number of processes is small")]
fn to_f64(count: usize) -> f64 {
    count as f64
}

/// The program of `floor.rs`.
struct Floor {
    dir: PathBuf,
}

impl Floor {
    fn build() -> Result<Self> {
        let dir = std::env::temp_dir().join(format!("nsx-bench-floor-{}", std::process::id()));
        std::fs::create_dir(&dir).with_context(|| dir.display().to_string())?;
        let floor = Self { dir };
        let source = floor.dir.join("floor.rs");
        std::fs::write(&source, include_str!("floor.rs"))?;
        let mut rustc = Command::new("rustc");
        rustc.args(["--edition=2024", "-O", "-Ctarget-feature=+crt-static", "-o"]);
        run::output(rustc.arg(floor.program()).arg(&source))?;
        Ok(floor)
    }

    fn program(&self) -> PathBuf {
        self.dir.join("eight-links")
    }

    fn command(&self) -> Command {
        Command::new(self.program())
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// Processes or threads that only wait. They end with this, and with us: their input ends then.
struct Busy(std::process::Child);

impl Busy {
    /// As many as `ulimit` allows.
    fn processes(count: usize) -> Result<Self> {
        let script = "n=$1; while [ $n -gt 0 ]; do sleep 100000 & n=$((n-1)); done; echo; \
                      cat >/dev/null; kill -KILL 0";
        Self::start(run::plain("sh").args(["-c", script, "sh", &count.to_string()]))
    }

    fn threads(count: usize) -> Result<Self> {
        let own = std::env::current_exe()?;
        Self::start(Command::new(own).args(["bench-threads", &count.to_string()]))
    }

    fn start(command: &mut Command) -> Result<Self> {
        use std::io::{BufRead, BufReader};
        use std::os::unix::process::CommandExt;
        use std::process::Stdio;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).process_group(0);
        let mut child = command.spawn()?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("no pipe")?).read_line(&mut line)?;
        Ok(Self(child))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let group = nix::unistd::Pid::from_raw(self.0.id().cast_signed());
        let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

/// `xtask bench-threads N`: that many threads, or as many as there can be, until our input ends.
pub(crate) fn threads(count: usize) -> Result<()> {
    let mut started = 0_usize;
    for _ in 0..count {
        let thread = std::thread::Builder::new().stack_size(16 << 10);
        let wait = || loop {
            std::thread::park();
        };
        if thread.spawn(wait).is_err() {
            break;
        }
        started += 1;
    }
    say::line(format_args!("{started}"));
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

/// `xtask bench-peak PROGRAM…`: what its resident set was at most, KiB.
pub(crate) fn peak(command: &[String]) -> Result<()> {
    let (program, arguments) = command.split_first().context("no program")?;
    let mut child = Command::new(program);
    child.args(arguments).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    child.status()?;
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)?;
    say::line(format_args!("{}", usage.max_rss()));
    Ok(())
}

fn peak_kib(command: &mut Command) -> Result<u64> {
    let mut measure = Command::new(std::env::current_exe()?);
    measure.arg("bench-peak").arg("--").arg(command.get_program()).args(command.get_args());
    Ok(run::output(&mut measure)?.trim().parse()?)
}

fn process_count() -> usize {
    let is_pid = |name: &std::ffi::OsStr| name.as_encoded_bytes().iter().all(u8::is_ascii_digit);
    let entries = std::fs::read_dir(Path::new("/proc")).into_iter().flatten().flatten();
    entries.filter(|entry| is_pid(&entry.file_name())).count()
}
