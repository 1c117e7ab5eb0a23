//! What a process may use beside what it uses: rlimits, inotify, CPUs, and what the OOM killer thinks of it.

use crate::collect::clock::ticks_per_second;
use crate::model::capability::CapSet;
use crate::model::gap::{Gap, Reason};
use crate::model::limits::{Limits, Resource, Rlimit, Scheduler};
use crate::model::namespace::Kind;
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::proc::claims::{self, Claims, Schedule};
use crate::sys::proc::status::{self, Status};
use crate::sys::root::SysRoot;
use crate::sys::{bounded, ns, proc};
use makers::User;
use std::os::fd::BorrowedFd;

mod inotify;
mod makers;
mod tasks;

/// `status` is what that file says; `members` are the processes of the container.
pub fn collect_limits(
    root: &SysRoot,
    target: &ProcessHandle,
    status: &[u8],
    members: &[Pid],
    gaps: &mut Vec<Gap>,
) -> Option<Limits> {
    let dir = target.dir();
    let file = match bounded::read_single(dir, "limits") {
        Ok(file) => file,
        Err(error) => {
            let object = Text::from(format!("pid {}", target.pid()));
            gaps.push(Gap { object, what: "limits", reason: error.reason() });
            return None;
        }
    };
    let stat = bounded::read_single(dir, "stat");
    let stat = root.reach().told(|| "stat".into(), WHAT, stat).unwrap_or_default();
    let schedule = claims::parse_stat(&stat);
    let own = status::parse(status);
    let claims = claims::parse_status(status);
    let mut rlimits = proc::limits::parse(&file);
    if rlimits.is_empty() {
        let object = Text::from(format!("pid {}", target.pid()));
        gaps.push(Gap { object, what: "limits", reason: Reason::Malformed });
    }
    let users = ns::identity(dir, Kind::User).ok();
    let mut above = None;
    let of_host = users.map(|users| users == ns::INITIAL_USER);
    for limit in &mut rlimits {
        limit.exempt = own.as_ref().and_then(|own| exempt(limit.resource, own, of_host));
        limit.used = used(limit.resource, &claims, schedule);
        match limit.resource {
            Resource::OpenFiles => limit.used = proc::fd::count(dir),
            Resource::Processes => {
                (limit.used, above) = tasks(root, dir, own.as_ref(), users, limit);
            }
            _ => {}
        }
    }
    Some(Limits {
        rlimits,
        processes_above: above,
        oom_score: number(root, dir, "oom_score"),
        oom_score_adj: number(root, dir, "oom_score_adj"),
        nice: schedule.map(|schedule| schedule.nice),
        scheduler: schedule.map(|schedule| Scheduler::of(schedule.policy)),
        realtime_priority: schedule.map(|schedule| schedule.realtime_priority),
        cpus_allowed: claims.cpus_allowed,
        mems_allowed: claims.mems_allowed,
        inotify: inotify::collect(root, members),
    })
}

/// capable(9) asks for the capability over the initial user namespace, in which whoever is `of_host` is.
fn exempt(resource: Resource, own: &Status, of_host: Option<bool>) -> Option<bool> {
    let any_of = match resource {
        Resource::LockedBytes => CapSet::IPC_LOCK,
        Resource::Processes if own.uids.starts_with(&[0]) => return Some(true),
        Resource::Processes => CapSet::SYS_RESOURCE.or(CapSet::SYS_ADMIN),
        _ => CapSet::default(),
    };
    if own.cap_effective.and(any_of).is_empty() { Some(false) } else { of_host }
}

/// What stat and status tell of it.
fn used(resource: Resource, claims: &Claims, schedule: Option<Schedule>) -> Option<u64> {
    let hz = ticks_per_second();
    match resource {
        Resource::CpuSeconds => schedule?.ticks.checked_div(hz),
        Resource::DataBytes => claims.data_bytes,
        Resource::StackBytes => claims.stack_bytes,
        Resource::ResidentBytes => claims.resident_bytes,
        Resource::LockedBytes => claims.locked_bytes,
        Resource::AddressSpaceBytes => claims.address_space_bytes,
        Resource::PendingSignals => claims.pending_signals,
        Resource::RealtimePriority => Some(u64::from(schedule?.realtime_priority)),
        _ => None,
    }
}

