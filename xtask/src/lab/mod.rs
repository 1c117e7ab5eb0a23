//! `xtask lab`: a container under each runtime, to look at with nsx.
//!
//! Everything lies below one directory. What the runtimes insist on making elsewhere is known to
//! `traces`; `down` removes what was not there before, also after a crash.

pub(crate) mod docker;
mod mounts;
mod record;
mod rootfs;
mod runc;
mod traces;

pub(crate) use traces::cgroups_named;

use crate::process::Started;
use crate::{run, say};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use record::Record;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
    /// Where everything is kept; short, because the engines put sockets into it
    #[arg(long, global = true, value_name = "DIR", default_value = "/tmp/nsx-lab")]
    dir: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Start a container under each runtime
    Up { runtimes: Vec<Runtime> },
    /// End them and remove every trace
    Down { runtimes: Vec<Runtime> },
    /// Show what is up: runtime, name, PID
    List { runtimes: Vec<Runtime> },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Runtime {
    Docker,
    Runc,
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Docker => "docker",
            Self::Runc => "runc",
        })
    }
}

/// A running container of the lab.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Container {
    pub(crate) runtime: Runtime,
    pub(crate) name: String,
    pub(crate) init: Started,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let chosen = |runtimes: &[Runtime]| match runtimes {
        [] => Runtime::value_variants().to_vec(),
        some => some.to_vec(),
    };
    match &arguments.action {
        Action::Up { runtimes } => {
            let mut lab = Lab::create(&arguments.dir)?;
            for runtime in chosen(runtimes) {
                lab.up(runtime)?;
            }
            lab.list(Runtime::value_variants());
            Ok(())
        }
        Action::Down { runtimes } => match Lab::open(&arguments.dir)? {
            Some(mut lab) => lab.down(&chosen(runtimes)),
            None => Ok(()),
        },
        Action::List { runtimes } => {
            if let Some(lab) = Lab::open(&arguments.dir)? {
                lab.list(&chosen(runtimes));
            }
            Ok(())
        }
    }
}

/// The lab in one directory, and the record of what was started.
#[derive(Debug)]
pub(crate) struct Lab {
    dir: PathBuf,
    record: Record,
}

impl Lab {
    /// The lab of a directory; made where there is none.
    pub(crate) fn create(dir: &Path) -> Result<Self> {
        if !run::is_root() {
            bail!(
                "the lab needs root: the runtimes make namespaces, mounts and cgroups of the host"
            );
        }
        if let Some(lab) = Self::open(dir)? {
            return Ok(lab);
        }
        std::fs::create_dir(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let record = Record { absent_before: traces::absent(), ..Record::default() };
        let dir = dir.canonicalize()?;
        let lab = Self { dir, record };
        lab.save()?;
        Ok(lab)
    }

    /// The lab of a directory, if there is one.
    pub(crate) fn open(dir: &Path) -> Result<Option<Self>> {
        if !dir.exists() {
            return Ok(None);
        }
        let dir = dir.canonicalize()?;
        let record = Record::load(&dir)?;
        Ok(Some(Self { dir, record }))
    }

    /// Starts the container of a runtime; takes down what a failed start leaves.
    pub(crate) fn up(&mut self, runtime: Runtime) -> Result<()> {
        if self.containers(runtime).any(|container| container.init.is_running()) {
            return Ok(());
        }
        self.clear(runtime)?;
        let started = match runtime {
            Runtime::Docker => docker::up(self),
            Runtime::Runc => runc::up(self),
        };
        if started.is_err() {
            self.clear(runtime)?;
        }
        started.with_context(|| format!("cannot start a container under {runtime}"))
    }

    /// Ends containers and engines. Once nothing is up the directory goes too.
    pub(crate) fn down(&mut self, runtimes: &[Runtime]) -> Result<()> {
        for runtime in runtimes {
            self.clear(*runtime)?;
        }
        if self.record.containers.is_empty() {
            mounts::unmount_below(&self.dir)?;
            std::fs::remove_dir_all(&self.dir)?;
            traces::remove(&self.record.absent_before);
        }
        Ok(())
    }

    fn clear(&mut self, runtime: Runtime) -> Result<()> {
        match runtime {
            Runtime::Docker => docker::clear(self)?,
            Runtime::Runc => runc::clear(self)?,
        }
        let below = self.below(runtime);
        if below.exists() {
            mounts::unmount_below(&below)?;
            std::fs::remove_dir_all(&below)
                .with_context(|| format!("cannot remove {}", below.display()))?;
        }
        self.record.containers.retain(|container| container.runtime != runtime);
        self.save()
    }

    fn list(&self, runtimes: &[Runtime]) {
        for container in &self.record.containers {
            if runtimes.contains(&container.runtime) {
                let Container { runtime, name, init } = container;
                let state = if init.is_running() { "running" } else { "gone" };
                say::line(format_args!("{runtime}\t{name}\t{}\t{state}", init.pid));
            }
        }
    }

    /// Where a runtime keeps what belongs to it.
    pub(crate) fn below(&self, runtime: Runtime) -> PathBuf {
        self.dir.join(runtime.to_string())
    }

    pub(crate) fn containers(&self, runtime: Runtime) -> impl Iterator<Item = &Container> {
        let of_runtime = move |container: &&Container| container.runtime == runtime;
        self.record.containers.iter().filter(of_runtime)
    }

    fn remember(&mut self, container: Container) -> Result<()> {
        self.record.containers.push(container);
        self.save()
    }

    fn save(&self) -> Result<()> {
        self.record.save(&self.dir)
    }
}
