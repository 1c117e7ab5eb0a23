//! `nsx enter`: run a program in a target's namespaces.

use crate::action::enter::{self, Entry};
use crate::action::error::ActionError;
use crate::action::launch::Program;
use crate::action::supervise;
use crate::cli::context::Context;
use crate::cli::entry::Command;
use crate::cli::environment;
use crate::cli::error::Failure;
use crate::cli::options::{Parsed, definition_of, parse};
use crate::cli::output;
use crate::collect::target;
use crate::model::namespace::Kind;
use crate::model::plan::{Aim, Plan};
use crate::model::text::Text;
use crate::render::plan::dry_run;
use crate::sys::root::SysRoot;
use nix::errno::Errno;
use options::{Args, OPTIONS, read};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

mod options;
mod subject;

pub const COMMAND: Command = Command { name: "enter", run };

pub fn definition() -> clap::Command {
    definition_of(
        "enter",
        "Run a program in the namespaces of a process or container, or in one namespace",
        OPTIONS,
    )
}

fn run(context: &Context, arguments: Vec<OsString>) -> Result<u8, Failure> {
    let parsed = parse(context, OPTIONS, include_str!("../help/enter.txt"), arguments);
    match parsed.map_err(Failure::of_launcher)? {
        Parsed::Run { options, program } => read(options, program)
            .and_then(|args| enter(context, args))
            .map_err(Failure::of_launcher),
        Parsed::Done(code) => Ok(code),
    }
}

fn enter(context: &Context, args: Args) -> Result<u8, Failure> {
    let root = SysRoot::real()?;
    let target = target::resolve(&root, args.target.as_bytes())?;
    let label = subject::label(&target);
    let plan = subject::plan(&root, &target, args.wish)?;
    let command = if args.program.is_empty() { vec!["/bin/sh".into()] } else { args.program };
    let environment = if args.env {
        subject::environment(&target)?
    } else {
        environment::for_program(context, plan.foreign_program)
    };
    let program = Program::new(&command, &environment)?;
    if args.dry_run {
        output::write(&dry_run(&plan, &label, &program.name()))?;
        return Ok(0);
    }
    output::note(&context.program, subject::sandboxed(&target));
    if plan.foreign_program {
        output::note(&context.program, subject::note(&root, &target));
    }
    let target = subject::hold(target)?;
    // Nothing of ours is open from here on but the target.
    drop(root);
    let ending = enter::enter(&Entry { plan, target, program, directory: args.directory })
        .map_err(|error| failed(error, &plan, &label))?;
    Ok(supervise::end_alike(ending))
}

/// Adds what can be done about it.
fn failed(error: ActionError, plan: &Plan, label: &Text) -> Failure {
    let missing = error.exit() == 127;
    let hint = match error {
        ActionError::Join { errno: Errno::EPERM, aim, .. }
            if plan.join.has(Kind::User) || matches!(aim, Aim::Namespace(_)) =>
        {
            "run it as root"
        }
        ActionError::Join { errno: Errno::EPERM, .. } => {
            "run it as root, or add -U if the target has a user namespace of yours"
        }
        ActionError::Join { errno: Errno::ESRCH, .. } => "the target has ended",
        _ if missing && plan.foreign_program => {
            "it is looked for in the target; leave out -m to run the host's"
        }
        _ => return error.into(),
    };
    let mut failure = Failure::from(error).hint(hint);
    if missing {
        failure.message = format!("{} in {label}", failure.message);
    }
    failure
}
