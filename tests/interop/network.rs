//! Section `net` against iproute2, field by field, in a namespace that has some of everything.

pub mod sides;
pub mod sockets;

use crate::support::{self, Held, Need, isolated, json, kernel, nsx, output, succeeds};
use libtest_mimic::Trial;
use serde_json::Value;
use sides::Side;
use std::collections::BTreeSet;
use std::process::{Command, Stdio};

const NEEDS: &[Need] = &[Need::Root, Need::Program("nsenter"), Need::Program("ip")];
const IPV6: &[Need] = &[Need::Root, Need::Program("nsenter"), Need::Program("ip"), kernel::IPV6];
const SS: &[Need] = &[
    Need::Root,
    Need::Program("nsenter"),
    Need::Program("ss"),
    Need::Program("perl"),
    kernel::IPV6,
];
const MANY: &[Need] =
    &[Need::Root, Need::Program("nsenter"), Need::Program("ip"), Need::Program("prlimit")];

pub fn tests() -> Vec<Trial> {
    vec![
        support::test("ip: links and addresses, field by field", IPV6, links_and_addresses),
        support::test("ip: routes of every table, field by field", IPV6, routes),
        support::test("ip: rules and neighbours, field by field", IPV6, rules_and_neighbours),
        support::test("ss: sockets, their queues and their processes", SS, sockets::same_sockets),
        support::test("ss: a full accept queue is told", SS, sockets::full_queue),
        support::test("ss: a connection that is half open is told", SS, sockets::half_open),
        support::test("the other end of a veth is told wherever it is", NEEDS, peers),
        support::test("files of the resolver are read as the target sees them", NEEDS, resolver),
        support::test("interfaces that come and go are complete or said not to be", NEEDS, churn),
        support::test("3,000 interfaces are read within 64 MiB", MANY, many),
    ]
}

pub fn inside(pid: u32, program: &[&str]) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", &pid.to_string(), "--net", "--"]).args(program);
    command
}

/// What the kernel cannot make is not there for either side.
pub fn scene(pid: u32, script: &str) {
    succeeds(&mut inside(pid, &["sh", "-ec", script]));
}

fn ip(pid: u32, arguments: &[&str]) -> Vec<Value> {
    let told = json(&mut inside(pid, &[&["ip", "-d", "-j"], arguments].concat()));
    // A link that is not of the family that was asked for is an empty object.
    let rows = told.as_array().expect("a list").iter();
    rows.filter(|row| row.as_object().is_some_and(|row| !row.is_empty())).cloned().collect()
}

pub fn net(pid: u32) -> Value {
    let (net, gaps) = net_and_gaps(pid);
    assert_eq!(gaps, serde_json::json!([]));
    net
}

fn net_and_gaps(pid: u32) -> (Value, Value) {
    let mut report = json(&mut nsx(["inspect", "--json", "--only", "net", &pid.to_string()]));
    (report["data"]["net"].take(), report["gaps"].take())
}

fn same(what: &str, ours: Vec<Value>, theirs: Vec<Value>) {
    let set = |values: Vec<Value>| -> BTreeSet<String> {
        values.iter().map(ToString::to_string).collect()
    };
    let count = (ours.len(), theirs.len());
    let (ours, theirs) = (set(ours), set(theirs));
    let ours_alone: Vec<_> = ours.difference(&theirs).collect();
    let theirs_alone: Vec<_> = theirs.difference(&ours).collect();
    assert!(
        ours_alone.is_empty() && theirs_alone.is_empty() && count.0 == count.1,
        "{what}: {count:?}\nnsx alone: {ours_alone:#?}\nthe reference alone: {theirs_alone:#?}"
    );
}

const LINKS: &str = "
ip link add br0 type bridge
ip link add br1 type bridge stp_state 1
ip link add left address 02:00:5e:00:53:01 type veth peer name right
ip link set right master br0
ip link add link left name left.5 type vlan id 5 || :
ip link add link left name left.6 type vlan proto 802.1ad id 6 || :
ip link add link left name mac0 type macvlan mode private
ip link add link left name ipv0 type ipvlan mode l3s private || :
ip link add dum0 numtxqueues 1 type ifb
ip link set dum0 alias 'a dummy' mtu 1400 txqueuelen 77
ip link property add dev dum0 altname a-longer-name-for-the-dummy
ip link add vx0 type vxlan id 42 remote 203.0.113.9 dstport 4789 dev left
ip link add bond0 type bond mode active-backup || :
ip tuntap add dev tap0 mode tap
ip tuntap add dev tun0 mode tun
ip addr add 198.51.100.7/24 brd + dev left
ip addr add 198.51.100.8/24 dev left
ip addr add 203.0.113.9/32 peer 203.0.113.10 dev left
ip addr add 203.0.113.77/25 dev mac0 label mac0:odd valid_lft 4000 preferred_lft 3000
ip addr add 2001:db8::7/64 dev left nodad noprefixroute
ip addr add 2001:db8:1::7/64 dev left nodad valid_lft 4000 preferred_lft 0
ip addr add 2001:db8:2::7/64 dev dum0
for link in br0 left right mac0; do ip link set $link up; done
";

