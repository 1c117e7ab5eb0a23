//! The committed completions in the real shells, with an `nsx` that lists a few containers, one of
//! which is called what a shell would run.

use crate::{run, workspace};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// A name that a shell which expands it obeys.
const ODD: &str = "x$(touch${IFS}PWNED)";

/// What must be among the offers, and what must not.
const CASES: [(&str, &[&str], &[&str]); 29] = [
    ("nsx ", &["ps", "ns", "inspect", "enter", "spawn"], &["help", "web"]),
    ("nsx inspect ", &["web", "db", "4242", "pod:", "unit:", "netns:", "cgroup:", "ns:"], &["ps"]),
    ("nsx inspect net", &["netns:"], &["ns:", "web"]),
    ("nsx ps u", &["unit:"], &["web"]),
    ("nsx enter -t po", &["pod:"], &["web"]),
    ("nsx enter -t pod:a/b -n nsx-probe-p", &["nsx-probe-program"], &["web"]),
    ("nsx enter -t docker:web nsx-probe-p", &["nsx-probe-program"], &["web"]),
    ("nsx enter --target=netns:blue nsx-probe-p", &["nsx-probe-program"], &["web"]),
    ("nsx-inspect runc:w --on", &["--only"], &["web"]),
    ("nsx inspect x", &[], &["web"]),
    ("nsx inspect runc:w", &[], &["web"]),
    ("nsx inspect w", &["web"], &["db"]),
    ("nsx-inspect w", &["web"], &["db"]),
    ("nsx ps d", &["db"], &["web"]),
    ("nsx-ps --no", &["--no-headings"], &[]),
    ("nsx ps -o ", &["table", "json"], &["web"]),
    ("nsx ps --s", &["--strict"], &["--sysroot"]),
    ("nsx enter -t w", &["web"], &["db"]),
    ("nsx-enter --target w", &["web"], &["db"]),
    ("nsx-enter --target=w", &["web"], &["db"]),
    ("nsx ns -p w", &["web"], &["db"]),
    ("nsx ns w", &[], &["web"]),
    ("nsx who w", &["web"], &["db"]),
    ("nsx who --peers w", &["web"], &["db"]),
    ("nsx pid --from w", &["web"], &["db"]),
    ("nsx pid --from web --to d", &["db"], &["web"]),
    ("nsx enter -t web --dr", &["--dry-run"], &["web"]),
    ("nsx enter -t web -n nsx-probe-p", &["nsx-probe-program"], &["web"]),
    ("nsx-spawn --newpid nsx-probe-p", &["nsx-probe-program"], &[]),
];

#[test]
fn bash_completes() {
    completes("bash", &["--norc", "--noprofile"]);
}

#[test]
fn fish_completes() {
    completes("fish", &["--no-config"]);
}

#[test]
fn zsh_completes() {
    completes("zsh", &["-f"]);
}

fn completes(shell: &str, options: &[&str]) {
    let Some(program) = run::find(shell) else {
        let strict = std::env::var_os("NSX_TEST_STRICT").is_some_and(|value| value == "1");
        assert!(!strict, "{shell} is not installed");
        eprintln!("ignored, because {shell} is not installed");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let stub = |name: &str, text: &str| {
        let file = dir.path().join(name);
        std::fs::write(&file, text).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    // Whatever runs it runs where nothing but the completion may write.
    stub(
        "nsx",
        "#!/bin/sh\n[ \"$*\" = 'ps -o name' ] || { echo wrong; exit 0; }\n\
        printf '%s\\n' web db 4242 runc:w7 '@ODD@'\n"
            .replace("@ODD@", ODD)
            .as_str(),
    );
    stub("nsx-probe-program", "#!/bin/sh\n");
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/gen/shells");
    std::fs::copy(scripts.join("zshrc"), dir.path().join(".zshrc")).unwrap();

    let output = Command::new(program)
        .args(options)
        .arg(scripts.join(format!("try.{shell}")))
        .args(CASES.map(|(line, ..)| line))
        .env("NSX_COMPLETIONS", workspace::root().join("completions"))
        .env("PATH", format!("{}:/usr/bin:/bin", dir.path().display()))
        .env("HOME", dir.path())
        .env("ZDOTDIR", dir.path())
        .current_dir(dir.path())
        .env("TERM", "dumb")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let offers = |line: &str| -> Vec<&str> {
        let answer = text.lines().find_map(|answer| answer.strip_prefix(line)?.strip_prefix(" =>"));
        let answer = answer.unwrap_or_else(|| panic!("{shell}: no answer to {line:?}: {output:?}"));
        answer.split_whitespace().collect()
    };
    // readline takes what follows the colon; fish quotes what it inserts when it does.
    let after_colon = if shell == "bash" { "w7" } else { "runc:w7" };
    let quoted = if shell == "fish" { ODD } else { r"x\$\(touch\$\{IFS\}PWNED\)" };
    assert_eq!(offers("nsx inspect runc:w"), [after_colon], "{shell}");
    assert_eq!(offers("nsx inspect x"), [quoted], "{shell}");
    assert!(!dir.path().join("PWNED").exists(), "{shell} ran a name");
    for (line, expected, unwanted) in CASES {
        let offers = offers(line);
        for word in expected {
            assert!(offers.contains(word), "{shell}: {line:?} offers {offers:?}, not {word}");
        }
        for word in unwanted {
            assert!(!offers.contains(word), "{shell}: {line:?} offers {word}");
        }
    }
}
