//! A container under runc alone. Its state is in runc's own place, /run/runc, where everybody who
//! looks for containers looks; everything else is in the lab.

use super::{Container, Lab, Runtime, rootfs, traces};
use crate::process::Started;
use crate::run;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

const NAME: &str = "nsx-lab-runc";

pub(super) fn up(lab: &mut Lab) -> Result<()> {
    let runc = run::find("runc").context("runc is missing (package runc)")?;
    let bundle = lab.below(Runtime::Runc);
    rootfs::make(&bundle.join("rootfs"))?;
    run::output(Command::new(&runc).arg("spec").current_dir(&bundle))?;
    configure(&bundle.join("config.json"))?;
    let log = File::create(bundle.join("log"))?;
    let pid_file = bundle.join("pid");
    let mut command = Command::new(&runc);
    command.args(["run", "-d", "-b"]).arg(&bundle).arg("--pid-file").arg(&pid_file).arg(NAME);
    // The container keeps these streams: a pipe would never close.
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    if !command.status()?.success() {
        let said = std::fs::read_to_string(bundle.join("log")).unwrap_or_default();
        anyhow::bail!("runc: {}", said.trim());
    }
    let pid = std::fs::read_to_string(&pid_file)?.trim().parse()?;
    let init = Started::of(NAME, pid)?;
    lab.remember(Container { runtime: Runtime::Runc, name: NAME.to_owned(), init })
}

/// What differs from `runc spec`: the program, no terminal, a writable root, and no rlimits, which
/// only a process with CAP_SYS_RESOURCE could raise.
fn configure(file: &Path) -> Result<()> {
    let mut spec: Value = serde_json::from_str(&std::fs::read_to_string(file)?)?;
    let spec_object = spec.as_object_mut().context("runc spec wrote no object")?;
    spec_object.insert("root".to_owned(), json!({ "path": "rootfs", "readonly": false }));
    spec_object.insert("hostname".to_owned(), json!(NAME));
    let process = spec_object.get_mut("process").and_then(Value::as_object_mut);
    let process = process.context("runc spec names no process")?;
    process.insert("terminal".to_owned(), json!(false));
    process.insert("args".to_owned(), json!(["/bin/sleep", "100000"]));
    process.remove("rlimits");
    std::fs::write(file, serde_json::to_string_pretty(&spec)?)?;
    Ok(())
}

pub(super) fn clear(lab: &mut Lab) -> Result<()> {
    if !lab.below(Runtime::Runc).exists() {
        return Ok(());
    }
    let state = Path::new("/run/runc").join(NAME);
    let cgroups = traces::cgroups_named([NAME]);
    if let (true, Some(runc)) = (state.exists(), run::find("runc")) {
        let _ = run::output(Command::new(runc).args(["delete", "--force", NAME]));
    }
    for container in lab.containers(Runtime::Runc) {
        container.init.kill();
    }
    if state.exists() {
        std::fs::remove_dir_all(&state)?;
    }
    traces::remove(&cgroups);
    Ok(())
}
