//! `spawn --overlay`: what is written goes to a layer, which nobody else sees or writes to.

use crate::rootfs::{ALONE, inside, untouched};
use crate::support::rootfs::{Small, mounts, snapshot};
use crate::support::{Held, Need, kernel, nsx, output, public_nsx, stderr, stdout, succeeds, test};
use libtest_mimic::Trial;
use std::process::Command;

const ROOT: &[Need] = &[Need::Root, Need::Program("busybox")];
const APART: &[Need] = &[Need::Root, Need::Program("busybox"), Need::Program("unshare")];

const NOBODY: &[Need] = &[Need::Root, Need::Program("busybox"), Need::Program("setpriv")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("with --overlay what is written stays out of the root", ROOT, overlay),
        test("with --overlay=DIR it is there again the next time", ROOT, kept_overlay),
        test("with --overlay what is mounted below the root is read-only", APART, mounts_below),
        test("neither the layer nor what is below it is mounted on the root", ROOT, bare_layers),
        test("one --overlay=DIR is not written to by two at once", ROOT, claimed_overlay),
        test("a layer that was given to who is mapped is claimed all the same", NOBODY, given_away),
        test("of --overlay=DIR nothing goes on writing when the program has ended", ROOT, ended),
        test("--user is nobody who was deleted in the layer", ROOT, deleted_account),
        test("the host's own root is overlaid for root", ROOT, host_overlay),
    ]
}

fn overlay() {
    let root = Small::new();
    std::fs::write(root.path("etc/old"), "old").unwrap();
    let script = "
        echo new > /etc/old; touch /new /bin/new; mkdir /made; rm /bin/wc; rm -r /srv
        cat /etc/old; ls -d /new /made /bin/new /bin/wc /srv 2>/dev/null; true";
    let said = untouched(&root, &["--overlay"], script);
    assert_eq!(said, "new\n/bin/new\n/made\n/new\n");
    // A second one begins anew.
    assert_eq!(untouched(&root, &["--overlay"], "cat /etc/old; ls /new || echo none"), "oldnone\n");
    let mode = succeeds(&mut inside(&root, &["--overlay"], "stat -c '%a %u' /"));
    assert_eq!(mode, "755 0\n");
}

fn kept_overlay() {
    let root = Small::new();
    // No comma and no colon of a name is taken for the kernel's.
    let kept = root.beside("ke:p,t upperdir=x");
    std::fs::create_dir(&kept).unwrap();
    let option = format!("--overlay={}", kept.display());
    assert_eq!(untouched(&root, &[&option], "echo kept > /etc/new; rm /bin/wc"), "");
    let script = "cat /etc/new; ls /bin/wc || echo none";
    assert_eq!(untouched(&root, &[&option], script), "kept\nnone\n");
    assert_eq!(std::fs::read_to_string(kept.join("upper/etc/new")).unwrap(), "kept\n");
    // What is kept stays too where nothing may be written.
    let before = snapshot(&kept.join("upper"));
    let said = untouched(&root, &[&option, "--read-only"], "cat /etc/new; touch /x || echo no");
    assert_eq!(said, "kept\nno\n");
    assert_eq!(snapshot(&kept.join("upper")), before);
    let missing = format!("--overlay={}", root.beside("missing").display());
    let output = output(&mut inside(&root, &[&missing], "echo RAN"));
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""));
    assert!(stderr(&output).contains("missing"), "{}", stderr(&output));
}

