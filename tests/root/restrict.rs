//! `spawn`: what a program may do, read from `/proc/self/status` and tried.

use crate::support::{
    Need, as_nobody, copy_program, kernel, nsx, output, public_nsx, stderr, stdout, succeeds, test,
};
use libtest_mimic::Trial;
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

const ROOT: &[Need] = &[Need::Root];
const SETPRIV: &[Need] = &[Need::Root, Need::Program("setpriv")];
const HAS_LANDLOCK: Need = Need::Machine("Landlock of Linux 6.2", has_landlock);
const LANDLOCK: &[Need] = &[Need::Root, HAS_LANDLOCK];
const LANDLOCKED: &[Need] = &[Need::Root, Need::Program("setpriv"), HAS_LANDLOCK];

const DEVICES: &[Need] =
    &[Need::Root, Need::Program("script"), Need::Machine("Landlock of Linux 6.10", denies_devices)];

pub fn tests() -> Vec<Trial> {
    vec![
        test("restrict: what was not asked for stays as it is", ROOT, nothing),
        test("restrict: capabilities of root", ROOT, capabilities_of_root),
        test("restrict: capabilities of another user", ROOT, capabilities_of_others),
        test("restrict: capabilities of a caller who is not root", SETPRIV, ambient),
        test("restrict: capabilities in a user namespace", SETPRIV, capabilities_inside),
        test("restrict: what nsx lacks cannot be added", SETPRIV, cannot_be_added),
        test("restrict: a bounding set that stays takes no_new_privs", SETPRIV, without_setpcap),
        test("restrict: no_new_privs, limits, nice value and mask", ROOT, settings),
        test("restrict: a limit that nsx may not raise is refused", SETPRIV, low_limits),
        test("restrict: a user by name, with groups and home", ROOT, users),
        test("restrict: a user of the new root", ROOT, users_of_a_root),
        test("restrict: Landlock lets a program read and write nowhere else", LANDLOCK, landlock),
        test("restrict: Landlock lets a program rule no other device", DEVICES, landlock_devices),
        test("restrict: Landlock and who may not", LANDLOCKED, landlock_of_users),
        test("restrict: what makes no sense is refused", ROOT, wrong),
    ]
}

fn has_landlock() -> bool {
    kernel::landlock() >= 3
}

fn denies_devices() -> bool {
    kernel::landlock() >= 5
}

pub type Status = HashMap<String, String>;

pub fn status_of(command: &mut Command) -> Status {
    let said = succeeds(command.args(["cat", "/proc/self/status"]));
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_owned(), value.trim().replace('\t', " ")))
    };
    said.lines().filter_map(field).collect()
}

/// Of a program that is spawned with these options.
pub fn status(options: &[&str]) -> Status {
    status_of(nsx(["spawn", "-u"]).args(options))
}

fn set(status: &Status, name: &str) -> u64 {
    u64::from_str_radix(&status[&format!("Cap{name}")], 16).unwrap()
}

/// Inheritable, permitted, effective, bounding, ambient.
pub fn sets(status: &Status) -> [u64; 5] {
    ["Inh", "Prm", "Eff", "Bnd", "Amb"].map(|name| set(status, name))
}

/// Of the test, which runs as root.
fn own() -> Status {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().replace('\t', " ")))
        .collect()
}

const CHOWN: u64 = 1;
const NET_RAW: u64 = 1 << 13;
const SETUID: u64 = 1 << 7;

pub fn refused(command: &mut Command) -> String {
    let output = output(command);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(125), ""), "{command:?}");
    stderr(&output)
}

fn nothing() {
    let (own, program) = (own(), status(&[]));
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp", "Umask", "Uid"] {
        assert_eq!(program[name], own[name], "{name}");
    }
}

