//! A process whose network namespace has many interfaces: veth pairs, both ends in it.

use super::isolated::Isolated;
use crate::run;
use anyhow::{Context, Result};
use std::fmt::Write as _;

#[derive(Debug)]
pub(crate) struct Interfaces {
    _owner: Isolated,
    pub(crate) pid: i32,
}

impl Interfaces {
    /// `a0` and `b0` are the first pair.
    pub(crate) fn make(count: usize) -> Result<Self> {
        let owner = Isolated::gather(1)?;
        let pid = owner.first().context("nobody is isolated")?;
        let mut lines = String::new();
        for pair in 0..count / 2 {
            let _ = writeln!(lines, "link add a{pair} type veth peer name b{pair}");
        }
        let nsenter = run::find("nsenter").context("nsenter is not installed")?;
        let mut ip = run::plain(nsenter);
        ip.args(["-t", &pid.to_string(), "-n", "ip", "-batch", "-"]);
        run::fed(&mut ip, &lines)?;
        Ok(Self { _owner: owner, pid })
    }
}
