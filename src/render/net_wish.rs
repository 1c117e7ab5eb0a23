//! What network a new process will have, in words: a line of the dry run.

use crate::model::net_wish::{NetWish, Subnet, Veth};

/// `a veth pair: eth0 with 198.51.100.2/24 inside, blue with 198.51.100.1/24 in our network namespace`
pub fn outline(wish: &NetWish) -> String {
    match wish {
        NetWish::Ours => "the network that we are in".to_owned(),
        NetWish::Alone => "a network namespace with lo alone, which is up".to_owned(),
        NetWish::Join(target) => format!("the network namespace of {target}, joined"),
        NetWish::Veth(veth) => pair(veth),
    }
}

fn pair(veth: &Veth) -> String {
    let peer = &veth.peer;
    let name = match &peer.name {
        Some(name) => name.to_string(),
        None => "one named nsx and a number".to_owned(),
    };
    let place = match &peer.target {
        Some(target) => format!("the network namespace of {target}"),
        None => "our network namespace".to_owned(),
    };
    let routes: Vec<String> =
        veth.gateways.iter().map(|gateway| format!(", default route by {gateway}")).collect();
    let mtu = veth.mtu_bytes.map(|mtu| format!(", mtu {mtu}")).unwrap_or_default();
    format!(
        "a veth pair: {}{} inside, {name}{} in {place}{}{mtu}",
        veth.name,
        with(&veth.addresses),
        with(&peer.addresses),
        routes.concat(),
    )
}

/// ` with 198.51.100.2/24 and 2001:db8::2/64`
fn with(subnets: &[Subnet]) -> String {
    let words: Vec<String> = subnets.iter().map(Subnet::to_string).collect();
    if words.is_empty() { String::new() } else { format!(" with {}", words.join(" and ")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::net_wish::{IfName, Peer};
    use crate::model::text::Text;

    #[test]
    fn each_wish_is_one_line_without_raw_bytes() {
        let subnet =
            |text: &str, prefix_length| Subnet { address: text.parse().unwrap(), prefix_length };
        let mut veth = Veth {
            name: IfName::new(b"eth0").unwrap(),
            addresses: vec![subnet("198.51.100.2", 24), subnet("2001:db8::2", 64)],
            gateways: vec!["198.51.100.1".parse().unwrap()],
            mtu_bytes: Some(1400),
            peer: Peer {
                name: IfName::new(b"blue"),
                target: Some(Text::new(b"we\x1bb")),
                addresses: vec![subnet("198.51.100.1", 24)],
            },
        };
        let said = outline(&NetWish::Veth(Box::new(veth.clone())));
        assert_eq!(
            said,
            "a veth pair: eth0 with 198.51.100.2/24 and 2001:db8::2/64 inside, blue with \
             198.51.100.1/24 in the network namespace of we\\x1bb, default route by 198.51.100.1, \
             mtu 1400"
        );
        veth.peer = Peer::default();
        (veth.gateways, veth.mtu_bytes) = (Vec::new(), None);
        assert!(
            outline(&NetWish::Veth(Box::new(veth)))
                .ends_with(" inside, one named nsx and a number in our network namespace")
        );
        let join = NetWish::Join(Text::new(b"a\nb"));
        assert_eq!(outline(&join), "the network namespace of a\\x0ab, joined");
    }
}
