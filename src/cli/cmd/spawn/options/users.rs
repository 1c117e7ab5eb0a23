//! Who is who in a new user namespace, and who the program is.

use super::{Id as Any, opt};
use crate::cli::error::Failure;
use crate::cli::options::{Opt, Value};
use crate::cli::spawn::request::{Map, Own, Request};
use crate::cli::values::id as number;
use crate::model::namespace::Kind;
use crate::model::security::IdRange;
use crate::model::text::Text;
use crate::model::user_map::{Setgroups, Source};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::cmd::spawn) enum Id {
    MapRoot,
    MapCurrent,
    MapUser,
    MapGroup,
    MapUsers,
    MapGroups,
    MapAuto,
    MapSubids,
    LossyMap,
    Owner,
    Setgroups,
    User,
    SetUid,
    SetGid,
    KeepCapabilities,
}

const HEADING: &str = "Users";

const fn flag(id: Id, short: Option<char>, long: &'static str, help: &'static str) -> Opt<Any> {
    opt(Any::Users(id), short, long, Value::None, (HEADING, help))
}

const fn with(
    id: Id,
    short: Option<char>,
    long: &'static str,
    value: &'static str,
    help: &'static str,
) -> Opt<Any> {
    opt(Any::Users(id), short, long, Value::Required(value), (HEADING, help))
}

pub(super) const OPTIONS: &[Opt<Any>] = &[
    Opt {
        aliases: &["map-root-user"],
        ..flag(Id::MapRoot, Some('r'), "map-root", "You are root inside; implies --newuser")
    },
    flag(Id::MapCurrent, Some('c'), "map-current-user", "You are yourself inside"),
    with(Id::MapUser, None, "map-user", "UID", "You are this user inside"),
    with(Id::MapGroup, None, "map-group", "GID", "You are in this group inside"),
    with(
        Id::MapUsers,
        None,
        "map-users",
        "RANGE",
        "INSIDE:OUTSIDE:COUNT, or auto (your subordinate ids, from 0 on), subids (the same, as themselves), all; repeatable",
    ),
    with(Id::MapGroups, None, "map-groups", "RANGE", "The same of groups"),
    flag(Id::MapAuto, None, "map-auto", "Your subordinate users and groups, from 0 on"),
    flag(Id::MapSubids, None, "map-subids", "Your subordinate users and groups, as themselves"),
    flag(
        Id::LossyMap,
        None,
        "lossy-map",
        "Where a range overlaps with your own id, the range gives way: an id of it may be lost",
    ),
    with(Id::Owner, None, "owner", "UID:GID", "Who owns the new user namespace in your place"),
    with(Id::Setgroups, None, "setgroups", "allow|deny", "Whether setgroups(2) is there inside"),
    opt(
        Any::Users(Id::User),
        None,
        "user",
        Value::Optional("USER[:GROUP]"),
        (
            HEADING,
            "Who the program is, by name or number; names are those of its root's passwd and group. Without a value, or with a file: as --newuser",
        ),
    ),
    with(Id::SetUid, Some('S'), "setuid", "UID", "The program's user, by number"),
    with(Id::SetGid, Some('G'), "setgid", "GID", "The program's group, by number, and no other"),
    flag(
        Id::KeepCapabilities,
        None,
        "keep-caps",
        "What you may do in the new user namespace the program may too, whoever it is",
    ),
];

pub(super) fn take(request: &mut Request, id: Id, value: Option<&OsStr>) -> Result<(), Failure> {
    if id == Id::User {
        return user(request, value);
    }
    let value = value.unwrap_or_default();
    let map = &mut request.map;
    match id {
        Id::MapRoot => own(map, Own::Root),
        Id::MapCurrent => own(map, Own::Current),
        Id::MapUser => map.user = Some(Own::Number(number("--map-user", value)?)),
        Id::MapGroup => map.group = Some(Own::Number(number("--map-group", value)?)),
        Id::MapUsers => map.users.push(range("--map-users", value)?),
        Id::MapGroups => map.groups.push(range("--map-groups", value)?),
        Id::MapAuto => both(map, Source::Auto),
        Id::MapSubids => both(map, Source::Subordinate),
        Id::LossyMap => map.yields = true,
        Id::Owner => request.owner = Some(pair(value)?),
        Id::Setgroups => {
            map.setgroups = Some(match value.as_bytes() {
                b"allow" => Setgroups::Allow,
                b"deny" => Setgroups::Deny,
                other => {
                    let other = Text::new(other);
                    return Err(Failure::usage(format!(
                        "--setgroups: {other} is not allow or deny"
                    )));
                }
            });
        }
        // Above.
        Id::User => {}
        Id::SetUid => request.uid = Some(number("--setuid", value)?),
        Id::SetGid => request.gid = Some(number("--setgid", value)?),
        Id::KeepCapabilities => request.keep_capabilities = true,
    }
    Ok(())
}

/// As unshare(1) has it, unless the value is a name or a number.
fn user(request: &mut Request, value: Option<&OsStr>) -> Result<(), Failure> {
    match value {
        Some(value) if value.is_empty() => Err(Failure::usage("--user: the user is empty")),
        Some(value) if !value.as_bytes().contains(&b'/') => {
            match request.user.replace(value.to_owned()) {
                Some(_) => Err(Failure::usage("--user: the user is given twice")),
                None => Ok(()),
            }
        }
        file => {
            request.bare_user |= file.is_none();
            let id = super::namespaces::Id::New(Kind::User);
            super::namespaces::take(request, id, file.map(OsStr::to_owned))
        }
    }
}

fn own(map: &mut Map, own: Own) {
    (map.user, map.group) = (Some(own), Some(own));
}

fn both(map: &mut Map, source: Source) {
    map.users.push(source);
    map.groups.push(source);
}

fn range(option: &str, value: &OsStr) -> Result<Source, Failure> {
    match value.as_bytes() {
        b"auto" => return Ok(Source::Auto),
        b"subids" => return Ok(Source::Subordinate),
        b"all" => return Ok(Source::All),
        _ => {}
    }
    let text = value.to_str().unwrap_or_default();
    let id = |part| number(option, OsStr::new(part)).ok();
    let parts: Vec<&str> = text.split(':').collect();
    let range = match parts[..] {
        [inside, outside, count] => id(inside).zip(id(outside)).zip(all_but_none(count)),
        _ => None,
    };
    match range {
        Some(((inside, outside), count)) => Ok(Source::These(IdRange { inside, outside, count })),
        None => {
            let value = Text::new(value.as_bytes());
            Err(Failure::usage(format!("{option}: {value} is no range"))
                .hint("INSIDE:OUTSIDE:COUNT, for example 0:100000:65536, or auto, subids, all"))
        }
    }
}

/// As many ids as there are, where an id may not be the last number, which means none.
fn all_but_none(count: &str) -> Option<u32> {
    let is_number = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    count.parse().ok().filter(|count| is_number && *count > 0)
}

fn pair(value: &OsStr) -> Result<(u32, u32), Failure> {
    let text = value.to_str().unwrap_or_default();
    let (uid, gid) = text.split_once(':').unwrap_or((text, ""));
    Ok((number("--owner", OsStr::new(uid))?, number("--owner", OsStr::new(gid))?))
}
