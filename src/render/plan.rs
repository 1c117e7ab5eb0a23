//! What `enter` would do, in words.

use super::human;
use crate::model::confinement::Confinement;
use crate::model::plan::{Aim, Plan};
use crate::model::text::Text;

/// One line a step, in order.
pub fn dry_run(plan: &Plan, label: &Text, program: &Text) -> String {
    let aim = plan.aim;
    let mut steps = vec![match aim {
        Aim::Process(_) => ("pin", format!("{aim} by pidfd ({label})")),
        Aim::Namespace(_) => ("open", format!("{aim} ({label})")),
    }];
    if !plan.equal.is_empty() {
        steps.push(("skip", format!("{}: the same as ours", plan.equal)));
    }
    steps.push(("join", format!("{} in one setns", plan.join)));
    if plan.pty {
        steps.push(("pty", "a terminal of its own, relayed to ours".to_owned()));
    }
    if plan.become_root {
        let known = matches!(aim, Aim::Process(_));
        let if_there = if known { "" } else { ", if it has them" };
        steps.push(("become", format!("uid 0 and gid 0 of the joined user namespace{if_there}")));
    }
    if plan.fork {
        steps.push(("fork", "signals, stops and the exit status are passed on".to_owned()));
    }
    let place =
        if plan.foreign_program { "the target's file system" } else { "the host's file system" };
    steps.push(("exec", format!("{program}, from {place}")));
    let lines: Vec<_> = steps.iter().map(|(step, what)| format!("{step:<8} {what}")).collect();
    lines.join("\n") + "\n"
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
    use crate::model::namespace::{Kind, Kinds};
    use crate::model::process::Pid;

    #[test]
    fn the_steps_are_in_order_and_the_label_is_escaped() {
        let plan = Plan {
            aim: Aim::Process(Pid::new(42).unwrap()),
            join: Kinds::NONE.with(Kind::Mnt).with(Kind::Pid),
            equal: Kinds::NONE.with(Kind::User),
            pty: true,
            fork: true,
            foreign_program: true,
            become_root: false,
            drop_groups: crate::model::plan::DropGroups::Never,
        };
        let shown = dry_run(&plan, &Text::new(b"we\x1bb"), &"sh".into());
        let steps: Vec<_> = shown.lines().map(|line| line.split(' ').next().unwrap()).collect();
        assert_eq!(steps, ["pin", "skip", "join", "pty", "fork", "exec"]);
        assert!(shown.contains("we\\x1bb"));
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
