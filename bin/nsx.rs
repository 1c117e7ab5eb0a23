//! `nsx`: every command in one file; see nsx(1).

fn main() -> std::process::ExitCode {
    nsx::cli::entry::run_front()
}
