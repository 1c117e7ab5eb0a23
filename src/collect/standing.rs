//! What a process is and may do, read so that a program beside it can be given no more.
//!
//! What cannot be read is a shortfall, not an error: who asked decides whether that will do.

use super::credentials;
use crate::model::capability::CapSet;
use crate::model::standing::{
    CapSets, Filter, Label, Module, Number, Schedule, Shortfall, Standing, Users,
};
use crate::model::text::Text;
use crate::sys::error::{Result, SysError};
use crate::sys::pidfd::ProcessHandle;
use crate::sys::proc::status::{self, Status};
use crate::sys::proc::{limits, stat};
use crate::sys::root::SysRoot;
use crate::sys::seccomp::{self, RawFilter};
use crate::sys::{bounded, idmap};
use nix::errno::Errno;
use std::os::fd::{AsFd, BorrowedFd};

/// Reads the filters by way of ptrace(2), which stops the target for a moment. The caller has one
/// thread.
pub fn collect_standing(
    root: &SysRoot,
    target: &ProcessHandle,
    users: Users,
) -> Result<(Standing, Vec<Shortfall>)> {
    let (mut standing, status, mut missing) = but_filters(root, target, users)?;
    standing.filters = filters(target, &status, &mut missing);
    // What was read belongs to the process that is pinned, or to none.
    target.check_alive()?;
    Ok((standing, missing))
}

/// The same, but of the filters only how many there are: the target is left alone.
pub fn look_at_standing(
    root: &SysRoot,
    target: &ProcessHandle,
    users: Users,
) -> Result<(Standing, usize, Vec<Shortfall>)> {
    let (standing, status, mut missing) = but_filters(root, target, users)?;
    let count = if are_filters(&status, &mut missing) {
        // Linux before 5.9 does not tell.
        status.seccomp_filters.map_or(1, |count| usize::try_from(count).unwrap_or(1))
    } else {
        0
    };
    target.check_alive()?;
    Ok((standing, count, missing))
}

fn but_filters(
    root: &SysRoot,
    target: &ProcessHandle,
    users: Users,
) -> Result<(Standing, Status, Vec<Shortfall>)> {
    let object = || format!("/proc/{}/status", target.pid());
    let bytes = bounded::read(target.dir(), "status", bounded::LARGE)?;
    let status =
        status::parse(&bytes).ok_or_else(|| SysError::malformed("read", object(), "status"))?;
    let maps = Maps::read(target, users)?;
    let mut missing = Vec::new();
    let uids = status.uids.map(|id| maps.user(id));
    let gids = status.gids.map(|id| maps.group(id));
    let standing = Standing {
        user: one_for_all(uids, "user", &mut missing),
        group: one_for_all(gids, "group", &mut missing),
        groups: status.groups.iter().map(|id| maps.group(*id)).collect(),
        setgroups_denied: credentials::id_rules(target).setgroups_denied,
        capabilities: capabilities(&status, users, &mut missing),
        no_new_privs: status.no_new_privs,
        umask: or_missing(status.umask, "umask", &mut missing),
        rlimits: limits::parse(
            &bounded::read(target.dir(), "limits", bounded::SMALL).unwrap_or_else(|error| {
                missing.push(Shortfall::new("resource limits", error));
                Vec::new()
            }),
        ),
        schedule: or_missing(schedule(target), "scheduling", &mut missing),
        cpus: or_missing(status::cpus(&bytes), "CPU affinity", &mut missing),
        oom_score_adj: or_missing(oom_score_adj(target), "oom_score_adj", &mut missing),
        label: collect_label(root, target, &mut missing),
        filters: Vec::new(),
    };
    Ok((standing, status, missing))
}

/// The id maps of the user namespace that the program is going to be in, unless that is ours.
struct Maps(Option<[Vec<idmap::Range>; 2]>);

impl Maps {
    fn read(target: &ProcessHandle, users: Users) -> Result<Self> {
        let map = |name: &'static str| {
            let bytes = bounded::read(target.dir(), name, bounded::SMALL)?;
            idmap::parse(&bytes).ok_or_else(|| SysError::malformed("read", name, "map of ids"))
        };
        match users {
            Users::Joined => Ok(Self(Some([map("uid_map")?, map("gid_map")?]))),
            Users::Ours | Users::Left => Ok(Self(None)),
        }
    }

    fn user(&self, outside: u32) -> Number {
        self.number(outside, |[users, _]| users)
    }

    fn group(&self, outside: u32) -> Number {
        self.number(outside, |[_, groups]| groups)
    }

    fn number(
        &self,
        outside: u32,
        map: impl FnOnce(&[Vec<idmap::Range>; 2]) -> &Vec<idmap::Range>,
    ) -> Number {
        let inside = match &self.0 {
            Some(maps) => idmap::to_inside(map(maps), outside),
            None => Some(outside),
        };
        Number { outside, inside }
    }
}

