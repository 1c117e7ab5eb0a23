//! Running programs: their output captured or shown, their failure an error that names them.

use crate::say;
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

/// The standard output of a program that must succeed, without the last newline.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let done = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    if !done.status.success() {
        let errors = String::from_utf8_lossy(&done.stderr);
        bail!("{} ended with {}: {}", shown(command), done.status, errors.trim());
    }
    let text = String::from_utf8_lossy(&done.stdout);
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

/// Runs a program that must succeed, with our own standard streams.
pub(crate) fn visibly(command: &mut Command) -> Result<()> {
    say::note(format_args!("+ {}", shown(command)));
    let status = command.status().with_context(|| format!("cannot start {}", shown(command)))?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let mut line = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned();
    for argument in command.get_args() {
        let argument = argument.to_string_lossy();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,+@%".contains(c);
        line.push(' ');
        if !argument.is_empty() && argument.chars().all(plain) {
            line.push_str(&argument);
        } else {
            line.extend(["'", &argument.replace('\'', r"'\''"), "'"]);
        }
    }
    line
}

/// A program by name, in `$PATH` or where the system administration programs are.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"].map(PathBuf::from))
        .map(|dir| dir.join(name))
        .find(|file| is_program(file))
}

/// Whether a file could be executed.
pub(crate) fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Parts of a longer task: each is timed, all are run, and the failures are known at the end.
#[derive(Debug, Default)]
pub(crate) struct Phases {
    done: Vec<String>,
    failed: Vec<String>,
}

impl Phases {
    pub(crate) fn phase(&mut self, name: &str, part: impl FnOnce() -> Result<()>) {
        say::note(format_args!("== {name}"));
        let start = Instant::now();
        let result = part();
        let seconds = start.elapsed().as_secs_f64();
        match result {
            Ok(()) => {
                say::note(format_args!("== {name}: {seconds:.1} s"));
                self.done.push(name.to_owned());
            }
            Err(error) => {
                say::note(format_args!("== {name}: FAILED after {seconds:.1} s: {error:#}"));
                self.failed.push(name.to_owned());
            }
        }
    }

    /// One line of what ran; an error if anything failed.
    pub(crate) fn finish(self, task: &str) -> Result<()> {
        let done = self.done.join(", ");
        if self.failed.is_empty() {
            say::line(format_args!("{task}: passed: {done}"));
            return Ok(());
        }
        let failed = self.failed.join(", ");
        say::line(format_args!("{task}: FAILED: {failed}; passed: {done}"));
        bail!("{task} failed");
    }
}

/// `command` with the environment's language out of the way.
pub(crate) fn plain(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env("LC_ALL", "C");
    command
}

/// `watcher` with the command behind its own arguments, and the command's environment; silent.
pub(crate) fn below(watcher: &mut Command, command: &Command) -> Command {
    let mut whole = Command::new(watcher.get_program());
    whole.args(watcher.get_args()).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => whole.env(name, value),
            None => whole.env_remove(name),
        };
    }
    whole.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    whole
}

/// Runs a program that must succeed, with that on its standard input.
pub(crate) fn fed(command: &mut Command, input: &str) -> Result<()> {
    let mut child = command
        .stdin(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", shown(command)))?;
    child.stdin.take().context("no pipe")?.write_all(input.as_bytes())?;
    let status = child.wait()?;
    if !status.success() {
        bail!("{} ended with {status}", shown(command));
    }
    Ok(())
}

/// Does it in a thread, which has its own namespaces and children; a panic goes on here.
pub(crate) fn apart<T: Send>(act: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| match scope.spawn(act).join() {
        Ok(done) => done,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
