//! What the machine calls its block devices, and which sizes of huge pages it has.

use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::cgroupfs::io::partition_name;
use crate::sys::root::{self, SysRoot};
use std::ffi::OsStr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

const KIB: u64 = 1 << 10;

/// Looked up as they are met.
#[derive(Debug)]
pub(super) struct Names<'a> {
    root: &'a SysRoot,
    /// `/proc/partitions`, read where `/sys` does not tell.
    partitions: Option<Vec<u8>>,
}

impl<'a> Names<'a> {
    pub(super) fn of(root: &'a SysRoot) -> Self {
        Self { root, partitions: None }
    }

    pub(super) fn of_device(&mut self, device: &Text) -> Option<Text> {
        let link = Path::new("/sys/dev/block").join(OsStr::from_bytes(device.as_bytes()));
        if let Ok(target) = self.root.read_link(&link) {
            let name = target.as_bytes().rsplit(|byte| *byte == b'/').next()?;
            return (!name.is_empty()).then(|| Text::new(name));
        }
        let partitions = self.partitions.get_or_insert_with(|| {
            bounded::read(self.root.proc(), "partitions", bounded::LARGE).unwrap_or_default()
        });
        partition_name(partitions, device)
    }
}

/// As the files of the hugetlb controller name them, ascending: `2MB`, `1GB`.
pub(super) fn huge_page_sizes(root: &SysRoot) -> Vec<Text> {
    let list = |dir: OwnedFd| root::list(dir.as_fd());
    let names = root.open_dir(Path::new("/sys/kernel/mm/hugepages")).and_then(list);
    let mut sizes: Vec<u64> = names.unwrap_or_default().iter().filter_map(kib_of).collect();
    sizes.sort_unstable();
    sizes.into_iter().map(size_name).collect()
}

/// `hugepages-2048kB`
fn kib_of(name: &Text) -> Option<u64> {
    let number = name.as_bytes().strip_prefix(b"hugepages-")?.strip_suffix(b"kB")?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// As hugetlb_cgroup.c writes it.
fn size_name(kib: u64) -> Text {
    match kib {
        0..KIB => format!("{kib}KB"),
        KIB..0x10_0000 => format!("{}MB", kib / KIB),
        _ => format!("{}GB", kib / KIB / KIB),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_spelled_as_the_controller_does() {
        let name = |name: &str| kib_of(&name.into()).map(size_name);
        assert_eq!(name("hugepages-2048kB"), Some("2MB".into()));
        assert_eq!(name("hugepages-1048576kB"), Some("1GB".into()));
        assert_eq!(name("hugepages-64kB"), Some("64KB".into()));
        assert_eq!((name("hugepages-kB"), name("other")), (None, None));
    }

    #[test]
    fn a_device_is_named_by_sys_or_else_by_the_partitions() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(temp.path().join("proc")).unwrap();
        std::fs::create_dir_all(temp.path().join("sys/dev/block")).unwrap();
        let link = temp.path().join("sys/dev/block/254:0");
        std::os::unix::fs::symlink("../../devices/pci/block/vda", link).unwrap();
        std::fs::write(temp.path().join("proc/partitions"), "\n 8 0 1 sda\n").unwrap();
        let root = SysRoot::fixture(temp.path()).unwrap();
        let mut names = Names::of(&root);
        assert_eq!(names.of_device(&"254:0".into()), Some("vda".into()));
        assert_eq!(names.of_device(&"8:0".into()), Some("sda".into()));
        assert_eq!(names.of_device(&"8:1".into()), None);
    }
}
