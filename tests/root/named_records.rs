//! Records of named programs: what is in them, and where they are.

use crate::named_hidden::User;
use crate::support::{
    Need, as_nobody, json, nsx, output, public_nsx, stderr, stdout, succeeds, test,
};
use libtest_mimic::Trial;
use serde_json::Value;
use std::path::Path;
use std::process::Output;

const ROOT: &[Need] = &[Need::Root];
const INSIDE: &[Need] = &[Need::Root, Need::Program("unshare")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("named: a long command line is cut, and its program is ended as ever", ROOT, long),
        test(
            "named: a name that is taken through a link is found through it",
            ROOT,
            through_a_link,
        ),
        test("named: what cannot be read is not called unknown", ROOT, unreadable),
        test("named: root of a user namespace alone has names as its user", INSIDE, inside),
        test("named: a user's names are his own", ROOT, of_a_user),
    ]
}

fn name(of: &str) -> String {
    format!("nsx-test-{}-{of}", std::process::id())
}

/// Of what `ps` lists.
fn row<'a>(listed: &'a Value, name: &str) -> Option<&'a Value> {
    let rows = listed["data"].as_array().or_else(|| listed["data"]["containers"].as_array());
    rows?.iter().find(|row| row["name"] == name)
}

fn long() {
    let name = name("long");
    let argument = "x".repeat(120_000);
    let mut command = nsx(["spawn", "-p", "--detach", "--name", &name, "sh", "-c", "sleep 1000"]);
    succeeds(command.args(vec![argument.as_str(); 10]));
    let listed = json(&mut nsx(["ps", "--json"]));
    succeeds(&mut nsx(["spawn", "--stop", &name]));
    let command = row(&listed, &name).expect("listed")["labels"]["nsx.command"].as_str().unwrap();
    assert!(command.starts_with("sh -c sleep 1000 xxx") && command.ends_with("x…"), "{command}");
}

