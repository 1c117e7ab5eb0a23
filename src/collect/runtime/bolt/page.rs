//! One page of a bbolt database: a header, an array of elements, and the keys and values that they
//! point to.
//!
//! A page may run over any number of following ones. Only its beginning is held; what an element
//! points to beyond that is fetched when it is asked for.

use super::{Result, Snapshot};
use crate::sys::error::Problem;
use std::borrow::Cow;

/// Of a page, and of an element of either kind.
pub(super) const HEADER: usize = 16;
const ELEMENT: u64 = 16;
/// As much of a page is held.
pub(super) const LONGEST_HEAD: u64 = 64 << 10;
/// bbolt refuses longer keys.
const LONGEST_KEY: u64 = 32 << 10;

const BRANCH: u16 = 1;
const LEAF: u16 = 2;
const IS_BUCKET: u32 = 1;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Branch,
    Leaf,
}

#[derive(Debug)]
pub(super) struct Page {
    pub(super) kind: Kind,
    /// Of elements.
    pub(super) count: u64,
    head: Vec<u8>,
    /// Of the whole, what it runs over included.
    length: u64,
    /// In the file.
    offset: u64,
}

/// What an element says; positions are relative to the page.
#[derive(Debug)]
pub(super) struct Element {
    position: u64,
    pub(super) key_length: u64,
    /// In a leaf.
    pub(super) value_length: u64,
    pub(super) is_bucket: bool,
    /// In a branch: the page below.
    pub(super) child: u64,
}

/// `N` bytes at `at`.
pub(super) fn number_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

impl Page {
    pub(super) fn on_disk(head: Vec<u8>, offset: u64, size: u64) -> Result<Self> {
        let mut page = Self::parse(head, offset)?;
        page.length = page.overflow().saturating_add(1).saturating_mul(size);
        Ok(page)
    }

    /// A bucket within a value. It is too small to have pages below it.
    pub(super) fn inline(bytes: Vec<u8>) -> Result<Self> {
        let page = Self::parse(bytes, 0)?;
        if page.kind == Kind::Leaf { Ok(page) } else { Err(Problem::Malformed("inline bucket")) }
    }

    fn parse(head: Vec<u8>, offset: u64) -> Result<Self> {
        let short = |at| number_at(&head, at).map(u16::from_ne_bytes);
        let (Some(flags), Some(count)) = (short(8), short(10)) else {
            return Err(Problem::Malformed("page"));
        };
        let kind = match flags {
            BRANCH if count > 0 => Kind::Branch,
            LEAF => Kind::Leaf,
            _ => return Err(Problem::Malformed("kind of page")),
        };
        let length = head.len() as u64;
        Ok(Self { kind, count: count.into(), head, length, offset })
    }

    pub(super) fn number(&self) -> u64 {
        number_at(&self.head, 0).map_or(0, u64::from_ne_bytes)
    }

    /// How many pages it runs over.
    pub(super) fn overflow(&self) -> u64 {
        number_at(&self.head, 12).map_or(0, u32::from_ne_bytes).into()
    }

    pub(super) fn element(&self, snapshot: &Snapshot<'_>, at: u64) -> Result<Element> {
        if at >= self.count {
            return Err(Problem::Malformed("element"));
        }
        let start = at.saturating_mul(ELEMENT).saturating_add(HEADER as u64);
        let bytes = self.bytes(snapshot, start, ELEMENT)?;
        let word = |at| number_at(&bytes, at).map(u32::from_ne_bytes).unwrap_or_default();
        let (position, key_length) = match self.kind {
            Kind::Branch => (word(0), word(4)),
            Kind::Leaf => (word(4), word(8)),
        };
        let is_leaf = self.kind == Kind::Leaf;
        let element = Element {
            position: start.saturating_add(position.into()),
            key_length: key_length.into(),
            value_length: if is_leaf { word(12).into() } else { 0 },
            is_bucket: is_leaf && word(0) & IS_BUCKET != 0,
            child: if is_leaf { 0 } else { number_at(&bytes, 8).map_or(0, u64::from_ne_bytes) },
        };
        if element.key_length > LONGEST_KEY { Err(Problem::Malformed("key")) } else { Ok(element) }
    }

    pub(super) fn key(&self, snapshot: &Snapshot<'_>, element: &Element) -> Result<Cow<'_, [u8]>> {
        self.bytes(snapshot, element.position, element.key_length)
    }

    pub(super) fn value(
        &self,
        snapshot: &Snapshot<'_>,
        element: &Element,
    ) -> Result<Cow<'_, [u8]>> {
        let start = element.position.saturating_add(element.key_length);
        self.bytes(snapshot, start, element.value_length)
    }

    /// The first element whose key is not less than `key`, and whether it is the same.
    pub(super) fn search(&self, snapshot: &Snapshot<'_>, key: &[u8]) -> Result<(u64, bool)> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = u64::midpoint(low, high);
            let element = self.element(snapshot, middle)?;
            match (*self.key(snapshot, &element)?).cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok((middle, true)),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok((low, false))
    }

    fn bytes(&self, snapshot: &Snapshot<'_>, start: u64, length: u64) -> Result<Cow<'_, [u8]>> {
        let end = start.saturating_add(length);
        if end > self.length {
            return Err(Problem::Malformed("element"));
        }
        let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
        match range.and_then(|(start, end)| self.head.get(start..end)) {
            Some(bytes) => Ok(Cow::Borrowed(bytes)),
            None => snapshot.fetch(self.offset.saturating_add(start), length).map(Cow::Owned),
        }
    }
}
