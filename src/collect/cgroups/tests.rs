//! Fixture hosts of every shape, with values as running systems show them.

use super::*;
use crate::model::cgroup::{Bound, IoKind, Limit, Version};
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
    let memory = cgroup.memory.unwrap().basic;
    assert_eq!(memory.usage_bytes, 4_771_840);
    assert_eq!(memory.working_set_bytes, Some(4_771_840 - 954_368));
    assert_eq!(memory.kernel_bytes, Some(1_740_800));
    assert_eq!((memory.peak_bytes, memory.swap_bytes), (Some(6_017_024), Some(4096)));
    assert_eq!(memory.oom_kills, Some(1));
    assert_eq!(memory.limit, at(67_108_864, "/system.slice/docker-49b.scope"));
    let cpu = cgroup.cpu.unwrap().basic;
    assert_eq!(cpu.usage_usec, Some(469_163));
    assert_eq!((cpu.periods, cpu.throttled_periods), (Some(113), Some(104)));
    assert_eq!(cpu.throttled_usec, Some(5_200_000));
    assert_eq!(cpu.limit_millicores.value(), Some(500));
    let pids = cgroup.pids.unwrap().basic;
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
    assert_eq!(cgroup.memory.unwrap().basic.limit, at(33_554_432, scope));
    assert_eq!(cgroup.pids.unwrap().basic.limit, at(2048, scope));
    let inner = format!("{scope}/container");
    assert_eq!(cgroup.cpu.unwrap().basic.limit_millicores, at(500, &inner));
}

#[test]
fn the_root_of_v2_has_no_memory_and_cannot_freeze() {
    let host = Host::new(PURE);
    host.put("/sys/fs/cgroup", &[("cpu.stat", "usage_usec 5\n"), ("memory.stat", "anon 1\n")]);
    let cgroup = host.cgroup("0::/\n");
    assert_eq!(cgroup.memory, None);
    assert_eq!(cgroup.cpu.unwrap().basic.usage_usec, Some(5));
    assert_eq!((cgroup.pids, cgroup.pressure, cgroup.frozen), (None, None, None));
}

#[test]
fn an_older_kernel_leaves_nulls_and_no_gaps() {
    let host = Host::new(PURE);
    let stat = "anon 1\nfile 2\nkernel_stack 10\nslab 20\npagetables 30\ninactive_file 9\n";
    host.put("/sys/fs/cgroup/a", &[("memory.current", "5\n"), ("memory.stat", stat)]);
    let memory = host.cgroup("0::/a\n").memory.unwrap().basic;
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
    let memory = cgroup.memory.unwrap().basic;
    assert_eq!(memory.limit, at(67_108_864, "/docker"));
    assert_eq!(memory.working_set_bytes, Some(4_771_840 - 954_368));
    assert_eq!((memory.anon_bytes, memory.file_bytes), (Some(1_744_896), Some(1_318_912)));
    assert_eq!(memory.kernel_bytes, Some(1_740_800));
    assert_eq!((memory.swap_bytes, memory.oom_kills), (Some(0), Some(2)));
    let cpu = cgroup.cpu.unwrap().basic;
    assert_eq!(cpu.usage_usec, Some(474_299_936));
    assert_eq!(cpu.throttled_usec, Some(7000));
    assert_eq!(cpu.limit_millicores, at(1500, "/docker"));
    assert_eq!(cgroup.pids.unwrap().basic.limit, Limit::Unlimited);
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
    assert_eq!(cgroup.memory.unwrap().basic.limit, Limit::Unlimited);
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
    let cpu = cgroup.cpu.unwrap().basic;
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
    assert_eq!(cgroup.pids.unwrap().basic.limit, at(7, "/../x"));
    assert_eq!(cgroup.memory.unwrap().basic.limit, at(1000, "/.."));
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
    assert_eq!(cgroup.cpu.unwrap().basic.limit_millicores, Limit::Unlimited);
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
    assert_eq!(cgroup.memory.unwrap().basic.limit.value(), Some(67_108_864));
    assert!(gaps.iter().all(|gap| gap.reason == Reason::Truncated));
    assert_eq!(gaps.len(), 3);
}

#[test]
fn where_a_controller_is_off_the_nearest_group_above_decides_on_cpus() {
    let host = Host::new(PURE);
    host.put("/sys/fs/cgroup", &[("cpuset.cpus.effective", "0-7\n")]);
    host.put("/sys/fs/cgroup/a", &[("cpuset.cpus.effective", "2-3\n")]);
    host.put("/sys/fs/cgroup/a/b", &V2_FILES);
    let cpu = host.cgroup("0::/a/b\n").cpu.unwrap();
    assert_eq!((cpu.cpus, cpu.mems), (Some("2-3".into()), None));
}

