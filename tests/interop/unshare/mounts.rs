//! Mounts, root and working directory.

use super::scene::{ALL, NEWER, Scene, Who};

pub fn propagation() {
    let scene = Scene::of(Who::Sharing);
    scene.same(&[
        "-m",
        "-m --propagation private",
        "-m --propagation shared",
        "-m --propagation=slave",
        "-m --propagation unchanged",
        "-mf --propagation slave",
        "-Urm --propagation shared",
        "--propagation shared",
        "-n --propagation slave",
        "-m --propagation shared --propagation private",
    ]);
    let peers = |command, line| {
        let seen = scene.seen(command, line);
        let root = seen.field("mounts").lines().find(|line| line.starts_with("/ ")).unwrap();
        root.rsplit(' ').next().unwrap().to_owned()
    };
    for command in [scene.references(), vec![scene.ours()]].into_iter().flatten() {
        assert_eq!(peers(command, "-m --propagation shared"), "shared");
    }
    for command in [scene.references(), vec![scene.ours()]].into_iter().flatten() {
        assert_eq!(peers(command, "-m"), "");
    }
}

pub fn places() {
    let scene = Scene::root();
    let root = scene.directory.path().join("root");
    for directory in ["proc", "usr", "tmp", "etc/deep"] {
        std::fs::create_dir_all(root.join(directory)).unwrap();
    }
    scene.same(&[
        "-w /usr/lib",
        "-w lib",
        "--wd=..",
        "-m -w /usr/lib",
        "-R /",
        "-R / -w /usr/bin",
        "-m -R / -w /usr",
        "-n -w /",
        "-pf --mount-proc -w /proc",
        "-pf --mount-proc=/proc -R /",
        "-Ur -R / -w /usr",
    ]);
    scene.same_endings(
        ALL,
        &[
            "-R %directory/root true",
            "-R %directory/root /usr/bin/true",
            "-R %directory/root -w /etc/deep true",
            "-R %directory/root -pf --mount-proc=/nowhere true",
        ],
        "",
    );
    scene.same_endings(NEWER, &["-R %directory/root -w /nowhere true"], "");
}

/// A `/proc` of the new pid namespace.
pub fn proc() {
    let scene = Scene::root();
    std::fs::create_dir(scene.directory.path().join("proc")).unwrap();
    scene.same(&[
        "-pf --mount-proc",
        "-f --mount-proc",
        "--mount-proc",
        "-pf --mount-proc=%directory/proc",
        "-pfm --mount-proc --propagation unchanged",
        "-Urpf --mount-proc",
    ]);
    scene.same_endings(
        ALL,
        &["-pf --mount-proc sh -c cd\\/proc;\\echo\\$$\\[0-9]*", "-pf sh -c test\\$$\\=\\1"],
        "",
    );
    Scene::of(Who::Ordinary).same(&["-rpf --mount-proc", "-rpfm --mount-proc"]);
}

/// Binary formats of the user namespace's own.
pub fn binary_formats() {
    let format = ":nsx:M::nsxnsxnsx::/bin/echo:";
    let script = "printf\\nsxnsxnsx\\>/tmp/f;\\chmod\\+x\\/tmp/f;\\/tmp/f\\a\\b";
    for scene in [Scene::root(), Scene::of(Who::Ordinary)] {
        scene.same_as_newer(&["-rpf --mount-binfmt", "-rpf --mount-proc --mount-binfmt"]);
        scene.same_endings(
            NEWER,
            &[
                "-rpf --mount-binfmt ls /proc/sys/fs/binfmt_misc",
                &format!("-rpf -l {format} ls /proc/sys/fs/binfmt_misc"),
                &format!("-rpf --load-interp={format}F ls /proc/sys/fs/binfmt_misc"),
                &format!("-rpf -l {format} cat /proc/sys/fs/binfmt_misc/nsx"),
                &format!("-rpf -l {format}F -R / cat /proc/sys/fs/binfmt_misc/nsx"),
                &format!("-rpf -l {format} -R / cat /proc/sys/fs/binfmt_misc/nsx"),
                &format!("-rpf -l {format} sh -c mount\\-t\\tmpfs\\x\\/tmp;\\{script}"),
                "-rpf -l nonsense true",
                "-l :x: true",
                "--mount-binfmt true",
            ],
            "",
        );
    }
}
