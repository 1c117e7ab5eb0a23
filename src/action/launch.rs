//! The last steps before a program: what it inherits, what it must not, and its exec.

use super::error::ActionError;
use super::supervise::SignalState;
use crate::model::text::Text;
use crate::sys::error::{Context, SysError};
use crate::sys::raw;
use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// A program, its arguments and environment, as exec takes them.
#[derive(Debug)]
pub struct Program {
    arguments: Vec<CString>,
    environment: Vec<CString>,
    /// Where a bare name is searched, in order.
    path: Vec<CString>,
    name: Vec<u8>,
}

impl Program {
    /// Fails on an empty command and on a NUL byte anywhere.
    pub fn new(
        command: &[OsString],
        environment: &[(OsString, OsString)],
    ) -> Result<Self, ActionError> {
        let nul = || ActionError::Refused("a NUL byte cannot be passed to a program".to_owned());
        let arguments = command
            .iter()
            .map(|word| CString::new(word.as_bytes()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| nul())?;
        let Some(name) = arguments.first() else {
            return Err(ActionError::Refused("the command is empty".to_owned()));
        };
        let path = candidates(name, environment).ok_or_else(nul)?;
        let name = name.to_bytes().to_vec();
        let environment = environment
            .iter()
            .map(|(key, value)| CString::new([key.as_bytes(), value.as_bytes()].join(&b'=')))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| nul())?;
        Ok(Self { arguments, environment, path, name })
    }

    /// A login shell: its own name begins with a dash. It is a path, and searched nowhere.
    #[must_use]
    pub fn as_login_shell(mut self) -> Self {
        if let Some(name) = self.arguments.first_mut() {
            self.path = vec![name.clone()];
            let base = name.to_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            if let Ok(dashed) = CString::new([b"-", base].concat()) {
                *name = dashed;
            }
        }
        self
    }

    /// As it was asked for; of a login shell its path.
    pub fn name(&self) -> Text {
        Text::new(&self.name)
    }

    /// It is looked for along the PATH.
    pub fn is_searched(&self) -> bool {
        !self.name.contains(&b'/')
    }

    /// A file that is no program is a script of the shell, as execvp(3) has it.
    fn exec_at(&self, candidate: &CStr) -> nix::Result<std::convert::Infallible> {
        match nix::unistd::execve(candidate, &self.arguments, &self.environment) {
            Err(Errno::ENOEXEC) => {
                let words = self.arguments.iter().skip(1).map(CString::as_c_str);
                let words: Vec<&CStr> = [c"/bin/sh", candidate].into_iter().chain(words).collect();
                nix::unistd::execve(c"/bin/sh", &words, &self.environment)
            }
            executed => executed,
        }
    }

    /// Becomes the program; returns only why it could not.
    pub fn exec(&self) -> ActionError {
        let mut denied = None;
        let mut missing = Vec::new();
        // What is named by its path is named wrongly where that leads through a file.
        let searched = self.path.len() > 1;
        for candidate in &self.path {
            match self.exec_at(candidate) {
                Err(Errno::ENOENT) => missing.push(candidate),
                Err(Errno::ENOTDIR) if searched => {}
                Err(errno) => denied = denied.or(Some((candidate, errno))),
                Ok(never) => match never {},
            }
        }
        match denied {
            Some((candidate, errno)) => {
                ActionError::NotExecutable(Text::new(candidate.as_bytes()), errno)
            }
            None => match missing.into_iter().find(|candidate| self.is_file(candidate)) {
                Some(candidate) => ActionError::NoInterpreter(Text::new(candidate.as_bytes())),
                None => ActionError::CommandNotFound(self.name()),
            },
        }
    }

    /// Of what exec does not find. Asked of exec itself: it may be all that is allowed by now.
    fn is_file(&self, candidate: &CStr) -> bool {
        let below = CString::new([candidate.to_bytes(), b"/."].concat());
        below.is_ok_and(|below| {
            nix::unistd::execve(below.as_c_str(), &self.arguments, &self.environment)
                == Err(Errno::ENOTDIR)
        })
    }
}

