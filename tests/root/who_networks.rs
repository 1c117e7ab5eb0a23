//! `who`: interfaces and addresses lead to their namespaces and containers. Nothing of the machine's
//! network is touched: each test is in a network and a mount namespace of its own.

use crate::support::{
    Held, Need, as_nobody, binary, json, kernel, output, public_nsx, stderr, stdout, succeeds, test,
};
use libtest_mimic::Trial;
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::{Command, Stdio};

const IP: &[Need] = &[Need::Root, Need::Program("ip"), Need::Program("unshare")];
const IPV6: &[Need] = &[Need::Root, Need::Program("ip"), Need::Program("unshare"), kernel::IPV6];
const MACVLAN: &[Need] =
    &[Need::Root, Need::Program("ip"), Need::Machine("macvlan", || has("macvlan"))];
const IPVLAN: &[Need] =
    &[Need::Root, Need::Program("ip"), Need::Machine("ipvlan", || has("ipvlan"))];
const VLAN: &[Need] = &[Need::Root, Need::Program("ip"), Need::Machine("vlan", || has("vlan"))];
const VXLAN: &[Need] = &[Need::Root, Need::Program("ip"), Need::Machine("vxlan", || has("vxlan"))];
const TUN: &[Need] = &[
    Need::Root,
    Need::Program("ip"),
    Need::Program("python3"),
    Need::Machine("/dev/net/tun", || std::path::Path::new("/dev/net/tun").exists()),
];
const LESS: &[Need] = &[Need::Root, Need::Program("ip"), Need::Program("setpriv")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("who: a veth leads to its other end, as ip tells it", IP, veth),
        test("who: a bridge leads to every port's other end", IP, bridge),
        test("who: a way through a named namespace goes on behind its bridge", IP, nested),
        test("who: a name that is not here is looked for everywhere", IP, elsewhere),
        test("who: a namespace that only a descriptor keeps is found where a veth is", IP, kept),
        test("who: interfaces beside the other end are not looked at", IP, crowded),
        test("who: a macvlan elsewhere stands on an interface here", MACVLAN, macvlan),
        test("who: an ipvlan elsewhere stands on an interface here", IPVLAN, ipvlan),
        test("who: a VLAN that is a port leads behind its bridge", VLAN, vlan),
        test("who: a VXLAN that is a port leads behind its bridge", VXLAN, vxlan),
        test("who: a tap leads to the process that serves it", TUN, tap),
        test(
            "who: an address leads to its interface, in either family and spelling",
            IPV6,
            address,
        ),
        test("who: a link-layer address leads on where it is a veth's", IP, mac),
        test(
            "who: an ordinary user finds addresses, and is told what he does not see",
            LESS,
            ordinary,
        ),
    ]
}

/// Whether the kernel has interfaces of a kind.
fn has(kind: &str) -> bool {
    let more = match kind {
        "vlan" => "link a id 3",
        "vxlan" => "id 3 dev a dstport 4789",
        _ => "link a",
    };
    let (link, rest) = match more.strip_prefix("link a") {
        Some(rest) => ("link a", rest),
        None => ("", more),
    };
    let script = format!(
        "ip link add name a type veth peer name b && ip link add {link} name c type {kind} {rest}"
    );
    let mut command = Command::new("unshare");
    command.args(["-n", "sh", "-c", &script]).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// A network and a mount namespace in which names may be given; both end with the test.
struct World {
    held: Held,
}

impl World {
    /// With named namespaces, and interfaces that `ip -batch` makes.
    fn new(names: &[&str], batch: &str) -> Self {
        let script = "mount -t tmpfs nsx-test /run && mkdir /run/netns && ip link set lo up && \
            echo ready && exec sleep 1000";
        let (held, line) = Held::ready(Command::new("unshare").args(["-mn", "sh", "-c", script]));
        assert_eq!(line, "ready");
        let world = Self { held };
        for name in names {
            succeeds(&mut world.run(["ip", "netns", "add", name]));
        }
        for line in batch.lines().map(str::trim).filter(|line| !line.is_empty()) {
            succeeds(world.run(["ip"]).args(line.split_whitespace()));
        }
        world
    }

    fn run<'a>(&self, program: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.held.pid().to_string(), "-m", "-n", "--"]).args(program);
        command
    }

    /// A container of sorts in a named namespace.
    fn container(&self, name: &str) -> Held {
        let script = "echo ready; exec sleep 1000";
        let program = ["ip", "netns", "exec", name, "sh", "-c", script];
        let (held, line) = Held::ready(&mut self.run(program));
        assert_eq!(line, "ready");
        held
    }

    fn who(&self, clues: &[&str]) -> Command {
        let nsx = binary("nsx");
        let mut command = self.run([nsx.to_str().unwrap(), "who", "--json"]);
        command.args(clues);
        command
    }

    /// `v1 > eth0@b = b`: the interfaces, each with the name of the namespace that it is in, and
    /// the owner.
    fn ways(&self, clue: &str) -> Vec<String> {
        let names = self.names();
        let said = json(&mut self.who(&[clue]));
        let mut ways: Vec<String> =
            said["data"].as_array().unwrap().iter().map(|row| way(row, &names)).collect();
        ways.sort();
        ways
    }

    /// Of each name the inode, as the kernel tells it.
    fn names(&self) -> BTreeMap<u64, String> {
        let listed =
            succeeds(&mut self.run(["sh", "-c", "cd /run/netns && stat -c '%i %n' * || true"]));
        let pair = |line: &str| {
            let (inode, name) = line.split_once(' ').unwrap();
            (inode.parse().unwrap(), name.to_owned())
        };
        listed.lines().map(pair).collect()
    }

    /// `ip -d -j link` of a named namespace, or of this one.
    fn links(&self, name: Option<&str>) -> Vec<Value> {
        let mut command = self.run(["ip", "-d", "-j"]);
        if let Some(name) = name {
            command.args(["-n", name]);
        }
        json(command.arg("link")).as_array().unwrap().clone()
    }

    fn mac(&self, link: &str) -> String {
        let link = self.links(None).into_iter().find(|one| one["ifname"] == link).unwrap();
        link["address"].as_str().unwrap().to_owned()
    }
}

