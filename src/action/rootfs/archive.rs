//! A root from a tar archive, plain or compressed by gzip: tar(5). The archive is not trusted.
//!
//! It is unpacked below one directory of ours that nobody else writes to. No name of it is
//! absolute or leads up, no link that it brings is followed, and what it declares and has is
//! bounded by the room there is. Devices are left out; extended attributes are not read.

use crate::action::error::ActionError;
use crate::model::text::Text;
use flate2::bufread::MultiGzDecoder;
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, SeekFrom, Timespec, Timestamps, Uid,
};
use rustix::io::Errno;
use std::cell::Cell;
use std::collections::HashSet;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use tar::{Archive, Entry, EntryType};

/// More than any system has files.
const MOST_ENTRIES: u32 = 1 << 21;
/// Room for all that stands before an entry: its header, long names, attributes.
const HEADERS: u64 = 1 << 20;
const CHUNK: usize = 128 << 10;

/// Other compressions, by what they begin with, and who takes them off.
const COMPRESSED: [(&[u8], &str); 3] = [
    (b"\x28\xb5\x2f\xfd", "use `zstd -d` first"),
    (b"\xfd7zXZ", "use `xz -d` first"),
    (b"BZh", "use `bzip2 -d` first"),
];

/// Unpacks what `file` has into an empty directory. `name` is what messages call it.
pub fn unpack(file: OwnedFd, name: &Text, into: BorrowedFd<'_>) -> Result<(), ActionError> {
    let failed = |why: String| {
        ActionError::refused(
            format!("cannot unpack {name}: {why}"),
            "`tar -t` lists an archive; unpacked elsewhere its directory can be the root",
        )
    };
    let mut file = BufReader::with_capacity(CHUNK, File::from(file));
    let start = file.fill_buf().map_err(|error| failed(words(&error)))?;
    if let Some((_, advice)) = COMPRESSED.iter().find(|(magic, _)| start.starts_with(magic)) {
        let why = "of compressions only gzip is known here";
        return Err(ActionError::refused(format!("cannot unpack {name}: {why}"), advice));
    }
    let is_gzip = start.starts_with(b"\x1f\x8b");
    let data: Box<dyn Read> =
        if is_gzip { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut root = Root::new(into).map_err(|errno| failed(Refusal::from(errno).0))?;
    root.fill(data).map_err(|refusal| failed(refusal.0))
}

/// What is no header the library repeats, and it is anybody's file.
fn damage(error: &std::io::Error, is_first: bool) -> String {
    let said = words(error);
    let is_header = ["numeric field", "archive header"].iter().any(|what| said.starts_with(what));
    match (is_header, is_first) {
        (false, _) => said,
        (true, true) => "it is no tar archive".to_owned(),
        (true, false) => "it is damaged".to_owned(),
    }
}

/// Libraries repeat what they read.
fn words(error: &std::io::Error) -> String {
    Text::from(error.to_string()).to_string()
}

/// Reads no more than is left: the library keeps names whole in memory, however long they are.
struct Metered {
    data: Box<dyn Read>,
    left: Rc<Cell<u64>>,
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            return Err(std::io::Error::other("a name or an attribute is too long"));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.data.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left.set(left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX)));
        Ok(count)
    }
}

/// Why an entry is not unpacked.
#[derive(Debug)]
struct Refusal(String);

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        let link = "a link or a file of the archive stands in its way";
        match errno {
            Errno::LOOP | Errno::NOTDIR | Errno::XDEV => Self(link.to_owned()),
            _ => Self(nix::errno::Errno::from_raw(errno.raw_os_error()).desc().to_owned()),
        }
    }
}

impl From<std::io::Error> for Refusal {
    fn from(error: std::io::Error) -> Self {
        Self(words(&error))
    }
}

