//! `pid` translates between pid namespaces as the kernel does, in both directions.

use crate::support::{
    Held, Need, binary, child_of, isolated, json, nsx, output, public_nsx, stderr, succeeds, test,
    until,
};
use libtest_mimic::Trial;
use nsx::collect::pids::Inside;
use nsx::model::process::Pid;
use nsx::sys::root::SysRoot;

const ROOT: &[Need] = &[Need::Root];

pub fn tests() -> Vec<Trial> {
    vec![
        test("pid: the story: 1 inside, an ordinary process outside, both ways", ROOT, story),
        test("pid: three levels deep every translation is right", ROOT, nested),
        test("pid: the kernel's answer and that of NSpid are the same", ROOT, both_ways),
        test("pid: a thread by its number inside", &[Need::Root, Need::Program("python3")], thread),
        test("pid: from one target's numbers to another's", ROOT, between),
        test("pid: what is not there is 3, what is no pid is 2", ROOT, mistakes),
        test("pid: a user translates his own", ROOT, of_a_user),
    ]
}

fn levels(pid: u32) -> Vec<u32> {
    let status = crate::support::status(pid, "NSpid").expect("it runs");
    status.split_whitespace().map(|pid| pid.parse().unwrap()).collect()
}

fn pid(arguments: &[&str]) -> u32 {
    let said = succeeds(nsx(["pid"]).args(arguments));
    said.trim().parse().unwrap_or_else(|_| panic!("{arguments:?}: {said}"))
}

fn story() {
    let mut command = nsx(["spawn", "--newpid", "sh", "-c", "echo $$; exec sleep 1000"]);
    let (held, inside) = Held::ready(&mut command);
    assert_eq!(inside, "1");
    let outside = child_of(held.pid()).unwrap();
    assert_eq!(pid(&[&outside.to_string(), "1"]), outside);
    assert_eq!(pid(&[&outside.to_string()]), outside);
    let chain = succeeds(&mut nsx(["pid", "--inside", &outside.to_string()]));
    let numbers: Vec<&str> = chain.split_whitespace().collect();
    assert_eq!(numbers[..2], [outside.to_string().as_str(), "1"], "{chain}");
    assert_eq!(numbers[2], crate::support::namespace(outside, "pid"));
    assert_eq!(pid(&["--inside", &outside.to_string(), "-q"]), 1);
}

/// `nsx spawn` in `nsx spawn` in `nsx spawn`; the pids here of the three programs, outermost first.
fn three() -> (Held, Vec<u32>) {
    let nsx_path = binary("nsx");
    let inner = format!(
        "{0} spawn -p sh -c 'sleep 0; {0} spawn -p sh -c \"sleep 0; echo ready; sleep 1000 & wait\"'",
        nsx_path.display()
    );
    let (held, line) = Held::ready(&mut nsx(["spawn", "-p", "sh", "-c", &inner]));
    assert_eq!(line, "ready");
    let mut found = vec![child_of(held.pid()).unwrap()];
    let mut at = found[0];
    until("three levels", || {
        while let Some(child) = child_of(at) {
            at = child;
            if levels(at).len() > found.len() + 1 {
                found.push(at);
            }
        }
        found.len() == 3
    });
    (held, found)
}

fn nested() {
    let (_held, programs) = three();
    for (depth, outer) in programs.iter().enumerate() {
        for inner in &programs[depth..] {
            let numbers = levels(*inner);
            let inside = numbers[depth + 1].to_string();
            assert_eq!(pid(&[&outer.to_string(), &inside]), *inner, "{outer} {inside}");
        }
    }
    let all = json(&mut nsx(["pid", "--all", "--json", &programs[1].to_string()]));
    assert_eq!(all["gaps"].as_array().map(Vec::len), Some(0), "others are none of its: {all}");
    for row in all["data"].as_array().unwrap() {
        let pid = u32::try_from(row["pid"].as_u64().unwrap()).unwrap();
        let told: Vec<u64> = row["levels"]
            .as_array()
            .unwrap()
            .iter()
            .map(|level| level["pid"].as_u64().unwrap())
            .collect();
        assert_eq!(told, levels(pid).into_iter().map(u64::from).collect::<Vec<_>>());
        assert!(told.len() >= 3);
    }
    // From within the middle one the numbers begin there.
    let middle = programs[1].to_string();
    let here = levels(programs[2]);
    let mut command = nsx(["enter", "-t", &middle, "-p", "-m", "--"]);
    command.arg(binary("nsx")).args(["pid", "--inside", &here[2].to_string()]);
    let said = succeeds(&mut command);
    let numbers: Vec<String> = said.split_whitespace().map(str::to_owned).collect();
    assert_eq!(numbers[..2], [here[2].to_string(), here[3].to_string()], "{said}");
}