fn way(row: &Value, names: &BTreeMap<u64, String>) -> String {
    let steps = row["steps"].as_array().unwrap().iter().map(|step| {
        let place = step["namespace"]
            .as_u64()
            .map(|inode| format!("@{}", names.get(&inode).map_or("?", String::as_str)));
        match step["kind"].as_str().unwrap() {
            "interface" => {
                format!("{}{}", step["name"].as_str().unwrap(), place.unwrap_or_default())
            }
            "address" => format!("{}/{}", step["address"].as_str().unwrap(), step["prefix_length"]),
            "use" => format!("pid {}", step["pid"]),
            other => other.to_owned(),
        }
    });
    let owner = &row["owner"];
    let owner = match owner["kind"].as_str().unwrap() {
        "container" => format!("pid {}", owner["container"]["pid"]),
        "namespace" => owner["name"].as_str().unwrap().to_owned(),
        other => other.to_owned(),
    };
    format!("{} = {owner}", steps.collect::<Vec<_>>().join(" > "))
}

fn veth() {
    let world = World::new(
        &["a", "b"],
        "link add name br0 type bridge
         link add name va master br0 type veth peer name eth0 netns a
         link add name vb master br0 type veth peer name eth7 netns b
         link property add dev va altname a-name-that-is-longer-than-fifteen",
    );
    let container = world.container("a");
    let to_a = format!("va > eth0@a = pid {}", container.pid());
    assert_eq!(world.ways("if:va"), [to_a.as_str()]);
    assert_eq!(world.ways("if:a-name-that-is-longer-than-fifteen"), [to_a.as_str()]);
    assert_eq!(world.ways("if:vb"), ["vb > eth7@b = b"]);
    // What ip says: the same numbers in both directions.
    for (clue, name) in [("va", "a"), ("vb", "b")] {
        let said = json(&mut world.who(&[&format!("if:{clue}")]));
        let steps = said["data"][0]["steps"].as_array().unwrap().clone();
        let here = world.links(None).into_iter().find(|one| one["ifname"] == clue).unwrap();
        assert_eq!(steps[0]["index"], here["ifindex"]);
        assert_eq!(steps[0]["type"], here["linkinfo"]["info_kind"]);
        let peer = world.links(Some(name));
        let peer = peer.iter().find(|one| one["ifindex"] == here["link_index"]).unwrap();
        assert_eq!((&steps[1]["index"], &steps[1]["name"]), (&peer["ifindex"], &peer["ifname"]));
        assert_eq!(peer["link_index"], here["ifindex"]);
    }
}

fn bridge() {
    let world = World::new(
        &["a", "b", "c"],
        "link add name br0 type bridge
         link add name va master br0 type veth peer name eth0 netns a
         link add name vb master br0 type veth peer name eth0 netns b
         link add name vc type veth peer name eth0 netns c",
    );
    assert_eq!(world.ways("if:br0"), ["br0 > va > eth0@a = a", "br0 > vb > eth0@b = b"]);
}

