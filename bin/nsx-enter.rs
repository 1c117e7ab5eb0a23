//! `nsx-enter`: see nsx-enter(1).
#![no_main]

nsx::early_seal!();
nsx::entry_point!(|arguments| nsx::cli::entry::run(&nsx::cli::cmd::enter::COMMAND, arguments));
