//! RTM_GETLINK of one interface, in the caller's network namespace: what the other end of a
//! container's veth is called.

use super::link;
use super::message::{Said, messages, request};
use crate::model::network::Interface;
use crate::sys::error::{Context, Result, SysError};
use nix::errno::Errno;
use rtnetlink::sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};

const NLM_F_REQUEST: u16 = 1;

/// No event loop: the kernel has answered when the question is sent.
#[derive(Debug)]
pub struct Links(Socket);

impl Links {
    /// In the caller's network namespace.
    pub fn open() -> Result<Self> {
        let socket = Socket::new(NETLINK_ROUTE).context("open", "a netlink socket")?;
        // A connected one takes messages from the kernel alone.
        socket.connect(&SocketAddr::new(0, 0)).context("connect", "a netlink socket")?;
        Ok(Self(socket))
    }

    /// ENODEV where there is none of that index.
    pub fn get(&self, index: u32) -> Result<Interface> {
        let found = self.ask(index, &link::request_one(index))?;
        if found.index == index {
            Ok(found)
        } else {
            Err(SysError::malformed("ask for", "an interface", "answer"))
        }
    }

    /// By any of its names; ENODEV where none is called so.
    pub fn named(&self, name: &[u8]) -> Result<Interface> {
        self.ask(0, &link::request_named(name))
    }

    fn ask(&self, sequence: u32, body: &[u8]) -> Result<Interface> {
        let object = "an interface";
        let question = request(libc::RTM_GETLINK, NLM_F_REQUEST, sequence, body);
        self.0.send(&question, 0).context("ask for", object)?;
        let mut answer = Vec::with_capacity(16 << 10);
        self.0.recv(&mut answer, libc::MSG_DONTWAIT).context("ask for", object)?;
        let said = messages(&answer).find(|message| message.sequence == sequence);
        match said.map(|message| message.said) {
            Some(Said::Row(row)) => {
                link::parse(row).ok_or_else(|| SysError::malformed("ask for", object, "answer"))
            }
            Some(Said::End(Err(errno))) => Err(SysError::new("ask for", object, errno)),
            _ => Err(SysError::new("ask for", object, Errno::ENODEV)),
        }
    }
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
