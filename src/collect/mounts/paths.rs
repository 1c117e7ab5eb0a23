//! Which of many paths lie on the way to another one, in time that grows with its length alone.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};

/// Paths, each within something (a mount, a device), and what stands for it. Whoever chooses the
/// names does not know the key of the hash, and so cannot make two of them the same.
#[derive(Debug, Default)]
pub(super) struct Paths {
    state: RandomState,
    places: HashMap<u64, usize>,
}

impl Paths {
    /// The first at a place stays.
    pub(super) fn add(&mut self, within: &[u8], path: &[u8], what: usize) {
        let mut hash = 0;
        self.walk(within, path, |_, here| {
            hash = here;
            None::<()>
        });
        self.places.entry(hash).or_insert(what);
    }

    /// Those on the way from the root to a path and at it, the shortest first: how long each is, and
    /// what stands there.
    pub(super) fn on_the_way(
        &self,
        within: &[u8],
        path: &[u8],
        mut found: impl FnMut(usize, usize),
    ) {
        self.walk(within, path, |length, hash| {
            if let Some(what) = self.places.get(&hash) {
                found(length, *what);
            }
            None::<()>
        });
    }

    /// The first one below `from` on the way to a path and at it.
    pub(super) fn first_below(&self, within: &[u8], from: &[u8], path: &[u8]) -> Option<usize> {
        let above = trimmed(from).len();
        self.walk(within, path, |length, hash| {
            self.places.get(&hash).copied().filter(|_| length > above)
        })
    }

    /// The hash of each path on the way: the root has length 0.
    fn walk<T>(
        &self,
        within: &[u8],
        path: &[u8],
        mut at: impl FnMut(usize, u64) -> Option<T>,
    ) -> Option<T> {
        let mut hasher = self.state.build_hasher();
        hasher.write_usize(within.len());
        hasher.write(within);
        if let Some(found) = at(0, hasher.finish()) {
            return Some(found);
        }
        let mut length = 0;
        for part in trimmed(path).split(|byte| *byte == b'/').skip(1) {
            hasher.write(b"/");
            hasher.write(part);
            length += 1 + part.len();
            if let Some(found) = at(length, hasher.finish()) {
                return Some(found);
            }
        }
        None
    }
}

/// The root is the path without a part.
pub(super) fn trimmed(path: &[u8]) -> &[u8] {
    path.strip_suffix(b"/").unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_lies_on_the_way_by_whole_parts() {
        let mut paths = Paths::default();
        for (at, path) in ["/", "/a", "/a/bc", "/a/bc/d", "/x"].into_iter().enumerate() {
            paths.add(b"8:1", path.as_bytes(), at);
        }
        paths.add(b"8:1", b"/a", 9);
        paths.add(b"8:11", b"/a/bcd", 10);
        let found = |path: &str| {
            let mut found = Vec::new();
            paths.on_the_way(b"8:1", path.as_bytes(), |length, what| found.push((length, what)));
            found
        };
        assert_eq!(found("/a/bc/e"), [(0, 0), (2, 1), (5, 2)]);
        assert_eq!(found("/a/bcd"), [(0, 0), (2, 1)]);
        assert_eq!(found("/"), [(0, 0)]);
        assert_eq!(found(""), [(0, 0)]);
        assert_eq!(paths.first_below(b"8:1", b"/", b"/a/bc"), Some(1));
        assert_eq!(paths.first_below(b"8:1", b"/a", b"/a/bc"), Some(2));
        assert_eq!(paths.first_below(b"8:1", b"/a/bc", b"/a/bc"), None);
    }
}
