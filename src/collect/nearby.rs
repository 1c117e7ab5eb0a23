//! A target's container among all of them, found once and asked often.

use super::containers::Containers;
use crate::model::container::Container;
use crate::model::process::Pid;

#[derive(Clone, Copy, Debug)]
pub(super) struct Nearby<'a> {
    /// The one that the target is, or belongs to.
    pub own: Option<&'a Container>,
    pub others: &'a Containers,
}

impl<'a> Nearby<'a> {
    pub(super) fn containers(&self) -> impl Iterator<Item = &'a Container> {
        self.others.list.iter().chain(self.own)
    }

    /// The innermost one that a process is in.
    pub(super) fn owner_of(&self, pid: Pid) -> Option<&'a Container> {
        let owners = self.containers().filter(|one| one.processes.binary_search(&pid).is_ok());
        owners.max_by_key(|container| container.depth)
    }
}
