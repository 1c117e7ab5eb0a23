//! What `enter` brings together: the host's programs with a target's files, a target's names with
//! the host's programs.

use super::request::{Place, Request};
use super::subject::Subject;
use crate::action::dns::Dns;
use crate::action::launch;
use crate::action::tools::{Choice, Command, Tools};
use crate::cli::error::Failure;
use crate::model::namespace::Kind;
use crate::model::plan::{Held, Join, Plan};
use crate::render::plan::Brings;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::root::SysRoot;

#[derive(Debug, Default)]
pub(super) struct Brought {
    pub tools: Option<Tools>,
    pub dns: Option<Dns>,
    /// What a person should know.
    pub notes: Vec<String>,
}

/// Whether the plan is one in which that can be had.
pub(super) fn check(request: &Request, plan: &Plan) -> Result<(), Failure> {
    let joins_mounts =
        |join: &Join| matches!(join.held, Held::Process(_)) && join.kinds.has(Kind::Mnt);
    if request.tools.is_some() {
        if !plan.joins.iter().any(joins_mounts) {
            return Err(Failure::usage("--tools: the mount namespace of a process is not joined")
                .hint(
                    "without it the program is the host's and sees the host's files: leave it out",
                ));
        }
        if request.root.is_some() {
            return Err(Failure::usage("--tools makes the root: there cannot be another"));
        }
        if !matches!(request.directory, None | Some(Place::Inside(_))) {
            return Err(Failure::usage("--tools: name the directory as it is called inside")
                .hint("the target's files are below /target, with --tools-inside where they are"));
        }
    }
    if request.dns {
        let joined = plan.joined();
        if joined.has(Kind::Mnt) || request.root.is_some() {
            return Err(Failure::usage("--dns is for programs that see the host's files")
                .hint("in the target's mount namespace its own files are there already"));
        }
        if plan.equal.has(Kind::Net) {
            return Err(Failure::usage("--dns: the target's network namespace is ours")
                .hint("the host's own files are right there: leave it out"));
        }
        if !joined.has(Kind::Net) {
            return Err(Failure::usage("--dns: the network namespace is not joined").hint("add -n"));
        }
    }
    Ok(())
}

/// What the dry run says of it.
pub(super) fn outline(request: &Request) -> Option<Brings> {
    let (what, place) = match (&request.tools, request.dns) {
        (Some(Choice::Beside(None)), _) => (
            "a root of the host's programs, read-only, and the target at /target",
            Some("the host's programs"),
        ),
        (Some(Choice::Beside(Some(_))), _) => (
            "a root of that directory, read-only, and the target at /target",
            Some("that directory"),
        ),
        (Some(Choice::Inside), _) => (
            "the host's programs at /.nsx, for the program alone",
            Some("the target's file system, or else the host's"),
        ),
        (None, true) => {
            ("the target's resolver files over the host's, for the program alone", None)
        }
        (None, false) => return None,
    };
    Some(Brings { what, place })
}

/// Reads and makes what is needed before the join; the command is changed to one that starts there.
pub(super) fn gather(
    root: &SysRoot,
    request: &Request,
    subject: &Subject,
    command: &mut Command,
) -> Result<Brought, Failure> {
    let mut brought = Brought::default();
    if let Some(choice) = &request.tools {
        launch::hide()?;
        let gathered = Tools::gather(root, process(subject)?, choice, command.clone())?;
        *command = gathered.command;
        brought.notes = gathered.notes;
        brought.tools = Some(gathered.tools);
    } else if request.dns {
        let (dns, notes) = Dns::read(root, process(subject)?)?;
        brought.notes = notes;
        brought.dns = Some(dns);
    }
    Ok(brought)
}

fn process(subject: &Subject) -> Result<&ProcessHandle, Failure> {
    let process = subject.process.as_ref().map(|process| &process.handle);
    process.ok_or_else(|| {
        Failure::usage("a namespace has no files of its own")
            .hint("--tools and --dns need a process or container: name one with -t")
    })
}