/// Where it is unpacked, and what has been so far.
struct Root<'a> {
    dir: BorrowedFd<'a>,
    room_bytes: u64,
    bytes: u64,
    entries: u32,
    /// The directory of the last entry. None that is there is ever removed.
    last: Option<(Vec<u8>, OwnedFd)>,
    /// The devices of the archive, by their hashes: there may be many.
    left_out: HashSet<u64>,
    hasher: RandomState,
    buffer: Vec<u8>,
}

impl<'a> Root<'a> {
    fn new(dir: BorrowedFd<'a>) -> rustix::io::Result<Self> {
        let fs = rustix::fs::fstatfs(dir)?;
        let unit = u64::try_from(fs.f_bsize).unwrap_or_default();
        let room_bytes = fs.f_blocks.saturating_mul(unit);
        let buffer = vec![0; CHUNK];
        let (left_out, hasher) = (HashSet::new(), RandomState::new());
        let (bytes, entries, last) = (0, 0, None);
        Ok(Self { dir, room_bytes, bytes, entries, last, left_out, hasher, buffer })
    }

    /// With all that an archive has.
    fn fill(&mut self, data: Box<dyn Read>) -> Result<(), Refusal> {
        let left = Rc::new(Cell::new(HEADERS));
        let mut archive = Archive::new(Metered { data, left: Rc::clone(&left) });
        let mut entries = archive.entries()?;
        loop {
            left.set(HEADERS);
            let Some(entry) = entries.next() else { break };
            let mut entry = entry.map_err(|error| Refusal(damage(&error, self.entries == 0)))?;
            // Long names and other words about it take room, too.
            self.bytes = self.bytes.saturating_add(HEADERS - left.get());
            // What it has is bounded by the room there is.
            left.set(u64::MAX);
            self.add(&mut entry).map_err(|refusal| {
                Refusal(format!("{}: {}", Text::new(entry.path_bytes()), refusal.0))
            })?;
        }
        if self.entries == 0 {
            return Err(Refusal("nothing is in it".to_owned()));
        }
        Ok(())
    }

