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
#[derive(Debug)]
pub struct Opt<Id: 'static> {
    pub id: Id,
    pub short: Option<char>,
    pub long: &'static str,
    /// Other long names, accepted and not advertised.
    pub aliases: &'static [&'static str],
    /// Name of the value, for options that take one.
    pub value: Option<&'static str>,
    pub help: &'static str,
}

/// A command line taken apart by a table.
#[derive(Debug)]
pub enum Parsed<Id> {
    Run {
        options: Vec<(Id, OsString)>,
        program: Vec<OsString>,
    },
    /// Help or version was asked for and printed.
    Done(u8),
}

/// Options end at the first word that is none, or at `--`; the rest is the program.
pub fn parse<Id: Copy>(
    context: &Context,
    table: &[Opt<Id>],
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
    while let Some(argument) = parser.next().map_err(usage)? {
        let found = match &argument {
            lexopt::Arg::Short('h') | lexopt::Arg::Long("help") => {
                output::write(help)?;
                return Ok(Parsed::Done(0));
            }
            lexopt::Arg::Short('V') | lexopt::Arg::Long("version") => {
                output::write(&format!("{} {}\n", context.program, env!("CARGO_PKG_VERSION")))?;
                return Ok(Parsed::Done(0));
            }
            lexopt::Arg::Short(short) => table.iter().find(|option| option.short == Some(*short)),
            lexopt::Arg::Long(long) => {
                table.iter().find(|option| option.long == *long || option.aliases.contains(long))
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
            Some(_) => parser.value().map_err(usage)?,
            None => OsString::new(),
        };
        options.push((option.id, value));
    }
    Ok(Parsed::Run { options, program })
}

/// The table as clap knows it; for generated documents, never at run time.
pub fn definition_of<Id>(
    name: &'static str,
    about: &'static str,
    table: &'static [Opt<Id>],
) -> clap::Command {
    let arguments = table.iter().map(|option| {
        let argument = clap::Arg::new(option.long).long(option.long).help(option.help);
        let argument = match option.short {
            Some(short) => argument.short(short),
            None => argument,
        };
        match option.value {
            Some(value) => argument.value_name(value).action(clap::ArgAction::Append),
            None => argument.action(clap::ArgAction::SetTrue),
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

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Id {
        Target,
        Net,
    }

    const TABLE: &[Opt<Id>] = &[
        Opt {
            id: Id::Target,
            short: Some('t'),
            long: "target",
            aliases: &[],
            value: Some("T"),
            help: "",
        },
        Opt {
            id: Id::Net,
            short: Some('n'),
            long: "net",
            aliases: &["network"],
            value: None,
            help: "",
        },
    ];

    type Words = Vec<OsString>;

    fn parsed(line: &str) -> Result<(Vec<(Id, OsString)>, Words), String> {
        let words = line.split_whitespace().map(OsString::from).collect();
        match parse(&Context::new("test"), TABLE, "", words) {
            Ok(Parsed::Run { options, program }) => Ok((options, program)),
            Ok(Parsed::Done(_)) => Err("done".into()),
            Err(failure) => Err(failure.message),
        }
    }

    #[test]
    fn every_spelling_of_an_option_is_the_same() {
        let expected = (
            vec![(Id::Target, "web".into()), (Id::Net, OsString::new())],
            vec!["ip".into(), "-t".into()],
        );
        for line in [
            "-t web -n ip -t",
            "-tweb -n ip -t",
            "-t=web -n ip -t",
            "--target web --net ip -t",
            "--target=web --network -- ip -t",
        ] {
            assert_eq!(parsed(line).unwrap(), expected, "{line}");
        }
        assert_eq!(parsed("-nt web ip -t").unwrap().0[1], (Id::Target, "web".into()));
    }

    #[test]
    fn what_the_table_does_not_have_is_refused() {
        for line in ["-x", "--nett", "--net=1", "-t"] {
            assert!(parsed(line).is_err(), "{line}");
        }
    }
}
