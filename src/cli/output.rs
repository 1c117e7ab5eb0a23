//! Standard output and error. A closed pipe is a quiet success; any other failure to write is loud.

use super::error::{Failure, Kind};
use nix::sys::signal::Signal;
use std::io::Write;

/// Writes a whole result to standard output.
pub fn write(text: &str) -> Result<(), Failure> {
    // A reader that has gone, or a file that is full, is an answer here, not a reason to die.
    for signal in [Signal::SIGPIPE, Signal::SIGXFSZ] {
        let _ = crate::sys::raw::signal::set_ignored(signal as i32);
    }
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    match written {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(
            Kind::Failed,
            format!(
                "cannot write to standard output: {}",
                crate::sys::error::IntoErrno::into_errno(error).desc()
            ),
        )),
        _ => Ok(()),
    }
}

/// Says something to the person; where nobody listens there is nobody to tell.
pub fn say(program: &str, message: &str) {
    let _ = writeln!(std::io::stderr(), "{program}: {message}");
}

/// Data for whoever reads standard error.
pub fn tell(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}

/// The same where there is something to say.
pub fn note(program: &str, message: Option<String>) {
    if let Some(message) = message {
        say(program, &message);
    }
}

/// The message and its hint, on standard error.
pub fn say_failure(program: &str, failure: &Failure) {
    let mut text = format!("{program}: {}\n", failure.message);
    if let Some(hint) = &failure.hint {
        text.push_str("  hint: ");
        text.push_str(hint);
        text.push('\n');
    }
    let _ = std::io::stderr().write_all(text.as_bytes());
}
