//! What `enter` would do, in words.

use super::human;
use crate::model::access::Need;
use crate::model::confinement::Confinement;
use crate::model::namespace::{Kind, NsKey};
use crate::model::plan::{Held, Ids, Plan};
use crate::model::standing::{Number, Standing};
use crate::model::text::Text;
use std::time::Duration;

/// What beside the plan is worth a line.
#[derive(Debug)]
pub struct Outline<'a> {
    /// What a person calls the target; escaped when it is written.
    pub label: &'a Text,
    /// The program's name; escaped when it is written.
    pub program: &'a Text,
    /// Which rights the joins take, and which of them we have.
    pub needs: &'a [Need],
    /// `None`: it sees what is there.
    pub brings: Option<Brings>,
    /// Of control groups.
    pub takes_seat: bool,
    /// And how many seccomp filters it has.
    pub standing: Option<(&'a Standing, usize)>,
    /// Directories, in words.
    pub root: Option<String>,
    /// The working directory; `None`: it is not said.
    pub directory: Option<String>,
    /// After which it is ended; `None`: never.
    pub limit: Option<Duration>,
    /// An init of ours is its parent.
    pub init: bool,
}

/// What is mounted for the program alone.
#[derive(Clone, Copy, Debug)]
pub struct Brings {
    /// In words: `the host's programs at /.nsx, for the program alone`.
    pub what: &'static str,
    /// Where the program comes from then, if not from where it would.
    pub place: Option<&'static str>,
}

/// One line a step, in order.
pub fn dry_run(plan: &Plan, outline: &Outline<'_>) -> String {
    let mut steps = Vec::new();
    for join in &plan.joins {
        steps.push(match join.held {
            Held::Process(pid) => ("pin", format!("pid {pid} by pidfd ({})", outline.label)),
            Held::Namespace(key) => ("open", key.to_string()),
        });
    }
    if !plan.equal.is_empty() {
        steps.push(("skip", format!("{}: the same as ours", plan.equal)));
    }
    if plan.seen {
        steps.push(("seal", "the program file of nsx: a process there can see it".to_owned()));
    }
    for join in &plan.joins {
        steps.push((
            "join",
            match join.held {
                Held::Process(_) => format!("{} in one setns", join.kinds),
                Held::Namespace(key) => key.to_string(),
            },
        ));
    }
    steps.extend(outline.needs.iter().map(|need| ("needs", needed(need))));
    if plan.pty {
        steps.push(("pty", "a terminal of its own, relayed to ours".to_owned()));
    }
    if let Some(brings) = outline.brings {
        steps.push(("mount", brings.what.to_owned()));
    }
    steps.extend(outline.root.clone().map(|root| ("root", root)));
    steps.extend(outline.directory.clone().map(|directory| ("chdir", directory)));
    if plan.fork {
        steps.push(("fork", "signals, stops and the exit status are passed on".to_owned()));
    }
    if let Some(limit) = outline.limit {
        steps.push(("timeout", format!("SIGTERM after {limit:?}, and SIGKILL 5s later")));
    }
    if outline.init {
        steps.push(("init", "reaps what the program leaves behind, and ends it".to_owned()));
    }
    if outline.takes_seat {
        steps.push(("enter", "the target's control groups".to_owned()));
    }
    if let Some(ids) = ids(&plan.ids) {
        steps.push(("become", ids));
    }
    if let Some((standing, filters)) = outline.standing {
        steps.push(("become", as_target(standing, filters)));
    }
    let place =
        if plan.foreign_program { "the target's file system" } else { "the host's file system" };
    let place = outline.brings.and_then(|brings| brings.place).unwrap_or(place);
    steps.push(("exec", format!("{}, from {place}", outline.program)));
    let lines: Vec<_> = steps.iter().map(|(step, what)| format!("{step:<8} {what}")).collect();
    lines.join("\n") + "\n"
}

/// `CAP_SYS_ADMIN in user:[4026531837] for net pid: have it`
fn needed(need: &Need) -> String {
    let Need { kinds, have, .. } = need;
    let have = if *have { "have it" } else { "missing" };
    format!("{} for {kinds}: {have}", right(need))
}

/// `CAP_SYS_ADMIN in user:[4026531837]`
pub fn right(need: &Need) -> String {
    let root = if need.kinds.has(Kind::Mnt) { " and CAP_SYS_CHROOT" } else { "" };
    let owner = match need.owner {
        Some(inode) => NsKey { inode, kind: Kind::User }.to_string(),
        None => "a user namespace above ours".to_owned(),
    };
    format!("{}{root} in {owner}", need.capability)
}

