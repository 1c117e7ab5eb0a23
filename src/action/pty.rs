//! A terminal of the program's own, so that nothing from inside a container reads the operator's
//! keys or types into his shell.

use super::error::ActionError;
use crate::sys::error::Context;
use rustix::event::{PollFd, PollFlags};
use rustix::fs::OFlags;
use rustix::termios::{OptionalActions, Termios, Winsize};
use std::io::IsTerminal;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Both ends, made before the join.
#[derive(Debug)]
pub struct Pair {
    master: OwnedFd,
    slave: OwnedFd,
    /// None of ours is a terminal: the program has one all the same.
    from_nothing: bool,
}

/// Whether any standard descriptor is a terminal: only then is there one to keep away.
pub fn wanted() -> bool {
    std::io::stdin().is_terminal()
        || std::io::stdout().is_terminal()
        || std::io::stderr().is_terminal()
}

/// Stops until the shell puts us in the foreground: a job in the background must not take the
/// operator's terminal.
pub fn wait_for_foreground() {
    while !in_foreground() {
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGSTOP);
    }
}

/// True where standard input is no terminal of ours: then there is no job control to respect.
fn in_foreground() -> bool {
    let group = rustix::termios::tcgetpgrp(rustix::stdio::stdin());
    group.is_err() || group == Ok(rustix::process::getpgrp())
}

/// A new pair with the settings and size of the terminal we have.
pub fn open() -> Result<Pair, ActionError> {
    let mut settings = None;
    let mut size = None;
    for fd in [rustix::stdio::stdin(), rustix::stdio::stdout(), rustix::stdio::stderr()] {
        settings = settings.or_else(|| rustix::termios::tcgetattr(fd).ok());
        size = size.or_else(|| rustix::termios::tcgetwinsize(fd).ok());
    }
    let size = size.map(|size| nix::pty::Winsize {
        ws_row: size.ws_row,
        ws_col: size.ws_col,
        ws_xpixel: size.ws_xpixel,
        ws_ypixel: size.ws_ypixel,
    });
    let pair = nix::pty::openpty(size.as_ref(), None).context("open", "a pseudo-terminal")?;
    for fd in [&pair.master, &pair.slave] {
        rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC)
            .context("open", "a pseudo-terminal")?;
    }
    if let Some(settings) = settings {
        rustix::termios::tcsetattr(&pair.slave, OptionalActions::Now, &settings)
            .context("set up", "a pseudo-terminal")?;
    }
    Ok(Pair { master: pair.master, slave: pair.slave, from_nothing: !wanted() })
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
        let flags =
            rustix::fs::fcntl_getfl(&self.master).context("examine", "the pseudo-terminal")?;
        rustix::fs::fcntl_setfl(&self.master, flags | OFlags::NONBLOCK)
            .context("set up", "the pseudo-terminal")?;
        let stdin = rustix::stdio::stdin();
        let before = rustix::termios::tcgetattr(stdin).ok();
        let mut terminal = Terminal {
            master: self.master,
            before,
            from_nothing: self.from_nothing,
            reads: self.from_nothing,
            to_program: Vec::new(),
            open: true,
        };
        terminal.make_raw();
        Ok(terminal)
    }
}

/// The relay. Restores the terminal when dropped.
#[derive(Debug)]
pub struct Terminal {
    master: OwnedFd,
    before: Option<Termios>,
    from_nothing: bool,
    /// Standard input is the operator's terminal, or stands for one, and has not ended.
    reads: bool,
    /// Keys that the program has not taken yet.
    to_program: Vec<u8>,
    /// The program's side has not been closed.
    open: bool,
}

/// Reads of what a program left unread; each takes up to 4 KB, and the kernel keeps 64 KB.
const DRAIN: usize = 64;

/// ^D, by which a terminal says that there is no more.
const END_OF_FILE: u8 = 4;

/// Keys are not read ahead beyond this.
const PENDING: usize = 4096;

