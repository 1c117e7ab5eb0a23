//! A file as overlayfs is going to show it, by layers of which nothing is mounted yet.

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// As the kernel has it.
const MOST_LINKS: usize = 40;

/// Of a directory that hides the ones below it: where the overlay is root's of the host, and where it
/// is that of a user namespace.
const OPAQUE: [&CStr; 2] = [c"trusted.overlay.opaque", c"user.overlay.opaque"];

/// Opens it as a place; the root of the upper layer is the first. No link and no `..` leads out of
/// them. ENOENT: they have none, or it was deleted in an upper one.
pub fn open(roots: &[BorrowedFd<'_>], path: &str, by_user: bool) -> rustix::io::Result<OwnedFd> {
    let [of_root, of_user] = OPAQUE;
    let opaque = if by_user { of_user } else { of_root };
    let mut way: Vec<Vec<OwnedFd>> = Vec::new();
    let mut names = Vec::new();
    add(&mut names, path.as_bytes());
    let mut links = 0;
    while let Some(name) = names.pop() {
        if name == b".." {
            way.pop();
            continue;
        }
        let above: Vec<_> = match way.last() {
            Some(merged) => merged.iter().map(AsFd::as_fd).collect(),
            None => roots.to_vec(),
        };
        match look(&above, &name, opaque)? {
            Found::Directory(merged) => way.push(merged),
            Found::Link(_) if links == MOST_LINKS => return Err(Errno::LOOP),
            Found::Link(target) => {
                links += 1;
                if target.starts_with(b"/") {
                    way.clear();
                }
                add(&mut names, &target);
            }
            Found::Other(open) if names.is_empty() => return Ok(open),
            Found::Other(_) => return Err(Errno::NOTDIR),
        }
    }
    Err(Errno::ISDIR)
}

/// Before those that are still to come: they are taken from the end.
fn add(names: &mut Vec<Vec<u8>>, path: &[u8]) {
    let words = path.rsplit(|byte| *byte == b'/');
    names.extend(words.filter(|word| !matches!(word, [] | [b'.'])).map(<[u8]>::to_vec));
}

enum Found {
    /// That of each layer which it is made up of, the upper one first.
    Directory(Vec<OwnedFd>),
    Link(Vec<u8>),
    Other(OwnedFd),
}

fn look(above: &[BorrowedFd<'_>], name: &[u8], opaque: &CStr) -> rustix::io::Result<Found> {
    let mut merged = Vec::new();
    for directory in above {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open =
            match rustix::fs::openat(directory, OsStr::from_bytes(name), flags, Mode::empty()) {
                Err(Errno::NOENT) => continue,
                open => open?,
            };
        let stat = rustix::fs::fstat(&open)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => {
                let hides = is_opaque(&open, opaque)?;
                merged.push(open);
                if hides {
                    break;
                }
            }
            // It ends what is merged.
            _ if !merged.is_empty() => break,
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(&open, c"", Vec::new())?;
                return Ok(Found::Link(target.into_bytes()));
            }
            // What was deleted.
            FileType::CharacterDevice if stat.st_rdev == 0 => return Err(Errno::NOENT),
            _ => return Ok(Found::Other(open)),
        }
    }
    if merged.is_empty() { Err(Errno::NOENT) } else { Ok(Found::Directory(merged)) }
}