/// `uid 0, gid 0, no other group`
fn ids(ids: &Ids) -> Option<String> {
    let mut parts = Vec::new();
    parts.extend(ids.uid.map(|uid| format!("uid {uid}")));
    parts.extend(ids.gid.map(|gid| format!("gid {gid}")));
    match ids.groups.as_deref() {
        None => {}
        Some([]) => parts.push("no other group".to_owned()),
        Some(groups) => {
            let groups: Vec<_> = groups.iter().map(ToString::to_string).collect();
            parts.push(format!("groups {}", groups.join(" ")));
        }
    }
    let if_there = if ids.if_there { ", if the namespace has them" } else { "" };
    (!parts.is_empty()).then(|| parts.join(", ") + if_there)
}

/// `as the target: uid 33, gid 33, 14 capabilities, no_new_privs, a seccomp filter, docker-default`
fn as_target(standing: &Standing, filters: usize) -> String {
    let id = |what, id: Number| match id.inside {
        Some(inside) => format!("{what} {inside}"),
        None => format!("{what} {} of ours", id.outside),
    };
    let mut parts = vec![id("uid", standing.user), id("gid", standing.group)];
    parts.extend(standing.groups.iter().map(|group| id("group", *group)));
    let capabilities = standing.capabilities.effective.len() as usize;
    parts.push(human::count(capabilities, "capability").replace("ys", "ies"));
    parts.extend(standing.no_new_privs.then(|| "no_new_privs".to_owned()));
    match filters {
        0 => {}
        count => parts.push(human::count(count, "seccomp filter")),
    }
    parts.extend(standing.label.as_ref().map(|label| label.text.to_string()));
    format!("as the target: {}", parts.join(", "))
}

/// What a program of the target would have more than the target's own; `None` for nothing.
pub fn more_privilege(label: &Text, confinement: Confinement) -> Option<String> {
    let mut limits = Vec::new();
    if confinement.we_have_more {
        limits.push(
            human::count(confinement.capabilities as usize, "capability").replace("ys", "ies"),
        );
    }
    if confinement.seccomp {
        limits.push("a seccomp filter".to_owned());
    }
    if confinement.no_new_privs {
        limits.push("no_new_privs".to_owned());
    }
    if limits.is_empty() {
        return None;
    }
    Some(format!("note: {label} is confined ({}); the program will not be", limits.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::namespace::Kinds;
    use crate::model::plan::Join;
    use crate::model::process::Pid;

    #[test]
    fn the_steps_are_in_order_and_the_label_is_escaped() {
        let kinds = Kinds::NONE.with(Kind::Mnt).with(Kind::Pid);
        let plan = Plan {
            joins: vec![Join { held: Held::Process(Pid::new(42).unwrap()), kinds }],
            user_first: false,
            equal: Kinds::NONE.with(Kind::User),
            apart: false,
            pty: true,
            fork: true,
            foreign_program: true,
            seen: true,
            ids: Ids { uid: Some(0), groups: Some(Vec::new()), ..Ids::default() },
            keep_capabilities: false,
        };
        let standing = Standing {
            user: Number { outside: 33, inside: Some(33) },
            group: Number { outside: 7, inside: None },
            no_new_privs: true,
            ..Standing::default()
        };
        let needs = [Need::of(Kind::Mnt, Some(7), true), Need::of(Kind::Pid, None, false)];
        let label = &Text::new(b"we\x1bb");
        let outline = Outline {
            label,
            program: &"sh".into(),
            needs: &needs,
            brings: None,
            takes_seat: true,
            standing: Some((&standing, 2)),
            root: Some("the target's root directory".to_owned()),
            directory: Some("/srv, seen from inside".to_owned()),
            limit: Some(Duration::from_millis(1500)),
            init: true,
        };
        let shown = dry_run(&plan, &outline);
        let steps: Vec<_> = shown.lines().map(|line| line.split(' ').next().unwrap()).collect();
        let expected = "pin skip seal join needs needs pty root chdir fork timeout init enter \
            become become exec";
        assert_eq!(steps, expected.split(' ').collect::<Vec<_>>());
        assert!(shown.contains("timeout  SIGTERM after 1.5s"), "{shown}");
        assert!(shown.contains("CAP_SYS_ADMIN and CAP_SYS_CHROOT in user:[7] for mnt: have it"));
        assert!(shown.contains("CAP_SYS_ADMIN in a user namespace above ours for pid: missing"));
        assert!(shown.contains("we\\x1bb") && shown.contains("uid 0, no other group"));
        assert!(
            shown.contains("uid 33, gid 7 of ours, 0 capabilities, no_new_privs, 2 seccomp"),
            "{shown}"
        );
    }

    #[test]
    fn only_real_limits_are_told() {
        let none = Confinement::default();
        assert_eq!(more_privilege(&"web".into(), none), None);
        let some = Confinement { capabilities: 14, we_have_more: true, seccomp: true, ..none };
        let note = more_privilege(&"web".into(), some).unwrap();
        assert_eq!(
            note,
            "note: web is confined (14 capabilities, a seccomp filter); the program will not be"
        );
    }
}
