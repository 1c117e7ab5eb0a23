//! Containers that attack: names, files, terminals, descriptors.

#[path = "../support/mod.rs"]
mod support;

fn main() {
    support::run(Vec::new());
}
