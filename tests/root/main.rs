//! Commands on processes that the suite isolates itself; as root.

#[path = "../support/mod.rs"]
mod support;

mod descriptors;
mod enter;
mod environment;
mod memory;
mod output;
mod privileges;
mod protection;
mod races;
mod signals;
mod spawn;
mod targets;
mod terminal;
mod users;

fn main() {
    let suites = [
        targets::tests(),
        races::tests(),
        enter::tests(),
        descriptors::tests(),
        environment::tests(),
        users::tests(),
        protection::tests(),
        signals::tests(),
        spawn::tests(),
        memory::tests(),
        privileges::tests(),
        terminal::tests(),
        output::tests(),
    ];
    support::run(suites.into_iter().flatten().collect());
}
