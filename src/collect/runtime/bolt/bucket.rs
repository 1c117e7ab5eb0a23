//! Buckets of a bbolt database: a tree of pages, or one page within another bucket's value.

use super::page::{Element, Kind, Page, number_at};
use super::{Result, Snapshot};
use crate::sys::error::Problem;

/// Branch pages above a leaf. Even with two keys a page, this is more than a disk holds.
const DEPTH: usize = 32;
/// Longer values are not read. Those of interest have some kilobytes at most.
pub(super) const LONGEST_VALUE: u64 = 1 << 20;

/// What a key stands for.
enum Value {
    Bytes(Vec<u8>),
    Bucket(Root),
}

/// Where the keys of a bucket are.
#[derive(Debug)]
enum Root {
    Page(u64),
    /// A small bucket is a page within its parent's.
    Inline(Vec<u8>),
}

/// As much of a bucket as was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing<T> {
    /// In the order of their keys, as far as the limit reaches.
    pub items: Vec<T>,
    /// There are more.
    pub truncated: bool,
}

/// Keys, in order, and what they stand for: bytes or further buckets.
#[derive(Debug)]
pub struct Bucket<'a> {
    snapshot: &'a Snapshot<'a>,
    root: Root,
}

impl<'a> Bucket<'a> {
    pub(super) const fn outermost(snapshot: &'a Snapshot<'a>, root: u64) -> Self {
        Self { snapshot, root: Root::Page(root) }
    }

    /// The bytes of `key`; none where it is a bucket.
    pub fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(match self.find(key)? {
            Some(Value::Bytes(bytes)) => Some(bytes),
            _ => None,
        })
    }

    /// The bucket of the name `key`.
    pub fn bucket(&self, key: &[u8]) -> Result<Option<Bucket<'a>>> {
        Ok(match self.find(key)? {
            Some(Value::Bucket(root)) => Some(Bucket { snapshot: self.snapshot, root }),
            _ => None,
        })
    }

    fn find(&self, key: &[u8]) -> Result<Option<Value>> {
        let mut page = self.root_page()?;
        for _ in 0..DEPTH {
            let (at, found) = page.search(self.snapshot, key)?;
            if page.kind == Kind::Leaf {
                let element = if found { Some(page.element(self.snapshot, at)?) } else { None };
                return element.map(|element| self.value(&page, &element)).transpose();
            }
            // A branch holds the first key of each page below it.
            let below = if found { at } else { at.saturating_sub(1) };
            page = self.snapshot.page(page.element(self.snapshot, below)?.child)?;
        }
        Err(Problem::Malformed("depth"))
    }

    /// Keys and their bytes, buckets left out, up to `limit`.
    pub fn values(&self, limit: usize) -> Result<Listing<(Vec<u8>, Vec<u8>)>> {
        self.list(limit, |page, element| {
            if element.is_bucket {
                return Ok(None);
            }
            let value = self.value(page, element)?;
            let Value::Bytes(value) = value else { return Ok(None) };
            Ok(Some((self.key(page, element)?, value)))
        })
    }

    /// Names of buckets, up to `limit`.
    pub fn buckets(&self, limit: usize) -> Result<Listing<Vec<u8>>> {
        self.list(limit, |page, element| {
            if element.is_bucket { self.key(page, element).map(Some) } else { Ok(None) }
        })
    }

    fn key(&self, page: &Page, element: &Element) -> Result<Vec<u8>> {
        self.snapshot.spend(element.key_length)?;
        Ok(page.key(self.snapshot, element)?.into_owned())
    }

    fn list<T>(
        &self,
        limit: usize,
        item: impl Fn(&Page, &Element) -> Result<Option<T>>,
    ) -> Result<Listing<T>> {
        let mut items = Vec::new();
        let mut path = vec![(self.root_page()?, 0)];
        while let Some((page, at)) = path.last_mut() {
            if *at >= page.count {
                path.pop();
                continue;
            }
            let element = page.element(self.snapshot, *at)?;
            *at += 1;
            if page.kind == Kind::Leaf {
                if let Some(item) = item(page, &element)? {
                    if items.len() >= limit {
                        return Ok(Listing { items, truncated: true });
                    }
                    items.push(item);
                }
                continue;
            }
            let below = self.snapshot.page(element.child)?;
            if path.len() >= DEPTH {
                return Err(Problem::Malformed("depth"));
            }
            path.push((below, 0));
        }
        Ok(Listing { items, truncated: false })
    }

    fn root_page(&self) -> Result<Page> {
        match &self.root {
            Root::Page(number) => self.snapshot.page(*number),
            Root::Inline(bytes) => Page::inline(bytes.clone()),
        }
    }

    fn value(&self, page: &Page, element: &Element) -> Result<Value> {
        if element.value_length > LONGEST_VALUE {
            return Err(Problem::Truncated);
        }
        self.snapshot.spend(element.value_length)?;
        let bytes = page.value(self.snapshot, element)?.into_owned();
        if !element.is_bucket {
            return Ok(Value::Bytes(bytes));
        }
        let root = number_at(&bytes, 0).map(u64::from_ne_bytes);
        match (root, bytes.get(16..)) {
            (Some(0), Some(page)) => Ok(Value::Bucket(Root::Inline(page.to_vec()))),
            (Some(number), Some(_)) => Ok(Value::Bucket(Root::Page(number))),
            _ => Err(Problem::Malformed("bucket")),
        }
    }
}