fn links_and_addresses() {
    let (_held, pid) = isolated(&["--newnet"]);
    scene(pid, LINKS);
    let kinds = ["bridge", "veth", "macvlan", "vxlan", "tun", "ifb"];
    let asked = || ip(pid, &["-s", "addr"]);
    let links = |told: &[Value]| told.iter().map(sides::link_of_ip).collect::<Vec<_>>();
    let addresses =
        |told: &[Value]| told.iter().flat_map(sides::addresses_of_ip).collect::<Vec<_>>();
    // Links and addresses of them are tried for a second or two.
    let (mut before, mut report, mut after) = (Vec::new(), Value::Null, Vec::new());
    support::until("nothing changes while it is looked at", || {
        (before, report, after) = (asked(), net(pid), asked());
        links(&before) == links(&after) && addresses(&before) == addresses(&after)
    });
    for kind in kinds {
        let is_there = |link: &&Value| link["linkinfo"]["info_kind"] == kind;
        assert!(before.iter().find(is_there).is_some(), "the reference shows no {kind}");
    }
    let interfaces = report["interfaces"].as_array().expect("interfaces");
    same("links", interfaces.iter().map(sides::link_of_nsx).collect(), links(&before));
    let ours = interfaces.iter().flat_map(sides::addresses_of_nsx).collect();
    same("addresses", ours, addresses(&before));
    for (interface, (before, after)) in interfaces.iter().zip(before.iter().zip(&after)) {
        sides::assert_counters(interface, before, after);
        sides::assert_lifetimes(interface, before);
    }
    assert_eq!(
        (&report["incomplete"], &report["incomplete_tables"]),
        (&false.into(), &Value::Array(vec![]))
    );
}

const ROUTES: &str = "
ip link add left type veth peer name right
ip addr add 198.51.100.7/24 dev left
ip addr add 2001:db8::7/64 dev left nodad
ip link set left up
ip link set right up
ip route add default via 198.51.100.1 metric 7
ip route add default via 198.51.100.9 table 100
ip route add 203.0.113.0/25 proto static metric 5 nexthop via 198.51.100.2 weight 3 nexthop via 198.51.100.3
ip route add 203.0.113.128/26 via inet6 2001:db8::9 dev left
ip route add 192.0.2.0/24 dev left scope link src 198.51.100.7 mtu 1300 table 4711
ip route add blackhole 203.0.113.192/27 table 253
ip route add 203.0.113.224 via 192.0.2.200 dev left onlink
ip route add unreachable 2001:db8:2::/48
ip route add default via 2001:db8::1 expires 4000
ip route add 2001:db8:3::/64 nexthop via 2001:db8::2 weight 2 nexthop via 2001:db8::3
ip route add 203.0.113.240/29 tos 0x10 via 198.51.100.4
ip route add 203.0.113.248/30 realms 5/6 via 198.51.100.4
ip route add 203.0.113.252/30 nexthop via 198.51.100.4 nexthop realms 7 via 198.51.100.5
ip -6 route add 2001:db8:4::/48 from 2001:db8:5::/48 dev left pref high
ip -6 route add 2001:db8:6::/48 encap seg6 mode encap segs 2001:db8::4 dev left || :
ip -6 route add 2001:db8:7::/48 nexthop encap seg6 mode encap segs 2001:db8::4 via 2001:db8::5 dev left nexthop via 2001:db8::6 || :
ip nexthop add id 9 via 198.51.100.9 dev left
ip nexthop add id 10 via 198.51.100.10 dev left
ip nexthop add id 11 group 9/10
ip route add 198.51.100.64/28 nhid 9
ip route add 198.51.100.80/28 nhid 11
";

