//! Bits in the words of iproute2, in lower case. Pure.

/// The word of each bit that is set, in the order of the list.
pub(super) fn words(bits: u32, names: &[(u32, &'static str)]) -> Vec<&'static str> {
    names.iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| *name).collect()
}

/// IFF_*, linux/if.h, as ip-link(8) orders them; without IFF_RUNNING, which it turns into
/// `no_carrier`.
const INTERFACE: [(u32, &str); 18] = [
    (1 << 3, "loopback"),
    (1 << 1, "broadcast"),
    (1 << 4, "pointopoint"),
    (1 << 12, "multicast"),
    (1 << 7, "noarp"),
    (1 << 9, "allmulti"),
    (1 << 8, "promisc"),
    (1 << 10, "master"),
    (1 << 11, "slave"),
    (1 << 2, "debug"),
    (1 << 15, "dynamic"),
    (1 << 14, "automedia"),
    (1 << 13, "portsel"),
    (1 << 5, "notrailers"),
    (1, "up"),
    (1 << 16, "lower_up"),
    (1 << 17, "dormant"),
    (1 << 18, "echo"),
];

pub(super) fn of_interface(bits: u32) -> Vec<&'static str> {
    let (up, running) = (bits & 1 != 0, bits & (1 << 6) != 0);
    let mut found: Vec<&'static str> = Vec::new();
    if up && !running {
        found.push("no_carrier");
    }
    found.extend(words(bits, &INTERFACE));
    found
}

/// IFA_F_*, linux/if_addr.h. The lowest one has two names, and `permanent` is told by its absence.
pub(super) fn of_address(bits: u32, is_v6: bool) -> Vec<&'static str> {
    const ADDRESS: [(u32, &str); 10] = [
        (0x02, "nodad"),
        (0x04, "optimistic"),
        (0x08, "dadfailed"),
        (0x10, "home"),
        (0x20, "deprecated"),
        (0x40, "tentative"),
        (0x100, "mngtmpaddr"),
        (0x200, "noprefixroute"),
        (0x400, "autojoin"),
        (0x800, "stable_privacy"),
    ];
    let mut found = Vec::new();
    if bits & 0x80 == 0 {
        found.push("dynamic");
    }
    if bits & 1 != 0 {
        found.push(if is_v6 { "temporary" } else { "secondary" });
    }
    found.extend(words(bits, &ADDRESS));
    found
}

/// RTNH_F_*, linux/rtnetlink.h, and two RTM_F_* that cannot be taken for one.
pub(super) fn of_route(bits: u32) -> Vec<&'static str> {
    const ROUTE: [(u32, &str); 9] = [
        (1, "dead"),
        (2, "pervasive"),
        (4, "onlink"),
        (8, "offload"),
        (16, "linkdown"),
        (32, "unresolved"),
        (64, "trap"),
        (0x4000, "rt_offload"),
        (0x8000, "rt_trap"),
    ];
    words(bits, &ROUTE)
}

/// NTF_*, linux/neighbour.h.
pub(super) fn of_neighbour(bits: u32) -> Vec<&'static str> {
    const NEIGHBOUR: [(u32, &str); 5] = [
        (1 << 7, "router"),
        (1 << 3, "proxy"),
        (1 << 4, "extern_learn"),
        (1 << 5, "offload"),
        (1 << 0, "use"),
    ];
    words(bits, &NEIGHBOUR)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_without_carrier_is_told_as_ip_does() {
        assert_eq!(of_interface(0x1003), ["no_carrier", "broadcast", "multicast", "up"]);
        assert_eq!(of_interface(0x1_0049), ["loopback", "up", "lower_up"]);
        assert!(of_interface(0).is_empty());
    }

    #[test]
    fn an_address_that_is_not_permanent_is_dynamic() {
        assert!(of_address(0x80, false).is_empty());
        assert_eq!(of_address(0x81, false), ["secondary"]);
        assert_eq!(of_address(0x01, true), ["dynamic", "temporary"]);
        assert_eq!(of_address(0xc8, true), ["dadfailed", "tentative"]);
    }

    #[test]
    fn routes_and_neighbours_have_the_words_of_ip() {
        assert_eq!(of_route(4 | 16), ["onlink", "linkdown"]);
        assert!(of_route(0).is_empty());
        assert_eq!(of_neighbour(0x80), ["router"]);
        assert!(of_neighbour(0).is_empty());
    }
}
