//! The host's files, opened when the first of them is needed: most programs are started without a
//! look at any.

use crate::sys::error::Result;
use crate::sys::root::SysRoot;
use std::cell::OnceCell;

#[derive(Debug, Default)]
pub(super) struct Host(OnceCell<SysRoot>);

impl Host {
    pub(super) fn root(&self) -> Result<&SysRoot> {
        if let Some(root) = self.0.get() {
            return Ok(root);
        }
        let root = SysRoot::real()?;
        Ok(self.0.get_or_init(|| root))
    }
}
