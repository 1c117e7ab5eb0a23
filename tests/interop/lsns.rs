//! nsx called `lsns` against lsns itself, byte by byte, on a machine of their own: nothing else
//! starts or ends there meanwhile.

use crate::machine::Machine;
use crate::support::{self, Held, Need, output, stderr, stdout, succeeds, until};
use std::path::{Path, PathBuf};
use std::process::Command;

pub fn tests() -> Vec<libtest_mimic::Trial> {
    const LSNS: &[Need] =
        &[Need::Root, Need::Program("lsns"), Need::Program("unshare"), Need::Program("ip")];
    vec![
        support::test("lsns: every form is printed as by lsns", LSNS, every_form),
        support::test("lsns: mistakes are said as by lsns", LSNS, mistakes),
        support::test("lsns: what differs on purpose", LSNS, differences),
    ]
}

/// Processes in namespaces of many shapes, each ended by a `sleep`.
const SCENE: &str = "set -e
export LC_ALL=C.UTF-8
unshare -u -i sh -c 'unshare -n -m sleep 1001; true' &
unshare -m sh -c 'unshare -m sleep 1002; true' &
unshare -m sh -c 'sh -c \"unshare -m sleep 1003; true\"; true' &
unshare -U -r sh -c 'unshare -U -r -n sleep 1004; true' &
unshare -U -r -f -p sh -c 'unshare -f -p sh -c \"sleep 1005; true\"; true' &
unshare -n -u -i -C -T sleep 1006 &
setpriv --reuid 33 --regid 33 --clear-groups unshare -U sleep 1007 &
setpriv --reuid 4242 --regid 33 --clear-groups unshare -U sleep 1008 &
# The one in the middle is nobody's.
unshare -U -r sh -c 'exec unshare -U -r unshare -U -r sleep 1009' &
ip netns add first
ip netns add second
ip -n first link add va type veth peer name vb netns second
ip link add vc type veth peer name vd netns first
touch /run/more '/run/and more'
mount --bind /run/netns/first /run/more
mount --bind /run/netns/first '/run/and more'
ip netns exec first sh -c 'unshare -u sleep 1010 & unshare -i sleep 1011; true' &
ip netns exec second sleep 1012 &
unshare -u bash -c 'exec -a \"$(printf \"a name \\303\\251\\tof \\033[31m\\377 parts\")\" sleep 1013' &
echo ready
wait
";
/// What lsns 2.38 shows: of namespaces without a process only user namespaces, in a tree.
const WITH_PROCESSES: [&str; 2] = ["-Q", "NPROCS > 0 or TYPE == 'user'"];
const SLEEPERS: usize = 13;

struct Scene {
    machine: Machine,
    _processes: Held,
    /// Holds a link to nsx that is called lsns.
    directory: tempfile::TempDir,
}

impl Scene {
    fn start() -> Self {
        let machine = Machine::start();
        let (processes, line) = Held::ready(machine.command("bash").args(["-c", SCENE]));
        assert_eq!(line, "ready");
        let directory = tempfile::tempdir().expect("a directory");
        std::os::unix::fs::symlink(support::binary("nsx"), directory.path().join("lsns")).unwrap();
        let scene = Self { machine, _processes: processes, directory };
        until("everybody sleeps", || scene.sleepers().len() == SLEEPERS);
        scene
    }

    /// The pids of all `sleep` in the machine, as it numbers them, in the order of what they were
    /// told.
    fn sleepers(&self) -> Vec<(String, u32)> {
        let list = std::fs::read_dir(self.machine.path("/proc")).unwrap().flatten();
        let pids = list.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let mut found: Vec<(String, u32)> = pids
            .filter_map(|pid| {
                let line =
                    std::fs::read(self.machine.path(&format!("/proc/{pid}/cmdline"))).ok()?;
                let name = std::fs::read(self.machine.path(&format!("/proc/{pid}/comm"))).ok()?;
                let told = line.strip_suffix(b"\0")?.rsplit(|byte| *byte == 0).next()?.to_vec();
                (name == b"sleep\n").then(|| (String::from_utf8(told).unwrap(), pid))
            })
            .collect();
        found.sort();
        found
    }

    fn reference(&self) -> Command {
        self.command("lsns".as_ref())
    }

