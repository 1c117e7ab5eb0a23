//! Gives a program what its target is and may do, and no more: `enter --as-target`.
//!
//! In four steps: [`Confined::prepare`] does what only the host allows and finds out what will fall
//! short; [`Confined::before_join`]; [`Confined::in_program`], inside, in place of becoming root;
//! [`Confined::last_step`], after which only exec follows. From the second on nothing is opened. The
//! `capget`, `prctl` and `seccomp` pages of the manual, and credentials(7).

use super::error::ActionError;
use super::launch;
use super::whom::set_groups;
use crate::model::capability::CapSet;
use crate::model::limits::{Resource, Rlimit};
use crate::model::standing::{
    CapSets, Label, Module, Number, Schedule, Shortfall, Standing, Users,
};
use crate::sys::error::Context;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, privilege, raw};
use exec::Program;
use nix::unistd::{Gid, Uid};
use rustix::fs::{Mode, OFlags};
use std::os::fd::OwnedFd;

pub(super) mod exec;
mod limits;
mod schedule;

/// A standing, ready to be taken.
#[derive(Debug)]
pub struct Confined {
    standing: Standing,
    /// What is had before exec.
    sets: CapSets,
    /// The bounding set is made the target's; else no_new_privs stands in for it.
    bound: bool,
    no_new_privs: bool,
    groups: Groups,
    limits: Vec<Rlimit>,
    schedule: Option<Schedule>,
    oom_score: Option<OomScore>,
}

/// When supplementary groups are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Groups {
    /// Ours are the target's, or are not ours to change.
    Kept,
    /// By the numbers that we see: exact, whether the namespace knows them and allows it or not.
    BeforeJoin,
    /// By those of the namespace, of which its root may set the ones it knows.
    Inside,
}

impl Confined {
    /// Raises our hard limits and asks the security module for the label at the next exec: a child
    /// inherits both.
    pub fn prepare(
        root: &SysRoot,
        standing: Standing,
        users: Users,
    ) -> Result<(Self, Vec<Shortfall>), ActionError> {
        let own = privilege::own().context("read", "our own capabilities")?;
        let mut missing = Vec::new();
        let powers = Powers::of(&standing, users, &own, &mut missing);
        if let Some(label) = &standing.label {
            ask_for(root, label, &mut missing);
        }
        let confined = Self {
            sets: powers.sets,
            bound: powers.bound,
            no_new_privs: powers.no_new_privs,
            groups: groups(&standing, users, own.effective, &mut missing)?,
            limits: limits::make_room(&standing.rlimits, &mut missing),
            schedule: schedule::choose(root, standing.schedule, users, &mut missing),
            oom_score: standing.oom_score_adj.and_then(|wanted| {
                OomScore::open(root, wanted).unwrap_or_else(|error| {
                    missing.push(Shortfall::new("oom_score_adj", error));
                    None
                })
            }),
            standing,
        };
        Ok((confined, missing))
    }

    /// What of it will fall short as far as looking tells: nothing is changed.
    pub fn foresee(standing: &Standing, users: Users) -> Result<Vec<Shortfall>, ActionError> {
        let own = privilege::own().context("read", "our own capabilities")?;
        let mut missing = Vec::new();
        Powers::of(standing, users, &own, &mut missing);
        groups(standing, users, own.effective, &mut missing)?;
        Ok(missing)
    }

    /// What of the target's rights was taken over.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// In nsx: what the target is and its user namespace has no number for, and for a child the
    /// oom_score_adj, which nobody else whom nsx starts is to have.
    pub fn before_join(&self) -> Result<(), ActionError> {
        if let Some(score) = &self.oom_score {
            score.take()?;
        }
        if self.groups == Groups::BeforeJoin {
            set_groups(self.standing.groups.iter().map(|group| group.outside))?;
        }
        let unknown = |id: Number| id.inside.is_none().then_some(id.outside);
        become_ids(unknown(self.standing.user), unknown(self.standing.group))
    }

    /// In the supervisor, once its child has inherited it: its own oom_score_adj. (Where it cannot
    /// be had back it is the program's, which would not outlive nsx.)
    pub fn restore_own(&self) {
        if let Some(score) = &self.oom_score {
            score.restore();
        }
    }

