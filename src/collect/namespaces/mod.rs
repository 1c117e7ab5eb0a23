//! The namespaces of the host. Every process is visited once, in the default report nothing else:
//! what belongs to a namespace is asked once a namespace, and only where a report shows it.

pub(super) mod descriptors;
pub mod facts;
mod handles;
mod lineage;
pub(super) mod mounts;
mod owners;
pub mod record;
mod relations;
mod survey;
mod tally;

pub use survey::Describe;

use super::scan::{self, KernelThreads};
use crate::model::census::{Census, Fact, Holder, Namespace};
use crate::model::gap::{Gap, Reason};
use crate::sys::crew::{self, PATIENCE};
use crate::sys::error::{Problem, Result};
use crate::sys::passwd::Users;
use crate::sys::root::SysRoot;
use record::Visit;
use survey::Survey;
use tally::Tally;

/// What a report shows beyond inode, kind, number of processes and the first of them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wants {
    /// Which processes are told with their command line and uid.
    pub describe: Describe,
    /// Names of users.
    pub users: bool,
    /// Parents of processes.
    pub parents: bool,
    /// Owners and parents.
    pub relations: bool,
    /// Owners and parents that nobody is in, too.
    pub ghosts: bool,
    /// What the parents of first processes are in; asks for every process and its parent.
    pub lineage: bool,
    /// The kernel's numbers.
    pub ids: bool,
    /// What our network namespace calls other ones.
    pub net_ids: bool,
    /// Containers: a look at all of them.
    pub containers: bool,
    /// Threads in other namespaces than their process.
    pub threads: bool,
    /// Whatever else keeps namespaces alive.
    pub holders: bool,
    /// Sockets too: some calls for each socket of the host.
    pub sockets: bool,
}

impl Wants {
    /// With what the others need.
    fn complete(self) -> Self {
        Self {
            describe: if self.lineage { Describe::Every } else { self.describe },
            parents: self.parents || self.lineage,
            // What a namespace owns keeps it alive.
            relations: self.relations || self.holders || self.ghosts,
            ghosts: self.ghosts || self.holders,
            ..self
        }
    }
}

/// Below this a second process costs more than it saves.
const FEW: usize = 100;

/// The caller has one thread.
pub fn collect_census(root: &SysRoot, wants: Wants) -> Result<Census> {
    let wants = wants.complete();
    let mut tally = survey(root, wants)?;
    tally.settle_kernel_threads();
    for (key, target) in mounts::own(root) {
        tally.change(key, |namespace| namespace.mounts.push(target));
    }
    let mut gaps = tally.gaps();
    gaps.extend(tally.unlisted.take());
    if wants.holders {
        show_holders(&mut tally);
    }
    gaps.extend(relations::add(root, wants, &mut tally));
    if wants.holders && root.is_real() {
        gaps.extend(relations::walk_mounts(root, wants, &mut tally));
    }
    if wants.holders {
        for (key, child) in relations::children(&tally) {
            tally.hold(key, child);
        }
        show_holders(&mut tally);
    }
    let host = tally.host();
    let mut namespaces = tally.namespaces;
    namespaces.sort_by_cached_key(Namespace::key);
    for namespace in &mut namespaces {
        namespace.of_host = host.inode(namespace.kind) == Some(namespace.inode);
        if wants.threads {
            let threads = tally.threads.get(&namespace.key());
            namespace.threads = Fact::Known(threads.copied().unwrap_or(0));
        }
    }
    let is_unplaced = |namespace: &Namespace| host.inode(namespace.kind).is_none();
    if namespaces.iter().any(is_unplaced) {
        // Neither pid 1 nor kthreadd nor we ourselves say which are the host's.
        let gap = Gap { object: "the host".into(), what: "namespaces", reason: Reason::Denied };
        gaps.push(gap);
    }
    if wants.users {
        gaps.extend(add_users(root, &mut namespaces));
    }
    if wants.containers {
        gaps.extend(owners::add(root, &mut namespaces));
    }
    let mut members = tally.members;
    members.sort_unstable_by_key(|member| member.occupant.pid);
    if wants.lineage {
        lineage::add(&mut namespaces, &members);
    }
    root.reach().complete(&mut gaps);
    Ok(Census { host, namespaces, members, gaps })
}

fn show_holders(tally: &mut Tally) {
    for namespace in &mut tally.namespaces {
        let mut holders = tally.held.get(&namespace.key()).cloned().unwrap_or_default();
        holders.sort_unstable();
        if holders.is_empty() && namespace.processes == 0 {
            holders.push(Holder::Unseen);
        }
        namespace.holders = Fact::Known(holders);
    }
}

fn survey(root: &SysRoot, wants: Wants) -> Result<Tally> {
    let pids = root.pids()?;
    let kernel = KernelThreads::list(root);
    let has_kthreadd = kernel.has_kthreadd();
    let kernel = match wants.describe {
        // The kernel's threads are processes of a namespace like others.
        Describe::In(_) => KernelThreads::default(),
        _ => kernel,
    };
    let mut survey = Survey::new(root, wants, &kernel);
    let mut tally = Tally::new(root.own_pid(), has_kthreadd, wants.parents);
    tally.unlisted = scan::unlisted(root, &pids);
    crew::work(
        pids.len(),
        members(pids.len()),
        PATIENCE,
        &mut |piece, care, out| {
            if let Some(pid) = pids.get(piece) {
                survey.visit(*pid, care).write(out);
            }
        },
        &mut |piece, answer: std::result::Result<&[u8], Problem>| {
            if let Some(pid) = pids.get(piece) {
                tally.take(*pid, answer.ok().and_then(Visit::read));
            }
        },
    );
    Ok(tally)
}

/// Names of the host's users; none, and a gap, where they cannot be read. A host without the file has
/// none to tell.
pub fn host_users(root: &SysRoot) -> (Users, Option<Gap>) {
    match Users::read(root) {
        Ok(users) => (users, None),
        Err(error) => {
            let is_there = error.reason() != Reason::Gone;
            (Users::default(), is_there.then(|| error.gap("names of users")))
        }
    }
}

fn members(pieces: usize) -> usize {
    if pieces < FEW { 1 } else { crew::size() }
}

/// The user of the first process, by the host's name for it.
fn add_users(root: &SysRoot, namespaces: &mut [Namespace]) -> Option<Gap> {
    let (users, gap) = host_users(root);
    for namespace in namespaces {
        namespace.uid = namespace.uid.or(namespace.first.as_ref().map(|first| first.uid));
        namespace.user = namespace.uid.and_then(|uid| users.name(uid).cloned());
    }
    gap
}
