//! Which program is started, and with what environment.

use super::request::Request;
use super::subject::Subject;
use crate::action::launch::Program;
use crate::action::tools::{Choice, Command};
use crate::cli::context::Context;
use crate::cli::environment;
use crate::cli::error::Failure;
use crate::model::plan::Plan;

pub(super) fn choose(
    context: &Context,
    request: &Request,
    subject: &Subject,
    plan: &Plan,
) -> Result<Command, Failure> {
    let wish = &request.environment;
    let mut environment = if wish.of_target {
        subject.environment()?
    } else {
        environment::for_program(context, plan.foreign_program || wish.clean)
    };
    for (name, value) in &wish.more {
        environment.retain(|(known, _)| known != name);
        environment.push((name.clone(), value.clone()));
    }
    let words = match (request.program.as_slice(), &request.tools) {
        // The target's, if it has one, else the host's.
        ([], Some(Choice::Inside)) => vec!["sh".into()],
        ([], _) => vec!["/bin/sh".into()],
        (words, _) => words.to_vec(),
    };
    Ok(Command { words, environment })
}

/// As exec takes it.
pub(super) fn prepare(request: &Request, command: &Command) -> Result<Program, Failure> {
    let program = Program::new(&command.words, &command.environment)?;
    let is_login_shell = request.program.is_empty() && request.tools != Some(Choice::Inside);
    Ok(if is_login_shell { program.as_login_shell() } else { program })
}
