//! `nsx`: every command in one file; see nsx(1).
#![no_main]

nsx::early_seal!();
nsx::entry_point!(nsx::cli::entry::run_front);
