//! The network of a container of the lab, as ip and ss tell it.

use super::{Seen, inside};
use crate::answers;
use crate::lab::Lab;
use crate::network::{sides, sockets};
use crate::support::{self, Held};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::{Output, Stdio};

/// Listens, is its own client, and makes the gateway a neighbour, which refuses. Ends with its
/// input.
const PROGRAM: &str = r#"
    use IO::Socket::INET;
    sub any { my $s = IO::Socket::INET->new(@_) or die "@_: $@"; push @all, $s; $s }
    my ($port, $gateway) = @ARGV;
    my $listens = any(LocalHost => "127.0.0.1", LocalPort => $port, Listen => 7, ReuseAddr => 1);
    any(LocalHost => "0.0.0.0", LocalPort => $port, Proto => "udp");
    any(PeerHost => "127.0.0.1", PeerPort => $port, Proto => "udp");
    any(PeerHost => "127.0.0.1", PeerPort => $port);
    push @all, scalar $listens->accept;
    IO::Socket::INET->new(PeerHost => $gateway, PeerPort => 9, Timeout => 5);
    $| = 1; print "ready\n"; <STDIN>;
"#;

/// The same from inside, as far as busybox goes; `exec` keeps the number.
const LISTENER: &str = "echo $$; exec nc -l -p 8081";

/// What the lab gives no container of its own accord: neighbours, and sockets of a process of its
/// own and of one from outside.
#[derive(Debug)]
pub struct Scene<'a> {
    lab: &'a Lab,
    id: &'a str,
    pid: u64,
    /// As the machine numbers it.
    outsider: u64,
    outside: Held,
    client: Held,
    /// As the container numbers it.
    listener: String,
}

/// Nobody answers there.
const NEIGHBOUR: &str = "198.51.100.77";
const GATEWAY: &str = "198.51.100.1";

impl<'a> Scene<'a> {
    /// In a container on the bridge of the lab's docker.
    pub fn set(lab: &'a Lab, row: &'a Value) -> Self {
        let (id, pid) = (row["id"].as_str().expect("an id"), row["pid"].as_u64().expect("a pid"));
        let target = pid.to_string();
        let enter = ["nsenter", "--target", &target, "--net", "--"];
        let line = [&enter[..], &["perl", "-e", PROGRAM, "8080", GATEWAY]].concat();
        let (outside, ready) = Held::ready(lab.command(&line).stdin(Stdio::piped()));
        assert_eq!(ready, "ready");
        let mut exec = answers::docker_command(lab, &["exec", id, "sh", "-c", LISTENER]);
        let (client, listener) = Held::ready(exec.stdin(Stdio::null()));
        let outsider = 0;
        let mut scene = Self { lab, id, pid, outsider, outside, client, listener };
        let entry = ["dev", "eth0", "lladdr", "02:00:00:00:00:77", "nud", "permanent"];
        let add = [&["ip", "neigh", "add", NEIGHBOUR][..], &entry].concat();
        inside(lab, pid, "--net", &add);
        let mut look = Look::at(lab, pid);
        support::until("it listens", || {
            look = Look::at(lab, pid);
            look.holder(8081).is_some()
        });
        scene.outsider = look.holder(8080).expect("the reference: its holder");
        assert!(look.neighbours.len() >= 2, "the reference: {:?}", look.neighbours);
        for (state, count) in [("listen", 2), ("established", 3), ("unconnected", 1)] {
            let of_state = look.sockets.iter().filter(|(socket, _)| socket[1] == state);
            assert_eq!(of_state.count(), count, "the reference: {state} of {:?}", look.sockets);
        }
        scene
    }

    /// The process from outside, which nsx counts as one more container.
    pub fn outsider(&self) -> Value {
        json!({ "pid": self.outsider })
    }
}