fn capabilities_of_root() {
    let all = set(&own(), "Bnd");
    for nnp in [&[][..], &["--no-new-privs"], &["--seccomp", "default"]] {
        for (options, wanted) in [
            (&["--cap-drop", "all"][..], 0),
            (&["--cap-drop=ALL", "--cap-add=net_raw"], NET_RAW),
            (&["--cap-add", "CAP_NET_RAW", "--cap-drop", "all"], 0),
            (&["--cap-drop", "net_raw,cap_chown"], all & !NET_RAW & !CHOWN),
            (&["--cap-drop", "all", "--cap-add", "all"], all),
            (&["--cap-drop", "all", "--cap-add", "chown", "--cap-add", "net_raw"], CHOWN | NET_RAW),
        ] {
            let status = status(&[options, nnp].concat());
            assert_eq!(sets(&status), [0, wanted, wanted, wanted, 0], "{options:?} {nnp:?}");
        }
    }
}

/// He keeps them as long as he stays who he is.
fn ambient() {
    let (_directory, program) = public_nsx();
    let spawn = |options: &[&str]| {
        let caps = "-all,+sys_admin,+setuid,+setgid";
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--reuid", "1000", "--regid", "1000", "--clear-groups"]);
        setpriv.args(["--inh-caps", caps, "--ambient-caps", caps]).arg(&program);
        setpriv.args(["spawn", "-u"]).args(options);
        setpriv
    };
    let sets_of = |options: &[&str]| sets(&status_of(&mut spawn(options)));
    let his = sets_of(&[]);
    assert_ne!(his[0], 0);
    assert_eq!((his[1], his[4]), (his[0], his[0]));
    for other in [&["--user=65534:65534"][..], &["-S", "65534", "-G", "65534"]] {
        let sets = sets_of(other);
        assert_eq!([sets[0], sets[1], sets[2], sets[4]], [0; 4], "{other:?}");
    }
    // The filter is made for what he has.
    succeeds(spawn(&["--seccomp=default"]).args(["unshare", "-m", "true"]));
}

fn capabilities_of_others() {
    let all = set(&own(), "Bnd");
    for more in [
        &[][..],
        &["--no-new-privs"],
        &["--seccomp", "default"],
        &["--seccomp=default", "--no-new-privs"],
    ] {
        for (options, program, bounding) in [
            (&[][..], 0, all),
            (&["--cap-add", "net_raw"], NET_RAW, all),
            (&["--cap-drop", "all"], 0, 0),
            (
                &["--cap-drop", "all", "--cap-add", "net_raw,setuid"],
                NET_RAW | SETUID,
                NET_RAW | SETUID,
            ),
            (&["--cap-add", "all", "--cap-drop", "chown"], all & !CHOWN, all & !CHOWN),
        ] {
            for user in [&["--user=65534:65534"][..], &["-S", "65534", "-G", "65534"]] {
                let status = status(&[user, options, more].concat());
                assert_eq!(status["Uid"], "65534 65534 65534 65534");
                assert_eq!(status["Gid"], "65534 65534 65534 65534");
                assert_eq!(status["Groups"], "");
                let expected = [program, program, program, bounding, program];
                assert_eq!(sets(&status), expected, "{user:?} {options:?} {more:?}");
            }
        }
    }
}

fn capabilities_inside() {
    let (_directory, nsx) = public_nsx();
    let known = set(&status_of(as_nobody(&nsx).args(["spawn", "-U"])), "Bnd");
    for (options, wanted) in [
        (&[][..], known),
        (&["--cap-drop", "all"], 0),
        (&["--cap-drop", "all", "--cap-add", "sys_resource,net_raw"], 1 << 24 | NET_RAW),
        (&["--cap-drop", "net_raw", "--seccomp", "default"], known & !NET_RAW),
        (&["--user=0:0", "--cap-drop", "chown"], known & !CHOWN),
    ] {
        let status = status_of(as_nobody(&nsx).args(["spawn", "-U", "-m"]).args(options));
        assert_eq!(sets(&status), [0, wanted, wanted, wanted, 0], "{options:?}");
    }
    // Not root inside: nothing, but what is added or kept.
    for (options, wanted) in [
        (&[][..], 0),
        (&["--cap-add", "net_raw"], NET_RAW),
        (&["--keep-caps"], known),
        (&["--keep-caps", "--cap-drop", "net_raw"], known & !NET_RAW),
        (&["--keep-caps", "--cap-drop=all", "--cap-add=net_raw"], NET_RAW),
    ] {
        let status = status_of(as_nobody(&nsx).args(["spawn", "-U", "--map-user=5"]).args(options));
        assert_eq!((set(&status, "Eff"), set(&status, "Amb")), (wanted, wanted), "{options:?}");
    }
    let output = output(as_nobody(&nsx).args(["spawn", "-U", "--user=7:0", "true"]));
    assert!(stderr(&output).contains("cannot become user 7 inside"), "{}", stderr(&output));
}

