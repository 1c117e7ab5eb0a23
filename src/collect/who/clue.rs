//! What a clue may be spelled like. Pure: bytes in, one kind out.
//!
//! A word before a colon that this grammar knows always decides. Without one the form decides, and
//! what has no form of its own is a name: of a container, or else of an interface.

use crate::model::device::Device;
use crate::model::namespace::Kind;
use crate::model::network::Protocol;
use crate::model::process::Pid;
use std::net::{IpAddr, SocketAddr};

/// A clue, taken apart and not looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clue<'a> {
    /// `4242`, `pid:4242`: a process or a thread by its number here.
    Pid(Pid),
    /// `nspid:1`: whatever has that number in its own pid namespace.
    PidInside(Pid),
    /// `port:443`, `port:53/udp`, `:443`, `443/tcp`
    Port {
        /// 0 to 65535.
        port: u16,
        /// Behind a slash; None means any.
        protocol: Option<Protocol>,
    },
    /// `198.51.100.2:80`, `[2001:db8::1]:80/tcp`, also after `port:`
    Endpoint {
        /// One of IPv4 in IPv6 is of IPv4.
        address: IpAddr,
        /// 0 to 65535.
        port: u16,
        /// Behind a slash; None means any.
        protocol: Option<Protocol>,
    },
    /// `198.51.100.2`, `ip:2001:db8::1`
    Ip(IpAddr),
    /// `02:42:c6:33:64:02`, `mac:…`
    Mac([u8; 6]),
    /// `if:veth12`
    Interface(&'a [u8]),
    /// `ns:4026532280`, `net:[4026532280]`, `4026532280`
    Namespace {
        /// Of it.
        inode: u64,
        /// None means any.
        kind: Option<Kind>,
    },
    /// `cgroup:/docker/…`
    Cgroup(&'a [u8]),
    /// `/srv/data`, `path:/srv/data`
    Path(&'a [u8]),
    /// `dev:8:1`, `8:1`
    Device(Device),
    /// `socket:12345`, `socket:[12345]`
    Socket(u64),
    /// `nginx.service`, `unit:nginx`
    Unit(&'a [u8]),
    /// `overlay:HASH`
    Overlay(&'a [u8]),
    /// A name, an id, or any target that says by a word what it is.
    Name(&'a [u8]),
}

impl Clue<'_> {
    /// The word that stands before its colon.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Pid(_) => "pid",
            Self::PidInside(_) => "nspid",
            Self::Port { .. } | Self::Endpoint { .. } => "port",
            Self::Ip(_) => "ip",
            Self::Mac(_) => "mac",
            Self::Interface(_) => "if",
            Self::Namespace { .. } => "ns",
            Self::Cgroup(_) => "cgroup",
            Self::Path(_) => "path",
            Self::Device(_) => "dev",
            Self::Socket(_) => "socket",
            Self::Unit(_) => "unit",
            Self::Overlay(_) => "overlay",
            Self::Name(_) => "name",
        }
    }
}

/// Why a text is no clue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misspelled {
    /// Nothing was spelled.
    #[error("the clue is empty")]
    Empty,
    /// A byte that no argument and no path can hold.
    #[error("a NUL byte is in no name")]
    Nul,
    /// No process id after this word: `pid` or `nspid`.
    #[error("{0}: wants a process id after it, 1 to {max}", max = Pid::MAX)]
    Pid(&'static str),
    /// Beyond 65535, no number, or another protocol than tcp and udp.
    #[error("port: wants a port, with an address before it or /tcp or /udp behind it: 443/tcp")]
    Port,
    /// No address, or a prefix length beyond 128.
    #[error("ip: wants an address such as 198.51.100.2 or 2001:db8::1")]
    Ip,
    /// Anything but six pairs of hexadecimal digits.
    #[error("mac: wants six bytes such as 02:42:c6:33:64:02")]
    Mac,
    /// Nothing after this word: `if`, `unit` or `name`.
    #[error("{0}: wants a name after it")]
    Name(&'static str),
    /// Anything but a decimal number, with brackets or without.
    #[error("ns: wants the decimal inode of a namespace")]
    Namespace,
    /// No absolute path after this word: `cgroup` or `path`.
    #[error("{0}: wants a path that begins with /")]
    Path(&'static str),
    /// Anything but two decimal numbers.
    #[error("dev: wants MAJOR:MINOR")]
    Device,
    /// Anything but a decimal number, with brackets or without.
    #[error("socket: wants the decimal inode of a socket")]
    Socket,
    /// Fewer than four characters that are not a number.
    #[error("overlay: wants four or more characters of a layer's id, or a snapshot's number")]
    Overlay,
}

/// Fewer characters of a layer's id lead to anything.
const SHORTEST_LAYER: usize = 4;

/// A word with a colon decides; failing one the form does, and a name is what is left.
pub fn parse(spelled: &[u8]) -> Result<Clue<'_>, Misspelled> {
    if spelled.is_empty() {
        return Err(Misspelled::Empty);
    }
    if spelled.contains(&0) {
        return Err(Misspelled::Nul);
    }
    // Two kinds of namespace are called by a word of ours: `pid:[4026531836]`.
    if let Some(key) = crate::sys::ns::parse_name(spelled) {
        return Ok(Clue::Namespace { inode: key.inode, kind: Some(key.kind) });
    }
    match split(spelled) {
        Some((word, rest)) => by_word(word, rest).unwrap_or_else(|| Ok(by_form(spelled))),
        None => match by_form(spelled) {
            // `:99999`
            Clue::Name([b':', ..]) => Err(Misspelled::Port),
            clue => Ok(clue),
        },
    }
}

const fn of_any_kind<'a>(inode: u64) -> Clue<'a> {
    Clue::Namespace { inode, kind: None }
}

fn split(spelled: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = spelled.iter().position(|byte| *byte == b':').filter(|at| *at > 0)?;
    Some((spelled.get(..colon)?, spelled.get(colon + 1..)?))
}

/// `None`: the word is none of ours.
fn by_word<'a>(word: &[u8], rest: &'a [u8]) -> Option<Result<Clue<'a>, Misspelled>> {
    let named = |clue: fn(&'a [u8]) -> Clue<'a>, word| {
        if rest.is_empty() { Err(Misspelled::Name(word)) } else { Ok(clue(rest)) }
    };
    let placed = |clue: fn(&'a [u8]) -> Clue<'a>, word| {
        if rest.starts_with(b"/") { Ok(clue(rest)) } else { Err(Misspelled::Path(word)) }
    };
    Some(match word {
        b"pid" => Pid::parse(rest).map(Clue::Pid).ok_or(Misspelled::Pid("pid")),
        b"nspid" => Pid::parse(rest).map(Clue::PidInside).ok_or(Misspelled::Pid("nspid")),
        b"port" => port(rest).or_else(|| endpoint(rest)).ok_or(Misspelled::Port),
        b"ip" => ip(rest).map(Clue::Ip).ok_or(Misspelled::Ip),
        b"mac" => mac(rest).map(Clue::Mac).ok_or(Misspelled::Mac),
        b"if" => named(Clue::Interface, "if"),
        b"ns" => number(brackets(rest)).map(of_any_kind).ok_or(Misspelled::Namespace),
        b"cgroup" => placed(Clue::Cgroup, "cgroup"),
        b"path" => placed(Clue::Path, "path"),
        b"dev" => Device::parse(rest).map(Clue::Device).ok_or(Misspelled::Device),
        b"socket" => number(brackets(rest)).map(Clue::Socket).ok_or(Misspelled::Socket),
        b"unit" => named(Clue::Unit, "unit"),
        b"name" => named(Clue::Name, "name"),
        // containerd gives its layers numbers.
        b"overlay" if rest.len() < SHORTEST_LAYER && number::<u64>(rest).is_none() => {
            Err(Misspelled::Overlay)
        }
        b"overlay" => Ok(Clue::Overlay(rest)),
        _ => return None,
    })
}

fn by_form(spelled: &[u8]) -> Clue<'_> {
    if spelled.starts_with(b"/") {
        return Clue::Path(spelled);
    }
    let by_itself = Pid::parse(spelled).map(Clue::Pid);
    by_itself
        .or_else(|| number(spelled).map(of_any_kind))
        .or_else(|| mac(spelled).map(Clue::Mac))
        .or_else(|| ip(spelled).map(Clue::Ip))
        .or_else(|| endpoint(spelled))
        .or_else(|| spelled.strip_prefix(b":").and_then(port))
        .or_else(|| port(spelled).filter(|_| spelled.contains(&b'/')))
        .or_else(|| Device::parse(spelled).map(Clue::Device))
        .or_else(|| is_unit(spelled).then_some(Clue::Unit(spelled)))
        .unwrap_or(Clue::Name(spelled))
}

fn number<N: std::str::FromStr>(text: &[u8]) -> Option<N> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

fn brackets(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"[").and_then(|rest| rest.strip_suffix(b"]")).unwrap_or(text)
}

/// `443`, `443/tcp`
fn port<'a>(text: &[u8]) -> Option<Clue<'a>> {
    let (number, protocol) = of_protocol(text)?;
    Some(Clue::Port { port: self::number(number)?, protocol })
}

/// The protocol behind the last slash.
fn of_protocol(text: &[u8]) -> Option<(&[u8], Option<Protocol>)> {
    let Some(slash) = text.iter().rposition(|byte| *byte == b'/') else {
        return Some((text, None));
    };
    let protocol = match text.get(slash + 1..)? {
        b"tcp" => Protocol::Tcp,
        b"udp" => Protocol::Udp,
        _ => return None,
    };
    Some((text.get(..slash)?, Some(protocol)))
}

fn endpoint<'a>(text: &[u8]) -> Option<Clue<'a>> {
    let (text, protocol) = of_protocol(text)?;
    let address: SocketAddr = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(Clue::Endpoint { address: address.ip().to_canonical(), port: address.port(), protocol })
}

/// A length of the prefix behind it, as `ip addr` writes it, is passed over.
fn ip(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let (address, prefix) = text.split_once('/').unwrap_or((text, "0"));
    let address: IpAddr = address.parse().ok()?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    number::<u8>(prefix.as_bytes()).filter(|length| *length <= longest)?;
    Some(address.to_canonical())
}

fn mac(text: &[u8]) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split(|byte| matches!(byte, b':' | b'-'));
    for byte in &mut bytes {
        // The standard parser takes a sign too.
        let is_byte = |part: &&[u8]| part.len() == 2 && part.iter().all(u8::is_ascii_hexdigit);
        let part = parts.next().filter(is_byte)?;
        *byte = u8::from_str_radix(std::str::from_utf8(part).ok()?, 16).ok()?;
    }
    parts.next().is_none().then_some(bytes)
}

