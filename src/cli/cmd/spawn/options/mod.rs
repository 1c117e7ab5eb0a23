//! The options of `nsx spawn`: a group of them a file.

mod confinement;
mod files;
mod life;
mod limits;
mod mounts;
mod namespaces;
mod network;
mod settings;
mod users;

use crate::cli::error::Failure;
use crate::cli::options::{Opt, Value};
use crate::cli::spawn::request::Request;
use std::ffi::OsString;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Id {
    Namespaces(namespaces::Id),
    Network(network::Id),
    Users(users::Id),
    Files(files::Id),
    Mounts(mounts::Id),
    Limits(limits::Id),
    Confinement(confinement::Id),
    Settings(settings::Id),
    Life(life::Id),
}

/// In the order in which they are listed.
pub(super) const OPTIONS: &[&[Opt<Id>]] = &[
    namespaces::OPTIONS,
    network::OPTIONS,
    users::OPTIONS,
    files::OPTIONS,
    mounts::OPTIONS,
    limits::OPTIONS,
    confinement::OPTIONS,
    settings::OPTIONS,
    life::OPTIONS,
];

const fn opt(
    id: Id,
    short: Option<char>,
    long: &'static str,
    value: Value,
    (heading, help): (&'static str, &'static str),
) -> Opt<Id> {
    Opt { id, short, long, aliases: &[], value, heading: Some(heading), help }
}

pub(super) fn read(
    options: Vec<(Id, Option<OsString>)>,
    program: Vec<OsString>,
) -> Result<Request, Failure> {
    let mut request = Request { program, ..Request::default() };
    for (id, value) in options {
        match id {
            Id::Namespaces(id) => namespaces::take(&mut request, id, value)?,
            Id::Network(id) => network::take(&mut request, id, &value.unwrap_or_default())?,
            Id::Users(id) => users::take(&mut request, id, value.as_deref())?,
            Id::Files(id) => files::take(&mut request, id, value)?,
            Id::Mounts(id) => mounts::take(&mut request, id, value)?,
            Id::Limits(id) => limits::take(&mut request, id, &value.unwrap_or_default())?,
            Id::Confinement(id) => {
                confinement::take(&mut request, id, &value.unwrap_or_default())?;
            }
            Id::Settings(id) => settings::take(&mut request, id, &value.unwrap_or_default())?,
            Id::Life(id) => life::take(&mut request, id, value.as_deref())?,
        }
    }
    Ok(request)
}

/// Whether `--stop` is among the words before the program, as far as they can be told apart: a value
/// may look like an option.
pub(super) fn ends_one(words: &[OsString]) -> bool {
    let mut words = words.iter().map(|word| word.as_encoded_bytes());
    while let Some(word) = words.next() {
        let Some(long) = word.strip_prefix(b"--").filter(|long| !long.is_empty()) else {
            let is_option = word.len() > 1 && word.starts_with(b"-") && word != b"--";
            if is_option {
                continue;
            }
            return false;
        };
        if long == b"stop" || long.starts_with(b"stop=") {
            return true;
        }
        let takes_next = OPTIONS.iter().copied().flatten().any(|option| {
            option.long.as_bytes() == long && matches!(option.value, Value::Required(_))
        });
        if takes_next {
            words.next();
        }
    }
    false
}

#[cfg(test)]
mod tests;
