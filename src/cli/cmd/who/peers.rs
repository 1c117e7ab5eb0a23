//! `nsx who --peers TARGET`: whom a container talks to on this host.

use crate::cli::args::{Format, Output};
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::list::List;
use crate::collect::peers::collect_peers;
use crate::model::conversation::Conversation;
use crate::render::peers;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Of `--peers -o json`: nsx.peers.1.
#[cfg(feature = "schema")]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(crate::render::json::Envelope<'_, Vec<Conversation>>)
}

pub(super) fn run(context: &Context, output: &Output, target: &OsStr) -> Result<u8, Failure> {
    let root = output.root(context)?;
    let (rows, mut gaps) = collect_peers(&root, target.as_bytes())?;
    root.reach().complete(&mut gaps);
    let list = List {
        rows: &rows,
        columns: &peers::COLUMNS,
        default: peers::default_columns(output.format() == Format::Wide),
        schema: "nsx.peers/1",
        names: peers::names,
        gaps: &gaps,
    };
    list.print(context, output, &root, |one: &Conversation| one)?;
    Ok(output.finish(context, &gaps))
}
