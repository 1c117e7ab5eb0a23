//! Starts a program in new namespaces and stays with it to the end.

mod companion;
pub mod detach;
mod id_tools;
mod inside;
mod introduction;
pub mod janitor;
mod meeting;
pub mod notices;
mod outside;
mod owner;
pub mod record;
mod report;
pub mod stop;

use super::cgroup::Group;
use super::error::{ActionError, Advise, USER_NAMESPACES};
use super::guard::{self, Guard, Ward};
use super::init::{self, Life};
use super::launch::{self, Inherited, Program};
use super::network::Network;
use super::pty::{self, Pair};
use super::restrict::Restriction;
use super::rootfs::Rootfs;
use super::supervise::{self, Audience, Ending, Signals, Stops};
use crate::model::group::Sites;
use crate::model::isolation::{Identity, Isolation, Terminal};
use crate::model::namespace::{Kind, Kinds};
use crate::model::report::Report;
use crate::model::text::Text;
use crate::sys::error::{Context, SysError};
use crate::sys::idmap;
use crate::sys::ns;
use crate::sys::raw;
use crate::sys::raw::fork::{self, Child, Side};
use crate::sys::tree::Tree;
use companion::Companion;
use introduction::{Listener, Namespaces, Speaker};
use janitor::Janitor;
use meeting::Inside;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use notices::Notices;
use rustix::pipe::{PipeFlags, pipe_with};
use std::convert::Infallible;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

/// What is wanted, checked, and what was opened for it.
#[derive(Debug)]
pub struct Spawn {
    /// Namespaces, ids, mounts, limits and life, as they are to be: none of it is made yet.
    pub isolation: Isolation,
    /// What it may do less, prepared from the isolation's restrictions.
    pub restriction: Restriction,
    /// Where its control groups are made.
    pub sites: Sites,
    /// Joined or wired around the clone; bare: as the namespaces say.
    pub network: Network,
    /// Where the program is to see other files than ours.
    pub rootfs: Option<Rootfs>,
    /// What is run, looked for in the new root by the PATH of its environment.
    pub program: Program,
    /// What it used is wanted too.
    pub reports: bool,
    /// Who clears up after a nsx that was killed, where there may be something.
    pub janitor: Option<Rc<Janitor>>,
    /// Who hears of it.
    pub notices: Option<Notices>,
    /// In place of the standard descriptors, for a program that is left alone.
    pub nowhere: Option<OwnedFd>,
}

/// How it ended, and what it used where that was wanted.
#[derive(Debug)]
pub struct Ended {
    /// The program's own; a time that was over is told apart.
    pub ending: Ending,
    /// Only where it was asked for.
    pub report: Option<Report>,
    /// For the person: what did not come about all the same.
    pub notes: Vec<String>,
}

/// Runs the program; returns how it ended, with nothing left of it. Where nobody is to stay beside
/// it this process becomes the program, and only a failure returns.
pub fn spawn(wanted: &mut Spawn) -> Result<Ended, ActionError> {
    let core_limit = launch::protect()?;
    if wanted.isolation.life.fork {
        return beside(wanted, core_limit);
    }
    let inherited = Inherited { core_limit, signals: None, descriptors: 0 };
    match in_place(wanted, &inherited) {
        Err(error) => Err(error),
        Ok(never) => match never {},
    }
}

