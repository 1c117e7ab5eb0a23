//! What the arguments ask about a target.

use super::Args;
use crate::cli::error::Failure;
use crate::model::inspection::{Section, Wish};

pub(super) fn section(name: &str) -> Result<Section, String> {
    let known = Section::ALL.into_iter().find(|section| section.name() == name);
    known.ok_or_else(|| {
        let names: Vec<_> = Section::ALL.iter().map(|section| section.name()).collect();
        format!("there are {}", names.join(", "))
    })
}

pub(super) fn of(args: &Args) -> Result<Wish, Failure> {
    let sections: Vec<Section> = Section::ALL
        .into_iter()
        .filter(|section| args.only.is_empty() || args.only.contains(section))
        .filter(|section| !args.skip.contains(section))
        .collect();
    if args.seccomp && !sections.contains(&Section::Security) {
        return Err(Failure::usage("--seccomp belongs to the section security"));
    }
    if args.usage && !sections.contains(&Section::Mounts) {
        return Err(Failure::usage("--usage belongs to the section mounts"));
    }
    let formulas = match args.output.columns.as_deref() {
        None => false,
        Some("formulas" | "+formulas") => true,
        Some(_) => return Err(Failure::usage("inspect has no columns but +formulas")),
    };
    Ok(Wish {
        sections,
        interval: args.interval,
        formulas,
        usage: args.usage,
        seccomp: args.seccomp,
    })
}
