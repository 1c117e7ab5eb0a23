//! Many network namespaces with a veth each, in a network namespace of the bench's own: what it costs
//! to find whose one is, beside a list of the links of each.

use super::report::Section;
use super::{Bench, peer};
use crate::{run, say};
use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};
use rustix::mount::MountFlags;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};
use std::fmt::Write as _;
use std::fs::File;
use std::net::TcpListener;
use std::os::fd::AsFd;
use std::path::Path;
use std::process::Command;

/// Where `ip netns` keeps them.
const NAMED: &str = "/run/netns";
const PORT: u16 = 8080;
const COUNT: usize = 500;

impl Bench {
    /// The same command again, where nothing of the machine's network is.
    pub(super) fn networks_apart(&mut self) -> Result<()> {
        let figures = tempfile::NamedTempFile::new()?;
        let mut command = peer("unshare", &["--net", "--mount", "--"])?;
        command.arg(std::env::current_exe()?);
        command.args(["bench", "--apart", "--only", "networks", "--json"]).arg(figures.path());
        command.args(["--seconds", &self.seconds.to_string()]);
        run::visibly(&mut command)?;
        let sections: Vec<Section> = serde_json::from_reader(figures)?;
        for section in sections {
            self.rows.extend(section.rows);
            self.notes.extend(section.notes);
        }
        Ok(())
    }

    pub(super) fn networks(&mut self) -> Result<()> {
        // The mount namespace is ours: what lies below /run is out of our sight, and untouched.
        rustix::mount::mount("nsx-bench", "/run", "tmpfs", MountFlags::empty(), None)?;
        std::fs::create_dir(NAMED)?;
        make(COUNT)?;
        let middle = COUNT / 2;
        let _listener = listen(&Path::new(NAMED).join(format!("w{middle}")))?;
        for (what, clue) in [
            ("whose veth", format!("if:v{middle}")),
            ("whose port", format!("port:{PORT}")),
            ("whose address", "ip:198.51.100.2".to_owned()),
        ] {
            let mut each = Command::new(std::env::current_exe()?);
            each.arg("bench-each-network");
            let Some(row) = self.compare(what, self.nsx("nsx-who", &[&clue]), each) else {
                continue;
            };
            let (ours, peer) = (row.ours_median_usec / 1e3, row.peer_median_usec / 1e3);
            self.notes.push(format!("{what}: {ours:.0} ms, the peer {peer:.0} ms"));
        }
        Ok(())
    }
}

fn make(count: usize) -> Result<()> {
    let mut lines = String::from("link set lo up\n");
    for number in 0..count {
        let _ = writeln!(lines, "netns add w{number}");
    }
    for number in 0..count {
        let _ = writeln!(lines, "link add v{number} type veth peer name eth0 netns w{number}");
    }
    let mut ip = run::plain(run::find("ip").context("ip is not installed")?);
    run::fed(ip.args(["-batch", "-"]), &lines)?;
    let middle = format!("w{}", count / 2);
    let address = ["-n", &middle, "addr", "add", "198.51.100.2/24", "dev", "eth0"];
    run::output(run::plain("ip").args(address)).map(drop)
}

/// A socket in that namespace, held by a process in this one.
fn listen(file: &Path) -> Result<TcpListener> {
    let there = || -> Result<TcpListener> {
        setns(File::open(file)?, CloneFlags::CLONE_NEWNET)?;
        Ok(TcpListener::bind(("0.0.0.0", PORT))?)
    };
    run::apart(there)
}

/// `xtask bench-each-network`: the least that looking into each can do.
pub(crate) fn each() -> Result<()> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(NAMED)? {
        setns(File::open(entry?.path())?, CloneFlags::CLONE_NEWNET)?;
        bytes += links()?;
    }
    say::line(format_args!("{bytes}"));
    Ok(())
}

/// How many bytes RTM_GETLINK of all answers with.
fn links() -> Result<usize> {
    let socket = rustix::net::socket_with(
        AddressFamily::NETLINK,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        // NETLINK_ROUTE is protocol 0.
        None,
    )?;
    rustix::net::connect(&socket, &netlink::SocketAddrNetlink::new(0, 0))?;
    // struct nlmsghdr: RTM_GETLINK with NLM_F_REQUEST | NLM_F_DUMP; then struct ifinfomsg.
    let mut request = Vec::from(32_u32.to_ne_bytes());
    request.extend(18_u16.to_ne_bytes());
    request.extend(0x301_u16.to_ne_bytes());
    request.resize(32, 0);
    rustix::net::send(&socket, &request, SendFlags::empty())?;
    let mut answer = vec![0_u8; 32 << 10];
    let mut bytes = 0;
    loop {
        let (read, _) = rustix::net::recv(socket.as_fd(), &mut answer[..], RecvFlags::empty())?;
        bytes += read;
        // NLMSG_DONE comes in a message of its own.
        if read < 16 || answer.get(4..6) == Some(&3_u16.to_ne_bytes()) {
            return Ok(bytes);
        }
    }
}