/// In a child, which is born in the namespaces.
fn beside(wanted: &mut Spawn, core_limit: Option<u64>) -> Result<Ended, ActionError> {
    let signals = Signals::catch()?;
    let inherited = Inherited { core_limit, signals: Some(signals.before), descriptors: 0 };
    // Whatever is left when this ends is dropped before who would clear it up.
    let janitor = wanted.janitor.take();
    let expect = |directory: &Path| match &janitor {
        Some(janitor) => janitor.expect_group(directory),
        None => Ok(()),
    };
    let mut group = Group::make(&wanted.sites, &wanted.isolation.limits, expect)?;
    let mut notices = wanted.notices.take();
    if let Some(notices) = &mut notices {
        notices.note_groups(&group.directories())?;
    }
    let mut network = std::mem::take(&mut wanted.network);
    let is_told = wanted.reports || notices.is_some();
    let begun = is_told.then(Instant::now);
    let outside = (&mut group, &mut network, notices.as_mut());
    let mut rootfs = wanted.rootfs.take();
    // Until nothing of the program is left.
    let _claim = rootfs.as_mut().and_then(Rootfs::claim);
    let let_go = || janitor.iter().for_each(|janitor| janitor.let_go());
    let (child, ending) = run(wanted, &inherited, &signals, outside, rootfs, &let_go)?;
    // What SIGKILL does not end, as it is frozen or waits for a device, is not waited for: its time
    // was over, and that is what is told.
    let timed_out = matches!(ending, Ok(Ending::TimedOut));
    let mut notes = Vec::new();
    let mut note_left = |cleared: Result<(), ActionError>| match cleared {
        Err(error) if timed_out => {
            notes.push(error.to_string());
            Ok(false)
        }
        cleared => cleared.map(|()| true),
    };
    let mut has_ended = true;
    let report = match (ending.as_ref(), begun.map(|begun| begun.elapsed())) {
        (Ok(ending), Some(wall)) => {
            // What is left uses nothing more.
            has_ended = note_left(group.kill())?;
            Some(report::make(*ending, wall, group.used(), &wanted.isolation.limits)?)
        }
        _ => None,
    };
    let is_gone = if has_ended { note_left(group.remove())? } else { group.leave() };
    if let Some(janitor) = janitor.as_ref().filter(|_| !is_gone) {
        Janitor::take_over(janitor);
    }
    network.end(ending.is_ok() && keeps_network(&wanted.isolation));
    if let (Some(report), Some(notices)) = (&report, &mut notices)
        && !notices.ended(child, report)?
    {
        notes.push("nobody reads the status descriptor: its end is not told there".to_owned());
    }
    drop((notices, janitor));
    ending.map(|ending| Ended { ending, report, notes })
}

fn keeps_network(isolation: &Isolation) -> bool {
    isolation.kept.iter().any(|(kind, _)| *kind == Kind::Net)
}

