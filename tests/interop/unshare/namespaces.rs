//! Which namespaces are new, for every spelling of every option that names one, and clocks.

use super::scene::{ALL, Scene, Who};
use crate::nsenter::joins::OPTIONS;
use crate::support::KINDS;

/// A program that is born in a new pid namespace, or stays outside of it.
pub fn each_kind() {
    let scene = Scene::root();
    for (kind, short, long) in OPTIONS {
        let alone = [short.to_owned(), long.to_owned()];
        let forked =
            [format!("{short} -f"), format!("-f{}", &short[1..]), format!("{long} --fork")];
        // Without -f the first child of the program is PID 1, and its end is that of all others.
        let alone = alone.into_iter().filter(|_| kind != "pid");
        for line in alone.chain(forked) {
            scene.same(&[&line]);
            // The comparison is of something.
            for command in [scene.references(), vec![scene.ours()]].into_iter().flatten() {
                let seen = scene.seen(command, &line);
                for other in KINDS {
                    let expected = if other == kind { "new" } else { "shared" };
                    assert_eq!(seen.field(&format!("ns {other}")), expected, "{line}: {other}");
                }
                let children = seen.field("ns pid_for_children");
                assert_eq!(children == "new", kind == "pid", "{line}");
            }
        }
    }
}

/// Who makes a pid namespace stays outside of it.
pub fn of_children() {
    let scene = Scene::root();
    scene.same_endings(
        ALL,
        &[
            "-p readlink /proc/self/ns/pid",
            "--pid readlink /proc/self/ns/pid_for_children",
            "-p sh -c true;\\exit\\3",
            "-p sh -c (echo\\$PPID;\\exit\\3)",
            "-pT sh -c sh\\-c\\'echo\\$$'",
            "-p -- sh -c exec\\sh\\-c\\true",
        ],
        "",
    );
}

pub fn several() {
    let scene = Scene::root();
    scene.same(&[
        "",
        "-f",
        "-muinpUCT",
        "-muinpUCTf",
        "-muinpCT",
        "-fpm",
        "-pf --mount-proc",
        "-p --fork --mount-proc=/proc",
        "-Ur",
        "-Urf",
        "-Urpf --mount-proc",
        "-r",
        "--map-root-user -n -u",
        "-T -f",
        "-n -u -i -C",
        "--",
        "-m --",
        "--ti --ne --ut",
    ]);
    scene.same_as_newer(&["--forward-signals -n", "--forw -p"]);
    let user = Scene::of(Who::Ordinary);
    user.same(&[
        "",
        "-f",
        "-U",
        "-Uf",
        "-Ur",
        "-Urm",
        "-r",
        "-c",
        "-rmuinCT",
        "-rmuinpCTf",
        "-rpf --mount-proc",
        "-cn",
        "-rf",
    ]);
}

pub fn clocks() {
    let scene = Scene::root();
    let lines = [
        "-T --monotonic 1000",
        "-T --boottime 100000",
        "--boottime=3600 -T --monotonic=-1",
        "-Tf --monotonic 5 --boottime 6",
        "-T --monotonic +7",
        "-T --monotonic 1 --monotonic 2",
        "-UrT --monotonic 9",
        "-T --boottime 0",
    ];
    scene.same(&lines);
    let offsets = |command, line| {
        let seen = scene.seen(command, line);
        seen.field("timens_offsets").split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for command in [scene.references(), vec![scene.ours()]].into_iter().flatten() {
        let expected = "monotonic -1 0 boottime 3600 0";
        assert_eq!(offsets(command, lines[2]), expected);
    }
    Scene::of(Who::Ordinary).same(&["-rT --boottime 77", "-rTf --monotonic 77"]);
}
