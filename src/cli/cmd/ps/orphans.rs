//! `nsx ps --orphans`: what containers left behind.

use crate::cli::args::Output;
use crate::cli::context::Context;
use crate::cli::error::Failure;
use crate::cli::list::List;
use crate::collect::orphans::collect_orphans;
use crate::model::orphan::Orphan;
use crate::render::orphans;

pub(super) fn run(context: &Context, output: &Output) -> Result<u8, Failure> {
    let root = output.root(context)?;
    let (rows, mut gaps) = collect_orphans(&root)?;
    root.reach().complete(&mut gaps);
    let list = List {
        rows: &rows,
        columns: &orphans::COLUMNS,
        default: &orphans::DEFAULT,
        schema: "nsx.orphans/1",
        names: |rows: &[Orphan]| {
            let sure = rows.iter().filter(|orphan| !orphan.is_unsure);
            sure.map(|orphan| orphan.object.to_string() + "\n").collect()
        },
        gaps: &gaps,
    };
    list.print(context, output, &root, |orphan: &Orphan| orphan)?;
    Ok(output.finish(context, &gaps))
}
