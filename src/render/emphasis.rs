//! What stands out in a terminal: headings. Nothing is said by it alone.

/// The text in bold, where that is welcome.
pub fn heading(text: &str, welcome: bool) -> String {
    if !welcome || text.trim_end().is_empty() {
        return text.to_owned();
    }
    let bold = anstyle::Style::new().bold();
    format!("{bold}{text}{bold:#}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_is_bold_only_where_that_is_welcome() {
        assert_eq!(heading("NAME", true), "\x1b[1mNAME\x1b[0m");
        assert_eq!(heading("NAME", false), "NAME");
        assert_eq!(heading("", true), "");
    }
}
