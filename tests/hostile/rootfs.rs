//! Roots that attack whoever mounts something in them (CVE-2019-16884, CVE-2019-19921): links in
//! the place of what is mounted over, archives whose names lead out. Nothing outside is touched.

use crate::support::rootfs::{Small, mounts, snapshot};
use crate::support::{Need, as_nobody, nsx, output, public_nsx, stderr, stdout, succeeds, test};
use libtest_mimic::Trial;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tar::{EntryType, Header};

const NEEDS: &[Need] = &[Need::Root, Need::Program("busybox"), Need::Program("setpriv")];
const PYTHON: &[Need] = &[Need::Root, Need::Program("busybox"), Need::Program("python3")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("no link in a root is mounted through", NEEDS, links),
        test("no link above a place of a root is followed", NEEDS, links_above),
        test("what is no directory in a root is not mounted over as one", NEEDS, no_directories),
        test("a root that is changed all the time leads nowhere", PYTHON, races),
        test("no entry of an archive leads out of it", NEEDS, entries),
        test("an archive of very many or very large files is refused or fits", NEEDS, sizes),
        test("a device of an archive or a root is none", NEEDS, devices),
    ]
}

/// What nobody may touch.
struct Sentinel {
    directory: tempfile::TempDir,
    before: (String, String),
}

impl Sentinel {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["proc", "dev", "etc"] {
            std::fs::create_dir(directory.path().join(name)).unwrap();
        }
        std::fs::write(directory.path().join("kept"), "kept").unwrap();
        // Whoever gets there may write.
        succeeds(Command::new("chmod").args(["-R", "a+rwX"]).arg(directory.path()));
        let before = (snapshot(directory.path()), mounts());
        Self { directory, before }
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn check(&self, what: &str) {
        let now = (snapshot(self.path()), mounts());
        assert_eq!(now, self.before, "{what}");
    }

    /// Where a link can lead: by the whole path, up and out, by a descriptor, by a process.
    fn targets(&self) -> Vec<PathBuf> {
        let absolute = self.path().to_path_buf();
        let up = Path::new("../../../../../..").join(absolute.strip_prefix("/").unwrap());
        let mut targets = vec![absolute.clone(), up];
        for fd in 0..10 {
            targets.push(format!("/proc/self/fd/{fd}").into());
        }
        let root = Path::new("/proc/1/root").join(absolute.strip_prefix("/").unwrap());
        targets.extend([
            root,
            "/proc/self/cwd".into(),
            "/etc".into(),
            ".".into(),
            "missing".into(),
        ]);
        targets
    }
}

/// As root, in a user namespace of root's, and as nobody.
fn each_way(options: &[&str], script: &str) -> Vec<Output> {
    let (_directory, public) = public_nsx();
    let run = |mut command: Command| {
        command.current_dir("/").args(["spawn", "-p", "-n", "-i"]).args(options);
        output(command.args(["sh", "-c", script]))
    };
    let mut in_users = nsx([] as [&str; 0]);
    in_users.current_dir("/").args(["spawn", "--new-all"]).args(options);
    let in_users = output(in_users.args(["sh", "-c", script]));
    let mut nobody = as_nobody(&public);
    nobody.current_dir("/").args(["spawn", "--new-all"]).args(options);
    vec![run(nsx([] as [&str; 0])), in_users, output(nobody.args(["sh", "-c", script]))]
}

fn refused(options: &[&str], what: &str, why: &str, sentinel: &Sentinel) {
    for output in each_way(options, "echo RAN") {
        let said = stderr(&output);
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""), "{what}");
        assert!(said.contains(why), "{what}: {said}");
        sentinel.check(what);
    }
}

fn links() {
    let sentinel = Sentinel::new();
    for (n, target) in sentinel.targets().iter().enumerate() {
        // Each with some of them: all of them with all would take minutes.
        let names = ["proc", "dev", "sys", "tmp", "run"];
        let some = if n < 3 { &names[..] } else { &names[n % 5..=n % 5] };
        for name in some {
            let root = Small::new();
            std::fs::remove_dir(root.path(name)).unwrap();
            symlink(target, root.path(name)).unwrap();
            let before = root.snapshot();
            let why = format!("cannot mount on /{name}: /{name} in the root is a symbolic link");
            for layer in [&[][..], &["--overlay"]] {
                let name = root.name();
                let options = [&["--rootfs", &name], layer].concat();
                refused(&options, &format!("{name} -> {}", target.display()), &why, &sentinel);
            }
            assert_eq!(root.snapshot(), before);
        }
    }
}

