//! The root that is written: plain files and links, as git keeps them.

use crate::say;
use anyhow::{Context, Result, bail};
use std::fs::OpenOptions;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::{Component, Path, PathBuf};

/// Databases of a host with a few containers are smaller.
const CAP: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Store {
    root: PathBuf,
    pub(super) files: usize,
    pub(super) bytes: usize,
}

impl Store {
    pub(super) fn create(root: &Path) -> Result<Self> {
        std::fs::create_dir_all(root)?;
        if std::fs::read_dir(root)?.next().is_some() {
            bail!("{} is not empty", root.display());
        }
        Ok(Self { root: root.canonicalize()?, files: 0, bytes: 0 })
    }

    /// A file at the absolute `path` of the host. An empty one stands for what has only a name.
    pub(super) fn write(&mut self, path: &Path, bytes: &[u8]) -> Result<()> {
        if let Some(place) = self.place(path)? {
            std::fs::write(&place, bytes).with_context(|| place.display().to_string())?;
            self.files += 1;
            self.bytes += bytes.len();
        }
        Ok(())
    }

    /// Copies a pseudo-file or a small file; one that is not there or cannot be read is left out.
    pub(super) fn copy(&mut self, path: &Path) -> Result<()> {
        match read(path) {
            Some(bytes) => self.write(path, &bytes),
            None => Ok(()),
        }
    }

    /// The text of a link, wherever it leads.
    pub(super) fn link(&mut self, path: &Path, text: &Path) -> Result<()> {
        if let Some(place) = self.place(path)? {
            symlink(text, &place).with_context(|| place.display().to_string())?;
            self.files += 1;
        }
        Ok(())
    }

    fn place(&self, path: &Path) -> Result<Option<PathBuf>> {
        let Some(relative) = below(path).filter(|relative| is_safe(relative)) else {
            say::note(format_args!("left out for its name: {}", path.display()));
            return Ok(None);
        };
        let place = self.root.join(relative);
        if let Some(parent) = place.parent() {
            std::fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        }
        Ok(Some(place))
    }
}

fn below(path: &Path) -> Option<&Path> {
    let relative = path.strip_prefix("/").ok()?;
    relative.components().all(|part| matches!(part, Component::Normal(_))).then_some(relative)
}

/// Git keeps any bytes; a tool that shows or packs them may not.
fn is_safe(path: &Path) -> bool {
    let parts = path.as_os_str().as_bytes().split(|byte| *byte == b'/');
    parts.into_iter().all(|part| {
        !part.is_empty()
            && part.len() <= 255
            && part != b".git"
            && part.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ')
    })
}

/// A regular file, not beyond the cap; whatever else it is opens without waiting and is left out.
pub(super) fn read(path: &Path) -> Option<Vec<u8>> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    let flags = flags.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(CAP + 1).read_to_end(&mut bytes).ok()?;
    if bytes.len() as u64 > CAP {
        say::note(format_args!("left out for its size: {}", path.display()));
        return None;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_root_or_disturb_are_left_out() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::create(dir.path()).unwrap();
        for path in ["/a/../../b", "relative", "/a\nb", "/a\u{1b}[2J", "/x/.git/config", "/"] {
            store.write(Path::new(path), b"").unwrap();
        }
        assert_eq!(store.files, 0);
        for path in ["/run/unit:machine-m1.scope", r"/sys/system-serial\x2dgetty.slice/a", "/p (d)"]
        {
            store.write(Path::new(path), b"1").unwrap();
        }
        assert_eq!((store.files, store.bytes), (3, 3));
        assert!(Store::create(dir.path()).is_err(), "it is not empty");
    }

    #[test]
    fn only_regular_files_within_bounds_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("small"), b"text").unwrap();
        std::fs::write(at("large"), vec![0; 1 + (1 << 20)]).unwrap();
        symlink(at("small"), at("link")).unwrap();
        nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read(&at("small")).unwrap(), b"text");
        for name in ["large", "link", "fifo", ".", "absent"] {
            assert_eq!(read(&at(name)), None, "{name}");
        }
    }
}
