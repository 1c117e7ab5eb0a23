//! Which network the program has. Targets are looked up elsewhere.

use super::{Id as Any, opt};
use crate::cli::error::Failure;
use crate::cli::options::{Opt, Value};
use crate::cli::spawn::request::Request;
use crate::model::net_wish::{IfName, NetWish, Peer, Subnet, Veth};
use crate::model::text::Text;
use std::ffi::OsStr;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::cmd::spawn) enum Id {
    Net,
}

pub(super) const OPTIONS: &[Opt<Any>] = &[opt(
    Any::Network(Id::Net),
    None,
    "net",
    Value::Required("NETWORK"),
    (
        "Network",
        "none (lo alone), host (ours), join:TARGET (a target's) or \
         veth[:ADDR/PREFIX,gw=ADDR,peer=NAME,...] (a pair, one end inside)",
    ),
)];

pub(super) fn take(request: &mut Request, id: Id, value: &OsStr) -> Result<(), Failure> {
    match id {
        Id::Net => request.network = Some(parse(value)?),
    }
    Ok(())
}

/// linux/if_ether.h (ETH_MIN_MTU) and drivers/net/veth.c.
const MTU: std::ops::RangeInclusive<u32> = 68..=65_535;
/// RFC 8200; below it the kernel takes IPv6 from an interface.
const LEAST_OF_V6: u32 = 1280;

const HINT: &str = "none, host, join:TARGET or veth:ADDR/PREFIX,gw=ADDR,peer=NAME,mtu=BYTES";

/// `none`, `host`, `veth`, `veth:WORD,…`, `join:TARGET`
fn parse(value: &OsStr) -> Result<NetWish, Failure> {
    let bytes = value.as_bytes();
    match bytes {
        b"none" => return Ok(NetWish::Alone),
        b"host" => return Ok(NetWish::Ours),
        b"veth" => return veth(b"").map(Box::new).map(NetWish::Veth),
        _ => {}
    }
    if let Some(words) = bytes.strip_prefix(b"veth:") {
        return veth(words).map(Box::new).map(NetWish::Veth);
    }
    match bytes.strip_prefix(b"join:") {
        Some(b"") => {
            Err(refused("join: names no target").hint("join:TARGET, as for `nsx enter -t`"))
        }
        Some(target) => Ok(NetWish::Join(Text::new(target))),
        None => Err(refused(format!("{} is no network", Text::new(bytes))).hint(HINT)),
    }
}

fn refused(why: impl std::fmt::Display) -> Failure {
    Failure::usage(format!("--net: {why}"))
}

/// What the words say one by one.
#[derive(Default)]
struct Words {
    addresses: Vec<Subnet>,
    gateways: Vec<IpAddr>,
    name: Option<IfName>,
    peer: Option<(Option<IfName>, Option<Text>)>,
    peer_addresses: Vec<Subnet>,
    /// The peer gets none but those that were named.
    peer_is_bare: bool,
    mtu: Option<u32>,
}

fn veth(words: &[u8]) -> Result<Veth, Failure> {
    let mut said = Words::default();
    for word in words.split(|byte| *byte == b',').filter(|_| !words.is_empty()) {
        said.take(word)?;
    }
    said.complete()
}

impl Words {
    fn take(&mut self, word: &[u8]) -> Result<(), Failure> {
        let Some(equals) = word.iter().position(|byte| *byte == b'=') else {
            return add(&mut self.addresses, subnet(word)?);
        };
        let (key, value) = word.split_at(equals);
        let value = value.get(1..).unwrap_or_default();
        match key {
            b"addr" => add(&mut self.addresses, subnet(value)?),
            b"gw" => {
                let gateway = address(value)?;
                if self.gateways.iter().any(|other| other.is_ipv4() == gateway.is_ipv4()) {
                    return Err(refused("more than one gw of a family"));
                }
                self.gateways.push(gateway);
                Ok(())
            }
            b"name" => once(&mut self.name, name(value)?, "name"),
            b"peer" => once(&mut self.peer, peer(value)?, "peer"),
            b"peer-addr" if value == b"none" => {
                self.peer_is_bare = true;
                Ok(())
            }
            b"peer-addr" => add(&mut self.peer_addresses, subnet(value)?),
            b"mtu" => once(&mut self.mtu, mtu(value)?, "mtu"),
            _ => Err(refused(format!("{}= is unknown", Text::new(key)))
                .hint("name=, addr=, gw=, peer=, peer-addr= or mtu=")),
        }
    }

