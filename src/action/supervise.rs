//! Waits for a child as if it were the caller's own: signals go through, stops are mirrored, the
//! end is the same end.

mod signals;

pub use signals::{SignalState, Signals, asking_us, mind_children};

use super::error::ActionError;
use super::launch;
use super::pty::{self, Terminal};
use crate::sys::error::{Context, SysError};
use crate::sys::raw::wait::{self, Change};
use crate::sys::raw::{self, fork::Child};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use rustix::event::{PollFd, PollFlags, Timespec};
use signals::{
    Fate, asks_to_end, ends_by_default, fate, is_of_terminal, is_our_own, leaves_no_reader,
    stops_a_job,
};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// With this code.
    Exited(u8),
    /// By the signal of this number; real-time ones have no name.
    Killed(i32),
    /// It was ended because its time was over.
    TimedOut,
}

/// What is waited for.
#[derive(Debug)]
pub struct Program {
    /// What was forked: the program, or an init that stays beside it. Its pid is as we see it.
    pub child: Child,
    /// It is PID 1 of a pid namespace: the kernel spares it the default action of signals, so that
    /// a program without handlers would hear neither ^C nor SIGTERM.
    pub is_init: bool,
    /// The signal in whose name it was killed.
    killed_for: Option<i32>,
    /// Somebody wants it to end.
    told_to_end: bool,
    clock: Clock,
    /// Between SIGTERM and SIGKILL.
    grace: Duration,
    /// In a session of its own: what the terminal's driver sends does not reach it.
    is_apart: bool,
    /// Nobody would continue nsx if it stopped with it.
    is_left_alone: bool,
    /// Another process minds the same limit, and what is left when it is over.
    has_init: bool,
    /// It is behind the first process of a pid namespace, which cannot stop itself: here it tells nsx
    /// of the program's stops, a byte each, and of the signal that it died of.
    stops: Option<Stops>,
    /// What was heard there of its death.
    death: Option<i32>,
    /// It has not become the program yet: as a process of nsx it hears no signal.
    starting: bool,
    /// A process without which it is not to go on.
    owner: Option<OwnedFd>,
}

/// Which end of that pipe this process has.
#[derive(Debug)]
pub enum Stops {
    /// nsx.
    Heard(OwnedFd),
    /// The first process of the program's pid namespace.
    Told(OwnedFd),
}

/// Of a signal that is told: the program died of it. No signal has as high a number.
const DEATH: u8 = 0x80;

/// A time limit, if there is one: at its end SIGTERM, and SIGKILL a little later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    Unlimited,
    Until(Instant),
    /// Told to end; it is killed then.
    Ending(Instant),
    /// It is not waited for beyond that: it may be frozen, or wait for a dead file system.
    Killed(Instant),
}

/// How long a program has to end when its time is over.
const GRACE: Duration = Duration::from_secs(5);
/// And by SIGKILL.
const LAST: Duration = Duration::from_secs(2);

impl Program {
    /// Supervised without a time limit; `is_init`: it is PID 1 of a pid namespace.
    pub const fn new(child: Child, is_init: bool) -> Self {
        let (clock, grace) = (Clock::Unlimited, GRACE);
        Self {
            child,
            is_init,
            killed_for: None,
            told_to_end: false,
            clock,
            grace,
            is_apart: false,
            is_left_alone: false,
            has_init: false,
            stops: None,
            death: None,
            starting: false,
            owner: None,
        }
    }

    /// The same, for no longer than that from now; and how long it then has to end.
    #[must_use]
    pub fn limited(self, limit: Option<Duration>, grace: Option<Duration>) -> Self {
        let clock = limit.map_or(Clock::Unlimited, |limit| Clock::Until(Instant::now() + limit));
        Self { clock, grace: grace.unwrap_or(GRACE), ..self }
    }

    /// It is in a session of its own.
    #[must_use]
    pub fn in_a_session(self) -> Self {
        Self { is_apart: true, ..self }
    }

    /// Who called nsx has left it alone with the program.
    #[must_use]
    pub fn left_alone(self, is_left_alone: bool) -> Self {
        Self { is_left_alone, ..self }
    }

    /// Another process minds the same limit, and what is left when it is over.
    #[must_use]
    pub fn behind_an_init(self) -> Self {
        Self { grace: self.grace * 2, has_init: true, ..self }
    }

