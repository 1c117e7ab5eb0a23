//! A terminal to test with: the test holds the other end, types, reads the screen and changes the
//! size, as an operator's terminal emulator does.

use super::PATIENCE;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::termios::{Termios, Winsize};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

#[derive(Debug)]
pub struct Pty {
    master: OwnedFd,
    pub child: Child,
    /// Everything that was ever shown.
    pub shown: Vec<u8>,
    /// Where [`Pty::expect`] goes on.
    seen: usize,
    /// It shows what it is given no faster than a line of old.
    pub slow: bool,
    /// The terminal as its programs know it: `/dev/pts/N`.
    pub name: PathBuf,
}

impl Pty {
    /// Starts `command` as leader of a session on a new terminal of 24 lines and 80 columns.
    pub fn start(command: &Command) -> Self {
        let size = nix::pty::Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = nix::pty::openpty(&size, None).expect("a pseudo-terminal");
        for fd in [&pair.master, &pair.slave] {
            rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC).expect("it is open");
        }
        let name = nix::unistd::ttyname(&pair.slave).expect("a name");
        let end = || Stdio::from(pair.slave.try_clone().expect("a copy"));
        let mut leader = Command::new("setsid");
        leader.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => leader.env(key, value),
                None => leader.env_remove(key),
            };
        }
        let child = leader.stdin(end()).stdout(end()).stderr(end()).spawn().expect("it starts");
        Self { master: pair.master, child, shown: Vec::new(), seen: 0, slow: false, name }
    }

    /// An interactive shell with job control, its prompt `OUT> `. Keys are not echoed, so that what
    /// is shown is what programs say.
    pub fn shell() -> Self {
        let mut bash = Command::new("bash");
        bash.args(["--norc", "--noediting", "-i"])
            .env("PS1", "OUT> ")
            .env("PS2", "")
            .env("TERM", "xterm");
        let mut pty = Self::start(&bash);
        pty.expect("OUT> ");
        pty.type_keys("stty -echo\n");
        pty.expect("OUT> ");
        pty
    }

    /// Runs lines in the shell; what they showed, and the exit code of the last.
    pub fn run(&mut self, lines: &str) -> (String, String) {
        self.type_keys(&format!("{lines}\n"));
        let shown = self.expect("OUT> ");
        (shown.trim().to_owned(), self.code())
    }

    /// The exit code of the shell's last line.
    pub fn code(&mut self) -> String {
        self.type_keys("echo code=$?=\n");
        self.expect("code=");
        let code = self.expect("=");
        self.expect("OUT> ");
        code
    }

    pub fn type_keys(&self, keys: &str) {
        let mut rest = keys.as_bytes();
        while !rest.is_empty() {
            let written = rustix::io::write(&self.master, rest).expect("somebody listens");
            rest = &rest[written..];
        }
    }

    /// Waits until `text` is shown after whatever was expected before; what came before it.
    pub fn expect(&mut self, text: &str) -> String {
        let end = Instant::now() + PATIENCE;
        let mut searched = self.seen;
        loop {
            if let Some(at) = find(&self.shown[searched..], text.as_bytes()) {
                let (from, to) = (self.seen, searched + at);
                self.seen = to + text.len();
                return String::from_utf8_lossy(&self.shown[from..to]).into_owned();
            }
            searched = self.shown.len().saturating_sub(text.len()).max(self.seen);
            assert!(
                Instant::now() < end && self.read(),
                "{text:?} was not shown, but {:?}",
                String::from_utf8_lossy(
                    &self.shown[self.seen.max(self.shown.len().saturating_sub(4000))..]
                )
            );
        }
    }

    /// Reads to the end, when every program has closed the terminal.
    pub fn rest(&mut self) -> &[u8] {
        let end = Instant::now() + PATIENCE;
        while self.read() {
            assert!(Instant::now() < end, "it does not end: {} bytes", self.shown.len());
        }
        &self.shown
    }

    /// False at the end.
    fn read(&mut self) -> bool {
        let moment = Timespec { tv_sec: 0, tv_nsec: 200_000_000 };
        let mut watched = [PollFd::new(&self.master, PollFlags::IN)];
        if !matches!(rustix::event::poll(&mut watched, Some(&moment)), Ok(1)) {
            return true;
        }
        let mut bytes = [0; 16384];
        let bytes = if self.slow {
            std::thread::sleep(std::time::Duration::from_millis(1));
            &mut bytes[..256]
        } else {
            &mut bytes[..]
        };
        match rustix::io::read(&self.master, &mut *bytes) {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.shown.extend_from_slice(&bytes[..count]);
                true
            }
        }
    }

    /// The settings that the terminal has now.
    pub fn settings(&self) -> Termios {
        rustix::termios::tcgetattr(&self.master).expect("it is a terminal")
    }

    /// A new size, which the kernel announces by SIGWINCH.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&self.master, size).expect("it is a terminal");
    }
}

impl Pty {
    /// The terminal goes away, as when its window is closed.
    pub fn hang_up(&mut self) {
        self.master = std::fs::File::open("/dev/null").unwrap().into();
    }
}

impl Drop for Pty {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}
