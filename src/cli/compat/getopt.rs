//! Command lines as getopt_long(3) takes them apart: bundled short options, attached arguments,
//! abbreviated long options, options after operands, and its words for what is wrong.

use crate::model::text::Text;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// Whether an option takes an argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// An attached one is an error for a long option: `--json=1`.
    None,
    /// Attached, or the next word whatever that is: `-oNS`, `-o NS`, `--output=NS`.
    Required,
    /// Only where it is attached: `-Tparent`, `--tree=parent`.
    Optional,
}

/// One option. Of those that an abbreviation fits, the earlier is named first.
#[derive(Debug)]
pub struct Opt<Id: 'static> {
    /// What the parser hands out. Two entries may share one.
    pub id: Id,
    /// An ASCII letter. `None`: there is only a long name.
    pub short: Option<u8>,
    /// Empty where there is none.
    pub long: &'static str,
    /// Of the short and the long name alike; where they differ there are two entries.
    pub argument: Argument,
}

/// What the next piece of a command line is; an operand, or an option and its argument.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<Id> {
    /// `None` where no argument was given; an empty one is `Some`, as of `--output=`.
    Option(Id, Option<OsString>),
    /// No option: `-` too, what comes after `--`, and in strict order all after the first.
    Operand(OsString),
}

/// As glibc puts it; bytes of the command line are escaped.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The word without its dashes, an argument included: `nope=1`.
    #[error("unrecognized option '--{0}'")]
    Unrecognized(Text),
    /// The word, and the names that begin with it: `'--output' '--output-all'`.
    #[error("option '--{0}' is ambiguous; possibilities: {1}")]
    Ambiguous(Text, String),
    /// A long option that takes no argument was given one; its whole name.
    #[error("option '--{0}' doesn't allow an argument")]
    NotAllowed(&'static str),
    /// A long option was the last word; its whole name.
    #[error("option '--{0}' requires an argument")]
    LongRequires(&'static str),
    /// The byte after a dash that is no option's letter.
    #[error("invalid option -- '{0}'")]
    Invalid(Text),
    /// A letter was the last of the last word.
    #[error("option requires an argument -- '{0}'")]
    ShortRequires(char),
}

/// Walks a command line, one item a time, so that what an option means can be refused before a
/// later one is looked at. Operands come where they stand.
#[derive(Debug)]
pub struct Parser<Id: 'static> {
    table: &'static [Opt<Id>],
    words: std::vec::IntoIter<OsString>,
    /// What is left of a word of short options.
    bundle: std::vec::IntoIter<u8>,
    /// The first operand ends the options, as POSIXLY_CORRECT asks for.
    strict: bool,
    only_operands: bool,
}

impl<Id: Copy> Parser<Id> {
    /// `words` without the program's name; `strict`: the first operand ends the options.
    pub fn new(table: &'static [Opt<Id>], words: Vec<OsString>, strict: bool) -> Self {
        let words = words.into_iter();
        Self { table, words, bundle: Vec::new().into_iter(), strict, only_operands: false }
    }

    fn short(&mut self, name: u8) -> Result<Item<Id>, Error> {
        let Some(option) = self.table.iter().find(|option| option.short == Some(name)) else {
            return Err(Error::Invalid(Text::new([name])));
        };
        let attached = if option.argument == Argument::None || self.bundle.len() == 0 {
            None
        } else {
            Some(OsString::from_vec(self.bundle.by_ref().collect()))
        };
        let argument = match option.argument {
            Argument::Required => attached
                .or_else(|| self.words.next())
                .map(Some)
                .ok_or(Error::ShortRequires(char::from(name)))?,
            Argument::None | Argument::Optional => attached,
        };
        Ok(Item::Option(option.id, argument))
    }

    fn long(&mut self, word: &[u8]) -> Result<Item<Id>, Error> {
        let (name, attached) = match word.iter().position(|byte| *byte == b'=') {
            Some(at) => (word.get(..at).unwrap_or_default(), word.get(at + 1..)),
            None => (word, None),
        };
        let option = self.by_name(word, name)?;
        let attached = attached.map(|argument| OsStr::from_bytes(argument).to_owned());
        let argument = match option.argument {
            Argument::None if attached.is_some() => return Err(Error::NotAllowed(option.long)),
            Argument::Required => attached
                .or_else(|| self.words.next())
                .map(Some)
                .ok_or(Error::LongRequires(option.long))?,
            Argument::None | Argument::Optional => attached,
        };
        Ok(Item::Option(option.id, argument))
    }

