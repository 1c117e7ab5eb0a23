//! The scene of the README: a web server without a shell, in docker, looked into from the host.
//!
//! One engine serves all of these tests. They take turns, each leaves the engine and the container
//! as they were, and when the last one is done the engine and its machine end.

use crate::checks::{self, Truth};
use crate::docker::{Docker, IMAGE, Roots};
use crate::runc::Runc;
use crate::support::{self, Need, stderr, stdout, succeeds};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};

const NEEDS: &[Need] = &[
    Need::Root,
    Need::Program("dockerd"),
    Need::Program("docker"),
    Need::Program("containerd"),
    Need::Program("runc"),
    Need::Program("nginx"),
    Need::Program("ip"),
    Need::Program("iptables"),
    Need::Program("findmnt"),
    Need::Program("nsenter"),
    Need::Program("unshare"),
    Need::Program("bash"),
];

/// The container's name.
const WEB: &str = "nsx-scene-web";

/// What a test is named, and does to the running container.
type Check = (&'static str, fn(&Docker, &Truth));

/// Played twice: on an engine that works, and on one that hangs.
const SIGHTS: &[Check] = &[
    ("ps shows a container by name, image and address", checks::listed),
    ("a container is entered by name, id, pid and runtime", checks::entered_by_every_spelling),
    ("the host's ip shows inside what inspect shows from outside", checks::interfaces),
    ("a request from the host gets the page", checks::answers),
    ("inspect shows on one screen what docker knows", checks::screen),
    ("the mounts of a container are those that findmnt lists", checks::mounts),
    ("usage and limits are those of the control groups", checks::usage),
    ("the filter of a container is docker's, and leaves it running", checks::filter),
];

const OTHERS: &[Check] = &[
    ("the image has no shell and none of the tools that look at a network", bare_image),
    ("its own client hangs while it is stopped", client_hangs),
    ("a program that a container lacks is not found, with a hint", missing_program),
    ("a program of a container runs in it", program_of_the_container),
    ("a hostname and a pid are those of inside", hostname_and_pid),
    ("a name in two runtimes is ambiguous and lists both", ambiguous_name),
    ("containers that share namespaces show whose network they are in", shared_namespaces),
    ("a container is found by its new name and pid", renamed_and_restarted),
    ("a paused container is shown as paused and can be entered", paused),
    ("memory is what docker stats prints", stats),
    ("where mounts come from is what docker tells", crate::mounts::origins),
    ("limits and privileges are those that docker was told", told_limits),
    ("a container that docker gives no filter has none", unfiltered),
    ("a published port leads to its container", crate::who::published_ports),
];

pub fn tests() -> Vec<Trial> {
    let stage = Stage::default();
    let trial = |engine: &str, check: &Check, hanging| {
        let (stage, (name, check)) = (stage.clone(), *check);
        support::test(&format!("{engine}: {name}"), NEEDS, move || stage.play(check, hanging))
    };
    let working = SIGHTS.iter().chain(OTHERS).map(|check| trial("docker", check, false));
    let hanging = SIGHTS.iter().map(|check| trial("docker hangs", check, true));
    let mut tests: Vec<Trial> = working.chain(hanging).collect();
    tests.push(support::test(
        "docker: at its usual places, hanging, with a paused container, it leaves nothing behind",
        NEEDS,
        at_the_usual_places,
    ));
    tests
}

/// The shared engine: started for the first test that needs it, ended with the last owner.
#[derive(Clone, Default)]
struct Stage(Arc<Mutex<Play>>);

#[derive(Default)]
enum Play {
    #[default]
    NotStarted,
    /// Also while it is being tried.
    Failed,
    Started(Docker),
}

impl Stage {
    fn play(&self, check: fn(&Docker, &Truth), hanging: bool) {
        // A check that failed has poisoned it; the guards inside have put everything back.
        let mut stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*stage, Play::NotStarted) {
            *stage = Play::Failed;
            let docker = Docker::start(Roots::Elsewhere);
            docker.import_image();
            docker.run_web(WEB);
            *stage = Play::Started(docker);
        }
        let Play::Started(docker) = &*stage else {
            panic!("the engine could not be started; the first failure says why");
        };
        let truth = Truth::ask(docker, WEB);
        let _stopped = hanging.then(|| docker.stopped());
        check(docker, &truth);
    }
}

