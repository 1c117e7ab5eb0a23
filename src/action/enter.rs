//! Joins namespaces, a process's or single ones, and becomes, or starts, a program there.

use super::confine::Confined;
use super::dns::Dns;
use super::error::ActionError;
use super::guard::{self, Ward};
use super::init;
use super::launch::{self, Inherited, Program};
use super::pty::{self, Pair};
use super::seat::Seat;
use super::supervise::{self, Ending, Signals};
use super::tools::Tools;
use super::whom::become_whom;
use crate::model::isolation::Identity;
use crate::model::namespace::{Kind, Kinds};
use crate::model::plan::{Held, Plan};
use crate::sys::error::{Context, SysError};
use crate::sys::ns;
use crate::sys::nsfs::NsFile;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::raw;
use crate::sys::raw::fork::{self, Side};
use nix::errno::Errno;
use std::convert::Infallible;
use std::ffi::CString;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// Everything that the join needs, read and checked before it.
#[derive(Debug)]
pub struct Entry {
    /// What is joined, in which order, and who the program becomes.
    pub plan: Plan,
    /// The target, held since it was looked up.
    pub target: Option<ProcessHandle>,
    /// Those that are joined by themselves.
    pub namespaces: Vec<NsFile>,
    /// What runs there, searched by its environment's PATH after the join.
    pub program: Program,
    /// A root that is made for the program.
    pub tools: Option<Tools>,
    /// The target's names for a program of the host.
    pub dns: Option<Dns>,
    /// A directory that becomes the root.
    pub root: Option<OwnedFd>,
    /// Its working directory, changed to after the root.
    pub directory: Directory,
    /// How many of the caller's descriptors the program gets beside the standard ones.
    pub descriptors: u32,
    /// How long the program may run; `None`: without end.
    pub limit: Option<Duration>,
    /// An init of its own stays beside the program.
    pub init: bool,
    /// The program ends with nsx though it becomes another user.
    pub guard: bool,
    /// The program is as confined as the target; then the plan's ids mean nothing.
    pub confined: Option<Confined>,
    /// The control groups that the program is put into.
    pub seat: Option<Seat>,
    /// The user and the group, as they are called here, that a terminal of the program's belongs to.
    pub terminal_owner: Option<(u32, u32)>,
    /// The program has none of the caller's session keys.
    pub leaves_keys: bool,
}

/// Where the program starts.
#[derive(Debug)]
pub enum Directory {
    /// Where we are; in a joined mount namespace or another root at its root.
    Stay,
    /// Looked up inside.
    Inside(CString),
    /// A directory of the target's.
    Held(OwnedFd),
    /// One of ours, asked for in so many words: from inside it may be nowhere.
    Ours(OwnedFd),
}

/// Runs the entry. Where no child is needed this process becomes the program, and only a failure
/// returns. After a join that failed the entry still holds its target.
pub fn enter(entry: &mut Entry) -> Result<Ending, ActionError> {
    let core_limit = launch::protect()?;
    let descriptors = entry.descriptors;
    if !entry.plan.fork {
        if entry.plan.apart {
            leave_session()?;
        }
        join(entry)?;
        let inherited = Inherited { core_limit, signals: None, descriptors };
        return match settle(entry).and_then(|()| become_program(entry, &inherited, None)) {
            Err(error) => Err(error),
            Ok(never) => match never {},
        };
    }
    let signals = Signals::catch()?;
    let inherited = Inherited { core_limit, signals: Some(signals.before), descriptors };
    let pair = if entry.plan.pty { Some(pty::open(entry.terminal_owner)?) } else { None };
    let (parent, lives) = launch::lifeline()?;
    let nowhere = if entry.init && entry.plan.pty { Some(launch::nowhere()?) } else { None };
    let (limit, alone) = (entry.limit, false);
    let life = init::Life { limit, grace: None, alone, stops: None, owner: None, nowhere };
    // An init that stays beside the program sees for itself that nsx has ended.
    let is_guarded = entry.guard && !entry.init;
    let (guard, ward) = is_guarded.then(|| guard::start(&parent)).transpose()?.unzip();
    // After the guard, which would hold it for a while: its end says that the program has started.
    let (status, report) =
        rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).context("make", "a pipe")?;
    join(entry)?;
    let child = match fork_inside()? {
        Side::Child => {
            drop((status, lives));
            std::mem::forget(guard);
            let error = child(entry, &inherited, pair, (parent, ward), (&signals, life));
            launch::report_and_exit(&report, &error)
        }
        Side::Parent(child) => child,
    };
    if let Some(confined) = &entry.confined {
        confined.restore_own();
    }
    drop((report, parent, life));
    let terminal = pair.map(Pair::relay).transpose()?;
    let program = supervise::Program::new(child, false).limited(entry.limit, None);
    let program = if entry.init { program.behind_an_init() } else { program };
    let program = if entry.plan.apart { program.in_a_session() } else { program };
    let ending = supervise::supervise(program, &signals, Some(status), terminal, None);
    drop((guard, lives));
    entry.seat = None;
    ending
}

