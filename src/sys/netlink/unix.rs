//! SOCK_DIAG_BY_FAMILY of unix sockets. Pure. See sock_diag(7), linux/unix_diag.h.

use super::attribute::{after, u8_at, u32_at};
use crate::model::text::Text;

/// `struct unix_diag_msg`, `struct unix_diag_req`
const HEADER: usize = 16;
const REQUEST: usize = 24;
const AF_UNIX: u8 = 1;
const UDIAG_SHOW_NAME: u32 = 1;
const UDIAG_SHOW_PEER: u32 = 4;
const UNIX_DIAG_NAME: u16 = 0;
const UNIX_DIAG_PEER: u16 = 2;

/// A unix socket of the namespace that was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocket {
    pub inode: u64,
    /// `stream`, `dgram`, `seqpacket`.
    pub kind: &'static str,
    /// `listen`, `established`, `unconnected`.
    pub state: &'static str,
    /// The path it was bound to; one that begins with a zero is in no file system.
    pub name: Option<Text>,
    /// The inode of the socket at the other end.
    pub peer: Option<u64>,
}

/// The body of a request for every one.
pub(super) fn request() -> Vec<u8> {
    let mut body = vec![AF_UNIX, 0, 0, 0];
    body.extend(u32::MAX.to_ne_bytes());
    body.extend(0_u32.to_ne_bytes());
    body.extend((UDIAG_SHOW_NAME | UDIAG_SHOW_PEER).to_ne_bytes());
    body.resize(REQUEST, 0);
    body
}

pub fn parse(message: &[u8]) -> Option<UnixSocket> {
    let kind = match u8_at(message, 1)? {
        1 => "stream",
        2 => "dgram",
        5 => "seqpacket",
        _ => "other",
    };
    let state = match u8_at(message, 2)? {
        1 => "established",
        10 => "listen",
        _ => "unconnected",
    };
    let inode = u64::from(u32_at(message, 4)?);
    let (mut name, mut peer) = (None, None);
    for (kind, value) in after(message, HEADER)? {
        match kind {
            UNIX_DIAG_NAME => name = Some(bound_to(value)),
            UNIX_DIAG_PEER => peer = u32_at(value, 0).map(u64::from).filter(|inode| *inode != 0),
            _ => {}
        }
    }
    Some(UnixSocket { inode, kind, state, name, peer })
}

/// A path ends with its zero; a name in no file system begins with one, and every byte counts.
fn bound_to(value: &[u8]) -> Text {
    match value.first() {
        Some(0) => Text::new(value),
        _ => super::attribute::text(value),
    }
}

#[cfg(test)]
mod tests {
    use super::super::attribute::tests::encode;
    use super::*;

    fn message(kind: u8, state: u8, attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut bytes = vec![AF_UNIX, kind, state, 0];
        bytes.extend(77_u32.to_ne_bytes());
        bytes.resize(HEADER, 0);
        for (kind, value) in attributes {
            bytes.extend(encode(*kind, value));
        }
        bytes
    }

    #[test]
    fn a_listener_has_a_path_and_a_connection_a_peer() {
        let listener = parse(&message(1, 10, &[(UNIX_DIAG_NAME, b"/run/\xff.sock\0")])).unwrap();
        assert_eq!((listener.inode, listener.kind, listener.state), (77, "stream", "listen"));
        assert_eq!((listener.name, listener.peer), (Some(b"/run/\xff.sock".into()), None));
        let peer = 78_u32.to_ne_bytes();
        let end = parse(&message(5, 1, &[(UNIX_DIAG_PEER, &peer)])).unwrap();
        assert_eq!((end.kind, end.state, end.peer), ("seqpacket", "established", Some(78)));
        assert_eq!(parse(&message(2, 7, &[])).unwrap().state, "unconnected");
    }

    #[test]
    fn a_name_in_no_file_system_is_kept_whole() {
        let parsed = parse(&message(1, 10, &[(UNIX_DIAG_NAME, b"\0a\0b")])).unwrap();
        assert_eq!(parsed.name.unwrap().as_bytes(), b"\0a\0b");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
