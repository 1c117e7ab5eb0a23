//! The tables of many network namespaces, one after the other.
//!
//! Each is entered by a member of a crew, a process of one thread that is thrown away afterwards:
//! no thread of the caller is moved. What matches is told in the member, and its messages are sent
//! as the kernel wrote them, so that there is one parser for both sides.

pub mod answer;

pub use answer::{Found, Row};

use super::asker::{Asker, Most};
use super::nsid::NsIds;
use super::socket::{
    CONNECTED, LISTENING, SOCK_DIAG_BY_FAMILY, TCPDIAG_GETSOCK, request_tcp, request_udp,
};
use super::{addr, link, unix};
use crate::model::namespace::{Kind, Kinds};
use crate::model::network::Interface;
use crate::sys::crew::{self, Care, Patience};
use crate::sys::error::{Problem, Result};
use crate::sys::ns;
use crate::sys::proc::net::InUse;
use answer::Table;
use nix::errno::Errno;
use rtnetlink::sys::protocols::{NETLINK_ROUTE, NETLINK_SOCK_DIAG};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Who changes interfaces holds the kernel's lock for them, sometimes for long.
const PATIENCE: Patience = Patience { each: Duration::from_secs(1), all: Duration::from_secs(3) };
/// Of one table; an ordinary interface has some seven hundred bytes.
const MOST: Most = Most { rows: 1 << 16, bytes: 64 << 20 };

/// How a namespace is entered.
#[derive(Debug)]
pub enum Door {
    /// It is the caller's own. It has to come before all others.
    Own,
    /// A descriptor of the namespace, which setns(2) takes.
    Through(OwnedFd),
}

/// What is read of a namespace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its interfaces (RTM_GETLINK).
    pub links: bool,
    /// The addresses of its interfaces (RTM_GETADDR).
    pub addresses: bool,
    /// Listeners of TCP.
    pub listening: bool,
    /// Every other socket of TCP.
    pub connected: bool,
    /// Sockets of UDP, IPv4 and IPv6.
    pub udp: bool,
    /// Sockets of AF_UNIX.
    pub unix: bool,
}

/// Enters the places 0 to `places` and asks there. `open`, `ask` run in processes of their own,
/// `take` runs here, in no order. EPERM, EACCES: without CAP_SYS_ADMIN none is entered; ENOENT and
/// ESTALE: the namespace has gone.
///
/// The caller has one thread.
pub fn roam(
    proc: BorrowedFd<'_>,
    places: usize,
    open: &mut dyn FnMut(usize) -> nix::Result<Door>,
    ask: &mut dyn FnMut(usize, &mut Here<'_>),
    take: &mut dyn FnMut(usize, std::result::Result<Found, Problem>),
) {
    // Of the member, which has its own by fork.
    let mut has_left = false;
    let mut job = |place: usize, care: Care, out: &mut Vec<u8>| {
        // This may be the caller itself, which goes nowhere; and every answer may wait for a lock.
        if let Some(errno) = care.lack() {
            return answer::refuse(out, errno);
        }
        match open(place).and_then(|door| enter(&door, &mut has_left)) {
            Ok(()) => ask(place, &mut Here::new(proc, out)),
            Err(errno) => answer::refuse(out, errno),
        }
    };
    crew::work(places, crew::size(), PATIENCE, &mut job, &mut |place, bytes| {
        take(place, bytes.and_then(answer::read));
    });
}

/// Reads the tables `wanted` of each, and of them the rows that `keep` chooses.
pub fn read(
    proc: BorrowedFd<'_>,
    places: usize,
    wanted: Wanted,
    open: &mut dyn FnMut(usize) -> nix::Result<Door>,
    keep: &mut dyn FnMut(&Row) -> bool,
    take: &mut dyn FnMut(usize, std::result::Result<Found, Problem>),
) {
    roam(proc, places, open, &mut |_, here| here.read(wanted, keep), take);
}

fn enter(door: &Door, has_left: &mut bool) -> nix::Result<()> {
    match door {
        Door::Own if *has_left => Err(Errno::ESTALE),
        Door::Own => Ok(()),
        Door::Through(namespace) => {
            ns::join(namespace.as_fd(), Kinds::NONE.with(Kind::Net))?;
            *has_left = true;
            Ok(())
        }
    }
}

/// The namespace that was entered.
#[derive(Debug)]
pub struct Here<'a> {
    proc: BorrowedFd<'a>,
    out: &'a mut Vec<u8>,
    routes: Option<Asker>,
    sockets: Option<Asker>,
    ids: Option<NsIds>,
}

