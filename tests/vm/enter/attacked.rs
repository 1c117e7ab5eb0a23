//! The program file of nsx where root of a privileged container sees it (CVE-2019-5736).

use super::{SLEEP, started};
use crate::containers::{Container, Engine, Service, as_alice};
use crate::host::INSIDE;
use crate::support::{Held, Lines, asleep, child_of, find, nsx, public_nsx, status, test, until};
use libtest_mimic::Trial;
use rustix::fs::{SealFlags, StatVfsMountFlags, fcntl_get_seals, statvfs};
use std::path::Path;
use std::process::{Command, Stdio};

pub fn tests() -> Vec<Trial> {
    vec![
        test("enter, sealed: nobody in a privileged container writes to nsx", INSIDE, sealed),
        test("enter, sealed: a user's own nsx is a copy in memory", INSIDE, of_user),
        test("enter, a service: it sees nsx, which is sealed as well", INSIDE, seen),
    ]
}

/// It runs from a read-only mount that is in no mount tree.
fn assert_sealed(pid: u32) {
    let program = format!("/proc/{pid}/exe");
    assert_eq!(std::fs::read_link(&program).unwrap(), Path::new("/"), "of no mount tree");
    let flags = statvfs(program.as_str()).unwrap().f_flag;
    assert!(flags.contains(StatVfsMountFlags::RDONLY), "{flags:?}");
}

/// Keeps the program of a process, tries to write to it, does so again once it has ended.
const ATTACK: &str = r#"
exec 3<"/proc/$0/exe"
(echo overwritten >"/proc/$0/exe") 2>&1
echo held
while readlink "/proc/$0/exe" >/dev/null; do sleep 0.1; done
(echo overwritten >/proc/self/fd/3) 2>&1
mount -o remount,bind,rw /proc/self/fd/3 2>/dev/null && echo remounted
(echo overwritten >/proc/self/fd/3) 2>&1
echo end
"#;

/// What is said when it is tried on a process, and after its end.
fn attacked(target: u32, end: Held) -> [Vec<String>; 2] {
    let inside = status(target, "NSpid").unwrap();
    let inside = inside.split_whitespace().last().unwrap();
    let mut docker = Engine::Docker.command();
    docker.args(["exec", "hostile", "/bin/sh", "-c", ATTACK, inside]);
    docker.stdin(Stdio::null()).stdout(Stdio::piped());
    let mut attacker = Held(docker.spawn().unwrap());
    let lines = Lines::of(attacker.0.stdout.take().unwrap());
    let until_line = |end: &str| {
        let mut said = Vec::new();
        loop {
            let line = lines.next();
            assert_ne!(line, "", "it ended: {said:?}");
            if line == end {
                return said;
            }
            said.push(line);
        }
    };
    let running = until_line("held");
    drop(end);
    [running, until_line("end")]
}

fn sealed() {
    let container = Container::run(Engine::Docker, "hostile", &["--privileged"], SLEEP);
    asleep(container.pid);
    let target = container.pid.to_string();
    let (directory, copy) = public_nsx();
    let before = std::fs::read(&copy).unwrap();
    let mut command = Command::new(&copy);
    command.args(["enter", "-t", &target, "-a", "--init"]);
    // The init is nsx, among the processes of the container.
    let (nsx_itself, init) = started(command);
    asleep(child_of(init).expect("a program"));
    assert_sealed(nsx_itself.pid());
    assert_sealed(init);
    let said = attacked(init, nsx_itself).concat();
    let refused = said.iter().filter(|line| line.contains("Read-only file system")).count();
    assert_eq!((said.len(), refused), (3, 3), "{said:?}");
    assert!(std::fs::read(&copy).unwrap() == before, "nsx was overwritten");

    // A program of the host's that runs there is not sealed: it is how the attack is known to work.
    let victim = directory.path().join("victim");
    std::fs::copy(find("sleep").unwrap(), &victim).unwrap();
    let mut command = nsx(["enter", "-t", &target, "-p"]);
    let supervisor = Held(command.arg(&victim).arg("1000").stdin(Stdio::null()).spawn().unwrap());
    let mut program = None;
    until("the victim runs", || {
        program = child_of(supervisor.pid());
        program.is_some_and(|pid| status(pid, "Name").as_deref() == Some("victim"))
    });
    let [running, ended] = attacked(program.unwrap(), supervisor);
    assert!(running.len() == 1 && running[0].contains("Text file busy"), "{running:?}");
    assert_eq!(ended, [""; 0]);
    assert_eq!(std::fs::read(&victim).unwrap(), b"overwritten\n");
}

/// Who may not clone mounts, on a kernel that knows no MFD_EXEC.
fn of_user() {
    let container = Container::run(Engine::Rootless, "her-hostile", &[], SLEEP);
    asleep(container.pid);
    let (_directory, copy) = public_nsx();
    std::os::unix::fs::chown(&copy, Some(1000), Some(1000)).unwrap();
    let mut command = as_alice();
    command.arg(&copy).args(["enter", "-t", &container.pid.to_string(), "-a", "--init"]);
    let (nsx_itself, init) = started(command);
    asleep(child_of(init).expect("a program"));
    for pid in [nsx_itself.pid(), init] {
        let program = format!("/proc/{pid}/exe");
        let name = std::fs::read_link(&program).unwrap();
        assert_eq!(name, Path::new("/memfd:nsx (deleted)"));
        let seals = fcntl_get_seals(std::fs::File::open(program).unwrap()).unwrap();
        assert!(seals.contains(SealFlags::WRITE | SealFlags::SEAL), "{seals:?}");
    }
}

/// Without a pid namespace of its own: that it sees nsx shows only when it is looked at.
fn seen() {
    let service = Service::run("nsx-vm-seen", &["--property=PrivateTmp=yes"], SLEEP);
    asleep(service.pid);
    let target = service.pid.to_string();
    let (nsx_itself, program) = started(nsx(["enter", "-t", &target, "-m", "--timeout=1000s"]));
    asleep(program);
    assert_ne!(program, nsx_itself.pid());
    assert_sealed(nsx_itself.pid());
}
