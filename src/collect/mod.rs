//! Reads the system. Never changes it, never joins a mount, pid or user namespace.

pub mod cgroups;
pub mod clock;
pub mod containers;
pub mod credentials;
pub mod host;
pub mod inspect;
pub mod processes;
pub mod runtime;
pub mod scan;
pub mod target;
pub fn memory_site(
    _: &crate::sys::root::SysRoot,
) -> crate::sys::error::Result<crate::action::cgroup::Site> {
    Err(crate::sys::error::SysError::malformed(
        "limit", "memory", "stub",
    ))
}
