//! Few descriptors, little memory, no more processes, no long files.

use super::{BOTH, Lack, NOTHING, Scene, Who, acts, limit, looks};
use crate::support::{Need, stdout, test};
use libtest_mimic::Trial;

const NEEDS: &[Need] =
    &[Need::Root, Need::Program("setpriv"), Need::Program("unshare"), Need::Program("prlimit")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("poor: with 8 descriptors every report is whole", NEEDS, descriptors),
        test("poor: with fewer descriptors nothing is made up", NEEDS, fewer),
        test("poor: with 64 MiB of address space everything works", NEEDS, memory),
        test("poor: who may have no more processes is told so", NEEDS, processes),
        test("poor: who may write no file is told so", NEEDS, files),
    ]
}

/// A host of some size: nobody has 200 processes in it.
fn crowd() -> Scene {
    let many = "i=0; while [ $i -lt 200 ]; do sleep 1000 & i=$((i+1)); done; echo ready; wait";
    Scene::with_program(many)
}

fn whole(scene: &Scene, lack: Lack) {
    for who in BOTH {
        for pid in [scene.own, scene.roots] {
            let text = pid.to_string();
            for words in
                [&["ps"][..], &["ns"], &["inspect", &text], &["who", &text], &["pid", &text]]
            {
                scene.is_whole(lack, who, words, pid);
            }
        }
    }
}

fn descriptors() {
    let scene = crowd();
    let lack = limit(&["prlimit", "--nofile=8:8"]);
    whole(&scene, limit(&["prlimit", "--nofile=8:4096"]));
    // Where it may have no more, the lists are whole; what is missing of the rest is said.
    for who in BOTH {
        for pid in [scene.own, scene.roots] {
            let text = pid.to_string();
            for words in [&["ps"][..], &["ns"], &["who", &text], &["pid", &text]] {
                scene.is_whole(lack, who, words, pid);
            }
        }
    }
    failed(&scene, lack);
}

/// What is not as it is otherwise says why.
fn failed(scene: &Scene, lack: Lack) {
    let own = scene.own.to_string();
    for who in BOTH {
        for words in looks(&own).iter().chain(&acts(&own)) {
            let plain = scene.decent(NOTHING, who, words).0;
            let (code, said) = scene.decent(lack, who, words);
            let why = ["Too many open files", "no more descriptors", "Error 24"];
            // The line on standard error has room for one reason.
            let has_gap = || {
                let report = scene.run(lack, who, &[&words[..], &["--json"]].concat());
                stdout(&report).contains(r#""reason":"failed""#)
            };
            let is_told = || why.iter().any(|why| said.contains(why)) || has_gap();
            assert!(code == plain || is_told(), "{words:?} of {who:?}, {lack:?}: {code}: {said}");
        }
    }
}

fn fewer() {
    let scene = Scene::new();
    for lack in [
        limit(&["prlimit", "--nofile=7:7"]),
        limit(&["prlimit", "--nofile=6:6"]),
        limit(&["prlimit", "--nofile=5:5"]),
        limit(&["prlimit", "--nofile=4:4"]),
        limit(&["prlimit", "--nofile=3:3"]),
    ] {
        failed(&scene, lack);
    }
}

fn memory() {
    let scene = crowd();
    let lack = limit(&["prlimit", "--as=67108864"]);
    whole(&scene, lack);
    let own = scene.own.to_string();
    for who in BOTH {
        for words in looks(&own).iter().chain(&acts(&own)) {
            let plain = scene.decent(NOTHING, who, words).0;
            let (code, said) = scene.decent(lack, who, words);
            assert_eq!(code, plain, "{words:?} of {who:?}: {said}");
        }
    }
}

fn processes() {
    let scene = Scene::new();
    let lack = limit(&["prlimit", "--nproc=0"]);
    let own = scene.own.to_string();
    for words in [&["ps"][..], &["pid", &own], &["who", &own]] {
        scene.is_whole(lack, Who::Nobody, words, scene.own);
    }
    // Command lines are read by a process of their own: the names stand in their place.
    let (code, said) = scene.decent(lack, Who::Nobody, &["ns", "-p", &own]);
    assert!(code == 0 && said.contains("could not be read"), "{code}: {said}");
    scene.is_honest(lack, &["inspect", &own], scene.own);
    for words in looks(&own) {
        let (code, said) = scene.decent(lack, Who::Nobody, &words);
        assert!(code != 3 || said.contains("that was searched"), "{words:?}: {said}");
    }
    for words in acts(&own) {
        let plain = scene.decent(NOTHING, Who::Nobody, &words).0;
        let (code, said) = scene.decent(lack, Who::Nobody, &words);
        let is_told = said.contains("Try again") || said.contains("temporarily unavailable");
        assert!(code == plain || is_told, "{words:?}: {code}: {said}");
        if is_told && words[0] == "spawn" {
            assert!(said.contains("ulimit -u"), "{words:?}: {said}");
        }
    }
}

fn files() {
    let scene = Scene::new();
    let lack = limit(&["prlimit", "--fsize=0"]);
    let own = scene.own.to_string();
    for who in BOTH {
        for words in looks(&own).iter().chain(&acts(&own)) {
            let plain = scene.decent(NOTHING, who, words).0;
            let (code, said) = scene.decent(lack, who, words);
            assert!(code == plain || said.contains("File too large"), "{words:?}: {code}: {said}");
        }
    }
}
