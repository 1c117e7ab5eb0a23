//! What a program came to.

use crate::action::error::ActionError;
use crate::action::supervise::{Ending, TIMED_OUT};
use crate::model::group::{CPU_PERIOD_USEC, Limits, Used};
use crate::model::report::{End, Report};
use crate::sys::error::Context;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use std::time::Duration;

/// Its processes have ended and were waited for.
pub(super) fn make(
    ending: Ending,
    wall: Duration,
    used: Used,
    limits: &Limits,
) -> Result<Report, ActionError> {
    let (code, signal) = match ending {
        Ending::Exited(code) => (Some(code), None),
        Ending::Killed(signal) => (None, Some(signal)),
        Ending::TimedOut => (Some(TIMED_OUT), None),
    };
    let waited_for = getrusage(UsageWho::RUSAGE_CHILDREN).context("read", "what was used")?;
    let usec = |time: TimeVal| u64::try_from(time.num_microseconds()).unwrap_or_default();
    let (user, system) = (usec(waited_for.user_time()), usec(waited_for.system_time()));
    Ok(Report {
        end: End { code, signal, timed_out: ending == Ending::TimedOut },
        wall_usec: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
        used: match used.cpu_usec {
            Some(_) => used,
            None => Used {
                cpu_usec: Some(user + system),
                cpu_user_usec: Some(user),
                cpu_system_usec: Some(system),
                ..used
            },
        },
        // Kibibytes: getrusage(2).
        largest_process_bytes: u64::try_from(waited_for.max_rss()).unwrap_or_default() << 10,
        memory_limit_bytes: limits.memory_bytes,
        pids_limit: limits.pids,
        cpu_limit_millicores: limits.cpu_quota_usec.map(|quota| quota * 1000 / CPU_PERIOD_USEC),
    })
}
