//! Processes that `nsx spawn` isolates: nsx against util-linux and iproute2.
//!
//! The reference must pass what the test expects before nsx is asked.

use crate::support::{self, Need, isolated, json, nsx, output, succeeds};
use libtest_mimic::Trial;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

const NAMESPACES: [&str; 8] = ["mnt", "uts", "ipc", "net", "pid", "cgroup", "user", "time"];

pub fn tests() -> Vec<Trial> {
    const NSENTER: &[Need] = &[Need::Root, Need::Program("nsenter")];
    const IP: &[Need] = &[Need::Root, Need::Program("nsenter"), Need::Program("ip")];
    const FINDMNT: &[Need] = &[Need::Root, Need::Program("nsenter"), Need::Program("findmnt")];
    const LSNS: &[Need] = &[Need::Root, Need::Program("lsns")];
    vec![
        support::test("nsenter: enter joins the same namespaces", NSENTER, same_namespaces),
        support::test("nsenter: enter ends as the program does", NSENTER, same_ends),
        support::test("ip: inspect shows the same interfaces and routes", IP, same_network),
        support::test("findmnt: inspect shows the same mounts", FINDMNT, same_mounts),
        support::test("lsns: inspect shows the same namespaces", LSNS, same_inodes),
    ]
}

fn nsenter(pid: u32, options: &[&str], program: &[&str]) -> Command {
    let mut command = Command::new("nsenter");
    command.args(["--target", &pid.to_string()]).args(options).arg("--").args(program);
    command
}

fn enter(pid: u32, options: &[&str], program: &[&str]) -> Command {
    let mut command = nsx(["enter", "-t", &pid.to_string()]);
    command.args(options).args(program);
    command
}

/// The eight namespaces of a process, as links.
fn links(pid: u32) -> Vec<String> {
    let link = |kind| std::fs::read_link(format!("/proc/{pid}/ns/{kind}")).expect("it lives");
    NAMESPACES.map(|kind| link(kind).to_str().expect("ASCII").to_owned()).to_vec()
}

fn same_namespaces() {
    let (_held, pid) = isolated(&[
        "--newpid",
        "--newns",
        "--newnet",
        "--newuts",
        "--newipc",
        "--newcgroup",
        "--newtime",
    ]);
    let theirs = links(pid);
    let ours = links(std::process::id());
    let script = format!("cd /proc/self/ns && readlink {}", NAMESPACES.join(" "));
    let program = ["sh", "-c", &script];
    let told = |command: &mut Command| -> Vec<String> {
        succeeds(command).lines().map(str::to_owned).collect()
    };
    assert_eq!(told(&mut nsenter(pid, &["--all"], &program)), theirs, "the reference");
    assert_eq!(told(&mut enter(pid, &["--all"], &program)), theirs);
    assert_eq!(told(&mut enter(pid, &[], &program)), theirs, "all is the default");
    for (at, option) in [(1, "--uts"), (2, "--ipc"), (3, "--net"), (5, "--cgroup")] {
        let mut mixed = ours.clone();
        mixed[at].clone_from(&theirs[at]);
        assert_eq!(told(&mut nsenter(pid, &[option], &program)), mixed, "the reference, {option}");
        assert_eq!(told(&mut enter(pid, &[option], &program)), mixed, "{option}");
    }
}

fn same_ends() {
    let (_held, pid) = isolated(&["--newpid", "--newnet", "--newuts"]);
    let cases: [(&[&str], Option<i32>, Option<i32>); 6] = [
        (&["true"], Some(0), None),
        (&["sh", "-c", "exit 42"], Some(42), None),
        (&["/dev/null"], Some(126), None),
        (&["/nothing/there"], Some(127), None),
        (&["nothing-of-this-name"], Some(127), None),
        (&["sh", "-c", "kill -TERM $$"], None, Some(15)),
    ];
    for options in [["--net", "--uts"].as_slice(), &["--net", "--pid"]] {
        for (program, code, signal) in cases {
            let end = |mut command: Command| {
                let status = output(&mut command).status;
                (status.code(), status.signal())
            };
            let reference = end(nsenter(pid, options, program));
            assert_eq!(reference, (code, signal), "the reference, {options:?} {program:?}");
            assert_eq!(end(enter(pid, options, program)), reference, "{options:?} {program:?}");
        }
    }
}

