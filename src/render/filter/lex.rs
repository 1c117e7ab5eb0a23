//! The words of a filter expression, and where each begins.

use super::value::{Number, Value};
use super::{FilterError, SyntaxError};
use crate::model::text::Text;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Holder,
    Literal(Value<'static>),
    And,
    Or,
    Not,
    Compare(Comparison),
    Match {
        negated: bool,
    },
    Open,
    Close,
    End,
    /// No word at all.
    Unreadable,
}

#[derive(Clone, Debug)]
pub(super) struct Word<'a> {
    pub(super) kind: Kind,
    pub(super) text: &'a str,
    /// In bytes from the beginning.
    at: usize,
}

impl Word<'_> {
    pub(super) const END: Word<'static> = Word { kind: Kind::End, text: "", at: usize::MAX };

    /// The word is not what can stand here.
    pub(super) fn unexpected(&self, expression: &str, after_all: bool) -> FilterError {
        let before = expression.get(..self.at).unwrap_or(expression);
        FilterError::Syntax(SyntaxError {
            expression: Text::from(expression),
            word: (self.kind != Kind::End).then(|| Text::from(self.text)),
            class: self.class(),
            at: before.chars().count() + 1,
            after_all,
        })
    }

    fn class(&self) -> String {
        let name = match &self.kind {
            Kind::Holder => "HOLDER",
            Kind::Literal(Value::Text(_)) => "STRING",
            Kind::Literal(Value::Number(Number::Int(_))) => "NUMBER",
            Kind::Literal(Value::Number(Number::Float(_))) => "FLOAT",
            Kind::Literal(Value::Bool(true)) => "TRUE",
            Kind::Literal(Value::Bool(false)) => "FALSE",
            Kind::And => "AND",
            Kind::Or => "OR",
            Kind::Not => "NEG",
            Kind::Compare(Comparison::Eq) => "EQ",
            Kind::Compare(Comparison::Ne) => "NE",
            Kind::Compare(Comparison::Lt) => "LT",
            Kind::Compare(Comparison::Le) => "LE",
            Kind::Compare(Comparison::Gt) => "GT",
            Kind::Compare(Comparison::Ge) => "GE",
            Kind::Match { negated: false } => "REG",
            Kind::Match { negated: true } => "NREG",
            Kind::End => "end of file",
            Kind::Open | Kind::Close | Kind::Unreadable => {
                return format!("'{}'", Text::from(self.text));
            }
        };
        name.to_owned()
    }
}

/// All words, the last of them [`Kind::End`]. What is no word is one that fits nowhere.
pub(super) fn words(expression: &str) -> Result<Vec<Word<'_>>, FilterError> {
    let mut words = Vec::new();
    let mut rest = expression;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n']);
        let at = expression.len() - rest.len();
        let (kind, length) = first(rest)?;
        let (text, after) = rest.split_at(length);
        let ends = matches!(kind, Kind::End | Kind::Unreadable);
        words.push(Word { kind, text, at });
        if ends {
            return Ok(words);
        }
        rest = after;
    }
}

const SIGNS: [(&str, Kind); 12] = [
    ("&&", Kind::And),
    ("||", Kind::Or),
    ("==", Kind::Compare(Comparison::Eq)),
    ("!=", Kind::Compare(Comparison::Ne)),
    ("<=", Kind::Compare(Comparison::Le)),
    (">=", Kind::Compare(Comparison::Ge)),
    ("=~", Kind::Match { negated: false }),
    ("!~", Kind::Match { negated: true }),
    ("<", Kind::Compare(Comparison::Lt)),
    (">", Kind::Compare(Comparison::Gt)),
    ("(", Kind::Open),
    (")", Kind::Close),
];

/// The word that a text begins with, and its length in bytes.
fn first(text: &str) -> Result<(Kind, usize), FilterError> {
    let Some(c) = text.chars().next() else { return Ok((Kind::End, 0)) };
    if c.is_ascii_alphabetic() {
        let length = text.find(|c: char| !continues_a_name(c)).unwrap_or(text.len());
        return Ok((keyword(text.get(..length).unwrap_or(text)), length));
    }
    if c.is_ascii_digit() || c == '.' {
        return number(text);
    }
    if let Some(length) = quoted(text) {
        let within = text.get(1..length - 1).unwrap_or_default().to_owned();
        return Ok((Kind::Literal(Value::Text(within.into())), length));
    }
    if let Some((sign, kind)) = SIGNS.iter().find(|(sign, _)| text.starts_with(sign)) {
        return Ok((kind.clone(), sign.len()));
    }
    Ok((if c == '!' { Kind::Not } else { Kind::Unreadable }, c.len_utf8()))
}

fn continues_a_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || "_.%:/-".contains(c)
}

/// Keywords are written in small or in capital letters, not in both.
fn keyword(word: &str) -> Kind {
    match word {
        "true" | "TRUE" => Kind::Literal(Value::Bool(true)),
        "false" | "FALSE" => Kind::Literal(Value::Bool(false)),
        "and" | "AND" => Kind::And,
        "or" | "OR" => Kind::Or,
        "not" | "NOT" => Kind::Not,
        "eq" | "EQ" => Kind::Compare(Comparison::Eq),
        "ne" | "NE" => Kind::Compare(Comparison::Ne),
        "lt" | "LT" => Kind::Compare(Comparison::Lt),
        "le" | "LE" => Kind::Compare(Comparison::Le),
        "gt" | "GT" => Kind::Compare(Comparison::Gt),
        "ge" | "GE" => Kind::Compare(Comparison::Ge),
        _ => Kind::Holder,
    }
}

/// The length of a text in quotes, with them. Nothing is escaped within, and it is of one line.
fn quoted(text: &str) -> Option<usize> {
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let end = text.get(1..)?.find([quote, '\n'])? + 1;
    text.get(end..)?.starts_with(quote).then_some(end + 1)
}

/// `12`, `1.5`, `.5`, `4K`, `4KiB`.
fn number(text: &str) -> Result<(Kind, usize), FilterError> {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let whole = digits(text);
    let after = text.get(whole..).unwrap_or_default();
    let fraction = after.strip_prefix('.').map_or(0, digits);
    let (length, power) = match fraction {
        0 => (whole, after.chars().next().and_then(|c| "KMGTPEZY".find(c))),
        _ => (whole + 1 + fraction, None),
    };
    let spelled = text.get(..length).unwrap_or_default();
    if fraction > 0 {
        let float = spelled
            .parse()
            .map_or(Kind::Unreadable, |float| Kind::Literal(Value::Number(Number::Float(float))));
        return Ok((float, length));
    }
    if whole == 0 {
        return Ok((Kind::Unreadable, 1));
    }
    let unit = match (power, after.get(1..3)) {
        (None, _) => 0,
        (Some(_), Some("iB")) => 3,
        (Some(_), _) => 1,
    };
    let too_large = || FilterError::TooLarge(Text::from(text.get(..length + unit).unwrap_or(text)));
    let count: u64 = spelled.parse().map_err(|_| too_large())?;
    let factor = power.map_or(Some(1), |power| {
        1024_u64.checked_pow(u32::try_from(power + 1).unwrap_or(u32::MAX))
    });
    let count = factor.and_then(|factor| count.checked_mul(factor)).ok_or_else(too_large)?;
    Ok((Kind::Literal(Value::Number(Number::Int(count))), length + unit))
}
