//! What can be done about a program that could not be started.

use crate::action::enter::Entry;
use crate::action::error::ActionError;
use crate::action::tools::Choice;
use crate::cli::error::Failure;
use crate::collect::access::Asker;
use crate::collect::inside;
use crate::model::namespace::{Kind, Kinds};
use crate::model::plan::Plan;
use crate::model::text::Text;
use crate::render::plan::right;
use crate::sys::root::SysRoot;
use nix::errno::Errno;

/// What the words need to know.
#[derive(Debug)]
pub(super) struct Tried {
    pub(super) label: Text,
    pub(super) program: Text,
    /// A place to start in was asked for without saying which.
    pub(super) bare_directory: bool,
    pub(super) tools: Option<Choice>,
    /// How the host's programs would be had: [`otherwise`].
    pub(super) otherwise: &'static str,
    /// In a root that was asked for.
    pub(super) is_rooted: bool,
}

/// By what was written of a root, of all namespaces, which it is where none is named, and of the mount
/// namespace: what is to be written for a program of the host.
pub(super) const fn otherwise(root: bool, all: bool, mount: bool) -> &'static str {
    match (root, all, mount) {
        (true, true, _) => "name namespaces without -m and -r, such as -n,",
        (false, true, _) => "name namespaces without -m, such as -n,",
        (true, false, true) => "leave out -m and -r",
        (true, false, false) => "leave out -r",
        (false, false, _) => "leave out -m",
    }
}

const SHELLS: [&str; 6] = ["sh", "bash", "ash", "dash", "zsh", "fish"];

pub(super) fn explain(error: ActionError, entry: &Entry, tried: &Tried) -> Failure {
    match (error.exit(), &error) {
        (127, _) => missing(Failure::from(error), &entry.plan, tried),
        (_, ActionError::Join { errno: Errno::EPERM, .. }) => denied(error, entry),
        (126, _) if tried.bare_directory => {
            Failure::from(error).hint("a directory to start in is attached to its option: --wd=DIR")
        }
        (_, ActionError::Join { errno: Errno::ESRCH, .. }) => {
            let is_there = entry.target.as_ref().is_some_and(|target| target.check_alive().is_ok());
            Failure::from(error).hint(if is_there {
                "its first thread has ended; of another: /proc/PID/task/TID/ns/KIND, by --uts=FILE \
                 and the like"
            } else {
                "the target has ended"
            })
        }
        _ => error.into(),
    }
}

/// Nothing has been joined: whose right is missing can still be found out.
fn denied(error: ActionError, entry: &Entry) -> Failure {
    let failure = Failure::from(error);
    let asker = SysRoot::real().ok().and_then(|root| Asker::ourselves(&root));
    let Some(asker) = asker else { return failure.hint(AS_ROOT) };
    let mut needs = asker.of_each(&entry.namespaces);
    if let Some(target) = &entry.target {
        let single: Kinds = entry.namespaces.iter().map(|file| file.key.kind).collect();
        let joined = entry.plan.joined();
        needs.extend(
            asker.of_process(
                target.dir(),
                joined.iter().filter(|kind| !single.has(*kind)).collect(),
            ),
        );
        let gives = asker.of_process(target.dir(), Kinds::NONE.with(Kind::User));
        if !joined.has(Kind::User) && gives.iter().any(|need| need.have) {
            return failure.hint("add -U: its user namespace is yours, and gives the right");
        }
    }
    match needs.iter().find(|need| !need.have) {
        Some(need) => {
            let plural = if need.kinds.iter().nth(1).is_some() { "s" } else { "" };
            let right = right(need);
            failure.hint(format!("{} namespace{plural}: it takes {right}; {AS_ROOT}", need.kinds))
        }
        None => failure.hint(AS_ROOT),
    }
}

const AS_ROOT: &str = "run it as root";

/// From here what this process sees is what the target has, unless the root is another.
fn missing(failure: Failure, plan: &Plan, tried: &Tried) -> Failure {
    let Tried { label, program, bare_directory, tools, otherwise, is_rooted } = tried;
    let mut failure = failure;
    let sought = match tools {
        None => None,
        Some(Choice::Beside(None)) => Some("among the host's programs"),
        Some(Choice::Beside(Some(_))) => Some("in the directory of tools"),
        Some(Choice::Inside) => Some("in the target and on the host"),
    };
    if let Some(sought) = sought {
        return failure.hint(format!("it is looked for {sought}"));
    }
    let place = if plan.foreign_program { label.to_string() } else { "the host".to_owned() };
    failure.message = format!("{} in {place}", failure.message);
    if *bare_directory {
        return failure.hint("what follows --wd and --user after a space is the program: --wd=DIR");
    }
    if !plan.foreign_program {
        return failure;
    }
    let text = program.to_string();
    let is_shell = SHELLS.contains(&text.rsplit('/').next().unwrap_or_default());
    if !is_shell {
        return failure.hint(format!(
            "it is looked for in the target; {otherwise} to run the host's, or add --tools"
        ));
    }
    if *is_rooted {
        // That is the child's.
        return failure.hint(format!("it is looked for in the new root; {otherwise}"));
    }
    let shells: Vec<String> = inside::shells().iter().map(ToString::to_string).collect();
    if shells.is_empty() {
        failure.message.push_str(" (no shell was found there)");
        return failure
            .hint(format!("add --tools to bring the host's programs, or {otherwise} to run them"));
    }
    failure.hint(format!("it has {}", shells.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::otherwise;

    #[test]
    fn only_what_was_written_is_to_be_left_out() {
        assert_eq!(otherwise(false, false, true), "leave out -m");
        assert_eq!(otherwise(true, false, false), "leave out -r");
        assert_eq!(otherwise(true, false, true), "leave out -m and -r");
        for root in [false, true] {
            assert!(otherwise(root, true, false).starts_with("name namespaces without -m"));
        }
    }
}
