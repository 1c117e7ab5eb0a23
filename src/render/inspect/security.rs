//! The security section: as whom it runs, what it may do, and why that is more than usual.

use crate::model::capability::CapSet;
use crate::model::security::{Devices, Id, IdRange, Ids, Seccomp, Security, StrongerThreads};
use crate::model::text::Text;
use crate::render::human;

/// A process of the host is not judged, unless everything is asked for.
pub(super) fn lines(security: &Security, of_the_host: bool, everything: bool) -> Vec<String> {
    let mut parts = vec![who(security)];
    parts.push(capabilities(security));
    parts.push(match security.seccomp {
        Seccomp::Off => "no seccomp".to_owned(),
        Seccomp::Strict => "seccomp strict".to_owned(),
        Seccomp::Filter => match security.seccomp_filters {
            Some(filters) if filters > 1 => format!("{filters} seccomp filters"),
            _ => "seccomp filter".to_owned(),
        },
        Seccomp::Unknown => "seccomp in an unknown mode".to_owned(),
    });
    if security.no_new_privs {
        parts.push("no new privileges".to_owned());
    }
    parts.extend(security.label.as_ref().map(|label| format!("label {label}")));
    let mut lines = vec![parts.join(" · ")];
    let verdict = &security.verdict;
    let told = everything || !of_the_host;
    if verdict.privileged && told {
        lines.push("privileged, for these reasons:".to_owned());
    }
    if (verdict.privileged && told) || everything {
        lines.extend(verdict.reasons.iter().map(|reason| format!("  {reason}")));
    }
    if everything {
        lines.extend(details(security));
    }
    lines
}

/// `root`, `uid 101 (nginx)`, and what differs from that.
fn who(security: &Security) -> String {
    let one = |kind, ids: &Ids| {
        let name = ids.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let others = [("real", ids.real), ("saved", ids.saved)].into_iter();
        let others = others.filter(|(_, id)| *id != ids.effective);
        let others: Vec<String> = others.map(|(which, id)| format!("{which} {id}")).collect();
        let others =
            if others.is_empty() { String::new() } else { format!(" ({})", others.join(", ")) };
        format!("{kind} {}{name}{others}", ids.effective)
    };
    let is_root = |ids: &Ids| [ids.real, ids.effective, ids.saved] == [0; 3];
    if is_root(&security.uid) && is_root(&security.gid) {
        return "root".to_owned();
    }
    format!("{} {}", one("uid", &security.uid), one("gid", &security.gid))
}

/// Those that it has; a program puts them into effect and back as it likes.
fn capabilities(security: &Security) -> String {
    let sets = &security.capabilities;
    if sets.permitted.is_empty() {
        return "no capabilities".to_owned();
    }
    let usual = if sets.permitted == CapSet::USUAL { "the usual " } else { "" };
    let count = sets.permitted.len();
    let plural = if count == 1 { "y" } else { "ies" };
    let in_effect = match sets.effective.len() {
        0 => ", none in effect".to_owned(),
        some if some < count => format!(", {some} in effect"),
        _ => String::new(),
    };
    format!("{usual}{count} capabilit{plural}{in_effect}")
}

fn details(security: &Security) -> Vec<String> {
    let sets = &security.capabilities;
    let mut rows: Vec<(&str, String)> = Vec::new();
    for (name, set) in [
        ("effective", sets.effective),
        ("permitted", sets.permitted),
        ("inheritable", sets.inheritable),
        ("bounding", sets.bounding),
        ("ambient", sets.ambient),
        ("beyond usual", sets.beyond_usual),
        ("not as usual", sets.lacking_from_usual),
    ] {
        if name != "effective" && !set.is_empty() && set == sets.effective {
            rows.push((name, "the same".to_owned()));
        } else if !set.is_empty() {
            rows.push((name, names(set)));
        }
    }
    let groups: Vec<String> = security.groups.iter().map(group).collect();
    rows.push(("groups", groups.join(" ")));
    for (name, map) in [("uid map", &security.uid_map), ("gid map", &security.gid_map)] {
        let ranges = map.as_ref().map(|map| map.iter().map(range).collect::<Vec<_>>().join(", "));
        rows.extend(ranges.map(|ranges| (name, ranges)));
    }
    rows.extend(security.setgroups.as_ref().map(|word| ("setgroups", word.to_string())));
    rows.extend(security.dumpable.map(|is| ("dumpable", if is { "yes" } else { "no" }.to_owned())));
    rows.push(("masked", paths(&security.masked_paths)));
    rows.push(("read-only", paths(&security.read_only_paths)));
    rows.push(("devices", devices(&security.devices)));
    rows.extend(security.stronger_threads.as_ref().map(|threads| {
        let StrongerThreads { count, strongest, .. } = threads;
        ("threads", format!("{count} may do more than the first one: see {strongest}"))
    }));
    let rows = rows.into_iter().filter(|(_, value)| !value.is_empty());
    rows.map(|(name, value)| format!("{name:<12} {value}")).collect()
}

