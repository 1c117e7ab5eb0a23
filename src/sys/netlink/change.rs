//! Changes to the interfaces, addresses and routes of one network namespace, for what nsx makes.
//!
//! A plain socket without an event loop: the kernel has done what was asked, and said how that went,
//! when the question is sent. Who changes a new process's network has one thread; a socket stays in
//! the namespace that it was opened in, whoever uses it. See rtnetlink(7).

use super::link;
use super::message::{Said, messages};
use crate::model::net_wish::{IfName, Subnet};
use crate::model::network::Interface;
use crate::sys::error::{Context, IntoErrno, Result};
use crate::sys::raw::nsfs;
use nix::errno::Errno;
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::AddressHeaderFlags;
use rtnetlink::packet_route::link::{InfoData, InfoVeth, LinkMessage};
use rtnetlink::{
    AddressMessageBuilder, LinkMessageBuilder, LinkUnspec, LinkVeth, RouteMessageBuilder,
};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// More than the kernel says of one interface.
const ANSWER: usize = 32 << 10;
/// A name in which the kernel puts the first number that is free.
const NAMELESS: &str = "nsx%d";

/// A netlink socket in the namespace that is changed; the kernel asks for CAP_NET_ADMIN there.
#[derive(Debug)]
pub struct Changes {
    socket: OwnedFd,
    sequence: u32,
}

/// Where the other end of a pair is to be.
#[derive(Clone, Copy, Debug)]
pub struct Far<'a> {
    /// Absent: the kernel finds one.
    pub name: Option<&'a IfName>,
    /// A descriptor of the network namespace that it is made in (IFLA_NET_NS_FD).
    pub namespace: BorrowedFd<'a>,
}

/// A socket in the calling thread's network namespace.
pub fn open_socket() -> Result<OwnedFd> {
    let object = "a netlink socket";
    // Without a protocol it is NETLINK_ROUTE, whose number is zero.
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        None,
    )
    .context("open", object)?;
    // A connected one takes messages from the kernel alone.
    rustix::net::connect(&socket, &SocketAddrNetlink::new(0, 0)).context("connect", object)?;
    Ok(socket)
}

impl Changes {
    /// By a socket from [`open_socket`], in whose namespace all of it happens.
    pub const fn through(socket: OwnedFd) -> Self {
        Self { socket, sequence: 0 }
    }

    /// The network namespace that is changed. EPERM: the caller lacks CAP_NET_ADMIN there, and can
    /// change nothing. Linux 4.10.
    pub fn namespace(&self) -> nix::Result<OwnedFd> {
        nsfs::of_socket(self.socket.as_fd())
    }

