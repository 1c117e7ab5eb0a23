//! `xtask bench`: whole commands against their peers, in one run and in turn. It prints ratios and
//! numbers of system calls, which travel; it asserts nothing. See nsenter(1), unshare(1), lsns(8).

mod crowd;
mod idle;
mod launch;
mod measure;
mod mounts;
mod networks;
mod nothing;
mod scale;

pub(crate) use idle::{processes, threads};
pub(crate) use mounts::mount;
pub(crate) use networks::each as each_network;
pub(crate) use scale::peak;

use crate::lab::{Lab, Runtime, docker};
use crate::workspace::{PROGRAMS, Release};
use crate::{run, say};
use anyhow::{Context, Result, bail};
use clap::Args;
use crowd::Crowd;
use measure::Row;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Also write the figures to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// How many isolated processes the large listings have
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1000,3000")]
    crowds: Vec<usize>,
    /// Only how the listings grow
    #[arg(long)]
    scale: bool,
    /// How many docker containers there are in further listings, ascending (a thousand take ten
    /// minutes)
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "50")]
    containers: Vec<usize>,
    /// Only how programs are started
    #[arg(long)]
    launchers: bool,
    /// Only how mounts are told
    #[arg(long)]
    mounts: bool,
    /// Only who owns what among so many network namespaces
    #[arg(long, value_name = "N")]
    networks: Option<usize>,
    /// In a network and a mount namespace of the bench's own already
    #[arg(long, hide = true)]
    apart: bool,
    /// Only the listings of docker containers
    #[arg(long)]
    only_containers: bool,
    /// How long to measure each pair
    #[arg(long, value_name = "SECONDS", default_value_t = 4)]
    seconds: u64,
}

const NETWORKS: usize = 500;

/// A lab of its own, so that one that is up is left alone.
const LAB: &str = "/tmp/nsx-bench";

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if !run::is_root() {
        bail!("the peers need root, and so does this");
    }
    if let Some(count) = arguments.networks.filter(|_| !arguments.apart) {
        Release::build()?;
        return networks::apart(arguments, count);
    }
    let release = if arguments.apart { Release::locate()? } else { Release::build()? };
    let installed = install(&release)?;
    let mut bench =
        Bench { installed, seconds: arguments.seconds, rows: Vec::new(), notes: Vec::new() };
    if let Some(count) = arguments.networks {
        return bench.networks(count);
    }
    if arguments.scale {
        let done = bench.scale(&arguments.crowds);
        print(&bench.rows, &bench.notes);
        return done;
    }
    if arguments.launchers {
        let done = bench.launchers();
        print(&bench.rows, &bench.notes);
        return done;
    }
    if arguments.mounts {
        let done = bench.mounts();
        print(&bench.rows, &bench.notes);
        return done;
    }
    if !arguments.only_containers {
        bench.launchers()?;
        bench.mounts()?;
        networks::apart(arguments, NETWORKS)?;
    }
    let done = if run::is_program(Path::new("/usr/bin/docker")) {
        bench
            .in_lab(|bench, lab| bench.few_containers(lab, arguments))
            .and_then(|()| bench.in_lab(|bench, lab| bench.many_containers(lab, arguments)))
    } else {
        say::note(format_args!("bench: docker is not installed: nothing is compared with it"));
        bench.crowded(arguments, None)
    };
    let done = done.and_then(|()| {
        if arguments.only_containers { Ok(()) } else { bench.scale(&arguments.crowds) }
    });
    print(&bench.rows, &bench.notes);
    if let Some(file) = &arguments.json {
        std::fs::write(file, serde_json::to_string_pretty(&bench.rows)? + "\n")?;
    }
    done
}

/// As installed programs lie in memory: what a linker has just written is read more slowly.
fn install(release: &Release) -> Result<tempfile::TempDir> {
    let directory = tempfile::tempdir().context("make a directory")?;
    for program in PROGRAMS {
        std::fs::copy(release.program(program), directory.path().join(program))?;
    }
    Ok(directory)
}

struct Bench {
    installed: tempfile::TempDir,
    seconds: u64,
    rows: Vec<Row>,
    notes: Vec<String>,
}