fn routes() {
    let (_held, pid) = isolated(&["--newnet"]);
    scene(pid, ROUTES);
    let carried = || ip(pid, &["link"]).iter().filter(|link| link["operstate"] == "UP").count();
    support::until("the pair has a carrier", || carried() == 2);
    // The kernel's own routes of IPv6 follow the addresses of the link.
    support::until("addresses are settled", || {
        ip(pid, &["addr"]).iter().all(|link| {
            let mut addresses = link["addr_info"].as_array().expect("addresses").iter();
            addresses.all(|address| address["tentative"].is_null())
        })
    });
    let mut told = ip(pid, &["-4", "route", "show", "table", "all"]);
    told.extend(ip(pid, &["-6", "route", "show", "table", "all"]));
    for table in ["main", "local", "default", "100", "4711"] {
        let is_in = |route: &Value| route["table"].as_str().unwrap_or("main") == table;
        assert!(told.iter().any(is_in), "the reference shows no table {table}: {told:#?}");
    }
    let net = net(pid);
    let routes = net["routes"].as_array().expect("routes");
    let theirs = told.iter().map(|route| sides::route(Side::Ip, route)).collect();
    same("routes", routes.iter().map(|route| sides::route(Side::Nsx, route)).collect(), theirs);
    let expires = routes.iter().find_map(|route| route["expires_seconds"].as_u64());
    assert!(expires.is_some_and(|seconds| (3000..=4000).contains(&seconds)), "{expires:?}");
    assert_eq!(routes[0]["destination"], Value::Null, "the default route stands first");
    assert_eq!(routes.last().expect("some")["table_name"], "local", "the kernel's own stand last");
}

const RULES: &str = "
ip link add left address 02:00:5e:00:53:01 type veth peer name right
ip addr add 198.51.100.7/24 dev left
ip link set left up
ip link set right up
ip rule add pref 100 from 203.0.113.0/24 lookup 100
ip rule add pref 101 not from 198.51.100.7 to 203.0.113.9 iif left table 101
ip rule add pref 102 fwmark 0x5/0xff lookup main suppress_prefixlength 0
ip rule add pref 103 oif right ipproto tcp dport 80-90 sport 1000 lookup 100
ip rule add pref 104 uidrange 5-9 blackhole
ip rule add pref 105 tos 0x10 goto 200
ip rule add pref 200 prohibit from 192.0.2.0/24
ip rule add pref 106 tun_id 42 lookup main suppress_ifgroup 7
ip rule add pref 107 realms 3/4 lookup main
ip -6 rule add pref 300 from 2001:db8::/32 unreachable
ip -6 rule add pref 301 to 2001:db8::9 lookup 4711
ip neigh add 198.51.100.20 lladdr 02:00:5e:00:53:20 dev left nud permanent
ip neigh add 198.51.100.21 lladdr 02:00:5e:00:53:21 dev left nud stale
ip neigh add 198.51.100.22 dev left nud failed
ip neigh add 2001:db8::20 lladdr 02:00:5e:00:53:22 dev left nud stale router
ip neigh add 198.51.100.24 lladdr 02:00:5e:00:53:24 dev left nud noarp
";

fn rules_and_neighbours() {
    let (_held, pid) = isolated(&["--newnet"]);
    scene(pid, RULES);
    let mut told: Vec<Value> = Vec::new();
    for (option, family) in [("-4", "inet"), ("-6", "inet6")] {
        let rules = ip(pid, &[option, "rule"]);
        told.extend(rules.iter().map(|rule| sides::rule_of_ip(family, rule)));
    }
    assert_eq!(told.len(), 16, "the reference: {told:#?}");
    let neighbours = ip(pid, &["neigh"]);
    assert!(neighbours.len() >= 4, "the reference: {neighbours:#?}");
    let net = net(pid);
    let rules = net["rules"].as_array().expect("rules").iter();
    same("rules", rules.map(sides::rule_of_nsx).collect(), told);
    let ours = net["neighbours"].as_array().expect("neighbours").iter();
    let theirs = neighbours.iter().map(sides::neighbour_of_ip).collect();
    same("neighbours", ours.map(sides::neighbour_of_nsx).collect(), theirs);
}

fn peers() {
    let (_held, pid) = isolated(&["--newnet"]);
    let (_other, other) = isolated(&["--newnet"]);
    // Interfaces of this namespace are everybody's: the name is this test's own.
    let outside = format!("nsxt{pid}");
    let add = ["link", "add", &outside, "type", "veth", "peer", "name", "up0", "netns"];
    succeeds(Command::new("ip").args(add).arg(pid.to_string()));
    let netns = other.to_string();
    scene(
        pid,
        &format!(
            "ip link add side0 type veth peer name side1 netns {netns}\nip link add pair0 type veth peer name pair1"
        ),
    );
    let net = net(pid);
    let peer = |name: &str| {
        let interfaces = net["interfaces"].as_array().expect("interfaces");
        let found = interfaces.iter().find(|one| one["name"] == name).expect("it is listed");
        found["peer"].clone()
    };
    assert_eq!(
        (&peer("up0")["place"]["kind"], &peer("up0")["interface"]),
        (&"host".into(), &outside.as_str().into())
    );
    assert_eq!(
        (&peer("pair0")["place"]["kind"], &peer("pair0")["interface"]),
        (&"here".into(), &"pair1".into())
    );
    let place = &peer("side0")["place"];
    assert_eq!(place["pid"], other, "{place}");
    assert!(place["kind"] == "container" || place["kind"] == "process", "{place}");
    let screen = succeeds(&mut nsx(["inspect", "-o", "wide", &pid.to_string()]));
    assert!(screen.contains(&format!("<-> {outside} of the host")), "{screen}");
    succeeds(Command::new("ip").args(["link", "del", &outside]));
}

