//! Containers as rows.

use super::column::{self, Column, Style, cuttable, left, number, or_dash};
use super::filter::Filter;
use super::{human, table};
use crate::model::cgroup::Limit;
use crate::model::container::{Container, Label, State};
use crate::model::evidence::Evidence;
use crate::model::namespace::Kind;
use crate::model::pod::{Pod, Qos};
use crate::model::process::Pid;
use crate::model::runtime::Runtime;
use crate::model::targets::Targets;
use crate::model::text::Text;
use crate::model::usage::Usage;
use std::net::IpAddr;

type Row = Column<Container>;

/// All that `--columns` can name.
pub const COLUMNS: [Row; 23] = [
    left("runtime", "RUNTIME", |c, _| c.runtime.to_string()),
    cuttable("name", "NAME", name_cell),
    left("id", "ID", |c, style| or_dash(if style.whole { c.id.clone() } else { c.short_id() })),
    cuttable("image", "IMAGE", |c, _| or_dash(c.image.as_ref())),
    left("state", "STATE", |c, _| c.state.name().to_owned()),
    number("pid", "PID", |c, _| or_dash(c.init.as_ref().map(|init| init.pid))),
    number("procs", "PROCS", |c, _| c.processes.len().to_string()),
    left("ip", "IP", |c, style| addresses(c, style.whole)),
    number("age", "AGE", |c, style| {
        or_dash(c.age_seconds.map(
            |age| {
                if style.bytes { age.to_string() } else { human::age(age) }
            },
        ))
    }),
    cuttable("own", "OWN", |c, _| c.own.to_string().replace(' ', ",")),
    cuttable("comm", "COMM", |c, _| or_dash(c.init.as_ref().map(|init| &init.comm))),
    cuttable("cgroup", "CGROUP", |c, _| c.cgroup.to_string()),
    number("mem", "MEM", |c, style| or_dash(c.usage.as_ref().and_then(|u| memory_cell(u, style)))),
    number("cpu", "CPU", |c, style| or_dash(c.usage.as_ref().and_then(|u| cpu_cell(u, style)))),
    number("pids", "PIDS", |c, style| or_dash(c.usage.as_ref().and_then(|u| pids_cell(u, style)))),
    cuttable("pod", "POD", |c, _| or_dash(c.pod.as_ref().and_then(|pod| pod.name.as_ref()))),
    cuttable("namespace", "NAMESPACE", |c, _| {
        or_dash(c.pod.as_ref().and_then(|pod| pod.namespace.as_ref()))
    }),
    left("qos", "QOS", |c, _| or_dash(c.pod.as_ref().and_then(|pod| pod.qos).map(Qos::name))),
    cuttable("within", "WITHIN", |c, _| or_dash(c.within.as_ref())),
    left("owner", "OWNER", |c, _| match &c.owner_name {
        Some(name) => name.to_string(),
        None => or_dash(c.owner_uid),
    }),
    number("created", "CREATED", |c, _| or_dash(c.created_unix_seconds)),
    cuttable("labels", "LABELS", |c, _| {
        listed(c.labels.iter().map(|(key, value)| format!("{key}={value}")))
    }),
    cuttable("evidence", "EVIDENCE", |c, _| listed(c.evidence.iter().map(ToString::to_string))),
];

/// Those that take looking at control groups, and waiting.
pub const USAGE: [&str; 3] = ["mem", "cpu", "pids"];

/// Whether any of those is named, to be shown or to be compared.
pub fn ask_for_usage(columns: Option<&str>, filter: Option<&Filter>) -> bool {
    let shown = columns.map(|list| column::choose(&COLUMNS, &[], Some(list)));
    let is_shown = |columns: Vec<&Row>| columns.iter().any(|one| USAGE.contains(&one.key));
    shown.is_some_and(|columns| columns.is_ok_and(is_shown))
        || filter.is_some_and(|filter| filter.names(&COLUMNS, &USAGE))
}

/// The columns that are shown unless others are asked for. In a terminal of that width names and
/// addresses are worth more than what they would be cut for.
pub fn default_columns(
    rows: &[Container],
    wide: bool,
    usage: bool,
    width: Option<usize>,
) -> Vec<&'static str> {
    let mut keys = vec!["runtime", "name", "id", "image", "state", "pid", "procs", "ip"];
    if usage {
        keys.extend(USAGE);
    }
    keys.push("age");
    if wide {
        keys.extend(["own", "cgroup"]);
        return keys;
    }
    let spare = if usage { &["image", "id", "procs", "ip"][..] } else { &["image", "id"] };
    table::leave_out(&mut keys, spare, rows, &COLUMNS, width);
    keys
}