const NESTED: &str = "/sys/fs/cgroup/kubepods.slice/pod.slice/c.scope";

#[test]
fn every_group_that_sets_a_limit_is_told_of_with_what_it_counts() {
    let host = Host::new(PURE);
    host.put(NESTED, &V2_FILES);
    host.put(
        NESTED,
        &[
            ("memory.high", "max\n"),
            ("memory.low", "4096\n"),
            ("memory.min", "max\n"),
            ("memory.swap.max", "0\n"),
            ("cpu.max.burst", "1000\n"),
            ("cpu.weight", "79\n"),
            ("cpuset.cpus.effective", "0-3,8\n"),
            ("cpuset.mems.effective", "0\n"),
            ("pids.peak", "9\n"),
            ("pids.events", "max 5\n"),
            ("io.stat", "254:0 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=0 dios=0\n"),
            ("io.max", "254:0 rbps=max wbps=1000 riops=max wiops=max\n"),
            ("hugetlb.2MB.current", "2097152\n"),
            ("hugetlb.2MB.max", "max\n"),
        ],
    );
    host.put(
        "/sys/fs/cgroup/kubepods.slice/pod.slice",
        &[
            ("memory.max", "1000\n"),
            ("memory.high", "900\n"),
            ("memory.current", "950\n"),
            ("memory.events.local", "low 0\nhigh 6\nmax 8\noom 0\noom_kill 0\n"),
            ("memory.stat", "inactive_file 50\n"),
            ("memory.swap.max", "max\n"),
            ("cpu.max", "20000 100000\n"),
            ("cpu.stat", "usage_usec 7\nnr_periods 100\nnr_throttled 37\nthrottled_usec 5\n"),
            ("pids.max", "2\n"),
            ("pids.current", "1\n"),
            ("pids.events.local", "max 4\n"),
            ("io.max", "254:0 rbps=max wbps=500 riops=max wiops=max\n"),
            ("hugetlb.2MB.max", "4194304\n"),
        ],
    );
    host.put("/sys/fs/cgroup/kubepods.slice", &[("memory.max", "max\n"), ("pids.max", "max\n")]);
    host.put("/sys/kernel/mm/hugepages/hugepages-2048kB", &[]);
    let cgroup = host.cgroup("0::/kubepods.slice/pod.slice/c.scope\n");
    let (own, pod) = ("/kubepods.slice/pod.slice/c.scope", "/kubepods.slice/pod.slice");
    let memory = cgroup.memory.unwrap();
    assert_eq!(
        (memory.low_bytes, memory.min_bytes),
        (Some(Bound::At(4096)), Some(Bound::Unlimited))
    );
    assert_eq!((&memory.basic.limit, &memory.high), (&at(1000, pod), &at(900, pod)));
    assert_eq!(memory.swap_limit, at(0, own));
    assert_eq!((memory.events.max, memory.events.oom), (Some(7), Some(2)));
    let paths: Vec<_> = memory.levels.iter().map(|level| level.path.to_string()).collect();
    assert_eq!(paths, [own, pod]);
    assert_eq!(memory.levels[0].max_bytes, Some(Bound::At(67_108_864)));
    assert_eq!(memory.levels[0].usage_bytes, Some(4_771_840));
    assert_eq!(memory.levels[1].working_set_bytes, Some(900));
    let hits = |at: usize| (memory.levels[at].max_hits, memory.levels[at].high_hits);
    assert_eq!((hits(0), hits(1)), ((Some(7), memory.events.high), (Some(8), Some(6))));
    let cpu = cgroup.cpu.unwrap();
    assert_eq!((cpu.user_usec, cpu.system_usec), (Some(4), Some(5)));
    assert_eq!((cpu.burst_usec, cpu.weight, cpu.shares), (Some(1000), Some(79), None));
    assert_eq!((cpu.cpus, cpu.mems), (Some("0-3,8".into()), Some("0".into())));
    assert_eq!(cpu.basic.limit_millicores, at(200, pod));
    assert_eq!(cpu.levels[1].throttled_percent(), Some(37));
    assert_eq!(cpu.levels[0].limit_millicores, Some(Bound::At(500)));
    let pids = cgroup.pids.unwrap();
    assert_eq!((pids.peak, pids.limit_hits, &pids.basic.limit), (Some(9), Some(5), &at(2, pod)));
    assert_eq!(pids.levels.len(), 2);
    assert_eq!((pids.levels[1].max, pids.levels[1].current), (Some(Bound::At(2)), Some(1)));
    assert_eq!((pids.levels[0].limit_hits, pids.levels[1].limit_hits), (Some(5), Some(4)));
    let io = cgroup.io.unwrap();
    assert_eq!((io.devices[0].written_bytes, io.devices[0].reads), (2, 3));
    let limits: Vec<_> =
        io.limits.iter().map(|limit| (limit.kind, limit.per_second, limit.binds)).collect();
    assert_eq!(limits, [(IoKind::WrittenBytes, 1000, false), (IoKind::WrittenBytes, 500, true)]);
    assert_eq!(cgroup.huge_pages[0].usage_bytes, 2_097_152);
    assert_eq!(cgroup.huge_pages[0].limit, at(4_194_304, pod));
}

