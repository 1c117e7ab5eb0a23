//! An ordinary user: on his own processes, on those of others, and what is said about the rest.

use super::{NOTHING, Scene, Who, acts, looks};
use crate::support::{Need, stderr, stdout, test};
use libtest_mimic::Trial;

const NEEDS: &[Need] = &[Need::Root, Need::Program("setpriv"), Need::Program("unshare")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("poor: a user sees of his own what root sees, and is told of the rest", NEEDS, own),
        test("poor: a user is shown no lie about the processes of others", NEEDS, others),
        test("poor: a user is told what he lacks, and --strict is 6", NEEDS, told),
        test("poor: no command of a user ends without a word or a known code", NEEDS, every),
    ]
}

fn own() {
    let scene = Scene::new();
    let pid = scene.own.to_string();
    for words in [&["ps"][..], &["ns"], &["pid", &pid], &["who", &pid]] {
        assert!(!scene.is_honest(NOTHING, words, scene.own), "{words:?}: something is missing");
    }
    // Its network takes a right that only its user namespace gives.
    assert!(scene.is_honest(NOTHING, &["inspect", &pid], scene.own));
    for only in ["identity", "namespaces", "mounts", "cgroup", "security", "limits", "processes"] {
        let missing = scene.is_honest(NOTHING, &["inspect", "--only", only, &pid], scene.own);
        assert!(!missing, "{only}");
    }
}

fn others() {
    let scene = Scene::new();
    for pid in [scene.roots, scene.strangers] {
        let text = pid.to_string();
        scene.is_honest(NOTHING, &["who", "--peers", &text], pid);
        for words in [&["ps"][..], &["ns"], &["inspect", &text]] {
            assert!(scene.is_honest(NOTHING, words, pid), "{words:?}: that was to be missing");
        }
        scene.is_honest(NOTHING, &["pid", &text], pid);
        let whose = scene.json(NOTHING, Who::Nobody, &["who", &text]);
        assert_eq!(whose["data"][0]["owner"]["kind"], "unknown", "{whose}");
    }
}

fn told() {
    let scene = Scene::new();
    let [own, roots] = [scene.own, scene.roots].map(|pid| pid.to_string());
    for words in [
        &["ps"][..],
        &["ps", "--orphans"],
        &["ns"],
        &["inspect", &own],
        &["inspect", &roots],
        &["who", &own],
        &["who", "--peers", &own],
    ] {
        let (code, said) = scene.decent(NOTHING, Who::Nobody, words);
        assert_eq!((code, said.lines().count()), (0, 1), "{words:?}: {said}");
        assert!(said.contains("permission denied") && said.contains("run as root"), "{said}");
        for format in ["table", "json"] {
            let strict = [words, &["--strict", "-o", format]].concat();
            let done = scene.run(NOTHING, Who::Nobody, &strict);
            assert_eq!(done.status.code(), Some(6), "{strict:?}: {}", stderr(&done));
            assert!(!stdout(&done).is_empty(), "{strict:?}");
        }
    }
    for (words, code, what) in [
        (&["ps", &roots][..], 4, "is not known"),
        (&["ns", "-p", &roots], 4, "cannot read the namespaces"),
        (&["ps", "nobody-has-this-name"], 3, "of others"),
        (&["inspect", "nobody-has-this-name"], 3, "of others"),
        (&["who", "port:9"], 3, "that was searched"),
        (&["enter", "-t", &roots, "true"], 125, "cannot be read"),
        (&["enter", "-t", &own, "-n", "true"], 125, "add -U"),
        (&["spawn", "--newpid", "true"], 125, "add --newuser"),
        (&["lsns", "-p", &roots], 1, "Permission denied"),
        (&["nsenter", "-t", &roots, "-n", "true"], 1, "Operation not permitted"),
        (&["unshare", "-n", "true"], 1, "Operation not permitted"),
    ] {
        let (found, said) = scene.decent(NOTHING, Who::Nobody, words);
        assert!(found == code && said.contains(what), "{words:?}: {found}: {said}");
        let is_ours = !matches!(words[0], "lsns" | "nsenter" | "unshare");
        assert!(!is_ours || said.contains("\n  hint: "), "{words:?}: {said}");
    }
}

fn every() {
    let scene = Scene::new();
    for pid in [scene.own, scene.roots, scene.strangers].map(|pid| pid.to_string()) {
        for words in looks(&pid).iter().chain(&acts(&pid)) {
            scene.decent(NOTHING, Who::Nobody, words);
        }
    }
}
