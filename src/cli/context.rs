//! What the surroundings say: environment and terminal. Read here once, and nowhere else.
#![expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]

use crate::sys::root::SysRoot;
use std::ffi::OsString;
use std::io::IsTerminal;

/// What a command may know of whoever called it.
#[derive(Debug)]
pub struct Context {
    /// As errors name it: `nsx ps`.
    pub program: String,
}

impl Context {
    /// Of a command by its bare word: `ps`.
    pub fn new(command: &str) -> Self {
        Self::of_program(format!("nsx {command}"))
    }

    /// Of a personality, which names itself as it was called.
    pub const fn of_program(program: String) -> Self {
        Self { program }
    }

    /// A person reads what is printed.
    pub fn stdout_is_terminal(&self) -> bool {
        std::io::stdout().is_terminal()
    }

    /// Columns of the terminal on standard output.
    pub fn width(&self) -> Option<usize> {
        let stdout = std::io::stdout();
        let size = rustix::termios::tcgetwinsize(&stdout).ok().map(|size| usize::from(size.ws_col));
        size.filter(|columns| *columns > 0 && stdout.is_terminal())
    }

    /// `NO_COLOR` is unset or empty, and the terminal is not a dumb one.
    pub fn colour_welcome(&self) -> bool {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        !no_colour && !dumb && self.stdout_is_terminal()
    }

    /// How this process was started, its own name first.
    pub fn arguments(&self) -> Vec<OsString> {
        crate::sys::raw::start::given()
    }

    /// The caller's whole environment, in its order.
    pub fn environment(&self) -> Vec<(OsString, OsString)> {
        std::env::vars_os().collect()
    }

    /// Whether the locale's characters are UTF-8, from its name: see locale(7).
    pub fn utf8(&self) -> bool {
        let names = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter();
        let mut set = names.filter_map(std::env::var_os).filter(|name| !name.is_empty());
        let name = set.next().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        name.contains("utf-8") || name.contains("utf8")
    }

    /// The running system, as the caller keeps things in it.
    pub fn root(&self) -> crate::sys::error::Result<SysRoot> {
        Ok(SysRoot::real()?.with_runtime_dir(self.variable("XDG_RUNTIME_DIR")))
    }

    /// One variable of the caller's environment; not UTF-8 of need.
    pub fn variable(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }
}
