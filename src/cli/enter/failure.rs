//! What can be done about a program that could not be started.

use crate::action::error::ActionError;
use crate::cli::error::Failure;
use crate::model::namespace::Kind;
use crate::model::plan::{Held, Plan};
use crate::model::text::Text;
use nix::errno::Errno;

pub(super) fn explain(error: ActionError, plan: &Plan, label: &Text) -> Failure {
    let missing = error.exit() == 127;
    let hint = match error {
        ActionError::Join { errno: Errno::EPERM, held, .. }
            if plan.joined().has(Kind::User) || matches!(held, Held::Namespace(_)) =>
        {
            "run it as root"
        }
        ActionError::Join { errno: Errno::EPERM, .. } => {
            "run it as root, or add -U if the target has a user namespace of yours"
        }
        ActionError::Join { errno: Errno::ESRCH, .. } => "the target has ended",
        _ if missing && plan.foreign_program => {
            "it is looked for in the target; leave out -m to run the host's"
        }
        _ => return error.into(),
    };
    let mut failure = Failure::from(error).hint(hint);
    if missing {
        failure.message = format!("{} in {label}", failure.message);
    }
    failure
}
