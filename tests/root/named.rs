//! A spawned program that is known by a name, left alone, and heard of.

use crate::support::{
    Held, Need, PATIENCE, ends_within, json, namespace, nsx, output, pidfd, send, status, stderr,
    stdout, succeeds, test, until,
};
use libtest_mimic::Trial;
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const ROOT: &[Need] = &[Need::Root];
const UNSHARE: &[Need] = &[Need::Root, Need::Program("unshare")];
const AGAIN: &[Need] = &[
    Need::Root,
    Need::Program("unshare"),
    Need::Machine("pids that can be given again", || {
        Path::new("/proc/sys/kernel/ns_last_pid").exists()
    }),
];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a detached one holds nothing of the caller's", ROOT, lets_go),
        test("named: it is listed, entered, inspected and ended by its name", ROOT, by_name),
        test("named: what isolates itself in it stands below it", UNSHARE, isolates_itself),
        test("named: a name is one program's, and free when it has ended", ROOT, one_of_a_name),
        test(
            "named: from another pid namespace a running name is left alone",
            ROOT,
            from_another_pid_namespace,
        ),
        test("named: what cannot start says so and keeps no name", ROOT, cannot_start),
        test("named: one that was stopped and continued ends as ever", ROOT, stopped),
        test("named: one that ignores its end is killed", ROOT, stubborn),
        test(
            "named: one that ignores its end is killed with all that its init minds",
            ROOT,
            stubborn_behind_an_init,
        ),
        test("named: a killed nsx leaves nothing of it", ROOT, killed),
        test(
            "named: what a whole killed group of nsx left is cleared at the next use",
            ROOT,
            stale,
        ),
        test("named: a name that is made up is nobody else's", AGAIN, made_up),
        test("status descriptor: started and exited, with what is so", ROOT, status_lines),
        test(
            "status descriptor: what is killed before it begins has not started",
            ROOT,
            never_begun,
        ),
        test("status descriptor: all of it is known of a program that ends at once", ROOT, at_once),
        test(
            "status descriptor: a program that ends before nsx looks has started",
            &[Need::Root, Need::Program("strace"), Need::Program("perl")],
            unseen,
        ),
        test("status descriptor: who does not read keeps nobody waiting", ROOT, unread),
        test("status descriptor: who reads late hears it at once", ROOT, read_late),
        test("status descriptor: who never reads changes no code", ROOT, never_read),
        test(
            "status descriptor: one that is not there is an error before anything runs",
            ROOT,
            || {
                for number in ["9", "77", "x", "-1"] {
                    let done =
                        output(&mut nsx(["spawn", "-u", "--status-fd", number, "echo", "RAN"]));
                    assert_eq!((done.status.code(), stdout(&done).as_str()), (Some(125), ""));
                }
            },
        ),
        test("pid file: there while it runs, and whole", ROOT, pid_file),
        test(
            "report: what was used beside what was allowed, and standard output is clean",
            ROOT,
            report,
        ),
    ]
}

/// Ended when dropped, whatever became of the test.
struct Named(String);

impl Named {
    fn start(options: &[&str], program: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("nsx-test-{}-{number}", std::process::id());
        let mut command = nsx(["spawn", "--detach", "--name", &name]);
        let said = succeeds(command.args(options).args(program));
        assert_eq!(said, format!("{name}\n"));
        Self(name)
    }

    fn record(&self) -> PathBuf {
        Path::new("/run/nsx").join(format!("{}.json", self.0))
    }

    fn read(&self) -> Value {
        serde_json::from_slice(&std::fs::read(self.record()).unwrap()).unwrap()
    }

    fn pid_of(&self, who: &str) -> u32 {
        u32::try_from(self.read()[who]["pid"].as_u64().unwrap()).unwrap()
    }
}

