//! Mounts of every kind: nsx against findmnt, df and the host's own view, and a mount namespace with
//! a process in it against the same one without.

use crate::checks::Truth;
use crate::compare::{assert_mounts, findmnt};
use crate::docker::Docker;
use crate::support::{self, Held, Need, json, kernel, nsx, stdout, succeeds, test};
use libtest_mimic::Trial;
use nsx::model::text::unescape;
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, StatxFlags, openat2, statx};
use serde_json::Value;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::process::{Command, Stdio};

const NEEDS: &[Need] = &[
    Need::Root,
    Need::Program("unshare"),
    Need::Program("nsenter"),
    Need::Program("findmnt"),
    Need::Program("stat"),
];
const IDMAPPED_TMPFS: &[Need] = &[
    Need::Root,
    Need::Program("unshare"),
    Need::Program("perl"),
    Need::Machine("a kernel that maps ids of a tmpfs (Linux 6.3)", || kernel::since(6, 3)),
    VACANT,
];
/// statmount(2) takes the number of a namespace.
const VACANT: Need = Need::Machine(
    "a kernel that lists mounts of a namespace without a process (Linux 6.11)",
    || kernel::since(6, 11),
);
const WITHOUT_PROCESS: &[Need] = &[Need::Root, Need::Program("unshare"), VACANT];
const STRACE: &[Need] = &[Need::Root, Need::Program("unshare"), Need::Program("strace")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("findmnt: mounts of every kind, field by field", NEEDS, same_as_findmnt),
        test("mounts: what another one hides cannot be reached", NEEDS, hidden),
        test("mounts: a namespace without a process has the same", WITHOUT_PROCESS, vacant),
        test(
            "mounts: one that maps ids says so, with a process or without",
            IDMAPPED_TMPFS,
            idmapped,
        ),
        test("mounts: the layers of an overlay by their names", NEEDS, layers),
        test("mounts: a bind leads to the path on the host", NEEDS, host_paths),
        test("stat: how full file systems are", NEEDS, usage),
        test("mounts: nothing below a mount is looked at unasked", STRACE, unasked),
    ]
}

/// Within a mount namespace of its own. What a name or an option may have, a mount of it has.
const SCENE: &str = r#"set -e
mount -t tmpfs -o nosuid,nodev,size=1m 'nsx odd' /mnt
cd /mnt
mkdir 'sp ace' 'back\slash' '#hash' 'a,b=c' shared slave both unbindable covered work upper merged ro
mkdir 'low:1' 'low,2' 'low\3' gone kept stacked stacked/below recursive
newline="$(printf 'tab\tnew\nline')"; mkdir "$newline"
for place in 'sp ace' 'back\slash' '#hash' 'a,b=c' "$newline" shared unbindable; do
    mount --bind "$place" "$place"
done
mount -o remount,bind,ro,noexec,noatime 'sp ace'
mount -o remount,bind,nosuid,nodev,noexec,nodiratime 'a,b=c'
mount --make-shared shared
mount --bind shared slave
mount --make-slave slave
mount --bind shared both
mount --make-slave both
mount --make-shared both
mount --make-unbindable unbindable
mount --bind gone kept
rmdir gone
mount -t overlay -o 'lowerdir=low\:1:low\,2:low\\3,upperdir=upper,workdir=work' nsx-layers merged
mount -t overlay -o 'lowerdir=/mnt/low\:1:/mnt/low\,2' nsx-layers ro
mount -t tmpfs -o mode=700,strictatime,lazytime,size=64k none covered
mount -t tmpfs -o sync,dirsync,ro nsx-upper covered
mount -t tmpfs nsx-below stacked/below
mount -t tmpfs nsx-above stacked
mount -t ramfs '' recursive
mkdir recursive/proc
mount -t proc -o nosuid proc recursive/proc
touch file
mount --bind /proc/self/ns/uts file
dd if=/dev/zero of='sp ace/../filled' bs=4096 count=16 2>/dev/null
"#;

/// Names that JSON of findmnt cannot have.
const NOT_TEXT: &str = r#"
raw="$(printf '/mnt/raw\377\033[1m')"; mkdir "$raw"; mount --bind "$raw" "$raw"
"#;

