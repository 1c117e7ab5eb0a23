//! `nsx-spawn`: see nsx-spawn(1).
#![no_main]

nsx::early_seal!();
nsx::entry_point!(|arguments| nsx::cli::entry::run(&nsx::cli::cmd::spawn::COMMAND, arguments));
