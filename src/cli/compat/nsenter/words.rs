//! What went wrong, in the words of nsenter(1).

use crate::cli::compat::reason;
use crate::cli::enter::request::{Place, Request};
use crate::cli::error::{Failure, Kind as FailureKind};
use crate::collect::target::TargetError;
use crate::model::namespace::{Kind, Kinds};
use crate::model::process::Pid;
use crate::model::text::Text;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// What of the command line its messages repeat; the request is gone by then.
#[derive(Debug)]
pub(super) struct Words {
    pid: Option<Pid>,
    socket: u32,
    /// What nsenter opens of its target first.
    first: String,
    root: Option<Text>,
    directory: Option<Text>,
    /// Absent where it is a shell.
    program: Option<Text>,
}

/// In the order in which nsenter takes them up.
const ORDER: [Kind; 8] =
    [Kind::User, Kind::Cgroup, Kind::Ipc, Kind::Uts, Kind::Net, Kind::Pid, Kind::Mnt, Kind::Time];

/// What begins so in nsx's words is called that in nsenter's, and why stays.
const CALLED: &[(&str, &str)] = &[
    ("cannot join the namespace ", "reassociate to namespace 'ns/*' failed"),
    ("cannot join the ", "reassociate to namespaces failed"),
    ("cannot set supplementary groups", "setgroups failed"),
    ("cannot drop supplementary groups", "setgroups failed"),
    ("cannot become group ", "setgid() failed"),
    ("cannot become user ", "setuid() failed"),
    ("cannot change to the new root", "change directory by root file descriptor failed"),
    ("cannot change the root", "chroot failed"),
    (
        "cannot change to the working directory",
        "change directory by working directory file descriptor failed",
    ),
    (
        "cannot change to the target's working directory",
        "change directory by working directory file descriptor failed",
    ),
    ("cannot change to ", "cannot open current working directory"),
    ("cannot find the owner of a namespace", "failed to open parent namespace"),
    ("cannot read environ", "failed to get environment variables"),
    ("cannot start a child", "fork failed"),
];

impl Words {
    pub(super) fn of(request: &Request) -> Self {
        let kinds = if request.wish.all { Kinds::EVERY } else { request.wish.named };
        let first = ORDER.into_iter().find(|kind| kinds.has(*kind));
        let first = match (first, &request.root) {
            (Some(kind), _) => format!("ns/{kind}"),
            (None, Some(Place::OfTarget)) => "root".to_owned(),
            (None, _) => "cwd".to_owned(),
        };
        let ours = |place: &Option<Place>| match place {
            Some(Place::Ours(path)) => Some(Text::new(path.as_bytes())),
            _ => None,
        };
        let pid = request.target.as_deref().and_then(OsStr::to_str).unwrap_or_default();
        let program = request.program.first().map(|word| Text::new(word.as_bytes()));
        Self {
            pid: pid.split(':').next().and_then(|pid| pid.parse().ok()).and_then(Pid::new),
            socket: request.socket.unwrap_or_default(),
            first: if request.wish.all { "-".to_owned() } else { first },
            root: ours(&request.root),
            directory: ours(&request.directory),
            program,
        }
    }

    /// Every failure but that of the program itself is 1.
    pub(super) fn of_failure(&self, failure: &Failure) -> Failure {
        let program = self.program.as_ref().map(ToString::to_string);
        reason::not_executed(failure, program.as_deref()).unwrap_or_else(|| {
            let why = reason::of(&failure.message);
            Failure::new(FailureKind::Failed, self.message(&failure.message, &why))
        })
    }

    fn message(&self, said: &str, why: &str) -> String {
        if let Some(message) = self.pid.and_then(|pid| self.of_target(said, why, pid)) {
            return message;
        }
        for (place, of) in [(&self.root, "root"), (&self.directory, "working directory")] {
            if let Some(path) = place
                && *said == format!("cannot open {path}: Not a directory")
            {
                return format!("change directory by {of} file descriptor failed: {why}");
            }
        }
        if let Some(id) = said.strip_prefix("no namespace ").and_then(|rest| rest.split(':').nth(1))
        {
            let id = id.split(' ').next().unwrap_or_default();
            return format!("cannot open namespace of id {id}");
        }
        if said.starts_with("cannot start a process there") {
            return "fork failed: Cannot allocate memory".to_owned();
        }
        if let Some(kind) = said.strip_suffix(" namespace").and_then(wrong_kind) {
            return format!("reassociate to namespace 'ns/{kind}' failed: Invalid argument");
        }
        if said.starts_with("cannot change to ") && why == "Not a directory" {
            let what = "change directory by working directory file descriptor failed";
            return format!("{what}: {why}");
        }
        match CALLED.iter().find(|(ours, _)| said.starts_with(ours)) {
            Some((ours, theirs)) => {
                let key = said.strip_prefix(ours).unwrap_or_default();
                let kind = key.split(':').next().unwrap_or_default();
                format!("{}: {why}", theirs.replace('*', kind))
            }
            None => said.to_owned(),
        }
    }

    /// Of a target that is not there, or not any more.
    fn of_target(&self, said: &str, why: &str, pid: Pid) -> Option<String> {
        let (first, socket) = (&self.first, self.socket);
        let is = |error: TargetError| said == error.to_string();
        if is(TargetError::NoProcess(pid)) {
            return Some(match first.as_str() {
                "-" => format!("stat of /proc/{pid}/ns/user failed: No such file or directory"),
                first => format!("cannot open /proc/{pid}/{first}: No such file or directory"),
            });
        }
        if is(TargetError::Zombie(pid)) {
            return Some("reassociate to namespaces failed: No such process".to_owned());
        }
        if said.starts_with(&format!("pid {pid} is another process")) {
            let what = format!("failed to obtain a valid file descriptor for PID {pid}");
            return Some(format!("{what}: No such process"));
        }
        if said == format!("the namespaces of pid {pid} cannot be read") {
            return Some("reassociate to namespaces failed: Operation not permitted".to_owned());
        }
        if said.starts_with(&format!("cannot take descriptor {socket} ")) {
            return Some(format!("pidfd_getfd({pid}, {socket}): {why}"));
        }
        let socket_of = format!("cannot find the network namespace of descriptor {socket} ");
        said.starts_with(&socket_of).then(|| format!("ioctl({socket}, SIOCGSKNS): {why}"))
    }
}

/// `/etc/passwd is no net`
fn wrong_kind(said: &str) -> Option<Kind> {
    let (_, name) = said.rsplit_once(" is no ")?;
    Kind::ALL.into_iter().find(|kind| kind.name() == name)
}
