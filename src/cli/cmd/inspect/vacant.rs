//! A mount namespace that no process lives in, which has mounts all the same.

use super::{Args, detail, in_json, no_columns};
use crate::cli::args::Format;
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::output;
use crate::collect::inspect::inspect_vacant;
use crate::collect::target::HeldNamespace;
use crate::model::inspection::Wish;
use crate::model::namespace::Kind;
use crate::render::inspect::screen_of_vacant;
use crate::render::inspect_json::JsonInspection;
use crate::sys::root::SysRoot;

/// Of any other kind there is nothing to tell but that nobody is there.
pub(super) fn run(
    context: &Context,
    args: &Args,
    root: &SysRoot,
    held: HeldNamespace,
    wish: &Wish,
) -> Result<u8, Failure> {
    if held.key.kind != Kind::Mnt {
        return Err(held.nobody(root).into());
    }
    let (vacant, mut gaps) = inspect_vacant(root, held, wish)?;
    root.reach().complete(&mut gaps);
    match args.output.format() {
        Format::Json | Format::Jsonl => in_json(root, JsonInspection::from(&vacant), &gaps)?,
        Format::Name => output::write(&format!("ns:{}\n", vacant.namespace.inode))?,
        Format::Tsv => return Err(no_columns()),
        _ => output::write(&screen_of_vacant(&vacant, detail(context, args)))?,
    }
    Ok(args.output.finish(context, &gaps))
}
