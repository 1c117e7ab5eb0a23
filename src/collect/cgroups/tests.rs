//! Fixture hosts of every shape, with values as running systems show them.

use super::*;
use crate::model::cgroup::{Limit, Version};
use crate::model::gap::Reason;
use std::path::Path;

/// A directory that looks like a host.
struct Host {
    dir: tempfile::TempDir,
}

impl Host {
    fn new(mountinfo: &str) -> Self {
        let host = Self { dir: tempfile::tempdir().unwrap() };
        host.put("/proc/self", &[("mountinfo", mountinfo)]);
        host
    }

    /// Writes files into the directory at the absolute path `group`.
    fn put(&self, group: impl AsRef<Path>, files: &[(&str, &str)]) {
        let below = group.as_ref().strip_prefix("/").unwrap().to_owned();
        let group = self.dir.path().join(below);
        std::fs::create_dir_all(&group).unwrap();
        for (name, content) in files {
            std::fs::write(group.join(name), content).unwrap();
        }
    }

    fn collect(&self, lines: impl AsRef<[u8]>) -> (Cgroup, Vec<Gap>) {
        let root = SysRoot::fixture(self.dir.path()).unwrap();
        let hierarchies = Hierarchies::read(&root).unwrap();
        collect_cgroup(&root, &hierarchies, lines.as_ref())
    }

    /// For what must be complete.
    fn cgroup(&self, lines: impl AsRef<[u8]>) -> Cgroup {
        let (cgroup, gaps) = self.collect(lines);
        assert_eq!(gaps, []);
        cgroup
    }

    fn is_frozen(&self, lines: &str) -> Option<bool> {
        self.is_frozen_in(lines, State(b'D'))
    }

    fn is_frozen_in(&self, lines: &str, state: State) -> Option<bool> {
        let root = SysRoot::fixture(self.dir.path()).unwrap();
        let hierarchies = Hierarchies::read(&root).unwrap();
        is_frozen(&root, &hierarchies, lines.as_bytes(), state)
    }
}

fn at(value: u64, set_by: &str) -> Limit {
    let set_by = set_by.into();
    Limit::Value { value, set_by }
}

const PURE: &str =
    "27 22 0:24 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu
33 31 0:30 / /sys/fs/cgroup/cpuacct rw,relatime - cgroup cgroup rw,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
37 31 0:34 / /sys/fs/cgroup/freezer rw,relatime - cgroup cgroup rw,freezer
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
";
const SCOPE: &str = "/sys/fs/cgroup/system.slice/docker-49b.scope";
const PRESSURE: &str = "\
some avg10=0.09 avg60=1.40 avg300=1.13 total=26419187
full avg10=0.01 avg60=0.00 avg300=0.00 total=5
";
const V2_FILES: [(&str, &str); 13] = [
    ("memory.current", "4771840\n"),
    (
        "memory.stat",
        "anon 1744896\nfile 1318912\nkernel 1740800\nkernel_stack 16384\nslab 9\ninactive_file 954368\n",
    ),
    ("memory.peak", "6017024\n"),
    ("memory.swap.current", "4096\n"),
    ("memory.max", "67108864\n"),
    ("memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n"),
    (
        "cpu.stat",
        "usage_usec 469163\nuser_usec 4\nsystem_usec 5\nnr_periods 113\nnr_throttled 104\nthrottled_usec 5200000\n",
    ),
    ("cpu.max", "50000 100000\n"),
    ("pids.current", "3\n"),
    ("pids.max", "max\n"),
    ("cgroup.events", "populated 1\nfrozen 1\n"),
    ("cpu.pressure", PRESSURE),
    ("memory.pressure", PRESSURE),
];