impl Drop for Scene<'_> {
    fn drop(&mut self) {
        let kill = ["exec", self.id, "kill", &self.listener];
        let killed = answers::docker_command(self.lab, &kill).status();
        // Whoever started them waits for their end.
        if killed.is_ok_and(|status| status.success()) {
            let _ = self.client.0.wait();
        }
        drop(self.outside.0.stdin.take());
        let _ = self.outside.0.wait();
        let target = self.pid.to_string();
        let line = ["nsenter", "--target", &target, "--net", "--"];
        let remove = ["ip", "neigh", "del", NEIGHBOUR, "dev", "eth0"];
        let _ = self.lab.command(&[&line[..], &remove].concat()).output();
    }
}

/// An address for a container of the lab that has none of its own.
#[derive(Debug)]
pub struct Address<'a>(&'a Lab, u64);

impl<'a> Address<'a> {
    pub fn set(lab: &'a Lab, row: &Value) -> Self {
        let address = Self(lab, row["pid"].as_u64().expect("a pid"));
        address.ip("link add one type veth peer name two");
        address.ip("addr add 203.0.113.7/24 dev one");
        address.ip("link set two up");
        address.ip("link set one up");
        address
    }

    fn ip(&self, line: &str) -> Output {
        let target = self.1.to_string();
        let enter = ["nsenter", "--target", &target, "--net", "--", "ip"];
        let words: Vec<&str> = line.split(' ').collect();
        support::output(&mut self.0.command(&[&enter[..], &words].concat()))
    }
}

impl Drop for Address<'_> {
    fn drop(&mut self) {
        self.ip("link del one");
    }
}

/// What comes and goes by itself, at one moment.
#[derive(Debug)]
pub struct Look {
    neighbours: Vec<Value>,
    /// With the processes that hold them, and their descriptors.
    sockets: Vec<(Value, Vec<(u64, u64)>)>,
}

impl Look {
    pub fn at(lab: &Lab, pid: u64) -> Self {
        let neighbours = ip(lab, pid, &["neigh"]).iter().map(sides::neighbour_of_ip).collect();
        let mut all = Vec::new();
        for (protocol, options) in [("tcp", "-tanpH"), ("udp", "-uanpH")] {
            let told = inside(lab, pid, "--net", &["ss", options]);
            let one = |line: &str| (sockets::line_of_ss(protocol, line), holders(line));
            all.extend(told.lines().map(one));
        }
        Self { neighbours, sockets: all }
    }

    /// The process that listens at a port.
    fn holder(&self, port: u16) -> Option<u64> {
        let is_it = |(socket, _): &&(Value, _)| socket[1] == "listen" && socket[4][1] == port;
        self.sockets.iter().find(is_it)?.1.first().map(|(pid, _)| *pid)
    }

    /// A holder outside is not the container's.
    fn sockets_of(&self, members: &BTreeSet<u64>) -> Vec<Value> {
        let one = |(socket, holders): &(Value, Vec<(u64, u64)>)| {
            let own = holders.iter().filter(|(pid, _)| members.contains(pid));
            held_by(socket.clone(), own.copied().collect())
        };
        self.sockets.iter().map(one).collect()
    }
}

/// `users:(("perl",pid=1,fd=3),("perl",pid=2,fd=3))`
fn holders(line: &str) -> Vec<(u64, u64)> {
    let holder = |text: &str| {
        let (pid, rest) = text.split_once(",fd=")?;
        Some((pid.parse().ok()?, rest.split(')').next()?.parse().ok()?))
    };
    line.split("pid=").skip(1).map(|text| holder(text).expect("pid=N,fd=N")).collect()
}

/// All of them in the place of the first one.
fn held_by(mut socket: Value, mut holders: Vec<(u64, u64)>) -> Value {
    holders.sort_unstable();
    if let Some(owner) = socket.as_array_mut().and_then(|words| words.last_mut()) {
        *owner = json!(holders);
    }
    socket
}

fn sockets_of_nsx(told: &Value) -> Vec<Value> {
    let lists = [&told["listening"], &told["connected"]];
    let one = |socket: &Value| {
        let owners = socket["owners"].as_array().into_iter().flatten();
        let number = |value: &Value| value.as_u64().expect("a number");
        let holders = owners.map(|owner| (number(&owner["pid"]), number(&owner["descriptor"])));
        held_by(sockets::line_of_nsx(socket), holders.collect())
    };
    lists.into_iter().filter_map(Value::as_array).flatten().map(one).collect()
}