/// exec leaves a program one id for all purposes: the effective one, or where that is root's the one
/// that can do less.
fn one_for_all(four: [Number; 4], what: &'static str, missing: &mut Vec<Shortfall>) -> Number {
    let [_, effective, ..] = four;
    if four.iter().all(|id| *id == effective) {
        return effective;
    }
    let is_root = |id: &Number| id.inside == Some(0);
    let less = four.into_iter().find(|id| is_root(&effective) && !is_root(id));
    let chosen = less.unwrap_or(effective);
    let [real, effective, saved, fs] = four.map(|id| id.outside);
    missing.push(Shortfall::new(
        if what == "user" { "user ids" } else { "group ids" },
        format!(
            "the target's are not all the same ({real} {effective} {saved} {fs}); the program has \
             {} for all",
            chosen.outside
        ),
    ));
    chosen
}

fn capabilities(status: &Status, users: Users, missing: &mut Vec<Shortfall>) -> CapSets {
    let sets = CapSets {
        inheritable: status.cap_inheritable,
        permitted: status.cap_permitted,
        effective: status.cap_effective,
        bounding: status.cap_bounding,
        ambient: status.cap_ambient,
    };
    if users != Users::Left || sets.permitted.or(sets.bounding) == CapSet::default() {
        return sets;
    }
    missing.push(Shortfall::new(
        "capabilities",
        "the target has its own in its user namespace, which is not joined; the program has none",
    ));
    CapSets::default()
}

fn or_missing<T>(value: Option<T>, what: &'static str, missing: &mut Vec<Shortfall>) -> Option<T> {
    if value.is_none() {
        missing.push(Shortfall::new(what, "it cannot be read"));
    }
    value
}

fn schedule(target: &ProcessHandle) -> Option<Schedule> {
    stat::schedule(&bounded::read(target.dir(), "stat", bounded::SMALL).ok()?)
}

fn oom_score_adj(target: &ProcessHandle) -> Option<i32> {
    let bytes = bounded::read_single(target.dir(), "oom_score_adj").ok()?;
    std::str::from_utf8(&bytes).ok()?.trim().parse().ok()
}

/// Where it differs from ours.
pub fn collect_label(
    root: &SysRoot,
    target: &ProcessHandle,
    missing: &mut Vec<Shortfall>,
) -> Option<Label> {
    const WHAT: &str = "security label";
    let own = root.own_process().ok()?;
    // AppArmor's own file is since Linux 5.8; it had the common one before.
    let (module, file) = match attribute(target.dir(), APPARMOR) {
        Ok(_) => (Some(Module::AppArmor), APPARMOR),
        Err(_) => (None, "attr/current"),
    };
    let theirs = match attribute(target.dir(), file) {
        Ok(theirs) => theirs,
        // No module has labels, or none is built in.
        Err(error) if matches!(error.errno(), Some(Errno::EINVAL | Errno::ENOENT)) => return None,
        Err(error) => {
            missing.push(Shortfall::new(WHAT, error));
            return None;
        }
    };
    if attribute(own.as_fd(), file).is_ok_and(|ours| ours == theirs) {
        return None;
    }
    match spelled(module, &theirs) {
        Spelled::Unconfined => None,
        Spelled::Label(label) => Some(label),
        Spelled::Unknown => {
            let theirs = Text::new(&theirs);
            missing.push(Shortfall::new(WHAT, format!("{theirs} is of no module that is known")));
            None
        }
    }
}

const APPARMOR: &str = "attr/apparmor/current";

fn attribute(process: BorrowedFd<'_>, file: &str) -> Result<Vec<u8>> {
    let bytes = bounded::read_single(process, file)?;
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(&bytes);
    Ok(bytes.trim_ascii().to_vec())
}

#[derive(Debug, PartialEq, Eq)]
enum Spelled {
    Unconfined,
    Label(Label),
    Unknown,
}

/// `docker-default (enforce)` is AppArmor's, `system_u:system_r:container_t:s0:c1,c2` SELinux's.
fn spelled(module: Option<Module>, label: &[u8]) -> Spelled {
    if label.is_empty() || label == b"unconfined" {
        return Spelled::Unconfined;
    }
    let of = |module, bytes| Spelled::Label(Label { module, text: Text::new(bytes) });
    let mode = label.windows(2).rposition(|two| two == b" (").filter(|_| label.ends_with(b")"));
    if let Some(profile) = mode.and_then(|mode| label.get(..mode)) {
        return of(Module::AppArmor, profile);
    }
    match module {
        Some(module) => of(module, label),
        None if label.split(|byte| *byte == b':').count() >= 3 => of(Module::SeLinux, label),
        None => Spelled::Unknown,
    }
}

