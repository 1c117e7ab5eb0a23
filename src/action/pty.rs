//! A terminal of the program's own, so that nothing from inside a container reads the operator's
//! keys or types into his shell.

mod keys;

use super::error::ActionError;
use crate::sys::error::{Context, IntoErrno};
use nix::errno::Errno;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Gid, Mode, OFlags, Uid};
use rustix::pty::OpenptFlags;
use rustix::termios::{LocalModes, OptionalActions, OutputModes, Termios, Winsize};
use std::io::IsTerminal;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

/// Both ends, made before the join.
#[derive(Debug)]
pub struct Pair {
    master: OwnedFd,
    slave: OwnedFd,
    /// None of ours is a terminal: the program has one all the same.
    from_nothing: bool,
    /// Where nsx itself is to relay it.
    screen: Option<Screen>,
}

/// Whether any standard descriptor is a terminal: only then is there one to keep away.
pub fn wanted() -> bool {
    std::io::stdin().is_terminal()
        || std::io::stdout().is_terminal()
        || std::io::stderr().is_terminal()
}

/// Whether this process has a controlling terminal, with or without a descriptor of it.
pub fn is_there() -> bool {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    rustix::fs::open(c"/dev/tty", flags, Mode::empty()).is_ok()
}

/// True where standard input is no terminal of ours: then there is no job control to respect.
fn in_foreground() -> bool {
    // A group whose leader is in a pid namespace further out is 0, for which rustix has no value.
    let group = nix::unistd::tcgetpgrp(std::io::stdin());
    group.is_err() || group == Ok(nix::unistd::getpgrp())
}

/// A new pair with the settings and size of the terminal we have. It belongs to `owner`, a user and
/// a group as they are called here, so that the program can open by name what it has as a
/// descriptor.
pub fn open(owner: Option<(u32, u32)>) -> Result<Pair, ActionError> {
    let multiplexer = rustix::fs::open(c"/dev/ptmx", MASTER, Mode::empty());
    let pair = pair(multiplexer.context("open", "/dev/ptmx")?, owner)?;
    Ok(Pair { screen: Some(Screen::open()), ..pair })
}

/// The same of a devpts of the program's, where the slave has a name that is true inside: ttyname(3).
pub fn open_in(terminals: BorrowedFd<'_>, owner: Option<(u32, u32)>) -> Result<Pair, ActionError> {
    let multiplexer = rustix::fs::openat(terminals, c"ptmx", MASTER, Mode::empty());
    pair(multiplexer.context("open", "the multiplexer of pseudo-terminals")?, owner)
}

const MASTER: OFlags = OFlags::RDWR.union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

fn pair(master: OwnedFd, owner: Option<(u32, u32)>) -> Result<Pair, ActionError> {
    let open = || -> rustix::io::Result<OwnedFd> {
        rustix::pty::unlockpt(&master)?;
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        // By the master, and no path.
        rustix::pty::ioctl_tiocgptpeer(&master, flags)
    };
    let slave = open().context("open", "a pseudo-terminal")?;
    let standard = [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()];
    let set_up = || -> rustix::io::Result<()> {
        if let Some(size) = standard.iter().find_map(|fd| rustix::termios::tcgetwinsize(fd).ok()) {
            rustix::termios::tcsetwinsize(&slave, size)?;
        }
        let settings = standard.iter().find_map(|fd| rustix::termios::tcgetattr(fd).ok());
        if let Some(mut settings) = settings {
            if !is_raw_wanted() {
                // The terminal that they are typed at shows them, and ends lines.
                settings.local_modes.remove(LocalModes::ECHO);
                settings.output_modes.remove(OutputModes::OPOST);
            }
            rustix::termios::tcsetattr(&slave, OptionalActions::Now, &settings)?;
        }
        Ok(())
    };
    set_up().context("set up", "a pseudo-terminal")?;
    if let Some((uid, gid)) = owner {
        hand_over(slave.as_fd(), Uid::from_raw(uid), Gid::from_raw(gid));
    }
    Ok(Pair { master, slave, from_nothing: !wanted(), screen: None })
}

/// Who may not give it away has it, and the program has the descriptors all the same.
fn hand_over(slave: BorrowedFd<'_>, uid: Uid, gid: Gid) {
    // The group `tty` may write to a terminal; another that takes its place may not.
    if rustix::fs::fchown(slave, Some(uid), Some(gid)).is_ok() {
        let _ = rustix::fs::fchmod(slave, Mode::RUSR | Mode::WUSR);
    }
}

