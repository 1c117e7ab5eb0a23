//! `nsx enter`: run a program in a target's namespaces.

use crate::action::enter::{self, Entry};
use crate::action::error::ActionError;
use crate::action::launch::Program;
use crate::action::plan::{self, Facts, Plan, PlanError, Wish};
use crate::action::pty;
use crate::cli::context::Context;
use crate::cli::entry::Command;
use crate::cli::environment;
use crate::cli::error::{Failure, Kind as FailureKind};
use crate::cli::options::{self, Opt, Parsed};
use crate::cli::output;
use crate::collect::credentials;
use crate::collect::target::{self, Target};
use crate::model::namespace::Kind;
use crate::model::text::Text;
use crate::render::plan::{dry_run, more_privilege};
use crate::sys::root::SysRoot;
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStrExt;

pub const COMMAND: Command = Command { name: "enter", run };

#[derive(Clone, Copy, Debug)]
enum Id {
    Target,
    Join(Kind),
    All,
    Env,
    Wd,
    NoPty,
    DryRun,
}

const fn flag(id: Id, short: Option<char>, long: &'static str, help: &'static str) -> Opt<Id> {
    Opt {
        id,
        short,
        long,
        aliases: &[],
        value: None,
        help,
    }
}

const OPTIONS: &[Opt<Id>] = &[
    Opt {
        id: Id::Target,
        short: Some('t'),
        long: "target",
        aliases: &[],
        value: Some("TARGET"),
        help: "Whose namespaces: a PID, a container's name, an id prefix, RUNTIME:NAME",
    },
    flag(
        Id::All,
        Some('a'),
        "all",
        "Every namespace that differs from ours (the default)",
    ),
    Opt {
        id: Id::Join(Kind::Mnt),
        short: Some('m'),
        long: "mount",
        aliases: &["mnt"],
        value: None,
        help: "The mount namespace: the program is the target's",
    },
    flag(
        Id::Join(Kind::Uts),
        Some('u'),
        "uts",
        "The UTS namespace: hostname",
    ),
    flag(Id::Join(Kind::Ipc), Some('i'), "ipc", "The IPC namespace"),
    flag(
        Id::Join(Kind::Net),
        Some('n'),
        "net",
        "The network namespace",
    ),
    flag(
        Id::Join(Kind::Pid),
        Some('p'),
        "pid",
        "The pid namespace: the program is a child in it",
    ),
    flag(
        Id::Join(Kind::Cgroup),
        Some('C'),
        "cgroup",
        "The cgroup namespace",
    ),
    flag(
        Id::Join(Kind::User),
        Some('U'),
        "user",
        "The user namespace: root there, if it has one",
    ),
    flag(
        Id::Join(Kind::Time),
        Some('T'),
        "time",
        "The time namespace",
    ),
    flag(
        Id::Env,
        Some('e'),
        "env",
        "The environment that the target was started with",
    ),
    Opt {
        id: Id::Wd,
        short: Some('w'),
        long: "wd",
        aliases: &[],
        value: Some("DIR"),
        help: "Working directory, seen from inside",
    },
    flag(
        Id::NoPty,
        None,
        "no-pty",
        "Hand over our terminal instead of a new one (see PRIVILEGES)",
    ),
    flag(
        Id::DryRun,
        None,
        "dry-run",
        "Print what would be done, and do nothing",
    ),
];

pub fn definition() -> clap::Command {
    options::definition(
        "enter",
        "Run a program in the namespaces of a process or container",
        OPTIONS,
    )
}

#[derive(Default)]
struct Args {
    target: Option<OsString>,
    wish: Wish,
    env: bool,
    directory: Option<CString>,
    dry_run: bool,
    program: Vec<OsString>,
}

fn run(context: &Context, arguments: Vec<OsString>) -> Result<u8, Failure> {
    let parsed = options::parse(
        context,
        OPTIONS,
        include_str!("../help/enter.txt"),
        arguments,
    );
    match parsed.and_then(|parsed| match parsed {
        Parsed::Run { options, program } => read(options, program).map(Ok),
        Parsed::Done(code) => Ok(Err(code)),
    }) {
        Ok(Ok(args)) => enter(context, args).map_err(Failure::of_launcher),
        Ok(Err(code)) => Ok(code),
        Err(failure) => Err(failure.of_launcher()),
    }
}

