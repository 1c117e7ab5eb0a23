//! Manual pages: options and descriptions from the argument definitions through clap_mangen,
//! everything else from man/sections/PAGE.md, which may include another file. nsx(7) is written by hand as a whole.

use super::Files;
use super::roff::{self, Section, escaped};
use crate::workspace;
use anyhow::{Context, Result, bail};
use clap_mangen::Man;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Sections that the definitions give; a hand-written DESCRIPTION goes on with theirs, and a
/// hand-written SYNOPSIS takes the place of theirs.
const GIVEN: [&str; 5] = ["NAME", "SYNOPSIS", "DESCRIPTION", "COMMANDS", "OPTIONS"];

pub(super) fn generate(tree: &clap::Command, files: &mut Files) -> Result<()> {
    for command in std::iter::once(tree).chain(shipped(tree)) {
        let name = match command.get_name() {
            "nsx" => "nsx".to_owned(),
            name => format!("nsx-{name}"),
        };
        files.insert(format!("man/{name}.1").into(), page(&name, command)?);
    }
    let mut concepts = title("nsx", 7, "Miscellaneous Information");
    for section in hand_written("nsx.7")? {
        append(&mut concepts, &section.heading, &section.body);
    }
    files.insert("man/nsx.7".into(), concepts);
    Ok(())
}

fn shipped(tree: &clap::Command) -> impl Iterator<Item = &clap::Command> {
    tree.get_subcommands().filter(|command| command.get_name() != "help")
}

fn page(name: &str, command: &clap::Command) -> Result<String> {
    let man = Man::new(command.clone());
    let hand_written = hand_written(&format!("{name}.1"))?;
    let written = |heading: &str| hand_written.iter().find(|section| section.heading == heading);
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let about = about.trim_end_matches('.');

    let mut out = title(name, 1, "User Commands");
    append(&mut out, "NAME", &format!("{} \\- {}\n", escaped(name), escaped(&lowered(about))));
    match written("SYNOPSIS") {
        Some(section) => append(&mut out, "SYNOPSIS", &section.body),
        None => append(&mut out, "SYNOPSIS", &synopsis(name, command)),
    }
    let description = rendered(|to| man.render_description_section(to))?;
    let description = description.strip_prefix(".SH DESCRIPTION\n").unwrap_or(&description);
    append(&mut out, "DESCRIPTION", &ended(description));
    if let Some(section) = written("DESCRIPTION") {
        let separator = if section.body.starts_with('.') { "" } else { ".PP\n" };
        let _ = write!(out, "{separator}{}", section.body);
    }
    if shipped(command).next().is_some() {
        let mut commands = String::new();
        for command in shipped(command) {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            let name = escaped(&format!("nsx-{}", command.get_name()));
            let _ = writeln!(commands, ".TP\n\\fB{name}\\fR(1)\n{}", escaped(&about));
        }
        append(&mut out, "COMMANDS", &commands);
    }
    append(&mut out, "OPTIONS", &options(&rendered(|to| man.render_options_section(to))?));
    for section in &hand_written {
        if !GIVEN.contains(&section.heading.as_str()) {
            append(&mut out, &section.heading, &section.body);
        }
    }
    Ok(out)
}

/// `.TH`; the date is the release's, so that the same sources give the same bytes.
fn title(name: &str, section: u8, manual: &str) -> String {
    let (name, version) = (escaped(&name.to_uppercase()), workspace::VERSION);
    let date = workspace::RELEASED;
    let note = "Made by `cargo xtask gen` from the argument definitions and man/sections";
    format!(".\\\" {note}\n.TH {name} {section} {date} \"nsx {version}\" \"{manual}\"\n")
}

fn append(out: &mut String, heading: &str, body: &str) {
    let _ = write!(out, ".SH {}\n{body}", escaped(heading));
    if !body.ends_with('\n') {
        out.push('\n');
    }
}

/// Both spellings of the command, and its arguments.
fn synopsis(name: &str, command: &clap::Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let front = name.replacen('-', " ", 1);
    let arguments = usage.strip_prefix("Usage: ").and_then(|usage| usage.strip_prefix(&front));
    let arguments = escaped(arguments.unwrap_or_default().trim());
    let forms = if front == name { vec![front] } else { vec![front, name.to_owned()] };
    let forms = forms.iter().map(|form| format!("\\fB{}\\fR {arguments}\n", escaped(form)));
    forms.collect::<Vec<_>>().join(".br\n")
}

/// clap_mangen's section without its heading: option groups are sub-sections, and the blank lines
/// that mandoc complains about are breaks.
fn options(section: &str) -> String {
    let body = section.strip_prefix(".SH OPTIONS\n").unwrap_or(section);
    let mut out = String::new();
    for line in body.lines() {
        match line.strip_prefix(".SH ") {
            Some(heading) => {
                let heading = heading.trim_matches('"').to_lowercase();
                let mut chars = heading.chars();
                let first = chars.next().map(|char| char.to_ascii_uppercase());
                let _ = writeln!(
                    out,
                    ".SS {}{}",
                    first.map(String::from).unwrap_or_default(),
                    chars.as_str()
                );
            }
            None => {
                let _ = writeln!(out, "{line}");
            }
        }
    }
    out.replace(".br\n\n.br\n", ".br\n").replace("\\*(Aq", "\\(aq")
}

fn rendered(render: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> Result<String> {
    let mut bytes = Vec::new();
    render(&mut bytes)?;
    let text = String::from_utf8(bytes).context("clap_mangen wrote no UTF-8")?;
    // Its preamble defines a string for the apostrophe, which we spell out.
    let start = text.find(".SH").unwrap_or_default();
    Ok(text.get(start..).unwrap_or_default().replace("\\*(Aq", "\\(aq"))
}

/// A sentence without its capital, unless the first word is a name.
fn lowered(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

/// The first line as a sentence.
fn ended(description: &str) -> String {
    let (first, rest) = description.split_once('\n').unwrap_or((description, ""));
    let stop = if first.ends_with('.') { "" } else { "." };
    format!("{first}{stop}\n{rest}")
}

fn hand_written(page: &str) -> Result<Vec<Section>> {
    let mut text = String::new();
    for line in source(&format!("{page}.md"))?.lines() {
        // What several pages say in the same words stands in a file of its own.
        match line.strip_prefix("%include ") {
            Some(file) => text.push_str(&source(file)?),
            None => text.push_str(line),
        }
        text.push('\n');
    }
    Ok(roff::sections(&text))
}

fn source(file: &str) -> Result<String> {
    let path = workspace::root().join("man/sections").join(file);
    std::fs::read_to_string(path).with_context(|| format!("cannot read man/sections/{file}"))
}

/// Every page that is committed.
pub(crate) fn pages() -> Result<Vec<PathBuf>> {
    let mut pages = Vec::new();
    for entry in std::fs::read_dir(workspace::root().join("man")).context("man")? {
        let file = entry?.path();
        if matches!(file.extension().and_then(|ending| ending.to_str()), Some("1" | "7")) {
            pages.push(file);
        }
    }
    pages.sort();
    Ok(pages)
}

/// Has mandoc read every page.
pub(crate) fn lint(mandoc: &Path) -> Result<()> {
    let done =
        Command::new(mandoc).args(["-T", "lint", "-W", "warning"]).args(pages()?).output()?;
    if !done.status.success() {
        bail!("mandoc: {}", String::from_utf8_lossy(&done.stdout).trim());
    }
    Ok(())
}