impl Bench {
    fn nsx(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.installed.path().join(program));
        command.args(arguments);
        command
    }

    /// What cannot be compared is said and left out.
    fn compare(&mut self, what: &str, ours: Command, peer: Command) -> Option<Row> {
        say::note(format_args!("bench: {what}: {}", run::shown(&peer)));
        match measure::compare(what, ours, peer, Duration::from_secs(self.seconds)) {
            Ok(row) => {
                self.rows.push(row.clone());
                Some(row)
            }
            Err(error) => {
                say::note(format_args!("bench: left out: {error:#}"));
                None
            }
        }
    }

    /// What was measured is not lost with what cannot be cleared away.
    fn in_lab(&mut self, measure: impl FnOnce(&mut Self, &mut Lab) -> Result<()>) -> Result<()> {
        let mut lab = Lab::create(Path::new(LAB))?;
        let measured = measure(self, &mut lab);
        let cleared = lab.down(&[Runtime::Docker]);
        measured.and(cleared)
    }

    fn few_containers(&mut self, lab: &mut Lab, arguments: &Arguments) -> Result<()> {
        lab.up_by(Runtime::Docker, docker::up_alone)?;
        docker::run_container(lab, "nsx-lab-docker-2")?;
        let ours = self.nsx("nsx-inspect", &["nsx-lab-docker", "--json"]);
        self.compare("inspect a container", ours, client(lab, &["inspect", "nsx-lab-docker"]));
        let pid =
            run::output(&mut client(lab, &["inspect", "-f", "{{.State.Pid}}", "nsx-lab-docker"]))?;
        let ours = self.nsx("nsx-inspect", &["nsx-lab-docker", "--json"]);
        self.compare("inspect a container", ours, shell_line(pid.trim()));
        let program = ["nsx-lab-docker", "/bin/busybox", "true"];
        let ours = self.nsx("nsx-enter", &[&["--as-target", "-t"], &program[..]].concat());
        let peer = client(lab, &[&["exec"], &program[..]].concat());
        self.compare("run in a container, as it", ours, peer);
        let what = "list, 2 containers";
        self.compare(what, self.nsx("nsx-ps", &[]), util_linux("lsns", &[])?);
        self.compare(what, self.nsx("nsx-ps", &[]), client(lab, &["ps"]));
        if arguments.only_containers {
            return Ok(());
        }
        self.crowded(arguments, Some(client(lab, &["ps"])))
    }

    fn many_containers(&mut self, lab: &mut Lab, arguments: &Arguments) -> Result<()> {
        lab.up_by(Runtime::Docker, docker::up_for_many)?;
        let mut running = 0;
        for &containers in &arguments.containers {
            say::note(format_args!("bench: starting {containers} containers"));
            docker::run_containers(lab, containers.saturating_sub(running))?;
            running = running.max(containers);
            let what = format!("list, {running} containers");
            self.compare(&what, self.nsx("nsx-ps", &[]), util_linux("lsns", &[])?);
            self.compare(&what, self.nsx("nsx-ps", &[]), client(lab, &["ps"]));
            let what = format!("{what}; against nsx ns");
            self.compare(&what, self.nsx("nsx-ps", &[]), self.nsx("nsx-ns", &[]));
        }
        Ok(())
    }

    fn crowded(&mut self, arguments: &Arguments, docker: Option<Command>) -> Result<()> {
        let size = arguments.crowds.first().copied().unwrap_or(1000);
        say::note(format_args!("bench: isolating {size} processes"));
        let crowd = Crowd::gather(size)?;
        let what = format!("list, {} isolated processes", crowd.len());
        self.compare(&what, self.nsx("nsx-ps", &[]), util_linux("lsns", &[])?);
        if let Some(docker) = docker {
            let what = format!("{what}; docker lists its 2 only");
            self.compare(&what, self.nsx("nsx-ps", &[]), docker);
        }
        Ok(())
    }
}

/// What one types today for a part of what inspect tells.
fn shell_line(pid: &str) -> Command {
    let mut line = Command::new("sh");
    line.arg("-c").arg(format!(
        "nsenter -t {pid} -n ip -j addr; findmnt -N {pid} -J; nsenter -t {pid} -u hostname"
    ));
    line
}

fn client(lab: &Lab, arguments: &[&str]) -> Command {
    let mut client = docker::client(lab);
    client.args(arguments);
    client
}

fn util_linux(name: &str, arguments: &[&str]) -> Result<Command> {
    let program = run::find(name).with_context(|| format!("{name} is not installed"))?;
    let mut command = run::plain(program);
    command.args(arguments);
    Ok(command)
}

fn print(rows: &[Row], notes: &[String]) {
    let version = run::output(run::plain("nsenter").arg("--version")).unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let locale = std::env::var("LC_ALL").or_else(|_| std::env::var("LANG")).unwrap_or_default();
    say::line(format_args!(
        "Linux {}; {version}; locale {locale}; wall time, started in turn.\n",
        kernel.trim()
    ));
    say::line(format_args!("| what | nsx | peer | ratio | 5–95 % | system calls |"));
    say::line(format_args!("|---|---|---|---|---|---|"));
    for row in rows {
        let calls = match row.system_calls {
            Some((ours, peer)) => format!("{ours} : {peer}"),
            None => "-".to_owned(),
        };
        say::line(format_args!(
            "| {} | `{}` | `{}` | {:.2} | {:.2}–{:.2} | {calls} |",
            row.what, row.ours, row.peer, row.ratio_median, row.ratio_p5, row.ratio_p95
        ));
    }
    for note in notes {
        say::line(format_args!("{note}"));
    }
}
