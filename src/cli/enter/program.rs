//! Which program is started, and with what environment.

use super::request::Request;
use super::subject::Subject;
use crate::action::launch::Program;
use crate::action::tools::{Choice, Command};
use crate::cli::context::Context;
use crate::cli::environment;
use crate::cli::error::Failure;
use crate::collect::inside;
use crate::model::plan::Plan;
use crate::sys::accounts::Account;
use std::ffi::{OsStr, OsString};

pub(super) fn choose(
    context: &Context,
    request: &Request,
    subject: &Subject,
    plan: &Plan,
) -> Result<Command, Failure> {
    let account = subject.account.as_ref();
    let environment = environment(context, request, subject, plan)?;
    let command = |words, login| Command { words, environment, login };
    if !request.program.is_empty() {
        return Ok(command(request.program.clone(), false));
    }
    let shell = match &request.tools {
        // The target's, if it has one, else the host's.
        Some(Choice::Inside) => return Ok(command(vec!["sh".into()], false)),
        Some(Choice::Beside(_)) => None,
        None if plan.foreign_program => shell_inside(subject, account),
        None => context.variable("SHELL"),
    };
    let shell = shell.filter(|shell| !shell.is_empty()).unwrap_or_else(|| "/bin/sh".into());
    Ok(command(vec![shell], true))
}

/// As exec takes it.
pub(super) fn prepare(command: &Command) -> Result<Program, Failure> {
    let program = Program::new(&command.words, &command.environment)?;
    Ok(if command.login { program.as_login_shell() } else { program })
}

/// Of who the program is to be, by the target's own list of users.
fn shell_inside(subject: &Subject, account: Option<&Account>) -> Option<OsString> {
    match (account, &subject.process) {
        (Some(account), _) => account.shell.clone(),
        (None, Some(process)) => inside::account(&process.handle, b"0").ok()?.shell,
        (None, None) => None,
    }
}

fn environment(
    context: &Context,
    request: &Request,
    subject: &Subject,
    plan: &Plan,
) -> Result<Vec<(OsString, OsString)>, Failure> {
    let wish = &request.environment;
    let mut environment = if wish.of_target {
        subject.environment()?
    } else {
        environment::for_program(context, plan.foreign_program || wish.clean)
    };
    if let Some(home) = subject.account.as_ref().and_then(|account| account.home.as_ref()) {
        set(&mut environment, OsStr::new("HOME"), home);
    }
    for (name, value) in &wish.more {
        set(&mut environment, name, value);
    }
    Ok(environment)
}

fn set(environment: &mut Vec<(OsString, OsString)>, name: &OsStr, value: &OsStr) {
    environment.retain(|(known, _)| known != name);
    environment.push((name.to_owned(), value.to_owned()));
}
