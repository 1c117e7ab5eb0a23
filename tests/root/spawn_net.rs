//! `spawn --net`: veth pairs, a target's network, none. Nothing is made in the host's network: each
//! test is in a network namespace of its own, in place of the host's.

use crate::support::outer::{Outer, interfaces, ip};
use crate::support::talk::{PING, reaches};
use crate::support::{
    Need, as_nobody, binary, kernel, namespace, nsx, output, public_nsx, stderr, stdout, succeeds,
    test, until,
};
use libtest_mimic::Trial;
use serde_json::Value;

const IP: &[Need] = &[Need::Root, Need::Program("ip"), Need::Program("nsenter")];
const IPV6: &[Need] = &[Need::Root, Need::Program("ip"), Need::Program("nsenter"), kernel::IPV6];
const TALK: &[Need] = &[
    Need::Root,
    Need::Program("ip"),
    Need::Program("nsenter"),
    Need::Program("perl"),
    kernel::IPV6,
];
const LESS: &[Need] =
    &[Need::Root, Need::Program("ip"), Need::Program("nsenter"), Need::Program("setpriv")];
const FAULTS: &[Need] =
    &[Need::Root, Need::Program("ip"), Need::Program("nsenter"), Need::Program("strace")];

pub fn tests() -> Vec<Trial> {
    vec![
        test("a veth pair has its addresses, route and mtu at both ends", IPV6, equipped),
        test("both ends of a pair talk at once, in both families", TALK, to_our_end),
        test("two programs that were spawned talk over a pair", TALK, between_two),
        test("a peer without a name gets the next that is free", IP, nameless),
        test("a name that is taken is said with its place, and nothing is left", IP, taken),
        test("the network of a target is joined, also in a new user namespace", IP, joined),
        test("host makes no network namespace, none makes one", IP, host_and_none),
        test("a pair in a new user namespace is its root's", IP, new_user),
        test("root without CAP_SYS_PTRACE makes pairs all the same", LESS, without_tracing),
        test("when the program has ended its pair is gone, and its name is free", IP, ended),
        test("when nsx is killed its pair goes too", IP, killed),
        test("a pair that cannot be equipped is not left behind", IPV6, half_way),
        test("whatever fails on the way, no interface is left and nothing runs", FAULTS, faults),
        test("no packet filter and no switch of the network is touched", IPV6, untouched),
        test("a pair of a namespace that is kept stays with it", IP, kept),
        test("who may change nothing in a network is told so", LESS, ordinary),
        test("in a user namespace of their own everybody makes pairs", LESS, in_their_own),
        test("the dry run says what would be made, and makes nothing", IP, dry),
        test("what is no network is refused before anything is made", IP, refused),
    ]
}

/// One interface with what it has: mtu, whether it is up, global addresses.
fn interface(pid: u32, name: &str) -> (i64, bool, Vec<String>) {
    let links = ip(pid, &["addr", "show", "dev", name]);
    let link = links.first().unwrap();
    let flags = link["flags"].as_array().unwrap();
    let addresses = link["addr_info"].as_array().unwrap().iter();
    let global = addresses.filter(|address| address["scope"] == "global").map(|address| {
        assert_ne!(address["tentative"], true, "it can be used at once");
        format!("{}/{}", address["local"].as_str().unwrap(), address["prefixlen"])
    });
    let up = flags.iter().any(|flag| flag == "UP") && flags.iter().any(|flag| flag == "LOWER_UP");
    (link["mtu"].as_i64().unwrap(), up, global.collect())
}

fn default_routes(pid: u32) -> Vec<String> {
    let both = [&["-4", "route"][..], &["-6", "route"]].map(|question| ip(pid, question));
    let defaults = both.iter().flatten().filter(|route| route["dst"] == "default");
    defaults.map(|route| format!("{} {}", route["gateway"], route["dev"])).collect()
}