fn mounts_below() {
    let root = Small::new();
    // In a mount namespace of its own: the second over the first, the third below it.
    let apart = "mount -t tmpfs nsx-test srv; mkdir srv/hidden
                 mount -t tmpfs nsx-test srv; mkdir srv/below
                 mount -t tmpfs nsx-test srv/below; echo below > srv/below/file
                 exec \"$@\"";
    let script = "ls /srv; cat /srv/below/file; stat -c %u /srv/below/file
                  for at in /srv /srv/below /etc; do touch $at/x 2>/dev/null && echo $at; done";
    let maps = ["-U", "--map-users=0:100000:1000", "--map-groups=0:100000:1000"];
    for users in [&[][..], &maps] {
        // The owners of what is in memory can be mapped since Linux 6.3.
        if !users.is_empty() && !kernel::since(6, 3) {
            continue;
        }
        let spawn = inside(&root, &[&["--overlay"], users].concat(), script);
        let mut command = Command::new("unshare");
        command.current_dir(root.root()).args(["--mount", "sh", "-ec", apart, "sh"]);
        let said = succeeds(command.arg(spawn.get_program()).args(spawn.get_args()));
        assert_eq!(said, "below\nbelow\n0\n/etc\n", "{users:?}");
        assert!(!root.path("etc/x").exists());
    }
}

/// Who enters the mount namespace is on top of whatever is mounted on its root.
fn bare_layers() {
    let root = Small::with_set_id();
    let kept = root.beside("kept");
    std::fs::create_dir_all(kept.join("upper/bin")).unwrap();
    crate::support::copy_program(crate::support::binary("nsx"), kept.join("upper/bin/nsx"));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o4755);
    std::fs::set_permissions(kept.join("upper/bin/nsx"), mode).unwrap();
    let listed = "bin\ndev\netc\nproc\nrun\nsrv\nsys\ntmp\n";
    let script = "ls /; ls /..; grep -c '^[0-9]* [0-9]* [0-9:]* [^ ]* / ' /proc/self/mountinfo";
    for option in ["--overlay", &format!("--overlay={}", kept.display())] {
        assert_eq!(untouched(&root, &[option], script), format!("{listed}{listed}1\n"), "{option}");
        let program = ["spawn", "-n", "--rootfs", &root.name(), option, "sh", "-c"];
        let script = "echo $$; exec sleep 1000";
        let (held, pid) = Held::ready(nsx(program).arg(script));
        for up in ["/", "/.."] {
            let mut command = nsx(["enter", "-t", &pid, "-m", "ls", up]);
            assert_eq!(succeeds(&mut command), listed, "{option}");
        }
        drop(held);
    }
    let option = format!("--overlay={}", kept.display());
    for file in ["/bin/nsx", "/../bin/nsx", "/../upper/bin/nsx"] {
        let script = format!("{file} spawn -u echo privileged 2>/dev/null || echo none");
        assert_eq!(untouched(&root, &["-S", "1234", &option], &script), "none\n", "{file}");
    }
}

fn claimed_overlay() {
    let root = Small::new();
    let kept = root.beside("kept");
    std::fs::create_dir(&kept).unwrap();
    let option = format!("--overlay={}", kept.display());
    for init in [&[][..], &["--init"]] {
        let options = [&[option.as_str()], init].concat();
        let script = "echo $(ls -l /proc/1/fd /proc/$$/fd | grep -c /work); exec sleep 1000";
        let (held, line) = Held::ready(&mut inside(&root, &options, script));
        assert_eq!(line, "0", "what claims it is nothing to those inside");
        let second = output(&mut inside(&root, &options, "echo RAN"));
        assert_eq!((second.status.code(), stdout(&second).as_str()), (Some(125), ""));
        let said = stderr(&second);
        assert!(said.contains(&format!("{} is in use", kept.display())), "{said}");
        assert!(said.contains("hint: name another directory"), "{said}");
        drop(held);
        assert_eq!(succeeds(&mut inside(&root, &options, "echo RAN")), "RAN\n");
    }
}

