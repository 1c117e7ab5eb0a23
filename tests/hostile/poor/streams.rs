//! Standard streams that are closed or full: what a program does with them is its own.

use super::{BOTH, Lack, NOTHING, Scene, acts, looks};
use crate::support::{Need, test};
use libtest_mimic::Trial;

const NEEDS: &[Need] = &[Need::Root, Need::Program("setpriv"), Need::Program("unshare")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("poor: what is not wanted on a closed stream changes no code", NEEDS, closed),
        test("poor: what could not be written is code 1", NEEDS, full),
    ]
}

fn closed() {
    let scene = Scene::new();
    let own = scene.own.to_string();
    let (looks, acts) = (looks(&own), acts(&own));
    for (streams, more) in [(">&-", &[][..]), ("2>&-", &looks), ("<&- >&- 2>&-", &[])] {
        let lack = Lack { streams, ..NOTHING };
        for who in BOTH {
            for words in more.iter().chain(&acts) {
                let plain = scene.decent(NOTHING, who, words).0;
                let code = scene.decent(lack, who, words).0;
                assert_eq!(code, plain, "{words:?} of {who:?} with {streams}");
            }
        }
    }
}

fn full() {
    let scene = Scene::new();
    let own = scene.own.to_string();
    // In the command's own mount namespace: it goes with it.
    let file = "mount -t tmpfs nsx-poor /media; ulimit -f 0; exec 9>/media/file";
    let ways = [
        (":", ">/dev/full", "No space left on device"),
        (file, ">&9", "File too large"),
        (":", ">&-", "it is not open for writing"),
        (":", "<&- >&- 2>&-", ""),
    ];
    for (setup, streams, why) in ways {
        let lack = Lack { setup, streams, ..NOTHING };
        for who in BOTH {
            for words in looks(&own) {
                // What finds nothing writes nothing.
                let means = scene.decent(NOTHING, who, &words).0;
                let (code, said) = scene.decent(lack, who, &words);
                let failed = if words[0] == "enter" { 125 } else { 1 };
                let is_told = code == failed && said.contains(why);
                assert!(is_told || (means == 3 && code == 3), "{words:?}: {code}: {said}");
            }
        }
    }
}
