//! A process as the host's /proc shows it.

use super::namespace::NsSet;
use super::text::Text;
use std::fmt;

/// A process id in the reader's pid namespace, 1…4194304 (PID_MAX_LIMIT).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct Pid(u32);

impl Pid {
    /// The kernel's PID_MAX_LIMIT; no pid is higher whatever pid_max says.
    pub const MAX: u32 = 1 << 22;

    /// `None` for 0 and for more than the kernel ever gives.
    pub const fn new(number: u32) -> Option<Self> {
        if number >= 1 && number <= Self::MAX { Some(Self(number)) } else { None }
    }

    /// Strict decimal: no sign, no space, nothing above the kernel's limit.
    pub fn parse(text: &[u8]) -> Option<Self> {
        if text.is_empty() || text.len() > 7 || text.first() == Some(&b'0') {
            return None;
        }
        let mut number = 0_u32;
        for byte in text {
            let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
            number = number * 10 + u32::from(digit);
        }
        Self::new(number)
    }

    /// As it is written in decimal.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// As system calls take it; PID_MAX_LIMIT fits.
    #[expect(clippy::cast_possible_wrap, reason = "at most 2^22")]
    pub const fn raw(self) -> i32 {
        self.0 as i32
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What one visit to `/proc/PID` gave.
#[derive(Clone, Debug)]
pub struct Process {
    /// Of the process, not of a thread.
    pub pid: Pid,
    /// Absent where that is outside our pid namespace.
    pub parent: Option<Pid>,
    /// What it did when it was seen.
    pub state: State,
    /// Made by the kernel, for the kernel.
    pub kernel_thread: bool,
    /// Command name, at most 15 bytes, chosen by the process.
    pub comm: Text,
    /// Start, in clock ticks since boot: with the pid, an identity.
    pub start_ticks: u64,
    /// By inode; without those that could not be read.
    pub namespaces: NsSet,
    /// The lines of `/proc/PID/cgroup`, unparsed.
    pub cgroup: Text,
}

/// The state letter of proc_pid_stat(5), or [`State::HEADLESS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State(pub u8);

impl State {
    /// Its first thread has ended, which shows as Z, and others live on.
    pub const HEADLESS: Self = Self(b'z');

    /// What the kernel says of its first thread, and how many threads there are.
    pub const fn of(letter: u8, threads: u64) -> Self {
        if letter == b'Z' && threads > 1 { Self::HEADLESS } else { Self(letter) }
    }

    /// That of the first thread.
    pub const fn letter(self) -> char {
        self.0.to_ascii_uppercase() as char
    }

    /// See [`Self::HEADLESS`].
    pub const fn is_headless(self) -> bool {
        self.0 == Self::HEADLESS.0
    }

    /// Runs, or sleeps until something happens: no freezer of cgroup v1 holds it, which would show
    /// it as D.
    pub const fn runs(self) -> bool {
        matches!(self.0, b'R' | b'S')
    }

    /// Ended; only its exit status is left.
    pub const fn ended(self) -> bool {
        matches!(self.0, b'Z' | b'X' | b'x')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_strict_decimal_within_the_kernels_limit_is_a_pid() {
        for good in ["1", "42", "4194304"] {
            assert_eq!(Pid::parse(good.as_bytes()).map(|p| p.to_string()).as_deref(), Some(good));
        }
        for bad in [
            "",
            "0",
            "00",
            "042",
            "-1",
            "+1",
            " 1",
            "1 ",
            "1x",
            "4194305",
            "4294967297",
            "99999999999999999999",
            "٣",
            "1/../2",
        ] {
            assert_eq!(Pid::parse(bad.as_bytes()), None, "{bad}");
        }
    }
}