    fn add(&mut self, entry: &mut Entry<'_, Metered>) -> Result<(), Refusal> {
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            return Err(Refusal(format!("it has more than {MOST_ENTRIES} entries")));
        }
        self.bytes = self.bytes.saturating_add(entry.size());
        if self.bytes > self.room_bytes {
            let room = self.room_bytes;
            return Err(Refusal(format!("there is room for {room} bytes, and this needs more")));
        }
        let kind = entry.header().entry_type();
        if matches!(kind, EntryType::XGlobalHeader) {
            return skip(entry);
        }
        let name = entry.path_bytes().into_owned();
        let path = inner(&name)?;
        let is_directory = kind == EntryType::Directory
            || (matches!(kind, EntryType::Regular) && name.ends_with(b"/"));
        let Some((above, last)) = split(&path) else {
            // `./`: the root itself.
            if !is_directory {
                return Err(Refusal("it is no directory, and has no name".to_owned()));
            }
            let place = rustix::fs::openat(self.dir, c".", DIRECTORY, Mode::empty())?;
            return Ok(dress(&place, entry)?);
        };
        self.enter(above)?;
        let parent = self.last.as_ref().map_or(self.dir, |(_, fd)| fd.as_fd());
        match kind {
            _ if is_directory => {
                let made = rustix::fs::mkdirat(parent, last, Mode::from_raw_mode(0o700));
                if !matches!(made, Ok(()) | Err(Errno::EXIST)) {
                    made?;
                }
                let place = rustix::fs::openat(parent, last, DIRECTORY, Mode::empty())?;
                dress(&place, entry)?;
                skip(entry)
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                if is_map_of_holes(entry)? {
                    let format =
                        "a sparse file in the format of pax: `tar --format=gnu` has another";
                    return Err(Refusal(format.to_owned()));
                }
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                let mode = Mode::from_raw_mode(0o600);
                let file = instead(parent, last, || {
                    rustix::fs::openat(parent, last, flags | OFlags::NOFOLLOW, mode)
                })?;
                copy(entry, &file, &mut self.buffer)?;
                Ok(dress(&file, entry)?)
            }
            EntryType::Symlink => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                instead(parent, last, || rustix::fs::symlinkat(&*target, parent, last))?;
                if let Some((uid, gid)) = owner(entry) {
                    let flags = AtFlags::SYMLINK_NOFOLLOW;
                    // It is ours where such an owner means nothing.
                    let _ = rustix::fs::chownat(parent, last, Some(uid), Some(gid), flags);
                }
                skip(entry)
            }
            EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default().into_owned();
                let target = inner(&target)?;
                let Some(of) = split(&target) else {
                    return Err(Refusal("it is a link to nothing".to_owned()));
                };
                match self.link(of, last) {
                    Err(Errno::NOENT) if self.left_out.contains(&self.hasher.hash_one(&target)) => {
                        self.left_out.insert(self.hasher.hash_one(&path));
                    }
                    linked => linked?,
                }
                skip(entry)
            }
            EntryType::Fifo => {
                let mode = Mode::from_raw_mode(0o600);
                instead(parent, last, || {
                    rustix::fs::mknodat(parent, last, FileType::Fifo, mode, 0)
                })?;
                // Waits for nobody who writes.
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOFOLLOW;
                let pipe = rustix::fs::openat(parent, last, flags, Mode::empty())?;
                dress(&pipe, entry)?;
                skip(entry)
            }
            // Devices, and what nobody has defined.
            _ => {
                self.left_out.insert(self.hasher.hash_one(&path));
                skip(entry)
            }
        }
    }

    /// Opens the directory of an entry; those that the archive does not list are made.
    fn enter(&mut self, path: &[u8]) -> rustix::io::Result<()> {
        if self.last.as_ref().is_some_and(|(last, _)| last == path) {
            return Ok(());
        }
        let dir = match self.open(path) {
            Err(Errno::NOENT) => {
                let mut dir = self.open(b"")?;
                for name in path.split(|byte| *byte == b'/') {
                    let mode = Mode::from_raw_mode(0o755);
                    let made = match rustix::fs::mkdirat(&dir, name, mode) {
                        Err(Errno::EXIST) => false,
                        made => made.map(|()| true)?,
                    };
                    dir = rustix::fs::openat(&dir, name, DIRECTORY, Mode::empty())?;
                    if made {
                        // Whatever the caller's umask: others live there too.
                        rustix::fs::fchmod(&dir, mode)?;
                    }
                }
                dir
            }
            opened => opened?,
        };
        self.last = Some((path.to_owned(), dir));
        Ok(())
    }

    fn open(&self, path: &[u8]) -> rustix::io::Result<OwnedFd> {
        // Without symbolic links there are none of the kernel's own either.
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
        let path = if path.is_empty() { b"." } else { path };
        rustix::fs::openat2(self.dir, path, DIRECTORY, Mode::empty(), resolve)
    }

    /// One more name, in the directory of the last entry, of what the archive brought before.
    fn link(&self, (above, of): (&[u8], &[u8]), name: &[u8]) -> rustix::io::Result<()> {
        let from = self.open(above)?;
        let parent = self.last.as_ref().map_or(self.dir, |(_, fd)| fd.as_fd());
        let link = || rustix::fs::linkat(&from, of, parent, name, AtFlags::empty());
        match link() {
            Err(Errno::EXIST) => {}
            linked => return linked,
        }
        let same = |dir: BorrowedFd<'_>, name: &[u8]| {
            let stat = rustix::fs::statat(dir, name, AtFlags::SYMLINK_NOFOLLOW)?;
            rustix::io::Result::Ok((stat.st_dev, stat.st_ino))
        };
        if same(from.as_fd(), of)? == same(parent, name)? {
            return Ok(());
        }
        instead(parent, name, link)
    }
}

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// A name of the archive as a path below its root; empty for the root.
fn inner(name: &[u8]) -> Result<Vec<u8>, Refusal> {
    if name.starts_with(b"/") {
        return Err(Refusal("its name is absolute".to_owned()));
    }
    let parts: Vec<&[u8]> =
        name.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".").collect();
    if parts.contains(&&b".."[..]) {
        return Err(Refusal("its name leads out of the directory it is in".to_owned()));
    }
    Ok(parts.join(&b'/'))
}

