//! What is unusual about a target, in one line each.

use super::inspection::Section;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Worth knowing; it may be meant so.
    Notice,
    /// Something fails, or is about to.
    Warning,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finding {
    pub level: Level,
    /// The section that has the numbers.
    pub section: Section,
    /// A sentence without a full stop. Names from outside are in it in their escaped spelling.
    pub text: String,
}

impl Finding {
    pub fn notice(section: Section, text: impl Into<String>) -> Self {
        Self { level: Level::Notice, section, text: text.into() }
    }

    pub fn warning(section: Section, text: impl Into<String>) -> Self {
        Self { level: Level::Warning, section, text: text.into() }
    }
}