/// For a program in our place: by /dev/tty it could read the operator's keys.
fn leave_session() -> Result<(), ActionError> {
    match rustix::process::setsid() {
        Ok(_) => Ok(()),
        // The first of a pipeline in a shell. Without a terminal there is nothing to keep away.
        Err(rustix::io::Errno::PERM) if !pty::is_there() => Ok(()),
        Err(rustix::io::Errno::PERM) => Err(ActionError::refused(
            "a program in nsx's place would keep your terminal",
            "leave out --no-fork, or start it by setsid(1)",
        )),
        Err(errno) => Err(errno).context("begin", "a session")?,
    }
}

fn fork_inside() -> Result<Side, ActionError> {
    fork::fork(0).map_err(|errno| match errno {
        Errno::ENOMEM => ActionError::Refused(
            "cannot start a process there: the first process of that pid namespace has ended"
                .to_owned(),
        ),
        errno => SysError::new("start", "a child", errno).into(),
    })
}

/// Of one process all namespaces at once: every one, or none. What was held is let go of.
fn join(entry: &mut Entry) -> Result<(), ActionError> {
    let plan = &entry.plan;
    if let Some(confined) = &entry.confined {
        confined.before_join()?;
    } else if plan.ids.groups_before_join {
        match nix::unistd::setgroups(&[]) {
            // Without the right to it these are the caller's own groups, and stay.
            Ok(()) | Err(Errno::EPERM) => {}
            Err(errno) => Err(errno).context("drop", "supplementary groups")?,
        }
    }
    for join in &plan.joins {
        let joined = match join.held {
            Held::Process(_) => join_process(entry, join.kinds),
            Held::Namespace(key) => entry
                .namespaces
                .iter()
                .find(|file| file.key == key)
                .ok_or(Errno::EBADF)
                .and_then(|file| ns::join(file.fd.as_fd(), join.kinds)),
        };
        let (kinds, held) = (join.kinds, join.held);
        joined.map_err(|errno| ActionError::Join { kinds, held, errno })?;
    }
    entry.target = None;
    entry.namespaces.clear();
    Ok(())
}

fn join_process(entry: &Entry, kinds: Kinds) -> nix::Result<()> {
    let target = entry.target.as_ref().ok_or(Errno::ESRCH)?;
    let errno = |error: SysError| error.errno().unwrap_or(Errno::EINVAL);
    match ns::join(target.pidfd().map_err(errno)?, kinds) {
        // Before Linux 5.8 a pidfd is no namespace file: nothing has been joined.
        Err(Errno::EINVAL | Errno::EBADF) => {
            let files = ns::open_each(target.dir(), kinds)?;
            // What was opened was the target's if it is still there.
            target.check_alive().map_err(errno)?;
            ns::join_each(&files, entry.plan.user_first)
        }
        joined => joined,
    }
}