fn cannot_be_added() {
    let mut command = Command::new("setpriv");
    command.args(["--bounding-set=-net_raw,-sys_time"]).arg(crate::support::binary("nsx"));
    command.args([
        "spawn",
        "-u",
        "--cap-drop=all",
        "--cap-add=sys_time,chown,net_raw",
        "echo",
        "RAN",
    ]);
    let said = refused(&mut command);
    assert!(said.contains("--cap-add: nsx itself lacks NET_RAW, SYS_TIME"), "{said}");
    let (_directory, nsx) = public_nsx();
    let said = refused(as_nobody(&nsx).args(["spawn", "--cap-add=kill", "echo", "RAN"]));
    assert!(said.contains("nsx itself lacks KILL"), "{said}");
}

fn without_setpcap() {
    let (_directory, nsx) = public_nsx();
    let said = refused(as_nobody(&nsx).args(["spawn", "--cap-drop=all", "echo", "RAN"]));
    assert!(said.contains("CAP_SETPCAP") && said.contains("hint: add --no-new-privs"), "{said}");
    let status = status_of(as_nobody(&nsx).args(["spawn", "--cap-drop=all", "--no-new-privs"]));
    assert_eq!((set(&status, "Prm"), status["NoNewPrivs"].as_str()), (0, "1"));
}

fn settings() {
    let options = [
        "--no-new-privs",
        "--umask=027",
        "--nice=7",
        "--rlimit=nofile=100:200",
        "--rlimit",
        "RLIMIT_CORE=0",
        "--rlimit=as=2G",
        "--rlimit=nproc=5000:5000",
    ];
    for more in [&[][..], &["--user=65534:65534"], &["-p", "--init"], &["--seccomp=default"]] {
        let all = [&options[..], more].concat();
        let status = status(&all);
        assert_eq!((status["NoNewPrivs"].as_str(), status["Umask"].as_str()), ("1", "0027"));
        let limits = succeeds(nsx(["spawn", "-u"]).args(&all).args(["cat", "/proc/self/limits"]));
        for (name, soft, hard) in [
            ("open files", "100", "200"),
            ("core file size", "0", "0"),
            ("address space", "2147483648", "2147483648"),
            ("processes", "5000", "5000"),
        ] {
            let line = limits.lines().find(|line| line.contains(&format!("Max {name}"))).unwrap();
            let words: Vec<&str> = line.split_whitespace().collect();
            assert!(words.windows(2).any(|pair| pair == [soft, hard]), "{more:?}: {line}");
        }
        let stat = succeeds(nsx(["spawn", "-u"]).args(&all).args(["cat", "/proc/self/stat"]));
        let nice = stat.rsplit(')').next().unwrap().split_whitespace().nth(16).unwrap();
        assert_eq!(nice, "7", "{more:?}");
    }
    let own = own();
    assert_eq!((own["NoNewPrivs"].as_str(), own["Umask"].as_str()), ("0", "0022"), "of the test");
}

