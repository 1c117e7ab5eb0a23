//! Foreign bytes as text: recoverable exactly, and nothing in it acts on a terminal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::model::text::{Text, unescape};

/// Written down apart from the code under test: controls, the line and paragraph separators, and
/// Unicode's Bidi_Control and zero-width characters.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

fuzz_target!(|bytes: &[u8]| {
    let text = Text::new(bytes);
    let shown = text.to_string();
    assert_eq!(shown.chars().find(|c| acts(*c)), None);
    assert_eq!(unescape(&shown).as_deref(), Some(bytes));
    assert_eq!(format!("{text:?}"), format!("\"{shown}\""));
    for columns in 1..8 {
        assert!(text.shortened(columns).chars().count() <= columns);
    }

    if let Ok(spelled) = std::str::from_utf8(bytes) {
        let _ = unescape(spelled);
    }
});
