//! One network namespace: what is read before the visit to it, and what is looked up after.

mod owners;
mod peers;
pub mod resolver;

use super::nearby::Nearby;
use super::target::PinnedProcess;
use crate::model::gap::Gap;
use crate::model::network::{Network, TcpCounters};
use crate::model::process::Pid;
use crate::sys::netlink::nsid::NsIds;
use crate::sys::netlink::{Ask, Asked};
use crate::sys::proc::net::{self, InUse};
use crate::sys::root::SysRoot;
use crate::sys::{bounded, pidfd::ProcessHandle};
use std::os::fd::AsFd;

/// What needs no visit.
#[derive(Debug)]
pub(super) struct Outside {
    counters: Option<TcpCounters>,
    asked: Asked,
}

pub(super) fn from_outside(target: &PinnedProcess) -> Outside {
    let snmp = file(&target.handle, "net/snmp");
    let tcp = |name: &[u8]| net::counter(snmp.as_deref()?, b"Tcp", name);
    let in_use = InUse::read(target.handle.dir(), "net");
    let asked = Asked { in_use, segments: tcp(b"InSegs") };
    Outside { counters: counters(&target.handle, &tcp), asked }
}

impl Outside {
    /// What the visit shall read.
    pub(super) fn ask(&self, root: &SysRoot) -> Ask {
        Ask { proc: root.proc().try_clone_to_owned().ok(), sockets: Some(self.asked) }
    }

    /// Puts everything together. `pids` are those whose sockets are looked for.
    pub(super) fn complete(
        self,
        root: &SysRoot,
        network: &mut Network,
        ids: Option<&NsIds>,
        pids: &[Pid],
        nearby: &Nearby<'_>,
    ) -> Vec<Gap> {
        let mut gaps = Vec::new();
        peers::add(root, &mut network.interfaces, ids, nearby);
        match &mut network.sockets {
            Some(sockets) => {
                sockets.tcp_counters = self.counters;
                gaps.extend(owners::add(root, sockets, pids));
            }
            None => gaps.push(Gap {
                object: "this kernel".into(),
                what: "sockets",
                reason: crate::model::gap::Reason::Unsupported,
            }),
        }
        gaps
    }
}

/// Below `/proc/PID/net`, which shows the namespace of that process.
fn file(process: &ProcessHandle, name: &str) -> Option<Vec<u8>> {
    bounded::read_single(process.dir().as_fd(), name).ok()
}

/// A counter of TCP.
type Tcp<'a> = dyn Fn(&[u8]) -> Option<u64> + 'a;

fn counters(process: &ProcessHandle, tcp: &Tcp<'_>) -> Option<TcpCounters> {
    let netstat = file(process, "net/netstat");
    let more = |name: &[u8]| net::counter(netstat.as_deref()?, b"TcpExt", name);
    let counters = TcpCounters {
        listen_overflows: more(b"ListenOverflows"),
        listen_drops: more(b"ListenDrops"),
        segments_sent: tcp(b"OutSegs"),
        segments_retransmitted: tcp(b"RetransSegs"),
    };
    (counters != TcpCounters::default()).then_some(counters)
}