    /// The installed one, and a newer one where there is one.
    fn references() -> impl Iterator<Item = PathBuf> {
        std::iter::once("lsns".into()).chain(support::newer("lsns"))
    }

    /// Later ones space columns otherwise; nsx does it as this one.
    fn is_2_38(&self, lsns: &Path) -> bool {
        succeeds(self.command(lsns.as_ref()).arg("--version")).contains(" 2.38")
    }

    fn ours(&self) -> Command {
        self.command(self.directory.path().join("lsns").as_os_str())
    }

    fn command(&self, program: &std::ffi::OsStr) -> Command {
        let mut command = self.machine.command(program);
        command.env("LC_ALL", "C.UTF-8").env_remove("LIBSMARTCOLS_JSON");
        command
    }

    /// What lsns printed, but for what stands in command lines of its JSON: those of the scene.
    fn spelled_as_ours(printed: &[u8]) -> String {
        let line = |line: &[u8]| -> String {
            let in_json = String::from_utf8_lossy(line).trim_start().starts_with("\"command\": ");
            if !in_json {
                return String::from_utf8(line.to_vec()).expect("UTF-8");
            }
            let escaped = line.iter().map(|byte| match byte {
                0xff => "\\\\xff".as_bytes().to_vec(),
                other => vec![*other],
            });
            let line = String::from_utf8(escaped.flatten().collect()).expect("UTF-8");
            line.replace("\\n", "\\\\x0a").replace("\\t", "\\\\x09").replace("\\u001b", "\\\\x1b")
        };
        printed.split(|byte| *byte == b'\n').map(line).collect::<Vec<_>>().join("\n")
    }

    fn inode(&self, pid: u32, kind: &str) -> String {
        let link = self.machine.path(&format!("/proc/{pid}/ns/{kind}"));
        let link = std::fs::read_link(link).expect("it runs").display().to_string();
        link.split(['[', ']']).nth(1).expect("kind:[inode]").to_owned()
    }
}

