//! `spawn --rootfs` and its kin: the program sees the files it is to see, and those outside stay
//! what they are.

use crate::support::rootfs::{Small, mounts, snapshot};
use crate::support::{Need, as_nobody, nsx, output, public_nsx, stderr, stdout, succeeds, test};
use libtest_mimic::Trial;
use std::collections::BTreeMap;
use std::process::Command;

const ROOT: &[Need] = &[Need::Root, Need::Program("busybox")];
const TAR: &[Need] = &[Need::Root, Need::Program("busybox"), Need::Program("tar")];
const SLOW: &[Need] =
    &[Need::Root, Need::Program("busybox"), Need::Program("unshare"), Need::Program("strace")];
const NOBODY: &[Need] = &[Need::Root, Need::Program("busybox"), Need::Program("setpriv")];
/// What makes no difference to files but needs no more than a kernel.
pub(crate) const ALONE: [&str; 5] = ["spawn", "-p", "-n", "-i", "-u"];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a directory is the root, and the host's is gone", ROOT, directory),
        test("the mounts of a root are those of a container, and no other", ROOT, table),
        test("the terminals, queues and memory of a root's /dev are its own", ROOT, devices),
        test("with --read-only nothing of the root can be written", ROOT, read_only),
        test("binds and memory are mounted in their order", ROOT, more),
        test("a place that is missing is made in memory alone", ROOT, missing_places),
        test("a root without /proc gets none made, and that is said", ROOT, bare),
        test("an archive is unpacked in memory", TAR, archive),
        test("set-id files of a root count in a user namespace alone", ROOT, set_id),
        test("--user is somebody of the root", ROOT, account),
        test("an unprivileged user has a root of his own", NOBODY, unprivileged),
        test("files of a root have the owners of the user namespace", ROOT, owners),
        test(
            "the host's own root is read-only, with what is mounted over it",
            ROOT,
            host_read_only,
        ),
        test("the host's own root is read-only for a user too", NOBODY, host_unprivileged),
        test("what does not go together is refused", ROOT, refused),
        test("an init keeps nothing of what was opened for the root", ROOT, init),
        test("while a root is made nsx hears who wants its end, and the time", SLOW, heard),
        test("no mount of a root is left, however the program ends", ROOT, nothing_left),
    ]
}

pub(crate) fn inside(root: &Small, options: &[&str], script: &str) -> Command {
    let mut command = nsx(ALONE);
    command.args(["--rootfs", &root.name()]).args(options).args(["sh", "-c", script]);
    command
}

/// The same, with nothing written to the root.
pub(crate) fn untouched(root: &Small, options: &[&str], script: &str) -> String {
    let (before, mounted) = (root.snapshot(), mounts());
    let said = succeeds(&mut inside(root, options, script));
    assert_eq!(root.snapshot(), before, "{options:?}");
    assert_eq!(mounts(), mounted, "{options:?}");
    said
}

fn directory() {
    let root = Small::new();
    let said = untouched(&root, &[], "pwd; ls /; ls /..; echo $$; ls -d /proc/[0-9]*");
    let listed = "bin\ndev\netc\nproc\nrun\nsrv\nsys\ntmp\n";
    assert_eq!(said, format!("/\n{listed}{listed}1\n/proc/1\n"));
    // It is the directory itself, and not a copy.
    succeeds(&mut inside(&root, &[], "echo written > /etc/new"));
    assert_eq!(std::fs::read_to_string(root.path("etc/new")).unwrap(), "written\n");
}

/// Where, and of which type and options.
fn mounted(table: &str) -> BTreeMap<String, (String, Vec<String>)> {
    let parsed = table.lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let dash = words.iter().position(|word| *word == "-").unwrap();
        let options = words[5].split(',').map(str::to_owned).collect();
        // Kept apart from every other.
        assert_eq!(dash, 6, "{line}");
        (words[4].to_owned(), (words[dash + 1].to_owned(), options))
    });
    parsed.collect()
}

