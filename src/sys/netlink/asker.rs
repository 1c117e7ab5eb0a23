//! A netlink socket without an event loop: the kernel has answered when a question is sent, and
//! writes each further part of a table when it is read, so that nothing is ever waited for.

use super::message::{Said, messages, request};
use crate::sys::error::{Context, Result, SysError};
use nix::errno::Errno;
use rtnetlink::sys::{Socket, SocketAddr};

const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
/// The kernel fills at most a quarter of it with a part of a table; but one interface may have
/// sixty-four thousand bytes of names alone.
const BUFFER: usize = 128 << 10;
/// How often an interrupted table is asked for.
const ATTEMPTS: usize = 4;

/// What is kept of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    pub rows: usize,
    /// Of all of them: one interface may have sixty thousand bytes of names.
    pub bytes: usize,
}

#[derive(Debug)]
pub(super) struct Asker {
    socket: Socket,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Asker {
    /// In the calling thread's network namespace, and there for ever.
    pub(super) fn open(protocol: isize) -> Result<Self> {
        let object = "a netlink socket";
        let socket = Socket::new(protocol).context("open", object)?;
        // A connected one takes messages from the kernel alone.
        socket.connect(&SocketAddr::new(0, 0)).context("connect", object)?;
        Ok(Self { socket, sequence: 0, buffer: Vec::with_capacity(BUFFER) })
    }

    /// The rows of a whole table, handed over once they are all there; the last attempt where it
    /// changes each time. True: that one was interrupted, or is cut at `most`.
    pub(super) fn table(
        &mut self,
        what: &'static str,
        kinds: (u16, u16),
        body: &[u8],
        most: Most,
        keep: &mut dyn FnMut(&[u8]) -> bool,
    ) -> Result<(Vec<Vec<u8>>, bool)> {
        let mut attempt = 1;
        loop {
            let (mut rows, mut bytes, mut cut) = (Vec::new(), 0, false);
            let interrupted = self.dump(what, kinds, body, &mut |row| {
                if keep(row) {
                    bytes += row.len();
                    if rows.len() < most.rows && bytes <= most.bytes {
                        rows.push(row.to_vec());
                    } else {
                        cut = true;
                    }
                }
            })?;
            if !interrupted || attempt == ATTEMPTS {
                return Ok((rows, interrupted || cut));
            }
            attempt += 1;
        }
    }

    /// One attempt; `take` gets each row of type `answer`. True: the table changed meanwhile.
    fn dump(
        &mut self,
        what: &'static str,
        (kind, answer): (u16, u16),
        body: &[u8],
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<bool> {
        self.send(what, kind, NLM_F_REQUEST | NLM_F_DUMP, body)?;
        let mut interrupted = false;
        loop {
            self.receive(what)?;
            // A part that did not fit.
            interrupted |= self.buffer.len() == self.buffer.capacity();
            for message in messages(&self.buffer) {
                if message.sequence != self.sequence {
                    continue;
                }
                interrupted |= message.interrupted;
                match message.said {
                    Said::Row(row) if message.kind == answer => take(row),
                    Said::Row(_) => {}
                    Said::End(Ok(())) => return Ok(interrupted),
                    Said::End(Err(errno)) => return Err(SysError::new("list", what, errno)),
                }
            }
        }
    }

    /// One row; `None` where there is no such thing.
    pub(super) fn one(
        &mut self,
        what: &'static str,
        kind: u16,
        body: &[u8],
    ) -> Result<Option<&[u8]>> {
        self.send(what, kind, NLM_F_REQUEST, body)?;
        self.receive(what)?;
        let mine = |message: &super::message::Message<'_>| message.sequence == self.sequence;
        match messages(&self.buffer).find(mine).map(|message| message.said) {
            Some(Said::Row(row)) => Ok(Some(row)),
            Some(Said::End(Err(Errno::ENODEV))) => Ok(None),
            Some(Said::End(Err(errno))) => Err(SysError::new("ask for", what, errno)),
            _ => Err(SysError::malformed("ask for", what, "answer")),
        }
    }

    fn send(&mut self, what: &'static str, kind: u16, flags: u16, body: &[u8]) -> Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let question = request(kind, flags, self.sequence, body);
        self.socket.send(&question, 0).context("ask for", what)?;
        Ok(())
    }

    fn receive(&mut self, what: &'static str) -> Result<()> {
        self.buffer.clear();
        self.socket.recv(&mut self.buffer, libc::MSG_DONTWAIT).context("list", what)?;
        if self.buffer.is_empty() {
            return Err(SysError::new("list", what, Errno::ECONNRESET));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::link;
    use super::*;
    use rtnetlink::sys::protocols::NETLINK_ROUTE;

    const ENOUGH: Most = Most { rows: 9, bytes: 1 << 20 };
    const LINKS: (u16, u16) = (libc::RTM_GETLINK, libc::RTM_NEWLINK);

    #[test]
    fn a_table_is_read_whole_again_and_again() {
        let mut asker = Asker::open(NETLINK_ROUTE).unwrap();
        for _ in 0..3 {
            let is_lo = &mut |row: &[u8]| link::parse(row).is_some_and(|one| one.name == "lo");
            let (rows, cut) =
                asker.table("interfaces", LINKS, &link::request(), ENOUGH, is_lo).unwrap();
            assert_eq!((rows.len(), cut), (1, false));
        }
        for most in [Most { rows: 0, ..ENOUGH }, Most { bytes: 99, ..ENOUGH }] {
            let all = &mut |_: &[u8]| true;
            let (rows, cut) =
                asker.table("interfaces", LINKS, &link::request(), most, all).unwrap();
            assert_eq!((rows.len(), cut), (0, true));
        }
    }

    #[test]
    fn what_is_not_there_is_none_and_a_question_that_is_refused_is_an_error() {
        let mut asker = Asker::open(NETLINK_ROUTE).unwrap();
        let mut ask = |body: &[u8]| {
            asker.one("an interface", libc::RTM_GETLINK, body).map(|row| row.is_some())
        };
        assert_eq!(ask(&link::request_one(1)), Ok(true));
        assert_eq!(ask(&link::request_one(4_000_000)), Ok(false));
        assert_eq!(ask(&link::request_named(b"lo")), Ok(true));
        assert_eq!(ask(&link::request_named(b"nsx-none")), Ok(false));
        assert_eq!(ask(&[0; 4]).unwrap_err().errno(), Some(Errno::EINVAL));
        assert_eq!(ask(&link::request_one(1)), Ok(true));
    }
}
