//! Without root: what works, and what is said about the rest.

use crate::support::{Need, as_nobody, binary, isolated, output, public_nsx, stderr, stdout, test};
use libtest_mimic::Trial;
use std::process::Command;

const SETPRIV: &[Need] = &[Need::Root, Need::Program("setpriv")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a user lists what he can see, and one line says what he cannot", SETPRIV, listing),
        test("root that lacks a right is not told to be root", SETPRIV, lesser_root),
        test("--strict makes of what could not be seen code 6", SETPRIV, strict),
        test("a user spawns with a user namespace of his own", SETPRIV, spawning),
        test("a user without a user namespace is told what to add", SETPRIV, hint),
        test("a user inspects a foreign process as far as he can", SETPRIV, inspecting),
    ]
}

fn listing() {
    let (_directory, nsx) = public_nsx();
    let (_held, _) = isolated(&["-p"]);
    let listed = output(as_nobody(&nsx).arg("ps"));
    assert_eq!(listed.status.code(), Some(0), "{}", stderr(&listed));
    assert!(stdout(&listed).starts_with("RUNTIME"));
    let said = stderr(&listed);
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("permission denied") && said.contains("run as root"), "{said}");
    let json = output(as_nobody(&nsx).args(["ps", "--json"]));
    let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["gaps"][0]["reason"], "denied");
}

fn strict() {
    let (_directory, nsx) = public_nsx();
    let (_held, pid) = isolated(&["-p"]);
    for arguments in [
        &["ps", "--strict"][..],
        &["ps", "--strict", "--json"],
        &["inspect", "--strict", &pid.to_string()],
    ] {
        let listed = output(as_nobody(&nsx).args(arguments));
        assert_eq!(listed.status.code(), Some(6), "{arguments:?}: {}", stderr(&listed));
        assert!(!stdout(&listed).is_empty(), "what was seen is still shown");
    }
}

fn spawning() {
    let (_directory, nsx) = public_nsx();
    for options in [
        &["--newuser", "--newpid"][..],
        &["-U", "-p", "-n", "-u", "-i", "-C", "-T"],
        &["--new-all"],
    ] {
        let program = "id -u; echo $$; read a b c </proc/self/uid_map; echo $a $b $c";
        let output = output(as_nobody(&nsx).arg("spawn").args(options).args(["sh", "-c", program]));
        assert_eq!(output.status.code(), Some(0), "{options:?}: {}", stderr(&output));
        assert_eq!(stdout(&output), "0\n1\n0 65534 1\n", "{options:?}");
    }
}

fn hint() {
    let (_directory, nsx) = public_nsx();
    for options in [&["--newpid"][..], &["-n"], &["-m"], &["-u", "--hostname", "x"]] {
        let output = output(as_nobody(&nsx).arg("spawn").args(options).args(["echo", "RAN"]));
        assert_eq!(
            (output.status.code(), stdout(&output).as_str()),
            (Some(125), ""),
            "{options:?}"
        );
        let said = stderr(&output);
        assert!(said.contains("Operation not permitted") && said.contains("--newuser"), "{said}");
    }
}

fn inspecting() {
    let (_directory, nsx) = public_nsx();
    let (_held, pid) = isolated(&["-p", "-n"]);
    let inspected = output(as_nobody(&nsx).args(["inspect", "--json", &pid.to_string()]));
    assert_eq!(inspected.status.code(), Some(0), "{}", stderr(&inspected));
    assert_eq!(stderr(&inspected).lines().count(), 1, "{}", stderr(&inspected));
    let json: serde_json::Value = serde_json::from_slice(&inspected.stdout).unwrap();
    assert_eq!(json["data"]["pid"], pid);
    assert!(json["gaps"].as_array().is_some_and(|gaps| !gaps.is_empty()));
    assert!(json["data"]["uts"].is_null(), "a hostname that could not be read is not the host's");
}

fn lesser_root() {
    let (_held, pid) = isolated(&["-n"]);
    for arguments in [&["enter", "-n", "-t"][..], &["ns", "-p"]] {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace"]).arg(binary("nsx"));
        command.args(arguments).arg(pid.to_string());
        let said = stderr(&output(&mut command));
        assert!(said.contains(&format!("pid {pid}")) && said.contains("CAP_SYS_PTRACE"), "{said}");
        assert!(!said.contains("as root"), "{said}");
    }
}