const V1_MORE: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/blkio rw - cgroup cgroup rw,blkio
38 31 0:35 / /sys/fs/cgroup/hugetlb rw - cgroup cgroup rw,hugetlb
39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids
";

#[test]
fn v1_in_full() {
    let host = Host::new(V1_MORE);
    let below = |tree: &str| format!("/sys/fs/cgroup/{tree}/docker/49b");
    put_v1_memory(&host, &below("memory"));
    host.put(
        below("memory"),
        &[
            ("memory.failcnt", "12\n"),
            ("memory.memsw.limit_in_bytes", "134217728\n"),
            ("memory.kmem.tcp.usage_in_bytes", "4096\n"),
        ],
    );
    host.put(
        below("cpu,cpuacct"),
        &[
            ("cpu.stat", "nr_periods 10\nnr_throttled 4\nthrottled_time 7000999\n"),
            ("cpu.cfs_quota_us", "50000\n"),
            ("cpu.cfs_period_us", "100000\n"),
            ("cpu.cfs_burst_us", "0\n"),
            ("cpu.shares", "512\n"),
            ("cpuacct.usage", "1000000000\n"),
            ("cpuacct.stat", "user 70\nsystem 30\n"),
        ],
    );
    host.put(
        below("cpuset"),
        &[("cpuset.effective_cpus", "0-1\n"), ("cpuset.effective_mems", "0\n")],
    );
    host.put(
        below("blkio"),
        &[
            ("blkio.throttle.io_service_bytes_recursive", "8:0 Read 5\n8:0 Total 5\nTotal 5\n"),
            ("blkio.throttle.io_serviced_recursive", "8:0 Read 1\n8:0 Total 1\nTotal 1\n"),
            ("blkio.throttle.read_bps_device", "8:0 1048576\n"),
            ("blkio.throttle.write_iops_device", ""),
        ],
    );
    host.put(
        below("hugetlb"),
        &[
            ("hugetlb.2MB.usage_in_bytes", "0\n"),
            ("hugetlb.2MB.limit_in_bytes", "9223372036854771712\n"),
        ],
    );
    host.put("/proc", &[("partitions", "   8        0  1 sda\n")]);
    host.put("/sys/kernel/mm/hugepages/hugepages-2048kB", &[]);
    let lines = ["memory", "cpu,cpuacct", "cpuset", "blkio", "hugetlb"]
        .map(|controllers| format!("1:{controllers}:/docker/49b\n"))
        .concat();
    let cgroup = host.cgroup(&lines);
    assert_eq!(cgroup.paths.len(), 5);
    assert_eq!(cgroup.paths[1].controllers, "cpu,cpuacct");
    let memory = cgroup.memory.unwrap();
    assert_eq!((memory.events.max, memory.events.oom_kill), (Some(12), Some(2)));
    assert_eq!((memory.swap_limit.value(), memory.sock_bytes), (Some(134_217_728), Some(4096)));
    let cpu = cgroup.cpu.unwrap();
    let hz = crate::collect::clock::ticks_per_second();
    assert_eq!(cpu.user_usec, Some(70 * 1_000_000 / hz));
    assert_eq!((cpu.shares, cpu.burst_usec, cpu.weight), (Some(512), Some(0), None));
    assert_eq!(cpu.cpus, Some("0-1".into()));
    assert_eq!(cpu.levels[0].throttled_usec, Some(7000));
    let io = cgroup.io.unwrap();
    assert_eq!((io.devices[0].read_bytes, io.devices[0].reads), (5, 1));
    assert_eq!(io.devices[0].name, Some("sda".into()));
    assert_eq!((io.limits.len(), io.limits[0].per_second), (1, 1_048_576));
    assert_eq!(cgroup.huge_pages[0].limit, Limit::Unlimited);
}

