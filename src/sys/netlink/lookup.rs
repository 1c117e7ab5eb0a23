//! RTM_GETLINK of one interface, in the caller's network namespace: what the other end of a
//! container's veth is called.

use super::asker::Asker;
use super::link;
use crate::model::network::Interface;
use crate::sys::error::{Result, SysError};
use nix::errno::Errno;
use rtnetlink::sys::protocols::NETLINK_ROUTE;
use std::cell::RefCell;

const WHAT: &str = "an interface";

/// A socket that asks for one after the other.
#[derive(Debug)]
pub struct Links(RefCell<Asker>);

impl Links {
    /// In the caller's network namespace.
    pub fn open() -> Result<Self> {
        Ok(Self(RefCell::new(Asker::open(NETLINK_ROUTE)?)))
    }

    /// ENODEV where there is none of that index.
    pub fn get(&self, index: u32) -> Result<Interface> {
        let found = self.ask(&link::request_one(index))?;
        if found.index == index { Ok(found) } else { Err(malformed()) }
    }

    /// By any of its names; ENODEV where none is called so.
    pub fn named(&self, name: &[u8]) -> Result<Interface> {
        self.ask(&link::request_named(name))
    }

    fn ask(&self, body: &[u8]) -> Result<Interface> {
        let mut asker = self.0.borrow_mut();
        let row = asker.one(WHAT, libc::RTM_GETLINK, body)?;
        let row = row.ok_or_else(|| SysError::new("ask for", WHAT, Errno::ENODEV))?;
        link::parse(row).ok_or_else(malformed)
    }
}

fn malformed() -> SysError {
    SysError::malformed("ask for", WHAT, "answer")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_is_number_one() {
        let links = Links::open().unwrap();
        let lo = links.get(1).unwrap();
        assert_eq!((lo.name, lo.index), ("lo".into(), 1));
        assert_eq!(links.named(b"lo").unwrap().index, 1);
        assert_eq!(links.named(b"nsx-none").unwrap_err().errno(), Some(Errno::ENODEV));
        assert_eq!(links.get(4_000_000).unwrap_err().errno(), Some(Errno::ENODEV));
    }
}