    /// Its stops are told, or heard of, over a pipe.
    #[must_use]
    pub fn with_stops(self, stops: Option<Stops>) -> Self {
        Self { stops, ..self }
    }

    /// It is killed when the process that a pidfd holds has ended.
    #[must_use]
    pub fn owned_by(self, owner: OwnedFd) -> Self {
        Self { owner: Some(owner), ..self }
    }

    fn heard_stops(&self) -> Option<&OwnedFd> {
        match &self.stops {
            Some(Stops::Heard(pipe)) => Some(pipe),
            _ => None,
        }
    }

    /// Stops where the program has, if somebody else saw it.
    fn follow_stops(&mut self, terminal: Option<&mut Terminal>) {
        let Some(pipe) = self.heard_stops() else { return };
        let mut signal = [0];
        match rustix::io::read(pipe, &mut signal) {
            // Who saw it has ended.
            Ok(0) => self.stops = None,
            Ok(_) if signal[0] & DEATH != 0 => self.death = Some(i32::from(signal[0] & !DEATH)),
            Ok(_) if self.is_followed(i32::from(signal[0])) => stop_too(&self.child, terminal),
            _ => {}
        }
    }

    /// To nsx, which follows; a pipe that is full has told enough.
    fn tell(&self, signal: i32, what: u8) {
        if let Some(Stops::Told(nsx)) = &self.stops {
            let _ = rustix::io::write(nsx, &[u8::try_from(signal).unwrap_or_default() | what]);
        }
    }

    /// How the program ended behind an init that ended with this code, and could not as the program.
    fn ending_behind(&self, code: u8) -> Ending {
        let mut told = [0];
        if let Some(signal) = self.death {
            return self.ending(signal);
        }
        while let Some(Ok(1)) = self.heard_stops().map(|pipe| rustix::io::read(pipe, &mut told)) {
            let [signal] = told;
            if signal & DEATH != 0 {
                return self.ending(i32::from(signal & !DEATH));
            }
        }
        Ending::Exited(code)
    }

    fn mind_the_owner(&mut self) {
        if self.owner.as_ref().is_some_and(has_news) {
            self.owner = None;
            let _ = raw::signal::send(self.child.pidfd.as_fd(), Signal::SIGKILL as i32);
        }
    }

    /// Does what the clock says; how long to wait at most for anything else.
    fn mind_the_clock(&mut self) -> Option<Duration> {
        let now = Instant::now();
        match self.clock {
            Clock::Unlimited => None,
            Clock::Until(end) | Clock::Ending(end) | Clock::Killed(end) if now < end => {
                Some(end - now)
            }
            Clock::Killed(_) => Some(Duration::ZERO),
            Clock::Until(_) => {
                // An init tells the program, once there is one.
                if self.starting || !self.has_init {
                    forward(self, Signal::SIGTERM as i32, 0, true);
                }
                // What stands still hears nothing.
                let _ = raw::signal::send(self.child.pidfd.as_fd(), Signal::SIGCONT as i32);
                self.clock = Clock::Ending(now + self.grace);
                Some(self.grace)
            }
            Clock::Ending(_) => {
                let _ = raw::signal::send(self.child.pidfd.as_fd(), Signal::SIGKILL as i32);
                self.clock = Clock::Killed(now + LAST);
                Some(LAST)
            }
        }
    }

    /// Whether nsx stops with it. Who stops minds no limit: it does so for job control alone then.
    fn is_followed(&self, signal: i32) -> bool {
        !self.is_left_alone && (self.clock == Clock::Unlimited || stops_a_job(signal))
    }

    /// It was killed, and has not ended of it.
    fn is_beyond_reach(&self) -> bool {
        matches!(self.clock, Clock::Killed(end) if end <= Instant::now())
    }

    fn has_ended_by_itself(&self) -> bool {
        !self.told_to_end && matches!(self.clock, Clock::Unlimited | Clock::Until(_))
    }

    /// It is not left to run where nobody hears of it.
    fn fail(&self, error: ActionError) -> ActionError {
        let _ = raw::signal::send(self.child.pidfd.as_fd(), Signal::SIGKILL as i32);
        error
    }