/// Addresses of documentation only, RFC 5737 and RFC 3849.
const NETWORK: &str = "set -e
ip link add left address 02:00:5e:00:53:01 mtu 1400 type veth peer name right
ip link set left addrgenmode none
ip link set right addrgenmode none
ip addr add 198.51.100.7/24 dev left
ip addr add 203.0.113.9/32 dev left
ip addr add 2001:db8::7/64 dev left nodad
ip addr add 2001:db8:1::7/128 dev lo
ip link set left up
ip link set right up
ip route add default via 198.51.100.1 metric 7
ip route add 203.0.113.128/25 via 198.51.100.2
ip route add blackhole 203.0.113.64/26
ip route add unreachable 2001:db8:2::/48
ip route add default via 2001:db8::1";

fn same_network() {
    let (_held, pid) = isolated(&["--newnet", "--newns"]);
    succeeds(&mut nsenter(pid, &["--net"], &["sh", "-c", NETWORK]));
    let ip = |arguments: &[&str]| {
        json(&mut nsenter(pid, &["--net"], &[&["ip", "-j"], arguments].concat()))
    };
    let (told, v4, v6) = (ip(&["addr"]), ip(&["route"]), ip(&["-6", "route"]));
    assert_eq!(told.as_array().map(Vec::len), Some(3), "lo, left, right: {told}");
    assert_eq!(v4.as_array().map(Vec::len), Some(4), "{v4}");
    let net = &json(&mut nsx(["inspect", "--json", &pid.to_string()]))["data"]["net"];
    assert_interfaces(net, &told);
    assert_routes(net, &[v4, v6]);
}

/// Section `net` against `ip -j addr`.
pub fn assert_interfaces(net: &Value, told: &Value) {
    let told = told.as_array().expect("interfaces");
    // ip names a peer in the same namespace, and numbers one in another.
    let peer = |interface: &Value| {
        let named = told.iter().find(|peer| peer["ifname"] == interface["link"]);
        named.map_or(&interface["link_index"], |peer| &peer["ifindex"]).clone()
    };
    let reference = told.iter().map(|interface| {
        let addresses = interface["addr_info"].as_array().expect("addresses").iter();
        json!({
            "index": interface["ifindex"], "name": interface["ifname"],
            "mtu": interface["mtu"], "mac": interface["address"],
            "state": interface["operstate"].as_str().map(str::to_lowercase),
            "up": interface["flags"].as_array().map(|flags| flags.contains(&json!("UP"))),
            "peer": [peer(interface), interface["link_netnsid"]],
            "addresses": set(addresses.map(|address| {
                json!([address["local"], address["prefixlen"], address["scope"]])
            })),
        })
    });
    let nsx = net["interfaces"].as_array().expect("interfaces").iter().map(|interface| {
        let addresses = interface["addresses"].as_array().expect("addresses").iter();
        json!({
            "index": interface["index"], "name": interface["name"],
            "mtu": interface["mtu_bytes"], "mac": interface["mac"],
            "state": interface["state"], "up": interface["up"],
            "peer": [interface["peer_index"], interface["peer_nsid"]],
            "addresses": set(addresses.map(|address| {
                json!([address["address"], address["prefix_length"], address["scope"]])
            })),
        })
    });
    assert_eq!(nsx.collect::<Vec<_>>(), reference.collect::<Vec<_>>());
}

/// Section `net` against `ip -j route`, `ip -6 -j route`.
pub fn assert_routes(net: &Value, told: &[Value]) {
    let lists = told.iter().map(|list| list.as_array().expect("routes"));
    let reference = lists.flatten().map(|route| {
        let destination = route["dst"].as_str().expect("a destination");
        let single = if destination.contains(':') { "/128" } else { "/32" };
        let whole = destination == "default" || destination.contains('/');
        json!([
            format!("{destination}{}", if whole { "" } else { single }),
            route["gateway"],
            route["dev"],
            route["metric"],
            route["type"].as_str().unwrap_or("unicast"),
        ])
    });
    // Those of the main table, as ip shows them without being asked for others.
    let main = net["routes"].as_array().expect("routes").iter();
    let nsx = main.filter(|route| route["table_name"] == "main").map(|route| {
        let destination = match route["destination"].as_str() {
            Some(address) => format!("{address}/{}", route["prefix_length"]),
            None => "default".to_owned(),
        };
        json!([destination, route["gateway"], route["interface"], route["metric"], route["kind"]])
    });
    assert_eq!(set(nsx), set(reference));
}

/// Neither side promises an order.
fn set(values: impl Iterator<Item = Value>) -> BTreeSet<String> {
    values.map(|value| value.to_string()).collect()
}

