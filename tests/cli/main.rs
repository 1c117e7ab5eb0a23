//! The contract of the command line, on captured hosts: stdout, stderr and exit code.

#[path = "../support/mod.rs"]
mod support;

fn main() {
    support::run(Vec::new());
}
