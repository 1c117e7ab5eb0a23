//! The figures as a reader wants them: a table for each part, on the terminal and in BENCHMARKS.md.

use super::Part;
use super::cost::Cost;
use super::measure::Row;
use crate::release::Release;
use crate::workspace;
use crate::{peak, run, say};
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fmt::Write;

const FILE: &str = "BENCHMARKS.md";

const HEAD: &str = "\
# Benchmarks

Written by `cargo xtask bench`, which installs nothing and needs root. Each line compares two commands
that were started in turn on one machine; a ratio below 1 says that nsx is faster. Of the rounds'
ratios the median is told, and the range without the outermost twentieths. System calls are those of
all processes of a command, the program that it starts included; instructions those of its first
process, as callgrind counts them; memory is the most that one process of it had resident. `-` is
what could not be counted there: callgrind knows no pidfd_send_signal(2), which whatever is given a
process asks.
";

/// What belongs to one part.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Section {
    pub(super) part: Part,
    pub(super) rows: Vec<Row>,
    pub(super) notes: Vec<String>,
}

pub(super) fn print(release: &Release, sections: &[Section], whole: bool) -> Result<()> {
    let text = text(release, sections)?;
    say::line(format_args!("{text}"));
    if whole {
        let file = workspace::root().join(FILE);
        std::fs::write(&file, format!("{HEAD}\n{text}"))?;
        say::note(format_args!("bench: wrote {}", file.display()));
    }
    Ok(())
}

fn text(release: &Release, sections: &[Section]) -> Result<String> {
    let mut text = machine(release);
    for section in sections {
        let name = section.part.name();
        write!(text, "\n## {}\n\n", section.part.about())?;
        write!(text, "`cargo xtask bench --only {name}`\n\n")?;
        text.push_str(
            "| what | nsx | peer | ratio | 5–95 % | system calls | instructions | memory, MiB |\n\
             |---|---|---|---|---|---|---|---|\n",
        );
        for row in &section.rows {
            line(&mut text, row)?;
        }
        if !section.notes.is_empty() {
            text.push('\n');
        }
        for note in &section.notes {
            writeln!(text, "- {note}")?;
        }
    }
    Ok(text)
}

fn line(text: &mut String, row: &Row) -> Result<()> {
    let pair = |value: fn(&Cost) -> Option<String>| {
        let shown = |cost| value(cost).unwrap_or_else(|| "-".to_owned());
        format!("{} : {}", shown(&row.ours_cost), shown(&row.peer_cost))
    };
    let calls = pair(|cost| cost.system_calls.map(|calls| calls.to_string()));
    let instructions = pair(|cost| cost.instructions.map(in_millions));
    let memory = pair(|cost| cost.peak_kib.map(peak::in_mebibytes));
    writeln!(
        text,
        "| {} | `{}` | `{}` | {:.2} | {:.2}–{:.2} | {calls} | {instructions} | {memory} |",
        row.what, row.ours, row.peer, row.ratio_median, row.ratio_p5, row.ratio_p95
    )
    .context("write a line")
}

fn in_millions(count: u64) -> String {
    format!("{}.{:02} M", count / 1_000_000, count % 1_000_000 / 10_000)
}

/// What the figures depend on.
fn machine(release: &Release) -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let locale = std::env::var("LC_ALL").or_else(|_| std::env::var("LANG")).unwrap_or_default();
    let mut text = format!(
        "Linux {}, {cpus} processors, locale {locale}; nsx for {}; ",
        kernel.trim(),
        release.triple
    );
    for (program, argument) in [
        ("nsenter", "--version"),
        ("docker", "--version"),
        ("podman", "--version"),
        ("bwrap", "--version"),
        ("crun", "--version"),
        ("runc", "--version"),
    ] {
        let Some(found) = run::find(program) else { continue };
        let version = run::output(run::plain(found).arg(argument)).unwrap_or_default();
        let _ = write!(text, "{}; ", version.lines().next().unwrap_or_default());
    }
    format!("{}.\n", text.trim_end_matches("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!(in_millions(1_234_567), "1.23 M");
        assert_eq!(in_millions(9_999), "0.00 M");
    }
}
