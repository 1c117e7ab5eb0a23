//! What a spawned program is and may do: user, capabilities, no_new_privs, seccomp, Landlock, resource
//! limits, nice value, file mode mask.
//!
//! In three steps: [`Restriction::prepare`], in nsx, reads and compiles, and refuses what is not going
//! to be possible; [`Restriction::in_program`], in the program's process once its namespaces and its
//! root are made; [`Restriction::last_step`], after which only exec follows. What was not asked for is
//! left as it is.

use super::confine::keep_until_exec;
use super::error::{ActionError, Advise};
use super::launch;
use super::whom::become_whom;
use crate::model::capability::CapSet;
use crate::model::cgroup::Bound;
use crate::model::isolation::{Identity, Isolation};
use crate::model::limits::{Resource, Rlimit};
use crate::model::namespace::Kind;
use crate::model::restriction::{Beneath, Restrictions};
use crate::model::standing::{CapSets, Filter};
use crate::sys::error::{Context, SysError};
use crate::sys::{idmap, privilege, rlimits};
use capabilities::Powers;
use nix::errno::Errno;
use rustix::fs::Mode;

mod capabilities;
mod landlock;
pub mod seccomp;

/// Ready to be taken.
#[derive(Debug)]
pub struct Restriction {
    powers: Option<Powers>,
    no_new_privs: bool,
    filters: Vec<Filter>,
    landlock: Vec<Beneath>,
    rlimits: Vec<Rlimit>,
    nice: Option<i32>,
    umask: Option<u32>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// What was opened by the step before the last, for it.
#[derive(Debug, Default)]
pub struct Opened {
    rules: Option<::landlock::RulesetCreated>,
}

impl Restriction {
    /// Raises our hard limits where the program is to have higher ones: later that may be forbidden.
    pub fn prepare(isolation: &Isolation) -> Result<Self, ActionError> {
        let wanted = isolation.restrictions.clone();
        let is_root = uid(isolation) == Some(0);
        let own = capabilities_at_first(isolation.new.has(Kind::User), &wanted)?;
        let confines = wanted.confine();
        let matters = confines || !wanted.capabilities.is_empty();
        let has_it = || matters && rustix::thread::no_new_privs().unwrap_or_default();
        let no_new_privs = wanted.no_new_privs || has_it();
        if confines && !no_new_privs && !own.permitted.contains_all(CapSet::SYS_ADMIN) {
            return Err(ActionError::refused(
                "seccomp and Landlock take CAP_SYS_ADMIN, or no_new_privs",
                "add --no-new-privs, or --newuser",
            ));
        }
        if !wanted.landlock.is_empty() {
            landlock::check()?;
        }
        let changes = &wanted.capabilities;
        // Who becomes another user has no right left to confine himself, if he does not keep it.
        let keeps_right = confines && isolation.identity.uid.is_some();
        let keeps = isolation.identity.keep_capabilities;
        let keeps_all = keeps && changes.is_empty();
        let powers = if (changes.is_empty() && !keeps_right) || keeps_all {
            None
        } else {
            Some(bounded(Powers::of(changes, is_root, keeps, &own)?, &own, no_new_privs)?)
        };
        let left = match &powers {
            Some(powers) => powers.left(is_root, no_new_privs),
            None if keeps_all => own.permitted,
            None if is_root => own.bounding,
            None if isolation.identity.uid.is_none() => privilege::ambient(own.inheritable),
            None => CapSet::default(),
        };
        let (filters, notes) = match &wanted.seccomp {
            Some(profile) => seccomp::prepare(profile, left)?,
            None => (Vec::new(), Vec::new()),
        };
        for limit in &wanted.rlimits {
            raise(limit)?;
        }
        Ok(Self {
            powers,
            no_new_privs: wanted.no_new_privs,
            filters,
            landlock: wanted.landlock,
            rlimits: wanted.rlimits,
            nice: wanted.nice,
            umask: wanted.umask,
            notes,
        })
    }

