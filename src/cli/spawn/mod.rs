//! `spawn` behind its spellings: what was asked becomes an isolation, and that is carried out.

pub mod limits;
mod named;
pub(super) mod network;
mod program;
pub mod request;
mod users;

use crate::action::error::ActionError;
use crate::action::launch;
use crate::action::spawn::detach::{self, Part};
use crate::action::spawn::{self, Spawn};
use crate::action::supervise::{Ending, end_alike};
use crate::cli::context::Context;
use crate::cli::error::{Failure, Kind as FailureKind};
use crate::cli::output;
use crate::model::group::Limits;
use crate::model::isolation::{Identity, Isolation, Life, Mounts};
use crate::model::namespace::Kind;
use crate::model::net_wish::NetWish;
use crate::model::report::Report;
use crate::model::user_map::UserMap;
use crate::render::report::{json, table};
use crate::render::spawn::dry_run;
use crate::sys::idmap;
use crate::sys::root::SysRoot;
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
    let status = named::status(request.status_descriptor)?;
    let root = SysRoot::real()?;
    let users = users::map(&root, &request)?;
    let program = program::choose(context, &root, &request)?;
    let (limits, sites) =
        std::mem::take(&mut request.limits).place(&root, request.report.is_some())?;
    let held = network::look_up(&root, request.network.as_ref())?;
    if request.dry_run {
        let isolation = Isolation { limits, ..isolation(request, users) };
        output::write(&dry_run(&isolation, &program.name()))?;
        return Ok(0);
    }
    let network = network::open(request.network.as_ref(), held)?;
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
    let mut notices = named::notices(context, &root, &request, said, janitor.as_ref())?;
    if let Some(record) = notices.as_mut().and_then(|notices| notices.record.as_mut()) {
        record.spawned.limits = limits.words();
    }
    drop(root);
    let report = request.report;
    let isolation = Isolation { limits, ..isolation(request, users) };
    let limit = isolation.life.limit;
    let reports = report.is_some();
    let mut wanted =
        Spawn { isolation, sites, network, program, reports, janitor, notices, nowhere };
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

    fn isolates_nothing(&self) -> bool {
        let is_elsewhere = matches!(self.network, Some(NetWish::Join(_)));
        self.new.is_empty() && self.limits.is_empty() && !is_elsewhere
    }
}

fn isolation(request: Request, users: Option<UserMap>) -> Isolation {
    let own_manner = request.manner == Manner::Nsx;
    let mapped_root = |map: &UserMap| idmap::maps(&map.users, 0) && idmap::maps(&map.groups, 0);
    let drops_groups = request.gid.is_some();
    Isolation {
        new: request.new,
        kept: request.kept,
        network: request.network,
        identity: Identity {
            first_root: own_manner && users.as_ref().is_some_and(mapped_root),
            uid: request.uid,
            gid: request.gid,
            groups: drops_groups.then(Vec::new),
            keep_capabilities: request.keep_capabilities && request.new.has(Kind::User),
        },
        users,
        owner: request.owner,
        clocks: request.clocks,
        mounts: Mounts {
            propagation: request
                .new
                .has(Kind::Mnt)
                .then(|| request.propagation.unwrap_or_default()),
            root: request.root,
            proc: request.proc,
            binfmt: request.binfmt,
            interpreter: request.interpreter,
        },
        loopback: own_manner && request.new.has(Kind::Net),
        hostname: request.hostname,
        domainname: request.domainname,
        limits: Limits::default(),
        directory: request.directory,
        life: Life {
            fork: request.life.fork,
            init: request.life.init,
            limit: request.life.limit,
            grace: request.life.grace,
            death_signal: request.life.death_signal,
        },
    }
}

fn explain(error: ActionError, wanted: &Spawn) -> Failure {
    let forbidden =
        matches!(&error, ActionError::System(error) if error.errno() == Some(Errno::EPERM));
    let failure = Failure::from(error);
    if forbidden && !wanted.isolation.new.has(Kind::User) {
        return failure.hint("run it as root, or add --newuser to be root inside only");
    }
    failure
}
