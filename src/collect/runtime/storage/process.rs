//! The first process of a container in a store.
//!
//! The number in a pidfile outlives the process: only what is still conmon's child, or what
//! started when the runtime says it did, is the one.

use super::{Found, Stores};
use crate::collect::runtime::conmon::Conmon;
use crate::collect::runtime::oci_state;
use crate::collect::runtime::record::{Case, First};
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::proc::stat::{self, Stat};
use crate::sys::root::SysRoot;
use std::os::fd::AsFd;

impl Stores {
    /// What speaks of a group's first process, which conmon is the parent of or not, and where.
    pub fn first_of(
        &self,
        case: &Case<'_>,
        found: &Found<'_>,
        conmon: Option<&Conmon<'_>>,
    ) -> Option<(First, Text)> {
        match (conmon, found.pid(), found.pidfile()) {
            (Some(_), Some(pid), Some(file)) => Some((First::At { pid, start_ticks: None }, file)),
            (Some(conmon), ..) => Some((First::Untold, conmon.object())),
            (None, ..) => {
                let noted = oci_state::noted(case.root, &self.owners, found.uid(), &found.kept.id)?;
                Some((noted.first, noted.file))
            }
        }
    }

    /// The process that the storage speaks of, if it is still there.
    pub fn running(&self, root: &SysRoot, found: &Found<'_>) -> First {
        let conmons = found.pid().and_then(|pid| alive(root, pid));
        if let Some(stat) = conmons.filter(|stat| stat.parent == found.conmon()) {
            return at(&stat);
        }
        let noted = oci_state::noted(root, &self.owners, found.uid(), &found.kept.id);
        noted.map_or(First::NotRunning, |noted| still(root, noted.first))
    }
}

/// A process on record, if it is still the one.
pub fn still(root: &SysRoot, first: First) -> First {
    let First::At { pid, start_ticks } = first else { return First::NotRunning };
    let stat = alive(root, pid).filter(|stat| Some(stat.start_ticks) == start_ticks);
    stat.map_or(First::NotRunning, |stat| at(&stat))
}

fn at(stat: &Stat) -> First {
    First::At { pid: stat.pid, start_ticks: Some(stat.start_ticks) }
}

/// What has this number now.
pub fn alive(root: &SysRoot, pid: Pid) -> Option<Stat> {
    let dir = root.process(pid).ok()?;
    let mut buffer = Vec::new();
    bounded::read_record(dir.as_fd(), "stat", bounded::SMALL, &mut buffer).ok()?;
    stat::parse(&buffer).filter(|stat| !stat.state.ended())
}
