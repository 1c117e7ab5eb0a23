//! `nsx-ns`: see nsx-ns(1).
#![no_main]

nsx::entry_point!(|arguments| nsx::cli::entry::run(&nsx::cli::cmd::ns::COMMAND, arguments));
