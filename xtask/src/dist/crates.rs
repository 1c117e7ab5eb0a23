//! What is linked into the programs: crates, Rust's standard library, the C library.

use crate::run;
use crate::workspace::{self, cargo};
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Linked {
    pub(super) name: String,
    pub(super) version: String,
    /// An SPDX expression.
    pub(super) licence: String,
    /// Where it is got from, as a package URL.
    pub(super) purl: String,
    /// The SHA-256 of the archive that Cargo.lock holds it to.
    pub(super) checksum: Option<String>,
    pub(super) copyright: Vec<String>,
    /// Names with versions, as [`Linked::reference`] says them.
    pub(super) uses: BTreeSet<String>,
}

impl Linked {
    pub(super) fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// In the order of their names; nsx itself is among them.
pub(super) fn linked(triple: &str) -> Result<Vec<Linked>> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--locked", "--format-version=1", "--filter-platform", triple]);
    let metadata: Metadata = serde_json::from_str(&run::output(&mut metadata)?)
        .context("cargo metadata printed something else")?;
    let checksums = checksums(&std::fs::read_to_string(workspace::root().join("Cargo.lock"))?);
    let names = tree(triple)?;
    let ids: BTreeMap<&str, String> = metadata
        .packages
        .iter()
        .map(|package| (package.id.as_str(), package.reference()))
        .filter(|(_, reference)| names.contains(reference))
        .collect();
    let mut found = Vec::new();
    for package in metadata.packages.iter().filter(|one| ids.contains_key(one.id.as_str())) {
        let node = metadata.resolve.nodes.iter().find(|node| node.id == package.id);
        let deps = node.into_iter().flat_map(|node| &node.deps).filter(|dep| dep.is_normal());
        let uses = deps.filter_map(|dep| ids.get(dep.pkg.as_str()).cloned()).collect();
        found.push(package.linked(&checksums, uses)?);
    }
    let libraries = libraries(triple)?;
    for one in found.iter_mut().filter(|one| one.name == "nsx") {
        one.uses.extend(libraries.iter().map(Linked::reference));
    }
    found.extend(libraries);
    found.sort_by_key(Linked::reference);
    Ok(found)
}

/// Names with versions. `cargo metadata` mixes in what only the developer tasks turn on.
fn tree(triple: &str) -> Result<BTreeSet<String>> {
    let mut tree = cargo();
    tree.args(["tree", "--locked", "--package=nsx", "--edges=normal,no-proc-macro"]);
    tree.args(["--target", triple, "--prefix=none", "--format={p}"]);
    Ok(run::output(&mut tree)?.lines().filter_map(named).collect())
}

/// `NAME@VERSION` of a line like `serde v1.0.229 (*)`.
fn named(line: &str) -> Option<String> {
    let mut words = line.split(' ');
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    Some(format!("{name}@{version}"))
}

/// Of Cargo.lock, by name and version.
fn checksums(lock: &str) -> BTreeMap<String, String> {
    let value = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    let entry = |package: &str| {
        let reference = format!("{}@{}", value(package, "name")?, value(package, "version")?);
        Some((reference, value(package, "checksum")?))
    };
    lock.split("[[package]]").filter_map(entry).collect()
}

/// What rustc brings along.
fn libraries(triple: &str) -> Result<[Linked; 2]> {
    let library = |name: &str, version: &str, licence: &str, holder: &str| Linked {
        name: name.to_owned(),
        version: version.to_owned(),
        licence: licence.to_owned(),
        purl: format!("pkg:generic/{name}@{version}"),
        checksum: None,
        copyright: vec![holder.to_owned()],
        uses: BTreeSet::new(),
    };
    let rust = run::output(Command::new("rustc").arg("--version"))?;
    let rust = rust.split(' ').nth(1).context("rustc tells no version")?;
    let std = library("rust-std", rust, "MIT OR Apache-2.0", "The Rust Project contributors");
    let c = if triple.ends_with("musl") {
        library("musl", &musl(triple)?, "MIT", "2005-2025 Rich Felker, et al.")
    } else {
        let version = run::output(Command::new("getconf").arg("GNU_LIBC_VERSION"))?;
        let version = version.trim_start_matches("glibc ");
        library("glibc", version, "LGPL-2.1-or-later", "Free Software Foundation, Inc.")
    };
    Ok([std, c])
}

