//! `nsx-inspect`: see nsx-inspect(1).

fn main() -> std::process::ExitCode {
    nsx::cli::entry::run(&nsx::cli::cmd::inspect::COMMAND)
}
