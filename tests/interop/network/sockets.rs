//! Sockets of a program, as ss tells them.

use super::{inside, net, same, scene};
use crate::support::{self, Held, child_of, isolated, nsx, succeeds};
use serde_json::{Value, json};
use std::process::Stdio;

/// Listens on both families, connects to itself, and leaves some connections unaccepted.
const PROGRAM: &str = r#"
    use IO::Socket::IP; use Socket;
    sub any { my $s = IO::Socket::IP->new(@_) or die "@_: $@"; push @all, $s; $s }
    my ($queue, $more) = @ARGV;
    my $v4 = any(LocalHost => "127.0.0.1", LocalPort => 8080, Listen => 7, ReuseAddr => 1);
    any(LocalHost => "::1", LocalPort => 8081, Listen => 3);
    any(LocalHost => "0.0.0.0", LocalPort => 5353, Proto => "udp");
    any(LocalHost => "::1", LocalPort => 5354, Proto => "udp");
    any(PeerHost => "127.0.0.1", PeerPort => 5353, Proto => "udp");
    my $client = any(PeerHost => "127.0.0.1", PeerPort => 8080);
    push @all, scalar $v4->accept;
    any(PeerHost => "127.0.0.1", PeerPort => 8080) for 1 .. $queue;
    for (1 .. $more) {
        my $s = IO::Socket::IP->new(PeerHost => "127.0.0.1", PeerPort => 8080, Timeout => 0.2);
        push @all, $s if $s;
    }
    my $closing = any(PeerHost => "::1", PeerPort => 8081);
    pop @all; $closing->close;
    $| = 1; print "ready\n"; sleep 1000;
"#;

fn program(queue: &str, more: &str) -> (Held, u32) {
    running(&[PROGRAM, queue, more])
}

fn running(script: &[&str]) -> (Held, u32) {
    let mut command = nsx([&["spawn", "--newnet", "perl", "-e"], script].concat());
    let (held, line) = Held::ready(command.stdin(Stdio::null()));
    assert_eq!(line, "ready");
    let pid = child_of(held.pid()).expect("a child");
    (held, pid)
}

/// `tcp LISTEN 0 7 127.0.0.1:8080 0.0.0.0:* users:(("perl",pid=1,fd=3))`
pub fn line_of_ss(protocol: &str, line: &str) -> Value {
    let words: Vec<&str> = line.split_whitespace().collect();
    let end = |text: &str| {
        let (address, port) = text.rsplit_once(':').expect("a port");
        let address = address.trim_start_matches('[').trim_end_matches(']');
        // So it writes any address of both families.
        let address = if address == "*" { "::" } else { address };
        if port == "*" {
            Value::Null
        } else {
            json!([address, port.parse::<u16>().expect("a port")])
        }
    };
    let number = |text: &str| text.parse::<u64>().expect("a number");
    let state = match words[0] {
        "ESTAB" => "established".to_owned(),
        "UNCONN" => "unconnected".to_owned(),
        "FIN-WAIT-1" => "fin_wait1".to_owned(),
        "FIN-WAIT-2" => "fin_wait2".to_owned(),
        other => other.to_lowercase().replace('-', "_"),
    };
    let owner = words.get(5).and_then(|users| {
        let part = |name: &str| {
            let (_, rest) = users.split_once(name)?;
            Some(number(rest.split([',', ')']).next()?))
        };
        Some(json!([part("pid=")?, part("fd=")?]))
    });
    json!([
        protocol,
        state,
        number(words[1]),
        number(words[2]),
        end(words[3]),
        end(words[4]),
        owner
    ])
}

pub fn line_of_nsx(socket: &Value) -> Value {
    let end = |address: &Value, port: &Value| match address {
        Value::Null => Value::Null,
        address => json!([address, port]),
    };
    let owner = socket["owners"].as_array().and_then(|owners| owners.first());
    json!([
        socket["protocol"],
        socket["state"],
        socket["receive_queue"],
        socket["send_queue"],
        end(&socket["address"], &socket["port"]),
        end(&socket["peer_address"], &socket["peer_port"]),
        owner.map(|owner| json!([owner["pid"], owner["descriptor"]])),
    ])
}

fn ours(net: &Value) -> Vec<Value> {
    let sockets = &net["sockets"];
    let lists = [&sockets["listening"], &sockets["connected"]];
    lists.into_iter().flat_map(|list| list.as_array().expect("a list")).map(line_of_nsx).collect()
}

