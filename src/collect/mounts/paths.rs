//! Which of many paths lie on the way to another one, in time that grows with its length alone.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::marker::PhantomData;

/// Paths, each within something (a mount, a device), and what stands for it. Whoever chooses the
/// names does not know the key of the hash, and so cannot make two of them the same.
#[derive(Debug)]
pub(super) struct Paths<W> {
    state: RandomState,
    places: HashMap<u64, usize>,
    within: PhantomData<W>,
}

impl<W: Hash> Paths<W> {
    /// With room for that many.
    pub(super) fn of(count: usize) -> Self {
        let places = HashMap::with_capacity(count);
        Self { state: RandomState::new(), places, within: PhantomData }
    }

    /// The first at a place stays.
    pub(super) fn add(&mut self, within: &W, path: &[u8], what: usize) {
        let hash = self.begin(within, trimmed(path)).finish();
        self.places.entry(hash).or_insert(what);
    }

    /// Those on the way from the root to a path and at it, the shortest first: how long each is, and
    /// what stands there.
    pub(super) fn on_the_way(&self, within: &W, path: &[u8], mut found: impl FnMut(usize, usize)) {
        let at_root = self.begin(within, b"").finish();
        if let Some(what) = self.places.get(&at_root) {
            found(0, *what);
        }
        self.walk(within, 0, path, |length, hash| {
            if let Some(what) = self.places.get(&hash) {
                found(length, *what);
            }
            None::<()>
        });
    }

    /// The first one below `from` on the way to a path and at it.
    pub(super) fn first_below(&self, within: &W, from: &[u8], path: &[u8]) -> Option<usize> {
        let from = trimmed(from);
        let above = if path.starts_with(from) { from.len() } else { 0 };
        self.walk(within, above, path, |_, hash| self.places.get(&hash).copied())
    }

    fn begin(&self, within: &W, path: &[u8]) -> impl Hasher {
        let mut hasher = self.state.build_hasher();
        within.hash(&mut hasher);
        // However it is cut into pieces, the same bytes have the same hash.
        hasher.write(path);
        hasher
    }

    /// The length and the hash of each path on the way that is longer than the first `above` bytes of
    /// it, which end with a part.
    fn walk<T>(
        &self,
        within: &W,
        above: usize,
        path: &[u8],
        mut at: impl FnMut(usize, u64) -> Option<T>,
    ) -> Option<T> {
        let path = trimmed(path);
        let (begun, mut rest) = path.split_at_checked(above)?;
        let mut hasher = self.begin(within, begun);
        let mut length = begun.len();
        while !rest.is_empty() {
            let slash = rest.iter().skip(1).position(|byte| *byte == b'/');
            let (part, after) = rest.split_at_checked(slash.map_or(rest.len(), |at| at + 1))?;
            hasher.write(part);
            length += part.len();
            if let Some(found) = at(length, hasher.finish()) {
                return Some(found);
            }
            rest = after;
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
        let mut paths = Paths::of(0);
        for (at, path) in ["/", "/a", "/a/bc", "/a/bc/d", "/x"].into_iter().enumerate() {
            paths.add(&"8:1", path.as_bytes(), at);
        }
        paths.add(&"8:1", b"/a", 9);
        paths.add(&"8:11", b"/a/bcd", 10);
        let found = |path: &str| {
            let mut found = Vec::new();
            paths.on_the_way(&"8:1", path.as_bytes(), |length, what| found.push((length, what)));
            found
        };
        assert_eq!(found("/a/bc/e"), [(0, 0), (2, 1), (5, 2)]);
        assert_eq!(found("/a/bcd"), [(0, 0), (2, 1)]);
        assert_eq!(found("/"), [(0, 0)]);
        assert_eq!(found(""), [(0, 0)]);
        assert_eq!(paths.first_below(&"8:1", b"/", b"/a/bc"), Some(1));
        assert_eq!(paths.first_below(&"8:1", b"/a", b"/a/bc"), Some(2));
        assert_eq!(paths.first_below(&"8:1", b"/a/bc", b"/a/bc"), None);
        assert_eq!(paths.first_below(&"8:1", b"/y", b"/a/bc"), Some(1));
    }
}