fn table() {
    let root = Small::new();
    let said = succeeds(&mut inside(&root, &[], "cat /proc/self/mountinfo"));
    let mounts = mounted(&said);
    for (at, kind, options) in [
        ("/", "", &["rw", "nosuid", "nodev"][..]),
        ("/proc", "proc", &["rw", "nosuid", "nodev", "noexec"]),
        ("/proc/sys", "proc", &["ro"]),
        ("/proc/bus", "proc", &["ro"]),
        ("/sys", "sysfs", &["ro", "nosuid", "nodev", "noexec"]),
        ("/dev", "tmpfs", &["rw", "nosuid", "nodev"]),
        ("/dev/null", "", &["nosuid", "noexec"]),
        ("/dev/pts", "devpts", &["nosuid", "noexec"]),
        ("/dev/shm", "tmpfs", &["nosuid", "nodev"]),
        ("/dev/mqueue", "mqueue", &["nosuid", "nodev", "noexec"]),
        ("/tmp", "tmpfs", &["rw", "nosuid", "nodev"]),
        ("/run", "tmpfs", &["rw", "nosuid", "nodev"]),
    ] {
        let (is, has) = mounts.get(at).unwrap_or_else(|| panic!("nothing on {at}: {said}"));
        assert!(kind.is_empty() || is == kind, "{at} is {is}");
        for option in options {
            assert!(has.iter().any(|has| has == option), "{at} is not {option}: {said}");
        }
    }
    let known = ["/", "/proc", "/sys", "/dev", "/tmp", "/run"];
    for at in mounts.keys() {
        let below = known.iter().any(|known| at.starts_with(&format!("{known}/")));
        assert!(known.contains(&at.as_str()) || below, "{at}");
    }
    assert!(!said.contains("cgroup"), "a new network's /sys has nothing of the host's: {said}");
    let said = succeeds(&mut inside(&root, &[], "wc -c < /proc/keys; ls /sys/class/net"));
    assert_eq!(said, "0\nlo\n", "what is withheld is empty");
}

fn devices() {
    let root = Small::new();
    let script = "
        echo gone > /dev/null && head -c 3 /dev/zero | wc -c && head -c 3 /dev/urandom | wc -c
        echo full > /dev/full || echo full
        readlink /dev/fd; readlink /dev/stdin; readlink /dev/ptmx
        ls /dev/pts; ls /dev/shm; touch /dev/shm/x /dev/mqueue/q && echo made
        stat -c '%a' /dev/shm /tmp";
    let said = succeeds(&mut inside(&root, &[], script));
    let expected = "3\n3\nfull\n/proc/self/fd\n/proc/self/fd/0\npts/ptmx\nptmx\nmade\n1777\n1777\n";
    assert_eq!(said, expected);
}

/// Says of each whether it can be written to.
const WRITE: &str = r#"
    for at in / /bin /etc /dev /proc/sys /sys/kernel /srv /tmp /run /dev/shm; do
        if touch $at/x 2>/dev/null; then echo "$at"; fi
    done
    for file in /proc/sysrq-trigger /proc/sys/kernel/hostname /bin/busybox; do
        if (: >> $file) 2>/dev/null; then echo "$file"; fi
    done
    true"#;

fn read_only() {
    let root = Small::new();
    let memory = "/tmp\n/run\n/dev/shm\n";
    assert_eq!(untouched(&root, &["--read-only"], WRITE), memory);
    assert_eq!(untouched(&root, &["--read-only", "--overlay"], WRITE), memory);
    let bound = root.beside("bound");
    std::fs::create_dir(&bound).unwrap();
    let option = format!("{}:/srv", bound.display());
    let said = untouched(&root, &["--read-only", "--bind", &option], WRITE);
    assert_eq!(said, "/srv\n/tmp\n/run\n/dev/shm\n", "what is bound may be written to");
    assert!(bound.join("x").exists());
    let said = untouched(&root, &["--read-only", "--tmpfs", "/srv"], WRITE);
    assert_eq!(said, "/srv\n/tmp\n/run\n/dev/shm\n");
}

