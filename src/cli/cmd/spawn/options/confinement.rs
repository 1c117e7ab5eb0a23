//! What the program may do less than you.

use super::{Id as Any, opt};
use crate::cli::error::Failure;
use crate::cli::options::{Opt, Value};
use crate::cli::spawn::request::Request;
use crate::model::capability::CapSet;
use crate::model::cgroup::Bound;
use crate::model::limits::{Resource, Rlimit};
use crate::model::restriction::{Access, Beneath, Change, Named, Profile};
use crate::model::text::Text;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli::cmd::spawn) enum Id {
    CapDrop,
    CapAdd,
    NoNewPrivs,
    Seccomp,
    LandlockRo,
    LandlockRw,
    Rlimit,
    Nice,
    Umask,
}

const HEADING: &str = "Confinement";

const fn with(id: Id, long: &'static str, value: &'static str, help: &'static str) -> Opt<Any> {
    opt(Any::Confinement(id), None, long, Value::Required(value), (HEADING, help))
}

pub(super) const OPTIONS: &[Opt<Any>] = &[
    with(
        Id::CapDrop,
        "cap-drop",
        "LIST",
        "Capabilities that the program has not and cannot get: net_raw,setuid, or all; repeatable",
    ),
    with(
        Id::CapAdd,
        "cap-add",
        "LIST",
        "Capabilities that it has all the same, as any user; taken in order with --cap-drop",
    ),
    opt(
        Any::Confinement(Id::NoNewPrivs),
        None,
        "no-new-privs",
        Value::None,
        (HEADING, "No program that it runs has more privilege: set-user-ID is without effect"),
    ),
    with(
        Id::Seccomp,
        "seccomp",
        "default|FILE",
        "Which system calls it may make: a profile as docker and podman take it (JSON)",
    ),
    with(
        Id::LandlockRo,
        "landlock-ro",
        "PATH",
        "It may read and execute what is beneath, and open no file that is not listed; repeatable",
    ),
    with(
        Id::LandlockRw,
        "landlock-rw",
        "PATH",
        "It may write what is beneath too, and open no file that is not listed; repeatable",
    ),
    with(
        Id::Rlimit,
        "rlimit",
        "NAME=SOFT[:HARD]",
        "A resource limit as prlimit(1) names it: nofile=1024:4096, core=unlimited; repeatable",
    ),
    with(Id::Nice, "nice", "N", "Its nice value, from -20 to 19"),
    with(Id::Umask, "umask", "OCTAL", "Permissions that files it makes have not: 022"),
];

pub(super) fn take(request: &mut Request, id: Id, value: &OsStr) -> Result<(), Failure> {
    let wanted = &mut request.restrictions;
    match id {
        Id::CapDrop => wanted.capabilities.push(Change::Drop(capabilities("--cap-drop", value)?)),
        Id::CapAdd => wanted.capabilities.push(Change::Add(capabilities("--cap-add", value)?)),
        Id::NoNewPrivs => wanted.no_new_privs = true,
        Id::Seccomp => {
            let profile = match value.as_bytes() {
                b"" => return Err(Failure::usage("--seccomp: the path is empty")),
                b"default" => Profile::Default,
                _ => Profile::File(value.into()),
            };
            if wanted.seccomp.replace(profile).is_some() {
                return Err(Failure::usage("--seccomp: a profile is given twice"));
            }
        }
        Id::LandlockRo => wanted.landlock.push(beneath("--landlock-ro", Access::Read, value)?),
        Id::LandlockRw => wanted.landlock.push(beneath("--landlock-rw", Access::Write, value)?),
        Id::Rlimit => {
            let limit = rlimit(value)?;
            wanted.rlimits.retain(|other| other.resource != limit.resource);
            wanted.rlimits.push(limit);
        }
        Id::Nice => wanted.nice = Some(nice(value)?),
        Id::Umask => wanted.umask = Some(umask(value)?),
    }
    Ok(())
}

