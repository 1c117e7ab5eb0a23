//! The sources that decide on foreign bytes, as `.cargo/mutants.toml` lists them.

use crate::workspace::root;
use anyhow::{Context, Result, bail};

/// Files, and directories with all that is below them.
#[derive(Debug)]
pub(crate) struct Files(Vec<String>);

impl Files {
    /// Of that file only its one list is read, whose globs are paths, or a directory and `/**`.
    pub(crate) fn read() -> Result<Self> {
        let file = root().join(".cargo/mutants.toml");
        let text = std::fs::read_to_string(&file).context(".cargo/mutants.toml")?;
        let list = text.split_once("examine_globs = [").and_then(|(_, rest)| rest.split_once(']'));
        let (list, _) = list.context(".cargo/mutants.toml has no examine_globs")?;
        let globs: Vec<String> = list.split('"').skip(1).step_by(2).map(str::to_owned).collect();
        for glob in &globs {
            let path = glob.strip_suffix("/**").unwrap_or(glob);
            if path.contains(['*', '{', '?']) || !root().join(path).exists() {
                bail!(".cargo/mutants.toml: {glob}: no file, and no directory with /**");
            }
        }
        Ok(Self(globs))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|glob| match glob.strip_suffix("**") {
            Some(directory) => name.starts_with(directory),
            None => name == glob,
        })
    }
}

/// Where a source is counted in a table: its directory, at most three deep.
pub(crate) fn directory(name: &str) -> String {
    let mut parts: Vec<&str> = name.split('/').collect();
    parts.pop();
    parts.truncate(3);
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_names_what_there_is() {
        let files = Files::read().unwrap();
        assert!(files.has("src/sys/proc/stat.rs") && files.has("src/model/text.rs"));
        assert!(!files.has("src/model/textual.rs") && !files.has("src/cli/mod.rs"));
    }
}
