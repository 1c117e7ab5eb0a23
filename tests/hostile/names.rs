//! Names that a container chose: hostname, command name, arguments, environment, mounts, control
//! group, interface.

use crate::clean::{harmless, original, strict};
use crate::support::pty::Pty;
use crate::support::{Held, Need, child_of, nsx, output, stderr, test};
use libtest_mimic::Trial;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const NEEDS: &[Need] =
    &[Need::Root, Need::Program("perl"), Need::Program("ip"), Need::Program("setsid")];

/// What is planted, and what it is called in a failure.
const PLANTED: [(&str, &[u8]); 11] = [
    ("escape sequences", b"\x1b[31mred\x1b]0;t\x07"),
    ("a newline and a forged row", b"a\nFORGED 1 2 3"),
    ("carriage return, backspace, tab, delete", b"ab\r\x08\x7f\tc"),
    ("bidirectional override", "x\u{202e}gpj.\u{2066}".as_bytes()),
    ("zero width and byte order mark", "a\u{200b}\u{feff}b\u{2028}".as_bytes()),
    ("C1 controls as UTF-8", "\u{9b}31m\u{85}".as_bytes()),
    ("C1 controls as bytes", b"\x9b31m\x90\x9d"),
    ("invalid UTF-8", b"\xff\xfe\xc3(\xf0\x9f"),
    ("the end of a comm", b") R 1 1 (x"),
    ("backslashes", b"\\x41\\\\u{41}\\"),
    ("JSON", b"\",\"pid\":1,\"a\":\""),
];

pub fn tests() -> Vec<Trial> {
    let planted = PLANTED.iter().map(|(called, bytes)| {
        test(&format!("planted everywhere: {called}"), NEEDS, || everywhere(bytes))
    });
    planted.collect()
}

/// As a mount's directory and source, an interface and a command name; then waits.
const PLANT: &str = r#"
    my ($mount, $comm, $directory, $interface) = @ARGV;
    my ($tmpfs, $base, $none) = ("tmpfs", "/mnt", "");
    syscall($mount, $tmpfs, $base, $tmpfs, 0, 0) == 0 or die "mount: $!";
    my $place = "$base/$directory";
    mkdir $place or die "mkdir: $!";
    my $source = $directory;
    syscall($mount, $source, $place, $tmpfs, 0, 0) == 0 or die "mount: $!";
    system("ip", "link", "add", "name", $interface, "type", "bridge") == 0 or die "ip: $?";
    open my $file, ">", "/proc/self/comm" or die; syswrite $file, $comm; close $file;
    $| = 1; print "ready\n"; sleep 1000;
"#;

struct Hostile {
    supervisor: Held,
    pid: u32,
    hostname: Vec<u8>,
    comm: Vec<u8>,
    arguments: Vec<u8>,
    directory: Vec<u8>,
    interface: Vec<u8>,
    group: PathBuf,
    group_name: Vec<u8>,
}

fn filled(bytes: &[u8], length: usize, refused: &[u8]) -> Vec<u8> {
    bytes.iter().copied().cycle().filter(|byte| !refused.contains(byte)).take(length).collect()
}

impl Hostile {
    fn start(bytes: &[u8]) -> Self {
        let hostname = filled(bytes, 64, b"");
        let comm = filled(bytes, 15, b"");
        let directory = filled(bytes, 100, b"/");
        // What dev_valid_name() refuses: isspace() of Latin-1 is more than ASCII's.
        let interface = filled(bytes, 15, b"/: \t\n\x0b\x0c\r\xa0\x85");
        let group_name = [b"nsx-test-", filled(bytes, 100, b"/\n").as_slice()].concat();
        let text = OsStr::from_bytes;
        let mount = libc::SYS_mount.to_string();
        let mut command = nsx(["spawn", "-p", "-n", "-m", "-i", "--hostname"]);
        command.arg(text(&hostname)).args(["perl", "-e", PLANT, &mount]);
        command.args([text(&comm), text(&directory), text(&interface), text(bytes)]);
        command.env(text(b"HOSTILE"), text(bytes)).stdin(Stdio::null());
        let (supervisor, line) = Held::ready(&mut command);
        assert_eq!(line, "ready");
        let pid = child_of(supervisor.pid()).unwrap();
        let arguments: [&[u8]; 8] = [
            b"perl",
            b"-e",
            PLANT.as_bytes(),
            mount.as_bytes(),
            &comm,
            &directory,
            &interface,
            bytes,
        ];
        let arguments = arguments.join(&b' ');
        let group = own_group().join(text(&group_name));
        std::fs::create_dir(&group).unwrap();
        std::fs::write(group.join("cgroup.procs"), pid.to_string()).unwrap();
        Self { supervisor, pid, hostname, comm, arguments, directory, interface, group, group_name }
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        let _ = self.supervisor.0.kill();
        let _ = self.supervisor.0.wait();
        crate::support::until("the control group can be removed", || {
            std::fs::remove_dir(&self.group).is_ok() || !self.group.exists()
        });
    }
}

/// Our group in the v2 hierarchy, which is the one that names a container.
pub fn own_group() -> PathBuf {
    let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap();
    let mut mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let v2 = mounts.find(|mount| mount[2] == "cgroup2").expect("a v2 hierarchy")[1].to_owned();
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let ours = groups.lines().find_map(|line| line.strip_prefix("0::/")).expect("a v2 group");
    Path::new(&v2).join(ours)
}