fn capabilities(option: &str, list: &OsStr) -> Result<Named, Failure> {
    let text = list.to_str().unwrap_or_default();
    if text.eq_ignore_ascii_case("all") {
        return Ok(Named::All);
    }
    let mut these = CapSet::default();
    for name in list.as_bytes().split(|byte| *byte == b',') {
        let one = std::str::from_utf8(name).ok().and_then(CapSet::named);
        these = these.or(one.ok_or_else(|| {
            let name = Text::new(name);
            Failure::usage(format!("{option}: {name} is no capability"))
                .hint("names as capabilities(7) has them, separated by commas, or all")
        })?);
    }
    Ok(Named::These(these))
}

fn beneath(option: &str, access: Access, path: &OsStr) -> Result<Beneath, Failure> {
    if path.is_empty() {
        return Err(Failure::usage(format!("{option}: the path is empty")));
    }
    Ok(Beneath { access, path: path.into() })
}

/// `nofile=1024:4096`, `RLIMIT_CORE=unlimited`, `as=2G`
fn rlimit(value: &OsStr) -> Result<Rlimit, Failure> {
    let refused = |why: &str| {
        let value = Text::new(value.as_bytes());
        Failure::usage(format!("--rlimit: {value}: {why}"))
            .hint("for example nofile=1024:4096, core=unlimited, as=2G")
    };
    let text = value.to_str().ok_or_else(|| refused("it is no text"))?;
    let (name, bounds) = text.split_once('=').ok_or_else(|| refused("it is not NAME=SOFT:HARD"))?;
    let lower = name.to_ascii_lowercase();
    let name = lower.strip_prefix("rlimit_").unwrap_or(&lower);
    let resource = Resource::ALL.into_iter().find(|resource| resource.short_name() == name);
    let resource = resource.ok_or_else(|| refused("there is no such limit"))?;
    let number = |text| bound(text, resource).ok_or_else(|| refused("it is no number"));
    let (soft, hard) = bounds.split_once(':').unwrap_or((bounds, bounds));
    let (soft, hard) = (number(soft)?, number(hard)?);
    let above = match (soft, hard) {
        (_, Bound::Unlimited) => false,
        (Bound::Unlimited, Bound::At(_)) => true,
        (Bound::At(soft), Bound::At(hard)) => soft > hard,
    };
    if above {
        return Err(refused("the soft limit is above the hard one"));
    }
    Ok(Rlimit { resource, soft, hard, used: None, exempt: None })
}

/// Of bytes also with K, M, G (binary).
fn bound(text: &str, resource: Resource) -> Option<Bound> {
    if text == "unlimited" || text == "-1" {
        return Some(Bound::Unlimited);
    }
    let shift = match text.bytes().last()? {
        b'K' | b'k' => 10,
        b'M' | b'm' => 20,
        b'G' | b'g' => 30,
        _ => 0,
    };
    let digits = if shift == 0 { text } else { text.get(..text.len() - 1)? };
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if !plain || (shift > 0 && !resource.is_bytes()) {
        return None;
    }
    let number = digits.parse::<u64>().ok()?.checked_mul(1 << shift)?;
    // The kernel's word for no limit.
    Some(if number == u64::MAX { Bound::Unlimited } else { Bound::At(number) })
}

fn nice(value: &OsStr) -> Result<i32, Failure> {
    let number = value.to_str().and_then(|text| text.parse().ok());
    number.filter(|number| (-20..=19).contains(number)).ok_or_else(|| {
        let value = Text::new(value.as_bytes());
        Failure::usage(format!("--nice: {value} is not a number from -20 to 19"))
    })
}

