//! Which namespaces, in what order, as whom, and in which process.

use super::*;

fn set(inode: impl Fn(Kind) -> u64) -> NsSet {
    let mut set = NsSet::default();
    for kind in Kind::ALL {
        set.set(kind, inode(kind));
    }
    set
}

fn facts(differing: &[Kind]) -> Facts {
    let target = TargetFacts {
        pid: Pid::new(42).unwrap(),
        namespaces: set(|kind| if differing.contains(&kind) { 2 } else { 1 }),
        rules: IdRules { root_is_mapped: true, setgroups_denied: false },
        uid: Some(33),
        gid: None,
    };
    Facts {
        ours: set(|_| 1),
        target: Some(target),
        namespaces: Vec::new(),
        on_a_terminal: true,
        privileged: true,
    }
}

fn denied(facts: &Facts) -> Facts {
    let rules = IdRules { root_is_mapped: true, setgroups_denied: true };
    let target = facts.target.map(|target| TargetFacts { rules, ..target });
    Facts { target, ..facts.clone() }
}

fn held(namespaces: &[(Kind, u64)], facts: &Facts) -> Facts {
    let key = |(kind, inode): &(Kind, u64)| NsKey { kind: *kind, inode: *inode };
    Facts { namespaces: namespaces.iter().map(key).collect(), ..facts.clone() }
}

fn all() -> Wish {
    Wish { all: true, ..Wish::default() }
}

fn wish(named: &[Kind]) -> Wish {
    Wish { named: named.iter().copied().collect(), ..Wish::default() }
}

/// `pid 42 net pid, uts:[7] uts`
fn order(plan: &Plan) -> String {
    let joins = plan.joins.iter().map(|join| format!("{} {}", join.held, join.kinds));
    joins.collect::<Vec<_>>().join(", ")
}

#[test]
fn all_is_everything_that_differs() {
    let plan = plan(&all(), &facts(&[Kind::Net, Kind::Pid])).unwrap();
    assert_eq!(order(&plan), "pid 42 net pid");
    assert_eq!(plan.equal.to_string(), "mnt uts ipc cgroup user time");
    assert!(plan.fork);
    assert!(!plan.pty, "the program is the host's: it may have our terminal");
}

#[test]
fn the_network_alone_needs_no_child_and_no_terminal() {
    let plan = plan(&wish(&[Kind::Net]), &facts(&Kind::ALL)).unwrap();
    assert_eq!(order(&plan), "pid 42 net");
    assert!(!plan.fork && !plan.pty && !plan.seen && plan.ids == Ids::default());
}

#[test]
fn a_program_of_the_target_gets_a_terminal_of_its_own() {
    let facts = facts(&[Kind::Mnt]);
    let with = |terminal| Wish { terminal, ..wish(&[Kind::Mnt]) };
    assert!(plan(&with(Terminal::Guarded), &facts).unwrap().pty);
    assert!(!plan(&with(Terminal::Never), &facts).unwrap().pty);
    let elsewhere = Facts { on_a_terminal: false, ..facts };
    let alone = plan(&with(Terminal::Guarded), &elsewhere).unwrap();
    assert!(alone.fork && alone.apart && !alone.pty, "in a session that is not ours");
    assert!(plan(&with(Terminal::Always), &elsewhere).unwrap().pty);
}

#[test]
fn joining_what_is_ours_is_refused_unless_that_is_no_error() {
    let facts = facts(&[Kind::Mnt]);
    let refused = plan(&wish(&[Kind::Net]), &facts).unwrap_err();
    assert_eq!(refused, PlanError::NothingToJoin(Pid::new(42).unwrap()));
    let lenient = Wish { may_join_nothing: true, ..wish(&[Kind::Net]) };
    assert!(plan(&lenient, &facts).unwrap().joins.is_empty());
    let own = held(&[(Kind::Net, 1)], &Facts { target: None, ..facts });
    let key = NsKey { kind: Kind::Net, inode: 1 };
    assert_eq!(plan(&wish(&[]), &own), Err(PlanError::OwnNamespace(key)));
}

#[test]
fn a_hidden_namespace_is_never_taken_for_an_equal_one() {
    let mut hidden = facts(&[Kind::Net]);
    let target = hidden.target.unwrap();
    hidden.target = Some(TargetFacts { namespaces: NsSet::default(), ..target });
    assert_eq!(plan(&wish(&[Kind::Net]), &hidden), Err(PlanError::Unreadable(target.pid)));
    let ours = Facts { ours: NsSet::default(), ..facts(&[Kind::Net]) };
    assert_eq!(plan(&wish(&[Kind::Net]), &ours), Err(PlanError::OwnUnreadable(Kind::Net)));
}

