//! Hosts that this is not.

use super::*;

const HYBRID: &str = "\
30 1 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
31 1 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
32 1 0:28 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
33 1 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";
const ON_HYBRID: &str = "4:memory:/m/x\n3:cpu,cpuacct:/\n2:pids:/p\n1:cpuset:/\n0::/u\n";
const PURE: &str = "30 1 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

/// A host with these groups of v2 (path below the mount of them, what is handed down); a path that
/// ends in `!` is one of a group of threads.
fn host(mounts: &str, own: &str, v2: &[(&str, &str)]) -> (tempfile::TempDir, SysRoot) {
    let temp = tempfile::tempdir().unwrap();
    let put = |file: &str, text: &str| {
        let path = temp.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    put("proc/self/mountinfo", mounts);
    put("proc/self/cgroup", own);
    put(
        "proc/cgroups",
        "#subsys_name\thierarchy\tnum_cgroups\tenabled\nmemory\t0\t9\t0\npids\t0\t9\t1\n",
    );
    let unified = if mounts.contains("/unified ") { "unified/" } else { "" };
    for (group, handed_down) in v2 {
        let (name, kind) = match group.strip_suffix('!') {
            Some(name) => (name, "domain threaded\n"),
            None => (*group, "domain\n"),
        };
        let at = |file: &str| format!("sys/fs/cgroup/{unified}{name}/{file}");
        put(&at("cgroup.subtree_control"), handed_down);
        if name.is_empty() {
            put(&at("cgroup.controllers"), "cpuset cpu io\n");
        } else {
            put(&at("cgroup.type"), kind);
        }
    }
    let root = SysRoot::fixture(temp.path()).unwrap();
    (temp, root)
}

fn written(sites: &Sites) -> Vec<String> {
    let site = |site: &Site| {
        let controllers = site.controllers.iter().map(|one| one.v1_name()).collect::<Vec<_>>();
        let optional = if site.is_optional { " optional" } else { "" };
        let version = if site.is_v2 { "v2" } else { "v1" };
        format!("{version} {} {}{optional}", site.parent.display(), controllers.join(","))
    };
    sites.0.iter().map(site).collect()
}

fn found(root: &SysRoot, needed: &[Controller], accounting: bool) -> Vec<String> {
    let sites = collect_sites_where(root, needed, accounting, &|_, _| Ok(()));
    written(&sites.unwrap())
}

fn refused(root: &SysRoot, needed: &[Controller], may_use: MayUse<'_>) -> String {
    collect_sites_where(root, needed, false, may_use).unwrap_err().to_string()
}

use Controller::{Cpu, Cpuset, Io, Memory, Pids};

#[test]
fn nothing_is_looked_for_where_nothing_is_needed() {
    let (_temp, root) = host("", "", &[]);
    assert_eq!(found(&root, &[], false), [""; 0]);
}

#[test]
fn on_v1_it_is_below_our_own_group_in_each_hierarchy() {
    let v1 = HYBRID.split("33 1").next().unwrap();
    let (_temp, root) = host(v1, ON_HYBRID, &[]);
    assert_eq!(
        found(&root, &[Memory, Cpu, Pids], false),
        [
            "v1 /sys/fs/cgroup/memory/m/x memory",
            "v1 /sys/fs/cgroup/cpu,cpuacct cpu",
            "v1 /sys/fs/cgroup/pids/p pids",
        ]
    );
    // Two controllers of one hierarchy; and without v2 that is what counts CPU time.
    assert_eq!(
        found(&root, &[Cpu], true),
        [
            "v1 /sys/fs/cgroup/cpu,cpuacct cpu,cpuacct",
            "v1 /sys/fs/cgroup/memory/m/x memory optional",
            "v1 /sys/fs/cgroup/pids/p pids optional",
        ]
    );
}

#[test]
fn on_v1_our_own_limits_of_io_are_not_left() {
    let mounts = "34 1 0:30 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio\n";
    let (temp, root) = host(mounts, "1:blkio:/a/b\n", &[]);
    let put = |group: &str, text: &str| {
        let group = temp.path().join("sys/fs/cgroup/blkio").join(group);
        std::fs::create_dir_all(&group).unwrap();
        std::fs::write(group.join("blkio.throttle.write_iops_device"), text).unwrap();
    };
    put("a/b", "");
    // One above limits itself alone: it is not ours that is left.
    put("a", "8:0 100\n");
    assert_eq!(found(&root, &[Io], false), ["v1 /sys/fs/cgroup/blkio/a/b blkio"]);
    assert_eq!(found(&root, &[], true), ["v1 /sys/fs/cgroup/blkio/a/b blkio optional"]);
    put("a/b", "8:0 100\n");
    assert_eq!(found(&root, &[], true), [""; 0]);
    assert_eq!(
        refused(&root, &[Io], &|_, _| Ok(())),
        "cannot limit I/O: the I/O limits of /sys/fs/cgroup/blkio/a/b would not hold for the \
         program any more"
    );
}

#[test]
fn on_a_hybrid_host_there_is_one_of_v2_too() {
    let (_temp, root) = host(HYBRID, ON_HYBRID, &[("", ""), ("u", "")]);
    let unified = "v2 /sys/fs/cgroup/unified/u  optional";
    assert_eq!(found(&root, &[Memory], false), ["v1 /sys/fs/cgroup/memory/m/x memory", unified]);
    assert_eq!(
        found(&root, &[], true),
        [
            "v1 /sys/fs/cgroup/memory/m/x memory optional",
            "v1 /sys/fs/cgroup/pids/p pids optional",
            unified,
        ]
    );
    // Its hierarchy is there, but we see no mount of it.
    assert_eq!(
        refused(&root, &[Cpuset], &|_, _| Ok(())),
        "cannot limit CPUs: no cpuset controller: its hierarchy is not mounted where we see it"
    );
}

#[test]
fn a_group_of_threads_is_passed_over() {
    let (_temp, root) =
        host(HYBRID, "4:memory:/\n0::/a/b\n", &[("", ""), ("a!", ""), ("a/b!", "")]);
    let sites = found(&root, &[Memory], false);
    assert_eq!(sites[1], "v2 /sys/fs/cgroup/unified  optional");
}

#[test]
fn on_v2_it_is_at_the_nearest_ancestor_that_hands_all_down() {
    let groups = [
        ("", "cpuset cpu io memory pids"),
        ("user.slice", "cpu memory pids"),
        ("user.slice/u.slice", "memory pids"),
        ("user.slice/u.slice/s.scope", ""),
    ];
    let (_temp, root) = host(PURE, "0::/user.slice/u.slice/s.scope\n", &groups);
    for (needed, site) in [
        (&[Memory][..], "v2 /sys/fs/cgroup/user.slice/u.slice memory,pids"),
        (&[Pids, Memory], "v2 /sys/fs/cgroup/user.slice/u.slice memory,pids"),
        (&[Memory, Cpu], "v2 /sys/fs/cgroup/user.slice memory,cpu,pids"),
        (&[Cpuset], "v2 /sys/fs/cgroup memory,cpu,cpuset,pids,blkio"),
    ] {
        assert_eq!(found(&root, needed, false), [site]);
        assert_eq!(found(&root, needed, true), [site]);
    }
    // For mere accounting no group is left that need not be.
    assert_eq!(
        found(&root, &[], true),
        ["v2 /sys/fs/cgroup/user.slice/u.slice memory,pids optional"]
    );
}

#[test]
fn a_report_frees_the_program_of_no_limit() {
    let groups = [("", "cpu memory pids"), ("a.slice", "memory pids"), ("a.slice/b.service", "")];
    let (temp, root) = host(PURE, "0::/a.slice/b.service\n", &groups);
    let kernel = temp.path().join("proc/sys/kernel");
    std::fs::create_dir_all(&kernel).unwrap();
    std::fs::write(kernel.join("pid_max"), "32768\n").unwrap();
    std::fs::write(kernel.join("threads-max"), "62000\n").unwrap();
    let beside = "v2 /sys/fs/cgroup/a.slice memory,pids optional";
    let below = "v2 /sys/fs/cgroup/a.slice/b.service  optional";
    let own = temp.path().join("sys/fs/cgroup/a.slice/b.service");
    for (file, nothing, limit) in [
        ("memory.max", "max\n", "1048576\n"),
        ("memory.high", "max\n", "1048576\n"),
        ("cpu.max", "max 100000\n", "50000 100000\n"),
        ("cpuset.cpus", "\n", "0-1\n"),
        ("memory.swap.max", "max\n", "0\n"),
        ("io.max", "", "8:0 rbps=1048576 wbps=max riops=max wiops=max\n"),
        ("pids.max", "max\n", "50\n"),
        // What systemd gives, and less.
        ("pids.max", "4915\n", "4914\n"),
    ] {
        for (text, expected) in [(nothing, beside), (limit, below)] {
            std::fs::write(own.join(file), text).unwrap();
            assert_eq!(found(&root, &[], true), [expected], "{file}: {text}");
        }
        std::fs::remove_file(own.join(file)).unwrap();
    }
    // Who asks for a limit of his own gets it.
    std::fs::write(own.join("memory.max"), "1\n").unwrap();
    assert_eq!(found(&root, &[Pids], true), ["v2 /sys/fs/cgroup/a.slice memory,pids"]);
}

/// Its limits hold for us, and would not for a program in a group above.
#[test]
fn nor_of_those_of_a_group_of_threads() {
    let groups = [("", "cpu memory pids"), ("a", "cpu"), ("a/b!", "")];
    let (temp, root) = host(PURE, "0::/a/b\n", &groups);
    assert_eq!(found(&root, &[], true), ["v2 /sys/fs/cgroup memory,cpu,pids optional"]);
    std::fs::write(temp.path().join("sys/fs/cgroup/a/b/cpu.max"), "50000 100000\n").unwrap();
    assert_eq!(found(&root, &[], true), [""; 0]);
}

#[test]
fn who_is_in_the_root_group_of_v2_is_given_a_group_below_it() {
    let (_temp, root) = host(PURE, "0::/\n", &[("", "memory")]);
    assert_eq!(found(&root, &[Memory], false), ["v2 /sys/fs/cgroup memory"]);
}

#[test]
fn accounting_does_with_less() {
    let groups = [("", ""), ("a", "")];
    let (_temp, root) = host(PURE, "0::/a\n", &groups);
    assert_eq!(found(&root, &[], true), ["v2 /sys/fs/cgroup/a  optional"]);
    let nowhere = collect_sites_where(&root, &[], true, &|_, _| Err(Errno::EACCES)).unwrap();
    assert_eq!(nowhere, Sites::default());
    let (_temp, root) = host("", "", &[]);
    assert_eq!(found(&root, &[], true), [""; 0]);
}

#[test]
fn the_controller_that_is_missing_is_named_with_the_reason() {
    let groups = [("", "cpu"), ("a", "")];
    let (_temp, root) = host(PURE, "0::/a\n", &groups);
    let refused = |needed: &[Controller]| refused(&root, needed, &|_, _| Ok(()));
    assert_eq!(
        refused(&[Cpu, Memory]),
        "cannot limit memory: no memory controller: the host was started without it"
    );
    assert_eq!(
        refused(&[Io]),
        "cannot limit I/O: no io controller: /sys/fs/cgroup does not hand it down, \
         nor does a group above that we see"
    );
    assert_eq!(
        refused(&[Pids]),
        "cannot limit processes: no pids controller: /sys/fs/cgroup was not given it"
    );
    let (_temp, root) = host("", "", &[]);
    assert_eq!(
        super::collect_sites(&root, &[Cpu], false).unwrap_err().to_string(),
        "cannot limit CPU time: no cpu controller: this kernel has none"
    );
}

#[test]
fn without_privilege_it_is_in_the_subtree_that_was_delegated() {
    let mine = "/user.slice/user-1000.slice/user@1000.service";
    let groups = [
        ("", "cpuset cpu io memory pids"),
        ("user.slice", "cpu memory pids"),
        ("user.slice/user-1000.slice", "cpu memory pids"),
        ("user.slice/user-1000.slice/user@1000.service", "cpu memory pids"),
        ("user.slice/user-1000.slice/user@1000.service/app.slice", "cpu memory pids"),
        ("user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope", ""),
        ("user.slice/user-1000.slice/session-2.scope", ""),
    ];
    let is_mine = |directory: &Path, _| {
        let below = Path::new("/sys/fs/cgroup").join(mine.trim_start_matches('/'));
        if directory.starts_with(below) { Ok(()) } else { Err(Errno::EACCES) }
    };
    let (_temp, root) = host(PURE, &format!("0::{mine}/app.slice/run-1.scope\n"), &groups);
    let sites = collect_sites_where(&root, &[Memory, Cpu], false, &is_mine).unwrap();
    assert_eq!(written(&sites), [format!("v2 /sys/fs/cgroup{mine}/app.slice memory,cpu,pids")]);
    // What was not delegated is there, and is not ours.
    assert_eq!(
        refused(&root, &[Cpuset], &is_mine),
        "cannot limit CPUs: cannot make a control group in /sys/fs/cgroup: Permission denied"
    );
    // A session is the system manager's.
    let (_temp, root) = host(PURE, "0::/user.slice/user-1000.slice/session-2.scope\n", &groups);
    assert_eq!(
        refused(&root, &[Memory], &is_mine),
        "cannot limit memory: cannot make a control group in \
         /sys/fs/cgroup/user.slice/user-1000.slice: Permission denied"
    );
}

#[test]
fn on_v1_a_group_of_others_is_refused() {
    let (_temp, root) = host(HYBRID, ON_HYBRID, &[]);
    assert_eq!(
        refused(&root, &[Pids], &|_, _| Err(Errno::EROFS)),
        "cannot limit processes: cannot make a control group in /sys/fs/cgroup/pids/p: \
         Read-only file system"
    );
}

/// As in a container: its own group is the root of what it sees, and has its processes.
#[test]
fn in_a_container_nothing_is_handed_down() {
    let mounts = "30 1 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
    let (_temp, root) = host(mounts, "0::/\n", &[("", "")]);
    assert_eq!(
        refused(&root, &[Cpu], &|_, _| Ok(())),
        "cannot limit CPU time: no cpu controller: /sys/fs/cgroup does not hand it down, \
         nor does a group above that we see"
    );
}
