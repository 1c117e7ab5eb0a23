//! Who the program is to be, by the files of the root that it gets.

use super::host::Host;
use super::request::Request;
use crate::cli::error::{AS_NUMBERS, AS_ZERO, Failure};
use crate::collect::accounts::{self, Root};
use crate::model::files::Writes;
use crate::model::namespace::Kind;
use crate::model::text::Text;
use crate::sys::accounts::{Account, AccountError, by_numbers};
use crate::sys::error::Context;
use crate::sys::root::path_text;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

pub(super) fn account(host: &Host, request: &Request) -> Result<Option<Account>, Failure> {
    let Some(user) = &request.user else { return Ok(None) };
    if request.uid.is_some() || request.gid.is_some() {
        return Err(Failure::usage(
            "--user says who the program is: there is no --setuid or --setgid",
        ));
    }
    let by_user = request.new.has(Kind::User);
    if let Some(numbers) = by_numbers(user.as_bytes()) {
        // They count without a line, and so without a root that can be looked into.
        let described = layers(host, request).ok().and_then(|layers| {
            let layers: Vec<_> = layers.iter().map(AsFd::as_fd).collect();
            accounts::described(Root { layers: &layers, by_user }, &numbers).ok()
        });
        return Ok(Some(described.unwrap_or(numbers)));
    }
    let layers = layers(host, request)?;
    let layers: Vec<_> = layers.iter().map(AsFd::as_fd).collect();
    let found = accounts::account(Root { layers: &layers, by_user }, user.as_bytes());
    let found = found.map_err(|error| match error {
        AccountError::NoAccount(error) => {
            Failure::usage(format!("--user: {error}")).hint(AS_NUMBERS)
        }
        AccountError::Unreadable(error) => Failure::from(error).hint(AS_NUMBERS),
    })?;
    let is_theirs = request.is_foreign() || request.root.is_some();
    if is_theirs && found.is_disguised_root(user.as_bytes()) {
        return Err(Failure::usage(
            "--user: in the root's own /etc/passwd that user is 0, as root is",
        )
        .hint(AS_ZERO));
    }
    Ok(Some(found))
}

/// What the root is going to be made up of, the upper one first.
fn layers(host: &Host, request: &Request) -> Result<Vec<OwnedFd>, Failure> {
    let rootfs = request.files.root.as_ref().map(|root| root.as_os_str().as_bytes());
    let new = request.root.as_ref().map(|root| root.to_bytes()).or(rootfs);
    let root = match new {
        Some(new) => match directory(Path::new(OsStr::from_bytes(new))) {
            Err(Errno::NOTDIR) => {
                return Err(Failure::usage(
                    "--user: who is who in an archive is not known before it is unpacked",
                )
                .hint(AS_NUMBERS));
            }
            opened => opened.with_context("open", || Text::new(new))?,
        },
        None => host.root()?.open_dir(Path::new("/"))?,
    };
    let Some(Writes::Directory(layer)) = &request.files.overlay else { return Ok(vec![root]) };
    // What was written there before is what the program is going to see.
    let upper = layer.join("upper");
    match directory(&upper) {
        Err(Errno::NOENT) => Ok(vec![root]),
        opened => Ok(vec![opened.with_context("open", || path_text(&upper))?, root]),
    }
}

fn directory(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty())
}
