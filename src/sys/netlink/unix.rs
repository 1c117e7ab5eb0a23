//! SOCK_DIAG_BY_FAMILY of AF_UNIX: sockets of this host's processes to each other. Pure. See
//! sock_diag(7), unix(7), linux/unix_diag.h.
//!
//! A socket is in the namespace of who made it, and the one that a server accepts in that of the
//! client: both ends of one connection may stand in the tables of different namespaces, or of one
//! that neither process is in. Only the inodes tell.

use super::attribute::{after, text, u8_at, u32_at};
use crate::model::text::Text;

/// `struct unix_diag_msg`
const HEADER: usize = 16;
const AF_UNIX: u8 = 1;
const UNIX_DIAG_NAME: u16 = 0;
const UNIX_DIAG_PEER: u16 = 2;
const UNIX_DIAG_ICONS: u16 = 3;
/// UDIAG_SHOW_NAME, UDIAG_SHOW_PEER, UDIAG_SHOW_ICONS
const SHOWN: u32 = 1 | 4 | 8;
/// Of a `struct sockaddr_un`.
const MOST_NAME: usize = 108;
/// Connections that wait at one listener and are told.
const MOST_WAITING: usize = 4096;

/// One end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixSocket {
    /// As links of descriptors show it: `socket:[12345]`.
    pub inode: u64,
    /// `stream`, `dgram` or `seqpacket`.
    pub kind: &'static str,
    /// `listen`, `established` or, of what is neither, `unconnected`.
    pub state: &'static str,
    /// What it was bound to; of a connection that was accepted, what its listener was bound to. A
    /// path is as whoever bound it saw it; what begins with a zero is in no directory.
    pub name: Option<Text>,
    /// The inode of the other end; absent until that was accepted.
    pub peer: Option<u64>,
    /// Of a listener: the inodes of the clients that it has not accepted.
    pub waiting: Vec<u64>,
}

/// The body of a request for every socket of the namespace.
pub(super) fn request() -> Vec<u8> {
    let mut body = vec![AF_UNIX, 0, 0, 0];
    body.extend(u32::MAX.to_ne_bytes());
    // Every inode.
    body.extend([0; 4]);
    body.extend(SHOWN.to_ne_bytes());
    // Every cookie.
    body.extend([0xff; 8]);
    body
}

/// `None` for a message that is shorter than its header, or of another family.
pub fn parse(message: &[u8]) -> Option<UnixSocket> {
    if u8_at(message, 0)? != AF_UNIX {
        return None;
    }
    let mut socket = UnixSocket {
        inode: u32_at(message, 4)?.into(),
        kind: kind_word(u8_at(message, 1)?),
        state: state_word(u8_at(message, 2)?),
        name: None,
        peer: None,
        waiting: Vec::new(),
    };
    for (kind, value) in after(message, HEADER)? {
        match kind {
            UNIX_DIAG_NAME => socket.name = name(value),
            UNIX_DIAG_PEER => socket.peer = inode(value),
            UNIX_DIAG_ICONS => {
                // One that was closed meanwhile has none.
                let inodes = value.chunks_exact(4).filter_map(inode);
                socket.waiting = inodes.take(MOST_WAITING).collect();
            }
            _ => {}
        }
    }
    Some(socket)
}

fn inode(value: &[u8]) -> Option<u64> {
    u32_at(value, 0).map(u64::from).filter(|inode| *inode != 0)
}

/// A path ends with its zero; of a name in no directory every byte counts.
fn name(value: &[u8]) -> Option<Text> {
    let value = value.get(..MOST_NAME).unwrap_or(value);
    match value.first()? {
        0 => Some(Text::new(value)),
        _ => Some(text(value)),
    }
}

const fn kind_word(kind: u8) -> &'static str {
    match kind {
        1 => "stream",
        2 => "dgram",
        5 => "seqpacket",
        _ => "other",
    }
}

/// TCP_*, linux/tcp_states.h, as far as such sockets have them.
const fn state_word(state: u8) -> &'static str {
    match state {
        1 => "established",
        10 => "listen",
        _ => "unconnected",
    }
}

