//! Completions: clap_complete's scripts, taught the names of running containers for TARGET
//! arguments and the small programs' names. Each script asks `nsx ps` when the key is pressed.

use super::Files;
use crate::workspace::COMMANDS;
use anyhow::{Context, Result, ensure};
use clap::{Arg, Command, ValueHint};
use clap_complete::{Shell, generate as render};
use std::fmt::Write;

pub(super) fn generate(tree: &Command, files: &mut Files) -> Result<()> {
    let tree = prepared(tree);
    files.insert("completions/nsx.bash".into(), bash(&tree)?);
    files.insert("completions/_nsx".into(), zsh(&tree)?);
    files.insert("completions/nsx.fish".into(), fish(&tree)?);
    Ok(())
}

/// The tree with what the scripts should offer: no hidden options, no `help` command, and a hint
/// of what a value is. A container's name goes by the hint of a host's name.
fn prepared(command: &Command) -> Command {
    let arguments = command.get_arguments().filter(|argument| !argument.is_hide_set());
    let arguments = arguments.map(|argument| match value(argument) {
        Some("TARGET" | "CLUE") => argument.clone().value_hint(ValueHint::Hostname),
        Some("PROGRAM") => argument.clone().value_hint(ValueHint::CommandWithArguments),
        Some("DIR") => argument.clone().value_hint(ValueHint::DirPath),
        Some(_) => argument.clone().value_hint(ValueHint::Other),
        None => argument.clone(),
    });
    let name = COMMANDS.into_iter().find(|name| *name == command.get_name()).unwrap_or("nsx");
    Command::new(name)
        .about(command.get_about().cloned().unwrap_or_default())
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .args(arguments)
        .subcommands(command.get_subcommands().map(prepared))
}

fn value(argument: &Arg) -> Option<&str> {
    // A flag may have a name for the value that it does not take.
    if !argument.get_action().takes_values() {
        return None;
    }
    argument.get_value_names()?.first().map(clap::builder::Str::as_str)
}

/// Whether the next word is its value: one that may be left out is attached.
fn is_followed(argument: &Arg) -> bool {
    let may_lack = argument.get_num_args().is_some_and(|count| count.min_values() == 0);
    argument.get_action().takes_values() && !may_lack
}

fn script(tree: &Command, shell: Shell) -> Result<String> {
    let mut bytes = Vec::new();
    render(shell, &mut tree.clone(), "nsx", &mut bytes);
    let text = String::from_utf8(bytes).context("clap_complete wrote no UTF-8")?;
    Ok(text.lines().map(|line| line.trim_end().to_owned() + "\n").collect())
}

/// Replaces what must be there: a changed clap_complete is noticed here, not by a user.
fn replaced(text: &str, from: &str, to: &str) -> Result<String> {
    ensure!(text.contains(from), "clap_complete no longer writes {from:?}");
    Ok(text.replace(from, to))
}

/// What can be a TARGET, one a line: soon, in bounds, and without a word where it fails.
const NAMES: &str = "command timeout 2 nsx ps -o name 2>/dev/null | head -n 1000";

/// What a TARGET begins with that is no container's name.
const WORDS: &str = "pod: unit: netns: cgroup: ns:";

fn with_targets(script: &str) -> Result<String> {
    replaced(&replaced(script, "@NAMES@", NAMES)?, "@WORDS@", WORDS)
}

fn programs(separator: &str) -> String {
    COMMANDS.map(|command| format!("nsx-{command}")).join(separator)
}

const BASH: &str = include_str!("shells/completions.bash");

/// clap_complete's function answers for options; ours decides what the word is.
fn bash(tree: &Command) -> Result<String> {
    let text = script(tree, Shell::Bash)?;
    let end = text.find("\nif [[ \"${BASH_VERSINFO[0]}\" -eq 4").context("no registration")?;
    let generated = text.get(..end).unwrap_or_default();
    let generated = replaced(generated, "_nsx() {", "_nsx_options() {")?;
    let mut cases = String::new();
    for command in tree.get_subcommands() {
        let spellings = command
            .get_arguments()
            .filter(|argument| is_followed(argument) && !argument.is_positional());
        let mut long = Vec::new();
        let mut short = String::new();
        let (mut aims, mut aim) = (String::new(), String::new());
        for argument in spellings {
            let name = argument.get_long().map(|name| format!("--{name}"));
            if value(argument) == Some("TARGET") {
                aims.extend(name.iter().map(|name| format!(" {name} ")));
                aim.extend(argument.get_short());
            }
            long.extend(name);
            short.extend(argument.get_short());
        }
        let takes = |wanted: &str| command.get_positionals().any(|it| value(it) == Some(wanted));
        let kind = match () {
            () if takes("PROGRAM") => "program",
            () if takes("TARGET") || takes("CLUE") => "target",
            () => "",
        };
        let _ = writeln!(
            cases,
            "        {}) long=\" {} \" short=\"{short}\" aims=\"{aims}\" aim=\"{aim}\" positional={kind} ;;",
            command.get_name(),
            long.join(" "),
        );
    }
    let ours = replaced(&with_targets(BASH)?, "@CASES@\n", &cases)?;
    Ok(format!("{generated}\n{}", replaced(&ours, "@PROGRAMS@", &programs(" "))?))
}

