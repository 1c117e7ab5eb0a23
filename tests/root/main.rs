//! Commands on processes that the suite isolates itself; as root.
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

mod as_target;
mod census;
mod descriptors;
mod dns;
mod enter;
mod environment;
mod groups;
mod inspection;
mod jobs;
mod life;
mod limits;
mod listings;
mod memory;
mod named;
mod named_hidden;
mod named_records;
mod namespaces;
mod output;
mod pids;
mod place;
mod privileges;
mod profiles;
mod protection;
mod races;
mod restrict;
mod rootfs;
mod rootfs_layers;
mod seats;
mod seccomp;
mod signals;
mod sources;
mod spawn;
mod spawn_advice;
mod spawn_cost;
mod spawn_net;
mod spawn_terminal;
mod stranger;
mod targets;
mod terminal;
mod tools;
mod unready;
mod users;
mod who;
mod who_files;
mod who_networks;
mod who_peers;
mod who_ports;

fn main() {
    support::cost::act();
    if std::env::var_os(census::ROLE).is_some() {
        census::play_role();
    }
    if std::env::var_os(inspection::ROLE).is_some() {
        inspection::play_role();
    }
    if let Ok(told) = std::env::var(who_ports::ROLE) {
        who_ports::play_role(&told);
    }
    let suites = [
        targets::tests(),
        namespaces::tests(),
        census::tests(),
        races::tests(),
        enter::tests(),
        sources::tests(),
        place::tests(),
        life::tests(),
        descriptors::tests(),
        environment::tests(),
        unready::tests(),
        users::tests(),
        who_files::tests(),
        who::tests(),
        who_networks::tests(),
        as_target::tests(),
        seats::tests(),
        protection::tests(),
        seccomp::tests(),
        signals::tests(),
        spawn::tests(),
        spawn_advice::tests(),
        spawn_cost::tests(),
        rootfs::tests(),
        rootfs_layers::tests(),
        named::tests(),
        named_hidden::tests(),
        named_records::tests(),
        stranger::tests(),
        pids::tests(),
        spawn_net::tests(),
        spawn_terminal::tests(),
        restrict::tests(),
        profiles::tests(),
        memory::tests(),
        groups::tests(),
        privileges::tests(),
        terminal::tests(),
        tools::tests(),
        dns::tests(),
        jobs::tests(),
        limits::tests(),
        listings::tests(),
        output::tests(),
        inspection::tests(),
        who_peers::tests(),
        who_ports::tests(),
    ];
    support::run(suites.into_iter().flatten().collect());
}