    /// In the program's process, inside. What is tied to the end of a parent is to be tied after
    /// this: a change of ids undoes it.
    pub fn in_program(&self) -> Result<(), ActionError> {
        if let Some(umask) = self.standing.umask {
            rustix::process::umask(Mode::from_raw_mode(umask));
        }
        if let Some(cpus) = &self.standing.cpus {
            schedule::run_on(cpus)?;
        }
        if let Some(schedule) = self.schedule {
            raw::schedule::set(schedule).context("set", "nice value and scheduling policy")?;
        }
        // Whoever has too many processes may not become another's, so that this comes first.
        limits::set(&self.limits, |resource| resource == Resource::Processes)
            .context("limit", "processes")?;
        // What the bounding set lacks can be made inheritable before it does.
        privilege::use_all(Some(self.sets.inheritable))
            .context("set", "inheritable capabilities")?;
        if self.bound {
            privilege::bound(self.sets.bounding).context("drop", "capabilities for good")?;
        }
        if self.groups == Groups::Inside {
            set_groups(self.standing.groups.iter().filter_map(|group| group.inside))?;
        }
        become_ids(self.standing.user.inside, self.standing.group.inside)
    }

    /// Directly before exec: from here on the program's limits and filters are ours.
    pub fn last_step(&self) -> Result<(), ActionError> {
        limits::set(&self.limits, |_| true).context("set", "resource limits")?;
        // Without no_new_privs a filter takes the right to install one.
        let by_right = !self.no_new_privs && !self.standing.filters.is_empty();
        keep_until_exec(&self.sets, by_right)?;
        if self.no_new_privs {
            rustix::thread::set_no_new_privs(true).context("set", "no_new_privs")?;
        }
        for filter in &self.standing.filters {
            raw::seccomp::install(&filter.program, filter.logs)
                .context("install", "a seccomp filter of the target's")?;
        }
        Ok(())
    }
}

/// Leaves this process what exec makes the program's, and, for filters and rules that are still to be
/// installed, a right that exec takes away.
pub(super) fn keep_until_exec(sets: &CapSets, confines_by_right: bool) -> Result<(), ActionError> {
    let right = if confines_by_right { CapSet::SYS_ADMIN } else { CapSet::default() };
    let CapSets { inheritable, permitted, effective, ambient, .. } = *sets;
    privilege::keep(inheritable, permitted.or(right), effective.or(right))
        .context("set", "capabilities")?;
    privilege::make_ambient(ambient).context("set", "ambient capabilities")?;
    Ok(())
}

impl Drop for Confined {
    fn drop(&mut self) {
        self.restore_own();
    }
}

/// Capabilities, and what stands in for those that are not ours to take away.
struct Powers {
    sets: CapSets,
    bound: bool,
    no_new_privs: bool,
}

impl Powers {
    fn of(standing: &Standing, users: Users, own: &CapSets, missing: &mut Vec<Shortfall>) -> Self {
        let target = &standing.capabilities;
        // Who joins a user namespace has all that there is, in it.
        let all = CapSet::of_bits(u64::MAX);
        let whole = CapSets { permitted: all, effective: all, bounding: all, ..*own };
        let ours = if users == Users::Joined { &whole } else { own };
        let within = exec::within(target, ours);
        missing.extend(exec::shortfalls(target, &within, "nsx has them not"));

        let is_root = standing.user.inside == Some(0);
        let has_it = rustix::thread::no_new_privs().unwrap_or_default();
        if has_it && !standing.no_new_privs {
            missing.push(Shortfall::new("no_new_privs", "nsx has it, and so will the program"));
        }
        let mut program = Program { is_root, no_new_privs: standing.no_new_privs || has_it };
        let mut sets = exec::before(&within, program);
        let may_bound = ours.effective.contains_all(CapSet::SETPCAP);
        if !may_bound && !own.bounding.without(sets.bounding).is_empty() {
            missing.push(Shortfall::new(
                "capability bounding set",
                "nsx may not drop it; no_new_privs stands in for it",
            ));
            program.no_new_privs = true;
            sets = exec::before(&within, program);
        }
        let after = exec::after(&sets, program);
        missing.extend(exec::shortfalls(&within, &after, "exec would not leave it at the others"));
        Self { sets, bound: may_bound, no_new_privs: program.no_new_privs }
    }
}

