//! Seccomp profiles for a program: read, compiled before anything is changed, and installed as the
//! last step before exec. seccomp(2).

use crate::action::error::{ActionError, Advise};
use crate::model::capability::CapSet;
use crate::model::restriction::Profile;
use crate::model::standing::Filter;
use crate::model::text::Text;
use crate::sys::bounded;
use crate::sys::error::{Context, SysError};
use crate::sys::raw;
use rustix::fs::{CWD, Mode, OFlags};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub mod compile;
pub mod profile;
mod usual;

/// docker's own has 13 KB.
const LARGEST_PROFILE: usize = 1 << 20;

/// What rules of a profile may depend on.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Those that the program is going to have.
    pub capabilities: CapSet,
    /// As Go names it.
    pub architecture: &'static str,
    /// Major and minor number of its version.
    pub kernel: (u32, u32),
}

impl Facts {
    fn here(capabilities: CapSet) -> Self {
        let uname = rustix::system::uname();
        // Who names its kernel otherwise has none that is older than every rule.
        let kernel = uname.release().to_str().ok().and_then(profile::version);
        let architecture = match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        };
        Self { capabilities, architecture, kernel: kernel.unwrap_or_default() }
    }
}

/// Filters that are ready to be installed, and what should be said about them.
pub fn prepare(
    which: &Profile,
    capabilities: CapSet,
) -> Result<(Vec<Filter>, Vec<String>), ActionError> {
    let facts = Facts::here(capabilities);
    let profile = match which {
        Profile::Default => usual::profile(&facts),
        Profile::File(path) => profile::parse(&read(path).advise(FORMAT)?, &facts)
            .map_err(|wrong| refused(which, &wrong))?,
    };
    let compiled = compile::compile(&profile).map_err(|wrong| refused(which, &wrong))?;
    let notes = match which {
        // It names calls of all architectures.
        Profile::Default => Vec::new(),
        Profile::File(path) => {
            let mute = compiled.mute.then(|| mute(path));
            unknown(path, &compiled.unknown).into_iter().chain(mute).collect()
        }
    };
    Ok((compiled.filters, notes))
}

const FORMAT: &str = "a file has a profile in the JSON of docker and podman, as nsx-spawn(1) says; \
                      `default` is nsx's own";

fn refused(which: &Profile, wrong: &dyn std::error::Error) -> ActionError {
    match which {
        Profile::Default => ActionError::Refused(format!("seccomp profile: {wrong}")),
        Profile::File(path) => {
            let path = Text::new(path.as_os_str().as_bytes());
            ActionError::refused(format!("seccomp profile {path}: {wrong}"), FORMAT)
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, SysError> {
    let object = || Text::new(path.as_os_str().as_bytes());
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY | OFlags::NONBLOCK;
    let file = rustix::fs::openat(CWD, path, flags, Mode::empty()).with_context("open", object)?;
    let mut bytes = Vec::new();
    let cut = bounded::read_fd_into(file.as_fd(), LARGEST_PROFILE, &mut bytes)
        .with_context("read", object)?;
    if cut {
        use crate::sys::error::Problem;
        return Err(SysError { doing: "read", object: object(), problem: Problem::Truncated });
    }
    Ok(bytes)
}

/// A name that is no call here restricts nothing and allows nothing: libseccomp passes over it too.
fn unknown(path: &Path, unknown: &std::collections::BTreeSet<String>) -> Option<String> {
    let first = unknown.first()?;
    let (path, first) = (Text::new(path.as_os_str().as_bytes()), Text::new(first.as_bytes()));
    Some(match unknown.len() - 1 {
        0 => format!("seccomp profile {path}: {first} is no system call here"),
        others => {
            format!("seccomp profile {path}: {first} and {others} more are no system calls here")
        }
    })
}

fn mute(path: &Path) -> String {
    let path = Text::new(path.as_os_str().as_bytes());
    format!(
        "seccomp profile {path}: it does not allow write or exit_group; a program that cannot be \
         executed ends by a signal, and nobody says why"
    )
}

/// From here on what nsx calls is judged as what the program calls.
pub(super) fn install(filters: &[Filter]) -> Result<(), ActionError> {
    for filter in filters {
        raw::seccomp::install(&filter.program, filter.logs)
            .context("install", "a seccomp filter")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_is_read_from_a_file_and_what_is_odd_in_it_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("profile.json");
        let file = Profile::File(path.clone());
        let prepare = |which: &Profile| prepare(which, CapSet::default());
        let missing = prepare(&file).unwrap_err().to_string();
        assert!(
            missing.starts_with("cannot open /") && missing.contains("No such file"),
            "{missing}"
        );
        std::fs::write(
            &path,
            br#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mount","m\u001b","n"],"action":"SCMP_ACT_ERRNO"}]}"#,
        )
        .unwrap();
        let (filters, notes) = prepare(&file).unwrap();
        assert_eq!(filters.len(), 1);
        assert!(notes[0].ends_with("profile.json: m\\x1b and 1 more are no system calls here"));
        std::fs::write(&path, b"[1]").unwrap();
        let wrong = prepare(&file).unwrap_err().to_string();
        assert!(
            wrong.starts_with("seccomp profile /") && wrong.contains("is no profile"),
            "{wrong}"
        );
        std::fs::write(&path, vec![b' '; LARGEST_PROFILE + 1]).unwrap();
        let long = prepare(&file).unwrap_err().to_string();
        assert!(long.ends_with("longer than the bound"), "{long}");
        let directory = prepare(&Profile::File("/".into())).unwrap_err().to_string();
        assert_eq!(directory, "cannot read /: Is a directory");
        assert_eq!(prepare(&Profile::Default).unwrap().1, [""; 0]);
        std::fs::write(
            &path,
            br#"{"defaultAction":"SCMP_ACT_KILL","syscalls":[{"names":["execve","write"],"action":"SCMP_ACT_ALLOW"}]}"#,
        )
        .unwrap();
        let (_, notes) = prepare(&file).unwrap();
        assert!(notes.len() == 1 && notes[0].contains("nobody says why"), "{notes:?}");
    }
}
