//! What the program's process tells nsx before it becomes the program: who it is outside, in which
//! namespaces, on which terminal. When nsx hears of it the program may have ended.

use crate::action::error::ActionError;
use crate::model::namespace::Kind;
use crate::sys::error::Context;
use crate::sys::{ns, packet};
use rustix::io::Errno;
use rustix::net::{RecvFlags, sockopt};
use std::collections::BTreeMap;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{BorrowedFd, OwnedFd};

#[derive(Debug)]
pub(super) struct Introduction {
    /// On the host.
    pub(super) pid: u32,
    pub(super) namespaces: Namespaces,
    /// The master of a terminal that was opened inside.
    pub(super) terminal: Option<OwnedFd>,
}

/// Inodes, in the order of the kinds; 0 where the kernel has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Namespaces([u64; KINDS]);

const KINDS: usize = Kind::ALL.len();
const BYTES: usize = KINDS * size_of::<u64>();

impl Namespaces {
    /// Those of this process, as long as it sees a `/proc`.
    pub(super) fn own() -> Self {
        Self(Kind::ALL.map(|kind| ns::own_identity(kind).unwrap_or_default()))
    }

    pub(super) fn inodes(self) -> BTreeMap<&'static str, Option<u64>> {
        let known = self.0.into_iter().map(|inode| (inode != 0).then_some(inode));
        Kind::ALL.into_iter().map(Kind::name).zip(known).collect()
    }
}

/// Of the program's process.
#[derive(Debug)]
pub(super) struct Speaker(OwnedFd);

/// Of nsx.
#[derive(Debug)]
pub(super) struct Listener(OwnedFd);

pub(super) fn arrange() -> Result<(Speaker, Listener), ActionError> {
    const SOCKET: &str = "a socket";
    let (speaker, listener) = packet::pair().context("make", SOCKET)?;
    // The kernel says who speaks, in the numbers of who listens.
    sockopt::set_socket_passcred(&listener, true).context("set up", SOCKET)?;
    Ok((Speaker(speaker), Listener(listener)))
}

impl Speaker {
    pub(super) fn tell(
        self,
        namespaces: Namespaces,
        terminal: Option<BorrowedFd<'_>>,
    ) -> Result<(), ActionError> {
        let words = namespaces.0.map(u64::to_ne_bytes);
        let told = packet::send(&self.0, &[IoSlice::new(words.as_flattened())], terminal);
        Ok(told.context("introduce the program to", "nsx")?)
    }
}

impl Listener {
    /// Once it has become the program: `None` where it was killed before that.
    pub(super) fn hear(&self) -> Result<Option<Introduction>, ActionError> {
        let mut words = [[0; size_of::<u64>()]; KINDS];
        let mut place = [IoSliceMut::new(words.as_flattened_mut())];
        let heard = match packet::receive(&self.0, &mut place, RecvFlags::DONTWAIT) {
            Err(Errno::AGAIN) => return Ok(None),
            heard => heard.context("hear of", "the program")?,
        };
        let namespaces = Namespaces(words.map(u64::from_ne_bytes));
        let pid = heard.sender.filter(|_| heard.bytes == BYTES);
        Ok(pid.map(|pid| Introduction { pid, namespaces, terminal: heard.descriptor }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_heard_and_who_tells_it_is_known() {
        let (speaker, listener) = arrange().unwrap();
        let own = Namespaces::own();
        let somewhere = rustix::stdio::stdin();
        speaker.tell(own, Some(somewhere)).unwrap();
        let heard = listener.hear().unwrap().expect("it was told");
        assert_eq!((heard.pid, heard.namespaces), (std::process::id(), own));
        assert!(heard.terminal.is_some());
        assert!(own.inodes()["pid"].is_some());
    }

    #[test]
    fn nobody_waits_for_one_who_says_nothing() {
        let (speaker, listener) = arrange().unwrap();
        assert!(listener.hear().unwrap().is_none());
        drop(speaker);
        assert!(listener.hear().unwrap().is_none());
    }
}