/// The version that musl's library says itself.
fn musl(triple: &str) -> Result<String> {
    let place =
        run::output(Command::new("rustc").args(["--print=target-libdir", "--target", triple]))?;
    let library = Path::new(&place).join("self-contained/libc.a");
    let member = run::output(Command::new("ar").arg("p").arg(library).arg("version.lo"))?;
    let is_version = |word: &&str| {
        let numbers: Vec<_> = word.split('.').map(str::parse::<u16>).collect();
        numbers.len() == 3 && numbers.iter().all(Result::is_ok)
    };
    let version = member.split('\0').find(is_version);
    Ok(version.context("musl's library tells no version")?.to_owned())
}

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Debug, Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    authors: Vec<String>,
    source: Option<String>,
    manifest_path: PathBuf,
}

#[derive(Debug, Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Debug, Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dep>,
}

#[derive(Debug, Deserialize)]
struct Dep {
    pkg: String,
    dep_kinds: Vec<DepKind>,
}

#[derive(Debug, Deserialize)]
struct DepKind {
    kind: Option<String>,
}

impl Dep {
    fn is_normal(&self) -> bool {
        self.dep_kinds.iter().any(|one| one.kind.is_none())
    }
}

impl Package {
    fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    fn linked(
        &self,
        checksums: &BTreeMap<String, String>,
        uses: BTreeSet<String>,
    ) -> Result<Linked> {
        let licence = self.license.as_deref().context("no licence is named");
        let licence = licence.with_context(|| self.reference())?.replace('/', " OR ");
        let kind = if self.source.is_some() { "cargo" } else { "generic" };
        Ok(Linked {
            name: self.name.clone(),
            version: self.version.clone(),
            licence,
            purl: format!("pkg:{kind}/{}@{}", self.name, self.version),
            checksum: checksums.get(&self.reference()).cloned(),
            copyright: self.copyright()?,
            uses,
        })
    }

    /// Who holds it, by the files of its licences, or else its authors.
    fn copyright(&self) -> Result<Vec<String>> {
        let mut notices = BTreeSet::new();
        let place = self.manifest_path.parent().context("no parent")?;
        for entry in std::fs::read_dir(place)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
            let begins = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];
            if path.is_file() && begins.iter().any(|word| name.starts_with(word)) {
                let text = std::fs::read(&path)?;
                notices.extend(String::from_utf8_lossy(&text).lines().filter_map(holder));
            }
        }
        if notices.is_empty() {
            notices.extend(self.authors.iter().cloned());
        }
        if notices.is_empty() {
            notices.insert(format!("The authors of {}", self.name));
        }
        Ok(notices.into_iter().collect())
    }
}

/// What follows `Copyright (c)` on a line that is no template.
fn holder(line: &str) -> Option<String> {
    let rest = line.trim().strip_prefix("Copyright ")?;
    let rest =
        ["(c) ", "(C) ", "© "].iter().find_map(|sign| rest.strip_prefix(sign)).unwrap_or(rest);
    let is_template =
        ["yyyy", "name of", "[year]", "<year>"].iter().any(|word| rest.contains(word));
    (!is_template && !rest.is_empty()).then(|| rest.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_told_from_templates() {
        assert_eq!(holder("Copyright (c) 2019 Carl Lerche"), Some("2019 Carl Lerche".to_owned()));
        assert_eq!(holder("   Copyright 2020 A"), Some("2020 A".to_owned()));
        assert_eq!(holder("   Copyright [yyyy] [name of copyright owner]"), None);
        assert_eq!(holder("copyright notice that is included in or attached to the work"), None);
    }

    #[test]
    fn lines_of_cargo_are_read() {
        assert_eq!(named("serde v1.0.229 (*)"), Some("serde@1.0.229".to_owned()));
        assert_eq!(named("nsx v0.1.0 (/home/a/nsx)"), Some("nsx@0.1.0".to_owned()));
        assert_eq!(named(""), None);
        let lock = "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n\
                    checksum = \"00ff\"\n\n[[package]]\nname = \"nsx\"\nversion = \"0.1.0\"\n";
        let expected = BTreeMap::from([("a@1.0.0".to_owned(), "00ff".to_owned())]);
        assert_eq!(checksums(lock), expected);
    }
}
