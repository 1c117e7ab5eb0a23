//! What hangs under what, as lsns 2.42 draws it.

use super::*;
use crate::model::census::{Member, NsKey};

/// 10 to 13 are a host's; 20 is a user namespace whose child is 22, with nobody in 21 between them;
/// 30 is a pid namespace within 12, owned by 20, and 31 one within 30; 40 is mounted, and so is 43,
/// owned by 42 that nobody is in; 41 is held by something that lsns does not look at.
fn census() -> Census {
    let mut namespaces = vec![
        namespace(Kind::User, 10, Some((2, 0)), None, None),
        namespace(Kind::Net, 11, Some((2, 0)), Some(10), None),
        namespace(Kind::Pid, 12, Some((2, 0)), Some(10), None),
        namespace(Kind::Uts, 13, Some((2, 0)), Some(10), None),
        namespace(Kind::User, 20, Some((100, 2)), Some(10), Some(10)),
        namespace(Kind::User, 21, None, Some(20), Some(20)),
        namespace(Kind::User, 22, Some((120, 100)), Some(21), Some(21)),
        namespace(Kind::Net, 23, Some((120, 100)), Some(22), None),
        namespace(Kind::Pid, 30, Some((130, 100)), Some(20), Some(12)),
        namespace(Kind::Pid, 31, Some((140, 130)), Some(20), Some(30)),
        namespace(Kind::Net, 40, None, Some(10), None),
        namespace(Kind::Net, 41, None, Some(10), None),
        namespace(Kind::User, 42, None, Some(10), Some(10)),
        namespace(Kind::Net, 43, None, Some(42), None),
    ];
    for at in [10, 13] {
        namespaces[at].mounts = vec!["/run/netns/a".into()];
    }
    Census { namespaces, ..Census::default() }
}

/// `first`: the pid and the parent of its first process.
fn namespace(
    kind: Kind,
    inode: u64,
    first: Option<(u32, u32)>,
    owner: Option<u64>,
    parent: Option<u64>,
) -> Namespace {
    let mut namespace = Namespace::new(NsKey { inode, kind });
    namespace.processes = first.iter().len();
    namespace.first = first.map(|(pid, parent)| occupant(pid, parent));
    namespace.owner = Fact::Known(owner);
    namespace.parent = Fact::Known(parent);
    namespace
}

fn occupant(pid: u32, parent: u32) -> Occupant {
    Occupant {
        pid: Pid::new(pid).unwrap(),
        thread: None,
        elsewhere: false,
        parent: Fact::Known(Pid::new(parent)),
        uid: 0,
        command: "sleep".into(),
    }
}

fn options(kinds: &[Kind], tree: Option<Tree>, selection: Selection) -> Options {
    Options { kinds: kinds.iter().copied().collect(), tree, selection, ..Options::default() }
}

/// `10 11<10`: inodes, or pids, in their order, each with what it hangs under.
fn shown(placed: &[Placed<'_>], name: impl Fn(Line<'_>) -> u64) -> String {
    let own = |one: &Placed<'_>| {
        let parent = one.parent.map(|parent| format!("<{}", name(placed[parent].line)));
        format!("{}{}", name(one.line), parent.unwrap_or_default())
    };
    placed.iter().map(own).collect::<Vec<_>>().join(" ")
}

fn drawn(options: &Options, task: Option<&NsSet>) -> String {
    shown(&of_namespaces(&census(), options, task), |line| line.namespace.inode)
}

#[test]
fn a_list_and_a_tree_of_processes() {
    let all = |tree| drawn(&options(&[], tree, Selection::All), None);
    assert_eq!(all(None), "10 11 12 13 20 22 23 30 31 40 42 43");
    // Under the last before it: 20 for 2 is 13, for 100 it is 20.
    let expected = "10 11 12 13 20<13 22<20 23<20 30<20 31<30 40 42 43";
    assert_eq!(all(Some(Tree::Process)), expected);
    assert_eq!(drawn(&options(&[Kind::User], None, Selection::All), None), "10 20 22");
    let some = options(&[Kind::User, Kind::Net], Some(Tree::Process), Selection::All);
    assert_eq!(drawn(&some, None), "10 11 20<11 22<20 23<20 40 42 43");
}

