//! Where clues lead, a row a trail.

use super::column::{CellKind, Column, Style, or_dash};
use super::{ps, table};
use crate::model::container::Container;
use crate::model::process::Pid;
use crate::model::targets::Targets;
use crate::model::text::Text;
use crate::model::trail::{Answer, By, InNet, Owner, Published, Step, Trail};
use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

/// One trail, with the clue that it begins at.
#[derive(Debug)]
pub struct Row<'a> {
    clue: &'a Text,
    kind: &'static str,
    trail: &'a Trail,
    /// A target that means the owner and nothing else.
    target: Option<Text>,
    /// The same with the runtime, of a container.
    full: Option<Text>,
}

/// A row a trail; `all` are those that a name may not be mistaken for.
pub fn rows<'a>(answers: &'a [Answer], all: &[Container]) -> Vec<Row<'a>> {
    let targets = Targets::of(all);
    let mut rows = Vec::new();
    for Answer { clue, kind, trails } in answers {
        for trail in trails {
            let target = match &trail.owner {
                Owner::Container(one) => Some(targets.shortest(one)),
                Owner::Host { unit: Some(unit) } => Some(format!("unit:{unit}").into()),
                // A container may be called `host`.
                Owner::Host { unit: None } => Some("1".into()),
                Owner::Namespace { key, .. } => Some(format!("ns:{}", key.inode).into()),
                Owner::Unknown => None,
            };
            let full = match &trail.owner {
                Owner::Container(one) => Some(targets.full(one)),
                _ => None,
            };
            rows.push(Row { clue, kind, trail, target, full });
        }
    }
    rows
}

impl Row<'_> {
    fn container(&self) -> Option<&Container> {
        match &self.trail.owner {
            Owner::Container(container) => Some(container),
            _ => None,
        }
    }
}

type Cell = fn(&Row<'_>, Style) -> String;

const fn column<'a>(
    key: &'static str,
    heading: &'static str,
    cuttable: bool,
    cell: Cell,
) -> Column<Row<'a>> {
    Column { key, heading, kind: CellKind::Text, cuttable, cell }
}