impl Pair {
    /// In the program's process: a session of its own, the slave in place of each standard
    /// descriptor that is a terminal.
    pub fn adopt(self) -> Result<(), ActionError> {
        rustix::process::setsid().context("start", "a session")?;
        rustix::process::ioctl_tiocsctty(&self.slave)
            .context("take over", "the pseudo-terminal")?;
        if self.from_nothing || std::io::stdin().is_terminal() {
            rustix::stdio::dup2_stdin(&self.slave).context("set", "standard input")?;
        }
        if self.from_nothing || std::io::stdout().is_terminal() {
            rustix::stdio::dup2_stdout(&self.slave).context("set", "standard output")?;
        }
        if self.from_nothing || std::io::stderr().is_terminal() {
            rustix::stdio::dup2_stderr(&self.slave).context("set", "standard error")?;
        }
        Ok(())
    }

    /// In nsx: the other end, relayed to the terminal we have, which becomes raw.
    pub fn relay(self) -> Result<Terminal, ActionError> {
        drop(self.slave);
        Terminal::on(self.screen.unwrap_or_else(Screen::open), self.master)
    }

    /// What somebody else relays.
    pub fn master(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }
}

/// Whether what is typed is for the program alone. Where its output goes elsewhere, as to a pager, who
/// takes that may want the keys, and lines that end as lines do.
fn is_raw_wanted() -> bool {
    std::io::stdout().is_terminal()
}

/// The relay. Restores the terminal when dropped.
#[derive(Debug)]
pub struct Terminal {
    master: OwnedFd,
    before: Option<Termios>,
    from_nothing: bool,
    /// Standard input is the operator's terminal with us in the foreground, or stands for one, and
    /// has not ended.
    reads: bool,
    /// There is no more to be typed.
    ended: bool,
    /// Keys that the program has not taken yet.
    to_program: Vec<u8>,
    /// The last key was not the end of a line.
    line_begun: bool,
    /// Every key is the program's.
    raw: bool,
    /// Where what the program writes is shown; `None` once that is gone.
    screen: Option<Screen>,
    /// What the program wrote and nobody has taken yet.
    to_screen: Vec<u8>,
    /// The program's side was open when it was last looked at.
    open: bool,
    /// Why standard output, where it is no terminal, takes no more.
    lost: Option<Errno>,
}

/// Reads of what a program left unread; each takes up to 4 KB, and the kernel keeps 64 KB.
pub const READS: usize = 64;

/// How long a screen is waited for at a time.
const STUCK: Duration = Duration::from_secs(1);

/// ^D, by which a terminal says that there is no more.
const END_OF_FILE: u8 = 4;

/// Neither side is read ahead beyond this.
const PENDING: usize = 4096;

/// A pipe that takes anything takes as much without waiting. It is not ours alone, so that it cannot
/// be told never to wait.
const MORSEL: usize = 1024;

impl Terminal {
    /// Of a master, relayed to the terminal we have, which becomes raw; we have joined no mount
    /// namespace.
    pub fn of(master: OwnedFd) -> Result<Self, ActionError> {
        Self::on(Screen::open(), master)
    }

    fn on(screen: Screen, master: OwnedFd) -> Result<Self, ActionError> {
        let flags = rustix::fs::fcntl_getfl(&master).context("examine", "the pseudo-terminal")?;
        rustix::fs::fcntl_setfl(&master, flags | OFlags::NONBLOCK)
            .context("set up", "the pseudo-terminal")?;
        let stdin = rustix::stdio::stdin();
        let before = rustix::termios::tcgetattr(stdin).ok();
        let from_nothing = !wanted();
        let mut terminal = Self {
            master,
            before,
            from_nothing,
            reads: from_nothing,
            ended: false,
            to_program: Vec::new(),
            line_begun: false,
            raw: is_raw_wanted(),
            screen: Some(screen),
            to_screen: Vec::new(),
            open: true,
            lost: None,
        };
        terminal.make_raw();
        Ok(terminal)
    }

