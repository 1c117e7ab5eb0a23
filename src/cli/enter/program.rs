//! Which program is started, and with what environment.

use super::request::Request;
use super::subject::Subject;
use crate::action::launch::Program;
use crate::cli::context::Context;
use crate::cli::environment;
use crate::cli::error::Failure;
use crate::model::plan::Plan;

pub(super) fn choose(
    context: &Context,
    request: &Request,
    subject: &Subject,
    plan: &Plan,
) -> Result<Program, Failure> {
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
    if request.program.is_empty() {
        return Ok(Program::new(&["/bin/sh".into()], &environment)?.as_login_shell());
    }
    Ok(Program::new(&request.program, &environment)?)
}
