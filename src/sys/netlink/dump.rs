//! One table asked for and answered in many messages (NLM_F_DUMP), repeated while the kernel says
//! that the table changed under it. See netlink(7).

use super::message::{Message, Row};
use crate::sys::error::{Result, SysError};
use futures_util::StreamExt;
use nix::errno::Errno;
use rtnetlink::packet_core::{
    NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::proto::{Connection, ConnectionHandle};
use rtnetlink::sys::{AsyncSocket, SocketAddr, protocols::NETLINK_ROUTE};
use std::collections::HashSet;
use std::num::NonZeroI32;

/// How often an interrupted table is asked for.
const ATTEMPTS: usize = 5;

/// The kernel, as an address.
fn kernel() -> SocketAddr {
    SocketAddr::new(0, 0)
}

pub(super) type Handle = ConnectionHandle<Message>;

/// A socket in the calling thread's network namespace. The connection is a future that moves the
/// messages; it must be spawned.
pub(super) fn connect() -> std::io::Result<(Connection<Message>, Handle)> {
    let (mut connection, handle, unsolicited) = rtnetlink::proto::new_connection(NETLINK_ROUTE)?;
    drop(unsolicited);
    // The end of a table carries an error number and the flag for the last part.
    connection.set_forward_done(true);
    let socket = connection.socket_mut().socket_ref();
    // Who is root in this namespace may send to any socket in it; a connected one takes messages
    // from the kernel alone.
    socket.connect(&kernel())?;
    // Makes the kernel choose the table (4.20); without it the rows are chosen here.
    let _ = socket.set_netlink_get_strict_chk(true);
    Ok((connection, handle))
}

/// A table.
#[derive(Default)]
pub(super) struct Dump {
    pub rows: Vec<Row>,
    /// It changed during the last attempt, or a row could not be read.
    pub incomplete: bool,
}

/// Asks for a table until it is answered in one piece, and keeps the last answer if it never is.
pub(super) async fn dump(
    handle: &Handle,
    kind: u16,
    body: &[u8],
    what: &'static str,
) -> Result<Dump> {
    let mut answer = attempt(handle, kind, body, what).await?;
    for _ in 1..ATTEMPTS {
        if !answer.incomplete {
            break;
        }
        answer = attempt(handle, kind, body, what).await?;
    }
    Ok(answer)
}

async fn attempt(handle: &Handle, kind: u16, body: &[u8], what: &'static str) -> Result<Dump> {
    let body = body.to_vec();
    let mut request = NetlinkMessage::from(Message::Request { kind, body });
    request.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let closed = || SysError::new("list", what, Errno::ECONNRESET);
    let mut answers = handle.request(request, kernel()).map_err(|_| closed())?;

    let (mut rows, mut seen, mut incomplete) = (Vec::new(), HashSet::new(), false);
    while let Some(answer) = answers.next().await {
        incomplete |= answer.header.flags & NLM_F_DUMP_INTR != 0;
        let code = match answer.payload {
            NetlinkPayload::InnerMessage(Message::Unreadable) => {
                incomplete = true;
                continue;
            }
            NetlinkPayload::InnerMessage(Message::Row { identity, row }) => {
                if seen.insert(identity) {
                    rows.push(row);
                } else {
                    // The kernel walks an IPv6 table again when it changes, and sets no flag.
                    incomplete = true;
                }
                continue;
            }
            NetlinkPayload::Done(done) => done.code,
            NetlinkPayload::Error(error) => error.code.map_or(0, NonZeroI32::get),
            _ => continue,
        };
        if code < 0 {
            let errno = Errno::from_raw(code.wrapping_neg());
            return Err(SysError::new("list", what, errno));
        }
        return Ok(Dump { rows, incomplete });
    }
    Err(closed())
}
