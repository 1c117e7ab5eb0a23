//! What seccomp filters do: by default, by error the calls that they refuse, and those on which
//! arguments decide.

use super::super::human;
use super::Detail;
use crate::model::seccomp::{Action, Architecture, Call, Filter, Outcome, SeccompDump};
use std::collections::BTreeMap;

/// Of a line, where no terminal says how wide it is, and at least.
const WIDTH: usize = 100;
const NARROWEST: usize = 40;
/// What stands before every line of a section.
const MARGIN: usize = 13;
/// The column of labels.
const LABEL: usize = 8;

/// The kernel's own calls in full, those of other programs counted; everything with `-o wide`, the
/// programs too.
pub(super) fn lines(dump: &SeccompDump, detail: Detail) -> Vec<String> {
    let width = detail.width.unwrap_or(WIDTH).saturating_sub(MARGIN).max(NARROWEST);
    let mut lines = Vec::new();
    for (at, architecture) in dump.architectures.iter().enumerate() {
        let summary = summary(architecture);
        match at {
            0 => {
                let count = human::count(dump.filters.len(), "filter");
                lines.extend(labelled("seccomp", &format!("{count} · {summary}"), width));
            }
            _ => lines.extend(labelled(architecture.name, &summary, width)),
        }
        if at == 0 || detail.wide {
            lines.extend(calls(architecture).iter().flat_map(|line| wrapped(line, width)));
        }
    }
    if detail.wide {
        lines.extend(dump.filters.iter().enumerate().flat_map(program));
    }
    lines
}

/// `default errno EPERM · beyond the known calls errno ENOSYS · 330 of 384 calls allowed`
fn summary(architecture: &Architecture) -> String {
    let all = architecture.allowed + architecture.calls.len();
    let mut parts = vec![format!("default {}", word(&architecture.default.outcome))];
    if architecture.beyond != architecture.default {
        parts.push(format!("beyond the known calls {}", word(&architecture.beyond.outcome)));
    }
    parts.push(format!("{} of {} allowed", architecture.allowed, human::count(all, "call")));
    let is_open = |call: &&Call| call.verdict.outcome.action == Action::Undetermined;
    let open = architecture.calls.iter().filter(is_open).count();
    if open > 0 {
        parts.push(format!("{open} not determined"));
    }
    parts.join(" · ")
}

/// `  errno EPERM  31: acct add_key bpf …`, the harshest first; last where arguments decide.
fn calls(architecture: &Architecture) -> Vec<String> {
    let mut by_outcome: BTreeMap<&Outcome, Vec<&str>> = BTreeMap::new();
    let mut by_arguments = Vec::new();
    for call in &architecture.calls {
        match &call.verdict {
            verdict if verdict.conditional && verdict.outcome.action != Action::Undetermined => {
                by_arguments.push(call.name);
            }
            verdict => by_outcome.entry(&verdict.outcome).or_default().push(call.name),
        }
    }
    let line =
        |what: String, names: &[&str]| format!("  {what}  {}: {}", names.len(), names.join(" "));
    let mut lines: Vec<String> =
        by_outcome.iter().map(|(outcome, names)| line(word(outcome), names)).collect();
    if !by_arguments.is_empty() {
        lines.push(line("by their arguments".to_owned(), &by_arguments));
    }
    lines
}

fn word(outcome: &Outcome) -> String {
    let word = match outcome.action {
        Action::KillProcess => "kills the process",
        Action::KillThread => "kills the thread",
        Action::Trap => "trap",
        Action::Errno => match &outcome.errno {
            Some(name) => return format!("errno {name}"),
            None => "nothing done",
        },
        Action::Notify => "a supervisor decides",
        Action::Trace => "a tracer decides",
        Action::Log => "allowed and logged",
        Action::Allow => "allowed",
        Action::Undetermined => "not determined",
    };
    word.to_owned()
}

/// What the text tells of stands before it.
fn labelled(label: &str, text: &str, width: usize) -> Vec<String> {
    let wrapped = wrapped(text, width.saturating_sub(LABEL + 1));
    let labels = std::iter::once(label).chain(std::iter::repeat(""));
    labels.zip(wrapped).map(|(label, line)| format!("{label:<LABEL$} {line}")).collect()
}

