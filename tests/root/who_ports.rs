//! Ports and sockets lead to whoever has them, in namespaces that the tests make; compared with what
//! ss says there.

use crate::support::{
    Below, Held, Need, as_nobody, json, kernel, namespace, nsx, output, public_nsx, stderr,
    succeeds, test,
};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::process::Command;

const NEEDS: &[Need] =
    &[Need::Root, Need::Program("unshare"), Need::Program("ip"), Need::Program("ss")];
const IPV6: &[Need] =
    &[Need::Root, Need::Program("unshare"), Need::Program("ip"), Need::Program("ss"), kernel::IPV6];
const NOBODY: &[Need] =
    &[Need::Root, Need::Program("unshare"), Need::Program("ip"), Need::Program("setpriv")];

/// Run again by a test with this in its environment, the suite is a server instead.
pub const ROLE: &str = "NSX_TEST_WHO_PORTS";

pub fn tests() -> Vec<Trial> {
    vec![
        test("who: a port leads to every socket that ss shows, in every namespace", IPV6, ports),
        test("who: an address and a port are either end of a connection", NEEDS, endpoints),
        test("who: many connections are one line, with how many", NEEDS, many),
        test("who: a port that several listen at is each one's", NEEDS, shared_port),
        test("who: what no process holds is its namespace's", NEEDS, without_holder),
        test("who: a socket is everybody's who holds it", IPV6, sockets),
        test("who: a port is found where only a socket or a thread is", NEEDS, hidden),
        test("who: a user sees that a port is taken, and not by whom", NOBODY, nobody),
    ]
}

/// The main of the suite, in the role of a server: does what it is told, a word and a value each,
/// writes the inodes of what it has made, and waits for its end.
pub fn play_role(told: &str) {
    // Many connections are many descriptors.
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
    let mut held: Vec<OwnedFd> = Vec::new();
    let mut numbers: Vec<String> = Vec::new();
    let mut keep = |socket: OwnedFd, numbers: &mut Vec<String>| {
        numbers.push(rustix::fs::fstat(&socket).unwrap().st_ino.to_string());
        held.push(socket);
    };
    let numbers = &mut numbers;
    let mut words = told.split_whitespace();
    while let (Some(word), Some(value)) = (words.next(), words.next()) {
        match word {
            "tcp" => keep(TcpListener::bind(value).unwrap().into(), numbers),
            "udp" => keep(UdpSocket::bind(value).unwrap().into(), numbers),
            "unix" => keep(UnixListener::bind(value).unwrap().into(), numbers),
            "connect" => {
                let count: usize = words.next().unwrap().parse().unwrap();
                let listener = TcpListener::bind(value).unwrap();
                for _ in 0..count {
                    let client = TcpStream::connect(value).unwrap();
                    keep(listener.accept().unwrap().0.into(), numbers);
                    keep(client.into(), numbers);
                }
                keep(listener.into(), numbers);
            }
            // Who closes first has to wait.
            "close" => {
                let listener = TcpListener::bind(value).unwrap();
                let client = TcpStream::connect(value).unwrap();
                drop(listener.accept().unwrap());
                drop(client);
            }
            "reuse" => keep(reusing(value), numbers),
            "twice" => {
                let again = std::env::current_exe().unwrap();
                let (child, _) =
                    Held::ready(Command::new(again).env(ROLE, format!("reuse {value}")));
                numbers.push(child.pid().to_string());
                // It ends with all that is below this one.
                std::mem::forget(child);
                keep(reusing(value), numbers);
            }
            "share" => {
                let again = std::env::current_exe().unwrap();
                let socket = TcpListener::bind(value).unwrap();
                let copy = socket.as_fd().try_clone_to_owned().unwrap();
                let mut child = Command::new(again);
                // Its standard input is the socket.
                child.env(ROLE, "nothing more").stdin(copy).stdout(std::process::Stdio::null());
                numbers.push(child.spawn().unwrap().id().to_string());
                keep(socket.into(), numbers);
            }
            _ => {}
        }
    }
    println!("{}", numbers.join(" "));
    loop {
        std::thread::park();
    }
}

