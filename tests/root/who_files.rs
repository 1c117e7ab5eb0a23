//! Files, file systems and layers lead to whoever has them: compared with what `/proc` says of every
//! process, in scenes that have a mount namespace of their own.

use crate::support::rootfs::Small;
use crate::support::{self, Held, Need, kernel, output, test, until};
use libtest_mimic::Trial;
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

const MOUNTS: &[Need] = &[Need::Root, Need::Program("unshare"), Need::Program("nsenter")];
const ROOTS: &[Need] =
    &[Need::Root, Need::Program("unshare"), Need::Program("nsenter"), Need::Program("busybox")];
const USERS: &[Need] =
    &[Need::Root, Need::Program("unshare"), Need::Program("nsenter"), Need::Program("setpriv")];
const THREADS: &[Need] =
    &[Need::Root, Need::Program("unshare"), Need::Program("nsenter"), Need::Program("python3")];
const LOOPS: &[Need] = &[
    Need::Root,
    Need::Program("unshare"),
    Need::Program("nsenter"),
    Need::Program("losetup"),
    Need::Program("mkfs.ext4"),
    Need::Machine("/dev/loop-control", || Path::new("/dev/loop-control").exists()),
];
const WALKED: &[Need] =
    &[Need::Root, Need::Program("unshare"), Need::Program("nsenter"), kernel::WALKED];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a mount that another namespace has still is told, with who has it", MOUNTS, busy),
        test("a bind mount is told where the directory is seen", MOUNTS, binds),
        test("whatever uses a file system is told, as /proc has it", MOUNTS, uses),
        test("a mount with files open is told after it was unmounted", MOUNTS, detached),
        test("a layer leads to whoever has it mounted", MOUNTS, layers),
        test("a layer is not a stranger's who mounts its name", USERS, claims),
        test("a file that is only called deleted is none of what it names", MOUNTS, names),
        test("a thread with descriptors of its own uses what it has open", THREADS, threads),
        test("an automount below a path is not set off", MOUNTS, automount),
        test("a root leads to its container, and to another that has it", ROOTS, roots),
        test("a mount namespace that only a file keeps is searched", WALKED, kept),
        test("a path that nobody has to do with is the host's", MOUNTS, nobodys),
        test("an image leads to who has it mounted by a loop device", LOOPS, image),
        test("any names and hundreds of mounts are searched", MOUNTS, crowded),
    ]
}

/// A mount namespace that is the host of a test, and a directory.
struct Scene {
    held: Held,
    directory: tempfile::TempDir,
}

impl Scene {
    /// After `script`, in the directory.
    fn new(script: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let script = format!("set -e\n{script}\necho ready; exec sleep 1000");
        let mut command = Command::new("unshare");
        command.args(["-m", "--propagation", "private", "sh", "-c", &script]);
        let (held, line) = Held::ready(command.current_dir(directory.path()));
        assert_eq!(line, "ready");
        Self { held, directory }
    }

    fn path(&self, name: impl AsRef<Path>) -> String {
        self.directory.path().join(name).to_str().unwrap().to_owned()
    }

    fn within(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-m", "-t", &self.held.pid().to_string(), "--"]).arg(program);
        command
    }

    fn run(&self, script: &str) -> String {
        let script = format!("set -e\ncd {}\n{script}", self.directory.path().display());
        support::succeeds(self.within("sh").args(["-c", &script]))
    }

    /// A program that stays, once it has said so; options of unshare(1) come first.
    fn start(&self, options: &[&str], script: &str) -> Held {
        let script = format!(
            "set -e\ncd {}\n{script}\necho ready; exec sleep 1000",
            self.directory.path().display()
        );
        let mut command = self.within("unshare");
        let (held, line) = Held::ready(command.args(options).args(["sh", "-c", &script]));
        assert_eq!(line, "ready");
        support::asleep(held.pid());
        held
    }

    /// A copy of its mounts.
    fn copy(&self, script: &str) -> Held {
        self.start(&["-m", "--propagation", "private"], script)
    }

