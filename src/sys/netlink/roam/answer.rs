//! What was found in a namespace, as it travels from a member of the crew: a word and a length
//! before each message, which is the kernel's own.

use crate::model::network::{Address, Interface, Protocol, Socket};
use crate::sys::error::Problem;
use crate::sys::netlink::unix::{self, UnixSocket};
use crate::sys::netlink::{addr, link, socket};
use nix::errno::Errno;

/// One row of any table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// An interface.
    Link(Box<Interface>),
    /// With the index of its interface.
    Address(u32, Box<Address>),
    /// With the index of the interface it is bound to.
    Socket(Box<Socket>, Option<u32>),
    /// A socket of AF_UNIX.
    Unix(Box<UnixSocket>),
}

/// Of one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// In the order in which they were sent.
    pub rows: Vec<Row>,
    /// What it calls other namespaces, by inode; of those that were asked about.
    pub numbers: Vec<(u32, u64)>,
    /// Tables that could not be read, kept changing, or are longer than the bound.
    pub incomplete: Vec<&'static str>,
}

/// One question to a network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Table {
    /// RTM_GETLINK
    Links,
    /// RTM_GETADDR
    Addresses,
    /// TCPDIAG_GETSOCK, of the state LISTEN alone.
    Listening,
    /// TCPDIAG_GETSOCK, of every other state.
    Connected,
    /// SOCK_DIAG_BY_FAMILY, of IPv4 or of IPv6.
    Udp,
    /// SOCK_DIAG_BY_FAMILY, of AF_UNIX.
    Unix,
}

impl Table {
    const ALL: [Self; 6] =
        [Self::Links, Self::Addresses, Self::Listening, Self::Connected, Self::Udp, Self::Unix];

