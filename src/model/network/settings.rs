//! The few switches and limits of a network namespace that explain what it does. See ip(7), tcp(7).

use super::Span;

/// Absent: not there, or not to be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Settings {
    /// net.ipv4.ip_forward
    pub ipv4_forwarding: Option<bool>,
    /// net.ipv6.conf.all.forwarding
    pub ipv6_forwarding: Option<bool>,
    /// net.ipv6.conf.all.disable_ipv6, which changes every interface when it is written; what holds is
    /// each interface's own.
    pub ipv6_disabled: Option<bool>,
    /// net.ipv4.conf.all.rp_filter: 0 none, 1 strict, 2 loose. An interface's own holds where that is
    /// greater.
    pub reverse_path_filter: Option<u32>,
    /// net.ipv4.ip_local_port_range
    pub first_ephemeral_port: Option<u16>,
    /// The second number of that file; it is one of the range.
    pub last_ephemeral_port: Option<u16>,
    /// net.ipv4.ip_local_reserved_ports: those that the kernel gives to nobody who does not name them.
    pub reserved_ports: Vec<Span>,
    /// net.ipv4.ip_unprivileged_port_start
    pub first_unprivileged_port: Option<u32>,
    /// net.core.somaxconn: the most that a listener's backlog can be.
    pub accept_queue_limit: Option<u32>,
    /// net.ipv4.tcp_max_syn_backlog
    pub syn_backlog: Option<u32>,
    /// net.ipv4.tcp_syncookies: 0 never, 1 when the backlog is full, 2 always.
    pub syn_cookies: Option<u32>,
    /// net.ipv4.tcp_tw_reuse: 0 never, 1 everywhere, 2 on the loopback.
    pub time_wait_reuse: Option<u32>,
}

/// Tracked connections of this namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Conntrack {
    /// net.netfilter.nf_conntrack_count
    pub entries: u32,
    /// Absent where it cannot be read.
    pub limit: Option<u32>,
}
