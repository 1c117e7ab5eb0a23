//! What `enter` is going to do, decided before anything is done. Pure; `--dry-run` prints it.

use crate::model::namespace::{Kind, Kinds, NsKey, NsSet};
use crate::model::plan::{Aim, DropGroups, Plan};
use crate::model::process::Pid;

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish {
    /// Kinds named one by one.
    pub named: Kinds,
    /// All that differ; also where none was named.
    pub all: bool,
    /// No terminal of its own for the program.
    pub no_pty: bool,
}

/// What is known about both sides.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    pub target: Pid,
    pub ours: NsSet,
    pub theirs: NsSet,
    /// Uid and gid 0 exist in the target's user namespace.
    pub root_is_mapped: bool,
    /// The target's user namespace forbids setgroups(2).
    pub setgroups_denied: bool,
    /// One of our standard descriptors is a terminal.
    pub on_a_terminal: bool,
}

/// Why there is nothing sensible to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("the namespaces of pid {0} cannot be read")]
    Unreadable(Pid),
    #[error("nothing to join: pid {0} shares every namespace that was asked for with us")]
    NothingToJoin(Pid),
    #[error("nothing to join: {0} is our own namespace")]
    OwnNamespace(NsKey),
    #[error("a namespace is joined alone: options that name kinds are for processes")]
    KindsOfNamespace,
}

/// One namespace, held by descriptor. Whether it gives root is not known before it is joined.
pub fn plan_namespace(
    wish: Wish,
    key: NsKey,
    ours: &NsSet,
    on_a_terminal: bool,
) -> Result<Plan, PlanError> {
    if wish.all || !wish.named.is_empty() {
        return Err(PlanError::KindsOfNamespace);
    }
    if ours.inode(key.kind) == Some(key.inode) {
        return Err(PlanError::OwnNamespace(key));
    }
    let foreign_program = key.kind == Kind::Mnt;
    let pty = foreign_program && on_a_terminal && !wish.no_pty;
    let user = key.kind == Kind::User;
    Ok(Plan {
        aim: Aim::Namespace(key),
        join: Kinds::NONE.with(key.kind),
        equal: Kinds::NONE,
        fork: key.kind == Kind::Pid || pty,
        foreign_program,
        pty,
        become_root: user,
        drop_groups: if user { DropGroups::BeforeJoin } else { DropGroups::Never },
    })
}

