//! bbolt databases, read while their owner writes them: without a lock, a map or a change.
//!
//! What a commit can reach is never written to before the next commit is complete: bbolt copies
//! what it changes, and writes the meta page last. A reading is therefore right if the newest meta
//! page is still the same after it; otherwise its pages may have been used for something else, and
//! it is made again. The format is that of go.etcd.io/bbolt, `internal/common`; its numbers are in
//! the host's byte order.
//!
//! Nothing in the file is trusted: it may be a user's.

mod bucket;
mod meta;
mod page;
#[cfg(test)]
pub(crate) mod tests;

pub use bucket::{Bucket, Listing};

use crate::sys::error::{self, IntoErrno, Problem, SysError};
use crate::sys::owned::{Place, Speaker};
use crate::sys::root;
use meta::{Meta, newest_meta};
use page::Page;
use std::cell::Cell;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// Of everything that is done within one reading; the path is added where it ends.
pub type Result<T> = std::result::Result<T, Problem>;

/// How often a reading is begun anew because the database changed.
const ATTEMPTS: usize = 16;
/// Reads and bytes that one reading may cost.
const READS: usize = 4096;
const BYTES: u64 = 16 << 20;
/// Bytes that all readings of one database may cost.
const TOTAL_BYTES: u64 = 256 << 20;

/// What pages are read from.
pub trait Source: std::fmt::Debug {
    /// Fills `buffer` from `offset` on; less only at the end.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize>;
}

impl Source for OwnedFd {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let mut filled = 0;
        while let Some(rest) = buffer.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match rustix::io::pread(self, rest, offset.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(errno) => return Err(Problem::Errno(errno.into_errno())),
            }
        }
        Ok(filled)
    }
}

impl Source for &[u8] {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
        let rest = rest.unwrap_or_default();
        let count = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
            to.copy_from_slice(from);
        }
        Ok(count)
    }
}

/// One file and what may still be spent on it.
#[derive(Debug)]
pub struct Database<S = OwnedFd> {
    source: S,
    /// What errors call it.
    path: PathBuf,
    /// Bytes that readings have cost so far.
    spent: Cell<u64>,
    /// Whose it is: all that he says has one bound, however many databases he has.
    speaker: Option<Speaker>,
}

impl Database {
    /// The file `below` a directory.
    pub fn open(place: &Place, below: &str) -> error::Result<Self> {
        let speaker = Some(place.speaker().clone());
        Ok(Self { speaker, ..Self::new(place.open(below)?, place.path().join(below)) })
    }
}

impl<S: Source> Database<S> {
    /// `path` is what errors call it.
    pub const fn new(source: S, path: PathBuf) -> Self {
        Self { source, path, spent: Cell::new(0), speaker: None }
    }

    /// What `read` finds in one committed state. It may be called several times, and all but the
    /// last time see a mixture of states: it must only return what it finds.
    pub fn read<T>(&self, read: impl Fn(&Snapshot<'_>) -> Result<T>) -> error::Result<T> {
        self.attempt(read).map_err(|problem| SysError {
            doing: "read",
            object: root::path_text(&self.path),
            problem,
        })
    }

    fn attempt<T>(&self, read: impl Fn(&Snapshot<'_>) -> Result<T>) -> Result<T> {
        let mut problem = Problem::TimedOut;
        for _ in 0..ATTEMPTS {
            let Some(meta) = newest_meta(&self.source)? else {
                problem = Problem::Malformed("meta pages");
                continue;
            };
            let cost = (&self.spent, self.speaker.as_ref());
            let found = read(&Snapshot::new(&self.source, cost, meta));
            // A problem too may come of a page that is no longer what it was.
            if newest_meta(&self.source)? == Some(meta) {
                return found;
            }
            problem = Problem::TimedOut;
        }
        Err(problem)
    }
}

/// One committed state.
#[derive(Debug)]
pub struct Snapshot<'a> {
    source: &'a dyn Source,
    meta: Meta,
    reads: Cell<usize>,
    bytes: Cell<u64>,
    total: &'a Cell<u64>,
    speaker: Option<&'a Speaker>,
}

impl<'a> Snapshot<'a> {
    const fn new(
        source: &'a dyn Source,
        (total, speaker): (&'a Cell<u64>, Option<&'a Speaker>),
        meta: Meta,
    ) -> Self {
        Self { source, meta, reads: Cell::new(0), bytes: Cell::new(0), total, speaker }
    }

    /// The bucket that the names lead to, each within the one before; of none, the outermost.
    pub fn bucket(&self, path: &[&[u8]]) -> Result<Option<Bucket<'_>>> {
        let mut bucket = Bucket::outermost(self, self.meta.root);
        for name in path {
            match bucket.bucket(name)? {
                Some(found) => bucket = found,
                None => return Ok(None),
            }
        }
        Ok(Some(bucket))
    }

    fn page(&self, number: u64) -> Result<Page> {
        // The first two are the meta pages.
        if number < 2 || number >= self.meta.end {
            return Err(Problem::Malformed("page number"));
        }
        let size = u64::from(self.meta.page_size);
        let offset = number.checked_mul(size).ok_or(Problem::Malformed("page number"))?;
        let page = Page::on_disk(self.fetch(offset, size.min(page::LONGEST_HEAD))?, offset, size)?;
        let runs_to = number.saturating_add(page.overflow());
        if page.number() != number || runs_to >= self.meta.end {
            return Err(Problem::Malformed("page"));
        }
        Ok(page)
    }

    /// Exactly `length` bytes of the file.
    fn fetch(&self, offset: u64, length: u64) -> Result<Vec<u8>> {
        self.reads.set(self.reads.get().saturating_add(1));
        if self.reads.get() > READS {
            return Err(Problem::Truncated);
        }
        self.spend(length)?;
        let length = usize::try_from(length).map_err(|_| Problem::Truncated)?;
        let mut bytes = vec![0; length];
        if self.source.read_at(&mut bytes, offset)? < length {
            return Err(Problem::Malformed("end"));
        }
        Ok(bytes)
    }

    /// Copies are paid for as reads are: many keys can claim the same bytes.
    fn spend(&self, bytes: u64) -> Result<()> {
        let add = |spent: &Cell<u64>| {
            spent.set(spent.get().saturating_add(bytes));
            spent.get()
        };
        let (now, ever) = (add(&self.bytes), add(self.total));
        let is_heard = self.speaker.is_none_or(|speaker| speaker.hears(bytes));
        if now > BYTES || ever > TOTAL_BYTES || !is_heard {
            return Err(Problem::Truncated);
        }
        Ok(())
    }
}
