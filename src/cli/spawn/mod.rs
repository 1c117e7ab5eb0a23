//! `spawn` behind its spellings: what was asked becomes an isolation, and that is carried out.

mod files;
mod host;
mod isolate;
pub mod limits;
mod named;
pub(super) mod network;
mod program;
pub mod request;
mod users;
mod whom;

use crate::action::error::ActionError;
use crate::action::launch;
use crate::action::restrict::Restriction;
use crate::action::spawn::detach::{self, Part};
use crate::action::spawn::{self, Spawn};
use crate::action::supervise::{self, Ending, end_alike};
use crate::cli::context::Context;
use crate::cli::error::{Failure, Kind as FailureKind};
use crate::cli::output;
use crate::model::isolation::Isolation;
use crate::model::namespace::Kind;
use crate::model::report::Report;
use crate::render::report::{json, table};
use crate::render::spawn::dry_run;
use crate::sys::error::Context as _;
use crate::sys::raw::fds;
use crate::sys::seal;
use host::Host;
use nix::errno::Errno;
use request::{ReportForm, Request};

/// Carries it out; the exit code is the program's, or with `--stop` that of ending one.
pub fn run(context: &Context, request: Request) -> Result<u8, Failure> {
    match &request.stop {
        // There is no program whose codes would be in the way.
        Some(name) => named::end(context, &request, name),
        None => start(context, request).map_err(Failure::of_launcher),
    }
}

fn start(context: &Context, mut request: Request) -> Result<u8, Failure> {
    request.complete()?;
    supervise::mind_children()?;
    if request.detach {
        // What stays holds no lock and no pipe of the caller's.
        let kept: Vec<u32> = request.status_descriptor.into_iter().collect();
        fds::close_inherited_from(3, &kept).context("close", "descriptors above 2")?;
    }
    let host = Host::default();
    if request.is_foreign() && !request.dry_run {
        // What runs there could keep our file, to write to it when nobody runs it any more.
        seal::ensure(host.root()?, || (context.arguments(), context.environment()))?;
    }
    let status = named::status(request.status_descriptor)?;
    let users = users::map(&host, &request)?;
    let account = whom::account(&host, &request)?;
    let program = program::choose(context, &host, &request, account.as_ref())?;
    let (limits, sites) =
        std::mem::take(&mut request.limits).place(&host, request.report.is_some())?;
    let isolation = Isolation { limits, ..isolate::isolation(&request, users, account) };
    let held = network::look_up(&host, request.network.as_ref())?;
    if request.dry_run {
        output::write(&dry_run(&isolation, &program.name()))?;
        return Ok(0);
    }
    let network = network::open(request.network.as_ref(), held)?;
    let new_users = isolation.users.as_ref().filter(|_| request.new.has(Kind::User));
    let rootfs = files::open(context, &isolation.files, new_users)?;
    let restriction = Restriction::prepare(&isolation)?;
    for note in &restriction.notes {
        output::note(&context.program, Some(format!("note: {note}")));
    }
    let (mut ready, mut nowhere) = (None, None);
    if request.detach {
        match detach::split()? {
            Part::Front(Err(code)) => return Ok(code),
            Part::Front(Ok(name)) => {
                let ends_by = format!("it runs all the same, and ends by nsx spawn --stop {name}");
                let said = output::write(&format!("{name}\n"));
                return said.map(|()| 0).map_err(|failure| failure.hint(ends_by));
            }
            Part::Back(say_ready) => ready = Some(say_ready),
        }
        request.name.get_or_insert_with(named::by_pid);
        nowhere = Some(launch::nowhere()?);
    }
    let janitor = named::janitor(&request, &sites)?;
    let limits = isolation.limits.words();
    let listeners = (status, ready);
    let notices = named::notices(context, &host, &request, limits, listeners, janitor.as_ref())?;
    drop(host);
    let (report, bare_user) = (request.report, request.bare_user);
    let limit = isolation.life.limit;
    let reports = report.is_some();
    let mut wanted = Spawn {
        isolation,
        restriction,
        sites,
        network,
        rootfs,
        program,
        reports,
        janitor,
        notices,
        nowhere,
    };
    let ended = spawn::spawn(&mut wanted).map_err(|error| explain(error, &wanted, bare_user))?;
    if let (Ending::TimedOut, Some(limit), None) = (ended.ending, limit, report) {
        output::say(&context.program, &format!("the program was ended after {limit:?}"));
    }
    for note in &ended.notes {
        output::say(&context.program, &format!("note: {note}"));
    }
    if let (Some(form), Some(report)) = (report, &ended.report) {
        tell(form, report)?;
    }
    Ok(end_alike(ended.ending))
}

/// Standard output is the program's.
fn tell(form: ReportForm, report: &Report) -> Result<(), Failure> {
    match form {
        ReportForm::Table => output::say("nsx", &table(report)),
        ReportForm::Json => {
            let line = json(report).map_err(|error| {
                Failure::new(FailureKind::Internal, format!("cannot write JSON: {error}"))
            })?;
            output::tell(&line);
        }
    }
    Ok(())
}

fn explain(error: ActionError, wanted: &Spawn, bare_user: bool) -> Failure {
    let forbidden = matches!(error.errno(), Some(Errno::EPERM | Errno::EACCES));
    // Else it is not the file: its arguments are too long, there may be no more processes.
    let not_executable =
        error.exit() == 126 && (forbidden || error.errno() == Some(Errno::ENOEXEC));
    let not_found = error.exit() == 127;
    let is_there = not_found && error.errno().is_some();
    let too_many = error.errno() == Some(Errno::EAGAIN);
    let failure = Failure::from(error);
    if too_many && wanted.isolation.limits.pids.is_some() {
        return failure.or_hint("--pids may be too few: the init of --init and every thread count");
    }
    if not_found && bare_user {
        return failure.hint("what follows --user after a space is the program: --user=USER");
    }
    if not_executable && !wanted.isolation.restrictions.landlock.is_empty() {
        return failure
            .hint("Landlock allows no file that is not beneath a --landlock-ro or --landlock-rw");
    }
    if not_found && wanted.isolation.files.root.is_some() {
        return failure.hint(
            "it is looked for inside the root, and so is its interpreter: the loader of a dynamic \
             program, the shell of a script",
        );
    }
    if is_there {
        return failure.hint("a script names it in its first line, a program its loader: file(1)");
    }
    if not_found && wanted.program.is_searched() {
        return failure.hint("name it by its path, or set PATH: --env PATH=…");
    }
    if not_executable {
        return failure.hint("it must be a program or a script, executable for who it runs as");
    }
    if forbidden && !wanted.isolation.new.has(Kind::User) {
        return failure.or_hint("run it as root, or add --newuser to be root inside only");
    }
    if forbidden && !rustix::process::geteuid().is_root() {
        return failure.or_hint("run it as root");
    }
    failure
}
