//! The contract of the command line on fixture hosts: stdout, stderr and exit code in one.
//!
//! They are below `tests/fixtures/roots`: some composed by hand in the formats of the kernel and
//! the engines (a pure v2 host with docker, one with many runtimes, one whose names attack), others
//! captured from real hosts.

#[path = "../support/mod.rs"]
mod support;

mod binaries;
mod captured;
mod contract;
mod damaged;
mod hostile;
mod lsns;
mod nsenter;
mod schema;
mod targets;
mod unshare;
mod usage;
mod who;

use std::process::Output;

/// A fixture's directory.
fn fixture(name: &str) -> String {
    format!("{}/tests/fixtures/roots/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// `nsx ARGUMENTS` on a fixture.
fn on(name: &str, arguments: &[&str]) -> Output {
    let mut command = support::nsx(arguments);
    support::output(command.args(["--sysroot", &fixture(name)]))
}

/// All that a caller sees, as one text.
fn seen(output: &Output) -> String {
    let code = output.status.code().map_or("signal".to_owned(), |code| code.to_string());
    format!("{}--- stderr\n{}--- exit {code}\n", support::stdout(output), support::stderr(output))
}