fn bare_image(docker: &Docker, _: &Truth) {
    let files = docker.with_client("\"$@\" | tar -t", &["export", WEB]);
    let program = |name: &str| files.lines().any(|file| file.ends_with(&format!("bin/{name}")));
    assert!(program("nginx"), "{files}");
    for lacking in ["sh", "bash", "dash", "busybox", "ip", "ifconfig", "ss", "hostname"] {
        assert!(!program(lacking), "{lacking} is in the image");
    }
}

fn client_hangs(docker: &Docker, _: &Truth) {
    docker.docker(&["ps"]);
    let stopped = docker.stopped();
    assert!(docker.hangs(&["ps"]), "it hangs");
    drop(stopped);
    // It answers again.
    docker.docker(&["ps"]);
}

fn missing_program(docker: &Docker, _: &Truth) {
    let output = support::output(&mut docker.machine.nsx(&["enter", "-t", WEB, "-m", "sh"]));
    assert_eq!(output.status.code(), Some(127), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("sh does not exist in nsx-scene-web"), "{said}");
    assert!(said.contains("no shell was found there"), "{said}");
    assert!(said.contains("hint: add --tools to bring the host's programs"), "{said}");
    let brought = ["enter", "-t", WEB, "--tools", "sh", "-c", "ls /target/usr/sbin"];
    let shown = support::succeeds(&mut docker.machine.nsx(&brought));
    assert!(shown.contains("nginx"), "{shown}");
}

fn program_of_the_container(docker: &Docker, _: &Truth) {
    let version = support::output(docker.machine.command("nginx").arg("-v"));
    assert!(stderr(&version).contains("nginx/"), "the reference says its version");
    let inside = ["enter", "-t", WEB, "-a", "/usr/sbin/nginx", "-v"];
    let output = support::output(&mut docker.machine.nsx(&inside));
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains(stderr(&version).trim()), "{}", stderr(&output));
    let exit = ["enter", "-t", WEB, "-a", "/usr/sbin/nginx", "-t", "-c", "/srv/www/index.html"];
    let output = support::output(&mut docker.machine.nsx(&exit));
    assert_eq!(output.status.code(), Some(1), "its own exit status: {}", stderr(&output));
    assert!(stderr(&output).contains("/srv/www/index.html"), "{}", stderr(&output));
}

fn hostname_and_pid(docker: &Docker, truth: &Truth) {
    let enter = |options: &[&str]| {
        let arguments = [&["enter", "-t", WEB], options].concat();
        succeeds(&mut docker.machine.nsx(&arguments)).trim().to_owned()
    };
    assert_eq!(enter(&["-u", "hostname"]), truth.hostname);
    assert_eq!(enter(&["-n", "hostname"]), "machine", "only what was asked for is joined");
    let inside: u32 = enter(&["-p", "sh", "-c", "echo $$"]).parse().expect("a pid");
    let last: u32 = enter(&["-n", "sh", "-c", "echo $$"]).parse().expect("a pid");
    assert!(inside > 1 && inside < last, "{inside} is a small number, {last} the machine's");
}

fn ambiguous_name(docker: &Docker, truth: &Truth) {
    let runc = Runc::run(docker, WEB);
    let output = support::output(&mut docker.machine.nsx(&["inspect", WEB]));
    let said = stderr(&output);
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""), "{said}");
    for candidate in [
        format!("docker:{WEB} (id {}", truth.short_id()),
        format!("runc:{WEB}"),
        format!("pid {}", truth.pid),
        format!("pid {}", runc.pid),
    ] {
        assert!(said.contains(&candidate), "{candidate} is missing: {said}");
    }
    let entered = ["enter", "-t", WEB, "-n", "true"];
    let output = support::output(&mut docker.machine.nsx(&entered));
    assert_eq!(output.status.code(), Some(125), "{}", stderr(&output));
    for (spelled, pid) in [(format!("docker:{WEB}"), truth.pid), (format!("runc:{WEB}"), runc.pid)]
    {
        let report = support::json(&mut docker.machine.nsx(&["inspect", "--json", &spelled]));
        assert_eq!(report["data"]["pid"], pid, "{spelled}");
    }
}