/// What is shown unless other columns are asked for; the clue only where there are several. In a
/// terminal of that width the way is worth more than what it would be cut for.
pub fn default_columns(rows: &[Row<'_>], several: bool, width: Option<usize>) -> Vec<&'static str> {
    let clue = several.then_some("clue");
    let mut keys: Vec<_> =
        clue.into_iter().chain(["owner", "runtime", "id", "image", "via"]).collect();
    table::leave_out(&mut keys, &["image", "id"], rows, &columns(), width);
    keys
}

/// All that `--columns` can name.
pub const fn columns<'a>() -> [Column<Row<'a>>; 11] {
    [
        column("clue", "CLUE", true, |row, _| row.clue.to_string()),
        column("kind", "KIND", false, |row, _| row.kind.to_owned()),
        column("via", "VIA", true, |row, style| via(&row.trail.steps, style)),
        column("owner", "OWNER", true, |row, _| owner(&row.trail.owner)),
        column("runtime", "RUNTIME", false, |row, _| match &row.trail.owner {
            Owner::Container(container) => container.runtime.to_string(),
            Owner::Host { .. } => "host".to_owned(),
            Owner::Namespace { .. } | Owner::Unknown => "-".to_owned(),
        }),
        column("id", "ID", false, |row, style| {
            let id = |one: &Container| if style.whole { one.id.clone() } else { one.short_id() };
            or_dash(row.container().and_then(id))
        }),
        column("image", "IMAGE", true, |row, _| {
            or_dash(row.container().and_then(|one| one.image.as_ref()))
        }),
        column("pod", "POD", true, |row, _| {
            or_dash(row.container().and_then(|one| one.pod.as_ref()?.path()))
        }),
        column("pid", "PID", false, |row, _| or_dash(pid(row))),
        column("state", "STATE", false, |row, _| {
            or_dash(row.container().map(|one| one.state.name()))
        }),
        column("target", "TARGET", true, |row, _| or_dash(row.target.as_ref())),
    ]
}

fn pid(row: &Row<'_>) -> Option<Pid> {
    row.container()?.init.as_ref().map(|init| init.pid)
}

fn owner(owner: &Owner) -> String {
    match owner {
        Owner::Container(container) => {
            let label = container.label();
            if label.is_empty() { "-".to_owned() } else { label.to_string() }
        }
        Owner::Host { unit } => or_dash(unit.as_ref()),
        Owner::Namespace { key, name } => {
            name.as_ref().map_or_else(|| key.to_string(), ToString::to_string)
        }
        Owner::Unknown => "?".to_owned(),
    }
}

/// A target that means the owner, a line each; of the host its unit, or its first process.
pub fn names(rows: &[Row<'_>]) -> String {
    let mut seen = HashSet::new();
    let mut lines = String::new();
    for target in rows.iter().filter_map(|row| row.target.as_ref()) {
        if seen.insert(target) {
            let _ = writeln!(lines, "{target}");
        }
    }
    lines
}

/// `pid 30221 (nginx) -> cgroup /docker/6961dd4fce83…`
fn via(steps: &[Step], style: Style) -> String {
    let steps: Vec<String> = steps.iter().map(|step| words(step, style)).collect();
    if steps.is_empty() { "-".to_owned() } else { steps.join(" -> ") }
}

fn words(step: &Step, style: Style) -> String {
    match step {
        Step::Process { pid, thread, comm, pid_inside } => {
            let thread = thread.map(|thread| format!("thread {thread} of ")).unwrap_or_default();
            let inside = pid_inside.map(|inside| format!(", {inside} inside")).unwrap_or_default();
            format!("{thread}pid {pid} ({comm}{inside})")
        }
        Step::Use { pid, comm, by } => format!("{} pid {pid} ({comm})", use_words(*by)),
        Step::Cgroup { path } => format!("cgroup {}", shortened(path, style)),
        Step::Unit { name } => format!("unit {name}"),
        Step::Namespace { kind, inode, name } => {
            let name = name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            format!("{kind}:[{inode}]{name}")
        }
        Step::Interface { name, kind, at, .. } => {
            let is_plain = kind.is_empty() || *kind == "loopback";
            let kind = if is_plain { String::new() } else { format!(" ({kind})") };
            format!("{name}{kind}{}", in_net(*at))
        }
        Step::Address { address, prefix_length } => format!("{address}/{prefix_length}"),
        Step::Socket {
            protocol,
            state,
            address,
            port,
            peer_address,
            peer_port,
            sockets,
            at,
            ..
        } => {
            let here = endpoint(*address, *port);
            let peer = peer_address.zip(*peer_port);
            let peer = peer.map(|(address, port)| format!(" - {}", endpoint(address, port)));
            let peer = peer.unwrap_or_default();
            let several =
                if *sockets > 1 { format!(" ({sockets} sockets)") } else { String::new() };
            format!("{} {here}{peer} {state}{several}{}", protocol.name(), in_net(*at))
        }
        Step::UnixSocket { kind, state, path, at, .. } => {
            let path = path.as_ref().map(|path| format!(" {path}")).unwrap_or_default();
            format!("unix {kind}{path} {state}{}", in_net(*at))
        }
        Step::OtherSocket { inode, at } => {
            format!("socket:[{inode}]{}", in_net(*at))
        }
        Step::Published(published) => published_words(published),
        Step::Mount { target, fs_type, device, role, namespace, .. } => {
            let within = namespace.map(|inode| format!(" in mnt:[{inode}]")).unwrap_or_default();
            let device = device.map(|device| format!(" {device}")).unwrap_or_default();
            format!("{role} {} ({fs_type}{device}){within}", shortened(target, style))
        }
        Step::Layer { path, role } => format!("{role} layer {}", shortened(path, style)),
        Step::Device { device, name } => {
            let name = name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
            format!("device {device}{name}")
        }
        Step::Record { path } => format!("record {}", shortened(path, style)),
    }
}

fn use_words(by: By) -> String {
    match by {
        By::Root => "root directory of".to_owned(),
        By::WorkingDirectory => "working directory of".to_owned(),
        By::Program => "program of".to_owned(),
        By::Descriptor { number } => format!("fd {number} of"),
        By::Mapping => "mapped by".to_owned(),
        By::Thread { thread } => format!("thread {thread} of"),
        By::NextChild => "for the next child of".to_owned(),
        By::Socket { number } => format!("socket fd {number} of"),
    }
}

fn in_net(at: InNet) -> String {
    match at {
        InNet { namespace: Some(inode), .. } => format!(" in net:[{inode}]"),
        InNet { namespace_known: true, .. } => String::new(),
        InNet { .. } => " in a network namespace that may not be seen".to_owned(),
    }
}

fn endpoint(address: IpAddr, port: u16) -> String {
    if address.is_unspecified() {
        return format!("*:{port}");
    }
    SocketAddr::new(address, port).to_string()
}

/// `published *:18080/tcp to 80`
fn published_words(published: &Published) -> String {
    let Published { protocol, host_address, host_port, container_port } = published;
    let here = match host_address {
        Some(address) => endpoint(*address, *host_port),
        None => format!("*:{host_port}"),
    };
    format!("published {here}/{} to {container_port}", protocol.name())
}

/// Ids of 64 digits as people know them.
fn shortened(path: &Text, style: Style) -> String {
    const LONG: usize = 64;
    let text = path.to_string();
    if style.whole {
        return text;
    }
    let mut short = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        let (kept, mark) = if digits == LONG { (12, "…") } else { (digits, "") };
        short.push_str(rest.get(..kept).unwrap_or_default());
        short.push_str(mark);
        let mut after = rest.get(digits..).unwrap_or_default().chars();
        short.extend(after.next());
        rest = after.as_str();
    }
    short
}

/// One trail in JSON.
#[derive(Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JsonRow<'a> {
    /// As it was spelled.
    pub clue: &'a Text,
    /// What it was taken for.
    pub kind: &'static str,
    /// From the clue on.
    pub steps: &'a [Step],
    /// Where the steps end.
    pub owner: JsonOwner<'a>,
}