    /// The trails; none where that is the answer. Of the machine's services, some of which have a
    /// `/tmp` of their own, there are none.
    fn who(&self, clue: impl AsRef<OsStr>) -> Vec<Value> {
        let said = output(self.within(support::binary("nsx")).args(["who", "--json"]).arg(&clue));
        let code = said.status.code();
        assert!(matches!(code, Some(0 | 3)), "{}", support::stderr(&said));
        if code == Some(3) {
            return Vec::new();
        }
        let mut told: Value = serde_json::from_slice(&said.stdout).unwrap();
        let mut trails = std::mem::take(told["data"].as_array_mut().unwrap());
        trails.retain(|trail| trail["owner"]["unit"].is_null());
        trails
    }

    /// `major:minor` of what a path is on.
    fn device(&self, path: &str) -> String {
        let said = self.run(&format!("stat -c %d {path}"));
        let number: u64 = said.trim().parse().unwrap();
        format!("{}:{}", rustix::fs::major(number), rustix::fs::minor(number))
    }
}

/// The steps of a kind.
fn steps<'a>(trails: &'a [Value], kind: &str) -> Vec<&'a Value> {
    let all = trails.iter().flat_map(|trail| trail["steps"].as_array().unwrap());
    all.filter(|step| step["kind"] == kind).collect()
}

/// The mounts told in another namespace: role, target, and the pid of the owner.
fn mounts(trails: &[Value]) -> Vec<(String, String, u64)> {
    let mount = |trail: &Value| {
        let steps = trail["steps"].as_array().unwrap();
        let step = steps.iter().find(|step| step["kind"] == "mount")?;
        step["namespace"].as_u64()?;
        let text = |field: &str| step[field].as_str().unwrap().to_owned();
        let pid = trail["owner"]["container"]["pid"].as_u64().unwrap_or(0);
        Some((text("role"), text("target"), pid))
    };
    trails.iter().filter_map(mount).collect()
}

fn users(trails: &[Value]) -> BTreeSet<u64> {
    steps(trails, "use").iter().map(|step| step["pid"].as_u64().unwrap()).collect()
}

fn inode(held: &Held) -> u64 {
    std::fs::metadata(format!("/proc/{}/ns/mnt", held.pid())).unwrap().ino()
}

/// Whoever sees a mount of this device, by `/proc/PID/mountinfo` of every process.
fn seen_by(device: &str) -> BTreeSet<u64> {
    let has = |pid: &u64| {
        let lines = std::fs::read(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
        let lines = String::from_utf8_lossy(&lines).into_owned();
        lines.lines().any(|line| line.split(' ').nth(2) == Some(device))
    };
    processes().into_iter().filter(has).collect()
}

fn processes() -> Vec<u64> {
    let names = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().file_name());
    names.filter_map(|name| name.to_str()?.parse().ok()).collect()
}

fn busy() {
    let scene = Scene::new("mkdir x; mount -t tmpfs busy x; mkdir x/d");
    let (path, deep) = (scene.path("x"), scene.path("x/d"));
    let device = scene.device(&path);
    let holder = scene.copy("");
    let pid = u64::from(holder.pid());
    let told = vec![("mount".to_owned(), path.clone(), pid)];

    assert_eq!(mounts(&scene.who(format!("path:{path}"))), told);
    assert!(mounts(&scene.who(format!("path:{deep}"))).is_empty(), "it holds no directory");
    scene.run("umount x");
    let mut truth = seen_by(&device);
    assert!(truth.remove(&pid) && truth.is_empty(), "{truth:?}");
    let trails = scene.who(format!("path:{path}"));
    assert_eq!(mounts(&trails), told);
    assert_eq!(steps(&trails, "mount")[0]["namespace"], inode(&holder));
    assert_eq!(steps(&trails, "mount")[0]["device"], device.as_str());
    // It may have been below what a service has mounted at /tmp, too.
    let mut in_it = mounts(&scene.who(format!("path:{deep}")));
    in_it.retain(|(_, target, _)| *target == path);
    assert_eq!(in_it, told, "what was in it");
    let by_device = scene.who(format!("dev:{device}"));
    assert_eq!(mounts(&by_device), told);
    assert_eq!(by_device[0]["steps"][0]["kind"], "device");
    assert!(scene.who(format!("path:{path}/never")).len() == 1, "it cannot be told from another");
    drop(holder);
    until("it is gone", || seen_by(&device).is_empty());
    assert!(scene.who(format!("dev:{device}")).is_empty());
}