    /// What a report calls it where it is incomplete.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Links => "interfaces",
            Self::Addresses => "addresses",
            Self::Listening | Self::Connected | Self::Udp => "sockets",
            Self::Unix => "unix sockets",
        }
    }

    /// `None` for what the kernel wrote shorter than it should.
    pub fn parse(self, message: &[u8]) -> Option<Row> {
        let of = |protocol| {
            let (socket, interface) = socket::parse(protocol, message)?;
            Some(Row::Socket(Box::new(socket), interface))
        };
        match self {
            Self::Links => Some(Row::Link(Box::new(link::parse(message)?))),
            Self::Addresses => {
                let (index, address) = addr::parse(message)?;
                Some(Row::Address(index, Box::new(address)))
            }
            Self::Listening | Self::Connected => of(Protocol::Tcp),
            Self::Udp => of(Protocol::Udp),
            Self::Unix => Some(Row::Unix(Box::new(unix::parse(message)?))),
        }
    }

    fn code(self) -> u8 {
        let place = Self::ALL.iter().position(|table| *table == self);
        place.and_then(|place| u8::try_from(place).ok()).unwrap_or(0)
    }

    fn decode(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

const REFUSED: u8 = 0xf0;
const NUMBER: u8 = 0xf1;
const INCOMPLETE: u8 = 0xf2;

/// Adds one message of the kernel's, as it came.
pub fn row(out: &mut Vec<u8>, table: Table, message: &[u8]) {
    push(out, table.code(), message);
}

/// Adds what the namespace calls another one, by that one's inode.
pub fn number(out: &mut Vec<u8>, number: u32, inode: u64) {
    push(out, NUMBER, &[&number.to_ne_bytes()[..], &inode.to_ne_bytes()].concat());
}

/// Notes that rows of the table may be missing.
pub fn incomplete(out: &mut Vec<u8>, table: Table) {
    push(out, INCOMPLETE, &[table.code()]);
}

/// It was not entered.
pub fn refuse(out: &mut Vec<u8>, errno: Errno) {
    push(out, REFUSED, &(errno as i32).to_ne_bytes());
}

fn push(out: &mut Vec<u8>, word: u8, bytes: &[u8]) {
    out.push(word);
    out.extend(u32::try_from(bytes.len()).unwrap_or(0).to_ne_bytes());
    out.extend(bytes);
}

/// The other end of all this; an error where the namespace was not entered.
pub fn read(mut bytes: &[u8]) -> Result<Found, Problem> {
    let mut found = Found::default();
    while !bytes.is_empty() {
        let (word, value) = take(&mut bytes).ok_or(Problem::Malformed("answer"))?;
        match word {
            REFUSED => {
                return Err(match value.first_chunk().map(|code| i32::from_ne_bytes(*code)) {
                    Some(libc::ETIMEDOUT) => Problem::TimedOut,
                    code => Problem::Errno(Errno::from_raw(code.unwrap_or(0))),
                });
            }
            NUMBER => found.numbers.extend(number_of(value)),
            INCOMPLETE => {
                let table = value.first().copied().and_then(Table::decode).map(Table::name);
                found.mark(table.unwrap_or("interfaces"));
            }
            // What the kernel wrote shorter than it should is no row.
            code => match Table::decode(code).map(|table| (table, table.parse(value))) {
                Some((_, Some(row))) => found.rows.push(row),
                Some((table, None)) => found.mark(table.name()),
                None => return Err(Problem::Malformed("answer")),
            },
        }
    }
    Ok(found)
}

impl Found {
    fn mark(&mut self, table: &'static str) {
        if !self.incomplete.contains(&table) {
            self.incomplete.push(table);
        }
    }
}

fn number_of(value: &[u8]) -> Option<(u32, u64)> {
    let (number, rest) = value.split_first_chunk()?;
    Some((u32::from_ne_bytes(*number), u64::from_ne_bytes(*rest.first_chunk()?)))
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (word, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (value, rest) = rest.split_at_checked(u32::from_ne_bytes(*length) as usize)?;
    *bytes = rest;
    Some((*word, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fixed part of a message about an interface, and of one about a unix socket.
    fn messages() -> (Vec<u8>, Vec<u8>) {
        let mut interface = vec![0; 16];
        interface[4..8].copy_from_slice(&7_u32.to_ne_bytes());
        let mut unix = vec![1, 1, 10, 0];
        unix.extend(9_u32.to_ne_bytes());
        unix.resize(16, 0);
        (interface, unix)
    }

    #[test]
    fn what_is_written_is_read() {
        let (interface, unix_socket) = messages();
        let mut bytes = Vec::new();
        row(&mut bytes, Table::Links, &interface);
        number(&mut bytes, 3, 4_026_532_000);
        row(&mut bytes, Table::Unix, &unix_socket);
        incomplete(&mut bytes, Table::Udp);
        incomplete(&mut bytes, Table::Listening);
        let expected = Found {
            rows: vec![
                Row::Link(Box::new(link::parse(&interface).unwrap())),
                Row::Unix(Box::new(unix::parse(&unix_socket).unwrap())),
            ],
            numbers: vec![(3, 4_026_532_000)],
            incomplete: vec!["sockets"],
        };
        assert_eq!(read(&bytes), Ok(expected));
        assert_eq!(read(&bytes[..bytes.len() - 1]), Err(Problem::Malformed("answer")));
        assert_eq!(read(&[]), Ok(Found::default()));
    }

    #[test]
    fn a_refusal_is_its_reason() {
        for (errno, problem) in
            [(Errno::EPERM, Problem::Errno(Errno::EPERM)), (Errno::ETIMEDOUT, Problem::TimedOut)]
        {
            let mut bytes = Vec::new();
            refuse(&mut bytes, errno);
            assert_eq!(read(&bytes), Err(problem));
        }
    }

    #[test]
    fn every_table_has_a_word_of_its_own() {
        for table in Table::ALL {
            assert_eq!(Table::decode(table.code()), Some(table));
        }
        assert_eq!(Table::decode(6), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
