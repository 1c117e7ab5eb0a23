//! `enter` behind its spellings: what was asked becomes a plan, and the plan is carried out.

mod bring;
mod failure;
mod program;
pub mod request;
mod standing;
mod subject;

use crate::action::enter::{self, Directory, Entry};
use crate::action::launch::Program;
use crate::action::supervise::{self, Ending};
use crate::cli::context::Context;
use crate::cli::error::{Failure, Kind as FailureKind};
use crate::cli::output;
use crate::collect::access::Asker;
use crate::collect::target::grammar;
use crate::model::namespace::Kind;
use crate::model::plan::Plan;
use crate::model::text::Text;
use crate::render::plan::{Outline, dry_run};
use crate::sys::error::Context as _;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::raw::fds;
use crate::sys::root::SysRoot;
use crate::sys::seal;
use bring::Brought;
use failure::Tried;
use request::{Place, Request};
use rustix::fs::{Mode, OFlags};
use standing::Taken;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use subject::Subject;

/// Carries it out; the exit code is the program's.
pub fn run(context: &Context, mut request: Request) -> Result<u8, Failure> {
    request.complete()?;
    keep_descriptors(&request)?;
    let root = context.root()?;
    let sealed = !request.dry_run && will_be_seen(&request);
    if sealed {
        seal(context, &root)?;
    }
    let subject = subject::hold(&root, &mut request)?;
    standing::leave_our_root(&mut request, &subject);
    let mut plan = subject.plan(&root, &request)?;
    let (wish, mnt) = (&request.wish, plan.joined().has(Kind::Mnt));
    let otherwise = failure::otherwise(request.root.is_some(), wish.all, mnt);
    // Who makes a /proc for the tools is in the target's pid namespace for a moment.
    plan.seen |= request.tools.is_some();
    if plan.seen && !sealed && !request.dry_run {
        seal(context, &root)?;
    }
    bring::check(&request, &plan)?;
    let mut command = program::choose(context, &root, &request, &subject, &plan)?;
    let mut taken = standing::take_over(&root, &subject, &mut plan, &request)?;
    standing::leave_removed_directory(&mut request, &subject, &mut taken);
    if !taken.is_enough(context, &request.standing) {
        return Ok(FailureKind::Unsupported as u8);
    }
    if request.dry_run {
        let needs = Asker::ourselves(&root).map(|asker| subject.needs(&asker, &plan));
        let (program, needs) = (program::prepare(&command)?.name(), needs.unwrap_or_default());
        let outline = Outline {
            label: &subject.label,
            program: &program,
            needs: &needs,
            brings: bring::outline(&request),
            takes_seat: request.standing.cgroup,
            standing: taken.seen.as_ref().map(|(standing, filters)| (standing, *filters)),
            root: request.root.as_ref().map(|place| told(place, "root")),
            directory: request.directory.as_ref().map(|place| told(place, "working")),
            limit: request.limit,
            init: request.init,
        };
        output::write(&dry_run(&plan, &outline))?;
        return Ok(0);
    }
    if !request.quiet {
        output::note(&context.program, subject.sandboxed());
    }
    if plan.foreign_program && taken.confined.is_none() && !request.quiet {
        output::note(&context.program, subject.more_privilege(&root));
    }
    let tried = Tried {
        label: subject.label.clone(),
        program: program::prepare(&command)?.name(),
        // With --as-target nobody has said so.
        bare_directory: matches!(request.directory, Some(Place::OfTarget))
            && !request.standing.as_target,
        tools: request.tools.clone(),
        otherwise,
        is_rooted: request.root.is_some(),
    };
    let brought = bring::gather(&root, &request, &subject, &mut command)?;
    for note in &brought.notes {
        output::note(&context.program, Some(format!("note: {note}")));
    }
    let program = program::prepare(&command)?;
    let limit = request.limit;
    let mut entry = entry(plan, subject, (program, brought, taken), &mut request)?;
    // Nothing of ours is open from here on but what is joined, and what was asked for.
    drop(root);
    let ending =
        enter::enter(&mut entry).map_err(|error| failure::explain(error, &entry, &tried))?;
    if let (Ending::TimedOut, Some(limit)) = (ending, limit) {
        output::say(&context.program, &format!("the program was ended after {limit:?}"));
    }
    Ok(supervise::end_alike(ending))
}