fn links_above() {
    let sentinel = Sentinel::new();
    for target in &sentinel.targets()[..3] {
        let root = Small::new();
        symlink(target, root.path("srv/link")).unwrap();
        symlink(target, root.path("opt")).unwrap();
        let before = root.snapshot();
        for (at, link) in [
            ("/srv/link", "/srv/link"),
            ("/srv/link/etc", "/srv/link"),
            ("/srv/link/new", "/srv/link"),
            ("/opt/etc", "/opt"),
            ("/opt", "/opt"),
        ] {
            let why = format!("cannot mount on {at}: {link} in the root is a symbolic link");
            for more in [format!("--bind=/usr:{at}"), format!("--tmpfs={at}")] {
                for layer in [&[][..], &["--overlay"]] {
                    let name = root.name();
                    let options = [&["--rootfs", &name, &more], layer].concat();
                    refused(&options, &more, &why, &sentinel);
                }
            }
        }
        assert_eq!(root.snapshot(), before);
    }
}

fn no_directories() {
    let sentinel = Sentinel::new();
    for name in ["proc", "dev", "sys", "tmp", "run"] {
        let root = Small::new();
        std::fs::remove_dir(root.path(name)).unwrap();
        succeeds(Command::new("mkfifo").arg(root.path(name)));
        let why = format!("cannot mount on /{name}: Not a directory");
        refused(&["--rootfs", &root.name()], name, &why, &sentinel);
        std::fs::remove_file(root.path(name)).unwrap();
        std::fs::write(root.path(name), "").unwrap();
        refused(&["--rootfs", &root.name(), "--overlay"], name, &why, &sentinel);
    }
    // A device, a pipe and a socket are no root.
    let root = Small::new();
    let pipe = root.beside("pipe");
    succeeds(Command::new("mkfifo").arg(&pipe));
    let socket = root.beside("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for path in [&pipe, &socket, Path::new("/dev/zero")] {
        let why = "is neither a directory nor an archive";
        refused(&["--rootfs", path.to_str().unwrap()], "no root", why, &sentinel);
    }
}

/// Somebody exchanges directories and links while the root is put together.
fn races() {
    let sentinel = Sentinel::new();
    let root = Small::new();
    for name in ["proc", "dev", "sys", "tmp"] {
        symlink(sentinel.path(), root.path(format!("{name}.link"))).unwrap();
    }
    let exchanging = r#"
        import ctypes, os, sys
        libc = ctypes.CDLL(None)
        root, renameat2 = sys.argv[1].encode(), int(sys.argv[2])
        print("ready", flush=True)
        while True:
            for name in (b"proc", b"dev", b"sys", b"tmp"):
                one = root + b"/" + name
                libc.syscall(renameat2, -100, one, -100, one + b".link", 2)
    "#;
    let exchanging = exchanging.lines().map(|line| line.get(8..).unwrap_or_default());
    let exchanging = exchanging.collect::<Vec<_>>().join("\n");
    let mut command = Command::new("python3");
    command.args(["-c", &exchanging, &root.name(), &libc::SYS_renameat2.to_string()]);
    let (_held, line) = crate::support::Held::ready(&mut command);
    assert_eq!(line, "ready");
    let (mut tries, mut ran) = (0, 0);
    while tries < 60 || (!(1..tries).contains(&ran) && tries < 600) {
        tries += 1;
        let mut command = nsx(["spawn", "-p", "-n", "-i", "--rootfs", &root.name()]);
        // Whatever was mounted is in the root, or nothing ran.
        let output = output(command.args(["sh", "-c", "touch /tmp/x /dev/x; echo RAN"]));
        ran += usize::from(stdout(&output) == "RAN\n");
        sentinel.check(&stderr(&output));
    }
    // Some found directories, some links.
    assert!((1..tries).contains(&ran), "{ran} of {tries} ran");
}

/// An archive of one entry after another, whatever their names.
#[derive(Default)]
struct Archive(Vec<u8>);

