//! Developer tasks: `cargo xtask TASK`. What a task does is in its own file.
#![expect(
    clippy::disallowed_methods,
    reason = "the rules keep the shipped programs safe among foreign processes; this one only \
              works on the repository and on what it started itself"
)]

mod attended;
mod bench;
mod capture;
mod check;
mod coverage;
mod debian;
mod demo;
mod dist;
mod faults;
mod fuzz;
mod r#gen;
mod install;
mod lab;
mod load;
mod many;
mod mutants;
mod needs;
mod peak;
mod peer;
mod process;
mod release;
mod run;
mod say;
mod scope;
mod test;
mod vm;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Developer tasks of nsx.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build, then show on this machine what nsx does
    Demo,
    /// Install what the tests need (as root on Debian or Ubuntu), then run everything
    Test,
    /// Containers under each runtime, to look at with nsx
    Lab(lab::Arguments),
    /// Write manual pages, completions, help texts and JSON Schemas
    Gen(r#gen::Arguments),
    /// Formatting, lints, layers, drift of generated files, licences
    Check,
    /// Compare whole commands with their peers in one run
    Bench(bench::Arguments),
    /// Try every command on a crowded host, under churn and many at a time (as root)
    Load(load::Arguments),
    /// Try inputs on every parser of foreign bytes, with libFuzzer and AddressSanitizer
    Fuzz(fuzz::Arguments),
    /// Let every system call of every command fail in turn (as root, hours)
    Faults(faults::Arguments),
    /// Which lines the tests reach, by directory; fails where they are too few
    Coverage(coverage::Arguments),
    /// Change code that decides on foreign bytes, and see whether the unit tests notice
    Mutants(mutants::Arguments),
    #[command(hide = true)]
    ManyThreads { count: usize },
    #[command(hide = true)]
    ManyProcesses { count: usize },
    #[command(hide = true)]
    ManyMounts { count: usize },
    #[command(hide = true)]
    BenchEachNetwork,
    /// Write this host, as far as nsx reads it, into a fixture root (as root)
    Capture(capture::Arguments),
    /// Unpack a newer util-linux and valgrind below /var/cache/nsx-peers (as root)
    Peer,
    /// A virtual machine with pure cgroup v2, systemd, docker and podman; no KVM needed
    Vm(vm::Arguments),
    /// Pack what is shipped into dist/: an archive, Debian packages, the list of what is linked
    Dist(dist::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Demo => demo::run(),
        Task::Test => test::run(),
        Task::Lab(arguments) => lab::run(&arguments),
        Task::Gen(arguments) => r#gen::run(&arguments),
        Task::Check => check::run(),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Load(arguments) => load::run(&arguments),
        Task::Faults(arguments) => faults::run(&arguments),
        Task::Coverage(arguments) => coverage::run(&arguments),
        Task::Mutants(arguments) => mutants::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::ManyThreads { count } => many::idle::threads(count),
        Task::ManyProcesses { count } => many::idle::processes(count),
        Task::ManyMounts { count } => many::mounts::mount(count),
        Task::BenchEachNetwork => bench::each_network(),
        Task::Capture(arguments) => capture::run(&arguments),
        Task::Vm(arguments) => match vm::run(&arguments) {
            Ok(0) => Ok(()),
            Ok(code) => return ExitCode::from(code),
            Err(error) => {
                say::note(format_args!("xtask: {error:#}"));
                return ExitCode::from(vm::FAILED);
            }
        },
        Task::Peer => peer::run(),
        Task::Dist(arguments) => dist::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say::note(format_args!("xtask: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