const MOUNTS: &str = "set -e
mount -t tmpfs -o ro,noexec,nosuid,size=64k 'nsx odd' /mnt
mount -o remount,rw /mnt
mkdir '/mnt/a b' /mnt/shared
mount --bind '/mnt/a b' '/mnt/a b'
mount -o remount,bind,ro,noexec '/mnt/a b'
mount --bind /mnt/shared /mnt/shared
mount --make-shared /mnt/shared
mount --make-unbindable '/mnt/a b'";

fn same_mounts() {
    let (_held, pid) = isolated(&["--newpid", "--newns"]);
    succeeds(&mut nsenter(pid, &["--mount"], &["sh", "-c", MOUNTS]));
    let listed = findmnt(Command::new("findmnt"), pid);
    let odd = listed.iter().find(|mount| mount["target"] == "/mnt/a b").expect("it is listed");
    assert_eq!((&odd["fsroot"], &odd["source"]), (&json!("/a b"), &json!("nsx odd")));
    let report = json(&mut nsx(["inspect", "--json", &pid.to_string()]));
    assert_mounts(&report["data"]["mounts"], &listed);
}

/// Every mount of a process, as findmnt tells.
pub fn findmnt(mut command: Command, pid: u32) -> Vec<Value> {
    let columns =
        "ID,PARENT,TARGET,FSTYPE,SOURCE,FSROOT,VFS-OPTIONS,FS-OPTIONS,PROPAGATION,MAJ:MIN";
    command.args(["--json", "--list", "--nofsroot", "--all", "-o", columns]);
    let listed = json(command.args(["--task", &pid.to_string()]));
    listed["filesystems"].as_array().expect("mounts").clone()
}

/// Section `mounts` against findmnt.
pub fn assert_mounts(mounts: &Value, listed: &[Value]) {
    let reference = listed.iter().map(|mount| {
        // findmnt says that whatever is not shared is private, and then what else it is.
        let propagation = match mount["propagation"].as_str().expect("a word") {
            "private" => "private",
            "shared" => "shared",
            "private,slave" => "slave",
            "shared,slave" => "shared slave",
            "unbindable" | "private,unbindable" => "unbindable",
            other => panic!("{other}"),
        };
        json!([
            mount["id"],
            mount["parent"],
            mount["target"],
            mount["fstype"],
            // Null where it is empty.
            mount["source"].as_str().unwrap_or_default(),
            mount["fsroot"],
            mount["vfs-options"],
            mount["fs-options"],
            is_read_only(&mount["vfs-options"]) || is_read_only(&mount["fs-options"]),
            propagation,
            mount["maj:min"],
        ])
    });
    // The kernel calls a root so that it was given no name of; findmnt looks for the device.
    let source = |mount: &Value| match &mount["source"] {
        source if source == "/dev/root" => {
            let same = listed.iter().find(|other| other["id"] == mount["id"]);
            same.map_or(Value::Null, |same| same["source"].clone())
        }
        source => source.clone(),
    };
    let nsx = mounts.as_array().expect("mounts").iter().map(|mount| {
        json!([
            mount["id"],
            mount["parent_id"],
            mount["target"],
            mount["fs_type"],
            source(mount),
            mount["root"],
            mount["options"],
            mount["fs_options"],
            mount["read_only"],
            mount["propagation"],
            mount["device"],
        ])
    });
    assert_eq!(set(nsx), set(reference));
}

fn is_read_only(options: &Value) -> bool {
    options.as_str().is_some_and(|options| options.split(',').next() == Some("ro"))
}

fn same_inodes() {
    let (_held, pid) = isolated(&["--newpid", "--newns", "--newnet", "--newipc"]);
    let listed = json(Command::new("lsns").args(["--json", "--task", &pid.to_string()]));
    let listed = listed["namespaces"].as_array().expect("namespaces");
    let own = |kind: &str| ["mnt", "net", "pid", "ipc"].contains(&kind);
    let reference = listed.iter().map(|namespace| {
        let kind = namespace["type"].as_str().expect("a kind");
        let host = std::fs::read_link(format!("/proc/self/ns/{kind}")).expect("our own");
        let inode = &namespace["ns"];
        let differs = host.to_str() != Some(&format!("{kind}:[{inode}]"));
        assert_eq!(differs, own(kind), "the reference: {namespace}");
        json!([kind, inode, differs])
    });
    let reference = set(reference);
    assert_eq!(reference.len(), NAMESPACES.len());
    let report = json(&mut nsx(["inspect", "--json", &pid.to_string()]));
    let namespaces = report["data"]["namespaces"].as_array().expect("namespaces").iter();
    let nsx = namespaces.map(|told| json!([told["kind"], told["inode"], told["own"]]));
    assert_eq!(set(nsx), reference);
}
