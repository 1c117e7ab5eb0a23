//! `spawn` behind its spellings: what was asked becomes an isolation, and that is carried out.

mod files;
mod host;
pub mod limits;
mod named;
pub(super) mod network;
mod program;
pub mod request;
mod users;
mod whom;

use crate::action::error::ActionError;
use crate::action::launch;
use crate::action::pty;
use crate::action::restrict::Restriction;
use crate::action::spawn::detach::{self, Part};
use crate::action::spawn::{self, Spawn};
use crate::action::supervise::{Ending, end_alike};
use crate::cli::context::Context;
use crate::cli::error::{Failure, Kind as FailureKind};
use crate::cli::output;
use crate::model::group::Limits;
use crate::model::isolation::{Identity, Isolation, Life, Mounts, Seat};
use crate::model::namespace::Kind;
use crate::model::net_wish::NetWish;
use crate::model::report::Report;
use crate::model::restriction::Restrictions;
use crate::model::user_map::{Setgroups, UserMap};
use crate::render::report::{json, table};
use crate::render::spawn::dry_run;
use crate::sys::accounts::Account;
use crate::sys::idmap;
use crate::sys::seal;
use host::Host;
use nix::errno::Errno;
use request::{Manner, Own, ReportForm, Request};

pub fn run(context: &Context, request: Request) -> Result<u8, Failure> {
    match &request.stop {
        // There is no program whose codes would be in the way.
        Some(name) => named::end(context, &request, name),
        None => start(context, request).map_err(Failure::of_launcher),
    }
}

