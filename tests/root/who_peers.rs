//! `who --peers`: both ends of connections by name, across network namespaces on one bridge. What
//! `ss` shows in each is what there is.

use crate::support::outer::{Outer, inside};
use crate::support::{Held, Need, binary, cost, json, nsx, output, stdout, succeeds, test, until};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const TALK: &[Need] = &[
    Need::Root,
    Need::Program("ip"),
    Need::Program("nsenter"),
    Need::Program("perl"),
    Need::Program("ss"),
];
const NAT: &[Need] = &[
    Need::Root,
    Need::Program("ip"),
    Need::Program("nsenter"),
    Need::Program("perl"),
    Need::Program("iptables"),
    Need::Machine("connections that are tracked, and /proc tells of them", tracks),
];

pub fn tests() -> Vec<Trial> {
    vec![
        test("both ends of TCP, UDP and unix sockets are told by name, as ss has them", TALK, both),
        test("loopback leads to others of the same namespace, and to nobody else", TALK, loopback),
        test("who waits to be accepted is told, and who called and went", TALK, waiting),
        test("an address that the host translates leads to who is behind it", NAT, translated),
        test("a server of many has one row, within the bounds of memory", TALK, many),
        test("a whole network namespace may be asked", TALK, of_namespace),
        test("the host's network namespace stands for all that are in it", TALK, of_host),
        test("a connection out of a namespace that only its socket keeps has two ends", TALK, kept),
    ]
}

fn tracks() -> bool {
    Path::new("/proc/self/net/nf_conntrack").exists()
}

const SERVER: &str = r#"
use IO::Socket::INET; use IO::Socket::UNIX; $| = 1;
my ($path) = @ARGV; my @kept;
my $tcp = IO::Socket::INET->new(LocalAddr => "0.0.0.0", LocalPort => 80, Listen => 4096) or die "tcp: $!";
my $udp = IO::Socket::INET->new(LocalAddr => "0.0.0.0", LocalPort => 53, Proto => "udp") or die "udp: $!";
my $unix = IO::Socket::UNIX->new(Local => $path, Listen => 5) or die "unix: $!";
# With itself: nobody else's business.
my $own = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 81, Listen => 5) or die "own: $!";
push @kept, IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => 81), $own->accept;
print "ready\n";
while (1) {
    my $ready = ""; vec($ready, fileno $_, 1) = 1 for $tcp, $unix;
    select $ready, undef, undef, undef;
    for ($tcp, $unix) { push @kept, $_->accept if vec $ready, fileno $_, 1 }
}
"#;

/// Connects as soon as there is a way there.
const CLIENT: &str = r#"
use IO::Socket::INET; use IO::Socket::UNIX; $| = 1; alarm 60;
my ($address, $port, $number, $path) = @ARGV; my @kept;
print "ready\n";
for (1 .. $number) {
    my $tcp;
    select undef, undef, undef, 0.05
        until $tcp = IO::Socket::INET->new(PeerAddr => $address, PeerPort => $port, Timeout => 5);
    push @kept, $tcp;
}
if ($path) {
    for my $to ($address, "203.0.113.9") {
        push @kept, IO::Socket::INET->new(PeerAddr => $to, PeerPort => 53, Proto => "udp") || die "udp: $!";
    }
    push @kept, IO::Socket::UNIX->new(Peer => $path) || die "unix: $!";
}
alarm 0; sleep 1000;
"#;

/// Two scenes have the same addresses, and who has called one has called the other, too.
static ONE: Mutex<()> = Mutex::new(());

/// A bridge in a network namespace in place of the host's, and containers at it.
struct Scene {
    outer: Outer,
    dir: tempfile::TempDir,
    tag: String,
    _one: MutexGuard<'static, ()>,
}

struct Member {
    _held: Held,
    name: String,
    pid: u32,
}

impl Scene {
    fn new(tag: &str) -> Self {
        let one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        let outer = Outer::new();
        let scene = Self {
            _one: one,
            outer,
            dir: tempfile::tempdir().unwrap(),
            tag: format!("{tag}-{}", std::process::id()),
        };
        scene.does("ip link set lo up && ip link add br0 type bridge && ip link set br0 up");
        scene.does("ip addr add 198.51.100.241/24 dev br0");
        scene
    }

    fn does(&self, script: &str) {
        succeeds(&mut self.outer.run(["sh", "-ec", script]));
    }

