//! Databases composed as bbolt does, and real ones (`tests/fixtures/bolt`), whole and damaged.
#![expect(clippy::cast_possible_truncation, reason = "composes small numbers")]

mod bounds;

use super::bucket::LONGEST_VALUE;
use super::meta::{MAGIC, META_LENGTH, VERSION, sum};
use super::page::HEADER;
use super::*;
use crate::sys::root::SysRoot;
use proptest::prelude::*;
use std::cell::RefCell;
use std::path::Path;

/// Real ones: containerd's with overflow and branch pages, a pod's, podman's.
pub(crate) const REAL: [&[u8]; 3] = [
    include_bytes!("../../../../tests/fixtures/bolt/containerd.db"),
    include_bytes!("../../../../tests/fixtures/bolt/cri.db"),
    include_bytes!("../../../../tests/fixtures/bolt/podman.db"),
];

pub(crate) fn of_bytes(bytes: &[u8]) -> Database<&[u8]> {
    Database::new(bytes, PathBuf::from("/meta.db"))
}

pub(crate) enum Node {
    Value(Vec<u8>),
    Bucket(Vec<(Vec<u8>, Node)>),
    Inline(Vec<(Vec<u8>, Node)>),
}

use Node::{Bucket as B, Inline as I, Value as V};

fn named(name: &str, node: Node) -> (Vec<u8>, Node) {
    (name.into(), node)
}

/// Pages of a database in the making. The first two are left to the meta pages.
struct Writer {
    page_size: usize,
    /// Elements of a page.
    fan_out: usize,
    bytes: Vec<u8>,
}

impl Writer {
    fn new(page_size: usize, fan_out: usize) -> Self {
        Self { page_size, fan_out, bytes: vec![0; 2 * page_size] }
    }

    fn end(&self) -> u64 {
        (self.bytes.len() / self.page_size) as u64
    }

    /// Appends a page, and gives its number.
    fn page(&mut self, mut page: Vec<u8>) -> u64 {
        let number = self.end();
        let pages = page.len().div_ceil(self.page_size);
        page[..8].copy_from_slice(&number.to_ne_bytes());
        page[12..16].copy_from_slice(&(pages as u32 - 1).to_ne_bytes());
        page.resize(pages * self.page_size, 0);
        self.bytes.extend_from_slice(&page);
        number
    }

    /// Writes a bucket's pages, and gives the number of its root.
    fn bucket(&mut self, entries: Vec<(Vec<u8>, Node)>) -> u64 {
        let elements = self.elements(entries);
        let mut level: Vec<(Vec<u8>, u64)> = Vec::new();
        for chunk in elements.chunks(self.fan_out) {
            let first = chunk[0].1.clone();
            level.push((first, self.page(leaf(chunk))));
        }
        if level.is_empty() {
            return self.page(leaf(&[]));
        }
        while level.len() > 1 {
            let pages: Vec<_> =
                level.chunks(self.fan_out.max(2)).map(|c| (c[0].0.clone(), branch(c))).collect();
            level = pages.into_iter().map(|(key, page)| (key, self.page(page))).collect();
        }
        level[0].1
    }

    fn elements(&mut self, mut entries: Vec<(Vec<u8>, Node)>) -> Vec<(u32, Vec<u8>, Vec<u8>)> {
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        let element = |(key, node)| match node {
            V(value) => (0, key, value),
            B(entries) => {
                let root = self.bucket(entries);
                (IS_BUCKET, key, [root.to_ne_bytes(), [0; 8]].concat())
            }
            I(entries) => {
                let inline = leaf(&self.elements(entries));
                (IS_BUCKET, key, [&[0; 16], &inline[..]].concat())
            }
        };
        entries.into_iter().map(element).collect()
    }

    fn meta(&mut self, slot: usize, root: u64, transaction: u64) {
        let end = self.end();
        let at = slot * self.page_size;
        let page = meta_page(self.page_size as u32, slot as u64, root, end, transaction);
        self.bytes[at..at + page.len()].copy_from_slice(&page);
    }
}

const IS_BUCKET: u32 = 1;

