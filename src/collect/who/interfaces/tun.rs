//! Who serves a tun or tap interface: `iff:` in the fdinfo of a descriptor of /dev/net/tun.

use crate::model::namespace::Kind;
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::sys::crew::{self, Care};
use crate::sys::pidfd::ProcessHandle;
use crate::sys::root::{self, SysRoot};
use crate::sys::{bounded, ns, nsfs};
use std::os::fd::AsFd;

/// A process and what it serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub pid: Pid,
    pub number: u32,
    name: Text,
    /// The network namespace of the interface.
    inode: Option<u64>,
}

impl Holder {
    pub(super) fn serves(&self, name: &Text, inode: Option<u64>) -> bool {
        self.name == *name && self.inode == inode
    }
}

/// Of a path that a descriptor was opened by: that of a mount of /dev elsewhere is hardly longer.
const PATH: usize = 256;
const INFO: usize = 4096;

/// All of them, by pid. The caller has one thread.
pub(super) fn holders(root: &SysRoot) -> Vec<Holder> {
    let pids = root.pids().unwrap_or_default();
    let mut found = Vec::new();
    let mut job = |place: usize, care: Care, out: &mut Vec<u8>| {
        if let Some(pid) = pids.get(place).filter(|_| care == Care::Whole) {
            for holder in of_process(root, *pid) {
                write(&holder, out);
            }
        }
    };
    crew::work(pids.len(), crew::size(), crew::PATIENCE, &mut job, &mut |place, answer| {
        if let (Some(pid), Ok(answer)) = (pids.get(place), answer) {
            read(*pid, answer, &mut found);
        }
    });
    found.sort_by_key(|holder| (holder.pid, holder.number));
    found
}

fn of_process(root: &SysRoot, pid: Pid) -> Vec<Holder> {
    let mut found = Vec::new();
    let Ok(process) = root.process(pid) else { return found };
    let Ok(dir) = bounded::open_dir(process.as_fd(), "fd") else { return found };
    let mut info = Vec::new();
    for name in root::list(dir.as_fd()).unwrap_or_default() {
        let mut buffer = [std::mem::MaybeUninit::uninit(); PATH];
        let link = rustix::fs::readlinkat_raw(&dir, name.as_bytes(), &mut buffer);
        let Ok((path, _)) = link else { continue };
        let number = std::str::from_utf8(name.as_bytes()).ok().and_then(|name| name.parse().ok());
        let Some(number) = number.filter(|_| path.ends_with(b"/tun")) else { continue };
        let file = format!("fdinfo/{number}");
        if bounded::read_record(process.as_fd(), &file, INFO, &mut info).is_err() {
            continue;
        }
        if let Some(name) = interface(&info) {
            let inode = namespace(root, pid, number).or_else(|| {
                // Mostly it is that of the process.
                ns::identity(process.as_fd(), Kind::Net).ok()
            });
            found.push(Holder { pid, number, name: Text::new(name), inode });
        }
    }
    found
}

fn namespace(root: &SysRoot, pid: Pid, number: u32) -> Option<u64> {
    let process = ProcessHandle::open(root, pid).ok()?;
    let file = nsfs::of_tun(&process, i32::try_from(number).ok()?).ok()?;
    Some(file.key.inode)
}

/// `iff:\ttap0`; one that serves none has `(null)`, which no interface can be called, or nothing.
fn interface(info: &[u8]) -> Option<&[u8]> {
    let mut lines = info.split(|byte| *byte == b'\n');
    let name = lines.find_map(|line| line.strip_prefix(b"iff:"))?.trim_ascii();
    Some(name).filter(|name| !name.is_empty() && *name != b"(null)")
}

fn write(holder: &Holder, out: &mut Vec<u8>) {
    let name = holder.name.as_bytes();
    out.extend(holder.number.to_ne_bytes());
    out.extend(holder.inode.unwrap_or(0).to_ne_bytes());
    out.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    out.extend(name.iter().take(usize::from(u8::MAX)));
}

fn read(pid: Pid, mut bytes: &[u8], found: &mut Vec<Holder>) {
    while let Some((holder, rest)) = read_one(pid, bytes) {
        found.push(holder);
        bytes = rest;
    }
}

fn read_one(pid: Pid, bytes: &[u8]) -> Option<(Holder, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    let (inode, rest) = rest.split_first_chunk()?;
    let (length, rest) = rest.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let inode = Some(u64::from_ne_bytes(*inode)).filter(|inode| *inode != 0);
    let number = u32::from_ne_bytes(*number);
    Some((Holder { pid, number, name: Text::new(name), inode }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_says_what_it_serves() {
        assert_eq!(interface(b"pos:\t0\nflags:\t0100002\niff:\ttap0\n"), Some(&b"tap0"[..]));
        for other in [&b"pos:\t0\n"[..], b"iff:\t\n", b"iff:\t(null)\n", b""] {
            assert_eq!(interface(other), None);
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let pid = Pid::new(7).unwrap();
        let holder = |name: &[u8], inode| Holder { pid, number: 9, name: Text::new(name), inode };
        let all = [holder(b"tap0", Some(4_026_532_000)), holder(b"\xff\x1b", None)];
        let mut bytes = Vec::new();
        for holder in &all {
            write(holder, &mut bytes);
        }
        let mut found = Vec::new();
        read(pid, &bytes, &mut found);
        assert_eq!(found, all);
        assert!(found[0].serves(&"tap0".into(), Some(4_026_532_000)));
        assert!(!found[0].serves(&"tap0".into(), Some(1)));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = interface(&bytes);
            read(Pid::new(1).unwrap(), &bytes, &mut Vec::new());
        }
    }
}
