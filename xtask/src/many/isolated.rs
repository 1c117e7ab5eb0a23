//! Many processes, each alone in namespaces of its own; all end when this is dropped.

use crate::process::Started;
use crate::run;
use anyhow::{Context, Result, ensure};
use std::io::{BufRead, BufReader};
use std::process::Stdio;

/// `unshare` does not fork here: it gives its shell's first child the pid namespace. The shell ends
/// at once, so that one process remains of each, as is the case in a container.
const SCRIPT: &str = r#"
count=$1
while [ "$count" -gt 0 ]; do
    unshare --pid --mount --uts --ipc --net --cgroup -- sh -c \
        'sleep 100000 </dev/null >/dev/null 2>&1 & echo $!' || exit
    count=$((count - 1))
done
"#;

#[derive(Debug)]
pub(crate) struct Isolated {
    members: Vec<Started>,
}

impl Isolated {
    pub(crate) fn gather(size: usize) -> Result<Self> {
        let mut command = run::plain("sh");
        command.args(["-c", SCRIPT, "sh", &size.to_string()]);
        let mut shell = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let lines = BufReader::new(shell.stdout.take().context("no pipe")?).lines();
        let mut isolated = Self { members: Vec::new() };
        for line in lines {
            let pid = line?.trim().parse()?;
            isolated.members.push(Started::of("isolated", pid)?);
        }
        let status = shell.wait()?;
        ensure!(status.success() && isolated.len() == size, "only {} of {size}", isolated.len());
        Ok(isolated)
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn first(&self) -> Option<i32> {
        self.pids().next()
    }

    pub(crate) fn pids(&self) -> impl Iterator<Item = i32> {
        self.members.iter().map(|member| member.pid)
    }
}

impl Drop for Isolated {
    fn drop(&mut self) {
        for member in &self.members {
            member.kill();
        }
    }
}
