//! Paths and parts of file systems: which lies in which. Pure.

use crate::model::device::Device;
use crate::model::mount::Mount;

/// A part of a file system, whatever it is mounted on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// That of mountinfo, which is not always what stat(2) tells of a file.
    pub device: Device,
    /// From the root of the file system.
    pub path: Vec<u8>,
}

/// How what is mounted and what is looked for lie to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lies<'a> {
    /// They are the same.
    Here,
    /// It lies inside what is mounted, by this rest of its path.
    Inside(&'a [u8]),
    /// What is mounted is a part of it.
    Within,
}

impl Place {
    /// What a path of a mount is.
    pub fn of(mount: &Mount, path: &[u8]) -> Option<Self> {
        let rest = rest_below(mount.target.as_bytes(), path)?;
        let path = join(mount.root.as_bytes(), rest);
        Some(Self { device: mount.device, path })
    }

    /// How it lies to a part of its file system that is mounted, `root`; `None`: they are apart.
    pub fn lies(&self, root: &[u8]) -> Option<Lies<'_>> {
        match rest_below(root, &self.path) {
            Some(b"") => Some(Lies::Here),
            Some(rest) => Some(Lies::Inside(rest)),
            None => rest_below(&self.path, root).map(|_| Lies::Within),
        }
    }
}

/// What is left of a path from a directory on, by whole parts: empty where it is that directory.
pub fn rest_below<'a>(directory: &[u8], path: &'a [u8]) -> Option<&'a [u8]> {
    let directory = directory.strip_suffix(b"/").unwrap_or(directory);
    let rest = path.strip_prefix(directory)?;
    match rest {
        b"/" => Some(b""),
        rest if rest.is_empty() || rest.starts_with(b"/") => Some(rest),
        _ => None,
    }
}

/// The reverse.
pub fn join(directory: &[u8], rest: &[u8]) -> Vec<u8> {
    let directory = directory.strip_suffix(b"/").unwrap_or(directory);
    let joined = [directory, rest].concat();
    if joined.is_empty() { b"/".to_vec() } else { joined }
}

/// Without empty parts, `.` and a slash at the end. What `..` means, only the file system knows.
pub fn normal(path: &[u8]) -> Vec<u8> {
    let parts = path.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b"."));
    let normal = parts.fold(Vec::new(), |normal, part| [&normal, &b"/"[..], part].concat());
    if normal.is_empty() { b"/".to_vec() } else { normal }
}

/// The root of a mount whose directory was removed.
pub fn removed(root: &[u8]) -> Option<&[u8]> {
    root.strip_suffix(b"//deleted")
}

/// The text of a link to something that was removed.
pub fn unlinked(text: &[u8]) -> &[u8] {
    text.strip_suffix(b" (deleted)").unwrap_or(text)
}

/// Of all mounts on the way to a path, the one that shows it: the last of those with the longest
/// target.
pub fn mount_at<'a>(mounts: &'a [Mount], path: &[u8]) -> Option<&'a Mount> {
    let on_the_way = |mount: &&Mount| rest_below(mount.target.as_bytes(), path).is_some();
    mounts.iter().filter(on_the_way).max_by_key(|mount| mount.target.as_bytes().len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::proc::mountinfo;

    #[test]
    fn a_rest_begins_with_a_whole_part() {
        let rest = |directory: &str, path: &str| {
            rest_below(directory.as_bytes(), path.as_bytes())
                .map(|rest| String::from_utf8(rest.to_vec()).unwrap())
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(rest("/", "/"), some(""));
        assert_eq!(rest("/", "/a/b"), some("/a/b"));
        assert_eq!(rest("/a", "/a"), some(""));
        assert_eq!(rest("/a/", "/a/b"), some("/b"));
        assert_eq!(rest("/a", "/ab"), None);
        assert_eq!(rest("/a/b", "/a"), None);
        assert_eq!(rest("/", "net:[1]"), None);
        assert_eq!(rest("net:[1]", "net:[1]"), some(""));
        for (directory, path) in [("/", "/"), ("/", "/a"), ("/a", "/a"), ("/a", "/a/b/c")] {
            let rest = rest_below(directory.as_bytes(), path.as_bytes()).unwrap();
            assert_eq!(join(directory.as_bytes(), rest), path.as_bytes());
        }
    }

    #[test]
    fn what_is_mounted_is_the_place_or_above_it_or_in_it() {
        let place = Place { device: Device { major: 8, minor: 1 }, path: b"/srv/data".to_vec() };
        assert_eq!(place.lies(b"/srv/data"), Some(Lies::Here));
        assert_eq!(place.lies(b"/srv"), Some(Lies::Inside(b"/data")));
        assert_eq!(place.lies(b"/"), Some(Lies::Inside(b"/srv/data")));
        assert_eq!(place.lies(b"/srv/data/x"), Some(Lies::Within));
        assert_eq!(place.lies(b"/srv/database"), None);
        let all = Place { device: Device { major: 8, minor: 1 }, path: b"/".to_vec() };
        assert_eq!(all.lies(b"/"), Some(Lies::Here));
        assert_eq!(all.lies(b"/a"), Some(Lies::Within));
    }

    #[test]
    fn paths_are_written_one_way() {
        for (given, written) in
            [("/", "/"), ("//a/./b//", "/a/b"), ("/.", "/"), ("/a/../b", "/a/../b")]
        {
            assert_eq!(normal(given.as_bytes()), written.as_bytes());
        }
    }

    #[test]
    fn the_last_of_two_on_one_point_is_the_one_that_shows() {
        let (mounts, _) = mountinfo::parse(
            b"1 0 8:1 / / rw - ext4 a rw\n2 1 8:2 /x /m rw - ext4 b rw\n3 2 8:3 / /m rw - ext4 c rw\n",
        );
        assert_eq!(mount_at(&mounts, b"/m/y").unwrap().id, 3);
        assert_eq!(mount_at(&mounts, b"/mm").unwrap().id, 1);
        let place = Place::of(&mounts[1], b"/m/y").unwrap();
        assert_eq!((place.device, &place.path[..]), (mounts[1].device, &b"/x/y"[..]));
        assert_eq!(Place::of(&mounts[1], b"/n"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_paths_panic(one: Vec<u8>, other: Vec<u8>) {
            let place = Place { device: Device::default(), path: one.clone() };
            let _ = (place.lies(&other), join(&one, &other), normal(&one), removed(&one));
            let _ = unlinked(&one);
            proptest::prop_assert_eq!(normal(&normal(&one)), normal(&one));
        }
    }

    #[test]
    fn what_was_removed_is_told_by_its_end() {
        assert_eq!(removed(b"/srv/x//deleted"), Some(&b"/srv/x"[..]));
        assert_eq!((removed(b"/srv/x"), removed(b"/srv/x (deleted)")), (None, None));
        assert_eq!(unlinked(b"/srv/x (deleted)"), b"/srv/x");
        assert_eq!(unlinked(b"/srv/x//deleted"), b"/srv/x//deleted");
    }
}
