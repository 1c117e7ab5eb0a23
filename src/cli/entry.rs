//! One main for every binary: find the command, run it, turn its result into an exit code.

use super::context::Context;
use super::error::{Failure, Kind};
use super::{cmd, compat, output};
use crate::model::text::Text;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// A command as the binaries see it.
#[derive(Debug)]
pub struct Command {
    /// The bare word: `ps` for `nsx ps` and `nsx-ps`; of a personality the tool's name.
    pub name: &'static str,
    /// Takes the words after the command's name; gives the exit code.
    pub run: fn(&Context, Vec<OsString>) -> Result<u8, Failure>,
}

/// The main of a binary that is one command.
pub fn run(command: &Command, mut arguments: Vec<OsString>) -> u8 {
    if !arguments.is_empty() {
        arguments.remove(0);
    }
    run_with(command, arguments)
}

/// The main of `nsx`: the command is the name it was called by, or its first argument; called by
/// the name of another tool, it is that tool.
pub fn run_front(mut arguments: Vec<OsString>) -> u8 {
    let called = if arguments.is_empty() { OsString::new() } else { arguments.remove(0) };
    let called = std::path::Path::new(&called).file_name();
    if let Some(tool) = called.and_then(compat::find) {
        return run_in(&Context::of_program(tool.name.to_owned()), tool, arguments);
    }
    let called = called.and_then(|name| name.to_str());
    let by_name =
        called.and_then(|name| name.strip_prefix("nsx-")).and_then(|name| find(OsStr::new(name)));
    if let Some(command) = by_name {
        return run_with(command, arguments);
    }
    if arguments.is_empty() {
        let failure = Failure::usage("a command is missing");
        return finish("nsx", Err(failure.hint("`nsx --help` lists the commands")));
    }
    let word = arguments.remove(0);
    match word.to_str() {
        Some("-h" | "--help" | "help") => help(arguments.first()),
        Some("-V" | "--version") => {
            let version = concat!("nsx ", env!("CARGO_PKG_VERSION"), "\n");
            finish("nsx", output::write(version).map(|()| 0))
        }
        _ => match find(&word) {
            Some(command) => run_with(command, arguments),
            None => unknown(&word),
        },
    }
}

fn help(of: Option<&OsString>) -> u8 {
    match of {
        None => finish("nsx", output::write(FRONT_HELP).map(|()| 0)),
        Some(word) => match find(word) {
            Some(command) => run_with(command, vec!["--help".into()]),
            None => unknown(word),
        },
    }
}

const FRONT_HELP: &str = include_str!("help/nsx.txt");

fn find(word: &OsStr) -> Option<&'static Command> {
    cmd::ALL.iter().copied().find(|command| command.name == word)
}

fn unknown(word: &OsStr) -> u8 {
    let word = Text::new(word.as_bytes());
    let failure = Failure::usage(format!("there is no command {word}"));
    finish("nsx", Err(failure.hint("`nsx --help` lists the commands")))
}

fn run_with(command: &Command, arguments: Vec<OsString>) -> u8 {
    run_in(&Context::new(command.name), command, arguments)
}

fn run_in(context: &Context, command: &Command, arguments: Vec<OsString>) -> u8 {
    report_panics(context.program.clone());
    if let Err(error) = crate::sys::fds::fill_standard() {
        return finish(&context.program, Err(error.into()));
    }
    finish(&context.program, (command.run)(context, arguments))
}

fn finish(program: &str, result: Result<u8, Failure>) -> u8 {
    match result {
        Ok(code) => code,
        Err(failure) => {
            output::say_failure(program, &failure);
            failure.kind as u8
        }
    }
}

/// A defect of ours ends with a code of its own, not with a signal and a core file.
fn report_panics(program: String) {
    std::panic::set_hook(Box::new(move |info| {
        let place = info
            .location()
            .map_or_else(String::new, |at| format!(" at {}:{}", at.file(), at.line()));
        let failure = Failure::new(Kind::Internal, format!("internal error{place}"));
        output::say_failure(&program, &failure.hint("this is a defect of nsx; please report it"));
        crate::sys::raw::fork::exit_now(i32::from(Kind::Internal as u8));
    }));
}
