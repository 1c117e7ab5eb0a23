//! The order in which the rows of a tree are printed, and what is drawn before each.

use super::Sheet;

/// What hangs deeper is drawn at this depth: a chain of processes may be as long as it likes, and
/// common parsers of JSON follow 127 brackets.
const DEEPEST: usize = 60;

pub(super) struct Placed {
    pub(super) row: usize,
    pub(super) depth: usize,
    /// Before its first line.
    pub(super) before: String,
    /// Before its other lines.
    pub(super) beside: String,
}

struct Art {
    child: &'static str,
    last: &'static str,
    vertical: &'static str,
}

const UTF8: Art = Art { child: "├─", last: "└─", vertical: "│ " };
const ASCII: Art = Art { child: "|-", last: "`-", vertical: "| " };
const NOTHING: &str = "  ";

/// Every row once, each after the one it hangs under; as they are where there is no tree.
pub(super) fn place(sheet: &Sheet, utf8: bool) -> Vec<Placed> {
    if !sheet.is_tree() {
        let flat = |row| Placed { row, depth: 0, before: String::new(), beside: String::new() };
        return (0..sheet.rows.len()).map(flat).collect();
    }
    let art = if utf8 { &UTF8 } else { &ASCII };
    let (roots, children) = families(sheet);
    let children = |row: usize| children.get(row).map(Vec::as_slice).unwrap_or_default();
    let mut placed = Vec::with_capacity(sheet.rows.len());
    // What is still to be placed, the next one on top: row, depth, what is drawn above it.
    let mut pending: Vec<(usize, usize, String, bool)> =
        roots.iter().rev().map(|root| (*root, 0, String::new(), false)).collect();
    while let Some((row, depth, above, last)) = pending.pop() {
        let (own, below) = match (depth, last) {
            (0, _) => ("", ""),
            (_, true) => (art.last, NOTHING),
            (_, false) => (art.child, art.vertical),
        };
        let below = above.clone() + below;
        for (at, child) in children(row).iter().enumerate().rev() {
            pending.push((*child, depth + 1, below.clone(), at + 1 == children(row).len()));
        }
        let beside = if children(row).is_empty() { below } else { below + art.vertical };
        placed.push(Placed { row, depth, before: above + own, beside });
    }
    placed
}

/// The rows that hang under none, and those under each.
fn families(sheet: &Sheet) -> (Vec<usize>, Vec<Vec<usize>>) {
    let mut roots = Vec::new();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); sheet.rows.len()];
    // Of each row so far: its depth, and the row it hangs under.
    let mut seen: Vec<(usize, Option<usize>)> = Vec::with_capacity(sheet.rows.len());
    for (at, row) in sheet.rows.iter().enumerate() {
        let above = row.parent.and_then(|parent| Some((parent, *seen.get(parent)?)));
        let (depth, parent) = match above {
            None => (0, None),
            Some((_, (depth, grandparent))) if depth == DEEPEST => (DEEPEST, grandparent),
            Some((parent, (depth, _))) => (depth + 1, Some(parent)),
        };
        seen.push((depth, parent));
        match parent.and_then(|parent| children.get_mut(parent)) {
            Some(family) => family.push(at),
            None => roots.push(at),
        }
    }
    (roots, children)
}