impl<'a> Here<'a> {
    fn new(proc: BorrowedFd<'a>, out: &'a mut Vec<u8>) -> Self {
        Self { proc, out, routes: None, sockets: None, ids: None }
    }

    /// Sends what `keep` chooses; of a table that cannot be read, that it is incomplete.
    pub fn read(&mut self, wanted: Wanted, keep: &mut dyn FnMut(&Row) -> bool) {
        if wanted.links {
            self.send_table(Table::Links, &link::request_bare(), keep);
        }
        if wanted.addresses {
            self.send_table(Table::Addresses, &addr::request(), keep);
        }
        if wanted.listening || wanted.connected || wanted.udp {
            self.read_sockets(wanted, keep);
        }
        if wanted.unix {
            self.send_table(Table::Unix, &unix::request(), keep);
        }
    }

    /// Every interface.
    pub fn links(&mut self) -> Result<Vec<(Interface, Vec<u8>)>> {
        let table = self.table(Table::Links, &link::request_bare(), &mut |_| true)?;
        let parse = |row: Vec<u8>| Some((link::parse(&row)?, row));
        Ok(table.into_iter().filter_map(parse).collect())
    }

    /// The interface that is called so, by any of its names: one question instead of a table.
    pub fn link_named(&mut self, name: &[u8]) -> Result<Option<(Interface, Vec<u8>)>> {
        let asker = asker(&mut self.routes, NETLINK_ROUTE)?;
        let row = asker.one("an interface", libc::RTM_GETLINK, &link::request_named(name))?;
        Ok(row.and_then(|row| Some((link::parse(row)?, row.to_vec()))))
    }

    /// The interface of an index.
    pub fn link_at(&mut self, index: u32) -> Result<Option<(Interface, Vec<u8>)>> {
        let asker = asker(&mut self.routes, NETLINK_ROUTE)?;
        let row = asker.one("an interface", libc::RTM_GETLINK, &link::request_one(index))?;
        Ok(row.and_then(|row| Some((link::parse(row)?, row.to_vec()))))
    }

    /// The number by which this namespace calls another.
    pub fn number_of(&mut self, namespace: BorrowedFd<'_>) -> Result<Option<u32>> {
        let ids = match self.ids.take() {
            Some(ids) => ids,
            None => NsIds::open()?,
        };
        self.ids.insert(ids).of(namespace)
    }

    /// The message of an interface, without its other names: whoever is root here may give it sixty
    /// thousand bytes of them.
    pub fn send_link(&mut self, row: &[u8]) {
        answer::row(self.out, Table::Links, &link::without_altnames(row));
    }

    /// What is called `number` here.
    pub fn send_number(&mut self, number: u32, inode: u64) {
        answer::number(self.out, number, inode);
    }

    /// The interfaces could not be read.
    pub fn send_no_links(&mut self) {
        answer::incomplete(self.out, Table::Links);
    }

    /// The kernel walks a table of the whole host for each question about sockets, milliseconds for
    /// connections: what a count says is not there is not asked for.
    fn read_sockets(&mut self, wanted: Wanted, keep: &mut dyn FnMut(&Row) -> bool) {
        let there_are = InUse::read(self.proc, "self/net");
        if (wanted.listening || wanted.connected) && there_are.tcp != Some(0) {
            let mut listeners = 0;
            let count = &mut |row: &Row| {
                listeners += 1;
                wanted.listening && keep(row)
            };
            self.send_table(Table::Listening, &request_tcp(LISTENING), count);
            if wanted.connected && there_are.tcp.is_none_or(|tcp| tcp > listeners) {
                self.send_table(Table::Connected, &request_tcp(CONNECTED), keep);
            }
        }
        for (family, sockets) in [(2, there_are.udp_v4), (10, there_are.udp_v6)] {
            if wanted.udp && sockets != Some(0) {
                self.send_table(Table::Udp, &request_udp(family), keep);
            }
        }
    }

    fn send_table(&mut self, table: Table, body: &[u8], keep: &mut dyn FnMut(&Row) -> bool) {
        let mut is_kept = |row: &[u8]| table.parse(row).is_some_and(|row| keep(&row));
        match self.table(table, body, &mut is_kept) {
            Ok(rows) => rows.iter().for_each(|row| answer::row(self.out, table, row)),
            Err(_) => answer::incomplete(self.out, table),
        }
    }

