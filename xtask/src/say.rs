//! Everything xtask says. The only place that writes to its standard streams.

use std::fmt::Arguments;
use std::io::Write;

/// A line of the result, on stdout. A reader that went away is not an error.
pub(crate) fn line(text: Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// A line for the person who waits, on stderr.
pub(crate) fn note(text: Arguments<'_>) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
