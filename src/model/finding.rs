//! What is unusual about a target, in one line each.

use super::inspection::Section;

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Worth knowing; it may be meant so.
    Notice,
    /// Something fails, or is about to.
    Warning,
}

/// One line of what is unusual.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finding {
    /// How much it matters: `notice` or `warning`.
    pub level: Level,
    /// The section that has the numbers.
    pub section: Section,
    /// A sentence without a full stop. Names from outside are in it in their escaped spelling.
    pub text: String,
}

impl Finding {
    /// One that is worth knowing.
    pub fn notice(section: Section, text: impl Into<String>) -> Self {
        Self { level: Level::Notice, section, text: text.into() }
    }

    /// One that is or soon will be trouble.
    pub fn warning(section: Section, text: impl Into<String>) -> Self {
        Self { level: Level::Warning, section, text: text.into() }
    }
}
