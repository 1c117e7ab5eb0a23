//! From words to an expression that can be asked.

use super::lex::{Comparison, Kind, Word, words};
use super::value::{Number, Type, Value};
use super::{CellKind, DEEPEST, FilterError, Holder, PATTERN_BYTES};
use crate::model::text::Text;
use regex_lite::{Regex, RegexBuilder};
use std::cmp::Ordering;

/// A row: the cell of a column, `None` where it is absent.
type Cells<'a> = &'a dyn Fn(usize) -> Option<String>;

#[derive(Debug)]
pub(super) enum Operand {
    Column { at: usize, kind: CellKind },
    Literal(Value<'static>),
    Test(Box<Test>),
}

#[derive(Debug)]
pub(super) enum Test {
    Not(Operand),
    /// Taken from left to right.
    Chain {
        first: Operand,
        rest: Vec<(Link, Operand)>,
    },
    Compare {
        left: Operand,
        by: Comparison,
        right: Operand,
        kind: Type,
    },
    Match {
        text: Operand,
        pattern: Regex,
        negated: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Link {
    And,
    Or,
}

impl Operand {
    fn of(test: Test) -> Self {
        Self::Test(Box::new(test))
    }

    /// Whether a column for which this holds is named anywhere in it.
    pub(super) fn names(&self, is_it: &dyn Fn(usize) -> bool) -> bool {
        match self {
            Self::Column { at, .. } => is_it(*at),
            Self::Literal(_) => false,
            Self::Test(test) => match &**test {
                Test::Not(operand) | Test::Match { text: operand, .. } => operand.names(is_it),
                Test::Chain { first, rest } => {
                    first.names(is_it) || rest.iter().any(|(_, next)| next.names(is_it))
                }
                Test::Compare { left, right, .. } => left.names(is_it) || right.names(is_it),
            },
        }
    }

    fn type_of(&self) -> Type {
        match self {
            Self::Column { kind: CellKind::Text, .. } => Type::Text,
            Self::Column { kind: CellKind::Number, .. } => Type::Number,
            Self::Literal(value) => value.type_of(),
            Self::Test(_) => Type::Bool,
        }
    }

    pub(super) fn truth(&self, cells: Cells<'_>) -> bool {
        match self {
            Self::Literal(value) => value.truth(),
            Self::Test(test) => test.holds(cells),
            Self::Column { .. } => {
                self.value(cells, self.type_of()).is_some_and(|value| value.truth())
            }
        }
    }

    /// The value in a type; `None` where it is absent or cannot be of that type.
    fn value(&self, cells: Cells<'_>, kind: Type) -> Option<Value<'_>> {
        match self {
            Self::Literal(Value::Text(text)) => Value::Text((&**text).into()).into(kind),
            Self::Literal(value) => value.clone().into(kind),
            Self::Test(test) => Value::Bool(test.holds(cells)).into(kind),
            Self::Column { at, kind: cell } => {
                let Some(text) = cells(*at) else {
                    let untrue = *cell == CellKind::Number && kind == Type::Bool;
                    return untrue.then_some(Value::Bool(false));
                };
                match (cell, kind) {
                    (CellKind::Number, Type::Bool) => {
                        Value::Number(Number::parse(&text)?).into(kind)
                    }
                    _ => Value::Text(text.into()).into(kind),
                }
            }
        }
    }
}

impl Test {
    fn holds(&self, cells: Cells<'_>) -> bool {
        match self {
            Self::Not(operand) => !operand.truth(cells),
            Self::Chain { first, rest } => {
                rest.iter().fold(first.truth(cells), |so_far, (link, next)| match link {
                    Link::And => so_far && next.truth(cells),
                    Link::Or => so_far || next.truth(cells),
                })
            }
            Self::Compare { left, by, right, kind } => {
                let order = match (left.value(cells, *kind), right.value(cells, *kind)) {
                    (Some(left), Some(right)) => left.order(&right),
                    _ if *kind != Type::Text => None,
                    (None, None) => Some(Ordering::Equal),
                    (None, _) => Some(Ordering::Less),
                    (_, None) => Some(Ordering::Greater),
                };
                by.holds(order)
            }
            Self::Match { text, pattern, negated } => {
                let matches = match text.value(cells, Type::Text) {
                    Some(Value::Text(text)) => pattern.is_match(&text),
                    // No number is no text either.
                    _ => text.type_of() == Type::Text && pattern.is_match(""),
                };
                matches != *negated
            }
        }
    }
}

pub(super) fn parse(expression: &str, columns: &[Holder<'_>]) -> Result<Operand, FilterError> {
    let words = words(expression)?;
    let mut parser = Parser { expression, words: &words, columns, unknown: None };
    let whole = parser.chain(0)?;
    if parser.peek().kind != Kind::End {
        return Err(parser.unexpected(true));
    }
    match parser.unknown {
        Some(error) => Err(error),
        None => Ok(whole),
    }
}

struct Parser<'a> {
    expression: &'a str,
    words: &'a [Word<'a>],
    columns: &'a [Holder<'a>],
    /// The first name that is none. Said only where nothing else is wrong.
    unknown: Option<FilterError>,
}

const END: &Word<'_> = &Word::END;

impl<'a> Parser<'a> {
    fn peek(&self) -> &'a Word<'a> {
        self.words.first().unwrap_or(END)
    }

