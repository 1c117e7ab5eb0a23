//! What was asked, completed by what it brings with it, as an isolation.

use super::request::{Manner, Own, Request};
use super::{files, network};
use crate::action::pty;
use crate::cli::error::Failure;
use crate::model::group::Limits;
use crate::model::isolation::{Identity, Isolation, Life, Mounts, Propagation, Terminal};
use crate::model::namespace::Kind;
use crate::model::net_wish::NetWish;
use crate::model::restriction::{Change, Restrictions};
use crate::model::user_map::{Setgroups, UserMap};
use crate::sys::accounts::Account;
use crate::sys::idmap;
use std::ffi::CString;

impl Request {
    /// What one option brings with it.
    pub(super) fn complete(&mut self) -> Result<(), Failure> {
        let own_manner = self.manner == Manner::Nsx;
        self.new = network::kinds(self.network.as_ref(), self.new, self.named)?;
        if self.hostname.is_some() || self.domainname.is_some() {
            self.new = self.new.with(Kind::Uts);
        }
        let setgroups = own_manner && self.map.setgroups.is_some();
        if !self.map.is_empty() || setgroups || self.owner.is_some() {
            self.new = self.new.with(Kind::User);
        }
        if self.detach && self.own_terminal == Some(true) {
            return Err(Failure::usage("--detach leaves the program without a terminal")
                .hint("leave out --pty, or --detach"));
        }
        if self.detach && self.report.is_some() {
            return Err(Failure::usage("--detach leaves nobody whom --report could tell")
                .hint("--status-fd N: its `exited` event has the report"));
        }
        if self.binfmt.is_some() {
            self.new = self.new.with(Kind::User).with(Kind::Mnt);
        }
        if self.proc.is_some() {
            self.new = self.new.with(Kind::Mnt);
        }
        files::complete(self)?;
        if own_manner {
            self.life.fork = true;
            // Its /proc must be its own to be of use, and private to harm nobody.
            if self.new.has(Kind::Pid) {
                self.new = self.new.with(Kind::Mnt);
                self.proc.get_or_insert_with(|| c"/proc".to_owned());
            }
            if self.shows_its_processes_outside() {
                return Err(Failure::usage(
                    "with such a --propagation its /proc would be mounted outside, too",
                )
                .hint("--propagation=slave lets in what is mounted outside, and nothing out"));
            }
            if self.new.has(Kind::User) && self.map.is_empty() {
                (self.map.user, self.map.group) = (Some(Own::Root), Some(Own::Root));
            }
            if self.isolates_nothing() {
                return Err(Failure::usage(
                    "nothing to isolate: name a namespace, a limit or a restriction",
                )
                .hint("--newpid for a pid namespace, --new-all for every kind; see nsx-spawn(1)"));
            }
        }
        Ok(())
    }

    /// Whether the program comes from a root that is not the host's.
    pub(super) fn is_foreign(&self) -> bool {
        self.files.root.is_some()
    }

    /// Whether the program is to have less than its caller: from a terminal that both have it could
    /// type what the caller's shell then runs.
    fn is_distrusted(&self) -> bool {
        let Restrictions { capabilities, no_new_privs, .. } = &self.restrictions;
        let drops = capabilities.iter().any(|change| matches!(change, Change::Drop(_)));
        let has_less = *no_new_privs || drops || self.restrictions.confine();
        let is_other = self.user.is_some() || self.uid.is_some();
        self.manner == Manner::Nsx && (has_less || is_other)
    }

    fn terminal(&self) -> Terminal {
        match self.own_terminal {
            Some(true) => Terminal::Own,
            Some(false) => Terminal::Shared,
            None if !self.is_foreign() && !self.is_distrusted() => Terminal::Shared,
            None if pty::wanted() && !self.detach => Terminal::Own,
            // Else it could end, by its group, whoever called us.
            None => Terminal::Apart,
        }
    }

