//! How what was seen travels from a member of the crew.

use super::{Seen, WHAT};
use crate::model::gap::{Gap, Reason};
use crate::model::text::Text;
use crate::sys::crew::travel::{self, Rest};
use std::net::{IpAddr, Ipv6Addr};

/// All that a look notes a lack of.
const WHATS: [&str; 2] = [WHAT, "cgroup"];

pub(super) fn write(seen: &Seen, out: &mut Vec<u8>) {
    let Seen { is_paused, addresses, lacks } = seen;
    out.push(u8::from(*is_paused) | u8::from(addresses.is_none()) << 1);
    out.push(u8::try_from(lacks.len()).unwrap_or(u8::MAX));
    for gap in lacks.iter().take(u8::MAX.into()) {
        let what = WHATS.iter().position(|what| *what == gap.what).unwrap_or_default();
        out.extend([u8::try_from(what).unwrap_or_default(), gap.reason as u8]);
        travel::write(gap.object.as_bytes(), out);
    }
    for address in addresses.iter().flatten() {
        let mapped = match address {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => *address,
        };
        out.extend(mapped.octets());
    }
}

pub(super) fn read(bytes: &[u8]) -> Seen {
    let mut rest = Rest(bytes);
    let flags = rest.byte().unwrap_or_default();
    let count = rest.byte().unwrap_or_default();
    let lacks = (0..count).map_while(|_| gap(&mut rest)).collect();
    let (addresses, _) = rest.0.as_chunks::<16>();
    let address = |octets: &[u8; 16]| IpAddr::V6(Ipv6Addr::from(*octets)).to_canonical();
    let addresses = (flags & 2 == 0).then(|| addresses.iter().map(address).collect());
    Seen { is_paused: flags & 1 == 1, addresses, lacks }
}

fn gap(rest: &mut Rest<'_>) -> Option<Gap> {
    let what = WHATS.get(usize::from(rest.byte()?))?;
    let reason = rest.byte()?;
    let reason = *Reason::ALL.iter().find(|one| **one as u8 == reason)?;
    Some(Gap { object: Text::new(rest.bytes()?), what, reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let addresses = ["198.51.100.7", "2001:db8::7"].map(|text| text.parse().unwrap());
        let gap = |what, reason| Gap { object: "pid 7".into(), what, reason };
        let lacks = Reason::ALL.map(|reason| [gap(WHAT, reason), gap("cgroup", reason)]).concat();
        for is_paused in [false, true] {
            for addresses in [Some(addresses.to_vec()), Some(Vec::new()), None] {
                for lacks in [lacks.clone(), Vec::new()] {
                    let seen = Seen { is_paused, addresses: addresses.clone(), lacks };
                    let mut bytes = Vec::new();
                    write(&seen, &mut bytes);
                    assert_eq!(read(&bytes), seen);
                }
            }
        }
        assert_eq!(read(&[]), Seen::default());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = read(&bytes);
        }
    }
}
