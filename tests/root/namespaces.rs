//! Targets that are one namespace: by name, path and inode; with and without a process in it.

use crate::enter::{entered, joined};
use crate::support::{
    self, Held, KINDS, Need, as_nobody, isolated, namespace, nsx, output, stderr, stdout, succeeds,
    test,
};
use crate::targets::refused;
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

const ROOT: &[Need] = &[Need::Root];
const IP: &[Need] = &[Need::Root, Need::Program("ip")];
const NOBODY: &[Need] = &[Need::Root, Need::Program("ip"), Need::Program("setpriv")];
const FUSE: &[Need] = &[
    Need::Root,
    Need::Program("unshare"),
    Need::Machine("/dev/fuse", || Path::new("/dev/fuse").exists()),
];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a namespace file is joined alone, whatever its kind", ROOT, each_kind),
        test("a namespace that no process lives in is entered by name, path and inode", IP, empty),
        test("a namespace is found by a process in it", IP, lived_in),
        test("who does not see whoever is in a namespace does not call it empty", NOBODY, unseen),
        test("a namespace that only a descriptor holds is entered by its inode", ROOT, described),
        test("a joined user namespace without a process gives root, if it has one", ROOT, user),
        test("options for processes are refused with a namespace", ROOT, alone),
        test("what is no namespace file is refused and never opened", ROOT, no_namespace),
        test("a file system that does not answer is not waited for", FUSE, silent),
        test("a name that two directories give to two namespaces is ambiguous", IP, two_names),
    ]
}

/// `ip netns add`, and its end.
struct Netns(String);

/// How many there are, and whether ip(8) had its directory before: it mounts that over itself, and
/// leaves it so.
static NAMED: Mutex<(usize, bool)> = Mutex::new((0, false));

fn is_mounted() -> bool {
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    mounts.contains(" /run/netns ")
}

impl Netns {
    fn new(name: &str) -> Self {
        let name = format!("nsx-test-{name}-{}", std::process::id());
        let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        if named.0 == 0 {
            named.1 = is_mounted();
        }
        succeeds(Command::new("ip").args(["netns", "add", &name]));
        named.0 += 1;
        Self(name)
    }

    fn inode(&self) -> u64 {
        std::fs::metadata(format!("/run/netns/{}", self.0)).unwrap().ino()
    }

    fn spellings(&self) -> [String; 3] {
        [
            format!("netns:{}", self.0),
            format!("/run/netns/{}", self.0),
            format!("ns:{}", self.inode()),
        ]
    }
}

impl Drop for Netns {
    fn drop(&mut self) {
        let mut named = NAMED.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
        named.0 -= 1;
        if *named == (0, false) {
            let _ = Command::new("umount").arg("/run/netns").status();
            let _ = std::fs::remove_dir("/run/netns");
        }
    }
}

fn each_kind() {
    let (_held, target) = isolated(&["--new-all"]);
    for kind in KINDS {
        let path = format!("/proc/{target}/ns/{kind}");
        let (_held, program) = entered(&path, &[]);
        joined(program, target, &[kind]);
        let inode = std::fs::metadata(&path).unwrap().ino();
        let (_held, program) = entered(format!("ns:{inode}"), &[]);
        joined(program, target, &[kind]);
    }
}

fn empty() {
    let netns = Netns::new("empty");
    let inside = format!("net:[{}]\n", netns.inode());
    for target in netns.spellings() {
        let ran = output(&mut nsx(["enter", "-t", &target, "readlink", "/proc/self/ns/net"]));
        assert_eq!(stdout(&ran), inside, "{target}: {}", stderr(&ran));
        let dry = succeeds(&mut nsx(["enter", "-t", &target, "--dry-run", "ip"]));
        assert!(dry.contains(inside.trim()) && dry.contains("join     net"), "{dry}");
        let said = refused(&mut nsx(["inspect", &target]), 3);
        assert!(said.contains("no process lives in"), "{said}");
        assert!(said.contains(&format!("nsx enter -t {target} ip addr")), "{said}");
        refused(&mut nsx(["ps", &target]), 3);
    }
    let listed = output(&mut nsx(["ns", inside.trim()]));
    let kept = format!("no process is in {}; kept by mount /run/netns/{}", inside.trim(), netns.0);
    assert!(stderr(&listed).contains(&kept), "{}", stderr(&listed));
    let [_, path, _] = netns.spellings();
    drop(netns);
    refused(&mut nsx(["inspect", &path]), 3);
    support::once_anew(|| {
        let netns = Netns::new("gone");
        let [_, _, inode] = netns.spellings();
        drop(netns);
        output(&mut nsx(["inspect", &inode])).status.code() == Some(3)
    });
}