/// open_tree(2), mount_setattr(2) and move_mount(2), which have the same numbers everywhere.
const IDMAPPED: &str = r#"
mount -t tmpfs nsx-mapped /mnt; mkdir /mnt/place
perl -e '
    my $pid = fork // die; exec "unshare", "-U", "--map-root-user", "sleep", "1000" if !$pid;
    my ($ours, $theirs, $map) = (readlink("/proc/self/ns/user"), ("") x 2);
    while ($theirs eq "" || $theirs eq $ours || $map !~ /0/) {
        $theirs = readlink "/proc/$pid/ns/user";
        open my $file, "<", "/proc/$pid/uid_map" or die;
        $map = <$file> // "";
    }
    open my $users, "<", "/proc/$pid/ns/user" or die;
    kill "KILL", $pid; waitpid $pid, 0;
    my ($place, $empty, $attributes) = ("/mnt/place", "", pack "Q4", 0x100000, 0, 0, fileno $users);
    my $tree = syscall 428, -100, $place, 0x80001;
    $tree >= 0 or die "open_tree: $!";
    syscall(442, $tree, $empty, 0x1000, $attributes, 32) == 0 or die "mount_setattr: $!";
    syscall(429, $tree, $empty, -100, $place, 4) == 0 or die "move_mount: $!";
'
"#;

/// A process in a mount namespace of its own, after a script.
fn scene(script: &str) -> (Held, u32) {
    let mut command = Command::new("unshare");
    command.args([
        "--mount",
        "--uts",
        "sh",
        "-c",
        &format!("{script}\necho ready; exec sleep 1000"),
    ]);
    let (held, line) = Held::ready(command.stdin(Stdio::null()));
    assert_eq!(line, "ready");
    let pid = held.pid();
    (held, pid)
}

/// The mounts that nsx tells of.
fn mounts(arguments: &[&str]) -> Vec<Value> {
    let mut report =
        json(&mut nsx([&["inspect", "--json", "--only", "mounts"], arguments].concat()));
    assert_eq!(report["gaps"].as_array().map_or(0, Vec::len), 0, "{}", report["gaps"]);
    serde_json::from_value(report["data"]["mounts"].take()).expect("a list")
}

/// The topmost one at a place.
fn at<'a>(mounts: &'a [Value], target: &str) -> &'a Value {
    mounts.iter().rfind(|mount| mount["target"] == target).expect(target)
}

fn same_as_findmnt() {
    let (_held, pid) = scene(SCENE);
    let listed = findmnt(Command::new("findmnt"), pid);
    let is_there = |target: &str| listed.iter().any(|mount| mount["target"] == target);
    assert!(is_there("/mnt/sp ace") && is_there("/mnt/tab\tnew\nline"), "{listed:?}");
    let mut told = mounts(&[&pid.to_string()]);
    // JSON of nsx keeps bytes recoverable: what is no plain text is spelled.
    for mount in &mut told {
        for field in ["target", "root", "fs_options"] {
            let spelled = mount[field].as_str().expect("text").to_owned();
            let bytes = unescape(&spelled).expect("a spelling");
            mount[field] = String::from_utf8(bytes).expect("UTF-8").into();
        }
    }
    assert_mounts(&Value::from(told), &listed);
}

/// A walk along the path of each comes to the mount itself, or to what hides it.
fn hidden() {
    let (_held, pid) = scene(&format!("{SCENE}{NOT_TEXT}"));
    let root = File::open(format!("/proc/{pid}/root")).unwrap();
    let told = mounts(&[&pid.to_string()]);
    for mount in &told {
        let path = unescape(mount["target"].as_str().unwrap()).unwrap();
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let reached = openat2(&root, path, flags, Mode::empty(), resolve).ok().map(|place| {
            let stat = statx(&place, "", AtFlags::EMPTY_PATH, StatxFlags::MNT_ID).unwrap();
            stat.stx_mnt_id
        });
        assert_eq!(mount["overmounted"], reached != mount["id"].as_u64(), "{mount}");
    }
    let hidden = told.iter().filter(|mount| mount["overmounted"] == true);
    let hidden: Vec<&str> = hidden.filter_map(|mount| mount["source"].as_str()).collect();
    assert!(hidden.contains(&"none") && hidden.contains(&"nsx-below"), "{hidden:?}");
}

