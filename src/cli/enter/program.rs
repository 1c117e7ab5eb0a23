//! Which program is started, and with what environment.

use super::request::{Request, Shell};
use super::subject::Subject;
use crate::action::launch::Program;
use crate::action::tools::{Choice, Command};
use crate::cli::context::Context;
use crate::cli::environment;
use crate::cli::error::Failure;
use crate::collect::inside;
use crate::model::namespace::Kind;
use crate::model::plan::Plan;
use crate::sys::accounts::Account;
use crate::sys::passwd::Users;
use crate::sys::root::SysRoot;
use std::ffi::OsString;

pub(super) fn choose(
    context: &Context,
    root: &SysRoot,
    request: &Request,
    subject: &Subject,
    plan: &Plan,
) -> Result<Command, Failure> {
    let account = subject.account.as_ref();
    let environment = environment(context, request, subject, plan)?;
    if request.program.is_empty() && request.shell == Shell::Preferred {
        let named = environment.iter().rev().find(|(name, _)| name == "SHELL");
        let named = named.map(|(_, shell)| shell.as_os_str());
        let users = || Users::read(root).unwrap_or_default();
        let words = vec![environment::preferred_shell(named, users)];
        return Ok(Command { words, environment, login: true });
    }
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
        of_target(context, request, subject, plan)?
    } else {
        let foreign = plan.foreign_program && !wish.whole;
        environment::for_program(context, foreign || wish.clean)
    };
    if let Some(account) = &subject.account {
        environment::set_account(&mut environment, account);
    }
    for (name, value) in &wish.more {
        environment::set(&mut environment, name, value);
    }
    Ok(environment)
}

/// What the target was started with. To a program of the host it is not given: it would say what
/// that program runs and loads, with the host's files.
fn of_target(
    context: &Context,
    request: &Request,
    subject: &Subject,
    plan: &Plan,
) -> Result<Vec<(OsString, OsString)>, Failure> {
    let standing = &request.standing;
    if subject.process.is_none() {
        // Which says so.
        return subject.environment();
    }
    let has_its_files = plan.foreign_program && request.tools.is_none();
    if has_its_files || (standing.as_target && plan.equal.has(Kind::Mnt)) {
        return subject.environment();
    }
    if standing.as_target {
        return Ok(environment::for_program(context, true));
    }
    if !request.environment.whole {
        let why =
            "--env: the program is the host's, and the target's environment could say what it runs";
        return Err(Failure::usage(why).hint("pass what it needs by --env-add, or add -m"));
    }
    let mut environment = subject.environment()?;
    environment.retain(|(name, _)| !environment::decides(name));
    environment.extend(context.variable("PATH").map(|path| ("PATH".into(), path)));
    Ok(environment)
}
