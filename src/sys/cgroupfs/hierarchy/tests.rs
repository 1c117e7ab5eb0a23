//! Mounts of hosts that this is not.

use super::*;

fn hierarchies(mountinfo: &str) -> Hierarchies {
    let (mounts, malformed) = mountinfo::parse(mountinfo.as_bytes());
    assert_eq!(malformed, 0);
    Hierarchies::of(&mounts)
}

fn directory(hierarchies: &Hierarchies, lines: &str, controller: &str) -> Option<(String, usize)> {
    let paths = CgroupPaths::parse(lines.as_bytes());
    let place = hierarchies.locate(&paths, controller.as_bytes())?;
    Some((place.directory.display().to_string(), place.ancestors))
}

const SEPARATE: &str = "\
23 1 0:21 / /sys rw,relatime - sysfs sysfs rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";

#[test]
fn what_is_whole_is_told_by_the_lines_of_a_process() {
    let hybrid = hierarchies(SEPARATE);
    assert!(hybrid.show_all(b"9:name=systemd:/s\n4:memory:/m/x\n2:cpuacct:/\n1:cpu:/c\n0::/u\n"));
    assert!(!hybrid.show_all(b"4:memory:/\n3:pids:/\n0::/\n"), "pids is mounted elsewhere");
    assert!(!Hierarchies::default().show_all(b"0::/\n"));
}

#[test]
fn the_usual_place_shows_what_mountinfo_shows() {
    let root = SysRoot::real().unwrap();
    let whole = Hierarchies::of(&mountinfo::parse(root.mountinfo().unwrap()).0);
    let is_below = |mount: &Mounted| mount.point.starts_with(USUAL);
    let place = root.open_dir(Path::new(USUAL)).unwrap();
    let can_ask = mounts::few_from(place.as_fd()).is_some();
    let Some(usual) = Hierarchies::usual(&root) else {
        let are_usual = |mount: &Mounted| is_below(mount) && mount.root == "/";
        assert!(!can_ask || whole.is_empty() || !whole.mounts.iter().all(are_usual));
        return;
    };
    assert!(!usual.is_empty());
    for mount in &usual.mounts {
        assert!(whole.mounts.contains(mount), "{mount:?}");
    }
    assert_eq!(usual.version(), whole.version());
}

#[test]
fn hybrid_with_separate_controllers() {
    let hybrid = hierarchies(SEPARATE);
    assert_eq!(hybrid.version(), Version::Hybrid);
    let lines = "9:name=systemd:/s\n4:memory:/m/x\n2:cpuacct:/\n1:cpu:/c\n0::/u\n";
    let found = |controller| directory(&hybrid, lines, controller).unwrap();
    assert_eq!(found("memory"), ("/sys/fs/cgroup/memory/m/x".into(), 2));
    assert_eq!(found("cpuacct").0, "/sys/fs/cgroup/cpuacct");
    assert_eq!(found("cpu").0, "/sys/fs/cgroup/cpu/c");
    assert_eq!(found("name=systemd").0, "/sys/fs/cgroup/systemd/s");
    assert_eq!(found("pids").0, "/sys/fs/cgroup/unified/u");
}

#[test]
fn joint_v1_and_a_mount_point_elsewhere() {
    let v1 = hierarchies("5 1 0:9 / /cg/a\\040b rw - cgroup none rw,cpu,cpuacct\n");
    assert_eq!(v1.version(), Version::V1);
    let lines = "3:cpu,cpuacct:/a\n2:memory:/a\n";
    assert_eq!(directory(&v1, lines, "cpuacct"), Some(("/cg/a b/a".into(), 1)));
    assert_eq!(directory(&v1, lines, "memory"), None);
    assert_eq!(directory(&v1, lines, "pids"), None);
}

#[test]
fn a_named_hierarchy_alone_does_not_make_a_host_hybrid() {
    let v2 = hierarchies(
        "5 1 0:9 / /sys/fs/cgroup rw - cgroup2 none rw,nsdelegate\n\
         6 1 0:8 / /s rw - cgroup none rw,xattr,name=systemd\n",
    );
    assert_eq!(v2.version(), Version::V2);
    assert_eq!(hierarchies("").version(), Version::V2);
}