/// What the caller left open is closed, but what is to be handed on, and what was named.
fn keep_descriptors(request: &Request) -> Result<(), Failure> {
    let count = request.descriptors;
    let first = count.saturating_add(3);
    if let Some(closed) = (3..first).find(|fd| !fds::is_open(*fd)) {
        let wanted = format!("--preserve-fds {count}: descriptor {closed} is not open");
        return Err(Failure::usage(wanted).hint("they are handed on from 3 on, without a hole"));
    }
    Ok(fds::close_inherited_from(first, &request.named_descriptors())
        .context("close", "descriptors above 2")?)
}

/// A place in the dry run.
fn told(place: &Place, what: &str) -> String {
    match place {
        Place::OfTarget => format!("the target's {what} directory"),
        Place::Inside(path) => format!("{}, seen from inside", Text::new(path.to_bytes())),
        Place::Ours(path) => format!("{}, as we see it", Text::new(path.as_bytes())),
    }
}

fn seal(context: &Context, root: &SysRoot) -> Result<(), Failure> {
    Ok(seal::ensure(root, || (context.arguments(), context.environment()))?)
}

/// Whether the pid namespace is certainly joined, or shared: known before anything is looked up.
fn will_be_seen(request: &Request) -> bool {
    let Some(target) = &request.target else { return false };
    let wish = &request.wish;
    let all = wish.all || !request.names_namespaces();
    (all || wish.named.has(Kind::Pid) || request.tools.is_some())
        && !grammar::names_namespace(target.as_bytes())
}

fn entry(
    plan: Plan,
    subject: Subject,
    (program, brought, taken): (Program, Brought, Taken),
    request: &mut Request,
) -> Result<Entry, Failure> {
    let terminal_owner = standing::terminal_owner(&subject, &plan, taken.confined.as_ref());
    // nsenter, which has no guard either, leaves another user of ours the caller's keys.
    let is_another = request.guard && standing::is_another(&subject, &plan);
    let leaves_keys = plan.foreign_program || taken.confined.is_some() || is_another;
    let target = subject.process.map(|process| process.handle);
    let root = match request.root.take() {
        Some(Place::OfTarget) => Some(of_target(target.as_ref(), "root")?),
        Some(Place::Ours(path)) => Some(of_ours(&path)?),
        // There is no option for it.
        Some(Place::Inside(_)) | None => None,
    };
    let directory = match request.directory.take() {
        Some(Place::OfTarget) => Directory::Held(of_target(target.as_ref(), "cwd")?),
        Some(Place::Ours(path)) => Directory::Ours(of_ours(&path)?),
        Some(Place::Inside(path)) => Directory::Inside(path),
        None => Directory::Stay,
    };
    if let Some(target) = &target {
        target.check_alive()?;
    }
    Ok(Entry {
        plan,
        target,
        namespaces: subject.namespaces,
        program,
        tools: brought.tools,
        dns: brought.dns,
        root,
        directory,
        descriptors: request.descriptors,
        limit: request.limit,
        init: request.init,
        guard: request.guard,
        confined: taken.confined,
        seat: taken.seat,
        terminal_owner,
        leaves_keys,
    })
}

const PLACE: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn of_ours(path: &OsStr) -> Result<OwnedFd, Failure> {
    let place = rustix::fs::open(path, PLACE, Mode::empty());
    Ok(place.with_context("open", || Text::new(path.as_bytes()))?)
}

fn of_target(target: Option<&ProcessHandle>, link: &'static str) -> Result<OwnedFd, Failure> {
    let target = target.ok_or_else(|| {
        Failure::usage(format!("a namespace has no {link} of its own"))
            .hint("name a process or container with -t, or a directory")
    })?;
    let place = rustix::fs::openat(target.dir(), link, PLACE, Mode::empty());
    Ok(place.with_context("open", || format!("/proc/{}/{link}", target.pid()))?)
}
