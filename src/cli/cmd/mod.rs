//! One file per command: resolve → collect or plan → render or act.

pub mod enter;
pub mod inspect;
pub mod ns;
pub mod pid;
pub mod ps;
pub mod spawn;
pub mod who;

use super::entry::Command;

/// Every command of the front, in the order help lists them.
pub const ALL: [&Command; 7] = [
    &ps::COMMAND,
    &ns::COMMAND,
    &inspect::COMMAND,
    &enter::COMMAND,
    &spawn::COMMAND,
    &who::COMMAND,
    &pid::COMMAND,
];
