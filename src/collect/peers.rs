//! Whom a target talks to: its sockets, and those of every other network namespace that are joined
//! to them.

mod around;
mod matching;
mod rows;
mod unix;