/// Cut at blanks; what follows the first line stands under it.
fn wrapped(line: &str, width: usize) -> Vec<String> {
    let indent = line.len() - line.trim_start().len();
    let mut lines = vec![" ".repeat(indent)];
    for word in line.split(' ').filter(|word| !word.is_empty()) {
        let Some(last) = lines.last_mut() else { break };
        let is_empty = last.trim().is_empty();
        if !is_empty && last.chars().count() + 1 + word.chars().count() > width {
            lines.push(format!("{}{word}", " ".repeat(indent + 4)));
        } else {
            if !is_empty {
                last.push(' ');
            }
            last.push_str(word);
        }
    }
    lines
}

fn program((at, filter): (usize, &Filter)) -> Vec<String> {
    let logs = if filter.logs == Some(true) { ", logs" } else { "" };
    let instructions = human::count(filter.instructions, "instruction");
    let mut lines = vec![format!("filter {} of {instructions}{logs}", at + 1)];
    let numbered = filter.program.iter().enumerate();
    lines.extend(numbered.map(|(at, instruction)| format!("{at:>6}  {instruction}")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::seccomp::Verdict;

    fn verdict(action: Action, errno: Option<&str>, conditional: bool) -> Verdict {
        let outcome = Outcome { action, errno: errno.map(str::to_owned), data: 0 };
        Verdict { outcome, conditional, otherwise: Vec::new() }
    }

    fn dump() -> SeccompDump {
        let call = |name, verdict| Call { name, number: 1, verdict };
        let native = Architecture {
            name: "x86_64",
            default: verdict(Action::Errno, Some("EPERM"), false),
            beyond: verdict(Action::Errno, Some("ENOSYS"), false),
            allowed: 300,
            calls: vec![
                call("bpf", verdict(Action::Errno, Some("EPERM"), false)),
                call("clone", verdict(Action::Errno, Some("EPERM"), true)),
                call("mount", verdict(Action::Errno, Some("EPERM"), false)),
                call("reboot", verdict(Action::KillProcess, None, false)),
            ],
        };
        let other = Architecture { name: "i386", calls: native.calls.clone(), ..native.clone() };
        let program = vec!["ld [4]".to_owned(), "ret #0x7fff0000".to_owned()];
        let filter = Filter { instructions: 2, logs: Some(true), program };
        SeccompDump { filters: vec![filter], architectures: vec![native, other] }
    }

    #[test]
    fn what_is_refused_is_listed_by_how() {
        let summary = "default errno EPERM · beyond the known calls errno ENOSYS · 300 of 304 calls \
                       allowed";
        let told = lines(&dump(), Detail { width: Some(200), ..Detail::default() });
        assert_eq!(
            told,
            [
                &format!("seccomp  1 filter · {summary}"),
                "  kills the process 1: reboot",
                "  errno EPERM 2: bpf mount",
                "  by their arguments 1: clone",
                &format!("i386     {summary}"),
            ]
        );
    }

    #[test]
    fn what_could_not_be_told_is_counted() {
        let mut dump = dump();
        dump.architectures[1].calls[0].verdict = verdict(Action::Undetermined, None, true);
        let told = lines(&dump, Detail { width: Some(200), ..Detail::default() });
        assert!(told.last().unwrap().ends_with(" · 300 of 304 calls allowed · 1 not determined"));
        assert!(!told[0].contains("not determined"));
    }

    #[test]
    fn wide_has_the_program() {
        let told = lines(&dump(), Detail { wide: true, ..Detail::default() });
        assert_eq!(told.iter().filter(|line| line.contains("reboot")).count(), 2);
        let end = ["filter 1 of 2 instructions, logs", "     0  ld [4]", "     1  ret #0x7fff0000"];
        assert!(told.ends_with(&end.map(str::to_owned)), "{told:#?}");
    }

    #[test]
    fn long_lists_are_wrapped_under_themselves() {
        assert_eq!(wrapped("  a bb ccc dddd", 8), ["  a bb", "      ccc", "      dddd"]);
        assert_eq!(wrapped("a", 1), ["a"]);
        assert_eq!(
            labelled("x32", "a bb c", 12),
            ["x32      a", "             bb", "             c"]
        );
    }
}
