//! Talks: arguments in, results and errors out, exit codes.

pub mod args;
pub mod cmd;
pub mod compat;
pub mod context;
pub mod enter;
pub mod entry;
pub mod environment;
pub mod error;
pub mod list;
pub mod options;
pub mod output;
pub mod spawn;
pub mod values;

/// The whole command line, for man pages, completions and help texts.
pub fn definition() -> clap::Command {
    clap::Command::new("nsx")
        .version(env!("CARGO_PKG_VERSION"))
        .about(env!("CARGO_PKG_DESCRIPTION"))
        .subcommand_required(true)
        .subcommand(cmd::ps::definition())
        .subcommand(cmd::ns::definition())
        .subcommand(cmd::inspect::definition())
        .subcommand(cmd::enter::definition())
        .subcommand(cmd::spawn::definition())
        .subcommand(cmd::who::definition())
        .subcommand(cmd::pid::definition())
}

/// The JSON Schema of each command's output.
#[cfg(feature = "schema")]
pub fn schemas() -> Vec<(&'static str, schemars::Schema)> {
    let mut schemas =
        vec![("nsx.inspect.1", cmd::inspect::schema()), ("nsx.ns.1", cmd::ns::schema())];
    schemas.extend(cmd::ps::schemas());
    schemas.extend(cmd::spawn::schemas());
    schemas.push(("nsx.who.1", cmd::who::schema()));
    schemas.push(("nsx.peers.1", cmd::who::peers::schema()));
    schemas.push(("nsx.pid.1", cmd::pid::schema()));
    schemas
}