    /// Adds what either side can do at the moment, and no more than there is room for.
    pub fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>) {
        let mut events = PollFlags::empty();
        events.set(PollFlags::IN, self.to_screen.len() < PENDING);
        events.set(PollFlags::OUT, !self.to_program.is_empty());
        // A side that was closed would be reported whatever is asked.
        if self.open && !events.is_empty() {
            watched.push(PollFd::new(&self.master, events));
        }
        if let Some(screen) = self.screen.as_ref().filter(|_| !self.to_screen.is_empty()) {
            watched.push(PollFd::new(screen, PollFlags::OUT));
        }
        if self.takes_keys() && self.open {
            watched.push(PollFd::from_borrowed_fd(rustix::stdio::stdin(), PollFlags::IN));
        }
    }

    /// Shows what the program wrote and takes what was typed, without waiting. Whether there are
    /// keys for the program.
    pub fn read(&mut self) -> bool {
        self.take_output();
        if self.screen_is_ready(Duration::ZERO) {
            self.show();
        }
        self.read_keys();
        !self.to_program.is_empty()
    }

    /// As many keys as the program's side takes without waiting. Returns those among them that are
    /// signals to `group` there, by the terminal's settings.
    pub fn hand_keys_over(&mut self, group: Option<Pid>) -> Vec<Signal> {
        if self.to_program.is_empty() {
            return Vec::new();
        }
        match rustix::io::write(&self.master, &self.to_program) {
            Ok(count) => {
                let taken: Vec<u8> = self.to_program.drain(..count).collect();
                group.map_or_else(Vec::new, |group| keys::signals(&self.master, group, &taken))
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Vec::new(),
            // Nobody is there to take them.
            Err(_) => {
                self.to_program.clear();
                Vec::new()
            }
        }
    }

    /// What the program wrote, as long as there is room for it.
    fn take_output(&mut self) {
        if self.to_screen.len() >= PENDING {
            return;
        }
        let mut bytes = [0; PENDING];
        let read = rustix::io::read(&self.master, &mut bytes);
        // Whoever has no descriptor of it may open it again by its name.
        self.open = !matches!(read, Ok(0) | Err(rustix::io::Errno::IO));
        // Without a screen the program goes on, and is not kept waiting.
        if let (Ok(count), Some(_)) = (read, &self.screen) {
            self.to_screen.extend_from_slice(bytes.get(..count).unwrap_or_default());
        }
    }

    fn screen_is_ready(&self, patience: Duration) -> bool {
        let screen = self.screen.as_ref().filter(|_| !self.to_screen.is_empty());
        screen.is_some_and(|screen| is_ready(screen.as_fd(), PollFlags::OUT, patience))
    }

    /// A little of what the program wrote, to a screen that takes something. Whether it took any.
    fn show(&mut self) -> bool {
        let Some(screen) = &self.screen else { return false };
        let morsel = self.to_screen.get(..MORSEL).unwrap_or(&self.to_screen);
        match rustix::io::write(screen, morsel) {
            Ok(count) => {
                self.to_screen.drain(..count);
                count > 0
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => false,
            Err(errno) => {
                if let Screen::Output(_) = screen {
                    self.lost = Some(errno.into_errno());
                }
                self.to_screen.clear();
                self.screen = None;
                false
            }
        }
    }

    /// Why nobody takes what the program writes any more, where that is not for want of a person: the
    /// program is to hear of it by a hangup, which is the end of this.
    pub const fn lost(&self) -> Option<Errno> {
        self.lost
    }

    /// A pager that shows what the program writes has its own mind about keys, and says so by the
    /// terminal's settings.
    fn takes_keys(&self) -> bool {
        let is_by_lines = || {
            let settings = rustix::termios::tcgetattr(rustix::stdio::stdin());
            settings.is_ok_and(|settings| settings.local_modes.contains(LocalModes::ICANON))
        };
        self.reads
            && self.to_program.len() < PENDING
            && (self.raw || self.from_nothing || is_by_lines())
    }

    fn read_keys(&mut self) {
        let stdin = rustix::stdio::stdin();
        if !self.takes_keys() || !is_ready(stdin, PollFlags::IN, Duration::ZERO) {
            return;
        }
        let mut bytes = [0; 1024];
        match rustix::io::read(stdin, &mut bytes) {
            Ok(0) | Err(rustix::io::Errno::IO) => {
                self.reads = false;
                self.ended = true;
                if self.from_nothing || !self.raw {
                    // Within a line the first only hands over what there is of it.
                    let times = if self.line_begun { 2 } else { 1 };
                    self.to_program.extend(std::iter::repeat_n(END_OF_FILE, times));
                }
            }
            Ok(count) => {
                let keys = bytes.get(..count).unwrap_or_default();
                self.line_begun = keys.last() != Some(&b'\n');
                self.to_program.extend_from_slice(keys);
            }
            Err(_) => {}
        }
    }

    /// When the program has ended or stopped: what it still had to say. A child of its own may go on
    /// writing for ever; no more is taken than `reads`. False where the screen takes nothing for a
    /// while, which costs none of them.
    pub fn drain(&mut self, reads: &mut usize) -> bool {
        loop {
            while !self.to_screen.is_empty() {
                if !self.screen_is_ready(STUCK) || !self.show() {
                    return self.to_screen.is_empty();
                }
            }
            let is_readable = || is_ready(self.master.as_fd(), PollFlags::IN, Duration::ZERO);
            if *reads == 0 || !is_readable() {
                return true;
            }
            *reads -= 1;
            self.take_output();
            if !self.open {
                return true;
            }
        }
    }

    /// Gives the program our terminal's size.
    pub fn resize(&self) {
        let stdin = rustix::stdio::stdin();
        let size = rustix::termios::tcgetwinsize(stdin)
            .or_else(|_| rustix::termios::tcgetwinsize(rustix::stdio::stdout()));
        if let Ok(Winsize { ws_row, ws_col, ws_xpixel, ws_ypixel }) = size {
            let size = Winsize { ws_row, ws_col, ws_xpixel, ws_ypixel };
            let _ = rustix::termios::tcsetwinsize(&self.master, size);
        }
    }

    /// In the foreground, every key goes to the program as it is, ^C and ^Z too, where it writes to
    /// the terminal.
    pub fn make_raw(&mut self) {
        if self.from_nothing {
            return;
        }
        self.reads = self.before.is_some() && !self.ended && in_foreground();
        if let Some(before) = self.before.as_ref().filter(|_| self.reads && self.raw) {
            let mut raw = before.clone();
            raw.make_raw();
            let _ = rustix::termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw);
        }
    }

    /// A job in the background leaves the keys to others. That it was brought to the foreground
    /// nobody tells one that runs.
    pub const fn waits_for_foreground(&self) -> bool {
        self.before.is_some() && !self.reads && !self.ended
    }

    /// Nobody has it open on the program's side, and what is opened there announces itself to nobody.
    pub const fn waits_for_the_program(&self) -> bool {
        !self.open
    }

    /// Takes the keys once it is in the foreground.
    pub fn look_for_foreground(&mut self) {
        if self.waits_for_foreground() && in_foreground() {
            self.make_raw();
            self.resize();
        }
    }

    /// The settings that were before.
    pub fn restore(&mut self) {
        if let Some(before) = self.before.as_ref().filter(|_| self.raw && in_foreground()) {
            let stdin = rustix::stdio::stdin();
            let _ = rustix::termios::tcsetattr(stdin, OptionalActions::Flush, before);
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.restore();
    }
}

fn is_ready(fd: BorrowedFd<'_>, events: PollFlags, patience: Duration) -> bool {
    let mut watched = [PollFd::from_borrowed_fd(fd, events)];
    let patience = Timespec::try_from(patience).unwrap_or_default();
    rustix::event::poll(&mut watched, Some(&patience)) == Ok(1)
}

/// Where what the program writes is shown.
#[derive(Debug)]
enum Screen {
    /// A terminal, opened anew: it takes a part of what does not fit, and never keeps us waiting. One
    /// that makes two bytes of a line's end would, whatever poll(2) says.
    Own(OwnedFd),
    /// One that cannot be opened anew, as we were given it.
    Shared(BorrowedFd<'static>),
    /// Standard output, which is a file or a pipe.
    Output(BorrowedFd<'static>),
}

impl Screen {
    /// Whichever of the three is the terminal: what the program writes to its own is for nobody else.
    /// Standard output where none is. To be called before a join, after which /proc is another's.
    fn open() -> Self {
        let standard = [rustix::stdio::stdout(), rustix::stdio::stderr(), rustix::stdio::stdin()];
        let terminal = standard.into_iter().find(IsTerminal::is_terminal);
        terminal.map_or_else(|| Self::Output(rustix::stdio::stdout()), Self::of)
    }

    fn of(terminal: BorrowedFd<'static>) -> Self {
        let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let path = format!("/proc/self/fd/{}", terminal.as_raw_fd());
        let own = || rustix::fs::open(path, flags, Mode::empty()).ok();
        let is_by_number = rustix::fs::fstat(terminal).is_ok_and(|stat| names_itself(stat.st_rdev));
        is_by_number.then(own).flatten().map_or(Self::Shared(terminal), Self::Own)
    }
}

impl AsFd for Screen {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Own(screen) => screen.as_fd(),
            Self::Shared(screen) | Self::Output(screen) => *screen,
        }
    }
}

/// Whether a terminal opened by its device is the same terminal: not so of /dev/tty, /dev/console and
/// /dev/ptmx (5), nor of /dev/tty0.
fn names_itself(device: u64) -> bool {
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    major != 5 && !(major == 4 && minor == 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pipe::{PipeFlags, pipe_with};

    /// Of what the other end of a pipe writes, on a screen that nobody looks at.
    fn terminal(screen: Screen) -> (Terminal, OwnedFd) {
        let flags = PipeFlags::CLOEXEC | PipeFlags::NONBLOCK;
        let (master, program) = pipe_with(flags).unwrap();
        let terminal = Terminal {
            master,
            before: None,
            from_nothing: false,
            reads: false,
            ended: false,
            to_program: Vec::new(),
            line_begun: false,
            raw: false,
            screen: Some(screen),
            to_screen: Vec::new(),
            open: true,
            lost: None,
        };
        (terminal, program)
    }

    fn fill(writer: &OwnedFd) {
        rustix::fs::fcntl_setfl(writer, OFlags::NONBLOCK).unwrap();
        while rustix::io::write(writer, &[0; PENDING]).is_ok() {}
        rustix::fs::fcntl_setfl(writer, OFlags::empty()).unwrap();
    }

    #[test]
    fn what_waits_for_a_screen_is_not_lost_by_waiting() {
        let (reader, screen) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let screen: &'static OwnedFd = Box::leak(Box::new(screen));
        fill(screen);
        let (mut terminal, program) = terminal(Screen::Shared(screen.as_fd()));
        rustix::io::write(&program, b"its last words").unwrap();
        let mut reads = 1;
        assert!(!terminal.drain(&mut reads));
        assert!(!terminal.drain(&mut reads));
        while is_ready(reader.as_fd(), PollFlags::IN, Duration::ZERO) {
            rustix::io::read(&reader, &mut [0; PENDING]).unwrap();
        }
        assert!(terminal.drain(&mut reads));
        let mut shown = [0; PENDING];
        let count = rustix::io::read(&reader, &mut shown).unwrap();
        assert_eq!(shown.get(..count).unwrap(), b"its last words");
    }

    #[test]
    fn who_reads_no_more_is_told_apart_from_a_screen_that_is_gone() {
        let (reader, output) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        drop(reader);
        let output: &'static OwnedFd = Box::leak(Box::new(output));
        for (screen, why) in [
            (Screen::Output(output.as_fd()), Some(Errno::EPIPE)),
            (Screen::Shared(output.as_fd()), None),
        ] {
            let (mut terminal, program) = terminal(screen);
            rustix::io::write(&program, b"its last words").unwrap();
            assert!(terminal.drain(&mut 1));
            assert_eq!((terminal.lost(), terminal.screen.is_none()), (why, true));
        }
    }

    #[test]
    #[allow(clippy::disallowed_methods, reason = "what would wait for ever is left behind")]
    fn a_terminal_that_makes_more_of_what_it_takes_keeps_nobody_waiting() {
        let pair = nix::pty::openpty(None, None).unwrap();
        let screen: &'static OwnedFd = Box::leak(Box::new(pair.slave));
        let (mut terminal, _program) = terminal(Screen::of(screen.as_fd()));
        let (done, is_done) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut shown = 0;
            loop {
                terminal.to_screen.resize(PENDING, b'\n');
                if !terminal.screen_is_ready(Duration::ZERO) || !terminal.show() {
                    break;
                }
                shown += 1;
            }
            done.send(shown).unwrap();
        });
        let shown = is_done.recv_timeout(STUCK * 30).expect("it does not wait for room");
        assert!(shown > 0);
    }

    #[test]
    fn what_is_opened_again_is_the_same_terminal() {
        let device = rustix::fs::makedev;
        assert!(names_itself(device(136, 3)) && names_itself(device(4, 64)));
        for other in [device(5, 0), device(5, 1), device(5, 2), device(4, 0)] {
            assert!(!names_itself(other));
        }
    }
}