fn is_unit(text: &[u8]) -> bool {
    const TYPES: [&[u8]; 5] = [b".service", b".scope", b".slice", b".socket", b".mount"];
    TYPES.iter().any(|end| text.len() > end.len() && text.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clue(text: &str) -> Clue<'_> {
        parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn the_form_decides_where_no_word_does() {
        let pid = Pid::new(4242).unwrap();
        let v4: IpAddr = "198.51.100.2".parse().unwrap();
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        let (tcp, udp) = (Some(Protocol::Tcp), Some(Protocol::Udp));
        let of_kind = |kind| Clue::Namespace { inode: 4_026_532_280, kind: Some(kind) };
        for (text, wanted) in [
            ("4242", Clue::Pid(pid)),
            ("4026532280", of_any_kind(4_026_532_280)),
            ("net:[4026532280]", of_kind(Kind::Net)),
            ("pid:[4026532280]", of_kind(Kind::Pid)),
            ("cgroup:[4026532280]", of_kind(Kind::Cgroup)),
            ("198.51.100.2", Clue::Ip(v4)),
            ("198.51.100.2/24", Clue::Ip(v4)),
            ("::ffff:198.51.100.2", Clue::Ip(v4)),
            ("2001:db8::1", Clue::Ip(v6)),
            ("198.51.100.2:80", Clue::Endpoint { address: v4, port: 80, protocol: None }),
            ("[2001:db8::1]:80/tcp", Clue::Endpoint { address: v6, port: 80, protocol: tcp }),
            (":443", Clue::Port { port: 443, protocol: None }),
            ("53/udp", Clue::Port { port: 53, protocol: udp }),
            ("02:42:c6:33:64:02", Clue::Mac([2, 0x42, 0xc6, 0x33, 0x64, 2])),
            ("8:1", Clue::Device(Device { major: 8, minor: 1 })),
            ("/srv/data", Clue::Path(b"/srv/data")),
            ("nginx.service", Clue::Unit(b"nginx.service")),
            ("web", Clue::Name(b"web")),
            ("docker:web", Clue::Name(b"docker:web")),
            ("pod:shop/cart", Clue::Name(b"pod:shop/cart")),
            ("cri:app", Clue::Name(b"cri:app")),
            (".service", Clue::Name(b".service")),
            ("12345678", of_any_kind(12_345_678)),
        ] {
            assert_eq!(clue(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_word_decides_always() {
        let pid = Pid::new(7).unwrap();
        for (text, wanted) in [
            ("pid:7", Clue::Pid(pid)),
            ("nspid:7", Clue::PidInside(pid)),
            ("port:443", Clue::Port { port: 443, protocol: None }),
            ("if:eth0", Clue::Interface(b"eth0")),
            ("ns:7", of_any_kind(7)),
            ("cgroup:/", Clue::Cgroup(b"/")),
            ("path:/", Clue::Path(b"/")),
            ("dev:0:55", Clue::Device(Device { major: 0, minor: 55 })),
            ("socket:[9]", Clue::Socket(9)),
            ("unit:nginx", Clue::Unit(b"nginx")),
            ("overlay:ab12", Clue::Overlay(b"ab12")),
            ("overlay:17", Clue::Overlay(b"17")),
            ("name:7", Clue::Name(b"7")),
        ] {
            assert_eq!(clue(text), wanted, "{text}");
            let word = text.split(':').next().unwrap();
            assert_eq!(clue(text).kind(), word);
        }
    }

    #[test]
    fn what_its_word_does_not_take_is_an_error() {
        for text in [
            "",
            "pid:0",
            "pid:x",
            "nspid:",
            "port:",
            "port:65536",
            ":65536",
            ":http",
            "port:1/sctp",
            "ip:web",
            "ip:198.51.100.2/33",
            "ip:198.51.100.2/+3",
            "ip:2001:db8::1/129",
            "mac:1:2",
            "mac:+1:02:03:04:05:06",
            "if:",
            "ns:x",
            "cgroup:x",
            "path:x",
            "dev:8",
            "socket:x",
            "unit:",
            "overlay:abc",
            "name:",
            "a\0b",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, like in "(pid:|port:|\\[|\\]|::|[0-9a-f:./]{0,9}|-){0,4}") {
            let _ = (parse(&bytes), parse(like.as_bytes()));
        }
    }
}
