//! What only a thread in the target's network and UTS namespaces can read.

use super::super::containers::Containers;
use super::super::credentials;
use super::super::nearby::Nearby;
use super::super::network::Outside;
use super::super::target::PinnedProcess;
use crate::model::gap::{Gap, Reason};
use crate::model::inspection::Inspection;
use crate::model::namespace::{Kind, Kinds};
use crate::sys::error::{Result, SysError};
use crate::sys::netlink::{self, Visiting};
use crate::sys::root::SysRoot;
use nix::errno::Errno;

/// Network and UTS facts, by a thread that joins those namespaces and ends. What is ours already
/// is read without joining, which needs no permission.
pub(super) struct Visits {
    started: Vec<(Kinds, Result<Visiting>)>,
    outside: Option<Outside>,
}

impl Visits {
    pub(super) fn start(
        root: &SysRoot,
        target: &PinnedProcess,
        wanted: Kinds,
        outside: Option<Outside>,
    ) -> Self {
        let mut visits = Self { started: Vec::new(), outside };
        if !root.is_real() {
            // A fixture has no live namespaces to visit.
            let error = SysError::new("visit", "a fixture", Errno::EOPNOTSUPP);
            visits.started.push((wanted, Err(error)));
            return visits;
        }
        let ours = credentials::own_namespaces(root, Kinds::EVERY).unwrap_or_default();
        // What is not known to be ours is not: another's would be told as the target's.
        let is_ours = |kind: Kind| {
            ours.inode(kind).is_some() && ours.inode(kind) == target.process.namespaces.inode(kind)
        };
        let elsewhere: Kinds = wanted.iter().filter(|kind| !is_ours(*kind)).collect();
        let here: Kinds = wanted.iter().filter(|kind| !elsewhere.has(*kind)).collect();
        for (kinds, joined) in [(elsewhere, true), (here, false)] {
            if kinds.is_empty() {
                continue;
            }
            let pidfd = if joined { target.handle.pidfd().map(Some) } else { Ok(None) };
            let ask = visits.outside.as_ref().map(|outside| outside.ask(root)).unwrap_or_default();
            let started = pidfd.and_then(|pidfd| netlink::start(pidfd, kinds, ask));
            visits.started.push((kinds, started));
        }
        visits
    }

    /// False where a thread did not come back.
    pub(super) fn finish(
        mut self,
        root: &SysRoot,
        target: &PinnedProcess,
        others: &Containers,
        report: &mut Inspection,
        gaps: &mut Vec<Gap>,
    ) -> bool {
        let mut all_ended = true;
        for (kinds, started) in self.started {
            let visit = match started.and_then(Visiting::finish) {
                Ok(visit) => visit,
                Err(error) => {
                    all_ended &= error.reason() != Reason::Timeout;
                    gaps.extend(missing(target, kinds, error.reason()));
                    continue;
                }
            };
            report.uts = visit.uts.or(report.uts.take());
            match visit.network {
                Some(Ok(mut network)) => {
                    let container = report.container.as_ref();
                    let pids = target.processes(container);
                    if let Some(outside) = self.outside.take() {
                        let ids = visit.ids.as_ref();
                        let nearby = Nearby { own: container, others };
                        gaps.extend(outside.complete(root, &mut network, ids, pids, &nearby));
                    }
                    let tables = network.incomplete_tables.iter().map(|table| Gap {
                        object: super::object(target),
                        what: table,
                        reason: Reason::Incomplete,
                    });
                    gaps.extend(tables);
                    report.network = Some(network);
                }
                Some(Err(error)) => gaps.push(error.gap("network")),
                None => {}
            }
        }
        all_ended
    }
}

fn missing(target: &PinnedProcess, kinds: Kinds, reason: Reason) -> impl Iterator<Item = Gap> {
    let what = |kind| if kind == Kind::Uts { "hostname" } else { "network" };
    kinds.iter().map(move |kind| Gap { object: super::object(target), what: what(kind), reason })
}