/// What is within another one stands below it, and whose it is behind it.
fn name_cell(container: &Container, style: Style) -> String {
    let nameless = container.name.is_none() && container.id.is_some();
    let is_pods = container.pod.as_ref().is_some_and(|pod| pod.namespace.is_some());
    let name = if nameless && !is_pods { "-".to_owned() } else { container.label().to_string() };
    if style.whole {
        return name;
    }
    let below = if container.depth > 0 { "└ " } else { "" };
    let indent = "  ".repeat(container.depth.saturating_sub(1));
    let owner = match (container.owner_uid, &container.owner_name) {
        (None | Some(0), _) => String::new(),
        (_, Some(user)) => format!(" ({user})"),
        (Some(uid), None) => format!(" (uid {uid})"),
    };
    format!("{indent}{below}{name}{owner}")
}

/// What would be left after reclaiming the file cache that nobody uses.
fn memory_cell(usage: &Usage, style: Style) -> Option<String> {
    let memory = usage.memory.as_ref()?;
    let used = memory.working_set_bytes.unwrap_or(memory.usage_bytes);
    let number = |bytes: u64| if style.bytes { bytes.to_string() } else { human::bytes(bytes) };
    Some(of_limit(used, &memory.limit, style, number))
}

/// Cores.
fn cpu_cell(usage: &Usage, style: Style) -> Option<String> {
    let limit = usage.cpu.as_ref().map(|cpu| cpu.limit_millicores.clone()).unwrap_or_default();
    let cores = |thousandths: u64| {
        if style.whole {
            return format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
        }
        let hundredths = (thousandths + 5) / 10;
        format!("{}.{:02}", hundredths / 100, hundredths % 100)
    };
    Some(of_limit(usage.cpu_millicores?, &limit, style, cores))
}

fn pids_cell(usage: &Usage, style: Style) -> Option<String> {
    let pids = usage.pids.as_ref()?;
    Some(of_limit(pids.current, &pids.limit, style, |number| number.to_string()))
}

/// For people the limit stands beside it; for scripts it is a number.
fn of_limit(used: u64, limit: &Limit, style: Style, number: impl Fn(u64) -> String) -> String {
    match limit.value().filter(|_| !style.whole) {
        Some(limit) => format!("{}/{}", number(used), number(limit)),
        None => number(used),
    }
}

fn listed(items: impl Iterator<Item = String>) -> String {
    let items: Vec<String> = items.collect();
    if items.is_empty() { "-".to_owned() } else { items.join(", ") }
}

fn addresses(container: &Container, whole: bool) -> String {
    match container.addresses.as_slice() {
        [] => "-".to_owned(),
        [first] => first.to_string(),
        [first, rest @ ..] if !whole => format!("{first} +{}", rest.len()),
        all => all.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(","),
    }
}

/// What `-o name` prints, a line each.
pub fn names(list: &[Container], targets: &Targets) -> String {
    list.iter().map(|container| targets.shortest(container).to_string() + "\n").collect()
}

/// One container in JSON.
#[derive(Debug, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct JsonRow<'a> {
    /// What made it; `unknown` where nothing tells.
    pub runtime: Runtime,
    /// Null where nothing tells one.
    pub id: Option<&'a Text>,
    /// Null where no record tells.
    pub name: Option<&'a Text>,
    /// Null where no record tells.
    pub image: Option<&'a Text>,
    /// By its processes where it has any, else by the record of its engine.
    pub state: State,
    /// Its first process, as the host numbers it; null where there is none.
    pub pid: Option<Pid>,
    /// When that started, in clock ticks since boot: with `pid` an identity.
    pub start_ticks: Option<u64>,
    /// Command name of the first process.
    pub comm: Option<&'a Text>,
    /// All of them, ascending; those of containers within it too.
    pub processes: &'a [Pid],
    /// Those that have ended and were not reaped, where it has a pid namespace of its own.
    pub zombies: &'a [Pid],
    /// Of its own network namespace, loopback and link-local left out.
    pub addresses: &'a [IpAddr],
    /// The namespaces it does not share with the host.
    pub namespaces_own: Vec<Kind>,
    /// The path that names it best, as /proc/PID/cgroup shows it.
    pub cgroup: &'a Text,
    /// When its first process started.
    pub started_unix_seconds: Option<u64>,
    /// Since its first process started.
    pub age_seconds: Option<u64>,
    /// When its engine made it; null where no record tells.
    pub created_unix_seconds: Option<u64>,
    /// Null where it belongs to none, as far as that is told.
    pub pod: Option<&'a Pod>,
    /// What somebody gave it when it was made: an object of texts.
    #[cfg_attr(feature = "schema", schemars(with = "std::collections::BTreeMap<Text, Text>"))]
    #[serde(serialize_with = "as_map")]
    pub labels: &'a [Label],
    /// The user who runs it, where that is known.
    pub owner_uid: Option<u32>,
    /// What the host calls that user; null for root.
    pub owner_name: Option<&'a Text>,
    /// What the container that it runs in is called; null for one of the host.
    pub within: Option<&'a Text>,
    /// How many containers it runs in.
    pub depth: usize,
    /// Its processes are those of a kernel of its own: what is inside cannot be seen from the host.
    pub opaque: bool,
    /// The facts that led to saying what it is.
    pub evidence: &'a [Evidence],
    /// Null unless it was asked for.
    pub usage: Option<&'a Usage>,
}