fn start(context: &Context, mut request: Request) -> Result<u8, Failure> {
    request.complete()?;
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
    let isolation = Isolation { limits, ..isolation(&request, users, account) };
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
        let name = request.name.get_or_insert_with(|| format!("nsx-{}", std::process::id()));
        match detach::split()? {
            Part::Front(Err(code)) => return Ok(code),
            Part::Front(Ok(())) => {
                output::write(&format!("{name}\n"))?;
                return Ok(0);
            }
            Part::Back(say_ready) => ready = Some(say_ready),
        }
        nowhere = Some(launch::nowhere()?);
    }
    let janitor = named::janitor(&request, &sites)?;
    let said = (status, ready);
    let mut notices = named::notices(context, &host, &request, said, janitor.as_ref())?;
    if let Some(record) = notices.as_mut().and_then(|notices| notices.record.as_mut()) {
        record.spawned.limits = isolation.limits.words();
    }
    drop(host);
    let report = request.report;
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
    let ended = spawn::spawn(&mut wanted).map_err(|error| explain(error, &wanted))?;
    if let (Ending::TimedOut, Some(limit), None) = (ended.ending, limit, report) {
        output::say(&context.program, &format!("the program was ended after {limit:?}"));
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

impl Request {
    /// What one option brings with it.
    fn complete(&mut self) -> Result<(), Failure> {
        let own_manner = self.manner == Manner::Nsx;
        self.new = network::kinds(self.network.as_ref(), self.new, self.named)?;
        if self.hostname.is_some() || self.domainname.is_some() {
            self.new = self.new.with(Kind::Uts);
        }
        let setgroups = own_manner && self.map.setgroups.is_some();
        if !self.map.is_empty() || setgroups || self.owner.is_some() {
            self.new = self.new.with(Kind::User);
        }
        if self.binfmt.is_some() {
            self.new = self.new.with(Kind::User).with(Kind::Mnt);
        }
        if self.proc.is_some() {
            self.new = self.new.with(Kind::Mnt);
        }
        files::complete(self)?;
        if own_manner {
            self.life.fork = true;
            // Its /proc must be its own to be of use, and private to harm nobody.
            if self.new.has(Kind::Pid) {
                self.new = self.new.with(Kind::Mnt);
                self.proc.get_or_insert_with(|| c"/proc".to_owned());
            }
            if self.new.has(Kind::User) && self.map.is_empty() {
                (self.map.user, self.map.group) = (Some(Own::Root), Some(Own::Root));
            }
            if self.isolates_nothing() {
                return Err(Failure::usage("nothing to isolate: name at least one new namespace")
                    .hint("--newpid for a pid namespace, --new-all for every kind"));
            }
        }
        Ok(())
    }

    /// Whether the program comes from a root that is not the host's.
    fn is_foreign(&self) -> bool {
        self.files.root.is_some()
    }

    fn seat(&self) -> Seat {
        match self.terminal {
            Some(true) => Seat::Own,
            Some(false) => Seat::Shared,
            None if !self.is_foreign() => Seat::Shared,
            None if pty::wanted() && !self.detach => Seat::Own,
            // Else it could end, by its group, whoever called us.
            None => Seat::Apart,
        }
    }

    fn isolates_nothing(&self) -> bool {
        let restricts = self.user.is_some() || self.restrictions != Restrictions::default();
        let is_elsewhere = matches!(self.network, Some(NetWish::Join(_)));
        self.new.is_empty() && self.limits.is_empty() && !is_elsewhere && !restricts
    }
}

fn isolation(request: &Request, users: Option<UserMap>, account: Option<Account>) -> Isolation {
    let mounts = mounts(request);
    let own_manner = request.manner == Manner::Nsx;
    let mapped_root = |map: &UserMap| idmap::maps(&map.users, 0) && idmap::maps(&map.groups, 0);
    let drops_groups = request.gid.is_some();
    let identity = Identity {
        first_root: own_manner && users.as_ref().is_some_and(mapped_root),
        uid: request.uid,
        gid: request.gid,
        groups: drops_groups.then(Vec::new),
        keep_capabilities: request.keep_capabilities && request.new.has(Kind::User),
    };
    Isolation {
        new: request.new,
        kept: request.kept.clone(),
        network: request.network.clone(),
        identity: match account {
            Some(account) => Identity {
                uid: Some(account.uid),
                gid: Some(account.gid),
                // Where nobody may set them they are the caller's, who has what they give.
                groups: Some(account.groups).filter(|_| !groups_stay(users.as_ref())),
                ..identity
            },
            None => identity,
        },
        restrictions: request.restrictions.clone(),
        users,
        owner: request.owner,
        clocks: request.clocks,
        mounts,
        files: request.files.clone(),
        loopback: own_manner && request.new.has(Kind::Net),
        hostname: request.hostname.clone(),
        domainname: request.domainname.clone(),
        directory: request.directory.clone(),
        limits: Limits::default(),
        foreign: request.is_foreign(),
        seat: request.seat(),
        life: Life {
            fork: request.life.fork,
            init: request.life.init,
            limit: request.life.limit,
            grace: request.life.grace,
            death_signal: request.life.death_signal,
        },
    }
}

fn mounts(request: &Request) -> Mounts {
    let apart = files::are_apart(request);
    let propagates = request.new.has(Kind::Mnt) && !apart;
    Mounts {
        propagation: propagates.then(|| request.propagation.unwrap_or_default()),
        root: request.root.clone(),
        proc: request.proc.clone().filter(|proc| !files::have_proc(request, proc)),
        binfmt: request.binfmt.clone(),
        interpreter: request.interpreter.clone(),
    }
}

fn groups_stay(users: Option<&UserMap>) -> bool {
    users.is_some_and(|map| map.setgroups == Some(Setgroups::Deny))
}

fn explain(error: ActionError, wanted: &Spawn) -> Failure {
    let forbidden =
        matches!(&error, ActionError::System(error) if error.errno() == Some(Errno::EPERM));
    let not_executable = error.exit() == 126;
    let failure = Failure::from(error);
    if not_executable && !wanted.isolation.restrictions.landlock.is_empty() {
        return failure
            .hint("Landlock allows no file that is not beneath a --landlock-ro or --landlock-rw");
    }
    if forbidden && !wanted.isolation.new.has(Kind::User) {
        return failure.hint("run it as root, or add --newuser to be root inside only");
    }
    failure
}
