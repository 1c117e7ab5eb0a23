//! What of the target's the program takes over, and what it cannot.

use super::request::{Place, Request, TakeOver};
use super::subject::Subject;
use crate::action::confine::{self, Confined};
use crate::action::plan::{GROUP, PlanError};
use crate::action::seat::{Seat, SeatError};
use crate::cli::context::Context;
use crate::cli::error::{Failure, Kind as FailureKind};
use crate::cli::output;
use crate::collect::credentials;
use crate::collect::standing::{collect_label, collect_standing, look_at_standing};
use crate::model::namespace::Kind;
use crate::model::plan::{Held, Plan};
use crate::model::standing::{Shortfall, Standing};
use crate::sys::pidfd::ProcessHandle;
use crate::sys::root::SysRoot;
use rustix::fs::{AtFlags, CWD, StatxFlags, readlinkat, statx};

#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) confined: Option<Confined>,
    pub(super) seat: Option<Seat>,
    missing: Vec<Shortfall>,
    /// What the dry run tells: the standing, and how many filters it has.
    pub(super) seen: Option<(Standing, usize)>,
}

/// The dry run only looks: at the target, and at what is ours.
pub(super) fn take_over(
    root: &SysRoot,
    subject: &Subject,
    plan: &mut Plan,
    request: &Request,
) -> Result<Taken, Failure> {
    let wish = &request.standing;
    let mut taken = Taken::default();
    if !wish.cgroup && !wish.as_target && !wish.label {
        return Ok(taken);
    }
    let process = subject.process.as_ref().ok_or_else(|| {
        Failure::usage("a namespace has no standing of its own to take over")
            .hint("name a process or container with -t")
    })?;
    let target = &process.handle;
    if wish.as_target {
        let users = subject.users(root, plan)?;
        if request.dry_run {
            let (standing, filters, missing) = look_at_standing(root, target, users)?;
            taken.missing.extend(missing);
            taken.missing.extend(Confined::foresee(&standing, users)?);
            taken.seen = Some((standing, filters));
        } else {
            let (standing, missing) = collect_standing(root, target, users)?;
            taken.missing.extend(missing);
            let (confined, missing) = Confined::prepare(root, standing, users)?;
            taken.missing.extend(missing);
            taken.confined = Some(confined);
        }
    } else if wish.label
        && let Some(label) = collect_label(root, target, &mut taken.missing)
        && !request.dry_run
    {
        confine::ask_for(root, &label, &mut taken.missing);
    }
    if wish.cgroup {
        let no_fork = request.wish.no_fork;
        if request.dry_run || no_fork {
            let (clears, missing) = Seat::look(root, target, wish.frozen).map_err(explain)?;
            somebody_clears(plan, no_fork, clears)?;
            if request.dry_run {
                taken.missing.extend(missing);
                return Ok(taken);
            }
        }
        let (seat, missing) = Seat::open(root, target, wish.frozen).map_err(explain)?;
        taken.missing.extend(missing);
        somebody_clears(plan, no_fork, seat.needs_clearing())?;
        taken.seat = Some(seat);
    }
    Ok(taken)
}

/// Somebody has to be there when the program has ended.
fn somebody_clears(plan: &mut Plan, no_fork: bool, clears: bool) -> Result<(), PlanError> {
    if clears && no_fork {
        return Err(PlanError::NeedsFork(GROUP));
    }
    plan.fork |= clears;
    Ok(())
}

fn explain(error: SeatError) -> Failure {
    match error {
        SeatError::System(error) => error.into(),
        SeatError::Frozen(_) => Failure::new(FailureKind::Failed, error)
            .hint("--allow-frozen starts it all the same; it runs when the group is thawed"),
    }
}

