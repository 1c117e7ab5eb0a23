//! The messages exchanged on the socket, decoded as they arrive so that a listing holds what it
//! needs and not the bytes it came in.

use super::route::Hop;
use super::{addr, link, route};
use crate::model::network::{Address, Interface};
use rtnetlink::packet_core::{
    NetlinkDeserializable, NetlinkHeader, NetlinkPayload, NetlinkSerializable,
};
use std::convert::Infallible;

/// One message, to the kernel or from it.
#[derive(Debug)]
pub(super) enum Message {
    Request {
        kind: u16,
        body: Vec<u8>,
    },
    Row {
        /// The bytes that no other row of its table has.
        identity: Vec<u8>,
        row: Row,
    },
    /// Of a type that was not asked for.
    Other,
    /// Shorter than the kernel makes it: a row is missing.
    Unreadable,
}

/// An entry of a table.
#[derive(Debug)]
pub(super) enum Row {
    Link(Interface),
    /// The interface's index and an address of it.
    Address(u32, Address),
    Route(Vec<Hop>),
}

impl NetlinkDeserializable for Message {
    // The connection drops a message that fails here and tells nobody: nothing may fail.
    type Error = Infallible;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, Infallible> {
        let row = match header.message_type {
            libc::RTM_NEWLINK => link::parse(payload).map(Row::Link),
            libc::RTM_NEWADDR => addr::parse(payload).map(|(index, own)| Row::Address(index, own)),
            libc::RTM_NEWROUTE => route::parse(payload).map(Row::Route),
            _ => return Ok(Self::Other),
        };
        let identity = match header.message_type {
            libc::RTM_NEWLINK => link::identity(payload),
            libc::RTM_NEWADDR => addr::identity(payload),
            _ => route::identity(payload),
        };
        let row = row.zip(identity);
        Ok(row.map_or(Self::Unreadable, |(row, identity)| Self::Row { identity, row }))
    }
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        match self {
            Self::Request { kind, .. } => *kind,
            _ => 0,
        }
    }

    fn buffer_len(&self) -> usize {
        match self {
            Self::Request { body, .. } => body.len(),
            _ => 0,
        }
    }

    fn serialize(&self, buffer: &mut [u8]) {
        if let Self::Request { body, .. } = self {
            for (to, from) in buffer.iter_mut().zip(body) {
                *to = *from;
            }
        }
    }
}

impl From<Message> for NetlinkPayload<Message> {
    fn from(message: Message) -> Self {
        Self::InnerMessage(message)
    }
}
