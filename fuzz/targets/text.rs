//! Foreign bytes as text: recoverable exactly, and nothing in it acts on a terminal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::model::text::{Text, unescape};

/// Written down apart from the code under test: controls, the line and paragraph separators, and
/// Unicode's Default_Ignorable_Code_Point, which holds Bidi_Control and the zero-width ones.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0xad | 0x34f | 0x61c | 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f
            | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xfe00..=0xfe0f
            | 0xfeff | 0xffa0 | 0xfff0..=0xfff8 | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a
            | 0xe0000..=0xe0fff)
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
