//! What `nsx spawn` isolated: told by the supervisor that it leaves outside.

use super::recognise::Recognised;
use super::record::{Case, Record, Source};
use crate::model::runtime::Runtime;
use crate::sys::error::Result;
use crate::sys::root::SysRoot;

#[derive(Debug, Default)]
pub struct Nsx;

impl Source for Nsx {
    fn find(&mut self, case: &Case<'_>) -> Result<Option<Record>> {
        let supervisor = case.monitor().filter(|monitor| {
            case.named.is_none_or(Recognised::is_host_service)
                && matches!(monitor.comm.as_slice(), b"nsx" | b"nsx-spawn")
        });
        Ok(supervisor.map(|monitor| Record {
            runtime: Runtime::Nsx,
            owner_uid: Some(monitor.uid),
            file: format!("pid {}", monitor.pid).into(),
            ..Record::default()
        }))
    }

    fn all(&mut self, _: &SysRoot) -> Vec<Record> {
        Vec::new()
    }
}
