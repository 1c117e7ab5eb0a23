//! What a clue leads to: step by step from what was named to whose it is.

use super::container::Container;
use super::device::Device;
use super::namespace::NsKey;
use super::network::Protocol;
use super::process::Pid;
use super::text::Text;
use std::net::IpAddr;
use std::rc::Rc;

/// What one clue led to; without trails it was found nowhere.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// As it was spelled.
    pub clue: Text,
    /// What it was taken for: `pid`, `port`, `if`, …
    pub kind: &'static str,
    /// One for each owner or way to it; empty: it was found nowhere.
    pub trails: Vec<Trail>,
}

/// One way from the clue to an owner.
#[derive(Clone, Debug)]
pub struct Trail {
    /// The first is what the clue itself is.
    pub steps: Vec<Step>,
    /// Where the steps end.
    pub owner: Owner,
}

/// Whose it is.
#[derive(Clone, Debug)]
pub enum Owner {
    /// Of a process the innermost, of a namespace the one whose own it is. Many trails may share it.
    Container(Rc<Container>),
    /// In no container; with the service that it belongs to.
    Host {
        /// `nginx.service`; none where it belongs to no service.
        unit: Option<Text>,
    },
    /// A namespace that no process is in, by its name below /run/netns or the like.
    Namespace {
        /// Its kind and inode.
        key: NsKey,
        /// `blue`, of /run/netns/blue, or a whole path; none where no mount of it is known.
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
    /// One process, by its number in the reader's /proc.
    Process {
        /// Of the process, not of a thread.
        pid: Pid,
        /// Where the clue was a thread that is not the first.
        thread: Option<Pid>,
        /// Command name, chosen by the process.
        comm: Text,
        /// Its number in its own pid namespace, where that is another.
        pid_inside: Option<Pid>,
    },
    /// What a process uses of a file system, a socket or a device.
    Use {
        /// As the reader's /proc numbers it.
        pid: Pid,
        /// Its command name.
        comm: Text,
        /// By what it holds it.
        #[serde(flatten)]
        by: By,
    },
    /// A control group.
    Cgroup {
        /// As /proc/PID/cgroup shows it.
        path: Text,
    },
    /// A unit of systemd's.
    Unit {
        /// With its suffix: `nginx.service`.
        name: Text,
    },
    /// A namespace of any kind.
    Namespace {
        /// The word in `/proc/PID/ns`: `net`.
        #[serde(rename = "type")]
        kind: &'static str,
        /// As `/proc/PID/ns` shows it.
        inode: u64,
        /// Below /run/netns or the like.
        name: Option<Text>,
    },
    /// An interface of a network namespace.
    Interface {
        /// In the namespace that it is in.
        name: Text,
        /// In the namespace that it is in.
        index: u32,
        /// `veth`, `bridge`, `macvlan`, …
        #[serde(rename = "type")]
        kind: Text,
        /// The network namespace it is in.
        #[serde(flatten)]
        at: InNet,
    },
    /// An address that an interface has.
    Address {
        /// That of IPv4 within one of IPv6 is told as IPv4.
        address: IpAddr,
        /// How many of its bits are the network's; all of them where that could not be asked.
        prefix_length: u8,
    },
    /// One of TCP or UDP, or several that are alike.
    Socket {
        /// `tcp` or `udp`.
        protocol: Protocol,
        /// `listen`, `established`, `unconnected`, …
        state: &'static str,
        /// Its own end; `0.0.0.0` or `::`: any.
        address: IpAddr,
        /// Its own end.
        port: u16,
        /// The other end; null where it has none, or there are several.
        peer_address: Option<IpAddr>,
        /// The other end; null where it has none, or there are several.
        peer_port: Option<u16>,
        /// Where it is one.
        inode: Option<u64>,
        /// How many sockets this stands for: connections that are alike but for their peers, or
        /// for the port that the kernel gave them.
        sockets: u64,
        /// The network namespace it is in.
        #[serde(flatten)]
        at: InNet,
    },
    /// A socket of unix(7).
    UnixSocket {
        /// `stream`, `dgram`, `seqpacket`.
        #[serde(rename = "type")]
        kind: &'static str,
        /// `listen`, `established`, `unconnected`.
        state: &'static str,
        /// As `/proc/PID/fd` shows it.
        inode: u64,
        /// What it was bound to; one that begins with a zero is in no file system.
        path: Option<Text>,
        /// The inode of the socket at the other end.
        peer: Option<u64>,
        /// The network namespace it is in.
        #[serde(flatten)]
        at: InNet,
    },
    /// One that is in no table: of netlink, of packets, not bound yet.
    OtherSocket {
        /// As `/proc/PID/fd` shows it.
        inode: u64,
        /// The network namespace it is in.
        #[serde(flatten)]
        at: InNet,
    },
    /// A port of the host that an engine leads to a container, by the engine's own record.
    Published(Published),
    /// A place where it is mounted.
    Mount {
        /// Where, as that mount namespace shows it.
        target: Text,
        /// `ext4`, `overlay`, `nsfs`.
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
        /// As the host calls it.
        path: Text,
        /// `upper`, `lower`, `work`.
        role: &'static str,
    },
    /// A block or character device, or the number of a file system.
    Device {
        /// `major:minor`.
        device: Device,
        /// Of a block device: `sda1`.
        name: Option<Text>,
    },
    /// A file in which an engine keeps its state.
    Record {
        /// As the host calls it.
        path: Text,
    },
}

/// The network namespace that something is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InNet {
    /// Its network namespace, where that is known and not the reader's.
    pub namespace: Option<u64>,
    /// False: which one that is may not be seen. A null is the reader's own only where this is true.
    pub namespace_known: bool,
}

/// How a process holds something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum By {
    /// As its root directory: `/proc/PID/root`.
    Root,
    /// As its working directory: `/proc/PID/cwd`.
    WorkingDirectory,
    /// As the program that it runs: `/proc/PID/exe`.
    Program,
    /// By a descriptor: `/proc/PID/fd`.
    Descriptor {
        /// Its number.
        number: u32,
    },
    /// By a part of a file in its memory: `/proc/PID/maps`.
    Mapping,
    /// A thread that is elsewhere than its process.
    Thread {
        /// Its number in the reader's /proc: below `/proc/PID/task`.
        thread: Pid,
    },
    /// What its next child will be in.
    NextChild,
    /// A socket in it.
    Socket {
        /// As in `/proc/PID/fd`.
        number: u32,
    },
}

/// What `docker run -p 198.51.100.1:8080:80` asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Published {
    /// `tcp` or `udp`.
    pub protocol: Protocol,
    /// Absent: on every address.
    pub host_address: Option<IpAddr>,
    /// Where the host takes connections.
    pub host_port: u16,
    /// Where they lead, inside.
    pub container_port: u16,
}

impl Step {
    /// A step to a device of the kernel's, by its number.
    pub fn device(device: Device, name: Option<Text>) -> Self {
        Self::Device { device, name }
    }
}