/// The paths that exec tries: the name itself if it has a slash, else it in each directory of PATH.
fn candidates(name: &CStr, environment: &[(OsString, OsString)]) -> Option<Vec<CString>> {
    if name.to_bytes().contains(&b'/') || name.is_empty() {
        return Some(vec![name.to_owned()]);
    }
    let path =
        environment.iter().rev().find(|(key, _)| key == "PATH").map(|(_, value)| value.as_os_str());
    let path = path.unwrap_or_else(|| OsStr::new(DEFAULT_PATH)).as_bytes();
    path.split(|byte| *byte == b':')
        .map(|directory| {
            let directory = if directory.is_empty() { b"." } else { directory };
            CString::new([directory, name.to_bytes()].join(&b'/')).ok()
        })
        .collect()
}

/// Where programs are where nobody said so.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Makes this process worthless to an attacker who sees it on its way: not traceable or readable
/// by others, no core file, and for one with every capability, who may read it all the same,
/// nothing of the caller's environment but what the program is to have. The soft core limit that
/// was is returned for the program, if it was not that already.
pub fn protect() -> Result<Option<u64>, ActionError> {
    set_protected(true)?;
    raw::environment::forget();
    let (soft, hard) = getrlimit(Resource::RLIMIT_CORE).context("read", "the core file limit")?;
    if soft == 0 {
        return Ok(None);
    }
    setrlimit(Resource::RLIMIT_CORE, 0, hard).context("set", "the core file limit")?;
    Ok(Some(soft))
}

/// What of that can be had before anything is joined, for who starts a process in sight of others even
/// then. The files of a protected process are root's: who is not could not go on.
pub fn hide() -> Result<(), ActionError> {
    raw::environment::forget();
    if nix::unistd::geteuid().is_root() { set_protected(true) } else { Ok(()) }
}

/// Whether others may trace this process, read its memory and own its files in /proc.
pub fn set_protected(protected: bool) -> Result<(), ActionError> {
    nix::sys::prctl::set_dumpable(!protected).context("protect", "this process")?;
    Ok(())
}

/// What was true of signals and limits when nsx was started, given back to the program.
#[derive(Debug)]
pub struct Inherited {
    /// Soft RLIMIT_CORE in bytes, which nsx sets to 0 for itself; `None`: it was left alone.
    pub core_limit: Option<u64>,
    /// Absent where signals were left alone.
    pub signals: Option<SignalState>,
    /// How many of the caller's descriptors the program is to have beside the standard ones: those
    /// from 3 on.
    pub descriptors: u32,
}

/// Everything between the last change and exec, in the program's own process. Nothing is opened.
/// `last_step` may forbid everything but exec.
pub fn become_program(
    program: &Program,
    inherited: &Inherited,
    last_step: impl FnOnce() -> Result<(), ActionError>,
) -> ActionError {
    // Credentials may have changed since: changing them makes a process dumpable again.
    if let Err(error) = set_protected(true) {
        return error;
    }
    if let Err(errno) = raw::fds::close_on_exec_from(inherited.descriptors.saturating_add(3)) {
        return SysError::new("close", "descriptors above 2", errno).into();
    }
    let core_limit = |soft: u64| {
        let (_, hard) = getrlimit(Resource::RLIMIT_CORE)?;
        setrlimit(Resource::RLIMIT_CORE, soft.min(hard), hard)
    };
    let restored = inherited
        .core_limit
        .map_or(Ok(()), core_limit)
        .and_then(|()| inherited.signals.map_or(Ok(()), |signals| signals.restore()));
    if let Err(errno) = restored {
        return SysError::new("restore", "limits and signals", errno).into();
    }
    match last_step() {
        Ok(()) => program.exec(),
        Err(error) => error,
    }
}

/// Dies with the process that `parent` pins: set, then checked, since it may be gone already.
pub fn die_with(parent: &OwnedFd) -> Result<(), ActionError> {
    tie_to(parent, Signal::SIGKILL)
}

/// The same with a signal of the caller's choice.
pub fn tie_to(parent: &OwnedFd, signal: Signal) -> Result<(), ActionError> {
    nix::sys::prctl::set_pdeathsig(signal).context("tie", "the program to nsx")?;
    let mut ended = [rustix::event::PollFd::new(parent, rustix::event::PollFlags::IN)];
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    match rustix::event::poll(&mut ended, Some(&now)).context("watch", "nsx")? {
        0 => Ok(()),
        _ => Err(ActionError::Refused("nsx ended".to_owned())),
    }
}