fn more() {
    let root = Small::new();
    let bound = root.beside("bo:und");
    std::fs::create_dir_all(bound.join("below")).unwrap();
    std::fs::write(bound.join("file"), "content").unwrap();
    std::os::unix::fs::symlink(&bound, root.beside("link")).unwrap();
    let name = bound.display().to_string().replace(':', "\\:");
    let options = [
        "--tmpfs=/srv:size=1M,mode=0710",
        &format!("--bind={name}:/srv/a/b"),
        &format!("--ro-bind={name}/file:/srv/file"),
        // A link of the caller's is followed.
        &format!("--ro-bind={}:/srv/link", root.beside("link").display()),
        "--tmpfs=/srv/a/b/below",
    ];
    let script = "
        stat -c %a /srv /srv/a; cat /srv/file /srv/a/b/file; echo
        for at in /srv/a/b /srv/link /srv/a/b/below; do touch $at/x && echo $at; done
        (: >> /srv/file) || echo read-only
        head -c 2000000 /dev/zero > /srv/big || echo full";
    let said = untouched(&root, &options, script);
    let expected = "710\n755\ncontentcontent\n/srv/a/b\n/srv/a/b/below\nread-only\nfull\n";
    assert_eq!(said, expected);
    assert!(bound.join("x").exists() && !bound.join("below/x").exists());
    // What is named as it is outside is there inside.
    let here = root.beside("here");
    std::fs::create_dir(&here).unwrap();
    let here = here.to_str().unwrap();
    let script = format!("ls -d {here}");
    let said = untouched(&root, &["--overlay", "--ro-bind", here], &script);
    assert_eq!(said, format!("{here}\n"));
    // One device by name, and those of a directory not.
    let script = "echo x > /srv/null && echo device; echo x > /srv/dir/null || echo none";
    let options = ["--tmpfs=/srv:mode=755", "--bind=/dev/null:/srv/null", "--bind=/dev:/srv/dir"];
    assert_eq!(untouched(&root, &options, script), "device\nnone\n");
}

fn missing_places() {
    let root = Small::new();
    for at in ["/missing", "/srv/missing", "/etc/missing/deep"] {
        for option in [format!("--bind=/usr:{at}"), format!("--tmpfs={at}")] {
            let before = root.snapshot();
            let output = output(&mut inside(&root, &[&option], "echo RAN"));
            assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""));
            let said = stderr(&output);
            assert!(said.contains(&format!("cannot mount on {at}")), "{said}");
            assert_eq!(root.snapshot(), before);
            untouched(&root, &["--overlay", &option], &format!("ls {at}"));
        }
    }
    let output = output(&mut inside(&root, &["--bind=/no/such/source:/srv"], "echo RAN"));
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""));
    assert!(stderr(&output).contains("cannot open /no/such/source: No such file"));
}

fn bare() {
    let root = Small::bare();
    let before = root.snapshot();
    let output = output(&mut inside(&root, &[], "ls /; cat /proc/self/mountinfo || echo none"));
    assert_eq!(stdout(&output), "bin\nnone\n");
    assert!(stderr(&output).contains("no directory for proc, sys, dev"), "{}", stderr(&output));
    assert_eq!(root.snapshot(), before);
    let said = untouched(&root, &["--overlay"], "ls /; ls -d /proc/1");
    assert_eq!(said, "bin\ndev\nproc\nsys\n/proc/1\n");
}

