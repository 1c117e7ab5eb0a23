//! `nsx-inspect`: see nsx-inspect(1).
#![no_main]

nsx::entry_point!(|arguments| nsx::cli::entry::run(&nsx::cli::cmd::inspect::COMMAND, arguments));
