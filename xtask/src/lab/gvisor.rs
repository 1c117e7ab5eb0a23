//! A container under gVisor. What runs in it are no processes of the host; its state is in runsc's
//! own place, /run/runsc, where everybody who looks for containers looks.

use super::leftovers::Leftovers;
use super::{Container, Lab, Runtime, bundle, start, traces};
use crate::process::Started;
use crate::run;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const NAME: &str = "nsx-lab-gvisor";

pub(super) fn up(lab: &mut Lab) -> Result<()> {
    let runsc = run::find("runsc").context("runsc is missing (package runsc)")?;
    let dir = lab.below(Runtime::Gvisor);
    bundle::make(&runsc, &dir, NAME)?;
    let client = || Command::new(&runsc);
    let mut command = client();
    // The platform that needs neither the kernel's virtualisation nor a processor's.
    command.args(["--platform=ptrace", "--network=none", "run", "-detach", "-bundle"]);
    start::detached(command.arg(&dir).arg(NAME), &dir.join("log"))?;
    let state: Value = serde_json::from_str(&run::output(client().args(["state", NAME]))?)?;
    let pid = state.get("pid").and_then(Value::as_i64).context("runsc names no pid")?;
    let init = Started::of(NAME, pid.try_into()?)?;
    let container = Container::running(Runtime::Gvisor, Some(NAME), init);
    lab.remember(Container { id: Some(NAME.to_owned()), ..container })
}

pub(super) fn leftovers() -> Leftovers {
    // For a controller whose hierarchy exists and is mounted nowhere runsc makes plain directories.
    let beside = |hierarchy: &Path| hierarchy.parent().map(Path::to_owned);
    let tops = traces::hierarchies().iter().filter_map(|one| beside(one)).collect::<Vec<_>>();
    let entries = tops.iter().filter_map(|top| std::fs::read_dir(top).ok()).flatten().flatten();
    let kept =
        ["state", "lock"].map(|what| format!("/run/runsc/{NAME}_sandbox:{NAME}.{what}").into());
    let state = entries.map(|entry| entry.path().join(NAME)).chain(kept).collect();
    Leftovers {
        programs: &["runsc", "runsc-sandbox", "runsc-gofer"],
        cgroups: vec![NAME.to_owned()],
        state,
    }
}
