//! One target on one screen: quiet about what is normal, the most asked fact first.

use super::human;
use super::table::cut;
use crate::model::cgroup::{Cgroup, Limit};
use crate::model::container::Runtime;
use crate::model::inspection::{Inspection, Member, Namespace};
use crate::model::mount::Mount;
use crate::model::network::{Interface, Network};
use crate::model::text::Text;
use std::collections::HashMap;
use std::fmt::Write;

/// How much is told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Detail {
    /// Every mount and process, not the first ones.
    pub everything: bool,
    pub width: Option<usize>,
}

/// Mounts and processes beyond this are counted, unless everything is asked for.
const FEW: usize = 8;

/// A heading and its lines.
type Lines = (&'static str, Vec<String>);

pub fn screen(report: &Inspection, detail: Detail) -> String {
    let mut sections: Vec<Lines> = Vec::new();
    if let Some(namespaces) = &report.namespaces {
        sections.push(("namespaces", namespace_lines(namespaces)));
    }
    if let Some(uts) = &report.uts {
        let domain = match uts.domainname.as_bytes() {
            b"" | b"(none)" => String::new(),
            _ => format!("   domain {}", uts.domainname),
        };
        sections.push(("uts", vec![format!("hostname {}{domain}", uts.hostname)]));
    }
    if let Some(network) = &report.network {
        sections.push(("net", network_lines(network)));
    }
    if let Some(mounts) = &report.mounts {
        sections.push(("mounts", mount_lines(mounts, detail.everything)));
    }
    if let Some(cgroup) = &report.cgroup {
        sections.push(("cgroup", cgroup_lines(cgroup)));
    }
    if let Some(processes) = &report.processes {
        sections.push(("processes", process_lines(processes, detail.everything)));
    }
    let mut lines = vec![title(report)];
    for (heading, body) in sections {
        for (at, line) in body.iter().enumerate() {
            lines.push(format!("{:<12} {line}", if at == 0 { heading } else { "" }));
        }
    }
    let mut text = String::new();
    for mut line in lines {
        if let Some(width) = detail.width {
            cut(&mut line, width);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// `web   docker 6961dd4fce83   my_nginx:v1.0   running 3h   pid 30176 (1 inside)`
fn title(report: &Inspection) -> String {
    let mut parts = Vec::new();
    match &report.container {
        Some(container) => {
            parts.push(container.label().to_string());
            if container.runtime != Runtime::Unknown {
                let id = container
                    .id
                    .as_ref()
                    .map(|id| format!(" {}", id.shortened(13).trim_end_matches('…')));
                parts.push(format!("{}{}", container.runtime, id.unwrap_or_default()));
            }
            parts.extend(container.image.as_ref().map(Text::to_string));
            let age = container.age_seconds.map(|age| format!(" {}", human::age(age)));
            parts.push(format!("{}{}", container.state.name(), age.unwrap_or_default()));
        }
        None => parts.push(format!("{}   a process of the host", report.comm)),
    }
    let inside = match report.pid_inside {
        Some(inside) if inside != report.pid => format!(" ({inside} inside)"),
        _ => String::new(),
    };
    parts.push(format!("pid {}{inside}", report.pid));
    parts.join("   ")
}

fn namespace_lines(namespaces: &[Namespace]) -> Vec<String> {
    let list = |own| {
        let kinds = namespaces.iter().filter(|namespace| namespace.own == own);
        kinds.map(|namespace| namespace.kind.name()).collect::<Vec<_>>().join(" ")
    };
    let (own, shared) = (list(true), list(false));
    vec![match (own.is_empty(), shared.is_empty()) {
        (true, true) => "-".to_owned(),
        (true, false) => format!("all shared with the host: {shared}"),
        (false, true) => format!("own {own}"),
        (false, false) => format!("own {own} · shared with the host {shared}"),
    }]
}

fn network_lines(network: &Network) -> Vec<String> {
    let mut rows: Vec<Vec<String>> = Vec::new();
    for interface in &network.interfaces {
        let mut addresses = interface
            .addresses
            .iter()
            .map(|address| format!("{}/{}", address.address, address.prefix_length));
        rows.push(vec![
            interface.name.to_string(),
            interface.state.to_owned(),
            format!("mtu {}", interface.mtu_bytes),
            interface.mac.clone().unwrap_or_default(),
            [addresses.next().unwrap_or_default(), link_to(interface, network)].join("  "),
        ]);
        let blank = String::new;
        rows.extend(addresses.map(|address| vec![blank(), blank(), blank(), blank(), address]));
    }
    let mut lines: Vec<String> =
        super::table::align(rows, &[false; 5]).lines().map(str::to_owned).collect();
    for route in network.routes.iter().filter(|route| route.destination.is_none()) {
        let mut line = "default".to_owned();
        if let Some(gateway) = route.gateway {
            let _ = write!(line, " via {gateway}");
        }
        if let Some(interface) = &route.interface {
            let _ = write!(line, " dev {interface}");
        }
        if route.kind != "unicast" {
            let _ = write!(line, " {}", route.kind);
        }
        lines.push(line);
    }
    if network.incomplete {
        lines.push("incomplete: it changed faster than it could be read".to_owned());
    }
    if lines.is_empty() {
        lines.push("no interfaces".to_owned());
    }
    lines
}

/// Where the other end is, as far as this namespace says.
fn link_to(interface: &Interface, network: &Network) -> String {
    match (interface.peer_nsid, interface.peer_index) {
        (Some(_), Some(index)) => format!("<-> interface {index} of another namespace"),
        (None, Some(index)) if index != interface.index => {
            let peer = network.interfaces.iter().find(|peer| peer.index == index);
            peer.map_or_else(String::new, |peer| format!("<-> {}", peer.name))
        }
        _ => String::new(),
    }
}

fn mount_lines(mounts: &[Mount], everything: bool) -> Vec<String> {
    // Kernel file systems are in every container and are told only when asked for.
    let kernel =
        ["proc", "sysfs", "cgroup", "cgroup2", "devpts", "mqueue", "devtmpfs", "securityfs"];
    let telling =
        |mount: &&Mount| everything || !kernel.iter().any(|fs_type| mount.fs_type == *fs_type);
    let shown: Vec<&Mount> = mounts.iter().filter(telling).collect();
    let rows =
        shown.iter().take(if everything { usize::MAX } else { FEW }).map(|mount| mount_row(mount));
    let rows: Vec<_> = rows.collect();
    let count = rows.len();
    let mut lines: Vec<String> =
        super::table::align(rows, &[false; 4]).lines().map(str::to_owned).collect();
    if let Some(more) = mounts.len().checked_sub(count).filter(|more| *more > 0) {
        lines.push(format!("{more} more: --only mounts"));
    }
    lines
}

fn mount_row(mount: &Mount) -> Vec<String> {
    let access = if mount.read_only() { "ro" } else { "rw" };
    // A part of a file system that is mounted elsewhere too: a bind.
    let what = if mount.fs_type == "overlay" {
        layers(mount)
    } else if mount.root == "/" {
        mount.source.to_string()
    } else {
        format!("{}[{}]", mount.source, mount.root)
    };
    vec![mount.target.to_string(), mount.fs_type.to_string(), access.to_owned(), what]
}

fn layers(mount: &Mount) -> String {
    let options = mount.fs_options.as_bytes();
    let option = |key: &[u8]| {
        options.split(|byte| *byte == b',').find_map(|option| option.strip_prefix(key))
    };
    let lower = option(b"lowerdir=").map_or(0, |lower| lower.split(|byte| *byte == b':').count());
    let upper = option(b"upperdir=").map(|upper| format!(", upper {}", Text::new(upper)));
    format!("{}{}", human::count(lower, "lower layer"), upper.unwrap_or_default())
}

fn cgroup_lines(cgroup: &Cgroup) -> Vec<String> {
    let frozen = if cgroup.frozen == Some(true) { "   frozen" } else { "" };
    let mut lines = vec![format!("{}   {}{frozen}", cgroup.path, cgroup.version.name())];
    if let Some(memory) = &cgroup.memory {
        let mut parts =
            vec![against(human::bytes(memory.usage_bytes), &memory.limit, human::bytes, cgroup)];
        let more = [
            ("working set", memory.working_set_bytes),
            ("anon", memory.anon_bytes),
            ("file", memory.file_bytes),
            ("peak", memory.peak_bytes),
        ];
        parts.extend(more.iter().filter_map(|(name, value)| {
            value.map(|value| format!("{name} {}", human::bytes(value)))
        }));
        parts.extend(
            memory.oom_kills.filter(|kills| *kills > 0).map(|kills| format!("{kills} OOM kills")),
        );
        lines.push(format!("memory   {}", parts.join(" · ")));
    }
    if let Some(cpu) = &cgroup.cpu {
        let used = cpu.usage_usec.map_or_else(|| "-".to_owned(), human::usec);
        let mut parts = vec![format!("{used} used")];
        parts.push(match &cpu.limit_millicores {
            Limit::Unlimited => "no limit".to_owned(),
            limit => against(
                "limit".to_owned(),
                limit,
                |cores| format!("{} core", human::cores(cores)),
                cgroup,
            )
            .replace("limit of", "limit"),
        });
        if let (Some(periods), Some(throttled)) = (cpu.periods, cpu.throttled_periods)
            && let Some(percent) = (throttled * 100).checked_div(periods)
        {
            parts.push(format!("throttled in {percent} % of periods"));
        }
        lines.push(format!("cpu      {}", parts.join(" · ")));
    }
    if let Some(pids) = &cgroup.pids {
        lines.push(format!(
            "pids     {}",
            against(pids.current.to_string(), &pids.limit, |n| n.to_string(), cgroup)
        ));
    }
    if let Some(pressure) = &cgroup.pressure {
        let all = [("cpu", pressure.cpu), ("memory", pressure.memory), ("io", pressure.io)];
        let shown = all.iter().filter_map(|(name, value)| {
            value.map(|value| format!("{name} {:.0} %", value.some_avg10_percent))
        });
        lines.push(format!("pressure {} (10 s)", shown.collect::<Vec<_>>().join(" · ")));
    }
    lines
}

/// `12M of 64M`, and whose limit it is where it is an ancestor's.
fn against(used: String, limit: &Limit, unit: impl Fn(u64) -> String, cgroup: &Cgroup) -> String {
    match limit {
        Limit::Unlimited => format!("{used}, no limit"),
        Limit::Value { value, set_by } if *set_by == cgroup.path => {
            format!("{used} of {}", unit(*value))
        }
        Limit::Value { value, set_by } => format!("{used} of {} (set by {set_by})", unit(*value)),
    }
}

fn process_lines(processes: &[Member], everything: bool) -> Vec<String> {
    let mut depths: HashMap<_, usize> = HashMap::new();
    let mut rows = Vec::new();
    for member in processes {
        let depth =
            member.parent.and_then(|parent| depths.get(&parent)).map_or(0, |depth| depth + 1);
        depths.insert(member.pid, depth);
        let name = member.command.as_ref().unwrap_or(&member.comm);
        let branch = if depth > 0 {
            format!("{}└ ", "  ".repeat(depth.min(16) - 1))
        } else {
            String::new()
        };
        let ended = if member.state.ended() { " (zombie)" } else { "" };
        let inside = member.pid_inside.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        rows.push(vec![
            member.pid.to_string(),
            inside,
            format!("{branch}{}{ended}", name.shortened(120)),
        ]);
    }
    let count = rows.len();
    let shown = if everything { count } else { count.min(FEW) };
    rows.truncate(shown);
    let mut lines: Vec<String> =
        super::table::align(rows, &[true, true, false]).lines().map(str::to_owned).collect();
    if count > shown {
        lines.push(format!("{} more: --only processes", count - shown));
    }
    lines
}
