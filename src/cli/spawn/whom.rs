//! Who the program is to be, by the files of the root that it gets.

use super::host::Host;
use super::request::Request;
use crate::cli::error::Failure;
use crate::collect::accounts::{self, AccountError};
use crate::sys::accounts::Account;
use crate::sys::error::Context;
use rustix::fs::{Mode, OFlags};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub(super) fn account(host: &Host, request: &Request) -> Result<Option<Account>, Failure> {
    let Some(user) = &request.user else { return Ok(None) };
    if request.uid.is_some() || request.gid.is_some() {
        return Err(Failure::usage(
            "--user says who the program is: there is no --setuid or --setgid",
        ));
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let rootfs = request.files.root.as_ref().map(|root| root.as_os_str().as_bytes());
    let new = request.root.as_ref().map(|root| root.to_bytes()).or(rootfs);
    let place = match new {
        Some(new) => match rustix::fs::open(new, flags, Mode::empty()) {
            Err(rustix::io::Errno::NOTDIR) => {
                return Err(Failure::usage(
                    "--user: who is who in an archive is not known before it is unpacked",
                )
                .hint("--setuid and --setgid take numbers"));
            }
            opened => opened.with_context("open", || crate::model::text::Text::new(new))?,
        },
        None => host.root()?.open_dir(Path::new("/"))?,
    };
    let found = accounts::account(place.as_fd(), user.as_bytes());
    Ok(Some(found.map_err(|error| match error {
        AccountError::NoAccount(error) => Failure::usage(format!("--user: {error}")).hint(NUMBERS),
        AccountError::Unreadable(error) => Failure::from(error).hint(NUMBERS),
    })?))
}

const NUMBERS: &str = "numbers need no line there: --user=UID:GID";
