//! Interface ioctls that no library wraps: netdevice(7).

use nix::errno::Errno;
use std::os::fd::{AsRawFd, BorrowedFd};

/// linux/sockios.h
const SIOCGIFFLAGS: u16 = 0x8913;
const SIOCSIFFLAGS: u16 = 0x8914;
/// linux/if.h
const IFF_UP: libc::c_short = 1;

/// `struct ifreq` with the flags of its union, which is as large as its largest member `ifmap`.
#[repr(C)]
struct FlagsRequest {
    name: [u8; libc::IFNAMSIZ],
    flags: libc::c_short,
    _rest: [u8; size_of::<libc::ifreq>() - libc::IFNAMSIZ - size_of::<libc::c_short>()],
}

/// Sets IFF_UP on the interface called `name` in the socket's network namespace. Any socket will
/// do. EPERM: the caller lacks CAP_NET_ADMIN there; ENODEV: no such interface.
pub fn bring_up(socket: BorrowedFd<'_>, name: &[u8]) -> nix::Result<()> {
    let mut request = FlagsRequest { name: [0; libc::IFNAMSIZ], flags: 0, _rest: [0; _] };
    // One byte stays for the terminating zero.
    let (field, _) = request.name.split_at_mut(libc::IFNAMSIZ - 1);
    let slot = field.get_mut(..name.len()).ok_or(Errno::ENAMETOOLONG)?;
    slot.copy_from_slice(name);

    let fd = socket.as_raw_fd();
    // SAFETY: the kernel reads the name and writes the flags of this ifreq-sized structure.
    let got = unsafe { libc::ioctl(fd, SIOCGIFFLAGS.into(), &raw mut request) };
    Errno::result(got)?;
    request.flags |= IFF_UP;
    // SAFETY: the kernel reads the name and the flags, and keeps no pointer.
    let set = unsafe { libc::ioctl(fd, SIOCSIFFLAGS.into(), &raw mut request) };
    Errno::result(set).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn the_structure_is_the_kernels() {
        assert_eq!(size_of::<FlagsRequest>(), size_of::<libc::ifreq>());
        assert_eq!(std::mem::offset_of!(FlagsRequest, flags), libc::IFNAMSIZ);
    }

    #[test]
    fn a_name_that_cannot_be_one_is_refused() {
        let socket = std::os::unix::net::UnixDatagram::unbound().unwrap();
        let bring = |name| bring_up(socket.as_fd(), name);
        assert_eq!(bring(&[b'a'; 16]), Err(Errno::ENAMETOOLONG));
        assert_eq!(bring(b"no-such-device"), Err(Errno::ENODEV));
    }
}