fn groups(
    standing: &Standing,
    users: Users,
    effective: CapSet,
    missing: &mut Vec<Shortfall>,
) -> Result<Groups, ActionError> {
    let mut ours: Vec<u32> = nix::unistd::getgroups()
        .context("read", "our own supplementary groups")?
        .into_iter()
        .map(Gid::as_raw)
        .collect();
    let mut theirs: Vec<u32> = standing.groups.iter().map(|group| group.outside).collect();
    for groups in [&mut ours, &mut theirs] {
        groups.sort_unstable();
        groups.dedup();
    }
    if ours == theirs {
        return Ok(Groups::Kept);
    }
    if effective.contains_all(CapSet::SETGID) {
        return Ok(Groups::BeforeJoin);
    }
    let mut miss = |why| missing.push(Shortfall::new("supplementary groups", why));
    if users != Users::Joined || standing.setgroups_denied {
        miss("nsx may not set them; the program keeps those of nsx");
        return Ok(Groups::Kept);
    }
    if standing.groups.iter().any(|group| group.inside.is_none()) {
        miss("some have no number in the user namespace");
    }
    Ok(Groups::Inside)
}

/// Becomes another user and group, keeps its capabilities, and stays closed to others.
fn become_ids(user: Option<u32>, group: Option<u32>) -> Result<(), ActionError> {
    if let Some(id) = group {
        let group = Gid::from_raw(id);
        nix::unistd::setresgid(group, group, group)
            .with_context("become", || format!("group {id}"))?;
    }
    if let Some(id) = user {
        rustix::thread::set_keep_capabilities(true).context("keep", "capabilities")?;
        let user = Uid::from_raw(id);
        nix::unistd::setresuid(user, user, user).with_context("become", || format!("user {id}"))?;
        privilege::use_all(None).context("keep", "capabilities")?;
    }
    launch::set_protected(true)
}

/// The label that the next program gets, of this process or of a child.
pub fn ask_for(root: &SysRoot, label: &Label, missing: &mut Vec<Shortfall>) {
    let text = label.text.as_bytes();
    let asked = match label.module {
        Module::AppArmor => {
            let wanted = [b"exec ", text].concat();
            // Of its own since Linux 5.8.
            write(root, "self/attr/apparmor/exec", &wanted)
                .or_else(|_| write(root, "self/attr/exec", &wanted))
        }
        Module::SeLinux => write(root, "self/attr/exec", text),
    };
    if let Err(errno) = asked {
        let why = format!("{} cannot be asked for: {errno}", label.text);
        missing.push(Shortfall::new("security label", why));
    }
}

fn write(root: &SysRoot, name: &str, bytes: &[u8]) -> rustix::io::Result<()> {
    let file = open_for_writing(root, name)?;
    rustix::io::write(&file, bytes).map(drop)
}

fn open_for_writing(root: &SysRoot, name: &str) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    rustix::fs::openat(root.proc(), name, flags, Mode::empty())
}

/// Our own oom_score_adj, which is the target's for a while.
#[derive(Debug)]
struct OomScore {
    file: OwnedFd,
    before: Vec<u8>,
    wanted: String,
}

impl OomScore {
    /// None where it is the target's already. Tried: EACCES, since lowering it takes
    /// CAP_SYS_RESOURCE.
    fn open(root: &SysRoot, wanted: i32) -> crate::sys::error::Result<Option<Self>> {
        let file = open_for_writing(root, "self/oom_score_adj").context("open", Self::OBJECT)?;
        let mut before = Vec::new();
        bounded::read_fd_into(std::os::fd::AsFd::as_fd(&file), bounded::SMALL, &mut before)
            .context("read", Self::OBJECT)?;
        let wanted = wanted.to_string();
        if before.trim_ascii() == wanted.as_bytes() {
            return Ok(None);
        }
        let score = Self { file, before, wanted };
        score.take()?;
        score.restore();
        Ok(Some(score))
    }

    const OBJECT: &str = "our own oom_score_adj";

    fn take(&self) -> crate::sys::error::Result<()> {
        rustix::io::pwrite(&self.file, self.wanted.as_bytes(), 0)
            .with_context("set", || format!("{} to {}", Self::OBJECT, self.wanted))
            .map(drop)
    }

    fn restore(&self) {
        let _ = rustix::io::pwrite(&self.file, &self.before, 0);
    }
}