/// From birth to end; and who the child was, which has let go of what is nsx's alone.
fn run(
    wanted: &Spawn,
    inherited: &Inherited,
    signals: &Signals,
    (group, network, notices): (&mut Group, &mut Network, Option<&mut Notices>),
    rootfs: Option<Rootfs>,
    let_go: &dyn Fn(),
) -> Result<(u32, Result<Ending, ActionError>), ActionError> {
    let isolation = &wanted.isolation;
    let parent = launch::own_pidfd()?;
    let (guard, ward) = start_guard(isolation, &parent)?.unzip();
    let (stops, stops_told) = pipe_of_stops(isolation)?.unzip();
    let (status, report) = pipe_with(PipeFlags::CLOEXEC).context("make", "a pipe")?;
    let meets = !group.is_empty()
        || network.is_wired()
        || outside::is_needed_first(isolation)
        || outside::is_needed_last(isolation);
    let meeting = if meets { Some(meeting::arrange()?) } else { None };
    let (of_child, of_nsx) = meeting.unzip();
    let tools_may_be_needed =
        outside::is_needed_first(isolation) && !nix::unistd::geteuid().is_root();
    let is_unprotected = tools_may_be_needed || network.is_hidden_by_protection();
    if is_unprotected {
        // The map files of a protected process belong to root, and its namespaces to who may trace
        // anybody. Nobody else is in there yet.
        launch::set_protected(false)?;
    }
    let has_terminals = rootfs.as_ref().is_some_and(Rootfs::has_terminals);
    let pair = match isolation.terminal {
        Terminal::Own => {
            if has_terminals {
                None
            } else {
                Some(pty::open(owner_of_terminal(isolation))?)
            }
        }
        Terminal::Shared | Terminal::Apart => None,
    };
    let opens_terminal = isolation.terminal == Terminal::Own && pair.is_none();
    let introduces = opens_terminal || notices.is_some();
    let introduction = if introduces { Some(introduction::arrange()?) } else { None };
    let (speaker, listener) = introduction.unzip();
    network.join()?;
    let (side, is_born_inside) = give_birth(isolation, group.birthplace())?;
    let child = match side {
        Side::Child => {
            drop((of_nsx, status, listener, stops));
            let_go();
            network.let_go();
            std::mem::forget(guard);
            let meeting = of_child;
            let stops = stops_told;
            let outside =
                Outside { meeting, parent, ward, stops, rootfs, pair, speaker, opens_terminal };
            let error = match inside(wanted, inherited, outside, signals) {
                Err(error) => error,
                Ok(never) => match never {},
            };
            launch::report_and_exit(&report, &error)
        }
        Side::Parent(child) => child,
    };
    drop((of_child, report, parent, stops_told, rootfs, speaker));
    let pid = child.pid.as_raw().cast_unsigned();
    let mut kept = Vec::new();
    let life = &isolation.life;
    let end = life.limit.map(|limit| Instant::now() + limit);
    let attended = match &of_nsx {
        Some(meeting) => {
            let first = || {
                group.add(child.pid, is_born_inside)?;
                Ok(network.wire(&child)?)
            };
            outside::attend(isolation, child.pid, meeting, end, &mut kept, first)
        }
        None => Ok(true),
    };
    // On failure the pipe closes without a word, and the child ends by itself. One that is to end at
    // once waits for that.
    let _meeting = of_nsx.filter(|_| matches!(attended, Ok(false)));
    if is_unprotected {
        launch::set_protected(true)?;
    }
    let terminal = pair.map(Pair::relay).transpose()?;
    let left = end.map(|end| end.saturating_duration_since(Instant::now()));
    let is_init = isolation.new.has(Kind::Pid) && !life.init;
    let program = supervise::Program::new(child, is_init).limited(left, life.grace);
    let program = if life.init { program.behind_an_init() } else { program };
    let program = program.left_alone(wanted.nowhere.is_some());
    let program = program.with_stops(stops.map(Stops::Heard));
    let program =
        if isolation.terminal == Terminal::Apart { program.in_a_session() } else { program };
    let mut heard = listener.map(|listener| Heard { listener, notices, network });
    let audience = heard.as_mut().map(|heard| -> &mut dyn Audience { heard });
    let ending = supervise::supervise(program, signals, Some(status), terminal, audience);
    let ending = attended.and(ending);
    if ending.is_err() && life.guard {
        outside::let_go(&kept);
    }
    Ok((pid, ending))
}

/// The program, by its own word, and who wants to hear of it.
struct Heard<'a> {
    listener: Listener,
    notices: Option<&'a mut Notices>,
    network: &'a Network,
}

impl Audience for Heard<'_> {
    fn started(&mut self, child: &Child) -> Result<Option<pty::Terminal>, ActionError> {
        let Some(mut program) = self.listener.hear()? else { return Ok(None) };
        let terminal = program.terminal.take().map(pty::Terminal::of).transpose()?;
        if let Some(notices) = &mut self.notices {
            notices.peer = self.network.peer();
            notices.started(child, &program)?;
        }
        Ok(terminal)
    }

    fn unsaid(&self) -> Option<BorrowedFd<'_>> {
        self.notices.as_ref()?.unsaid()
    }

    fn say_more(&mut self) -> Result<(), ActionError> {
        self.notices.as_mut().map_or(Ok(()), |notices| notices.say_more())
    }
}

/// Where nothing of ours stays beside the program, and the kernel is to kill it.
fn start_guard(isolation: &Isolation, nsx: &OwnedFd) -> Result<Option<(Guard, Ward)>, ActionError> {
    let life = &isolation.life;
    let is_wanted = life.guard && !life.init && death_signal(isolation) == Signal::SIGKILL;
    is_wanted.then(|| guard::start(nsx)).transpose()
}

/// Nonblocking at the end of an init that cannot stop itself, where there is one.
fn pipe_of_stops(isolation: &Isolation) -> Result<Option<(OwnedFd, OwnedFd)>, ActionError> {
    let is_wanted = isolation.life.init && isolation.new.has(Kind::Pid);
    let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
    Ok(is_wanted.then(|| pipe_with(flags)).transpose().context("make", "a pipe")?)
}

