//! `/proc/PID/cgroup`: cgroups(7).

/// One line: the controllers of a hierarchy, and the path in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// `cpu,cpuacct`, `name=systemd`; empty for v2.
    pub controllers: &'a [u8],
    /// Seen from the reader's cgroup namespace; may begin with `/..` or end in ` (deleted)`.
    pub path: &'a [u8],
}

impl Line<'_> {
    /// No controllers are named: it is the v2 hierarchy.
    pub fn is_v2(&self) -> bool {
        self.controllers.is_empty()
    }

    /// By its whole name, `name=systemd` too.
    pub fn has(&self, controller: &[u8]) -> bool {
        self.controllers.split(|byte| *byte == b',').any(|name| name == controller)
    }
}

/// Hierarchy numbers mean nothing and are dropped; a path may hold `:`; a line of another form
/// (which the kernel never writes) is skipped.
pub fn parse(bytes: &[u8]) -> impl DoubleEndedIterator<Item = Line<'_>> {
    bytes.split(|byte| *byte == b'\n').filter_map(|line| {
        let mut fields = line.splitn(3, |byte| *byte == b':');
        let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
        path.starts_with(b"/").then_some(Line { controllers, path })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hybrid_lines() {
        let bytes = b"9:name=systemd:/payload\n4:cpu,cpuacct:/a\n2:memory:/x.slice:cri-containerd:id\n0::/\n";
        let lines: Vec<_> = parse(bytes).collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[0].has(b"name=systemd"));
        assert!(lines[1].has(b"cpuacct") && lines[1].has(b"cpu") && !lines[1].has(b"cp"));
        assert_eq!(lines[2].path, b"/x.slice:cri-containerd:id");
        assert!(lines[3].is_v2());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes).count();
        }
    }
}
