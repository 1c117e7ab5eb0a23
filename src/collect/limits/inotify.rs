//! What inotify(7) objects the processes of a container hold.

use super::number;
use crate::model::limits::Inotify;
use crate::model::process::Pid;
use crate::sys::raw::kcmp;
use crate::sys::root::SysRoot;
use crate::sys::{bounded, proc};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::os::fd::AsFd;

/// Among more descriptors they are not looked for: each is a system call.
const MOST_DESCRIPTORS: u64 = 512;

/// A descriptor that is such an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Holding {
    pid: Pid,
    descriptor: i32,
    /// Whom the object most likely counts for: who has it first.
    uid: u32,
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
    let order = |one: &Holding, other: &Holding| {
        let task = |of: &Holding| (of.pid.raw(), of.descriptor);
        kcmp::order_of_files(task(one), task(other)).ok().filter(|_| root.is_real())
    };
    match held(root, members).and_then(|held| each_once(&held, order)) {
        Some(objects) => counted(&objects, limits),
        None => limits,
    }
}

fn held(root: &SysRoot, members: &[Pid]) -> Option<Vec<Holding>> {
    let mut descriptors = 0_u64;
    let mut held = Vec::new();
    for pid in members {
        // One that has ended holds nothing.
        let Ok(dir) = bounded::open_dir(root.proc(), &pid.to_string()) else { continue };
        descriptors += proc::fd::count(dir.as_fd())?;
        let found = (descriptors <= MOST_DESCRIPTORS).then(|| proc::fd::inotify(dir.as_fd()))??;
        let uid = rustix::fs::fstat(&dir).ok()?.st_uid;
        held.extend(found.into_iter().map(|one| Holding {
            pid: *pid,
            descriptor: one.descriptor,
            uid,
            watches: one.watches,
        }));
    }
    Some(held)
}

/// A child has its parent's objects too. `None` where the order of two is not known.
fn each_once(
    held: &[Holding],
    order: impl Fn(&Holding, &Holding) -> Option<Ordering>,
) -> Option<Vec<Holding>> {
    let mut objects: Vec<Holding> = Vec::new();
    for one in held {
        let mut is_known = true;
        let place = objects.binary_search_by(|other| {
            order(other, one).unwrap_or_else(|| {
                is_known = false;
                Ordering::Equal
            })
        });
        if !is_known {
            return None;
        }
        if let Err(place) = place {
            objects.insert(place, *one);
        }
    }
    Some(objects)
}

fn counted(objects: &[Holding], limits: Inotify) -> Inotify {
    let mut users: HashMap<u32, (u64, u64)> = HashMap::new();
    for object in objects {
        let (instances, watches) = users.entry(object.uid).or_default();
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
        Holding { pid: Pid::new(pid).unwrap(), descriptor, uid, watches: 3 }
    }

    #[test]
    fn an_object_of_several_processes_is_one() {
        // The descriptor is the object here.
        let held = [holding(1, 5, 0), holding(1, 3, 0), holding(2, 5, 7), holding(3, 4, 7)];
        let objects = each_once(&held, |one, other| Some(one.descriptor.cmp(&other.descriptor)));
        assert_eq!(objects, Some(vec![held[1], held[3], held[0]]));
        let told = counted(&objects.unwrap(), Inotify::default());
        assert_eq!((told.instances, told.watches), (Some(3), Some(9)));
        assert_eq!((told.of_one_user_instances, told.of_one_user_watches), (Some(2), Some(6)));
        assert_eq!(each_once(&held, |_, _| None), None);
        assert_eq!(each_once(&held[..1], |_, _| None), Some(vec![held[0]]), "nothing to compare");
        assert_eq!(counted(&[], Inotify::default()).of_one_user_instances, Some(0));
    }
}
