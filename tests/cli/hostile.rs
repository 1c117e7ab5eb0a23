//! A host whose every name attacks: nothing raw comes out, no row is lost, no JSON broken.

use super::{on, seen, support};
use insta::assert_snapshot;

const FORMS: [&[&str]; 10] = [
    &["ps"],
    &["ps", "-o", "wide"],
    &["ps", "-o", "tsv"],
    &["ps", "--json"],
    &["ns"],
    &["ns", "-o", "tsv"],
    &["ns", "--json"],
    &["inspect", "3000"],
    &["inspect", "3000", "-o", "wide"],
    &["inspect", "3000", "--json"],
];

#[test]
fn nothing_that_acts_on_a_terminal_is_printed() {
    for arguments in FORMS {
        let output = on("hostile", arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        for text in [support::stdout(&output), support::stderr(&output)] {
            let tsv = arguments.contains(&"tsv");
            let bad = text.chars().find(|c| {
                (c.is_control() && *c != '\n' && !(tsv && *c == '\t'))
                    || ('\u{202a}'..='\u{202e}').contains(c)
                    || *c == '\u{fffd}'
            });
            assert_eq!(bad, None, "{arguments:?}: {text}");
        }
    }
}

#[test]
fn what_is_printed() {
    assert_snapshot!("hostile-ps", seen(&on("hostile", &["ps", "-o", "wide"])));
    assert_snapshot!("hostile-inspect", seen(&on("hostile", &["inspect", "3000", "-o", "wide"])));
    assert_snapshot!("hostile-json", seen(&on("hostile", &["inspect", "3000", "--json"])));
}

/// The documented spelling leads back to the bytes that were planted.
#[test]
fn json_keeps_the_exact_bytes() {
    let output = on("hostile", &["inspect", "3000", "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let comm = json["data"]["comm"].as_str().unwrap();
    let bytes = nsx::model::text::unescape(comm).unwrap();
    assert_eq!(bytes, b"a) R 1 (\x1b[2J\n\xff");
    let parents: Vec<_> = json["data"]["processes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["parent_pid"].as_u64())
        .collect();
    assert_eq!(parents, [Some(1), Some(3000)], "the name forged no field");
}