    fn path(&self) -> String {
        self.dir.path().join("socket").to_str().unwrap().to_owned()
    }

    /// A program that says when it is ready, at 198.51.100.24LAST.
    fn member(&self, last: u8, program: &[&str]) -> Member {
        let name = format!("{}-{last}", self.tag);
        let network = format!("veth:198.51.100.24{last}/24,gw=198.51.100.241,peer=m{last}");
        let options = ["--new-all", "--name", &name, "--net", &network];
        let (held, line) = Held::ready(&mut self.outer.spawn(&options, program));
        assert_eq!(line, "ready");
        self.does(&format!("ip link set m{last} master br0"));
        let mut pid = None;
        until("nsx has noted that it runs", || {
            pid = stdout(&output(&mut nsx(["pid", &name]))).trim().parse().ok();
            pid.is_some()
        });
        Member { _held: held, name, pid: pid.unwrap() }
    }

    fn server(&self) -> Member {
        self.member(2, &["perl", "-e", SERVER, &self.path()])
    }
}

fn peers(target: &str) -> Vec<Value> {
    let answer = json(&mut nsx(["who", "--peers", target, "-o", "json"]));
    assert_eq!(answer["schema"], "nsx.peers/1");
    answer["data"].as_array().unwrap().clone()
}

/// Of the rows those of one protocol with one party.
fn with<'a>(rows: &'a [Value], protocol: &str, name: &str) -> Vec<&'a Value> {
    let is_it = |row: &&Value| row["protocol"] == protocol && row["peer"]["name"] == name;
    rows.iter().filter(is_it).collect()
}

fn one<'a>(rows: &'a [Value], protocol: &str, name: &str) -> &'a Value {
    let found = with(rows, protocol, name);
    assert_eq!(found.len(), 1, "{protocol} with {name}: {rows:#?}");
    found[0]
}

fn holders(row: &Value, side: &str) -> Vec<u64> {
    row[side].as_array().unwrap().iter().map(|one| one["pid"].as_u64().unwrap()).collect()
}

/// Local and peer of every connection with that port at either end, by `ss` in a namespace.
fn by_ss(pid: u32, kind: &str, port: u16) -> Vec<(String, String)> {
    let filter = format!("( sport = :{port} or dport = :{port} ) and not dst 127.0.0.1");
    let said = succeeds(&mut inside(pid, ["ss", kind, "state", "connected", &filter]));
    let line = |line: &str| {
        let ends = line.split_whitespace().filter(|word| word.contains(':')).collect::<Vec<_>>();
        (ends[0].to_owned(), ends[1].to_owned())
    };
    said.lines().map(line).collect()
}

