//! The environment of an entered program: ours for a program of the host, an allow-list or the
//! target's for a program of the target.

use crate::support::{Held, Need, isolated, nsx, output, stderr, stdout, test};
use libtest_mimic::Trial;
use std::collections::BTreeMap;
use std::process::Command;

const ROOT: &[Need] = &[Need::Root];

const KEYS: &[Need] = &[Need::Root, Need::Program("perl")];

pub fn tests() -> Vec<Trial> {
    vec![
        test(
            "the caller's session keys reach neither what is not his nor another user",
            KEYS,
            keys,
        ),
        test(
            "a program of the target gets nothing of our environment but the harmless",
            ROOT,
            allowed,
        ),
        test("a program of the host keeps our environment", ROOT, ours),
        test("-e gives exactly the environment that the target was started with", ROOT, theirs),
        test("-e of very many variables does not take for ever", ROOT, many),
        test("-e gives a large environment whole or says that it does not", ROOT, large),
    ]
}

fn parsed(block: &str) -> BTreeMap<&str, &str> {
    block.split_terminator('\0').map(|entry| entry.split_once('=').unwrap()).collect()
}

/// `env -0` of an entered program, nsx itself having been given `ours`.
fn environment(target: u32, flags: &[&str], ours: &[(&str, &str)]) -> String {
    let mut command = nsx(["enter", "-t", &target.to_string()]);
    command.args(flags).args(["/usr/bin/env", "-0"]).env_clear().envs(ours.iter().copied());
    let output = output(&mut command);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

const OURS: [(&str, &str); 7] = [
    ("PATH", "/host/bin:/usr/bin:/bin"),
    ("HOME", "/home/operator"),
    ("TERM", "screen-256color"),
    ("LANG", "de_DE.UTF-8"),
    ("AWS_SECRET_ACCESS_KEY", "s3cret"),
    ("LD_PRELOAD_X", "/tmp/evil.so"),
    ("SSH_AUTH_SOCK", "/tmp/agent"),
];

fn allowed() {
    let (_held, target) = isolated(&["-m", "-p", "-n"]);
    for flags in [&["-m"][..], &["-a"], &["-m", "-n"]] {
        let block = environment(target, flags, &OURS);
        let expected = BTreeMap::from([
            ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
            ("HOME", "/root"),
            ("TERM", "screen-256color"),
            ("LANG", "de_DE.UTF-8"),
        ]);
        assert_eq!(parsed(&block), expected, "{flags:?}");
    }
}

fn ours() {
    let (_held, target) = isolated(&["-p", "-n"]);
    for flags in ["-n", "-p"] {
        let block = environment(target, &[flags], &OURS);
        assert_eq!(parsed(&block), BTreeMap::from(OURS), "{flags}");
    }
}

/// A target with a chosen environment; what it says of it is in its memory, as bytes.
fn target_with(environment: &[(&str, &str)]) -> (Held, u32) {
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", "echo $$; exec sleep 1000"]);
    let (held, pid) = Held::ready(command.env_clear().envs(environment.iter().copied()));
    // Its environment can be read only after the exec that its name announces.
    crate::support::asleep(held.pid());
    (held, pid.parse().unwrap())
}

fn theirs() {
    let values = [
        ("PATH", "/usr/bin:/bin"),
        ("EMPTY", ""),
        ("ODD", "a=b\nc \x1b[31m"),
        ("PWD", "/srv"),
        ("TOKEN", "t"),
    ];
    let (_held, target) = target_with(&values);
    for flags in [&["-m", "-e"][..], &["-a", "--env"]] {
        let block = environment(target, flags, &OURS);
        let started = std::fs::read(format!("/proc/{target}/environ")).unwrap();
        assert_eq!(block.as_bytes(), started, "{flags:?}");
        assert!(block.contains("ODD=a=b\nc \x1b[31m\0"), "{block:?}");
        assert!(!block.contains("s3cret"));
    }
}

/// More than a megabyte: execve(2) takes up to a quarter of the stack limit.
fn large() {
    let value = "v".repeat(100_000);
    let names: Vec<String> = (0..14).map(|number| format!("BIG{number}")).collect();
    let mut values: Vec<(&str, &str)> =
        names.iter().map(|name| (name.as_str(), value.as_str())).collect();
    values.push(("PATH", "/usr/bin:/bin"));
    let (_held, target) = target_with(&values);
    let mut command = nsx(["enter", "-t", &target.to_string(), "-m", "-e", "/usr/bin/env", "-0"]);
    let output = output(&mut command);
    let started = std::fs::read(format!("/proc/{target}/environ")).unwrap();
    assert!(started.len() > 1_400_000, "{}", started.len());
    let whole = output.stdout == started;
    let refused = output.status.code() == Some(125) && output.stdout.is_empty();
    assert!(
        whole || refused,
        "{} of {} bytes, {}: {}",
        output.stdout.len(),
        started.len(),
        output.status,
        stderr(&output)
    );
}

/// What is slow by the square of their number ends here after minutes; the harness waits half one.
fn many() {
    let names: Vec<String> = (0..90_000).map(|number| format!("V{number:05}")).collect();
    let values: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    let (_held, target) = target_with(&[&values[..], &[("PATH", "/usr/bin:/bin")]].concat());
    let block = environment(target, &["-m", "-e"], &[]);
    assert_eq!(parsed(&block).len(), 90_001 + usize::from(block.contains("PWD=")));
}

/// Puts a key into a session keyring of its own, and becomes what follows.
const WITH_KEY: &str = r#"
    my ($add, $keyctl) = splice @ARGV, 0, 2;
    syscall($keyctl, 1, 0) >= 0 or die "$!";
    my ($type, $name, $payload) = ("user", "nsx-secret", "x");
    syscall($add, $type, $name, $payload, 1, -3) >= 0 or die "$!";
    exec @ARGV;
"#;
/// Looks for it.
const FIND_KEY: &str = r#"
    my ($type, $name) = ("user", "nsx-secret");
    print syscall($ARGV[0], 10, -3, $type, $name, 0) >= 0 ? "found" : "none";
"#;

fn keys() {
    let (_held, target) = isolated(&["-n", "-m"]);
    let [add, keyctl] = [libc::SYS_add_key, libc::SYS_keyctl].map(|number| number.to_string());
    let target = target.to_string();
    let enter = ["enter", "-t", &target];
    let maps = ["-m", "--map-users=0:100000:9", "--map-groups=0:100000:9"];
    for (command, way, expected) in [
        (&enter[..], &["-n"][..], "found"),
        (&enter, &["-n", "-S", "0"], "found"),
        (&enter, &["-m"], "none"),
        (&enter, &["-a"], "none"),
        (&enter, &["-n", "--as-target"], "none"),
        (&enter, &["-n", "-S", "1000", "-G", "1000"], "none"),
        (&["spawn"], &["-m"], "found"),
        (&["spawn"], &["-U"], "found"),
        (&["spawn"], &["-m", "--user=nobody"], "none"),
        (&["spawn"], &["-m", "-S", "1000"], "none"),
        (&["spawn"], &maps, "none"),
    ] {
        let mut perl = Command::new("perl");
        perl.args(["-e", WITH_KEY, &add, &keyctl]).arg(nsx([""; 0]).get_program());
        perl.args(command).args(way);
        let seen = output(perl.args(["perl", "-e", FIND_KEY, &keyctl]));
        assert_eq!(stdout(&seen), expected, "{way:?}: {}", stderr(&seen));
    }
}
