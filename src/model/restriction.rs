//! What a spawned program may do less, or otherwise, than whoever spawns it: as it was asked for.

use super::capability::CapSet;
use super::limits::Rlimit;
use super::text::Text;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// What was not asked for stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restrictions {
    /// Made in their order.
    pub capabilities: Vec<Change>,
    /// No exec gives it more rights: PR_SET_NO_NEW_PRIVS of prctl(2).
    pub no_new_privs: bool,
    /// Absent: no filter is added.
    pub seccomp: Option<Profile>,
    /// Where there is any, all other files are denied.
    pub landlock: Vec<Beneath>,
    /// Soft and hard; `used` is not known of any.
    pub rlimits: Vec<Rlimit>,
    /// −20 to 19.
    pub nice: Option<i32>,
    /// For the files that it makes.
    pub umask: Option<u32>,
}

/// One change of capabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Taken away, from the bounding set too.
    Drop(Named),
    /// Given; nsx must have them itself. An ordinary user has them as ambient ones.
    Add(Named),
}

/// Which capabilities a change is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    /// All that there are to take, or to give.
    All,
    /// By name.
    These(CapSet),
}

/// A list of system calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Profile {
    /// The one that comes with nsx.
    Default,
    /// A file as docker and podman take it.
    File(PathBuf),
}

/// How much of what lies beneath a path may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading and executing.
    Read,
    /// Everything.
    Write,
}

/// What the program may do with a file, or with all beneath a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beneath {
    /// How much of it.
    pub access: Access,
    /// As the program sees it.
    pub path: PathBuf,
}

impl Restrictions {
    /// By something that only no_new_privs or CAP_SYS_ADMIN lets one do to oneself.
    pub const fn confine(&self) -> bool {
        self.seccomp.is_some() || !self.landlock.is_empty()
    }

    /// For people: what, and how.
    pub fn told(&self) -> Vec<(&'static str, String)> {
        let mut told = Vec::new();
        for change in &self.capabilities {
            let (word, named) = match *change {
                Change::Drop(named) => ("without", named),
                Change::Add(named) => ("with", named),
            };
            let names = match named {
                Named::All => "all".to_owned(),
                Named::These(these) => these.short_names().join(" "),
            };
            told.push(("caps", format!("{word} {names}")));
        }
        for limit in &self.rlimits {
            let said = |bound: super::cgroup::Bound| {
                bound.value().map_or_else(|| "unlimited".to_owned(), |value| value.to_string())
            };
            let (soft, hard) = (said(limit.soft), said(limit.hard));
            told.push(("limit", format!("{} {soft}, at most {hard}", limit.resource.short_name())));
        }
        told.extend(self.nice.map(|nice| ("nice", nice.to_string())));
        told.extend(self.umask.map(|umask| ("umask", format!("{umask:04o}"))));
        if self.no_new_privs {
            told.push(("privs", "no_new_privs: no program gives it more".to_owned()));
        }
        for beneath in &self.landlock {
            let word = match beneath.access {
                Access::Read => "reads and executes",
                Access::Write => "reads, executes and changes",
            };
            let path = Text::new(beneath.path.as_os_str().as_bytes());
            told.push(("landlock", format!("{word} {path}, and nothing that is not listed")));
        }
        told.extend(self.seccomp.as_ref().map(|profile| {
            let which = match profile {
                Profile::Default => "the default profile".to_owned(),
                Profile::File(path) => Text::new(path.as_os_str().as_bytes()).to_string(),
            };
            ("seccomp", which)
        }));
        told
    }
}