/// One section of one container.
fn section(docker: &Docker, name: &str, section: &str) -> Value {
    let arguments = ["inspect", "--json", name, "--only", section, "--columns", "+formulas"];
    support::json(&mut docker.machine.nsx(&arguments))["data"].clone()
}

/// By the kernel's own files, spelled as docker does: what is used but for cached files that nobody
/// has touched for long.
fn used(docker: &Docker, truth: &Truth) -> String {
    let read = |path: &str| std::fs::read_to_string(docker.machine.path(path)).expect(path);
    let groups = read(&format!("/proc/{}/cgroup", truth.pid));
    let of =
        |name: &str| groups.lines().find_map(|line| line.split_once(name)).map(|(_, path)| path);
    let (group, usage, inactive) = match of(":memory:") {
        Some(path) => (format!("memory{path}"), "memory.usage_in_bytes", "total_inactive_file "),
        None => (of("0::").expect("its group").to_owned(), "memory.current", "inactive_file "),
    };
    let stat = read(&format!("/sys/fs/cgroup/{group}/memory.stat"));
    let inactive = stat.lines().find_map(|line| line.strip_prefix(inactive)).expect("it is there");
    let usage: f64 = read(&format!("/sys/fs/cgroup/{group}/{usage}")).trim().parse().unwrap();
    let mebibytes = (usage - inactive.parse::<f64>().unwrap()) / f64::from(1 << 20);
    // Four digits.
    let digits = if mebibytes < 10.0 { 3 } else { 2 };
    let text = format!("{mebibytes:.digits$}");
    format!("{}MiB", text.trim_end_matches('0').trim_end_matches('.'))
}

fn stats(docker: &Docker, truth: &Truth) {
    let format = "{{.MemUsage}} {{.MemPerc}} {{.PIDs}}";
    let ask = || docker.docker(&["stats", "--no-stream", "--format", format, WEB]);
    let tell = || {
        let report = section(docker, WEB, "cgroup");
        let docker = &report["formulas"]["docker"];
        let word = |value: &Value| value.as_str().expect("text").to_owned();
        let pids = &report["cgroup"]["pids"]["current"];
        format!("{} {} {pids}", word(&docker["memory"]), word(&docker["memory_percent"]))
    };
    // On a host without some v1 hierarchy (hugetlb) containerd counts nothing, and docker prints that.
    if ask().starts_with("0B / 0B") {
        let same = crate::machine::eventually(|| {
            let before = used(docker, truth);
            tell().starts_with(&format!("{before} / ")) && used(docker, truth) == before
        });
        assert!(same, "the kernel says {}, nsx {}", used(docker, truth), tell());
        return;
    }
    // What is used may change between two looks.
    let same = crate::machine::eventually(|| {
        let before = tell();
        ask() == before && tell() == before
    });
    assert!(same, "docker says {}, nsx {}", ask(), tell());
}

