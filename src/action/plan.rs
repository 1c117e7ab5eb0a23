//! What `enter` is going to do, decided before anything is done. Pure; `--dry-run` prints it.

use crate::model::confinement::IdRules;
use crate::model::namespace::{Kind, Kinds, NsKey, NsSet};
use crate::model::plan::{Held, Ids, Join, Plan};
use crate::model::process::Pid;

/// What the user asked for.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// Kinds of the target's, named one by one.
    pub named: Kinds,
    /// All of the target's that differ from ours.
    pub all: bool,
    /// `--pty` and `--no-pty`; where neither is given, guarded.
    pub terminal: Terminal,
    /// The program takes our place: only its children are in a joined pid namespace.
    pub no_fork: bool,
    /// Something else needs a process that stays: a time limit, an init.
    pub stays: bool,
    /// Ids stay as they are in a joined user namespace.
    pub keep_credentials: bool,
    /// Those of a joined user namespace stay with a program that is not its root.
    pub keep_capabilities: bool,
    /// `None`: root of a joined user namespace that has one, else who we are.
    pub uid: Option<Id>,
    /// `None`: as for the user. One that is given drops the supplementary groups.
    pub gid: Option<Id>,
    /// In place of the supplementary groups; `None`: dropped where a group is given or a user
    /// namespace joined.
    pub groups: Option<Vec<u32>>,
    /// That all that was named is ours already is no error.
    pub may_join_nothing: bool,
    /// The program stays in our session and group, whatever it is.
    pub keeps_session: bool,
    /// It gets a root that was named: its files are not the host's.
    pub other_root: bool,
}

/// Which user or group the program gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Id {
    /// Of the user namespace that the program is in at the end, joined or ours.
    Number(u32),
    /// The target's own, as it is called inside.
    Follow,
}

/// Whether the program gets a terminal of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Terminal {
    /// Where it is not the host's, and one of our standard descriptors is a terminal.
    #[default]
    Guarded,
    /// `--pty`; an error with `--no-fork`.
    Always,
    /// `--no-pty`: it has our descriptors as they are. nsenter's `--no-fork` means it too.
    Never,
}

/// What is known about both sides.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Of the kinds that the wish is about; others may be missing, as if the kernel had none.
    pub ours: NsSet,
    /// `None` where single namespaces are joined, and no process is named.
    pub target: Option<TargetFacts>,
    /// Held by themselves; each overrides the target's of that kind.
    pub namespaces: Vec<NsKey>,
    /// One of our standard descriptors is a terminal.
    pub on_a_terminal: bool,
    /// We have `CAP_SYS_ADMIN` here, and would lose it in a user namespace below.
    pub privileged: bool,
}

/// What of the target decides how it is entered.
#[derive(Clone, Copy, Debug)]
pub struct TargetFacts {
    /// As our `/proc` numbers it.
    pub pid: Pid,
    /// A kind is missing where the kernel lacks it or we may not see it.
    pub namespaces: NsSet,
    /// Of its user namespace.
    pub rules: IdRules,
    /// Its own ids as they are called inside; `None` where they are called nothing.
    pub uid: Option<u32>,
    /// The same of its effective group.
    pub gid: Option<u32>,
}

