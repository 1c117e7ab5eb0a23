//! Options that every reading command has.

use super::context::Context;
use super::error::{Failure, Kind};
use super::output;
use crate::model::gap::{Gap, Reason};
use crate::render::column::Style;
use crate::render::table::Layout;
use crate::sys::root::SysRoot;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What `-o` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Aligned columns for people.
    Table,
    /// The same with more columns.
    Wide,
    /// One JSON document.
    Json,
    /// One JSON object a line, without the envelope.
    Jsonl,
    /// Tab-separated values headed by column keys.
    Tsv,
    /// One name, id or PID a line.
    Name,
}

/// What `--color` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal that is not a dumb one, unless NO_COLOR says otherwise.
    Auto,
    /// In a pipe or a file too.
    Always,
    /// Plain text.
    Never,
}

/// How and how much is printed, and from where it is read.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// How to print: table, wide, json, jsonl, tsv, name.
    #[arg(
        short = 'o',
        long = "output",
        value_name = "FORMAT",
        default_value = "table",
        hide_default_value = true,
        hide_possible_values = true
    )]
    format: Format,
    /// JSON: the same as -o json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// One name a line: the same as -o name.
    #[arg(short, long, conflicts_with_all = ["format", "json"])]
    quiet: bool,
    /// Columns to show; +LIST adds to the default ones.
    #[arg(long, value_name = "LIST")]
    pub columns: Option<String>,
    /// No line of headings.
    #[arg(long)]
    no_headings: bool,
    /// Plain numbers: bytes and seconds.
    #[arg(long)]
    bytes: bool,
    /// Colour: auto (in a terminal), always, never.
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true
    )]
    color: Color,
    /// Exit with 6 if anything could not be seen.
    #[arg(long)]
    strict: bool,
    /// Read this directory instead of the running system.
    #[arg(long, value_name = "DIR", hide = true)]
    sysroot: Option<PathBuf>,
}

fn no_columns(command: &str, option: &str) -> Failure {
    Failure::usage(format!("{option}: {command} has no columns"))
        .hint("-o json has every number as it is")
}

impl Output {
    /// `--json` and `-q` count as the `-o` that they stand for.
    pub fn format(&self) -> Format {
        match (self.json, self.quiet) {
            (true, _) => Format::Json,
            (_, true) => Format::Name,
            _ => self.format,
        }
    }

    /// Refuses options about columns, for a command that has none.
    pub fn refuse_columns(&self, command: &str) -> Result<(), Failure> {
        match self.columns {
            Some(_) => Err(no_columns(command, "--columns")),
            None => self.refuse_cells(command),
        }
    }

    /// Only those about what is in them.
    pub fn refuse_cells(&self, command: &str) -> Result<(), Failure> {
        match self {
            Self { bytes: true, .. } => Err(no_columns(command, "--bytes")),
            Self { no_headings: true, .. } => Err(no_columns(command, "--no-headings")),
            _ => Ok(()),
        }
    }

    /// To which a table is cut: the terminal's, if there is one. What was asked for with `-o wide`
    /// is shown whole, in lines as long as they get.
    pub fn width(&self, context: &Context) -> Option<usize> {
        context.width().filter(|_| self.format() == Format::Table)
    }

    /// How a table is laid out here.
    pub fn layout(&self, context: &Context) -> Layout {
        let whole = self.format() == Format::Tsv;
        let style = Style { bytes: self.bytes || whole, whole };
        Layout {
            headings: !self.no_headings,
            width: self.width(context),
            emphasis: self.colour(context),
            style,
        }
    }

    /// `--color auto` goes by the terminal, `TERM` and `NO_COLOR`.
    pub fn colour(&self, context: &Context) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => context.colour_welcome(),
        }
    }

    /// What is read, with the descriptors that reading it takes: the running system, or what `--sysroot`
    /// names; an error where its /proc cannot be opened.
    pub fn root(&self, context: &Context) -> Result<SysRoot, Failure> {
        crate::sys::rlimits::allow_descriptors();
        Ok(match &self.sysroot {
            Some(directory) => SysRoot::fixture(directory)?,
            None => context.root()?,
        })
    }

    /// Says on standard error what is missing from the result, and chooses the code.
    pub fn finish(&self, context: &Context, gaps: &[Gap]) -> u8 {
        if let Some(summary) = summary(gaps, "--json") {
            output::say(&context.program, &summary);
        }
        if self.strict && !gaps.is_empty() { Kind::Partial as u8 } else { 0 }
    }
}