#[test]
fn owners_are_shown_with_nobody_in_them() {
    let all = |kinds: &[Kind], tree| drawn(&options(kinds, Some(tree), Selection::All), None);
    let expected = "10 11<10 12<10 13<10 20<10 21<20 22<21 23<22 30<20 31<20 40<10 42<10 43<42";
    assert_eq!(all(&[], Tree::Owner), expected);
    assert_eq!(all(&[Kind::Net], Tree::Owner), "11 23 40 43");
    // By parent the others hang under nothing, but their owners come before them.
    let expected = "10 11 12 13 20<10 21<20 22<21 23 30<12 31<30 40 42<10 43";
    assert_eq!(all(&[], Tree::Parent), expected);
    assert_eq!(all(&[Kind::Pid], Tree::Parent), "12 30<12 31<30");
    assert_eq!(all(&[Kind::Pid, Kind::User], Tree::Parent), "10 12 20<10 21<20 22<21 30<12 31<30");
}

#[test]
fn what_is_above_a_selected_one_is_shown_with_it() {
    let mut task = NsSet::default();
    for (kind, inode) in [(Kind::User, 10), (Kind::Net, 23), (Kind::Pid, 31), (Kind::Uts, 13)] {
        task.set(kind, inode);
    }
    let of = |tree| drawn(&options(&[], tree, Selection::Task(140)), Some(&task));
    assert_eq!(of(None), "10 13 23 31");
    assert_eq!(of(Some(Tree::Process)), "10 13 23 31");
    assert_eq!(of(Some(Tree::Owner)), "10 13<10 20<10 21<20 22<21 23<22 31<20");
    assert_eq!(of(Some(Tree::Parent)), "10 13 20<10 21<20 22<21 23 12 30<12 31<30");
    let persistent = |tree| drawn(&options(&[], tree, Selection::Persistent), None);
    assert_eq!(persistent(Some(Tree::Process)), "40 42 43");
    assert_eq!(persistent(Some(Tree::Parent)), "10 20<10 21<20 40 42<10 43");
}

#[test]
fn a_filter_leaves_out_rows_and_not_what_hung_under_them() {
    let census = census();
    let options = options(&[], Some(Tree::Owner), Selection::All);
    let placed = of_namespaces(&census, &options, None);
    let kept = filtered(placed, |line| line.namespace.processes > 0);
    let expected = "10 11<10 12<10 13<10 20<10 22 23<22 30<20 31<20";
    assert_eq!(shown(&kept, |line| line.namespace.inode), expected);
}

#[test]
fn processes_hang_under_their_parents_whatever_their_numbers() {
    let mut census = census();
    let mut namespaces = NsSet::default();
    namespaces.set(Kind::Uts, 13);
    let member = |pid, parent| Member { occupant: occupant(pid, parent), namespaces };
    census.members = vec![
        member(2, 0),
        member(3, 2),
        member(50, 70),
        member(60, 9999),
        member(70, 2),
        // Each the parent of the other, as two looks at a reused number can have it.
        member(80, 81),
        member(81, 80),
    ];
    let pid = |line: Line<'_>| u64::from(line.process.unwrap().pid.number());
    let of = |tree| {
        let uts = find(&census, &Options::default(), 13).unwrap();
        shown(&of_processes(&census, uts, tree), pid)
    };
    assert_eq!(of(true), "2 3<2 70<2 50<70 60 81 80<81");
    assert_eq!(of(false), "2 3 50 60 70 80 81");
    assert!(find(&census, &Options::default(), 41).is_none(), "lsns does not see it");
    let pids = options(&[Kind::Pid], None, Selection::All);
    assert!(find(&census, &pids, 13).is_none(), "it is of another type");
}