fn as_map<S: serde::Serializer>(labels: &[Label], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(labels.iter().map(|(key, value)| (key, value)))
}

impl<'a> From<&'a Container> for JsonRow<'a> {
    fn from(container: &'a Container) -> Self {
        Self {
            runtime: container.runtime,
            id: container.id.as_ref(),
            name: container.name.as_ref(),
            image: container.image.as_ref(),
            state: container.state,
            pid: container.init.as_ref().map(|init| init.pid),
            start_ticks: container.init.as_ref().map(|init| init.start_ticks),
            comm: container.init.as_ref().map(|init| &init.comm),
            processes: &container.processes,
            zombies: &container.zombies,
            addresses: &container.addresses,
            namespaces_own: container.own.iter().collect(),
            cgroup: &container.cgroup,
            started_unix_seconds: container.started_unix_seconds,
            age_seconds: container.age_seconds,
            created_unix_seconds: container.created_unix_seconds,
            pod: container.pod.as_ref(),
            labels: &container.labels,
            owner_uid: container.owner_uid,
            owner_name: container.owner_name.as_ref(),
            within: container.within.as_ref(),
            depth: container.depth,
            opaque: container.guest_of().is_some(),
            evidence: &container.evidence,
            usage: container.usage.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::cgroup::Pids;
    use crate::render::table::Layout;

    fn shown(name: &str, usage: bool, width: Option<usize>) -> String {
        let container = Container {
            runtime: Runtime::Docker,
            id: Some("6961dd4fce83c1e2".into()),
            name: Some(name.into()),
            image: Some("registry.example/shop/web:1.2".into()),
            addresses: vec!["198.51.100.200".parse().unwrap()],
            age_seconds: Some(120),
            usage: usage.then(|| Usage {
                cpu_millicores: Some(250),
                pids: Some(Pids { current: 7, ..Pids::default() }),
                ..Usage::default()
            }),
            ..Container::default()
        };
        let rows = [container];
        let keys = default_columns(&rows, false, usage, width);
        let columns: Vec<_> =
            keys.iter().filter_map(|key| COLUMNS.iter().find(|one| one.key == *key)).collect();
        table::table(&rows, &columns, Layout { headings: true, width, ..Layout::default() })
    }

    #[test]
    fn a_thousandth_of_a_processor_is_more_than_none() {
        let cell = |cpu_millicores, style| {
            let usage = Usage { cpu_millicores: Some(cpu_millicores), ..Usage::default() };
            cpu_cell(&usage, style).unwrap()
        };
        let whole = Style { whole: true, ..Style::default() };
        assert_eq!([7, 250, 1999].map(|cpu| cell(cpu, Style::default())), ["0.01", "0.25", "2.00"]);
        assert_eq!([7, 250, 1999].map(|cpu| cell(cpu, whole)), ["0.007", "0.250", "1.999"]);
    }

    #[test]
    fn a_narrow_terminal_shows_names_and_addresses_rather_than_what_they_would_be_cut_for() {
        let cases = [
            (
                "web".to_owned(),
                false,
                "RUNTIME  NAME  ID                STATE    PID  PROCS  IP              AGE\n\
                 docker   web   6961dd4fce83c1e2  running    -      0  198.51.100.200   2m\n",
            ),
            (
                "a-name-of-some-length".to_owned(),
                false,
                "RUNTIME  NAME                   STATE    PID  PROCS  IP              AGE\n\
                 docker   a-name-of-some-length  running    -      0  198.51.100.200   2m\n",
            ),
            (
                "long".repeat(12),
                false,
                "RUNTIME  NAME                           STATE    PID  PROCS  IP              AGE\n\
                 docker   longlonglonglonglonglonglong…  running    -      0  198.51.100.200   2m\n",
            ),
            (
                "a-name-of-some-length".to_owned(),
                true,
                "RUNTIME  NAME                   STATE    PID  MEM   CPU  PIDS  AGE\n\
                 docker   a-name-of-some-length  running    -    -  0.25     7   2m\n",
            ),
        ];
        for (name, usage, expected) in cases {
            assert_eq!(shown(&name, usage, Some(80)), expected);
        }
        for width in [None, Some(200)] {
            let whole = shown("a-name-of-some-length", true, width);
            assert!(whole.contains("  registry.example/shop/web:1.2  "), "{whole}");
        }
    }
}