/// It listens at a port that others may listen at, too.
fn reusing(address: &str) -> OwnedFd {
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket, sockopt};
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_reuseport(&listener, true).unwrap();
    bind(&listener, &address.parse::<std::net::SocketAddr>().unwrap()).unwrap();
    listen(&listener, 1).unwrap();
    listener
}

/// A server in a network namespace of its own that has 198.51.100.7, and the numbers that it wrote.
fn server(told: &str) -> (Held, Vec<u64>) {
    server_at("198.51.100.7", told)
}

fn server_at(address: &str, told: &str) -> (Held, Vec<u64>) {
    let script = format!("ip link set lo up && ip addr add {address}/32 dev lo && exec \"$0\"");
    let mut command = Command::new("unshare");
    command.args(["-n", "sh", "-c", &script]).arg(std::env::current_exe().unwrap());
    let (held, line) = Held::ready(command.env(ROLE, told));
    let numbers = line.split_whitespace().map(|number| number.parse().unwrap()).collect();
    (held, numbers)
}

/// The rows of `nsx who CLUE`; none where it is found nowhere.
fn who(clue: &str) -> Vec<Value> {
    let found = output(&mut nsx(["who", "--json", clue]));
    match found.status.code() {
        Some(0) => {
            let answer: Value = serde_json::from_slice(&found.stdout).unwrap();
            // Whose first process may not be looked at by root either, has a gap for it.
            let mut gaps = answer["gaps"].as_array().unwrap().clone();
            gaps.retain(|gap| gap["object"] != "pid 1");
            // Nor do other tests' show their descriptors whose first thread has ended.
            gaps.retain(|gap| gap["reason"] != "unsupported");
            assert_eq!(gaps, [] as [Value; 0], "{clue}: root sees everything");
            answer["data"].as_array().unwrap().clone()
        }
        Some(3) => Vec::new(),
        _ => panic!("{clue}: {}", stderr(&found)),
    }
}

fn pid_of(row: &Value) -> u64 {
    let steps = row["steps"].as_array().unwrap();
    steps.iter().find_map(|step| step["pid"].as_u64()).unwrap_or_else(|| panic!("{row}"))
}

fn inode(held: &Held, kind: &str) -> u64 {
    let link = namespace(held.pid(), kind);
    let digits = link.split_once('[').unwrap().1.strip_suffix(']').unwrap().to_owned();
    digits.parse().unwrap()
}

/// What ss says in the namespace of a server of the sockets that `filter` chooses: inode and pid.
fn ss(held: &Held, options: &str, filter: &str) -> BTreeSet<(u64, u64)> {
    let net = format!("--net=/proc/{}/ns/net", held.pid());
    let said = succeeds(Command::new("nsenter").args([&net, "ss", options, filter]));
    let number = |line: &str, before: &str| -> u64 {
        let rest = line.split_once(before).unwrap_or_else(|| panic!("{before}: {line}")).1;
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().unwrap()
    };
    said.lines().map(|line| (number(line, "ino:"), number(line, "pid="))).collect()
}

/// The same by nsx.
fn pairs(rows: &[Value]) -> BTreeSet<(u64, u64)> {
    rows.iter().map(|row| (row["steps"][0]["inode"].as_u64().unwrap(), pid_of(row))).collect()
}

fn ports() {
    let (first, _) = server("tcp 0.0.0.0:47801 tcp [::1]:47801 udp 198.51.100.7:47801");
    let (second, _) = server("udp [::]:47801 tcp 198.51.100.7:47802");
    let both = |options, filter| -> BTreeSet<(u64, u64)> {
        [&first, &second].iter().flat_map(|held| ss(held, options, filter)).collect()
    };
    for (clue, options) in
        [("port:47801", "-Htunlpe"), ("port:47801/tcp", "-Htnlpe"), (":47801/udp", "-Hunlpe")]
    {
        let expected = both(options, "sport = :47801");
        assert!(!expected.is_empty(), "{clue}");
        assert_eq!(pairs(&who(clue)), expected, "{clue}");
    }
    assert_eq!(who("port:47803"), [] as [Value; 0]);
    let row = &who("47802/tcp")[0];
    assert_eq!(row["steps"][0]["namespace"], inode(&second, "net"));
    assert_eq!(
        (&row["steps"][0]["state"], &row["steps"][0]["sockets"]),
        (&json!("listen"), &json!(1))
    );
    assert_eq!(
        (&row["owner"]["kind"], &row["owner"]["container"]["pid"]),
        (&json!("container"), &json!(second.pid()))
    );
}