    /// A /proc on a directory of a mount that is shared; the usual place is a mount of its own. In a
    /// user namespace nothing is shared with those outside.
    fn shows_its_processes_outside(&self) -> bool {
        let is_shared =
            matches!(self.propagation, Some(Propagation::Shared | Propagation::Unchanged));
        let elsewhere = |proc: &CString| self.root.is_some() || proc.as_c_str() != c"/proc";
        is_shared && !self.new.has(Kind::User) && self.proc.as_ref().is_some_and(elsewhere)
    }

    fn isolates_nothing(&self) -> bool {
        let is_other = self.user.is_some() || self.uid.is_some() || self.gid.is_some();
        let restricts = is_other || self.restrictions != Restrictions::default();
        let is_elsewhere = matches!(self.network, Some(NetWish::Join(_)));
        self.new.is_empty() && self.limits.is_empty() && !is_elsewhere && !restricts
    }
}

pub(super) fn isolation(
    request: &Request,
    users: Option<UserMap>,
    account: Option<Account>,
) -> Isolation {
    let mounts = mounts(request);
    let own_manner = request.manner == Manner::Nsx;
    let mapped_root = |map: &UserMap| idmap::maps(&map.users, 0) && idmap::maps(&map.groups, 0);
    let leaves_groups = own_manner && request.new.has(Kind::User);
    // Of another root nobody is in groups of ours.
    let is_stranger = own_manner && request.is_foreign() && request.uid.is_some();
    let drops_groups = request.gid.is_some() || (is_stranger && !leaves_groups);
    let first_root = own_manner && users.as_ref().is_some_and(mapped_root);
    // Who asked to be somebody else inside is that once everything is made.
    let (user, group) = if first_root { request.own_inside() } else { (None, None) };
    let after_root = |own: Option<u32>| own.filter(|own| *own != 0);
    let identity = Identity {
        first_root,
        uid: request.uid.or(after_root(user)),
        gid: request.gid.or(after_root(group)),
        groups: drops_groups.then(Vec::new),
        keep_capabilities: request.keep_capabilities && request.new.has(Kind::User),
    };
    let identity = match account {
        Some(account) => Identity {
            uid: Some(account.uid),
            gid: Some(account.gid),
            // Where nobody may set them they are the caller's, who has what they give.
            groups: Some(account.groups).filter(|_| !groups_stay(users.as_ref())),
            ..identity
        },
        None => identity,
    };
    let is_another = own_manner && is_another(request.owner, users.as_ref(), &identity);
    Isolation {
        new: request.new,
        kept: request.kept.clone(),
        network: request.network.clone(),
        identity,
        restrictions: request.restrictions.clone(),
        users,
        owner: request.owner,
        leaves_groups,
        clocks: request.clocks,
        mounts,
        files: request.files.clone(),
        loopback: own_manner && request.new.has(Kind::Net),
        hostname: request.hostname.clone(),
        domainname: request.domainname.clone(),
        directory: request.directory.clone(),
        limits: Limits::default(),
        leaves_keys: request.is_foreign() || is_another,
        terminal: request.terminal(),
        life: Life { guard: own_manner, ..request.life },
    }
}

fn mounts(request: &Request) -> Mounts {
    let apart = files::are_apart(request);
    let propagates = request.new.has(Kind::Mnt) && !apart;
    Mounts {
        propagation: propagates.then(|| request.propagation.unwrap_or_default()),
        root: request.root.clone(),
        proc: request.proc.clone().filter(|proc| !files::have_proc(request, proc)),
        binfmt: request.binfmt.clone(),
        interpreter: request.interpreter.clone(),
    }
}

/// Whether the kernel takes the program for another user than who calls.
fn is_another(owner: Option<(u32, u32)>, users: Option<&UserMap>, identity: &Identity) -> bool {
    let inside = identity.uid.or(identity.first_root.then_some(0));
    let outside = match (inside, users) {
        (Some(inside), Some(map)) => idmap::to_outside(&map.users, inside),
        (inside, _) => inside.or(owner.map(|(uid, _)| uid)),
    };
    (inside.is_some() || owner.is_some()) && outside != Some(rustix::process::geteuid().as_raw())
}

fn groups_stay(users: Option<&UserMap>) -> bool {
    users.is_some_and(|map| map.setgroups == Some(Setgroups::Deny))
}
