//! `nsx-pid`: see nsx-pid(1).
#![no_main]

nsx::entry_point!(|arguments| nsx::cli::entry::run(&nsx::cli::cmd::pid::COMMAND, arguments));
