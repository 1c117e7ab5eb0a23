//! Ports that engines lead to containers, by their own records; and the processes that stand at such
//! a port for an engine, which are told with the container and not for themselves.

use super::{Group, Query, Side, step};
use crate::collect::netspaces::addresses_outside;
use crate::collect::runtime::monitor::Monitor;
use crate::collect::who::Host;
use crate::model::container::{Container, State};
use crate::model::process::Pid;
use crate::model::runtime::Runtime;
use crate::model::text::Text;
use crate::model::trail::{Published, Step, Trail};

/// One port of one container.
#[derive(Debug)]
pub(super) struct Lead {
    /// In the list of all.
    container: usize,
    published: Published,
}

/// Those that the clue means, of containers that run.
pub(super) fn leads(host: &Host<'_>, query: &Query, host_has: bool) -> Vec<Lead> {
    let mut leads = Vec::new();
    for (container, one) in host.containers.list.iter().enumerate() {
        let runs = matches!(one.state, State::Running | State::Paused) && one.init.is_some();
        let meant = |published: &&Published| runs && query.is_published(published, host_has);
        let published = one.published.iter().filter(meant).copied();
        leads.extend(published.map(|published| Lead { container, published }));
    }
    leads
}

impl Lead {
    fn of<'a>(&self, host: &'a Host<'_>) -> Option<&'a Container> {
        host.containers.list.get(self.container)
    }

    /// Whether the record alone is enough. A user's is his to write, and nothing but a process of
    /// his leads a port of the host anywhere: one that cannot be looked at has a socket of his.
    pub(super) fn counts(&self, host: &Host<'_>, of_host: &[Group<'_>]) -> bool {
        let uid = self.of(host).and_then(|one| one.owner_uid).unwrap_or(0);
        let is_his = |group: &Group<'_>| {
            group.process.is_none() && group.socket.uid == uid && self.is_at(group)
        };
        uid == 0 || of_host.iter().any(is_his)
    }

    /// By the record alone: the engine leads it there by rules of the kernel's.
    pub(super) fn alone(&self, host: &Host<'_>) -> Option<Trail> {
        let owner = host.owner(self.of(host)?);
        Some(Trail { steps: vec![Step::Published(self.published)], owner })
    }

    /// By way of a process that stands for the engine.
    pub(super) fn through(&self, host: &Host<'_>, group: &Group<'_>) -> Option<Trail> {
        let mut steps = vec![step(host, group)];
        steps.extend(group.process.and_then(|pid| host.process(pid)));
        steps.push(Step::Published(self.published));
        Some(Trail { steps, owner: host.owner(self.of(host)?) })
    }

    /// Whether a socket is where this is published.
    fn is_at(&self, group: &Group<'_>) -> bool {
        let socket = group.socket;
        let at = self.published.host_address;
        group.side == Side::Local
            && socket.protocol == self.published.protocol
            && socket.port == self.published.host_port
            // Who was told no address, or stands behind one that the host was given, is anywhere.
            && at.is_none_or(|at| super::same(at, socket.address) || socket.address.is_unspecified())
    }
}

/// The place of the lead for which whoever holds these sockets stands.
pub(super) fn stands_for(host: &Host<'_>, group: &Group<'_>, leads: &[Lead]) -> Option<usize> {
    let pid = group.process?;
    let mut at = leads.iter().enumerate().filter(|(_, lead)| lead.is_at(group)).peekable();
    at.peek()?;
    let process = Monitor::of(host.root, pid)?;
    let found =
        at.find(|(_, lead)| lead.of(host).is_some_and(|one| stands(host, &process, lead, one)));
    found.map(|(place, _)| place)
}

/// Anybody may call himself so, and take a port that an engine left free: what he says has to agree
/// with the record, and he to be of the host and whose engine it is.
fn stands(host: &Host<'_>, process: &Monitor, lead: &Lead, container: &Container) -> bool {
    let uid = container.owner_uid.unwrap_or(0);
    if process.uid != uid || (uid == 0 && !is_of_host(host, process.pid)) {
        return false;
    }
    match process.comm.as_slice() {
        b"docker-proxy" => {
            let told = process.arguments();
            let inside = |address: &Text| {
                let init = container.init.as_ref().map(|init| init.pid);
                let known = init.and_then(|pid| addresses_outside(host.root, pid));
                let known = known.unwrap_or_default();
                known.is_empty() || known.iter().any(|one| *address == one.to_string().as_str())
            };
            is_proxy(&told, &lead.published, &inside)
        }
        b"conmon" => {
            let id = Monitor::option(&process.arguments(), "-c");
            id.is_some() && id == container.id
        }
        // What serves a user's containers is told nothing on its command line.
        b"rootlessport" | b"rootlesskit" | b"slirp4netns" | b"pasta" | b"pasta.avx2" => {
            uid != 0 && container.processes.binary_search(&process.pid).is_err()
        }
        _ => false,
    }
}

/// Whether a docker-proxy was told of this very port. `inside`: the container has that address.
fn is_proxy(told: &[Text], published: &Published, inside: &dyn Fn(&Text) -> bool) -> bool {
    let option = |name: &str| Monitor::option(told, name);
    let is = |name: &str, value: &str| option(name).is_some_and(|told| told == value);
    is("-proto", published.protocol.name())
        && is("-host-port", &published.host_port.to_string())
        && is("-container-port", &published.container_port.to_string())
        && option("-container-ip").is_some_and(|address| inside(&address))
}

/// An engine may be a snap, which has a mount namespace of its own.
fn is_of_host(host: &Host<'_>, pid: Pid) -> bool {
    host.containers.owner_of(pid).is_none_or(|container| {
        container.depth == 0 && matches!(container.runtime, Runtime::Snap | Runtime::Systemd)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::network::Protocol;

    #[test]
    fn a_proxy_says_which_port_it_serves() {
        // As docker 20.10 starts it.
        let line = "/usr/bin/docker-proxy -proto tcp -host-ip 0.0.0.0 -host-port 18080 \
            -container-ip 198.51.100.2 -container-port 80";
        let told: Vec<Text> = line.split_whitespace().map(Text::from).collect();
        let published = |host_port, container_port, protocol| Published {
            protocol,
            host_address: None,
            host_port,
            container_port,
        };
        let there = |address: &Text| *address == "198.51.100.2";
        assert!(is_proxy(&told, &published(18080, 80, Protocol::Tcp), &there));
        assert!(!is_proxy(&told, &published(18081, 80, Protocol::Tcp), &there));
        assert!(!is_proxy(&told, &published(18080, 81, Protocol::Tcp), &there));
        assert!(!is_proxy(&told, &published(18080, 80, Protocol::Udp), &there));
        assert!(!is_proxy(&told, &published(18080, 80, Protocol::Tcp), &|_| false));
        assert!(!is_proxy(&[], &published(18080, 80, Protocol::Tcp), &there));
    }
}
