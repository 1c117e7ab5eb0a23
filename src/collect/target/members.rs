//! The processes of a control group and of a systemd unit, by what each process says of itself.
//!
//! Whoever may make a group can give it any name: the unit of the host's own manager is root's,
//! and in no container; those of users and of containers are considered only where there is none.

use super::error::TargetError;
use super::grammar::{Spelled, unit_name};
use crate::collect::groups;
use crate::collect::runtime::recognise;
use crate::collect::scan;
use crate::model::gap::Reason;
use crate::model::namespace::Kind;
use crate::model::process::{Pid, Process};
use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::cgroupfs::hierarchy::{self, Hierarchies};
use crate::sys::error::{Context, Result};
use crate::sys::proc::cgroup::{self, Line};
use crate::sys::root::SysRoot;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsFd;

/// Those in the group and in all below it, in whatever hierarchy of ours it is.
pub(super) fn of_group(root: &SysRoot, path: &[u8]) -> Result<Vec<Process>> {
    let hierarchies = Hierarchies::read(root).ok();
    let is_in = |lines: &[u8]| {
        let mut lines = ours(hierarchies.as_ref(), lines);
        lines.any(|line| is_below(line.path, path))
    };
    let members = chosen(root, |lines| is_in(lines).then_some(()))?;
    Ok(members.into_iter().map(|((), process)| process).collect())
}

/// Those of the unit of that name.
pub(super) fn of_unit(
    root: &SysRoot,
    spelled: &[u8],
    unit: &[u8],
) -> std::result::Result<Vec<Process>, TargetError> {
    let hierarchies = Hierarchies::read(root).ok();
    let group = |lines: &[u8]| {
        let mut lines = ours(hierarchies.as_ref(), lines);
        lines.find_map(|line| group_of_unit(line.path, unit)).map(<[u8]>::to_vec)
    };
    let mut groups: BTreeMap<Vec<u8>, Vec<Process>> = BTreeMap::new();
    for (group, process) in chosen(root, group)? {
        groups.entry(group).or_default().push(process);
    }
    let rank = |group: &[u8], members: &[Process]| {
        let lines = members.first().map(|process| process.cgroup.as_bytes()).unwrap_or_default();
        rank(root, hierarchies.as_ref(), lines, group)
    };
    let mut best: Vec<(Vec<u8>, Vec<Process>)> = Vec::new();
    let mut best_rank = Rank::Container;
    for (group, members) in groups {
        let rank = rank(&group, &members);
        if rank < best_rank {
            best.clear();
            best_rank = rank;
        }
        if rank == best_rank {
            best.push((group, members));
        }
    }
    if best.len() > 1 {
        let candidates: Vec<String> =
            best.iter().map(|(group, members)| describe(group, members)).collect();
        return Err(TargetError::ambiguous(spelled, &candidates));
    }
    let one = best.pop().map(|(_, members)| members);
    one.ok_or_else(|| TargetError::NoMember(Text::new(spelled)))
}

/// What a process is in, without what somebody who may mount has made for himself: a hierarchy
/// without controllers, of any name, or of some that no other has, in which he is where he likes.
fn ours<'a>(seen: Option<&Hierarchies>, lines: &'a [u8]) -> impl Iterator<Item = Line<'a>> {
    // Where we see none at all we cannot tell.
    let seen = seen.filter(|seen| !seen.is_empty());
    cgroup::parse(lines).filter(move |line| {
        let is_named = line.controllers.starts_with(b"name=");
        let is_mounted = |seen: &Hierarchies| {
            let mut controllers = line.controllers.split(|byte| *byte == b',');
            controllers.any(|one| seen.v1(one).next().is_some())
        };
        line.is_v2() || seen.map_or(!is_named, is_mounted)
    })
}

/// The lines of a member, each cut to the group that was named.
pub(super) fn lines_of(meaning: &Spelled<'_>, lines: &[u8]) -> Text {
    let mut cut = Vec::new();
    for line in cgroup::parse(lines) {
        let path = match meaning {
            Spelled::Unit(name) => group_of_unit(line.path, &unit_name(name)),
            Spelled::Cgroup(path) => Some(*path).filter(|path| is_below(line.path, path)),
            _ => None,
        };
        let path = path.unwrap_or(line.path);
        cut.extend_from_slice(&[b"0:", line.controllers, b":", path, b"\n"].concat());
    }
    cut.into()
}

