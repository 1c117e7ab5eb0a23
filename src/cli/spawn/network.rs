//! The network of `spawn`: looks up the target that it names, and says what can be done where it
//! cannot be had.

use super::host::Host;
use crate::action::error::ActionError;
use crate::action::network::{Held, Network, NetworkError};
use crate::cli::error::Failure;
use crate::collect::credentials;
use crate::collect::target::{self, Target};
use crate::model::namespace::{Kind, Kinds};
use crate::model::net_wish::NetWish;
use crate::model::text::Text;
use crate::sys::error::SysError;
use crate::sys::ns;
use crate::sys::nsfs::{self, NsFile};
use crate::sys::root::SysRoot;

const NET: Kinds = Kinds::NONE.with(Kind::Net);

/// Which kinds of namespace are made new with a wish: `new` is what the options say, `named` those
/// of it that have an option of their own.
pub(super) fn kinds(wish: Option<&NetWish>, new: Kinds, named: Kinds) -> Result<Kinds, Failure> {
    match wish {
        None => Ok(new),
        Some(NetWish::Alone | NetWish::Veth(_)) => Ok(new.with(Kind::Net)),
        Some(NetWish::Ours | NetWish::Join(_)) if named.has(Kind::Net) => {
            let word = if matches!(wish, Some(NetWish::Ours)) { "host" } else { "join:" };
            Err(Failure::usage(format!(
                "--newnet makes a network namespace, --net {word} makes none"
            ))
            .hint("leave one of them out"))
        }
        Some(NetWish::Ours | NetWish::Join(_)) => Ok(new.without(Kind::Net)),
    }
}

/// Looks up the target that a wish names.
pub(super) fn look_up(host: &Host, wish: Option<&NetWish>) -> Result<Option<Held>, Failure> {
    wish.and_then(spelled).map(|spelled| hold(host.root()?, spelled)).transpose()
}

/// Opens what it takes there.
///
/// The caller has one thread.
pub(super) fn open(wish: Option<&NetWish>, held: Option<Held>) -> Result<Network, Failure> {
    let Some(wish) = wish else { return Ok(Network::default()) };
    Ok(Network::open(wish, held).map_err(ActionError::from)?)
}

fn spelled(wish: &NetWish) -> Option<&Text> {
    match wish {
        NetWish::Join(target) => Some(target),
        NetWish::Veth(veth) => veth.peer.target.as_ref(),
        NetWish::Alone | NetWish::Ours => None,
    }
}

fn hold(root: &SysRoot, spelled: &Text) -> Result<Held, Failure> {
    let (label, file) = match target::resolve(root, spelled.as_bytes())? {
        Target::Process(process) => {
            let label = process.label();
            let object = || format!("the network namespace of {label}").into();
            let namespace = ns::open(process.handle.dir(), Kind::Net)
                .map_err(|error| SysError { object: object(), ..error })?;
            process.handle.check_alive()?;
            (label, nsfs::from_fd(namespace)?)
        }
        Target::Namespace(held) => (held.label.clone(), held.into_file()?),
    };
    let file = of_network(file, &label)?;
    let ours = credentials::own_namespaces(root, NET)?.inode(Kind::Net);
    Ok(Held { is_ours: ours == Some(file.key.inode), label, file })
}

fn of_network(file: NsFile, label: &Text) -> Result<NsFile, Failure> {
    if file.key.kind == Kind::Net {
        return Ok(file);
    }
    Err(Failure::usage(format!("{label} is a {} namespace, no net namespace", file.key.kind))
        .hint("name a process or container, or netns:NAME"))
}

/// What can be done about a network that could not be made.
pub(in crate::cli) fn advice(error: &NetworkError) -> Option<&'static str> {
    Some(match error {
        NetworkError::Taken(_) => {
            "`ip link` there shows what there is; name= and peer= give other names"
        }
        NetworkError::NoVeth(_) => "this kernel makes no veth: it may lack the module",
        NetworkError::NoIpv6(_) => "IPv6 is switched off there; leave its address out",
        NetworkError::Closed(_) => {
            "it takes CAP_NET_ADMIN over that namespace, which --newuser does not give: run it as \
             root, or with --net none"
        }
        NetworkError::NotJoined(_) => {
            "it takes CAP_SYS_ADMIN here and in the user namespace that owns it: run it as root"
        }
        NetworkError::System(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::net_wish::{IfName, Peer, Veth};

    #[test]
    fn a_wish_decides_about_the_namespace() {
        let all = Kinds::EVERY;
        let veth = Veth {
            name: IfName::new(b"eth0").unwrap(),
            addresses: Vec::new(),
            gateways: Vec::new(),
            mtu_bytes: None,
            peer: Peer::default(),
        };
        let veth = NetWish::Veth(Box::new(veth));
        let join = NetWish::Join("web".into());
        for (wish, new, expected) in [
            (None, Kinds::NONE, Kinds::NONE),
            (None, NET, NET),
            (Some(&NetWish::Alone), Kinds::NONE, NET),
            (Some(&veth), Kinds::NONE, NET),
            (Some(&veth), all, all),
            (Some(&NetWish::Ours), all, all.without(Kind::Net)),
            (Some(&join), all, all.without(Kind::Net)),
        ] {
            assert_eq!(kinds(wish, new, Kinds::NONE).unwrap(), expected, "{wish:?}");
        }
        for wish in [&NetWish::Ours, &join] {
            let refused = kinds(Some(wish), NET, NET).unwrap_err();
            assert!(refused.message.contains("makes none"), "{}", refused.message);
        }
        assert_eq!(kinds(Some(&veth), NET, NET).unwrap(), NET);
    }
}