const WHAT: &str = "limits";

fn number<T: std::str::FromStr>(root: &SysRoot, dir: BorrowedFd<'_>, file: &str) -> Option<T> {
    let bytes = root.reach().told(|| file.into(), WHAT, bounded::read_single(dir, file))?;
    std::str::from_utf8(bytes.trim_ascii()).ok()?.parse().ok()
}

/// The threads that its user pays for, and the most that one pays for who made a user namespace which
/// it is in. Whom the limit does not hold needs no count.
fn tasks(
    root: &SysRoot,
    process: BorrowedFd<'_>,
    own: Option<&Status>,
    users: Option<u64>,
    limit: &Rlimit,
) -> (Option<u64>, Option<u64>) {
    let Some(uid) = own.map(|own| own.uids[0]).filter(|_| limit.exempt == Some(false)) else {
        return (None, None);
    };
    let own = users.filter(|_| limit.soft.value().is_some()).map(|users| User { users, uid });
    // Root of the host has no such limit.
    let root_of_host = User { users: ns::INITIAL_USER, uid: 0 };
    let makers = makers::of(process).unwrap_or_default().into_iter();
    let makers = makers.filter(|maker| *maker != root_of_host);
    let mut counts = tasks::threads(root, own.into_iter().chain(makers)).unwrap_or_default();
    let used = own.filter(|_| !counts.is_empty()).map(|_| counts.remove(0));
    (used, counts.into_iter().max())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_exempt_has_the_capability_on_the_host() {
        let with = |uid, capabilities| Status {
            uids: [uid; 4],
            cap_effective: capabilities,
            ..Status::default()
        };
        let locked = |status, of_host| exempt(Resource::LockedBytes, &status, of_host);
        let every = CapSet::of_bits(u64::MAX);
        assert_eq!(locked(with(5, CapSet::IPC_LOCK), Some(true)), Some(true));
        assert_eq!(locked(with(0, every), Some(false)), Some(false), "in a user namespace");
        assert_eq!(locked(with(0, every), None), None);
        assert_eq!(locked(with(0, every.without(CapSet::IPC_LOCK)), None), Some(false));
        let processes = |status, of_host| exempt(Resource::Processes, &status, of_host);
        assert_eq!(processes(with(0, CapSet::default()), Some(false)), Some(true), "root");
        assert_eq!(processes(with(5, CapSet::SYS_ADMIN), Some(true)), Some(true));
        assert_eq!(processes(with(5, CapSet::SYS_RESOURCE), Some(true)), Some(true));
        assert_eq!(processes(with(5, every), Some(false)), Some(false));
        assert_eq!(processes(with(5, CapSet::IPC_LOCK), Some(true)), Some(false));
        assert_eq!(exempt(Resource::OpenFiles, &with(0, every), Some(true)), Some(false));
    }

    #[test]
    fn our_own_limits_beside_what_we_use() {
        let root = SysRoot::real().unwrap();
        let pid = Pid::new(std::process::id()).unwrap();
        let target = ProcessHandle::open(&root, pid).unwrap();
        let status = bounded::read(target.dir(), "status", bounded::LARGE).unwrap();
        let mut gaps = Vec::new();
        let limits = collect_limits(&root, &target, &status, &[pid], &mut gaps).unwrap();
        assert_eq!(gaps, []);
        assert_eq!(limits.rlimits.len(), Resource::ALL.len());
        let of = |resource| limits.rlimits.iter().find(|limit| limit.resource == resource).unwrap();
        assert!(of(Resource::OpenFiles).used.unwrap() > 2);
        assert!(of(Resource::AddressSpaceBytes).used.unwrap() > 1 << 20);
        let (soft, hard) =
            nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
        let open = of(Resource::OpenFiles);
        assert_eq!((open.soft.value(), open.hard.value()), (Some(soft), Some(hard)));
        assert!(limits.scheduler.is_some());
        assert!(limits.inotify.max_user_instances.is_some());
    }
}
