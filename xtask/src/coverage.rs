//! `xtask coverage`: which lines the tests reach, by directory; a failure where they are too few.
//!
//! The compiler counts (`-C instrument-coverage`), and LLVM's tools of the same toolchain put the
//! counts together. They are kept in files that the processes of a program map (`%c`), so that what
//! was killed or became another program has left its counts, too. Not counted is what runs before
//! the C library is there, and what a program ran after its environment was taken from it.

mod lines;

use crate::workspace::{cargo, root, target};
use crate::{install, run, say};
use anyhow::{Context, Result, bail};
use clap::Args;
use lines::Reached;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Without the suites that need root: unit tests and the command line on fixture hosts
    #[arg(long)]
    quick: bool,
    /// With the suite that compares with other programs, too
    #[arg(long, conflicts_with = "quick")]
    interop: bool,
    /// Name the lines that nothing reaches in files whose path contains this
    #[arg(long, value_name = "PATH")]
    missed: Option<String>,
    /// Options for the programs of the suites: a filter, --skip
    #[arg(last = true)]
    suite_options: Vec<String>,
}

/// So many lines of a hundred must be reached.
const PARSERS: f64 = 95.0;
const ALL: f64 = 85.0;

/// One file for each program (`%m`), which all its processes map (`%c`).
const COUNTS: &str = "%c%m.profraw";

/// What the counting itself would fail: a program opens and locks a file when it starts, which takes
/// calls, lets one that is stopped there stop others, and leaves a mark in the environment.
const UNFIT: [&str; 6] = [
    "at any call",
    "faults: ",
    "cost, a program in a pid namespace takes few system calls",
    "nothing is written, and what is inside is opened as a place first",
    "the environment is the caller's choice",
    "a program of the host keeps our environment",
];

/// Only what is ours is counted; counters are found through a base that is set at a program's start.
const WRAPPER: &str = "#!/bin/sh\n\
    exec \"$@\" -Cinstrument-coverage -Cllvm-args=-runtime-counter-relocation\n";

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let tools = Tools::find()?;
    let place = target()?.join("coverage");
    let counts = place.join("counts");
    match std::fs::remove_dir_all(&counts) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
        _ => std::fs::create_dir_all(&counts)?,
    }
    let wrapper = place.join("rustc");
    std::fs::write(&wrapper, WRAPPER)?;
    std::fs::set_permissions(&wrapper, Permissions::from_mode(0o755))?;

    let mut suites = vec!["--lib", "--test=cli"];
    if !arguments.quick {
        install::needs(true)?;
        suites.extend(["--test=root", "--test=hostile"]);
    }
    if arguments.interop {
        suites.push("--test=interop");
    }
    let test = || {
        let mut test = cargo();
        test.args(["test", "--package=nsx", "--no-fail-fast"])
            .args(&suites)
            .env("RUSTC_WORKSPACE_WRAPPER", &wrapper)
            .env("LLVM_PROFILE_FILE", counts.join(COUNTS));
        test
    };
    let programs = built(test().args(["--no-run", "--message-format=json"]))?;
    for program in &programs {
        make_counts(program, &counts)?;
    }
    let mut tests = test();
    tests.arg("--").args(UNFIT.iter().flat_map(|name| ["--skip", name]));
    let outcome = run::visibly(tests.args(&arguments.suite_options));
    let counted = tools.counted(&place, &counts, &programs)?;
    let reached = Reached::read(root(), &counted)?;
    say::line(format_args!("{reached}"));
    if let Some(part) = &arguments.missed {
        say::line(format_args!("{}", reached.missed(part)));
    }
    outcome.context("the suites; the figures are of what they came to")?;
    // Parsers need no root.
    reached.suffices(PARSERS, if arguments.quick { 0.0 } else { ALL })
}

/// Makes the file of a program's counts, for those, too, who run it as another user.
fn make_counts(program: &Path, counts: &Path) -> Result<()> {
    let mut help = Command::new(program);
    help.arg("--help").env("LLVM_PROFILE_FILE", counts.join(COUNTS));
    run::output(&mut help)?;
    for file in std::fs::read_dir(counts)? {
        std::fs::set_permissions(file?.path(), Permissions::from_mode(0o666))?;
    }
    Ok(())
}

/// The programs that cargo builds.
fn built(build: &mut Command) -> Result<Vec<PathBuf>> {
    say::note(format_args!("+ {}", run::shown(build)));
    let done = build.stderr(Stdio::inherit()).output().context("cannot start cargo")?;
    if !done.status.success() {
        bail!("the programs are not built: {}", done.status);
    }
    let messages = String::from_utf8_lossy(&done.stdout);
    let program = |message: &str| {
        let message: serde_json::Value = serde_json::from_str(message).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    };
    Ok(messages.lines().filter_map(program).collect())
}

/// LLVM's, of the version that the compiler was made with.
#[derive(Debug)]
struct Tools {
    profdata: PathBuf,
    cov: PathBuf,
}

impl Tools {
    fn find() -> Result<Self> {
        let libraries = run::output(Command::new("rustc").args(["--print", "target-libdir"]))?;
        let place = Path::new(&libraries).with_file_name("bin");
        let tools = Self { profdata: place.join("llvm-profdata"), cov: place.join("llvm-cov") };
        if !run::is_program(&tools.profdata) || !run::is_program(&tools.cov) {
            bail!("LLVM's tools are not installed: rustup component add llvm-tools");
        }
        Ok(tools)
    }

    /// The counts of all programs, in the format of lcov.
    fn counted(&self, place: &Path, counts: &Path, programs: &[PathBuf]) -> Result<String> {
        let merged = place.join("merged.profdata");
        let mut merge = Command::new(&self.profdata);
        // A program that was killed while it made its file has left a part of one.
        merge.args(["merge", "--sparse", "--failure-mode=all", "--output"]).arg(&merged);
        run::output(merge.arg(counts))?;
        let mut export = Command::new(&self.cov);
        export.args(["export", "--format=lcov", "--skip-functions"]);
        export.arg(format!("--instr-profile={}", merged.display()));
        for program in programs {
            export.arg("--object").arg(program);
        }
        run::output(export.arg("--sources").arg(root().join("src")))
    }
}