fn both() {
    let scene = Scene::new("both");
    let server = scene.server();
    let path = scene.path();
    let client = scene.member(3, &["perl", "-e", CLIENT, "198.51.100.242", "80", "3", &path]);
    until("the client has all its connections", || {
        let rows = peers(&client.name);
        with(&rows, "unix", &server.name).len() == 1
    });
    let (mine, theirs) = (peers(&server.name), peers(&client.name));

    let served = json!({"kind": "port", "address": "198.51.100.242", "port": 80});
    let row = one(&mine, "tcp", &client.name);
    assert_eq!((&row["direction"], &row["service"]), (&json!("in"), &served));
    assert_eq!((&row["peer_address"], &row["seen"]), (&json!("198.51.100.243"), &json!("socket")));
    assert_eq!(row["states"], json!([{"state": "established", "connections": 3}]));
    assert_eq!(holders(row, "local"), [u64::from(server.pid)]);
    assert_eq!(holders(row, "remote"), [u64::from(client.pid)]);
    let in_server = by_ss(server.pid, "-Htn", 80);
    assert_eq!(row["connections"], in_server.len(), "{in_server:?}");

    let row = one(&theirs, "tcp", &server.name);
    assert_eq!((&row["direction"], &row["service"]), (&json!("out"), &served));
    assert_eq!(row["peer"]["target"], format!("nsx:{}", server.name));
    assert_eq!(holders(row, "local"), [u64::from(client.pid)]);
    assert_eq!(holders(row, "remote"), [u64::from(server.pid)]);
    // Each connection is there twice, with its ends the other way round.
    let turned = |(local, peer): (String, String)| (peer, local);
    let mut in_client: Vec<_> = by_ss(client.pid, "-Htn", 80).into_iter().map(turned).collect();
    let mut in_server = in_server;
    in_client.sort();
    in_server.sort();
    assert_eq!(in_client, in_server);
    assert_eq!(row["connections"], in_client.len());

    let row = one(&mine, "udp", &client.name);
    assert_eq!((&row["direction"], &row["service"]["port"]), (&json!("in"), &json!(53)));
    assert_eq!(holders(row, "local"), [u64::from(server.pid)]);
    assert_eq!(holders(row, "remote"), [u64::from(client.pid)]);
    let row = one(&theirs, "udp", &server.name);
    assert_eq!((&row["direction"], &row["seen"]), (&json!("out"), &json!("listener")));
    assert_eq!(holders(row, "remote"), [u64::from(server.pid)]);
    assert_eq!(by_ss(client.pid, "-Hun", 53).len(), 2, "one of them leads outside");

    let socket = json!({"kind": "path", "path": path});
    for (rows, name, direction) in [(&mine, &client.name, "in"), (&theirs, &server.name, "out")] {
        let row = one(rows, "unix", name);
        assert_eq!((&row["direction"], &row["service"]), (&json!(direction), &socket));
        assert_eq!(row["connections"], 1);
    }
    assert_eq!(mine.len(), 3, "nothing of itself: {mine:#?}");
    let strangers: Vec<_> =
        theirs.iter().filter(|row| row["peer_address"] == "203.0.113.9").collect();
    assert_eq!((theirs.len(), strangers.len()), (4, 1), "{theirs:#?}");
    assert_eq!(
        (&strangers[0]["direction"], &strangers[0]["seen"]),
        (&json!("out"), &json!("nothing"))
    );

    let names = succeeds(&mut nsx(["who", "--peers", &server.name, "-o", "name"]));
    assert_eq!(names, format!("nsx:{}\n", client.name));
    let table = succeeds(&mut nsx(["who", "--peers", &server.name]));
    let first = table.lines().nth(1).unwrap().split_whitespace().collect::<Vec<_>>();
    assert_eq!(first[..5], ["tcp", "in", "198.51.100.242:80", &client.name, "nsx"], "{table}");
}

fn loopback() {
    let scene = Scene::new("loop");
    let server = scene.server();
    // In the same network namespace, and in one of its own that has the same address.
    let beside = format!("{}-beside", scene.tag);
    let network = format!("join:{}", server.name);
    let client = ["perl", "-e", CLIENT, "127.0.0.1", "80", "2"];
    let options = ["--new-all", "--name", &beside, "--net", &network];
    let (_beside, line) = Held::ready(&mut scene.outer.spawn(&options, &client));
    assert_eq!(line, "ready");
    let other = scene.member(3, &["perl", "-e", SERVER, &(scene.path() + "-other")]);
    until("it is connected", || !peers(&beside).is_empty());

    let (mine, theirs) = (peers(&server.name), peers(&beside));
    let row = one(&mine, "tcp", &beside);
    assert_eq!((&row["direction"], &row["connections"]), (&json!("in"), &json!(2)));
    assert_eq!(row["service"], json!({"kind": "port", "address": "127.0.0.1", "port": 80}));
    let row = one(&theirs, "tcp", &server.name);
    assert_eq!((&row["direction"], &row["connections"]), (&json!("out"), &json!(2)));
    assert_eq!(holders(row, "remote"), [u64::from(server.pid)]);
    assert_eq!((mine.len(), theirs.len()), (1, 1), "{mine:#?} {theirs:#?}");
    assert_eq!(peers(&other.name), [json!(null); 0], "it talks to itself alone");
}

/// Accepts nothing.
const DEAF: &str = r#"
use IO::Socket::INET; use IO::Socket::UNIX; $| = 1;
my $tcp = IO::Socket::INET->new(LocalAddr => "0.0.0.0", LocalPort => 80, Listen => 5) or die "tcp: $!";
my $unix = IO::Socket::UNIX->new(Local => $ARGV[0], Listen => 5) or die "unix: $!";
print "ready\n"; sleep 1000;
"#;

