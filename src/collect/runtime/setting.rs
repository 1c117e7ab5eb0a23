//! One string out of a TOML file that configures an engine.
//!
//! Not a reader of TOML: what is not written in the plain way, `key = "value"` on a line of its own
//! below `[table]`, is not found, and the engine's usual place is looked at instead.

/// The string at `key` in `[table]`; the table without a name is the beginning of the file.
pub fn text<'a>(toml: &'a [u8], table: &str, key: &str) -> Option<&'a str> {
    let mut current = "";
    let lines = std::str::from_utf8(toml).ok()?.lines().map(str::trim);
    for line in lines.filter(|line| !line.starts_with('#')) {
        if let Some(header) = line.strip_prefix('[') {
            current = header.split(']').next()?.trim();
        } else if current == table
            && let Some(value) = line.strip_prefix(key)
            && let Some(value) = value.trim_start().strip_prefix('=')
        {
            return quoted(value.trim_start());
        }
    }
    None
}

/// Without an escape in it: paths have none.
fn quoted(value: &str) -> Option<&str> {
    let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    let text = value.get(1..)?.split(quote).next()?;
    (!text.contains('\\') && text.len() + 2 <= value.len()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_found_in_its_table_alone() {
        let toml = b"root = '/r' # here\n[storage] # x\n# graphroot = \"/no\"\n\
            driver=\"overlay\"\n  graphroot = \"/g\"\ngraphroot_x = \"/x\"\n\
            [storage.options]\nrunroot = \"/no\"\nrunroots = 7\n";
        assert_eq!(text(toml, "storage", "graphroot"), Some("/g"));
        assert_eq!(text(toml, "storage", "driver"), Some("overlay"));
        assert_eq!(text(toml, "storage", "runroot"), None);
        assert_eq!(text(toml, "", "root"), Some("/r"));
        assert_eq!(text(toml, "storage.options", "runroots"), None);
        assert_eq!(text(b"root = \"/open", "", "root"), None);
        assert_eq!(text(b"root = \"a\\\"b\"", "", "root"), None);
        assert_eq!(text(b"root =", "", "root"), None);
        assert_eq!(text(b"root = \"", "", "root"), None);
        assert_eq!(text(b"root = \"\"", "", "root"), Some(""));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, toml in "[\\[\\]a-c=\"'# \n]{0,40}") {
            let _ = (text(&bytes, "a", "b"), text(toml.as_bytes(), "a", "b"), text(toml.as_bytes(), "", "a"));
        }
    }
}
