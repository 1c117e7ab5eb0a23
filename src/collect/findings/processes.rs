//! Ended processes that nobody reaps, and those that hang in the kernel.

use crate::model::container::State;
use crate::model::finding::Finding;
use crate::model::inspection::{Inspection, Member, Section};
use crate::model::process::Pid;
use std::collections::BTreeMap;

/// Fewer may just be on their way.
const MANY_ZOMBIES: usize = 3;

pub(super) fn findings(report: &Inspection) -> Vec<Finding> {
    let members = report.processes.as_deref().unwrap_or_default();
    // What the freezer of cgroup v1 holds is in that state, too.
    let paused = report.container.as_ref().is_some_and(|one| one.state == State::Paused)
        || report.cgroup.as_ref().is_some_and(|group| group.frozen == Some(true));
    of_members(members, paused)
}

fn of_members(members: &[Member], paused: bool) -> Vec<Finding> {
    let mut zombies: BTreeMap<Option<Pid>, usize> = BTreeMap::new();
    for member in members.iter().filter(|member| member.state.ended()) {
        *zombies.entry(member.parent).or_default() += 1;
    }
    let mut found = Vec::new();
    for (parent, count) in zombies.into_iter().filter(|(_, count)| *count >= MANY_ZOMBIES) {
        let parent = parent.and_then(|pid| members.iter().find(|member| member.pid == pid));
        found.push(match parent {
            Some(parent) => of_zombies(parent, count),
            None => Finding::warning(
                Section::Processes,
                format!("{count} zombies whose parent, outside, does not reap them"),
            ),
        });
    }
    let stuck = members.iter().filter(|member| member.state.0 == b'D').count();
    if stuck > 0 && !paused {
        let those = if stuck == 1 { "1 process waits" } else { &format!("{stuck} processes wait") };
        found.push(Finding::notice(
            Section::Processes,
            format!("{those} in the kernel and cannot be interrupted (state D)"),
        ));
    }
    found
}

/// To the first process come those too whose own parent has ended.
fn of_zombies(parent: &Member, count: usize) -> Finding {
    let named = format!("{} ({})", parent.pid, parent.comm);
    let is_init = parent.pid_inside.is_some_and(|pid| pid.number() == 1);
    let text = if is_init {
        format!("no process reaps zombies: {count} under pid {named}, which is pid 1 inside")
    } else {
        format!("{count} zombies that their parent, pid {named}, does not reap")
    };
    Finding::warning(Section::Processes, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::process;

    fn member(pid: u32, parent: u32, state: u8) -> Member {
        Member {
            pid: Pid::new(pid).unwrap(),
            parent: Pid::new(parent),
            pid_inside: Pid::new(pid - 99),
            uid: Some(0),
            state: process::State(state),
            threads: Some(1),
            rss_bytes: None,
            started_unix_seconds: None,
            age_seconds: None,
            comm: "nginx\x1b".into(),
            command: None,
        }
    }

    fn texts(members: &[Member], paused: bool) -> Vec<String> {
        of_members(members, paused).into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn zombies_are_told_of_whom_they_wait_for() {
        let mut members = vec![member(100, 50, b'S'), member(110, 100, b'S')];
        members.extend((0..2).map(|at| member(200 + at, 100, b'Z')));
        assert!(texts(&members, false).is_empty(), "two may be on their way");
        members.push(member(202, 100, b'Z'));
        members.extend((0..3).map(|at| member(300 + at, 110, b'Z')));
        members.extend((0..3).map(|at| member(400 + at, 7, b'Z')));
        assert_eq!(
            texts(&members, false),
            [
                "3 zombies whose parent, outside, does not reap them",
                "no process reaps zombies: 3 under pid 100 (nginx\\x1b), which is pid 1 inside",
                "3 zombies that their parent, pid 110 (nginx\\x1b), does not reap",
            ]
        );
    }

    #[test]
    fn what_is_stuck_is_told_unless_it_is_paused() {
        let members = [member(100, 50, b'D'), member(101, 100, b'D')];
        let stuck = "2 processes wait in the kernel and cannot be interrupted (state D)";
        assert_eq!(texts(&members, false), [stuck]);
        assert!(texts(&members, true).is_empty());
    }
}
