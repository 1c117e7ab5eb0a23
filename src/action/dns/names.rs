//! How a target finds addresses: its resolver's files, read before it is joined.

use super::nsswitch;
use crate::model::gap::Reason;
use crate::model::text::Text;
use crate::sys::bounded::Bytes;
use crate::sys::elf;
use crate::sys::error::{Result, SysError};
use crate::sys::root::SysRoot;
use crate::sys::worker::files::{Reading, Request, Way};
use nix::errno::Errno;
use std::ffi::CStr;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Duration;

/// A list of a thousand hosts is shorter.
pub(in crate::action) const CAP: usize = 256 << 10;
const PATIENCE: Duration = Duration::from_secs(1);

/// What is to stand in three files.
#[derive(Debug, Default)]
pub(in crate::action) struct Names {
    pub resolv_conf: Vec<u8>,
    pub hosts: Vec<u8>,
    pub nsswitch: Vec<u8>,
}

impl Names {
    /// The target's files for programs of the host. What is not as it was in the target is noted.
    pub(in crate::action) fn read(
        root: &SysRoot,
        process: BorrowedFd<'_>,
        notes: &mut Vec<String>,
    ) -> Result<Self> {
        let paths = [c"/etc/resolv.conf", c"/etc/hosts", c"/etc/nsswitch.conf"];
        let mut found =
            read_files(process, &paths, notes)?.into_iter().map(Option::unwrap_or_default);
        let mut next = || found.next().unwrap_or_default();
        let (resolv_conf, hosts, theirs) = (next(), next(), next());
        let ours = root.read(Path::new("/etc/nsswitch.conf"), CAP).ok();
        let has_module = |module: &str| has_module(root, module);
        let (nsswitch, left_out) = nsswitch::merge(ours.as_deref(), Some(&theirs), has_module);
        for module in left_out {
            notes.push(format!(
                "the target looks hosts up by {module} too: the host has no such module"
            ));
        }
        Ok(Self { resolv_conf, hosts, nsswitch })
    }
}

/// Files of a target's; `None` for one that it lacks. One that cannot be had is noted and counts as
/// lacking; where the target's root is closed to us it is an error.
pub(in crate::action) fn read_files(
    process: BorrowedFd<'_>,
    paths: &[&CStr],
    notes: &mut Vec<String>,
) -> Result<Vec<Option<Vec<u8>>>> {
    let request =
        |name| Request { dir: process, name, way: Way::Inside, cap: CAP, patience: PATIENCE };
    let requests: Vec<Request<'_>> = paths.iter().copied().map(request).collect();
    let answers = Reading::start(&requests).finish(&requests, 2 * PATIENCE);
    let answers = answers.into_iter().zip(paths);
    answers.map(|(answer, path)| content(answer, path, notes)).collect()
}

fn content(
    answer: std::result::Result<Bytes, SysError>,
    path: &CStr,
    notes: &mut Vec<String>,
) -> Result<Option<Vec<u8>>> {
    match answer {
        Ok(Bytes { mut bytes, truncated }) => {
            if truncated {
                // No line that means something else.
                let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                bytes.truncate(end);
                let path = Text::new(path.to_bytes());
                notes.push(format!("the target's {path} is too long: its end is left out"));
            }
            Ok(Some(bytes))
        }
        Err(error) if error.reason() == Reason::Denied => Err(error),
        Err(error) => {
            let why = match error.errno() {
                Some(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
                Some(Errno::ENXIO | Errno::ELOOP) => "it is no regular file".to_owned(),
                _ => error.problem.to_string(),
            };
            notes.push(format!("the target's {} counts as missing: {why}", error.object));
            Ok(None)
        }
    }
}

/// Whether the host's C library has it, or a file for it.
fn has_module(root: &SysRoot, module: &str) -> bool {
    let exists = |directory: &String| {
        let file = root.path(&Path::new(directory).join(format!("libnss_{module}.so.2")));
        rustix::fs::access(file, rustix::fs::Access::EXISTS).is_ok()
    };
    matches!(module, "files" | "dns") || elf::library_directories().iter().any(exists)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_had_is_noted_and_one_that_is_not_there_is_not() {
        let mut notes = Vec::new();
        let mut of = |errno| {
            content(Err(SysError::new("read", "/etc/hosts", errno)), c"/etc/hosts", &mut notes)
        };
        assert_eq!(of(Errno::ENOENT), Ok(None));
        assert_eq!(of(Errno::ENXIO), Ok(None));
        assert!(of(Errno::EACCES).is_err());
        assert_eq!(notes, ["the target's /etc/hosts counts as missing: it is no regular file"]);
    }

    #[test]
    fn a_file_that_is_too_long_ends_with_a_line_and_it_is_said() {
        let mut notes = Vec::new();
        let mut of = |bytes: &[u8], truncated| {
            let read = Bytes { bytes: bytes.to_vec(), truncated };
            content(Ok(read), c"/etc/hosts", &mut notes).unwrap().unwrap()
        };
        assert_eq!(of(b"::1 a\n0.0.0.0 exam", true), b"::1 a\n");
        assert_eq!(of(b"one line", true), b"");
        assert_eq!(of(b"::1 a\n::1 b", false), b"::1 a\n::1 b");
        assert_eq!(notes, ["the target's /etc/hosts is too long: its end is left out"; 2]);
    }

    #[test]
    fn the_library_has_two_modules_of_its_own() {
        let root = SysRoot::real().unwrap();
        assert!(has_module(&root, "files") && has_module(&root, "dns"));
        assert!(!has_module(&root, "no_such_module"));
    }
}
