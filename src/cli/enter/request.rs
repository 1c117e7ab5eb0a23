//! What was asked of `enter`, however it was spelled.

use crate::action::plan::Wish;
use crate::action::tools::Choice;
use crate::cli::error::Failure;
use crate::model::namespace::Kind;
use std::ffi::{CString, OsStr, OsString};
use std::time::Duration;

/// Options of `nsx enter` or nsenter, checked by themselves; nothing is looked up.
#[derive(Debug, Default)]
pub struct Request {
    /// As it was spelled; may be missing where namespaces are named one by one.
    pub target: Option<OsString>,
    /// Kinds, ids and terminal: what the plan is made of.
    pub wish: Wish,
    /// Namespaces by a file, or by `:NUMBER`.
    pub namespaces: Vec<(Kind, OsString)>,
    /// A descriptor of the target's that is a socket: its network namespace.
    pub socket: Option<u32>,
    /// How many levels above the user namespace that would be joined.
    pub user_parents: u32,
    /// The host's programs for the target.
    pub tools: Option<Choice>,
    /// The target's names for a program of the host.
    pub dns: bool,
    /// `-r`, `--root`. `None`: as the joined mount namespace has it, else ours.
    pub root: Option<Place>,
    /// `-w`, `--wd`, `--wdns`. `None`: where we are, or `/` in a root that is not ours.
    pub directory: Option<Place>,
    /// `--env`, `--env-add`, `--clean-env`.
    pub environment: Environment,
    /// `USER[:GROUP]`, by the target's own files.
    pub user: Option<OsString>,
    /// How many descriptors of the caller's are handed on beside the standard ones.
    pub descriptors: u32,
    /// How long the program may run; `None`: without end.
    pub limit: Option<Duration>,
    /// An init of ours stays beside the program.
    pub init: bool,
    /// It ends with nsx though it becomes another user.
    pub guard: bool,
    /// `--as-target`, `--join-cgroup` and their kin; by default nothing.
    pub standing: TakeOver,
    /// The plan is printed, and nothing is joined or run.
    pub dry_run: bool,
    /// Nothing is said that is no error.
    pub quiet: bool,
    /// Without a program: a login shell.
    pub shell: Shell,
    /// Its arguments too; empty: a shell.
    pub program: Vec<OsString>,
}

/// What of the target's the program is to have besides.
#[derive(Debug, Default)]
pub struct TakeOver {
    /// All that it is and may do.
    pub as_target: bool,
    /// Its place in the control groups.
    pub cgroup: bool,
    /// Though they stand still.
    pub frozen: bool,
    /// Its label alone.
    pub label: bool,
    /// Nothing is run unless all of it can be had.
    pub strict: bool,
}

/// Which login shell is run where no program is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shell {
    /// Of the target's own where the program is; else `$SHELL`.
    #[default]
    OfTarget,
    /// `$SHELL` of the program's environment, else the caller's by passwd(5).
    Preferred,
}

/// A directory.
#[derive(Debug)]
pub enum Place {
    /// The target's own, root or working directory.
    OfTarget,
    /// A path as the program sees it.
    Inside(CString),
    /// In our view, before anything is joined.
    Ours(OsString),
}

/// Which variables the program gets. Where nothing is said a program of the host has all of the
/// caller's, one of the target hardly any.
#[derive(Debug, Default)]
pub struct Environment {
    /// What the target was started with.
    pub of_target: bool,
    /// All of the caller's, also for a program of the target.
    pub whole: bool,
    /// Nothing of the caller's.
    pub clean: bool,
    /// Set after all else; a later one of the same name counts.
    pub more: Vec<(OsString, OsString)>,
}

impl Request {
    /// `--as-target` is more than one wish; what was said besides goes before.
    pub(super) fn complete(&mut self) -> Result<(), Failure> {
        let TakeOver { as_target, cgroup, frozen, strict, label } = self.standing;
        self.wish.may_join_nothing |= as_target || cgroup;
        if !as_target {
            let lonely = (strict && !cgroup && !label) || (frozen && !cgroup);
            return if lonely { Err(Failure::usage(LONELY)) } else { Ok(()) };
        }
        let wish = &self.wish;
        let is_somebody = wish.uid.is_some() || wish.gid.is_some() || self.user.is_some();
        if is_somebody || wish.keep_credentials || wish.keep_capabilities {
            return Err(Failure::usage("--as-target says already who the program is"));
        }
        let is_elsewhere =
            self.user_parents > 0 || self.namespaces.iter().any(|(kind, _)| *kind == Kind::User);
        if is_elsewhere {
            return Err(Failure::usage("--as-target goes with the target's own user namespace"));
        }
        self.standing.cgroup = true;
        self.environment.of_target |= !self.environment.clean;
        let of_target = self.wish.all || self.wish.named.has(Kind::Mnt) || !self.names_namespaces();
        // With --tools these are the host's.
        if of_target && self.tools.is_none() {
            self.root.get_or_insert(Place::OfTarget);
            self.directory.get_or_insert(Place::OfTarget);
        }
        // In place of root of a joined user namespace it is the target's user.
        self.wish.keep_credentials = true;
        Ok(())
    }

    /// Descriptors of the caller's that are spelled as files.
    pub fn named_descriptors(&self) -> Vec<u32> {
        let ours = |place: &Option<Place>| match place {
            Some(Place::Ours(path)) => descriptor(path),
            _ => None,
        };
        let files = self.namespaces.iter().filter_map(|(_, file)| descriptor(file));
        files.chain(ours(&self.root)).chain(ours(&self.directory)).collect()
    }

    /// Whether any namespace was asked for.
    pub fn names_namespaces(&self) -> bool {
        self.wish.all
            || !self.wish.named.is_empty()
            || !self.namespaces.is_empty()
            || self.socket.is_some()
            || self.user_parents > 0
    }
}

const LONELY: &str = "--strict is about what --as-target, --join-cgroup or --follow-context takes over, --allow-frozen about --join-cgroup";

/// The descriptor of ours that a path is another name for.
pub fn descriptor(path: &OsStr) -> Option<u32> {
    let path = path.to_str()?;
    if path == "/dev/stdin" {
        return Some(0);
    }
    let number = path.strip_prefix("/proc/self/fd/").or_else(|| path.strip_prefix("/dev/fd/"))?;
    number.parse().ok().filter(|_| number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_is_told_by_its_other_names() {
        let number = |path: &str| descriptor(OsStr::new(path));
        assert_eq!(number("/proc/self/fd/9"), Some(9));
        assert_eq!(number("/dev/fd/10"), Some(10));
        assert_eq!(number("/dev/stdin"), Some(0));
        for other in ["/proc/self/fd/", "/proc/self/fd/+9", "/proc/self/fd/9/", "/dev/fd/x", "9"] {
            assert_eq!(number(other), None, "{other}");
        }
        let request = Request {
            namespaces: vec![(Kind::Net, "/dev/fd/7".into()), (Kind::Uts, "/run/x".into())],
            root: Some(Place::Ours("/proc/self/fd/5".into())),
            directory: Some(Place::OfTarget),
            ..Request::default()
        };
        assert_eq!(request.named_descriptors(), [7, 5]);
    }
}