#[test]
fn a_namespace_overrides_the_targets_and_needs_no_target() {
    let both = held(&[(Kind::Net, 7)], &facts(&Kind::ALL));
    let joined = plan(&wish(&[Kind::Net, Kind::Uts]), &both).unwrap();
    assert_eq!(order(&joined), "pid 42 uts, net:[7] net");
    let alone = Facts { target: None, ..both };
    assert_eq!(order(&plan(&wish(&[]), &alone).unwrap()), "net:[7] net");
    assert_eq!(plan(&wish(&[Kind::Uts]), &alone), Err(PlanError::NoTarget(Kind::Uts)));
    let pid = held(&[(Kind::Pid, 7)], &alone);
    let plan_of_pid = plan(&wish(&[]), &pid).unwrap();
    assert!(plan_of_pid.fork && plan_of_pid.seen);
}

#[test]
fn a_user_namespace_is_first_where_it_gives_rights_and_last_where_it_takes_them() {
    for (privileged, expected) in [
        (true, "pid 42 mnt uts, net:[7] net, user:[8] user"),
        (false, "user:[8] user, pid 42 mnt uts, net:[7] net"),
    ] {
        let facts = held(&[(Kind::Net, 7), (Kind::User, 8)], &facts(&Kind::ALL));
        let facts = Facts { privileged, ..facts };
        assert_eq!(order(&plan(&wish(&[Kind::Mnt, Kind::Uts]), &facts).unwrap()), expected);
    }
    for (privileged, expected) in
        [(true, "net:[7] net, pid 42 uts user"), (false, "pid 42 uts user, net:[7] net")]
    {
        let facts = Facts { privileged, ..held(&[(Kind::Net, 7)], &facts(&Kind::ALL)) };
        assert_eq!(order(&plan(&wish(&[Kind::User, Kind::Uts]), &facts).unwrap()), expected);
    }
}

#[test]
fn in_a_joined_user_namespace_the_program_is_its_root_if_it_has_one() {
    let facts = facts(&[Kind::User]);
    let ids = |wish: &Wish, facts: &Facts| plan(wish, facts).unwrap().ids;
    let root = Ids { uid: Some(0), gid: Some(0), groups: Some(Vec::new()), ..Ids::default() };
    assert_eq!(ids(&all(), &facts), root);
    assert_eq!(ids(&all(), &denied(&facts)), Ids { groups_before_join: true, ..root.clone() });
    let keep = Wish { keep_credentials: true, ..all() };
    assert_eq!(ids(&keep, &facts), Ids::default());
    let unmapped = TargetFacts { rules: IdRules::default(), ..facts.target.unwrap() };
    let unmapped = Facts { target: Some(unmapped), ..facts.clone() };
    assert_eq!(ids(&all(), &unmapped), Ids::default());
    let alone = held(&[(Kind::User, 9)], &Facts { target: None, ..facts });
    let expected = Ids { groups_before_join: true, if_there: true, ..root };
    assert_eq!(ids(&wish(&[]), &alone), expected);
}

#[test]
fn ids_are_numbers_or_follow_the_targets() {
    let facts = facts(&[Kind::Net]);
    let wish = |uid, gid| Wish { uid, gid, ..wish(&[Kind::Net]) };
    let ids = plan(&wish(Some(Id::Follow), Some(Id::Number(5))), &facts).unwrap().ids;
    let expected = Ids { uid: Some(33), gid: Some(5), groups: Some(Vec::new()), ..Ids::default() };
    assert_eq!(ids, expected, "a group drops the others");
    let ids = plan(&wish(Some(Id::Number(7)), None), &facts).unwrap().ids;
    assert_eq!(ids, Ids { uid: Some(7), ..Ids::default() }, "a user alone does not");
    let refused = plan(&wish(None, Some(Id::Follow)), &facts).unwrap_err();
    assert_eq!(refused, PlanError::Unmapped("group", Pid::new(42).unwrap()));
}

#[test]
fn who_takes_our_place_has_nobody_to_stay_with_him() {
    let facts = facts(&[Kind::Mnt, Kind::Pid]);
    let no_fork = |wish: Wish| Wish { no_fork: true, ..wish };
    let pid = plan(&no_fork(wish(&[Kind::Pid])), &facts).unwrap();
    assert!(!pid.fork && pid.seen);
    assert!(matches!(plan(&no_fork(all()), &facts), Err(PlanError::NeedsFork(_))));
    let stays = Wish { stays: true, ..wish(&[Kind::Pid]) };
    assert!(matches!(plan(&no_fork(stays.clone()), &facts), Err(PlanError::NeedsFork(_))));
    assert!(plan(&Wish { named: Kinds::NONE.with(Kind::Mnt), ..stays }, &facts).unwrap().fork);
}

