//! SQLite databases, read while their owner writes them: without a lock or a change.
//!
//! A writer saves what it is about to change in a journal beside the file, changes the file, counts
//! up a number in its head and removes the journal. Bytes are therefore of one committed state if
//! there is no journal before and after they are read and the number is the same; otherwise they
//! are read again. Of the other kind of journal, which pages are to be taken from
//! (`journal_mode=WAL`), only a file is read that has none. The format is that of
//! sqlite.org/fileformat2.html.
//!
//! Nothing in the file is trusted: it may be a user's.

mod table;

pub use table::{Image, Value};

use crate::sys::bounded;
use crate::sys::error::{Problem, Result, SysError};
use crate::sys::owned::Place;
use crate::sys::root;
use nix::errno::Errno;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// More is not read. That of a thousand containers has some 10 MiB.
const CAP: usize = 32 << 20;
const CAP_OF_USERS: usize = 16 << 20;
/// How often a reading is begun anew because the database changed, and the time between: a commit
/// waits for the disk.
const ATTEMPTS: usize = 8;
const PAUSE: Duration = Duration::from_millis(5);

/// What a journal begins with once it counts.
const JOURNAL: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

/// The bytes of one committed state of a file `below` a directory.
pub fn read(place: &Place, below: &str) -> Result<Vec<u8>> {
    for _ in 0..ATTEMPTS {
        if let Some(bytes) = undisturbed(place, below, |file| whole(place, below, file))? {
            return Ok(bytes);
        }
        std::thread::sleep(PAUSE);
    }
    let object = root::path_text(&place.path().join(below));
    Err(SysError { doing: "read", object, problem: Problem::TimedOut })
}

/// What `read` makes of the file, if nobody changes the database meanwhile.
fn undisturbed<T>(
    place: &Place,
    below: &str,
    read: impl FnOnce(&OwnedFd) -> Result<T>,
) -> Result<Option<T>> {
    let file = place.open(below)?;
    let before = version(&file);
    if is_being_changed(place, below)? {
        return Ok(None);
    }
    let found = read(&file)?;
    let stood_still = !is_being_changed(place, below)? && version(&file) == before;
    Ok(stood_still.then_some(found))
}

/// All of the file, where no newer pages lie elsewhere.
fn whole(place: &Place, below: &str, file: &OwnedFd) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let object = || root::path_text(&place.path().join(below));
    let cap = if place.uid() == 0 { CAP } else { CAP_OF_USERS };
    let left = place.left();
    let cut = bounded::read_fd_into(file.as_fd(), cap.min(left), &mut bytes)
        .map_err(|errno| SysError::new("read", object(), errno))?;
    place.spend(bytes.len());
    if cut {
        if left < cap {
            place.speaker().refuse();
        }
        return Err(SysError { doing: "read", object: object(), problem: Problem::Truncated });
    }
    if has_pages_elsewhere(place, below, &bytes)? {
        return Err(SysError::new("read", object(), Errno::EOPNOTSUPP));
    }
    Ok(bytes)
}

/// The number that each commit changes; when the file was changed, and how long it is.
fn version(file: &OwnedFd) -> ([u8; 4], Option<(i64, u64, i64)>) {
    let mut counter = [0; 4];
    let _ = rustix::io::pread(file, &mut counter, 24);
    let stat = rustix::fs::fstat(file).ok();
    let stat = stat.map(|stat| (stat.st_mtime, stat.st_mtime_nsec, stat.st_size));
    (counter, stat)
}

fn is_being_changed(place: &Place, below: &str) -> Result<bool> {
    let Some(journal) = beside(place, below, "-journal")? else { return Ok(false) };
    let mut head = [0; 8];
    let length = rustix::io::pread(&journal, &mut head, 0).unwrap_or(0);
    Ok(length == head.len() && head == JOURNAL)
}

/// Whether pages are newer in a write-ahead log.
fn has_pages_elsewhere(place: &Place, below: &str, bytes: &[u8]) -> Result<bool> {
    if bytes.get(19) != Some(&2) {
        return Ok(false);
    }
    let log = beside(place, below, "-wal")?;
    Ok(log.is_some_and(|log| rustix::fs::fstat(log).is_ok_and(|stat| stat.st_size > 0)))
}

fn beside(place: &Place, below: &str, ending: &str) -> Result<Option<OwnedFd>> {
    match place.open(&format!("{below}{ending}")) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.errno() == Some(Errno::ENOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
pub(crate) mod tests;