fn archive() {
    let root = Small::bare();
    std::fs::create_dir(root.path("etc")).unwrap();
    std::fs::write(root.path("etc/owned"), "x").unwrap();
    std::os::unix::fs::chown(root.path("etc/owned"), Some(33), Some(44)).unwrap();
    for compression in ["-c", "-cz"] {
        let archive = root.beside("archive");
        succeeds(Command::new("tar").arg(compression).arg("-f").arg(&archive).args([
            "-C",
            &root.name(),
            ".",
        ]));
        let before = std::fs::read(&archive).unwrap();
        let mounted = mounts();
        let script = "pwd; ls /; stat -c '%u %g' /etc/owned; touch /new /etc/x && echo made
                      ls -d /proc/1; grep -c ' / / ' /proc/self/mountinfo";
        let mut command = nsx(ALONE);
        command.arg("--rootfs").arg(&archive).args(["sh", "-c", script]);
        let said = succeeds(&mut command);
        assert_eq!(said, "/\nbin\ndev\netc\nproc\nsys\n33 44\nmade\n/proc/1\n1\n");
        let mut command = nsx(ALONE);
        let script = "touch /new || echo no";
        command.arg("--rootfs").arg(&archive).args(["--read-only", "sh", "-c", script]);
        assert_eq!(succeeds(&mut command), "no\n");
        // For numbers no file is needed; a name would have to wait for one.
        for (user, expected) in [("7:8", "7 8\n"), ("root", "")] {
            let mut command = nsx(ALONE);
            command.arg("--rootfs").arg(&archive).arg(format!("--user={user}"));
            let said = output(command.args(["sh", "-c", "echo $(id -u) $(id -g)"]));
            assert_eq!(stdout(&said), expected, "{}", stderr(&said));
        }
        assert!(std::fs::read(&archive).unwrap() == before);
        assert_eq!(mounts(), mounted);
    }
}

fn set_id() {
    let root = Small::with_set_id();
    // Busybox gives up such a privilege by itself. This one may make a namespace with it.
    crate::support::copy_program(crate::support::binary("nsx"), root.path("bin/nsx"));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o4755);
    std::fs::set_permissions(root.path("bin/nsx"), mode).unwrap();
    let script = "id -u; nsx spawn -u echo privileged 2>/dev/null || echo none";
    assert_eq!(succeeds(&mut inside(&root, &["-S", "1234"], script)), "1234\nnone\n");
    let users = ["-U", "--map-users=0:0:2000", "--map-groups=0:0:2000", "-S", "1234"];
    assert_eq!(succeeds(&mut inside(&root, &users, script)), "1234\nprivileged\n");
}

fn account() {
    let root = Small::new();
    std::fs::write(root.path("etc/passwd"), "inner:x:4321:8765::/srv:/bin/sh\n").unwrap();
    let script = "id -u; id -g; echo $HOME";
    let said = untouched(&root, &["--user=inner"], script);
    assert_eq!(said, "4321\n8765\n/srv\n");
    // Numbers count as they are; who has a line lives where it says.
    assert_eq!(untouched(&root, &["--user=4321:5"], script), "4321\n5\n/srv\n");
    assert_eq!(untouched(&root, &["--user=5:4321"], script), "5\n4321\n/root\n");
    // Nor of what was written over it before.
    let layer = root.beside("layer");
    std::fs::create_dir_all(layer.join("upper/etc")).unwrap();
    std::fs::write(layer.join("upper/etc/passwd"), "inner:x:77:78::/:/bin/sh\n").unwrap();
    let over = format!("--overlay={}", layer.display());
    assert_eq!(succeeds(&mut inside(&root, &[&over, "--user=inner"], "id -u; id -g")), "77\n78\n");
    // One of the host's is nobody there.
    let other = output(&mut inside(&root, &["--user=daemon"], "echo RAN"));
    assert_eq!((other.status.code(), stdout(&other).as_str()), (Some(125), ""));
    let archive = root.beside("archive");
    std::fs::write(&archive, "").unwrap();
    let mut command = nsx(["spawn", "-p", "--user=inner", "--rootfs"]);
    let refused = output(command.arg(&archive).arg("true"));
    assert!(stderr(&refused).contains("who is who in an archive"), "{}", stderr(&refused));
}

