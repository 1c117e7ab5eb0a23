//! Which block device is meant by a path or by numbers: one whose I/O can be limited.

use crate::model::device::Device;
use crate::model::text::Text;
use crate::sys::error::{Context, SysError};
use crate::sys::root::SysRoot;
use nix::errno::Errno;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why it is none.
#[derive(Debug, thiserror::Error)]
pub enum NoDevice {
    /// No path, as it does not begin with `/`, and no pair of numbers either: `sda`, `8:0:0`.
    #[error("{0} is neither the path of a device nor MAJOR:MINOR")]
    Misspelled(Text),
    /// The path leads to a file of another kind: `/dev/null`.
    #[error("{0} is not a block device")]
    NotABlockDevice(Text),
    /// The kernel limits whole disks only.
    #[error("{spelled} is a partition of {disk}, and only a whole disk can be limited")]
    Partition {
        /// As the caller has it: `/dev/sda1`, `8:1`.
        spelled: Text,
        /// The disk that it is a part of: `/dev/sda`.
        disk: Text,
    },
    /// `/sys/dev/block` has no such numbers.
    #[error("there is no block device {0}")]
    Unknown(Device),
    /// The path, or its entry in `/sys/dev/block`, could not be examined.
    #[error(transparent)]
    System(#[from] SysError),
}

/// A path is the caller's own: its symbolic links (`/dev/disk/by-id/…`) are followed.
pub fn find(root: &SysRoot, spelled: &Text) -> Result<Device, NoDevice> {
    let bytes = spelled.as_bytes();
    let device = if bytes.starts_with(b"/") {
        let path = root.path(Path::new(OsStr::from_bytes(bytes)));
        let stat = rustix::fs::stat(&path).with_context("examine", || spelled.clone())?;
        if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_block_device() {
            return Err(NoDevice::NotABlockDevice(spelled.clone()));
        }
        Device { major: rustix::fs::major(stat.st_rdev), minor: rustix::fs::minor(stat.st_rdev) }
    } else {
        Device::parse(bytes).ok_or_else(|| NoDevice::Misspelled(spelled.clone()))?
    };
    whole_disk(root, spelled, device)
}

/// Where `/sys` does not tell, the kernel will.
fn whole_disk(root: &SysRoot, spelled: &Text, device: Device) -> Result<Device, NoDevice> {
    const DEVICES: &str = "/sys/dev/block";
    let entry = PathBuf::from(format!("{DEVICES}/{device}"));
    if root.open_dir(Path::new(DEVICES)).is_err() {
        return Ok(device);
    }
    let target = match root.read_link(&entry) {
        Ok(target) => target,
        Err(error) if error.errno() == Some(Errno::ENOENT) => {
            return Err(NoDevice::Unknown(device));
        }
        Err(error) => return Err(error.into()),
    };
    if rustix::fs::stat(root.path(&entry.join("partition"))).is_err() {
        return Ok(device);
    }
    let mut names = target.as_bytes().rsplit(|byte| *byte == b'/');
    let disk = Text::new([b"/dev/", names.nth(1).unwrap_or_default()].concat());
    Err(NoDevice::Partition { spelled: spelled.clone(), disk })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> (tempfile::TempDir, SysRoot) {
        let temp = tempfile::tempdir().unwrap();
        for directory in ["proc", "dev", "sys/dev/block", "sys/devices/block/sda/sda1"] {
            std::fs::create_dir_all(temp.path().join(directory)).unwrap();
        }
        std::fs::write(temp.path().join("sys/devices/block/sda/sda1/partition"), "1\n").unwrap();
        std::fs::write(temp.path().join("dev/file"), "").unwrap();
        for (numbers, path) in [("8:0", "sda"), ("8:1", "sda/sda1")] {
            let link = temp.path().join("sys/dev/block").join(numbers);
            std::os::unix::fs::symlink(format!("../../devices/block/{path}"), link).unwrap();
        }
        let root = SysRoot::fixture(temp.path()).unwrap();
        (temp, root)
    }

    #[test]
    fn a_whole_disk_is_found_and_anything_else_refused_with_the_reason() {
        let (_temp, root) = host();
        let refused = |spelled: &str| find(&root, &spelled.into()).unwrap_err().to_string();
        assert_eq!(find(&root, &"8:0".into()).unwrap(), Device { major: 8, minor: 0 });
        assert_eq!(
            refused("8:1"),
            "8:1 is a partition of /dev/sda, and only a whole disk can be limited"
        );
        assert_eq!(refused("8:2"), "there is no block device 8:2");
        assert_eq!(refused("/dev/file"), "/dev/file is not a block device");
        assert_eq!(refused("/dev/none"), "cannot examine /dev/none: No such file or directory");
        for spelled in ["sda", "", "8", "8:", ":0", "8:0:0", "+8:0", "8:-1", "99999999999:0"] {
            let error = find(&root, &spelled.into()).unwrap_err();
            assert!(matches!(error, NoDevice::Misspelled(_)), "{spelled}: {error}");
        }
    }

    #[test]
    fn where_nothing_tells_the_numbers_stand() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("proc")).unwrap();
        let root = SysRoot::fixture(temp.path()).unwrap();
        assert_eq!(find(&root, &"7:9".into()).unwrap(), Device { major: 7, minor: 9 });
    }
}