    fn advance(&mut self) {
        self.words = self.words.get(1..).unwrap_or_default();
    }

    fn unexpected(&self, after_all: bool) -> FilterError {
        self.peek().unexpected(self.expression, after_all)
    }

    /// `a and b or c`
    fn chain(&mut self, depth: usize) -> Result<Operand, FilterError> {
        let first = self.comparisons(depth)?;
        let mut rest = Vec::new();
        loop {
            let link = match self.peek().kind {
                Kind::And => Link::And,
                Kind::Or => Link::Or,
                _ if rest.is_empty() => return Ok(first),
                _ => return Ok(Operand::of(Test::Chain { first, rest })),
            };
            self.advance();
            rest.push((link, self.comparisons(depth)?));
        }
    }

    /// `a == b`, and `a == b == c`, which compares the first result with the third.
    fn comparisons(&mut self, mut depth: usize) -> Result<Operand, FilterError> {
        let mut left = self.operand(depth)?;
        loop {
            let test = match self.peek().kind {
                Kind::Compare(by) => {
                    self.advance();
                    compare(left, by, self.operand(depth)?)?
                }
                Kind::Match { negated } => {
                    self.advance();
                    Test::Match { text: left, pattern: self.pattern()?, negated }
                }
                _ => return Ok(left),
            };
            left = Operand::of(test);
            depth += 1;
            if depth > DEEPEST {
                return Err(FilterError::TooDeep);
            }
        }
    }

    fn operand(&mut self, depth: usize) -> Result<Operand, FilterError> {
        if depth > DEEPEST {
            return Err(FilterError::TooDeep);
        }
        let word = self.peek();
        let operand = match &word.kind {
            Kind::Not => {
                self.advance();
                return Ok(Operand::of(Test::Not(self.operand(depth + 1)?)));
            }
            Kind::Open => {
                self.advance();
                let within = self.chain(depth + 1)?;
                if self.peek().kind != Kind::Close {
                    return Err(self.unexpected(false));
                }
                within
            }
            Kind::Literal(value) => Operand::Literal(value.clone()),
            Kind::Holder => self.column(word.text),
            _ => return Err(self.unexpected(false)),
        };
        self.advance();
        Ok(operand)
    }

    fn column(&mut self, name: &str) -> Operand {
        let named = |column: &Holder<'_>| column.name.eq_ignore_ascii_case(name);
        let found = self.columns.iter().position(named);
        if found.is_none() && self.unknown.is_none() {
            let known: Vec<&str> = self.columns.iter().map(|column| column.name).collect();
            let known = known.join(", ");
            self.unknown = Some(FilterError::UnknownColumn { name: Text::from(name), known });
        }
        let at = found.unwrap_or_default();
        let kind = self.columns.get(at).map_or(CellKind::Text, |column| column.kind);
        Operand::Column { at, kind }
    }

    /// A regular expression, which must be there to be compiled once.
    fn pattern(&mut self) -> Result<Regex, FilterError> {
        let Kind::Literal(Value::Text(pattern)) = &self.peek().kind else {
            return Err(self.unexpected(false));
        };
        let compiled = RegexBuilder::new(pattern).size_limit(PATTERN_BYTES).build();
        let compiled = compiled.map_err(|error| FilterError::Pattern {
            pattern: Text::from(&**pattern),
            reason: Text::from(error.to_string()),
        })?;
        self.advance();
        Ok(compiled)
    }
}

/// The type is that of a value beside a column, otherwise that of the left side.
fn compare(left: Operand, by: Comparison, right: Operand) -> Result<Test, FilterError> {
    let decides = match (&left, &right) {
        (Operand::Column { .. }, Operand::Column { .. }) => &left,
        (Operand::Column { .. }, _) => &right,
        _ => &left,
    };
    let kind = decides.type_of();
    for side in [&left, &right] {
        if let Operand::Literal(value @ Value::Text(text)) = side
            && value.clone().into(kind).is_none()
        {
            return Err(FilterError::NotANumber(Text::from(&**text)));
        }
    }
    Ok(Test::Compare { left, by, right, kind })
}
