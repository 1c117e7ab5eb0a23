//! How a program of the host starts in the target's root, where neither its loader nor its
//! libraries are: through the host's loader, told where the host's libraries are.

use super::kernel::{PATIENCE, kind_of};
use super::{Command, SIDE};
use crate::action::error::ActionError;
use crate::action::launch::DEFAULT_PATH;
use crate::model::text::Text;
use crate::sys::elf::{self, Form};
use crate::sys::entries::{self, Entry};
use crate::sys::error::IntoErrno;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, worker};
use rustix::fs::{Access, FileType, Mode, OFlags, ResolveFlags};
use std::ffi::{CString, OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The side path as programs see it.
const SIDE_PATH: &str = "/.nsx";
/// Far more than a list of directories needs.
const CAP: usize = 64 << 10;
/// Longer than any loader.
const LOADER_CAP: usize = 4 << 20;

/// The host's loader at its own path in the target's root, where the target has none.
#[derive(Debug)]
pub(super) struct Loader {
    /// Without the slash at its front.
    pub path: CString,
    /// To make, the outer first.
    pub directories: Vec<CString>,
}

#[derive(Debug)]
pub(super) struct Start {
    pub command: Command,
    pub loader: Option<Loader>,
}

/// Decides whose program it is, and how it starts. Nothing is changed.
pub(super) fn plan(
    root: &SysRoot,
    target: &ProcessHandle,
    entries: &[Entry],
    command: Command,
    notes: &mut Vec<String>,
) -> Result<Start, ActionError> {
    let Command { words, mut environment, login } = command;
    if entries.iter().any(|entry| entry.name.as_c_str() == SIDE) {
        notes.push(format!("the target's own {SIDE_PATH} is hidden by the host's programs"));
    }
    let loader = host_loader(root);
    let has_own = |path: &Path| is_program(target, path.as_os_str());
    let musl = format!("/lib/ld-musl-{}.so.1", std::env::consts::ARCH);
    let placed = loader
        .as_deref()
        .filter(|loader| !has_own(loader) && !has_own(Path::new(&musl)))
        .and_then(|loader| placed(loader, entries));
    let path =
        environment.iter().rev().find(|(key, _)| key == "PATH").map(|(_, path)| path.clone());
    let path = path.unwrap_or_else(|| DEFAULT_PATH.into());
    let name = words.first().cloned().unwrap_or_default();
    let words = if is_targets(target, &name, &path) {
        words
    } else if let Some(file) = find_on_host(root, &name) {
        let rest = words.get(1..).unwrap_or_default();
        start(root, &name, &file, rest, 0)?
    } else {
        // Looked for once more in the target, and not found there.
        words
    };
    let sides: Vec<String> =
        DEFAULT_PATH.split(':').map(|directory| format!("{SIDE_PATH}{directory}")).collect();
    let mut longer = path;
    longer.push(":");
    longer.push(sides.join(":"));
    environment.retain(|(key, _)| key != "PATH");
    environment.push(("PATH".into(), longer));
    environment.push(("TERMINFO_DIRS".into(), TERMINFO.into()));
    if placed.is_some() {
        // Nothing of the target's own has a loader that would listen.
        environment.push(("LD_LIBRARY_PATH".into(), libraries(root)));
    }
    Ok(Start { command: Command { words, environment, login }, loader: placed })
}

const TERMINFO: &str =
    "/etc/terminfo:/lib/terminfo:/usr/share/terminfo:/.nsx/lib/terminfo:/.nsx/usr/share/terminfo";

/// The loader that the host's own programs name.
fn host_loader(root: &SysRoot) -> Option<PathBuf> {
    let shell = open(root, Path::new("/bin/sh")).ok()?;
    match elf::examine(shell.as_fd()).ok()? {
        Form::Dynamic(loader) => Some(loader.into()),
        _ => None,
    }
}

/// Where the loader can be put: its directory is one that the target lacks from the root on.
fn placed(loader: &Path, entries: &[Entry]) -> Option<Loader> {
    let relative = loader.strip_prefix("/").ok()?;
    let first = relative.components().next()?.as_os_str().as_bytes();
    if entries.iter().any(|entry| entry.name.to_bytes() == first) {
        return None;
    }
    let text = |path: &Path| CString::new(path.as_os_str().as_bytes()).ok();
    let mut directories: Vec<CString> = relative
        .ancestors()
        .skip(1)
        .filter(|above| !above.as_os_str().is_empty())
        .map(text)
        .collect::<Option<_>>()?;
    directories.reverse();
    Some(Loader { path: text(relative)?, directories })
}

/// Whether the target has the program; a name without a slash is looked for in its PATH.
fn is_targets(target: &ProcessHandle, name: &OsStr, path: &OsStr) -> bool {
    if name.as_bytes().contains(&b'/') {
        return !Path::new(name).starts_with(SIDE_PATH);
    }
    path.as_bytes().split(|byte| *byte == b':').take(64).any(|directory| {
        is_program(target, Path::new(OsStr::from_bytes(directory)).join(name).as_os_str())
    })
}

fn is_program(target: &ProcessHandle, path: &OsStr) -> bool {
    let Ok(path) = CString::new(path.as_bytes()) else { return false };
    if !path.to_bytes().starts_with(b"/") {
        return false;
    }
    let resolve = ResolveFlags::empty();
    let place = worker::open_inside(target.dir(), &path, OFlags::empty(), resolve, PATIENCE);
    place.is_ok_and(|place| kind_of(&place) == Some(FileType::RegularFile))
}

/// A program of the host by its own name, all links followed.
fn find_on_host(root: &SysRoot, name: &OsStr) -> Option<PathBuf> {
    if let Ok(below) = Path::new(name).strip_prefix(SIDE_PATH) {
        return true_path(root, &Path::new("/").join(below));
    }
    if name.as_bytes().contains(&b'/') {
        return None;
    }
    let in_directory = |directory: &str| true_path(root, &Path::new(directory).join(name));
    DEFAULT_PATH.split(':').find_map(in_directory)
}

/// Where a program really is: links of the host's lead elsewhere in the target.
fn true_path(root: &SysRoot, path: &Path) -> Option<PathBuf> {
    rustix::fs::access(root.path(path), Access::EXEC_OK).ok()?;
    let file = open(root, path).ok()?;
    let link = format!("/proc/self/fd/{}", file.as_raw_fd());
    let path = rustix::fs::readlink(link, Vec::new()).ok()?;
    (kind_of(&file)? == FileType::RegularFile)
        .then(|| PathBuf::from(OsString::from_vec(path.into_bytes())))
}

fn open(root: &SysRoot, path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    rustix::fs::open(root.path(path), flags, Mode::empty())
}

fn beside(path: &Path) -> OsString {
    let mut side = OsString::from(SIDE_PATH);
    side.push(path.as_os_str());
    side
}

/// The words that start a program of the host's.
fn start(
    root: &SysRoot,
    name: &OsStr,
    file: &Path,
    arguments: &[OsString],
    depth: usize,
) -> Result<Vec<OsString>, ActionError> {
    let not_executable = |errno| {
        let name = Text::new(file.as_os_str().as_bytes());
        ActionError::NotExecutable(name, errno)
    };
    let opened = open(root, file).map_err(|errno| not_executable(errno.into_errno()))?;
    let mut words = match elf::examine(opened.as_fd())? {
        Form::Dynamic(loader) => by_loader(root, name, Path::new(&loader), file),
        Form::Script(interpreter, argument) if depth < 2 => {
            let missing = || ActionError::CommandNotFound(Text::new(interpreter.as_bytes()));
            let is_env = Path::new(&interpreter).ends_with("bin/env");
            let (program, argument) = match argument {
                Some(program) if is_env => (find_on_host(root, &program), None),
                argument => (true_path(root, Path::new(&interpreter)), argument),
            };
            let program = program.ok_or_else(missing)?;
            let rest: Vec<OsString> =
                argument.into_iter().chain([beside(file)]).chain(arguments.to_vec()).collect();
            return start(root, interpreter.as_os_str(), &program, &rest, depth + 1);
        }
        _ => vec![beside(file)],
    };
    words.extend_from_slice(arguments);
    Ok(words)
}

fn by_loader(root: &SysRoot, name: &OsStr, loader: &Path, file: &Path) -> Vec<OsString> {
    let loader = true_path(root, loader).unwrap_or_else(|| loader.to_owned());
    let mut words = vec![beside(&loader), "--library-path".into(), libraries(root)];
    if knows_argv0(root, &loader) {
        words.extend(["--argv0".into(), name.to_owned()]);
    }
    words.push(beside(file));
    words
}

/// Since glibc 2.33; its own usage text says so.
fn knows_argv0(root: &SysRoot, loader: &Path) -> bool {
    let word = b"--argv0";
    let read = root.read(loader, LOADER_CAP).unwrap_or_default();
    read.windows(word.len()).any(|window| window == word)
}

/// The directories of the host's libraries, seen from the target's root: ld.so.conf, and those that
/// the loader knows by itself.
fn libraries(root: &SysRoot) -> OsString {
    let mut directories: Vec<OsString> = configured(root);
    directories.extend(elf::library_directories().map(OsString::from));
    let mut path = OsString::new();
    let mut seen = Vec::new();
    for directory in directories {
        let exists = rustix::fs::access(root.path(Path::new(&directory)), Access::EXISTS).is_ok();
        if exists && !seen.contains(&directory) {
            if !path.is_empty() {
                path.push(":");
            }
            path.push(beside(Path::new(&directory)));
            seen.push(directory);
        }
    }
    path
}

/// What stands in ld.so.conf and in the files that it includes by custom.
fn configured(root: &SysRoot) -> Vec<OsString> {
    let mut texts = vec![root.read(Path::new("/etc/ld.so.conf"), CAP).unwrap_or_default()];
    if let Ok(dir) = root.open_data(Path::new("/etc/ld.so.conf.d")) {
        let (entries, _) = entries::list(dir.as_fd(), super::MOST).unwrap_or_default();
        for name in entries.iter().filter_map(|entry| entry.name.to_str().ok()) {
            if Path::new(name).extension() == Some(OsStr::new("conf")) {
                texts.push(bounded::read(dir.as_fd(), name, CAP).unwrap_or_default());
            }
        }
    }
    texts.iter().flat_map(|text| directories(text)).collect()
}

fn directories(text: &[u8]) -> Vec<OsString> {
    text.split(|byte| *byte == b'\n')
        .map(|line| line.split(|byte| *byte == b'#').next().unwrap_or_default().trim_ascii())
        // A colon would end a directory's name.
        .filter(|line| line.starts_with(b"/") && !line.contains(&b':'))
        .map(|line| OsStr::from_bytes(line).to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::entries::What;
    use std::ffi::CStr;

    fn entry(name: &CStr, what: What) -> Entry {
        Entry { name: name.to_owned(), what }
    }

    #[test]
    fn the_loader_is_put_where_the_target_has_nothing() {
        let loader = Path::new("/lib64/ld-linux-x86-64.so.2");
        let put = placed(loader, &[entry(c"lib", What::Directory)]).unwrap();
        assert_eq!(put.path.as_c_str(), c"lib64/ld-linux-x86-64.so.2");
        assert_eq!(put.directories, [c"lib64".to_owned()]);
        assert!(placed(loader, &[entry(c"lib64", What::Directory)]).is_none());
        assert!(placed(loader, &[entry(c"lib64", What::Link(c"/x".to_owned()))]).is_none());
        let deep = placed(Path::new("/lib/a/ld.so.1"), &[]).unwrap();
        assert_eq!(deep.directories, [c"lib".to_owned(), c"lib/a".to_owned()]);
    }

    #[test]
    fn a_host_program_starts_through_the_loader_of_its_kind() {
        let root = SysRoot::real().unwrap();
        let shell = find_on_host(&root, OsStr::new("sh")).unwrap();
        let words = start(&root, OsStr::new("sh"), &shell, &["-c".into()], 0).unwrap();
        assert_eq!(words.last().unwrap(), "-c");
        assert!(words.contains(&beside(&shell)), "{words:?}");
        assert!(words[0].as_bytes().starts_with(b"/.nsx/"), "{words:?}");
        assert_eq!(find_on_host(&root, OsStr::new("no/such")), None);
    }

    #[test]
    fn ld_so_conf_is_a_list_of_directories() {
        let text = b"include /etc/ld.so.conf.d/*.conf\n# x\n/opt/a # b\n/b:c\n\n/usr/local/lib\n";
        assert_eq!(directories(text), ["/opt/a", "/usr/local/lib"]);
    }
}
