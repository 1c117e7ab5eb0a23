//! Files that are mounted by a loop device: `/sys/block/loop0/loop/backing_file`.

use super::place::unlinked;
use crate::model::device::Device;
use crate::sys::bounded;
use crate::sys::root::{self, SysRoot};
use std::os::fd::AsFd;
use std::path::Path;

/// Each with a file open; more are not looked at.
const MOST: usize = 4096;

/// The loop devices that are backed by a file of one of these paths.
pub(super) fn of_file(root: &SysRoot, paths: &[Vec<u8>]) -> Vec<Device> {
    let Ok(dir) = root.open_dir(Path::new("/sys/block")) else { return Vec::new() };
    let names = root::list(dir.as_fd()).unwrap_or_default();
    let names = names.iter().filter_map(|name| std::str::from_utf8(name.as_bytes()).ok());
    let backed = names.filter(|name| name.starts_with("loop")).take(MOST).filter_map(|name| {
        let read =
            |file: &str| bounded::read(dir.as_fd(), &format!("{name}/{file}"), bounded::SMALL);
        let file = read("loop/backing_file").ok()?;
        let file = file.strip_suffix(b"\n").unwrap_or(&file);
        let is_it = |path: &Vec<u8>| path == file || path == unlinked(file);
        let is_it = paths.iter().any(is_it);
        is_it.then(|| read("dev").ok()).flatten()
    });
    backed.filter_map(|dev| Device::parse(dev.trim_ascii_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_leads_to_its_device() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::create_dir(temp.path().join("proc")).unwrap();
        let make = |name: &str, number: u32, file: Option<&str>| {
            let device = temp.path().join("sys/block").join(name);
            std::fs::create_dir_all(device.join("loop")).unwrap();
            std::fs::write(device.join("dev"), format!("7:{number}\n")).unwrap();
            if let Some(file) = file {
                std::fs::write(device.join("loop/backing_file"), format!("{file}\n")).unwrap();
            }
        };
        make("loop0", 0, Some("/images/a"));
        make("loop1", 1, None);
        make("loop2", 2, Some("/images/a (deleted)"));
        make("sda", 3, Some("/images/a"));
        let root = SysRoot::fixture(temp.path()).unwrap();
        let found = |path: &str| {
            let mut found: Vec<String> =
                of_file(&root, &[path.into()]).iter().map(ToString::to_string).collect();
            found.sort();
            found
        };
        assert_eq!(found("/images/a"), ["7:0", "7:2"]);
        assert_eq!(found("/images"), [""; 0]);
        assert_eq!(found("/images/ab"), [""; 0]);
    }
}