/// Why there is nothing sensible to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A namespace of a kind that we have ourselves is hidden: we may not trace the target.
    #[error("the namespaces of pid {0} cannot be read")]
    Unreadable(Pid),
    /// The target has such a namespace, and what ours is was not told.
    #[error("our own {0} namespace cannot be read")]
    OwnUnreadable(Kind),
    /// All that was asked for is ours already, and that is an error here.
    #[error("nothing to join: pid {0} shares every namespace that was asked for with us")]
    NothingToJoin(Pid),
    /// The same of namespaces that were named by themselves: the first of them.
    #[error("nothing to join: {0} is our own namespace")]
    OwnNamespace(NsKey),
    /// A kind was asked for without a process to take it from; `-S follow` counts as user.
    #[error("there is no target to take the {0} namespace from")]
    NoTarget(Kind),
    /// `-S follow` or `-G follow`: the `user` or `group` of the target has no number inside.
    #[error("the {0} of pid {1} has no number in its user namespace")]
    Unmapped(&'static str, Pid),
    /// `--no-fork`, and something that takes nsx beside the program: what that is.
    #[error("a program that takes nsx's place cannot have {0}")]
    NeedsFork(&'static str),
}

/// What takes a process that stays beside the program.
pub const TERMINAL: &str = "a terminal of its own";
/// The same, where what the program leaves behind is cleared away.
pub const GROUP: &str = "a group of its own to clear away";

/// Decides in which order what is joined, and as whom; an error where it cannot work or makes no
/// sense.
pub fn plan(wish: &Wish, facts: &Facts) -> Result<Plan, PlanError> {
    let (target, equal) = of_target(wish, facts)?;
    let ours = |key: &NsKey| facts.ours.inode(key.kind) == Some(key.inode);
    let namespaces: Vec<NsKey> =
        facts.namespaces.iter().copied().filter(|key| !ours(key)).collect();
    let joins = in_order(facts, target, &namespaces);
    let plan = Plan { joins, equal, ..as_whom(wish, facts, target, &namespaces)? };
    if plan.joins.is_empty() && !wish.may_join_nothing {
        return Err(match (facts.namespaces.first(), facts.target) {
            (Some(key), _) => PlanError::OwnNamespace(*key),
            (None, Some(target)) => PlanError::NothingToJoin(target.pid),
            (None, None) => PlanError::NoTarget(Kind::Mnt),
        });
    }
    with_process(plan, wish, facts)
}

/// The kinds that are joined by the target's pidfd, and those that are ours already.
fn of_target(wish: &Wish, facts: &Facts) -> Result<(Kinds, Kinds), PlanError> {
    let wanted = if wish.all { Kinds::EVERY } else { wish.named };
    let overridden = |kind| facts.namespaces.iter().any(|key| key.kind == kind);
    let wanted: Kinds = wanted.iter().filter(|kind| !overridden(*kind)).collect();
    let Some(target) = facts.target else {
        return match wanted.iter().next() {
            Some(kind) => Err(PlanError::NoTarget(kind)),
            None => Ok((Kinds::NONE, Kinds::NONE)),
        };
    };
    // A kind that this kernel lacks is unknown on both sides; one known on one side only was hidden.
    let known_here = |kind: Kind| facts.ours.inode(kind).is_some();
    let known_there = |kind: Kind| target.namespaces.inode(kind).is_some();
    if Kind::ALL.into_iter().any(|kind| known_here(kind) && !known_there(kind)) {
        return Err(PlanError::Unreadable(target.pid));
    }
    // Those two tell who sees us, joined or not.
    let mut concerned = wanted.iter().chain([Kind::Pid, Kind::Mnt]);
    if let Some(kind) = concerned.find(|kind| known_there(*kind) && !known_here(*kind)) {
        return Err(PlanError::OwnUnreadable(kind));
    }
    let differing = facts.ours.differing(&target.namespaces);
    let join: Kinds = wanted.iter().filter(|kind| differing.has(*kind)).collect();
    let equal = wanted.iter().filter(|kind| !differing.has(*kind) && known_here(*kind)).collect();
    Ok((join, equal))
}

/// A user namespace first where it gives the right to join the others, last where it takes it. The
/// kernel judges all kinds of one call by the rights that were before it.
fn in_order(facts: &Facts, target: Kinds, namespaces: &[NsKey]) -> Vec<Join> {
    let single =
        |key: &NsKey| Join { held: Held::Namespace(*key), kinds: Kinds::NONE.with(key.kind) };
    let of_target = facts
        .target
        .filter(|_| !target.is_empty())
        .map(|pinned| Join { held: Held::Process(pinned.pid), kinds: target });
    let mut joins: Vec<Join> = of_target.into_iter().chain(namespaces.iter().map(single)).collect();
    joins.sort_by_key(|join| join.kinds.has(Kind::User) == facts.privileged);
    joins
}

/// Who the program is to be.
fn as_whom(
    wish: &Wish,
    facts: &Facts,
    target: Kinds,
    namespaces: &[NsKey],
) -> Result<Plan, PlanError> {
    let held_user = namespaces.iter().any(|key| key.kind == Kind::User);
    let user = held_user || target.has(Kind::User);
    // Of a namespace held by itself nothing is known before it is joined.
    let rules = facts.target.filter(|_| !held_user).map(|target| target.rules);
    let becomes_root =
        user && !wish.keep_credentials && rules.is_none_or(|rules| rules.root_is_mapped);
    let root = becomes_root.then_some(0);
    let number = |id: Option<Id>, what, of: fn(&TargetFacts) -> Option<u32>| match id {
        None => Ok(None),
        Some(Id::Number(number)) => Ok(Some(number)),
        Some(Id::Follow) => match facts.target.as_ref() {
            Some(target) => of(target).map(Some).ok_or(PlanError::Unmapped(what, target.pid)),
            None => Err(PlanError::NoTarget(Kind::User)),
        },
    };
    let uid = number(wish.uid, "user", |target| target.uid)?;
    let gid = number(wish.gid, "group", |target| target.gid)?;
    let denied = user && rules.is_none_or(|rules| rules.setgroups_denied);
    let drops = gid.is_some() || (user && !wish.keep_credentials && (becomes_root || denied));
    // Where none may be set there are none.
    let wanted = wish.groups.clone().map(|groups| if denied { Vec::new() } else { groups });
    let groups = wanted.or_else(|| drops.then(Vec::new));
    let ids = Ids {
        if_there: held_user && uid.is_none() && gid.is_none(),
        uid: uid.or(root),
        gid: gid.or(root),
        groups_before_join: denied && groups.as_ref().is_some_and(Vec::is_empty),
        groups,
    };
    let keep_capabilities = user && wish.keep_capabilities;
    Ok(Plan { ids, keep_capabilities, user_first: !facts.privileged, ..Plan::default() })
}

/// Which process the program is, and who sees it.
fn with_process(plan: Plan, wish: &Wish, facts: &Facts) -> Result<Plan, PlanError> {
    let joined = plan.joined();
    let foreign_program = joined.has(Kind::Mnt) || wish.other_root;
    let pty = match wish.terminal {
        Terminal::Guarded => foreign_program && facts.on_a_terminal,
        Terminal::Always => true,
        Terminal::Never => false,
    };
    if wish.no_fork && pty {
        return Err(PlanError::NeedsFork(TERMINAL));
    }
    if wish.no_fork && wish.stays {
        return Err(PlanError::NeedsFork("a time limit or an init"));
    }
    // Who lives in our pid namespace and in another mount namespace sees us, and is not who may
    // write our file anyway.
    let others = |target: TargetFacts| {
        let theirs = |kind| target.namespaces.inode(kind);
        let shares = |kind| theirs(kind) == facts.ours.inode(kind);
        shares(Kind::Pid) && !shares(Kind::Mnt)
    };
    // In a session of its own it has no /dev/tty of ours.
    let apart = foreign_program && !pty && !facts.on_a_terminal && !wish.keeps_session;
    Ok(Plan {
        fork: !wish.no_fork && (joined.has(Kind::Pid) || pty || wish.stays || apart),
        foreign_program,
        pty,
        apart,
        seen: joined.has(Kind::Pid) || facts.target.is_some_and(others),
        ..plan
    })
}

#[cfg(test)]
mod tests;