/// Neither the caller's pipe nor his lock is held by who stays.
fn lets_go() {
    let lock = tempfile::NamedTempFile::new().unwrap();
    let file = lock.path().to_str().unwrap();
    for (nth, init) in [&["-p"][..], &["-p", "--init"], &["-u", "--init"]].iter().enumerate() {
        let name = format!("nsx-test-{}-lets-go-{nth}", std::process::id());
        let mut command = std::process::Command::new("flock");
        command.arg(file).arg(nsx([""; 0]).get_program()).args(["spawn", "--detach"]);
        // This returns once nobody has the other end of its pipes.
        succeeds(command.args(["--name", &name]).args(*init).args(["sleep", "1000"]));
        let held = Named(name);
        succeeds(std::process::Command::new("flock").args(["-n", file, "true"]));
        assert!(held.record().exists(), "{init:?}: it runs");
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        let _ = output(&mut nsx(["spawn", "--stop", &self.0]));
    }
}

fn by_name() {
    let named = Named::start(
        &["-p", "--newnet", "--hostname", "inside", "--pids", "9"],
        &["sleep", "1000"],
    );
    let target = format!("nsx:{}", named.0);
    let listed = json(&mut nsx(["ps", "--json"]));
    let rows = listed["data"].as_array().or_else(|| listed["data"]["containers"].as_array());
    let row = rows.unwrap().iter().find(|row| row["name"] == named.0.as_str()).expect("listed");
    assert_eq!((row["runtime"].as_str(), row["state"].as_str()), (Some("nsx"), Some("running")));
    assert_eq!(row["pid"], named.pid_of("process"));
    assert_eq!(row["created_unix_seconds"], named.read()["created_unix_seconds"]);
    let labels = &row["labels"];
    assert_eq!(
        (&labels["nsx.command"], &labels["nsx.limit.pids"]),
        (&"sleep 1000".into(), &"9".into())
    );
    assert_eq!(succeeds(&mut nsx(["enter", "-t", &target, "-u", "uname", "-n"])), "inside\n");
    let report = json(&mut nsx(["inspect", &target, "--json"]));
    assert_eq!(report["data"]["pid"], named.pid_of("process"));
    let (program, supervisor) =
        (pidfd(named.pid_of("process")).unwrap(), pidfd(named.pid_of("supervisor")).unwrap());
    succeeds(&mut nsx(["spawn", "--stop", &named.0]));
    assert!(ends_within(&program, Duration::ZERO) && ends_within(&supervisor, Duration::ZERO));
    assert!(!named.record().exists());
    let again = output(&mut nsx(["spawn", "--stop", &named.0]));
    assert_eq!(again.status.code(), Some(3), "{}", stderr(&again));
}

fn one_of_a_name() {
    let named = Named::start(&["-p"], &["sleep", "1000"]);
    let second = output(&mut nsx(["spawn", "-p", "--name", &named.0, "echo", "RAN"]));
    assert_eq!((second.status.code(), stdout(&second).as_str()), (Some(125), ""));
    assert!(stderr(&second).contains("is taken"), "{}", stderr(&second));
    assert_eq!(named.read()["command"], serde_json::json!(["sleep", "1000"]));
    succeeds(&mut nsx(["spawn", "--stop", &named.0]));
    assert_eq!(succeeds(&mut nsx(["spawn", "-p", "--name", &named.0, "echo", "RAN"])), "RAN\n");
    assert!(!named.record().exists());
}

/// There its pid is another's, and nothing tells that it runs.
fn from_another_pid_namespace() {
    let named = Named::start(&["-p"], &["sleep", "1000"]);
    let inside = |words: &[&str]| {
        let nsx = nsx(["spawn"]);
        let mut unshare = Command::new("unshare");
        unshare.args(["-pf", "--mount-proc"]).arg(nsx.get_program()).args(nsx.get_args());
        output(unshare.args(words))
    };
    let second = inside(&["-u", "--name", &named.0, "echo", "RAN"]);
    assert_eq!((second.status.code(), stdout(&second).as_str()), (Some(125), ""));
    assert!(stderr(&second).contains("is taken"), "{}", stderr(&second));
    let stopped = inside(&["--stop", &named.0]);
    assert_eq!(stopped.status.code(), Some(1), "{}", stderr(&stopped));
    assert_eq!(named.read()["command"], serde_json::json!(["sleep", "1000"]));
    succeeds(&mut nsx(["spawn", "--stop", &named.0]));
}