fn unprivileged() {
    let (_directory, nsx) = public_nsx();
    let root = Small::new();
    std::fs::create_dir(root.path("srv/own")).unwrap();
    std::os::unix::fs::chown(root.path("srv/own"), Some(65534), Some(65534)).unwrap();
    let run = |options: &[&str], script: &str| {
        let mut command = as_nobody(&nsx);
        command.current_dir("/").args(["spawn", "--new-all", "--map-root"]).args(options);
        command.args(["sh", "-c", script]);
        succeeds(&mut command)
    };
    let name = root.name();
    let mounted = mounts();
    let script = "id -u; ls /; touch /x || echo no; touch /tmp/x /run/x /dev/shm/x /srv/own/x
                  echo x > /dev/null && ls /dev/pts /sys/class/net; ls -d /proc/[0-9]* | head -n 1";
    let said = run(&["--rootfs", &name], script);
    let listed = "bin\ndev\netc\nproc\nrun\nsrv\nsys\ntmp\n";
    assert_eq!(said, format!("0\n{listed}no\n/dev/pts:\nptmx\n\n/sys/class/net:\nlo\n/proc/1\n"));
    assert!(root.path("srv/own/x").exists());

    // What is above a file that is written goes to the layer too, with its owner.
    succeeds(Command::new("chown").args(["-Rh", "65534:65534", &name]));
    let before = root.snapshot();
    let script = "touch /srv/own/y; rm /srv/own/x; ls /srv/own; mkdir /srv/own/d; ls /srv/own";
    assert_eq!(run(&["--rootfs", &name, "--overlay"], script), "y\nd\ny\n");
    let layer = root.beside("layer");
    std::fs::create_dir(&layer).unwrap();
    std::os::unix::fs::chown(&layer, Some(65534), Some(65534)).unwrap();
    let option = format!("--overlay={}", layer.display());
    assert_eq!(run(&["--rootfs", &name, &option], "touch /srv/own/y"), "");
    assert_eq!(run(&["--rootfs", &name, &option], "ls /srv/own"), "x\ny\n");
    let bind = format!("--bind={name}/srv/own:/mnt/a");
    let options = ["--rootfs", &name, "--overlay", "--tmpfs=/mnt", &bind, "--ro-bind=/etc:/mnt/b"];
    let script = "ls /mnt/a; touch /mnt/b/x || echo no";
    assert_eq!(run(&options, script), "x\nno\n");
    assert_eq!(root.snapshot(), before);

    let archive = root.beside("archive");
    succeeds(Command::new("tar").arg("-czf").arg(&archive).args(["-C", &name, "."]));
    let archive = archive.to_str().unwrap();
    let script = "id -u; touch /etc/x /srv/own/x && ls -ld /etc | head -c 10";
    assert_eq!(run(&["--rootfs", archive], script), "0\ndrwxr-xr-x");
    // Without a pid or a network namespace it is the host's own of both.
    let mut command = as_nobody(&nsx);
    command.current_dir("/").args(["spawn", "-U", "--rootfs", &name]);
    let said = succeeds(command.args(["sh", "-c", "ls -d /proc/1 /sys/class"]));
    assert_eq!(said, "/proc/1\n/sys/class\n");
    assert_eq!(mounts(), mounted);
}