/// Whose a clue is.
#[derive(Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum JsonOwner<'a> {
    /// Of a process the innermost, of a namespace the one whose own it is.
    Container {
        /// A target that means it.
        target: Text,
        /// The same as in `nsx ps`.
        container: Box<ps::JsonRow<'a>>,
    },
    /// In no container.
    Host {
        /// The service that it belongs to.
        unit: Option<&'a Text>,
    },
    /// Nobody is in it.
    Namespace {
        /// The word in `/proc/PID/ns`: `net`.
        #[serde(rename = "type")]
        kind: &'static str,
        /// As `/proc/PID/ns` shows it.
        inode: u64,
        /// `blue`, of /run/netns/blue, or a whole path; null where no mount of it is known.
        name: Option<&'a Text>,
    },
    /// It could not be seen.
    Unknown,
}

impl<'a> From<&'a Row<'_>> for JsonRow<'a> {
    fn from(row: &'a Row<'_>) -> Self {
        let owner = match &row.trail.owner {
            Owner::Container(container) => JsonOwner::Container {
                target: row.full.clone().unwrap_or_default(),
                container: Box::new(ps::JsonRow::from(&**container)),
            },
            Owner::Host { unit } => JsonOwner::Host { unit: unit.as_ref() },
            Owner::Namespace { key, name } => JsonOwner::Namespace {
                kind: key.kind.name(),
                inode: key.inode,
                name: name.as_ref(),
            },
            Owner::Unknown => JsonOwner::Unknown,
        };
        Self { clue: row.clue, kind: row.kind, steps: &row.trail.steps, owner }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::namespace::{Kind, NsKey};

    #[test]
    fn a_narrow_terminal_shows_the_way_rather_than_what_is_not_known() {
        let step = |name: &str| Step::Interface {
            name: name.into(),
            index: 1,
            kind: "loopback".into(),
            at: InNet { namespace: Some(4_026_532_280), namespace_known: true },
        };
        let owner = Owner::Namespace { key: NsKey { kind: Kind::Net, inode: 1 }, name: None };
        let answers = |name: &str| {
            let trails = vec![Trail { steps: vec![step(name)], owner: owner.clone() }];
            [Answer { clue: "if:lo".into(), kind: "if", trails }]
        };
        let shown = |answers: &[Answer], several: bool, width: Option<usize>| {
            default_columns(&rows(answers, &[]), several, width).join(" ")
        };
        // OWNER, RUNTIME, ID, IMAGE, and a way of 24 columns: 56.
        let short = answers("lo");
        assert_eq!(words(&step("lo"), Style::default()), "lo in net:[4026532280]");
        assert_eq!(shown(&short, false, Some(52)), "owner runtime id image via");
        assert_eq!(shown(&short, false, Some(48)), "owner runtime id via");
        assert_eq!(shown(&short, true, Some(48)), "clue owner runtime via");
        assert_eq!(shown(&short, false, None), "owner runtime id image via");
        let long = answers(&"x".repeat(100));
        assert_eq!(shown(&long, false, Some(80)), "owner runtime via");
        assert_eq!(shown(&long, false, None), "owner runtime id image via");
    }
}
