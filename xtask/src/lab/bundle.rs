//! OCI bundles for the runtimes that are used without an engine: the runtime's own `spec`, changed
//! where it must be.

use super::rootfs;
use crate::run;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Makes a bundle in `dir` as `runtime` would.
pub(super) fn make(runtime: &Path, dir: &Path, hostname: &str) -> Result<()> {
    rootfs::make(dir)?;
    run::output(Command::new(runtime).arg("spec").current_dir(dir))?;
    let file = dir.join("config.json");
    let spec = serde_json::from_str(&std::fs::read_to_string(&file)?)?;
    std::fs::write(file, serde_json::to_string_pretty(&adjusted(spec, hostname)?)?)?;
    Ok(())
}

/// The program, no terminal, a writable root, and no rlimits, which only a process with
/// `CAP_SYS_RESOURCE` could raise.
fn adjusted(mut spec: Value, hostname: &str) -> Result<Value> {
    let object = spec.as_object_mut().context("the runtime's spec is no object")?;
    object.insert("root".to_owned(), json!({ "path": "rootfs", "readonly": false }));
    object.insert("hostname".to_owned(), json!(hostname));
    let process = object.get_mut("process").and_then(Value::as_object_mut);
    let process = process.context("the runtime's spec names no process")?;
    process.insert("terminal".to_owned(), json!(false));
    process.insert("args".to_owned(), json!(rootfs::SLEEP));
    process.remove("rlimits");
    Ok(spec)
}

/// The number in a pid file.
pub(super) fn pid(file: &Path) -> Result<i32> {
    let text = std::fs::read_to_string(file)?;
    text.trim().parse().with_context(|| format!("{} holds no pid", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_and_terminal_go_and_the_rest_stays() {
        let spec = json!({ "process": { "terminal": true, "rlimits": [1], "cwd": "/" } });
        let spec = adjusted(spec, "here").unwrap();
        let process = json!({ "terminal": false, "cwd": "/", "args": ["/bin/sleep", "100000"] });
        assert_eq!(spec.get("process"), Some(&process));
        assert_eq!(spec.get("hostname"), Some(&json!("here")));
        assert!(adjusted(json!({}), "here").is_err());
    }
}
