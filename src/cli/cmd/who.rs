//! `nsx who`: from any clue to the container it belongs to.

use crate::cli::args::{self, Format, Output};
use crate::cli::context::Context;
use crate::cli::entry::Command;
use crate::cli::error::{Failure, Kind};
use crate::cli::list::List;
use crate::collect::who::Host;
use crate::collect::who::clue::{self, Clue};
use crate::model::text::Text;
use crate::model::trail::Answer;
use crate::render::who::{self, JsonRow};
use crate::sys::bounded;
use std::ffi::OsString;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

pub mod peers;
/// As it is entered in the list of commands.
pub const COMMAND: Command = Command { name: "who", run };

/// Tell which container a process, port, address, interface, mount, … belongs to.
#[derive(Debug, clap::Parser)]
#[command(name = "who", version)]
struct Args {
    /// 4242, port:443, 198.51.100.2, if:veth1, …: nsx-who(1); - is stdin.
    #[arg(value_name = "CLUE", required_unless_present = "peers")]
    clues: Vec<OsString>,
    /// Instead: whom TARGET talks to on this host.
    #[arg(long, value_name = "TARGET", conflicts_with = "clues")]
    peers: Option<OsString>,
    #[command(flatten)]
    output: Output,
}

const ADVICE: &str = "nsx-who(1) lists what a clue may be, and `nsx ps --all` containers";
/// Of standard input; more is an error.
const INPUT: usize = 1 << 20;

/// For manual, completions and help.
pub fn definition() -> clap::Command {
    <Args as clap::CommandFactory>::command()
}

/// Of `-o json`: nsx.who.1.
#[cfg(feature = "schema")]
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(crate::render::json::Envelope<'_, Vec<JsonRow<'_>>>)
}

fn run(context: &Context, arguments: Vec<OsString>) -> Result<u8, Failure> {
    let args: Args = match args::parse(context, arguments)? {
        Ok(args) => args,
        Err(code) => return Ok(code),
    };
    if let Some(target) = &args.peers {
        return peers::run(context, &args.output, target);
    }
    let spelled = spelled(&args.clues)?;
    let clues: Vec<Clue<'_>> =
        spelled.iter().map(|text| parse(text)).collect::<Result<_, Failure>>()?;
    let root = args.output.root(context)?;
    let host = Host::collect(&root, &clues)?;
    let follow = |(text, clue): (&Vec<u8>, &Clue<'_>)| host.follow(text, *clue);
    let answers: Vec<Answer> = spelled.iter().zip(&clues).map(follow).collect::<Result<_, _>>()?;
    let rows = who::rows(&answers, host.containers());
    let mut gaps = host.into_gaps();
    root.reach().complete(&mut gaps);
    let several = clues.len() > 1 || args.output.format() == Format::Tsv;
    let width = args.output.width(context);
    let list = List {
        rows: &rows,
        columns: &who::columns(),
        default: &who::default_columns(&rows, several, width),
        schema: "nsx.who/1",
        names: who::names,
        gaps: &gaps,
    };
    let is_table = matches!(args.output.format(), Format::Table | Format::Wide);
    if !(rows.is_empty() && is_table) {
        list.print(context, &args.output, &root, JsonRow::from)?;
    }
    let code = args.output.finish(context, &gaps);
    let unknown: Vec<&Answer> = answers.iter().filter(|one| one.trails.is_empty()).collect();
    if unknown.is_empty() { Ok(code) } else { Err(nowhere(&unknown, !gaps.is_empty())) }
}

fn nowhere(unknown: &[&Answer], is_partial: bool) -> Failure {
    let clues: Vec<String> = unknown.iter().map(|one| one.clue.to_string()).collect();
    let all = if is_partial { "that was searched" } else { "on this host" };
    let message = format!("nothing {all} is, or leads to, {}", clues.join(", "));
    Failure::new(Kind::NotFound, message).hint(ADVICE)
}

/// With those of standard input in the place of `-`.
fn spelled(clues: &[OsString]) -> Result<Vec<Vec<u8>>, Failure> {
    let mut spelled: Vec<Vec<u8>> = Vec::new();
    for clue in clues {
        if clue != "-" {
            spelled.push(clue.as_bytes().to_vec());
            continue;
        }
        let mut bytes = Vec::new();
        let failed =
            |error| Failure::new(Kind::Failed, format!("cannot read standard input: {error}"));
        if bounded::read_fd_into(std::io::stdin().as_fd(), INPUT, &mut bytes).map_err(failed)? {
            return Err(Failure::usage("standard input has more than 1 MiB of clues"));
        }
        let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        spelled.extend(lines.filter(|line| !line.is_empty()).map(<[u8]>::to_vec));
    }
    if spelled.is_empty() {
        return Err(Failure::usage("there is no clue on standard input"));
    }
    Ok(spelled)
}

fn parse(text: &[u8]) -> Result<Clue<'_>, Failure> {
    clue::parse(text).map_err(|error| {
        let message = format!("{}: {error}", Text::new(text));
        Failure::usage(message).hint(ADVICE)
    })
}
