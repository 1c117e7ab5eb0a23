//! Containers as rows.

use super::column::{CellKind, Column, Style, or_dash};
use super::human;
use crate::model::container::{Container, Runtime, State};
use crate::model::namespace::Kind;
use crate::model::process::Pid;
use crate::model::text::Text;
use std::net::IpAddr;

type Row = Column<Container>;

const fn left(
    key: &'static str,
    heading: &'static str,
    cell: fn(&Container, Style) -> String,
) -> Row {
    Column { key, heading, kind: CellKind::Text, cuttable: false, cell }
}

const fn cuttable(
    key: &'static str,
    heading: &'static str,
    cell: fn(&Container, Style) -> String,
) -> Row {
    Column { key, heading, kind: CellKind::Text, cuttable: true, cell }
}

const fn number(
    key: &'static str,
    heading: &'static str,
    cell: fn(&Container, Style) -> String,
) -> Row {
    Column { key, heading, kind: CellKind::Number, cuttable: false, cell }
}

pub const COLUMNS: [Row; 12] = [
    left("runtime", "RUNTIME", |c, _| c.runtime.to_string()),
    cuttable("name", "NAME", |c, _| match (&c.name, &c.id) {
        (None, Some(_)) => "-".to_owned(),
        _ => c.label().to_string(),
    }),
    left("id", "ID", |c, style| or_dash(if style.whole { c.id.clone() } else { c.short_id() })),
    cuttable("image", "IMAGE", |c, _| or_dash(c.image.as_ref())),
    left("state", "STATE", |c, _| c.state.name().to_owned()),
    number("pid", "PID", |c, _| c.init.to_string()),
    number("procs", "PROCS", |c, _| c.processes.len().to_string()),
    cuttable("ip", "IP", |c, style| addresses(c, style.whole)),
    number("age", "AGE", |c, style| {
        or_dash(c.age_seconds.map(
            |age| {
                if style.bytes { age.to_string() } else { human::age(age) }
            },
        ))
    }),
    cuttable("own", "OWN", |c, _| c.own.to_string().replace(' ', ",")),
    cuttable("comm", "COMM", |c, _| c.comm.to_string()),
    cuttable("cgroup", "CGROUP", |c, _| c.cgroup.to_string()),
];

pub const DEFAULT: [&str; 9] =
    ["runtime", "name", "id", "image", "state", "pid", "procs", "ip", "age"];
pub const WIDE: [&str; 11] =
    ["runtime", "name", "id", "image", "state", "pid", "procs", "ip", "age", "own", "cgroup"];

fn addresses(container: &Container, whole: bool) -> String {
    match container.addresses.as_slice() {
        [] => "-".to_owned(),
        [first] => first.to_string(),
        [first, rest @ ..] if !whole => format!("{first} +{}", rest.len()),
        all => all.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(","),
    }
}

/// What `-o name` prints: what the container can be named by.
pub fn name(container: &Container) -> String {
    match (&container.name, &container.id) {
        (Some(name), _) | (None, Some(name)) => name.to_string(),
        (None, None) => container.init.to_string(),
    }
}

/// One container in JSON.
#[derive(Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JsonRow<'a> {
    pub runtime: Runtime,
    pub id: Option<&'a Text>,
    pub name: Option<&'a Text>,
    pub image: Option<&'a Text>,
    pub state: State,
    /// Its first process, as the host numbers it.
    pub pid: Pid,
    /// When that started, in clock ticks since boot: with `pid` an identity.
    pub start_ticks: u64,
    /// Command name of the first process.
    pub comm: &'a Text,
    pub processes: &'a [Pid],
    pub addresses: &'a [IpAddr],
    /// The namespaces it does not share with the host.
    pub namespaces_own: Vec<Kind>,
    pub cgroup: &'a Text,
    pub started_unix_seconds: Option<u64>,
    pub age_seconds: Option<u64>,
}

impl<'a> From<&'a Container> for JsonRow<'a> {
    fn from(container: &'a Container) -> Self {
        Self {
            runtime: container.runtime,
            id: container.id.as_ref(),
            name: container.name.as_ref(),
            image: container.image.as_ref(),
            state: container.state,
            pid: container.init,
            start_ticks: container.init_start_ticks,
            comm: &container.comm,
            processes: &container.processes,
            addresses: &container.addresses,
            namespaces_own: container.own.iter().collect(),
            cgroup: &container.cgroup,
            started_unix_seconds: container.started_unix_seconds,
            age_seconds: container.age_seconds,
        }
    }
}