    /// By its whole name, or by a beginning that only one has.
    fn by_name(&self, word: &[u8], name: &[u8]) -> Result<&'static Opt<Id>, Error> {
        let exact = self
            .table
            .iter()
            .find(|option| !option.long.is_empty() && option.long.as_bytes() == name);
        if let Some(option) = exact {
            return Ok(option);
        }
        let begins =
            |option: &&Opt<Id>| !option.long.is_empty() && option.long.as_bytes().starts_with(name);
        let fitting: Vec<&'static Opt<Id>> = self.table.iter().filter(begins).collect();
        match fitting.as_slice() {
            [] => Err(Error::Unrecognized(Text::new(word))),
            [only] => Ok(only),
            several => {
                let names: Vec<String> =
                    several.iter().map(|option| format!("'--{}'", option.long)).collect();
                Err(Error::Ambiguous(Text::new(word), names.join(" ")))
            }
        }
    }
}

impl<Id: Copy> Iterator for Parser<Id> {
    type Item = Result<Item<Id>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(name) = self.bundle.next() {
            return Some(self.short(name));
        }
        let word = self.words.next()?;
        let bytes = word.as_bytes();
        if self.only_operands || bytes == b"-" || !bytes.starts_with(b"-") {
            self.only_operands |= self.strict;
            return Some(Ok(Item::Operand(word)));
        }
        if bytes == b"--" {
            self.only_operands = true;
            return self.words.next().map(|word| Ok(Item::Operand(word)));
        }
        if let Some(long) = bytes.strip_prefix(b"--") {
            return Some(self.long(long));
        }
        self.bundle = bytes.get(1..).unwrap_or_default().to_vec().into_iter();
        self.next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Opt<char>] = &[
        Opt { id: 'j', short: Some(b'J'), long: "json", argument: Argument::None },
        Opt { id: 'o', short: Some(b'o'), long: "output", argument: Argument::Required },
        Opt { id: 'a', short: None, long: "output-all", argument: Argument::None },
        Opt { id: 't', short: Some(b'T'), long: "tree", argument: Argument::Optional },
    ];

    /// `j o=NS <operand>`, up to what is wrong.
    fn parsed(strict: bool, words: &[&str]) -> String {
        let words = words.iter().map(OsString::from).collect();
        let mut seen = Vec::new();
        for item in Parser::new(TABLE, words, strict) {
            seen.push(match item {
                Ok(Item::Option(id, None)) => id.to_string(),
                Ok(Item::Option(id, Some(value))) => format!("{id}={}", value.display()),
                Ok(Item::Operand(word)) => format!("<{}>", word.display()),
                Err(error) => {
                    seen.push(error.to_string());
                    break;
                }
            });
        }
        seen.join(" ")
    }

    #[test]
    fn every_spelling() {
        for (words, expected) in [
            (&["-J", "-oNS", "-o", "NS"][..], "j o=NS o=NS"),
            (&["-JoNS", "-JTparent", "-TJ"], "j o=NS j t=parent t=J"),
            (&["--output=NS", "--output", "NS", "--output="], "o=NS o=NS o="),
            (&["-T", "parent", "--tree", "x", "--tree=x"], "t <parent> t <x> t=x"),
            (&["--js", "--t=a", "--output-", "--output-all"], "j t=a a a"),
            (&["-o=NS", "-o", "-J"], "o==NS o=-J"),
            (&["7", "-J", "--", "-J", "--"], "<7> j <-J> <-->"),
            (&["-", "", "-J"], "<-> <> j"),
        ] {
            assert_eq!(parsed(false, words), expected, "{words:?}");
        }
        assert_eq!(parsed(true, &["-J", "7", "-J"]), "j <7> <-J>");
    }

    #[test]
    fn what_is_wrong_is_said_in_glibc_s_words() {
        for (words, expected) in [
            (&["--nope"][..], "unrecognized option '--nope'"),
            (&["--nope=1"], "unrecognized option '--nope=1'"),
            (&["-Jx"], "j invalid option -- 'x'"),
            (&["-o"], "option requires an argument -- 'o'"),
            (&["--output"], "option '--output' requires an argument"),
            (&["--json=1"], "option '--json' doesn't allow an argument"),
            (&["--js=1"], "option '--json' doesn't allow an argument"),
            (&["--out"], "option '--out' is ambiguous; possibilities: '--output' '--output-all'"),
            (
                &["--out=x"],
                "option '--out=x' is ambiguous; possibilities: '--output' '--output-all'",
            ),
            (&["--\u{1b}"], "unrecognized option '--\\x1b'"),
            (&["-\u{e9}"], "invalid option -- '\\xc3'"),
        ] {
            assert_eq!(parsed(false, words), expected, "{words:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(words: Vec<Vec<u8>>, strict: bool) {
            let words = words.into_iter().map(OsString::from_vec).collect();
            assert!(Parser::new(TABLE, words, strict).take_while(Result::is_ok).count() < usize::MAX);
        }
    }
}