    /// What only all of it together tells.
    fn complete(mut self) -> Result<Veth, Failure> {
        if self.peer_is_bare && !self.peer_addresses.is_empty() {
            return Err(refused("peer-addr=none and an address for the peer"));
        }
        let named = self.peer_addresses.clone();
        for gateway in &self.gateways {
            let via = self.network_of(*gateway)?;
            // Who asks for a way out means somebody at the other end of it.
            let is_given = named.iter().any(|other| other.address.is_ipv4() == gateway.is_ipv4());
            if !self.peer_is_bare && !is_given {
                self.peer_addresses.push(via);
            }
        }
        let both = self
            .addresses
            .iter()
            .find(|one| self.peer_addresses.iter().any(|other| other.address == one.address));
        if let Some(both) = both {
            return Err(refused(format!("{} would be at both ends", both.address)));
        }
        let mut all = self.addresses.iter().chain(&self.peer_addresses);
        let is_small = self.mtu.is_some_and(|mtu| mtu < LEAST_OF_V6);
        if is_small && all.any(|subnet| subnet.address.is_ipv6()) {
            return Err(refused(format!("IPv6 needs an mtu of {LEAST_OF_V6} or more")));
        }
        let (name, target) = self.peer.unwrap_or_default();
        Ok(Veth {
            name: self.name.or_else(|| IfName::new(b"eth0")).ok_or_else(|| refused("no name"))?,
            addresses: self.addresses,
            gateways: self.gateways,
            mtu_bytes: self.mtu,
            peer: Peer { name, target, addresses: self.peer_addresses },
        })
    }

    /// The gateway as an address of the peer's: in the network that it is the way out of.
    fn network_of(&self, gateway: IpAddr) -> Result<Subnet, Failure> {
        if self.addresses.iter().any(|subnet| subnet.address == gateway) {
            return Err(refused(format!("gw={gateway} is the program's own address")));
        }
        let within = self.addresses.iter().find(|subnet| subnet.has(gateway));
        if let Some(within) = within {
            return Ok(Subnet { address: gateway, prefix_length: within.prefix_length });
        }
        // Every interface with IPv6 has an address of its own in that network.
        if matches!(gateway, IpAddr::V6(gateway) if gateway.is_unicast_link_local()) {
            return Ok(Subnet { address: gateway, prefix_length: 64 });
        }
        Err(refused(format!("gw={gateway} is in no network of the program's"))
            .hint("it is reached through an address in the same network: ADDR/PREFIX"))
    }
}

fn once<T>(place: &mut Option<T>, value: T, key: &str) -> Result<(), Failure> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(refused(format!("{key}= is given twice"))),
    }
}

fn add(all: &mut Vec<Subnet>, one: Subnet) -> Result<(), Failure> {
    if all.iter().any(|other| other.address == one.address) {
        return Err(refused(format!("{} is given twice", one.address)));
    }
    all.push(one);
    Ok(())
}

fn name(bytes: &[u8]) -> Result<IfName, Failure> {
    IfName::new(bytes).ok_or_else(|| {
        refused(format!("`{}` cannot be the name of an interface", Text::new(bytes)))
            .hint("1 to 15 bytes without blanks, `/`, `:`, `%` and `@`")
    })
}

/// `NAME`, `NAME@TARGET`, `@TARGET`
fn peer(bytes: &[u8]) -> Result<(Option<IfName>, Option<Text>), Failure> {
    let Some(at) = bytes.iter().position(|byte| *byte == b'@') else {
        return Ok((Some(name(bytes)?), None));
    };
    let (before, after) = bytes.split_at(at);
    let target = after.get(1..).unwrap_or_default();
    if target.is_empty() {
        return Err(refused("peer=NAME@ names no target").hint("peer=NAME@TARGET"));
    }
    let name = if before.is_empty() { None } else { Some(name(before)?) };
    Ok((name, Some(Text::new(target))))
}

fn mtu(bytes: &[u8]) -> Result<u32, Failure> {
    number(bytes).filter(|mtu| MTU.contains(mtu)).ok_or_else(|| {
        refused(format!(
            "mtu={} is no number from {} to {}",
            Text::new(bytes),
            MTU.start(),
            MTU.end()
        ))
    })
}

