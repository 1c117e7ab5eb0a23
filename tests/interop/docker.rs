//! Docker on a machine of its own, and an image that holds a web server and nothing else.
//!
//! The engine is Debian's; its containers, state and addresses (documentation ranges, RFC 5737)
//! are in the machine and end with it.

use crate::machine::{Machine, eventually};
use crate::support;
use std::ffi::{OsStr, OsString};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// The image, as `docker run` names it.
pub const IMAGE: &str = "my_nginx:v1.0";

/// What the web server answers.
pub const PAGE: &str = "this page comes from a container without a shell";

/// Where an engine keeps its state.
#[derive(Clone, Copy, Debug)]
pub enum Roots {
    /// Where it does unless told otherwise: /var/lib/docker and /run/docker.
    Usual,
    /// In directories that nothing but the engine itself names.
    Elsewhere,
}

#[derive(Debug)]
pub struct Docker {
    pub machine: Machine,
    exec_root: &'static str,
    socket: &'static str,
}

impl Docker {
    pub fn start(roots: Roots) -> Self {
        let machine = Machine::start();
        // The usual place lies on the file system of the real host, so something is put over it.
        let prepare = "mount -t tmpfs -o mode=755 nsx-interop /var/lib && mkdir /var/lib/docker";
        let (data_root, exec_root, socket) = match roots {
            Roots::Usual => {
                support::succeeds(machine.command("sh").args(["-c", prepare]));
                ("/var/lib/docker", "/run/docker", "/run/docker.sock")
            }
            Roots::Elsewhere => ("/run/there/data", "/run/there/exec", "/run/there/sock"),
        };
        support::succeeds(machine.command("mkdir").args(["-p", "/run/there"]));
        // In the background, so that it is PID 1's child: nsenter would stop and stay when it does.
        let mut command = machine.command("sh");
        command
            .args(["-c", "\"$@\" </dev/null >/dev/null &", "sh"])
            .arg(debians("/usr/sbin/dockerd"))
            .args(["--data-root", data_root, "--exec-root", exec_root])
            .args(["--host", &format!("unix://{socket}"), "--pidfile", "/run/there/pid"])
            .args(["--bip", "198.51.100.1/24"])
            .stderr(Stdio::piped());
        let mut started = command.spawn().expect("sh starts");
        let log = started.stderr.take().expect("piped");
        assert!(started.wait().expect("sh ends").success());
        wait_until_it_listens(log);
        Self { machine, exec_root, socket }
    }

    /// A command on the engine's machine, free of what the environment says about other engines:
    /// a user's configuration is not read, nor written to.
    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.machine.command(program);
        for variable in ["DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY"] {
            command.env_remove(variable);
        }
        command.env("DOCKER_CONFIG", "/run/there/config");
        command
    }

    /// The engine's own client.
    fn client(&self, arguments: &[&str]) -> Vec<OsString> {
        let client = [debians("/usr/bin/docker").into(), "--host".into()];
        let socket = [format!("unix://{}", self.socket).into()];
        let arguments = arguments.iter().map(OsString::from);
        client.into_iter().chain(socket).chain(arguments).collect()
    }

    /// What the client prints.
    pub fn docker(&self, arguments: &[&str]) -> String {
        self.with_client("exec \"$@\"", arguments).trim().to_owned()
    }

    /// A script with the client's command line in `$@`; what it prints.
    pub fn with_client(&self, script: &str, arguments: &[&str]) -> String {
        let mut command = self.command("sh");
        support::succeeds(command.args(["-c", script, "sh"]).args(self.client(arguments)))
    }

    pub fn inspect(&self, name: &str, format: &str) -> String {
        self.docker(&["inspect", "--format", format, name])
    }

    /// These, and a cgroup namespace where docker gives one: it does on pure v2.
    pub fn namespaces(&self, name: &str, always: &[&'static str]) -> Vec<&'static str> {
        let mode = self.inspect(name, "{{.HostConfig.CgroupnsMode}}");
        let more = if mode == "private" { &["cgroup"][..] } else { &[] };
        [always, more].concat()
    }

    /// Makes the image from Debian's nginx.
    pub fn import_image(&self) {
        self.with_client(&IMAGE_ROOT.replace("PAGE", PAGE), &["import", "-", IMAGE]);
    }

    /// Starts another container of the image, which is removed when the guard is dropped.
    pub fn run_beside(&self, name: &str, options: &[&str]) -> Removed<'_> {
        let removed = Removed(self, name.to_owned());
        let run = ["run", "--detach", "--name", name];
        // Its network may be one in which port 80 is taken.
        let listen_nowhere = ["/usr/sbin/nginx", "-c", "/srv/www/idle.conf", "-g", "daemon off;"];
        self.docker(&[&run, options, &[IMAGE], &listen_nowhere].concat());
        removed
    }

    /// Starts the web server and waits until it answers; its whole id.
    pub fn run_web(&self, name: &str) -> String {
        let id = self.docker(&[
            "run",
            "--detach",
            "--name",
            name,
            "--memory",
            "64m",
            IMAGE,
            "/usr/sbin/nginx",
            "-g",
            "daemon off;",
        ]);
        let address = self.inspect(name, "{{.NetworkSettings.IPAddress}}");
        let answers = eventually(|| self.get(&address).is_ok_and(|page| page.contains(PAGE)));
        assert!(answers, "{name} answers: {}", self.docker(&["logs", name]));
        id
    }

    /// A request from the host; bash speaks TCP, so nothing else is needed.
    pub fn get(&self, address: &str) -> Result<String, String> {
        let script = "exec 3<>/dev/tcp/$1/80 && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && cat <&3";
        let mut bash = self.machine.command("bash");
        let output = support::output(bash.args(["-c", script, "bash", address]));
        let ok = output.status.success();
        if ok { Ok(support::stdout(&output)) } else { Err(support::stderr(&output)) }
    }

    /// Stops the engine with SIGSTOP, as one that hangs; it goes on when the guard is dropped.
    pub fn stopped(&self) -> Stopped<'_> {
        let stopped = Stopped(self);
        self.signal("STOP");
        let stands = |pid: &String| {
            let stat = self.machine.path(&format!("/proc/{pid}/stat"));
            std::fs::read_to_string(stat).is_ok_and(|stat| stat.contains(") T "))
        };
        assert!(
            eventually(|| self.pids().iter().all(stands)),
            "dockerd and containerd stand still"
        );
        stopped
    }

    /// Freezes a container; it goes on when the guard is dropped.
    pub fn paused(&self, name: &str) -> Paused<'_> {
        self.docker(&["pause", name]);
        Paused(self, name.to_owned())
    }

    /// Whether the client has no answer after three seconds.
    pub fn hangs(&self, arguments: &[&str]) -> bool {
        let mut command = self.command("timeout");
        command.arg("3").args(self.client(arguments));
        support::output(&mut command).status.code() == Some(124)
    }

    /// dockerd and containerd, as the machine numbers them. Shims are not part of what hangs.
    fn pids(&self) -> [String; 2] {
        let containerd = format!("{}/containerd/containerd.pid", self.exec_root);
        ["/run/there/pid", &containerd].map(|file| {
            let pid = std::fs::read_to_string(self.machine.path(file)).expect("it wrote its pid");
            pid.trim().to_owned()
        })
    }

    fn signal(&self, signal: &str) {
        let mut kill = self.machine.command("sh");
        kill.args(["-c", "kill -s \"$@\"", "sh", signal]).args(self.pids());
        support::succeeds(&mut kill);
    }
}

