//! Where the program runs: root, working directory, and the process it is.

use super::probe::Setting;
use super::scene::Scene;

pub fn places() {
    let scene = Scene::start();
    scene.same(
        &[
            "-t %chroot -m",
            "-t %chroot -m -w",
            "-t %chroot -m -r -w",
            "-t %chroot -u -w",
            "-t %dressed -n -w",
            "-t %dressed -n --wd",
            "-t %dressed -n -r -w",
            "-t %all -m -r",
            "-t %all -n -w/usr",
            "-t %all -n --wd=/usr/bin",
            "-t %all -n --wd=../bin",
            "-t %all -n -r/ -w/usr",
            "-t %all -n --root=/ -w/usr",
            "-t %all -m -r/ -w/usr/bin",
            "-t %all -n -W/usr/bin",
            "-t %all -n --wdns=/usr/bin",
            "-t %all -n -W..",
            "-t %all -n --wdns",
            "-t %all -m -W/usr/bin",
            "-t %all -a -W/usr/bin",
            "-t %chroot -m -r -W/usr/bin",
            "-t %chroot -m -r -Wbin",
            // A directory of the caller's, seen from within another mount namespace.
            "-t %all -m -w/usr",
            "-t %all -a --wd=/usr/share",
            "-t %user -a --wd=/usr/share",
            "-t %all -m --root=/usr/..",
        ],
        &Setting::default(),
    );
    scene.same(
        &["-t %all -n", "-t %all -n -Wlib", "-t %all -n -wlib"],
        &Setting { directory: "/usr", ..Setting::default() },
    );
}

pub fn processes() {
    let scene = Scene::start();
    scene.same(
        &[
            "-t %all -p",
            "-t %all -p -F",
            "-t %all -p --no-fork",
            "-t %all -n -F",
            "-t %all -a -F",
            "-t %user -a -F",
            "-t %all -T",
            "-t %all -T -F",
            "-p/proc/%all/ns/pid",
            "-p/proc/%all/ns/pid -F",
            "-t %all -Z -n",
            "-t %all --follow-context -n",
        ],
        &Setting::default(),
    );
}

/// What the caller's environment makes of it.
pub fn environments() {
    let scene = Scene::start();
    let with = |more: &[(&'static str, &'static str)]| {
        let mut setting = Setting::default();
        setting.environment.extend(more);
        setting
    };
    for more in [
        &[][..],
        &[("LD_LIBRARY_PATH", "/nowhere"), ("POSIXLY_CORRECT", "1")],
        &[("PATH", "/bin")],
        &[("A", ""), ("SHELL", "/bin/nothing")],
    ] {
        scene.same(
            &["-t %all -n", "-t %all -m -p", "-t %user -a", "-t %dressed -n -u"],
            &with(more),
        );
    }
    let bare = Setting { environment: Vec::new(), ..Setting::default() };
    scene.same(&["-t %all -n", "-t %all -a"], &bare);
}