/// Decimal, without a sign.
fn number(bytes: &[u8]) -> Option<u32> {
    let digits = std::str::from_utf8(bytes).ok()?;
    digits.parse().ok().filter(|_| bytes.iter().all(u8::is_ascii_digit))
}

fn subnet(bytes: &[u8]) -> Result<Subnet, Failure> {
    let text = Text::new(bytes);
    let Some(slash) = bytes.iter().position(|byte| *byte == b'/') else {
        // A word that is no address is more likely a misspelled key.
        let is_address = address(bytes).is_ok();
        let hint = if is_address { "for example 198.51.100.2/24" } else { HINT };
        return Err(refused(format!("{text} is no address with a prefix length")).hint(hint));
    };
    let (before, after) = bytes.split_at(slash);
    let address = address(before)?;
    let bits = u32::from(Subnet::bits(address));
    let length = number(after.get(1..).unwrap_or_default())
        .filter(|length| (1..=bits).contains(length))
        .and_then(|length| u8::try_from(length).ok())
        .ok_or_else(|| refused(format!("{text}: the prefix length is 1 to {bits}")))?;
    let subnet = Subnet { address, prefix_length: length };
    let hosts = 32_u32.saturating_sub(length.into());
    // RFC 3021: a network of two has no such addresses.
    let is_nobody = address.is_ipv4()
        && hosts > 1
        && (subnet.host_part() == 0 || subnet.host_part() == (1_u128 << hosts) - 1);
    if is_nobody {
        return Err(refused(format!("{text} is the network or all of it, and nobody's address")));
    }
    Ok(subnet)
}

