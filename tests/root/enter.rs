//! `enter` joins exactly what was asked, and ends as its program ended.

use crate::support::{
    Held, KINDS, Need, child_of, isolated, namespace, nsx, output, pidfd, stderr, stdout, test,
};
use libtest_mimic::Trial;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

const ROOT: &[Need] = &[Need::Root];
/// Short and long option of each kind, in the order of [`KINDS`].
const FLAGS: [(&str, &str); 8] = [
    ("-m", "--mount"),
    ("-u", "--uts"),
    ("-i", "--ipc"),
    ("-n", "--net"),
    ("-p", "--pid"),
    ("-C", "--cgroup"),
    ("-U", "--user"),
    ("-T", "--time"),
];

pub fn tests() -> Vec<Trial> {
    vec![
        test("each option joins its own kind of namespace and no other", ROOT, each_kind),
        test("without an option every namespace that differs is joined", ROOT, all_kinds),
        test("-a joins what differs and leaves alone what is shared", ROOT, what_differs),
        test("the program's own code is nsx's, in a child and without one", ROOT, codes),
        test(
            "a script without its interpreter is told from one that is missing",
            ROOT,
            no_interpreter,
        ),
        test("a program that is killed makes nsx die of the same signal", ROOT, killed),
        test("the network alone is joined without a child: the pid stays", ROOT, same_pid),
        test("--wd is seen from inside, and the directory is checked", ROOT, directories),
        test(
            "a directory that leads out through a leaked descriptor is refused",
            ROOT,
            leaked_directory,
        ),
        test("the end of the target's pid namespace ends the program", ROOT, init_ends),
        test("a dry run joins and runs nothing", ROOT, || {
            let (_held, pid) = isolated(&["-n"]);
            let output =
                output(&mut nsx(["enter", "--dry-run", "-t", &pid.to_string(), "no-such-program"]));
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            assert!(stdout(&output).contains("net"), "{}", stdout(&output));
        }),
    ]
}

/// Starts a program in a target that waits; nsx and the program's pid on the host.
pub fn entered(target: impl std::fmt::Display, options: &[&str]) -> (Held, u32) {
    let mut command = nsx(["enter", "-t", &target.to_string()]);
    command.args(options).args(["sh", "-c", "echo ready; exec sleep 1000"]);
    let (held, line) = Held::ready(command.stdin(Stdio::null()));
    assert_eq!(line, "ready");
    let program = child_of(held.pid()).unwrap_or(held.pid());
    crate::support::asleep(program);
    (held, program)
}

pub fn joined(program: u32, target: u32, expected: &[&str]) {
    for kind in KINDS {
        let inside = namespace(program, kind);
        let of = if expected.contains(&kind) {
            namespace(target, kind)
        } else {
            namespace("self", kind)
        };
        assert_eq!(inside, of, "{kind} after joining {expected:?}");
    }
}

fn each_kind() {
    let (_held, target) = isolated(&["--new-all"]);
    for kind in KINDS {
        assert_ne!(
            namespace(target, kind),
            namespace("self", kind),
            "the target has its own {kind}"
        );
    }
    for (kind, (short, long)) in KINDS.into_iter().zip(FLAGS) {
        for flag in [short, long] {
            let (_held, program) = entered(target, &[flag]);
            joined(program, target, &[kind]);
        }
    }
    let (_held, program) = entered(target, &["-pnu"]);
    joined(program, target, &["pid", "net", "uts"]);
}

fn all_kinds() {
    let (_held, target) = isolated(&["--new-all"]);
    for options in [&[][..], &["-a"], &["--all"], &["-m", "-a"]] {
        let (_held, program) = entered(target, options);
        joined(program, target, &KINDS);
    }
}

fn what_differs() {
    let (_held, target) = isolated(&["-n", "-i"]);
    for options in [&[][..], &["-a"], &["-n", "-i", "-U", "-m"]] {
        let (_held, program) = entered(target, options);
        joined(program, target, &["net", "ipc"]);
    }
}

fn codes() {
    let (_held, target) = isolated(&["-p", "-n", "-m"]);
    let target = target.to_string();
    let cases: [(&[&str], i32); 7] = [
        (&["true"], 0),
        (&["sh", "-c", "exit 42"], 42),
        (&["sh", "-c", "exit 255"], 255),
        (&["/etc/passwd"], 126),
        (&["/"], 126),
        (&["no-such-program"], 127),
        (&["/no/such/program"], 127),
    ];
    for flags in [&["-n"][..], &["-p"], &["-m"], &["-a"]] {
        for (program, code) in cases {
            let output = output(nsx(["enter", "-t", &target]).args(flags).args(program));
            let said = stderr(&output);
            assert_eq!(output.status.code(), Some(code), "{flags:?} {program:?}: {said}");
            assert_eq!(said.contains(program[0]), code == 126 || code == 127, "{flags:?}: {said}");
        }
    }
}

