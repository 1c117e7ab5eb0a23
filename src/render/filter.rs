//! Filter expressions over the columns of a table: `runtime == "docker" and procs > 10`.
//!
//! The language is that of scols-filter(5), which lsns, lsblk and lsfd speak. A filter sees what
//! is displayed, in full length and with plain numbers, of every column, shown or not.
//!
//! - `and` and `or` have one rank and are taken from left to right, as the reference does it;
//!   comparisons bind closer, from left to right too; `not` binds closest.
//! - A comparison is made in the type of what stands beside the column; between two columns, or
//!   two values, in the type of the left one. `true` and `1` are true as text; a value that cannot
//!   become a number, or is absent, compares as false; but absent text comes before all other, and
//!   an absent number is not true.
//! - A column alone is true where it is neither empty nor zero.
//! - `=~` looks for a regular expression, which must be written there, in time linear in the text:
//!   no command line can make it slow.

mod lex;
mod parse;
mod value;

use super::column::{CellKind, Column, Style};
use crate::model::text::Text;
use parse::Operand;

/// A longer expression is no person's.
const MOST_BYTES: usize = 4096;
/// Parentheses, negations and comparisons within each other.
const DEEPEST: usize = 32;
/// What a regular expression may occupy once it is compiled.
const PATTERN_BYTES: usize = 1 << 20;

/// A column as an expression may name it.
#[derive(Clone, Copy, Debug)]
pub struct Holder<'a> {
    /// As the expression spells it.
    pub name: &'a str,
    /// How its cells are compared.
    pub kind: CellKind,
}

/// An expression that has been read.
#[derive(Debug)]
pub struct Filter(Option<Operand>);

impl Filter {
    /// Reads an expression over these columns. An empty one lets everything through.
    pub fn parse(expression: &str, columns: &[Holder<'_>]) -> Result<Self, FilterError> {
        if expression.is_empty() {
            return Ok(Self(None));
        }
        if expression.len() > MOST_BYTES {
            return Err(FilterError::TooLong);
        }
        parse::parse(expression, columns).map(|operand| Self(Some(operand)))
    }

    /// Reads an expression over the columns of a table.
    pub fn over<T>(expression: &str, columns: &[Column<T>]) -> Result<Self, FilterError> {
        let holder = |column: &Column<T>| Holder { name: column.key, kind: column.kind };
        Self::parse(expression, &columns.iter().map(holder).collect::<Vec<_>>())
    }

    /// Whether it asks for a column with one of these keys.
    pub fn names<T>(&self, columns: &[Column<T>], keys: &[&str]) -> bool {
        let is_it = |at: usize| columns.get(at).is_some_and(|column| keys.contains(&column.key));
        self.0.as_ref().is_some_and(|operand| operand.names(&is_it))
    }

    /// Whether a row passes. `cell` is asked for columns by their place in the list that the
    /// expression was read with, and only for those that decide; `None` is a value that is absent.
    pub fn matches(&self, cell: &dyn Fn(usize) -> Option<String>) -> bool {
        self.0.as_ref().is_none_or(|operand| operand.truth(cell))
    }

    /// Whether a row of the table passes whose columns the expression was read with.
    pub fn keeps<T>(&self, columns: &[Column<T>], row: &T) -> bool {
        let style = Style { bytes: true, whole: true };
        self.matches(&|at| {
            columns.get(at).map(|column| (column.cell)(row, style)).filter(|cell| cell != "-")
        })
    }
}

/// Why an expression is none.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// More than 4096 bytes.
    #[error("the filter is longer than {MOST_BYTES} bytes")]
    TooLong,
    /// More than 32 parentheses, negations and comparisons within each other.
    #[error("the filter is nested deeper than {DEEPEST} levels")]
    TooDeep,
    /// A word stands where none of its class can.
    #[error("{0}")]
    Syntax(SyntaxError),
    /// A word that is neither a column nor in quotes.
    #[error("unknown column {name:?} in the filter; there are {known}; text is written in quotes")]
    UnknownColumn {
        /// The word, as it was spelled.
        name: Text,
        /// The columns that there are, separated by commas.
        known: String,
    },
    /// What stands behind a match is refused by the engine for expressions.
    #[error("{pattern:?} in the filter is no regular expression: {reason}")]
    Pattern {
        /// As it was spelled.
        pattern: Text,
        /// In the words of the engine.
        reason: Text,
    },
    /// A text stands where a number is needed, and holds none.
    #[error("{0:?} in the filter is compared with a number and is none")]
    NotANumber(Text),
    /// Its unit counted in, it is beyond what 64 bits hold.
    #[error("{0:?} in the filter is too large a number")]
    TooLarge(Text),
}

/// A word where it cannot stand.
#[derive(Debug)]
pub struct SyntaxError {
    /// All of it, as it was spelled.
    pub expression: Text,
    /// The word; `None` is the end of the expression.
    pub word: Option<Text>,
    /// What libsmartcols calls its class: `HOLDER`, `EQ`, `end of file`.
    pub class: String,
    /// In characters from 1.
    pub at: usize,
    /// What stands before it is an expression already.
    pub after_all: bool,
}

impl std::fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { expression, word, at, .. } = self;
        match word {
            Some(word) => {
                write!(f, "unexpected {word:?} at character {at} of the filter {expression:?}")
            }
            None => write!(f, "unexpected end of the filter {expression:?}"),
        }
    }
}

#[cfg(test)]
mod tests;