    /// In the program's process, in its namespaces and its root and where it starts: what is there
    /// for who it still is, then whom it becomes. What is tied to the end of a parent is to be tied
    /// after this: a change of ids undoes it.
    pub fn in_program(&self, identity: &Identity) -> Result<Opened, ActionError> {
        if let Some(umask) = self.umask {
            rustix::process::umask(Mode::from_raw_mode(umask));
        }
        if let Some(nice) = self.nice {
            rustix::process::setpriority_process(None, nice)
                .with_context("set", || format!("the nice value to {nice}"))
                .advise("one below that of nsx takes CAP_SYS_NICE on the host")?;
        }
        let rules = match self.landlock.as_slice() {
            [] => None,
            allowed => Some(landlock::rules(allowed)?),
        };
        // Whoever has too many processes may not become another's, so that this comes first.
        for limit in self.rlimits.iter().filter(|limit| limit.resource == Resource::Processes) {
            set(limit)?;
        }
        match &self.powers {
            Some(powers) => become_with(powers, identity)?,
            None => {
                become_somebody(identity)?;
                // The kernel takes from who was root, and not from who had some without being it.
                if identity.uid.is_some() && !identity.keep_capabilities {
                    privilege::hand_on_nothing().context("drop", "capabilities")?;
                }
            }
        }
        Ok(Opened { rules })
    }

    /// Whether the program's process stays who it is: then the kernel goes on to end it with its
    /// parent.
    pub fn changes_nobody(&self, identity: &Identity) -> bool {
        self.powers.is_none() && identity.uid.is_none() && identity.gid.is_none()
    }