fn cannot_start() {
    for (program, code) in [("/no/such/program", 127), ("/etc/passwd", 126)] {
        let mut command = nsx(["spawn", "-p", "--detach", "--name", "nsx-test-none", program]);
        let done = output(&mut command);
        assert_eq!((done.status.code(), stdout(&done).as_str()), (Some(code), ""));
        assert!(stderr(&done).contains(program), "{}", stderr(&done));
        assert!(!Path::new("/run/nsx/nsx-test-none.json").exists());
    }
    for name in ["", "../x", "a/b", ".x", "a b"] {
        let done = output(&mut nsx(["spawn", "-p", "--name", name, "echo", "RAN"]));
        assert_eq!((done.status.code(), stdout(&done).as_str()), (Some(125), ""), "{name}");
    }
}

fn stopped() {
    for options in ["-u", "-u --init", "-p --init"] {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("pid");
        let mut command = nsx(["spawn", "--detach", "--pid-file"]);
        succeeds(command.arg(&place).args(options.split(' ')).args(["sleep", "1000"]));
        let program = std::fs::read_to_string(&place).unwrap().trim().parse().unwrap();
        let parent = |pid| status(pid, "PPid").unwrap().parse().unwrap();
        let init = parent(program);
        let nsx = if options.contains("--init") { parent(init) } else { init };
        send(program, Signal::SIGSTOP);
        until("it is stopped", || status(program, "State").unwrap().starts_with('T'));
        // Nothing tells that they have heard of it.
        std::thread::sleep(Duration::from_millis(300));
        for pid in [program, init, nsx] {
            let is_stopped = status(pid, "State").unwrap().starts_with('T');
            send(pid, Signal::SIGCONT);
            assert_eq!(is_stopped, pid == program, "{options}");
        }
        let nsx = pidfd(nsx).unwrap();
        send(program, Signal::SIGKILL);
        assert!(ends_within(&nsx, PATIENCE), "{options}");
        assert!(!place.exists(), "{options}");
    }
}

fn stubborn() {
    let script = "trap '' TERM; while :; do sleep 0.1; done";
    let named = Named::start(&["-p"], &["sh", "-c", script]);
    let program = pidfd(named.pid_of("process")).unwrap();
    succeeds(&mut nsx(["spawn", "--stop", &named.0, "--kill-after", "300ms"]));
    assert!(ends_within(&program, Duration::ZERO));
    assert!(!named.record().exists());
}

/// Its init ends with neither of them before the others have.
fn stubborn_behind_an_init() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("pids");
    let script = "trap '' TERM; (trap '' TERM; sleep 1000) & one=$!; setsid sleep 1000 & \
        echo $$ $one $! >$0; while :; do sleep 1000; done";
    for older in [false, true] {
        let named = Named::start(&["-u", "--init"], &["sh", "-c", script, place.to_str().unwrap()]);
        until("it has begun", || std::fs::read(&place).is_ok_and(|said| said.ends_with(b"\n")));
        let pids = std::fs::read_to_string(&place).unwrap();
        std::fs::remove_file(&place).unwrap();
        let pids = pids.split_whitespace().map(|pid| pid.parse().unwrap());
        let held: Vec<_> = pids.map(|pid| pidfd(pid).unwrap()).collect();
        if older {
            // A record that does not say who the program is.
            let mut record = named.read();
            record.as_object_mut().unwrap().remove("program");
            std::fs::write(named.record(), record.to_string()).unwrap();
        }
        succeeds(&mut nsx(["spawn", "--stop", &named.0, "--kill-after", "300ms"]));
        assert_eq!(held.len(), 3);
        assert!(held.iter().all(|process| ends_within(process, Duration::ZERO)), "{older}");
        assert!(!named.record().exists());
    }
}

fn groups_of(named: &Named) -> Vec<PathBuf> {
    let groups = named.read()["cgroups"].as_array().unwrap().clone();
    groups.iter().map(|path| PathBuf::from(path.as_str().unwrap())).collect()
}