#[test]
fn of_two_mounts_the_one_that_shows_more_ancestors() {
    let part = "5 1 0:9 /docker/id /part rw - cgroup2 none rw\n";
    let whole = "6 1 0:9 / /whole rw - cgroup2 none rw\n";
    let outside = "7 1 0:9 /.. /outside rw - cgroup2 none rw\n";
    for mounts in [format!("{part}{whole}"), format!("{whole}{part}")] {
        let both = hierarchies(&mounts);
        let found = directory(&both, "0::/docker/id/x\n", "memory");
        assert_eq!(found, Some(("/whole/docker/id/x".into(), 3)));
    }
    let all = hierarchies(&format!("{part}{outside}"));
    let found = |lines| directory(&all, lines, "memory");
    assert_eq!(found("0::/docker/id\n"), Some(("/part".into(), 0)));
    assert_eq!(found("0::/../b\n"), Some(("/outside/b".into(), 1)));
    assert_eq!(found("0::/../../b\n"), None);
}

#[test]
fn a_covered_mount_is_not_used() {
    let over_itself = "5 1 0:9 / /cg rw - cgroup2 none rw\n6 5 0:9 /x /cg rw - cgroup2 none rw\n";
    let found = directory(&hierarchies(over_itself), "0::/x/y\n", "memory");
    assert_eq!(found, Some(("/cg/y".into(), 1)));
    let over_its_parent = "5 1 0:9 / /a/cg rw - cgroup2 none rw\n6 1 0:7 / /a rw - tmpfs none rw\n";
    let found = directory(&hierarchies(over_its_parent), "0::/x\n", "memory");
    assert_eq!(found, None);
}

#[test]
fn what_covers_a_mount_may_stand_anywhere_above_it() {
    let below = "2 1 0:7 / /x/a rw - tmpfs t rw\n3 2 0:9 / /x/a/cg rw - cgroup2 none rw\n";
    assert_eq!(hierarchies(below).v2().count(), 1);
    let covered = format!("{below}4 1 0:8 / /x rw - tmpfs t rw\n");
    assert_eq!(hierarchies(&covered).v2().count(), 0);
    let beside = "5 1 0:9 / /cg rw - cgroup2 none rw\n6 1 0:7 / /y/z rw - tmpfs t rw\n\
        7 1 0:8 / /y rw - tmpfs t rw\n";
    for mounts in [beside.to_owned(), beside.split_inclusive('\n').rev().collect()] {
        assert_eq!(hierarchies(&mounts).v2().count(), 1, "what is hidden there is not on its way");
    }
}

#[test]
fn the_directory_of_a_group_is_its_own_and_not_that_of_who_is_below_it() {
    let hybrid = hierarchies(SEPARATE);
    let of = |lines: &str, group: &str| {
        let directory = hybrid.directory_of(lines.as_bytes(), group.as_bytes());
        directory.map(|directory| directory.display().to_string())
    };
    let lines = "4:memory:/m/x/y\n9:name=systemd:/s/t\n0::/u/v/w\n";
    assert_eq!(of(lines, "/u/v").as_deref(), Some("/sys/fs/cgroup/unified/u/v"));
    assert_eq!(of(lines, "/m/x").as_deref(), Some("/sys/fs/cgroup/memory/m/x"));
    assert_eq!(of(lines, "/s/t").as_deref(), Some("/sys/fs/cgroup/systemd/s/t"));
    assert_eq!(of(lines, "/elsewhere"), None);
}

#[test]
fn whose_a_group_is_is_asked_of_its_directory() {
    let temp = tempfile::tempdir().unwrap();
    for directory in ["proc", "cg/a/b"] {
        std::fs::create_dir_all(temp.path().join(directory)).unwrap();
    }
    let root = SysRoot::fixture(temp.path()).unwrap();
    let v2 = hierarchies("5 1 0:9 / /cg rw - cgroup2 none rw\n");
    let owner = |group: &str| owner_uid(&root, &v2, b"0::/a/b\n", group.as_bytes());
    let own = rustix::process::geteuid();
    assert_eq!((owner("/a"), owner("/a/b")), (Some(own.as_raw()), Some(own.as_raw())));
    assert_eq!(owner("/none"), None);
    if own.is_root() {
        std::os::unix::fs::chown(temp.path().join("cg/a/b"), Some(1000), None).unwrap();
        assert_eq!((owner("/a"), owner("/a/b")), (Some(0), Some(1000)));
    }
}

#[test]
fn a_circle_of_mounts_ends() {
    let circle = "5 6 0:9 / /a rw - cgroup2 none rw\n6 5 0:7 / /b rw - tmpfs none rw\n";
    assert_eq!(hierarchies(circle).v2().count(), 1);
    let itself = "5 5 0:9 / /a rw - cgroup2 none rw\n";
    assert!(hierarchies(itself).v2().count() <= 1);
}

proptest::proptest! {
    #[test]
    fn no_mounts_panic(bytes: Vec<u8>, lines: Vec<u8>) {
        let found = Hierarchies::of(&mountinfo::parse(&bytes).0);
        let _ = found.locate(&CgroupPaths::parse(&lines), b"memory");
    }
}