fn binds() {
    let scene = Scene::new("mkdir -p src/sub dst part; touch src/file");
    let holder = scene.copy(
        "mount --bind src dst; mount --bind src/sub part; touch one; mount --bind src/file one",
    );
    let pid = u64::from(holder.pid());
    let told = |name: &str| mounts(&scene.who(format!("path:{}", scene.path(name))));
    let bind = |name: &str| ("bind".to_owned(), scene.path(name), pid);
    assert_eq!(told("src"), [bind("dst"), bind("part"), bind("one")]);
    assert_eq!(told("src/sub"), [bind("dst/sub"), bind("part")]);
    assert_eq!(told("src/file"), [bind("dst/file"), bind("one")]);
    // By a link, and by a way around.
    std::os::unix::fs::symlink("src/sub", scene.directory.path().join("link")).unwrap();
    assert_eq!(told("link"), [bind("dst/sub"), bind("part")]);
    assert_eq!(told("src/../src//sub/."), [bind("dst/sub"), bind("part")]);
    // What was mounted remains, whatever became of the directory.
    scene.run("rm -r src");
    assert_eq!(told("src/sub"), [bind("part")]);
    assert_eq!(told("src/file"), [bind("one")]);
}

/// Root, working directory, program, open file and mapping.
fn uses() {
    let scene = Scene::new(
        "mkdir x; mount -t tmpfs used x; mkdir x/d; cp $(command -v sleep) x/sleep; echo > x/file
         cp $(find /lib/ /lib64/ /usr/lib/ -name 'libm.so*' 2>/dev/null | head -n 1) x/library",
    );
    let path = scene.path("x");
    let device = scene.device(&path);
    let by_directory = scene.start(&[], "cd x/d");
    let by_file = scene.start(&[], "exec 7<x/file");
    let by_program = {
        let script = format!("echo ready; exec {path}/sleep 1000");
        let (held, _) = Held::ready(scene.within("sh").args(["-c", &script]));
        support::asleep(held.pid());
        held
    };
    let by_mapping = scene.start(&[], &format!("export LD_PRELOAD={path}/library"));
    let elsewhere = scene.start(&[], "cd /");
    let trails = scene.who(format!("path:{path}"));
    let by = |held: &Held| {
        let uses = steps(&trails, "use");
        let pid = u64::from(held.pid());
        uses.into_iter().find(|step| step["pid"] == pid).map(|step| step["by"].clone())
    };
    assert_eq!(by(&by_directory), Some("working_directory".into()));
    assert_eq!(by(&by_file), Some("descriptor".into()));
    assert_eq!(by(&by_program), Some("program".into()));
    assert_eq!(by(&by_mapping), Some("mapping".into()));
    assert_eq!(by(&elsewhere), None);
    assert_eq!(users(&trails), truth(&device));
    assert_eq!(users(&scene.who(format!("dev:{device}"))), truth(&device));
    let below = users(&scene.who(format!("path:{path}/d")));
    assert_eq!(below, BTreeSet::from([u64::from(by_directory.pid())]));
    let file = users(&scene.who(format!("path:{path}/file")));
    assert_eq!(file, BTreeSet::from([u64::from(by_file.pid())]));
    // A file that was removed is used as before.
    scene.run("rm x/file");
    assert_eq!(users(&scene.who(format!("path:{path}"))), truth(&device));
}

/// As fuser(1) finds it: whatever of a process is on the device.
fn truth(device: &str) -> BTreeSet<u64> {
    let is_on = |path: &Path| {
        std::fs::metadata(path).is_ok_and(|stat| {
            format!("{}:{}", rustix::fs::major(stat.dev()), rustix::fs::minor(stat.dev())) == device
        })
    };
    let uses = |pid: &u64| {
        let of = |name: &str| std::path::PathBuf::from(format!("/proc/{pid}/{name}"));
        let files = |name| std::fs::read_dir(of(name)).into_iter().flatten().flatten();
        ["root", "cwd", "exe"].iter().any(|name| is_on(&of(name)))
            || files("fd").chain(files("map_files")).any(|entry| is_on(&entry.path()))
    };
    processes().into_iter().filter(uses).collect()
}

