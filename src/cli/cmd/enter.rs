//! `nsx enter`: run a program in a target's namespaces.

use crate::cli::context::Context;
use crate::cli::enter;
use crate::cli::entry::Command;
use crate::cli::error::Failure;
use crate::cli::options::{Parsed, definition_of, parse};
use options::read;
use std::ffi::OsString;
use table::OPTIONS;

mod options;
mod table;

pub const COMMAND: Command = Command { name: "enter", run };

pub fn definition() -> clap::Command {
    definition_of(
        "enter",
        "Run a program in the namespaces of a process or container, or in one namespace",
        &[OPTIONS],
    )
}

fn run(context: &Context, arguments: Vec<OsString>) -> Result<u8, Failure> {
    let parsed = parse(context, &[OPTIONS], include_str!("../help/enter.txt"), arguments);
    match parsed.map_err(Failure::of_launcher)? {
        Parsed::Run { options, program } => read(options, program)
            .and_then(|request| enter::run(context, request))
            .map_err(Failure::of_launcher),
        Parsed::Done(code) => Ok(code),
    }
}