pub fn same_sockets() {
    let (_held, pid) = program("2", "0");
    let ss = |protocol: &str| -> Vec<Value> {
        let options = format!("-{}anpH", &protocol[..1]);
        let told = succeeds(&mut inside(pid, &["ss", &options]));
        told.lines().map(|line| line_of_ss(protocol, line)).collect()
    };
    // A socket that is being closed moves from one of the kernel's tables to another, and may be
    // listed twice, or not at all, meanwhile.
    let all = || [ss("tcp"), ss("udp")].concat();
    let mut theirs = all();
    support::until("no socket moves", || {
        let before = std::mem::replace(&mut theirs, all());
        before == theirs
    });
    for state in ["listen", "established", "unconnected"] {
        assert!(theirs.iter().any(|socket| socket[1] == state), "the reference: no {state}");
    }
    let net = net(pid);
    same("sockets", ours(&net), theirs.clone());
    let sockets = &net["sockets"];
    let of_tcp = |state: &str| {
        theirs.iter().filter(|socket| socket[0] == "tcp" && socket[1] == state).count()
    };
    for state in ["listen", "established", "time_wait", "close_wait", "fin_wait2"] {
        assert_eq!(sockets["tcp"][state], of_tcp(state), "{state}");
    }
    assert_eq!(sockets["owners_complete"], true);
    let queue = sockets["listening"].as_array().expect("a list").iter();
    let queue = queue.clone().find(|one| one["port"] == 8080).expect("it listens");
    assert_eq!((&queue["receive_queue"], &queue["send_queue"]), (&json!(2), &json!(7)));
    assert!(sockets["ephemeral_ports"]["used"].as_u64().is_some_and(|used| used >= 3));
    let screen = succeeds(&mut nsx(["inspect", &pid.to_string()]));
    let listener = screen.lines().find(|line| line.contains("127.0.0.1:8080")).expect("it is told");
    assert!(listener.contains(&format!("perl ({pid})")) && listener.contains("queue 2 of 7"));
}

pub fn full_queue() {
    let (_held, pid) = program("8", "2");
    let report = support::json(&mut nsx(["inspect", "--json", &pid.to_string()]));
    let findings = report["data"]["findings"].as_array().expect("findings");
    let text = "the accept queue of 127.0.0.1:8080 is full: 8 wait, the backlog is 7";
    let finding = findings.iter().find(|finding| finding["text"] == text);
    assert_eq!(finding.map(|finding| &finding["level"]), Some(&json!("warning")), "{findings:#?}");
    let overflows = report["data"]["net"]["sockets"]["tcp_counters"]["listen_overflows"].as_u64();
    assert!(overflows.is_some_and(|overflows| overflows > 0), "{overflows:?}");
    let screen = succeeds(&mut nsx(["inspect", &pid.to_string()]));
    assert!(screen.contains(&format!("! {text}")), "{screen}");
}

/// The answer goes to nobody's hardware address, so that the caller never confirms it.
pub fn half_open() {
    let listen = "use IO::Socket::IP; $| = 1;
        my $s = IO::Socket::IP->new(LocalPort => 8080, Listen => 7) or die $@;
        print qq(ready\n); sleep 1000;";
    let (_held, pid) = running(&[listen]);
    let (_caller, caller) = isolated(&["--newnet"]);
    scene(
        pid,
        &format!(
            "ip link add left type veth peer name right netns {caller}
            ip addr add 198.51.100.1/24 dev left
            ip link set left up
            ip neigh add 198.51.100.2 lladdr 02:00:5e:00:53:99 dev left nud permanent"
        ),
    );
    scene(caller, "ip addr add 198.51.100.2/24 dev right; ip link set right up");
    let tcp = || net(pid)["sockets"]["tcp"].clone();
    assert_eq!((&tcp()["listen"], &tcp()["syn_recv"]), (&json!(1), &json!(0)), "nobody has called");
    let call = "use IO::Socket::IP;
        IO::Socket::IP->new(PeerHost => '198.51.100.1', PeerPort => 8080, Timeout => 1);";
    succeeds(&mut inside(caller, &["perl", "-e", call]));
    let theirs = succeeds(&mut inside(pid, &["ss", "-tanpH"]));
    let theirs: Vec<Value> = theirs.lines().map(|line| line_of_ss("tcp", line)).collect();
    assert_eq!(theirs.len(), 2, "the reference: {theirs:#?}");
    same("sockets", ours(&net(pid)), theirs);
    assert_eq!(tcp()["syn_recv"], 1);
    let screen = succeeds(&mut nsx(["inspect", "--only", "net", &pid.to_string()]));
    assert!(screen.contains("tcp  1 syn recv"), "{screen}");
}
