//! A /proc that hides processes, lacks files, may not be written, or is not there.

use super::{BOTH, Scene, Who, acts, looks, place};
use crate::support::{Need, stdout, test};
use libtest_mimic::Trial;

const NEEDS: &[Need] = &[Need::Root, Need::Program("setpriv"), Need::Program("unshare")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("poor: what hidepid hides is said to be hidden", NEEDS, hidden),
        test("poor: root sees everything behind hidepid", NEEDS, behind),
        test("poor: with subset=pid every report is whole", NEEDS, subset),
        test("poor: without /proc every command says that", NEEDS, absent),
        test("poor: a /proc that may not be written is read", NEEDS, read_only),
    ]
}

const MODES: [&str; 3] = [
    "mount -t proc -o hidepid=noaccess proc /proc",
    "mount -t proc -o hidepid=invisible proc /proc",
    "mount -t proc -o hidepid=ptraceable proc /proc",
];

fn hidden() {
    let scene = Scene::new();
    let [own, roots] = [scene.own, scene.roots].map(|pid| pid.to_string());
    for lack in MODES.map(place) {
        for words in [&["ps"][..], &["ns"], &["inspect", &own], &["pid", &own], &["who", &own]] {
            scene.is_honest(lack, words, scene.own);
        }
        for words in [&["ps"][..], &["ps", "--orphans"], &["ns"], &["who", &own]] {
            let (code, said) = scene.decent(lack, Who::Nobody, words);
            assert!(code == 0 && said.contains("could not be read"), "{words:?} {lack:?}: {said}");
            let strict = [words, &["--strict"]].concat();
            assert_eq!(scene.decent(lack, Who::Nobody, &strict).0, 6, "{words:?} {lack:?}");
        }
        for words in looks(&roots).iter().chain(&acts(&roots)) {
            let (code, said) = scene.decent(lack, Who::Nobody, words);
            let is_asked = words.contains(&&*roots);
            // Where it can only be searched for, nothing is found.
            let is_searched = words[0] == "who" && words[1] != "--peers";
            let means = match words[0] {
                "lsns" | "nsenter" => 1,
                "enter" => 125,
                _ if is_searched => 3,
                _ => 4,
            };
            assert!(!is_asked || code == means, "{words:?} {lack:?}: {code}: {said}");
            let why = ["hidden", "ermission denied", "not permitted"];
            assert!(!is_asked || why.iter().any(|why| said.contains(why)), "{words:?}: {said}");
        }
    }
}

fn behind() {
    let scene = Scene::new();
    for lack in MODES.map(place) {
        for pid in [scene.own, scene.roots] {
            let text = pid.to_string();
            // A first process that root may not trace is hidden from root, too, and with it what
            // is privileged.
            let inspect = ["inspect", "--skip", "security", &text];
            for words in [&["ps"][..], &["ns"], &inspect, &["who", &text]] {
                scene.is_whole(lack, Who::Root, words, pid);
            }
            let security = &["inspect", "--only", "security", &text];
            let (code, said) = scene.decent(lack, Who::Root, security);
            let is_told = said.contains("capabilities of pid 1 could not be read");
            assert_eq!(code, 0, "{said}");
            if !is_told {
                scene.is_whole(lack, Who::Root, security, pid);
            }
        }
    }
}

fn subset() {
    let scene = Scene::new();
    let lack = place("mount -t proc -o subset=pid proc /proc");
    for who in BOTH {
        for pid in [scene.own, scene.roots] {
            let text = pid.to_string();
            let but_settings = ["inspect", "--skip", "net,limits", &text];
            for words in [&["ps"][..], &["ns"], &but_settings, &["who", &text]] {
                scene.is_whole(lack, who, words, pid);
            }
            let (code, said) = scene.decent(lack, who, &["inspect", "--only", "limits", &text]);
            assert!(code == 0 && said.contains("settings of /proc/sys"), "{said}");
        }
        let envelope = scene.json(lack, who, &["ps"]);
        let named = envelope["host"]["kernel"].as_str().unwrap();
        assert_eq!(named, nix::sys::utsname::uname().unwrap().release(), "{envelope}");
        let own = scene.own.to_string();
        for words in looks(&own).iter().chain(&acts(&own)) {
            scene.decent(lack, who, words);
        }
    }
}

fn absent() {
    let scene = Scene::new();
    let own = scene.own.to_string();
    for lack in ["mount -t tmpfs none /proc", "umount -Rl /proc"].map(place) {
        for who in BOTH {
            for words in looks(&own) {
                let (code, said) = scene.decent(lack, who, &words);
                if words.iter().any(|word| word.starts_with("--help") || *word == "--version") {
                    assert_eq!((code, said.as_str()), (0, ""), "{words:?}");
                    assert!(!stdout(&scene.run(lack, who, &words)).is_empty());
                    continue;
                }
                let means = if words[0] == "lsns" { 1 } else { 5 };
                assert!(
                    code == means && said.contains("procfs is not mounted"),
                    "{words:?}: {said}"
                );
                assert!(means == 1 || said.contains("`mount -t proc proc /proc`"), "{said}");
            }
            for words in acts(&own) {
                let (code, said) = scene.decent(lack, who, &words);
                let needs_none = matches!(words[..2], ["spawn", "--newpid"] | ["unshare", "-n"]);
                let is_told = said.contains("procfs is not mounted");
                assert!(needs_none || (code != 0 && is_told), "{words:?} {code}: {said}");
            }
        }
    }
}

fn read_only() {
    let scene = Scene::new();
    let own = scene.own.to_string();
    let lack = place("mount -t proc -o ro proc /proc");
    for who in BOTH {
        for words in [&["ps"][..], &["ns"], &["inspect", &own], &["who", &own]] {
            scene.is_whole(lack, who, words, scene.own);
        }
        for words in acts(&own) {
            let (code, said) = scene.decent(lack, who, &words);
            let plain = scene.decent(super::NOTHING, who, &words);
            let is_told = said.contains("Read-only file system");
            assert!((code, &*said) == (plain.0, &*plain.1) || is_told, "{words:?}: {said}");
        }
    }
}
