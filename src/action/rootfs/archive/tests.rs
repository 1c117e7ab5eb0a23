//! Archives as they are, and as somebody makes them who wants to write where he may not.

#![expect(clippy::disallowed_methods, reason = "a test's own files")]

use super::*;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use tar::{Builder, Header};

/// An archive made entry by entry, each name as it is.
#[derive(Default)]
struct Made(Vec<u8>);

impl Made {
    fn entry(mut self, kind: EntryType, name: &str, target: &str, content: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o755);
        let (uid, gid) = (rustix::process::getuid(), rustix::process::getgid());
        header.set_uid(uid.as_raw().into());
        header.set_gid(gid.as_raw().into());
        header.set_mtime(1_000_000_000);
        header.set_size(content.len() as u64);
        self.raw(header, name, target, content)
    }

    fn raw(&mut self, mut header: Header, name: &str, target: &str, content: &[u8]) -> Self {
        let fields = header.as_gnu_mut().unwrap();
        fields.name[..name.len()].copy_from_slice(name.as_bytes());
        fields.linkname[..target.len()].copy_from_slice(target.as_bytes());
        header.set_cksum();
        let mut bytes = std::mem::take(&mut self.0);
        bytes.extend(header.as_bytes());
        bytes.extend(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        Self(bytes)
    }

    fn file(self, name: &str, content: &str) -> Self {
        self.entry(EntryType::Regular, name, "", content.as_bytes())
    }

    fn directory(self, name: &str) -> Self {
        self.entry(EntryType::Directory, name, "", b"")
    }

    fn symlink(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, name, target, b"")
    }

    fn link(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Link, name, target, b"")
    }

    /// Unpacks it into `root` of a directory, beside which is `outside`.
    fn unpack(self) -> (tempfile::TempDir, Result<(), String>) {
        let mut bytes = self.0;
        bytes.extend([0; 1024]);
        unpacked(&bytes)
    }
}

fn unpacked(bytes: &[u8]) -> (tempfile::TempDir, Result<(), String>) {
    let temp = tempfile::tempdir().unwrap();
    let root = temp.path().join("root");
    std::fs::create_dir(&root).unwrap();
    std::fs::create_dir(temp.path().join("outside")).unwrap();
    std::fs::write(temp.path().join("outside/kept"), "kept").unwrap();
    let path = temp.path().join("archive");
    std::fs::write(&path, bytes).unwrap();
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let into = rustix::fs::open(&root, flags, Mode::empty()).unwrap();
    let file = OwnedFd::from(File::open(&path).unwrap());
    let done = unpack(file, &"archive".into(), into.as_fd()).map_err(|error| error.to_string());
    assert_eq!(std::fs::read(temp.path().join("outside/kept")).unwrap(), b"kept");
    assert_eq!(std::fs::read_dir(temp.path().join("outside")).unwrap().count(), 1);
    assert_eq!(std::fs::read_dir(temp.path()).unwrap().count(), 3, "something is beside the root");
    (temp, done)
}

