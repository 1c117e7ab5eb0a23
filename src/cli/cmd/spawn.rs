//! `nsx spawn`: run a program in new namespaces.

use crate::action::error::ActionError;
use crate::action::launch::Program;
use crate::action::spawn::{self, Isolation};
use crate::action::supervise::end_alike;
use crate::cli::context::Context;
use crate::cli::entry::Command;
use crate::cli::error::Failure;
use crate::cli::options::{Parsed, definition_of, parse};
use crate::collect::memory_site::memory_site;
use crate::model::namespace::Kind;
use crate::sys::root::SysRoot;
use options::{Args, OPTIONS, read};
use std::ffi::OsString;

mod options;

pub const COMMAND: Command = Command { name: "spawn", run };

pub fn definition() -> clap::Command {
    definition_of("spawn", "Run a program in new namespaces, and leave nothing behind", OPTIONS)
}

fn run(context: &Context, arguments: Vec<OsString>) -> Result<u8, Failure> {
    let parsed = parse(context, OPTIONS, include_str!("../help/spawn.txt"), arguments);
    match parsed.map_err(Failure::of_launcher)? {
        Parsed::Run { options, program } => read(options, program)
            .and_then(|args| spawn(context, args))
            .map_err(Failure::of_launcher),
        Parsed::Done(code) => Ok(code),
    }
}

fn spawn(context: &Context, args: Args) -> Result<u8, Failure> {
    let command = if args.program.is_empty() { vec!["/bin/sh".into()] } else { args.program };
    let memory = match args.memory_bytes {
        Some(bytes) => Some((bytes, memory_site(&SysRoot::real()?)?)),
        None => None,
    };
    let ids = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let isolation = Isolation {
        new: args.new,
        hostname: args.hostname,
        map_root: args.new.has(Kind::User).then_some(ids),
        memory,
        program: Program::new(&command, &context.environment())?,
    };
    match spawn::spawn(&isolation) {
        Ok(ending) => Ok(end_alike(ending)),
        Err(error) if is_forbidden(&error) && !args.new.has(Kind::User) => {
            Err(Failure::from(error)
                .hint("run it as root, or add --newuser to be root inside only"))
        }
        Err(error) => Err(error.into()),
    }
}

fn is_forbidden(error: &ActionError) -> bool {
    matches!(error, ActionError::System(error) if error.errno() == Some(nix::errno::Errno::EPERM))
}