/// Says also whether it was in the group, so that no process of the program ever was elsewhere.
fn give_birth(
    isolation: &Isolation,
    group: Option<BorrowedFd<'_>>,
) -> Result<(Side, bool), ActionError> {
    let at_birth: Kinds = isolation.new.iter().filter(|kind| !inside::LATE.has(*kind)).collect();
    let namespaces = u64::from(ns::clone_flags(at_birth).bits().cast_unsigned());
    let fork = || match group {
        Some(group) => fork::fork_into(group, namespaces),
        None => fork::fork(namespaces).map(|side| (side, false)),
    };
    let born = match isolation.owner {
        // Who that is may not be allowed to use the group.
        Some(owner) => owner::fork_as(owner, namespaces)?.map(|side| (side, false)),
        None if isolation.leaves_groups => owner::out_of_groups(fork)?,
        None => fork(),
    };
    born.map_err(|errno| {
        let what = if at_birth.is_empty() {
            "a child".to_owned()
        } else {
            format!("a process with new {at_birth} namespaces")
        };
        not_made(SysError::new("start", what, errno), at_birth)
    })
}

/// What the kernel means by an error of clone(2) or unshare(2).
fn not_made(error: SysError, new: Kinds) -> ActionError {
    let errno = error.errno();
    let error = ActionError::from(error);
    match errno {
        Some(Errno::EPERM) if new.has(Kind::User) => error.advise(USER_NAMESPACES),
        Some(Errno::ENOSPC | Errno::EUSERS) => error.advise(
            "there are as many as there may be: sysctl user.max_user_namespaces and its kin, and 32 \
             of pid or user in one another",
        ),
        Some(Errno::EINVAL) => error.advise("this kernel may lack one of them: /proc/self/ns lists its own"),
        _ => error,
    }
}

/// What the child has from outside: nothing of it stays.
struct Outside {
    meeting: Option<Inside>,
    /// nsx.
    parent: OwnedFd,
    ward: Option<Ward>,
    /// For an init that cannot stop itself.
    stops: Option<OwnedFd>,
    rootfs: Option<Rootfs>,
    pair: Option<Pair>,
    /// Where somebody wants to know who it is.
    speaker: Option<Speaker>,
    /// Its terminal is one of those inside, and nsx has not opened it.
    opens_terminal: bool,
}

/// In the new namespaces, before the program.
fn inside(
    wanted: &Spawn,
    inherited: &Inherited,
    outside: Outside,
    signals: &Signals,
) -> Result<Infallible, ActionError> {
    let isolation = &wanted.isolation;
    let Outside { meeting, parent, ward, stops, rootfs, pair, speaker, opens_terminal } = outside;
    // Whatever it takes until there is a program.
    launch::die_with(&parent)?;
    let is_on_own = isolation.terminal == Terminal::Own;
    // Of the host: the root may be without.
    let nowhere = if is_on_own && isolation.life.init { Some(launch::nowhere()?) } else { None };
    inside::arrive(isolation, meeting.as_ref(), true)?;
    if isolation.identity.first_root {
        // Who becomes somebody else is tied to nobody.
        launch::die_with(&parent)?;
    }
    let namespaces = speaker.as_ref().map(|_| Namespaces::own());
    let terminals = inside::settle(isolation, rootfs, meeting.as_ref())?;
    drop(meeting);
    let pair = if opens_terminal { Some(open_inside(isolation, terminals)?) } else { pair };
    let (parent, pair) = if isolation.life.init {
        if let Some(nowhere) = &wanted.nowhere {
            // What stays beside the program keeps nobody waiting for the end of our output.
            launch::stand_on(nowhere)?;
        }
        // With the first process of a pid namespace the kernel ends the others.
        let owner = if isolation.new.has(Kind::Pid) { None } else { Some(parent) };
        let life = Life {
            limit: isolation.life.limit,
            grace: isolation.life.grace,
            alone: wanted.nowhere.is_some(),
            stops,
            owner,
            nowhere,
        };
        init::split(signals, life, pair)?
    } else {
        (parent, pair)
    };
    if let (Some(speaker), Some(namespaces)) = (speaker, namespaces) {
        speaker.tell(namespaces, pair.as_ref().filter(|_| opens_terminal).map(Pair::master))?;
    }
    match pair {
        Some(pair) => pair.adopt()?,
        None if isolation.terminal == Terminal::Apart => {
            rustix::process::setsid().context("begin", "a session")?;
        }
        None => {}
    }
    ward.map_or(Ok(()), Ward::give_into_care)?;
    let is_tied = !isolation.life.init
        && death_signal(isolation) == Signal::SIGKILL
        && wanted.restriction.changes_nobody(&isolation.identity);
    become_program(wanted, inherited, Some(&parent).filter(|_| !is_tied))
}