#[test]
fn pure_v2() {
    let host = Host::new(PURE);
    host.put(SCOPE, &V2_FILES);
    host.put("/sys/fs/cgroup/system.slice", &[("pids.max", "4700\n"), ("memory.max", "max\n")]);
    let lines = "0::/system.slice/docker-49b.scope\n";
    let cgroup = host.cgroup(lines);
    assert_eq!(cgroup.version, Version::V2);
    assert_eq!(cgroup.path, "/system.slice/docker-49b.scope");
    let memory = cgroup.memory.unwrap();
    assert_eq!(memory.usage_bytes, 4_771_840);
    assert_eq!(memory.working_set_bytes, Some(4_771_840 - 954_368));
    assert_eq!(memory.kernel_bytes, Some(1_740_800));
    assert_eq!((memory.peak_bytes, memory.swap_bytes), (Some(6_017_024), Some(4096)));
    assert_eq!(memory.oom_kills, Some(1));
    assert_eq!(memory.limit, at(67_108_864, "/system.slice/docker-49b.scope"));
    let cpu = cgroup.cpu.unwrap();
    assert_eq!(cpu.usage_usec, Some(469_163));
    assert_eq!((cpu.periods, cpu.throttled_periods), (Some(113), Some(104)));
    assert_eq!(cpu.throttled_usec, Some(5_200_000));
    assert_eq!(cpu.limit_millicores.value(), Some(500));
    let pids = cgroup.pids.unwrap();
    assert_eq!((pids.current, pids.limit), (3, at(4700, "/system.slice")));
    let pressure = cgroup.pressure.unwrap();
    assert_eq!(pressure.cpu.unwrap().some_total_usec, 26_419_187);
    assert_eq!(pressure.io, None);
    assert_eq!(cgroup.frozen, Some(true));
    assert_eq!(host.is_frozen(lines), Some(true));
}

#[test]
fn the_tightest_ancestor_binds_and_crun_puts_a_group_inside_the_scope() {
    let host = Host::new(PURE);
    host.put(format!("{SCOPE}/container"), &V2_FILES);
    host.put(
        SCOPE,
        &[("memory.max", "33554432\n"), ("pids.max", "2048\n"), ("cpu.max", "max 100000\n")],
    );
    let cgroup = host.cgroup("0::/system.slice/docker-49b.scope/container\n");
    let scope = "/system.slice/docker-49b.scope";
    assert_eq!(cgroup.memory.unwrap().limit, at(33_554_432, scope));
    assert_eq!(cgroup.pids.unwrap().limit, at(2048, scope));
    let inner = format!("{scope}/container");
    assert_eq!(cgroup.cpu.unwrap().limit_millicores, at(500, &inner));
}

#[test]
fn the_root_of_v2_has_no_memory_and_cannot_freeze() {
    let host = Host::new(PURE);
    host.put("/sys/fs/cgroup", &[("cpu.stat", "usage_usec 5\n"), ("memory.stat", "anon 1\n")]);
    let cgroup = host.cgroup("0::/\n");
    assert_eq!(cgroup.memory, None);
    assert_eq!(cgroup.cpu.unwrap().usage_usec, Some(5));
    assert_eq!((cgroup.pids, cgroup.pressure, cgroup.frozen), (None, None, None));
}

#[test]
fn an_older_kernel_leaves_nulls_and_no_gaps() {
    let host = Host::new(PURE);
    let stat = "anon 1\nfile 2\nkernel_stack 10\nslab 20\npagetables 30\ninactive_file 9\n";
    host.put("/sys/fs/cgroup/a", &[("memory.current", "5\n"), ("memory.stat", stat)]);
    let memory = host.cgroup("0::/a\n").memory.unwrap();
    assert_eq!(memory.working_set_bytes, Some(0), "never below zero");
    assert_eq!(memory.kernel_bytes, Some(60));
    assert_eq!((memory.peak_bytes, memory.oom_kills), (None, None));
    assert_eq!(memory.limit, Limit::Unlimited);
}

fn put_v1_memory(host: &Host, group: &str) {
    let files = [
        ("memory.usage_in_bytes", "4771840\n"),
        ("memory.max_usage_in_bytes", "6017024\n"),
        ("memory.kmem.usage_in_bytes", "1740800\n"),
        ("memory.limit_in_bytes", "9223372036854771712\n"),
        ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n"),
        (
            "memory.stat",
            "cache 1\nrss 2\ninactive_file 3\ntotal_cache 1318912\ntotal_rss 1744896\ntotal_swap 0\ntotal_inactive_file 954368\n",
        ),
    ];
    host.put(group, &files);
}

