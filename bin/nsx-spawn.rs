//! `nsx-spawn`: see nsx-spawn(1).

fn main() -> std::process::ExitCode {
    nsx::cli::entry::run(&nsx::cli::cmd::spawn::COMMAND)
}