fn equipped() {
    let outer = Outer::new();
    let (_held, pid) = outer.held(&[
        "--net",
        "veth:198.51.100.2/24,2001:db8::2/64,gw=198.51.100.1,gw=2001:db8::1,peer=blue,mtu=1400",
    ]);
    assert_eq!(interfaces(pid), ["eth0", "lo"]);
    let both = |last| vec![format!("198.51.100.{last}/24"), format!("2001:db8::{last}/64")];
    assert_eq!(interface(pid, "eth0"), (1400, true, both(2)));
    assert_eq!(interface(outer.pid, "blue"), (1400, true, both(1)));
    assert_eq!(default_routes(pid), [r#""198.51.100.1" "eth0""#, r#""2001:db8::1" "eth0""#]);
    assert!(default_routes(outer.pid).is_empty());
    let lo = ip(pid, &["addr", "show", "dev", "lo"]);
    assert!(lo[0]["flags"].to_string().contains("UP"), "{lo:?}");

    let (_bare, pid) = outer.held(&["--net", "veth:name=net1,peer=red"]);
    assert_eq!(interfaces(pid), ["lo", "net1"]);
    assert_eq!(interface(pid, "net1"), (1500, true, vec![]));
    assert_eq!(interface(outer.pid, "red"), (1500, true, vec![]));
    let options = ["--net", "veth:198.51.100.9/32,peer=green,peer-addr=203.0.113.1/24"];
    let (_other, pid) = outer.held(&options);
    assert_eq!(interface(pid, "eth0").2, ["198.51.100.9/32"]);
    assert_eq!(interface(outer.pid, "green").2, ["203.0.113.1/24"]);
}

fn to_our_end() {
    let outer = Outer::new();
    let network = "veth:198.51.100.2/24,2001:db8::2/64,gw=198.51.100.1,gw=2001:db8::1";
    for address in ["198.51.100.1", "2001:db8::1"] {
        // The first thing that the program does.
        let mut command = outer.spawn(&["--net", network], &["perl", "-e", PING, address]);
        assert_eq!(succeeds(&mut command), "answered\n", "{address}");
    }
    // The kernel has noted the carrier of both, without which it sends nothing.
    let look = format!("ip -br link; nsenter -t {} -n ip -br link", outer.pid);
    let said = succeeds(&mut outer.spawn(&["--net", network], &["sh", "-c", &look]));
    let pair = said.lines().filter(|line| line.starts_with("eth0@") || line.starts_with("nsx0@"));
    let up = pair.filter(|line| line.split_whitespace().nth(1) == Some("UP"));
    assert_eq!(up.count(), 2, "{said}");

    let (_held, pid) = outer.held(&["--net", network]);
    reaches(pid, outer.pid, "198.51.100.1");
    reaches(pid, outer.pid, "2001:db8::1");
    reaches(outer.pid, pid, "198.51.100.2");
    reaches(outer.pid, pid, "2001:db8::2");
}

fn between_two() {
    let outer = Outer::new();
    let name = format!("net-test-{}", std::process::id());
    let (first_held, first) = outer.held(&["--new-all", "--name", &name, "--net", "none"]);
    let network = format!(
        "veth:198.51.100.2/24,2001:db8::2/64,name=left,peer=right@nsx:{name},\
         peer-addr=198.51.100.3/24,peer-addr=2001:db8::3/64"
    );
    let (second_held, second) = outer.held(&["--new-all", "--net", &network]);
    outer.is_as_before();
    assert_eq!(interfaces(first), ["lo", "right"]);
    assert_eq!(interfaces(second), ["left", "lo"]);
    for (from, to, last) in [(second, first, 3), (first, second, 2)] {
        reaches(from, to, &format!("198.51.100.{last}"));
        reaches(from, to, &format!("2001:db8::{last}"));
    }
    // A third one, on a network with the first alone.
    let network = format!("veth:203.0.113.2/24,gw=203.0.113.1,peer=@{first}");
    let (_third, third) = outer.held(&["--net", &network]);
    assert_eq!(interfaces(first), ["lo", "nsx0", "right"]);
    reaches(third, first, "203.0.113.1");
    drop(second_held);
    until("the pair is gone", || interfaces(first) == ["lo", "nsx0"]);
    // Nobody holds the network of who has ended, who has an end of his pair there either.
    drop(first_held);
    until("the other pair is gone", || interfaces(third) == ["lo"]);
}

fn nameless() {
    let outer = Outer::new();
    let (first, _) = outer.held(&["--net", "veth"]);
    let (_second, _) = outer.held(&["--net", "veth"]);
    assert_eq!(outer.interfaces(), ["lo", "nsx0", "nsx1"]);
    drop(first);
    until("the first is gone", || outer.interfaces() == ["lo", "nsx1"]);
    // Which one it is can be heard.
    let said = succeeds(&mut outer.spawn(&["--status-fd", "1", "--net", "veth"], &["true"]));
    let started: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(started["peer"], "nsx0", "{said}");
    let said = succeeds(&mut outer.spawn(&["--status-fd", "1", "--net", "none"], &["true"]));
    let started: Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    assert_eq!(started["peer"], Value::Null, "{said}");
}

fn taken() {
    let outer = Outer::new();
    let said = outer.fails(&["--net", "veth:name=lo,peer=blue"]);
    let expected = "cannot make interface lo in the new network namespace: File exists";
    assert!(said.contains(expected) && said.contains("hint: "), "{said}");
    outer.is_as_before();

    let (_held, pid) = outer.held(&["--net", "veth:peer=blue"]);
    let said = outer.fails(&["--net", "veth:peer=blue"]);
    let expected = "cannot make interface blue in our network namespace: File exists";
    assert!(said.contains(expected), "{said}");
    let said = outer.fails(&["--net", &format!("veth:peer=eth0@{pid}")]);
    let expected = format!("interface eth0 in the network namespace of pid {pid}: File exists");
    assert!(said.contains(&expected), "{said}");
    // Whose it was has it still.
    assert_eq!(interfaces(pid), ["eth0", "lo"]);
    assert_eq!(outer.interfaces(), ["blue", "lo"]);
}

fn joined() {
    let outer = Outer::new();
    let (_first, first) = outer.held(&["-p", "--net", "veth:peer=blue"]);
    let theirs = namespace(first, "net");
    let file = format!("/proc/{first}/ns/net");
    for target in [first.to_string(), file, format!("ns:{}", theirs.trim_matches(not_digit))] {
        for options in [&[][..], &["-U"], &["--new-all"]] {
            let network = format!("join:{target}");
            let options = [options, &["--net", network.as_str()]].concat();
            let (_held, pid) = outer.held(&options);
            assert_eq!(namespace(pid, "net"), theirs, "{options:?}");
            assert_eq!(interfaces(pid), ["eth0", "lo"]);
            for kind in ["pid", "user"] {
                let is_new = namespace(pid, kind) != namespace("self", kind);
                let asked =
                    options.contains(&"--new-all") || (kind == "user" && options[0] == "-U");
                assert_eq!(is_new, asked, "{options:?} {kind}");
            }
        }
    }
    // One's own is joined already, whoever one is.
    let own = outer.pid.to_string();
    let (_held, pid) = outer.held(&["-u", "--net", &format!("join:{own}")]);
    assert_eq!(namespace(pid, "net"), namespace(outer.pid, "net"));

    let said = outer.fails(&["--net", &format!("join:/proc/{first}/ns/uts")]);
    assert!(said.contains("is a uts namespace, no net namespace"), "{said}");
    let said = outer.fails(&["--newnet", "--net", &format!("join:{first}")]);
    assert!(said.contains("--net join: makes none"), "{said}");
    let said = outer.fails(&["--net", "join:netns:no-such-network"]);
    assert!(said.contains("no network namespace called no-such-network"), "{said}");
}

fn not_digit(character: char) -> bool {
    !character.is_ascii_digit()
}

fn host_and_none() {
    let outer = Outer::new();
    let (_held, pid) = outer.held(&["--new-all", "--net", "host"]);
    assert_eq!(namespace(pid, "net"), namespace(outer.pid, "net"));
    assert_ne!(namespace(pid, "uts"), namespace(outer.pid, "uts"));
    for options in [&["--net", "none"][..], &["-n", "--net", "none"]] {
        let (_held, pid) = outer.held(options);
        assert_ne!(namespace(pid, "net"), namespace(outer.pid, "net"));
        let lo = &ip(pid, &["addr"])[..];
        assert!(lo.len() == 1 && lo[0]["flags"].to_string().contains("UP"), "{lo:?}");
    }
    let said = outer.fails(&["--newnet", "--net", "host"]);
    assert!(said.contains("--newnet makes a network namespace, --net host makes none"), "{said}");
    let said = outer.fails(&["--net", "host"]);
    assert!(said.contains("nothing to isolate"), "{said}");
}

fn new_user() {
    let outer = Outer::new();
    let network = "veth:198.51.100.2/24,gw=198.51.100.1,peer=blue";
    // Its root may take it down again.
    let command = "id -u; ip -br link show eth0; ip link set eth0 down && echo DOWN";
    let mut command = outer.spawn(&["-U", "--net", network], &["sh", "-c", command]);
    let said = succeeds(&mut command);
    assert!(said.starts_with("0\neth0@") && said.ends_with("DOWN\n"), "{said}");
    outer.is_as_before();
}

/// As root of a container mostly is: it may not trace what is protected, and nsx protects itself.
fn without_tracing() {
    let outer = Outer::new();
    let less = ["setpriv", "--bounding-set", "-sys_ptrace", "--inh-caps", "-sys_ptrace"];
    for options in [&[][..], &["-U"], &["-p", "--init"]] {
        let mut command = outer.run(less);
        command.arg(binary("nsx")).arg("spawn").args(options);
        command.args(["--net", "veth:198.51.100.2/24,peer=blue", "ip", "-br", "addr"]);
        let said = succeeds(&mut command);
        assert!(said.contains("198.51.100.2/24"), "{options:?}: {said}");
        outer.is_as_before();
    }
}

fn ended() {
    let outer = Outer::new();
    for options in [&[][..], &["-p"], &["-p", "--init"], &["--new-all"]] {
        let options = [options, &["--net", "veth:198.51.100.2/24,peer=blue"]].concat();
        for (program, code) in [
            (&["true"][..], 0),
            (&["sh", "-c", "exit 7"], 7),
            (&["no-such-program"], 127),
            (&["ip", "link", "delete", "eth0"], 0),
            // A process that it leaves behind keeps the namespace for a while.
            (&["sh", "-c", "sleep 1 >/dev/null 2>&1 &"], 0),
        ] {
            let output = output(&mut outer.spawn(&options, program));
            assert_eq!(output.status.code(), Some(code), "{options:?} {program:?}");
            // Not some time after: the next one may have the same name.
            outer.is_as_before();
        }
    }
}

fn killed() {
    let outer = Outer::new();
    for options in [&[][..], &["-p", "--init"]] {
        let options = [options, &["--net", "veth:peer=blue"]].concat();
        let (held, _) = outer.held(&options);
        assert_eq!(outer.interfaces(), ["blue", "lo"]);
        // By SIGKILL.
        drop(held);
        until("the pair is gone", || outer.interfaces() == ["lo"]);
    }
}

fn half_way() {
    let outer = Outer::new();
    let switch = "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6";
    succeeds(&mut outer.run(["sh", "-c", switch]));
    let network = "veth:198.51.100.2/24,peer=blue,peer-addr=2001:db8::1/64";
    let said = outer.fails(&["--net", network]);
    let expected = "cannot add address 2001:db8::1/64 to interface blue in our network namespace";
    assert!(said.contains(expected) && said.contains("IPv6 is switched off there"), "{said}");
    outer.is_as_before();
    // One after the other finds the name free.
    let script =
        r#"for turn in 1 2 3 4 5 6 7 8 9 10; do "$1" spawn --net "$2" echo RAN; done 2>&1"#;
    let mut command = outer.run(["sh", "-c", script, "sh"]);
    let output = output(command.arg(binary("nsx")).arg(network));
    assert_eq!(stdout(&output).matches(expected).count(), 10, "{}", stdout(&output));
    outer.is_as_before();
}

/// The kernel refuses one message after the other, in the process that nsx is and in those that it
/// lets open sockets.
fn faults() {
    let outer = Outer::new();
    let network = "veth:198.51.100.2/24,gw=198.51.100.1,peer=blue,mtu=1400";
    let mut refused = 0;
    for call in ["sendto", "setns", "socket", "recvfrom"] {
        for nth in 1..30 {
            let trace = ["-f", "-qq", "-o", "/dev/null", "-e"];
            let mut strace = outer.run(["strace"]);
            strace.args(trace).arg(format!("inject={call}:error=ENOBUFS:when={nth}"));
            strace.arg(binary("nsx")).args(["spawn", "--net", network, "echo", "RAN"]);
            let output = output(&mut strace);
            // At once, but where it is the deletion that fails: the kernel takes some time.
            until("nothing is left", || outer.interfaces() == ["lo"]);
            if output.status.success() && stdout(&output) == "RAN\n" {
                // The last messages delete the pair, or there was no such call any more.
                continue;
            }
            refused += 1;
            let said = (stdout(&output), output.status.code());
            assert_eq!(said, (String::new(), Some(125)), "{call} {nth}: {}", stderr(&output));
            assert!(stderr(&output).contains("cannot "), "{call} {nth}: {}", stderr(&output));
        }
    }
    assert!(refused > 12, "{refused}");
}

fn untouched() {
    let outer = Outer::new();
    let switches = || {
        let list = "cd /proc/sys/net && cat ipv4/ip_forward ipv6/conf/all/forwarding \
                    ipv4/conf/all/forwarding ipv4/conf/default/forwarding ipv4/conf/all/proxy_arp \
                    ipv4/conf/all/rp_filter ipv6/conf/default/forwarding";
        let chains = "; cat /proc/net/ip_tables_names /proc/net/ip6_tables_names 2>/dev/null; true";
        succeeds(&mut outer.run(["sh", "-c", &format!("{list}{chains}")]))
    };
    let before = switches();
    let (_held, _) = outer.held(&["--net", "veth:198.51.100.2/24,gw=198.51.100.1,peer=blue"]);
    assert_eq!(switches(), before);
    let of = |interface| {
        let switches = "cd /proc/sys/net/ipv4/conf/$1 && cat forwarding proxy_arp rp_filter";
        succeeds(&mut outer.run(["sh", "-c", switches, "sh", interface]))
    };
    assert_eq!(of("blue"), of("default"));
}

fn kept() {
    let outer = Outer::new();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("net");
    std::fs::write(&file, "").unwrap();
    // The mount stays in a mount namespace of the test's.
    let script = r#"
        nsx=$1 file=$2
        "$nsx" spawn --newnet="$file" --net veth /no/such/program 2>/dev/null
        echo "code $?, $(grep -c "$file" /proc/self/mountinfo) kept"
        ln -s "$file" "$file.link"
        "$nsx" spawn --newnet="$file.link" --net veth /no/such/program 2>/dev/null
        echo "by a link $?, $(grep -c "$file" /proc/self/mountinfo) kept"
        "$nsx" spawn --newnet="$file" --net veth:198.51.100.2/24,peer=blue true || exit 1
        ip -br link show blue && nsenter --net="$file" ip -br link show eth0
    "#;
    let mut command = outer.run(["unshare", "-m", "sh", "-c", script, "sh"]);
    let said = succeeds(command.arg(binary("nsx")).arg(&file));
    assert!(said.starts_with("code 127, 0 kept\nby a link 127, 0 kept\n"), "{said}");
    assert!(said.contains("blue@") && said.contains("eth0@"), "{said}");
    // With the mount its namespace goes.
    until("the pair is gone", || outer.interfaces() == ["lo"]);
}

fn ordinary() {
    let outer = Outer::new();
    let (_directory, copy) = public_nsx();
    let nobody = || {
        let mut command = outer.run(["setpriv", "--reuid", "65534", "--regid", "65534"]);
        command.arg("--clear-groups").arg(&copy).arg("spawn");
        command
    };
    let said = succeeds(nobody().args(["-U", "--net", "none", "ip", "-br", "addr"]));
    assert!(said.contains("127.0.0.1/8"), "{said}");

    let own = output(nobody().args(["-U", "--net", "veth:peer=blue", "echo", "RAN"]));
    let expected = "cannot put an interface into our network namespace: Operation not permitted";
    assert_eq!((own.status.code(), stdout(&own).as_str()), (Some(125), ""));
    let said = stderr(&own);
    assert!(said.contains(expected) && said.contains("hint: it takes CAP_NET_ADMIN"), "{said}");
    outer.is_as_before();

    // Nor may he join one of others, of which he can name the file.
    let other = Outer::new();
    let target = format!("join:{}", other.pid);
    for options in [&["-U"][..], &["-u"]] {
        let joining = output(nobody().args(options).args(["--net", &target, "echo", "RAN"]));
        assert_eq!((joining.status.code(), stdout(&joining).as_str()), (Some(125), ""));
        assert!(stderr(&joining).contains("the network namespace of pid"), "{}", stderr(&joining));
    }
}

fn in_their_own() {
    let (_directory, copy) = public_nsx();
    let script = format!(
        "ip link set lo up; {nsx} spawn --net veth:198.51.100.2/24,gw=198.51.100.1,peer=blue \
         ip -br addr show eth0; {nsx} spawn -U --net veth:198.51.100.2/24,peer=blue id -u; \
         ip -br link",
        nsx = copy.display()
    );
    let said = succeeds(as_nobody(&copy).args(["spawn", "-U", "-n", "sh", "-c", &script]));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 3, "{said}");
    assert!(lines[0].contains("198.51.100.2/24") && lines[1] == "0", "{said}");
    assert!(lines[2].starts_with("lo "), "{said}");
}

fn dry() {
    let outer = Outer::new();
    let network = format!("veth:198.51.100.2/24,gw=198.51.100.1,peer=blue@{}", outer.pid);
    let said = succeeds(&mut nsx(["spawn", "--dry-run", "--net", &network, "true"]));
    let line = said.lines().find(|line| line.starts_with("net ")).unwrap();
    assert!(line.contains("eth0 with 198.51.100.2/24 inside, blue with 198.51.100.1/24"), "{line}");
    assert!(said.starts_with("new       net\n"), "{said}");
    outer.is_as_before();
    let gone = output(&mut nsx(["spawn", "--dry-run", "--net", "join:netns:no-such", "true"]));
    assert_eq!(gone.status.code(), Some(125), "{}", stderr(&gone));
}

fn refused() {
    let outer = Outer::new();
    for (network, why) in [
        ("bridge", "bridge is no network"),
        ("veth:198.51.100.2", "no address with a prefix length"),
        ("veth:2001:db8::2/64,mtu=1000", "1280 or more"),
        ("veth:peer=blue@no-such-container", "no-such-container"),
        ("join:", "names no target"),
    ] {
        let said = outer.fails(&["--net", network]);
        assert!(said.contains(why), "{network}: {said}");
    }
    outer.is_as_before();
}