fn given_away() {
    let (_directory, nsx) = public_nsx();
    let root = Small::new();
    let kept = root.beside("kept");
    for name in ["upper", "work"] {
        std::fs::create_dir_all(kept.join(name)).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(kept.join(name), mode).unwrap();
    }
    std::os::unix::fs::chown(&kept, Some(65534), Some(65534)).unwrap();
    succeeds(Command::new("chown").arg("100000:100000").args(["upper", "work"]).current_dir(&kept));
    let run = |script: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
        // What newuidmap(1) does for him.
        command.args(["--inh-caps", "+setuid,+setgid", "--ambient-caps", "+setuid,+setgid"]);
        command.arg(&nsx).current_dir("/").args(["spawn", "-p", "--rootfs", &root.name()]);
        command.args(["-U", "--map-users=0:100000:10", "--map-groups=0:100000:10"]);
        command.arg(format!("--overlay={}", kept.display())).args(["sh", "-c", script]);
        command
    };
    let (held, line) = Held::ready(&mut run("touch /new && echo ready; exec sleep 1000"));
    assert_eq!(line, "ready");
    let second = output(&mut run("echo RAN"));
    assert_eq!((second.status.code(), stdout(&second).as_str()), (Some(125), ""));
    assert!(stderr(&second).contains(" is in use by "), "{}", stderr(&second));
    drop(held);
    assert_eq!(succeeds(&mut run("ls /new")), "/new\n");
}

fn ended() {
    let root = Small::new();
    let kept = root.beside("kept");
    std::fs::create_dir(&kept).unwrap();
    let option = format!("--overlay={}", kept.display());
    let script = "sleep 1000 > /dev/null 2>&1 & echo $!";
    let mut command = nsx(["spawn", "-n", "--rootfs", &root.name(), &option, "sh", "-c"]);
    let pid = succeeds(command.arg(script));
    assert!(!std::path::Path::new("/proc").join(pid.trim()).exists(), "{pid}");
}

fn deleted_account() {
    let root = Small::new();
    std::fs::write(root.path("etc/passwd"), "inner:x:4321:8765::/srv:/bin/sh\n").unwrap();
    let maps = ["-U", "--map-users=0:0:10000", "--map-groups=0:0:10000"];
    for users in [&[][..], &maps] {
        for script in ["rm /etc/passwd", "rm -r /etc; mkdir /etc"] {
            let kept = tempfile::tempdir().unwrap();
            let option = format!("--overlay={}", kept.path().display());
            let options = |user| [&[option.as_str()], users, &[user]].concat();
            let who = "id -u; echo $HOME";
            let said = succeeds(&mut inside(&root, &options("--user=inner"), who));
            assert_eq!(said, "4321\n/srv\n", "{users:?}");
            succeeds(&mut inside(&root, &[&[option.as_str()], users].concat(), script));
            let none = output(&mut inside(&root, &options("--user=inner"), "echo RAN"));
            assert_eq!((none.status.code(), stdout(&none).as_str()), (Some(125), ""), "{script}");
            assert!(stderr(&none).contains("there is no user inner"), "{}", stderr(&none));
            let said = succeeds(&mut inside(&root, &options("--user=4321:1"), who));
            assert_eq!(said, "4321\n/root\n", "{script}");
        }
    }
}

fn host_overlay() {
    let directory = tempfile::Builder::new().tempdir_in("/var/tmp").unwrap();
    let place = directory.path().to_str().unwrap();
    let (before, mounted) = (snapshot(directory.path()), mounts());
    let script = "pwd; touch /usr/nsx-test x && ls /usr/nsx-test x; echo x > /dev/null
                  touch /sys/x /dev/x 2>/dev/null || echo no; ls -d /proc/[0-9]* | head -n 1";
    let mut command = nsx(ALONE);
    command.current_dir(place).args(["--overlay", "sh", "-c", script]);
    let said = succeeds(&mut command);
    assert_eq!(said, format!("{place}\n/usr/nsx-test\nx\nno\n/proc/1\n"));
    assert!(!std::path::Path::new("/usr/nsx-test").exists());
    assert_eq!((snapshot(directory.path()), mounts()), (before, mounted));
}