#[cfg(test)]
mod tests {
    use super::super::attribute::tests::encode;
    use super::super::channel::Channel;
    use super::super::socket::SOCK_DIAG_BY_FAMILY;
    use super::*;
    use rtnetlink::sys::protocols::NETLINK_SOCK_DIAG;
    use std::os::fd::AsFd;
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::time::{Duration, Instant};

    fn message(kind: u8, state: u8, inode: u32) -> Vec<u8> {
        let mut bytes = vec![AF_UNIX, kind, state, 0];
        bytes.extend(inode.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes
    }

    #[test]
    fn names_are_paths_or_abstract_and_may_hold_any_byte() {
        let named = |value: &[u8]| {
            let mut bytes = message(1, 10, 7);
            bytes.extend(encode(UNIX_DIAG_NAME, value));
            parse(&bytes).unwrap().name
        };
        assert_eq!(named(b"/run/a.sock\0"), Some("/run/a.sock".into()));
        assert_eq!(named(b"relative"), Some("relative".into()));
        assert_eq!(named(b"\0x\0y"), Some(Text::new(b"\0x\0y")));
        assert_eq!(named(b""), None, "not bound");
        let long = named(&[b'x'; 4000]).unwrap();
        assert_eq!(long, Text::new([b'x'; MOST_NAME]));
    }

    #[test]
    fn a_kind_is_called_as_the_c_library_calls_it() {
        let kinds = [libc::SOCK_STREAM, libc::SOCK_DGRAM, libc::SOCK_SEQPACKET, libc::SOCK_RAW];
        let words = kinds.map(|kind| parse(&message(kind.try_into().unwrap(), 7, 7)).unwrap().kind);
        assert_eq!(words, ["stream", "dgram", "seqpacket", "other"]);
    }

    #[test]
    fn a_peer_that_was_not_accepted_has_no_inode_and_waits() {
        let mut client = message(5, 1, 7);
        client.extend(encode(UNIX_DIAG_PEER, &0_u32.to_ne_bytes()));
        let client = parse(&client).unwrap();
        assert_eq!(
            (client.inode, client.kind, client.state, client.peer),
            (7, "seqpacket", "established", None)
        );
        let mut listener = message(5, 10, 8);
        let waiting: Vec<u8> = [7_u32, 0, 9].iter().flat_map(|one| one.to_ne_bytes()).collect();
        listener.extend(encode(UNIX_DIAG_ICONS, &waiting));
        assert_eq!(parse(&listener).unwrap().waiting, [7, 9]);
    }

    #[test]
    fn what_is_cut_or_of_another_family_is_nothing() {
        assert_eq!(parse(&message(1, 1, 7)[..15]), None);
        let mut other = message(1, 1, 7);
        other[0] = 2;
        assert_eq!(parse(&other), None);
    }

    /// Every socket of the namespace that the tests run in.
    fn all() -> Vec<UnixSocket> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let end = Instant::now() + Duration::from_secs(10);
            let mut channel = Channel::open(NETLINK_SOCK_DIAG, end).unwrap();
            let mut found = Vec::new();
            let kinds = (SOCK_DIAG_BY_FAMILY, SOCK_DIAG_BY_FAMILY);
            let mut take = |message: &[u8]| found.push(parse(message).unwrap());
            channel.dump("unix sockets", kinds, &request(), &mut take).await.unwrap();
            found
        })
    }

    fn inode(socket: impl AsFd) -> u64 {
        rustix::fs::fstat(socket).unwrap().st_ino
    }

    #[test]
    fn the_kernel_joins_both_ends_by_their_inodes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).unwrap();
        let find = |inode| all().into_iter().find(|one| one.inode == inode).unwrap();

        assert_eq!(find(inode(&client)).peer, None);
        assert_eq!(find(inode(&listener)).waiting, [inode(&client)]);

        let (server, _) = listener.accept().unwrap();
        let (near, far) = (find(inode(&client)), find(inode(&server)));
        assert_eq!((near.peer, near.name), (Some(far.inode), None));
        let name = path.to_str().unwrap();
        assert_eq!((far.peer, far.name), (Some(near.inode), Some(name.into())));
        assert_eq!((far.kind, far.state), ("stream", "established"));
        let listener = find(inode(&listener));
        assert_eq!((listener.state, listener.waiting), ("listen", Vec::new()));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            let mut framed = message(1, 1, 1);
            framed.extend(&bytes);
            let _ = parse(&framed);
        }
    }
}
