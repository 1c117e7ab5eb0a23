pub fn collect_cgroup(
    _: &crate::sys::root::SysRoot,
    _: &[u8],
) -> crate::sys::error::Result<(crate::model::cgroup::Cgroup, Vec<crate::model::gap::Gap>)> {
    Err(crate::sys::error::SysError::malformed("x", "y", "z"))
}
