//! The network of a new process: a namespace of its own, a target's, or a veth pair out of its own.
//!
//! What is made is interfaces, addresses and routes; no packet filter and no switch of the kernel's
//! is touched. A pair is born with each end in its own namespace, and ends with the process's.

use crate::model::namespace::{Kind, Kinds};
use crate::model::net_wish::{NetWish, Subnet, Veth};
use crate::model::network::Interface;
use crate::model::text::Text;
use crate::sys::error::{Context, SysError};
use crate::sys::netlink::change::{self, Changes};
use crate::sys::nsfs::NsFile;
use crate::sys::raw::fork::Child;
use crate::sys::{ns, worker};
use nix::errno::Errno;
use rustix::thread::CapabilitySet;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// For a process that has nothing to do but to join a namespace and to open a socket there.
const PATIENCE: Duration = Duration::from_secs(5);

const NET: Kinds = Kinds::NONE.with(Kind::Net);

/// Why there is no such network. Each says what was tried; the kind of it tells what can be done.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// There is an interface of that name.
    #[error(transparent)]
    Taken(SysError),
    /// The kernel makes no veth.
    #[error(transparent)]
    NoVeth(SysError),
    /// The kernel, or that namespace, has no IPv6.
    #[error(transparent)]
    NoIpv6(SysError),
    /// Nothing may be changed in a namespace.
    #[error(transparent)]
    Closed(SysError),
    /// setns(2) into the target's namespace failed, for `--net join:TARGET`.
    #[error(transparent)]
    NotJoined(SysError),
    /// Anything else: what was asked of the kernel, and its answer as it is.
    #[error(transparent)]
    System(#[from] SysError),
}

type Result<T> = std::result::Result<T, NetworkError>;

/// A target's network namespace.
#[derive(Debug)]
pub struct Held {
    /// What a person calls the target.
    pub label: Text,
    /// Its net namespace, open: it stays the same one though the target may end.
    pub file: NsFile,
    /// It is the one that we are in.
    pub is_ours: bool,
}

/// All that it takes, opened before there is a process to give it to.
#[derive(Debug, Default)]
pub struct Network(Way);

#[derive(Debug, Default)]
enum Way {
    /// What the namespaces make it.
    #[default]
    Bare,
    /// Joined before the clone; then there is nothing left to hold.
    Joined(Option<Held>),
    Paired(Box<Pairing>),
}

#[derive(Debug)]
struct Pairing {
    veth: Veth,
    /// Where the other end is to be; only on our side of the clone.
    far: Option<Far>,
    pair: Option<Pair>,
}

#[derive(Debug)]
struct Far {
    /// `our network namespace`
    place: Text,
    changes: Changes,
    namespace: OwnedFd,
}

impl Network {
    /// Opens what is needed of namespaces that exist. `held` is the target that the wish names.
    ///
    /// The caller has one thread. EPERM: we may put no interface there.
    pub fn open(wish: &NetWish, held: Option<Held>) -> Result<Self> {
        Ok(Self(match wish {
            NetWish::Ours | NetWish::Alone => Way::Bare,
            NetWish::Join(_) => Way::Joined(held.filter(|held| !held.is_ours)),
            NetWish::Veth(veth) => {
                let far = Some(Far::open(held)?);
                Way::Paired(Box::new(Pairing { veth: (**veth).clone(), far, pair: None }))
            }
        }))
    }

    /// Whether somebody outside has to do something for the process.
    pub const fn is_wired(&self) -> bool {
        matches!(self.0, Way::Paired(_))
    }

    /// Whether the namespace of a process that is protected would be out of reach: it takes the
    /// right to trace anybody.
    pub fn is_hidden_by_protection(&self) -> bool {
        let may_trace = || {
            rustix::thread::capabilities(None)
                .is_ok_and(|own| own.effective.contains(CapabilitySet::SYS_PTRACE))
        };
        self.is_wired() && !may_trace()
    }

    /// Just before the clone: joins the target's, where the process is to be in that. A new user
    /// namespace would have no right to it, and what is ours has no more use for the network.
    pub fn join(&mut self) -> Result<()> {
        let Way::Joined(held) = &mut self.0 else { return Ok(()) };
        let Some(Held { label, file, .. }) = held.take() else { return Ok(()) };
        ns::join(file.fd.as_fd(), NET)
            .with_context("join", || place_of(&label))
            .map_err(NetworkError::NotJoined)
    }

    /// While the process waits: all that comes from outside of it. Where that fails nothing of it is
    /// left.
    ///
    /// The caller has one thread.
    pub fn wire(&mut self, child: &Child) -> Result<()> {
        let Way::Paired(pairing) = &mut self.0 else { return Ok(()) };
        // What it was made through keeps no namespace for longer.
        let Some(mut far) = pairing.far.take() else { return Ok(()) };
        let near = Changes::through(socket_in(child.pidfd.as_fd(), &NEW.into())?);
        pairing.pair = Some(Pair::make(&pairing.veth, near, &mut far)?);
        Ok(())
    }

    /// In the new process: nothing of another namespace stays open there.
    pub fn let_go(&mut self) {
        if let Way::Paired(pairing) = &mut self.0 {
            pairing.far = None;
        }
    }

    /// What the other end is called, once there is one.
    pub fn peer(&self) -> Option<String> {
        let Way::Paired(pairing) = &self.0 else { return None };
        pairing.pair.as_ref().map(|pair| pair.peer.to_string())
    }

