//! The paths of one process in every hierarchy, and how they relate to a mount. Pure.
//!
//! The kernel writes both `/proc/PID/cgroup` and the root field of mountinfo relative to the
//! reader's cgroup namespace: what lies outside it begins with `/..`. See cgroup_namespaces(7).

use crate::sys::proc::cgroup::{self, Line};

/// The lines of `/proc/PID/cgroup`.
#[derive(Clone, Debug, Default)]
pub struct CgroupPaths<'a> {
    lines: Vec<Line<'a>>,
}

impl<'a> CgroupPaths<'a> {
    /// Lines of another form are left out.
    pub fn parse(bytes: &'a [u8]) -> Self {
        Self { lines: cgroup::parse(bytes).collect() }
    }

    /// The line of v2; absent where there is no such hierarchy.
    pub fn unified(&self) -> Option<Line<'a>> {
        self.lines.iter().copied().find(Line::is_v2)
    }

    /// The hierarchy that `controller` is in. A controller that no v1 hierarchy has is v2's.
    pub fn line(&self, controller: &[u8]) -> Option<Line<'a>> {
        let on_v1 = self.lines.iter().copied();
        let mut on_v1 = on_v1.filter(|line| !line.is_v2() && line.has(controller));
        on_v1.next().or_else(|| self.unified())
    }

    /// The path that names the process best: v2's, else the memory controller's, else any that is
    /// not a root. `/` where all are, and where there is none.
    pub fn best(&self) -> &'a [u8] {
        let preferred = self.unified().into_iter().chain(self.line(b"memory"));
        preferred
            .chain(self.lines.iter().copied())
            .map(|line| line.path)
            .find(|path| *path != b"/")
            .unwrap_or(b"/")
    }

    /// The same where the group there is the process's own to report on: see [`Self::accounts`].
    pub fn own_line(&self, controller: &[u8]) -> Option<Line<'a>> {
        self.line(controller).filter(|line| self.accounts(*line))
    }

    /// Whether the group on this line is the process's own to report on. A process that sits in
    /// the root of one hierarchy, but has a group in another, is not accounted for there: the
    /// root's numbers are those of the machine.
    pub fn accounts(&self, line: Line<'_>) -> bool {
        line.path != b"/" || self.best() == b"/"
    }
}

fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|byte| *byte == b'/').filter(|name| !name.is_empty() && *name != b".")
}

/// The components of `path` below a mount whose root is `root`; `None` where the path is not below
/// it. Both are as the kernel shows them, so that `..` can only lead.
pub fn relative<'a>(path: &'a [u8], root: &[u8]) -> Option<Vec<&'a [u8]>> {
    let mut below = components(path);
    for name in components(root) {
        if below.next() != Some(name) {
            return None;
        }
    }
    let below: Vec<_> = below.collect();
    (!below.contains(&b"..".as_slice())).then_some(below)
}

/// The path of the ancestor `levels` above `path`.
pub fn ancestor(path: &[u8], levels: usize) -> Vec<u8> {
    let names: Vec<_> = components(path).collect();
    let kept = names.len().saturating_sub(levels);
    let mut above = Vec::with_capacity(path.len());
    for name in names.into_iter().take(kept) {
        above.push(b'/');
        above.extend_from_slice(name);
    }
    if above.is_empty() {
        above.push(b'/');
    }
    above
}

#[cfg(test)]
mod tests {
    use super::*;

    fn below(path: &str, root: &str) -> Option<String> {
        let names = relative(path.as_bytes(), root.as_bytes())?;
        Some(String::from_utf8(names.join(&b'/')).unwrap())
    }

    #[test]
    fn a_path_is_relative_to_the_root_of_the_mount() {
        let found = |path, root| below(path, root);
        assert_eq!(found("/docker/id", "/").as_deref(), Some("docker/id"));
        assert_eq!(found("/docker/id/x", "/docker/id").as_deref(), Some("x"));
        assert_eq!(found("/docker/id", "/docker/id").as_deref(), Some(""));
        assert_eq!(found("/", "/").as_deref(), Some(""));
    }

    #[test]
    fn paths_of_a_cgroup_namespace_meet_roots_of_one() {
        assert_eq!(below("/../docker/id", "/..").as_deref(), Some("docker/id"));
        assert_eq!(below("/../..", "/../..").as_deref(), Some(""));
        // Outside of what the mount shows.
        assert_eq!(below("/../docker/id", "/"), None);
        assert_eq!(below("/../x", "/../y"), None);
        // Below the mount by way of our own group, whose name the kernel does not tell.
        assert_eq!(below("/x", "/.."), None);
    }

    #[test]
    fn a_sibling_with_a_common_beginning_is_not_below() {
        assert_eq!(below("/docker/id2", "/docker/id"), None);
        assert_eq!(below("/docker", "/docker/id"), None);
    }

    #[test]
    fn ancestors_keep_the_leading_dots() {
        assert_eq!(ancestor(b"/../a/b", 1), b"/../a");
        assert_eq!(ancestor(b"/../a/b", 2), b"/..");
        assert_eq!(ancestor(b"/a/b", 0), b"/a/b");
        assert_eq!(ancestor(b"/a/b", 9), b"/");
    }

    #[test]
    fn each_controller_has_its_own_line_and_v2_has_the_rest() {
        let paths = CgroupPaths::parse(b"4:memory:/m\n2:cpu,cpuacct:/c\n1:name=systemd:/s\n0::/\n");
        assert_eq!(paths.line(b"memory").unwrap().path, b"/m");
        assert_eq!(paths.line(b"cpuacct").unwrap().path, b"/c");
        assert!(paths.line(b"pids").unwrap().is_v2());
        assert_eq!(paths.best(), b"/m");
        assert!(!paths.accounts(paths.unified().unwrap()));
    }

    #[test]
    fn a_process_in_every_root_is_accounted_for_there() {
        let paths = CgroupPaths::parse(b"4:memory:/\n0::/\n");
        assert_eq!(paths.best(), b"/");
        assert!(paths.accounts(paths.unified().unwrap()));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(path: Vec<u8>, root: Vec<u8>, levels: usize) {
            let _ = (relative(&path, &root), ancestor(&path, levels));
            let _ = CgroupPaths::parse(&path).best();
        }

        #[test]
        fn what_is_below_never_climbs(path in "(/(\\.\\.|a|b|\\.)){0,6}", root in "(/(\\.\\.|a|b)){0,3}") {
            if let Some(names) = relative(path.as_bytes(), root.as_bytes()) {
                proptest::prop_assert!(!names.contains(&b"..".as_slice()));
            }
        }
    }
}
