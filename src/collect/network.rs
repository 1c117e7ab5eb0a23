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
use crate::sys::proc::net;
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
    Outside { counters: counters(&target.handle), asked: asked(&target.handle) }
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

fn asked(process: &ProcessHandle) -> Asked {
    let (v4, v6) = (file(process, "net/sockstat"), file(process, "net/sockstat6"));
    let count = |bytes: &Option<Vec<u8>>, protocol: &[u8]| {
        bytes.as_ref().and_then(|bytes| net::sockets_in_use(bytes, protocol))
    };
    // A kernel without IPv6 has no such file.
    let tcp_v6 = if v6.is_some() { count(&v6, b"TCP6") } else { v4.is_some().then_some(0) };
    Asked {
        tcp: count(&v4, b"TCP").zip(tcp_v6).map(|(v4, v6)| v4 + v6),
        udp_v4: count(&v4, b"UDP"),
        udp_v6: count(&v6, b"UDP6"),
    }
}

fn counters(process: &ProcessHandle) -> Option<TcpCounters> {
    let (snmp, netstat) = (file(process, "net/snmp"), file(process, "net/netstat"));
    let of = |bytes: &Option<Vec<u8>>, group: &[u8], name: &[u8]| {
        bytes.as_ref().and_then(|bytes| net::counter(bytes, group, name))
    };
    let counters = TcpCounters {
        listen_overflows: of(&netstat, b"TcpExt", b"ListenOverflows"),
        listen_drops: of(&netstat, b"TcpExt", b"ListenDrops"),
        segments_sent: of(&snmp, b"Tcp", b"OutSegs"),
        segments_retransmitted: of(&snmp, b"Tcp", b"RetransSegs"),
    };
    (counters != TcpCounters::default()).then_some(counters)
}
