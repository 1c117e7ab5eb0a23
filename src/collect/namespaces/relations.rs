//! What the kernel says of a namespace once it is open: owner, parent, numbers. Each is opened
//! once, only where a report shows one of them, and by a crew: a way to a namespace may lead
//! through a file system that does not answer.

use super::Wants;
use super::facts::{Answer, Facts};
use super::handles::Handles;
use super::mounts;
use super::record::{Lacks, Visit};
use super::tally::Tally;
use crate::model::census::{Fact, Holder, Namespace, NsKey};
use crate::model::gap::{Gap, Reason};
use crate::model::namespace::Kind;
use crate::sys::crew::{self, Care, PATIENCE};
use crate::sys::error::{Problem, reason_of};
use crate::sys::netlink::nsid::NsIds;
use crate::sys::nsfs::each_mount_namespace;
use crate::sys::raw::nsfs;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, ns};
use nix::errno::Errno;
use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How long a member of the crew lists mounts, of which one user may have millions.
const ENOUGH: Duration = Duration::from_secs(2);

/// Above these is nothing.
const INITIAL: [u64; 2] = [ns::INITIAL_USER, ns::INITIAL_PID];

/// Adds to every namespace what is wanted of it and, where that is wanted, those above it that
/// nobody is in.
pub(super) fn add(root: &SysRoot, wants: Wants, tally: &mut Tally) -> Vec<Gap> {
    let mut asked: Vec<Namespace> =
        tally.namespaces.iter().filter(|one| is_asked(wants, one)).cloned().collect();
    // Neighbours are opened through the same process.
    asked.sort_by_key(|one| (one.first.as_ref().map(|first| (first.pid, first.thread)), one.key()));
    let known: HashSet<NsKey> = tally.namespaces.iter().map(Namespace::key).collect();
    let mut inquiry = Inquiry::new(root, wants, known);
    let mut found: Vec<Facts> = Vec::new();
    crew::work(
        asked.len(),
        super::members(asked.len()),
        PATIENCE,
        &mut |piece, care, out| {
            if let Some(namespace) = asked.get(piece) {
                inquiry.answer(namespace, care, out);
            }
        },
        &mut |piece, answer: Result<&[u8], Problem>| match (answer, asked.get(piece)) {
            (Ok(answer), _) => found.extend(Facts::read_all(answer)),
            (Err(_), Some(namespace)) => {
                found.push(refused(wants, namespace.key(), Errno::ETIMEDOUT));
            }
            (Err(_), None) => {}
        },
    );
    apply(&found, tally)
}

fn is_asked(wants: Wants, namespace: &Namespace) -> bool {
    wants.relations
        || wants.ids
        || (wants.net_ids && namespace.kind == Kind::Net)
        || (wants.users && namespace.kind == Kind::User && namespace.first.is_none())
}