fn owners() {
    let root = Small::new();
    let maps = ["-U", "--map-users=0:100000:1000", "--map-groups=0:100000:1000"];
    let script = "stat -c '%u %g' / /etc /bin/busybox; touch /etc/new && stat -c '%u %g' /etc/new";
    let overlaid = [&maps[..], &["--overlay"]].concat();
    assert_eq!(untouched(&root, &overlaid, script), "0 0\n0 0\n0 0\n0 0\n");
    let said = succeeds(&mut inside(&root, &maps, script));
    assert_eq!(said, "0 0\n0 0\n0 0\n0 0\n");
    let made =
        std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(root.path("etc/new")).unwrap());
    assert_eq!(made, 0, "on the disk it is as it is inside");
    // A layer that is nobody's inside is not read-only without a word.
    let layer = root.beside("layer");
    std::fs::create_dir(&layer).unwrap();
    let option = format!("--overlay={}", layer.display());
    let layered = [&maps[..], &[&option]].concat();
    let refused = output(&mut inside(&root, &layered, "echo RAN"));
    assert_eq!((refused.status.code(), stdout(&refused).as_str()), (Some(125), ""));
    let said = stderr(&refused);
    assert!(
        said.contains("Read-only file system") && said.contains("`upper` and `work`"),
        "{said}"
    );
    // Who is nobody inside can make no files there.
    let others = ["-U", "--map-users=10:100000:1000", "--map-groups=10:100000:1000"];
    for map in [&others[..], &["-U", "--map-user=1000"]] {
        for files in [&[][..], &["--overlay"], &[&option]] {
            let refused = output(&mut inside(&root, &[map, files].concat(), "echo RAN"));
            assert_eq!((refused.status.code(), stdout(&refused).as_str()), (Some(125), ""));
            let said = stderr(&refused);
            assert!(said.contains("hint: ") && said.contains(" mapped to 0 "), "{map:?}: {said}");
        }
    }
    succeeds(Command::new("chown").args(["-R", "100000:100000"]).arg(&layer));
    assert_eq!(untouched(&root, &layered, "echo x > /etc/x; cat /etc/x"), "x\n");
    // Files that belong to somebody inside are his.
    succeeds(Command::new("chown").args(["-R", "100007:100008"]).arg(root.root()));
    let said = succeeds(&mut inside(&root, &maps, "stat -c '%u %g' / /etc"));
    assert_eq!(said, "7 8\n7 8\n");
}

fn host_read_only() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().to_str().unwrap();
    std::fs::write(directory.path().join("file"), "outside").unwrap();
    let (before, mounted) = (snapshot(directory.path()), mounts());
    let run = |options: &[&str], script: &str| {
        let mut command = nsx(ALONE);
        command.current_dir(place).arg("--read-only").args(options).args(["sh", "-c", script]);
        succeeds(&mut command)
    };
    let script = "pwd; cat file; echo; touch x /usr/x /etc/x /dev/x 2>/dev/null || echo no
                  echo x > /dev/null; echo $$; (: > /proc/sys/kernel/hostname) 2>/dev/null || echo no
                  awk '$6 !~ /^ro/ {print $5}' /proc/self/mountinfo";
    let said = run(&[], script);
    assert_eq!(said, format!("{place}\noutside\nno\n1\nno\n/proc\n"));
    // The program is where it was, and sees what is mounted over it.
    let said = run(&["--tmpfs", place], "pwd; ls; touch x && ls");
    assert_eq!(said, format!("{place}\nx\n"));
    let said = run(&[&format!("--bind={place}:{place}"), "--tmpfs=/mnt"], "cat file; ls /mnt");
    assert_eq!(said, "outside");
    assert_eq!((snapshot(directory.path()), mounts()), (before, mounted));
    let script = "touch x && ls";
    assert_eq!(run(&[&format!("--bind={place}")], script), "file\nx\n");
    assert!(directory.path().join("x").exists());
}

fn host_unprivileged() {
    let (directory, nsx) = public_nsx();
    let place = directory.path().to_str().unwrap();
    let mut command = as_nobody(&nsx);
    let script = format!(
        "id -u; touch /tmp/x || echo no; ls {place}; ls -d /proc/1; ls /srv/bound; touch /srv/y"
    );
    // The source of the bind is what it is outside, though memory is mounted over it before.
    let bind = format!("--bind={place}:/srv/bound");
    let options = ["--read-only", &format!("--tmpfs={place}"), "--tmpfs=/srv", &bind];
    command.current_dir("/").args(["spawn", "--new-all"]).args(options);
    let output = output(command.args(["sh", "-c", &script]));
    assert_eq!(stdout(&output), "0\nno\n/proc/1\nnsx\n", "{}", stderr(&output));
    let mut command = as_nobody(&nsx);
    command.current_dir("/").args(["spawn", "--new-all", "--overlay", "echo", "RAN"]);
    let output = crate::support::output(&mut command);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""));
    assert!(stderr(&output).contains("only root can have --overlay over the host's own root"));
}

