//! What inotify(7) objects the processes of a container hold.

use super::makers::{self, User};
use super::number;
use crate::model::limits::Inotify;
use crate::model::namespace::Kind;
use crate::model::process::Pid;
use crate::sys::crew::{self, Care};
use crate::sys::raw::kcmp;
use crate::sys::root::SysRoot;
use crate::sys::{ns, proc};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};

/// Among more descriptors they are not looked for: each is a system call.
const MOST_DESCRIPTORS: u64 = 512;

/// A descriptor that is such an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holding {
    pid: Pid,
    descriptor: i32,
    /// Whom the object most likely counts for: who has it first.
    payer: User,
    watches: u64,
}

/// Those of all members together.
pub(super) fn collect(root: &SysRoot, members: &[Pid]) -> Inotify {
    let host = |file: &str| number(root, root.proc(), &format!("sys/fs/inotify/{file}"));
    let limits = Inotify {
        max_user_instances: host("max_user_instances"),
        max_user_watches: host("max_user_watches"),
        ..Inotify::default()
    };
    match held(root, members).and_then(|held| objects_of(root, &held)) {
        Some(objects) => counted(&objects, limits),
        None => limits,
    }
}

fn held(root: &SysRoot, members: &[Pid]) -> Option<Vec<Holding>> {
    let mut descriptors = 0_u64;
    let mut held = Vec::new();
    for pid in members {
        // One that has ended holds nothing.
        let Ok(dir) = root.process(*pid) else { continue };
        descriptors += proc::fd::count(dir.as_fd())?;
        let found = (descriptors <= MOST_DESCRIPTORS).then(|| proc::fd::inotify(dir.as_fd()))??;
        let payer = payer(dir.as_fd(), rustix::fs::fstat(&dir).ok()?.st_uid);
        held.extend(found.into_iter().map(|one| Holding {
            pid: *pid,
            descriptor: one.descriptor,
            payer,
            watches: one.watches,
        }));
    }
    Some(held)
}

/// The limit is that of a user of the host: for all in a user namespace it is who made that.
fn payer(process: BorrowedFd<'_>, uid: u32) -> User {
    let of_host = User { users: ns::INITIAL_USER, uid };
    match makers::of(process) {
        None => of_host,
        Some(makers) => match makers.last() {
            Some(maker) if maker.users == ns::INITIAL_USER => *maker,
            // He is above all that can be seen, and one for all of it.
            Some(maker) => User { uid: 0, ..*maker },
            None => match ns::identity(process, Kind::User) {
                Ok(users) if users != ns::INITIAL_USER => User { users, uid: 0 },
                _ => of_host,
            },
        },
    }
}

/// Each once. They are compared by a process that can be abandoned: the kernel waits for one of the
/// two that is within execve(2).
fn objects_of(root: &SysRoot, held: &[Holding]) -> Option<Vec<Holding>> {
    if held.len() < 2 {
        return Some(held.to_vec());
    }
    let order = |one: &Holding, other: &Holding| {
        let task = |of: &Holding| (of.pid.raw(), of.descriptor);
        kcmp::order_of_files(task(one), task(other)).ok().filter(|_| root.is_real())
    };
    let mut compare = |_, care, answer: &mut Vec<u8>| {
        let places = (care == Care::Whole).then(|| each_once(held, order)).flatten();
        answer.extend(places.iter().flatten().flat_map(|place| place.to_ne_bytes()));
    };
    let mut objects = None;
    crew::work(1, 1, crew::PATIENCE, &mut compare, &mut |_, answer| {
        let (places, _) = answer.unwrap_or_default().as_chunks();
        let found = places.iter().map(|place| held.get(usize::from_ne_bytes(*place)).copied());
        objects = found.collect::<Option<Vec<_>>>().filter(|found| !found.is_empty());
    });
    objects
}

/// Where the first of each is, by their order, since a child has its parent's objects too. `None`
/// where the order of two is not known.
fn each_once(
    held: &[Holding],
    order: impl Fn(&Holding, &Holding) -> Option<Ordering>,
) -> Option<Vec<usize>> {
    let mut objects: Vec<usize> = Vec::new();
    for (at, one) in held.iter().enumerate() {
        let mut is_known = true;
        let place = objects.binary_search_by(|other| {
            let known = held.get(*other).and_then(|other| order(other, one));
            known.unwrap_or_else(|| {
                is_known = false;
                Ordering::Equal
            })
        });
        if !is_known {
            return None;
        }
        if let Err(place) = place {
            objects.insert(place, at);
        }
    }
    Some(objects)
}

fn counted(objects: &[Holding], limits: Inotify) -> Inotify {
    let mut users: HashMap<User, (u64, u64)> = HashMap::new();
    for object in objects {
        let (instances, watches) = users.entry(object.payer).or_default();
        *instances += 1;
        *watches += object.watches;
    }
    let of = |count: fn(&(u64, u64)) -> u64| {
        let each = || users.values().map(count);
        (Some(each().sum()), Some(each().max().unwrap_or_default()))
    };
    let (instances, of_one_user_instances) = of(|user| user.0);
    let (watches, of_one_user_watches) = of(|user| user.1);
    Inotify { instances, watches, of_one_user_instances, of_one_user_watches, ..limits }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holding(pid: u32, descriptor: i32, uid: u32) -> Holding {
        let payer = User { users: ns::INITIAL_USER, uid };
        Holding { pid: Pid::new(pid).unwrap(), descriptor, payer, watches: 3 }
    }

    #[test]
    fn an_object_of_several_processes_is_one() {
        // The descriptor is the object here.
        let held = [holding(1, 5, 0), holding(1, 3, 0), holding(2, 5, 7), holding(3, 4, 7)];
        let objects = each_once(&held, |one, other| Some(one.descriptor.cmp(&other.descriptor)));
        assert_eq!(objects, Some(vec![1, 3, 0]));
        let objects: Vec<Holding> = objects.unwrap().iter().map(|at| held[*at]).collect();
        let told = counted(&objects, Inotify::default());
        assert_eq!((told.instances, told.watches), (Some(3), Some(9)));
        assert_eq!((told.of_one_user_instances, told.of_one_user_watches), (Some(2), Some(6)));
        assert_eq!(each_once(&held, |_, _| None), None);
        assert_eq!(each_once(&held[..1], |_, _| None), Some(vec![0]), "nothing to compare");
        assert_eq!(counted(&[], Inotify::default()).of_one_user_instances, Some(0));
    }
}
