//! Which program it is, and how it ends.

use super::probe::{self, Setting};
use super::same_ending_in;
use super::scene::Scene;
use std::path::Path;
use std::process::Command;

/// A file without a first line, one with, and one whose interpreter is not there.
pub fn plant(directory: &Path) {
    for (name, text) in [
        ("plain", "echo plain \"$@\"; exit 5"),
        ("script", "#!/bin/sh\necho script \"$@\"\n"),
        ("lost", "#!/no/such/thing\n"),
    ] {
        crate::support::write_script(directory.join(name), text);
    }
}

pub fn endings() {
    let scene = Scene::start();
    plant(scene.directory.path());
    for flags in ["-n", "-p", "-m", "-a", "-a -F"] {
        for program in [
            "true",
            "false",
            "sh -c exit\\42",
            "sh -c kill\\-9\\$$",
            "/bin/echo a b",
            "no-such-program",
            "/no/such/program",
            "/etc/passwd",
            "/etc/passwd/x",
            "/",
            "''",
            "%directory/plain a b",
            "%directory/script a b",
            "%directory/lost",
        ] {
            let line = format!("-t %all {flags} {program}");
            // `\` stands for a blank within a word.
            let words: Vec<String> =
                scene.words(&line).iter().map(|word| word.replace('\\', " ")).collect();
            let [theirs, ours] = scene
                .both()
                .map(|mut command| probe::ending(command.args(&words), &Setting::default(), ""));
            assert_eq!(ours, theirs, "nsenter {line} (nsx first)");
        }
    }
}

/// What the caller has closed stays so, and nothing of nsx's is in its place.
pub fn closed_descriptors() {
    let scene = Scene::start();
    for (closed, flags) in
        [("<&-", "-n"), ("<&-", "-a"), (">&-", "-p"), ("2>&-", "-m"), ("<&- >&-", "-n")]
    {
        let [theirs, ours] = scene.both().map(|command| {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!(r#"exec {closed}; exec "$@""#)]);
            let told = scene.directory.path().join("told");
            shell.arg(&told).arg(command.get_program());
            shell.args(scene.words(&format!("-t %all {flags} sh -c")));
            shell.arg(format!(
                "for fd in 0 1 2; do test -e /proc/self/fd/$fd && echo $fd; done >{}",
                told.display()
            ));
            let ended = probe::ending(&mut shell, &Setting::default(), "");
            (ended, std::fs::read_to_string(&told).unwrap())
        });
        assert_eq!(ours, theirs, "{closed} {flags} (nsx first)");
    }
}

/// A login shell: the caller's, else that of passwd(5).
pub fn shells() {
    let scene = Scene::start();
    let told = "tr '\\0' ' ' </proc/$$/cmdline; exit 3\n";
    for shell in ["/bin/sh", "/bin/bash", "/no/such/shell", "bash"] {
        let mut setting = Setting::default();
        setting.environment.push(("SHELL", shell));
        for line in ["-t %all -n", "-t %all -m -p", "-t %all -n --"] {
            same_ending_in(&scene, line, told, &setting);
        }
    }
    // Without one, 2.38 takes /bin/sh, and an empty one as it is.
    let users = std::fs::read_to_string("/etc/passwd").expect("it is there");
    let root = users.lines().find(|line| line.split(':').nth(2) == Some("0")).expect("root");
    let shell = root.rsplit('/').next().expect("a shell");
    let expected = (Some(3), None, format!("-{shell} "), String::new());
    let mut empty = Setting::default();
    empty.environment.push(("SHELL", ""));
    for setting in [Setting::default(), empty] {
        for mut command in [scene.ours()].into_iter().chain(Scene::newer()) {
            let ended = probe::ending(command.args(scene.words("-t %all -n")), &setting, told);
            assert_eq!(ended, expected, "{command:?} in {setting:?}");
        }
    }
}
