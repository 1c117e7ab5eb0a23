//! The processes section: host pid, pid inside, memory and command, as a tree.

use super::FEW;
use crate::model::inspection::Member;
use crate::model::process::Pid;
use crate::render::branches::{self, Twig};
use crate::render::column::or_dash;
use crate::render::human;
use crate::render::table::align;
use std::collections::{HashMap, HashSet};

/// Longer commands are cut.
const LONGEST: usize = 120;

pub(super) fn lines(processes: &[Member], everything: bool) -> Vec<String> {
    let places: HashMap<_, _> =
        processes.iter().enumerate().map(|(at, member)| (member.pid, at)).collect();
    let parent = |at: usize| processes.get(at)?.parent;
    let twigs = branches::grow(processes.len(), |at| places.get(&parent(at)?).copied());
    if everything {
        return table(processes, &twigs);
    }
    let folded = fold(processes, &twigs);
    let hidden: usize = folded.iter().skip(FEW).map(|alike| alike.members.len()).sum();
    let rows = folded.iter().take(FEW).filter_map(|alike| {
        let member = alike.largest()?;
        Some(vec![
            member.pid.to_string(),
            or_dash(member.pid_inside),
            memory(member),
            format!("{}{}{}", branch(alike.last), named(member), alike.times()),
        ])
    });
    let mut lines: Vec<String> =
        align(rows.collect(), &[true, true, true, false]).lines().map(str::to_owned).collect();
    if hidden > 0 {
        lines.push(format!("{hidden} more: --only processes"));
    }
    lines
}

fn table(processes: &[Member], twigs: &[Twig]) -> Vec<String> {
    let heading = ["PID", "INSIDE", "UID", "S", "THREADS", "RSS", "AGE", "COMMAND"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for twig in twigs {
        let Some(member) = processes.get(twig.at) else { continue };
        rows.push(vec![
            member.pid.to_string(),
            or_dash(member.pid_inside),
            or_dash(member.uid),
            member.state.letter().to_string(),
            or_dash(member.threads),
            memory(member),
            or_dash(member.age_seconds.map(human::age)),
            format!("{}{}", branch(twig), named(member)),
        ]);
    }
    let right = [true, true, true, false, true, true, true, false];
    align(rows, &right).lines().map(str::to_owned).collect()
}

/// What is one line.
#[derive(Debug)]
struct Alike<'a> {
    /// It ends the branch.
    last: &'a Twig,
    members: Vec<&'a Member>,
}

impl Alike<'_> {
    /// The one to look at: a worker that leaks must not hide behind others.
    fn largest(&self) -> Option<&Member> {
        let last_of_equals = self.members.iter().max_by_key(|member| member.rss_bytes);
        last_of_equals.copied()
    }

    /// How many they are; where they differ much, that the largest is shown.
    fn times(&self) -> String {
        let count = self.members.len();
        if count < 2 {
            return String::new();
        }
        let sizes = self.members.iter().filter_map(|member| member.rss_bytes);
        let (least, most) = (sizes.clone().min(), sizes.max());
        let differ = least.zip(most).is_some_and(|(least, most)| most / 2 > least);
        format!("  ×{count}{}", if differ { ", the largest" } else { "" })
    }
}

/// Siblings that follow each other, have no children and look alike are one line: workers.
fn fold<'a>(processes: &'a [Member], twigs: &'a [Twig]) -> Vec<Alike<'a>> {
    let parents: HashSet<Pid> = processes.iter().filter_map(|member| member.parent).collect();
    let key = |twig: &Twig| {
        let member = processes.get(twig.at)?;
        let is_leaf = !parents.contains(&member.pid);
        is_leaf.then(|| (member.parent, named(member), member.threads))
    };
    let mut folded: Vec<Alike<'_>> = Vec::new();
    let mut last = None;
    for twig in twigs {
        let this = key(twig);
        match folded.last_mut() {
            Some(alike) if this.is_some() && this == last => {
                alike.last = twig;
                alike.members.extend(processes.get(twig.at));
            }
            _ => folded
                .push(Alike { last: twig, members: processes.get(twig.at).into_iter().collect() }),
        }
        last = this;
    }
    folded
}

fn branch(twig: &Twig) -> String {
    if twig.branch.is_empty() { String::new() } else { format!("{} ", twig.branch) }
}

fn named(member: &Member) -> String {
    let name = member.command.as_ref().unwrap_or(&member.comm).shortened(LONGEST);
    let remark = match member.state.0 {
        _ if member.state.is_headless() => " (first thread ended)",
        b'Z' | b'X' | b'x' => " (zombie)",
        b'D' => " (uninterruptible)",
        b'T' => " (stopped)",
        b't' => " (traced)",
        _ => "",
    };
    format!("{name}{remark}")
}

fn memory(member: &Member) -> String {
    or_dash(member.rss_bytes.map(human::bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::process::State;

    fn member(pid: u32, parent: u32, comm: &str, state: u8) -> Member {
        Member {
            pid: Pid::new(pid).unwrap(),
            parent: Pid::new(parent),
            pid_inside: Pid::new(pid - 100),
            uid: Some(0),
            state: State(state),
            threads: Some(1),
            rss_bytes: (state != b'Z').then_some(2 << 20),
            started_unix_seconds: Some(1),
            age_seconds: Some(7200),
            comm: comm.into(),
            command: None,
        }
    }

    #[test]
    fn a_tree_in_which_workers_are_one_line() {
        let processes = [
            member(101, 50, "nginx", b'S'),
            member(102, 101, "worker", b'S'),
            member(103, 101, "worker", b'S'),
            member(104, 101, "worker", b'D'),
            // A number that came round again.
            member(105, 110, "sh", b'Z'),
            member(110, 101, "cron", b'S'),
        ];
        let shown = lines(&processes, false);
        assert_eq!(
            shown,
            [
                "101   1  2M  nginx",
                "103   3  2M  ├─ worker  ×2",
                "104   4  2M  ├─ worker (uninterruptible)",
                "110  10  2M  └─ cron",
                "105   5   -    └─ sh (zombie)",
            ]
        );
        let all = lines(&processes, true);
        assert_eq!(all.len(), 7);
        assert_eq!(all[0], "PID  INSIDE  UID  S  THREADS  RSS  AGE  COMMAND");
        assert_eq!(all[1], "101       1    0  S        1   2M   2h  nginx");
    }

    #[test]
    fn the_largest_of_what_is_alike_is_shown() {
        let mut processes = vec![member(101, 50, "nginx", b'S')];
        processes.extend((102..106).map(|pid| member(pid, 101, "worker", b'S')));
        let size_of = |bytes| {
            let mut processes = processes.clone();
            processes[2].rss_bytes = Some(bytes);
            lines(&processes, false)[1].clone()
        };
        assert_eq!(size_of(309 << 20), "103  3  309M  └─ worker  ×4, the largest");
        assert_eq!(size_of(3 << 20), "103  3  3M  └─ worker  ×4");
        assert_eq!(size_of(2 << 20), "105  5  2M  └─ worker  ×4");
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let mut processes = vec![member(101, 50, "a", b'S')];
        processes.extend((0..20).map(|at| member(200 + at, 101, &format!("w{at}"), b'S')));
        let shown = lines(&processes, false);
        assert_eq!((shown.len(), shown[FEW].as_str()), (FEW + 1, "13 more: --only processes"));
    }
}