fn killed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let place = file.to_str().unwrap();
    let script = "sleep 1000 & sleep 1000";
    let options = ["-p", "--memory", "64M", "--pids", "9", "--pid-file", place];
    let named = Named::start(&options, &["sh", "-c", script]);
    let groups = groups_of(&named);
    assert!(!groups.is_empty() && groups.iter().all(|group| group.is_dir()));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), format!("{}\n", named.pid_of("process")));
    let program = pidfd(named.pid_of("process")).unwrap();
    kill(named.pid_of("supervisor"));
    assert!(ends_within(&program, Duration::from_secs(5)));
    until("what it left is removed", || {
        !named.record().exists() && !file.exists() && !groups.iter().any(|group| group.exists())
    });
}

fn kill(pid: u32) {
    let target = pidfd(pid).unwrap();
    rustix::process::pidfd_send_signal(&target, rustix::process::Signal::KILL).unwrap();
    assert!(ends_within(&target, Duration::from_secs(5)));
}

/// A record whose nsx is not there any more, as after a crash of everything.
fn stale() {
    let named = Named::start(&["-p"], &["sleep", "1000"]);
    let mut record = named.read();
    let name = format!("{}-stale", named.0);
    record["name"] = name.as_str().into();
    record["supervisor"]["start_ticks"] = 1.into();
    let path = format!("/run/nsx/{name}.json");
    std::fs::write(&path, record.to_string()).unwrap();
    assert_eq!(succeeds(&mut nsx(["spawn", "-p", "--name", &name, "echo", "RAN"])), "RAN\n");
    assert!(!Path::new(&path).exists());
    // What it says of a process that is another by now is not believed.
    std::fs::write(&path, record.to_string()).unwrap();
    let program = pidfd(named.pid_of("process")).unwrap();
    succeeds(&mut nsx(["spawn", "--stop", &name]));
    assert!(!ends_within(&program, Duration::ZERO), "it runs under its own name");
    assert!(!Path::new(&path).exists());
}

/// The second that is called has the number that the first had, who has ended.
fn made_up() {
    let script = r#"
        again() { echo 500 > /proc/sys/kernel/ns_last_pid; "$nsx" spawn -u --detach sleep 1000; }
        again > "$place/first"; again > "$place/second"
        for name in first second; do
            read name < "$place/$name" && "$nsx" spawn --stop "$name" && echo "$name"
        done
    "#;
    let place = tempfile::tempdir().unwrap();
    let mut unshare = Command::new("unshare");
    unshare.args(["-pf", "--mount-proc", "sh", "-c", script]);
    unshare.env("nsx", crate::support::binary("nsx")).env("place", place.path());
    let done = output(&mut unshare);
    let said = stdout(&done);
    let names: Vec<&str> = said.lines().collect();
    assert!(matches!(names[..], [one, other] if one != other), "{said}{}", stderr(&done));
}

/// Lines on descriptor 3, from a shell that opens it.
fn heard(options: &str, program: &str) -> Vec<Value> {
    let nsx = crate::support::binary("nsx");
    let line =
        format!("exec {} spawn --status-fd 3 {options} {program} 3>&1 >/dev/null", nsx.display());
    let done = output(Command::new("sh").args(["-c", &line]).stdin(Stdio::null()));
    stdout(&done).lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// A pipe that is full, and of how much. Writing to it waits.
fn full_pipe() -> (OwnedFd, OwnedFd, usize) {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
    let mut filled = 0;
    while let Ok(count) = rustix::io::write(&writer, &[b'x'; 4096]) {
        filled += count;
    }
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::empty()).unwrap();
    (reader, writer, filled)
}