fn nested() {
    let world = World::new(
        &["router", "a", "b"],
        "link add name out type veth peer name in netns router
         -n router link add name br type bridge
         -n router link set in master br
         -n router link add name pa master br type veth peer name eth0 netns a
         -n router link add name pb master br type veth peer name eth0 netns b",
    );
    let container = world.container("a");
    let pid = container.pid();
    assert_eq!(
        world.ways("if:out"),
        [
            format!("out > in@router > br@router > pa@router > eth0@a = pid {pid}"),
            "out > in@router > br@router > pb@router > eth0@b = b".to_owned()
        ]
    );
    assert_eq!(world.ways("if:pb"), ["pb@router > eth0@b = b"]);
    assert_eq!(
        world.ways("if:br"),
        [
            format!("br@router > pa@router > eth0@a = pid {pid}"),
            "br@router > pb@router > eth0@b = b".to_owned()
        ]
    );
}

fn elsewhere() {
    let world = World::new(
        &["a", "b"],
        "link add name va type veth peer name same-name netns a
         link add name vb type veth peer name same-name netns b",
    );
    let container = world.container("b");
    let to_b = format!("same-name@b = pid {}", container.pid());
    assert_eq!(world.ways("if:same-name"), ["same-name@a = a", to_b.as_str()]);
    let output = output(&mut world.who(&["if:nsx-no-such"]));
    assert_eq!(output.status.code(), Some(3));
}

/// Its owner is whoever keeps it.
fn kept() {
    let world = World::new(
        &["a", "hidden"],
        "link add name vh type veth peer name eth0 netns hidden
         -n hidden addr add 203.0.113.5/24 dev eth0
         -n hidden addr add 203.0.113.6/32 dev eth0
         -n hidden link set eth0 address 02:00:5e:00:53:0d
         -n a link add name other address 02:00:5e:00:53:0d type bridge
         -n a addr add 203.0.113.6/32 dev other
         -n hidden link set eth0 up",
    );
    let inode = *world.names().iter().find(|(_, name)| *name == "hidden").unwrap().0;
    let script = "exec 9</run/netns/hidden; echo ready; exec sleep 1000";
    let program = ["ip", "netns", "exec", "a", "sh", "-c", script];
    let (container, line) = Held::ready(&mut world.run(program));
    assert_eq!(line, "ready");
    // `ip netns exec` has a mount namespace of its own, in which the name stays.
    succeeds(&mut world.run(["ip", "netns", "del", "hidden"]));
    let way = format!("eth0@? = pid {}", container.pid());
    assert_eq!(world.ways("if:vh"), [format!("vh > {way}")]);
    let said = json(&mut world.who(&["if:vh", "203.0.113.5"]));
    for row in said["data"].as_array().unwrap() {
        assert_eq!(row["owner"]["container"]["pid"], container.pid(), "{row}");
    }
    assert_eq!(said["data"].as_array().unwrap().len(), 2);
    let first = json(&mut world.who(&["203.0.113.5"]));
    assert_eq!(first["data"][0]["steps"][1]["namespace"], inode);
    // What another has too.
    assert_eq!(world.ways("ip:203.0.113.6").len(), 2);
    assert_eq!(world.ways("mac:02:00:5e:00:53:0d").len(), 2);
}

/// Whoever is root at the other end may give its interface more names than fit into a part of a
/// table, and as many interfaces beside it as he likes.
fn crowded() {
    let world = World::new(
        &["a"],
        "link add name va type veth peer name eth0 netns a
         -n a link add name br0 type bridge",
    );
    let long = "x".repeat(120);
    let script = format!(
        "for i in $(seq 1000 1495); do echo link property add dev eth0 altname $i-{long}; done | \
         ip -n a -batch -"
    );
    succeeds(&mut world.run(["sh", "-c", &script]));
    let container = world.container("a");
    let way = format!("eth0@a = pid {}", container.pid());
    assert_eq!(world.ways("if:va"), [format!("va > {way}")]);
}

fn macvlan() {
    let world = World::new(
        &["a", "b"],
        "link add name card type veth peer name cable
         link add link card name mv0 netns a type macvlan
         link add link card name mv1 netns b type macvlan",
    );
    // The other end of the card is here: its way ends at it, but for what stands on the far end.
    let container = world.container("a");
    let pid = container.pid();
    assert_eq!(
        world.ways("if:cable"),
        [format!("cable > card > mv0@a = pid {pid}"), "cable > card > mv1@b = b".to_owned()]
    );
    assert_eq!(world.ways("if:mv1"), ["mv1@b = b"]);
}

fn ipvlan() {
    let world = World::new(
        &["a"],
        "link add name card type veth peer name cable
         link add link card name iv0 netns a type ipvlan",
    );
    assert_eq!(world.ways("if:cable"), ["cable > card > iv0@a = a"]);
}

fn vlan() {
    let world = World::new(
        &["a"],
        "link add name card type veth peer name cable
         link add link card name card.7 type vlan id 7
         link add name br7 type bridge
         link set card.7 master br7
         link add name va master br7 type veth peer name eth0 netns a",
    );
    assert_eq!(world.ways("if:card.7"), ["card.7 > br7 > va > eth0@a = a"]);
    assert_eq!(world.ways("if:cable"), ["cable > card > card.7 > br7 > va > eth0@a = a"]);
}

