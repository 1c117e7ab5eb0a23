//! What `enter` joins: a process's namespaces, and single ones.

use super::request::{self, Request};
use crate::action::plan::{self, Facts, Id, TargetFacts, Wish};
use crate::action::pty;
use crate::cli::environment;
use crate::cli::error::{AS_NUMBERS, AS_ZERO, Failure, Kind as FailureKind};
use crate::collect::access::Asker;
use crate::collect::target::{self, PinnedProcess, Target};
use crate::collect::{credentials, inside};
use crate::model::access::Need;
use crate::model::confinement::IdRules;
use crate::model::namespace::{Kind, Kinds, NsSet};
use crate::model::plan::{Held, Plan};
use crate::model::standing::Users;
use crate::model::text::Text;
use crate::render::plan::more_privilege;
use crate::render::sandboxed;
use crate::sys::accounts::{Account, AccountError};
use crate::sys::error::SysError;
use crate::sys::ns;
use crate::sys::nsfs::{self, NsFile};
use crate::sys::root::SysRoot;
use nix::errno::Errno;
use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// All that is held.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) process: Option<Box<PinnedProcess>>,
    pub(super) namespaces: Vec<NsFile>,
    pub(super) label: Text,
    /// Who the program is to be, where that was asked for by name.
    pub(super) account: Option<Account>,
}

pub(super) fn hold(root: &SysRoot, request: &mut Request) -> Result<Subject, Failure> {
    let mut namespaces = Vec::new();
    for (kind, spelled) in &request.namespaces {
        namespaces.push(by_name(root, *kind, spelled)?);
    }
    let mut label = request.namespaces.first().map(|(_, name)| Text::new(name.as_bytes()));
    let spelled = request.target.as_ref();
    let process =
        match spelled.map(|spelled| target::resolve(root, spelled.as_bytes())).transpose()? {
            None => None,
            Some(Target::Process(process)) => Some(process),
            Some(Target::Namespace(held)) => {
                if request.wish.all || !request.wish.named.is_empty() {
                    return Err(Failure::usage(
                        "a namespace is joined alone: options that name kinds are for processes",
                    )
                    .hint("leave them out, or name a process or container with -t"));
                }
                let kind = held.key.kind;
                if request.namespaces.iter().any(|(named, _)| *named == kind) {
                    return Err(Failure::usage(format!("two {kind} namespaces are named"))
                        .hint("one is joined: leave out the other, or name a process with -t"));
                }
                label = Some(held.label.clone());
                namespaces.push(held.into_file()?);
                None
            }
        };
    if let Some(process) = &process {
        label = Some(process.label());
        // Without an option that names one it is all.
        request.wish.all |= !request.names_namespaces();
    }
    if let Some(number) = request.socket {
        namespaces.push(of_socket(process.as_deref(), number)?);
    }
    for _ in 0..request.user_parents {
        let above = above(process.as_deref(), &namespaces)?;
        namespaces.retain(|file| file.key.kind != Kind::User);
        namespaces.push(above);
    }
    let account = match &request.user {
        None => None,
        Some(user) => Some(account(process.as_deref(), user)?),
    };
    if let Some(account) = &account {
        let wish = &mut request.wish;
        // Who names a group is of that group alone.
        let is_alone = wish.gid.is_some();
        wish.uid = wish.uid.or(Some(Id::Number(account.uid)));
        wish.gid = wish.gid.or(Some(Id::Number(account.gid)));
        let groups = Some(&account.groups).filter(|_| !is_alone);
        wish.groups = wish.groups.take().or_else(|| groups.cloned());
    }
    Ok(Subject { process, namespaces, label: label.unwrap_or_default(), account })
}