fn told_limits(docker: &Docker, _: &Truth) {
    let limits = ["--cpus", "0.5", "--pids-limit", "77", "--memory", "48m", "--cpuset-cpus", "0"];
    let more = ["--cap-add", "NET_ADMIN", "--cap-drop", "MKNOD", "--ulimit", "nofile=500:600"];
    let _limited = docker.run_beside("limited", &[&limits[..], &more].concat());
    let ask = |format: &str| docker.inspect("limited", format).parse::<u64>().expect("a number");
    let cgroup = &section(docker, "limited", "cgroup")["cgroup"];
    assert_eq!(cgroup["memory"]["limit_bytes"], ask("{{.HostConfig.Memory}}"));
    // Docker counts memory in, as v1 does; v2 counts swap alone.
    let is_v2 = std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let memory = if is_v2 { ask("{{.HostConfig.Memory}}") } else { 0 };
    let swap = ask("{{.HostConfig.MemorySwap}}") - memory;
    assert_eq!(cgroup["memory"]["swap_limit_bytes"], swap);
    assert_eq!(cgroup["pids"]["limit"], ask("{{.HostConfig.PidsLimit}}"));
    assert_eq!(cgroup["cpu"]["limit_millicores"], ask("{{.HostConfig.NanoCpus}}") / 1_000_000);
    assert_eq!(cgroup["cpu"]["cpus"], docker.inspect("limited", "{{.HostConfig.CpusetCpus}}"));
    for subject in ["memory", "cpu", "pids"] {
        let id = docker.inspect("limited", "{{.Id}}");
        let own = cgroup[subject]["limit_set_by"].as_str().expect("a group");
        assert!(own.ends_with(&id), "{subject}: {own}");
    }
    let security = &section(docker, "limited", "security")["security"];
    let sets = &security["capabilities"];
    assert_eq!(sets["beyond_usual"], json!(["CAP_NET_ADMIN"]));
    assert_eq!(sets["lacking_from_usual"], json!(["CAP_MKNOD"]));
    assert_eq!(security["verdict"]["privileged"], false);
    let paths = |format: &str| -> Vec<String> {
        serde_json::from_str(&docker.inspect("limited", format)).expect("a list")
    };
    let found = |field: &str| -> Vec<String> {
        serde_json::from_value(security[field].clone()).expect("a list")
    };
    // What the kernel does not have cannot be masked.
    let there = |path: &String| docker.machine.path(path).exists();
    let mut masked: Vec<_> =
        paths("{{json .HostConfig.MaskedPaths}}").into_iter().filter(there).collect();
    let mut told = found("masked_paths");
    masked.sort();
    told.sort();
    assert_eq!(told, masked);
    let read_only = found("read_only_paths");
    for path in paths("{{json .HostConfig.ReadonlyPaths}}").iter().filter(|path| there(path)) {
        assert!(read_only.contains(path), "{path} is not in {read_only:?}");
    }
    let limits = &section(docker, "limited", "limits")["limits"];
    let rlimits = limits["rlimits"].as_array().expect("a list");
    let open = rlimits.iter().find(|limit| limit["resource"] == "open_files").expect("it is there");
    assert_eq!((&open["soft"], &open["hard"]), (&json!(500), &json!(600)));

    // As --privileged does, but for the capability that this machine may lack itself.
    let every = ["--cap-add", "ALL", "--device-cgroup-rule", "a *:* rwm", "--pid", "host"];
    let open = ["--security-opt", "seccomp=unconfined", "--security-opt", "systempaths=unconfined"];
    let lacking: &[&str] =
        if machine_lacks_resource() { &["--cap-drop", "SYS_RESOURCE"] } else { &[] };
    let _privileged = docker.run_beside("privileged", &[&every[..], &open, lacking].concat());
    let report = section(docker, "privileged", "security");
    assert_eq!(report["security"]["verdict"]["privileged"], true, "{}", report["security"]);
    let said = report["findings"].to_string();
    assert!(said.contains("privileged: its root is root on the host"), "{said}");
    assert!(said.contains("in the host's namespaces: pid"), "{said}");
    let page = stdout(&support::output(&mut docker.machine.nsx(&["inspect", "privileged"])));
    // On v2 a program of docker's decides, and nothing says what it decides.
    assert_eq!(page.contains("  every device allowed by default\n"), !is_v2, "{page}");
    let web = section(docker, WEB, "security");
    assert_eq!(web["security"]["verdict"]["privileged"], false);
    assert_eq!(web["security"]["capabilities"]["beyond_usual"], json!([]));
}

