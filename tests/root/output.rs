//! Where results go: closed pipes, full disks, no colour where nobody asked for it.

use crate::support::{Need, isolated, json, nsx, output, stderr, stdout, succeeds, test};
use libtest_mimic::Trial;
use std::process::Stdio;

const ROOT: &[Need] = &[Need::Root];
const ESCAPE: char = '\u{1b}';

pub fn tests() -> Vec<Trial> {
    vec![
        test("a closed pipe is success and silent", ROOT, closed_pipe),
        test("a full disk is an error that says so", ROOT, full_disk),
        test(
            "what is written to a closed standard output is lost, and that is said",
            ROOT,
            closed_stdout,
        ),
        test("no pipe gets escape sequences", ROOT, no_colour),
        test("JSON is one envelope that names its schema", ROOT, envelope),
        test("the formats agree on what there is", ROOT, formats),
    ]
}

fn commands(pid: u32) -> Vec<Vec<String>> {
    let pid = pid.to_string();
    let lines: [&[&str]; 9] = [
        &["ps"],
        &["ps", "-o", "wide"],
        &["ps", "--json"],
        &["ps", "-o", "jsonl"],
        &["ps", "-o", "tsv"],
        &["inspect", &pid],
        &["inspect", "--json", &pid],
        &["--help"],
        &["ps", "--help"],
    ];
    lines.iter().map(|line| line.iter().map(ToString::to_string).collect()).collect()
}

fn closed_pipe() {
    let (_held, pid) = isolated(&["-p", "-n"]);
    for arguments in commands(pid) {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = nsx(&arguments);
        command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped());
        let output = crate::support::finish(command.spawn().unwrap());
        assert_eq!(
            (output.status.code(), stderr(&output).as_str()),
            (Some(0), ""),
            "{arguments:?}"
        );
    }
}

fn full_disk() {
    let (_held, pid) = isolated(&["-p", "-n"]);
    for arguments in commands(pid) {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = nsx(&arguments);
        command.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped());
        let output = crate::support::finish(command.spawn().unwrap());
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        assert!(stderr(&output).contains("No space left on device"), "{}", stderr(&output));
    }
}

fn closed_stdout() {
    let (_held, pid) = isolated(&["-p", "-n"]);
    for (closed, said) in
        [("<&- >&- 2>&-", ""), (">&-", "standard output: it is not open for writing")]
    {
        for arguments in commands(pid) {
            let mut shell = std::process::Command::new("sh");
            shell
                .args(["-c", &format!(r#""$@" {closed}"#), "sh"])
                .arg(nsx([""; 0]).get_program())
                .args(&arguments);
            let output = output(&mut shell);
            assert_eq!(output.status.code(), Some(1), "{arguments:?} {closed}");
            assert!(stderr(&output).contains(said), "{arguments:?}: {}", stderr(&output));
        }
    }
}

fn no_colour() {
    let (_held, pid) = isolated(&["-p", "-n"]);
    for arguments in commands(pid) {
        let said = succeeds(&mut nsx(&arguments));
        assert!(!said.contains(ESCAPE), "{arguments:?}");
        if arguments[0] == "--help" || arguments.contains(&"--help".to_owned()) {
            continue;
        }
        for when in ["auto", "never"] {
            let said = succeeds(nsx(&arguments).args(["--color", when]));
            assert!(!said.contains(ESCAPE), "{arguments:?} --color {when}");
        }
        succeeds(nsx(&arguments).args(["--color", "always"]).env("NO_COLOR", "1"));
    }
    let wrong = output(&mut nsx(["ps", "--color", "sometimes"]));
    assert_eq!(wrong.status.code(), Some(2), "{}", stderr(&wrong));
}

fn envelope() {
    let (_held, pid) = isolated(&["-p", "-n"]);
    for (arguments, schema) in [
        (&["ps", "--json"][..], "nsx.ps/1"),
        (&["inspect", "--json", &pid.to_string()], "nsx.inspect/1"),
    ] {
        let json = json(&mut nsx(arguments));
        assert_eq!(json["schema"], schema);
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        assert_eq!(keys.len(), 4, "{keys:?}");
        for key in ["schema", "host", "data", "gaps"] {
            assert!(json.get(key).is_some(), "{key}");
        }
        assert!(json["host"]["kernel"].is_string());
    }
}

/// Another test may start or end something meanwhile: only our own row is compared.
fn formats() {
    let (_held, pid) = isolated(&["-p", "-n"]);
    let text = pid.to_string();
    let rows = json(&mut nsx(["ps", "--json"]));
    let row = rows["data"].as_array().unwrap().iter().find(|row| row["pid"] == pid).unwrap();
    assert_eq!(row["runtime"], "nsx");
    assert_eq!(row["namespaces_own"], serde_json::json!(["mnt", "net", "pid"]));
    let lines = succeeds(&mut nsx(["ps", "-o", "jsonl"]));
    let parsed: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(parsed.iter().any(|row| row["pid"] == pid));
    let tsv = succeeds(&mut nsx(["ps", "-o", "tsv"]));
    let at = tsv.lines().next().unwrap().split('\t').position(|key| key == "pid").unwrap();
    assert!(tsv.lines().any(|line| line.split('\t').nth(at) == Some(&text)), "{tsv}");
    let table = stdout(&output(&mut nsx(["ps"])));
    assert!(table.lines().any(|line| line.split_whitespace().any(|word| word == text)), "{table}");
    assert!(succeeds(&mut nsx(["ps", "-q"])).lines().any(|line| line == text));
    assert_eq!(succeeds(&mut nsx(["inspect", "-q", &text])), format!("{text}\n"));
}