/// An engine that hangs.
#[derive(Debug)]
pub struct Stopped<'a>(&'a Docker);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        self.0.signal("CONT");
    }
}

/// A container that is frozen.
#[derive(Debug)]
pub struct Paused<'a>(&'a Docker, String);

impl Drop for Paused<'_> {
    fn drop(&mut self) {
        self.0.docker(&["unpause", &self.1]);
    }
}

/// A container that is removed with its test.
#[derive(Debug)]
pub struct Removed<'a>(&'a Docker, String);

impl Removed<'_> {
    pub fn rename(&mut self, name: &str) {
        self.0.docker(&["rename", &self.1, name]);
        name.clone_into(&mut self.1);
    }
}

impl Drop for Removed<'_> {
    fn drop(&mut self) {
        let remove = self.0.client(&["rm", "--force", &self.1]);
        let _ = support::output(self.0.command("env").args(remove));
    }
}

/// Debian's program rather than another vendor's that comes first in PATH.
fn debians(path: &str) -> PathBuf {
    let path = PathBuf::from(path);
    let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
    if path.is_file() { path.clone() } else { support::find(name).expect("it is installed") }
}

/// Reads the log up to the line that says so; the rest of it is read away, since an engine whose
/// log is full stands still.
fn wait_until_it_listens(log: ChildStderr) {
    let (told, tells) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(log).lines().map_while(Result::ok) {
            let _ = told.send(line);
        }
    });
    let mut log = String::new();
    loop {
        match tells.recv_timeout(Duration::from_mins(1)) {
            Ok(line) if line.contains("API listen on") => return,
            Ok(line) => log.extend([line.as_str(), "\n"]),
            Err(error) => panic!("dockerd does not listen: {error}\n{log}"),
        }
    }
}

/// Makes the root of the image (nginx, what `ldd` names, its configuration, our page) and hands
/// it to the client as tar.
const IMAGE_ROOT: &str = r#"set -e
root=/run/there/root
mkdir "$root"
cd "$root"
mkdir -p etc/nginx usr/sbin srv/www var/log/nginx var/lib/nginx run proc sys dev tmp
nginx=$(PATH=/usr/sbin:/sbin:$PATH command -v nginx)
cp -L "$nginx" usr/sbin/nginx
for library in $(ldd "$nginx" | grep -o '/[^ ]*'); do
    mkdir -p ".${library%/*}"
    cp -L "$library" ".$library"
done
echo 'root:x:0:0::/:/none
nobody:x:65534:65534::/:/none' >etc/passwd
echo 'root:x:0:
nogroup:x:65534:' >etc/group
echo 'worker_processes 1;
error_log stderr;
events { worker_connections 64; }
http { access_log off; server { listen 80; root /srv/www; } }' >etc/nginx/nginx.conf
echo 'events {}' >srv/www/idle.conf
echo 'PAGE' >srv/www/index.html
tar -c . | "$@"
"#;