/// A program cannot start in a directory that is no more: it starts in the root then.
pub(super) fn leave_removed_directory(request: &mut Request, subject: &Subject, taken: &mut Taken) {
    let follows = request.standing.as_target && matches!(request.directory, Some(Place::OfTarget));
    let process = subject.process.as_ref().filter(|_| follows);
    // So the kernel spells one that was removed.
    let spelled = process.and_then(|process| readlinkat(process.handle.dir(), "cwd", []).ok());
    if spelled.is_some_and(|path| path.to_bytes().ends_with(b" (deleted)")) {
        let why = "it has been removed; the program starts in /";
        taken.missing.push(Shortfall::new("working directory", why));
        request.directory = Some(Place::Inside(c"/".to_owned()));
    }
}

/// Where the target's root is ours already there is nothing to change.
pub(super) fn leave_our_root(request: &mut Request, subject: &Subject) {
    let follows = request.standing.as_target && matches!(request.root, Some(Place::OfTarget));
    if follows && subject.process.as_ref().is_some_and(|process| has_our_root(&process.handle)) {
        request.root = None;
    }
}

/// Whether a process has the root directory that we have: it takes rights to change that.
fn has_our_root(target: &ProcessHandle) -> bool {
    let place = |directory, path: &str| {
        let wanted = StatxFlags::INO | StatxFlags::MNT_ID;
        let stat = statx(directory, path, AtFlags::empty(), wanted).ok()?;
        // Linux 5.8.
        let known = StatxFlags::from_bits_retain(stat.stx_mask).contains(wanted);
        known.then_some((stat.stx_mnt_id, stat.stx_ino))
    };
    let theirs = place(target.dir(), "root");
    theirs.is_some() && theirs == place(CWD, "/")
}

/// Who the program is going to be, as that is called here; none where it stays who we are, or nobody
/// can tell.
pub(super) fn terminal_owner(
    subject: &Subject,
    plan: &Plan,
    confined: Option<&Confined>,
) -> Option<(u32, u32)> {
    if let Some(confined) = confined {
        let standing = confined.standing();
        return Some((standing.user.outside, standing.group.outside));
    }
    called_here(subject, plan, plan.ids.uid?, plan.ids.gid?)
}

/// Whether the kernel takes the program for another user than who calls, or nobody can tell.
pub(super) fn is_another(subject: &Subject, plan: &Plan) -> bool {
    let ours = rustix::process::geteuid().as_raw();
    plan.ids.uid.is_some_and(|uid| {
        let gid = plan.ids.gid.unwrap_or_default();
        called_here(subject, plan, uid, gid).is_none_or(|(uid, _)| uid != ours)
    })
}

fn called_here(subject: &Subject, plan: &Plan, uid: u32, gid: u32) -> Option<(u32, u32)> {
    match plan.joins.iter().find(|join| join.kinds.has(Kind::User)).map(|join| join.held) {
        None => Some((uid, gid)),
        Some(Held::Process(_)) => {
            credentials::outside_ids(&subject.process.as_ref()?.handle, uid, gid)
        }
        // What its ids are called here, only a process in it has a map of.
        Some(Held::Namespace(_)) => None,
    }
}

impl Taken {
    /// Says what cannot be taken over; false where that is to be the end.
    pub(super) fn is_enough(&self, context: &Context, wish: &TakeOver) -> bool {
        for shortfall in &self.missing {
            output::say(&context.program, &format!("not as the target: {shortfall}"));
        }
        let enough = !wish.strict || self.missing.is_empty();
        if !enough {
            output::say(&context.program, "nothing was run, since --strict was given");
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_to_clear_away_takes_somebody_who_stays() {
        let mut plan = Plan::default();
        assert_eq!(somebody_clears(&mut plan, true, false), Ok(()));
        assert!(!plan.fork);
        let refused = somebody_clears(&mut plan, true, true).map_err(Failure::from).unwrap_err();
        assert_eq!(refused.kind, FailureKind::Usage);
        assert!(refused.message.ends_with("cannot have a group of its own to clear away"));
        assert_eq!(refused.hint.as_deref(), Some("leave out --no-fork"));
        assert_eq!(somebody_clears(&mut plan, false, true), Ok(()));
        assert!(plan.fork);
    }
}