fn endpoints() {
    let (first, _) = server("tcp 0.0.0.0:47811 tcp 127.0.0.1:47812 connect 198.51.100.7:47813 1");
    let at = |clue: &str| -> Vec<(String, u64)> {
        let state = |row: &Value| row["steps"][0]["state"].as_str().unwrap().to_owned();
        who(clue).iter().map(|row| (state(row), pid_of(row))).collect()
    };
    let pid = u64::from(first.pid());
    let listens = vec![("listen".to_owned(), pid)];
    assert_eq!(at("198.51.100.7:47811"), listens, "who listens everywhere has every address");
    assert_eq!(at("[::ffff:198.51.100.7]:47811"), listens);
    assert_eq!(at("127.0.0.1:47811"), listens);
    assert_eq!(at("198.51.100.8:47811"), [], "of its namespace's");
    assert_eq!(at("[2001:db8::1]:47811"), []);
    assert_eq!(at("127.0.0.1:47812"), listens);
    assert_eq!(at("198.51.100.7:47812"), [], "it does not listen there");
    let connected = ("established".to_owned(), pid);
    let ends = vec![listens[0].clone(), connected.clone(), connected];
    assert_eq!(at("198.51.100.7:47813"), ends, "its own end, and its peer's");
    let rows = who("198.51.100.7:47813/tcp");
    let (own, peer) = (&rows[1]["steps"][0], &rows[2]["steps"][0]);
    assert_eq!((&own["port"], &peer["peer_port"]), (&json!(47813), &json!(47813)));
    assert_eq!((&own["peer_port"], &own["address"]), (&peer["port"], &json!("198.51.100.7")));
    let client = format!("198.51.100.7:{}", peer["port"]);
    assert_eq!(pairs(&who(&client)), ss(&first, "-Htnpe", "sport = :47813 or dport = :47813"));
}

fn many() {
    const MANY: usize = 700;
    // Of an address of their own: by chance they have a port that another test asks for.
    let (held, _) = server_at("198.51.100.9", &format!("connect 198.51.100.9:47821 {MANY}"));
    let rows = who("198.51.100.9:47821");
    let told: Vec<(&Value, &Value)> =
        rows.iter().map(|row| (&row["steps"][0]["state"], &row["steps"][0]["sockets"])).collect();
    let (one, many) = (json!(1), json!(MANY));
    let (listen, established) = (json!("listen"), json!("established"));
    assert_eq!(told, [(&listen, &one), (&established, &many), (&established, &many)]);
    assert_eq!(ss(&held, "-Htnpe", "sport = :47821").len(), MANY);
    assert_eq!(rows[1]["steps"][0]["peer_port"], Value::Null, "they have different ones");
    assert_eq!(rows[2]["steps"][0]["peer_port"], 47821);
    assert!(rows.iter().all(|row| pid_of(row) == u64::from(held.pid())));
}

fn shared_port() {
    let (held, numbers) = server("twice 198.51.100.7:47861");
    let _below = Below(held.pid());
    let rows = who("port:47861");
    assert_eq!(pairs(&rows), ss(&held, "-Htnlpe", "sport = :47861"));
    let pids: BTreeSet<u64> = rows.iter().map(pid_of).collect();
    assert_eq!(pids, BTreeSet::from([u64::from(held.pid()), numbers[0]]));
}

fn without_holder() {
    let (held, _) = server("close 198.51.100.7:47831");
    let rows = who("port:47831");
    assert_eq!(rows.len(), 1, "{rows:?}");
    let socket = &rows[0]["steps"][0];
    assert_eq!((&socket["state"], &socket["inode"]), (&json!("time_wait"), &Value::Null));
    assert_eq!(rows[0]["steps"].as_array().unwrap().len(), 1);
    assert_eq!(rows[0]["owner"]["container"]["pid"], held.pid());
}

