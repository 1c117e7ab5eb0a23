//! What went wrong, in the words of unshare(1).

use crate::cli::compat::reason;
use crate::cli::error::{Failure, Kind as FailureKind};
use crate::cli::spawn::request::Request;
use crate::model::namespace::Kind;
use crate::model::text::Text;
use std::os::unix::ffi::OsStrExt;

/// What of the command line its messages repeat; the request is gone by then.
#[derive(Debug)]
pub(super) struct Words {
    /// Files of namespaces, as they are shown.
    kept: Vec<(Kind, String)>,
    /// Where binary formats are registered.
    binfmt: String,
    /// Absent where it is a shell.
    program: Option<String>,
}

/// What begins so in nsx's words is called that in unshare's, and why stays. `*`: what follows, up
/// to why.
const CALLED: &[(&str, &str)] = &[
    ("cannot make new ", "unshare failed"),
    ("cannot make a cgroup namespace", "unshare failed"),
    ("cannot make a time namespace", "unshare failed"),
    ("cannot start a process with new ", "unshare failed"),
    ("cannot start a child", "fork failed"),
    ("cannot write /proc/self/timens_offsets", "failed to write to /proc/self/timens_offsets"),
    ("cannot write /proc/", "write failed /proc/*"),
    ("cannot change the propagation of the mounts", "cannot change root filesystem propagation"),
    ("cannot change the propagation of ", "mount * failed"),
    ("cannot change the root to ", "cannot change root directory to '*'"),
    ("cannot change to ", "cannot change directory to *"),
    ("cannot mount proc on ", "mount * failed"),
    ("cannot mount binfmt_misc on ", "mount * failed"),
    ("cannot set supplementary groups", "setgroups failed"),
    ("cannot drop supplementary groups", "setgroups failed"),
    ("cannot become group ", "setgid() failed"),
    ("cannot become user ", "setuid() failed"),
];

impl Words {
    pub(super) fn of(request: &Request) -> Self {
        let shown = |bytes: &[u8]| Text::new(bytes).to_string();
        let kept = request.kept.iter();
        Self {
            kept: kept.map(|(kind, file)| (*kind, shown(file.as_os_str().as_bytes()))).collect(),
            binfmt: request.binfmt.as_ref().map_or_else(String::new, |at| shown(at.to_bytes())),
            program: request.program.first().map(|word| shown(word.as_bytes())),
        }
    }

    /// Every failure but that of the program itself is 1.
    pub(super) fn of_failure(&self, failure: &Failure) -> Failure {
        reason::not_executed(failure, self.program.as_deref()).unwrap_or_else(|| {
            let why = reason::of(&failure.message);
            Failure::new(FailureKind::Failed, self.message(&failure.message, &why))
        })
    }

    fn message(&self, said: &str, why: &str) -> String {
        if let Some(file) = said.strip_prefix("cannot mount a namespace on ") {
            return self.not_kept(file, why);
        }
        if let Some(who) = said.strip_prefix("cannot find subordinate ids of ")
            && let Some((who, file)) =
                who.rsplit_once(": ").and_then(|(who, _)| who.rsplit_once(" in "))
        {
            return format!("no line matching user \"{who}\" in {file}");
        }
        if said.starts_with("cannot register the binary format ") {
            return format!("write failed {}/register: {why}", self.binfmt);
        }
        if said == "cannot write /proc/self/setgroups: Permission denied" {
            return "cannot open /proc/self/setgroups: Permission denied".to_owned();
        }
        let why = if said.ends_with("a new one would show them") {
            "Operation not permitted"
        } else {
            why
        };
        match CALLED.iter().find(|(ours, _)| said.starts_with(ours)) {
            Some((ours, theirs)) => {
                let object = said.strip_prefix(ours).unwrap_or_default();
                let object = object.split(": ").next().unwrap_or_default();
                format!("{}: {why}", theirs.replace('*', object))
            }
            None => said.to_owned(),
        }
    }

    /// The namespaces are those of who is waited for: this process.
    fn not_kept(&self, said: &str, why: &str) -> String {
        let file = said.rsplit_once(": ").map_or(said, |(file, _)| file);
        let name = match self.kept.iter().find(|(_, kept)| kept == file) {
            Some((Kind::Pid, _)) => "pid_for_children",
            Some((Kind::Time, _)) => "time_for_children",
            Some((kind, _)) => kind.name(),
            None => "",
        };
        let pid = std::process::id();
        format!("mount /proc/{pid}/ns/{name} on {file} failed: {why}")
    }
}
