//! Processes of users that call themselves what looks after containers: what they say is theirs,
//! and touches nothing of root's.

use crate::names::own_group;
use crate::support::{
    self, Held, Need, as_nobody, asleep, find, isolated, nsx, output, stderr, stdout, test,
};
use libtest_mimic::Trial;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const NEEDS: &[Need] = &[Need::Root, Need::Program("setpriv"), Need::Program("perl")];
const NOBODY: u32 = 65534;

pub fn tests() -> Vec<Trial> {
    vec![
        test("a user's monitor of LXC speaks for him and hides nothing of root's", NEEDS, lxc),
        test("a user's systemd-nspawn names nothing", NEEDS, nspawn),
        test("a machine that a user registered is his, and no process of root's", NEEDS, machine),
        test("a user's process that calls itself gVisor's is none", NEEDS, gvisor),
        test("a user's flatpak names what his own bwrap started, and nothing else", NEEDS, flatpak),
        test("an orphan of root's that a user's process adopts is not his", NEEDS, adopted),
    ]
}

/// Takes the name and the arguments it is given, and starts a child in namespaces of its own. With
/// `adopt` that child is an orphan of root's, and only then does it become nobody.
const PRETEND: &str = r#"
    use POSIX ();
    my ($unshare, $prctl, $adopt, $comm, $title) = @ARGV;
    $title =~ s/ \| /\0/g;
    my $isolate = sub {
        my $flags = 0x00020000 | 0x40000000 | ($adopt ? 0 : 0x10000000);
        syscall($unshare + 0, $flags) == 0 or die "unshare: $!";
        $| = 1; print "ready $$\n";
        exec "sleep", "1000";
    };
    if ($adopt) {
        syscall($prctl + 0, 36, 1, 0, 0, 0) == 0 or die "prctl: $!";
        if (!(my $middle = fork)) {
            $isolate->() if !fork;
            exit 0;
        } else { waitpid $middle, 0 }
        POSIX::setgid(65534); POSIX::setuid(65534);
    }
    $0 = $title;
    syscall($prctl + 0, 15, $comm, 0, 0, 0) == 0 or die "prctl: $!";
    if (!$adopt && !fork) { $isolate->() }
    sleep 1000;
"#;

struct Pretender {
    held: Held,
    child: u32,
}

impl Pretender {
    fn start(adopt: bool, comm: &str, title: &str) -> Self {
        let perl = find("perl").unwrap();
        let mut command = if adopt { std::process::Command::new(&perl) } else { as_nobody(&perl) };
        let numbers = [libc::SYS_unshare, libc::SYS_prctl];
        command.args(["-e", PRETEND]).args(numbers.map(|number| number.to_string()));
        command.args([if adopt { "1" } else { "" }, comm, title]).stdin(Stdio::null());
        let (held, line) = Held::ready(&mut command);
        let child = line.strip_prefix("ready ").and_then(|pid| pid.parse().ok()).unwrap();
        let pretender = Self { held, child };
        asleep(child);
        let has_become = || {
            let is = |field, value| {
                support::status(pretender.held.pid(), field).is_some_and(|it| it.starts_with(value))
            };
            is("Name", comm) && is("Uid", "65534")
        };
        support::until("it has taken the name", has_become);
        pretender
    }
}

impl Drop for Pretender {
    fn drop(&mut self) {
        // It outlives its parent.
        if let Some(pidfd) = support::pidfd(self.child) {
            let _ = rustix::process::pidfd_send_signal(&pidfd, rustix::process::Signal::KILL);
            assert!(support::ends_within(&pidfd, support::PATIENCE));
        }
    }
}

fn row(pid: u32) -> Value {
    let listed = support::json(&mut nsx(["ps", "--json"]));
    let rows = listed["data"].as_array().unwrap();
    rows.iter()
        .find(|row| row["pid"] == pid)
        .unwrap_or_else(|| panic!("{pid} is not there"))
        .clone()
}

fn is_nobodys(row: &Value, runtime: &str) {
    let said = (&row["runtime"], &row["name"], &row["id"], &row["opaque"]);
    let expected = (&Value::from(runtime), &Value::Null, &Value::Null, &Value::Bool(false));
    assert_eq!(said, expected, "{row}");
}

/// A group of root's that is removed with the test.
struct Group(PathBuf);

impl Drop for Group {
    fn drop(&mut self) {
        support::until("the group can be removed", || {
            std::fs::remove_dir(&self.0).is_ok() || !self.0.exists()
        });
    }
}

fn lxc() {
    let pretender = Pretender::start(false, "lxc-start", "[lxc monitor] /var/lib/lxc nsx-test-web");
    let said = row(pretender.child);
    assert_eq!((&said["runtime"], &said["name"]), (&"lxc".into(), &"nsx-test-web".into()));
    assert_eq!(said["owner_uid"], NOBODY, "{said}");
    let group = Group(own_group().join("lxc.payload.nsx-test-web"));
    std::fs::create_dir(&group.0).unwrap();
    let (_held, roots) = isolated(&["-p", "-n"]);
    std::fs::write(group.0.join("cgroup.procs"), roots.to_string()).unwrap();
    let found = output(&mut nsx(["inspect", "-q", "lxc:nsx-test-web"]));
    assert_eq!(stdout(&found).trim(), roots.to_string(), "{}", stderr(&found));
    assert_eq!(row(roots)["name"], "nsx-test-web");
}

