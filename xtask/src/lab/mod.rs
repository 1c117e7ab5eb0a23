//! `xtask lab`: a container under each runtime, to look at with nsx.
//!
//! Everything lies below one directory. What the runtimes insist on making elsewhere is known to
//! `traces`; `down` removes what was not there before, also after a crash.

mod alone;
mod bubblewrap;
mod bundle;
mod containerd;
mod controllers;
mod crun;
pub(crate) mod docker;
mod gvisor;
mod leftovers;
mod lxc;
mod mounts;
mod nspawn;
pub(crate) mod podman;
mod record;
mod rootfs;
mod runc;
mod runtime;
mod start;
mod traces;

pub(crate) use runtime::Runtime;
pub(crate) use traces::cgroups_named;

use crate::process::Started;
use crate::{run, say};
use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand, ValueEnum};
pub(crate) use controllers::Controllers;
use record::{Container, Record, State};
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
    /// Start a container under each runtime that is installed
    Up { runtimes: Vec<Runtime> },
    /// End them and remove every trace
    Down { runtimes: Vec<Runtime> },
    /// Show what is up: runtime, name, id, PID, state, image
    List { runtimes: Vec<Runtime> },
    /// Make dockerd and containerd stand still, as if they hung
    Stop,
    /// Let them go on
    Wake,
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
                let (name, program) = runtime.describe();
                if runtimes.is_empty() && run::find(program).is_none() {
                    say::note(format_args!("lab: without {name}: {program} is not installed"));
                    continue;
                }
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
        Action::Stop | Action::Wake => {
            let Some(lab) = Lab::open(&arguments.dir)? else {
                bail!("{}: no lab is up", arguments.dir.display());
            };
            match arguments.action {
                Action::Stop => lab.stop_engines(),
                _ => lab.wake_engines(),
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
        let dir = dir.canonicalize()?;
        let record = Record { absent_before: traces::absent(&dir), ..Record::default() };
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

    /// Starts the containers of a runtime; takes down what a failed start leaves.
    pub(crate) fn up(&mut self, runtime: Runtime) -> Result<()> {
        self.up_by(runtime, |lab| runtime.start(lab))
    }

    /// Starts those that `start` starts, which are of a runtime.
    pub(crate) fn up_by(
        &mut self,
        runtime: Runtime,
        start: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        if self.containers(runtime).any(|container| container.init.is_some())
            && self.containers(runtime).all(Container::is_there)
        {
            return Ok(());
        }
        self.clear(runtime)?;
        std::fs::create_dir(self.below(runtime))?;
        let started = start(self);
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
        if Runtime::value_variants().iter().all(|runtime| !self.below(*runtime).exists()) {
            mounts::unmount_below(&self.dir)?;
            std::fs::remove_dir_all(&self.dir)?;
            traces::remove(&self.record.absent_before);
        }
        Ok(())
    }

    fn clear(&mut self, runtime: Runtime) -> Result<()> {
        let below = self.below(runtime);
        if below.exists() {
            let moves = matches!(runtime, Runtime::Crun | Runtime::Podman);
            // Their groups are also in hierarchies that are mounted nowhere.
            let controllers = moves.then(Controllers::lend).transpose()?;
            let inits = self.containers(runtime).filter_map(|container| container.init.clone());
            let inits: Vec<Started> = inits.collect();
            leftovers::clear(&below, &inits, || runtime.leftovers(&below))?;
            drop(controllers);
            mounts::unmount_below(&below)?;
            std::fs::remove_dir_all(&below)
                .with_context(|| format!("cannot remove {}", below.display()))?;
            let others = [Runtime::Crun, Runtime::Podman].map(|other| self.below(other).exists());
            if moves && others == [false; 2] {
                Controllers::give_back()?;
            }
        }
        self.record.containers.retain(|container| container.runtime != runtime);
        self.save()
    }

    fn list(&self, runtimes: &[Runtime]) {
        for container in &self.record.containers {
            if runtimes.contains(&container.runtime) {
                let Container { runtime, name, id, image, state, init, .. } = container;
                let dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
                let pid = init.as_ref().map(|init| init.pid.to_string());
                let there = container.is_there();
                let state = if there { state.to_string() } else { "gone".to_owned() };
                let [name, id, image, pid] = [name, id, image, &pid].map(dash);
                say::line(format_args!("{runtime}\t{name}\t{id}\t{pid}\t{state}\t{image}"));
            }
        }
    }

    /// Makes every engine stand still, as if it hung. Shims are no part of what hangs.
    pub(crate) fn stop_engines(&self) {
        self.engines().iter().for_each(Started::stop);
    }

    pub(crate) fn wake_engines(&self) {
        self.engines().iter().for_each(Started::wake);
    }

    fn engines(&self) -> Vec<Started> {
        let dirs = [Runtime::Docker, Runtime::Containerd].map(|runtime| self.below(runtime));
        let of = |dir: &PathBuf| {
            ["dockerd", "containerd"].map(|program| leftovers::running(program, dir)).concat()
        };
        dirs.iter().flat_map(of).collect()
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

    /// Notes the state that a container is in now, by its name or id.
    fn became(&mut self, which: &str, state: State) -> Result<()> {
        let is_it = |text: &Option<String>| text.as_deref() == Some(which);
        let mut all = self.record.containers.iter_mut();
        let container = all.find(|one| is_it(&one.name) || is_it(&one.id));
        let container = container.with_context(|| format!("{which} is not in the lab"))?;
        container.state = state;
        if state == State::Stopped {
            container.init = None;
        }
        self.save()
    }

    fn save(&self) -> Result<()> {
        self.record.save(&self.dir)
    }
}