pub fn plan(wish: Wish, facts: &Facts) -> Result<Plan, PlanError> {
    let all = wish.all || wish.named.is_empty();
    let wanted = if all { Kinds::EVERY } else { wish.named };
    let differing = facts.ours.differing(&facts.theirs);
    // A kind that this kernel lacks is unknown on both sides; one known on our side only was hidden.
    let hidden = facts.theirs.unknown().iter().any(|kind| facts.ours.inode(kind).is_some());
    if hidden {
        return Err(PlanError::Unreadable(facts.target));
    }
    let mut join = Kinds::NONE;
    let mut equal = Kinds::NONE;
    for kind in wanted.iter() {
        if differing.has(kind) {
            join = join.with(kind);
        } else if facts.ours.inode(kind).is_some() {
            equal = equal.with(kind);
        }
    }
    if join.is_empty() {
        return Err(PlanError::NothingToJoin(facts.target));
    }
    let foreign_program = join.has(Kind::Mnt);
    let pty = foreign_program && facts.on_a_terminal && !wish.no_pty;
    let user = join.has(Kind::User);
    Ok(Plan {
        aim: Aim::Process(facts.target),
        join,
        equal,
        fork: join.has(Kind::Pid) || pty,
        foreign_program,
        pty,
        become_root: user && facts.root_is_mapped,
        drop_groups: match (user, facts.setgroups_denied) {
            (true, true) => DropGroups::BeforeJoin,
            (true, false) if facts.root_is_mapped => DropGroups::AfterJoin,
            _ => DropGroups::Never,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(differing: &[Kind]) -> Facts {
        let mut ours = NsSet::default();
        let mut theirs = NsSet::default();
        for kind in Kind::ALL {
            ours.set(kind, 1);
            theirs.set(kind, if differing.contains(&kind) { 2 } else { 1 });
        }
        Facts {
            target: Pid::new(42).unwrap(),
            ours,
            theirs,
            root_is_mapped: true,
            setgroups_denied: false,
            on_a_terminal: true,
        }
    }

    fn wish(named: &[Kind]) -> Wish {
        Wish { named: named.iter().copied().collect(), ..Wish::default() }
    }

    #[test]
    fn no_option_means_everything_that_differs() {
        let plan = plan(wish(&[]), &facts(&[Kind::Net, Kind::Pid])).unwrap();
        assert_eq!(plan.join.to_string(), "net pid");
        assert_eq!(plan.equal.to_string(), "mnt uts ipc cgroup user time");
        assert!(plan.fork);
        assert!(!plan.pty, "the program is the host's: it may have our terminal");
    }

    #[test]
    fn the_network_alone_needs_no_child_and_no_terminal() {
        let plan = plan(wish(&[Kind::Net]), &facts(&Kind::ALL)).unwrap();
        assert_eq!(plan.join, Kinds::NONE.with(Kind::Net));
        assert!(!plan.fork && !plan.pty && !plan.become_root);
    }

    #[test]
    fn a_program_of_the_target_gets_a_terminal_of_its_own() {
        let facts = facts(&[Kind::Mnt]);
        assert!(plan(wish(&[Kind::Mnt]), &facts).unwrap().pty);
        assert!(!plan(Wish { no_pty: true, ..wish(&[Kind::Mnt]) }, &facts).unwrap().pty);
        let elsewhere = Facts { on_a_terminal: false, ..facts };
        assert!(!plan(wish(&[Kind::Mnt]), &elsewhere).unwrap().fork);
    }

    #[test]
    fn joining_what_is_ours_is_refused() {
        let refused = plan(wish(&[Kind::Net]), &facts(&[Kind::Mnt])).unwrap_err();
        assert_eq!(refused, PlanError::NothingToJoin(Pid::new(42).unwrap()));
    }

    #[test]
    fn a_hidden_namespace_is_never_taken_for_an_equal_one() {
        let mut hidden = facts(&[Kind::Net]);
        hidden.theirs = NsSet::default();
        assert_eq!(plan(wish(&[Kind::Net]), &hidden), Err(PlanError::Unreadable(hidden.target)));
    }

    #[test]
    fn a_namespace_is_joined_alone() {
        let key = |kind, inode| NsKey { inode, kind };
        let ours = facts(&[]).ours;
        let plan = |wish, key| plan_namespace(wish, key, &ours, true);
        let net = plan(wish(&[]), key(Kind::Net, 2)).unwrap();
        assert_eq!(net.join, Kinds::NONE.with(Kind::Net));
        assert!(!net.fork && !net.pty && !net.become_root && !net.foreign_program);
        assert!(plan(wish(&[]), key(Kind::Pid, 2)).unwrap().fork);
        assert!(plan(wish(&[]), key(Kind::Mnt, 2)).unwrap().pty);
        let user = plan(wish(&[]), key(Kind::User, 2)).unwrap();
        assert!(user.become_root && user.drop_groups == DropGroups::BeforeJoin);
        let own = key(Kind::Net, 1);
        assert_eq!(plan(wish(&[]), own), Err(PlanError::OwnNamespace(own)));
        for wish in [wish(&[Kind::Net]), Wish { all: true, ..Wish::default() }] {
            assert_eq!(plan(wish, key(Kind::Net, 2)), Err(PlanError::KindsOfNamespace));
        }
    }

    #[test]
    fn credentials_follow_the_user_namespace() {
        let facts = Facts { setgroups_denied: true, ..facts(&[Kind::User]) };
        let plan = plan(wish(&[]), &facts).unwrap();
        assert!(plan.become_root);
        assert_eq!(plan.drop_groups, DropGroups::BeforeJoin);
    }
}
