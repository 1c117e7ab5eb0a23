//! Whether a process is as good as root on the host, and what makes it so. Pure.

use crate::model::capability::CapSet;
use crate::model::security::{Devices, Seccomp, Security, Surroundings, Verdict};

/// `privileged` is what nothing of weight holds back; the reasons are told in either case.
pub fn verdict(security: &Security, around: &Surroundings) -> Verdict {
    let of_host = around.hosts_users != Some(false);
    let within_reach = within_reach(security, around);
    let counts = |all: CapSet| within_reach.contains_all(all.without(CapSet::PARTS_OF_SYS_ADMIN));
    let beyond_usual = within_reach.without(CapSet::USUAL);
    let every = of_host && around.hosts_capabilities.is_some_and(counts);
    let unfiltered = security.seccomp == Seccomp::Off;
    let bare = security.masked_paths.is_empty();
    // A security module may keep it from what its capabilities allow.
    let unlabelled = security.label.as_ref().is_none_or(|label| *label == "unconfined");
    let uncovers = unfiltered && unlabelled && administers(security, around.hosts_users);
    let mut reasons = Vec::new();
    if every {
        reasons.push("every capability that the host gives".to_owned());
    } else if of_host && !beyond_usual.is_empty() {
        let names = beyond_usual.short_names().join(", ");
        reasons.push(format!("capabilities beyond the usual ones: {names}"));
    }
    if unfiltered {
        reasons.push("no seccomp filter".to_owned());
    }
    if bare {
        reasons.push("nothing of /proc and /sys masked".to_owned());
    } else if uncovers {
        reasons.push("what is masked of /proc and /sys it can uncover".to_owned());
    }
    if security.devices == Devices::All {
        // What v1 denies beside that the kernel does not list.
        reasons.push("every device allowed by default".to_owned());
    }
    if !around.shared.is_empty() {
        let kinds: Vec<_> = around.shared.iter().map(|kind| kind.name()).collect();
        reasons.push(format!("the host's namespaces: {}", kinds.join(", ")));
    }
    for socket in &security.control_sockets {
        reasons.push(format!("{socket}, through which an engine is told what to do"));
    }
    // Whether a program that decides about devices allows all of them cannot be told.
    let forbidden = matches!(security.devices, Devices::Listed(_));
    Verdict { privileged: every && unfiltered && (bare || uncovers) && !forbidden, reasons }
}

/// What it or a program that it runs may come to have. Root of the host needs none of them to be what
/// he is.
fn within_reach(security: &Security, around: &Surroundings) -> CapSet {
    let uid = &security.uid;
    let is_root = [uid.real, uid.effective, uid.saved, uid.fs].contains(&0);
    if around.is_service || (security.no_new_privs && !is_root) {
        security.capabilities.permitted
    } else {
        security.capabilities.bounding
    }
}

