//! What the program finds set: names, directory, environment.

use super::{Id as Any, opt};
use crate::cli::error::Failure;
use crate::cli::options::{Opt, Value};
use crate::cli::spawn::request::Request;
use crate::cli::values::{path, variable};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::cmd::spawn) enum Id {
    Hostname,
    Domainname,
    Directory,
    Env,
    ClearEnv,
    KeepEnv,
}

const HEADING: &str = "Program";

const fn set(
    id: Id,
    short: Option<char>,
    long: &'static str,
    value: Value,
    help: &'static str,
) -> Opt<Any> {
    opt(Any::Settings(id), short, long, value, (HEADING, help))
}

pub(super) const OPTIONS: &[Opt<Any>] = &[
    set(
        Id::Hostname,
        None,
        "hostname",
        Value::Required("NAME"),
        "Hostname inside; implies --newuts",
    ),
    set(
        Id::Domainname,
        None,
        "domainname",
        Value::Required("NAME"),
        "NIS domain name inside; implies --newuts",
    ),
    Opt {
        aliases: &["chdir"],
        ..set(
            Id::Directory,
            Some('w'),
            "wd",
            Value::Required("DIR"),
            "Where the program starts, as it is called inside",
        )
    },
    set(Id::Env, Some('E'), "env", Value::Required("NAME=VALUE"), "Sets a variable; repeatable"),
    set(Id::ClearEnv, None, "clear-env", Value::None, "Nothing of your environment is passed on"),
    set(
        Id::KeepEnv,
        None,
        "whitelist-env",
        Value::Required("NAMES"),
        "Nothing but these, separated by commas; repeatable",
    ),
];

pub(super) fn take(request: &mut Request, id: Id, value: &OsStr) -> Result<(), Failure> {
    let environment = &mut request.environment;
    match id {
        Id::Hostname => request.hostname = Some(value.to_owned()),
        Id::Domainname => request.domainname = Some(value.to_owned()),
        Id::Directory => request.directory = Some(path("--wd", value)?),
        Id::Env => environment.more.push(variable("--env", value)?),
        Id::ClearEnv => {
            environment.only.get_or_insert_default();
        }
        Id::KeepEnv => environment.only.get_or_insert_default().extend(names(value)),
    }
    Ok(())
}

fn names(list: &OsStr) -> impl Iterator<Item = OsString> {
    let names = list.as_bytes().split(|byte| *byte == b',').filter(|name| !name.is_empty());
    names.map(|name| OsString::from_vec(name.to_vec()))
}