#[test]
fn hybrid_reads_each_controller_in_its_own_tree() {
    let host = Host::new(HYBRID);
    let below = |tree: &str| format!("/sys/fs/cgroup/{tree}/docker/49b");
    put_v1_memory(&host, &below("memory"));
    host.put("/sys/fs/cgroup/memory/docker", &[("memory.limit_in_bytes", "67108864\n")]);
    host.put(below("cpu"), &[
        ("cpu.stat", "nr_periods 10\nnr_throttled 4\nthrottled_time 7000999\nnr_bursts 0\nburst_time 0\n"),
        ("cpu.cfs_quota_us", "-1\n"),
        ("cpu.cfs_period_us", "100000\n"),
    ]);
    host.put(
        "/sys/fs/cgroup/cpu/docker",
        &[("cpu.cfs_quota_us", "150000\n"), ("cpu.cfs_period_us", "100000\n")],
    );
    host.put(below("cpuacct"), &[("cpuacct.usage", "474299936366\n")]);
    host.put(below("pids"), &[("pids.current", "2\n"), ("pids.max", "max\n")]);
    host.put(below("freezer"), &[("freezer.state", "FROZEN\n")]);
    host.put(
        below("unified"),
        &[
            ("cgroup.events", "populated 1\nfrozen 0\n"),
            ("cpu.stat", "usage_usec 1\n"),
            ("memory.pressure", PRESSURE),
        ],
    );
    let lines = "9:name=systemd:/docker/49b\n8:pids:/docker/49b\n6:freezer:/docker/49b\n4:memory:/docker/49b\n2:cpuacct:/docker/49b\n1:cpu:/docker/49b\n0::/docker/49b\n";
    let cgroup = host.cgroup(lines);
    assert_eq!(cgroup.version, Version::Hybrid);
    let memory = cgroup.memory.unwrap();
    assert_eq!(memory.limit, at(67_108_864, "/docker"));
    assert_eq!(memory.working_set_bytes, Some(4_771_840 - 954_368));
    assert_eq!((memory.anon_bytes, memory.file_bytes), (Some(1_744_896), Some(1_318_912)));
    assert_eq!(memory.kernel_bytes, Some(1_740_800));
    assert_eq!((memory.swap_bytes, memory.oom_kills), (Some(0), Some(2)));
    let cpu = cgroup.cpu.unwrap();
    assert_eq!(cpu.usage_usec, Some(474_299_936));
    assert_eq!(cpu.throttled_usec, Some(7000));
    assert_eq!(cpu.limit_millicores, at(1500, "/docker"));
    assert_eq!(cgroup.pids.unwrap().limit, Limit::Unlimited);
    assert_eq!(cgroup.pressure.unwrap().memory.unwrap().full_total_usec, Some(5));
    assert_eq!(cgroup.frozen, Some(true));
    assert_eq!(host.is_frozen(lines), Some(true));
    // What v1 has frozen does not sleep, and what sleeps costs no look.
    assert_eq!(host.is_frozen_in(lines, State(b'S')), Some(false));
    // The other way to freeze it.
    host.put(below("freezer"), &[("freezer.state", "THAWED\n")]);
    assert_eq!(host.is_frozen(lines), Some(false));
    host.put(below("unified"), &[("cgroup.events", "populated 1\nfrozen 1\n")]);
    assert_eq!(host.is_frozen(lines), Some(true));
    assert_eq!(host.is_frozen_in(lines, State(b'S')), Some(true));
    assert_eq!(host.cgroup(lines).frozen, Some(true));
}

#[test]
fn the_machines_numbers_are_not_given_as_the_groups() {
    let host = Host::new(HYBRID);
    put_v1_memory(&host, "/sys/fs/cgroup/memory/m");
    host.put("/sys/fs/cgroup/cpuacct", &[("cpuacct.usage", "9\n")]);
    host.put("/sys/fs/cgroup/unified", &[("memory.pressure", PRESSURE)]);
    let cgroup = host.cgroup("8:pids:/\n6:freezer:/\n4:memory:/m\n2:cpuacct:/\n1:cpu:/\n0::/\n");
    assert_eq!(cgroup.path, "/m");
    assert_eq!(cgroup.memory.unwrap().limit, Limit::Unlimited);
    assert_eq!((cgroup.cpu, cgroup.pressure), (None, None));
}

#[test]
fn joint_v1_without_v2() {
    let host = Host::new(
        "31 23 0:28 / /cg rw - tmpfs tmpfs rw\n32 31 0:29 / /cg/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n",
    );
    host.put(
        "/cg/cpu,cpuacct/a",
        &[
            ("cpuacct.usage", "5000\n"),
            ("cpu.cfs_quota_us", "20000\n"),
            ("cpu.cfs_period_us", "10000\n"),
        ],
    );
    let cgroup = host.cgroup("3:cpu,cpuacct:/a\n0::/a\n");
    assert_eq!(cgroup.version, Version::V1);
    let cpu = cgroup.cpu.unwrap();
    assert_eq!((cpu.usage_usec, cpu.periods), (Some(5), None));
    assert_eq!(cpu.limit_millicores, at(2000, "/a"));
    assert_eq!((cgroup.memory, cgroup.pressure), (None, None));
}