fn umask(value: &OsStr) -> Result<u32, Failure> {
    let text = value.to_str().unwrap_or_default();
    let octal = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = u32::from_str_radix(text, 8).ok().filter(|_| octal);
    number.filter(|number| *number <= 0o777).ok_or_else(|| {
        let value = Text::new(value.as_bytes());
        Failure::usage(format!("--umask: {value} is not an octal number up to 777"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::restriction::Restrictions;

    fn taken(options: &[(Id, &str)]) -> Result<Restrictions, String> {
        let mut request = Request::default();
        for (id, value) in options {
            take(&mut request, *id, OsStr::new(value)).map_err(|failure| failure.message)?;
        }
        Ok(request.restrictions)
    }

    #[test]
    fn capabilities_are_taken_in_order() {
        let options =
            [(Id::CapDrop, "ALL"), (Id::CapAdd, "net_raw,CAP_SETUID"), (Id::CapDrop, "Chown")];
        let set = |bits| Named::These(CapSet::of_bits(bits));
        assert_eq!(
            taken(&options).unwrap().capabilities,
            [Change::Drop(Named::All), Change::Add(set(1 << 13 | 1 << 7)), Change::Drop(set(1)),]
        );
        for wrong in ["", "net", "all,chown", "chown,", "net_raw setuid"] {
            let said = taken(&[(Id::CapAdd, wrong)]).unwrap_err();
            assert!(said.contains("is no capability"), "{wrong}: {said}");
        }
    }

    #[test]
    fn limits_are_what_they_say() {
        let limit = |value: &str| {
            let limits = taken(&[(Id::Rlimit, value)])?.rlimits;
            Ok::<_, String>((limits[0].resource, limits[0].soft, limits[0].hard))
        };
        let (at, any) = (Bound::At, Bound::Unlimited);
        for (value, expected) in [
            ("nofile=10:20", (Resource::OpenFiles, at(10), at(20))),
            ("RLIMIT_NPROC=7", (Resource::Processes, at(7), at(7))),
            ("core=0:unlimited", (Resource::CoreBytes, at(0), any)),
            ("core=-1", (Resource::CoreBytes, any, any)),
            ("as=2G", (Resource::AddressSpaceBytes, at(2 << 30), at(2 << 30))),
            ("stack=8m:unlimited", (Resource::StackBytes, at(8 << 20), any)),
            ("nice=30", (Resource::Nice, at(30), at(30))),
            ("cpu=18446744073709551615", (Resource::CpuSeconds, any, any)),
        ] {
            assert_eq!(limit(value), Ok(expected), "{value}");
        }
        for wrong in [
            "nofile",
            "nofile=",
            "nofile=:5",
            "nofile=5:",
            "nofile=x",
            "nofile=1K",
            "nofile=-2",
            "files=1",
            "=1",
            "nofile=5:4",
            "nofile=unlimited:4",
            "as=K",
            "as=99999999999G",
            "as=1T",
            "nofile=1:2:3",
            "nofile=+1",
        ] {
            assert!(limit(wrong).is_err(), "{wrong}");
        }
        let twice = taken(&[(Id::Rlimit, "core=1"), (Id::Rlimit, "core=2")]).unwrap();
        assert_eq!(twice.rlimits.len(), 1, "the last counts");
        assert_eq!(twice.rlimits[0].soft, at(2));
    }

    #[test]
    fn numbers_are_strict() {
        let nice = |value| taken(&[(Id::Nice, value)]).map(|wanted| wanted.nice);
        assert_eq!((nice("-20"), nice("19")), (Ok(Some(-20)), Ok(Some(19))));
        for wrong in ["", "-21", "20", "x", "1.5"] {
            assert!(nice(wrong).is_err(), "{wrong}");
        }
        let umask = |value| taken(&[(Id::Umask, value)]).map(|wanted| wanted.umask);
        assert_eq!((umask("022"), umask("0777")), (Ok(Some(0o22)), Ok(Some(0o777))));
        for wrong in ["", "8", "1000", "-1", "+22", "0o22", "u=rwx"] {
            assert!(umask(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_profile_is_a_word_or_a_file_and_given_once() {
        let profile = |value| taken(&[(Id::Seccomp, value)]).map(|wanted| wanted.seccomp);
        assert_eq!(profile("default"), Ok(Some(Profile::Default)));
        assert_eq!(profile("./default"), Ok(Some(Profile::File("./default".into()))));
        assert!(profile("").is_err());
        assert!(taken(&[(Id::Seccomp, "default"), (Id::Seccomp, "a")]).is_err());
        assert!(taken(&[(Id::LandlockRo, "")]).is_err());
        let paths = taken(&[(Id::LandlockRo, "/usr"), (Id::LandlockRw, "tmp")]).unwrap().landlock;
        assert_eq!(paths[1], Beneath { access: Access::Write, path: "tmp".into() });
    }

    proptest::proptest! {
        #[test]
        fn no_words_panic(value: String) {
            for id in [Id::CapDrop, Id::Rlimit, Id::Nice, Id::Umask, Id::Seccomp, Id::LandlockRw] {
                let _ = taken(&[(id, value.as_str())]);
            }
        }
    }
}
