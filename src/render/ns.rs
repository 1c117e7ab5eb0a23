//! Namespaces as rows.

use super::column::{Column, Style, cuttable, left, number, or_dash};
use crate::model::census::{Fact, Holder, Namespace, Occupant};
use crate::model::gap::{self, Gap};
use crate::model::namespace::Kind;
use crate::model::text::Text;

/// A namespace, and where it hangs in a tree.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// The one that the row tells of.
    pub namespace: &'a Namespace,
    /// What is drawn before it in a tree.
    pub branch: String,
    /// Others may be in it than those that were seen.
    pub is_open: bool,
}

impl<'a> Row<'a> {
    /// A row of a list, which hangs below no other; `gaps` are those of its census.
    pub fn new(namespace: &'a Namespace, gaps: &[Gap]) -> Self {
        let lacks_init = namespace.of_host && gaps.iter().any(Gap::is_of_init);
        let is_open = lacks_init || gap::leave_members_open(gaps);
        Self { namespace, branch: String::new(), is_open }
    }
}

impl std::ops::Deref for Row<'_> {
    type Target = Namespace;

    fn deref(&self) -> &Namespace {
        self.namespace
    }
}

/// All that `--columns` can name.
pub const fn columns<'a>() -> [Column<Row<'a>>; 18] {
    [
        left("ns", "NS", |ns, style| {
            let branch = if style.whole { "" } else { &ns.branch };
            format!("{branch}{}", ns.inode)
        }),
        left("type", "TYPE", kind),
        number("nprocs", "NPROCS", |ns, _| {
            or_dash(Some(ns.processes).filter(|seen| *seen > 0 || !ns.is_open))
        }),
        number("threads", "THREADS", |ns, _| or_dash(ns.threads.known())),
        number("pid", "PID", |ns, _| or_dash(ns.first.as_ref().map(|first| first.pid))),
        number("ppid", "PPID", |ns, _| {
            or_dash(ns.first.as_ref().and_then(|first| first.parent.known().copied().flatten()))
        }),
        number("uid", "UID", |ns, _| or_dash(ns.uid)),
        left("user", "USER", |ns, _| match (&ns.user, ns.uid) {
            (Some(name), _) => name.to_string(),
            (None, uid) => or_dash(uid),
        }),
        number("netnsid", "NETNSID", net_id),
        cuttable("nsfs", "NSFS", |ns, style| list(ns.mounts.iter().map(Text::to_string), style)),
        number("pns", "PNS", |ns, _| or_dash(ns.parent.known().copied().flatten())),
        number("ons", "ONS", |ns, _| or_dash(ns.owner.known().copied().flatten())),
        number("nsid", "NSID", |ns, _| or_dash(ns.id.known())),
        left("host", "HOST", |ns, _| if ns.of_host { "host" } else { "-" }.to_owned()),
        cuttable("container", "CONTAINER", |ns, _| {
            or_dash(ns.container.known().and_then(Option::as_ref))
        }),
        cuttable("holders", "HOLDERS", |ns, style| {
            list(ns.holders.known().into_iter().flatten().map(holder), style)
        }),
        cuttable("path", "PATH", |ns, _| or_dash(path(ns))),
        cuttable("command", "COMMAND", |ns, _| {
            or_dash(ns.first.as_ref().map(|first| &first.command))
        }),
    ]
}

/// What is shown unless something else is asked for.
pub const DEFAULT: [&str; 6] = ["ns", "type", "nprocs", "pid", "user", "command"];
/// Where all rows are network namespaces.
pub const OF_NETWORKS: [&str; 8] =
    ["ns", "type", "nprocs", "pid", "user", "netnsid", "nsfs", "command"];
/// Where some namespaces have a thread of a process that is elsewhere.
pub const WITH_THREADS: [&str; 7] = ["ns", "type", "nprocs", "threads", "pid", "user", "command"];
/// Where namespaces without a process are listed.
pub const WITH_HOLDERS: [&str; 7] = ["ns", "type", "nprocs", "pid", "user", "holders", "command"];
/// What `-o wide` shows.
pub const WIDE: [&str; 12] = [
    "ns",
    "type",
    "nprocs",
    "pid",
    "ppid",
    "user",
    "pns",
    "ons",
    "netnsid",
    "nsfs",
    "container",
    "command",
];

/// A star is the host's own.
fn kind(namespace: &Row<'_>, style: Style) -> String {
    let mark = if namespace.of_host && !style.whole { "*" } else { "" };
    [namespace.kind.name(), mark].concat()
}

fn net_id(namespace: &Row<'_>, _: Style) -> String {
    match &namespace.net_id {
        Fact::Known(Some(id)) => id.to_string(),
        Fact::Known(None) if namespace.kind == Kind::Net => "unassigned".to_owned(),
        _ => "-".to_owned(),
    }
}

/// The first, and how many more; all where nothing is shortened.
fn list(items: impl Iterator<Item = String>, style: Style) -> String {
    let items: Vec<String> = items.collect();
    match items.as_slice() {
        [] => "-".to_owned(),
        [first] => first.clone(),
        [first, rest @ ..] if !style.whole => format!("{first} +{}", rest.len()),
        all => all.join(","),
    }
}

/// Where it can be opened.
fn path(namespace: &Namespace) -> Option<String> {
    let by_holder = || {
        let mut holders = namespace.holders.known().into_iter().flatten();
        holders.find_map(|holder| match holder {
            Holder::ForChildren { pid } => {
                Some(format!("/proc/{pid}/ns/{}_for_children", namespace.kind))
            }
            Holder::Descriptor { pid, number } => Some(format!("/proc/{pid}/fd/{number}")),
            Holder::Mount { target, through: Some(pid), .. } => {
                Some(format!("/proc/{pid}/root{target}"))
            }
            _ => None,
        })
    };
    match &namespace.first {
        Some(first) => Some(link(first, namespace.kind)),
        None => namespace.mounts.first().map(Text::to_string).or_else(by_holder),
    }
}

/// The link to a namespace of that kind of a process, or of its thread.
pub fn link(occupant: &Occupant, kind: Kind) -> String {
    let pid = occupant.pid;
    match occupant.thread {
        Some(thread) => format!("/proc/{pid}/task/{thread}/ns/{kind}"),
        None => format!("/proc/{pid}/ns/{kind}"),
    }
}

/// One inode a line.
pub fn names(rows: &[Row<'_>]) -> String {
    rows.iter().map(|row| row.inode.to_string() + "\n").collect()
}

/// What keeps it alive beside processes: all that was found, or else the mounts that we see ourselves.
pub fn holders(namespace: &Namespace) -> Option<String> {
    let mut holders: Vec<String> =
        namespace.holders.known().into_iter().flatten().map(holder).collect();
    if holders.is_empty() {
        holders.extend(namespace.mounts.iter().map(|target| format!("mount {target}")));
    }
    (!holders.is_empty()).then(|| holders.join(", "))
}

pub(super) fn holder(holder: &Holder) -> String {
    match holder {
        Holder::ForChildren { pid } => format!("children of {pid}"),
        Holder::Thread { pid, thread } => format!("thread {thread} of {pid}"),
        Holder::Descriptor { pid, number } => format!("fd {number} of {pid}"),
        Holder::Socket { pid, number } => format!("socket {number} of {pid}"),
        Holder::Mount { namespace, target, .. } => format!("mount {target} in mnt:[{namespace}]"),
        Holder::Child { of, inode } => format!("{of}:[{inode}]"),
        Holder::Unseen => "?".to_owned(),
    }
}