#[test]
fn who_shares_our_pid_namespace_sees_us() {
    let seen =
        |differing: &[Kind], named: &[Kind]| plan(&wish(named), &facts(differing)).unwrap().seen;
    assert!(seen(&[Kind::Mnt, Kind::Net], &[Kind::Net]));
    assert!(!seen(&[Kind::Net], &[Kind::Net]), "who has our file system has our file");
    assert!(!seen(&[Kind::Mnt, Kind::Net, Kind::Pid], &[Kind::Net]));
    assert!(seen(&[Kind::Mnt, Kind::Net, Kind::Pid], &[Kind::Pid]));
}

#[test]
fn capabilities_outlive_a_change_of_user_only_in_a_joined_user_namespace() {
    let keeps = |keep_capabilities, differing: &[Kind]| {
        let wish = Wish { keep_capabilities, ..all() };
        plan(&wish, &facts(differing)).unwrap().keep_capabilities
    };
    assert!(keeps(true, &[Kind::User]));
    assert!(!keeps(true, &[Kind::Net]), "they are the host's");
    assert!(!keeps(false, &[Kind::User]));
}

#[test]
fn without_rights_here_a_user_namespace_is_joined_first_of_its_process() {
    for privileged in [true, false] {
        let facts = Facts { privileged, ..facts(&[Kind::User, Kind::Net]) };
        assert_eq!(plan(&all(), &facts).unwrap().user_first, !privileged);
    }
}

#[test]
fn a_program_of_the_target_is_apart_from_us_unless_it_has_our_terminal_or_is_to_stay() {
    let on_no_terminal = |differing: &[Kind]| Facts { on_a_terminal: false, ..facts(differing) };
    let apart = |wish: &Wish, facts: &Facts| {
        let plan = plan(wish, facts).unwrap();
        assert_eq!(plan.foreign_program, plan.joined().has(Kind::Mnt));
        plan.apart
    };
    let mnt = wish(&[Kind::Mnt]);
    let root = Wish { other_root: true, ..wish(&[Kind::Net]) };
    let rooted = plan(&root, &on_no_terminal(&[Kind::Net])).unwrap();
    assert!(rooted.apart && rooted.foreign_program, "a root that was named has other files");
    assert!(apart(&mnt, &on_no_terminal(&[Kind::Mnt])));
    assert!(!apart(&wish(&[Kind::Net]), &on_no_terminal(&[Kind::Net])), "the host's program");
    let never = Wish { terminal: Terminal::Never, ..mnt.clone() };
    assert!(!apart(&never, &facts(&[Kind::Mnt])), "our terminal");
    let always = Wish { terminal: Terminal::Always, ..mnt.clone() };
    assert!(!apart(&always, &on_no_terminal(&[Kind::Mnt])), "a terminal has a session");
    let stays = Wish { keeps_session: true, ..mnt };
    assert!(!apart(&stays, &on_no_terminal(&[Kind::Mnt])));
}

#[test]
fn groups_that_were_asked_for_are_set_where_they_may_be() {
    let wish = Wish { groups: Some(vec![5, 6]), ..all() };
    let ids = |facts: &Facts| plan(&wish, facts).unwrap().ids;
    let facts = facts(&[Kind::User]);
    assert_eq!(ids(&facts).groups, Some(vec![5, 6]));
    let denied = ids(&denied(&facts));
    assert_eq!((denied.groups, denied.groups_before_join), (Some(Vec::new()), true));
}

#[test]
fn ids_that_were_asked_for_are_not_only_if_they_are_there() {
    let alone = held(&[(Kind::User, 9)], &Facts { target: None, ..facts(&[]) });
    for (uid, gid) in [(Some(Id::Number(7)), None), (None, Some(Id::Number(7)))] {
        let wish = Wish { uid, gid, ..wish(&[]) };
        assert!(!plan(&wish, &alone).unwrap().ids.if_there);
    }
    let follow = Wish { uid: Some(Id::Follow), ..wish(&[]) };
    assert_eq!(plan(&follow, &alone), Err(PlanError::NoTarget(Kind::User)));
    assert_eq!(plan(&wish(&[]), &Facts { namespaces: vec![], ..alone }).unwrap_err(), {
        PlanError::NoTarget(Kind::Mnt)
    });
}

#[test]
fn where_groups_are_denied_and_root_is_none_they_are_dropped_before() {
    let rules = IdRules { root_is_mapped: false, setgroups_denied: true };
    let facts = facts(&[Kind::User]);
    let target = facts.target.map(|target| TargetFacts { rules, ..target });
    let facts = Facts { target, ..facts };
    let ids = plan(&all(), &facts).unwrap().ids;
    assert_eq!((ids.uid, ids.groups, ids.groups_before_join), (None, Some(vec![]), true));
    let keep = Wish { keep_credentials: true, ..all() };
    let kept = plan(&keep, &facts).unwrap().ids;
    assert_eq!((kept.groups, kept.groups_before_join), (None, false));
}
