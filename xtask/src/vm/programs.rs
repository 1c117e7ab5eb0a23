//! What goes into the machine: the programs of this checkout and its suites, all static.

use crate::{run, workspace};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Those that are programs of their own; the others need cargo or the sources.
pub(super) const SUITES: [&str; 4] = ["root", "hostile", "interop", "vm"];

/// Each file with its name in the machine. Programs from `given`, or as cargo builds them.
pub(super) fn all(given: Option<&Path>, suites: &[String]) -> Result<Vec<(PathBuf, String)>> {
    let mut cargo = workspace::cargo();
    cargo.args(["test", "--quiet", "--package=nsx", "--no-run", "--message-format=json"]);
    cargo.args(suites.iter().map(|suite| format!("--test={suite}")));
    cargo.stderr(std::process::Stdio::inherit());
    let built = built(&run::output(&mut cargo)?);
    let mut found = Vec::new();
    for name in workspace::PROGRAMS {
        let file = match given {
            Some(dir) => std::path::absolute(dir)?.join(name),
            None => find(&built, "bin", name)?,
        };
        found.push((file, name.to_owned()));
    }
    for suite in suites {
        found.push((find(&built, "test", suite)?, format!("nsx-test-{suite}")));
    }
    // With which a suite puts up a lab.
    found.push((std::env::current_exe()?, "xtask".to_owned()));
    match found.iter().find(|(file, _)| !run::is_program(file)) {
        Some((file, _)) => bail!("{} is no program", file.display()),
        None => Ok(found),
    }
}

/// A file that cargo told of.
#[derive(Debug)]
struct Built {
    kind: String,
    name: String,
    file: PathBuf,
}

fn find(built: &[Built], kind: &str, name: &str) -> Result<PathBuf> {
    let found = built.iter().find(|one| (one.kind.as_str(), one.name.as_str()) == (kind, name));
    Ok(found.with_context(|| format!("cargo built no {kind} {name}"))?.file.clone())
}

/// From cargo's messages, one JSON object a line.
fn built(messages: &str) -> Vec<Built> {
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    let of_line = |line: &str| {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let target = message.get("target")?;
        Some(Built {
            kind: text(target.get("kind")?.get(0)?)?,
            name: text(target.get("name")?)?,
            file: text(message.get("executable")?)?.into(),
        })
    };
    messages.lines().filter_map(of_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_taken_from_cargos_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"nsx"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"kind":["test"],"name":"vm"},"executable":"/t/vm-1"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
        );
        let built = built(messages);
        assert_eq!(find(&built, "test", "vm").unwrap(), Path::new("/t/vm-1"));
        assert!(find(&built, "bin", "vm").is_err());
    }
}
