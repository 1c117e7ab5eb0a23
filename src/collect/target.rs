//! What the user named → one pinned process.
//!
//! The process is pinned by pidfd before anything else is read of it, and it is the same one to
//! the end; a name is looked up first and its process then checked by start time.

use super::containers::{Containers, collect_containers};
use super::scan;
use crate::model::container::Container;
use crate::model::process::{Pid, Process};
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::error::SysError;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::proc::status;
use crate::sys::root::SysRoot;
use nix::errno::Errno;
use std::os::fd::AsFd;

/// The shortest id prefix that is looked up.
const SHORTEST_PREFIX: usize = 4;

#[derive(Debug)]
pub struct Target {
    pub handle: ProcessHandle,
    pub process: Process,
    /// Set where the target was named by its container.
    pub container: Option<Container>,
}

/// Why a target cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error("the target is empty")]
    Empty,
    #[error("no process has pid {0}")]
    NoProcess(Pid),
    #[error("{0} is not a process id (1 to {max}), and no container has that name or id", max = Pid::MAX)]
    NotAPid(Text),
    #[error("no container on this host has the name or id {0}")]
    NoContainer(Text),
    #[error("{spelled} is ambiguous: {candidates}")]
    Ambiguous { spelled: Text, candidates: String },
    #[error("{label} has no process: it is {state}")]
    NotRunning { label: Text, state: &'static str },
    #[error("pid {0} has ended and waits for its parent to collect it (a zombie)")]
    Zombie(Pid),
    #[error("pid {0} is a thread of another process")]
    Thread(Pid),
    #[error("{0} ended while it was being looked up")]
    Ended(Text),
    #[error(transparent)]
    System(#[from] SysError),
}

/// Resolves a PID, a container's name, an id prefix, or `RUNTIME:` before either of the latter.
pub fn resolve(root: &SysRoot, spelled: &[u8]) -> Result<Target, TargetError> {
    if let Some(pid) = Pid::parse(spelled) {
        return pin(root, pid);
    }
    let containers = collect_containers(root)?;
    let found = find(&containers, spelled)?.clone();
    let label = found.label();
    let init = found.init.as_ref().ok_or_else(|| TargetError::NotRunning {
        label: label.clone(),
        state: found.state.name(),
    })?;
    let (pid, start_ticks) = (init.pid, init.start_ticks);
    let target = pin(root, pid).map_err(|error| match error {
        TargetError::NoProcess(_) | TargetError::Zombie(_) => TargetError::Ended(label.clone()),
        other => other,
    })?;
    if target.process.start_ticks != start_ticks {
        return Err(TargetError::Ended(label));
    }
    Ok(Target { container: Some(found), ..target })
}

/// The one container that `spelled` names.
pub fn find<'a>(containers: &'a Containers, spelled: &[u8]) -> Result<&'a Container, TargetError> {
    let (runtime, name) = split_runtime(spelled);
    if name.is_empty() {
        return Err(TargetError::Empty);
    }
    let candidates: Vec<&Container> = containers
        .list
        .iter()
        .filter(|container| runtime.is_none_or(|wanted| wanted == container.runtime))
        .collect();
    let matching = |wanted: &dyn Fn(&Container) -> bool| -> Vec<&'a Container> {
        candidates.iter().copied().filter(|container| wanted(container)).collect()
    };
    // A whole name or id wins over a prefix.
    let mut found = matching(&|container| {
        let is = |text: &Option<Text>| text.as_ref().is_some_and(|text| text.as_bytes() == name);
        is(&container.name) || is(&container.id)
    });
    if found.is_empty() && name.len() >= SHORTEST_PREFIX && name.iter().all(u8::is_ascii_hexdigit) {
        found = matching(&|container| {
            container.id.as_ref().is_some_and(|id| id.as_bytes().starts_with(name))
        });
    }
    match found.as_slice() {
        [one] => Ok(one),
        [] if name.iter().all(u8::is_ascii_digit) && Pid::parse(name).is_none() => {
            Err(TargetError::NotAPid(Text::new(spelled)))
        }
        [] => Err(TargetError::NoContainer(Text::new(spelled))),
        many => Err(TargetError::Ambiguous {
            spelled: Text::new(spelled),
            candidates: many.iter().map(|one| describe(one)).collect::<Vec<_>>().join(", "),
        }),
    }
}

/// `docker:web (id 6961dd4fce83, pid 30176)`
fn describe(container: &Container) -> String {
    let id = container.short_id().map(|id| format!("id {id}, "));
    format!(
        "{}:{} ({}{})",
        container.runtime,
        container.label(),
        id.unwrap_or_default(),
        container
            .init
            .as_ref()
            .map_or_else(|| container.state.name().to_owned(), |init| format!("pid {}", init.pid))
    )
}

fn split_runtime(spelled: &[u8]) -> (Option<Runtime>, &[u8]) {
    let runtime = |prefix: &[u8]| {
        Runtime::ALL.into_iter().find(|runtime| runtime.name().as_bytes() == prefix)
    };
    let colon = spelled.iter().position(|byte| *byte == b':');
    match colon.map(|at| spelled.split_at(at)) {
        Some((prefix, rest)) => match runtime(prefix) {
            Some(runtime) => (Some(runtime), rest.get(1..).unwrap_or_default()),
            None => (None, spelled),
        },
        None => (None, spelled),
    }
}

fn pin(root: &SysRoot, pid: Pid) -> Result<Target, TargetError> {
    let handle = ProcessHandle::open(root, pid).map_err(|error| match error.errno() {
        // A thread that leads no process: ENOENT since Linux 6.15, EINVAL before.
        Some(Errno::ESRCH | Errno::ENOENT | Errno::EINVAL) if is_thread(root, pid) => {
            TargetError::Thread(pid)
        }
        Some(Errno::ESRCH | Errno::ENOENT | Errno::EINVAL) => TargetError::NoProcess(pid),
        _ => TargetError::System(error),
    })?;
    let Some(process) = scan::read_process_at(handle.dir().as_fd(), &mut Vec::new()) else {
        handle.check_alive().map_err(|_| TargetError::NoProcess(pid))?;
        return Err(SysError::new("read", format!("/proc/{pid}"), Errno::EACCES).into());
    };
    if process.state.ended() {
        return Err(TargetError::Zombie(pid));
    }
    handle.check_alive().map_err(|_| TargetError::NoProcess(pid))?;
    Ok(Target { handle, process, container: None })
}

/// A thread has a directory that no listing shows, in which another process stands as `Tgid`.
fn is_thread(root: &SysRoot, pid: Pid) -> bool {
    let read = || {
        let dir = bounded::open_dir(root.proc(), &pid.to_string()).ok()?;
        status::parse(&bounded::read(dir.as_fd(), "status", bounded::LARGE).ok()?)?.process
    };
    read().is_some_and(|process| process != pid)
}
