//! `nsx-who`: see nsx-who(1).
#![no_main]

nsx::entry_point!(|arguments| nsx::cli::entry::run(&nsx::cli::cmd::who::COMMAND, arguments));