#[test]
fn paths_seen_from_a_cgroup_namespace() {
    let host = Host::new("27 22 0:24 /.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    host.put("/sys/fs/cgroup/x/y", &V2_FILES);
    host.put("/sys/fs/cgroup/x", &[("pids.max", "7\n")]);
    host.put("/sys/fs/cgroup", &[("memory.max", "1000\n")]);
    let cgroup = host.cgroup("0::/../x/y\n");
    assert_eq!(cgroup.pids.unwrap().limit, at(7, "/../x"));
    assert_eq!(cgroup.memory.unwrap().limit, at(1000, "/.."));
    // Beside what is mounted.
    let (cgroup, gaps) = host.collect("0::/../../z\n");
    assert_eq!((cgroup.memory, cgroup.frozen), (None, None));
    let [gap] = gaps.as_slice() else { panic!("{gaps:?}") };
    assert_eq!((&gap.object, gap.reason), (&"/../../z".into(), Reason::Unsupported));
}

#[test]
fn a_removed_group_is_one_gap_and_a_group_of_that_name_is_none() {
    let host = Host::new(PURE);
    let lines = "0::/a (deleted)\n";
    let (cgroup, gaps) = host.collect(lines);
    assert_eq!(cgroup.path, "/a (deleted)");
    assert_eq!((cgroup.memory, cgroup.cpu), (None, None));
    let [gap] = gaps.as_slice() else { panic!("{gaps:?}") };
    assert_eq!(gap.object, "/sys/fs/cgroup/a (deleted)");
    assert_eq!(gap.reason, Reason::Gone);
    assert_eq!(host.is_frozen(lines), None);
    host.put("/sys/fs/cgroup/a (deleted)", &V2_FILES);
    assert!(host.cgroup(lines).memory.is_some());
}

#[test]
fn hostile_names_are_bytes_like_any_other() {
    use std::os::unix::ffi::OsStrExt as _;
    let name = b"\x1b[2J:0::\xff \\040";
    let host = Host::new(PURE);
    let group = Path::new("/sys/fs/cgroup").join(std::ffi::OsStr::from_bytes(name));
    host.put(group, &V2_FILES);
    let cgroup = host.cgroup([b"0::/", name.as_slice(), b"\n"].concat());
    assert_eq!(cgroup.path.as_bytes(), [b"/", name.as_slice()].concat());
    let json = serde_json::to_string(&cgroup).unwrap();
    assert!(!json.contains('\x1b') && json.contains(r#""limit_bytes":67108864"#));
}

#[test]
fn a_file_of_another_form_is_one_gap_for_its_subject() {
    let host = Host::new(PURE);
    host.put("/sys/fs/cgroup/a", &V2_FILES);
    host.put(
        "/sys/fs/cgroup/a",
        &[("memory.current", "lots\n"), ("cpu.max", "-1\n"), ("pids.max", "")],
    );
    let (cgroup, gaps) = host.collect("0::/a\n");
    assert_eq!(cgroup.memory, None);
    assert_eq!(cgroup.cpu.unwrap().limit_millicores, Limit::Unlimited);
    let seen: Vec<_> = gaps.iter().map(|gap| (gap.what, gap.reason)).collect();
    let malformed = Reason::Malformed;
    assert_eq!(seen, [("memory", malformed), ("cpu", malformed), ("pids", malformed)]);
    assert_eq!(gaps[1].object, "/sys/fs/cgroup/a/cpu.max");
}

#[test]
fn no_mounts_and_no_lines() {
    let host = Host::new("");
    let (cgroup, gaps) = host.collect("4:memory:/m\n0::/u\n");
    assert_eq!(cgroup.path, "/u");
    let seen: Vec<_> = gaps.iter().map(|gap| gap.what).collect();
    assert_eq!(seen, ["memory", "cgroup"]);
    assert_eq!(host.cgroup("").path, "/");
}

#[test]
fn nesting_without_end_is_cut_and_said_so() {
    let host = Host::new(PURE);
    let deep = "/d".repeat(1500);
    host.put(format!("/sys/fs/cgroup{deep}"), &V2_FILES);
    let (cgroup, gaps) = host.collect(format!("0::{deep}\n"));
    assert_eq!(cgroup.memory.unwrap().limit.value(), Some(67_108_864));
    assert!(gaps.iter().all(|gap| gap.reason == Reason::Truncated));
    assert_eq!(gaps.len(), 3);
}
