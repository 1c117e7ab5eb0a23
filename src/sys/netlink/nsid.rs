//! RTM_GETNSID: the number by which our own network namespace calls another one. Asking assigns
//! none. See linux/net_namespace.h.

use super::attribute::{after, u16_at, u32_at};
use crate::sys::error::{Context, Result, SysError};
use nix::errno::Errno;
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use std::os::fd::{AsRawFd, BorrowedFd};

/// `RTM_NEWNSID` and `RTM_GETNSID`; libc has them as numbers of another type.
const RTM_NEWNSID: u16 = 88;
const RTM_GETNSID: u16 = 90;
const NLMSG_ERROR: u16 = 2;
const NLM_F_REQUEST: u16 = 1;
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;
/// `struct nlmsghdr`
const HEADER: usize = 16;
/// `struct rtgenmsg`, padded.
const GENERIC: usize = 4;

/// A socket of its own, in the caller's network namespace; no event loop, since the kernel has
/// answered when the question is sent.
#[derive(Debug)]
pub struct NsIds(Socket);

impl NsIds {
    /// In the caller's network namespace.
    pub fn open() -> Result<Self> {
        let socket = Socket::new(NETLINK_ROUTE).context("open", "a netlink socket")?;
        // A connected one takes messages from the kernel alone.
        socket.connect(&SocketAddr::new(0, 0)).context("connect", "a netlink socket")?;
        Ok(Self(socket))
    }

    /// `None`: it has no number here.
    pub fn of(&self, namespace: BorrowedFd<'_>) -> Result<Option<u32>> {
        let object = "the number of a network namespace";
        self.0.send(&request(namespace.as_raw_fd()), 0).context("ask for", object)?;
        let mut answer = Vec::with_capacity(4096);
        self.0.recv(&mut answer, libc::MSG_DONTWAIT).context("ask for", object)?;
        parse(&answer)
            .ok_or_else(|| SysError::malformed("ask for", object, "answer"))?
            .map_err(|errno| SysError::new("ask for", object, errno))
    }
}

fn request(fd: i32) -> Vec<u8> {
    let mut message = Vec::with_capacity(28);
    message.extend(28_u32.to_ne_bytes());
    message.extend(RTM_GETNSID.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8]); // sequence, port
    message.extend([0; GENERIC]);
    message.extend(8_u16.to_ne_bytes());
    message.extend(NETNSA_FD.to_ne_bytes());
    message.extend(fd.to_ne_bytes());
    message
}

/// A whole message with its header; `None` where it is no answer.
pub fn parse(message: &[u8]) -> Option<std::result::Result<Option<u32>, Errno>> {
    match u16_at(message, 4)? {
        RTM_NEWNSID => {
            let mut attributes = after(message, HEADER + GENERIC)?;
            let (_, value) = attributes.find(|(kind, _)| *kind == NETNSA_NSID)?;
            // -1 is NETNSA_NSID_NOT_ASSIGNED.
            Some(Ok(u32_at(value, 0).filter(|id| i32::try_from(*id).is_ok())))
        }
        NLMSG_ERROR => {
            let code = u32_at(message, HEADER)?.cast_signed();
            Some(Err(Errno::from_raw(code.wrapping_neg())))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::attribute::tests::encode;
    use super::*;
    use std::os::fd::AsFd;

    fn answer(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut message = u32::try_from(HEADER + body.len()).unwrap().to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend([0; 10]);
        message.extend(body);
        message
    }

    #[test]
    fn a_number_none_and_an_error_are_told_apart() {
        let id = |id: i32| [vec![0; 4], encode(NETNSA_NSID, &id.to_ne_bytes())].concat();
        assert_eq!(parse(&answer(RTM_NEWNSID, &id(2))), Some(Ok(Some(2))));
        assert_eq!(parse(&answer(RTM_NEWNSID, &id(-1))), Some(Ok(None)));
        let refused = (-libc::EPERM).to_ne_bytes();
        assert_eq!(parse(&answer(NLMSG_ERROR, &refused)), Some(Err(Errno::EPERM)));
        assert_eq!(parse(&answer(RTM_NEWNSID, &[0; 4])), None);
    }

    #[test]
    fn our_own_namespace_has_no_number_in_itself_and_no_other_file_has() {
        let ids = NsIds::open().unwrap();
        let own = std::fs::File::open("/proc/self/ns/net").unwrap();
        assert_eq!(ids.of(own.as_fd()).unwrap(), None);
        let other = tempfile::tempfile().unwrap();
        assert_eq!(ids.of(other.as_fd()).unwrap_err().errno(), Some(Errno::EINVAL));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