/// umount -l: no namespace has the mount any more, and its number leads nowhere.
fn detached() {
    let scene = Scene::new("mkdir x; mount -t tmpfs lazy x; mkdir x/d");
    let device = scene.device(&scene.path("x"));
    let user = scene.start(&[], "cd x/d");
    scene.run("umount -l x");
    let trails = scene.who(format!("dev:{device}"));
    assert_eq!(users(&trails), BTreeSet::from([u64::from(user.pid())]));
    assert_eq!(users(&trails), truth(&device));
}

const HASH: &str = "4f1ba5e9c0de";
const LOWER: &str = "5ca1ab1e5eed";
/// Of another test than those, which runs beside it.
const CLAIMED: &str = "c1a1aed0dead";

/// As engines lay them out; the lower one by its short link.
fn layers() {
    let scene = Scene::new(&format!(
        "mkdir w; mount -t tmpfs w w; mkdir -p w/overlay2/l && cd w/overlay2
         mkdir -p {HASH}/diff {HASH}/work {HASH}/merged {LOWER}/diff/etc
         ln -s ../{LOWER}/diff l/SHORTNAME; echo SHORTNAME > {LOWER}/link",
    ));
    let store = scene.path("w/overlay2");
    let holder = scene.copy(&format!(
        "mount -t overlay overlay {store}/{HASH}/merged -o \
         lowerdir={store}/l/SHORTNAME,upperdir={store}/{HASH}/diff,workdir={store}/{HASH}/work"
    ));
    let pid = u64::from(holder.pid());
    let role = |clue: String| {
        let trails = scene.who(&clue);
        let mounted: Vec<&Value> =
            trails.iter().filter(|one| one["owner"]["container"]["pid"] == pid).collect();
        assert_eq!(mounted.len(), 1, "{clue}: {trails:?}");
        let trail = mounted[0];
        assert_eq!(trail["steps"][0]["kind"], "layer", "{clue}");
        assert_eq!(trail["steps"][1]["role"], "layer", "{clue}");
        trail["steps"][0]["role"].as_str().unwrap().to_owned()
    };
    assert_eq!(role(format!("path:{store}/{HASH}")), "upper");
    assert_eq!(role(format!("path:{store}/{HASH}/diff")), "upper");
    assert_eq!(role(format!("path:{store}/{HASH}/work")), "work");
    assert_eq!(role(format!("path:{store}/{LOWER}")), "lower");
    assert_eq!(role(format!("path:{store}/{LOWER}/diff/etc")), "lower");
    assert_eq!(role(format!("path:{store}/l/SHORTNAME")), "lower");
    assert_eq!(role(format!("overlay:{HASH}")), "upper");
    assert_eq!(role(format!("overlay:{}", &HASH[..4])), "upper");
    assert_eq!(role(format!("overlay:{LOWER}")), "lower");
    assert!(scene.who("overlay:0000feed").is_empty());
}

