//! A process whose network namespace has many interfaces, against ip(8) in that namespace.

use super::crowd::Crowd;
use super::{Bench, peer};
use crate::say;
use anyhow::{Context, Result, ensure};
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Stdio;

const SIZES: [usize; 2] = [100, 3_000];

impl Bench {
    pub(super) fn interfaces(&mut self) -> Result<()> {
        for size in SIZES {
            say::note(format_args!("bench: making {size} interfaces"));
            let crowd = Crowd::gather(1)?;
            let pid = crowd.first().context("nobody is isolated")?.to_string();
            let inside = ["-t", &pid, "-n", "ip"];
            let mut ip = peer("nsenter", &[&inside[..], &["-batch", "-"]].concat())?;
            let mut ip = ip.stdin(Stdio::piped()).spawn()?;
            let mut lines = String::new();
            for pair in 0..size / 2 {
                let _ = writeln!(lines, "link add a{pair} type veth peer name b{pair}");
            }
            ip.stdin.take().context("no pipe")?.write_all(lines.as_bytes())?;
            ensure!(ip.wait()?.success(), "ip -batch failed");
            let ours = self.nsx("nsx-inspect", &[&pid, "--only", "net", "--json"]);
            let theirs = peer("nsenter", &[&inside[..], &["-d", "-s", "-j", "addr"]].concat())?;
            self.compare(&format!("{size} interfaces"), ours, theirs);
        }
        Ok(())
    }
}
