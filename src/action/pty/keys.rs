//! Which of the keys that a program's terminal has taken are signals there: termios(3).

use nix::sys::signal::Signal;
use nix::unistd::{Pid, tcgetpgrp};
use rustix::termios::{LocalModes, SpecialCodeIndex, Termios, tcgetattr};
use std::os::fd::OwnedFd;

/// Those to `group`, if it is in the foreground.
pub(super) fn signals(master: &OwnedFd, group: Pid, keys: &[u8]) -> Vec<Signal> {
    match tcgetattr(master) {
        Ok(settings) if tcgetpgrp(master) == Ok(group) => of(&settings, keys),
        _ => Vec::new(),
    }
}

/// Those that end a program.
fn of(settings: &Termios, keys: &[u8]) -> Vec<Signal> {
    let modes = settings.local_modes;
    if !modes.contains(LocalModes::ISIG) {
        return Vec::new();
    }
    let is = |key: u8, which| key != 0 && key == settings.special_codes[which];
    let quotes = modes.contains(LocalModes::IEXTEN | LocalModes::ICANON);
    let mut is_quoted = false;
    let mut signals = Vec::new();
    for key in keys {
        if std::mem::take(&mut is_quoted) {
            continue;
        }
        is_quoted = quotes && is(*key, SpecialCodeIndex::VLNEXT);
        signals.extend(is(*key, SpecialCodeIndex::VINTR).then_some(Signal::SIGINT));
        signals.extend(is(*key, SpecialCodeIndex::VQUIT).then_some(Signal::SIGQUIT));
    }
    signals
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::pty::{OpenptFlags, grantpt, openpt, unlockpt};

    #[test]
    fn a_key_is_a_signal_where_the_terminal_says_so() {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let mut settings = tcgetattr(&master).unwrap();
        let both = [Signal::SIGINT, Signal::SIGQUIT];
        assert_eq!(of(&settings, b"a\x03b\x1c\n"), both);
        assert_eq!(of(&settings, b"\x16\x03\x1c"), both[1..], "^V");
        settings.local_modes.remove(LocalModes::IEXTEN);
        assert_eq!(of(&settings, b"\x16\x03"), both[..1]);
        settings.special_codes[SpecialCodeIndex::VINTR] = 0;
        assert_eq!(of(&settings, b"\0\x03\x1c"), both[1..]);
        settings.local_modes.remove(LocalModes::ISIG);
        assert_eq!(of(&settings, b"\x03\x1c"), []);
        // Nobody is in the foreground of a terminal that nobody has.
        assert_eq!(signals(&master, Pid::this(), b"\x03"), []);
    }
}
