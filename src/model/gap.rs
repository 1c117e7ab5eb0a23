//! What could not be seen, and why.

use super::text::Text;

/// Why something is missing from a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The caller lacks a permission.
    Denied,
    /// It ended or was removed while it was being read.
    Gone,
    /// This kernel or host does not have it.
    Unsupported,
    /// There was no more memory, descriptor or process to be had, or a device failed.
    Failed,
    /// It does not have the documented form.
    Malformed,
    /// It did not answer in time.
    Timeout,
    /// It is longer than the bound; what was read is shown.
    Truncated,
    /// A table that changed each time while it was read, or did not come whole: some of it may be
    /// missing.
    Incomplete,
}

impl Reason {
    /// Every one.
    pub const ALL: [Self; 8] = [
        Self::Denied,
        Self::Gone,
        Self::Unsupported,
        Self::Failed,
        Self::Malformed,
        Self::Timeout,
        Self::Truncated,
        Self::Incomplete,
    ];
}

/// One thing that a report lacks.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gap {
    /// What could not be seen: `pid 4242`, `/run/docker`.
    pub object: Text,
    /// What was being looked for there.
    pub what: &'static str,
    /// Why it could not be seen.
    pub reason: Reason,
}

impl Gap {
    /// What pid 1 does not show, even to root without CAP_SYS_RESOURCE: it concerns the namespaces of
    /// the host alone.
    pub fn is_of_init(&self) -> bool {
        self.object == "pid 1" && self.what == "namespaces"
    }
}

/// What of the host's, not a user's, was not read and may be where a name stands. What another may not
/// read is not for him.
pub fn leaves_names_open(gaps: &[Gap]) -> Option<&Gap> {
    gaps.iter().find(|gap| match gap.what {
        "names and images" => gap.reason != Reason::Denied && gap.object != "records of users",
        "namespaces" | "processes" => {
            matches!(gap.reason, Reason::Failed | Reason::Timeout) && !gap.is_of_init()
        }
        _ => false,
    })
}

/// Whether a namespace that is not the host's may have processes that were not seen: some that could
/// not be asked, or that are not listed at all.
pub fn leave_members_open(gaps: &[Gap]) -> bool {
    gaps.iter().any(|gap| matches!(gap.what, "namespaces" | "processes") && !gap.is_of_init())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_was_not_read_may_have_any_name() {
        let is_open = |object: &str, what, reason| {
            leaves_names_open(&[Gap { object: object.into(), what, reason }]).is_some()
        };
        let (names, record) = ("names and images", "/var/lib/docker/containers/1/config.v2.json");
        assert!(is_open(record, names, Reason::Malformed));
        assert!(is_open("3 processes", "namespaces", Reason::Failed));
        assert!(!is_open(record, names, Reason::Denied), "it is not for this caller");
        assert!(!is_open("records of users", names, Reason::Truncated), "users hide nothing");
        assert!(!is_open("3 processes", "namespaces", Reason::Denied));
        assert!(!is_open("pid 7", "command line", Reason::Failed));
    }

    #[test]
    fn who_is_hidden_may_be_anywhere() {
        let is_open = |object: &str, what| {
            leave_members_open(&[Gap { object: object.into(), what, reason: Reason::Denied }])
        };
        assert!(is_open("3 processes", "namespaces"));
        assert!(is_open("other users (hidepid)", "processes"));
        assert!(!is_open("pid 1", "namespaces"), "it is in the host's own");
        assert!(!is_open("pid 7", "command line"));
        assert!(!leave_members_open(&[]));
    }
}