/// Whether there is any that can be taken over.
fn are_filters(status: &Status, missing: &mut Vec<Shortfall>) -> bool {
    let why = match status.seccomp {
        0 => return false,
        2 => return true,
        1 => "strict mode cannot be taken over: it allows no exec".to_owned(),
        mode => format!("mode {mode} is of a newer kernel"),
    };
    missing.push(Shortfall::new("seccomp filters", why));
    false
}

fn filters(target: &ProcessHandle, status: &Status, missing: &mut Vec<Shortfall>) -> Vec<Filter> {
    if !are_filters(status, missing) {
        return Vec::new();
    }
    let mut miss = |why: String| missing.push(Shortfall::new("seccomp filters", why));
    let filters = match seccomp::filters(target) {
        Ok(filters) => filters,
        Err(error) => {
            miss(error.to_string());
            return Vec::new();
        }
    };
    if status.seccomp_filters.is_some_and(|count| count != filters.len() as u64) {
        miss("the target has installed another meanwhile".to_owned());
    }
    if filters.iter().any(|filter| notifies(&filter.bytes)) {
        miss(
            "calls that a supervisor of the target decides about fail: the program has none"
                .to_owned(),
        );
    }
    filters.into_iter().map(taken).collect()
}

fn taken(filter: RawFilter) -> Filter {
    /// SECCOMP_FILTER_FLAG_LOG
    const LOG: u64 = 1 << 1;
    let logs = filter.flags.is_some_and(|flags| flags & LOG != 0);
    Filter { program: filter.bytes, logs }
}

