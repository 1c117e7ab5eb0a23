//! Which files a program may use, by Landlock: landlock(7), and Documentation/userspace-api of the
//! kernel.
//!
//! What Landlock can deny is denied where no rule allows it: reading, executing, change of what is in
//! files and directories, and what ioctl(2) does with devices. Where the kernel is too old to deny
//! what is in files is an error: without LANDLOCK_ACCESS_FS_TRUNCATE (Linux 6.2) a file that may not
//! be written could still be emptied.

use crate::action::error::{ActionError, Advise};
use crate::model::restriction::{Access, Beneath};
use crate::model::text::Text;
use crate::sys::error::{Context, SysError};
use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetError,
};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use std::os::unix::ffi::OsStrExt;

const NEEDED: ABI = ABI::V3;
/// With LANDLOCK_ACCESS_FS_IOCTL_DEV: Linux 6.10.
const WANTED: ABI = ABI::V5;

/// Whether the kernel can: asked before anything is made.
pub(super) fn check() -> Result<(), ActionError> {
    nothing().map(drop)
}

/// A set of rules that allow nothing, and of which ABI it is.
fn nothing() -> Result<(RulesetCreated, ABI), ActionError> {
    let ruleset = |abi| {
        let handled = Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessFs::from_all(abi))?;
        Ok((handled.create()?, abi))
    };
    ruleset(WANTED).or_else(|_| ruleset(NEEDED)).map_err(|error| {
        let reason = Text::new(reason(&error).as_bytes());
        ActionError::refused(
            format!("Landlock of Linux 6.2 is needed, and on: {reason}"),
            "/sys/kernel/security/lsm lists what is on: the kernel is started with lsm=landlock,…",
        )
    })
}

/// The last of a chain of errors is what the kernel said.
fn reason(error: &RulesetError) -> String {
    let mut error: &dyn std::error::Error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Rules that are ready to be obeyed. Paths are looked up as the program would look them up.
pub(super) fn rules(allowed: &[Beneath]) -> Result<RulesetCreated, ActionError> {
    let (mut ruleset, abi) = nothing()?;
    for beneath in allowed {
        let object = || Text::new(beneath.path.as_os_str().as_bytes());
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let file = rustix::fs::openat(CWD, &beneath.path, flags, Mode::empty())
            .with_context("open", object)
            .advise("the paths of --landlock-ro and --landlock-rw are looked up inside")?;
        let stat = rustix::fs::fstat(&file).with_context("look at", object)?;
        let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        let rule = PathBeneath::new(file, rights(abi, beneath.access, is_directory));
        ruleset = ruleset.add_rule(rule).map_err(|error| {
            let why = Text::new(reason(&error).as_bytes());
            ActionError::Refused(format!("cannot allow {} by Landlock: {why}", object()))
        })?;
    }
    Ok(ruleset)
}

fn rights(abi: ABI, access: Access, is_directory: bool) -> BitFlags<AccessFs> {
    let rights = match access {
        Access::Read => AccessFs::from_read(abi),
        Access::Write => AccessFs::from_all(abi),
    };
    if is_directory { rights } else { rights & AccessFs::from_file(abi) }
}

/// From here on. Takes no_new_privs or CAP_SYS_ADMIN in our user namespace.
pub(super) fn obey(rules: RulesetCreated) -> Result<(), ActionError> {
    // What the crate would set by itself is the caller's to say.
    let obeyed = rules.no_new_privs(false).restrict_self();
    match obeyed {
        Ok(status) if status.ruleset == landlock::RulesetStatus::FullyEnforced => Ok(()),
        Ok(_) => Err(ActionError::Refused("Landlock is enforced in part only".to_owned())),
        Err(error) => {
            let errno = last_errno(&error);
            Err(SysError::new("restrict by", "Landlock", errno).into())
        }
    }
}

fn last_errno(error: &RulesetError) -> nix::errno::Errno {
    landlock_errno(error).map_or(nix::errno::Errno::EINVAL, nix::errno::Errno::from_raw)
}

fn landlock_errno(error: &RulesetError) -> Option<i32> {
    let mut error: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(one) = error {
        if let Some(io) = one.downcast_ref::<std::io::Error>() {
            return io.raw_os_error();
        }
        error = one.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_changes_nothing_and_a_file_has_no_directory_rights() {
        for abi in [NEEDED, WANTED] {
            let read = rights(abi, Access::Read, true);
            assert!((read & AccessFs::from_write(abi)).is_empty());
            assert!(read.contains(AccessFs::ReadDir | AccessFs::Execute | AccessFs::ReadFile));
            assert_eq!(rights(abi, Access::Read, false), AccessFs::Execute | AccessFs::ReadFile);
            let write = rights(abi, Access::Write, true);
            assert_eq!(write, AccessFs::from_all(abi));
            assert!(write.contains(AccessFs::Truncate | AccessFs::Refer));
            assert!(!rights(abi, Access::Write, false).contains(AccessFs::MakeReg));
        }
        // A terminal or a disk alone is there to be used.
        assert!(rights(WANTED, Access::Write, false).contains(AccessFs::IoctlDev));
    }

    #[test]
    fn a_path_that_is_not_there_is_an_error() {
        if check().is_err() {
            return;
        }
        let beneath = Beneath { access: Access::Read, path: "/no/such/path".into() };
        let error = rules(&[beneath]).unwrap_err().to_string();
        assert_eq!(error, "cannot open /no/such/path: No such file or directory");
        let some = ["/", "/etc/passwd", "/dev/null"];
        let some = some.map(|path| Beneath { access: Access::Write, path: path.into() });
        rules(&some).unwrap();
    }
}