fn waiting() {
    let scene = Scene::new("wait");
    let path = scene.path();
    let server = scene.member(2, &["perl", "-e", DEAF, &path]);
    let client = scene.member(3, &["perl", "-e", CLIENT, "198.51.100.242", "80", "1", &path]);
    until("it waits", || !with(&peers(&client.name), "unix", &server.name).is_empty());
    let (mine, theirs) = (peers(&server.name), peers(&client.name));
    for (rows, name, direction) in [(&mine, &client.name, "in"), (&theirs, &server.name, "out")] {
        let row = one(rows, "unix", name);
        assert_eq!(
            (&row["direction"], &row["states"][0]["state"]),
            (&json!(direction), &json!("waiting"))
        );
        let row = one(rows, "tcp", name);
        assert_eq!((&row["direction"], &row["connections"]), (&json!(direction), &json!(1)));
    }
    // Nobody holds what was not accepted: whoever listens there has it.
    assert_eq!(holders(one(&theirs, "tcp", &server.name), "remote"), [u64::from(server.pid)]);

    let closes = r#"use IO::Socket::INET; $| = 1; print "ready\n"; my $tcp;
        select undef, undef, undef, 0.05 until $tcp = IO::Socket::INET->new(PeerAddr => "198.51.100.242", PeerPort => 80, Timeout => 5);
        close $tcp; sleep 1000"#;
    let gone = scene.member(4, &["perl", "-e", closes]);
    until("it has gone", || {
        let rows = peers(&server.name);
        with(&rows, "tcp", &gone.name).iter().any(|row| row["states"][0]["state"] == "close_wait")
    });
    let row = peers(&gone.name);
    let row = one(&row, "tcp", &server.name);
    assert_eq!((&row["direction"], &row["connections"]), (&json!("out"), &json!(1)));
}

fn translated() {
    let scene = Scene::new("nat");
    let server = scene.server();
    scene.does(
        "echo 1 > /proc/sys/net/ipv4/ip_forward
         iptables -t nat -A PREROUTING -p tcp -d 198.51.100.241 --dport 18080 -j DNAT --to 198.51.100.242:80
         iptables -t nat -A POSTROUTING -p tcp --dport 80 -j MASQUERADE",
    );
    let client = scene.member(3, &["perl", "-e", CLIENT, "198.51.100.241", "18080", "2"]);
    let ask = |target: &str| {
        let nsx = binary("nsx");
        let words = [nsx.to_str().unwrap(), "who", "--peers", target, "-o", "json"];
        json(&mut scene.outer.run(words))["data"].as_array().unwrap().clone()
    };
    until("it is connected", || {
        by_ss(server.pid, "-Htn", 80).len() == 2
            && !with(&ask(&client.name), "tcp", &server.name).is_empty()
    });
    let mine = ask(&server.name);
    let row = one(&mine, "tcp", &client.name);
    assert_eq!((&row["direction"], &row["connections"]), (&json!("in"), &json!(2)), "{row:#?}");
    // That is all that the server itself sees of it.
    assert_eq!((&row["peer_address"], &row["seen"]), (&json!("198.51.100.241"), &json!("socket")));
    assert_eq!(holders(row, "remote"), [u64::from(client.pid)]);
    let theirs = ask(&client.name);
    let row = one(&theirs, "tcp", &server.name);
    assert_eq!((&row["direction"], &row["connections"]), (&json!("out"), &json!(2)));
    assert_eq!(row["service"], json!({"kind": "port", "address": "198.51.100.241", "port": 18080}));
}

fn many() {
    const MANY: usize = 5000;
    let scene = Scene::new("many");
    let server = scene.server();
    let number = MANY.to_string();
    let client = scene.member(3, &["perl", "-e", CLIENT, "198.51.100.242", "80", &number]);
    until("all are there", || by_ss(server.pid, "-Htn", 80).len() == MANY);
    for (target, other, direction) in
        [(&server.name, &client.name, "in"), (&client.name, &server.name, "out")]
    {
        let cost = cost::bounded(&nsx(["who", "--peers", target, "-o", "json"]));
        let answer: Value = serde_json::from_slice(&cost.output.stdout).unwrap();
        let rows = answer["data"].as_array().unwrap();
        let row = one(rows, "tcp", other);
        assert_eq!((&row["direction"], &row["connections"]), (&json!(direction), &json!(MANY)));
        assert_eq!(rows.len(), 1);
    }
}

