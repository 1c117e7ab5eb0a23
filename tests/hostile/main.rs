//! Containers that attack: names, files, terminals, descriptors.

#[path = "../support/mod.rs"]
mod support;

mod clean;
mod cores;
mod impersonation;
mod joiner;
mod messages;
mod names;
mod size;
mod stopped;

fn main() {
    // This program is also what some containers run.
    if std::env::var_os(size::ROLE).is_some() {
        size::many_threads();
    }
    let suites = [
        names::tests(),
        messages::tests(),
        impersonation::tests(),
        joiner::tests(),
        cores::tests(),
        stopped::tests(),
        size::tests(),
    ];
    support::run(suites.into_iter().flatten().collect());
}
