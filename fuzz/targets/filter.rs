//! A filter and the cells it looks at: what does not pass passes the filter's negation, and what
//! is said of a filter that is none acts on no terminal.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::render::column::CellKind;
use nsx::render::filter::{Filter, Holder};

const COLUMNS: [Holder<'_>; 3] = [
    Holder { name: "name", kind: CellKind::Text },
    Holder { name: "pid", kind: CellKind::Number },
    Holder { name: "image", kind: CellKind::Text },
];

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (expression, cells) = text.split_once('\0').unwrap_or((text, ""));
    let cells: Vec<&str> = cells.split('\0').collect();
    let cell = |at: usize| cells.get(at).map(|cell| (*cell).to_owned());

    let passes = match Filter::parse(expression, &COLUMNS) {
        Ok(filter) => filter.matches(&cell),
        Err(error) => {
            assert!(!error.to_string().chars().any(char::is_control));
            return;
        }
    };
    if let Ok(negated) = Filter::parse(&format!("!({expression})"), &COLUMNS) {
        assert_ne!(passes, negated.matches(&cell), "{expression:?}");
    }
});
