//! What `nsx enter` joins: a process's namespaces, or a single one.

use crate::action::plan::{self, Facts, Wish};
use crate::action::pty;
use crate::cli::environment;
use crate::cli::error::Failure;
use crate::collect::credentials;
use crate::collect::target::Target;
use crate::model::confinement::IdRules;
use crate::model::namespace::Kind;
use crate::model::plan::Plan;
use crate::model::text::Text;
use crate::render::plan::more_privilege;
use crate::render::sandboxed;
use crate::sys::root::SysRoot;
use std::ffi::OsString;
use std::os::fd::OwnedFd;

pub(super) fn plan(root: &SysRoot, target: &Target, wish: Wish) -> Result<Plan, Failure> {
    let ours = credentials::own_namespaces(root)?;
    let on_a_terminal = pty::wanted();
    let target = match target {
        Target::Process(target) => target,
        Target::Namespace(held) => {
            return Ok(plan::plan_namespace(wish, held.key, &ours, on_a_terminal)?);
        }
    };
    let theirs = target.process.namespaces;
    // Ids mean something else only in another user namespace.
    let elsewhere = ours.differing(&theirs).has(Kind::User);
    let rules = if elsewhere { credentials::id_rules(&target.handle) } else { IdRules::default() };
    let facts = Facts {
        target: target.process.pid,
        ours,
        theirs,
        root_is_mapped: rules.root_is_mapped,
        setgroups_denied: rules.setgroups_denied,
        on_a_terminal,
    };
    Ok(plan::plan(wish, &facts)?)
}

/// What a person calls it.
pub(super) fn label(target: &Target) -> Text {
    match target {
        Target::Process(target) => target.label(),
        Target::Namespace(held) => held.label.clone(),
    }
}

/// The environment that it was started with.
pub(super) fn environment(target: &Target) -> Result<Vec<(OsString, OsString)>, Failure> {
    match target {
        Target::Process(target) => environment::of_target(&target.handle),
        Target::Namespace(_) => Err(Failure::usage("a namespace has no environment")
            .hint("leave out --env, or name a process or container with -t")),
    }
}

/// What a program of the target may do more than the target's own; of a namespace nothing is known.
pub(super) fn note(root: &SysRoot, target: &Target) -> Option<String> {
    match target {
        Target::Process(target) => {
            more_privilege(&target.label(), credentials::confinement(root, &target.handle)?)
        }
        Target::Namespace(_) => None,
    }
}

/// That what is joined is not what runs inside.
pub(super) fn sandboxed(target: &Target) -> Option<String> {
    match target {
        Target::Process(target) => sandboxed::of_one(&target.label(), target.container.as_ref()),
        Target::Namespace(_) => None,
    }
}

/// The descriptor that is joined, and nothing else of it.
pub(super) fn hold(target: Target) -> Result<OwnedFd, Failure> {
    Ok(match target {
        Target::Process(target) => target.handle.into_pidfd()?,
        Target::Namespace(held) => held.into_file()?,
    })
}