fn low_limits() {
    let low = |arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--bounding-set=-sys_resource", "prlimit", "--nofile=50:60"]);
        command.arg(crate::support::binary("nsx")).args(["spawn", "-u"]).args(arguments);
        command
    };
    let said = refused(low(&["--rlimit=nofile=50:61"]).args(["echo", "RAN"]));
    assert!(said.contains("--rlimit nofile: the hard limit of nsx itself is 60"), "{said}");
    assert!(said.contains("CAP_SYS_RESOURCE"), "{said}");
    succeeds(low(&["--rlimit=nofile=60:60"]).arg("true"));
}

fn users() {
    let who = "id -u; id -g; id -G; echo $HOME $USER $LOGNAME";
    let lines =
        |options: &[&str]| succeeds(nsx(["spawn", "-u"]).args(options).args(["sh", "-c", who]));
    assert_eq!(lines(&["--user=daemon"]).lines().next(), Some("1"));
    let daemon = lines(&["--user=daemon"]);
    assert!(daemon.ends_with("/usr/sbin daemon daemon\n"), "{daemon}");
    assert_eq!(lines(&["--user=daemon:mail", "--env=HOME=/x"]), "1\n8\n8\n/x daemon daemon\n");
    assert!(lines(&["--user=4242:4343"]).starts_with("4242\n4343\n4343\n"));
    let said = refused(&mut nsx(["spawn", "-u", "--user=nobody-such", "echo", "RAN"]));
    assert!(
        said.contains("there is no user nobody-such") && said.contains("hint: numbers"),
        "{said}"
    );
    let said = refused(&mut nsx(["spawn", "-u", "--user=0", "--setuid=5", "echo", "RAN"]));
    assert!(said.contains("--setuid"), "{said}");
}

/// Its passwd is a link that on the host would lead elsewhere.
fn users_of_a_root() {
    let root = tempfile::tempdir().unwrap();
    for name in ["etc", "bin"] {
        std::fs::create_dir(root.path().join(name)).unwrap();
    }
    copy_program(crate::support::binary("nsx"), root.path().join("bin/nsx"));
    std::fs::write(root.path().join("users"), "web:x:4242:4343::/srv:/bin/sh\n").unwrap();
    std::os::unix::fs::symlink("/users", root.path().join("etc/passwd")).unwrap();
    let place = root.path().to_str().unwrap();
    let options = ["spawn", "-m", "--root", place, "--user=web"];
    // Of a root without a shell: nsx itself says who it is, by what it may not do.
    let output = output(nsx(options).args(["/bin/nsx", "--version"]));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = refused(nsx(["spawn", "-m", "--root", place, "--user=daemon"]).arg("/bin/nsx"));
    assert!(said.contains("there is no user daemon"), "{said}");
    // Its files make root of nobody.
    std::fs::write(root.path().join("users"), "web:x:0:0::/srv:/bin/sh\n").unwrap();
    for root in ["--root", "--rootfs"] {
        let said = refused(nsx(["spawn", "-m", root, place, "--user=web"]).arg("/bin/nsx"));
        assert!(said.contains("that user is 0") && said.contains("--user=0:0"), "{said}");
    }
}

