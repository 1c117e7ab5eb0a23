//! Which program is started, and with what environment.

use super::host::Host;
use super::request::{Manner, Request};
use crate::action::launch::Program;
use crate::cli::context::Context;
use crate::cli::environment;
use crate::cli::error::Failure;
use crate::sys::accounts::Account;
use crate::sys::passwd::Users;
use std::ffi::OsString;

pub(super) fn choose(
    context: &Context,
    host: &Host,
    request: &Request,
    account: Option<&Account>,
) -> Result<Program, Failure> {
    let environment = environment(context, request, account);
    if !request.program.is_empty() {
        return Ok(Program::new(&request.program, &environment)?);
    }
    match request.manner {
        Manner::Nsx => Ok(Program::new(&["/bin/sh".into()], &environment)?),
        Manner::Unshare => {
            let named = context.variable("SHELL");
            let users = || host.root().and_then(Users::read).unwrap_or_default();
            let shell = environment::preferred_shell(named.as_deref(), users);
            Ok(Program::new(&[shell], &environment)?.as_login_shell())
        }
    }
}

fn environment(
    context: &Context,
    request: &Request,
    account: Option<&Account>,
) -> Vec<(OsString, OsString)> {
    // A program of the host's is told everything.
    let foreign = request.is_foreign() && request.manner == Manner::Nsx;
    let mut environment = environment::for_program(context, foreign);
    if let Some(only) = &request.environment.only {
        environment = context.environment();
        environment.retain(|(name, _)| only.contains(name));
    }
    if let Some(account) = account {
        environment::set_account(&mut environment, account);
    }
    for (name, value) in &request.environment.more {
        environment::set(&mut environment, name, value);
    }
    environment
}