/// Whether one of its instructions returns SECCOMP_RET_USER_NOTIF.
fn notifies(program: &[u8]) -> bool {
    const RETURN_CONSTANT: u16 = 0x06;
    const USER_NOTIF: u16 = 0x7fc0;
    program.chunks_exact(8).any(|instruction| {
        let word = |at: usize| {
            let bytes = instruction.get(at..at + 2).and_then(|word| word.try_into().ok());
            bytes.map(u16::from_ne_bytes)
        };
        let high = if cfg!(target_endian = "little") { 6 } else { 4 };
        word(0) == Some(RETURN_CONSTANT) && word(high) == Some(USER_NOTIF)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::process::Pid;

    #[test]
    fn labels_are_told_apart_by_their_spelling() {
        let label = |module, text: &str| Spelled::Label(Label { module, text: text.into() });
        let docker = label(Module::AppArmor, "docker-default");
        assert_eq!(spelled(None, b"docker-default (enforce)"), docker);
        assert_eq!(spelled(Some(Module::AppArmor), b"docker-default (complain)"), docker);
        let named = label(Module::AppArmor, "a (b) c//&:ns:d");
        assert_eq!(spelled(None, b"a (b) c//&:ns:d (mixed)"), named);
        let context = "system_u:system_r:container_t:s0:c1,c2";
        assert_eq!(spelled(None, context.as_bytes()), label(Module::SeLinux, context));
        for nothing in [&b""[..], b"unconfined"] {
            assert_eq!(spelled(None, nothing), Spelled::Unconfined);
        }
        assert_eq!(spelled(None, b"_"), Spelled::Unknown);
    }

    #[test]
    fn only_a_return_to_a_supervisor_notifies() {
        let instruction =
            |code: u16, k: u32| [&code.to_ne_bytes()[..], &[0, 0], &k.to_ne_bytes()].concat();
        assert!(notifies(&[instruction(0x20, 0), instruction(6, 0x7fc0_0001)].concat()));
        assert!(!notifies(&[instruction(6, 0x7fff_0000), instruction(0x15, 0x7fc0_0000)].concat()));
    }

    #[test]
    fn ids_that_differ_become_the_one_that_can_do_less() {
        let id = |number| Number { outside: number, inside: Some(number) };
        let chosen = |four: [u32; 4]| {
            let mut missing = Vec::new();
            let chosen = one_for_all(four.map(id), "user", &mut missing);
            (chosen.outside, missing.len())
        };
        assert_eq!(chosen([7; 4]), (7, 0));
        assert_eq!(chosen([0, 1000, 0, 1000]), (1000, 1));
        assert_eq!(chosen([1000, 0, 0, 0]), (1000, 1));
        // Root inside is what counts, whatever it is called outside.
        let mapped = |outside, inside| Number { outside, inside };
        let [inner_root, other] = [mapped(100_000, Some(0)), mapped(0, None)];
        let mut missing = Vec::new();
        let four = [other, inner_root, inner_root, inner_root];
        assert_eq!(one_for_all(four, "user", &mut missing), other);
    }

    fn target(files: &[(&str, &[u8])]) -> (tempfile::TempDir, SysRoot, ProcessHandle) {
        let temp = tempfile::tempdir().unwrap();
        for (file, bytes) in files {
            let path = temp.path().join("proc").join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let root = SysRoot::fixture(temp.path()).unwrap();
        let handle = ProcessHandle::open(&root, Pid::new(42).unwrap()).unwrap();
        (temp, root, handle)
    }

    const STATUS: &[u8] = b"Umask:\t0027\nUid:\t100033\t100033\t100033\t100033\n\
        Gid:\t100034\t100034\t100034\t100034\nGroups:\t100005 77 \n\
        CapInh:\t0000000000000001\nCapPrm:\t0000000000000003\nCapEff:\t0000000000000003\n\
        CapBnd:\t00000000000000ff\nCapAmb:\t0000000000000001\nNoNewPrivs:\t1\nSeccomp:\t0\n\
        Cpus_allowed_list:\t0,2-3\n";

    const STAT: &[u8] =
        b"42 (a) S 1 42 42 0 -1 0 0 0 0 0 0 0 0 0 23 3 1 0 9 0 0 0 0 0 0 0 0 0 0 0 0 \
        0 0 0 0 17 1 0 0 0\n";

    #[test]
    fn ids_are_what_they_are_in_the_namespace_that_is_joined() {
        let map = b"         0     100000      65536\n";
        let files = [
            ("self/attr/current", &b"unconfined\n"[..]),
            ("42/status", STATUS),
            ("42/stat", STAT),
            ("42/uid_map", map),
            ("42/gid_map", map),
            ("42/oom_score_adj", b"-998\n"),
            ("42/attr/current", b"docker-default (enforce)\n"),
            (
                "42/limits",
                b"Max open files            64                 128                files\n",
            ),
        ];
        let (_temp, root, handle) = target(&files);
        let (standing, missing) = collect_standing(&root, &handle, Users::Joined).unwrap();
        assert_eq!(missing, []);
        assert_eq!(standing.user, Number { outside: 100_033, inside: Some(33) });
        assert_eq!(standing.group, Number { outside: 100_034, inside: Some(34) });
        let inside: Vec<_> = standing.groups.iter().map(|group| group.inside).collect();
        assert_eq!(inside, [Some(5), None]);
        assert_eq!((standing.umask, standing.oom_score_adj), (Some(0o27), Some(-998)));
        assert_eq!(standing.schedule.map(|schedule| schedule.nice), Some(3));
        assert_eq!(standing.cpus.map(|cpus| cpus.to_string()).as_deref(), Some("0,2-3"));
        assert_eq!(standing.rlimits.len(), 1);
        assert!(standing.no_new_privs && standing.filters.is_empty());
        assert_eq!(standing.capabilities.bounding.len(), 8);
        assert_eq!(standing.label.unwrap().text, "docker-default");
        // Its capabilities hold nowhere else.
        let (standing, missing) = collect_standing(&root, &handle, Users::Left).unwrap();
        assert_eq!(standing.capabilities, CapSets::default());
        assert_eq!(standing.user, Number { outside: 100_033, inside: Some(100_033) });
        assert_eq!(missing.len(), 1);
    }

    #[test]
    fn who_only_looks_counts_the_filters() {
        let looked = |lines: &str| {
            let status = format!("Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\n{lines}");
            let (_temp, root, handle) = target(&[("42/status", status.as_bytes())]);
            let (_, count, missing) = look_at_standing(&root, &handle, Users::Ours).unwrap();
            (count, missing.iter().any(|one| one.what == "seccomp filters"))
        };
        assert_eq!(looked("Seccomp:\t2\nSeccomp_filters:\t3\n"), (3, false));
        assert_eq!(looked("Seccomp:\t2\n"), (1, false));
        assert_eq!(looked("Seccomp:\t0\nSeccomp_filters:\t0\n"), (0, false));
        assert_eq!(looked("Seccomp:\t1\nSeccomp_filters:\t0\n"), (0, true));
    }

    #[test]
    fn what_cannot_be_read_is_a_shortfall() {
        let status = b"Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nSeccomp:\t1\n";
        let (_temp, root, handle) = target(&[("42/status", status), ("self/stat", b"")]);
        let (_, missing) = collect_standing(&root, &handle, Users::Ours).unwrap();
        let whats: Vec<_> = missing.iter().map(|one| one.what).collect();
        let unread = ["umask", "resource limits", "scheduling", "CPU affinity", "oom_score_adj"];
        assert_eq!(whats, [&unread[..], &["seccomp filters"]].concat());
        assert!(collect_standing(&root, &handle, Users::Joined).is_err());
    }
}
