//! Names: where the record of one is, its taking and its end.

use super::host::Host;
use super::request::Request;
use crate::action::launch;
use crate::action::spawn::janitor::Janitor;
use crate::action::spawn::notices::{Notices, PidFile, Status, is_writable};
use crate::action::spawn::record::{self, Record};
use crate::action::spawn::stop;
use crate::cli::context::Context;
use crate::cli::error::{Failure, Kind};
use crate::model::group::Sites;
use crate::model::namespace::Kind as NsKind;
use crate::model::process::Pid;
use crate::model::spawned::{DIRECTORY, Spawned, shown};
use crate::sys::incarnation;
use crate::sys::ns;
use crate::sys::raw::fds;
use crate::sys::root::{SysRoot, path_text};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

/// For a program to end.
const GRACE: Duration = Duration::from_secs(5);

/// Root's is the host's; a user's is in his runtime directory, and so is that of who is root in a user
/// namespace alone and could not write to the host's.
fn directory(context: &Context) -> Result<PathBuf, Failure> {
    let uid = rustix::process::geteuid();
    if uid.is_root() && (is_initial_user_namespace() || record::can_be_in(Path::new(DIRECTORY))) {
        return Ok(DIRECTORY.into());
    }
    // One that is not absolute is none: XDG Base Directory Specification.
    let given = context.variable("XDG_RUNTIME_DIR").map(PathBuf::from);
    let given = given.filter(|path| path.is_absolute());
    let usual = || (!uid.is_root()).then(|| format!("/run/user/{}", uid.as_raw()).into());
    let given = given.or_else(usual).filter(|path| path.is_dir());
    given.map(|given| given.join("nsx")).ok_or_else(|| {
        Failure::new(Kind::Failed, "there is no place for a name: no runtime directory")
            .hint("set XDG_RUNTIME_DIR to the path of a directory of your own, or leave out --name")
    })
}

fn is_initial_user_namespace() -> bool {
    ns::own_identity(NsKind::User).is_ok_and(|inode| inode == ns::INITIAL_USER)
}

/// For who asked for none: by who stays, whose pid is nobody else's for as long. Pids come again in
/// other pid namespaces, the place of names does not.
pub(super) fn by_pid() -> String {
    let pid = std::process::id();
    match ns::own_identity(NsKind::Pid) {
        Ok(inode) if inode != ns::INITIAL_PID => format!("nsx-{pid}-{inode}"),
        _ => format!("nsx-{pid}"),
    }
}

/// The descriptor that was named, before anything of ours is opened.
pub(super) fn status(number: Option<u32>) -> Result<Option<OwnedFd>, Failure> {
    let Some(number) = number else { return Ok(None) };
    let descriptor = fds::take_over(number).ok().filter(is_writable);
    let unusable = || {
        Failure::usage(format!("--status-fd {number}: it is not open for writing"))
            .hint("open it for nsx: nsx spawn --status-fd 3 … 3>status.jsonl")
    };
    descriptor.map(Some).ok_or_else(unusable)
}

/// Somebody who clears up if nsx is killed, where there will be something.
pub(super) fn janitor(request: &Request, sites: &Sites) -> Result<Option<Rc<Janitor>>, Failure> {
    let leaves = !sites.0.is_empty() || request.name.is_some() || request.pid_file.is_some();
    Ok(if leaves { Some(Rc::new(Janitor::start()?)) } else { None })
}

/// Takes the name and makes the files. `None` where nobody wants to hear.
pub(super) fn notices(
    context: &Context,
    host: &Host,
    request: &Request,
    limits: BTreeMap<String, String>,
    (status, ready): (Option<OwnedFd>, Option<OwnedFd>),
    janitor: Option<&Rc<Janitor>>,
) -> Result<Option<Notices>, Failure> {
    let pid_file = match (&request.pid_file, janitor) {
        (Some(path), Some(janitor)) => Some(PidFile::make(path, janitor)?),
        _ => None,
    };
    let record = match (&request.name, janitor) {
        (Some(name), Some(janitor)) => {
            let root = host.root()?;
            let spawned = spawned(root, request, name, limits)?;
            Some(Record::take(root, &directory(context)?, spawned, janitor)?)
        }
        _ => None,
    };
    if status.is_none() && pid_file.is_none() && record.is_none() && ready.is_none() {
        return Ok(None);
    }
    let ready = ready.map(|ready| launch::nowhere().map(|nowhere| (ready, nowhere))).transpose()?;
    let root = SysRoot::real()?;
    let status = status.map(Status::new);
    Ok(Some(Notices { root, status, pid_file, record, ready, peer: None }))
}

fn spawned(
    root: &SysRoot,
    request: &Request,
    name: &str,
    limits: BTreeMap<String, String>,
) -> Result<Spawned, Failure> {
    let us = Pid::new(std::process::id())
        .map(|pid| incarnation::of(root, pid))
        .transpose()?
        .ok_or_else(|| Failure::new(Kind::Failed, "nsx has no pid"))?;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let words = request.program.iter().map(|word| word.to_string_lossy().into_owned());
    Ok(Spawned {
        schema: Spawned::SCHEMA.to_owned(),
        name: name.to_owned(),
        boot_id: incarnation::boot_id(root)?,
        seen_from: incarnation::viewpoint(root),
        supervisor: us,
        process: None,
        program: None,
        created_unix_seconds: now.as_secs(),
        command: shown(words),
        limits,
        cgroups: Vec::new(),
    })
}

/// `--stop NAME`
pub(super) fn end(context: &Context, request: &Request, name: &str) -> Result<u8, Failure> {
    if !request.program.is_empty() {
        return Err(Failure::usage("--stop starts no program").hint("it ends the one it names"));
    }
    let root = SysRoot::real()?;
    let directory = directory(context).map_err(|failure| {
        failure.hint("set XDG_RUNTIME_DIR to what it was where the program was started")
    })?;
    let file = format!("{name}.json");
    let (held, spawned) = record::find(&directory, name)?.ok_or_else(|| {
        Failure::new(Kind::NotFound, format!("there is no spawned program {name}"))
            .hint("`nsx ps` lists them")
    })?;
    let spawned =
        spawned.ok_or_else(|| Failure::new(Kind::Failed, format!("{file} is none of nsx's")))?;
    if record::is_elsewhere(&root, &spawned)? {
        let what = format!("{name} was started in another pid or time namespace");
        return Err(Failure::new(Kind::Failed, format!("cannot end {name}: {what}")).hint(
            format!(
                "end it from there; if that is gone, remove {}",
                path_text(&directory.join(&file))
            ),
        ));
    }
    let owner = record::owner(&root, &held, &spawned).map_err(|error| {
        let pid = spawned.supervisor.pid;
        let why = format!("it cannot be told whether pid {pid} is its nsx: {error}");
        Failure::new(Kind::Failed, format!("cannot end {name}: {why}")).hint(format!(
            "end it as root; if that is another, remove {}",
            path_text(&directory.join(&file))
        ))
    })?;
    stop::stop(&root, owner, &spawned, request.life.grace.unwrap_or(GRACE))?;
    // One that was killed left it.
    record::forget(&directory, &spawned)?;
    Ok(0)
}
