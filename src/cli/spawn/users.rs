//! The id maps of a new user namespace, from what was asked for and what the caller has.

use super::host::Host;
use super::request::{Manner, Map, Request};
use crate::cli::error::{Failure, Kind as FailureKind};
use crate::collect::subordinate::{self, Subordinate};
use crate::model::capability::CapSet;
use crate::model::security::IdRange;
use crate::model::user_map::{MapError, Overlap, Setgroups, Stock, UserMap, Wish, compose};
use crate::sys::bounded;
use crate::sys::error::Context;
use crate::sys::{idmap, privilege};

impl Request {
    /// Who makes the user namespace, and so owns it: user and group.
    fn maker(&self) -> (u32, u32) {
        let ours = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        self.owner.unwrap_or(ours)
    }

    /// What he is called inside, where he has asked for that.
    pub(super) fn own_inside(&self) -> (Option<u32>, Option<u32>) {
        let (uid, gid) = self.maker();
        (self.map.user.map(|own| own.inside(uid)), self.map.group.map(|own| own.inside(gid)))
    }
}

/// Absent where nothing is to be mapped.
pub(super) fn map(host: &Host, request: &Request) -> Result<Option<UserMap>, Failure> {
    let map = &request.map;
    if map.is_empty() {
        return Ok(map.setgroups.map(|setgroups| UserMap {
            setgroups: Some(setgroups),
            from_inside: true,
            ..UserMap::default()
        }));
    }
    let root = host.root()?;
    let overlap = if map.yields || request.manner == Manner::Unshare {
        Overlap::Yield
    } else {
        Overlap::Refuse
    };
    let (uid, gid) = request.maker();
    let (user, group) = request.own_inside();
    let users = Wish { own: user, ranges: map.users.clone() };
    let groups = Wish { own: group, ranges: map.groups.clone() };
    let sides = [
        (users, uid, "uid_map", Subordinate::Users),
        (groups, gid, "gid_map", Subordinate::Groups),
    ];
    let mut composed = Vec::new();
    for (wish, own, file, subordinate) in sides {
        let bytes = bounded::read(root.proc(), &format!("self/{file}"), bounded::SMALL)?;
        let ours = idmap::parse(&bytes).unwrap_or_default();
        let block = if wish.needs_subordinates() {
            let block = subordinate::first_block(root, subordinate, uid);
            Some(block.map_err(|error| Failure::from(error).hint(SET_ASIDE))?)
        } else {
            None
        };
        let stock = Stock { own, subordinate: block, ours: &ours };
        composed.push(compose(&wish, stock, overlap).map_err(|error| refused(&error, file))?);
    }
    let (groups, users) = (composed.pop().unwrap_or_default(), composed.pop().unwrap_or_default());
    let map = UserMap { users, groups, setgroups: setgroups(map), from_inside: false };
    if request.manner == Manner::Nsx && map.setgroups == Some(Setgroups::Allow) {
        check_allowed(&map.groups, gid)?;
    }
    Ok(Some(UserMap { from_inside: map.is_own_alone(uid, gid), ..map }))
}

const SET_ASIDE: &str =
    "root sets some aside: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER";

/// Who maps his own group without any right to must leave the groups as they are.
fn setgroups(map: &Map) -> Option<Setgroups> {
    let own_alone = map.group.is_some() && map.groups.is_empty();
    map.setgroups.or(own_alone.then_some(Setgroups::Deny))
}

/// Else newgidmap(1), which may map his own group for anybody, would write "deny" first.
fn check_allowed(groups: &[IdRange], own: u32) -> Result<(), Failure> {
    let is_own_alone = matches!(groups, [range] if range.count == 1 && range.outside == own);
    let rights = || privilege::own().context("read", "our own capabilities");
    if !is_own_alone || rights()?.effective.contains_all(CapSet::SETGID) {
        return Ok(());
    }
    let refused = "--setgroups allow: with your own group alone it takes CAP_SETGID";
    Err(Failure::new(FailureKind::Denied, refused)
        .hint("map groups that are set aside for you, --map-groups=auto, or run it as root"))
}

fn refused(error: &MapError, file: &str) -> Failure {
    let hint = match error {
        MapError::Inside(_) | MapError::Outside(_) => {
            "ranges must not overlap; --lossy-map lets a range give way to your own id"
        }
        MapError::NoSubordinates => SET_ASIDE,
        MapError::Range | MapError::TooMany => {
            "INSIDE:OUTSIDE:COUNT, for example 0:100000:65536, or auto, subids, all"
        }
    };
    Failure::new(FailureKind::Failed, format!("{file}: {error}")).hint(hint)
}