    /// The program has ended. A pair in namespaces that outlive it is left to them.
    pub fn end(&mut self, outlives: bool) {
        let Way::Paired(pairing) = &mut self.0 else { return };
        if let Some(mut pair) = pairing.pair.take()
            && outlives
        {
            pair.index = None;
        }
    }
}

const NEW: &str = "the new network namespace";

impl Far {
    fn open(held: Option<Held>) -> Result<Self> {
        let place: Text = match held.as_ref().filter(|held| !held.is_ours) {
            None => "our network namespace".into(),
            Some(held) => place_of(&held.label),
        };
        let socket = match held.filter(|held| !held.is_ours) {
            None => change::open_socket()?,
            Some(held) => socket_in(held.file.fd.as_fd(), &place)?,
        };
        let changes = Changes::through(socket);
        let namespace = changes
            .namespace()
            .context("put an interface into", place.as_bytes())
            .map_err(closed)?;
        Ok(Self { place, changes, namespace })
    }
}

/// A socket in another network namespace, opened by a process that joins it: we stay where we are.
fn socket_in(namespace: BorrowedFd<'_>, place: &Text) -> Result<OwnedFd> {
    let open = || {
        ns::join(namespace, NET).context("join", "it")?;
        change::open_socket()
    };
    worker::make("a netlink socket", open, PATIENCE).map_err(|error| {
        closed(SysError { doing: "enter", object: place.clone(), problem: error.problem })
    })
}

fn place_of(label: &Text) -> Text {
    format!("the network namespace of {label}").into()
}

fn closed(error: SysError) -> NetworkError {
    match error.errno() {
        Some(Errno::EPERM | Errno::EACCES) => NetworkError::Closed(error),
        _ => error.into(),
    }
}

/// Both ends. Gone when this is dropped, though it is also when the process's namespace is: that the
/// kernel clears away some time after the last process, and until then the name would be taken.
#[derive(Debug)]
struct Pair {
    near: Changes,
    /// Of the end inside; absent once it is not ours to delete.
    index: Option<u32>,
    /// What the other end is called.
    peer: Text,
}

impl Pair {
    fn make(veth: &Veth, mut near: Changes, far: &mut Far) -> Result<Self> {
        let other = change::Far { name: veth.peer.name.as_ref(), namespace: far.namespace.as_fd() };
        if let Err(errno) = near.add_veth(&veth.name, other, veth.mtu_bytes) {
            return Err(refused(veth, &mut near, far, errno));
        }
        let made = near.named(&veth.name).with_context("find", || interface(&veth.name, NEW))?;
        let mut pair = Self { near, index: Some(made.index), peer: Text::default() };
        // From here on a failure takes it away again.
        pair.equip(veth, &made, far)?;
        Ok(pair)
    }

    fn equip(&mut self, veth: &Veth, made: &Interface, far: &mut Far) -> Result<()> {
        let inside = interface(&veth.name, NEW);
        let index = made.index;
        // It is nobody else's yet: the number is the kernel's own word for it.
        let other = made.peer_index.unwrap_or_default();
        let unnamed = || interface("of the peer", &far.place);
        far.changes.bring_up(other).with_context("set up", unnamed)?;
        self.near.bring_up(index).with_context("set up", || inside.as_str())?;
        // Who asks for one makes the kernel note its carrier first (Linux 6.8), without which it
        // sends nothing: else that is noted some time after.
        self.near.numbered(index).with_context("find", || inside.as_str())?;
        self.peer = far.changes.numbered(other).with_context("find", unnamed)?.name;
        let outside = interface(&self.peer, &far.place);

        for subnet in &veth.peer.addresses {
            let added = far.changes.add_address(other, *subnet);
            added.map_err(|errno| no_address(*subnet, &outside, errno))?;
        }
        for subnet in &veth.addresses {
            let added = self.near.add_address(index, *subnet);
            added.map_err(|errno| no_address(*subnet, &inside, errno))?;
        }
        for gateway in &veth.gateways {
            let what = || format!("a default route by {gateway} to {inside}");
            self.near.add_default_route(index, *gateway).with_context("add", what)?;
        }
        Ok(())
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        if let Some(index) = self.index {
            // Gone already, where the program has deleted it or handed it on.
            let _ = self.near.delete(index);
        }
    }
}

/// Of a name that is taken the kernel does not say which it is.
fn refused(veth: &Veth, near: &mut Changes, far: &Far, errno: Errno) -> NetworkError {
    let what = match (errno, &veth.peer.name) {
        (Errno::EEXIST, _) if near.named(&veth.name).is_ok() => interface(&veth.name, NEW),
        (Errno::EEXIST, Some(peer)) => interface(peer, &far.place),
        _ => format!("a veth pair between {NEW} and {}", far.place),
    };
    let error = SysError::new("make", what, errno);
    match errno {
        Errno::EEXIST => NetworkError::Taken(error),
        Errno::EOPNOTSUPP => NetworkError::NoVeth(error),
        _ => closed(error),
    }
}

/// EACCES: IPv6 is switched off on the interface; EOPNOTSUPP: the kernel has none.
fn no_address(subnet: Subnet, place: &str, errno: Errno) -> NetworkError {
    let error = SysError::new("add", format!("address {subnet} to {place}"), errno);
    match errno {
        Errno::EACCES | Errno::EOPNOTSUPP if subnet.address.is_ipv6() => {
            NetworkError::NoIpv6(error)
        }
        _ => error.into(),
    }
}

/// `interface eth0 in the new network namespace`
fn interface(name: impl std::fmt::Display, place: impl std::fmt::Display) -> String {
    format!("interface {name} in {place}")
}