    fn ended(&self, ending: Ending) -> Ending {
        match self.clock {
            Clock::Ending(_) | Clock::Killed(_) => Ending::TimedOut,
            _ => ending,
        }
    }

    fn ending(&self, signal: i32) -> Ending {
        let killed = signal == Signal::SIGKILL as i32;
        Ending::Killed(self.killed_for.filter(|_| killed).unwrap_or(signal))
    }
}

/// How often a job in the background looks whether it is in the foreground.
const GLANCE: Duration = Duration::from_millis(200);

/// Runs until the child has ended. `status` is the pipe on which it reports, before its exec, why
/// there will be none.
pub fn supervise(
    mut program: Program,
    signals: &Signals,
    mut status: Option<OwnedFd>,
    mut terminal: Option<Terminal>,
    mut audience: Option<&mut dyn Audience>,
) -> Result<Ending, ActionError> {
    let mut report = Vec::new();
    let (mut failed, mut lost) = (None, None);
    program.starting = status.is_some();
    let ending = loop {
        let patience = program.mind_the_clock();
        if program.is_beyond_reach() {
            break Ending::TimedOut;
        }
        program.mind_the_owner();
        // Where nobody waits for the start, nobody is woken by it, and it is looked for when it
        // matters.
        let awaits_start = audience.is_some() || patience.is_some();
        let start = status.as_ref().filter(|_| awaits_start);
        let others = [program.owner.as_ref(), program.heard_stops()];
        let waits = terminal.as_ref().is_some_and(|terminal| {
            terminal.waits_for_foreground() || terminal.waits_for_the_program()
        });
        let patience =
            if waits { Some(patience.map_or(GLANCE, |some| some.min(GLANCE))) } else { patience };
        let unsaid = audience.as_ref().and_then(|audience| audience.unsaid());
        let ready =
            wait_for_something(signals, start, &others, unsaid, terminal.as_ref(), patience)?;
        let has_news = ready.status || (!awaits_start && status.as_ref().is_some_and(has_news));
        if has_news
            && let Some(pipe) = &status
            && !read_report(pipe, &mut report)
        {
            status = None;
            let told = audience.as_mut().filter(|_| report.is_empty());
            match told.map(|audience| audience.started(&program.child)).transpose() {
                Ok(own) => terminal = terminal.or(own.flatten()),
                Err(error) => failed = Some(program.fail(error)),
            }
        }
        if let Some(Err(error)) = audience.as_mut().map(|audience| audience.say_more()) {
            failed = Some(program.fail(error));
        }
        if let Some(terminal) = &mut terminal {
            terminal.look_for_foreground();
        }
        program.follow_stops(terminal.as_mut());
        program.starting = status.is_some();
        // A change of size reaches the program before the keys that were typed after it.
        let keys = terminal.as_mut().is_some_and(Terminal::read);
        if (ready.signal || keys)
            && let Some(ending) = take_signals(&mut program, signals, terminal.as_mut())?
        {
            break ending;
        }
        if let Some(terminal) = &mut terminal {
            let init = Some(program.child.pid).filter(|_| program.is_init);
            let group = init.and_then(|init| nix::unistd::getpgid(Some(init)).ok());
            for signal in terminal.hand_keys_over(group) {
                // Whoever hears it has heard it from the terminal.
                if matches!(fate_of(&program, signal as i32), Fate::Lost) {
                    end(&mut program, signal as i32);
                }
            }
        }
        if let Some(why) = terminal.as_ref().and_then(Terminal::lost) {
            lost = Some(why);
            // The program hears of it as it hears of a terminal that is gone.
            terminal = None;
        }
    };
    if let Some(pipe) = status.as_ref().filter(|_| !program.is_beyond_reach()) {
        while read_report(pipe, &mut report) {}
        // It became the program and ended before anybody looked.
        let told = audience.as_mut().filter(|_| report.is_empty());
        match told.map(|audience| audience.started(&program.child)).transpose() {
            Ok(own) => terminal = terminal.or(own.flatten()),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    if let Some(terminal) = &mut terminal {
        if program.has_ended_by_itself() {
            show_the_rest(terminal, signals);
        } else {
            terminal.drain(&mut { pty::READS });
        }
        lost = lost.or(terminal.lost());
    }
    drop(terminal);
    if let Some(error) = failed {
        return Err(error);
    }
    launch::reported(&report)?;
    match (lost, program.ended(ending)) {
        // Who reads no more wants no more: it would have ended so without a terminal in between.
        (Some(Errno::EPIPE), Ending::Killed(signal)) if signal == Signal::SIGHUP as i32 => {
            Ok(Ending::Killed(Signal::SIGPIPE as i32))
        }
        (None | Some(Errno::EPIPE), ending) => Ok(ending),
        (Some(why), _) => Err(SysError::new("write to", "standard output", why).into()),
    }
}

/// What the program said is not lost, however long it takes to be shown; who does not want to wait
/// says so.
fn show_the_rest(terminal: &mut Terminal, signals: &Signals) {
    let mut reads = pty::READS;
    while !terminal.drain(&mut reads) {
        // ^C is a signal again.
        terminal.restore();
        while let Ok(Some(arrived)) = signals.descriptor.next() {
            if leaves_no_reader(arrived.number) {
                return;
            }
        }
    }
}

/// Who hears of the program while it runs.
pub trait Audience {
    /// The child has become the program; a terminal may be brought that is relayed from then on.
    fn started(&mut self, child: &Child) -> Result<Option<Terminal>, ActionError>;
    /// Where there was no room for all that was to be said.
    fn unsaid(&self) -> Option<BorrowedFd<'_>>;
    /// As much of that as there is room for by now; after an error it is not tried again.
    fn say_more(&mut self) -> Result<(), ActionError>;
}

#[derive(Default)]
struct Ready {
    signal: bool,
    status: bool,
}

fn wait_for_something(
    signals: &Signals,
    status: Option<&OwnedFd>,
    others: &[Option<&OwnedFd>],
    unsaid: Option<BorrowedFd<'_>>,
    terminal: Option<&Terminal>,
    patience: Option<Duration>,
) -> Result<Ready, ActionError> {
    let mut watched = vec![PollFd::new(&signals.descriptor, PollFlags::IN)];
    for fd in status.into_iter().chain(others.iter().copied().flatten()) {
        watched.push(PollFd::new(fd, PollFlags::IN));
    }
    watched.extend(unsaid.map(|unsaid| PollFd::from_borrowed_fd(unsaid, PollFlags::OUT)));
    if let Some(terminal) = terminal {
        terminal.watch(&mut watched);
    }
    let patience = patience.and_then(|patience| Timespec::try_from(patience).ok());
    match rustix::event::poll(&mut watched, patience.as_ref()) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(errno) => Err(errno).context("wait for", "the program")?,
    }
    let ready = |at: usize| watched.get(at).is_some_and(|fd| !fd.revents().is_empty());
    Ok(Ready { signal: ready(0), status: status.is_some() && ready(1) })
}

fn has_news(fd: &OwnedFd) -> bool {
    let mut fd = [PollFd::new(fd, PollFlags::IN)];
    matches!(rustix::event::poll(&mut fd, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(1))
}

/// False at the end of the pipe.
fn read_report(pipe: &OwnedFd, report: &mut Vec<u8>) -> bool {
    let mut bytes = [0; 4096];
    match rustix::io::read(pipe, &mut bytes) {
        Ok(0) => false,
        Ok(count) => {
            report.extend_from_slice(bytes.get(..count).unwrap_or_default());
            true
        }
        Err(errno) => errno == rustix::io::Errno::INTR,
    }
}

/// Handles everything that arrived; the child's end, if it has come.
fn take_signals(
    program: &mut Program,
    signals: &Signals,
    mut terminal: Option<&mut Terminal>,
) -> Result<Option<Ending>, ActionError> {
    while let Some(arrived) = signals.descriptor.next().context("read", "signals")? {
        if is_our_own(arrived) {
            continue;
        }
        match (Signal::try_from(arrived.number), &mut terminal) {
            (Ok(Signal::SIGCHLD), _) => {
                if let Some(ending) = reap(program, terminal.as_deref_mut())? {
                    return Ok(Some(ending));
                }
                continue;
            }
            (Ok(Signal::SIGWINCH), Some(terminal)) => terminal.resize(),
            // Continued, perhaps in the foreground after a time in the background.
            (Ok(Signal::SIGCONT), Some(terminal)) => terminal.make_raw(),
            _ => {}
        }
        forward(program, arrived.number, arrived.code, terminal.is_some());
    }
    Ok(None)
}

/// What the terminal's driver sends goes to the whole foreground group, the program included;
/// sending it on would deliver it twice. Not to a program on a terminal of its own, or one that has
/// made itself a group, as timeout(1) does.
fn forward(program: &mut Program, signal: i32, code: i32, own_terminal: bool) {
    program.told_to_end |= leaves_no_reader(signal);
    let fate = fate_of(program, signal);
    if matches!(fate, Fate::Lost)
        || (program.starting && asking_us().iter().any(|asks| *asks as i32 == signal))
    {
        return end(program, signal);
    }
    if !is_of_terminal(signal, code)
        || own_terminal
        || program.is_apart
        || is_hangup(signal)
        || is_in_another_group(&program.child)
    {
        // It may have ended meanwhile: then there is nobody to tell.
        let _ = raw::signal::send(program.child.pidfd.as_fd(), signal);
        if let Fate::Awaited(asleep) = fate
            && asleep.goes_on()
        {
            end(program, signal);
        }
    }
}

/// What nobody can know hears what asks it to end as its end.
fn fate_of(program: &Program, signal: i32) -> Fate {
    if !program.is_init || !ends_by_default(signal) {
        return Fate::Heard;
    }
    let unknown = || if asks_to_end(signal) { Fate::Lost } else { Fate::Heard };
    fate(&program.child, signal).unwrap_or_else(unknown)
}

/// In a signal's name.
fn end(program: &mut Program, signal: i32) {
    program.killed_for = Some(signal);
    let _ = raw::signal::send(program.child.pidfd.as_fd(), Signal::SIGKILL as i32);
}

/// That the terminal is gone is told to the leader of its session alone, who tells others.
fn is_hangup(signal: i32) -> bool {
    signal == Signal::SIGHUP as i32 && nix::unistd::getsid(None) == Ok(nix::unistd::getpid())
}

fn is_in_another_group(child: &Child) -> bool {
    nix::unistd::getpgid(Some(child.pid)).is_ok_and(|group| group != nix::unistd::getpgrp())
}

/// The program's end, if it has come. Only an init has children beside the program.
fn reap(
    program: &Program,
    mut terminal: Option<&mut Terminal>,
) -> Result<Option<Ending>, ActionError> {
    while let Some((pid, change)) = wait::next().context("wait for", "the program")? {
        if pid != program.child.pid.as_raw() {
            continue;
        }
        match change {
            Change::Exited(code) => return Ok(Some(program.ending_behind(code))),
            Change::Killed(signal) => {
                let ending = program.ending(signal);
                if let Ending::Killed(signal) = program.ended(ending) {
                    program.tell(signal, DEATH);
                }
                return Ok(Some(ending));
            }
            Change::Stopped(signal) => match &program.stops {
                Some(Stops::Told(_)) => program.tell(signal, 0),
                _ if program.is_followed(signal) => {
                    stop_too(&program.child, terminal.as_deref_mut());
                }
                _ => {}
            },
        }
    }
    Ok(None)
}

/// Stops this process. Not by raise: see [`raw::signal::raise_unblocked`].
pub(super) fn stop() {
    let _ = kill(nix::unistd::getpid(), Signal::SIGSTOP);
}

/// Stops with the child, and sets it going again when continued.
fn stop_too(child: &Child, mut terminal: Option<&mut Terminal>) {
    if let Some(terminal) = &mut terminal {
        terminal.drain(&mut { pty::READS });
        terminal.restore();
    }
    stop();
    if let Some(terminal) = terminal {
        terminal.make_raw();
        terminal.resize();
    }
    let _ = raw::signal::send(child.pidfd.as_fd(), Signal::SIGCONT as i32);
}

/// As timeout(1) has it.
pub const TIMED_OUT: u8 = 124;

/// Ends this process as the program ended: with its code, or of its signal.
pub fn end_alike(ending: Ending) -> u8 {
    match ending {
        Ending::Exited(code) => code,
        Ending::TimedOut => TIMED_OUT,
        Ending::Killed(signal) => {
            let _ = raw::signal::set_default(signal);
            raw::signal::raise_unblocked(signal);
            // Still here: a signal that does not end a process.
            128_u8.saturating_add(u8::try_from(signal).unwrap_or(127))
        }
    }
}
