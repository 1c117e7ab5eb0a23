//! Which processes belong together, on hosts made of a few numbers.

use super::*;
use crate::model::process::State;

const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

/// Inodes of mnt, pid and net; the host's are 1, 2 and 3.
fn namespaces([mnt, pid, net]: [u64; 3]) -> NsSet {
    let mut set = NsSet::default();
    set.set(Kind::Mnt, mnt);
    set.set(Kind::Pid, pid);
    set.set(Kind::Net, net);
    set
}

fn process(pid: u32, start_ticks: u64, cgroup: &str, inodes: [u64; 3]) -> Process {
    Process {
        pid: Pid::new(pid).unwrap(),
        parent: Pid::new(1),
        state: State(b'S'),
        kernel_thread: false,
        comm: "x".into(),
        start_ticks,
        namespaces: namespaces(inodes),
        cgroup: format!("0::{cgroup}\n").into(),
    }
}

fn scan(mut isolated: Vec<Process>) -> Scan {
    isolated.sort_by_key(|process| process.pid);
    Scan { host: namespaces([1, 2, 3]), isolated, gaps: Vec::new() }
}

/// First process, all processes, first process of the group that it is in; by the first process.
fn told(scan: &Scan) -> Vec<(u32, Vec<u32>, Option<u32>)> {
    told_with(scan, &[])
}

fn told_with(scan: &Scan, sandboxes: &[Sandbox]) -> Vec<(u32, Vec<u32>, Option<u32>)> {
    let groups = group(scan, sandboxes, &mut |_, _| None);
    let first = |group: &Group<'_>| group.init.pid.number();
    let mut told: Vec<_> = groups
        .iter()
        .map(|group| {
            let members = group.processes.iter().map(|pid| pid.number()).collect();
            (
                first(group),
                members,
                group.within.or(group.visits).map(|outer| first(&groups[outer])),
            )
        })
        .collect();
    told.sort_unstable();
    told
}

#[test]
fn the_cgroup_makes_one_container_and_its_oldest_process_leads() {
    let docker = format!("/docker/{A}");
    let scan = scan(vec![
        process(30, 5, &docker, [11, 12, 13]),
        process(20, 9, &docker, [11, 12, 13]),
        process(40, 7, "/x", [21, 2, 3]),
    ]);
    assert_eq!(told(&scan), [(30, vec![20, 30], None), (40, vec![40], None)]);
}

#[test]
fn containers_in_a_container_are_within_it_and_counted_with_it() {
    let outer = format!("/docker/{A}");
    let scan = scan(vec![
        process(10, 1, &format!("{outer}/init.scope"), [11, 12, 13]),
        process(11, 2, &format!("{outer}/docker/{B}"), [21, 22, 23]),
        process(12, 3, &format!("{outer}/docker/{B}"), [21, 22, 23]),
        // A sandbox that something in the inner one made.
        process(13, 4, &format!("{outer}/docker/{B}"), [31, 32, 23]),
    ]);
    assert_eq!(
        told(&scan),
        [
            (10, vec![10, 11, 12, 13], None),
            (11, vec![11, 12, 13], Some(10)),
            (13, vec![13], Some(11))
        ]
    );
}

#[test]
fn a_container_with_the_hosts_pids_is_one_with_what_it_starts() {
    let docker = format!("/docker/{A}");
    let scan = scan(vec![
        process(10, 1, &docker, [11, 2, 13]),
        process(11, 2, &docker, [11, 2, 13]),
        process(12, 3, &docker, [11, 42, 13]),
    ]);
    assert_eq!(told(&scan), [(10, vec![10, 11, 12], None), (12, vec![12], Some(10))]);
}

