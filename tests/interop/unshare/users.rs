//! As whom the program runs: maps, ids, groups, capabilities, the owner of the user namespace.

use super::scene::{Scene, Who};

pub fn ids() {
    let scene = Scene::root();
    scene.same(&[
        "-S 33",
        "-S33",
        "--setuid=33 -G 34",
        "-G 34",
        "-G34 -n",
        "-S 0 -G 0",
        "-S 33 -G 34 -m -f",
        "-S 33 -G 34 -pf",
        "-S 1 -S 33",
        "--setu 33 --setgi 34",
        "-S 033",
        "-S 4294967294",
        "-Ur -S 0 -G 0",
    ]);
    scene.same_as_newer(&[
        "-U --map-users 0,0,1000 --map-groups 0,0,1000 -S 33 -G 34",
        "-U --map-users 0,0,1000 --map-groups 0,0,1000 -S 33 -f",
        "--map-users all --map-groups all -S 33 -G 34 -pf --mount-proc",
    ]);
}

pub fn maps() {
    let scene = Scene::root();
    scene.same(&[
        "-U",
        "-Uf",
        "-r",
        "-c",
        "--map-root-user",
        "--map-current-user",
        "--map-user 5",
        "--map-user=root",
        "--map-user nobody --map-group nogroup",
        "--map-group 7",
        "--map-user 5 --map-group 7",
        "-r --map-user 5",
        "--map-user 5 -r",
        "-r -c",
        "-c -r",
        "-U --setgroups allow",
        "-U --setgroups deny",
        "-U --map-user 5 --setgroups allow",
    ]);
    scene.same_as_newer(&[
        "--map-users 0,0,100",
        "--map-groups 0,0,100",
        "--map-users 0,0,100 --map-groups 0,0,100",
        "--map-users 1000,0,10 --map-groups 2000,0,20",
        "-r --map-users 100000,1,10",
        "-r --map-users 100000,1,10 --map-groups 200000,1,20",
        "-c --map-users 100000,1,10 --map-groups 200000,1,20",
        "--map-users 0:1000:10",
        "--map-users 0:1000:10 --map-users 10:2000:5 --map-groups 0:1:2",
        "--map-users=all",
        "--map-groups=all",
        "--map-users all --map-groups all",
        "-r --map-users 1:100000:10",
        "--map-user 7 --map-users 100:100000:10",
        "--map-users 0:0:10 -f",
        "--map-user 5 --map-users all",
        "--map-user 5 --map-users 0:0:10",
        "--map-user 5 --map-users 0:100000:10",
        "-r --map-users 0:100000:10",
        "-r --map-users 5:0:10",
        "-r --map-users all --map-group 7 --map-groups all",
        "--map-group 3 --map-groups 0:100000:10 --map-groups 20:0:5",
    ]);
    Scene::of(Who::Ordinary).same(&[
        "-U",
        "-r",
        "-c",
        "--map-user 5",
        "--map-group 7",
        "--map-user 5 --map-group 7",
        "--map-user nobody --map-group nogroup",
        "-U --setgroups deny",
        "-rf",
    ]);
}

/// subuid(5), subgid(5)
pub fn subordinates() {
    for root in [true, false] {
        let scene = Scene::of(Who::Listed { root });
        scene.same(&["--map-auto", "--map-auto -f", "--map-users auto", "--map-groups auto -n"]);
        scene.same_as_newer(&[
            "--map-subids",
            "--map-users subids",
            "--map-groups=subids",
            "--map-users auto --map-groups subids",
            "-c --map-subids",
            "-r --map-auto",
            "-c --map-auto -f",
            "--map-user 5 --map-group 6 --map-auto",
        ]);
    }
}

pub fn capabilities() {
    let scene = Scene::root();
    let user = Scene::of(Who::Ordinary);
    scene.same(&["-Ur", "-U", "-c"]);
    user.same(&["-r", "-U", "-c", "-c --keep-caps", "-r --keep-caps", "-U --keep-caps"]);
    scene.same(&["-c --keep-caps", "-n --keep-caps", "-U --keep-caps"]);
}

/// Who makes the namespace owns it.
pub fn owners() {
    let scene = Scene::root();
    scene.same_as_newer(&[
        "--owner 33:34",
        "--owner=33:34 -n",
        "--owner 33:34 -f",
        "--owner 33:34 --map-users 0:33:1 --map-groups 0:34:1",
        "--owner 33:34 --map-users all --map-groups all",
        "--owner 33:34 -m --mount-proc",
        "--owner 0:0",
    ]);
}