/// One that an interface can have.
fn address(bytes: &[u8]) -> Result<IpAddr, Failure> {
    let text = Text::new(bytes);
    let parsed = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<IpAddr>().ok());
    let Some(address) = parsed else {
        return Err(refused(format!("{text} is no IP address")));
    };
    let is_usable = match address {
        IpAddr::V4(v4) => !v4.is_broadcast(),
        IpAddr::V6(v6) => v6.to_ipv4_mapped().is_none(),
    };
    if address.is_unspecified() || address.is_multicast() || address.is_loopback() || !is_usable {
        return Err(refused(format!("{text} cannot be the address of a veth")));
    }
    Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(value: &str) -> Veth {
        match parse(OsStr::new(value)) {
            Ok(NetWish::Veth(veth)) => *veth,
            other => panic!("{value}: {other:?}"),
        }
    }

    fn why(value: impl AsRef<OsStr>) -> String {
        let value = value.as_ref();
        parse(value).map_or_else(|failure| failure.message, |wish| panic!("{value:?}: {wish:?}"))
    }

    fn shown(subnets: &[Subnet]) -> String {
        subnets.iter().map(Subnet::to_string).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn the_forms_without_words() {
        assert_eq!(parse(OsStr::new("none")).unwrap(), NetWish::Alone);
        assert_eq!(parse(OsStr::new("host")).unwrap(), NetWish::Ours);
        assert_eq!(
            parse(OsStr::new("join:netns:blue")).unwrap(),
            NetWish::Join("netns:blue".into())
        );
        let bare = wish("veth");
        assert_eq!((bare.name.as_str(), bare.peer), ("eth0", Peer::default()));
        assert!(bare.addresses.is_empty() && bare.gateways.is_empty() && bare.mtu_bytes.is_none());
    }

    #[test]
    fn the_issues_spelling() {
        let veth = wish("veth:198.51.100.2/24,gw=198.51.100.1,peer=blue,mtu=1400");
        assert_eq!(shown(&veth.addresses), "198.51.100.2/24");
        assert_eq!(veth.gateways, ["198.51.100.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(veth.peer.name.as_ref().map(IfName::as_str), Some("blue"));
        assert_eq!(shown(&veth.peer.addresses), "198.51.100.1/24", "the gateway is the peer");
        assert_eq!((veth.mtu_bytes, veth.peer.target), (Some(1400), None));
    }

    #[test]
    fn both_families_and_every_word_in_any_order() {
        let veth = wish(
            "veth:peer=up0@docker:web,mtu=1280,2001:db8::2/64,name=net1,gw=2001:db8::1,\
             198.51.100.2/31,peer-addr=198.51.100.3/31",
        );
        assert_eq!(shown(&veth.addresses), "2001:db8::2/64 198.51.100.2/31");
        assert_eq!(shown(&veth.peer.addresses), "198.51.100.3/31 2001:db8::1/64");
        assert_eq!(veth.peer.target, Some("docker:web".into()));
        assert_eq!(veth.name.as_str(), "net1");
        let nameless = wish("veth:peer=@4242,addr=198.51.100.2/24").peer;
        assert_eq!((nameless.name, nameless.target), (None, Some("4242".into())));
    }

    #[test]
    fn the_gateway_is_the_peer_unless_the_peer_has_its_own() {
        let with = |more: &str| {
            shown(&wish(&format!("veth:198.51.100.2/24,gw=198.51.100.1{more}")).peer.addresses)
        };
        assert_eq!(with(""), "198.51.100.1/24");
        assert_eq!(with(",peer-addr=none"), "");
        assert_eq!(with(",peer-addr=203.0.113.1/24"), "203.0.113.1/24");
        assert_eq!(with(",peer-addr=2001:db8::1/64"), "2001:db8::1/64 198.51.100.1/24");
        let local = wish("veth:2001:db8::2/64,gw=fe80::1");
        assert_eq!(shown(&local.peer.addresses), "fe80::1/64");
    }

    #[test]
    fn what_cannot_work_is_refused_and_said() {
        for (value, reason) in [
            ("", "is no network"),
            ("vet", "vet is no network"),
            ("none:", "is no network"),
            ("join:", "names no target"),
            ("veth:", ""),
            ("veth:,", "is no address"),
            ("veth:198.51.100.2", "no address with a prefix length"),
            ("veth:198.51.100.2/", "1 to 32"),
            ("veth:198.51.100.2/0", "1 to 32"),
            ("veth:198.51.100.2/33", "1 to 32"),
            ("veth:198.51.100.2/+8", "1 to 32"),
            ("veth:2001:db8::2/129", "1 to 128"),
            ("veth:198.51.100.0/24", "nobody's address"),
            ("veth:198.51.100.255/24", "nobody's address"),
            ("veth:198.51.100.300/24", "is no IP address"),
            ("veth:224.0.0.1/24", "cannot be the address"),
            ("veth:127.0.0.2/8", "cannot be the address"),
            ("veth:::1/64", "cannot be the address"),
            ("veth:::ffff:198.51.100.2/112", "cannot be the address"),
            ("veth:198.51.100.2/24,198.51.100.2/25", "given twice"),
            ("veth:gw=198.51.100.1", "in no network"),
            ("veth:198.51.100.2/24,gw=203.0.113.1", "in no network"),
            ("veth:198.51.100.2/24,gw=198.51.100.2", "the program's own"),
            ("veth:198.51.100.2/24,gw=198.51.100.1,gw=198.51.100.3", "more than one gw"),
            ("veth:198.51.100.2/24,peer-addr=198.51.100.2/24", "at both ends"),
            ("veth:peer-addr=none,peer-addr=198.51.100.2/24", "peer-addr=none and"),
            ("veth:mtu=67", "68 to 65535"),
            ("veth:mtu=65536", "68 to 65535"),
            ("veth:mtu=-1", "68 to 65535"),
            ("veth:mtu=1400,mtu=1400", "mtu= is given twice"),
            ("veth:2001:db8::2/64,mtu=1279", "1280 or more"),
            ("veth:name=", "cannot be the name"),
            ("veth:name=a b", "cannot be the name"),
            ("veth:peer=sixteen-bytes-xx", "cannot be the name"),
            ("veth:peer=a/b@web", "cannot be the name"),
            ("veth:peer=", "cannot be the name"),
            ("veth:peer=blue@", "names no target"),
            ("veth:colour=blue", "colour= is unknown"),
        ] {
            if reason.is_empty() {
                assert!(parse(OsStr::new(value)).is_ok(), "{value}");
            } else {
                assert!(why(value).contains(reason), "{value}: {}", why(value));
            }
        }
        assert!(why(OsStr::from_bytes(b"veth:\x1b[2J\xff")).starts_with("--net: \\x1b[2J\\xff"));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(OsStr::from_bytes(&bytes));
            let _ = parse(OsStr::from_bytes(&[b"veth:", &bytes[..]].concat()));
        }
    }
}