fn refused() {
    let root = Small::new();
    for (options, why) in [
        (&["--root", "/"][..], "--root is chroot(2)"),
        (&["--propagation", "shared"], "must be private"),
        (&["--bind", "/etc:etc"], "no path inside the root"),
        (&["--tmpfs", "/a/../b"], "no path inside the root"),
        (&["--tmpfs", "/"], "no path inside the root"),
        (&["--rootfs", "/dev/null"], "neither a directory nor an archive"),
        (&["--rootfs", "/no/such"], "cannot open /no/such"),
        (&["--rootfs", "/etc/passwd"], "cannot unpack /etc/passwd"),
        (&["--overlay=/etc/passwd"], "cannot write to /etc/passwd: Not a directory"),
    ] {
        let output = output(&mut inside(&root, options, "echo RAN"));
        let said = stderr(&output);
        assert_eq!(
            (output.status.code(), stdout(&output).as_str()),
            (Some(125), ""),
            "{options:?}"
        );
        assert!(said.contains(why), "{options:?}: {said}");
    }
}

fn init() {
    let root = Small::new();
    let option = format!("--bind={}:/srv", root.name());
    let said =
        untouched(&root, &["--init", "--overlay", &option], "ls -l /proc/1/fd /proc/self/fd");
    for line in said.lines().filter(|line| line.contains("->")) {
        let target = line.rsplit("-> ").next().unwrap();
        let plain = ["/dev/null", "pipe:", "anon_inode:", "socket:", "/proc/"];
        assert!(plain.iter().any(|plain| target.starts_with(plain)), "{said}");
    }
}

fn heard() {
    let root = Small::new();
    let file = root.beside("net");
    std::fs::write(&file, "").unwrap();
    // A root that takes three seconds. What is kept stays in a mount namespace of the test's.
    let script = r#"
        nsx=$1 file=$2 root=$3; shift 3
        born() {
            for child in $(cat /proc/$1/task/$1/children); do
                net=$(readlink /proc/$child/ns/net) || continue
                [ "$net" = "$(readlink /proc/self/ns/net)" ] || return 0
            done
            return 1
        }
        strace -D -f -qq -o /dev/null -e trace=pivot_root -e inject=pivot_root:delay_enter=3000000 \
            "$nsx" spawn --newnet="$file" --rootfs "$root" "$@" 2>/dev/null &
        if [ "$1" = true ]; then
            until born $!; do :; done
            kill -TERM $!
        fi
        wait $!
        echo "code $?, $(grep -c "$file" /proc/self/mountinfo) kept"
    "#;
    for (program, code) in [(&["true"][..], 143), (&["--timeout", "1ms", "true"], 124)] {
        let mut command = Command::new("unshare");
        command.args(["-m", "sh", "-c", script, "sh"]).arg(crate::support::binary("nsx"));
        let said = succeeds(command.arg(&file).arg(root.root()).args(program));
        assert_eq!(said, format!("code {code}, 0 kept\n"), "{program:?}");
    }
}

fn nothing_left() {
    let root = Small::new();
    let before = (root.snapshot(), mounts());
    let kept = format!("--overlay={}", root.beside("missing").display());
    for (options, script) in [
        (&["--overlay"][..], "exit 3"),
        (&["--overlay", "--init"], "kill -9 $$"),
        (&["--overlay", "--tmpfs=/bin/sh"], "true"),
        (&["--overlay", "--bind=/etc/passwd:/srv"], "true"),
        (&[&kept], "true"),
    ] {
        let output = output(&mut inside(&root, options, script));
        assert!(!output.status.success(), "{options:?}");
        assert_eq!((root.snapshot(), mounts()), before, "{options:?}");
    }
    let mut command = inside(&root, &["--overlay"], "echo ready; exec sleep 1000");
    let (held, line) = crate::support::Held::ready(&mut command);
    assert_eq!(line, "ready");
    drop(held);
    assert_eq!((root.snapshot(), mounts()), before, "nsx was killed");
}
