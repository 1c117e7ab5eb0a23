//! `nsx-ps`: see nsx-ps(1).

fn main() -> std::process::ExitCode {
    nsx::cli::entry::run(&nsx::cli::cmd::ps::COMMAND)
}