fn unseen() {
    let netns = Netns::new("unseen");
    let mut inhabitant = Command::new("ip");
    inhabitant.args(["netns", "exec", &netns.0, "sh", "-c", "echo; exec sleep 1000"]);
    let _held = Held::ready(&mut inhabitant);
    let (_directory, copy) = support::public_nsx();
    let [name, _, inode] = netns.spellings();
    let refused = |arguments: &[&str]| refused(as_nobody(&copy).args(arguments), 3);
    let said = refused(&["inspect", &name]);
    assert!(said.contains(&format!("no process that can be seen is in {name}")), "{said}");
    assert!(said.contains("run it as root"), "{said}");
    let said = refused(&["ps", &inode]);
    assert!(said.contains(&format!("{inode} is in no container that can be seen")), "{said}");
    let orphans = succeeds(as_nobody(&copy).args(["ps", "--orphans", "-o", "tsv"]));
    let row = orphans.lines().find(|line| line.contains(&netns.inode().to_string()));
    assert!(row.is_some_and(|row| row.contains("no process that can be seen is in it")), "{row:?}");
    let names = succeeds(as_nobody(&copy).args(["ps", "--orphans", "-q"]));
    assert!(!names.contains(&netns.inode().to_string()), "somebody is in it: {names}");
    let listed = output(as_nobody(&copy).args(["ns", "-P", "-t", "net"]));
    let number = netns.inode().to_string();
    let table = stdout(&listed);
    let row = table.lines().find(|line| line.contains(&number)).expect("it is listed");
    assert_eq!(row.split_whitespace().nth(2), Some("-"), "how many are in it is not known: {row}");
    let said = stderr(&listed);
    assert!(said.contains("processes that are not seen may be in those that are listed"), "{said}");
    let find = |listed: Value| {
        let rows = listed["data"].as_array().unwrap();
        let row = rows.iter().find(|row| row["ns"] == netns.inode()).expect("it is listed");
        (row["nprocs"].clone(), row["nprocs_complete"].clone())
    };
    let of_user = find(support::json(as_nobody(&copy).args(["ns", "-P", "--json"])));
    assert_eq!(of_user, (json!(0), json!(false)));
    let of_root = find(support::json(&mut nsx(["ns", "--json"])));
    assert_eq!(of_root, (json!(1), json!(true)));
}

fn lived_in() {
    let netns = Netns::new("lived");
    let mut inhabitant = Command::new("ip");
    inhabitant.args(["netns", "exec", &netns.0, "sh", "-c", "echo ready; exec sleep 1000"]);
    let (held, _) = Held::ready(inhabitant.stdin(Stdio::null()));
    for target in netns.spellings() {
        let found = succeeds(&mut nsx(["inspect", "-q", &target]));
        assert_eq!(found, format!("{}\n", held.pid()), "{target}");
        let listed = support::json(&mut nsx(["ps", "--json", &target]));
        assert_eq!(listed["data"][0]["pid"], held.pid(), "{target}");
    }
}

fn described() {
    support::once_anew(|| {
        let (held, target) = isolated(&["-n", "-p"]);
        let file = File::open(format!("/proc/{target}/ns/net")).unwrap();
        let inside = namespace(target, "net");
        drop(held);
        let target = format!("ns:{}", file.metadata().unwrap().ino());
        let ran = output(&mut nsx(["enter", "-t", &target, "readlink", "/proc/self/ns/net"]));
        assert_eq!(stdout(&ran).trim(), inside, "{}", stderr(&ran));
        drop(file);
        output(&mut nsx(["enter", "-t", &target, "echo", "RAN"])).status.code() == Some(125)
    });
}