fn read_late() {
    let (reader, writer, mut filled) = full_pipe();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let mut command = nsx(["spawn", "-p", "--status-fd", "0", "--pid-file"]);
    command.arg(&file).args(["sleep", "1000"]).stdin(writer);
    let mut held = Held(command.spawn().unwrap());
    drop(command);
    // A moment before there was no room for it.
    until("it runs", || std::fs::read(&file).is_ok_and(|said| !said.is_empty()));
    let waits =
        || crate::support::status(held.pid(), "State").is_some_and(|is| is.starts_with('S'));
    until("nsx waits", waits);
    let mut bytes = vec![0; 1 << 20];
    while filled > 0 {
        filled -= rustix::io::read(&reader, &mut bytes[..filled]).unwrap();
    }
    let mut there = [rustix::event::PollFd::new(&reader, rustix::event::PollFlags::IN)];
    let patience = rustix::event::Timespec::try_from(crate::support::PATIENCE).unwrap();
    assert_eq!(rustix::event::poll(&mut there, Some(&patience)), Ok(1), "while it runs");
    let count = rustix::io::read(&reader, &mut bytes).unwrap();
    let event: Value = serde_json::from_slice(&bytes[..count]).unwrap();
    assert_eq!(event["event"], "started");
    let nsx = nix::unistd::Pid::from_raw(i32::try_from(held.pid()).unwrap());
    nix::sys::signal::kill(nsx, nix::sys::signal::Signal::SIGTERM).unwrap();
    held.0.wait().unwrap();
}

fn never_read() {
    let (_reader, writer, _) = full_pipe();
    let mut command = nsx(["spawn", "-p", "--status-fd", "0", "--report"]);
    command.args(["sh", "-c", "exit 7"]).stdin(writer).stderr(Stdio::piped());
    let done = crate::support::finish(command.spawn().unwrap());
    assert_eq!(done.status.code(), Some(7), "{}", stderr(&done));
    let said = stderr(&done);
    assert!(said.contains("note: nobody reads") && said.contains("exited 7"), "{said}");
}

/// A pipe that is full. When its time is over the program is ended all the same.
fn unread() {
    let (reader, writer, mut filled) = full_pipe();
    for flags in [rustix::fs::OFlags::NONBLOCK, rustix::fs::OFlags::empty()] {
        rustix::fs::fcntl_setfl(&writer, flags).unwrap();
        let mut command = nsx(["spawn", "-p", "--status-fd", "0", "--timeout", "2s"]);
        command.args(["sh", "-c", "echo $$ >&2; exec sleep 1000"]).stderr(Stdio::piped());
        let mut child = command.stdin(writer.try_clone().unwrap()).spawn().unwrap();
        let said = child.stderr.as_mut().unwrap();
        std::io::Read::read_exact(said, &mut [0; 2]).expect("it begins");
        let nsx = child.id();
        until("it has ended", || crate::support::child_of(nsx).is_none());
        let mut bytes = vec![0; 1 << 20];
        while filled > 0 {
            filled -= rustix::io::read(&reader, &mut bytes[..filled]).unwrap();
        }
        let status = child.wait().unwrap();
        assert_eq!(status.code(), Some(124));
        rustix::fs::fcntl_setfl(&reader, rustix::fs::OFlags::NONBLOCK).unwrap();
        let count = rustix::io::read(&reader, &mut bytes).unwrap();
        let events = String::from_utf8_lossy(&bytes[..count]).into_owned();
        assert_eq!(events.lines().count(), 2, "{events}");
        rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
        while let Ok(count) = rustix::io::write(&writer, &[b'x'; 4096]) {
            filled += count;
        }
    }
}

fn status_lines() {
    let lines = heard("-p --newtime --newcgroup --newnet --init", "sh -c 'sleep 0.2; exit 7'");
    assert_eq!(lines.len(), 2, "{lines:?}");
    let (started, exited) = (&lines[0], &lines[1]);
    assert_eq!(
        (started["event"].as_str(), exited["event"].as_str()),
        (Some("started"), Some("exited"))
    );
    assert_ne!(started["pid"], started["init_pid"], "there is an init before it");
    assert!(started["pid"].as_u64().unwrap() > started["init_pid"].as_u64().unwrap());
    for (kind, inode) in started["namespaces"].as_object().unwrap() {
        let is_new = ["pid", "mnt", "time", "cgroup", "net"].contains(&kind.as_str());
        assert_eq!(inode.as_u64() != ours(kind), is_new, "{kind}");
    }
    assert_eq!((exited["code"].as_u64(), &exited["signal"]), (Some(7), &Value::Null));
    assert_eq!(exited["init_pid"], started["init_pid"]);
    let killed = heard("-u", "sh -c 'kill -KILL $$; sleep 9'");
    assert_eq!(killed.len(), 2, "{killed:?}");
    assert_eq!((&killed[1]["code"], killed[1]["signal"].as_u64()), (&Value::Null, Some(9)));
    let over = heard("-p --timeout 2s", "sleep 1000");
    assert_eq!((over[1]["timed_out"].as_bool(), over[1]["code"].as_u64()), (Some(true), Some(124)));
    assert_eq!(heard("-p", "/no/such/program"), Vec::<Value>::new());
    // The program has none of it.
    let said = "ls -l /proc/self/fd >&2";
    let line = format!(
        "exec {} spawn --status-fd 3 -p sh -c '{said}' 3>/dev/null",
        crate::support::binary("nsx").display()
    );
    let done = output(Command::new("sh").args(["-c", &line]).stdin(Stdio::null()));
    let open = stderr(&done).lines().filter(|line| line.contains(" -> ")).count();
    assert_eq!(open, 4, "standard ones and the directory: {}", stderr(&done));
}

