//! Whom the processes of a target talk to on this host: conversations, both ends of them.

use super::network::Protocol;
use super::process::Pid;
use super::runtime::Runtime;
use super::text::Text;
use super::trail::Published;
use std::net::IpAddr;

/// Connections between the target and one other party about one service, counted together.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Conversation {
    /// `tcp`, `udp` or `unix`.
    pub protocol: Carrier,
    /// Whether the target serves or calls.
    pub direction: Direction,
    /// Where the end that serves is reached, as the connection itself spells it; absent where
    /// neither end is known to serve.
    pub service: Option<Service>,
    /// The target's processes that hold an end: the first few.
    pub local: Vec<Holder>,
    /// Whose the other end is, as far as that can be told.
    pub peer: Party,
    /// The peer's processes that hold the other end: the first few.
    pub remote: Vec<Holder>,
    /// The other end's; absent of unix sockets, and where there are several.
    pub peer_address: Option<IpAddr>,
    /// How many different ones there are.
    pub peer_addresses: u64,
    /// The port of the host that it goes through, by the record of an engine.
    pub via: Option<Published>,
    /// The surest that any of the connections has.
    pub seen: Seen,
    /// How many namespaces beside that of `peer` have what the other end is known by.
    pub alternatives: u64,
    /// The commonest first.
    pub states: Vec<Count>,
    /// How many there are of it, in whatever state.
    pub connections: u64,
}

/// What carries a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Carrier {
    /// Of IPv4 and IPv6 alike.
    Tcp,
    /// Sockets that have a peer, which count as connections.
    Udp,
    /// Within this host: unix(7).
    Unix,
}

impl Carrier {
    /// As reports and filters spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Unix => "unix",
        }
    }
}

impl From<Protocol> for Carrier {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Tcp => Self::Tcp,
            Protocol::Udp => Self::Udp,
        }
    }
}

/// Which end serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The target does.
    In,
    /// The other does.
    Out,
    /// Nothing tells.
    Unknown,
}

impl Direction {
    /// As reports spell it: `-` where nothing tells.
    pub const fn name(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::Out => "out",
            Self::Unknown => "-",
        }
    }
}

/// What is called: an address in a network, or a socket of this host.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Service {
    /// Of TCP or UDP.
    Port {
        /// Absent where connections to many addresses are told together.
        address: Option<IpAddr>,
        /// Of the end that serves, as the connection itself spells it.
        port: u16,
    },
    /// A socket in a file system, as whoever bound it saw it.
    Path {
        /// `/run/docker.sock`; it need not begin with a slash.
        path: Text,
    },
    /// A name of unix sockets that is in no file system, without the zero before it.
    Abstract {
        /// `/tmp/.X11-unix/X0`
        name: Text,
    },
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Party {
    /// Of a process that holds the other end the innermost, else whose network namespace it is.
    Container {
        /// What a person calls it: its pod and name, else its id, else its first process.
        name: Text,
        /// What means it as a target.
        target: Text,
        /// What made it: `docker`, `podman`.
        runtime: Runtime,
        /// Its first process.
        pid: Option<Pid>,
    },
    /// In no container; the process, where it was seen.
    Host {
        /// Its command name; null where none was seen.
        comm: Option<Text>,
    },
    /// A network namespace that is no container's.
    Namespace {
        /// As `/proc/PID/ns/net` shows it.
        inode: u64,
        /// Below /run/netns or the like.
        name: Option<Text>,
    },
    /// No namespace of this host has that address.
    Outside,
    /// It may be on this host, and could not be seen.
    Unknown,
}

/// What the other end is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// Its socket.
    Socket,
    /// A socket that takes from everybody at that address and port.
    Listener,
    /// A port of the host that an engine leads to it.
    Published,
    /// The address alone: it has no socket there, or that one was not seen.
    Address,
    /// Nothing.
    Nothing,
}

/// A process that has the socket open.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Holder {
    /// As the reader's /proc numbers it.
    pub pid: Pid,
    /// Its command name; null where it ended before it was asked.
    pub comm: Option<Text>,
}

/// How many connections of a conversation are in one state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Count {
    /// `established`, `time_wait`, …
    pub state: &'static str,
    /// How many connections are in it.
    pub connections: u64,
}