/// In a user namespace anybody mounts an overlay over directories that are called like the host's.
fn claims() {
    let layer = format!("store/overlay2/{CLAIMED}/diff");
    let scene = Scene::new(&format!(
        "chmod 755 .; mkdir -p {layer} own/overlay2/{LOWER}/diff; chown 65534 own/overlay2",
    ));
    let overlay = |lower: &str| {
        format!(
            "mount -t tmpfs t store; mkdir -p {layer} store/up store/work store/m
             mount -t overlay o store/m -o \
             lowerdir=$PWD/{lower},upperdir=$PWD/store/up,workdir=$PWD/store/work"
        )
    };
    let stranger = |lower: &str| {
        let script = format!(
            "set -e; cd {}; {}; echo ready; exec sleep 1000",
            scene.directory.path().display(),
            overlay(lower)
        );
        let mut command = scene.within("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        command.args(["unshare", "-U", "-r", "-m", "sh", "-c", &script]);
        let (held, line) = Held::ready(&mut command);
        assert_eq!(line, "ready");
        held
    };
    let has_layer = |clue: &str| {
        let trails = scene.who(clue);
        let layers = trails.iter().filter(|one| one["steps"][0]["kind"] == "layer");
        layers.filter(|one| one["owner"]["kind"] == "container").count()
    };
    let path = |layer: &str| format!("path:{}", scene.path(layer));
    let held = stranger(&layer);
    assert_eq!((has_layer(&path(&layer)), has_layer(&format!("overlay:{CLAIMED}"))), (0, 0));
    drop(held);
    // Of his own directories he may say so.
    let own = format!("own/overlay2/{LOWER}/diff");
    let held = stranger(&own);
    assert_eq!(has_layer(&path(&own)), 1);
    drop(held);
    // And root of everything.
    let _held = scene.copy(&overlay(&layer));
    assert_eq!(has_layer(&path(&layer)), 1);
}

fn names() {
    let scene = Scene::new("mkdir x; mount -t tmpfs x x; cd x; echo > file; echo > gone");
    let _called = scene.start(&[], "exec 7<>'x/file (deleted)'");
    assert!(users(&scene.who(format!("path:{}", scene.path("x/file")))).is_empty());
    let removed = scene.start(&[], "exec 7<x/gone; rm x/gone; echo > x/gone");
    let trails = scene.who(format!("path:{}", scene.path("x/gone")));
    assert_eq!(users(&trails), BTreeSet::from([u64::from(removed.pid())]));
}

fn threads() {
    let scene = Scene::new("mkdir x; mount -t tmpfs x x; mkdir x/d; echo > x/file");
    let (directory, file) = (scene.path("x/d"), scene.path("x/file"));
    let program = format!(
        "import ctypes, os, threading, time
libc = ctypes.CDLL(None)
def one():
    libc.unshare(0x400); os.open('{file}', os.O_RDONLY); ready.release(); time.sleep(1000)
def other():
    libc.unshare(0x200); os.chdir('{directory}'); ready.release(); time.sleep(1000)
ready = threading.Semaphore(0)
for work in (one, other):
    threading.Thread(target=work, daemon=True).start(); ready.acquire()
print('ready', flush=True); time.sleep(1000)"
    );
    let (held, line) = Held::ready(scene.within("python3").args(["-c", &program]));
    assert_eq!(line, "ready");
    for path in [file, directory] {
        let trails = scene.who(format!("path:{path}"));
        let uses = steps(&trails, "use");
        assert_eq!(uses.len(), 1, "{trails:?}");
        assert_eq!((&uses[0]["by"], &uses[0]["pid"]), (&"thread".into(), &held.pid().into()));
    }
}

/// What would be mounted there is asked for through a pipe.
fn automount() {
    let scene = Scene::new(
        "mkdir x; mkfifo pipe; exec 7<>pipe
         mount -t autofs -o fd=7,minproto=5,maxproto=5,indirect auto x",
    );
    let path = scene.path("x/there");
    let mut command = scene.within("setsid");
    command.arg(support::binary("nsx")).args(["who", "--json", &path]);
    let told: Value = serde_json::from_slice(&output(&mut command).stdout).unwrap();
    assert!(told["gaps"].to_string().contains("automount"), "{told}");
    assert_eq!(told["data"][0]["steps"][0]["fs_type"], "autofs", "{told}");
    let asked = scene.run("timeout 0.2 cat pipe | wc -c");
    assert_eq!(asked.trim(), "0", "nobody was asked to mount");
}

/// The classic: a root that was mounted while another one took a copy of everything.
fn roots() {
    let small = Small::new();
    let scene = Scene::new("");
    let (root, kept) = (small.name(), small.beside("kept"));
    std::fs::create_dir(&kept).unwrap();
    let mut command = scene.within(support::binary("nsx"));
    command.args(["spawn", "--rootfs", &root, "sh", "-c", "echo ready; exec sleep 1000"]);
    let (supervisor, line) = Held::ready(&mut command);
    assert_eq!(line, "ready");
    let first = support::child_of(supervisor.pid()).unwrap();
    support::asleep(first);
    let holder = scene.copy(&format!("mount --bind {root} {}", kept.display()));
    let mut command = scene.within("chroot");
    command.args([&root, "sh", "-c", "echo ready; exec sleep 1000"]);
    let (changed, _) = Held::ready(&mut command);
    support::asleep(changed.pid());
    let trails = scene.who(format!("path:{root}"));
    let told = mounts(&trails);
    let wanted = [
        ("root".to_owned(), "/".to_owned(), u64::from(first)),
        ("bind".to_owned(), kept.to_str().unwrap().to_owned(), u64::from(holder.pid())),
    ];
    assert_eq!(told, wanted, "{trails:?}");
    assert!(!users(&trails).contains(&u64::from(first)), "its root is told once");
    let by_root = steps(&trails, "use").into_iter().find(|step| step["pid"] == changed.pid());
    assert_eq!(by_root.unwrap()["by"], "root");
    let inside = mounts(&scene.who(format!("path:{root}/etc")));
    assert_eq!(inside[0], ("root".to_owned(), "/etc".to_owned(), u64::from(first)));
}

fn kept() {
    // A file keeps no mount namespace whose number is smaller than our own's, and each processor of the
    // kernel's has numbers of its own to give.
    let scene = Scene::new(
        "mkdir x ns; mount -t tmpfs kept x; mount -t tmpfs ns ns
         mount --make-private ns; touch ns/file; i=0
         until unshare --mount=ns/file true; do i=$((i + 1)); [ $i -lt 100 ]; done
         umount x",
    );
    let path = scene.path("x");
    let trails = scene.who(format!("path:{path}"));
    let owner = trails.iter().find(|trail| trail["owner"]["kind"] == "namespace");
    let owner = &owner.unwrap_or_else(|| panic!("{trails:?}"))["owner"];
    assert!(owner.to_string().contains(&scene.path("ns/file")), "{owner}");
}

fn nobodys() {
    let scene = Scene::new("mkdir x");
    let trails = scene.who(format!("path:{}", scene.path("x")));
    assert_eq!(trails.len(), 1, "{trails:?}");
    assert_eq!(trails[0]["owner"]["kind"], "host");
    assert_eq!(trails[0]["steps"][0]["kind"], "mount");
    for clue in [format!("path:{}", scene.path("none")), "dev:4095:1048575".to_owned()] {
        assert!(scene.who(clue).is_empty());
    }
}

fn crowded() {
    let scene = Scene::new("mkdir src");
    // A backslash, a newline, a blank, and what is no UTF-8.
    let name = OsString::from_vec(b"a\\040\n b\xff (deleted)".to_vec());
    std::fs::create_dir(scene.directory.path().join(&name)).unwrap();
    let holder = scene.copy(
        r#"for n in $(seq 300); do mkdir m$n; mount -t tmpfs t m$n; done
           mkdir dst; mount --bind "$(printf 'a\\040\n b\377 (deleted)')" dst"#,
    );
    let clue =
        [b"path:", scene.directory.path().as_os_str().as_bytes(), b"/", name.as_bytes()].concat();
    let told = mounts(&scene.who(OsString::from_vec(clue)));
    assert_eq!(told, [("bind".to_owned(), scene.path("dst"), u64::from(holder.pid()))]);
    let last = mounts(&scene.who(format!("path:{}", scene.path("m300"))));
    assert_eq!(last, [("mount".to_owned(), scene.path("m300"), u64::from(holder.pid()))]);
}

/// The node is used by who opened it, the file by its device, and the mount is in both.
fn image() {
    let scene = Scene::new("mkdir x; truncate -s 8M img; mkfs.ext4 -q img");
    let (node, file) = (Loop::of(&scene.path("img")), scene.path("img"));
    let holder = scene.copy(&format!("mount {} x", node.0));
    let mounted = vec![("mount".to_owned(), scene.path("x"), u64::from(holder.pid()))];
    assert_eq!(mounts(&scene.who(format!("path:{file}"))), mounted);
    assert_eq!(mounts(&scene.who(format!("path:{}", node.0))), mounted);
    let user = scene.start(&[], &format!("exec 7<{}", node.0));
    let trails = scene.who(format!("path:{}", node.0));
    // Whoever probes new devices has it open for a moment, too.
    assert!(users(&trails).contains(&u64::from(user.pid())), "{trails:?}");
}

struct Loop(String);

impl Loop {
    fn of(file: &str) -> Self {
        let mut command = Command::new("losetup");
        Self(support::succeeds(command.args(["-f", "--show", file])).trim().to_owned())
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        output(Command::new("losetup").args(["-d", &self.0]));
    }
}