fn account(process: Option<&PinnedProcess>, user: &OsStr) -> Result<Account, Failure> {
    let process = process.ok_or_else(|| {
        Failure::usage("--user=USER is looked up in the target's own files")
            .hint("name a process or container with -t, or give numbers: -S UID -G GID")
    })?;
    let failed =
        |why: String| Failure::new(FailureKind::Failed, format!("{}: {why}", process.label()));
    let account = inside::account(&process.handle, user.as_bytes()).map_err(|error| {
        let whose = match &error {
            AccountError::NoAccount(_) => "",
            AccountError::Unreadable(_) => "the target's own files: ",
        };
        failed(format!("{whose}{error}")).hint(AS_NUMBERS)
    })?;
    if account.is_disguised_root(user.as_bytes()) {
        return Err(
            failed("in its own /etc/passwd that user is 0, as root is".to_owned()).hint(AS_ZERO)
        );
    }
    Ok(account)
}

/// `/run/netns/blue`, `:7`
fn by_name(root: &SysRoot, kind: Kind, spelled: &OsStr) -> Result<NsFile, Failure> {
    let text = Text::new(spelled.as_bytes());
    if let Some(digits) = spelled.as_bytes().strip_prefix(b":") {
        let number = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
        let number = number.filter(|_| digits.iter().all(u8::is_ascii_digit));
        let id =
            number.ok_or_else(|| Failure::usage(format!("{text} is no namespace's number")))?;
        return Ok(target::by_id(root, kind, id)?);
    }
    let wrong = || {
        let hint = format!("a namespace file is a bind mount of /proc/PID/ns/{kind}");
        Failure::new(FailureKind::NotFound, format!("{text} is no {kind} namespace")).hint(hint)
    };
    let file = match request::descriptor(spelled) {
        // Of this process, not of the one that opens what may never answer.
        Some(number) => nsfs::open_at(root, root.proc(), &format!("self/fd/{number}"))
            .map_err(|error| SysError { object: text.clone(), ..error }),
        None => nsfs::open(root, Path::new(spelled)),
    };
    let file = file?.ok_or_else(wrong)?;
    if file.key.kind == kind { Ok(file) } else { Err(wrong()) }
}

fn of_socket(process: Option<&PinnedProcess>, number: u32) -> Result<NsFile, Failure> {
    let process = process.ok_or_else(|| {
        Failure::usage("--net-socket is about a descriptor of the target's")
            .hint("name a process with -t")
    })?;
    let number = i32::try_from(number).unwrap_or(i32::MAX);
    Ok(nsfs::of_socket(&process.handle, number)?)
}

/// Above the user namespace that would be joined: one held by itself, else the target's, else the
/// owner of any that is held.
fn above(process: Option<&PinnedProcess>, namespaces: &[NsFile]) -> Result<NsFile, Failure> {
    let held = |kind| namespaces.iter().find(|file| file.key.kind == kind);
    if let Some(user) = held(Kind::User) {
        return owner(user.fd.as_fd());
    }
    if let Some(process) = process {
        let user = ns::open(process.handle.dir(), Kind::User)?;
        process.handle.check_alive()?;
        return owner(user.as_fd());
    }
    match namespaces.first() {
        Some(any) => owner(any.fd.as_fd()),
        None => Err(Failure::usage("--user-parent: there is no namespace to begin with")
            .hint("name a process with -t, or a file: -U=FILE")),
    }
}

fn owner(namespace: BorrowedFd<'_>) -> Result<NsFile, Failure> {
    nsfs::above(namespace).map_err(|error| match error.errno() {
        // Of ours the kernel does not show what is above, whoever asks.
        Some(Errno::EPERM) => Failure::from(error)
            .hint("--user-parent: there is no user namespace above that we may see"),
        _ => error.into(),
    })
}

impl Subject {
    pub(super) fn plan(&self, root: &SysRoot, request: &Request) -> Result<Plan, Failure> {
        let ours = credentials::own_namespaces(root, self.concerned(&request.wish))?;
        let facts = Facts {
            ours,
            target: self.process.as_ref().map(|process| {
                let single = self.namespaces.iter().find(|file| file.key.kind == Kind::User);
                facts(process, &ours, request, single.map(|file| file.key.inode))
            }),
            namespaces: self.namespaces.iter().map(|file| file.key).collect(),
            on_a_terminal: pty::wanted(),
            privileged: credentials::privileged(),
        };
        let wish = Wish { other_root: request.root.is_some(), ..request.wish.clone() };
        Ok(plan::plan(&wish, &facts)?)
    }