fn both_ways() {
    let (_held, programs) = three();
    let root = SysRoot::real().unwrap();
    for outer in &programs {
        let dir = nsx::sys::bounded::open_dir(root.proc(), &outer.to_string()).unwrap();
        let inside = Inside::of(std::os::fd::AsFd::as_fd(&dir)).unwrap();
        for number in 1..12 {
            let number = Pid::new(number).unwrap();
            let (asked, read) = (
                inside.to_ours(&root, number).unwrap(),
                inside.to_ours_by_status(&root, number).unwrap(),
            );
            assert_eq!(asked, read, "{number} in that of {outer}");
        }
    }
}

fn thread() {
    let script = "import threading, time
lock = threading.Event()
thread = threading.Thread(target=lock.wait)
thread.start()
print(thread.native_id, flush=True)
time.sleep(1000)";
    let (held, inside) = Held::ready(&mut nsx(["spawn", "-p", "python3", "-c", script]));
    let program = child_of(held.pid()).unwrap();
    let thread = pid(&[&program.to_string(), &inside]);
    assert_ne!(thread, program);
    assert!(std::path::Path::new(&format!("/proc/{program}/task/{thread}")).exists());
    assert_eq!(levels(thread), [thread, inside.parse().unwrap()]);
}

fn between() {
    let (_held, programs) = three();
    let (middle, innermost) = (programs[1].to_string(), programs[2].to_string());
    let numbers = levels(programs[2]);
    let own = numbers[3].to_string();
    assert_eq!(pid(&["--from", &innermost, "--to", &middle, &own]), numbers[2]);
    assert_eq!(pid(&["--from", &middle, "--to", &innermost, &numbers[2].to_string()]), numbers[3]);
    let asked = ["pid", "--json", "--from", &innermost, "--to", &middle, &own];
    let rows = &json(&mut nsx(asked))["data"];
    assert_eq!((&rows[0]["pid"], &rows[0]["shown"]), (&programs[2].into(), &numbers[2].into()));
    // The middle one's own first process is not seen from further in.
    let done = output(&mut nsx(["pid", "--from", &middle, "--to", &innermost, "1"]));
    assert_eq!(done.status.code(), Some(3), "{}", stderr(&done));
}

fn mistakes() {
    let (_held, program) = isolated(&["-p"]);
    let program = program.to_string();
    for (arguments, code) in [
        (&[program.as_str(), "9999"][..], 3),
        (&["no-such-container"], 3),
        (&["--inside", "4194304"], 3),
        (&[&program, "x"], 2),
        (&[&program, "0"], 2),
        (&[], 2),
        (&["--inside", "1x"], 2),
        (&["--from", &program, "1"], 2),
        (&["--from", &program, "--to", &program], 2),
        (&["--from", &program, "--to", &program, "1", "2"], 2),
    ] {
        let done = output(nsx(["pid"]).args(arguments));
        assert_eq!(done.status.code(), Some(code), "{arguments:?}: {}", stderr(&done));
        assert!(done.stdout.is_empty());
    }
    let said = stderr(&output(&mut nsx(["pid", "--inside", "4194304"])));
    assert!(said.contains("no process has pid 4194304\n") && said.contains("hint: "), "{said}");
}

fn of_a_user() {
    let (_directory, copy) = public_nsx();
    let mut command = crate::support::as_nobody(&copy);
    command.args(["spawn", "-U", "-p", "sh", "-c", "echo ready; exec sleep 1000"]);
    let (held, _) = Held::ready(&mut command);
    let mut program = child_of(held.pid()).unwrap();
    // `setpriv` or the like may stand before it.
    while levels(program).len() == 1 {
        program = child_of(program).unwrap();
    }
    let mut command = crate::support::as_nobody(&copy);
    let said = succeeds(command.args(["pid", &program.to_string(), "1"]));
    assert_eq!(said, format!("{program}\n"));
}
