//! What network a new process is to have. Plain data.

use super::text::Text;
use std::fmt;
use std::net::IpAddr;

/// Which network namespace a spawned program gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetWish {
    /// A namespace of its own in which there is only lo, which is up.
    Alone,
    /// The one that nsx is in.
    Ours,
    /// A namespace of its own, and a veth pair out of it.
    Veth(Box<Veth>),
    /// That of a target, as it was spelled.
    Join(Text),
}

/// Both ends come and go together: veth(4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Veth {
    /// Of the end inside.
    pub name: IfName,
    /// Of the end inside.
    pub addresses: Vec<Subnet>,
    /// Of the default routes inside, at most one a family.
    pub gateways: Vec<IpAddr>,
    /// Of both ends; absent: the kernel's own.
    pub mtu_bytes: Option<u32>,
    /// Where the end outside is, and what it is called.
    pub peer: Peer,
}

/// The other end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Absent: the first of nsx0, nsx1, … that is free there.
    pub name: Option<IfName>,
    /// In whose network namespace, as it was spelled; absent: in ours.
    pub target: Option<Text>,
    /// Of this end.
    pub addresses: Vec<Subnet>,
}

/// A name that the kernel takes for an interface as it is: see [`IfName::new`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IfName(String);

impl IfName {
    /// As long as IFNAMSIZ has room for.
    pub const LONGEST: usize = 15;

    /// As `dev_valid_name()` of the kernel has it. Besides, no `%`, which makes it a template; no
    /// `@`, behind which tools write the other end; no byte that acts on a terminal; and not what
    /// the switches for all interfaces are called.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let name = std::str::from_utf8(bytes).ok()?;
        let length = (1..=Self::LONGEST).contains(&bytes.len());
        // The kernel takes 0xa0 for a blank, also within a character of several bytes.
        let refused = |byte: &u8| {
            matches!(byte, b'/' | b':' | b'%' | b'@' | b' ' | 0xa0) || byte.is_ascii_control()
        };
        let taken = matches!(name, "." | ".." | "all" | "default");
        (length && !taken && !bytes.iter().any(refused)).then(|| Self(name.to_owned()))
    }

    /// Not escaped: a valid name may hold bytes that are not ASCII.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Escaped.
impl fmt::Display for IfName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Text::from(self.0.as_str()).fmt(f)
    }
}

/// An address and how many of its bits are the network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// Its host part is there too: `198.51.100.2`.
    pub address: IpAddr,
    /// At most 32, of IPv6 128.
    pub prefix_length: u8,
}

impl Subnet {
    /// How many bits an address of this family has.
    pub const fn bits(address: IpAddr) -> u8 {
        match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        }
    }

    /// Whether another address is in the same network.
    pub fn has(&self, other: IpAddr) -> bool {
        let host_bits = Self::bits(self.address).saturating_sub(self.prefix_length);
        let differing = match (self.address, other) {
            (IpAddr::V4(one), IpAddr::V4(two)) => u128::from(one.to_bits() ^ two.to_bits()),
            (IpAddr::V6(one), IpAddr::V6(two)) => one.to_bits() ^ two.to_bits(),
            _ => return false,
        };
        differing.checked_shr(u32::from(host_bits)).unwrap_or(0) == 0
    }

    /// The bits that are the host's.
    pub fn host_part(&self) -> u128 {
        let host_bits = Self::bits(self.address).saturating_sub(self.prefix_length);
        let mask = 1_u128.checked_shl(u32::from(host_bits)).unwrap_or(0).wrapping_sub(1);
        let bits = match self.address {
            IpAddr::V4(address) => u128::from(address.to_bits()),
            IpAddr::V6(address) => address.to_bits(),
        };
        bits & mask
    }
}

/// `198.51.100.2/24`
impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_kernels() {
        for good in ["eth0", "a", "nsx-blue.1_x+y", "fifteen-bytes-x", "größe", "-", "..."] {
            assert!(IfName::new(good.as_bytes()).is_some(), "{good}");
        }
        let bad: [&[u8]; 14] = [
            b"",
            b".",
            b"..",
            b"sixteen-bytes-xx",
            b"a/b",
            b"a b",
            b"a\tb",
            b"a\nb",
            b"a:b",
            b"eth%d",
            b"a@b",
            b"a\x1b[2J",
            b"a\xff",
            b"all",
        ];
        for bad in bad {
            assert!(IfName::new(bad).is_none(), "{}", Text::new(bad));
        }
        assert!(IfName::new("a\u{a0}b".as_bytes()).is_none(), "a no-break space");
        assert!(IfName::new("voilà".as_bytes()).is_none(), "its last byte is 0xa0");
    }

    fn subnet(address: &str, prefix_length: u8) -> Subnet {
        Subnet { address: address.parse().unwrap(), prefix_length }
    }

    #[test]
    fn a_network_has_its_own_addresses() {
        let cases = [
            ("198.51.100.2", 24, "198.51.100.254", true),
            ("198.51.100.2", 24, "198.51.101.2", false),
            ("198.51.100.2", 32, "198.51.100.2", true),
            ("198.51.100.2", 32, "198.51.100.3", false),
            ("198.51.100.2", 1, "127.0.0.1", false),
            ("2001:db8::2", 64, "2001:db8::ffff", true),
            ("2001:db8::2", 64, "2001:db8:0:1::2", false),
            ("2001:db8::2", 128, "2001:db8::2", true),
            ("198.51.100.2", 24, "2001:db8::2", false),
        ];
        for (address, length, other, expected) in cases {
            let is_in = subnet(address, length).has(other.parse().unwrap());
            assert_eq!(is_in, expected, "{other} in {address}/{length}");
        }
        assert_eq!(subnet("198.51.100.7", 24).host_part(), 7);
        assert_eq!(subnet("198.51.100.7", 32).host_part(), 0);
        assert_eq!(subnet("2001:db8::", 64).host_part(), 0);
        assert_eq!(subnet("2001:db8::7", 1).to_string(), "2001:db8::7/1");
    }

    proptest::proptest! {
        #[test]
        fn no_length_panics(address: u128, other: u128, length: u8) {
            let subnet = Subnet { address: IpAddr::from(address.to_be_bytes()), prefix_length: length };
            let _ = (subnet.has(IpAddr::from(other.to_be_bytes())), subnet.host_part());
        }
    }
}