/// Unpacks it into a root that has been changed before; how many bytes were taken for it.
fn filled(made: Made, change: impl FnOnce(&mut Root<'_>)) -> Result<u64, String> {
    let temp = tempfile::tempdir().unwrap();
    let into = OwnedFd::from(File::open(temp.path()).unwrap());
    let mut root = Root::new(into.as_fd()).unwrap();
    change(&mut root);
    let bytes = [made.0, vec![0; 1024]].concat();
    root.fill(Box::new(std::io::Cursor::new(bytes))).map_err(|refusal| refusal.0)?;
    Ok(root.bytes)
}

fn read(temp: &tempfile::TempDir, name: &str) -> String {
    std::fs::read_to_string(temp.path().join("root").join(name)).unwrap()
}

#[test]
fn a_map_of_holes_is_not_taken_for_the_file() {
    let map = "22 GNU.sparse.major=1\n";
    let holes = Made::default()
        .entry(EntryType::XHeader, "holes", "", map.as_bytes())
        .file("GNUSparseFile.0/f", "1\n0\n4\ndata");
    let (root, unpacked) = holes.unpack();
    assert!(unpacked.unwrap_err().contains("sparse"));
    assert!(!root.path().join("root/GNUSparseFile.0/f").exists());
    let comment = Made::default().entry(EntryType::XHeader, "c", "", b"15 comment=any\n");
    assert_eq!(comment.file("f", "data").unpack().1, Ok(()));
}

#[test]
fn what_an_archive_has_is_there_as_it_was() {
    let (temp, done) = Made::default()
        .directory("./")
        .directory("./bin/")
        .file("./bin/sh", "program")
        .link("bin/bash", "./bin/sh")
        .symlink("bin/ash", "/bin/sh")
        .file("deep/er/file", "unlisted directories")
        .entry(EntryType::Char, "null", "", b"")
        .file("bin/sh2", "first")
        .file("bin/sh2", "second")
        .unpack();
    assert_eq!(done, Ok(()));
    let root = temp.path().join("root");
    let stat = |name: &str| std::fs::symlink_metadata(root.join(name)).unwrap();
    assert_eq!(read(&temp, "bin/bash"), "program");
    assert_eq!(stat("bin/bash").ino(), stat("bin/sh").ino());
    assert_eq!(std::fs::read_link(root.join("bin/ash")).unwrap(), Path::new("/bin/sh"));
    assert_eq!((stat("bin/sh").mode(), stat("bin/sh").mtime()), (0o10_0755, 1_000_000_000));
    assert_eq!(read(&temp, "deep/er/file"), "unlisted directories");
    assert_eq!(read(&temp, "bin/sh2"), "second");
    assert!(!root.join("null").exists(), "devices are left out");
}

#[test]
fn a_pipe_has_owner_mode_and_time() {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Fifo);
    header.set_mode(0o1666);
    let me = rustix::process::geteuid();
    // Who is not root gives nothing away.
    let owner = if me.is_root() { 33 } else { me.as_raw() };
    header.set_uid(owner.into());
    header.set_gid(rustix::process::getegid().as_raw().into());
    header.set_mtime(1_000_000_000);
    header.set_size(0);
    let (temp, done) = Made::default().raw(header, "pipe", "", b"").unpack();
    assert_eq!(done, Ok(()));
    let stat = std::fs::symlink_metadata(temp.path().join("root/pipe")).unwrap();
    assert_eq!((stat.mode(), stat.uid(), stat.mtime()), (0o1_1666, owner, 1_000_000_000));
}

#[test]
fn the_root_is_what_a_directory_says_it_is() {
    for name in [".", "", "./."] {
        for kind in [EntryType::Regular, EntryType::Symlink, EntryType::Fifo, EntryType::Link] {
            let (_, done) = Made::default().directory("./").entry(kind, name, "x", b"").unpack();
            let error = done.unwrap_err();
            assert!(error.ends_with("it is no directory, and has no name"), "{kind:?}: {error}");
        }
    }
}

/// An owner that is no id of 32 bits is not taken for root.
#[test]
fn whose_owner_is_no_id_is_ours_without_privileges() {
    let unknown = [
        "uid=5000000000",
        "gid=4294967295",
        "uid=-1",
        "uid=99999999999",
        "uid=9223372036854775808",
        "gid=wheel",
    ];
    let mode = |owner: &str| {
        let mut header = Header::new_gnu();
        header.set_mode(0o6755);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(0);
        // The length of a line stands before it, and counts two digits, a space and its end.
        let line = format!("{:02} {owner}\n", owner.len() + 4);
        let mut made = Made::default().entry(EntryType::XHeader, "x", "", line.as_bytes());
        let (temp, done) = made.raw(header, "f", "", b"").unpack();
        assert_eq!(done, Ok(()));
        let stat = std::fs::metadata(temp.path().join("root/f")).unwrap();
        assert_eq!(stat.uid(), rustix::process::geteuid().as_raw());
        stat.mode() & 0o7777
    };
    for owner in unknown {
        assert_eq!(mode(owner), 0o755, "{owner}");
    }
    // Who may make files root's has them with their privileges.
    let kept = if rustix::process::geteuid().is_root() { 0o6755 } else { 0o755 };
    for owner in ["uid=0", "gid=0"] {
        assert_eq!(mode(owner), kept, "{owner}");
    }
}

#[test]
fn an_archive_takes_the_room_of_its_contents_and_of_all_words_about_them() {
    let made = || Made::default().file("f", "data").file("g", "more data");
    // Headers are blocks of 512 bytes, and a file is followed by what fills its last one.
    let whole = 512 + 512 + 512 + 9;
    assert_eq!(filled(made(), |root| root.room_bytes = whole), Ok(whole));
    let full = filled(made(), |root| root.room_bytes = whole - 1).unwrap_err();
    assert_eq!(full, format!("g: there is room for {} bytes, and this needs more", whole - 1));
    // A long name has a header of its own, and as many blocks as it needs.
    let name = ["a", "b", "c"].map(|part| part.repeat(200)).join("/") + "\0";
    let long = made().entry(EntryType::GNULongName, "x", "", name.as_bytes()).file("n", "");
    assert_eq!(filled(long, |_| {}), Ok(4 * 512 + 512 + 1024 + 512));
}

