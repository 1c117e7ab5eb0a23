//! `nsx enter`: run a program in a target's namespaces.

use crate::cli::context::Context;
use crate::cli::enter;
use crate::cli::enter::request::Request;
use crate::cli::entry::Command;
use crate::cli::error::{Failure, Kind};
use crate::cli::options::{Parsed, definition_of, parse};
use crate::sys::raw::memory;
use options::read;
use std::ffi::OsString;
use table::OPTIONS;

mod options;
mod table;

/// As it is entered in the list of commands.
pub const COMMAND: Command = Command { name: "enter", run };

/// For manual, completions and help: the options are tables, which clap does not parse.
pub fn definition() -> clap::Command {
    definition_of(
        "enter",
        "Run a program in the namespaces of a process or container, or in one namespace",
        &[OPTIONS],
    )
}

fn run(context: &Context, arguments: Vec<OsString>) -> Result<u8, Failure> {
    memory::exits_with(Kind::Launcher as u8);
    match request(context, arguments).map_err(Failure::of_launcher)? {
        Ok(request) => enter::run(context, request).map_err(Failure::of_launcher),
        Err(code) => Ok(code),
    }
}

/// What the words ask for; an exit code where help was asked for and printed.
pub fn request(
    context: &Context,
    arguments: Vec<OsString>,
) -> Result<Result<Request, u8>, Failure> {
    match parse(context, &[OPTIONS], include_str!("../help/enter.txt"), arguments)? {
        Parsed::Run { options, program } => read(options, program).map(Ok),
        Parsed::Done(code) => Ok(Err(code)),
    }
}
