//! No control groups, nowhere to write, no environment, nowhere to be.

use super::{BOTH, NOTHING, Scene, Who, acts, limit, looks, place};
use crate::support::{Need, test};
use libtest_mimic::Trial;

const NEEDS: &[Need] = &[Need::Root, Need::Program("setpriv"), Need::Program("unshare")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("poor: without control groups the rest is whole, and that is said", NEEDS, no_groups),
        test("poor: places that are missing are not missed", NEEDS, no_places),
    ]
}

fn no_groups() {
    let scene = Scene::new();
    let own = scene.own.to_string();
    for setup in [
        "umount -Rl /sys/fs/cgroup",
        "mount -t tmpfs none /sys/fs/cgroup",
        "mount -t tmpfs none /sys",
    ] {
        let lack = place(setup);
        for who in BOTH {
            for words in [&["ps"][..], &["ns"], &["who", &own], &["pid", &own]] {
                scene.is_whole(lack, who, words, scene.own);
            }
            scene.is_whole(
                lack,
                who,
                &["inspect", "--skip", "cgroup,net,security", &own],
                scene.own,
            );
            for words in [
                &["ps", "--usage", "--interval", "0", &own][..],
                &["inspect", "--only", "cgroup", &own],
            ] {
                let (code, said) = scene.decent(lack, who, words);
                assert!(code == 0 && said.contains("could not be read"), "{words:?}: {said}");
                let strict = [words, &["--strict"]].concat();
                assert_eq!(scene.decent(lack, who, &strict).0, 6, "{words:?}");
            }
            for words in acts(&own) {
                let plain = scene.decent(NOTHING, who, &words);
                assert_eq!(scene.decent(lack, who, &words), plain, "{words:?}");
            }
        }
        let (code, said) =
            scene.decent(lack, Who::Root, &["spawn", "--memory", "64M", "/bin/true"]);
        assert!(code == 125 && said.contains("no memory controller"), "{code}: {said}");
    }
}

fn no_places() {
    let scene = Scene::new();
    let own = scene.own.to_string();
    for lack in [
        place("mount -t tmpfs -o ro none /run"),
        place("mount -t tmpfs -o ro none /tmp"),
        place("mount -t tmpfs -o ro none /var"),
        place("mount -o remount,bind,ro /"),
        place("cd \"$(mktemp -d)\"; rmdir \"$PWD\""),
        limit(&["env", "-i"]),
        limit(&["env", "-u", "HOME", "PATH=/nowhere"]),
    ] {
        for who in BOTH {
            for words in [&["ps"][..], &["ns"], &["inspect", &own], &["who", &own]] {
                scene.is_whole(lack, who, words, scene.own);
            }
            for words in acts(&own) {
                let plain = scene.decent(NOTHING, who, &words);
                assert_eq!(scene.decent(lack, who, &words), plain, "{words:?} {lack:?}");
            }
        }
        for words in looks(&own) {
            scene.decent(lack, Who::Nobody, &words);
        }
    }
}