fn no_interpreter() {
    let (_held, target) = isolated(&["-n"]);
    let target = target.to_string();
    let script = tempfile::NamedTempFile::new().unwrap().into_temp_path();
    crate::support::write_script(&script, "#!/no/such/interpreter\n");
    let expected = format!("cannot execute {}: its interpreter does not exist", script.display());
    for way in [&["enter", "-t", &target, "-n"][..], &["spawn", "-n"]] {
        let output = output(nsx(way).arg(&script));
        assert_eq!(output.status.code(), Some(127));
        assert!(stderr(&output).contains(&expected), "{way:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains("PATH"), "{way:?}: {}", stderr(&output));
        // What is looked for through a file is not there.
        let mut command = nsx(way);
        let output =
            crate::support::output(command.env("PATH", "/etc/passwd:/bin").arg("no-such-program"));
        assert_eq!(output.status.code(), Some(127));
        let said = stderr(&output);
        assert!(said.contains("no-such-program does not exist"), "{way:?}: {said}");
    }
}

fn killed() {
    let (_held, target) = isolated(&["-p", "-n"]);
    let target = target.to_string();
    for flags in ["-n", "-p", "-a"] {
        for signal in [9, 15, 11, 6, 2, 1] {
            let program = format!("ulimit -c 0; kill -{signal} $$");
            let output = output(&mut nsx(["enter", "-t", &target, flags, "sh", "-c", &program]));
            assert_eq!(output.status.signal(), Some(signal), "{flags} {}", output.status);
            assert!(!output.status.core_dumped(), "{flags} {signal}");
        }
    }
}

fn same_pid() {
    let (_held, target) = isolated(&["-n"]);
    let mut command =
        nsx(["enter", "-t", &target.to_string(), "-n", "sh", "-c", "echo $$; exec sleep 1000"]);
    let (held, pid) = Held::ready(command.stdin(Stdio::null()));
    assert_eq!(pid, held.pid().to_string());
}

fn directories() {
    let (_held, target) = isolated(&["-m", "-n"]);
    let target = target.to_string();
    let in_directory = |flags: &[&str]| {
        let mut command = nsx(["enter", "-t", &target]);
        output(command.args(flags).args(["/bin/pwd", "-P"]).current_dir("/usr/lib"))
    };
    assert_eq!(stdout(&in_directory(&["-n"])), "/usr/lib\n", "only the mounts move a directory");
    assert_eq!(stdout(&in_directory(&["-m"])), "/\n");
    assert_eq!(stdout(&in_directory(&["-m", "--wd=/usr/bin"])), "/usr/bin\n");
    assert_eq!(stdout(&in_directory(&["-n", "-w/usr/bin"])), "/usr/bin\n");
    for wrong in ["/no/such/directory", "/etc/passwd"] {
        let output = in_directory(&["-m", "-W", wrong]);
        assert_eq!(output.status.code(), Some(125));
        assert!(stderr(&output).contains(wrong), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
    }
}

/// A descriptor of the caller's that is a directory of the host, reached from inside by its number:
/// closed, or, where it was handed on, refused.
fn leaked_directory() {
    let (_held, target) = isolated(&["-m"]);
    // The number is free again, or a pipe's that nsx has.
    let closed = ["No such file or directory", "Not a directory"];
    let handed_on = ["the working directory would be outside"; 2];
    for (descriptors, says) in [("0", closed), ("1", handed_on)] {
        for directory in [
            "/proc/self/fd/3",
            "/proc/self/fd/3/..",
            "/proc/self/cwd/../../proc/self/fd/3",
            "/dev/fd/3",
        ] {
            let mut shell = Command::new("bash");
            shell.args(["-c", r#"exec 3</tmp; exec "$@""#, "bash"]);
            let target = target.to_string();
            let options = ["-m", "-W", directory, "--preserve-fds", descriptors];
            let nsx = nsx(["enter", "-t", &target].into_iter().chain(options));
            let mut entered = shell.arg(nsx.get_program());
            entered = entered.args(nsx.get_args()).args(["echo", "RAN"]);
            let output = output(entered);
            let said = stderr(&output);
            assert!(says.iter().any(|says| said.contains(says)), "{directory}: {said}");
            assert_eq!(output.status.code(), Some(125), "{directory}: {}", stdout(&output));
            assert_eq!(stdout(&output), "", "{directory}");
        }
    }
}

fn init_ends() {
    let (held, target) = isolated(&["-p"]);
    let (mut program, inside) = entered(target, &["-a"]);
    let pidfd = pidfd(inside).unwrap();
    drop(held);
    assert!(crate::support::ends_within(&pidfd, crate::support::PATIENCE));
    assert_eq!(program.0.wait().unwrap().signal(), Some(9));
}