/// Its end is told, and why.
fn never_begun() {
    let lines = heard("-p --memory 4K", "true");
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(
        (lines[0]["event"].as_str(), lines[0]["signal"].as_u64()),
        (Some("exited"), Some(9))
    );
}

/// It has ended long before anybody could look at it.
fn at_once() {
    let root = crate::support::rootfs::Small::new();
    let rootfs = format!("--rootfs {}", root.name());
    for options in
        ["-u", "--new-all", "--new-all --init", "-U --init", "--newuser --new-all", &rootfs]
    {
        for _ in 0..5 {
            let lines = heard(options, "/bin/busybox true");
            assert_eq!(lines.len(), 2, "{options}: {lines:?}");
            let started = &lines[0];
            let (pid, init) = (started["pid"].as_u64(), started["init_pid"].as_u64());
            assert_eq!(pid > init, options.contains("--init"), "{options}: {started}");
            for (kind, inode) in started["namespaces"].as_object().unwrap() {
                let is_new = match options {
                    "-u" => kind == "uts",
                    "-U --init" => kind == "user",
                    _ if options == rootfs => kind == "mnt",
                    _ => true,
                };
                assert!(inode.is_u64(), "{options}: {kind} is {inode}");
                assert_eq!(inode.as_u64() != ours(kind), is_new, "{options}: {kind}");
            }
        }
    }
}

/// A signal that waits for nsx wakes it before the program has begun, and it is slow.
fn unseen() {
    let root = crate::support::rootfs::Small::new();
    let rootfs = format!("--rootfs={}", root.name());
    let begin = "use POSIX; sigprocmask(SIG_BLOCK, POSIX::SigSet->new(28)); kill WINCH => $$; \
        exec @ARGV";
    let slow = ["-o", "/dev/null", "-e", "inject=poll,ppoll:delay_exit=300000"];
    let run = |options: &[&str]| {
        let mut strace = Command::new("strace");
        strace.args(slow).args(["perl", "-e", begin]).arg(nsx([""; 0]).get_program());
        strace.arg("spawn").args(options).args(["/bin/busybox", "echo", "said"]);
        output(&mut strace)
    };
    let done = run(&["-u", "--status-fd=2"]);
    let events = stderr(&done);
    assert!(events.contains("started") && events.contains("exited"), "{events}");
    let done = run(&["--pty", &rootfs]);
    assert_eq!(stdout(&done), "said\r\n", "{}", stderr(&done));
}

fn ours(kind: &str) -> Option<u64> {
    namespace("self", kind).split_once('[')?.1.strip_suffix(']')?.parse().ok()
}

