//! What a process may not do, and how its user namespace maps ids.

/// Read before a program is started beside it, to say what that program would have more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Confinement {
    /// Capabilities in its bounding set.
    pub capabilities: u32,
    /// Capabilities that we have and its bounding set lacks.
    pub we_have_more: bool,
    /// It has a seccomp filter: `Seccomp` of /proc/PID/status is 2.
    pub seccomp: bool,
    /// No exec gives it more rights: `NoNewPrivs` of /proc/PID/status.
    pub no_new_privs: bool,
}

/// What a user namespace lets one be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IdRules {
    /// Uid and gid 0 exist in it.
    pub root_is_mapped: bool,
    /// It forbids setgroups(2).
    pub setgroups_denied: bool,
}
