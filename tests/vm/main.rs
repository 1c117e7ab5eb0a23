//! What nsx says on a host with pure cgroup v2, systemd and real engines: in the project's virtual
//! machine (`cargo xtask vm test`), nowhere else.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a program of tests, in which all of it is test"
)]

#[path = "../support/mod.rs"]
mod support;

mod cgroups;
mod compare;
mod confinement;
mod containers;
mod enter;
mod host;
mod limits;
mod truth;
mod who;

fn main() {
    let mut tests = host::tests();
    tests.extend(cgroups::tests());
    tests.extend(confinement::tests());
    tests.extend(enter::tests());
    tests.extend(limits::tests());
    tests.extend(who::tests());
    support::run(tests);
}
