//! What is not in the group itself: CPU time that no group of v1 counts, limits of those above.

use super::*;

const LINES: &str = "4:memory:/m\n2:cpuacct:/\n1:cpu:/m\n0::/m\n";

#[test]
fn swap_is_limited_by_every_group_above() {
    let host = Host::new(HYBRID);
    for (group, memsw) in
        [("", "9223372036854771712\n"), ("/m", "83886080\n"), ("/m/n", "9223372036854771712\n")]
    {
        let group = format!("/sys/fs/cgroup/memory{group}");
        put_v1_memory(&host, &group);
        host.put(&group, &[("memory.memsw.limit_in_bytes", memsw)]);
    }
    let root = SysRoot::fixture(host.dir.path()).unwrap();
    let hierarchies = Hierarchies::read(&root).unwrap();
    let (cgroup, _) = collect_cgroup(&root, &hierarchies, b"4:memory:/m/n\n0::/\n");
    assert_eq!(cgroup.memory.unwrap().swap_limit, at(80 << 20, "/m"));
}

#[test]
fn it_is_that_of_v2_and_never_the_machines() {
    let host = Host::new(HYBRID);
    put_v1_memory(&host, "/sys/fs/cgroup/memory/m");
    host.put("/sys/fs/cgroup/cpuacct", &[("cpuacct.usage", "900000\n")]);
    host.put("/sys/fs/cgroup/cpu/m", &[("cpu.stat", "nr_periods 2\n")]);
    let stat = "usage_usec 7\nuser_usec 4\nsystem_usec 3\n";
    host.put("/sys/fs/cgroup/unified/m", &[("cpu.stat", stat)]);

    let root = SysRoot::fixture(host.dir.path()).unwrap();
    let hierarchies = Hierarchies::read(&root).unwrap();
    let used = |lines: &str| cpu_usage_usec(&root, &hierarchies, lines.as_bytes());
    assert_eq!(used(LINES), Some(7));
    assert_eq!(used("4:memory:/m\n2:cpuacct:/\n0::/\n"), None);
    assert_eq!(used("2:cpuacct:/\n0::/\n"), Some(900), "of a process that is in every root");

    let cpu = collect_cgroup(&root, &hierarchies, LINES.as_bytes()).0.cpu.unwrap();
    let times = (cpu.basic.usage_usec, cpu.user_usec, cpu.system_usec);
    assert_eq!(times, (Some(7), Some(4), Some(3)));
    let usage = collect_usage(&root, &hierarchies, LINES.as_bytes()).0;
    assert_eq!(usage.cpu.and_then(|cpu| cpu.usage_usec), Some(7));
}
