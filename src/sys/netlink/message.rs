//! Messages as they follow each other in what one read of a netlink socket gives. Pure. See
//! netlink(7).

use super::attribute::{u16_at, u32_at};
use nix::errno::Errno;

/// `struct nlmsghdr`
pub(super) const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_DUMP_INTR: u16 = 0x10;

/// What a message says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// One entry of an answer: what follows the header.
    Row(&'a [u8]),
    /// The end of a table, or the one answer to a request; how it went.
    End(Result<(), Errno>),
}

/// One message, and which request it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// `nlmsg_type`: RTM_NEWLINK and the like; of an end NLMSG_DONE or NLMSG_ERROR.
    pub kind: u16,
    /// Of the request that it answers.
    pub sequence: u32,
    /// The table changed while it was being written.
    pub interrupted: bool,
    /// Its body, or how the answer ends.
    pub said: Said<'a>,
}

/// Each message; ends where one does not fit.
pub fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let length = usize::try_from(u32_at(bytes, 0)?).ok()?;
        let body = bytes.get(HEADER..length)?;
        let (kind, flags, sequence) = (u16_at(bytes, 4)?, u16_at(bytes, 6)?, u32_at(bytes, 8)?);
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        let said = match kind {
            NLMSG_ERROR | NLMSG_DONE => Said::End(code(body)),
            _ => Said::Row(body),
        };
        Some(Message { kind, sequence, interrupted: flags & NLM_F_DUMP_INTR != 0, said })
    })
}

/// A negative errno, or nothing wrong.
fn code(body: &[u8]) -> Result<(), Errno> {
    match u32_at(body, 0).unwrap_or(0).cast_signed() {
        code if code < 0 => Err(Errno::from_raw(code.wrapping_neg())),
        _ => Ok(()),
    }
}

/// A request with its header.
pub(super) fn request(kind: u16, flags: u16, sequence: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(HEADER + body.len()).unwrap_or(0);
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend(length.to_ne_bytes());
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(flags.to_ne_bytes());
    bytes.extend(sequence.to_ne_bytes());
    // The port of the sender: the kernel knows it.
    bytes.extend([0; 4]);
    bytes.extend(body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_the_end_and_an_error_are_told_apart() {
        let mut bytes = request(16, 2 | NLM_F_DUMP_INTR, 7, b"abcde");
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(request(NLMSG_DONE, 2, 7, &0_i32.to_ne_bytes()));
        bytes.extend(request(NLMSG_ERROR, 0, 8, &(-libc::EBUSY).to_ne_bytes()));
        let found: Vec<_> = messages(&bytes).collect();
        assert_eq!(found.len(), 3);
        assert_eq!((found[0].kind, found[0].sequence, found[0].interrupted), (16, 7, true));
        assert_eq!(found[0].said, Said::Row(b"abcde"));
        assert_eq!((found[1].said, found[1].interrupted), (Said::End(Ok(())), false));
        assert_eq!(found[2].said, Said::End(Err(Errno::EBUSY)));
    }

    #[test]
    fn a_length_that_lies_ends_the_walk() {
        let mut short = request(16, 0, 1, b"");
        short[0] = 15;
        assert_eq!(messages(&short).count(), 0);
        short[0] = 17;
        assert_eq!(messages(&short).count(), 0);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic_or_loop(bytes: Vec<u8>) {
            proptest::prop_assert!(messages(&bytes).count() <= bytes.len() / HEADER);
        }
    }
}