fn vxlan() {
    let world = World::new(
        &["a"],
        "link add name card type veth peer name cable
         link add name vx7 type vxlan id 7 dev card dstport 4789
         link add name br7 type bridge
         link set vx7 master br7
         link add name va master br7 type veth peer name eth0 netns a",
    );
    assert_eq!(world.ways("if:vx7"), ["vx7 > br7 > va > eth0@a = a"]);
}

/// Serves `tap7` until it is ended.
const SERVE: &str = "import fcntl,os,struct,time
fd = os.open('/dev/net/tun', os.O_RDWR)
fcntl.ioctl(fd, 0x400454ca, struct.pack('16sH22x', b'tap7', 0x1002))
print('ready', flush=True); time.sleep(1000)";

fn tap() {
    let world = World::new(&[], "link add name br0 type bridge");
    let (server, line) = Held::ready(&mut world.run(["python3", "-c", SERVE]));
    assert_eq!(line, "ready");
    succeeds(&mut world.run(["ip", "link", "set", "tap7", "master", "br0"]));
    let serves = format!("tap7 > pid {}", server.pid());
    for (clue, before) in [("if:tap7", ""), ("if:br0", "br0 > ")] {
        let ways = world.ways(clue);
        assert_eq!(ways.len(), 1);
        assert!(ways[0].starts_with(&format!("{before}{serves} = ")), "{ways:?}");
    }
}

/// Addresses that no other test has: each sees every namespace of the machine.
fn address() {
    let world = World::new(
        &["a", "b"],
        "link add name va type veth peer name eth0 netns a
         addr add 198.51.100.171/24 dev va
         -n a addr add 198.51.100.177/24 dev eth0
         -n a addr add 2001:db8:77::7/64 dev eth0
         -n b link set lo up",
    );
    let container = world.container("a");
    let pid = container.pid();
    for clue in ["ip:198.51.100.177", "198.51.100.177", "ip:::ffff:198.51.100.177"] {
        assert_eq!(world.ways(clue), [format!("198.51.100.177/24 > eth0@a = pid {pid}")]);
    }
    assert_eq!(world.ways("2001:db8:77::7"), [format!("2001:db8:77::7/64 > eth0@a = pid {pid}")]);
    assert!(world.ways("ip:198.51.100.171")[0].starts_with("198.51.100.171/24 > va = "));
    assert_eq!(output(&mut world.who(&["ip:198.51.100.178"])).status.code(), Some(3));
}

fn mac() {
    let world = World::new(
        &["a"],
        "link add name br0 type bridge
         link add name va master br0 type veth peer name eth0 netns a
         link add name vb master br0 type veth peer name far0
         link set va address 02:00:5e:00:53:01
         link set vb address 02:00:5e:00:53:02
         -n a link set eth0 address 02:00:5e:00:53:07",
    );
    assert_eq!(world.mac("br0"), "02:00:5e:00:53:01", "a bridge takes the lowest of its ports'");
    assert_eq!(world.ways("mac:02:00:5e:00:53:07"), ["eth0@a = a"]);
    let ways = world.ways("02:00:5e:00:53:01");
    assert_eq!(ways.len(), 2);
    assert!(ways[0].starts_with("br0 = "), "{ways:?}");
    assert_eq!(ways[1], "va > eth0@a = a");
}

fn ordinary() {
    let world = World::new(
        &["a"],
        "link add name va type veth peer name eth0 netns a
         -n a addr add 203.0.113.177/24 dev eth0",
    );
    let _container = world.container("a");
    let (_directory, nsx) = public_nsx();
    let ask = |clue: &str| {
        let user = as_nobody(&nsx);
        let program = user.get_program().to_str().unwrap().to_owned();
        let mut command = world.run([program.as_str()]);
        output(command.args(user.get_args()).args(["who", "--json", clue]))
    };
    let found = ask("ip:203.0.113.177");
    let said: Value = serde_json::from_str(&stdout(&found)).unwrap();
    assert_eq!(said["data"][0]["steps"][0]["address"], "203.0.113.177", "{}", stderr(&found));
    assert_eq!(said["data"][0]["owner"]["kind"], "unknown");
    let veth = ask("if:va");
    let said: Value = serde_json::from_str(&stdout(&veth)).unwrap();
    assert_eq!(said["data"][0]["owner"]["kind"], "unknown");
    let none = ask("if:nsx-no-such");
    assert_eq!(none.status.code(), Some(3));
    assert!(stderr(&none).contains("permission denied"), "{}", stderr(&none));
}
