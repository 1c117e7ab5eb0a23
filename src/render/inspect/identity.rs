//! The identity section: what runs there and as whom; who says so, where that is asked for.

use crate::model::container::Container;
use crate::model::identity::Identity;
use crate::model::inspection::Inspection;
use crate::render::human;

/// Longer commands are cut.
const LONGEST: usize = 400;

pub(super) fn lines(identity: &Identity, report: &Inspection, everything: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if everything && let Some(container) = &report.container {
        lines.extend(of_container(container));
    }
    let mut runs = match &identity.command {
        Some(command) => command.shortened(LONGEST),
        None => report.comm.to_string(),
    };
    if everything || identity.uid != 0 {
        runs = format!("{runs} · as {}", user(identity));
    }
    lines.push(if everything { format!("runs      {runs}") } else { runs });
    if everything {
        lines.extend(identity.executable.as_ref().map(|path| format!("program   {path}")));
        let started = report.started_unix_seconds.map(human::moment);
        lines.extend(started.map(|moment| format!("started   {moment}")));
    }
    lines
}

fn of_container(container: &Container) -> Vec<String> {
    let mut lines = Vec::new();
    let mut tell = |what: &str, value: Option<String>| {
        lines.extend(value.map(|value| format!("{what:<9} {value}")));
    };
    tell("id", container.id.as_ref().map(ToString::to_string));
    tell("image", container.image.as_ref().map(ToString::to_string));
    if let Some(pod) = &container.pod {
        tell("pod", pod.path().map(|path| path.to_string()));
        tell("pod uid", pod.uid.as_ref().map(ToString::to_string));
    }
    tell("within", container.within.as_ref().map(ToString::to_string));
    let owner = container.owner_uid.filter(|uid| *uid != 0);
    tell("owner", owner.map(|uid| named(uid, container.owner_name.as_ref())));
    tell("created", container.created_unix_seconds.map(human::moment));
    for (key, value) in &container.labels {
        tell("label", Some(format!("{key}={value}")));
    }
    for evidence in &container.evidence {
        tell("known by", Some(evidence.to_string()));
    }
    lines
}

/// `101 (nginx), 100101 on the host`
fn user(identity: &Identity) -> String {
    let uid = identity.uid;
    let inside = |inside: u32| named(inside, identity.user_inside.as_ref());
    match identity.uid_inside {
        Some(number) if number == uid => format!("uid {}", inside(number)),
        Some(number) => format!("uid {}, {uid} on the host", inside(number)),
        None => format!("uid {uid} of the host, which has no number inside"),
    }
}

fn named<T: std::fmt::Display>(uid: u32, name: Option<&T>) -> String {
    name.map_or_else(|| uid.to_string(), |name| format!("{uid} ({name})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_told_by_both_numbers_where_they_differ() {
        let shown = |uid, uid_inside, name: Option<&str>| {
            let user_inside = name.map(Into::into);
            user(&Identity { uid, uid_inside, user_inside, ..Identity::default() })
        };
        assert_eq!(shown(0, Some(0), Some("root")), "uid 0 (root)");
        assert_eq!(shown(101, Some(101), None), "uid 101");
        assert_eq!(shown(100_101, Some(101), Some("nginx")), "uid 101 (nginx), 100101 on the host");
        assert_eq!(shown(7, None, None), "uid 7 of the host, which has no number inside");
    }
}
