//! Sockets of TCP and UDP. See sock_diag(7), tcp(7).

use crate::model::process::Pid;
use crate::model::text::Text;
use std::net::IpAddr;

/// What a network namespace's sockets of TCP and UDP do.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Sockets {
    /// TCP that listens and UDP without a peer, by protocol, port and address.
    pub listening: Vec<Socket>,
    /// Those with a peer, and those of TCP that are closing.
    pub connected: Vec<Socket>,
    /// Sockets beyond the bound of either list: counted, not listed.
    pub unlisted: u64,
    /// Those of them that belong into `listening`.
    pub unlisted_listening: u64,
    /// All TCP sockets.
    pub tcp: TcpStates,
    /// All UDP sockets.
    pub udp: u64,
    /// Absent where the range cannot be read.
    pub ephemeral_ports: Option<Ports>,
    /// Absent where it cannot be read.
    pub tcp_counters: Option<TcpCounters>,
    /// Every process of the container was asked for the sockets it holds.
    pub owners_complete: bool,
}

/// A transport that has ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// Of IPv4 and IPv6: tcp(7).
    Tcp,
    /// Of IPv4 and IPv6: udp(7).
    Udp,
}

impl Protocol {
    /// As reports and filters spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// One socket of TCP or UDP.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Socket {
    /// `tcp` or `udp`.
    pub protocol: Protocol,
    /// `inet` or `inet6`; an IPv6 socket may take IPv4 too.
    pub family: &'static str,
    /// `listen`, `established`, `time_wait`, …; of UDP `unconnected` or `established`.
    pub state: &'static str,
    /// This end's; `0.0.0.0` or `::`: any that the namespace has.
    pub address: IpAddr,
    /// This end's; 0: none yet.
    pub port: u16,
    /// The other end's; null of those that wait for anybody.
    pub peer_address: Option<IpAddr>,
    /// The other end's; null of those that wait for anybody.
    pub peer_port: Option<u16>,
    /// One of IPv6 was told to take no IPv4; known of those that wait, where the kernel was asked.
    #[serde(skip)]
    pub only_v6: bool,
    /// The one it is bound to.
    pub interface: Option<Text>,
    /// A listener's connections that wait to be accepted; else bytes to be read.
    pub receive_queue: u32,
    /// A listener's backlog; else bytes that were not acknowledged.
    pub send_queue: u32,
    /// Datagrams that were thrown away.
    pub dropped: Option<u32>,
    /// Who made it, as the host numbers users.
    pub uid: u32,
    /// Absent where no process has it open any more.
    pub inode: Option<u32>,
    /// The container's processes that hold it: the first few.
    pub owners: Vec<Owner>,
    /// How many of the container's processes hold it, each counted once.
    pub owner_processes: u32,
}

/// A process that has the socket open, and by which descriptor.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Owner {
    /// As the reader's /proc numbers it.
    pub pid: Pid,
    /// Command name; null where it ended before it was asked.
    pub comm: Option<Text>,
    /// As in `/proc/PID/fd`, or another thread's where the first has ended. One process may be there
    /// with several.
    pub descriptor: u32,
    /// The thread whose own descriptor it is, where the process has not got it.
    pub thread: Option<Pid>,
}

/// How many TCP sockets are in each state, of both families.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TcpStates {
    /// Both ends may send.
    pub established: u64,
    /// It calls, and has no answer yet.
    pub syn_sent: u64,
    /// It was called and has answered, and waits for the other end to confirm that. Absent where
    /// nobody listens and there are no other connections: it was not looked for.
    pub syn_recv: Option<u64>,
    /// This end has closed; the other has not acknowledged that.
    pub fin_wait1: u64,
    /// This end has closed, the other has acknowledged that and may still send.
    pub fin_wait2: u64,
    /// Both have closed; it waits a minute for packets that are late.
    pub time_wait: u64,
    /// Neither connected nor listening.
    pub close: u64,
    /// The other end has closed; the program here has not.
    pub close_wait: u64,
    /// The other end closed first, then this one, which waits for the last acknowledgement.
    pub last_ack: u64,
    /// It waits to be called.
    pub listen: u64,
    /// Both have closed at once; it waits for the acknowledgement.
    pub closing: u64,
}

impl TcpStates {
    /// Each but `listen`, in the words of the fields.
    pub fn connected(&self) -> [(&'static str, u64); 10] {
        [
            ("established", self.established),
            ("time_wait", self.time_wait),
            ("close_wait", self.close_wait),
            ("syn_sent", self.syn_sent),
            ("syn_recv", self.syn_recv.unwrap_or(0)),
            ("fin_wait1", self.fin_wait1),
            ("fin_wait2", self.fin_wait2),
            ("last_ack", self.last_ack),
            ("closing", self.closing),
            ("close", self.close),
        ]
    }
}

/// Use of the ports that the kernel gives to connections.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Ports {
    /// First number of net.ipv4.ip_local_port_range.
    pub first: u16,
    /// The second number; it is one of them.
    pub last: u16,
    /// How many from the first to the last are given to nobody: net.ipv4.ip_local_reserved_ports.
    pub reserved: u32,
    /// Different ones that TCP connections hold, without those that are reserved.
    pub used: u32,
    /// Where most of them lead. A port can serve one connection from each address of ours to each
    /// destination.
    pub busiest: Option<Destination>,
}

impl Ports {
    /// How many ports there are to give, used ones counted.
    pub fn available(&self) -> u32 {
        (u32::from(self.last.saturating_sub(self.first)) + 1).saturating_sub(self.reserved)
    }
}

/// Where many connections lead to.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Destination {
    /// This end's address, that of IPv4 in a socket of IPv6, too.
    pub source_address: IpAddr,
    /// The address that they call.
    pub address: IpAddr,
    /// The port that they call.
    pub port: u16,
    /// How many of those on such ports lead from there to there.
    pub connections: u32,
}

/// Since the namespace was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TcpCounters {
    /// Connections that found the accept queue full.
    pub listen_overflows: Option<u64>,
    /// Connections that a listener dropped, for that or another reason.
    pub listen_drops: Option<u64>,
    /// `OutSegs` of /proc/PID/net/snmp.
    pub segments_sent: Option<u64>,
    /// `RetransSegs` of /proc/PID/net/snmp: sent once more for want of an answer.
    pub segments_retransmitted: Option<u64>,
}
