//! `nsx-ps`: see nsx-ps(1).
#![no_main]

nsx::entry_point!(|arguments| nsx::cli::entry::run(&nsx::cli::cmd::ps::COMMAND, arguments));
