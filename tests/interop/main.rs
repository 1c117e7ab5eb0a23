//! The same question to nsx and to the reference tools and engines.

#[path = "../support/mod.rs"]
mod support;

fn main() {
    support::run(Vec::new());
}