/// A terminal of those that the program's root has.
fn open_inside(isolation: &Isolation, terminals: Option<Tree>) -> Result<Pair, ActionError> {
    let terminals = terminals.ok_or_else(|| {
        ActionError::Refused("the root has no place for a terminal any more".to_owned())
    })?;
    let Identity { uid, gid, .. } = isolation.identity;
    let is_somebody = isolation.users.is_some() || uid.is_some();
    let owner = is_somebody.then_some((uid.unwrap_or(0), gid.unwrap_or(0)));
    pty::open_in(terminals.as_fd(), owner)
}

/// Whom it is given to, as he is called here.
fn owner_of_terminal(isolation: &Isolation) -> Option<(u32, u32)> {
    let (uid, gid) = (isolation.identity.uid.unwrap_or(0), isolation.identity.gid.unwrap_or(0));
    match &isolation.users {
        None => isolation.identity.uid.map(|uid| (uid, gid)),
        Some(map) => idmap::to_outside(&map.users, uid).zip(idmap::to_outside(&map.groups, gid)),
    }
}

fn death_signal(isolation: &Isolation) -> Signal {
    let wanted = isolation.life.death_signal.map(Signal::try_from);
    wanted.and_then(Result::ok).unwrap_or(Signal::SIGKILL)
}

/// This process leaves its namespaces for new ones and becomes the program.
fn in_place(wanted: &Spawn, inherited: &Inherited) -> Result<Infallible, ActionError> {
    let isolation = &wanted.isolation;
    let helped = outside::is_needed_first(isolation) || outside::is_needed_last(isolation);
    let companion = if helped { Some(Companion::start(isolation)?) } else { None };
    if let Some(owner) = isolation.owner {
        owner::become_for_good(owner)?;
    }
    if !isolation.new.is_empty() {
        nix::sched::unshare(ns::clone_flags(isolation.new)).map_err(|errno| {
            let what = format!("new {} namespaces", isolation.new);
            not_made(SysError::new("make", what, errno), isolation.new)
        })?;
    }
    if let Some(companion) = &companion {
        companion.meeting.say_done();
    }
    let meeting = companion.as_ref().map(|companion| &companion.meeting);
    let settled = inside::arrive(isolation, meeting, false)
        .and_then(|()| inside::settle(isolation, None, meeting));
    if let Some(companion) = companion {
        companion.finish()?;
    }
    settled?;
    become_program(wanted, inherited, None)
}

fn become_program(
    wanted: &Spawn,
    inherited: &Inherited,
    parent: Option<&OwnedFd>,
) -> Result<Infallible, ActionError> {
    let isolation = &wanted.isolation;
    if let Some(directory) = &isolation.directory {
        nix::unistd::chdir(directory.as_c_str())
            .with_context("change to", || Text::new(directory.to_bytes()))
            .advise("a working directory is named as it is called inside")?;
    }
    if isolation.leaves_keys {
        raw::keyring::leave_session().context("leave", "the session keyring")?;
    }
    if let Some(nowhere) = &wanted.nowhere {
        launch::stand_on(nowhere)?;
    }
    let opened = wanted.restriction.in_program(&isolation.identity)?;
    if let Some(parent) = parent {
        launch::tie_to(parent, death_signal(isolation))?;
    }
    let last_step = || wanted.restriction.last_step(opened);
    Err(launch::become_program(&wanted.program, inherited, last_step))
}