fn resolver() {
    let (_held, pid) = isolated(&["--newnet", "--newns"]);
    let enter = |script: &str| {
        let mut command = Command::new("nsenter");
        command.args(["--target", &pid.to_string(), "--mount", "--", "sh", "-ec", script]);
        succeeds(&mut command);
    };
    enter(
        "mount -t tmpfs tmpfs /etc
        printf 'nameserver 198.51.100.53\\n# no\\nsearch a.example b.example\\n' > /etc/real
        ln -s /etc/real /etc/resolv.conf
        echo '198.51.100.7 web' > /etc/hosts
        echo 'hosts: files dns' > /etc/nsswitch.conf",
    );
    let resolver = net(pid)["resolver"].clone();
    assert_eq!(resolver["nameservers"], serde_json::json!(["198.51.100.53"]));
    assert_eq!(resolver["search"], serde_json::json!(["a.example", "b.example"]));
    assert_eq!(resolver["hosts"]["lines"], serde_json::json!(["198.51.100.7 web"]));
    assert_eq!(resolver["hosts_sources"], serde_json::json!(["files", "dns"]));
    // What must not be opened; /etc/real is outside too, and is not what is read there.
    enter(
        "cd /etc; rm resolv.conf hosts nsswitch.conf; mkfifo resolv.conf; mknod hosts c 1 5; ln -s /proc/self/root/etc/passwd nsswitch.conf",
    );
    let resolver = net(pid)["resolver"].clone();
    assert_eq!(resolver["resolv_conf"]["state"], "not_regular");
    assert_eq!(resolver["hosts"]["state"], "not_regular");
    assert_eq!(resolver["nsswitch"]["state"], "not_regular", "a way out through a magic link");
}

const CHURN: &str = "
for round in $(seq 2000); do
    for n in 1 2 3 4 5 6 7 8 9 10; do echo link add c$n type veth peer name d$n; done
    for n in 1 2 3 4 5 6 7 8 9 10; do echo link del c$n; done
done | ip -batch - -force >/dev/null 2>&1";

fn churn() {
    // All of the churn ends with the first process of its pid namespace.
    let (_held, pid) = isolated(&["--newnet", "--newpid"]);
    let pair = |n| format!("ip link add s{n} type veth peer name t{n}");
    let stable: Vec<String> = (0..40).map(pair).collect();
    scene(pid, &stable.join("\n"));
    let mut command = Command::new("nsenter");
    command.args(["--target", &pid.to_string(), "--net", "--pid", "--", "sh", "-c", CHURN]);
    let churner = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let _churner = Held(churner.expect("it starts"));
    support::until("interfaces come", || {
        !output(&mut inside(pid, &["ip", "link", "show", "c1"])).stdout.is_empty()
    });
    for _ in 0..20 {
        let (net, gaps) = net_and_gaps(pid);
        let names: Vec<&str> = net["interfaces"]
            .as_array()
            .expect("interfaces")
            .iter()
            .map(|interface| interface["name"].as_str().expect("a name"))
            .collect();
        let different: BTreeSet<&str> = names.iter().copied().collect();
        let incomplete = net["incomplete_tables"].as_array().expect("a list");
        if !incomplete.contains(&"interfaces".into()) {
            assert_eq!(different.len(), names.len(), "{names:?}");
            for n in 0..40 {
                assert!(different.contains(format!("s{n}").as_str()), "s{n} is missing");
            }
        }
        assert_eq!(net["incomplete"], !incomplete.is_empty());
        let gap = |what: &Value| {
            let object = format!("pid {pid}");
            serde_json::json!({ "object": object, "what": what, "reason": "incomplete" })
        };
        assert_eq!(gaps, incomplete.iter().map(gap).collect::<Value>());
    }
}

fn many() {
    let (_held, pid) = isolated(&["--newnet"]);
    let pair = |n| format!("link add a{n} type veth peer name b{n}\n");
    let batch = (0..1500).map(pair).collect::<Vec<_>>().concat();
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    std::io::Write::write_all(&mut file, batch.as_bytes()).expect("it is written");
    succeeds(&mut inside(pid, &["ip", "-batch", file.path().to_str().expect("ASCII")]));
    let report = nsx(["inspect", "--json", "--only", "net", &pid.to_string()]);
    let mut command = Command::new("prlimit");
    command.arg("--data=67108864").arg(report.get_program()).args(report.get_args());
    let interfaces = json(&mut command)["data"]["net"]["interfaces"].as_array().map(Vec::len);
    assert_eq!(interfaces, Some(3001));
}