    /// How the target's user namespace stands to the one that the program will be in.
    pub(super) fn users(&self, root: &SysRoot, plan: &Plan) -> Result<Users, Failure> {
        let own =
            credentials::own_namespaces(root, Kinds::NONE.with(Kind::User))?.inode(Kind::User);
        let theirs = self.process.as_ref().map(|process| process.process.namespaces);
        let theirs = theirs.and_then(|namespaces| namespaces.inode(Kind::User));
        Ok(match plan.joined().has(Kind::User) {
            true => Users::Joined,
            false if own == theirs => Users::Ours,
            false => Users::Left,
        })
    }

    /// The kinds that a plan has to know of: those that may be joined, and those that tell who sees
    /// us.
    fn concerned(&self, wish: &Wish) -> Kinds {
        if wish.all {
            return Kinds::EVERY;
        }
        let single = self.namespaces.iter().map(|file| file.key.kind);
        wish.named.iter().chain(single).chain([Kind::Pid, Kind::Mnt]).collect()
    }

    /// The rights that the plan takes.
    pub(super) fn needs(&self, asker: &Asker, plan: &Plan) -> Vec<Need> {
        let mut needs = asker.of_each(&self.namespaces);
        for join in &plan.joins {
            if let (Held::Process(_), Some(process)) = (join.held, &self.process) {
                needs.extend(asker.of_process(process.handle.dir(), join.kinds));
            }
        }
        needs
    }

    /// The environment that it was started with.
    pub(super) fn environment(&self) -> Result<Vec<(OsString, OsString)>, Failure> {
        match &self.process {
            Some(process) => environment::of_target(&process.handle),
            None => Err(Failure::usage("a namespace has no environment")
                .hint("leave out --env, or name a process or container with -t")),
        }
    }

    /// What a program of the target may do more than the target's own; of a namespace nothing is
    /// known.
    pub(super) fn more_privilege(&self, root: &SysRoot) -> Option<String> {
        let process = self.process.as_ref()?;
        more_privilege(&self.label, credentials::confinement(root, &process.handle)?)
    }

    /// That what is joined is not what runs inside.
    pub(super) fn sandboxed(&self) -> Option<String> {
        let process = self.process.as_ref()?;
        sandboxed::of_one(&self.label, process.container.as_ref())
    }
}

/// `users`: a user namespace that is named by itself, which counts for more than the target's.
fn facts(
    process: &PinnedProcess,
    ours: &NsSet,
    request: &Request,
    users: Option<u64>,
) -> TargetFacts {
    let theirs = process.process.namespaces;
    // Ids mean something else only in another user namespace.
    let elsewhere = ours.differing(&theirs).has(Kind::User);
    let wish = &request.wish;
    let follows = [wish.uid, wish.gid].contains(&Some(Id::Follow));
    let is_in = |users: u64, set: &NsSet| set.inode(Kind::User) == Some(users);
    let joins_user = match users {
        Some(users) => elsewhere && is_in(users, &theirs),
        None => elsewhere && (wish.all || wish.named.has(Kind::User)),
    };
    // In a third one its numbers are not known.
    let known = users.is_none_or(|users| is_in(users, &theirs) || is_in(users, ours));
    let (uid, gid) = if follows && known {
        credentials::own_ids(&process.handle, joins_user)
    } else {
        (None, None)
    };
    TargetFacts {
        pid: process.process.pid,
        namespaces: theirs,
        rules: if elsewhere { credentials::id_rules(&process.handle) } else { IdRules::default() },
        uid,
        gid,
    }
}
