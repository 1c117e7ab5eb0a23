//! Routing tables, protocols and scopes by the names that every host has. Pure. See
//! linux/rtnetlink.h.

use crate::model::text::Text;

/// Other tables may have names in /etc/iproute2, which are not the kernel's.
pub(super) fn table_name(table: u32) -> Option<&'static str> {
    match table {
        253 => Some("default"),
        254 => Some("main"),
        255 => Some("local"),
        _ => None,
    }
}

/// The order in which tables are told: what is asked first by most hosts.
pub(super) fn table_order(table: u32) -> (u8, u32) {
    let class = match table {
        254 => 0,
        253 => 1,
        255 => 3,
        _ => 2,
    };
    (class, table)
}

/// RTPROT_*
pub(super) fn protocol_word(protocol: u8) -> Text {
    let word = match protocol {
        0 => "unspec",
        1 => "redirect",
        2 => "kernel",
        3 => "boot",
        4 => "static",
        8 => "gated",
        9 => "ra",
        10 => "mrt",
        11 => "zebra",
        12 => "bird",
        13 => "dnrouted",
        14 => "xorp",
        15 => "ntk",
        16 => "dhcp",
        18 => "keepalived",
        42 => "babel",
        186 => "bgp",
        187 => "isis",
        188 => "ospf",
        189 => "rip",
        192 => "eigrp",
        number => return number.to_string().into(),
    };
    word.into()
}

/// RT_SCOPE_*
pub(super) fn scope_word(scope: u8) -> &'static str {
    match scope {
        libc::RT_SCOPE_UNIVERSE => "global",
        libc::RT_SCOPE_SITE => "site",
        libc::RT_SCOPE_LINK => "link",
        libc::RT_SCOPE_HOST => "host",
        libc::RT_SCOPE_NOWHERE => "nowhere",
        _ => "other",
    }
}

/// USER_HZ, in which `struct rta_cacheinfo` and `struct nda_cacheinfo` count.
pub(super) const TICKS: u32 = 100;

/// AF_INET and AF_INET6 as the one byte they have in a message.
pub(super) fn family_word(family: u8) -> Option<&'static str> {
    match family {
        2 => Some("inet"),
        10 => Some("inet6"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_of_every_host_have_names_and_an_order() {
        let names = [252, 253, 254, 255, 256].map(table_name);
        assert_eq!(names, [None, Some("default"), Some("main"), Some("local"), None]);
        let mut tables = [255, 1000, 253, 7, 254];
        tables.sort_by_key(|table| table_order(*table));
        assert_eq!(tables, [254, 253, 7, 1000, 255]);
    }

    #[test]
    fn protocols_and_scopes_have_the_words_of_ip_route() {
        let protocols = "0 unspec 1 redirect 2 kernel 3 boot 4 static 8 gated 9 ra 10 mrt 11 zebra \
             12 bird 13 dnrouted 14 xorp 15 ntk 16 dhcp 18 keepalived 42 babel 186 bgp 187 isis \
             188 ospf 189 rip 192 eigrp 17 17 255 255";
        let words: Vec<&str> = protocols.split_ascii_whitespace().collect();
        for pair in words.chunks(2) {
            assert_eq!(protocol_word(pair[0].parse().unwrap()), pair[1]);
        }
        let scopes = [(0, "global"), (200, "site"), (253, "link"), (254, "host"), (255, "nowhere")];
        for (number, word) in scopes {
            assert_eq!(scope_word(number), word);
        }
        assert_eq!(scope_word(1), "other");
    }
}
