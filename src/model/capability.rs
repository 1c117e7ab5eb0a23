//! Capability sets and their names: capabilities(7).

/// By number, as linux/capability.h has them (Linux 6.18).
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// A set of capabilities, bit N for capability number N. In JSON a list of names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapSet(u64);

impl CapSet {
    /// Any gid and setgroups(2); gid maps of more than one line.
    pub const SETGID: Self = Self(1 << 6);
    /// Any uid; uid maps of more than one line.
    pub const SETUID: Self = Self(1 << 7);
    /// Dropping from the bounding set, and securebits.
    pub const SETPCAP: Self = Self(1 << 8);
    /// Signals to processes of other users.
    pub const KILL: Self = Self(1 << 5);
    /// Interfaces, addresses, routes; over the user namespace that owns the network.
    pub const NET_ADMIN: Self = Self(1 << 12);
    /// Memory kept out of swap beyond RLIMIT_MEMLOCK.
    pub const IPC_LOCK: Self = Self(1 << 14);
    /// Higher limits, and more processes than RLIMIT_NPROC.
    pub const SYS_RESOURCE: Self = Self(1 << 24);
    /// Mounts, setns(2) and much else.
    pub const SYS_ADMIN: Self = Self(1 << 21);

    /// PERFMON, BPF and CHECKPOINT_RESTORE: parts of `SYS_ADMIN`, which still holds them all. Older
    /// engines know none of them.
    pub const PARTS_OF_SYS_ADMIN: Self = Self(0b111 << 38);

    /// What docker, containerd, CRI-O before 1.18 and most others give unless told otherwise: CHOWN,
    /// `DAC_OVERRIDE`, FOWNER, FSETID, KILL, SETGID, SETUID, SETPCAP, `NET_BIND_SERVICE`, `NET_RAW`,
    /// `SYS_CHROOT`, MKNOD, `AUDIT_WRITE`, SETFCAP.
    pub const USUAL: Self = Self(0xa804_25fb);

    /// The sixteen hexadecimal digits of `/proc/PID/status`.
    pub fn parse(hex: &str) -> Option<Self> {
        u64::from_str_radix(hex, 16).ok().map(Self)
    }

    /// By its name, in any case and with or without `CAP_`: `net_raw`, `CAP_NET_RAW`. Its kernel may
    /// be too old for it.
    pub fn named(name: &str) -> Option<Self> {
        let prefixed = name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("CAP_"));
        let name = if prefixed { name.get(4..).unwrap_or_default() } else { name };
        let number = NAMES.iter().position(|known| known.eq_ignore_ascii_case(name))?;
        Some(Self(1 << number))
    }

    /// Bit N for capability number N.
    pub const fn of_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Bit N for capability number N, as the kernel's files and calls have it.
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// How many capabilities there are in it.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// There is no capability in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether everything in `other` is here too.
    pub const fn contains_all(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What is here and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Each alone, by number.
    pub fn each(self) -> impl Iterator<Item = Self> {
        (0..64).map(|number| Self(1 << number)).filter(move |one| self.contains_all(*one))
    }

    /// The named ones that are not here.
    #[must_use]
    pub const fn missing(self) -> Self {
        Self(((1 << NAMES.len()) - 1) & !self.0)
    }

    /// `CAP_SYS_ADMIN`, by number; one that has no name yet is `CAP_63`.
    pub fn names(self) -> Vec<String> {
        let is_here = |number: &usize| self.0 >> number & 1 == 1;
        let name = |number: usize| match NAMES.get(number) {
            Some(name) => format!("CAP_{name}"),
            None => format!("CAP_{number}"),
        };
        (0..64).filter(is_here).map(name).collect()
    }

    /// The same as people say them: without the prefix.
    pub fn short_names(self) -> Vec<String> {
        self.names().into_iter().map(|name| name.trim_start_matches("CAP_").to_owned()).collect()
    }
}

impl serde::Serialize for CapSet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.names())
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for CapSet {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "CapSet".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Capabilities, by number: CAP_CHOWN, …; CAP_63 for one without a name.",
            "type": "array",
            "items": { "type": "string" }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_headers() {
        assert_eq!(CapSet::SYS_ADMIN.names(), ["CAP_SYS_ADMIN"]);
        assert_eq!(CapSet::NET_ADMIN.names(), ["CAP_NET_ADMIN"]);
        assert_eq!(CapSet(1 << 40 | 1 << 63).names(), ["CAP_CHECKPOINT_RESTORE", "CAP_63"]);
        assert_eq!(CapSet(1).short_names(), ["CHOWN"]);
        let ids = CapSet::SETUID.or(CapSet::SETGID).or(CapSet::SETPCAP);
        assert_eq!(ids.short_names(), ["SETGID", "SETUID", "SETPCAP"]);
        assert_eq!(ids.each().last(), Some(CapSet::SETPCAP));
        let parts = CapSet::PARTS_OF_SYS_ADMIN.short_names();
        assert_eq!(parts, ["PERFMON", "BPF", "CHECKPOINT_RESTORE"]);
    }

    #[test]
    fn names_are_taken_as_people_write_them() {
        for name in ["NET_RAW", "net_raw", "cap_net_raw", "CAP_NET_RAW", "Cap_Net_Raw"] {
            assert_eq!(CapSet::named(name), Some(CapSet(1 << 13)), "{name}");
        }
        assert_eq!(CapSet::named("CHOWN"), Some(CapSet(1)));
        for name in ["", "CAP_", "NET", "CAP_CAP_CHOWN", " CHOWN", "all", "40", "čap_chown"] {
            assert_eq!(CapSet::named(name), None, "{name}");
        }
        for one in CapSet::default().missing().each() {
            assert_eq!(CapSet::named(&one.names()[0]), Some(one));
        }
    }

    #[test]
    fn what_is_usual_has_fourteen() {
        assert_eq!(CapSet::USUAL.len(), 14);
        let more = CapSet(0xa804_25fb | 1 << 21);
        assert_eq!(more.without(CapSet::USUAL), CapSet::SYS_ADMIN);
        assert!(CapSet::USUAL.without(more).is_empty());
        assert_eq!(CapSet(0x1ff_feff_ffff).missing().short_names(), ["SYS_RESOURCE"]);
        assert!(CapSet(0x1ff_ffff_ffff).missing().is_empty());
    }
}