/// All but those, where that is shorter.
fn names(set: CapSet) -> String {
    let missing = set.missing();
    if missing.is_empty() {
        return "all".to_owned();
    }
    let (words, set) = if missing.len() < set.len() { ("all but ", missing) } else { ("", set) };
    format!("{words}{}", set.short_names().join(" "))
}

fn group(group: &Id) -> String {
    let name = group.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    format!("{}{name}", group.id)
}

/// `0-65535 are 100000-165535`
fn range(range: &IdRange) -> String {
    let span = |first: u32| match range.count {
        1 => first.to_string(),
        count => format!("{first}-{}", first.saturating_add(count.saturating_sub(1))),
    };
    if range.inside == range.outside {
        return format!("{} as they are", span(range.inside));
    }
    format!("{} are {}", span(range.inside), span(range.outside))
}

fn paths(paths: &[Text]) -> String {
    paths.iter().map(Text::to_string).collect::<Vec<_>>().join(" ")
}

fn devices(devices: &Devices) -> String {
    match devices {
        Devices::All => "all by default".to_owned(),
        Devices::Listed(rules) => rules.iter().map(Text::to_string).collect::<Vec<_>>().join(", "),
        Devices::Programs(ids) => format!("as {} decide", human::count(ids.len(), "program")),
        Devices::Unknown => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::security::{Capabilities, Verdict};

    fn of(permitted: CapSet, effective: CapSet) -> Capabilities {
        Capabilities { effective, permitted, ..Capabilities::default() }
    }

    #[test]
    fn what_it_may_take_up_again_is_told() {
        let first = |permitted, effective, saved| {
            let uid = Ids { real: 7, effective: 7, saved, fs: 7, name: None };
            let capabilities = of(permitted, effective);
            lines(&Security { uid, capabilities, ..Security::default() }, false, false).remove(0)
        };
        let all = CapSet::default().missing();
        assert_eq!(
            first(all, CapSet::default(), 0),
            "uid 7 (saved 0) gid 0 · 41 capabilities, none in effect · no seccomp"
        );
        assert_eq!(
            first(CapSet::USUAL, CapSet::SETUID.or(CapSet::SETGID), 7),
            "uid 7 gid 0 · the usual 14 capabilities, 2 in effect · no seccomp"
        );
        assert!(first(CapSet::KILL, CapSet::KILL, 7).contains(" 1 capability ·"));
    }

    #[test]
    fn who_is_not_root_in_all_is_not_called_so() {
        let first =
            |uid, gid| lines(&Security { uid, gid, ..Security::default() }, false, false).remove(0);
        let rest = "no capabilities · no seccomp";
        assert_eq!(first(Ids::default(), Ids::default()), format!("root · {rest}"));
        let uid = Ids { saved: 1000, ..Ids::default() };
        let told = first(uid, Ids::default());
        assert_eq!(told, format!("uid 0 (saved 1000) gid 0 · {rest}"));
        let gid = Ids { real: 1, saved: 1, ..Ids::default() };
        let told = first(Ids::default(), gid);
        assert_eq!(told, format!("uid 0 gid 0 (real 1, saved 1) · {rest}"));
    }

    #[test]
    fn an_ordinary_container_is_one_line() {
        let security = Security {
            capabilities: of(CapSet::USUAL, CapSet::USUAL),
            seccomp: Seccomp::Filter,
            label: Some("docker-default (enforce)".into()),
            ..Security::default()
        };
        let line =
            "root · the usual 14 capabilities · seccomp filter · label docker-default (enforce)";
        assert_eq!(lines(&security, false, false), [line]);
    }

    #[test]
    fn a_verdict_has_its_reasons() {
        let security = Security {
            verdict: Verdict { privileged: true, reasons: vec!["every device allowed".into()] },
            uid: Ids { real: 5, effective: 7, saved: 7, fs: 7, name: Some("a".into()) },
            ..Security::default()
        };
        assert_eq!(
            lines(&security, false, false),
            [
                "uid 7 (a) (real 5) gid 0 · no capabilities · no seccomp",
                "privileged, for these reasons:",
                "  every device allowed",
            ]
        );
        assert_eq!(lines(&security, true, false).len(), 1);
    }

    #[test]
    fn everything_by_name() {
        let security = Security {
            capabilities: Capabilities { bounding: CapSet::SYS_ADMIN, ..Capabilities::default() },
            groups: vec![Id { id: 6, name: Some("disk".into()) }],
            uid_map: Some(vec![IdRange { inside: 0, outside: 100_000, count: 65536 }]),
            gid_map: Some(vec![IdRange { inside: 0, outside: 0, count: u32::MAX }]),
            masked_paths: vec!["/proc/kcore".into()],
            devices: Devices::Programs(vec![4]),
            ..Security::default()
        };
        let all = lines(&security, false, true).join("\n");
        for part in [
            "\nbounding     SYS_ADMIN\n",
            "\ngroups       6 (disk)\n",
            "\nuid map      0-65535 are 100000-165535\n",
            "\ngid map      0-4294967294 as they are\n",
            "\nmasked       /proc/kcore\n",
            "\ndevices      as 1 program decide",
        ] {
            assert!(all.contains(part), "{part:?}: {all}");
        }
    }
}