const ZSH_TARGETS: &str = r#"
_nsx_targets() {
    local -a names
    names=(${(f)"$(@NAMES@)"})
    compadd -a names
    compadd -S '' -- @WORDS@
}
"#;

/// `nsx-ps …` is read as `nsx ps …`.
const ZSH_START: &str = r#"_nsx() {
    if [[ $service == nsx-* ]]; then
        words=(nsx ${service#nsx-} "${(@)words[2,-1]}")
        (( CURRENT += 1 ))
        local service=nsx
    fi
"#;

fn zsh(tree: &Command) -> Result<String> {
    let text = script(tree, Shell::Zsh)?;
    let text = replaced(&text, "#compdef nsx\n", &format!("#compdef nsx {}\n", programs(" ")))?;
    let text =
        replaced(&text, "\n_nsx() {\n", &format!("{}\n{ZSH_START}", with_targets(ZSH_TARGETS)?))?;
    let text = replaced(&text, ":_hosts'", ":_nsx_targets'")?;
    replaced(&text, "    compdef _nsx nsx\n", &format!("    compdef _nsx nsx {}\n", programs(" ")))
}

const FISH_HELPERS: &str = "
# Names and PIDs that can be a TARGET, and the words that others begin with.
function __nsx_targets
    @NAMES@
    printf '%s\\n' @WORDS@
end

# Completes the program that nsx runs; the arguments are the options of nsx that take a value.
function __nsx_program
    set -l skip 2
    string match -q '*nsx-*' (commandline -opc)[1]
    and set skip 1
    __fish_complete_subcommand --fcs-skip=$skip - $argv
end

";

/// clap_complete's fish script knows no positional arguments.
fn fish(tree: &Command) -> Result<String> {
    let text = script(tree, Shell::Fish)?;
    let text = replaced(&text, "(__fish_print_hostnames)", "(__nsx_targets)")?;
    let mut text = text + &with_targets(FISH_HELPERS)?;
    for command in tree.get_subcommands() {
        text = followed_by_nothing(&text, command);
    }
    for command in tree.get_subcommands() {
        let name = command.get_name();
        let condition = format!("-n \"__fish_nsx_using_subcommand {name}\"");
        for argument in command.get_positionals() {
            let (files, offer) = match value(argument) {
                Some("TARGET") => (" -f", "__nsx_targets".to_owned()),
                Some("CLUE") => ("", "__nsx_targets".to_owned()),
                Some("PROGRAM") => (" -f", format!("__nsx_program{}", with_values(command))),
                _ => continue,
            };
            let _ = writeln!(text, "complete -c nsx {condition}{files} -a \"({offer})\"");
        }
    }
    text.push('\n');
    for command in COMMANDS {
        let _ = writeln!(text, "complete -c nsx-{command} -w 'nsx {command}'");
    }
    Ok(text)
}

/// To fish, `-r` says that the next word is a value; clap_complete says so of every value.
fn followed_by_nothing(text: &str, command: &Command) -> String {
    let condition = format!("-n \"__fish_nsx_using_subcommand {}\"", command.get_name());
    let attached: Vec<String> = command
        .get_arguments()
        .filter(|argument| argument.get_action().takes_values() && !is_followed(argument))
        .filter_map(|argument| Some(format!(" -l {} ", argument.get_long()?)))
        .collect();
    let is_attached = |line: &str| {
        line.contains(&condition) && attached.iter().any(|option| line.contains(option))
    };
    let lines = text.lines().map(|line| match line.strip_suffix(" -r -f") {
        Some(rest) if is_attached(line) => rest,
        _ => line.strip_suffix(" -r").filter(|_| is_attached(line)).unwrap_or(line),
    });
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// ` -t --target …`: the options that are followed by a value.
fn with_values(command: &Command) -> String {
    let mut out = String::new();
    for argument in command.get_arguments().filter(|argument| !argument.is_positional()) {
        if is_followed(argument) {
            let short = argument.get_short().map(|name| format!(" -{name}"));
            let long = argument.get_long().map(|name| format!(" --{name}"));
            out.extend([short, long].into_iter().flatten());
        }
    }
    out
}