fn read(options: Vec<(Id, OsString)>, program: Vec<OsString>) -> Result<Args, Failure> {
    let mut args = Args {
        program,
        ..Args::default()
    };
    for (id, value) in options {
        match id {
            Id::Target if args.target.is_some() => {
                return Err(Failure::usage("--target may be given only once"));
            }
            Id::Target => args.target = Some(value),
            Id::Join(kind) => args.wish.named = args.wish.named.with(kind),
            Id::All => args.wish.all = true,
            Id::Env => args.env = true,
            Id::Wd => {
                let directory = CString::new(value.as_bytes());
                args.directory =
                    Some(directory.map_err(|_| Failure::usage("--wd holds a NUL byte"))?);
            }
            Id::NoPty => args.wish.no_pty = true,
            Id::DryRun => args.dry_run = true,
        }
    }
    Ok(args)
}

fn enter(context: &Context, args: Args) -> Result<u8, Failure> {
    let Some(spelled) = &args.target else {
        return Err(
            Failure::usage("no target: nothing is run on the host by mistake")
                .hint("name one with -t PID or -t NAME; `nsx ps` lists what there is"),
        );
    };
    let root = SysRoot::real()?;
    let target = target::resolve(&root, spelled.as_bytes())?;
    let label = label(&target);
    let rules = credentials::id_rules(&target.handle);
    let facts = Facts {
        target: target.process.pid,
        ours: credentials::own_namespaces(&root)?,
        theirs: target.process.namespaces,
        root_is_mapped: rules.root_is_mapped,
        setgroups_denied: rules.setgroups_denied,
        on_a_terminal: pty::wanted(),
    };
    let plan = plan::plan(args.wish, &facts).map_err(|error| not_planned(&error))?;
    let command = if args.program.is_empty() {
        vec!["/bin/sh".into()]
    } else {
        args.program
    };
    let environment = if args.env {
        environment::of_target(&target.handle)?
    } else {
        environment::for_program(context, plan.foreign_program)
    };
    let program =
        Program::new(&command, &environment).map_err(|error| failed(&error, &plan, &label))?;
    if args.dry_run {
        output::write(&dry_run(&plan.into(), &label, &program.name()))?;
        return Ok(0);
    }
    if plan.foreign_program
        && let Some(confinement) = credentials::confinement(&root, &target.handle)
        && let Some(note) = more_privilege(&label, confinement)
    {
        output::say(&context.program, &note);
    }
    let entry = Entry {
        plan,
        pidfd: target.handle.into_pidfd()?,
        program,
        directory: args.directory,
    };
    let ending = enter::enter(entry).map_err(|error| failed(&error, &plan, &label))?;
    Ok(crate::action::supervise::end_alike(ending))
}

fn label(target: &Target) -> Text {
    match &target.container {
        Some(container) => container.label(),
        None => format!("pid {}", target.process.pid).into(),
    }
}

fn not_planned(error: &PlanError) -> Failure {
    match error {
        PlanError::Unreadable(_) => Failure::new(FailureKind::Denied, error)
            .hint("run it as root, or as the target's user with -U"),
        PlanError::NothingToJoin(_) => Failure::new(FailureKind::Failed, error)
            .hint("to run the program where you are, run it without nsx"),
    }
}

/// Adds what can be done about it.
fn failed(error: &ActionError, plan: &Plan, label: &Text) -> Failure {
    let kind = match error.exit() {
        126 => FailureKind::NotExecutable,
        127 => FailureKind::CommandNotFound,
        _ => FailureKind::Launcher,
    };
    let hint = match error {
        ActionError::Join {
            errno: nix::errno::Errno::EPERM,
            ..
        } if plan.join.has(Kind::User) => Some("run it as root"),
        ActionError::Join {
            errno: nix::errno::Errno::EPERM,
            ..
        } => Some("run it as root, or add -U if the target has a user namespace of yours"),
        ActionError::Join {
            errno: nix::errno::Errno::ESRCH,
            ..
        } => Some("the target has ended"),
        _ if kind == FailureKind::CommandNotFound && plan.foreign_program => {
            Some("it is looked for in the target; leave out -m to run the host's")
        }
        _ => None,
    };
    let message = match kind {
        FailureKind::CommandNotFound if plan.foreign_program => {
            format!("{error} does not exist in {label}")
        }
        FailureKind::CommandNotFound => format!("{error} does not exist"),
        _ => error.to_string(),
    };
    Failure {
        kind,
        message,
        hint: hint.map(str::to_owned),
    }
}

impl From<Plan> for crate::render::plan::Shown {
    fn from(plan: Plan) -> Self {
        Self {
            target: plan.target,
            join: plan.join,
            equal: plan.equal,
            pty: plan.pty,
            fork: plan.fork,
            foreign_program: plan.foreign_program,
            become_root: plan.become_root,
        }
    }
}
