//! Option tables for the commands that run a program.
//!
//! `enter` and `spawn` must start in microseconds and stay small while another process watches,
//! so they do not build a parser at run time: a table is walked with lexopt. The same table makes
//! the clap command from which help, man page and completions are generated.

use super::context::Context;
use super::error::Failure;
use super::output;
use std::ffi::OsString;

/// One option. `Id` is the command's own enumeration.
#[derive(Clone, Copy, Debug)]
pub struct Opt<Id: 'static> {
    /// What the parser hands out for it, whichever name was used.
    pub id: Id,
    /// Its letter, without the dash; `h` and `V` are taken. `None`: only the long name.
    pub short: Option<char>,
    /// Its name without the dashes; it is never abbreviated.
    pub long: &'static str,
    /// Other long names, accepted and not advertised.
    pub aliases: &'static [&'static str],
    /// Whether it takes one, and what help and man page call it.
    pub value: Value,
    /// What it is listed under, where a command has many.
    pub heading: Option<&'static str>,
    /// For help, man page and completions; without a full stop at its end.
    pub help: &'static str,
}

/// Whether an option takes a value, and what that is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// A flag.
    None,
    /// Attached, or the next word; what it is called: `TIME`.
    Required(&'static str),
    /// Only where it is attached: `-n/run/netns/blue`, `-n=FILE`, `--net=FILE`.
    Optional(&'static str),
}

/// A command line taken apart by a table.
#[derive(Debug)]
pub enum Parsed<Id> {
    /// A program is to be started, or whatever the options say.
    Run {
        /// In the order of the command line; `None`: a flag, or no value was attached.
        options: Vec<(Id, Option<OsString>)>,
        /// With its arguments; empty where no program was named.
        program: Vec<OsString>,
    },
    /// Help or version was asked for and printed.
    Done(u8),
}

/// Options end at the first word that is none, or at `--`; the rest is the program.
pub fn parse<Id: Copy>(
    context: &Context,
    tables: &[&[Opt<Id>]],
    help: &str,
    arguments: Vec<OsString>,
) -> Result<Parsed<Id>, Failure> {
    let usage = |error: lexopt::Error| {
        Failure::unescaped_usage(&error.to_string())
            .hint(format!("see `{} --help`", context.program))
    };
    let mut options = Vec::new();
    let mut program = Vec::new();
    let mut parser = lexopt::Parser::from_args(arguments);
    loop {
        if let Some(bundle) = take_bundle(tables, &mut parser) {
            let (last, before) =
                bundle.split_last().map_or((None, &[][..]), |(last, before)| (Some(last), before));
            options.extend(before.iter().map(|option| (option.id, None)));
            if let Some(last) = last {
                let value = match last.value {
                    Value::Required(_) => Some(parser.value().map_err(usage)?),
                    _ => None,
                };
                options.push((last.id, value));
            }
            continue;
        }
        let Some(argument) = parser.next().map_err(usage)? else { break };
        let found = match &argument {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => {
                output::write(help)?;
                return Ok(Parsed::Done(0));
            }
            lexopt::Arg::Short('V') | lexopt::Arg::Long("version") => {
                output::write(&format!("{} {}\n", context.program, env!("CARGO_PKG_VERSION")))?;
                return Ok(Parsed::Done(0));
            }
            lexopt::Arg::Short(short) => of_letter(tables, *short),
            lexopt::Arg::Long(long) => {
                all(tables).find(|option| option.long == *long || option.aliases.contains(long))
            }
            lexopt::Arg::Value(word) => {
                program.push(word.clone());
                program.extend(parser.raw_args().map_err(usage)?);
                break;
            }
        };
        let Some(option) = found else {
            return Err(usage(argument.unexpected()));
        };
        let value = match option.value {
            Value::Required(_) => Some(parser.value().map_err(usage)?),
            Value::Optional(_) => parser.optional_value(),
            Value::None => None,
        };
        options.push((option.id, value));
    }
    Ok(Parsed::Run { options, program })
}

fn all<'a, Id>(tables: &'a [&'a [Opt<Id>]]) -> impl Iterator<Item = &'a Opt<Id>> {
    tables.iter().copied().flatten()
}

fn of_letter<'a, Id>(tables: &'a [&'a [Opt<Id>]], letter: char) -> Option<&'a Opt<Id>> {
    all(tables).find(|option| option.short == Some(letter))
}

/// `-mnu`: of letters that are all options it is several, where getopt(3) would see the file `nu`
/// of the first. Only the last may need a value, which is the next word.
fn take_bundle<'a, Id>(
    tables: &'a [&'a [Opt<Id>]],
    parser: &mut lexopt::Parser,
) -> Option<Vec<&'a Opt<Id>>> {
    let mut words = parser.try_raw_args()?;
    let word = words.peek()?.to_str()?;
    let letters = word.strip_prefix('-').filter(|letters| letters.len() > 1)?;
    let bundle: Vec<_> =
        letters.chars().map(|letter| of_letter(tables, letter)).collect::<Option<_>>()?;
    let (_, before) = bundle.split_last()?;
    let needs = |option: &&Opt<Id>| matches!(option.value, Value::Required(_));
    if before.iter().any(needs) {
        return None;
    }
    words.next();
    Some(bundle)
}

