//! One boot of the VM: QEMU in software emulation, nothing to write to but memory and files without
//! a name, no network device. It ends with us, whatever ends us.

use super::image::{self, Image};
use crate::attended::{Attention, End};
use crate::{run, say};
use anyhow::{Context, Result, bail};
use rustix::fs::{Mode, OFlags};
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Of a command that took too long, and where the VM itself failed, as timeout(1) has it.
pub(super) const TIME_LIMIT: u8 = 124;
pub(crate) const FAILED: u8 = 125;

/// An NVMe namespace is made of whole blocks.
const BLOCK: usize = 512;
const MOST_RESULTS: u64 = 256 << 20;
const CONSOLE_LINES: usize = 40;
/// At most, for one job.
const BOOTS: usize = 3;

/// What is done in one boot.
#[derive(Debug)]
pub(super) struct Job<'a> {
    /// One of [`image::KERNEL_NAMES`].
    pub(super) kernel: &'a str,
    /// Put into a directory of the guest that is in its PATH: the file, and its name there.
    pub(super) programs: &'a [(PathBuf, String)],
    /// With arguments; run as root.
    pub(super) command: &'a [String],
    /// Set for it, beside what the guest sets.
    pub(super) environment: &'a [(&'a str, &'a str)],
    pub(super) limit: Duration,
    /// Where what it leaves in `$NSX_VM_RESULTS` goes.
    pub(super) results: Option<&'a Path>,
}

/// Its exit code is ours. A kernel that panics on its way up is the emulation's fault, and says
/// nothing of what would have run: it is booted again.
pub(super) fn boot(attention: &Attention, image: &Image, job: &Job<'_>) -> Result<u8> {
    let mut left = BOOTS;
    loop {
        let boot = Boot::of(attention, image, job)?;
        left -= 1;
        if let Some(code) = boot.code() {
            return Ok(code);
        }
        boot.tell(job)?;
        if left == 0 || !boot.panicked_early()? {
            return Ok(if matches!(boot.end, End::TimeLimit) { TIME_LIMIT } else { FAILED });
        }
        say::note(format_args!("vm: its kernel did not come up; once more"));
    }
}

/// One boot, over.
struct Boot {
    results: File,
    console: File,
    end: End,
}

impl Boot {
    fn of(attention: &Attention, image: &Image, job: &Job<'_>) -> Result<Self> {
        let place = image::place()?;
        let script = nameless(&place)?;
        (&script).write_all(&padded(script_of(job)))?;
        let programs = nameless(&place)?;
        pack(job.programs, &programs)?;
        let results = nameless(&place)?;
        results.set_len(MOST_RESULTS)?;
        let console = nameless(&place)?;
        let mut qemu = qemu(image, job.kernel, [&programs, &results, &script], &console);
        // Nothing of it is kept.
        let end = attention.wait(&mut qemu, job.limit, Duration::ZERO)?;
        if let Some(to) = job.results {
            std::fs::create_dir_all(to)?;
            run::output(Command::new("tar").arg("-C").arg(to).arg("-xf").arg(path(&results)))?;
        }
        Ok(Self { results, console, end })
    }

