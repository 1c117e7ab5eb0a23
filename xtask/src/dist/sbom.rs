//! What the programs are made of, as CycloneDX: the same for the same sources and toolchain.

use super::crates::Linked;
use anyhow::{Context, Result};
use serde_json::{Value, json};

/// It has no serial number and no time, which would be others each time.
pub(super) fn document(linked: &[Linked]) -> Result<String> {
    let ours = linked.iter().find(|one| one.name == "nsx").context("nsx is not linked")?;
    let others = linked.iter().filter(|one| one.name != "nsx");
    let document = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": component(ours, "application") },
        "components": others.map(|one| component(one, "library")).collect::<Vec<_>>(),
        "dependencies": linked
            .iter()
            .map(|one| json!({ "ref": one.reference(), "dependsOn": one.uses }))
            .collect::<Vec<_>>(),
    });
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn component(one: &Linked, kind: &str) -> Value {
    let mut component = json!({
        "type": kind,
        "bom-ref": one.reference(),
        "name": one.name,
        "version": one.version,
        "licenses": [{ "expression": one.licence }],
        "purl": one.purl,
    });
    if let (Some(checksum), Some(fields)) = (&one.checksum, component.as_object_mut()) {
        fields.insert("hashes".to_owned(), json!([{ "alg": "SHA-256", "content": checksum }]));
    }
    component
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::crates;
    use crate::workspace;
    use std::collections::BTreeSet;

    fn text<'a>(value: &'a Value, key: &str) -> &'a str {
        value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
    }

    #[test]
    fn the_list_is_whole_and_of_what_is_linked_alone() {
        let triple = workspace::host().unwrap();
        let linked = crates::linked(&triple).unwrap();
        let document: Value = serde_json::from_str(&document(&linked).unwrap()).unwrap();
        assert_eq!(text(&document, "bomFormat"), "CycloneDX");
        let components = document["components"].as_array().unwrap();
        let ours = format!("nsx@{}", workspace::VERSION);
        let mut references = BTreeSet::from([ours.clone()]);
        for one in components {
            assert_eq!(text(one, "type"), "library");
            let (name, version) = (text(one, "name"), text(one, "version"));
            assert_eq!(text(one, "bom-ref"), format!("{name}@{version}"));
            assert!(!text(&one["licenses"][0], "expression").contains('/'), "{one}");
            if text(one, "purl").starts_with("pkg:cargo/") {
                let hash = text(&one["hashes"][0], "content");
                assert!(hash.len() == 64 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()));
            }
            assert!(references.insert(text(one, "bom-ref").to_owned()), "{one} is there twice");
        }
        let names: BTreeSet<_> = components.iter().map(|one| text(one, "name")).collect();
        let library = if triple.ends_with("musl") { "musl" } else { "glibc" };
        for linked in ["rustix", "serde_json", "tokio", "rust-std", library] {
            assert!(names.contains(linked), "{linked} is missing");
        }
        for other in ["proptest", "serde_derive", "schemars", "clap_mangen", "xtask", "syn"] {
            assert!(!names.contains(other), "{other} is not linked");
        }
        let dependencies = document["dependencies"].as_array().unwrap();
        let mut used = BTreeSet::from([ours]);
        for one in dependencies {
            assert!(references.contains(text(one, "ref")), "{one}");
            used.extend(
                one["dependsOn"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|reference| reference.as_str().unwrap().to_owned()),
            );
        }
        assert_eq!(dependencies.len(), references.len());
        assert_eq!(used, references, "each is used by something");
    }
}