#[test]
fn entries_are_counted_up_to_a_bound() {
    let two = || Made::default().file("f", "x").file("g", "x");
    assert!(filled(two(), |root| root.entries = MOST_ENTRIES - 2).is_ok());
    let many = filled(two(), |root| root.entries = MOST_ENTRIES - 1).unwrap_err();
    assert_eq!(many, "g: it has more than 2097152 entries");
}

#[test]
fn a_directory_may_be_listed_twice() {
    let (temp, done) =
        Made::default().directory("d/").file("d/f", "x").directory("d/").file("d/g", "y").unpack();
    assert_eq!(done, Ok(()));
    assert_eq!((read(&temp, "d/f"), read(&temp, "d/g")), ("x".to_owned(), "y".to_owned()));
}

#[test]
fn what_nobody_has_defined_is_passed_over_however_long_it_is() {
    let long = vec![1; 3 << 20];
    let (temp, done) = Made::default()
        .entry(EntryType::new(b'V'), "volume", "", &long)
        .entry(EntryType::Directory, "d/", "", &long)
        .file("f", "x")
        .unpack();
    assert_eq!((done, read(&temp, "f").as_str()), (Ok(()), "x"));
    assert!(!temp.path().join("root/volume").exists());
}

#[test]
fn gzip_is_known_and_others_are_named() {
    let made = Made::default().file("f", "compressed").0;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&made).unwrap();
    let (temp, done) = unpacked(&gzip.finish().unwrap());
    assert_eq!(done, Ok(()));
    assert_eq!(read(&temp, "f"), "compressed");
    let (_, done) = unpacked(b"\x28\xb5\x2f\xfd and so on");
    assert!(done.unwrap_err().contains("only gzip is known"));
}

#[test]
fn what_is_no_archive_is_refused() {
    for bytes in [&b""[..], b"no archive", &[0; 1024], &[7; 4096], b"\x1f\x8b and no more"] {
        let (_, done) = unpacked(bytes);
        assert!(done.unwrap_err().starts_with("cannot unpack archive: "));
    }
    let said = |bytes: &[u8]| unpacked(bytes).1.unwrap_err();
    assert!(said(&[7; 4096]).ends_with(": it is no tar archive"), "{}", said(&[7; 4096]));
    let damaged = [&Made::default().file("f", "x").0[..], &[7; 1024]].concat();
    assert!(said(&damaged).ends_with(": it is damaged"), "{}", said(&damaged));
    // Cut in the middle of a file.
    let mut made = Made::default().file("f", &"x".repeat(4096)).0;
    made.truncate(2048);
    assert!(unpacked(&made).1.is_err());
}

#[test]
fn no_name_leads_out() {
    for name in ["/abs", "../outside/kept", "a/../../outside/new", "..", "./../x", "//x"] {
        for made in [
            Made::default().file(name, "x"),
            Made::default().directory(name),
            Made::default().symlink(name, "x"),
            Made::default().file("f", "x").link(name, "f"),
        ] {
            let (_, done) = made.unpack();
            let error = done.unwrap_err();
            assert!(error.contains("absolute") || error.contains("leads out"), "{name}: {error}");
        }
    }
}

#[test]
fn no_link_that_it_brings_is_followed() {
    for target in ["../outside", "/tmp", "/proc/self/fd/0", ".", "/proc/self/root/tmp"] {
        for made in [
            Made::default().symlink("l", target).file("l/new", "x"),
            Made::default().symlink("l", target).directory("l/new"),
            Made::default().symlink("l", target).directory("l"),
            Made::default().symlink("l", target).file("l/a/b", "x"),
            Made::default().directory("d").symlink("d/l", target).file("d/l/new", "x"),
            Made::default().symlink("l", target).file("f", "x").link("l/hard", "f"),
            Made::default().symlink("l", target).link("hard", "l/kept"),
        ] {
            let (_, done) = made.unpack();
            assert!(done.is_err(), "{target}");
        }
    }
    // Nor is one that leads to what the archive brought itself, last of a name or not.
    let in_the_way = "a link or a file of the archive stands in its way";
    for made in [
        Made::default().directory("d").symlink("l", ".").file("l/d/new", "x"),
        Made::default().directory("d").symlink("l", "d").file("l/new", "x"),
        Made::default().file("l", "x").file("l/new", "x"),
    ] {
        let (temp, done) = made.unpack();
        let error = done.unwrap_err();
        assert!(error.ends_with(in_the_way), "{error}");
        assert!(!temp.path().join("root/d/new").exists());
    }
    // In its place, and not through it; its name, and not what it leads to.
    let made = Made::default().symlink("l", "../outside/kept").file("l", "mine");
    let (temp, done) = made.unpack();
    assert_eq!((done, read(&temp, "l").as_str()), (Ok(()), "mine"));
    let made = Made::default().symlink("l", "../outside/kept").link("hard", "l");
    let (temp, done) = made.unpack();
    assert_eq!(done, Ok(()));
    assert!(std::fs::symlink_metadata(temp.path().join("root/hard")).unwrap().is_symlink());
}