/// The first process of a unit or a group: the oldest of those whose pid namespace is the host's or
/// began there. Who may write to the hierarchy puts older ones of his own into any group.
pub(super) fn leader(root: &SysRoot, mut members: Vec<Process>) -> Option<Process> {
    let spaces: BTreeSet<Option<u64>> =
        members.iter().map(|member| member.namespaces.inode(Kind::Pid)).collect();
    if spaces.len() > 1
        && let Ok((scan, _leaving)) = scan::scan(root)
    {
        let all: BTreeSet<Pid> = members.iter().map(|member| member.pid).collect();
        let began = groups::firsts(&scan);
        let has_begun = |pids| began.get(&pids).is_none_or(|first| all.contains(&first.pid));
        let is_at_home = |member: &Process| groups::own_pids(member, &scan).is_none_or(has_begun);
        if members.iter().any(is_at_home) {
            members.retain(is_at_home);
        }
    }
    oldest(members)
}

/// The oldest; of two that started in the same tick the lower number.
pub(super) fn oldest(members: Vec<Process>) -> Option<Process> {
    members.into_iter().min_by_key(|process| (process.start_ticks, process.pid))
}

/// The processes that are chosen by their lines of `/proc/PID/cgroup`, and what they are chosen for.
fn chosen<K>(root: &SysRoot, choose: impl Fn(&[u8]) -> Option<K>) -> Result<Vec<(K, Process)>> {
    let mut chosen = Vec::new();
    let (mut lines, mut reader) = (Vec::new(), scan::Reader::default());
    for pid in root.pids()? {
        // One that ended meanwhile is no member any more.
        let opened = root.process(pid);
        let read = opened.and_then(|dir| {
            bounded::read_record(dir.as_fd(), "cgroup", bounded::SMALL, &mut lines)
                .with_context("read", || format!("/proc/{pid}/cgroup"))?;
            Ok(dir)
        });
        let dir = match read {
            Err(error) if error.reason() == Reason::Failed => return Err(error),
            Err(_) => continue,
            Ok(dir) => dir,
        };
        let Some(key) = choose(&lines) else { continue };
        let process = scan::read_process_at(dir.as_fd(), &mut reader)
            .with_context("read", || format!("/proc/{pid}"));
        match process {
            Ok(process) if !process.state.ended() => chosen.push((key, process)),
            Err(error) if error.reason() == Reason::Failed => return Err(error),
            Ok(_) | Err(_) => {}
        }
    }
    Ok(chosen)
}

fn is_below(path: &[u8], group: &[u8]) -> bool {
    group == b"/"
        || path.strip_prefix(group).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// The path up to and with the outermost component that is the unit's. systemd puts `_` before a
/// name that could be taken for one of the kernel's own files.
fn group_of_unit<'a>(path: &'a [u8], unit: &[u8]) -> Option<&'a [u8]> {
    let mut end = 0;
    for component in path.split(|byte| *byte == b'/') {
        end += component.len() + 1;
        if component == unit || component.strip_prefix(b"_") == Some(unit) {
            return path.get(..end - 1);
        }
    }
    None
}

/// Who vouches that the group is what it is called; the better comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Host,
    User,
    Container,
}

fn rank(root: &SysRoot, seen: Option<&Hierarchies>, lines: &[u8], group: &[u8]) -> Rank {
    if recognise::path(group).iter().any(|found| !found.is_host_service()) {
        return Rank::Container;
    }
    let mut above = group.split(|byte| *byte == b'/');
    above.next_back();
    let of_a_user =
        above.any(|component| component.starts_with(b"user@") && component.ends_with(b".service"));
    let owner = || hierarchy::owner_uid(root, seen?, lines, group);
    let own = rustix::process::geteuid().as_raw();
    let of_root = !of_a_user && owner().is_some_and(|uid| vouches(uid, own));
    if of_root { Rank::Host } else { Rank::User }
}

