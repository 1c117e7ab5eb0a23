//! Archives that are unpacked as roots: nothing comes to stand outside the directory, whatever an
//! archive has, and what stands in it is no device.
//!
//! It is unpacked in memory that is attached nowhere; that this process cannot write to anything else
//! is seen to as well, where the kernel has Landlock.
#![no_main]

use landlock::{ABI, AccessFs, PathBeneath, PathFd, Ruleset, RulesetAttr, RulesetCreatedAttr};
use libfuzzer_sys::fuzz_target;
use nsx::action::rootfs::archive::unpack;
use nsx::sys::tree::{Tree, part_anyhow};
use rustix::fs::{AtFlags, Dir, FileType, MemfdFlags, Mode, OFlags};
use std::ffi::CStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;

const DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
static MEMORY: OnceLock<OwnedFd> = OnceLock::new();

fuzz_target!(
    init: {
        part_anyhow().expect("a mount namespace of its own");
        let memory = Tree::memory_for_files("0755", Some(64 << 20)).expect("a tmpfs").into_fd();
        confine(memory.as_fd());
        MEMORY.set(memory).expect("the first");
    },
    |bytes: &[u8]| {
        let memory = MEMORY.get().expect("made before").as_fd();
        let file = rustix::fs::memfd_create("archive", MemfdFlags::CLOEXEC).expect("a file");
        nsx::sys::fds::write_all(&file, bytes).expect("written");
        rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0)).expect("rewound");
        rustix::fs::mkdirat(memory, c"root", Mode::from_raw_mode(0o755)).expect("a directory");
        let into = rustix::fs::openat(memory, c"root", DIRECTORY, Mode::empty()).expect("open");
        if let Err(refused) = unpack(file, &"x.tar".into(), into.as_fd()) {
            let said = refused.to_string();
            assert!(!said.chars().any(char::is_control), "{said}");
        }
        drop(into);
        assert_eq!(names(memory).len(), 1, "beside the root stands nothing");
        remove(memory, c"root");
    }
);

/// Only this memory, and what libFuzzer itself writes to, may be changed.
fn confine(memory: BorrowedFd<'_>) {
    let access = AccessFs::from_write(ABI::V3);
    let confine = || {
        let mut rules = Ruleset::default().handle_access(access)?.create()?;
        rules = rules.add_rule(PathBeneath::new(memory, access))?;
        for word in std::env::args().skip(1) {
            let place = word.strip_prefix("-artifact_prefix=").unwrap_or(&word);
            if let Ok(place) = PathFd::new(place) {
                // Some of it can be done to directories alone.
                let access = if std::path::Path::new(&word).is_file() {
                    access & AccessFs::from_file(ABI::V3)
                } else {
                    access
                };
                rules = rules.add_rule(PathBeneath::new(place, access))?;
            }
        }
        rules.restrict_self()
    };
    confine().expect("rules");
}

fn names(dir: BorrowedFd<'_>) -> Vec<std::ffi::CString> {
    // The root of the memory is open as a place alone.
    let readable = rustix::fs::openat(dir, c".", DIRECTORY, Mode::empty()).expect("open");
    let listed = Dir::new(readable).expect("listed");
    let names = listed.map(|entry| entry.expect("an entry").file_name().to_owned());
    names.filter(|name| !matches!(name.to_bytes(), b"." | b"..")).collect()
}

fn remove(parent: BorrowedFd<'_>, name: &CStr) {
    let stat = rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW).expect("it is there");
    let kind = FileType::from_raw_mode(stat.st_mode);
    assert!(!kind.is_block_device() && !kind.is_char_device());
    if !kind.is_dir() {
        return rustix::fs::unlinkat(parent, name, AtFlags::empty()).expect("removed");
    }
    rustix::fs::chmodat(parent, name, Mode::RWXU, AtFlags::empty()).expect("ours");
    let dir = rustix::fs::openat(parent, name, DIRECTORY, Mode::empty()).expect("open");
    names(dir.as_fd()).iter().for_each(|name| remove(dir.as_fd(), name));
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR).expect("removed");
}