fn header(kind: u16, count: usize) -> Vec<u8> {
    let count = count as u16;
    [&[0; 8], &kind.to_ne_bytes()[..], &count.to_ne_bytes(), &[0; 4]].concat()
}

fn leaf(elements: &[(u32, Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let mut page = header(2, elements.len());
    let mut data = Vec::new();
    for (at, (flags, key, value)) in elements.iter().enumerate() {
        let position = (elements.len() - at) * 16 + data.len();
        for word in [*flags, position as u32, key.len() as u32, value.len() as u32] {
            page.extend_from_slice(&word.to_ne_bytes());
        }
        data.extend_from_slice(key);
        data.extend_from_slice(value);
    }
    [page, data].concat()
}

fn branch(below: &[(Vec<u8>, u64)]) -> Vec<u8> {
    let mut page = header(1, below.len());
    let mut data = Vec::new();
    for (at, (key, number)) in below.iter().enumerate() {
        let position = (below.len() - at) * 16 + data.len();
        page.extend_from_slice(&(position as u32).to_ne_bytes());
        page.extend_from_slice(&(key.len() as u32).to_ne_bytes());
        page.extend_from_slice(&number.to_ne_bytes());
        data.extend_from_slice(key);
    }
    [page, data].concat()
}

fn meta_page(page_size: u32, number: u64, root: u64, end: u64, transaction: u64) -> Vec<u8> {
    let mut meta = Vec::new();
    for word in [MAGIC, VERSION, page_size, 0] {
        meta.extend_from_slice(&word.to_ne_bytes());
    }
    for long in [root, 0, u64::MAX, end, transaction] {
        meta.extend_from_slice(&long.to_ne_bytes());
    }
    meta.extend_from_slice(&sum(&meta).to_ne_bytes());
    let mut page = header(4, 0);
    page[..8].copy_from_slice(&number.to_ne_bytes());
    [page, meta].concat()
}

/// One state, its meta page in the first place.
pub(crate) fn database(page_size: usize, fan_out: usize, entries: Vec<(Vec<u8>, Node)>) -> Vec<u8> {
    let mut writer = Writer::new(page_size, fan_out);
    let root = writer.bucket(entries);
    writer.meta(0, root, 8);
    writer.meta(1, 2, 7);
    writer.bytes
}

fn get(bytes: &[u8], path: &[&str], key: &str) -> error::Result<Option<Vec<u8>>> {
    let path: Vec<&[u8]> = path.iter().map(|name| name.as_bytes()).collect();
    of_bytes(bytes).read(|snapshot| {
        let bucket = snapshot.bucket(&path)?;
        bucket.map_or(Ok(None), |bucket| bucket.get(key.as_bytes()))
    })
}

fn many(count: usize, of: impl Fn(usize) -> Node) -> Vec<(Vec<u8>, Node)> {
    (0..count).map(|n| (format!("key-{n:05}").into_bytes(), of(n))).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn keys_are_found_in_nested_inline_and_deep_buckets() {
    let deep = many(500, |n| V(format!("value {n}").into_bytes()));
    let inline = I(vec![named("name", V(b"runc".to_vec())), named("", V(b"nameless".to_vec()))]);
    let entries = vec![named("v1", B(vec![named("deep", B(deep)), named("inline", inline)]))];
    let bytes = database(1024, 3, entries);
    assert_eq!(get(&bytes, &["v1", "inline"], "name").unwrap().as_deref(), Some(&b"runc"[..]));
    assert_eq!(get(&bytes, &["v1", "inline"], "").unwrap().as_deref(), Some(&b"nameless"[..]));
    for n in [0, 1, 2, 3, 250, 498, 499] {
        let value = get(&bytes, &["v1", "deep"], &format!("key-{n:05}")).unwrap();
        assert_eq!(value, Some(format!("value {n}").into_bytes()));
    }
    for absent in ["", "a", "key-00001x", "key-99999", "z"] {
        assert_eq!(get(&bytes, &["v1", "deep"], absent).unwrap(), None, "{absent}");
    }
    assert_eq!(get(&bytes, &["v1"], "deep").unwrap(), None, "a bucket is no value");
    assert_eq!(get(&bytes, &["v1", "none"], "name").unwrap(), None);
    assert_eq!(get(&bytes, &["v1", "inline", "name"], "x").unwrap(), None);
}

#[test]
fn listings_are_in_order_and_end_at_the_limit() {
    let mut entries = many(100, |n| if n % 2 == 0 { V(vec![n as u8]) } else { I(vec![]) });
    entries.push(named("last", B(vec![])));
    let bytes = database(1024, 7, entries);
    let list = |limit| {
        of_bytes(&bytes)
            .read(|snapshot| {
                let root = snapshot.bucket(&[])?.unwrap();
                Ok((root.buckets(limit)?, root.values(limit)?))
            })
            .unwrap()
    };
    let (buckets, values) = list(51);
    assert!(!buckets.truncated && !values.truncated);
    assert_eq!(buckets.items.len(), 51);
    assert!(buckets.items.is_sorted() && values.items.is_sorted());
    assert_eq!(values.items[49], (b"key-00098".to_vec(), vec![98]));
    let (buckets, values) = list(50);
    assert!(buckets.truncated && !values.truncated);
    assert_eq!((buckets.items.len(), values.items.len()), (50, 50));
}

#[test]
fn values_that_run_over_many_pages_are_read_and_too_long_ones_are_not() {
    let long = |length: usize| (0..length).map(|n| (n / 251) as u8).collect::<Vec<u8>>();
    let limit = LONGEST_VALUE as usize;
    let entries = vec![
        named("after", V(b"seen".to_vec())),
        named("at", V(long(limit))),
        named("beyond", V(long(limit + 1))),
        named("zero", V(vec![])),
    ];
    let bytes = database(4096, 100, entries);
    assert_eq!(get(&bytes, &[], "at").unwrap(), Some(long(limit)));
    assert_eq!(get(&bytes, &[], "beyond").unwrap_err().problem, Problem::Truncated);
    assert_eq!(get(&bytes, &[], "after").unwrap(), Some(b"seen".to_vec()));
    assert_eq!(get(&bytes, &[], "zero").unwrap(), Some(vec![]));
}

#[test]
fn the_newer_complete_meta_page_counts() {
    let mut writer = Writer::new(1024, 10);
    let old = writer.bucket(vec![named("k", V(b"old".to_vec()))]);
    let new = writer.bucket(vec![named("k", V(b"new".to_vec()))]);
    for slot in [0, 1] {
        writer.meta(slot, new, 8);
        writer.meta(1 - slot, old, 7);
        assert_eq!(text(&get(&writer.bytes, &[], "k").unwrap().unwrap()), "new");
        let torn = slot * 1024 + 16 + 48;
        writer.bytes[torn] ^= 1;
        assert_eq!(text(&get(&writer.bytes, &[], "k").unwrap().unwrap()), "old");
        writer.bytes[(1 - slot) * 1024 + 16] ^= 1;
        let error = get(&writer.bytes, &[], "k").unwrap_err();
        assert_eq!(error.to_string(), "cannot read /meta.db: malformed meta pages");
    }
    // Of two of one number the first counts, as with bbolt.
    writer.meta(0, new, 8);
    writer.meta(1, old, 8);
    assert_eq!(text(&get(&writer.bytes, &[], "k").unwrap().unwrap()), "new");
}

#[test]
fn the_second_meta_page_is_found_without_the_first_for_every_page_size() {
    for exponent in 10..=17 {
        let page_size = 1 << exponent;
        let mut writer = Writer::new(page_size, 10);
        let root = writer.bucket(vec![named("k", V(b"v".to_vec()))]);
        writer.meta(1, root, 3);
        assert_eq!(get(&writer.bytes, &[], "k").unwrap(), Some(b"v".to_vec()), "{page_size}");
    }
}

#[test]
fn what_is_no_database_is_malformed() {
    for bytes in [&b""[..], b"x", &[0; 100], &vec![0; 1 << 17]] {
        let error = get(bytes, &[], "k").unwrap_err();
        assert_eq!(error.problem, Problem::Malformed("meta pages"));
    }
    // A page size of none, of no power of two, and one that no system has.
    for page_size in [0, 3 << 10, 1 << 25] {
        let bytes = [meta_page(page_size, 0, 2, 3, 1), vec![0; 4096]].concat();
        assert_eq!(get(&bytes, &[], "k").unwrap_err().problem, Problem::Malformed("meta pages"));
    }
}

#[test]
fn pages_that_lead_back_to_themselves_end() {
    let cyclic = |keys: &[&str]| {
        let mut writer = Writer::new(1024, 10);
        let below: Vec<(Vec<u8>, u64)> =
            keys.iter().map(|key| (key.as_bytes().into(), 2)).collect();
        let root = writer.page(branch(&below));
        writer.meta(0, root, 1);
        writer.bytes
    };
    let bytes = cyclic(&["a", "b", "c"]);
    assert_eq!(get(&bytes, &[], "b").unwrap_err().problem, Problem::Malformed("depth"));
    let listing = of_bytes(&bytes).read(|snapshot| snapshot.bucket(&[])?.unwrap().buckets(10));
    assert_eq!(listing.unwrap_err().problem, Problem::Malformed("depth"));
    // A bucket in itself.
    let mut writer = Writer::new(1024, 10);
    let itself = (IS_BUCKET, b"a".to_vec(), [2_u64.to_ne_bytes(), [0; 8]].concat());
    let root = writer.page(leaf(&[itself]));
    writer.meta(0, root, 1);
    assert_eq!(get(&writer.bytes, &["a"; 40], "b").unwrap(), None);
}

#[test]
fn nothing_is_read_from_the_page_beside() {
    let mut writer = Writer::new(1024, 10);
    let root = writer.page(leaf(&[(0, b"k".to_vec(), vec![1; 900])]));
    writer.page(leaf(&[]));
    writer.meta(0, root, 1);
    assert_eq!(get(&writer.bytes, &[], "k").unwrap(), Some(vec![1; 900]));
    let length_of_value = 2 * 1024 + HEADER + 12;
    writer.bytes[length_of_value..length_of_value + 4].copy_from_slice(&1000_u32.to_ne_bytes());
    assert_eq!(get(&writer.bytes, &[], "k").unwrap_err().problem, Problem::Malformed("element"));
}

#[test]
fn what_the_file_ends_before_is_not_taken_for_zeros() {
    let mut bytes = database(4096, 10, vec![named("k", V(vec![7; 100_000]))]);
    bytes.truncate(4096 * 20);
    assert_eq!(get(&bytes, &[], "k").unwrap_err().problem, Problem::Malformed("end"));
}

#[test]
fn a_branch_leads_somewhere() {
    let mut writer = Writer::new(1024, 10);
    let root = writer.page(branch(&[]));
    writer.meta(0, root, 1);
    let listing = of_bytes(&writer.bytes).read(|one| one.bucket(&[])?.unwrap().buckets(9));
    assert_eq!(listing.unwrap_err().problem, Problem::Malformed("kind of page"));
}

#[test]
fn a_page_is_the_one_that_was_named_and_within_the_state() {
    let state = |root: u64, end: u64, change: fn(&mut [u8])| {
        let mut bytes = database(1024, 10, vec![named("k", V(b"v".to_vec()))]);
        bytes.resize(10 * 1024, 0);
        change(&mut bytes[2 * 1024..]);
        let meta = meta_page(1024, 0, root, end, 9);
        bytes[..meta.len()].copy_from_slice(&meta);
        get(&bytes, &[], "k").map_err(|error| error.problem)
    };
    let malformed = |part| Err(Problem::Malformed(part));
    assert_eq!(state(2, 3, |_| ()), Ok(Some(b"v".to_vec())));
    assert_eq!(state(2, 2, |_| ()), malformed("page number"));
    assert_eq!(state(1, 3, |_| ()), malformed("page number"));
    assert_eq!(state(3, 4, |_| ()), malformed("kind of page"));
    assert_eq!(state(2, 3, |page| page[0] = 3), malformed("page"));
    assert_eq!(state(2, 3, |page| page[12] = 1), malformed("page"));
    assert_eq!(state(2, 4, |page| page[12] = 1), Ok(Some(b"v".to_vec())));
    assert_eq!(state(2, 3, |page| page[8] = 0x10), malformed("kind of page"));
    let longer = |page: &mut [u8]| page[HEADER + 10] = 1;
    assert_eq!(state(2, 3, longer), malformed("key"));
}

/// A file that changes: to the next of its states before the reads of these numbers.
#[derive(Debug)]
struct Changing {
    states: Vec<Vec<u8>>,
    at: Vec<usize>,
    reads: Cell<usize>,
}

impl Source for Changing {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<usize> {
        let now = self.at.iter().filter(|at| **at <= self.reads.get()).count();
        self.reads.set(self.reads.get() + 1);
        (&self.states[now][..]).read_at(buffer, offset)
    }
}

#[test]
fn no_mixture_of_two_states_is_ever_read() {
    // Every value bears the number of its commit. Commit 6 uses the pages of commit 4 again while
    // commit 5 is the newest.
    let of = |commit: u8| many(12, move |_| V(vec![commit; 30]));
    let file = |here: u8, metas: [(u8, u64); 2]| {
        let mut writer = Writer::new(1024, 3);
        let (first, second) = (writer.bucket(of(here)), writer.bucket(of(5)));
        for (slot, (commit, transaction)) in metas.into_iter().enumerate() {
            writer.meta(slot, if commit == 5 { second } else { first }, transaction);
        }
        writer.bytes
    };
    let states = vec![
        file(4, [(4, 4), (4, 3)]),
        file(4, [(4, 4), (5, 5)]),
        file(6, [(4, 4), (5, 5)]),
        file(6, [(6, 6), (5, 5)]),
    ];
    let mut seen = std::collections::BTreeSet::new();
    for first in 0..16 {
        for second in first..16 {
            for third in second..16 {
                let at = vec![first, second, third];
                let source = Changing { states: states.clone(), at, reads: Cell::new(0) };
                let database = Database::new(source, PathBuf::new());
                let tries = RefCell::new(0);
                let values = database.read(|snapshot| {
                    *tries.borrow_mut() += 1;
                    let root = snapshot.bucket(&[])?.unwrap();
                    let get = |key: &str| Ok(root.get(key.as_bytes())?.unwrap());
                    Ok([get("key-00001")?, get("key-00010")?, get("key-00005")?])
                });
                let values = values.unwrap().concat();
                assert!(values.iter().all(|byte| *byte == values[0]), "{first} {second} {third}");
                assert!(tries.take() <= 4);
                seen.insert(values[0]);
            }
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<u8>>(), [4, 5, 6]);
}

#[test]
fn a_database_that_never_stands_still_is_given_up() {
    let mut states = Vec::new();
    for commit in 1..1000 {
        let mut writer = Writer::new(1024, 3);
        let root = writer.bucket(vec![named("k", V(vec![]))]);
        writer.meta(commit % 2, root, commit as u64);
        states.push(writer.bytes);
    }
    let at = (1..states.len()).map(|n| n * 3).collect();
    let source = Changing { states, at, reads: Cell::new(0) };
    let database = Database::new(source, PathBuf::from("/meta.db"));
    let error = database.read(|snapshot| snapshot.bucket(&[])?.unwrap().get(b"k")).unwrap_err();
    assert_eq!(error.problem, Problem::TimedOut);
}

#[test]
fn no_link_leads_to_a_database_and_nothing_but_a_file_is_one() {
    let temp = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| std::fs::write(temp.path().join(name), bytes).unwrap();
    std::fs::create_dir_all(temp.path().join("data/dir")).unwrap();
    std::fs::create_dir(temp.path().join("proc")).unwrap();
    put("data/dir/db", &database(4096, 4, vec![named("k", V(b"v".to_vec()))]));
    std::os::unix::fs::symlink("dir", temp.path().join("data/link")).unwrap();
    std::os::unix::fs::symlink("db", temp.path().join("data/dir/link")).unwrap();
    nix::unistd::mkfifo(&temp.path().join("data/fifo"), nix::sys::stat::Mode::S_IRUSR).unwrap();
    let root = SysRoot::fixture(temp.path()).unwrap();
    let place = Place::of_root(&root, Path::new("/data")).unwrap();
    let open = |below: &str| Database::open(&place, below);
    let value = open("dir/db").unwrap().read(|one| one.bucket(&[])?.unwrap().get(b"k"));
    assert_eq!(value.unwrap(), Some(b"v".to_vec()));
    for below in ["link/db", "dir/link"] {
        assert_eq!(open(below).unwrap_err().errno(), Some(nix::errno::Errno::ELOOP), "{below}");
    }
    let error = open("fifo").unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot read /data/fifo: malformed file: it is not a regular one"
    );
    assert_eq!(open("none").unwrap_err().errno(), Some(nix::errno::Errno::ENOENT));
}

/// Looks at everything there is, as far as the bounds allow.
fn look_at_everything(bytes: &[u8]) {
    fn look(bucket: &Bucket<'_>, depth: usize, seen: &Cell<usize>) -> Result<()> {
        for (key, _) in bucket.values(64)?.items {
            let _ = bucket.get(&key)?;
            seen.set(seen.get() + 1);
        }
        for name in bucket.buckets(64)?.items {
            seen.set(seen.get() + 1);
            if let Some(inner) = bucket.bucket(&name)?.filter(|_| depth < 8 && seen.get() < 500) {
                look(&inner, depth + 1, seen)?;
            }
        }
        Ok(())
    }
    let seen = Cell::new(0);
    let _ = of_bytes(bytes)
        .read(|snapshot| snapshot.bucket(&[])?.map_or(Ok(()), |bucket| look(&bucket, 0, &seen)));
}

/// Makes the sums right again, so that what else is in a meta page is believed.
fn seal(bytes: &mut [u8], page_size: usize) {
    for at in [0, page_size] {
        if let Some(meta) = bytes.get_mut(at + HEADER..at + META_LENGTH) {
            let sum = sum(&meta[..56]);
            meta[56..].copy_from_slice(&sum.to_ne_bytes());
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        look_at_everything(&bytes);
    }

    #[test]
    fn no_damage_panics(
        which in 0..REAL.len(),
        damage in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..40),
        near in any::<bool>(),
        length in any::<proptest::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = REAL[which].to_vec();
        let page_size = if which == 2 { 4096 } else { 1024 };
        for (at, byte) in damage {
            // Headers and elements stand at the beginning of pages.
            let at = at.index(bytes.len());
            let at = if near { at / page_size * page_size + at % 80 } else { at };
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
        }
        if cut {
            bytes.truncate(length.index(bytes.len()));
        }
        seal(&mut bytes, page_size);
        look_at_everything(&bytes);
    }

    #[test]
    fn every_key_is_found_again(
        keys in proptest::collection::btree_set(proptest::collection::vec(any::<u8>(), 0..20), 0..80),
        absent in proptest::collection::vec(any::<u8>(), 0..20),
        fan_out in 2_usize..9,
        longest in 0_usize..3000,
    ) {
        let value = |key: &[u8]| key.iter().cycle().take(longest * key.len() / 20).copied().collect::<Vec<u8>>();
        let entries: Vec<_> = keys.iter().map(|key| (key.clone(), V(value(key)))).collect();
        let bytes = database(1024, fan_out, entries);
        let database = of_bytes(&bytes);
        database.read(|snapshot| {
            let root = snapshot.bucket(&[])?.unwrap();
            for key in &keys {
                assert_eq!(root.get(key)?, Some(value(key)));
            }
            assert_eq!(root.get(&absent)?.is_some(), keys.contains(&absent));
            let listed = root.values(1000)?;
            let expected: Vec<_> = keys.iter().map(|key| (key.clone(), value(key))).collect();
            assert_eq!(listed, Listing { items: expected, truncated: false });
            Ok(())
        }).unwrap();
    }
}