fn pid_file() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let place = file.to_str().unwrap();
    for options in [&["-p"][..], &["-p", "--init"], &["-u"]] {
        let mut command = nsx(["spawn", "--pid-file", place]);
        let wait = format!("while ! test -s {place}; do sleep 0.01; done; cat {place}; echo $$");
        let said = succeeds(command.args(options).args(["sh", "-c", &wait]));
        let (pid, inside) = said.trim().split_once('\n').expect("two lines");
        assert_eq!(pid == inside, options == ["-u"], "the pid on the host: {said}");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "removed");
    }
    let missing = directory.path().join("no/such/place");
    for wrong in [missing.to_str().unwrap(), directory.path().to_str().unwrap(), ".", "/", ""] {
        let mut command = nsx(["spawn", "-p", "--pid-file", wrong]);
        let done = output(command.args(["echo", "RAN"]));
        assert_eq!((done.status.code(), stdout(&done).as_str()), (Some(125), ""), "{wrong}");
    }
    let other = directory.path().join("other");
    let place = other.to_str().unwrap();
    let made: [&[&str]; 3] =
        [&["ln", "-s", "pid", place], &["mkfifo", place], &["mknod", place, "c", "1", "7"]];
    for made in made {
        succeeds(Command::new(made[0]).args(&made[1..]));
        let before = std::fs::symlink_metadata(&other).unwrap().ino();
        let mut command = nsx(["spawn", "-p", "--pid-file", place]);
        let done = output(command.args(["echo", "RAN"]));
        assert_eq!((done.status.code(), stdout(&done).as_str()), (Some(125), ""), "{made:?}");
        assert!(stderr(&done).contains("a pid file cannot be there"), "{}", stderr(&done));
        let after = std::fs::symlink_metadata(&other).map(|stat| stat.ino());
        assert_eq!(after.ok(), Some(before), "{made:?}");
        std::fs::remove_file(&other).unwrap();
    }
}

fn report() {
    let memory = "my $x = 'x' x (100 << 20); print length $x";
    let mut command =
        nsx(["spawn", "-p", "--memory", "32M", "--report=json", "perl", "-e", memory]);
    let done = output(&mut command);
    assert_eq!(stdout(&done), "");
    let report: Value = serde_json::from_str(&stderr(&done)).expect("JSON");
    let (data, used) = (&report["data"], &report["data"]["used"]);
    assert_eq!(report["schema"], "nsx.report/1");
    assert_eq!((data["signal"].as_u64(), used["oom_kills"].as_u64()), (Some(9), Some(1)));
    assert_eq!(data["memory_limit_bytes"], 32 << 20);
    let peak = used["memory_peak_bytes"].as_u64().unwrap();
    assert!(peak > 16 << 20 && peak <= 32 << 20, "{peak}");
    let done = output(&mut nsx(["spawn", "-p", "--report", "sh", "-c", "echo said; exit 3"]));
    assert_eq!((done.status.code(), stdout(&done).as_str()), (Some(3), "said\n"));
    assert!(stderr(&done).starts_with("nsx: exited 3 after "), "{}", stderr(&done));
    assert!(stderr(&done).contains("  cpu  "), "{}", stderr(&done));
}

fn isolates_itself() {
    let name = format!("nsx-test-outer-{}", std::process::id());
    let script = "unshare -pf --mount-proc sh -c 'echo ready; exec sleep 1000' & exec sleep 1000";
    let options = ["spawn", "--name", &name, "--newpid", "--newnet", "sh", "-c", script];
    let (_held, line) = Held::ready(&mut nsx(options));
    assert_eq!(line, "ready");
    let listed = json(&mut nsx(["ps", "--json"]));
    let rows = listed["data"].as_array().unwrap();
    let at = rows.iter().position(|row| row["name"] == *name).expect("it is listed");
    let pids = |row: &Value| -> Vec<u64> {
        row["processes"].as_array().unwrap().iter().map(|pid| pid.as_u64().unwrap()).collect()
    };
    let (outer, below) = (pids(&rows[at]), &rows[at + 1..at + 3]);
    assert_eq!((outer.len(), &rows[at]["depth"]), (3, &json!(0)), "{outer:?}");
    for row in below {
        assert_eq!((&row["within"], &row["depth"]), (&json!(name), &json!(1)), "{row}");
        assert!(pids(row).iter().all(|pid| outer.contains(pid)), "{row}");
    }
    // The innermost is what a process belongs to.
    let found = json(&mut nsx(["who", "--json", &pids(&below[1])[0].to_string()]));
    assert_eq!(found["data"][0]["owner"]["container"]["pid"], below[1]["pid"]);
}