/// Whoever may write to the hierarchy can put his processes into the group of another container.
#[test]
fn what_was_moved_into_a_group_does_not_lead_it_however_old_it_is() {
    let (web, sys) = ("/lxc.payload.web", format!("/docker/{A}"));
    let child_of = |parent, process| Process { parent: Pid::new(parent), ..process };
    let scan = scan(vec![
        process(10, 1, &sys, [11, 12, 13]),
        child_of(10, process(11, 2, web, [11, 12, 13])),
        process(20, 5, web, [21, 22, 23]),
        child_of(20, process(21, 6, web, [21, 22, 23])),
    ]);
    let expected = [(10, vec![10], None), (11, vec![11], Some(10)), (20, vec![20, 21], None)];
    assert_eq!(told(&scan), expected);
}

#[test]
fn a_group_of_guests_alone_is_where_they_come_from() {
    let sys = format!("/docker/{A}");
    let moved = || process(11, 2, "/lxc.payload.web", [11, 12, 13]);
    let with_host = scan(vec![process(10, 1, &sys, [11, 12, 13]), moved()]);
    assert_eq!(told(&with_host), [(10, vec![10], None), (11, vec![11], Some(10))]);
    let groups = group(&with_host, &[], &mut |_, _| None);
    let mut guests: Vec<_> =
        groups.iter().map(|group| (group.init.pid.number(), group.are_guests)).collect();
    guests.sort_unstable();
    assert_eq!(guests, [(10, false), (11, true)]);
    // In the host's own pid namespace nobody is a guest.
    let hosts = scan(vec![process(10, 1, &sys, [11, 2, 13]), process(11, 2, &sys, [11, 2, 13])]);
    assert!(group(&hosts, &[], &mut |_, _| None).iter().all(|group| !group.are_guests));
}

#[test]
fn of_those_at_home_in_a_group_the_one_that_is_vouched_for_leads() {
    let docker = format!("/docker/{A}");
    let scan = scan(vec![
        process(10, 1, &docker, [11, 12, 13]),
        process(20, 5, &docker, [21, 22, 23]),
        process(21, 6, &docker, [21, 22, 23]),
    ]);
    let mut asked = Vec::new();
    let mut leader = |vouched: Option<u32>| {
        let groups = group(&scan, &[], &mut |found, candidates| {
            asked.push((found.id.clone(), candidates.iter().map(|one| one.pid.number()).collect()));
            vouched.and_then(Pid::new)
        });
        groups.iter().find(|group| group.recognised.is_some()).unwrap().init.pid.number()
    };
    assert_eq!([None, Some(10), Some(20), Some(21)].map(&mut leader), [10, 10, 20, 10]);
    let one: (Vec<u8>, Vec<u32>) = (A.into(), vec![10, 20]);
    assert_eq!(asked, vec![one; 4]);
}

#[test]
fn a_visitor_is_told_from_what_it_visits() {
    let scan = scan(vec![
        process(10, 1, &format!("/docker/{A}"), [11, 12, 13]),
        process(99, 9, "/user.slice/session-1.scope", [1, 2, 13]),
    ]);
    assert_eq!(told(&scan), [(10, vec![10], None), (99, vec![99], Some(10))]);
}

#[test]
fn without_a_name_namespaces_make_the_group_and_a_shared_network_does_not() {
    let scan = scan(vec![
        process(10, 1, "/x", [11, 12, 13]),
        process(11, 2, "/y", [11, 12, 13]),
        process(12, 3, "/y", [21, 22, 13]),
        process(13, 4, "/y", [1, 2, 43]),
        process(14, 5, "/z", [1, 2, 43]),
    ]);
    assert_eq!(
        told(&scan),
        [(10, vec![10, 11], None), (12, vec![12], None), (13, vec![13, 14], None)]
    );
}

#[test]
fn a_group_without_a_process_of_its_own_begins_with_what_is_within() {
    let scan = scan(vec![process(10, 1, &format!("/lxc.payload.c1/docker/{A}"), [11, 12, 13])]);
    assert_eq!(told(&scan), [(10, vec![10], None), (10, vec![10], Some(10))]);
}