fn every_form() {
    let scene = Scene::start();
    let sleepers = scene.sleepers();
    let pid = |told: &str| sleepers.iter().find(|(own, _)| own == told).expect("it sleeps").1;
    let nested = pid("1005").to_string();
    let user = scene.inode(pid("1004"), "user");
    let chain = scene.inode(pid("1003"), "mnt");
    let host = scene.inode(1, "uts");
    let mut forms: Vec<Vec<&str>> = [
        "",
        "-l",
        "-n",
        "-r",
        "-J",
        "-u",
        "-W",
        "-rn",
        "-ln",
        "-Jn",
        "-t net",
        "-t net -W",
        "-t net -J -W",
        "-t net -r",
        "-t net -l -n",
        "-t user -t pid",
        "-t uts -t ipc -t net -W",
        "-o NS,TYPE,NPROCS,PID,PPID,COMMAND,UID,USER",
        "-o COMMAND,PID",
        "-o command,ns,Command",
        "-o PID,USER",
        "-o NS",
        "-o +PNS,ONS",
        "-o +PATH,NSFS -t net",
        "-t net -o NSFS,NETNSID",
        "--output-all",
        "--output-all -r",
        "--output-all -J -W",
        "-l --output-all -n",
        "-Tparent",
        "-Towner",
        "-Tprocess",
        "-Tparent -o NS,TYPE,PNS,ONS",
        "-Towner -J",
        "-Tparent -J -t user",
        "-Towner -r",
        "-Tparent -r -n -t pid -t user",
        "-Towner -t net -t user",
        "-Tparent -t pid -t user",
        "-Towner -o PID,NS,COMMAND",
        "-Towner -o PID",
        "-Tprocess -t net -t uts -o COMMAND,NSFS,NS",
        "--outp +UID",
        "--js --ty mnt",
    ]
    .iter()
    .map(|line| line.split_whitespace().collect())
    .collect();
    for more in ["", "-r", "-J", "-t user", "-Tparent", "-Towner", "-l", "-o +PPID"] {
        forms.push(["-p", &nested].into_iter().chain(more.split_whitespace()).collect());
    }
    for (of, more) in [&user, &chain].into_iter().flat_map(|of| {
        ["", "-r", "-J", "-l", "-n", "-o COMMAND,PID", "-o PID,NS,TYPE"].map(|more| (of, more))
    }) {
        forms.push(more.split_whitespace().chain([of.as_str()]).collect());
    }
    forms.push(vec!["-o", "PID,PPID", "-t", "net", &host]);
    let mut different = Vec::new();
    for lsns in Scene::references() {
        different.extend(scene.differing(&lsns, &forms));
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

impl Scene {
    /// What is printed otherwise than by this lsns.
    fn differing(&self, lsns: &Path, forms: &[Vec<&str>]) -> Vec<String> {
        let old = self.is_2_38(lsns);
        let mut different = Vec::new();
        for form in forms {
            for locale in ["C.UTF-8", "C"] {
                let (mut theirs, mut ours) = (self.command(lsns.as_ref()), self.ours());
                // Of one namespace, or of one process, every row has processes.
                if form.last().is_none_or(|last| last.parse::<u64>().is_err()) {
                    ours.args(WITH_PROCESSES);
                    if !old {
                        theirs.args(WITH_PROCESSES);
                    }
                }
                let theirs = output(theirs.args(form).env("LC_ALL", locale));
                let ours = output(ours.args(form).env("LC_ALL", locale));
                let (mut expected, mut shown) =
                    (Scene::spelled_as_ours(&theirs.stdout), stdout(&ours));
                if !old {
                    (expected, shown) = (squeezed(&expected), squeezed(&shown));
                }
                if shown != expected || theirs.status.code() != ours.status.code() {
                    different.push(format!(
                        "{} {form:?} in {locale}: {} and {}\n{expected}\n--- nsx\n{shown}{}",
                        lsns.display(),
                        theirs.status,
                        ours.status,
                        stderr(&ours),
                    ));
                }
            }
        }
        different
    }
}

/// With one blank for many, and none at the ends of lines.
fn squeezed(text: &str) -> String {
    text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n").collect()
}

/// What is wrong with a command line, in the words of lsns.
fn mistakes() {
    let scene = Scene::start();
    for line in [
        "--nope",
        "-z",
        "-Jz",
        "-p",
        "-o",
        "--task",
        "--json=1",
        "--t",
        "--no",
        "-p x",
        "-t foo",
        "-t NET",
        "-Tfoo",
        "--tree=foo",
        "-o foo",
        "-o NS,foo",
        "abc",
        "1",
        "0x1",
        "-p 1 2",
    ] {
        let asked = |mut command: Command| output(command.args(line.split_whitespace()));
        let ours = asked(scene.ours());
        assert_eq!(stdout(&ours), "", "lsns {line}");
        for lsns in Scene::references() {
            let mut command = scene.command("bash".as_ref());
            command.args(["-c", r#"exec -a lsns "$0" "$@""#]).arg(&lsns);
            let theirs = asked(command);
            assert_eq!(stderr(&ours), stderr(&theirs), "{} {line}", lsns.display());
            assert_eq!(ours.status.code(), theirs.status.code(), "{} {line}", lsns.display());
        }
    }
    let help = succeeds(scene.ours().arg("--help"));
    for option in succeeds(scene.reference().arg("--help")).split([' ', ',', '\n']) {
        assert!(!option.starts_with('-') || help.contains(option), "{option}");
    }
}

fn differences() {
    let scene = Scene::start();
    // A process that is not there.
    let gone = output(scene.ours().args(["-p", "999999"]));
    assert_eq!(gone.status.code(), Some(1));
    assert!(stderr(&gone).starts_with("lsns: ") && stderr(&gone).contains("No such process"));
    // A list and a tree.
    assert_eq!(output(scene.ours().args(["-l", "-T"])).status.code(), Some(1));
    // Namespaces without a process are listed, and nobody is called their user.
    succeeds(scene.machine.command("ip").args(["netns", "add", "third"]));
    let arguments = ["-P", "-o", "NPROCS,PID,USER,NSFS,COMMAND", "-rn", "-Q", "NSFS =~ 'third'"];
    assert_eq!(succeeds(scene.ours().args(arguments)), "0   /run/netns/third \n");
    // A filter, which lsns has had since 2.41.
    let arguments = ["-Q", "COMMAND =~ '^sleep 100[12]$' and TYPE == 'mnt'", "-o", "COMMAND", "-n"];
    assert_eq!(succeeds(scene.ours().args(arguments)).lines().count(), 2);
}