fn landlock() {
    let directory = tempfile::tempdir().unwrap();
    let (inside, outside) = (directory.path().join("in"), directory.path().join("out"));
    for place in [&inside, &outside] {
        std::fs::create_dir(place).unwrap();
        std::fs::write(place.join("file"), "text\n").unwrap();
    }
    let (inside, outside) = (inside.to_str().unwrap(), outside.to_str().unwrap());
    let script = |place: &str| {
        format!(
            "cd / ; cat {place}/file && echo read; echo x >> {place}/file && echo appended; \
             true > {place}/file && echo emptied; touch {place}/new && echo made; \
             mkdir {place}/sub && echo sub; mv {place}/file {place}/other && echo moved; \
             ls {place} >/dev/null && echo listed; rm -r {place}/* && echo removed; exit 0"
        )
    };
    let done = |options: &[&str], place: &str| {
        let mut command = nsx(["spawn", "-u", "--landlock-ro=/usr"]);
        for link in ["/bin", "/lib", "/lib64"] {
            if Path::new(link).exists() {
                command.arg(format!("--landlock-ro={link}"));
            }
        }
        let output = output(command.args(options).args(["sh", "-c", &script(place)]));
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    let ro = format!("--landlock-ro={inside}");
    let rw = format!("--landlock-rw={inside}");
    let null = "--landlock-rw=/dev/null";
    assert_eq!(done(&[&ro, null], outside), "");
    assert_eq!(done(&[&ro, null], inside), "text\nread\nlisted\n");
    assert_eq!(
        done(&[&ro, null, "--cap-drop=all", "--no-new-privs"], inside),
        "text\nread\nlisted\n"
    );
    assert_eq!(std::fs::read_to_string(format!("{outside}/file")).unwrap(), "text\n");
    assert_eq!(std::fs::read_to_string(format!("{inside}/file")).unwrap(), "text\n");
    let everything = "text\nread\nappended\nemptied\nmade\nsub\nmoved\nlisted\nremoved\n";
    assert_eq!(done(&[&rw, null], inside), everything);
    // A program that is not beneath.
    let output = output(&mut nsx(["spawn", "-u", &ro, "/bin/true"]));
    assert_eq!(output.status.code(), Some(126), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("cannot execute /bin/true") && said.contains("--landlock-ro"), "{said}");
    let said = refused(&mut nsx(["spawn", "-u", "--landlock-ro=/no/such", "echo", "RAN"]));
    assert!(said.contains("cannot open /no/such: No such file"), "{said}");
}

/// On a terminal: of one that is open already Landlock says nothing, and one that is opened after it
/// can be asked for its size only where it may be written to.
fn landlock_devices() {
    let size = |rule: &str| {
        let mut command = nsx(["spawn", "-u", "--no-pty", "--landlock-ro=/", rule]);
        command.args(["sh", "-c", "stty size; stty size < /dev/tty"]);
        let words: Vec<_> =
            std::iter::once(command.get_program()).chain(command.get_args()).collect();
        let quoted: Vec<String> =
            words.iter().map(|word| format!("'{}'", word.to_str().unwrap())).collect();
        let mut script = Command::new("script");
        script.args(["-qec", &format!("stty rows 17 cols 71; {}", quoted.join(" ")), "/dev/null"]);
        stdout(&output(&mut script)).replace('\r', "")
    };
    let denied = size("--landlock-rw=/dev/null");
    assert!(denied.starts_with("17 71\nstty: "), "{denied}");
    assert!(denied.ends_with("Permission denied\n"), "{denied}");
    for rule in ["--landlock-rw=/dev/tty", "--landlock-rw=/dev"] {
        assert_eq!(size(rule), "17 71\n17 71\n", "{rule}");
    }
}

fn landlock_of_users() {
    let (_directory, nsx) = public_nsx();
    let said = refused(as_nobody(&nsx).args(["spawn", "--landlock-ro=/", "echo", "RAN"]));
    assert!(said.contains("no_new_privs"), "{said}");
    for more in [&["--no-new-privs"][..], &["-U"], &["-U", "-p", "--cap-drop=all"]] {
        let mut command = as_nobody(&nsx);
        command.args(["spawn", "--landlock-ro=/"]).args(more);
        let said = succeeds(command.args(["sh", "-c", "echo x 2>&1 > /dev/null || echo denied"]));
        assert!(said.ends_with("denied\n"), "{more:?}: {said}");
    }
}

fn wrong() {
    for options in [
        &["--cap-drop", "everything"][..],
        &["--cap-add="],
        &["--rlimit", "nofile"],
        &["--nice", "20"],
        &["--umask", "9"],
        &["--seccomp="],
        &["--landlock-ro="],
        &["--user="],
    ] {
        let said = refused(nsx(["spawn", "-u"]).args(options).args(["echo", "RAN"]));
        assert!(said.starts_with("nsx spawn: --"), "{said}");
    }
}
