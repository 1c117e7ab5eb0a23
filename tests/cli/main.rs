//! The contract of the command line on captured hosts: stdout, stderr and exit code in one.
//!
//! The captures are below `tests/fixtures/roots`: a pure v2 host with docker, one with many
//! runtimes, one whose names attack.

#[path = "../support/mod.rs"]
mod support;

mod binaries;
mod contract;
mod hostile;
mod schema;
mod usage;

use std::process::Output;

/// A capture's directory.
fn capture(name: &str) -> String {
    format!("{}/tests/fixtures/roots/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// `nsx ARGUMENTS` on a capture.
fn on(name: &str, arguments: &[&str]) -> Output {
    let mut command = support::nsx(arguments);
    support::output(command.args(["--sysroot", &capture(name)]))
}

/// All that a caller sees, as one text.
fn seen(output: &Output) -> String {
    let code = output.status.code().map_or("signal".to_owned(), |code| code.to_string());
    format!("{}--- stderr\n{}--- exit {code}\n", support::stdout(output), support::stderr(output))
}
