//! Standard output and error. A reader that has gone is a quiet success; any other failure to write is
//! loud.

use super::error::{Failure, Kind};
use crate::sys::error::IntoErrno;
use nix::errno::Errno;
use nix::sys::signal::Signal;
use serde::Serialize;
use std::io::{BufWriter, ErrorKind, Write};

/// What is written at once of a long result.
const PIECE: usize = 32 << 10;

/// Writes a whole result to standard output.
pub fn write(text: &str) -> Result<(), Failure> {
    complete(Stdout::begin().write_all(text.as_bytes()))
}

/// Writes JSON to standard output, a line for each. Strings from outside are escaped by their type,
/// so that no control or bidirectional character is in it, escaped or not.
pub fn write_json<T: Serialize>(values: impl IntoIterator<Item = T>) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(PIECE, Stdout::begin());
    for value in values {
        match serde_json::to_writer(&mut out, &value) {
            Err(error) if !error.is_io() => {
                return Err(Failure::new(Kind::Internal, format!("cannot write JSON: {error}")));
            }
            Err(error) => return complete(Err(error.into())),
            Ok(()) => complete(out.write_all(b"\n"))?,
        }
    }
    complete(out.flush())
}

/// Standard output as it is. The standard library's takes a closed one for a good place to write to.
struct Stdout;

impl Stdout {
    /// A reader that has gone, or a file that is full, is an answer here, not a reason to die.
    fn begin() -> Self {
        for signal in [Signal::SIGPIPE, Signal::SIGXFSZ] {
            let _ = crate::sys::raw::signal::set_ignored(signal as i32);
        }
        Self
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        Ok(rustix::io::write(rustix::stdio::stdout(), bytes)?)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn complete(written: std::io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            let why = match error.into_errno() {
                Errno::EBADF => "it is not open for writing",
                errno => errno.desc(),
            };
            Err(Failure::new(Kind::Failed, format!("cannot write to standard output: {why}")))
        }
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