/// A state that changed between two looks may have been any other in between.
fn in_motion(neighbour: Value, [before, after]: [&Vec<Value>; 2]) -> Value {
    const STATE: usize = 3;
    let is_it = |one: &&Value| {
        !after.contains(one) && (0..5).all(|at| at == STATE || one[at] == neighbour[at])
    };
    before.iter().find(is_it).cloned().unwrap_or(neighbour)
}

fn ip(lab: &Lab, pid: u64, line: &[&str]) -> Vec<Value> {
    let text = inside(lab, pid, "--net", &[&["ip", "-d", "-j"], line].concat());
    let told: Value = serde_json::from_str(&text).unwrap_or_else(|_| json!([]));
    let rows = told.as_array().expect("a list").iter();
    rows.filter(|row| row.as_object().is_some_and(|row| !row.is_empty())).cloned().collect()
}

impl Seen<'_> {
    pub(super) fn net(&mut self, report: &Value, looks: &[Look; 2]) {
        let (lab, pid) = (self.lab, self.pid);
        let net = &report["net"];
        let list = |name: &str| net[name].as_array().cloned().unwrap_or_default();
        let links = ip(lab, pid, &["-s", "addr"]);
        let (ours, theirs) = (list("interfaces"), links.iter());
        self.same(
            "links",
            ours.iter().map(sides::link_of_nsx).collect(),
            theirs.clone().map(sides::link_of_ip).collect(),
        );
        self.same(
            "addresses",
            ours.iter().flat_map(sides::addresses_of_nsx).collect(),
            theirs.flat_map(sides::addresses_of_ip).collect(),
        );
        let mut routes = ip(lab, pid, &["-4", "route", "show", "table", "all"]);
        routes.extend(ip(lab, pid, &["-6", "route", "show", "table", "all"]));
        self.same(
            "routes",
            list("routes").iter().map(|one| sides::route(sides::Side::Nsx, one)).collect(),
            routes.iter().map(|one| sides::route(sides::Side::Ip, one)).collect(),
        );
        let mut rules = Vec::new();
        for (option, family) in [("-4", "inet"), ("-6", "inet6")] {
            rules.extend(
                ip(lab, pid, &[option, "rule"]).iter().map(|one| sides::rule_of_ip(family, one)),
            );
        }
        self.same("rules", list("rules").iter().map(sides::rule_of_nsx).collect(), rules);
        let theirs = looks.each_ref().map(|look| &look.neighbours);
        let ours = list("neighbours");
        let ours = ours.iter().map(|one| in_motion(sides::neighbour_of_nsx(one), theirs));
        self.between("neighbours", &ours.collect::<Vec<_>>(), theirs);
        let members = report["processes"].as_array().into_iter().flatten();
        let members: BTreeSet<u64> = members.filter_map(|one| one["pid"].as_u64()).collect();
        let theirs = looks.each_ref().map(|look| look.sockets_of(&members));
        self.between("sockets", &sockets_of_nsx(&net["sockets"]), theirs.each_ref());
        self.is("sockets not listed", &net["sockets"]["unlisted"], &json!(0));
        self.is("owners of sockets", &net["sockets"]["owners_complete"], &json!(true));
    }

    /// What both looks had is ours, and what is ours one of them had.
    fn between(&mut self, what: &str, ours: &[Value], looks: [&Vec<Value>; 2]) {
        let [before, after] = looks;
        for one in ours.iter().filter(|one| !before.contains(one) && !after.contains(one)) {
            self.found.push(format!("{what}: nsx alone has {one}"));
        }
        for one in before.iter().filter(|one| after.contains(one) && !ours.contains(one)) {
            self.found.push(format!("{what}: the reference alone has {one}"));
        }
    }
}
