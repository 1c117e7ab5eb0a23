//! `nsx spawn`: run a program in new namespaces.

use crate::cli::context::Context;
use crate::cli::entry::Command;
use crate::cli::error::{Failure, Kind};
use crate::cli::options::{Parsed, definition_of, parse};
use crate::cli::spawn;
use crate::cli::spawn::request::Request;
use crate::sys::raw::memory;
use options::{OPTIONS, read};
use std::ffi::OsString;

mod options;

/// As it is entered in the list of commands.
pub const COMMAND: Command = Command { name: "spawn", run };

/// For manual, completions and help: the options are tables, which clap does not parse.
pub fn definition() -> clap::Command {
    definition_of("spawn", "Run a program in new namespaces, and leave nothing behind", OPTIONS)
}

/// Of `--report=json`, and of a line on `--status-fd`.
#[cfg(feature = "schema")]
pub fn schemas() -> [(&'static str, schemars::Schema); 2] {
    [
        ("nsx.report.1", schemars::schema_for!(crate::render::report::Document<'_>)),
        ("nsx.spawn-event.1", schemars::schema_for!(crate::model::spawned::Event<'_>)),
    ]
}

fn run(context: &Context, arguments: Vec<OsString>) -> Result<u8, Failure> {
    memory::exits_with(Kind::Launcher as u8);
    // Without a program there are no codes of one in the way.
    let ends_one = options::ends_one(&arguments);
    let request = request(context, arguments).map_err(|failure| {
        let failure = failure.or_hint("see `nsx spawn --help`");
        if ends_one { failure } else { failure.of_launcher() }
    });
    match request? {
        Ok(request) => spawn::run(context, request),
        Err(code) => Ok(code),
    }
}

/// What the words ask for; an exit code where help was asked for and printed.
pub fn request(
    context: &Context,
    arguments: Vec<OsString>,
) -> Result<Result<Request, u8>, Failure> {
    match parse(context, OPTIONS, include_str!("../help/spawn.txt"), arguments)? {
        Parsed::Run { options, program } => read(options, program).map(Ok),
        Parsed::Done(code) => Ok(Err(code)),
    }
}
