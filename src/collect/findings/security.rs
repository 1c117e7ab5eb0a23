//! What a container may do that a container usually may not.

use crate::collect::verdict::administers;
use crate::model::capability::CapSet;
use crate::model::finding::Finding;
use crate::model::inspection::Section;
use crate::model::runtime::Runtime;
use crate::model::security::{Seccomp, Security, Surroundings};

/// Of a container; a process of the host is not spoken of.
pub(super) fn findings(
    security: &Security,
    around: &Surroundings,
    runtime: Runtime,
    is_of_pod: bool,
) -> Vec<Finding> {
    let mut found = Vec::new();
    let warning = |text: String| Finding::warning(Section::Security, text);
    let notice = |text: String| Finding::notice(Section::Security, text);
    let root = if security.uid.effective == 0 { "runs as root" } else { "runs" };
    let of_host = around.hosts_users != Some(false);
    if security.verdict.privileged {
        found.push(warning("privileged: its root is root on the host".to_owned()));
    } else if administers(security, around.hosts_users) {
        let in_effect = security.capabilities.effective.contains_all(CapSet::SYS_ADMIN);
        let how = if in_effect { "with" } else { "and may take up" };
        found.push(warning(format!("{root} {how} CAP_SYS_ADMIN")));
    }
    let more = security.capabilities.permitted.without(CapSet::USUAL).without(CapSet::SYS_ADMIN);
    if of_host && !security.verdict.privileged && !more.is_empty() {
        let names = more.short_names();
        let shown = names.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
        let rest = match names.len().saturating_sub(4) {
            0 => String::new(),
            rest => format!(" and {rest} more"),
        };
        found.push(notice(format!("{root} with more capabilities than usual: {shown}{rest}")));
    }
    if let Some(threads) = &security.stronger_threads {
        let who = match threads.count {
            1 => "a thread".to_owned(),
            count => format!("{count} threads"),
        };
        let who = format!("{who} may do more than the first one");
        let strongest = threads.strongest;
        found.push(if of_host && threads.permitted.contains_all(CapSet::SYS_ADMIN) {
            warning(format!("{who}: thread {strongest} has CAP_SYS_ADMIN"))
        } else {
            notice(format!("{who}: see thread {strongest}"))
        });
    }
    for socket in &security.control_sockets {
        let text = format!("{socket} is mounted: who writes to it is root on the host");
        found.push(warning(text));
    }
    if is_engines(runtime) {
        if !around.shared.is_empty() {
            let kinds: Vec<_> = around.shared.iter().map(|kind| kind.name()).collect();
            found.push(notice(format!("in the host's namespaces: {}", kinds.join(", "))));
        }
        // The kubelet gives none unless told to.
        let none = security.seccomp == Seccomp::Off && !is_of_pod;
        if none && !security.verdict.privileged {
            found.push(notice("no seccomp filter".to_owned()));
        }
    }
    found
}

/// Those that isolate in every kind and filter calls unless told not to.
const fn is_engines(runtime: Runtime) -> bool {
    matches!(runtime, Runtime::Docker | Runtime::Containerd | Runtime::Crio | Runtime::Podman)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::finding::Level;
    use crate::model::namespace::Kind;
    use crate::model::process::Pid;
    use crate::model::security::{Capabilities, StrongerThreads, Verdict};

    fn with(set: &str) -> Security {
        let set = CapSet::parse(set).unwrap();
        Security {
            capabilities: Capabilities {
                effective: set,
                permitted: set,
                ..Capabilities::default()
            },
            seccomp: Seccomp::Filter,
            ..Security::default()
        }
    }

    fn on_host() -> Surroundings {
        Surroundings { hosts_users: Some(true), ..Surroundings::default() }
    }

    fn texts(security: &Security, around: &Surroundings) -> Vec<String> {
        let found = findings(security, around, Runtime::Docker, false);
        found.into_iter().map(|finding| finding.text).collect()
    }

    #[test]
    fn what_is_usual_is_not_spoken_of() {
        assert_eq!(texts(&with("00000000a80425fb"), &on_host()), [] as [&str; 0]);
        let rootless = Surroundings { hosts_users: Some(false), ..Surroundings::default() };
        assert_eq!(texts(&with("000001ffffffffff"), &rootless), [] as [&str; 0]);
    }

    #[test]
    fn the_capability_that_is_nearly_all() {
        assert_eq!(
            texts(&with("00000000a82425fb"), &on_host()),
            ["runs as root with CAP_SYS_ADMIN"]
        );
        let many = texts(&with("000001ffffffffff"), &on_host());
        assert_eq!(many.len(), 2);
        assert!(many[1].ends_with("and 22 more"), "{many:?}");
    }

    #[test]
    fn what_is_not_in_effect_counts_too() {
        let mut hidden = with("00000000a82425fb");
        hidden.capabilities.effective = CapSet::default();
        assert_eq!(texts(&hidden, &on_host()), ["runs as root and may take up CAP_SYS_ADMIN"]);
        let mut hidden = with("00000000a80435fb");
        hidden.capabilities.effective = CapSet::default();
        let told = "runs as root with more capabilities than usual: NET_ADMIN";
        assert_eq!(texts(&hidden, &on_host()), [told]);
    }

    #[test]
    fn what_only_another_thread_may_is_told() {
        let mut threads = StrongerThreads {
            count: 1,
            strongest: Pid::new(7).unwrap(),
            permitted: CapSet::SYS_ADMIN,
            no_new_privs: false,
            seccomp: Seccomp::Off,
        };
        let told = |threads: &StrongerThreads, around: &Surroundings| {
            let stronger_threads = Some(threads.clone());
            texts(&Security { stronger_threads, ..with("0") }, around)
        };
        let text = "a thread may do more than the first one: thread 7 has CAP_SYS_ADMIN";
        assert_eq!(told(&threads, &on_host()), [text]);
        threads.count = 2;
        let rootless = Surroundings { hosts_users: Some(false), ..Surroundings::default() };
        let text = "2 threads may do more than the first one: see thread 7";
        assert_eq!(told(&threads, &rootless), [text]);
    }

    #[test]
    fn privileged_is_one_sentence() {
        let verdict = Verdict { privileged: true, reasons: Vec::new() };
        let security = Security { verdict, seccomp: Seccomp::Off, ..with("000001ffffffffff") };
        assert_eq!(texts(&security, &on_host()), ["privileged: its root is root on the host"]);
    }

    #[test]
    fn what_opens_a_container_from_outside() {
        let security = Security {
            seccomp: Seccomp::Off,
            control_sockets: vec!["/run/docker.sock".into()],
            ..with("00000000a80425fb")
        };
        let around = Surroundings { shared: vec![Kind::Net], ..on_host() };
        assert_eq!(
            texts(&security, &around),
            [
                "/run/docker.sock is mounted: who writes to it is root on the host",
                "in the host's namespaces: net",
                "no seccomp filter",
            ]
        );
        let pod = findings(&security, &around, Runtime::Containerd, true);
        assert!(pod.iter().all(|finding| finding.text != "no seccomp filter"));
        assert_eq!(pod[0].level, Level::Warning);
        let service = findings(&security, &around, Runtime::Systemd, false);
        assert_eq!(service.len(), 1);
    }
}