    /// What one file of the results says.
    fn result(&self, name: &str) -> Option<String> {
        let mut tar = Command::new("tar");
        let output = tar.arg("-xOf").arg(path(&self.results)).arg(name).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Of the command.
    fn code(&self) -> Option<u8> {
        self.result("./rc")?.trim().parse().ok()
    }

    fn panicked_early(&self) -> Result<bool> {
        let panicked = self.console()?.contains("Kernel panic");
        Ok(panicked && self.result("./started").is_none())
    }

    fn console(&self) -> Result<String> {
        let mut text = Vec::new();
        File::open(path(&self.console))?.read_to_end(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Why there is no code.
    fn tell(&self, job: &Job<'_>) -> Result<()> {
        let what = match self.end {
            End::TimeLimit => "time limit".to_owned(),
            End::Of(status) => format!("QEMU ended with {status}"),
        };
        say::note(format_args!("vm: {what} after {} s at most; its console:", job.limit.as_secs()));
        let text = self.console()?;
        let lines: Vec<&str> = text.lines().collect();
        for line in lines.iter().skip(lines.len().saturating_sub(CONSOLE_LINES)) {
            say::note(format_args!("  {}", line.escape_debug()));
        }
        Ok(())
    }
}

fn qemu(image: &Image, kernel: &str, disks: [&File; 3], console: &File) -> Command {
    // Its death is ours, even by SIGKILL.
    let mut qemu = run::plain("setpriv");
    qemu.args(["--pdeathsig", "KILL", "--", "qemu-system-x86_64"]);
    qemu.args(["-M", "q35", "-accel", "tcg,thread=multi,tb-size=256"]);
    // Without cmpxchg16b: QEMU 7.2's emulation of it crashes newer kernels.
    qemu.args(["-cpu", "max,-cx16", "-smp", "2", "-m", "3072"]);
    qemu.arg("-kernel").arg(image.kernel(kernel));
    let line = format!(
        "console=ttyS0 {} rootfstype=ext4 rootwait rw quiet panic=-1 psi=1 mitigations=off \
         systemd.show_status=0",
        Image::root()
    );
    qemu.args(["-append", &line]);
    qemu.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    qemu.arg("-serial").arg(format!("file:{}", path(console).display()));
    qemu.args(["-serial", "stdio", "-device", "nvme,id=n0,serial=nsx"]);
    let disks = disks.map(path);
    let access = ["snapshot=on", "readonly=on", "cache=unsafe", "readonly=on"];
    let files = std::iter::once(image.disk()).chain(disks);
    for (number, (file, access)) in (1..).zip(files.zip(access)) {
        let file = file.display();
        qemu.arg("-drive").arg(format!("if=none,id=d{number},format=raw,{access},file={file}"));
        qemu.arg("-device").arg(format!("nvme-ns,drive=d{number},nsid={number}"));
    }
    qemu.stdin(Stdio::null());
    qemu
}

/// A file that is gone when nobody has it open.
fn nameless(place: &Path) -> Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::open(place, flags, Mode::RUSR | Mode::WUSR);
    Ok(File::from(file.with_context(|| format!("no temporary file in {}", place.display()))?))
}

/// By which our children open it.
fn path(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()))
}

fn pack(programs: &[(PathBuf, String)], to: &File) -> Result<()> {
    let mut tar = run::plain("tar");
    tar.args(["--owner=0", "--group=0", "--absolute-names", "--dereference", "-cf", "-"]);
    for (file, name) in programs {
        let file = file.to_str().context("a path that is not UTF-8")?;
        if file.contains([',', '\\']) || name.contains([',', '\\', '&']) {
            bail!("a path that tar would not understand: {file}");
        }
        // Of a basic regular expression only these mean anything in the paths of a build.
        let pattern: String = file.chars().map(|c| escaped(c, ".[]*^$")).collect();
        tar.arg(format!("--transform=s,^{pattern}$,{name},"));
    }
    tar.args(programs.iter().map(|(file, _)| file));
    tar.stdout(to.try_clone()?);
    let status = tar.status().context("cannot start tar")?;
    if !status.success() {
        bail!("tar ended with {status}");
    }
    Ok(())
}

fn escaped(c: char, special: &str) -> String {
    if special.contains(c) { format!("\\{c}") } else { c.to_string() }
}

/// For bash: everything in quotes.
fn script_of(job: &Job<'_>) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let mut script = String::new();
    for (name, value) in job.environment {
        script.extend(["export ", name, "=", &quoted(value), "\n"]);
    }
    let words: Vec<String> = job.command.iter().map(|word| quoted(word)).collect();
    script.extend(["exec ", &words.join(" "), "\n"]);
    script
}

fn padded(text: String) -> Vec<u8> {
    let mut bytes = text.into_bytes();
    bytes.resize(bytes.len().next_multiple_of(BLOCK), b'\n');
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_keeps_every_word() {
        let command = ["printf".to_owned(), "it's %s\n".to_owned(), "$HOME".to_owned()];
        let job = Job {
            kernel: "",
            programs: &[],
            command: &command,
            environment: &[("A", "x y")],
            limit: Duration::ZERO,
            results: None,
        };
        let script = padded(script_of(&job));
        assert_eq!(script.len(), BLOCK);
        let mut bash = Command::new("bash");
        let said = run::output(bash.arg("-c").arg(String::from_utf8(script).unwrap())).unwrap();
        assert_eq!(said, "it's $HOME");
    }

    #[test]
    fn programs_are_packed_under_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("vm-0a.1");
        std::fs::write(&program, "x").unwrap();
        let tar = nameless(dir.path()).unwrap();
        pack(&[(program, "nsx-test-vm".to_owned())], &tar).unwrap();
        let listed = run::output(Command::new("tar").arg("-tf").arg(path(&tar))).unwrap();
        assert_eq!(listed, "nsx-test-vm");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "it has no name");
    }
}