fn everywhere(bytes: &[u8]) {
    let hostile = Hostile::start(bytes);
    let pid = hostile.pid.to_string();
    tables(&pid);
    on_a_terminal(&pid);
    listed(&hostile);
    inspected(&hostile);
}

fn said(arguments: &[&str]) -> String {
    let output = output(&mut nsx(arguments));
    let what = arguments.join(" ");
    assert!(output.status.success(), "{what}: {}", stderr(&output));
    harmless(&what, &output.stderr, false);
    harmless(&what, &output.stdout, arguments.contains(&"tsv"))
}

fn tables(pid: &str) {
    let all = "runtime,name,id,image,state,pid,procs,ip,age,own,comm,cgroup";
    for arguments in [&["ps"][..], &["ps", "-o", "wide"], &["ps", "--columns", all], &["ps", "-q"]]
    {
        let text = said(arguments);
        assert!(!text.lines().any(|line| line.starts_with("FORGED")), "{text}");
    }
    let text = said(&["ps", "--columns", "+comm,cgroup", "--no-headings"]);
    for line in text.lines() {
        let runtime = line.split_whitespace().next().unwrap_or_default();
        let is_known = nsx::model::runtime::Runtime::ALL.iter().any(|one| one.name() == runtime);
        assert!(is_known, "a row of its own: {line:?}");
    }
    let text = said(&["ps", "-o", "tsv", "--columns", all]);
    let widths: Vec<usize> = text.lines().map(|line| line.matches('\t').count()).collect();
    assert!(widths.iter().all(|width| *width == 11), "{text}");
    for arguments in [
        &["inspect", pid][..],
        &["inspect", "-o", "wide", pid],
        &["inspect", "--only", "mounts,processes", pid],
    ] {
        let text = said(arguments);
        for line in text.lines().skip(1) {
            let heading = line.get(..12).unwrap_or(line).trim();
            let mut sections = nsx::model::inspection::Section::ALL.iter();
            let is_known = ["", "unusual"].contains(&heading)
                || sections.any(|section| section.name() == heading);
            assert!(is_known, "a line of its own: {line:?}");
        }
    }
}

fn on_a_terminal(pid: &str) {
    for arguments in
        [&["ps"][..], &["ps", "-o", "wide"], &["inspect", pid], &["inspect", "-o", "wide", pid]]
    {
        // Without colour nsx itself has no reason to send an escape sequence.
        let mut command = nsx(arguments);
        let mut pty = Pty::start(command.env("TERM", "xterm-256color").env("NO_COLOR", "1"));
        let shown = String::from_utf8(pty.rest().to_vec()).expect("UTF-8").replace("\r\n", "\n");
        harmless("on a terminal", shown.as_bytes(), false);
        let is_cut = shown.lines().all(|line| line.chars().count() <= 80);
        assert_eq!(is_cut, !arguments.contains(&"wide"), "cut to the width, or whole: {shown}");
    }
}

fn listed(hostile: &Hostile) {
    let document = strict("ps", &said(&["ps", "--json"]));
    let rows = document["data"].as_array().unwrap();
    let ours: Vec<_> = rows.iter().filter(|row| row["pid"] == hostile.pid).collect();
    assert_eq!(ours.len(), 1);
    assert_eq!(original(&ours[0]["comm"]), hostile.comm);
    assert!(original(&ours[0]["cgroup"]).ends_with(&hostile.group_name), "{}", ours[0]["cgroup"]);
    assert_eq!(ours[0]["runtime"], "nsx");
    assert_eq!(ours[0]["processes"], serde_json::json!([hostile.pid]));
    for line in said(&["ps", "-o", "jsonl"]).lines() {
        strict("ps -o jsonl", line);
    }
}

fn inspected(hostile: &Hostile) {
    let document = strict("inspect", &said(&["inspect", "--json", &hostile.pid.to_string()]));
    let data = &document["data"];
    assert_eq!(original(&data["comm"]), hostile.comm);
    let process = &data["processes"][0];
    assert_eq!(original(&process["comm"]), hostile.comm);
    assert_eq!(process["parent_pid"], hostile.supervisor.pid(), "read past the end of the comm");
    assert_eq!(process["state"], "S");
    assert_eq!(data["processes"].as_array().unwrap().len(), 1);
    let command = original(&process["command"]);
    let shown = command.len().min(hostile.arguments.trim_ascii_end().len());
    assert_eq!(command[..shown], hostile.arguments[..shown]);
    assert!(shown > 500, "{shown}");
    let mounts = data["mounts"].as_array().unwrap();
    let lines = std::fs::read(format!("/proc/{}/mountinfo", hostile.pid)).unwrap();
    assert_eq!(mounts.len(), lines.split(|byte| *byte == b'\n').count() - 1);
    let place = [b"/mnt/", hostile.directory.as_slice()].concat();
    let planted = mounts.iter().find(|mount| original(&mount["target"]) == place);
    let planted = planted.expect("the planted mount");
    assert_eq!(original(&planted["source"]), hostile.directory);
    assert!(original(&data["cgroup"]["path"]).ends_with(&hostile.group_name));
    assert_eq!(original(&data["uts"]["hostname"]), hostile.hostname);
    let interfaces = data["net"]["interfaces"].as_array().expect("interfaces");
    assert!(interfaces.iter().any(|interface| original(&interface["name"]) == hostile.interface));
}
