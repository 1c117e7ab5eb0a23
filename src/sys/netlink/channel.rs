//! A netlink socket and one conversation at a time on it.
//!
//! rtnetlink's socket on tokio, without its connection: that moves every message through a channel
//! and decodes it to types that a container can make it refuse. Here a table is read as it comes.

use super::message::{Said, messages, request};
use crate::sys::error::{Context, Problem, Result, SysError};
use nix::errno::Errno;
use rtnetlink::sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};
use std::time::Instant;

const NLM_F_REQUEST: u16 = 1;
const NLM_F_DUMP: u16 = 0x300;
/// The kernel fills at most half of it with a part of a table.
const BUFFER: usize = 64 << 10;

pub(super) struct Channel {
    socket: TokioSocket,
    sequence: u32,
    buffer: Vec<u8>,
    /// Nothing is waited for, and nothing asked again, after this.
    end: Instant,
}

impl Channel {
    /// A socket in the calling thread's network namespace.
    pub(super) fn open(protocol: isize, end: Instant) -> Result<Self> {
        let object = "a netlink socket";
        let mut socket = TokioSocket::new(protocol).context("open", object)?;
        // Who is root in this namespace may send to any socket in it; a connected one takes messages
        // from the kernel alone.
        socket.socket_mut().connect(&SocketAddr::new(0, 0)).context("connect", object)?;
        // Makes the kernel choose rows (4.20); without it they are chosen here.
        let _ = socket.socket_ref().set_netlink_get_strict_chk(true);
        Ok(Self { socket, sequence: 0, buffer: Vec::with_capacity(BUFFER), end })
    }

    pub(super) fn is_late(&self) -> bool {
        Instant::now() >= self.end
    }

    /// Asks for a whole table; `take` gets each row of type `answer`. True: it changed meanwhile.
    pub(super) async fn dump(
        &mut self,
        what: &'static str,
        (kind, answer): (u16, u16),
        body: &[u8],
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<bool> {
        let late = || SysError { doing: "list", object: what.into(), problem: Problem::TimedOut };
        self.sequence += 1;
        let request = request(kind, NLM_F_REQUEST | NLM_F_DUMP, self.sequence, body);
        self.within(self.socket.send(&request)).await.ok_or_else(late)?.context("list", what)?;
        let mut interrupted = false;
        loop {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.clear();
            let received = self.within(self.socket.recv(&mut buffer)).await;
            self.buffer = buffer;
            received.ok_or_else(late)?.context("list", what)?;
            if self.buffer.is_empty() {
                return Err(SysError::new("list", what, Errno::ECONNRESET));
            }
            // A part that did not fit.
            interrupted |= self.buffer.len() == self.buffer.capacity();
            let mine = |message: &super::message::Message<'_>| message.sequence == self.sequence;
            for message in messages(&self.buffer).filter(mine) {
                interrupted |= message.interrupted;
                match message.said {
                    Said::Row(row) if message.kind == answer => take(row),
                    Said::Row(_) => {}
                    Said::End(Ok(())) => return Ok(interrupted),
                    Said::End(Err(errno)) => return Err(SysError::new("list", what, errno)),
                }
            }
            // A table without an end is not waited for: a read that succeeds is no wait for tokio.
            if self.is_late() {
                return Err(late());
            }
        }
    }

    async fn within<T>(&self, step: impl Future<Output = T>) -> Option<T> {
        tokio::time::timeout_at(self.end.into(), step).await.ok()
    }
}
