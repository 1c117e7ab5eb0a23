//! The personality `unshare`: the options, messages and exit codes of unshare(1), util-linux 2.42,
//! and the two options of 2.43.
//!
//! What differs does so on purpose: nsx(1) tells it. The options become the same request as those
//! of `nsx spawn`, and what is done is the same.

pub mod options;
mod values;
mod words;

use crate::cli::context::Context;
use crate::cli::entry::Command;
use crate::cli::error::{Failure, Kind};
use crate::cli::{output, spawn};
use crate::sys::accounts;
use crate::sys::root::SysRoot;
use options::Asked;
use std::ffi::OsString;
use std::path::Path;
use words::Words;

/// As it is entered in the list of personalities.
pub const COMMAND: Command = Command { name: "unshare", run };

const HELP: &str = include_str!("../help/unshare.txt");
const VERSION: &str =
    concat!("unshare from nsx ", env!("CARGO_PKG_VERSION"), ", as in util-linux 2.42\n");

fn run(context: &Context, arguments: Vec<OsString>) -> Result<u8, Failure> {
    let request = match options::parse(arguments, &Listed) {
        Ok(Asked::Run(request)) => *request,
        Ok(Asked::Help) => return output::write(HELP).map(|()| 0),
        Ok(Asked::Version) => return output::write(VERSION).map(|()| 0),
        Err(error) => return Err(Failure::new(Kind::Failed, error)),
    };
    let words = Words::of(&request);
    spawn::run(context, request).map_err(|failure| words.of_failure(&failure))
}

/// Who is who on this host.
struct Listed;

impl options::Names for Listed {
    fn uid(&self, name: &[u8]) -> Option<u32> {
        accounts::uid(name, &list("/etc/passwd"))
    }

    fn gid(&self, name: &[u8]) -> Option<u32> {
        accounts::gid(name, &list("/etc/group"))
    }
}

/// Empty where there is none: then only numbers are known.
fn list(file: &str) -> Vec<u8> {
    let read = |root: SysRoot| root.read(Path::new(file), accounts::LONGEST);
    SysRoot::real().and_then(read).unwrap_or_default()
}
