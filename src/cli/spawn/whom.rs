//! Who the program is to be, by the files of the root that it gets.

use super::host::Host;
use super::request::Request;
use crate::cli::error::Failure;
use crate::collect::accounts::{self, AccountError};
use crate::model::files::Writes;
use crate::model::text::Text;
use crate::sys::accounts::{Account, by_numbers};
use crate::sys::error::Context;
use rustix::fs::{Mode, OFlags};
use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

pub(super) fn account(host: &Host, request: &Request) -> Result<Option<Account>, Failure> {
    let Some(user) = &request.user else { return Ok(None) };
    if request.uid.is_some() || request.gid.is_some() {
        return Err(Failure::usage(
            "--user says who the program is: there is no --setuid or --setgid",
        ));
    }
    if let Some(numbers) = by_numbers(user.as_bytes()) {
        return Ok(Some(numbers));
    }
    let rootfs = request.files.root.as_ref().map(|root| root.as_os_str().as_bytes());
    let new = request.root.as_ref().map(|root| root.to_bytes()).or(rootfs);
    let root = match new {
        Some(new) => match directory(Path::new(OsStr::from_bytes(new))) {
            Err(rustix::io::Errno::NOTDIR) => {
                return Err(Failure::usage(
                    "--user: who is who in an archive is not known before it is unpacked",
                )
                .hint(NUMBERS));
            }
            opened => opened.with_context("open", || Text::new(new))?,
        },
        None => host.root()?.open_dir(Path::new("/"))?,
    };
    let layer = match &request.files.overlay {
        // What was written there before is what the program is going to see.
        Some(Writes::Directory(layer)) => directory(&layer.join("upper")).ok(),
        Some(Writes::Memory) | None => None,
    };
    let layers: Vec<BorrowedFd<'_>> = layer.iter().chain([&root]).map(AsFd::as_fd).collect();
    let found = accounts::account(&layers, user.as_bytes());
    Ok(Some(found.map_err(|error| match error {
        AccountError::NoAccount(error) => Failure::usage(format!("--user: {error}")).hint(NUMBERS),
        AccountError::Unreadable(error) => Failure::from(error).hint(NUMBERS),
    })?))
}

fn directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
}

const NUMBERS: &str = "numbers need no line there: --user=UID:GID";
