//! RTM_GETNSID: the number by which our own network namespace calls another one. Asking assigns
//! none. See linux/net_namespace.h.

use super::asker::Asker;
use super::attribute::{after, u32_at};
use crate::sys::error::{Result, SysError};
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use std::cell::RefCell;
use std::os::fd::{AsRawFd, BorrowedFd};

/// `RTM_GETNSID`; libc has it as a number of another type.
const RTM_GETNSID: u16 = 90;
const NETNSA_NSID: u16 = 1;
const NETNSA_FD: u16 = 3;
/// `struct rtgenmsg`, padded.
const GENERIC: usize = 4;

/// A socket that asks for one after the other.
#[derive(Debug)]
pub struct NsIds(RefCell<Asker>);

impl NsIds {
    /// In the caller's network namespace.
    pub fn open() -> Result<Self> {
        Ok(Self(RefCell::new(Asker::open(NETLINK_ROUTE)?)))
    }

    /// `None`: it has no number here.
    pub fn of(&self, namespace: BorrowedFd<'_>) -> Result<Option<u32>> {
        let object = "the number of a network namespace";
        let mut asker = self.0.borrow_mut();
        let row = asker.one(object, RTM_GETNSID, &request(namespace.as_raw_fd()))?;
        let id = row.and_then(parse);
        id.ok_or_else(|| SysError::malformed("ask for", object, "answer"))
    }
}

fn request(fd: i32) -> Vec<u8> {
    let mut body = vec![0; GENERIC];
    body.extend(8_u16.to_ne_bytes());
    body.extend(NETNSA_FD.to_ne_bytes());
    body.extend(fd.to_ne_bytes());
    body
}

/// The body of RTM_NEWNSID; `None` where it is no answer.
pub fn parse(body: &[u8]) -> Option<Option<u32>> {
    let (_, value) = after(body, GENERIC)?.find(|(kind, _)| *kind == NETNSA_NSID)?;
    // -1 is NETNSA_NSID_NOT_ASSIGNED.
    u32_at(value, 0).map(|id| Some(id).filter(|id| i32::try_from(*id).is_ok()))
}

#[cfg(test)]
mod tests {
    use super::super::attribute::tests::encode;
    use super::*;
    use nix::errno::Errno;
    use std::os::fd::AsFd;

    #[test]
    fn a_number_and_none_are_told_apart() {
        let id = |id: i32| [vec![0; GENERIC], encode(NETNSA_NSID, &id.to_ne_bytes())].concat();
        assert_eq!(parse(&id(2)), Some(Some(2)));
        assert_eq!(parse(&id(-1)), Some(None));
        assert_eq!(parse(&[0; GENERIC]), None);
        assert_eq!(parse(&[vec![0; GENERIC], encode(NETNSA_NSID, &[1, 0])].concat()), None);
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