/// `namespaces of 1 process could not be read (permission denied); run as root to see more`; `all`
/// lists every one.
pub fn summary(gaps: &[Gap], all: &str) -> Option<String> {
    let first = gaps.first()?;
    let more = match gaps.len() - 1 {
        0 => String::new(),
        more => format!(", and {more} more (see gaps in {all})"),
    };
    let reason = match first.reason {
        Reason::Denied => "permission denied",
        Reason::Gone => "ended meanwhile",
        Reason::Unsupported => "not supported here",
        Reason::Failed => "no more memory, descriptors or processes, or a failure",
        Reason::Malformed => "malformed",
        Reason::Timeout => "no answer in time",
        Reason::Truncated => "too long; cut",
        Reason::Incomplete => "changed meanwhile, or cut",
    };
    let denied = gaps.iter().any(|gap| gap.reason == Reason::Denied);
    let advice = if denied && !rustix::process::geteuid().is_root() {
        "; run as root to see more"
    } else {
        ""
    };
    let Gap { what, object, .. } = first;
    let lack = match first.reason {
        Reason::Incomplete => format!("some {what} of {object} may be missing"),
        _ => format!("{what} of {object} could not be read"),
    };
    Some(format!("{lack} ({reason}){more}{advice}"))
}

/// `2`, `0.5`, `500ms`, `2s`, `5m`, `1h`: at most a day.
pub fn duration(text: &str) -> Result<Duration, String> {
    let (number, seconds_each) = match text.trim_end_matches(|c: char| c.is_ascii_lowercase()) {
        number if text.len() == number.len() => (number, 1.0),
        number => {
            let units = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
            let unit = units.into_iter().find(|(unit, _)| text.strip_suffix(unit) == Some(number));
            (number, unit.map_or(f64::NAN, |(_, seconds)| seconds))
        }
    };
    let digits = number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds = number.parse::<f64>().ok().filter(|_| digits).map(|number| number * seconds_each);
    match seconds {
        Some(seconds) if (0.0..=86_400.0).contains(&seconds) => {
            Ok(Duration::from_secs_f64(seconds))
        }
        _ => Err("it is a time such as 2s, 500ms or 5m, at most 24h".to_owned()),
    }
}

/// Parses with clap. Help and version are results; anything else is a usage failure.
pub fn parse<T: clap::Parser>(
    context: &Context,
    arguments: Vec<OsString>,
) -> Result<Result<T, u8>, Failure> {
    let argv = std::iter::once(OsString::from(&context.program)).chain(arguments);
    match T::try_parse_from(argv) {
        Ok(parsed) => Ok(Ok(parsed)),
        Err(error) if error.kind() == clap::error::ErrorKind::DisplayVersion => {
            output::write(&format!("{} {}\n", context.program, env!("CARGO_PKG_VERSION")))?;
            Ok(Err(0))
        }
        Err(error) if !error.use_stderr() => {
            output::write(&error.render().to_string())?;
            Ok(Err(0))
        }
        Err(error) => {
            let text = error.render().to_string();
            let message = text.strip_prefix("error: ").unwrap_or(&text);
            // The first paragraph; usage and advice follow, and ours is the hint.
            let message: Vec<&str> =
                message.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
            let message = message.join(" ");
            Err(Failure::unescaped_usage(&message)
                .hint(format!("see `{} --help`", context.program)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_in_seconds_or_has_a_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("5m"), Ok(Duration::from_mins(5)));
        assert_eq!(duration("1.5h"), Ok(Duration::from_mins(90)));
        for wrong in ["", "-1", "inf", "NaN", "s", "2d", "2sm", "86401", "25h", "1e3", "."] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_summary_is_one_line_and_advises() {
        let gap = |reason| Gap { object: "3 processes".into(), what: "namespaces", reason };
        assert_eq!(summary(&[], "--json"), None);
        let one = summary(&[gap(Reason::Timeout)], "--json").unwrap();
        assert_eq!(one, "namespaces of 3 processes could not be read (no answer in time)");
        let two = summary(&[gap(Reason::Gone), gap(Reason::Gone)], "--json").unwrap();
        assert!(two.contains("and 1 more"));
        let some = summary(&[gap(Reason::Incomplete)], "--json").unwrap();
        let may = "some namespaces of 3 processes may be missing (changed meanwhile, or cut)";
        assert_eq!(some, may);
    }
}