/// It may administer the host: the one capability that is nearly all. What is permitted needs no more
/// than the program's own will to be in effect.
pub fn administers(security: &Security, around_hosts_users: Option<bool>) -> bool {
    around_hosts_users != Some(false)
        && security.capabilities.permitted.contains_all(CapSet::SYS_ADMIN)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::capability::CapSet;
    use crate::model::namespace::Kind;
    use crate::model::security::{Capabilities, Ids};

    fn all() -> CapSet {
        CapSet::parse("000001ffffffffff").unwrap()
    }

    fn with(bounding: CapSet) -> Security {
        Security {
            capabilities: Capabilities {
                bounding,
                beyond_usual: bounding.without(CapSet::USUAL),
                ..Capabilities::default()
            },
            ..Security::default()
        }
    }

    fn around(hosts_users: bool) -> Surroundings {
        Surroundings {
            hosts_users: Some(hosts_users),
            hosts_capabilities: Some(all()),
            ..Surroundings::default()
        }
    }

    #[test]
    fn one_that_may_do_everything_is_privileged() {
        let bare = Security { devices: Devices::All, ..with(all()) };
        let found = verdict(&bare, &around(true));
        assert!(found.privileged);
        assert_eq!(found.reasons.len(), 4);
        assert!(found.reasons.contains(&"every device allowed by default".to_owned()));
        // A host that itself lacks some gives all that it has.
        let fewer = CapSet::parse("000001fffeffffff").unwrap();
        let host = Surroundings { hosts_capabilities: Some(fewer), ..around(true) };
        assert!(verdict(&with(fewer), &host).privileged);
        // As `docker run --privileged` of an engine that knows 38 of them.
        let older = CapSet::parse("0000003fffffffff").unwrap();
        assert!(verdict(&with(older), &around(true)).privileged);
        assert!(!verdict(&with(older.without(CapSet::NET_ADMIN)), &around(true)).privileged);
    }

    #[test]
    fn any_barrier_makes_it_not_privileged() {
        let privileged = |security: &Security| verdict(security, &around(true)).privileged;
        assert!(privileged(&with(all())));
        assert!(!privileged(&Security { seccomp: Seccomp::Filter, ..with(all()) }));
        assert!(!privileged(&Security { masked_paths: vec!["/proc/kcore".into()], ..with(all()) }));
        assert!(!privileged(&Security { devices: Devices::Listed(Vec::new()), ..with(all()) }));
        assert!(privileged(&Security { devices: Devices::Programs(vec![7]), ..with(all()) }));
        assert!(!privileged(&with(CapSet::USUAL)));
        assert!(!verdict(&with(all()), &around(false)).privileged, "in its own user namespace");
    }

    #[test]
    fn a_mask_that_it_can_take_off_is_no_barrier() {
        let mut able = Security { masked_paths: vec!["/proc/acpi".into()], ..with(all()) };
        able.capabilities.permitted = CapSet::SYS_ADMIN;
        let found = verdict(&able, &around(true));
        assert!(found.privileged && found.reasons.iter().any(|it| it.ends_with("it can uncover")));
        assert!(!verdict(&able, &around(false)).privileged);
        let kept = Security { label: Some("docker-default (enforce)".into()), ..able.clone() };
        assert!(!verdict(&kept, &around(true)).privileged);
        let kept = Security { label: Some("unconfined".into()), ..able.clone() };
        assert!(verdict(&kept, &around(true)).privileged);
        assert!(!verdict(&Security { seccomp: Seccomp::Filter, ..able }, &around(true)).privileged);
    }

    #[test]
    fn what_it_cannot_come_to_have_does_not_count() {
        let nobody = || Ids { real: 9, effective: 9, saved: 9, fs: 9, name: None };
        let stuck = Security { uid: nobody(), no_new_privs: true, ..with(all()) };
        let privileged = |security: &Security| verdict(security, &around(true)).privileged;
        assert!(!privileged(&stuck));
        assert!(!verdict(&stuck, &around(true)).reasons.iter().any(|it| it.contains("capabilit")));
        // A program that is root's when it is run.
        assert!(privileged(&Security { no_new_privs: false, ..stuck.clone() }));
        let uid = Ids { saved: 0, ..nobody() };
        assert!(privileged(&Security { uid, ..stuck.clone() }));
        let mut able = stuck;
        able.capabilities.permitted = all();
        assert!(privileged(&able));
        let service = Surroundings { is_service: true, ..around(true) };
        assert!(verdict(&able, &service).privileged);
        assert!(!verdict(&with(all()), &service).privileged);
    }

    #[test]
    fn what_is_more_than_usual_is_a_reason() {
        let security = Security {
            seccomp: Seccomp::Filter,
            masked_paths: vec!["/proc/kcore".into()],
            control_sockets: vec![b"/s\x1b/docker.sock".into()],
            ..with(CapSet::parse("00000000a82425fb").unwrap())
        };
        let shared = Surroundings { shared: vec![Kind::Pid, Kind::Net], ..around(true) };
        assert_eq!(
            verdict(&security, &shared).reasons,
            [
                "capabilities beyond the usual ones: SYS_ADMIN",
                "the host's namespaces: net, pid",
                "/s\\x1b/docker.sock, through which an engine is told what to do",
            ]
            .map(|reason| reason.replace("net, pid", "pid, net"))
        );
        let usual = Security { control_sockets: Vec::new(), ..security };
        let usual = Security { capabilities: Capabilities::default(), ..usual };
        assert_eq!(verdict(&usual, &around(true)), Verdict::default());
    }
}