fn of_namespace() {
    let scene = Scene::new("space");
    let server = scene.server();
    let client = ["perl", "-e", CLIENT, "198.51.100.242", "80", "1"];
    let (_held, line) = Held::ready(&mut scene.outer.run(client));
    assert_eq!(line, "ready");
    let inode = |pid: u32| {
        let link = std::fs::read_link(format!("/proc/{pid}/ns/net")).unwrap();
        link.to_str().unwrap().trim_matches(|c: char| !c.is_ascii_digit()).to_owned()
    };
    let outer = format!("ns:{}", inode(scene.outer.pid));
    until("it is connected", || !peers(&outer).is_empty());
    let rows = peers(&outer);
    let row = one(&rows, "tcp", &server.name);
    assert_eq!((&row["direction"], &row["connections"]), (&json!("out"), &json!(1)));
    let rows = peers(&format!("ns:{}", inode(server.pid)));
    assert_eq!((rows.len(), &rows[0]["direction"]), (1, &json!("in")), "{rows:#?}");
    let none = nsx(["who", "--peers", "nsx:there-is-none"]).output().unwrap();
    assert_eq!(none.status.code(), Some(3));
}

fn of_host() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let _server = listener.accept().unwrap();
    // Its standard input is the client, whose namespace it has left.
    let mut command = Command::new("unshare");
    command.args(["-n", "sh", "-c", "echo ready; exec sleep 1000"]).stdin(OwnedFd::from(client));
    let (left, line) = Held::ready(&mut command);
    assert_eq!(line, "ready");
    drop(command);
    let own = std::process::id();
    let path = format!("/proc/{own}/ns/net");
    let inode = std::os::unix::fs::MetadataExt::ino(&std::fs::metadata(&path).unwrap());
    for target in [format!("ns:{inode}"), path] {
        let rows = peers(&target);
        let found: Vec<_> = rows.iter().filter(|row| row["service"]["port"] == port).collect();
        assert_eq!(found.len(), 1, "{target}: {rows:#?}");
        assert_eq!((&found[0]["direction"], &found[0]["seen"]), (&json!("in"), &json!("socket")));
        // A child of another trial has all that this process has until it has become its program.
        until("both ends are held by one process", || {
            let rows = peers(&target);
            let row = rows.iter().find(|row| row["service"]["port"] == port);
            row.is_some_and(|row| {
                holders(row, "local") == [u64::from(own)]
                    && holders(row, "remote") == [u64::from(left.pid())]
            })
        });
    }
}

/// From a process of the host, which has been in a network namespace and holds a socket of it.
fn connected_from(pid: u32, to: &str) -> TcpStream {
    let namespace = std::fs::File::open(format!("/proc/{pid}/ns/net")).unwrap();
    let to: SocketAddr = to.parse().unwrap();
    let connect = move || {
        nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        let mut stream = None;
        until("there is a way", || {
            stream = TcpStream::connect_timeout(&to, Duration::from_secs(5)).ok();
            stream.is_some()
        });
        stream.unwrap()
    };
    // A thread is there, and never comes back.
    std::thread::spawn(connect).join().unwrap()
}

fn kept() {
    let scene = Scene::new("kept");
    let server = scene.server();
    let waits = ["-n", "sh", "-c", "echo ready; exec sleep 1000"];
    let (last, line) = Held::ready(Command::new("unshare").args(waits));
    assert_eq!(line, "ready");
    let pid = last.pid();
    scene.does(&format!(
        "ip link add m3 master br0 type veth peer name eth0 netns {pid} && ip link set m3 up"
    ));
    let script = "ip addr add 198.51.100.243/24 dev eth0 && ip link set eth0 up";
    succeeds(&mut inside(pid, ["sh", "-ec", script]));
    let _stream = connected_from(pid, "198.51.100.242:80");
    let own = std::process::id();
    let ends = |when: &str| {
        let rows = peers(&server.name);
        let found: Vec<_> = rows.iter().filter(|row| row["protocol"] == "tcp").collect();
        assert_eq!(found.len(), 1, "{when}: {rows:#?}");
        assert_eq!(
            (&found[0]["peer"]["kind"], &found[0]["seen"]),
            (&json!("host"), &json!("socket"))
        );
        assert_eq!(holders(found[0], "remote"), [u64::from(own)], "{when}");
        let rows = peers(&own.to_string());
        let row = one(&rows, "tcp", &server.name);
        assert_eq!((&row["direction"], &row["connections"]), (&json!("out"), &json!(1)), "{when}");
        assert_eq!(holders(row, "local"), [u64::from(own)]);
        assert_eq!(holders(row, "remote"), [u64::from(server.pid)]);
    };
    ends("with a process in it");
    drop(last);
    ends("without");
}