impl Terminal {
    pub fn watch<'a>(&'a self, watched: &mut Vec<PollFd<'a>>) {
        if self.open {
            let mut events = PollFlags::IN;
            events.set(PollFlags::OUT, !self.to_program.is_empty());
            watched.push(PollFd::new(&self.master, events));
        }
        if self.reads && self.open && self.to_program.len() < PENDING {
            watched.push(PollFd::from_borrowed_fd(rustix::stdio::stdin(), PollFlags::IN));
        }
    }

    /// Shows what the program wrote and takes what was typed, without waiting. Whether there are
    /// keys for the program.
    pub fn read(&mut self) -> bool {
        self.open = self.open && copy_out(self.master.as_fd());
        self.read_keys();
        !self.to_program.is_empty()
    }

    /// As many keys as the program's side takes without waiting.
    pub fn hand_keys_over(&mut self) {
        if !self.to_program.is_empty()
            && let Ok(count) = rustix::io::write(&self.master, &self.to_program)
        {
            self.to_program.drain(..count);
        }
    }

    fn read_keys(&mut self) {
        let stdin = rustix::stdio::stdin();
        let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut ready = [PollFd::from_borrowed_fd(stdin, PollFlags::IN)];
        if !self.reads
            || self.to_program.len() >= PENDING
            || rustix::event::poll(&mut ready, Some(&now)) != Ok(1)
        {
            return;
        }
        let mut bytes = [0; 1024];
        match rustix::io::read(stdin, &mut bytes) {
            Ok(0) | Err(rustix::io::Errno::IO) => {
                self.reads = false;
                if self.from_nothing {
                    self.to_program.push(END_OF_FILE);
                }
            }
            Ok(count) => self.to_program.extend_from_slice(bytes.get(..count).unwrap_or_default()),
            Err(_) => {}
        }
    }

    /// After the program's end: what it still had to say. A child of its own may go on writing for
    /// ever; no more is taken than the kernel keeps in a terminal.
    pub fn drain(self) {
        for _ in 0..DRAIN {
            if !copy_out(self.master.as_fd()) || !readable(self.master.as_fd()) {
                break;
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

    /// In the foreground, every key goes to the program as it is, ^C and ^Z too.
    pub fn make_raw(&mut self) {
        if self.from_nothing {
            return;
        }
        self.reads = self.before.is_some() && in_foreground();
        if let Some(before) = self.before.as_ref().filter(|_| self.reads) {
            let mut raw = before.clone();
            raw.make_raw();
            let _ = rustix::termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, &raw);
        }
    }

    /// The settings that were before.
    pub fn restore(&mut self) {
        if let Some(before) = self.before.as_ref().filter(|_| in_foreground()) {
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

fn readable(fd: BorrowedFd<'_>) -> bool {
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    let mut ready = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    rustix::event::poll(&mut ready, Some(&now)) == Ok(1)
}

/// What the program wrote, to the terminal. False once its side is closed.
fn copy_out(master: BorrowedFd<'_>) -> bool {
    let mut bytes = [0; 16384];
    match rustix::io::read(master, &mut bytes) {
        Ok(0) | Err(rustix::io::Errno::IO) => false,
        Ok(count) => write_all(bytes.get(..count).unwrap_or_default()),
        Err(_) => true,
    }
}

/// To whichever of standard output and error is the terminal; to the first where none is.
fn write_all(mut bytes: &[u8]) -> bool {
    let out = if std::io::stdout().is_terminal() || !std::io::stderr().is_terminal() {
        rustix::stdio::stdout()
    } else {
        rustix::stdio::stderr()
    };
    while !bytes.is_empty() {
        match rustix::io::write(out, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            Err(rustix::io::Errno::AGAIN) => {
                let mut ready = [PollFd::from_borrowed_fd(out, PollFlags::OUT)];
                let _ = rustix::event::poll(&mut ready, None);
            }
            Err(_) => return false,
        }
    }
    true
}