fn apply(found: &[Facts], tally: &mut Tally) -> Vec<Gap> {
    let mut missing: BTreeMap<(&'static str, u8), (Reason, usize)> = BTreeMap::new();
    let mut miss = |what, reason: Reason| {
        missing.entry((what, reason as u8)).or_insert((reason, 0)).1 += 1;
    };
    for facts in found {
        tally.change(facts.key, |namespace| add_facts(namespace, facts, &mut miss));
    }
    let gap = |((what, _), (reason, count)): ((&'static str, u8), (Reason, usize))| {
        let plural = if count == 1 { "" } else { "s" };
        Gap { object: format!("{count} namespace{plural}").into(), what, reason }
    };
    missing.into_iter().map(gap).collect()
}

fn add_facts(namespace: &mut Namespace, facts: &Facts, miss: &mut dyn FnMut(&'static str, Reason)) {
    namespace.owner = fact(facts.owner, "owner", miss).unwrap_or(namespace.owner);
    namespace.parent = fact(facts.parent, "parent", miss).unwrap_or(namespace.parent);
    if let Some(id) = fact(facts.id, "kernel's number", miss) {
        namespace.id = match id {
            Fact::Known(Some(id)) => Fact::Known(id),
            _ => Fact::Unknown,
        };
    }
    if let Some(id) = fact(facts.net_id, "network number", miss) {
        namespace.net_id = id.map(|id| id.and_then(|id| u32::try_from(id).ok()));
    }
    if let Answer::Is(uid) = facts.owner_uid
        && namespace.first.is_none()
    {
        namespace.uid = u32::try_from(uid).ok();
    }
}

fn fact(
    answer: Answer,
    what: &'static str,
    miss: &mut dyn FnMut(&'static str, Reason),
) -> Option<Fact<Option<u64>>> {
    match answer {
        Answer::NotAsked => None,
        Answer::None => Some(Fact::Known(None)),
        Answer::Is(value) => Some(Fact::Known(Some(value))),
        Answer::Refused(errno) => {
            miss(what, reason(Errno::from_raw(errno)));
            Some(Fact::Unknown)
        }
    }
}

pub(super) const fn reason(errno: Errno) -> Reason {
    match errno {
        Errno::ESTALE => Reason::Gone,
        Errno::ETIMEDOUT => Reason::Timeout,
        errno => reason_of(errno),
    }
}

/// What a namespace without processes is owner or parent of keeps it alive.
pub(super) fn children(tally: &Tally) -> Vec<(NsKey, Holder)> {
    let mut held = Vec::new();
    for namespace in &tally.namespaces {
        let child = Holder::Child { of: namespace.kind, inode: namespace.inode };
        let above = [(Kind::User, &namespace.owner), (namespace.kind, &namespace.parent)];
        for (kind, inode) in above {
            if let Some(inode) = inode.known().copied().flatten() {
                held.push((NsKey { inode, kind }, child.clone()));
            }
        }
    }
    held.sort_unstable();
    held.dedup();
    held
}

/// Nothing of what is wanted could be asked.
fn refused(wants: Wants, key: NsKey, errno: Errno) -> Facts {
    let refused = |asked: bool| {
        if asked { Answer::Refused(errno as i32) } else { Answer::NotAsked }
    };
    Facts {
        owner: refused(wants.relations),
        parent: refused(wants.relations),
        id: refused(wants.ids),
        net_id: refused(wants.net_ids && key.kind == Kind::Net),
        ..Facts::none(key)
    }
}

/// Mount namespaces that no process is in, and what is bind-mounted in them and in those of which no
/// process shows all: the kernel walks through all of them, from the oldest to the newest
/// (NS_MNT_GET_NEXT, Linux 6.12), for root of the initial user namespace.
pub(super) fn walk_mounts(root: &SysRoot, wants: Wants, tally: &mut Tally) -> Vec<Gap> {
    let known: HashSet<NsKey> = tally.namespaces.iter().map(Namespace::key).collect();
    let mut inquiry = Inquiry::new(root, wants, known);
    let mut found: Vec<Facts> = Vec::new();
    let mut alone: Vec<(u64, u64)> = Vec::new();
    let mut refused = Some(Errno::ETIMEDOUT);
    crew::work(
        1,
        1,
        PATIENCE,
        &mut |_, _, out| {
            let (mut facts, mut all) = (Vec::new(), Vec::new());
            let walked = inquiry.walk(&mut facts, &mut |key, namespace| {
                if !tally.wholly_mounted.contains(&key.inode) {
                    let id = nsfs::mount_namespace_id(namespace).unwrap_or_default();
                    all.extend([key.inode, id].map(u64::to_ne_bytes).concat());
                }
            });
            let errno = walked.err().map_or(0, |errno| errno as i32);
            out.extend(errno.to_ne_bytes());
            out.extend(all.len().to_ne_bytes());
            out.extend(all);
            out.extend(facts);
        },
        &mut |_, answer: Result<&[u8], Problem>| {
            let Some((errno, all, facts)) = answer.ok().and_then(parts) else { return };
            refused = (errno != 0).then(|| Errno::from_raw(errno));
            let numbers = all.as_chunks::<8>().0.iter().map(|number| u64::from_ne_bytes(*number));
            let numbers: Vec<u64> = numbers.collect();
            alone.extend(numbers.as_chunks::<2>().0.iter().map(|[inode, id]| (*inode, *id)));
            found.extend(Facts::read_all(facts));
        },
    );
    let mut gaps = apply(&found, tally);
    gaps.extend(add_mounts(wants, alone, tally));
    if let Some(errno) = refused {
        let reason = reason(errno);
        gaps.push(Gap {
            object: "mount namespaces".into(),
            what: "those without a process",
            reason,
        });
    }
    gaps
}

/// The errno, what is as long as the number after it says, and the rest.
fn parts(bytes: &[u8]) -> Option<(i32, &[u8], &[u8])> {
    let (errno, rest) = bytes.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let (all, rest) = rest.split_at_checked(usize::from_ne_bytes(*length))?;
    Some((i32::from_ne_bytes(*errno), all, rest))
}

/// What is mounted in each of these mount namespaces, by inode and number; the host's own go first,
/// which nobody else's may use up.
fn add_mounts(wants: Wants, mut alone: Vec<(u64, u64)>, tally: &mut Tally) -> Vec<Gap> {
    let of_host: HashSet<u64> = tally
        .namespaces
        .iter()
        .filter(|one| one.owner.known().copied().flatten() == Some(ns::INITIAL_USER))
        .map(|one| one.inode)
        .collect();
    alone.sort_by_key(|(inode, _)| !of_host.contains(inode));
    let mut held: Vec<Visit> = Vec::new();
    let mut left = bounded::LARGE;
    let mut lacks = Lacks::default();
    let mut since = None;
    crew::work(
        alone.len(),
        super::members(alone.len()),
        PATIENCE,
        &mut |piece, care, out| {
            let since: &mut Instant = since.get_or_insert_with(Instant::now);
            let is_enough = care == Care::Whole && since.elapsed() > ENOUGH;
            if let Some((inode, id)) = alone.get(piece) {
                let care = if is_enough { Care::Safe } else { care };
                mounts::alone(*inode, *id, care).write(out);
            }
        },
        &mut |_, answer: Result<&[u8], Problem>| {
            let Ok(answer) = answer else {
                lacks.add(Reason::Timeout);
                return;
            };
            if answer.len() > left {
                lacks.add(Reason::Truncated);
                return;
            }
            left -= answer.len();
            held.extend(Visit::read(answer));
        },
    );
    let known: HashSet<NsKey> = tally.namespaces.iter().map(Namespace::key).collect();
    for visit in &held {
        visit.lacks.iter().for_each(|reason| lacks.add(reason));
        tally.take_mounts(None, visit);
    }
    let mut gaps: Vec<Gap> = lacks
        .iter()
        .map(|reason| {
            let object = "mount namespaces without a process".into();
            Gap { object, what: "mounts", reason }
        })
        .collect();
    // There is no way to those that only now were met.
    let new = tally.namespaces.iter().map(Namespace::key).filter(|key| !known.contains(key));
    let new: Vec<Facts> = new.map(|key| self::refused(wants, key, Errno::EOPNOTSUPP)).collect();
    gaps.extend(apply(&new, tally));
    gaps
}

/// In a member of the crew.
struct Inquiry<'a> {
    wants: Wants,
    handles: Handles<'a>,
    net_ids: Option<NsIds>,
    /// Asked by themselves, or above another one already.
    known: HashSet<NsKey>,
}

impl<'a> Inquiry<'a> {
    fn new(root: &'a SysRoot, wants: Wants, known: HashSet<NsKey>) -> Self {
        Self { wants, handles: Handles::new(root), net_ids: None, known }
    }

    fn answer(&mut self, namespace: &Namespace, care: Care, out: &mut Vec<u8>) {
        let key = namespace.key();
        let opened = self.handles.open(namespace, care);
        let file = match opened {
            Ok(file) => file,
            Err(errno) => return refused(self.wants, key, errno).write(out),
        };
        self.ask(key, file, out);
    }

    /// It, and those above it that are not known yet.
    fn ask(&mut self, key: NsKey, file: OwnedFd, out: &mut Vec<u8>) {
        // Each has one owner and one parent, and neither chain is longer than 33.
        let mut pending = vec![(key, file)];
        while let Some((key, file)) = pending.pop() {
            self.ask_one(key, file.as_fd(), &mut pending).write(out);
        }
    }

    fn ask_one(
        &mut self,
        key: NsKey,
        file: BorrowedFd<'_>,
        pending: &mut Vec<(NsKey, OwnedFd)>,
    ) -> Facts {
        let mut facts = Facts::none(key);
        if self.wants.ids {
            facts.id = answer(nsfs::id(file).map(Some));
        }
        if self.wants.net_ids && key.kind == Kind::Net {
            facts.net_id = answer(self.net_id(file).map(|id| id.map(u64::from)));
        }
        if self.wants.users && key.kind == Kind::User {
            facts.owner_uid = answer(nsfs::owner_uid(file).map(|uid| Some(u64::from(uid))));
        }
        if self.wants.relations {
            facts.owner = self.above(nsfs::owner(file), Kind::User, key, pending);
            facts.parent = match key.kind {
                Kind::User | Kind::Pid => self.above(nsfs::parent(file), key.kind, key, pending),
                _ => Answer::None,
            };
        }
        facts
    }

    fn above(
        &mut self,
        file: nix::Result<OwnedFd>,
        kind: Kind,
        below: NsKey,
        pending: &mut Vec<(NsKey, OwnedFd)>,
    ) -> Answer {
        let found = file.and_then(|file| Ok((ns::inode(file.as_fd())?, file)));
        match found {
            Ok((inode, file)) => {
                let key = NsKey { inode, kind };
                if self.wants.ghosts && self.known.insert(key) {
                    pending.push((key, file));
                }
                Answer::Is(inode)
            }
            Err(Errno::EPERM) if INITIAL.contains(&below.inode) => Answer::None,
            Err(errno) => Answer::Refused(errno as i32),
        }
    }

    /// Every mount namespace that is not known; `each` sees all but our own.
    fn walk(
        &mut self,
        out: &mut Vec<u8>,
        each: &mut dyn FnMut(NsKey, BorrowedFd<'_>),
    ) -> nix::Result<()> {
        each_mount_namespace(&mut |inode, namespace| {
            let key = NsKey { kind: Kind::Mnt, inode };
            each(key, namespace);
            if self.known.insert(key) {
                let Ok(file) = namespace.try_clone_to_owned() else {
                    return ControlFlow::Break(Errno::EMFILE);
                };
                self.ask(key, file, out);
            }
            ControlFlow::Continue(())
        })
    }

    fn net_id(&mut self, file: BorrowedFd<'_>) -> nix::Result<Option<u32>> {
        if self.net_ids.is_none() {
            self.net_ids = Some(NsIds::open()?);
        }
        match &self.net_ids {
            Some(ids) => Ok(ids.of(file)?),
            None => Err(Errno::EIO),
        }
    }
}

fn answer(answer: nix::Result<Option<u64>>) -> Answer {
    match answer {
        Ok(Some(value)) => Answer::Is(value),
        Ok(None) => Answer::None,
        Err(errno) => Answer::Refused(errno as i32),
    }
}