    fn table(
        &mut self,
        table: Table,
        body: &[u8],
        keep: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<Vec<Vec<u8>>> {
        let (asker, kinds) = match table {
            Table::Links => {
                (asker(&mut self.routes, NETLINK_ROUTE)?, (libc::RTM_GETLINK, libc::RTM_NEWLINK))
            }
            Table::Addresses => {
                (asker(&mut self.routes, NETLINK_ROUTE)?, (libc::RTM_GETADDR, libc::RTM_NEWADDR))
            }
            Table::Listening | Table::Connected => {
                (asker(&mut self.sockets, NETLINK_SOCK_DIAG)?, (TCPDIAG_GETSOCK, TCPDIAG_GETSOCK))
            }
            Table::Udp | Table::Unix => (
                asker(&mut self.sockets, NETLINK_SOCK_DIAG)?,
                (SOCK_DIAG_BY_FAMILY, SOCK_DIAG_BY_FAMILY),
            ),
        };
        let (rows, cut) = asker.table(table.name(), kinds, body, MOST, keep)?;
        if cut {
            answer::incomplete(self.out, table);
        }
        Ok(rows)
    }
}

fn asker(place: &mut Option<Asker>, protocol: isize) -> Result<&mut Asker> {
    let opened = match place.take() {
        Some(opened) => opened,
        None => Asker::open(protocol)?,
    };
    Ok(place.insert(opened))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::root::SysRoot;

    fn in_our_own(wanted: Wanted, keep: &mut dyn FnMut(&Row) -> bool) -> Found {
        let root = SysRoot::real().unwrap();
        let mut found = None;
        let mut take = |place, answer: std::result::Result<Found, Problem>| {
            assert_eq!(place, 0);
            found = Some(answer.unwrap());
        };
        read(root.proc(), 1, wanted, &mut |_| Ok(Door::Own), keep, &mut take);
        found.unwrap()
    }

    #[test]
    fn only_what_is_kept_comes_back() {
        let wanted = Wanted { links: true, addresses: true, ..Wanted::default() };
        let is_lo = |row: &Row| matches!(row, Row::Link(link) if link.name == "lo");
        let found = in_our_own(wanted, &mut { is_lo });
        assert_eq!((found.rows.len(), found.incomplete.len()), (1, 0));
        assert!(found.rows.iter().all(is_lo));
    }

    #[test]
    fn sockets_of_every_kind_are_found() {
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let client = std::net::TcpStream::connect(tcp.local_addr().unwrap()).unwrap();
        let udp = std::net::UdpSocket::bind("[::1]:0").or(std::net::UdpSocket::bind("127.0.0.1:0"));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("socket");
        let _unix = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let wanted =
            Wanted { listening: true, connected: true, udp: true, unix: true, ..Wanted::default() };
        let found = in_our_own(wanted, &mut |_| true);
        let has = |port: u16, state: &str| {
            let is_it = |row: &Row| matches!(row, Row::Socket(one, _) if (one.port, one.state) == (port, state));
            found.rows.iter().any(is_it)
        };
        assert!(has(tcp.local_addr().unwrap().port(), "listen"));
        assert!(has(client.local_addr().unwrap().port(), "established"));
        assert!(has(udp.unwrap().local_addr().unwrap().port(), "unconnected"));
        let name: crate::model::text::Text = path.to_str().unwrap().into();
        let is_unix = |row: &Row| matches!(row, Row::Unix(one) if one.name.as_ref() == Some(&name));
        assert!(found.rows.iter().any(is_unix));
    }

    #[test]
    fn a_place_that_cannot_be_opened_costs_itself_only() {
        let root = SysRoot::real().unwrap();
        let mut answers = Vec::new();
        let mut open = |place| if place == 1 { Err(Errno::ENOENT) } else { Ok(Door::Own) };
        let wanted = Wanted { links: true, ..Wanted::default() };
        read(root.proc(), 3, wanted, &mut open, &mut |_| true, &mut |place, answer| {
            answers.push((place, answer.map(|found| found.rows.is_empty())));
        });
        answers.sort_by_key(|(place, _)| *place);
        let gone = Err(Problem::Errno(Errno::ENOENT));
        assert_eq!(answers, [(0, Ok(false)), (1, gone), (2, Ok(false))]);
    }
}
