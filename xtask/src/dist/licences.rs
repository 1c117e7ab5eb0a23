//! The packages' copyright file, in Debian's machine-readable form: who holds what of that which is
//! linked, and under which licence nsx takes it.

use super::crates::Linked;
use crate::workspace;
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Where several are offered, the first of these is taken.
const TAKEN: [&str; 3] = ["MIT", "Apache-2.0", "LGPL-2.1-or-later"];

pub(super) fn copyright(linked: &[Linked]) -> Result<String> {
    let mut text = String::from(
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\
         Upstream-Name: nsx\n\
         Comment:\n \
         The programs are static: what they are linked with is listed here, too, with the\n \
         licence it is taken under where several are offered.\n",
    );
    let ours = linked.iter().filter(|one| one.name == "nsx");
    let others = linked.iter().filter(|one| one.name != "nsx");
    let mut needed = BTreeSet::from(["MIT", "Apache-2.0"]);
    for one in ours {
        stanza(&mut text, "*", one, "Expat or Apache-2.0")?;
    }
    for one in others {
        let licence = taken(&one.licence).with_context(|| one.reference())?;
        needed.insert(licence);
        let files = format!("{}-{}/*", one.name, one.version);
        stanza(&mut text, &files, one, short(licence))?;
    }
    for licence in needed {
        write!(text, "\nLicense: {}\n{}", short(licence), indented(&terms(licence)?))?;
    }
    Ok(text)
}

fn stanza(text: &mut String, files: &str, one: &Linked, licence: &str) -> Result<()> {
    let holders = one.copyright.join("\n           ");
    write!(text, "\nFiles: {files}\nCopyright: {holders}\nLicense: {licence}\n")?;
    Ok(())
}

/// Of an SPDX expression that offers several.
fn taken(expression: &str) -> Result<&'static str> {
    let offered: Vec<_> = expression.split(" OR ").map(str::trim).collect();
    match TAKEN.into_iter().find(|licence| offered.contains(licence)) {
        Some(licence) => Ok(licence),
        None => bail!("{expression} offers none of {}", TAKEN.join(", ")),
    }
}

/// As the format calls it.
fn short(licence: &str) -> &str {
    match licence {
        "MIT" => "Expat",
        "LGPL-2.1-or-later" => "LGPL-2.1+",
        other => other,
    }
}

/// Whole where a copy has to be kept with the program; those that every Debian has are named.
fn terms(licence: &str) -> Result<String> {
    if licence == "MIT" {
        let text = std::fs::read_to_string(workspace::root().join("LICENSE-MIT"))?;
        let terms = text.find("Permission is").and_then(|at| text.get(at..));
        return Ok(terms.context("LICENSE-MIT is not what it was")?.to_owned());
    }
    let beside = match licence {
        "Apache-2.0" => "; a copy lies\nbeside this file as LICENSE-APACHE",
        _ => "",
    };
    let file = licence.trim_end_matches("-or-later");
    Ok(format!("On Debian systems the whole text is /usr/share/common-licenses/{file}{beside}.\n"))
}

fn indented(text: &str) -> String {
    let line = |line: &str| if line.is_empty() { " .\n".to_owned() } else { format!(" {line}\n") };
    text.lines().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dist::crates;

    #[test]
    fn one_that_is_offered_is_taken() {
        assert_eq!(taken("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT").unwrap(), "MIT");
        assert_eq!(taken("Apache-2.0 OR BSD-3-Clause").unwrap(), "Apache-2.0");
        assert!(taken("GPL-3.0-only").is_err());
        assert!(taken("MIT AND GPL-3.0-only").is_err());
    }

    #[test]
    fn each_has_a_holder_and_each_licence_its_terms() {
        let linked = crates::linked(&workspace::host().unwrap()).unwrap();
        let text = copyright(&linked).unwrap();
        let stanzas: Vec<_> = text.split("\n\n").collect();
        for one in &linked {
            let files = format!("Files: {}-{}/*\n", one.name, one.version);
            let own = stanzas.iter().find(|stanza| stanza.starts_with(&files));
            assert!(one.name == "nsx" || own.is_some_and(|own| own.contains("\nCopyright: ")));
        }
        for stanza in stanzas.iter().filter(|stanza| stanza.starts_with("Files: ")) {
            let licence = stanza.split("\nLicense: ").nth(1).unwrap().trim();
            for licence in licence.split(" or ") {
                assert!(text.contains(&format!("\nLicense: {licence}\n ")), "{licence}: no terms");
            }
        }
        assert!(text.contains("\nCopyright: 2026 The nsx authors\nLicense: "), "{text}");
    }
}
