//! `nsx-enter`: see nsx-enter(1).

fn main() -> std::process::ExitCode {
    nsx::cli::entry::run(&nsx::cli::cmd::enter::COMMAND)
}