/// Bit 24 of the bounding set.
fn machine_lacks_resource() -> bool {
    let set = support::status(std::process::id(), "CapBnd").expect("our own");
    u64::from_str_radix(&set, 16).expect("hexadecimal") >> 24 & 1 == 0
}

/// The row of one container.
fn row(docker: &Docker, name: &str) -> Value {
    let listing = support::json(&mut docker.machine.nsx(&["ps", "--json", name]));
    assert_eq!(listing["data"].as_array().map(Vec::len), Some(1), "{listing}");
    listing["data"][0].clone()
}

const ALL: [&str; 5] = ["mnt", "uts", "ipc", "net", "pid"];

fn shared_namespaces(docker: &Docker, truth: &Truth) {
    let _hosts = docker.run_beside("hosts", &["--network", "host", "--pid", "host"]);
    let _beside = docker.run_beside("beside", &["--network", &format!("container:{WEB}")]);
    let _alone = docker.run_beside("alone", &["--network", "none"]);
    let cases = [
        ("hosts", &ALL[..3], json!([])),
        ("beside", &ALL, json!([truth.address])),
        ("alone", &ALL, json!([])),
    ];
    for (name, own, addresses) in cases {
        let row = row(docker, name);
        assert_eq!(row["id"], docker.inspect(name, "{{.Id}}"), "{name}");
        let own = json!(docker.namespaces(name, own));
        assert_eq!((&row["namespaces_own"], &row["addresses"]), (&own, &addresses), "{name}");
    }
    let ip = ["enter", "-t", "hosts", "-n", "ip", "addr"];
    let output = support::output(&mut docker.machine.nsx(&ip));
    assert_eq!(output.status.code(), Some(125), "there is nothing to join");
    assert_eq!(stdout(&output), "", "and nothing is run on the host");
}

fn renamed_and_restarted(docker: &Docker, _: &Truth) {
    let mut container = docker.run_beside("before", &["--network", "none"]);
    container.rename("after");
    docker.docker(&["restart", "--time", "0", "after"]);
    let row = row(docker, "after");
    assert_eq!(row["pid"].to_string(), docker.inspect("after", "{{.State.Pid}}"));
    let before = support::output(&mut docker.machine.nsx(&["inspect", "before"]));
    assert_eq!(before.status.code(), Some(3), "{}", stderr(&before));
}

fn paused(docker: &Docker, truth: &Truth) {
    let paused = docker.paused(WEB);
    assert_eq!(row(docker, WEB)["state"], "paused");
    let report = support::json(&mut docker.machine.nsx(&["inspect", "--json", WEB]));
    assert_eq!(report["data"]["cgroup"]["frozen"], true);
    checks::interfaces(docker, truth);
    drop(paused);
    assert_eq!(row(docker, WEB)["state"], "running");
    checks::answers(docker, truth);
}

fn at_the_usual_places() {
    let mut docker = Docker::start(Roots::Usual);
    docker.import_image();
    let id = docker.run_web("usual");
    std::mem::forget(docker.paused("usual"));
    let row = row(&docker, "usual");
    assert_eq!(
        (row["name"].as_str(), row["image"].as_str(), row["id"].as_str()),
        (Some("usual"), Some(IMAGE), Some(id.as_str()))
    );
    // Never continued: what ends with the machine ends whatever state it is in.
    std::mem::forget(docker.stopped());
    assert_eq!(docker.machine.end(), Vec::<String>::new());
}

fn unfiltered(docker: &Docker, _: &Truth) {
    let options = ["--security-opt", "seccomp=unconfined", "--network", "none"];
    let _unfiltered = docker.run_beside("unfiltered", &options);
    let ask = ["inspect", "unfiltered", "--only=security", "--seccomp", "--json"];
    let report = support::json(&mut docker.machine.nsx(&ask));
    let security = &report["data"]["security"];
    assert_eq!((&security["seccomp"], &security["seccomp_dump"]), (&json!("off"), &Value::Null));
    assert_eq!(report["gaps"], json!([]));
}