fn is_opaque(directory: &OwnedFd, attribute: &CStr) -> rustix::io::Result<bool> {
    // A place has no attributes by its descriptor.
    let link = format!("/proc/self/fd/{}", directory.as_raw_fd());
    let mut value = [0; 1];
    match rustix::fs::getxattr(link, attribute, &mut value[..]) {
        Ok(_) => Ok(value == *b"y"),
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::RANGE) => Ok(false),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    /// Two layers, the upper one first; each entry is made in one of them.
    fn layers() -> ([tempfile::TempDir; 2], [OwnedFd; 2]) {
        let layers = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let opened = layers.each_ref().map(|layer| {
            std::fs::create_dir_all(layer.path().join("etc")).unwrap();
            OwnedFd::from(std::fs::File::open(layer.path()).unwrap())
        });
        (layers, opened)
    }

    fn read(opened: &[OwnedFd; 2]) -> Result<String, Errno> {
        let place = open(&opened.each_ref().map(AsFd::as_fd), "/etc/passwd", true)?;
        let mut bytes = Vec::new();
        crate::sys::root::read_place(&place, 100, &mut bytes)?;
        Ok(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn what_was_deleted_or_replaced_above_is_not_that_below() {
        let ([upper, lower], opened) = layers();
        assert_eq!(read(&opened), Err(Errno::NOENT));
        std::fs::write(lower.path().join("etc/passwd"), "lower").unwrap();
        assert_eq!(read(&opened).unwrap(), "lower", "a directory of both");
        let above = upper.path().join("etc/passwd");
        let (kind, nobody) = (rustix::fs::FileType::CharacterDevice, 0);
        // No right is needed for this one.
        rustix::fs::mknodat(rustix::fs::CWD, &above, kind, Mode::RUSR, nobody).unwrap();
        assert_eq!(read(&opened), Err(Errno::NOENT), "a whiteout");
        std::fs::remove_file(&above).unwrap();
        let flags = rustix::fs::XattrFlags::empty();
        match rustix::fs::setxattr(upper.path().join("etc"), OPAQUE[1], b"y", flags) {
            // tmpfs before Linux 6.6.
            Err(Errno::OPNOTSUPP) => {}
            set => {
                set.unwrap();
                assert_eq!(read(&opened), Err(Errno::NOENT), "opaque");
            }
        }
        std::fs::write(&above, "upper").unwrap();
        assert_eq!(read(&opened).unwrap(), "upper");
        std::fs::remove_dir_all(upper.path().join("etc")).unwrap();
        std::fs::write(upper.path().join("etc"), "").unwrap();
        assert_eq!(read(&opened), Err(Errno::NOTDIR));
    }

    #[test]
    fn a_directory_is_not_mixed_with_what_is_none_below_it() {
        let ([upper, lower], opened) = layers();
        std::fs::write(upper.path().join("etc/passwd"), "upper").unwrap();
        std::fs::remove_dir(lower.path().join("etc")).unwrap();
        std::fs::write(lower.path().join("etc"), "a file").unwrap();
        assert_eq!(read(&opened).unwrap(), "upper");
        std::fs::remove_file(lower.path().join("etc")).unwrap();
        symlink("/elsewhere", lower.path().join("etc")).unwrap();
        assert_eq!(read(&opened).unwrap(), "upper");
    }

    #[test]
    fn a_device_that_has_numbers_was_not_deleted() {
        let devices = OwnedFd::from(std::fs::File::open("/dev").unwrap());
        let null = open(&[devices.as_fd()], "/null", true).unwrap();
        let kind = FileType::from_raw_mode(rustix::fs::fstat(null).unwrap().st_mode);
        assert_eq!(kind, FileType::CharacterDevice);
    }

    #[test]
    fn links_lead_to_what_both_layers_make_up_and_not_out_of_it() {
        let ([upper, lower], opened) = layers();
        let above = upper.path().join("etc/passwd");
        std::fs::write(lower.path().join("etc/passwd"), "hidden").unwrap();
        symlink("/etc/passwd", lower.path().join("outside")).unwrap();
        symlink("../../.././data/users", &above).unwrap();
        assert_eq!(read(&opened), Err(Errno::NOENT), "a dangling link is no other file");
        std::fs::create_dir(lower.path().join("data")).unwrap();
        std::fs::write(lower.path().join("data/users"), "lower").unwrap();
        assert_eq!(read(&opened).unwrap(), "lower");
        std::fs::create_dir(upper.path().join("data")).unwrap();
        std::fs::write(upper.path().join("data/users"), "upper").unwrap();
        assert_eq!(read(&opened).unwrap(), "upper");
        std::fs::remove_file(&above).unwrap();
        symlink("/outside", &above).unwrap();
        assert_eq!(read(&opened), Err(Errno::LOOP));
        std::fs::remove_file(&above).unwrap();
        symlink("/data", &above).unwrap();
        assert_eq!(read(&opened), Err(Errno::ISDIR));
    }
}
