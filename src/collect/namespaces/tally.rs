//! Visits put together: one entry a namespace, whatever order they come in.

use super::record::{Descriptor, Quality, Status, Visit};
use super::survey::keys;
use crate::model::census::{Fact, Holder, Member, Namespace, NsKey, Occupant};
use crate::model::gap::{Gap, Reason};
use crate::model::namespace::{Kind, NsSet};
use crate::model::process::Pid;
use crate::model::text::Text;
use std::collections::{HashMap, HashSet};

#[derive(Default)]
pub(super) struct Tally {
    pub(super) namespaces: Vec<Namespace>,
    /// Where each is in that list.
    places: HashMap<NsKey, usize>,
    pub(super) members: Vec<Member>,
    /// How many threads of processes that are elsewhere.
    pub(super) threads: HashMap<NsKey, usize>,
    /// That there are processes which /proc does not list.
    pub(super) unlisted: Option<Gap>,
    pub(super) held: HashMap<NsKey, Vec<Holder>>,
    /// Of mount namespaces those mounts that are known.
    mounts: HashSet<(u64, NsKey, Text)>,
    /// Those of which a process has shown all.
    pub(super) wholly_mounted: HashSet<u64>,
    /// Of the processes that say what the host is: pid 1, kthreadd, ourselves.
    landmarks: [Option<NsSet>; 3],
    own: Option<Pid>,
    /// Pid 2 is the kernel's.
    has_kthreadd: bool,
    with_parents: bool,
    kernel_threads: usize,
    hidden: Vec<Pid>,
    /// Where something went wrong.
    failed: usize,
    /// Processes whose command line is not what it should be.
    commands: Vec<(Pid, Quality)>,
    /// How many could not be seen whole, for each of [`Reason::ALL`].
    lacking: [usize; Reason::ALL.len()],
    lost: usize,
}

impl Tally {
    pub(super) fn new(own: Option<Pid>, has_kthreadd: bool, with_parents: bool) -> Self {
        Self { own, has_kthreadd, with_parents, ..Self::default() }
    }

    pub(super) fn take(&mut self, pid: Pid, visit: Option<Visit>) {
        let Some(visit) = visit else {
            self.lost += 1;
            return;
        };
        match visit.status {
            Status::Gone => {}
            Status::Hidden => self.hidden.push(pid),
            Status::Failed => self.failed += 1,
            Status::Kernel => self.kernel_threads += 1,
            Status::Seen => self.take_seen(pid, visit),
        }
    }

    fn take_seen(&mut self, pid: Pid, visit: Visit) {
        let landmark = match pid.number() {
            1 => Some(0),
            2 if self.has_kthreadd => Some(1),
            _ => (Some(pid) == self.own).then_some(2),
        };
        if let Some(place) = landmark.and_then(|at| self.landmarks.get_mut(at)) {
            *place = Some(visit.namespaces);
        }
        for reason in visit.lacks.iter() {
            if let Some(count) = self.lacking.get_mut(reason as usize) {
                *count += 1;
            }
        }
        self.take_holders(pid, &visit);
        let occupant = visit.about.map(|about| {
            if about.quality != Quality::Whole {
                self.commands.push((pid, about.quality));
            }
            let parent = if self.with_parents {
                Fact::Known(Pid::new(about.parent))
            } else {
                Fact::NotAsked
            };
            let command = Text::from(about.command);
            Occupant { pid, thread: None, elsewhere: false, parent, uid: about.uid, command }
        });
        for key in keys(&visit.namespaces) {
            self.change(key, |namespace| {
                namespace.processes += 1;
                if let Some(occupant) = &occupant
                    && namespace.first.as_ref().is_none_or(|first| comes_before(occupant, first))
                {
                    // A first thread that has ended still shows two of its namespaces.
                    let thread =
                        visit.asked.filter(|_| !matches!(key.kind, Kind::User | Kind::Pid));
                    namespace.first = Some(Occupant { thread, ..occupant.clone() });
                }
            });
        }
        for (thread, namespaces) in &visit.threads {
            for key in keys(namespaces) {
                *self.threads.entry(key).or_default() += 1;
                self.change(key, |namespace| {
                    let Some(occupant) = &occupant else { return };
                    let occupant =
                        Occupant { thread: Some(*thread), elsewhere: true, ..occupant.clone() };
                    if namespace.first.as_ref().is_none_or(|first| comes_before(&occupant, first)) {
                        namespace.first = Some(occupant);
                    }
                });
            }
        }
        if let Some(occupant) = occupant {
            self.members.push(Member { occupant, namespaces: visit.namespaces });
        }
    }

