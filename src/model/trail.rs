//! What a clue leads to: step by step from what was named to whose it is.

use super::container::Container;
use super::device::Device;
use super::namespace::NsKey;
use super::network::Protocol;
use super::process::Pid;
use super::text::Text;
use std::net::IpAddr;

/// What one clue led to; without trails it was found nowhere.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// As it was spelled.
    pub clue: Text,
    /// What it was taken for: `pid`, `port`, `if`, …
    pub kind: &'static str,
    pub trails: Vec<Trail>,
}

/// One way from the clue to an owner.
#[derive(Clone, Debug)]
pub struct Trail {
    /// The first is what the clue itself is.
    pub steps: Vec<Step>,
    pub owner: Owner,
}

/// Whose it is.
#[derive(Clone, Debug)]
pub enum Owner {
    Container(Box<Container>),
    /// In no container; with the service that it belongs to.
    Host {
        unit: Option<Text>,
    },
    /// A namespace that no process is in, by its name below /run/netns or the like.
    Namespace {
        key: NsKey,
        name: Option<Text>,
    },
    /// It exists, and whose it is could not be seen.
    Unknown,
}

/// One fact on the way.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Step {
    Process {
        pid: Pid,
        /// Where the clue was a thread that is not the first.
        thread: Option<Pid>,
        comm: Text,
        /// Its number in its own pid namespace, where that is another.
        pid_inside: Option<Pid>,
    },
    /// What a process uses of a file system, a socket or a device.
    Use {
        pid: Pid,
        comm: Text,
        #[serde(flatten)]
        by: By,
    },
    Cgroup {
        path: Text,
    },
    Unit {
        name: Text,
    },
    Namespace {
        #[serde(rename = "type")]
        kind: &'static str,
        inode: u64,
        /// Below /run/netns or the like.
        name: Option<Text>,
    },
    Interface {
        name: Text,
        index: u32,
        /// `veth`, `bridge`, `macvlan`, …
        #[serde(rename = "type")]
        kind: Text,
        /// The network namespace it is in, where that is not the reader's.
        namespace: Option<u64>,
    },
    Address {
        address: IpAddr,
        prefix_length: u8,
    },
    Socket {
        protocol: Protocol,
        /// `listen`, `established`, `unconnected`, …
        state: &'static str,
        address: IpAddr,
        port: u16,
        peer_address: Option<IpAddr>,
        peer_port: Option<u16>,
        /// Where it is one.
        inode: Option<u64>,
        /// How many sockets this stands for: connections that are alike but for their peers, or
        /// for the port that the kernel gave them.
        sockets: u64,
        /// The network namespace it is in, where that is not the reader's.
        namespace: Option<u64>,
    },
    UnixSocket {
        /// `stream`, `dgram`, `seqpacket`.
        #[serde(rename = "type")]
        kind: &'static str,
        /// `listen`, `established`, `unconnected`.
        state: &'static str,
        inode: u64,
        /// What it was bound to; one that begins with a zero is in no file system.
        path: Option<Text>,
        /// The inode of the socket at the other end.
        peer: Option<u64>,
        namespace: Option<u64>,
    },
    /// One that is in no table: of netlink, of packets, not bound yet.
    OtherSocket {
        inode: u64,
        namespace: Option<u64>,
    },
    /// A port of the host that an engine leads to a container, by the engine's own record.
    Published(Published),
    Mount {
        target: Text,
        fs_type: Text,
        /// Null: one of namespaces.
        device: Option<Device>,
        /// The part of the file system that is mounted.
        root: Text,
        /// The mount namespace it is in, where that is not the reader's.
        namespace: Option<u64>,
        /// `root`, `bind`, `layer`, `mount`.
        role: &'static str,
    },
    /// A directory of an overlay file system.
    Layer {
        path: Text,
        /// `upper`, `lower`, `work`.
        role: &'static str,
    },
    Device {
        device: Device,
        /// Of a block device: `sda1`.
        name: Option<Text>,
    },
    /// A file in which an engine keeps its state.
    Record {
        path: Text,
    },
}

/// How a process holds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum By {
    Root,
    WorkingDirectory,
    Program,
    Descriptor {
        number: u32,
    },
    Mapping,
    /// A thread that is elsewhere than its process.
    Thread {
        thread: Pid,
    },
    /// What its next child will be in.
    NextChild,
    /// A socket in it.
    Socket {
        number: u32,
    },
}

/// What `docker run -p 198.51.100.1:8080:80` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Published {
    pub protocol: Protocol,
    /// Absent: on every address.
    pub host_address: Option<IpAddr>,
    pub host_port: u16,
    pub container_port: u16,
}

impl Step {
    /// A step to a device of the kernel's, by its number.
    pub fn device(device: Device, name: Option<Text>) -> Self {
        Self::Device { device, name }
    }
}