/// What is told of what runs in `/system.slice/x.service`.
fn service(processes: &[(u32, u32, &str, [u64; 3])]) -> Vec<(bool, Vec<u32>)> {
    let isolated = processes.iter().map(|(pid, parent, below, inodes)| {
        let process =
            process(*pid, (*pid).into(), &format!("/system.slice/x.service{below}"), *inodes);
        Process { parent: Pid::new(*parent), ..process }
    });
    let scan = scan(isolated.collect());
    let mut told: Vec<_> = group(&scan, &[], &mut |_, _| None)
        .into_iter()
        .map(|group| {
            let is_service = group.recognised.is_some_and(|found| found.is_host_service());
            (is_service, group.processes.iter().map(|pid| pid.number()).collect())
        })
        .collect();
    told.sort();
    told
}

#[test]
fn a_service_that_systemd_started_in_pids_of_its_own_is_a_service() {
    let own = [11, 12, 3];
    assert_eq!(service(&[(10, 1, "", own), (11, 10, "", own)]), [(true, vec![10, 11])]);
    assert_eq!(service(&[(10, 1, "", [11, 2, 3])]), [(true, vec![10])]);
}

#[test]
fn what_a_service_isolates_is_more_than_the_service() {
    let own = [11, 12, 3];
    assert_eq!(service(&[(10, 9, "", own), (11, 10, "", own)]), [(false, vec![10, 11])]);
    // Left to pid 1 by the runtime that made it.
    assert_eq!(service(&[(10, 1, "/c1", own)]), [(false, vec![10])]);
    let other = [21, 22, 3];
    let two = [(false, vec![10]), (false, vec![11])];
    assert_eq!(service(&[(10, 1, "", own), (11, 1, "", other)]), two);
    let beside = [(false, vec![11]), (true, vec![10])];
    assert_eq!(service(&[(10, 1, "", [31, 2, 3]), (11, 1, "", own)]), beside);
}

#[test]
fn a_users_service_is_not_started_by_pid_1() {
    let cgroup = "/user.slice/user-1000.slice/user@1000.service/app.slice/x.service";
    let scan = scan(vec![process(10, 1, cgroup, [11, 12, 3])]);
    assert!(group(&scan, &[], &mut |_, _| None).iter().all(|group| group.recognised.is_none()));
}

/// A gofer, a sandbox with the host's pids and what that started, as gVisor has them.
fn sandboxed(cgroup: &str) -> (Scan, [Sandbox; 1]) {
    let scan = scan(vec![
        process(10, 1, cgroup, [11, 12, 13]),
        process(11, 2, cgroup, [21, 2, 23]),
        process(12, 3, cgroup, [21, 2, 23]),
        process(50, 9, "/x", [31, 32, 33]),
    ]);
    let processes = [11, 10].into_iter().filter_map(Pid::new).collect();
    (scan, [Sandbox { runtime: Runtime::Gvisor, processes }])
}

#[test]
fn what_a_record_says_is_one_sandbox_is_one_container_led_by_its_kernel() {
    let docker = format!("/docker/{A}");
    for cgroup in ["/t1", "/system.slice/x.service", docker.as_str()] {
        let (scan, sandboxes) = sandboxed(cgroup);
        let expected = [(11, vec![10, 11, 12], None), (50, vec![50], None)];
        assert_eq!(told_with(&scan, &sandboxes), expected, "{cgroup}");
        let groups = group(&scan, &sandboxes, &mut |_, _| None);
        let led = groups.iter().find(|group| group.init.pid.number() == 11).unwrap();
        assert_eq!(led.guest_of, Some(Runtime::Gvisor));
    }
}

#[test]
fn a_record_of_processes_that_are_not_isolated_makes_no_group() {
    let scan = scan(vec![process(50, 9, "/x", [31, 32, 33])]);
    let gone = Sandbox { runtime: Runtime::Kata, processes: vec![Pid::new(7).unwrap()] };
    assert_eq!(told_with(&scan, &[gone]), [(50, vec![50], None)]);
}