/// The table as clap knows it; for generated documents, never at run time.
pub fn definition_of<Id>(
    name: &'static str,
    about: &'static str,
    tables: &'static [&'static [Opt<Id>]],
) -> clap::Command {
    let arguments = all(tables).map(|option| {
        let argument = clap::Arg::new(option.long)
            .long(option.long)
            .help(option.help)
            .help_heading(option.heading);
        let argument = match option.short {
            Some(short) => argument.short(short),
            None => argument,
        };
        match option.value {
            Value::Required(value) => argument.value_name(value).action(clap::ArgAction::Append),
            Value::Optional(value) => argument
                .value_name(value)
                .num_args(0..=1)
                .require_equals(true)
                .action(clap::ArgAction::Append),
            Value::None => argument.action(clap::ArgAction::SetTrue),
        }
    });
    let program = clap::Arg::new("program")
        .value_name("PROGRAM")
        .help("Program to run, and its arguments")
        .num_args(0..)
        .trailing_var_arg(true)
        .allow_hyphen_values(true);
    clap::Command::new(name)
        .version(env!("CARGO_PKG_VERSION"))
        .about(about)
        .args(arguments)
        .arg(program)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn opt(id: char, short: char, long: &'static str, value: Value) -> Opt<char> {
        Opt { id, short: Some(short), long, aliases: &[], value, heading: None, help: "" }
    }

    const TABLE: &[Opt<char>] = &[
        opt('t', 't', "target", Value::Required("T")),
        Opt { aliases: &["network"], ..opt('n', 'n', "net", Value::Optional("FILE")) },
        opt('m', 'm', "mount", Value::Optional("FILE")),
        opt('e', 'e', "env", Value::None),
    ];

    /// `t=web n <ip>`
    fn parsed(line: &str) -> String {
        let words = line.split_whitespace().map(OsString::from).collect();
        let (options, program) = match parse(&Context::new("test"), &[TABLE], "", words) {
            Ok(Parsed::Run { options, program }) => (options, program),
            Ok(Parsed::Done(_)) => return "done".into(),
            Err(failure) => return failure.message,
        };
        let options = options.into_iter().map(|(id, value)| match value {
            Some(value) => format!("{id}={}", value.display()),
            None => id.to_string(),
        });
        let program = program.iter().map(|word| format!("<{}>", word.display()));
        options.chain(program).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn every_spelling_of_an_option_is_the_same() {
        for line in [
            "-t web -n ip -t",
            "-tweb -n ip -t",
            "-t=web -n ip -t",
            "--target web --net ip -t",
            "--target=web --network -- ip -t",
        ] {
            assert_eq!(parsed(line), "t=web n <ip> <-t>", "{line}");
        }
    }

    #[test]
    fn a_value_that_may_be_left_out_is_attached() {
        for (line, expected) in [
            ("-n=/f ip", "n=/f <ip>"),
            ("-n/f ip", "n=/f <ip>"),
            ("-n:7 ip", "n=:7 <ip>"),
            ("--net=f ip", "n=f <ip>"),
            ("--net f ip", "n <f> <ip>"),
            ("-n=e", "n=e"),
            ("-nfile", "n=file"),
        ] {
            assert_eq!(parsed(line), expected, "{line}");
        }
    }

    #[test]
    fn letters_that_are_all_options_are_several() {
        for (line, expected) in [
            ("-mne ip", "m n e <ip>"),
            ("-mnt web ip", "m n t=web <ip>"),
            ("-en=/f ip", "e n=/f <ip>"),
            ("-t web -- -mn", "t=web <-mn>"),
            ("ip -mn", "<ip> <-mn>"),
            ("-t -mn", "t=-mn"),
        ] {
            assert_eq!(parsed(line), expected, "{line}");
        }
    }

    #[test]
    fn what_the_table_does_not_have_is_refused() {
        for (line, why) in [
            ("-x", "invalid option '-x'"),
            ("--nett", "invalid option '--nett'"),
            ("--env=1", "unexpected argument for option '--env': \"1\""),
            ("-t", "missing argument for option '-t'"),
            ("-mnt", "missing argument"),
        ] {
            assert_eq!(parsed(line), why, "{line}");
        }
    }
}