fn unreadable() {
    let user = User::new();
    let stop = |name: &str| {
        let stopped = user.run_in(user.runtime.path(), &["spawn", "--stop", name]);
        (stopped.status.code(), stderr(&stopped))
    };
    let unknown = stop("x");
    assert_eq!(unknown.0, Some(3), "there is no directory: {}", unknown.1);
    let directory = user.runtime.path().join("nsx");
    std::fs::create_dir(&directory).unwrap();
    std::os::unix::fs::chown(&directory, Some(65534), Some(65534)).unwrap();
    let unknown = stop("x");
    assert_eq!(unknown.0, Some(3), "there is no file: {}", unknown.1);
    let file = directory.join("x.json");
    std::fs::write(&file, vec![b' '; 2 << 20]).unwrap();
    let (code, said) = stop("x");
    assert!(code == Some(1) && said.contains("cannot read x.json: longer than"), "{said}");
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let (code, said) = stop("x");
    assert!(code == Some(4) && said.contains("cannot open x.json: Permission denied"), "{said}");
    std::fs::set_permissions(&directory, std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .unwrap();
    let (code, said) = stop("x");
    assert!(code == Some(1) && said.contains("another could write there"), "{said}");
}

impl User {
    /// With this for his runtime directory.
    fn run_in(&self, runtime: &Path, arguments: &[&str]) -> Output {
        let mut command = as_nobody(&self.nsx);
        output(command.args(arguments).env("XDG_RUNTIME_DIR", runtime))
    }
}

fn through_a_link() {
    let user = User::new();
    let links = tempfile::tempdir().unwrap();
    std::fs::set_permissions(links.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let link = links.path().join("runtime");
    std::os::unix::fs::symlink(user.runtime.path(), &link).unwrap();
    let name = name("link");
    let options = ["spawn", "-U", "-p", "--detach", "--name", &name, "sleep", "1000"];
    let started = user.run_in(&link, &options);
    assert_eq!(stdout(&started), format!("{name}\n"), "{}", stderr(&started));
    let listed = user.run_in(&link, &["ps", "--json"]);
    let stopped = user.run_in(&link, &["spawn", "--stop", &name]);
    // Whatever became of that.
    let _ = user.run_in(user.runtime.path(), &["spawn", "--stop", &name]);
    assert_eq!(stopped.status.code(), Some(0), "{}", stderr(&stopped));
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert!(row(&listed, &name).is_some(), "{listed}");
    // One that is not absolute is none.
    for options in [&["-U", "--name", &name, "echo", "RAN"][..], &["--stop", &name]] {
        let mut command = as_nobody(&user.nsx);
        command.current_dir(user.runtime.path()).arg("spawn").args(options);
        let done = output(command.env("XDG_RUNTIME_DIR", "."));
        assert_eq!(stdout(&done), "");
        assert!(stderr(&done).contains("no runtime directory"), "{}", stderr(&done));
    }
}

fn inside() {
    let user = User::new();
    let name = name("inside");
    // One that ran in another could not look at what is in here.
    let script = r#"
        "$nsx" spawn -p --detach --name "$name" sleep 1000 && test -e "$record" && echo there
        "$nsx" spawn -p --name "$name" echo RAN
        "$nsx" ps -q "nsx:$name"
        "$nsx" spawn --stop "$name" && echo ended
    "#;
    let record = user.runtime.path().join(format!("nsx/{name}.json"));
    let mut command = as_nobody(Path::new("unshare"));
    command.args(["--user", "--map-root-user", "sh", "-c", script]).env("nsx", &user.nsx);
    command.env("name", &name).env("record", &record);
    let done = output(command.env("XDG_RUNTIME_DIR", user.runtime.path()));
    assert_eq!(stdout(&done), format!("{name}\nthere\n{name}\nended\n"), "{}", stderr(&done));
    assert!(stderr(&done).contains("is taken") && !record.exists());
    let mut nowhere = as_nobody(Path::new("unshare"));
    nowhere.args(["--user", "--map-root-user"]).arg(&user.nsx).env_remove("XDG_RUNTIME_DIR");
    let refused = output(nowhere.args(["spawn", "-p", "--name", &name, "echo", "RAN"]));
    assert_eq!(stdout(&refused), "");
    assert!(stderr(&refused).contains("hint: set XDG_RUNTIME_DIR"), "{}", stderr(&refused));
}

fn of_a_user() {
    let (_directory, copy) = public_nsx();
    let place = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(place.path(), Some(65534), Some(65534)).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = as_nobody(&copy);
        command.arg("spawn").args(arguments).env("XDG_RUNTIME_DIR", place.path());
        output(&mut command)
    };
    let started = run(&["-U", "-p", "--detach", "--name", "mine", "sleep", "1000"]);
    assert_eq!(stdout(&started), "mine\n", "{}", stderr(&started));
    assert!(place.path().join("nsx/mine.json").exists());
    let mut enter = as_nobody(&copy);
    enter.args(["enter", "-t", "nsx:mine", "--", "echo", "in"]);
    assert_eq!(succeeds(enter.env("XDG_RUNTIME_DIR", place.path())), "in\n");
    assert_eq!(run(&["-U", "--name", "mine", "true"]).status.code(), Some(125));
    let stopped = run(&["--stop", "mine"]);
    assert_eq!(stopped.status.code(), Some(0), "{}", stderr(&stopped));
    assert!(!place.path().join("nsx/mine.json").exists());
    // A directory that others may write to is nobody's word.
    let shared = tempfile::tempdir().unwrap();
    let path = shared.path().join("nsx");
    std::fs::create_dir(&path).unwrap();
    std::os::unix::fs::chown(&path, Some(65534), Some(65534)).unwrap();
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    std::fs::set_permissions(shared.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let mut command = as_nobody(&copy);
    command.args(["spawn", "-U", "--name", "mine", "echo", "RAN"]);
    let refused = output(command.env("XDG_RUNTIME_DIR", shared.path()));
    assert_eq!((refused.status.code(), stdout(&refused).as_str()), (Some(125), ""));
}
