//! `xtask vm`: a machine that this one is not: pure cgroup v2 with every controller and pressure,
//! systemd as PID 1, docker and podman as Debian ships them. QEMU emulates it, so no KVM is needed.
//!
//! `image.rs` makes the disk, `machine.rs` boots it, `guest/` is what runs inside.

mod image;
mod machine;
mod programs;

use crate::attended::Attention;
use crate::{install, run};
use anyhow::{Result, bail};
pub(crate) use machine::FAILED;
use machine::Job;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What cannot be done without.
const NEEDED: [&str; 5] = ["qemu-system-x86_64", "mmdebstrap", "mke2fs", "depmod", "tar"];

/// Far more than the suite takes on two busy cores.
const SUITE_LIMIT: Duration = Duration::from_mins(15);

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make the image below target/vm, unless this one is there
    Build,
    /// Run a command in it as root; its exit code is ours (124: time limit, 125: the machine failed)
    ///
    /// The programs and, as nsx-test-NAME, the suites of this checkout are in its PATH. They are
    /// what cargo builds for tests, or the programs in $NSX_TEST_BIN_DIR.
    Run {
        #[command(flatten)]
        kernel: Kernel,
        /// Seconds until it is switched off.
        #[arg(long, default_value_t = 300)]
        limit: u64,
        /// The suites to take along; by default all that run there.
        #[arg(long, value_name = "LIST", value_delimiter = ',', default_values = programs::SUITES)]
        suites: Vec<String>,
        /// Where files that the command leaves in $NSX_VM_RESULTS are put.
        #[arg(long, value_name = "DIR")]
        results: Option<PathBuf>,
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
    /// Run the suite tests/vm in it
    Test {
        #[command(flatten)]
        kernel: Kernel,
        /// Only the tests with this in their name.
        filter: Option<String>,
    },
}

#[derive(Debug, clap::Args)]
struct Kernel {
    /// The version that it boots.
    #[arg(long, default_value = image::KERNEL_NAMES[0], value_parser = image::KERNEL_NAMES)]
    kernel: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<u8> {
    install::only(&NEEDED)?;
    let given = std::env::var_os("NSX_TEST_BIN_DIR").map(PathBuf::from);
    match &arguments.what {
        What::Build => image::get(&Attention::hold()?).map(|_| 0),
        What::Run { kernel, limit, suites, results, command } => {
            let programs = programs::all(given.as_deref(), suites)?;
            let job = Job {
                kernel: &kernel.kernel,
                programs: &programs,
                command,
                environment: &[],
                limit: Duration::from_secs(*limit),
                results: results.as_deref(),
            };
            boot(&job)
        }
        What::Test { kernel, filter } => test(given.as_deref(), &kernel.kernel, filter.as_deref()),
    }
}

/// Why it cannot be had here.
pub(crate) fn obstacle() -> Option<String> {
    let missing: Vec<_> =
        NEEDED.into_iter().filter(|program| run::find(program).is_none()).collect();
    if !missing.is_empty() {
        return Some(format!("missing: {}", missing.join(", ")));
    }
    if !cfg!(target_arch = "x86_64") {
        return Some("the programs are not those of an x86-64 machine".to_owned());
    }
    (!run::is_root()).then(|| "its image is made as root".to_owned())
}

/// What the root suite has to do with networks, whose kinds of interfaces this machine's kernel may
/// lack; in a scope, since a service is somebody already; without those that need a Python.
const NETWORKS: &str = "systemd-run --scope --quiet nsx-test-root 'who: ' \
    --skip 'a tap leads' --skip 'a thread and a child'";

/// The whole suite, which must pass, with programs built before; and on newer kernels what needs no
/// engine.
pub(crate) fn suite(programs: Option<&Path>) -> Result<()> {
    let [usual, newer @ ..] = image::KERNEL_NAMES;
    let newer = newer.map(|kernel| (kernel, Some("service")));
    for (kernel, filter) in std::iter::once((usual, None)).chain(newer) {
        let code = test(programs, kernel, filter)?;
        if code != 0 {
            bail!("Linux {kernel}: exit code {code}");
        }
    }
    Ok(())
}

fn test(given: Option<&Path>, kernel: &str, filter: Option<&str>) -> Result<u8> {
    let programs = programs::all(given, &["vm".to_owned(), "root".to_owned()])?;
    // Nothing is ignored here.
    let mut command = vec!["nsx-test-vm".to_owned(), "--include-ignored".to_owned()];
    match filter {
        Some(filter) => command.push(filter.to_owned()),
        None => {
            let line = format!("{} && {NETWORKS}", command.join(" "));
            command = ["sh", "-c", &line].map(str::to_owned).to_vec();
        }
    }
    let job = Job {
        kernel,
        programs: &programs,
        command: &command,
        environment: &[("NSX_TEST_STRICT", "1")],
        limit: SUITE_LIMIT,
        results: None,
    };
    boot(&job)
}

fn boot(job: &Job<'_>) -> Result<u8> {
    let attention = Attention::hold()?;
    let image = image::get(&attention)?;
    machine::boot(&attention, &image, job)
}
