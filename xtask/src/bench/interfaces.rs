//! A process whose network namespace has many interfaces, against ip(8) in that namespace.

use super::{Bench, peer};
use crate::many::interfaces::Interfaces;
use crate::say;
use anyhow::Result;

const SIZES: [usize; 2] = [100, 3_000];

impl Bench {
    pub(super) fn interfaces(&mut self) -> Result<()> {
        for size in SIZES {
            say::note(format_args!("bench: making {size} interfaces"));
            let many = Interfaces::make(size)?;
            let pid = many.pid.to_string();
            let ours = self.nsx("nsx-inspect", &[&pid, "--only", "net", "--json"]);
            let theirs = peer("nsenter", &["-t", &pid, "-n", "ip", "-d", "-s", "-j", "addr"])?;
            self.compare(&format!("{size} interfaces"), ours, theirs);
        }
        Ok(())
    }
}