fn child(
    entry: &mut Entry,
    inherited: &Inherited,
    pair: Option<Pair>,
    (parent, ward): (OwnedFd, Option<Ward>),
    (signals, life): (&Signals, init::Life),
) -> ActionError {
    let tied = || -> Result<Infallible, ActionError> {
        launch::die_with(&parent)?;
        ward.map_or(Ok(()), Ward::give_into_care)?;
        settle(entry)?;
        let (parent, pair) = if entry.init {
            init::split(signals, init::Life { owner: Some(parent), ..life }, pair)?
        } else {
            (parent, pair)
        };
        match pair {
            Some(pair) => pair.adopt()?,
            None if entry.plan.apart => {
                rustix::process::setsid().context("begin", "a session")?;
            }
            None => {}
        }
        become_program(entry, inherited, Some(parent))
    };
    match tied() {
        Err(error) => error,
        Ok(never) => match never {},
    }
}

fn become_program(
    entry: &Entry,
    inherited: &Inherited,
    parent: Option<OwnedFd>,
) -> Result<Infallible, ActionError> {
    if let Some(seat) = &entry.seat {
        seat.take(None)?;
    }
    if entry.leaves_keys {
        raw::keyring::leave_session().context("leave", "the session keyring")?;
    }
    match &entry.confined {
        Some(confined) => confined.in_program()?,
        None => become_whom(&identity(&entry.plan), entry.plan.ids.if_there)?,
    }
    if let Some(parent) = parent {
        // A change of ids unties it.
        launch::die_with(&parent)?;
    }
    let last_step = || entry.confined.as_ref().map_or(Ok(()), Confined::last_step);
    Err(launch::become_program(&entry.program, inherited, last_step))
}

fn identity(plan: &Plan) -> Identity {
    let ids = &plan.ids;
    Identity {
        first_root: false,
        uid: ids.uid,
        gid: ids.gid,
        groups: ids.groups.clone().filter(|_| !ids.groups_before_join),
        keep_capabilities: plan.keep_capabilities,
    }
}

/// Root and working directory, with the rights that we came with. No descriptor of a directory of
/// the host is open but what was asked for.
fn settle(entry: &mut Entry) -> Result<(), ActionError> {
    let moved = entry.plan.joined().has(Kind::Mnt) || entry.root.is_some();
    if let Some(tools) = entry.tools.take() {
        tools.assemble(entry.plan.fork && entry.plan.joined().has(Kind::Pid))?;
    }
    if let Some(dns) = entry.dns.take() {
        dns.mount()?;
    }
    if let Some(root) = entry.root.take() {
        rustix::process::fchdir(&root).context("change to", "the new root")?;
        rustix::process::chroot(".").context("change", "the root")?;
        rustix::process::chdir("/").context("change to", "the new root")?;
    }
    match std::mem::replace(&mut entry.directory, Directory::Stay) {
        Directory::Stay if !moved => return Ok(()),
        Directory::Stay => {}
        Directory::Inside(path) => nix::unistd::chdir(path.as_c_str())
            .with_context("change to", || crate::model::text::Text::new(path.as_bytes()))?,
        Directory::Held(directory) => {
            rustix::process::fchdir(&directory)
                .context("change to", "the target's working directory")?;
            if !moved {
                // A program of the host's in a directory of the target's, which our root lacks.
                return Ok(());
            }
        }
        Directory::Ours(directory) => {
            rustix::process::fchdir(&directory).context("change to", "the working directory")?;
            return Ok(());
        }
    }
    check_directory()
}

/// The kernel can name where we are from the root that we have.
fn check_directory() -> Result<(), ActionError> {
    let refused = match rustix::process::getcwd(Vec::new()) {
        Ok(here) if here.as_bytes().first() == Some(&b'/') => return Ok(()),
        Ok(_) => "the working directory would be outside the target",
        Err(rustix::io::Errno::NOENT) => "the working directory has been removed",
        found => return Ok(found.map(drop).context("find", "the working directory")?),
    };
    Err(ActionError::Refused(refused.to_owned()))
}
