//! The processes section: host pid, pid inside, command, as a tree.

use super::FEW;
use crate::model::inspection::Member;
use crate::render::table::align;
use std::collections::HashMap;

pub(super) fn lines(processes: &[Member], everything: bool) -> Vec<String> {
    let mut depths: HashMap<_, usize> = HashMap::new();
    let mut rows = Vec::new();
    for member in processes {
        let depth =
            member.parent.and_then(|parent| depths.get(&parent)).map_or(0, |depth| depth + 1);
        depths.insert(member.pid, depth);
        let name = member.command.as_ref().unwrap_or(&member.comm);
        let branch = if depth > 0 {
            format!("{}└ ", "  ".repeat(depth.min(16) - 1))
        } else {
            String::new()
        };
        let ended = if member.state.ended() { " (zombie)" } else { "" };
        let inside = member.pid_inside.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        rows.push(vec![
            member.pid.to_string(),
            inside,
            format!("{branch}{}{ended}", name.shortened(120)),
        ]);
    }
    let count = rows.len();
    let shown = if everything { count } else { count.min(FEW) };
    rows.truncate(shown);
    let mut lines: Vec<String> =
        align(rows, &[true, true, false]).lines().map(str::to_owned).collect();
    if count > shown {
        lines.push(format!("{} more: --only processes", count - shown));
    }
    lines
}