/// Whether the owner of a group is root, or we ourselves.
const fn vouches(owner: u32, own: u32) -> bool {
    owner == 0 || owner == own
}

/// `cgroup:/user.slice/… (pid 42)`
fn describe(group: &[u8], members: &[Process]) -> String {
    let first = members.iter().map(|process| (process.start_ticks, process.pid)).min();
    let pid = first.map_or_else(String::new, |(_, pid): (u64, Pid)| format!(" (pid {pid})"));
    format!("cgroup:{}{pid}", Text::new(group))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::proc::mountinfo;

    #[test]
    fn only_a_hierarchy_that_is_mounted_where_we_are_counts() {
        let lines = b"4:net_cls:/a\n3:name=evil:/b\n2:cpu,cpuacct:/c\n1:name=systemd:/d\n0::/e\n";
        let paths = |seen: Option<&Hierarchies>| {
            let paths: Vec<_> = ours(seen, lines).map(|line| line.path.to_vec()).collect();
            String::from_utf8(paths.concat()).unwrap()
        };
        let seen = |mountinfo: &[u8]| Hierarchies::of(&mountinfo::parse(mountinfo).0);
        let v2 = seen(b"30 22 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        assert_eq!(paths(Some(&v2)), "/e");
        let v1 = seen(
            b"31 22 0:27 / /c rw - cgroup cgroup rw,cpu,cpuacct\n\
              32 22 0:28 / /d rw - cgroup cgroup rw,xattr,name=systemd\n",
        );
        assert_eq!(paths(Some(&v1)), "/c/d/e");
        assert_eq!((paths(None), paths(Some(&seen(b"")))), ("/a/c/e".into(), "/a/c/e".into()));
    }

    #[test]
    fn root_and_we_ourselves_vouch_for_a_group_and_no_other_user() {
        for (owner, own, expected) in [
            (0, 0, true),
            (0, 1000, true),
            (1000, 1000, true),
            (1001, 1000, false),
            (1000, 0, false),
        ] {
            assert_eq!(vouches(owner, own), expected, "{owner} {own}");
        }
    }

    #[test]
    fn below_a_group_is_what_follows_a_slash() {
        assert!(is_below(b"/a/b", b"/a") && is_below(b"/a", b"/a") && is_below(b"/a", b"/"));
        assert!(!is_below(b"/ab", b"/a") && !is_below(b"/", b"/a"));
    }

    #[test]
    fn a_units_group_is_the_outermost_of_its_name() {
        let found = |path: &'static str, unit: &str| {
            group_of_unit(path.as_bytes(), unit.as_bytes()).map(|g| std::str::from_utf8(g).unwrap())
        };
        assert_eq!(
            found("/system.slice/a.service/x", "a.service"),
            Some("/system.slice/a.service")
        );
        assert_eq!(found("/a.slice/a.slice/b", "a.slice"), Some("/a.slice"));
        assert_eq!(
            found("/system.slice/_cpu.service", "cpu.service"),
            Some("/system.slice/_cpu.service")
        );
        assert_eq!(found("/system.slice/xa.service", "a.service"), None);
        assert_eq!(found("/", "a.service"), None);
    }

    #[test]
    fn lines_are_cut_to_the_group_that_was_named() {
        let lines = b"3:cpu:/other\n2:memory:/system.slice/a.service/inner\n0::/system.slice/a.service/x/y\n";
        let cut = lines_of(&Spelled::Unit(b"a"), lines);
        assert_eq!(
            cut,
            "0:cpu:/other\n0:memory:/system.slice/a.service\n0::/system.slice/a.service\n"
        );
        let cut = lines_of(&Spelled::Cgroup(b"/system.slice"), lines);
        assert_eq!(cut, "0:cpu:/other\n0:memory:/system.slice\n0::/system.slice\n");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(path: Vec<u8>, unit: Vec<u8>) {
            let _ = (is_below(&path, &unit), group_of_unit(&path, &unit));
        }
    }
}