impl Archive {
    fn add(
        mut self,
        kind: EntryType,
        name: &str,
        target: &Path,
        size: u64,
        content: &[u8],
    ) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o4777);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(size);
        let fields = header.as_gnu_mut().unwrap();
        fields.name[..name.len()].copy_from_slice(name.as_bytes());
        let target = target.as_os_str().as_encoded_bytes();
        fields.linkname[..target.len()].copy_from_slice(target);
        if matches!(kind, EntryType::Block | EntryType::Char) {
            (fields.dev_major, fields.dev_minor) = (*b"0000001\0", *b"0000003\0");
        }
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self.0.extend(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn file(self, name: &str, content: &str) -> Self {
        self.add(EntryType::Regular, name, Path::new(""), content.len() as u64, content.as_bytes())
    }

    /// What a program needs, and the attack after it.
    fn with_programs(root: &Small) -> Self {
        let archive = root.beside("programs");
        let mut command = Command::new("tar");
        command.args(["--format=gnu", "-cf"]).arg(&archive).args(["-C", &root.name(), "."]);
        succeeds(&mut command);
        let mut bytes = std::fs::read(&archive).unwrap();
        // Its end.
        while bytes.ends_with(&[0; 512]) {
            bytes.truncate(bytes.len() - 512);
        }
        Self(bytes)
    }

    fn write(mut self, root: &Small) -> String {
        self.0.extend([0; 1024]);
        let path = root.beside("hostile.tar");
        std::fs::write(&path, &self.0).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

fn entries() {
    let sentinel = Sentinel::new();
    let root = Small::bare();
    let start = || Archive::with_programs(&root);
    for target in &sentinel.targets()[..2] {
        let through = |kind, name: &str| {
            start().add(EntryType::Symlink, "l", target, 0, b"").add(kind, name, target, 0, b"")
        };
        for archive in [
            start().file(target.join("new").to_str().unwrap(), "x"),
            through(EntryType::Regular, "l/new"),
            through(EntryType::Directory, "l/new"),
            through(EntryType::Directory, "l"),
            through(EntryType::Symlink, "l/etc/new"),
            through(EntryType::Fifo, "l/new"),
            start().add(EntryType::Link, "hard", &target.join("kept"), 0, b""),
            through(EntryType::Link, "l/new"),
            start()
                .add(EntryType::Symlink, "l", target, 0, b"")
                .add(EntryType::Link, "hard", Path::new("l/kept"), 0, b"")
                .file("hard", "overwritten"),
        ] {
            let path = archive.write(&root);
            refused(
                &["--rootfs", &path],
                &target.display().to_string(),
                "cannot unpack",
                &sentinel,
            );
        }
        // Links in the place of what is mounted: as in a directory.
        for name in ["proc", "dev", "sys", "tmp"] {
            let path = start().add(EntryType::Symlink, name, target, 0, b"").write(&root);
            let why = format!("cannot mount on /{name}: /{name} in the root is a symbolic link");
            refused(&["--rootfs", &path], name, &why, &sentinel);
        }
        // A link that is there and leads nowhere harms nobody.
        let path = start().add(EntryType::Symlink, "l", target, 0, b"").write(&root);
        for output in each_way(&["--rootfs", &path], "touch /l/new || echo none") {
            assert_eq!(stdout(&output), "none\n", "{}", stderr(&output));
            sentinel.check("a link");
        }
    }
}

fn sizes() {
    let sentinel = Sentinel::new();
    let root = Small::bare();
    let start = || Archive::with_programs(&root);
    let none = Path::new("");
    let huge = start().add(EntryType::Regular, "huge", none, 1 << 45, b"");
    refused(&["--rootfs", &huge.write(&root)], "huge", "there is room for", &sentinel);
    let cut = start().add(EntryType::Regular, "cut", none, 1 << 20, b"and no more");
    refused(&["--rootfs", &cut.write(&root)], "cut", "cannot unpack", &sentinel);
    let mut many = start();
    for n in 0..100_000 {
        many = many.add(EntryType::Regular, &format!("many/{n}"), none, 0, b"");
    }
    let path = many.write(&root);
    let mut command = nsx(["spawn", "-p", "--rootfs", &path]);
    let said = succeeds(command.args(["sh", "-c", "ls /many | wc -l"]));
    assert_eq!(said, "100000\n");
    sentinel.check("many");
}

fn devices() {
    let root = Small::new();
    let archive = Archive::with_programs(&root)
        .add(EntryType::Char, "srv/null", Path::new(""), 0, b"")
        .add(EntryType::Block, "srv/disk", Path::new(""), 0, b"");
    let path = archive.write(&root);
    for output in each_way(&["--rootfs", &path], "ls -A /srv; echo RAN") {
        assert_eq!(stdout(&output), "RAN\n", "{}", stderr(&output));
    }
    succeeds(Command::new("mknod").arg(root.path("srv/null")).args(["c", "1", "3"]));
    for output in each_way(&["--rootfs", &root.name()], "cat /srv/null || echo denied") {
        assert_eq!(stdout(&output), "denied\n", "{}", stderr(&output));
    }
}