    /// Directly before exec: from here on the program's limits and filters are ours.
    pub fn last_step(&self, opened: Opened) -> Result<(), ActionError> {
        for limit in &self.rlimits {
            set(limit)?;
        }
        if let Some(powers) = &self.powers {
            // Without no_new_privs a filter takes the right to install one, and so do rules.
            let confined = opened.rules.is_some() || !self.filters.is_empty();
            keep_until_exec(&powers.sets, confined && !self.no_new_privs)?;
        }
        if self.no_new_privs {
            rustix::thread::set_no_new_privs(true).context("set", "no_new_privs")?;
        }
        if let Some(rules) = opened.rules {
            landlock::obey(rules)?;
        }
        seccomp::install(&self.filters)
    }
}

/// Who the program is, as its user namespace numbers it; none where it has no number there.
fn uid(isolation: &Isolation) -> Option<u32> {
    if let Some(uid) = isolation.identity.uid {
        return Some(uid);
    }
    let ours = rustix::process::geteuid().as_raw();
    match &isolation.users {
        _ if isolation.identity.first_root => Some(0),
        Some(map) => idmap::to_inside(&map.users, isolation.owner.map_or(ours, |(uid, _)| uid)),
        None if isolation.new.has(Kind::User) => None,
        None => Some(ours),
    }
}

fn become_somebody(identity: &Identity) -> Result<(), ActionError> {
    become_whom(identity, false).map_err(|error| match error.errno() {
        Some(Errno::EINVAL) => {
            error.advise("its user namespace has the ids of --map-users and --map-groups alone")
        }
        Some(Errno::EPERM) => error.advise(
            "it takes root, or a user namespace with more ids: --map-users=auto --map-groups=auto",
        ),
        _ => error,
    })
}

/// Another user and group, with capabilities that a change of ids would take away.
fn become_with(powers: &Powers, identity: &Identity) -> Result<(), ActionError> {
    // What the bounding set lacks can be made inheritable before it does.
    privilege::use_all(Some(powers.sets.inheritable)).context("set", "inheritable capabilities")?;
    if powers.bounds {
        privilege::bound(powers.sets.bounding).context("drop", "capabilities for good")?;
    }
    rustix::thread::set_keep_capabilities(true).context("keep", "capabilities")?;
    // They are handed on one by one, by the last step.
    become_somebody(&Identity { keep_capabilities: false, ..identity.clone() })?;
    privilege::use_all(None).context("keep", "capabilities")?;
    launch::set_protected(true)
}

/// What the program's process has before anything is dropped; asked for only where it matters.
fn capabilities_at_first(
    own_user_namespace: bool,
    wanted: &Restrictions,
) -> Result<CapSets, ActionError> {
    if wanted.capabilities.is_empty() && !wanted.confine() {
        return Ok(CapSets::default());
    }
    if !own_user_namespace {
        return Ok(privilege::own().context("read", "our own capabilities")?);
    }
    let all = privilege::known().context("read", "what capabilities there are")?;
    Ok(CapSets { permitted: all, effective: all, bounding: all, ..CapSets::default() })
}

/// The bounding set takes a right to change; with no_new_privs nothing in it can be had back, so that
/// there it may stay.
fn bounded(powers: Powers, own: &CapSets, no_new_privs: bool) -> Result<Powers, ActionError> {
    if !powers.bounds || own.effective.contains_all(CapSet::SETPCAP) {
        return Ok(powers);
    }
    if no_new_privs {
        return Ok(Powers { bounds: false, ..powers });
    }
    Err(ActionError::refused(
        "--cap-drop: nsx lacks CAP_SETPCAP, without which a set-user-ID program would have them back",
        "add --no-new-privs, or --newuser",
    ))
}

fn raise(wanted: &Rlimit) -> Result<(), ActionError> {
    let hard = rlimits::raised(wanted);
    let enough = match (hard, wanted.hard) {
        (Bound::Unlimited, _) => true,
        (Bound::At(_), Bound::Unlimited) => false,
        (Bound::At(hard), Bound::At(wanted)) => hard >= wanted,
    };
    if enough {
        return Ok(());
    }
    let most = hard.value().map_or_else(|| "unlimited".to_owned(), |most| most.to_string());
    let name = wanted.resource.short_name();
    Err(ActionError::refused(
        format!("--rlimit {name}: the hard limit of nsx itself is {most}"),
        "a higher one takes CAP_SYS_RESOURCE on the host",
    ))
}

fn set(limit: &Rlimit) -> Result<(), SysError> {
    let object = || format!("the limit of {}", limit.resource.kernels_name());
    rlimits::set(limit).with_context("set", object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::namespace::Kinds;
    use crate::model::restriction::{Change, Named, Profile};
    use crate::model::security::IdRange;
    use crate::model::user_map::UserMap;

    #[test]
    fn what_was_not_asked_for_is_left_as_it_is() {
        let none = Restriction::prepare(&Isolation::default()).unwrap();
        assert!(none.powers.is_none() && none.filters.is_empty() && none.notes.is_empty());
        none.last_step(none.in_program(&Identity::default()).unwrap()).unwrap();
    }

    #[test]
    fn who_the_program_is_is_told_by_the_map() {
        let new = Kinds::NONE.with(Kind::User);
        let ours = rustix::process::geteuid().as_raw();
        let of = |map: Option<(u32, u32)>, identity: Identity| {
            let range = |(inside, outside)| IdRange { inside, outside, count: 1 };
            let users = map.map(|map| UserMap { users: vec![range(map)], ..UserMap::default() });
            uid(&Isolation { new, users, identity, ..Isolation::default() })
        };
        let first_root = Identity { first_root: true, ..Identity::default() };
        let seven = Identity { uid: Some(7), ..Identity::default() };
        assert_eq!(of(Some((0, ours)), first_root), Some(0));
        assert_eq!(of(Some((5, ours)), Identity::default()), Some(5));
        assert_eq!(of(Some((0, ours + 1)), Identity::default()), None);
        assert_eq!(of(None, Identity::default()), None);
        assert_eq!(of(Some((0, ours)), seven), Some(7));
        assert_eq!(uid(&Isolation::default()), Some(ours));
    }

    #[test]
    fn the_bounding_set_is_dropped_by_right_or_made_harmless() {
        let all = CapSet::of_bits(0xff);
        let own = CapSets { permitted: all, effective: all, bounding: all, ..CapSets::default() };
        let powers = Powers::of(&[Change::Drop(Named::All)], true, false, &own).unwrap();
        let refused = bounded(powers, &own, false).unwrap_err().to_string();
        assert!(refused.contains("CAP_SETPCAP"), "{refused}");
        assert!(!bounded(powers, &own, true).unwrap().bounds);
        assert!(powers.left(true, true).is_empty(), "and still it has nothing");
        let effective = all.or(CapSet::SETPCAP);
        assert!(bounded(powers, &CapSets { effective, ..own }, false).unwrap().bounds);
    }

    #[test]
    fn in_a_user_namespace_of_its_own_there_is_every_capability() {
        let confined = Restrictions { seccomp: Some(Profile::Default), ..Restrictions::default() };
        let all = capabilities_at_first(true, &confined).unwrap();
        assert!(all.permitted.contains_all(CapSet::SYS_ADMIN.or(CapSet::SETPCAP)));
        assert!(all.permitted.contains_all(privilege::own().unwrap().bounding));
    }
}