    fn take_holders(&mut self, pid: Pid, visit: &Visit) {
        for (thread, namespaces) in &visit.threads {
            for key in keys(namespaces) {
                self.hold(key, Holder::Thread { pid, thread: *thread });
            }
        }
        for key in keys(&visit.for_children) {
            self.hold(key, Holder::ForChildren { pid });
        }
        for &Descriptor { number, kind, inode, socket } in &visit.descriptors {
            let key = NsKey { inode, kind };
            self.hold(
                key,
                if socket {
                    Holder::Socket { pid, number }
                } else {
                    Holder::Descriptor { pid, number }
                },
            );
        }
        self.take_mounts(Some(pid), visit);
    }

    /// Each once, by whatever process they were seen.
    pub(super) fn take_mounts(&mut self, through: Option<Pid>, visit: &Visit) {
        let Some(mnt) = visit.namespaces.inode(Kind::Mnt) else { return };
        if visit.has_all_mounts {
            self.wholly_mounted.insert(mnt);
        }
        for (key, target) in &visit.mounts {
            if self.mounts.insert((mnt, *key, target.clone())) {
                let target = target.clone();
                self.hold(*key, Holder::Mount { namespace: mnt, target, through });
            }
        }
    }

    pub(super) fn hold(&mut self, key: NsKey, holder: Holder) {
        self.change(key, |_| {});
        self.held.entry(key).or_default().push(holder);
    }

    /// Of one that was not known before there is nothing yet.
    pub(super) fn change(&mut self, key: NsKey, change: impl FnOnce(&mut Namespace)) {
        let end = self.namespaces.len();
        let at = *self.places.entry(key).or_insert(end);
        if at == end {
            self.namespaces.push(Namespace::new(key));
        }
        if let Some(namespace) = self.namespaces.get_mut(at) {
            change(namespace);
        }
    }

    /// Kernel threads are counted where kthreadd is.
    pub(super) fn settle_kernel_threads(&mut self) {
        let Some(kthreadd) = self.landmarks.get(1).copied().flatten() else { return };
        let count = self.kernel_threads;
        for key in keys(&kthreadd) {
            self.change(key, |namespace| namespace.processes += count);
        }
    }

    /// The namespaces of pid 1; where they may not be read those of kthreadd, which never leaves
    /// the initial ones; else our own.
    pub(super) fn host(&self) -> NsSet {
        let mut host = NsSet::default();
        for kind in Kind::ALL {
            let known = self.landmarks.iter().flatten().find_map(|one| one.inode(kind));
            if let Some(inode) = known {
                host.set(kind, inode);
            }
        }
        host
    }

    pub(super) fn gaps(&self) -> Vec<Gap> {
        let mut gaps = Vec::new();
        let object = |count: usize| match count {
            1 => Text::from("1 process"),
            many => Text::from(format!("{many} processes")),
        };
        match self.hidden.as_slice() {
            [] => {}
            [only] => {
                let object = format!("pid {only}").into();
                gaps.push(Gap { object, what: "namespaces", reason: Reason::Denied });
            }
            many => {
                let object = object(many.len());
                gaps.push(Gap { object, what: "namespaces", reason: Reason::Denied });
            }
        }
        if self.lost > 0 {
            let object = object(self.lost);
            gaps.push(Gap { object, what: "namespaces", reason: Reason::Timeout });
        }
        if self.failed > 0 {
            let object = object(self.failed);
            gaps.push(Gap { object, what: "namespaces", reason: Reason::Failed });
        }
        for (reason, count) in Reason::ALL.into_iter().zip(self.lacking) {
            if count > 0 {
                let object = object(count);
                gaps.push(Gap { object, what: "threads and descriptors", reason });
            }
        }
        let mut commands = self.commands.clone();
        commands.sort_unstable_by_key(|(pid, _)| *pid);
        gaps.extend(commands.iter().map(|(pid, quality)| Gap {
            object: format!("pid {pid}").into(),
            what: "command line",
            reason: match quality {
                Quality::Cut => Reason::Truncated,
                Quality::Denied => Reason::Denied,
                Quality::Failed => Reason::Failed,
                Quality::NoAnswer | Quality::Whole => Reason::Timeout,
            },
        }));
        gaps
    }
}

/// A process before a thread, the lower number before the higher.
fn comes_before(one: &Occupant, other: &Occupant) -> bool {
    let rank = |occupant: &Occupant| (occupant.elsewhere, occupant.pid, occupant.thread);
    rank(one) < rank(other)
}
