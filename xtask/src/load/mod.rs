//! `xtask load`: every command on a crowded host, under churn, many at a time and for a long time.
//! What it prints must be right there, too, and its memory bounded; how fast it is, `bench` tells.

mod churn;
mod crowded;
mod endless;
mod nsx;

use crate::release::Release;
use crate::run::{self, Phases};
use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use nsx::Nsx;
use std::path::Path;
use std::time::Duration;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only some of the parts
    #[arg(long, value_name = "PART,…", value_delimiter = ',')]
    only: Vec<Part>,
    /// How long `endless` lists containers again and again
    #[arg(long, value_name = "N", default_value_t = 60)]
    minutes: u64,
    /// A tenth of everything, and a moment of `endless`: what the tests do
    #[arg(long)]
    routine: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// 3,000 isolated processes
    Isolated,
    /// 30,000 plain processes beside a hundred isolated ones
    Plain,
    /// 10,000 mounts in one mount namespace
    Mounts,
    /// 3,000 interfaces in one network namespace
    Interfaces,
    /// 200 processes started a second, while every command runs
    Churn,
    /// 24 commands at once
    Crowd,
    /// `ps` in a loop: memory, descriptors and processes stay as they are
    Endless,
}

/// How much of everything there is.
#[derive(Clone, Copy, Debug)]
struct Extent {
    isolated: usize,
    plain: usize,
    mounts: usize,
    interfaces: usize,
    churn: Duration,
    endless: Duration,
}

impl Arguments {
    fn extent(&self) -> Extent {
        let whole = Extent {
            isolated: 3_000,
            plain: 30_000,
            mounts: 10_000,
            interfaces: 3_000,
            churn: Duration::from_mins(1),
            endless: Duration::from_mins(self.minutes),
        };
        if !self.routine {
            return whole;
        }
        Extent {
            isolated: whole.isolated / 10,
            plain: whole.plain / 10,
            mounts: whole.mounts / 10,
            interfaces: whole.interfaces / 10,
            churn: whole.churn / 10,
            endless: Duration::from_secs(5),
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    measure(arguments, &Release::build()?.programs)
}

/// With the programs that the tests have already.
pub(crate) fn routine(programs: &Path) -> Result<()> {
    let arguments = Arguments { only: Vec::new(), minutes: 0, routine: true };
    measure(&arguments, programs)
}

fn measure(arguments: &Arguments, programs: &Path) -> Result<()> {
    if !run::is_root() {
        bail!("isolated processes need root, and so does this");
    }
    let nsx = Nsx::new(programs);
    let extent = arguments.extent();
    let parts = match &arguments.only[..] {
        [] => Part::value_variants(),
        some => some,
    };
    let mut phases = Phases::default();
    for part in parts {
        let name = format!("{part:?}").to_lowercase();
        phases.phase(&name, || match part {
            Part::Isolated => crowded::isolated(&nsx, extent.isolated),
            Part::Plain => crowded::plain(&nsx, extent.plain),
            Part::Mounts => crowded::mounts(&nsx, extent.mounts),
            Part::Interfaces => crowded::interfaces(&nsx, extent.interfaces),
            Part::Churn => churn::churn(&nsx, extent.churn),
            Part::Crowd => churn::at_once(&nsx),
            Part::Endless => endless::endless(&nsx, extent.endless),
        });
    }
    phases.finish("load")
}
