//! What of the target's the program takes over, and what it cannot.

use super::request::TakeOver;
use super::subject::Subject;
use crate::action::confine::{self, Confined};
use crate::action::seat::{Seat, SeatError};
use crate::cli::context::Context;
use crate::cli::error::{Failure, Kind as FailureKind};
use crate::cli::output;
use crate::collect::credentials;
use crate::collect::standing::{collect_label, collect_standing};
use crate::model::namespace::Kind;
use crate::model::plan::{Held, Plan};
use crate::model::standing::Shortfall;
use crate::sys::pidfd::ProcessHandle;
use crate::sys::root::SysRoot;
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};

#[derive(Debug, Default)]
pub(super) struct Taken {
    pub(super) confined: Option<Confined>,
    pub(super) seat: Option<Seat>,
    missing: Vec<Shortfall>,
}

pub(super) fn take_over(
    root: &SysRoot,
    subject: &Subject,
    plan: &mut Plan,
    wish: &TakeOver,
) -> Result<Taken, Failure> {
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
        let (standing, missing) = collect_standing(root, target, users)?;
        taken.missing.extend(missing);
        let (confined, missing) = Confined::prepare(root, standing, users)?;
        taken.missing.extend(missing);
        taken.confined = Some(confined);
    } else if wish.label
        && let Some(label) = collect_label(root, target, &mut taken.missing)
    {
        confine::ask_for(root, &label, &mut taken.missing);
    }
    if wish.cgroup {
        let (seat, missing) = Seat::open(root, target, wish.frozen).map_err(explain)?;
        taken.missing.extend(missing);
        // Somebody has to be there when the program has ended.
        plan.fork |= seat.needs_clearing();
        taken.seat = Some(seat);
    }
    Ok(taken)
}

fn explain(error: SeatError) -> Failure {
    match error {
        SeatError::System(error) => error.into(),
        SeatError::Frozen(_) => Failure::new(FailureKind::Failed, error)
            .hint("--allow-frozen starts it all the same; it runs when the group is thawed"),
    }
}

/// Whether a process has the root directory that we have: it takes rights to change that.
pub(super) fn has_our_root(target: &ProcessHandle) -> bool {
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
    let (uid, gid) = (plan.ids.uid?, plan.ids.gid?);
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
