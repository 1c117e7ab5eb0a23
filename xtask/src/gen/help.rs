//! The help texts of the commands that do not carry clap: rendered here, included by the library.
//! The front's own, which is examples more than options, is written by hand.

use super::Files;
use anyhow::{Context, Result, bail};
use std::path::Path;

const WIDTH: usize = 80;
/// Beyond that nobody reads it to the end.
const LINES: usize = 160;

pub(super) fn generate(tree: &clap::Command, files: &mut Files) -> Result<()> {
    let mut add = |name: &str, command: &clap::Command| {
        let text = wrapped(&command.clone().render_help().to_string());
        if text.lines().count() > LINES {
            bail!("the help of {name} has more than {LINES} lines, which nobody reads to the end");
        }
        files.insert(Path::new("src/cli/help").join(format!("{name}.txt")), text);
        Ok(())
    };
    for name in ["enter", "spawn"] {
        add(name, tree.find_subcommand(name).with_context(|| format!("no command {name}"))?)?;
    }
    Ok(())
}

/// Lines that are too long go on below the column where their last field starts.
fn wrapped(text: &str) -> String {
    let mut out = String::new();
    for line in text.lines() {
        let indent = field(line);
        let mut column = 0;
        for (nth, word) in line.get(indent..).unwrap_or_default().split(' ').enumerate() {
            if nth == 0 {
                out.push_str(line.get(..indent).unwrap_or_default());
                column = indent;
            } else if column + 1 + word.len() > WIDTH {
                out.push('\n');
                out.push_str(&" ".repeat(indent));
                column = indent;
            } else {
                out.push(' ');
                column += 1;
            }
            out.push_str(word);
            column += word.len();
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    out
}

/// Where the last field of a line starts; two spaces separate fields.
fn field(line: &str) -> usize {
    let start = line.len() - line.trim_start().len();
    line.rfind("  ").map_or(start, |at| at + 2).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_lines_go_on_below_their_field() {
        let help = "word ".repeat(16);
        let text = wrapped(&format!("  -a, --all  {help}\nshort\n\n{}", help.trim_end()));
        let lines: Vec<_> = text.lines().collect();
        assert!(lines.iter().all(|line| line.len() <= WIDTH));
        assert!(lines[0].starts_with("  -a, --all  word"));
        assert!(lines[1].starts_with("             word"));
        assert_eq!(lines[2..4], ["short", ""]);
        assert_eq!(text.split_whitespace().filter(|word| *word == "word").count(), 32);
    }
}