#[test]
fn v1_tells_of_a_limit_that_no_mount_shows() {
    let host = Host::new("35 31 0:32 /.. /cg rw - cgroup cgroup rw,memory\n");
    put_v1_memory(&host, "/cg/x");
    let stat = |limit: u64| format!("hierarchical_memory_limit {limit}\ntotal_inactive_file 1\n");
    host.put("/cg/x", &[("memory.stat", &stat(5000))]);
    host.put("/cg", &[("memory.limit_in_bytes", "6000\n"), ("memory.usage_in_bytes", "1\n")]);
    let lines = "4:memory:/../x\n";
    let memory = host.cgroup(lines).memory.unwrap();
    assert_eq!(memory.basic.limit, at(5000, "/../.."));
    assert_eq!(memory.levels.len(), 2);
    // Where it says that there is none, nobody above is asked.
    host.put("/cg/x", &[("memory.stat", &stat(9_223_372_036_854_771_712))]);
    let memory = host.cgroup(lines).memory.unwrap();
    assert_eq!((memory.basic.limit, memory.levels.len()), (Limit::Unlimited, 1));
}

/// What a list shows, and what it lacks.
fn usage(host: &Host, lines: &str) -> (crate::model::usage::Usage, Vec<Gap>) {
    let root = SysRoot::fixture(host.dir.path()).unwrap();
    let hierarchies = Hierarchies::read(&root).unwrap();
    collect_usage(&root, &hierarchies, lines.as_bytes())
}

#[test]
fn a_list_has_the_numbers_of_a_v2_group_and_its_tightest_limits() {
    let host = Host::new(PURE);
    host.put(SCOPE, &V2_FILES);
    let slice = [("memory.max", "1048576\n"), ("cpu.max", "max 100000\n"), ("pids.max", "10\n")];
    host.put("/sys/fs/cgroup/system.slice", &slice);
    let (usage, gaps) = usage(&host, "0::/system.slice/docker-49b.scope\n");
    assert_eq!(gaps, []);
    let memory = usage.memory.unwrap();
    assert_eq!(memory.usage_bytes, 4_771_840);
    assert_eq!(memory.limit, at(1_048_576, "/system.slice"));
    assert_eq!(memory.oom_kills, Some(1));
    let cpu = usage.cpu.unwrap();
    assert_eq!((cpu.usage_usec, cpu.throttled_periods), (Some(469_163), Some(104)));
    assert_eq!(cpu.limit_millicores, at(500, "/system.slice/docker-49b.scope"));
    let pids = usage.pids.unwrap();
    assert_eq!((pids.current, pids.limit), (3, at(10, "/system.slice")));
}

#[test]
fn a_list_has_the_numbers_of_v1_groups() {
    let host = Host::new(HYBRID);
    host.put(
        "/sys/fs/cgroup/memory/docker/a",
        &[
            ("memory.usage_in_bytes", "4096\n"),
            ("memory.limit_in_bytes", "1048576\n"),
            ("memory.stat", "total_cache 7\ntotal_inactive_file 96\n"),
        ],
    );
    host.put(
        "/sys/fs/cgroup/cpu/docker/a",
        &[
            ("cpu.stat", "nr_periods 5\nnr_throttled 2\nthrottled_time 3000\n"),
            ("cpu.cfs_quota_us", "50000\n"),
            ("cpu.cfs_period_us", "100000\n"),
        ],
    );
    host.put("/sys/fs/cgroup/cpuacct/docker/a", &[("cpuacct.usage", "9000\n")]);
    host.put("/sys/fs/cgroup/pids/docker/a", &[("pids.current", "2\n"), ("pids.max", "max\n")]);
    let lines =
        "6:pids:/docker/a\n5:cpu:/docker/a\n4:cpuacct:/docker/a\n3:memory:/docker/a\n0::/\n";
    let (usage, gaps) = usage(&host, lines);
    assert_eq!(gaps, []);
    let memory = usage.memory.unwrap();
    assert_eq!((memory.usage_bytes, memory.limit), (4096, at(1_048_576, "/docker/a")));
    assert_eq!(memory.working_set_bytes, Some(4000));
    let cpu = usage.cpu.unwrap();
    assert_eq!((cpu.usage_usec, cpu.periods, cpu.throttled_usec), (Some(9), Some(5), Some(3)));
    assert_eq!(cpu.limit_millicores, at(500, "/docker/a"));
    let pids = usage.pids.unwrap();
    assert_eq!((pids.current, pids.limit), (2, Limit::Unlimited));
}

mod accounting;
