//! Containers that attack: names, files, terminals, descriptors.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    unreachable_pub,
    missing_debug_implementations,
    reason = "a program of tests, in which all of it is test"
)]

#[path = "../support/mod.rs"]
mod support;

mod boundaries;
mod clean;
mod cores;
mod faults;
mod hangs;
mod impersonation;
mod joiner;
mod leaks;
mod messages;
mod names;
mod overwrite;
mod planted;
mod poor;
mod pretenders;
mod rooted;
mod rootfs;
mod rootfs_faults;
mod size;
mod state_files;
mod stopped;
mod terminal;

fn main() {
    // This program is also what some containers run.
    if std::env::var_os(size::ROLE).is_some() {
        size::many_threads();
    }
    boundaries::act();
    faults::act();
    support::cost::act();
    let suites = [
        names::tests(),
        messages::tests(),
        impersonation::tests(),
        pretenders::tests(),
        boundaries::tests(),
        joiner::tests(),
        overwrite::tests(),
        leaks::tests(),
        planted::tests(),
        rootfs::tests(),
        cores::tests(),
        terminal::tests(),
        stopped::tests(),
        size::tests(),
        hangs::tests(),
        state_files::tests(),
        faults::tests(),
        poor::tests(),
        rootfs_faults::tests(),
    ];
    support::run(suites.into_iter().flatten().collect());
}