/// What is before the last name, and that.
fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if path.is_empty() {
        return None;
    }
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(at) => Some((path.get(..at)?, path.get(at + 1..)?)),
        None => Some((b"", path)),
    }
}

/// Makes it, in place of what the archive had of this name before, which is no directory.
fn instead<T>(
    parent: BorrowedFd<'_>,
    name: &[u8],
    make: impl Fn() -> rustix::io::Result<T>,
) -> rustix::io::Result<T> {
    match make() {
        Err(Errno::EXIST) => {
            rustix::fs::unlinkat(parent, name, AtFlags::empty())?;
            make()
        }
        made => made,
    }
}

/// What stands under its name is then a map and what is between the holes, and would be taken for
/// the file.
fn is_map_of_holes(entry: &mut Entry<'_, Metered>) -> std::io::Result<bool> {
    let Some(extensions) = entry.pax_extensions()? else { return Ok(false) };
    for extension in extensions {
        if extension?.key_bytes().starts_with(b"GNU.sparse.") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `None`: one of both is no id.
fn owner(entry: &mut Entry<'_, Metered>) -> Option<(Uid, Gid)> {
    // -1 would leave it as it is.
    let is_id = |id: &u32| *id != u32::MAX;
    let of_header = |id: std::io::Result<u64>| u32::try_from(id.ok()?).ok().filter(is_id);
    let mut uid = of_header(entry.header().uid());
    let mut gid = of_header(entry.header().gid());
    // Of these the library passes over what is no number, and cuts one that is too long.
    for extension in entry.pax_extensions().ok().flatten().into_iter().flatten().flatten() {
        let id = || extension.value().ok()?.parse().ok().filter(is_id);
        match extension.key_bytes() {
            b"uid" => uid = id(),
            b"gid" => gid = id(),
            _ => {}
        }
    }
    Some((Uid::from_raw(uid?), Gid::from_raw(gid?)))
}

/// Owner, mode and time. An owner that means nothing here leaves it ours, and then its privileges
/// are not those that were meant.
fn dress(file: &OwnedFd, entry: &mut Entry<'_, Metered>) -> rustix::io::Result<()> {
    let is_theirs = owner(entry)
        .is_some_and(|(uid, gid)| rustix::fs::fchown(file, Some(uid), Some(gid)).is_ok());
    let kept = if is_theirs { 0o7777 } else { 0o1777 };
    let mode = entry.header().mode().unwrap_or(0o600) & kept;
    rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?;
    let seconds = entry.header().mtime().ok().and_then(|time| i64::try_from(time).ok());
    let time = Timespec { tv_sec: seconds.unwrap_or_default(), tv_nsec: 0 };
    rustix::fs::futimens(file, &Timestamps { last_access: time, last_modification: time })
}

/// The content; where there are but zeros, none is kept.
fn copy(entry: &mut Entry<'_, Metered>, file: &OwnedFd, buffer: &mut [u8]) -> Result<(), Refusal> {
    let mut written = 0_u64;
    loop {
        let count = entry.read(buffer)?;
        let chunk = buffer.get(..count).unwrap_or_default();
        if chunk.is_empty() {
            break;
        }
        written = written.saturating_add(u64::try_from(count).unwrap_or_default());
        if chunk.iter().all(|byte| *byte == 0) {
            rustix::fs::seek(file, SeekFrom::Start(written))?;
        } else {
            crate::sys::fds::write_all(file, chunk)?;
        }
    }
    if written != entry.size() {
        return Err(Refusal("the archive ends in the middle of it".to_owned()));
    }
    Ok(rustix::fs::ftruncate(file, written)?)
}

fn skip(entry: &mut Entry<'_, Metered>) -> Result<(), Refusal> {
    std::io::copy(entry, &mut std::io::sink())?;
    Ok(())
}

#[cfg(test)]
mod tests;