/// Standard input, output and error are this from here on.
pub fn stand_on(descriptor: &OwnedFd) -> Result<(), ActionError> {
    rustix::stdio::dup2_stdin(descriptor).context("set", "standard input")?;
    rustix::stdio::dup2_stdout(descriptor).context("set", "standard output")?;
    rustix::stdio::dup2_stderr(descriptor).context("set", "standard error")?;
    Ok(())
}

/// A file that swallows everything.
pub fn nowhere() -> Result<OwnedFd, ActionError> {
    let flags = rustix::fs::OFlags::RDWR | rustix::fs::OFlags::CLOEXEC;
    let mode = rustix::fs::Mode::empty();
    Ok(rustix::fs::open("/dev/null", flags, mode).context("open", "/dev/null")?)
}

/// What has news once this process has ended, and what keeps it quiet: nobody else may hold that.
/// To who gets at the first from inside it gives nothing; by a pidfd he would have every descriptor
/// of ours: pidfd_getfd(2).
pub fn lifeline() -> Result<(OwnedFd, OwnedFd), ActionError> {
    Ok(rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context("make", "a pipe")?)
}

/// A pidfd of this process.
pub fn own_pidfd() -> Result<OwnedFd, ActionError> {
    let me = rustix::process::getpid();
    Ok(rustix::process::pidfd_open(me, rustix::process::PidfdFlags::empty())
        .context("pin", "nsx")?)
}

/// Tells the parent why this child will not become the program, and ends it.
pub fn report_and_exit(status: &OwnedFd, error: &ActionError) -> ! {
    let errno = error.errno().and_then(|errno| u8::try_from(errno as i32).ok());
    let mut report = vec![error.exit(), errno.unwrap_or_default()];
    report.extend_from_slice(error.to_string().as_bytes());
    if let ActionError::Advised { hint, .. } = error {
        // No message has one.
        report.push(0);
        report.extend_from_slice(hint.as_bytes());
    }
    // At most a page: written whole or, if the parent is gone, for nobody.
    report.truncate(4096);
    let _ = rustix::io::write(status.as_fd(), &report);
    raw::fork::exit_now(i32::from(error.exit()))
}

/// What a child wrote there, if anything: it ended before it could do what it was started for.
pub fn reported(report: &[u8]) -> Result<(), ActionError> {
    match report.split_first_chunk() {
        Some(([exit, errno], message)) => {
            let errno = (*errno != 0).then(|| Errno::from_raw(i32::from(*errno)));
            let text = String::from_utf8_lossy(message);
            let (message, hint) = match text.split_once('\0') {
                Some((message, hint)) => (message.to_owned(), Some(hint.to_owned())),
                None => (text.into_owned(), None),
            };
            Err(ActionError::InChild { exit: *exit, errno, message, hint })
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tried(name: &str, path: Option<&str>) -> Vec<String> {
        let environment: Vec<_> =
            path.map(|path| ("PATH".into(), path.into())).into_iter().collect();
        let program = Program::new(&[name.into()], &environment).unwrap();
        program.path.iter().map(|path| path.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_bare_name_is_searched_and_a_path_is_not() {
        assert_eq!(tried("ip", Some("/a:/b")), ["/a/ip", "/b/ip"]);
        assert_eq!(tried("ip", Some(":/b")), ["./ip", "/b/ip"]);
        assert_eq!(tried("./ip", Some("/a")), ["./ip"]);
        assert_eq!(tried("ip", None).len(), 6);
    }

    #[test]
    fn what_is_looked_for_through_a_file_is_not_there() {
        let directory = tempfile::tempdir().unwrap();
        let program = |path: &str| Program::new(&["a".into()], &[("PATH".into(), path.into())]);
        let error = program("/etc/passwd:/no/such").unwrap().exec();
        assert!(matches!(error, ActionError::CommandNotFound(_)), "{error}");
        let script = directory.path().join("a");
        std::fs::write(&script, "#!/no/such\n").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&script, mode).unwrap();
        let path = format!("/etc/passwd:{}", directory.path().display());
        let error = program(&path).unwrap().exec();
        let expected = format!("{}: its interpreter does not exist", script.display());
        assert!(error.to_string().ends_with(&expected), "{error}");
    }

    #[test]
    fn what_exec_cannot_take_is_refused_before_anything_changes() {
        assert!(Program::new(&[], &[]).is_err());
        assert!(Program::new(&["a\0b".into()], &[]).is_err());
        assert!(Program::new(&["a".into()], &[("K".into(), "v\0".into())]).is_err());
    }
}
