//! What a filter compares: values, their types, and how one becomes another.

use super::lex::Comparison;
use std::borrow::Cow;
use std::cmp::Ordering;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    Number,
    Bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Int(u64),
    Float(f64),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Number(Number),
    Bool(bool),
}

impl Number {
    /// Of a cell: decimal digits, perhaps a sign and a fraction.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        if !unsigned.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
            return None;
        }
        text.parse().map(Self::Int).or_else(|_| text.parse().map(Self::Float)).ok()
    }

    fn is_zero(self) -> bool {
        self.order(Self::Int(0)) == Some(Ordering::Equal)
    }

    /// Whole numbers exactly, any other as fractions.
    fn order(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(one), Self::Int(other)) => Some(one.cmp(&other)),
            (one, other) => one.float().partial_cmp(&other.float()),
        }
    }

    fn float(self) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "compared with a fraction")]
            Self::Int(number) => number as f64,
            Self::Float(number) => number,
        }
    }
}

impl Value<'_> {
    pub(super) fn type_of(&self) -> Type {
        match self {
            Self::Text(_) => Type::Text,
            Self::Number(_) => Type::Number,
            Self::Bool(_) => Type::Bool,
        }
    }

    /// Neither empty, nor zero, nor false.
    pub(super) fn truth(&self) -> bool {
        match self {
            Self::Text(text) => !text.is_empty(),
            Self::Number(number) => !number.is_zero(),
            Self::Bool(truth) => *truth,
        }
    }

    /// The same in another type; `None` for a text that is no number.
    pub(super) fn into(self, target: Type) -> Option<Self> {
        Some(match (self, target) {
            (Self::Number(number), Type::Bool) => Self::Bool(!number.is_zero()),
            (Self::Text(text), Type::Bool) => Self::Bool(matches!(&*text, "true" | "TRUE" | "1")),
            (Self::Text(text), Type::Number) => Self::Number(Number::parse(&text)?),
            (Self::Bool(truth), Type::Number) => Self::Number(Number::Int(truth.into())),
            (Self::Bool(truth), Type::Text) => Self::Text(truth.to_string().into()),
            (Self::Number(Number::Int(number)), Type::Text) => {
                Self::Text(number.to_string().into())
            }
            (Self::Number(Number::Float(number)), Type::Text) => {
                Self::Text(number.to_string().into())
            }
            (same, _) => same,
        })
    }

    /// Of two values of one type.
    pub(super) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(one), Self::Text(other)) => Some(one.as_bytes().cmp(other.as_bytes())),
            (Self::Number(one), Self::Number(other)) => one.order(*other),
            (Self::Bool(one), Self::Bool(other)) => Some(one.cmp(other)),
            _ => None,
        }
    }
}

impl Comparison {
    /// What has no order, as an absent number, compares as false.
    pub(super) fn holds(self, order: Option<Ordering>) -> bool {
        order.is_some_and(|order| match self {
            Self::Eq => order.is_eq(),
            Self::Ne => order.is_ne(),
            Self::Lt => order.is_lt(),
            Self::Le => order.is_le(),
            Self::Gt => order.is_gt(),
            Self::Ge => order.is_ge(),
        })
    }
}