fn nspawn() {
    let title = "systemd-nspawn | -M | nsx-test-machine";
    let pretender = Pretender::start(false, "systemd-nspawn", title);
    is_nobodys(&row(pretender.child), "unknown");
    let entered = output(&mut nsx(["enter", "-t", "nsx-test-machine", "-n", "echo", "RAN"]));
    assert_eq!((entered.status.code(), stdout(&entered).as_str()), (Some(125), ""));
}

/// What systemd-machined writes, since it lets users register.
struct Machine(PathBuf);

impl Machine {
    fn of(uid: u32, leader: u32, inode: u64) -> Self {
        let file = PathBuf::from("/run/systemd/machines/nsx-test-registered");
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        let text = format!(
            "NAME=nsx-test-registered\nUID={uid}\nSERVICE=systemd-nspawn\nLEADER={leader}\n\
             LEADER_PIDFDID={inode}\nCLASS=container\n"
        );
        std::fs::write(&file, text).unwrap();
        Self(file)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
        for above in self.0.ancestors().skip(1).take(2) {
            let _ = std::fs::remove_dir(above);
        }
    }
}

fn machine() {
    let inode = |pid| rustix::fs::fstat(support::pidfd(pid).unwrap()).unwrap().st_ino;
    let pretender = Pretender::start(false, "x", "x");
    let mut unshare = std::process::Command::new("unshare");
    let unshare = Held(unshare.args(["-n", "-m", "sleep", "1000"]).spawn().unwrap());
    let (his, roots) = (pretender.child, unshare.pid());
    asleep(roots);
    let told = |pid| {
        let row = row(pid);
        [row["runtime"].clone(), row["name"].clone(), row["owner_uid"].clone()]
    };
    let before = told(roots);
    for (uid, pid) in [(0, roots), (NOBODY, his)] {
        let _machine = Machine::of(uid, pid, inode(pid));
        let named = [Value::from("nspawn"), "nsx-test-registered".into(), uid.into()];
        assert_eq!(told(pid), named);
    }
    let _machine = Machine::of(NOBODY, roots, inode(roots));
    assert_eq!(told(roots), before, "it speaks of a process of root's");
    // Before Linux 6.9 all have one.
    if inode(roots) != inode(his) {
        let _machine = Machine::of(0, roots, inode(roots) + 1);
        assert_eq!(told(roots), before, "it speaks of one that had the number before");
    }
}

fn gvisor() {
    let title = "runsc-sandbox | --root=/tmp | boot | nsx-test-sandbox";
    let pretender = Pretender::start(false, "exe", title);
    is_nobodys(&row(pretender.child), "unknown");
}

/// A user's directory in `/run/user`, as a service manager makes it.
struct RunDirectory(PathBuf);

impl RunDirectory {
    fn instance(id: &str, child: u32) -> Self {
        let directory = PathBuf::from(format!("/run/user/{NOBODY}"));
        let flatpak = directory.join(".flatpak");
        let instance = flatpak.join(id);
        std::fs::create_dir_all(&instance).unwrap();
        let json = serde_json::json!({"child-pid": child}).to_string();
        std::fs::write(instance.join("bwrapinfo.json"), json).unwrap();
        std::fs::write(instance.join("info"), "[Application]\nname=nsx.test.Web\n").unwrap();
        let files = [&instance.join("bwrapinfo.json"), &instance.join("info")];
        for path in [&directory, &flatpak, &instance].into_iter().chain(files) {
            std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        Self(directory)
    }
}

impl Drop for RunDirectory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
        let _ = std::fs::remove_dir(Path::new("/run/user"));
    }
}

fn flatpak() {
    let bwrap = "bwrap | --unshare-all | --args | 9 | /app/bin/web";
    let pretender = Pretender::start(false, "bwrap", bwrap);
    // That of root's which nothing names is the easiest prey.
    let mut unshare = std::process::Command::new("unshare");
    let unshare = Held(unshare.args(["-n", "-m", "sleep", "1000"]).spawn().unwrap());
    let roots = unshare.pid();
    asleep(roots);
    let said = |row: Value| [row["runtime"].clone(), row["owner_uid"].clone(), row["name"].clone()];
    let before = said(row(roots));
    {
        let _run = RunDirectory::instance("4242", pretender.child);
        let his = row(pretender.child);
        assert_eq!((&his["runtime"], &his["name"]), (&"flatpak".into(), &"nsx.test.Web".into()));
        assert_eq!((&his["id"], &his["owner_uid"]), (&"4242".into(), &NOBODY.into()), "{his}");
    }
    {
        let _run = RunDirectory::instance("4242", roots);
        assert_eq!(said(row(roots)), before, "it speaks of a process of root's");
        is_nobodys(&row(pretender.child), "bubblewrap");
    }
    // The id of an engine's container, so that it would be that.
    let _run = RunDirectory::instance(&"5c".repeat(32), pretender.child);
    is_nobodys(&row(pretender.child), "bubblewrap");
}

fn adopted() {
    for (comm, title) in [
        ("lxc-start", "[lxc monitor] /var/lib/lxc nsx-test-web"),
        ("bwrap", "bwrap | --unshare-all | web"),
        ("nsx", "nsx | spawn | -p | web"),
    ] {
        let pretender = Pretender::start(true, comm, title);
        let said = row(pretender.child);
        is_nobodys(&said, "unknown");
        assert_eq!(said["owner_uid"], Value::Null, "{comm}: {said}");
    }
}
