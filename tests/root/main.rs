//! Commands on processes that the suite isolates itself; as root.

#[path = "../support/mod.rs"]
mod support;

fn main() {
    support::run(Vec::new());
}