fn user() {
    for (with_root, expected) in [(true, "0\n"), (false, "65534\n")] {
        let (held, target) = isolated(&["-U"]);
        let bare = Command::new("unshare")
            .args(["--user", "sleep", "1000"])
            .stdin(Stdio::null())
            .spawn()
            .map(Held)
            .unwrap();
        support::until("it has a user namespace", || {
            namespace(bare.pid(), "user") != namespace("self", "user")
        });
        let pid = if with_root { target } else { bare.pid() };
        let file = File::open(format!("/proc/{pid}/ns/user")).unwrap();
        drop((held, bare));
        let target = format!("ns:{}", file.metadata().unwrap().ino());
        let ran = output(&mut nsx(["enter", "-t", &target, "id", "-u"]));
        assert_eq!(stdout(&ran), expected, "{}", stderr(&ran));
    }
}

fn alone() {
    let (_held, target) = isolated(&["-n"]);
    let path = format!("/proc/{target}/ns/net");
    for flags in [&["-n"][..], &["-a"], &["-m", "-p"]] {
        let said = refused(nsx(["enter", "-t", &path]).args(flags).args(["echo", "RAN"]), 125);
        assert!(said.contains("joined alone"), "{said}");
    }
    let said = refused(&mut nsx(["enter", "-t", &path, "--env", "echo", "RAN"]), 125);
    assert!(said.contains("no environment"), "{said}");
    let said = refused(&mut nsx(["enter", "-t", "/proc/self/ns/net", "echo", "RAN"]), 125);
    assert!(said.contains("nothing to join"), "{said}");
}

fn no_namespace() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    nix::unistd::mkfifo(&at("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    std::os::unix::fs::symlink(at("fifo"), at("link")).unwrap();
    std::fs::write(at("file"), "net:[4026531840]").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
    let others = ["/dev/zero", "/dev/tty", "/proc/self/stat", "/proc/self/ns", "/proc/1"];
    let ours = ["fifo", "link", "file", "socket", "."].map(|name| at(name).display().to_string());
    for path in ours.iter().map(String::as_str).chain(others) {
        let said = refused(&mut nsx(["enter", "-t", path, "echo", "RAN"]), 125);
        assert!(said.contains("no namespace file"), "{path}: {said}");
        refused(&mut nsx(["inspect", path]), 3);
        refused(&mut nsx(["ps", path]), 3);
    }
    refused(&mut nsx(["inspect", &at("missing").display().to_string()]), 3);
}

/// In a mount namespace of its own a FUSE file system that nobody serves. It is gone with the shell,
/// which holds its descriptor.
const SILENT: &str = r#"
exec 9<>/dev/fuse || exit 99
mount -i -t fuse -o fd=9,rootmode=40000,user_id=0,group_id=0 silent "$DIRECTORY" || exit 99
for path in "$DIRECTORY" "$DIRECTORY/below"; do
    "$NSX" inspect "$path" 9>&-; echo "code $?"
    "$NSX" enter -t "$path" echo RAN 9>&-; echo "code $?"
done
"#;

fn silent() {
    let directory = tempfile::tempdir().unwrap();
    let mut script = Command::new("unshare");
    script.args(["--mount", "sh", "-c", SILENT]).env("DIRECTORY", directory.path());
    let output = output(script.env("NSX", support::binary("nsx")));
    let said = stderr(&output);
    // The mount's own root can be looked at; what is below cannot be found.
    assert_eq!(stdout(&output), "code 3\ncode 125\ncode 1\ncode 125\n", "{said}");
    assert!(said.contains("no namespace file") && said.contains("no answer in time"), "{said}");
}

fn two_names() {
    let one = Netns::new("two");
    let directory = Path::new("/run/docker/netns");
    let made = !directory.exists();
    std::fs::create_dir_all(directory).unwrap();
    let (_held, target) = isolated(&["-n"]);
    let link = directory.join(&one.0);
    std::os::unix::fs::symlink(format!("/proc/{target}/ns/net"), &link).unwrap();
    let inspected = output(&mut nsx(["inspect", &format!("netns:{}", one.0)]));
    std::fs::remove_file(&link).unwrap();
    if made {
        let _ = std::fs::remove_dir(directory);
    }
    assert_eq!(inspected.status.code(), Some(2), "{}", stderr(&inspected));
    assert!(stderr(&inspected).contains("ambiguous"), "{}", stderr(&inspected));
}