    /// Makes a veth pair, each end at once in its own namespace: both, or none. EEXIST: one of the
    /// names is taken.
    pub fn add_veth(&mut self, name: &IfName, far: Far<'_>, mtu: Option<u32>) -> nix::Result<()> {
        let message = pair(name, far, mtu);
        self.change(RouteNetlinkMessage::NewLink(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// ENODEV where there is none.
    pub fn named(&mut self, name: &IfName) -> nix::Result<Interface> {
        self.link(LinkMessageBuilder::<LinkUnspec>::new().name(name.as_str()).build())
    }

    /// ENODEV where there is none.
    pub fn numbered(&mut self, index: u32) -> nix::Result<Interface> {
        self.link(LinkUnspec::new_with_index(index).build())
    }

    /// Sets an interface up (IFF_UP).
    pub fn bring_up(&mut self, index: u32) -> nix::Result<()> {
        let message = LinkUnspec::new_with_index(index).up().build();
        self.change(RouteNetlinkMessage::SetLink(message), 0)
    }

    /// Adds an address that can be used at once: nobody else is on the link, so that nobody has to be
    /// asked for it (RFC 4862).
    pub fn add_address(&mut self, index: u32, subnet: Subnet) -> nix::Result<()> {
        let length = subnet.prefix_length;
        let message = match subnet.address {
            IpAddr::V4(address) => AddressMessageBuilder::<Ipv4Addr>::new()
                .index(index)
                .address(address, length)
                .build(),
            IpAddr::V6(address) => {
                let builder = AddressMessageBuilder::<Ipv6Addr>::new().index(index);
                let mut message = builder.address(address, length).build();
                message.header.flags = AddressHeaderFlags::Nodad;
                message
            }
        };
        self.change(RouteNetlinkMessage::NewAddress(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// ENETUNREACH, or EHOSTUNREACH: the gateway is in no network of the interface's.
    pub fn add_default_route(&mut self, index: u32, gateway: IpAddr) -> nix::Result<()> {
        let message = match gateway {
            IpAddr::V4(gateway) => RouteMessageBuilder::<Ipv4Addr>::new()
                .output_interface(index)
                .gateway(gateway)
                .build(),
            IpAddr::V6(gateway) => RouteMessageBuilder::<Ipv6Addr>::new()
                .output_interface(index)
                .gateway(gateway)
                .build(),
        };
        self.change(RouteNetlinkMessage::NewRoute(message), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Of a pair both ends are gone when this returns.
    pub fn delete(&mut self, index: u32) -> nix::Result<()> {
        let message = LinkUnspec::new_with_index(index).build();
        self.change(RouteNetlinkMessage::DelLink(message), 0)
    }

    fn change(&mut self, message: RouteNetlinkMessage, flags: u16) -> nix::Result<()> {
        self.ask(message, flags | NLM_F_ACK).map(drop)
    }

    fn link(&mut self, message: LinkMessage) -> nix::Result<Interface> {
        self.ask(RouteNetlinkMessage::GetLink(message), 0)?.ok_or(Errno::ENODEV)
    }

    /// One question and its one answer: an interface, or only that it went well.
    fn ask(&mut self, message: RouteNetlinkMessage, flags: u16) -> nix::Result<Option<Interface>> {
        self.sequence += 1;
        let mut message = NetlinkMessage::from(message);
        message.header.flags = NLM_F_REQUEST | flags;
        message.header.sequence_number = self.sequence;
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        let errno = rustix::io::Errno::into_errno;
        rustix::net::send(&self.socket, &bytes, SendFlags::empty()).map_err(errno)?;

        let mut answer = vec![0; ANSWER];
        let (_, length) =
            rustix::net::recv(&self.socket, answer.as_mut_slice(), RecvFlags::DONTWAIT)
                .map_err(errno)?;
        let answer = answer.get(..length).ok_or(Errno::EMSGSIZE)?;
        let mine = messages(answer).find(|message| message.sequence == self.sequence);
        match mine.map(|message| message.said) {
            Some(Said::Row(row)) => link::parse(row).map(Some).ok_or(Errno::EBADMSG),
            Some(Said::End(Ok(()))) => Ok(None),
            Some(Said::End(Err(errno))) => Err(errno),
            None => Err(Errno::EBADMSG),
        }
    }
}

fn pair(name: &IfName, far: Far<'_>, mtu: Option<u32>) -> LinkMessage {
    let far_name = far.name.map_or(NAMELESS, IfName::as_str);
    let peer = LinkMessageBuilder::<LinkUnspec>::new()
        .name(far_name)
        .setns_by_fd(far.namespace.as_raw_fd());
    let near = LinkVeth::new(name.as_str(), far_name);
    let (peer, near) = match mtu {
        Some(mtu) => (peer.mtu(mtu), near.mtu(mtu)),
        None => (peer, near),
    };
    near.set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build()))).build()
}

#[cfg(test)]
mod tests {
    use super::super::attribute::{after, text, u32_at};
    use super::*;

    fn name(name: &str) -> IfName {
        IfName::new(name.as_bytes()).unwrap()
    }

    fn ours() -> Changes {
        Changes::through(open_socket().unwrap())
    }

    /// `struct ifinfomsg`
    const HEADER: usize = 16;

    fn attribute(bytes: &[u8], header: usize, wanted: u16) -> Vec<u8> {
        let mut all = after(bytes, header).unwrap();
        all.find(|(kind, _)| *kind == wanted).unwrap().1.to_vec()
    }

    #[test]
    fn a_pair_is_asked_for_in_one_message_with_its_namespace() {
        let namespace = std::fs::File::open("/proc/self/ns/net").unwrap();
        let blue = name("blue");
        let far = Far { name: Some(&blue), namespace: namespace.as_fd() };
        let message = pair(&name("eth0"), far, Some(1400));
        let mut message = NetlinkMessage::from(RouteNetlinkMessage::NewLink(message));
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        let body = &bytes[16..];
        assert_eq!(text(&attribute(body, HEADER, 3)), "eth0");
        assert_eq!(u32_at(&attribute(body, HEADER, 4), 0), Some(1400));
        let info = attribute(body, HEADER, 18);
        assert_eq!(text(&attribute(&info, 0, 1)), "veth");
        let peer = attribute(&attribute(&info, 0, 2), 0, 1);
        assert_eq!(text(&attribute(&peer, HEADER, 3)), "blue");
        assert_eq!(u32_at(&attribute(&peer, HEADER, 4), 0), Some(1400));
        let fd = attribute(&peer, HEADER, 28);
        assert_eq!(u32_at(&fd, 0), Some(namespace.as_raw_fd().cast_unsigned()));
    }

    #[test]
    fn an_interface_is_found_by_name_and_by_number() {
        let mut changes = ours();
        assert_eq!(changes.named(&name("lo")).unwrap().index, 1);
        assert_eq!(changes.numbered(1).unwrap().name, "lo");
        assert_eq!(changes.named(&name("no-such")).unwrap_err(), Errno::ENODEV);
        assert_eq!(changes.numbered(4_000_000).unwrap_err(), Errno::ENODEV);
    }

    #[test]
    fn what_is_not_there_cannot_be_changed() {
        let mut changes = ours();
        // Whoever may change nothing here is told so first.
        let refused = [Errno::ENODEV, Errno::EPERM];
        assert!(refused.contains(&changes.delete(4_000_000).unwrap_err()));
        assert!(refused.contains(&changes.bring_up(4_000_000).unwrap_err()));
        let subnet = Subnet { address: "198.51.100.9".parse().unwrap(), prefix_length: 24 };
        assert!(refused.contains(&changes.add_address(4_000_000, subnet).unwrap_err()));
    }
}
