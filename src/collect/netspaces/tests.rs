//! Which namespaces a made-up host has, and whose they are.

use super::*;
use crate::model::namespace::{Kinds, NsSet};
use crate::model::process::{Process, State};

fn pid(number: u32) -> Pid {
    Pid::new(number).unwrap()
}

fn net(inode: u64) -> NsSet {
    let mut set = NsSet::default();
    set.set(Kind::Net, inode);
    set
}

fn process(number: u32, inode: Option<u64>) -> Process {
    Process {
        pid: pid(number),
        parent: None,
        state: State(b'S'),
        kernel_thread: false,
        comm: "x".into(),
        start_ticks: 0,
        namespaces: inode.map(net).unwrap_or_default(),
        cgroup: "0::/\n".into(),
    }
}

fn container(name: &str, own: Option<u64>, pids: &[u32], depth: usize) -> Container {
    Container {
        name: Some(name.into()),
        own: own.map_or(Kinds::NONE, |_| Kinds::NONE.with(Kind::Net)),
        namespaces: own.map(net).unwrap_or_default(),
        processes: pids.iter().map(|number| pid(*number)).collect(),
        depth,
        ..Container::default()
    }
}

/// A host whose reader is in the initial namespace, 100.
fn host(containers: &Containers, mountinfo: &str) -> NetSpaces {
    let temp = tempfile::tempdir().unwrap();
    let own = temp.path().join("proc/7");
    std::fs::create_dir_all(own.join("ns")).unwrap();
    std::os::unix::fs::symlink("7", temp.path().join("proc/self")).unwrap();
    std::os::unix::fs::symlink("net:[100]", own.join("ns/net")).unwrap();
    std::fs::write(own.join("mountinfo"), mountinfo).unwrap();
    NetSpaces::list(&SysRoot::fixture(temp.path()).unwrap(), containers)
}

fn containers(list: Vec<Container>, isolated: Vec<Process>) -> Containers {
    Containers { list, gaps: Vec::new(), host: net(100), isolated }
}

const MOUNTS: &str = "40 1 0:4 net:[300] /run/docker/netns/abc rw - nsfs nsfs rw\n\
    41 1 0:4 net:[400] /run/netns/router rw - nsfs nsfs rw\n\
    42 1 0:4 net:[400] /somewhere rw - nsfs nsfs rw\n\
    43 1 0:4 mnt:[500] /mnt rw - nsfs nsfs rw\n\
    44 1 0:4 net:[100] /run/netns/host rw - nsfs nsfs rw\n";

#[test]
fn each_namespace_is_listed_once_with_its_owner() {
    let sandbox = container("sandbox", Some(300), &[30], 0);
    let member = container("member", Some(300), &[31], 0);
    let guest = container("guest", None, &[31], 1);
    let processes = vec![
        process(30, Some(300)),
        process(31, Some(300)),
        process(32, Some(100)),
        process(33, Some(600)),
    ];
    let all = containers(vec![sandbox, member, guest], processes);
    let spaces = host(&all, MOUNTS);
    let inodes: Vec<_> = spaces.list.iter().map(|space| space.inode.unwrap()).collect();
    assert_eq!(inodes, [100, 300, 600, 400]);
    assert!(spaces.own().unwrap().own && spaces.own().unwrap().of_host);
    assert_eq!(spaces.find(400).unwrap().name, Some("router".into()));
    assert_eq!(spaces.find(400).unwrap().mounts.len(), 2);
    assert_eq!(spaces.find(300).unwrap().processes, [pid(30), pid(31)]);
    let owner = |inode: u64| {
        let place = spaces.place_of(inode).unwrap();
        let container = spaces.container(&all, place);
        container.map_or_else(|| spaces.owner(place), |one| Owner::Container(one.clone().into()))
    };
    assert!(matches!(owner(100), Owner::Host { .. }));
    let Owner::Container(found) = owner(300) else { panic!("it is the sandbox's") };
    assert_eq!(found.name, Some("sandbox".into()));
    let Owner::Namespace { key, name } = owner(400) else { panic!("it is nobody's") };
    assert_eq!((key.inode, name), (400, Some("router".into())));
    assert!(matches!(owner(600), Owner::Host { .. }));
}

#[test]
fn a_container_that_shares_a_namespace_owns_it_where_nobody_else_does() {
    let outer = container("outer", None, &[30], 0);
    let inner = container("inner", None, &[30], 1);
    let all = containers(vec![outer, inner], vec![process(30, Some(300))]);
    let spaces = host(&all, "");
    assert_eq!(spaces.find(300).unwrap().container, Some(1));
}

#[test]
fn a_mount_elsewhere_is_a_name_only_where_there_is_no_other() {
    let mut space = NetSpace::default();
    space.add_mount("/a".into());
    assert_eq!(space.name, Some("/a".into()));
    space.add_mount("/var/run/netns/b".into());
    space.add_mount("/c".into());
    assert_eq!((space.name, space.mounts.len()), (Some("b".into()), 3));
}

#[test]
fn few_gaps_are_told_by_name_and_many_by_number() {
    let name = |place: usize| Text::from(format!("n{place}"));
    let two = gaps(&[(1, Reason::Denied), (2, Reason::Timeout)], "addresses", &name);
    assert_eq!(two.iter().map(|gap| gap.object.clone()).collect::<Vec<_>>(), ["n1", "n2"]);
    let many: Vec<_> = (0..5).map(|place| (place, Reason::Denied)).collect();
    let many = gaps(&many, "addresses", &name);
    let expected =
        Gap { object: "5 network namespaces".into(), what: "addresses", reason: Reason::Denied };
    assert_eq!(many, [expected]);
}

#[test]
fn the_reader_is_in_the_first_one_and_may_ask_there() {
    let root = SysRoot::real().unwrap();
    let all = crate::collect::containers::collect_containers(&root).unwrap();
    let spaces = NetSpaces::list(&root, &all);
    let own = std::fs::File::open("/proc/self/ns/net").unwrap().metadata().unwrap();
    assert_eq!(spaces.own().unwrap().inode, Some(std::os::unix::fs::MetadataExt::ino(&own)));
    let wanted = Wanted { links: true, ..Wanted::default() };
    let visited = spaces.read(&root, &[0], wanted, "interfaces", &mut |_| true);
    assert_eq!((visited.found.len(), visited.gaps.len()), (1, 0));
    let is_lo = |row: &Row| matches!(row, Row::Link(link) if link.name == "lo");
    assert!(visited.found[0].1.rows.iter().any(is_lo));
}

#[test]
fn a_name_is_what_ip_netns_would_say_and_else_a_path() {
    let named = |mounts: &[&str]| name_among(&mounts.iter().map(Text::new).collect::<Vec<_>>());
    assert_eq!(named(&[]), None);
    assert_eq!(named(&["/srv/a", "/srv/b"]), Some("/srv/a".into()));
    assert_eq!(named(&["/srv/a", "/run/netns/blue", "/run/docker/netns/c"]), Some("blue".into()));
}
