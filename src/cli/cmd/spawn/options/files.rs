//! Which files the program sees.

use super::limits::size;
use super::{Id as Any, opt};
use crate::cli::error::Failure;
use crate::cli::options::{Opt, Value};
use crate::cli::spawn::request::Request;
use crate::model::files::{More, Writes};
use crate::model::text::Text;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::cmd::spawn) enum Id {
    Rootfs,
    Overlay,
    ReadOnly,
    Bind,
    ReadOnlyBind,
    Memory,
}

const HEADING: &str = "Files";

const fn files(id: Id, long: &'static str, value: Value, help: &'static str) -> Opt<Any> {
    opt(Any::Files(id), None, long, value, (HEADING, help))
}

pub(super) const OPTIONS: &[Opt<Any>] = &[
    files(
        Id::Rootfs,
        "rootfs",
        Value::Required("DIR|TAR"),
        "The root: a directory, or a tar archive (.gz too) that is unpacked in memory",
    ),
    files(
        Id::Overlay,
        "overlay",
        Value::Optional("DIR"),
        "The root stays untouched: what is written goes to memory, or below DIR",
    ),
    files(Id::ReadOnly, "read-only", Value::None, "Nothing can be written to the root"),
    files(
        Id::Bind,
        "bind",
        Value::Required("SOURCE[:PATH]"),
        "Shows a file or directory of the host's inside; repeatable",
    ),
    files(Id::ReadOnlyBind, "ro-bind", Value::Required("SOURCE[:PATH]"), "The same, read-only"),
    files(
        Id::Memory,
        "tmpfs",
        Value::Required("PATH[:size=SIZE,mode=MODE]"),
        "An empty directory in memory; repeatable",
    ),
];

pub(super) fn take(request: &mut Request, id: Id, value: Option<OsString>) -> Result<(), Failure> {
    let files = &mut request.files;
    let text = value.clone().unwrap_or_default();
    match id {
        Id::Rootfs => files.root = Some(some_path("--rootfs", &text)?),
        Id::Overlay => {
            files.overlay = Some(match value {
                Some(directory) => Writes::Directory(some_path("--overlay", &directory)?),
                None => Writes::Memory,
            });
        }
        Id::ReadOnly => files.read_only = true,
        Id::Bind => files.more.push(bind("--bind", &text, false)?),
        Id::ReadOnlyBind => files.more.push(bind("--ro-bind", &text, true)?),
        Id::Memory => files.more.push(memory(&text)?),
    }
    Ok(())
}

fn some_path(option: &str, value: &OsStr) -> Result<PathBuf, Failure> {
    if value.is_empty() {
        return Err(Failure::usage(format!("{option}: the path is empty")));
    }
    Ok(PathBuf::from(value))
}

/// A place in the root.
fn inside(option: &str, value: &OsStr) -> Result<PathBuf, Failure> {
    let path = Path::new(value);
    let leads_up = path.components().any(|part| part == Component::ParentDir);
    if path.is_absolute() && !leads_up && path != Path::new("/") {
        return Ok(path.to_owned());
    }
    let value = Text::new(value.as_bytes());
    Err(Failure::usage(format!("{option}: {value} is no path inside the root"))
        .hint("name it from the root on, without `..`: SOURCE:/srv/data"))
}

/// `SOURCE[:PATH]`; without a path it is where it is outside. A colon of a name is `\:`.
fn bind(option: &str, value: &OsStr, read_only: bool) -> Result<More, Failure> {
    let words = split(value);
    let (source, at) = match words.as_slice() {
        [source] => (source, source),
        [source, at] => (source, at),
        _ => {
            let value = Text::new(value.as_bytes());
            return Err(Failure::usage(format!("{option}: {value} is not SOURCE[:PATH]"))
                .hint("a colon in a name is written \\:"));
        }
    };
    let source = some_path(option, source)?;
    // The host's root inside is the root.
    if at == OsStr::new("/") {
        return Err(Failure::usage(format!("{option}: nothing can be mounted on /"))
            .hint("--rootfs names the root; without it the root is the host's: --read-only"));
    }
    Ok(More::Bind { source, at: inside(option, at)?, read_only })
}

