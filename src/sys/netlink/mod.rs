//! Network facts of one network namespace. The only place with tokio.
pub fn bring_loopback_up() -> crate::sys::error::Result<()> {
    Ok(())
}
pub struct Visit {
    pub network: Option<crate::sys::error::Result<crate::model::network::Network>>,
    pub uts: Option<crate::model::uts::Uts>,
}
pub fn visit(
    _: std::os::fd::BorrowedFd<'_>,
    _: crate::model::namespace::Kinds,
    _: bool,
    _: bool,
) -> crate::sys::error::Result<Visit> {
    Err(crate::sys::error::SysError::malformed("x", "y", "z"))
}