fn sockets() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("sock");
    let told = format!(
        "tcp 127.0.0.1:47841 udp [::1]:47841 unix {} share 127.0.0.1:47842",
        path.display()
    );
    let (held, numbers) = server(&told);
    let below = Below(held.pid());
    let [tcp, udp, unix, child, shared] = numbers[..] else { panic!("{numbers:?}") };
    let net = inode(&held, "net");
    for (inode, kind) in [(tcp, "socket"), (udp, "socket"), (unix, "unix_socket")] {
        let rows = who(&format!("socket:{inode}"));
        assert_eq!(rows.len(), 1, "{rows:?}");
        let step = &rows[0]["steps"][0];
        assert_eq!((&step["kind"], &step["namespace"]), (&json!(kind), &json!(net)));
        assert_eq!(step["inode"], inode);
        let held_by = &rows[0]["steps"][1];
        assert_eq!((&held_by["kind"], &held_by["pid"]), (&json!("use"), &json!(held.pid())));
        let link = format!("/proc/{}/fd/{}", held.pid(), held_by["number"]);
        let link = std::fs::read_link(link).unwrap();
        assert_eq!(link.to_str().unwrap(), format!("socket:[{inode}]"));
    }
    let step = &who(&format!("socket:[{unix}]"))[0]["steps"][0];
    assert_eq!((&step["type"], &step["state"]), (&json!("stream"), &json!("listen")));
    assert_eq!(step["path"], path.to_str().unwrap());
    let holders: Vec<u64> = who(&format!("socket:{shared}")).iter().map(pid_of).collect();
    assert_eq!(BTreeSet::from_iter(holders), BTreeSet::from([u64::from(held.pid()), child]));
    drop(below);
    drop(held);
    assert_eq!(who(&format!("socket:{tcp}")), [] as [Value; 0]);
}

fn nobody() {
    let (held, _) = server("tcp 0.0.0.0:47851");
    let (_directory, program) = public_nsx();
    let answer = json(as_nobody(&program).args(["who", "--json", "port:47851"]));
    let rows = answer["data"].as_array().unwrap();
    assert_eq!(rows.len(), 1, "{answer}");
    let socket = &rows[0]["steps"][0];
    assert_eq!((&socket["port"], &socket["state"]), (&json!(47851), &json!("listen")));
    assert_eq!(rows[0]["owner"]["kind"], "unknown");
    let unseen = (&json!(null), &json!(false));
    assert_eq!((&socket["namespace"], &socket["namespace_known"]), unseen);
    let said = succeeds(as_nobody(&program).args(["who", "port:47851"]));
    assert!(said.contains("*:47851 listen in a network namespace that may not be seen"), "{said}");
    let _here = TcpListener::bind("127.0.0.1:47852").unwrap();
    let here = json(as_nobody(&program).args(["who", "--json", "port:47852"]));
    let socket = &here["data"][0]["steps"][0];
    let own = (&json!(null), &json!(true));
    assert_eq!((&socket["namespace"], &socket["namespace_known"]), own, "{here}");
    let gaps = answer["gaps"].as_array().unwrap();
    assert!(gaps.iter().any(|gap| gap["what"] == "owners of sockets"), "{answer}");
    drop(held);
}

/// Its process is elsewhere.
fn hidden() {
    let (tell, told) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let thread = std::thread::spawn(move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).unwrap();
        tell.send((namespace("thread-self", "net"), TcpListener::bind("0.0.0.0:7342").unwrap()))
            .unwrap();
        let _ = ended.recv();
    });
    let (link, _listener) = told.recv().unwrap();
    // Of another namespace, and found at once.
    let _unrelated = TcpListener::bind("127.0.0.1:7342").unwrap();
    let inode: String = link.chars().filter(char::is_ascii_digit).collect();
    let find = || json(&mut nsx(["who", "--json", "port:7342"]))["data"].to_string();
    assert!(find().contains(&*inode), "by the thread: {}", find());
    drop(end);
    thread.join().unwrap();
    assert!(find().contains(&*inode), "by the socket: {}", find());
}
