//! The personality `nsenter`: the options, messages and exit codes of nsenter(1), util-linux 2.42.
//!
//! What differs does so on purpose: nsx(1) tells it. The options become the same request as those
//! of `nsx enter`, and what is done is the same.

pub mod options;
mod words;

use crate::cli::context::Context;
use crate::cli::enter;
use crate::cli::entry::Command;
use crate::cli::error::{Failure, Kind};
use crate::cli::output;
use options::Asked;
use std::ffi::OsString;
use words::Words;

/// As it is entered in the list of personalities.
pub const COMMAND: Command = Command { name: "nsenter", run };

/// Whether its file system is where it is mounted by convention.
fn selinux() -> bool {
    rustix::fs::access("/sys/fs/selinux/enforce", rustix::fs::Access::EXISTS).is_ok()
}

const HELP: &str = include_str!("../help/nsenter.txt");
const VERSION: &str =
    concat!("nsenter from nsx ", env!("CARGO_PKG_VERSION"), ", as in util-linux 2.42\n");

fn run(context: &Context, arguments: Vec<OsString>) -> Result<u8, Failure> {
    let request = match options::parse(arguments) {
        Ok(Asked::Run { mut request, context }) => {
            // Without SELinux there is no context to take, as nsenter has it.
            request.standing.label = context && selinux();
            *request
        }
        Ok(Asked::Help) => return output::write(HELP).map(|()| 0),
        Ok(Asked::Version) => return output::write(VERSION).map(|()| 0),
        Err(error) => return Err(Failure::new(Kind::Failed, error)),
    };
    let words = Words::of(&request);
    enter::run(context, request).map_err(|failure| words.of_failure(&failure))
}
