//! Descriptors that hold a namespace: the namespace itself, or a socket in it.

use super::record::Visit;
use super::survey::Survey;
use crate::model::process::Pid;
use crate::sys::crew::Care;
use std::os::fd::BorrowedFd;

pub(super) fn list(
    _survey: &mut Survey<'_>,
    _links: BorrowedFd<'_>,
    _pid: Pid,
    _care: Care,
    _visit: &mut Visit,
) {
}