#[test]
fn hard_links_are_to_what_it_brought() {
    for target in ["/etc/passwd", "../outside/kept", "missing", "", "."] {
        let (_, done) = Made::default().link("hard", target).unpack();
        assert!(done.is_err(), "{target}");
    }
    let (temp, done) = Made::default().file("f", "x").link("f", "f").unpack();
    assert_eq!((done, read(&temp, "f").as_str()), (Ok(()), "x"));
}

#[test]
fn what_is_linked_to_a_device_is_left_out_too() {
    let device = |made: Made, name: &str| made.entry(EntryType::Char, name, "", b"");
    let made = device(Made::default().directory("dev"), "dev/a").link("dev/b", "./dev/a");
    let (temp, done) =
        made.link("dev/c", "dev/b").file("dev/d", "x").link("dev/e", "dev/d").unpack();
    assert_eq!((done, read(&temp, "dev/e").as_str()), (Ok(()), "x"));
    assert_eq!(std::fs::read_dir(temp.path().join("root/dev")).unwrap().count(), 2);
    let (_, done) = device(Made::default(), "a").link("b", "c").unpack();
    assert!(done.is_err());
}

#[test]
fn sizes_are_bounded_by_the_room() {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_size(1 << 60);
    let (_, done) = Made::default().raw(header, "big", "", b"").unpack();
    assert!(done.unwrap_err().contains("there is room for"));
    // One hole of an exabyte.
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(0);
    let fields = header.as_gnu_mut().unwrap();
    fields.realsize = *b"\x80\0\0\0\x10\0\0\0\0\0\0\0";
    fields.sparse[0].offset = fields.realsize;
    fields.sparse[0].numbytes = *b"00000000000\0";
    let (_, done) = Made::default().raw(header, "hole", "", b"").unpack();
    assert!(done.is_err());
}

#[test]
fn holes_take_no_room() {
    let content = "\0".repeat(300 << 10) + "end";
    let (temp, done) = Made::default().file("f", &content).unpack();
    assert_eq!(done, Ok(()));
    let stat = std::fs::metadata(temp.path().join("root/f")).unwrap();
    assert_eq!(stat.len(), content.len() as u64);
    assert!(stat.blocks() * 512 < 200 << 10, "{} blocks", stat.blocks());
    assert_eq!(read(&temp, "f"), content);
}

#[test]
fn names_without_end_are_refused() {
    let long = vec![b'a'; 3 << 20];
    let (_, done) = Made::default().entry(EntryType::GNULongName, "x", "", &long).unpack();
    assert!(done.unwrap_err().contains("too long"));
    let (_, done) = Made::default().entry(EntryType::XHeader, "x", "", &long).unpack();
    assert!(done.is_err());
}

#[test]
fn names_of_any_length_and_form_are_kept() {
    let mut builder = Builder::new(Vec::new());
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(200));
    for name in [long.as_str(), "new\nline", "bell\x07"] {
        let mut header = Header::new_gnu();
        header.set_size(1);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, &b"x"[..]).unwrap();
    }
    let (temp, done) = unpacked(&builder.into_inner().unwrap());
    assert_eq!(done, Ok(()));
    for name in [long.as_str(), "new\nline", "bell\x07"] {
        assert_eq!(read(&temp, name), "x");
    }
    let (_, done) = Made::default().file("../\x1b[2J", "x").unpack();
    let error = done.unwrap_err();
    assert!(!error.contains('\x1b') && error.contains("\\x1b"), "{error}");
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..2000)) {
        let _ = unpacked(&bytes);
    }

    #[test]
    fn no_header_panics(at in 0..512_usize, byte: u8) {
        let mut made = Made::default().file("name", "content").0;
        made[at] = byte;
        let mut header = Header::new_gnu();
        header.as_mut_bytes().copy_from_slice(&made[..512]);
        header.set_cksum();
        made[..512].copy_from_slice(header.as_bytes());
        let _ = unpacked(&made);
    }
}