/// listmount and statmount give what mountinfo gives, in the same order and to the last field.
fn vacant() {
    // A file system without a source, which statmount does not tell from an empty one.
    let script = format!("{}{NOT_TEXT}", SCENE.replace("ramfs ''", "ramfs none"));
    let (held, pid) = scene(&script);
    let namespace = File::open(format!("/proc/{pid}/ns/mnt")).unwrap();
    let inode = namespace.metadata().unwrap().ino();
    let with_process = mounts(&[&pid.to_string()]);
    assert_eq!(mounts(&[&format!("ns:{inode}")]), with_process, "by its process");
    drop(held);
    let targets = [
        format!("ns:{inode}"),
        format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd()),
    ];
    for target in &targets {
        let without = mounts(&[target]);
        for (without, with) in without.iter().zip(&with_process) {
            assert_eq!(without, with);
        }
        assert_eq!(without.len(), with_process.len());
    }
    assert!(with_process.iter().any(|mount| mount["target"] == "/mnt/raw\\xff\\x1b[1m"));
    let report = json(&mut nsx(["inspect", "--json", &targets[0]]));
    let data = &report["data"];
    assert_eq!(
        (&data["pid"], &data["uts"], &data["cgroup"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    assert_eq!(
        (&data["namespaces"][0]["kind"], &data["namespaces"][0]["inode"]),
        (&"mnt".into(), &inode.into())
    );
    let screen = succeeds(&mut nsx(["inspect", "-o", "wide", &targets[0]]));
    assert!(
        screen.starts_with(&format!("mnt:[{inode}]")) && screen.contains("/mnt/sp ace"),
        "{screen}"
    );
    assert_eq!(succeeds(&mut nsx(["inspect", "-q", &targets[0]])), format!("ns:{inode}\n"));
}

fn idmapped() {
    let (held, pid) = scene(IDMAPPED);
    let namespace = File::open(format!("/proc/{pid}/ns/mnt")).unwrap();
    let with_process = mounts(&[&pid.to_string()]);
    assert_eq!(at(&with_process, "/mnt/place")["idmapped"], true);
    assert_eq!(at(&with_process, "/mnt")["idmapped"], false);
    let screen = succeeds(&mut nsx(["inspect", "--only", "mounts", &pid.to_string()]));
    assert_eq!(screen.matches("idmapped").count(), 1, "{screen}");
    drop(held);
    assert_eq!(mounts(&[&format!("ns:{}", namespace.metadata().unwrap().ino())]), with_process);
}

fn layers() {
    let (_held, pid) = scene(SCENE);
    let told = mounts(&[&pid.to_string()]);
    let overlay = &at(&told, "/mnt/merged")["overlay"];
    assert_eq!(overlay["lower"], serde_json::json!(["low:1", "low,2", "low\\\\3"]));
    assert_eq!((&overlay["upper"], &overlay["work"]), (&"upper".into(), &"work".into()));
    assert_eq!(overlay["layer_of"], Value::Null);
    let fixed = at(&told, "/mnt/ro");
    assert_eq!(fixed["overlay"]["lower"], serde_json::json!(["/mnt/low:1", "/mnt/low,2"]));
    assert_eq!((&fixed["overlay"]["upper"], &fixed["read_only"]), (&Value::Null, &true.into()));
    assert_eq!(at(&told, "/mnt/shared")["overlay"], Value::Null);
}

/// The directory of a bind is on the host: the same file, by device and inode.
fn host_paths() {
    let home = tempfile::tempdir_in("/var/tmp").unwrap();
    let shared = home.path().join("sha red");
    std::fs::create_dir(&shared).unwrap();
    std::fs::write(shared.join("inside"), "").unwrap();
    let script = format!(
        "mount -t tmpfs nsx-own /mnt && mkdir /mnt/part /mnt/own && touch /mnt/file
        mount --bind '{place}' /mnt/part && mount --bind '{place}/inside' /mnt/file
        mount --bind /mnt/own /mnt/own",
        place = shared.display()
    );
    let (_held, pid) = scene(&script);
    let told = mounts(&[&pid.to_string()]);
    let same_file = |target: &str| {
        let mount = at(&told, target);
        assert_eq!(mount["bind"], true, "{mount}");
        let path = mount["host_source"].as_str().unwrap_or_else(|| panic!("{mount}"));
        let (host, inside) = (
            std::fs::metadata(path).unwrap(),
            std::fs::metadata(format!("/proc/{pid}/root{target}")).unwrap(),
        );
        assert_eq!((host.dev(), host.ino()), (inside.dev(), inside.ino()), "{path}");
    };
    same_file("/mnt/part");
    same_file("/mnt/file");
    for target in ["/mnt", "/mnt/own"] {
        assert_eq!(at(&told, target)["host_source"], Value::Null, "the host has it nowhere");
    }
    let screen = succeeds(&mut nsx(["inspect", "--only", "mounts", &pid.to_string()]));
    assert!(screen.contains("<- /") && screen.contains("sha red/inside"), "{screen}");
}

fn usage() {
    let (_held, pid) = scene(SCENE);
    let text = pid.to_string();
    let told = mounts(&[&text, "--usage"]);
    for target in ["/mnt", "/mnt/covered", "/mnt/sp ace", "/mnt/merged", "/proc"] {
        let mut stat = Command::new("nsenter");
        stat.args(["--mount", "--target", &text, "stat", "-f", "-c", "%S %b %f %a %c %d", target]);
        let numbers = succeeds(&mut stat);
        let numbers: Vec<u64> =
            numbers.split_whitespace().map(|number| number.parse().unwrap()).collect();
        let [unit, blocks, free, available, inodes, inodes_free] = numbers[..] else { panic!() };
        let expected = serde_json::json!({
            "size_bytes": blocks * unit,
            "used_bytes": (blocks - free) * unit,
            "available_bytes": available * unit,
            "inodes": inodes,
            "inodes_used": inodes - inodes_free,
        });
        assert_eq!(at(&told, target)["usage"], expected, "{target}");
    }
    let full = at(&told, "/mnt")["usage"]["used_bytes"].as_u64().unwrap();
    assert!(full >= 64 << 10, "what was written counts: {full}");
    let covered = told.iter().find(|mount| mount["target"] == "/mnt/covered").unwrap();
    assert_eq!((&covered["overmounted"], &covered["usage"]), (&true.into(), &Value::Null));
}

/// Of all the calls that could ask a file system, none is made with a path below the process's root.
fn unasked() {
    let (_held, pid) = scene(SCENE);
    let trace = tempfile::NamedTempFile::new().unwrap();
    let look = |more: &[&str]| {
        let nsx =
            nsx([&["inspect", "--json", "--only", "mounts", &pid.to_string()], more].concat());
        let mut strace = Command::new("strace");
        strace.args(["-f", "-e", "trace=%file,fstatfs", "-o"]).arg(trace.path());
        strace.arg(nsx.get_program()).args(nsx.get_args());
        assert!(stdout(&support::output(&mut strace)).contains("nsx odd"));
        let trace = std::fs::read_to_string(trace.path()).unwrap();
        let is_below = |line: &&str| line.contains("\"root\"") || line.contains("/mnt/");
        let is_asked =
            |line: &&str| line.contains("fstatfs(") && !line.contains("PROC_SUPER_MAGIC");
        let calls = |is: &dyn Fn(&&str) -> bool| {
            trace.lines().filter(|line| !line.contains("write(")).filter(is).count()
        };
        (calls(&is_below), calls(&is_asked))
    };
    assert_eq!(look(&[]).0, 0);
    let (below, asked) = look(&["--usage"]);
    assert!(below > 0 && asked > 0, "{below} {asked}");
}

/// Layers, binds and masks of a container, as the engine itself tells of them.
pub fn origins(docker: &Docker, truth: &Truth) {
    let line = ["inspect", "--json", "--only", "mounts", &truth.name];
    let report = &json(&mut docker.machine.nsx(&line))["data"];
    let at = |target: &str| {
        let mounts = report["mounts"].as_array().expect("mounts").iter();
        mounts.clone().find(|mount| mount["target"] == target).expect(target)
    };
    let asked = |format| docker.inspect(&truth.name, format);
    let (root, overlay) = (at("/"), &at("/")["overlay"]);
    assert_eq!(overlay["upper"], asked("{{.GraphDriver.Data.UpperDir}}"));
    assert_eq!(overlay["work"], asked("{{.GraphDriver.Data.WorkDir}}"));
    let lower = asked("{{.GraphDriver.Data.LowerDir}}");
    assert_eq!(overlay["lower"].as_array().map(Vec::len), Some(lower.split(':').count()));
    let of = &overlay["layer_of"];
    assert_eq!(
        (&of["engine"], &of["own_upper"]),
        (&serde_json::json!("docker"), &serde_json::json!(true))
    );
    assert_eq!(of["container"], truth.short_id());
    assert_eq!(root["host_source"], asked("{{.GraphDriver.Data.MergedDir}}"));
    for (target, format) in [
        ("/etc/hosts", "{{.HostsPath}}"),
        ("/etc/hostname", "{{.HostnamePath}}"),
        ("/etc/resolv.conf", "{{.ResolvConfPath}}"),
    ] {
        let mount = at(target);
        assert_eq!(
            (&mount["bind"], &mount["host_source"]),
            (&serde_json::json!(true), &serde_json::json!(asked(format)))
        );
    }
    // Those of the engine's list that this kernel has at all.
    let masked = asked("{{range .HostConfig.MaskedPaths}}{{.}} {{end}}");
    let mounts = report["mounts"].as_array().expect("mounts").iter();
    let told = mounts.filter(|mount| mount["masked"] == true);
    let told: Vec<&str> = told.filter_map(|mount| mount["target"].as_str()).collect();
    assert!(!told.is_empty() && told.iter().all(|one| masked.split(' ').any(|path| path == *one)));
    let unmasked = masked.split_whitespace().filter(|path| !told.contains(path));
    for path in unmasked {
        let inside = format!("/proc/{}/root{path}", truth.pid);
        assert!(!docker.machine.path(&inside).exists(), "{path} is not told");
    }
    let screen = succeeds(&mut docker.machine.nsx(&["inspect", &truth.name]));
    assert!(screen.contains("its own upper (docker)") && screen.contains("<- "), "{screen}");
}