fn split(value: &OsStr) -> Vec<OsString> {
    let mut words = vec![Vec::new()];
    let mut bytes = value.as_bytes().iter().peekable();
    while let Some(byte) = bytes.next() {
        let escaped = *byte == b'\\' && bytes.peek() == Some(&&b':');
        match (byte, words.last_mut()) {
            (b':', _) => words.push(Vec::new()),
            (_, Some(word)) if escaped => word.extend(bytes.next()),
            (_, Some(word)) => word.push(*byte),
            (_, None) => {}
        }
    }
    words.into_iter().map(OsString::from_vec).collect()
}

/// `PATH[:size=SIZE,mode=MODE]`
fn memory(value: &OsStr) -> Result<More, Failure> {
    const OPTION: &str = "--tmpfs";
    let words = split(value);
    let refused = |what: &[u8]| {
        Failure::usage(format!("{OPTION}: {} is not known here", Text::new(what)))
            .hint("for example /srv:size=64M,mode=0755")
    };
    let (at, settings) = match words.as_slice() {
        [at] => (at, None),
        [at, settings] => (at, Some(settings)),
        _ => return Err(refused(value.as_bytes())),
    };
    let at = inside(OPTION, at)?;
    let (mut size_bytes, mut mode) = (None, None);
    let settings = settings.map(|settings| settings.as_bytes()).unwrap_or_default();
    for setting in settings.split(|byte| *byte == b',').filter(|setting| !setting.is_empty()) {
        let not = || refused(setting);
        match setting.strip_prefix(b"size=") {
            Some(text) => size_bytes = Some(size(text).ok_or_else(not)?),
            None => {
                let text = setting.strip_prefix(b"mode=").ok_or_else(not)?;
                mode = Some(octal(text).ok_or_else(not)?);
            }
        }
    }
    Ok(More::Memory { at, size_bytes, mode })
}

fn octal(text: &[u8]) -> Option<u32> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::files::Files;

    fn taken(options: &[(Id, &str)]) -> Result<Files, String> {
        let mut request = Request::default();
        for (id, value) in options {
            let value = Some(OsString::from(value)).filter(|_| *id != Id::ReadOnly);
            take(&mut request, *id, value).map_err(|failure| failure.message)?;
        }
        Ok(request.files)
    }

    fn bound(source: &str, at: &str, read_only: bool) -> More {
        More::Bind { source: source.into(), at: at.into(), read_only }
    }

    #[test]
    fn they_are_taken_in_their_order() {
        let files = taken(&[
            (Id::Rootfs, "dir"),
            (Id::ReadOnly, ""),
            (Id::Bind, "/srv"),
            (Id::Memory, "/t:size=2M,mode=0700"),
            (Id::ReadOnlyBind, "x/y:/z"),
            (Id::Bind, "a\\:b:/c\\:d"),
            (Id::Memory, "/u"),
        ])
        .unwrap();
        assert_eq!(files.root, Some("dir".into()));
        assert!(files.read_only && files.overlay.is_none());
        let memory = |at: &str, size_bytes, mode| More::Memory { at: at.into(), size_bytes, mode };
        assert_eq!(
            files.more,
            [
                bound("/srv", "/srv", false),
                memory("/t", Some(2 << 20), Some(0o700)),
                bound("x/y", "/z", true),
                bound("a:b", "/c:d", false),
                memory("/u", None, None),
            ]
        );
    }

    #[test]
    fn what_names_no_place_inside_is_refused() {
        for (id, value) in [
            (Id::Bind, ""),
            (Id::Bind, "relative"),
            (Id::Bind, "/a:b"),
            (Id::Bind, "/a:/b/../c"),
            (Id::Bind, "/a:/b:/c"),
            (Id::Bind, "/:/"),
            (Id::Bind, ":/b"),
            (Id::ReadOnlyBind, "/"),
            (Id::Memory, "t"),
            (Id::Memory, "/"),
            (Id::Memory, "/t:size=x"),
            (Id::Memory, "/t:mode=9"),
            (Id::Memory, "/t:mode=77777"),
            (Id::Memory, "/t:uid=0"),
            (Id::Rootfs, ""),
            (Id::Overlay, ""),
        ] {
            assert!(taken(&[(id, value)]).is_err(), "{value}");
        }
    }
}
