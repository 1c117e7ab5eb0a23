//! Packets between processes of nsx: a few bytes, and perhaps a descriptor.

use rustix::io::Result;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

/// Two ends. A packet arrives whole or not at all; of none left is told when the other end is closed.
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
}

/// What arrived.
#[derive(Debug)]
pub struct Packet {
    /// How many bytes; 0: the other end is closed.
    pub bytes: usize,
    /// One of our own now.
    pub descriptor: Option<OwnedFd>,
    /// The pid of who sent it, as it is called here; where the socket asks for that.
    pub sender: Option<u32>,
}

/// EPIPE, and no signal: nobody is there to read it.
pub fn send(to: &OwnedFd, words: &[IoSlice<'_>], descriptor: Option<BorrowedFd<'_>>) -> Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if let Some(descriptor) = &descriptor {
        control.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(descriptor)));
    }
    sendmsg(to, words, &mut control, SendFlags::NOSIGNAL).map(drop)
}

/// Waits for one, or with `DONTWAIT` says EAGAIN.
pub fn receive(from: &OwnedFd, words: &mut [IoSliceMut<'_>], flags: RecvFlags) -> Result<Packet> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1), ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let read = recvmsg(from, words, &mut control, flags | RecvFlags::CMSG_CLOEXEC)?;
    let mut packet = Packet { bytes: read.bytes, descriptor: None, sender: None };
    for message in control.drain() {
        match message {
            RecvAncillaryMessage::ScmRights(mut fds) => packet.descriptor = fds.next(),
            RecvAncillaryMessage::ScmCredentials(who) => {
                packet.sender = Some(who.pid.as_raw_nonzero().get().cast_unsigned());
            }
            _ => {}
        }
    }
    Ok(packet)
}
