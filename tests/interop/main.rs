//! The same question to nsx and to the reference tools and engines.

#![allow(unreachable_pub, reason = "what a module gives to the others reads the same everywhere")]
// Support is clippy's notion of a test, for which clippy.toml allows these; a suite with a main
// of its own is not.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::disallowed_methods, reason = "a test reads and waits as it likes")]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod census;
mod checks;
mod clues;
mod compare;
mod docker;
mod entered;
mod held;
mod lab;
mod lsns;
mod machine;
mod mounts;
mod network;
mod nsenter;
mod runc;
mod runtimes;
mod scene;
mod sections;
mod unshare;
mod who;

fn main() {
    let mut tests = compare::tests();
    tests.extend(network::tests());
    tests.extend(census::tests());
    tests.extend(mounts::tests());
    tests.extend(held::tests());
    tests.extend(lsns::tests());
    tests.extend(nsenter::tests());
    tests.extend(unshare::tests());
    tests.extend(scene::tests());
    tests.extend(runtimes::tests());
    support::run(tests);
}
