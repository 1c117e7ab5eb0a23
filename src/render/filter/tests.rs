//! The language, on rows like those of lsns; what passes was asked of lsns 2.42.

use super::*;

const COLUMNS: [Holder<'_>; 6] =
    [number("NS"), text("TYPE"), number("NPROCS"), number("PID"), text("USER"), text("COMMAND")];

/// `-` is absent.
const ROWS: [[&str; 6]; 4] = [
    ["1", "mnt", "82", "2", "root", "kthreadd"],
    ["2", "net", "83", "2", "root", "kthreadd"],
    ["3", "mnt", "1", "25", "root", "/bin/sleep 100000"],
    ["4", "net", "0", "-", "root", "-"],
];

const fn number(name: &str) -> Holder<'_> {
    Holder { name, kind: CellKind::Number }
}

const fn text(name: &str) -> Holder<'_> {
    Holder { name, kind: CellKind::Text }
}

/// The namespaces that pass.
fn passing(expression: &str) -> Result<String, FilterError> {
    let filter = Filter::parse(expression, &COLUMNS)?;
    let cell = |row: &[&str; 6], at: usize| {
        row.get(at).copied().filter(|cell| *cell != "-").map(str::to_owned)
    };
    let passes = |row: &&[&str; 6]| filter.matches(&|at| cell(row, at));
    Ok(ROWS.iter().filter(passes).map(|row| row[0]).collect())
}

#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (expression, expected) in cases {
        assert_eq!(passing(expression).unwrap(), *expected, "{expression}");
    }
}

fn refused(expression: &str) -> String {
    passing(expression).unwrap_err().to_string()
}

#[test]
fn what_stands_alone_is_true_when_it_is_not_empty() {
    check(&[
        ("", "1234"),
        ("NS", "1234"),
        ("ns", "1234"),
        ("PID", "123"),
        ("NPROCS", "123"),
        ("COMMAND", "123"),
        ("not COMMAND", "4"),
        ("!PID", "4"),
        ("not not TYPE", "1234"),
        ("1", "1234"),
        ("0", ""),
        ("0.0", ""),
        (".5", "1234"),
        ("\"a\"", "1234"),
        ("''", ""),
        ("\"0\"", "1234"),
        ("true", "1234"),
        ("FALSE", ""),
    ]);
}

#[test]
fn comparisons_are_made_in_the_type_of_the_value() {
    check(&[
        ("TYPE == \"net\"", "24"),
        ("'net' == TYPE", "24"),
        ("TYPE EQ 'net'", "24"),
        ("TYPE ne 'net'", "13"),
        ("TYPE == \"NET\"", ""),
        ("TYPE < 'n'", "13"),
        ("NPROCS > 1", "12"),
        ("NPROCS gt 1 and NPROCS LE 82", "1"),
        ("NPROCS GE 1 && NPROCS lt 83", "13"),
        ("NPROCS GT 82 or NPROCS LT 1", "24"),
        ("NPROCS ge 83 or NPROCS le 0", "24"),
        ("NPROCS >= 1.0", "123"),
        ("NPROCS < 1.5", "34"),
        ("NPROCS == 01", "3"),
        ("NPROCS == \"01\"", ""),
        ("NPROCS < 1K", "1234"),
        ("NPROCS<1KiB", "1234"),
        // As texts.
        ("NPROCS > \"9\"", ""),
        ("NPROCS < '9'", "1234"),
        ("NPROCS == true", "123"),
        ("PID == false", "4"),
        ("TYPE == true", ""),
        // A text that is no number.
        ("TYPE == 0", ""),
        ("TYPE != 0", ""),
        ("USER == TYPE", ""),
        ("NPROCS > PID", "12"),
        ("TYPE == NS", ""),
        ("NS == TYPE", ""),
        // Of two columns the left one decides.
        ("NPROCS < COMMAND", ""),
        ("COMMAND > NPROCS", "12"),
    ]);
}

#[test]
fn of_two_values_the_left_one_decides() {
    check(&[
        ("1 == \"01\"", "1234"),
        ("\"01\" == 1", ""),
        ("1 == 1.0", "1234"),
        ("1 < 1.5", "1234"),
        ("1.5 == '1.50'", "1234"),
        ("\"10\" < 9", "1234"),
        ("10 < '9'", ""),
        ("2 == true", ""),
        ("true == 2", "1234"),
        ("\"true\" == true", "1234"),
        ("\"1\" == true", ""),
        ("true == \"1\"", "1234"),
        ("false < true", "1234"),
    ]);
}

#[test]
fn what_is_absent_is_no_number_and_comes_before_all_texts() {
    check(&[
        ("PID == 0", ""),
        ("PID != 0", "123"),
        ("PID < 1", ""),
        ("PID == PID", "123"),
        ("PID == \"\"", ""),
        ("PID != \"\"", "1234"),
        ("COMMAND == \"\"", ""),
        ("COMMAND != \"x\"", "1234"),
        ("COMMAND < \"zzz\"", "1234"),
        ("COMMAND > \"a\"", "12"),
        ("COMMAND == COMMAND", "1234"),
        ("COMMAND =~ '^$'", "4"),
        ("COMMAND !~ '.'", "4"),
        ("COMMAND == false", "123"),
        ("COMMAND != true", "123"),
        ("PID =~ '^$'", ""),
        ("PID !~ '.'", "4"),
    ]);
}

#[test]
fn regular_expressions() {
    check(&[
        ("TYPE =~ 'n'", "1234"),
        ("TYPE =~ \"^n\"", "24"),
        ("TYPE !~ \"^n\"", "13"),
        ("TYPE =~ 'x|et$'", "24"),
        ("COMMAND =~ '[[:digit:]]{6}$'", "3"),
        ("NPROCS =~ '^8'", "12"),
        ("TYPE =~ ''", "1234"),
        ("1 =~ '^1$'", "1234"),
    ]);
    assert_eq!(
        refused("TYPE =~ '('"),
        "\"(\" in the filter is no regular expression: found open group without closing ')'"
    );
    assert!(refused("TYPE =~ '((a{1000}){1000}){1000}'").contains("no regular expression"));
    for expression in ["TYPE =~ TYPE", "TYPE =~ 1", "TYPE =~ ('a')"] {
        assert!(refused(expression).starts_with("unexpected"), "{expression}");
    }
}

#[test]
fn and_and_or_are_taken_from_left_to_right_and_bind_least() {
    check(&[
        ("TYPE == 'net' and NPROCS > 1", "2"),
        ("TYPE == 'net' && NPROCS > 1", "2"),
        ("TYPE == 'net' or NPROCS == 1", "234"),
        ("true or true and false", ""),
        ("true || (true && false)", "1234"),
        ("false and true or true", "1234"),
        ("not TYPE == 'net'", "1234"),
        ("!(TYPE == 'net')", "13"),
        ("TYPE == 'net' == true", "24"),
        ("TYPE == 'net' != true", "13"),
        ("TYPE == 'net' == 2", "24"),
        ("1 == 1 < 2", ""),
        ("1 < 2 == 1", "1234"),
        ("NPROCS > 1 > 0", "12"),
        ("NS>1&&NS<3", "2"),
        ("NS==1and NS", "1"),
        ("(TYPE) == ('net')", "24"),
        ("TYPE == !false", ""),
        ("NS\n==\t1", "1"),
    ]);
}

#[test]
fn a_column_is_asked_only_where_it_decides() {
    let filter = Filter::parse("TYPE == 'net' and NPROCS > 1", &COLUMNS).unwrap();
    let asked = std::cell::RefCell::new(Vec::new());
    let cell = |at| {
        asked.borrow_mut().push(at);
        Some("mnt".to_owned())
    };
    assert!(!filter.matches(&cell));
    assert_eq!(*asked.borrow(), [1]);
}

#[test]
fn what_cannot_stand_there_is_said_and_where() {
    for (expression, expected) in [
        (" ", "unexpected end of the filter \" \""),
        ("NS ==", "unexpected end of the filter \"NS ==\""),
        ("NS == ==", "unexpected \"==\" at character 7 of the filter \"NS == ==\""),
        ("(NS", "unexpected end of the filter \"(NS\""),
        ("NS)", "unexpected \")\" at character 3 of the filter \"NS)\""),
        ("()", "unexpected \")\" at character 2 of the filter \"()\""),
        ("'é' # 1", "unexpected \"#\" at character 5 of the filter \"'é' # 1\""),
        ("NS = 1", "unexpected \"=\" at character 4 of the filter \"NS = 1\""),
        ("NS > -1", "unexpected \"-\" at character 6 of the filter \"NS > -1\""),
        ("NS == \"a", "unexpected \"\"\" at character 7 of the filter \"NS == \"a\""),
        ("\u{1b}", "unexpected \"\\x1b\" at character 1 of the filter \"\\x1b\""),
        ("0x1", "unexpected \"x1\" at character 2 of the filter \"0x1\""),
        ("1Ki", "unexpected \"i\" at character 3 of the filter \"1Ki\""),
        ("1.5K", "unexpected \"K\" at character 4 of the filter \"1.5K\""),
        ("1.", "unexpected \".\" at character 2 of the filter \"1.\""),
        ("true And 1", "unexpected \"And\" at character 6 of the filter \"true And 1\""),
    ] {
        assert_eq!(refused(expression), expected, "{expression}");
    }
}

#[test]
fn the_reference_s_names_of_what_is_unexpected() {
    for (expression, class, after_all) in [
        ("NS NS", "HOLDER", true),
        ("NS 'a'", "STRING", true),
        ("NS 1", "NUMBER", true),
        ("NS 1.5", "FLOAT", true),
        ("NS true", "TRUE", true),
        ("NS FALSE", "FALSE", true),
        ("NS !", "NEG", true),
        ("NS (", "'('", true),
        ("NS)", "')'", true),
        ("NS and and", "AND", false),
        ("NS || ||", "OR", false),
        ("NS =~ =~", "REG", false),
        ("1 <>1", "GT", false),
        ("(NS NS", "HOLDER", false),
        ("NS ==", "end of file", false),
    ] {
        let Err(FilterError::Syntax(error)) = passing(expression) else {
            panic!("{expression} is none");
        };
        assert_eq!((error.class.as_str(), error.after_all), (class, after_all), "{expression}");
    }
}

#[test]
fn a_name_that_is_none_is_said_last_and_with_those_there_are() {
    assert_eq!(
        refused("TYPE == net or MNT"),
        "unknown column \"net\" in the filter; there are NS, TYPE, NPROCS, PID, USER, COMMAND; \
         text is written in quotes"
    );
    assert!(refused("TYPE == net or").starts_with("unexpected end"));
}

#[test]
fn numbers_have_units_and_bounds() {
    check(&[
        ("1K == 1024", "1234"),
        ("1MiB == 1024K", "1234"),
        ("18446744073709551615 > 15E", "1234"),
        // Too large for a float to tell apart.
        ("9007199254740993 == 9007199254740992", ""),
    ]);
    for number in ["18446744073709551616", "16E", "1Z", "1YiB"] {
        assert_eq!(refused(number), format!("\"{number}\" in the filter is too large a number"));
    }
    assert_eq!(refused("1 < 'x'"), "\"x\" in the filter is compared with a number and is none");
}

#[test]
fn length_and_depth_are_bounded() {
    let nested = |levels: usize| "(".repeat(levels) + "1" + &")".repeat(levels);
    check(&[
        (&nested(DEEPEST), "1234"),
        (&("1".to_owned() + &"==1".repeat(DEEPEST)), "1234"),
        (&("1".to_owned() + &" && 1".repeat(500)), "1234"),
        (&format!("'{}'", "a".repeat(MOST_BYTES - 2)), "1234"),
    ]);
    for expression in [
        nested(DEEPEST + 1),
        "!".repeat(DEEPEST + 1) + "1",
        "1".to_owned() + &"==1".repeat(DEEPEST + 1),
    ] {
        assert!(matches!(passing(&expression), Err(FilterError::TooDeep)), "{expression}");
    }
    let long = format!("'{}'", "a".repeat(MOST_BYTES - 1));
    assert!(matches!(passing(&long), Err(FilterError::TooLong)));
}

#[test]
fn a_table_s_own_columns() {
    let columns = [
        Column::<u64> {
            key: "bytes",
            heading: "",
            kind: CellKind::Number,
            cuttable: false,
            cell: |row, style| if style.bytes { row.to_string() } else { "many".to_owned() },
        },
        Column::<u64> {
            key: "name",
            heading: "",
            kind: CellKind::Text,
            cuttable: false,
            cell: |_, _| "-".to_owned(),
        },
    ];
    let keeps = |expression, row| Filter::over(expression, &columns).unwrap().keeps(&columns, &row);
    assert!(keeps("BYTES > 1K", 2000));
    assert!(!keeps("bytes > 1K", 1000));
    assert!(!keeps("name", 1));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text: String) {
        let _ = passing(&text);
    }

    /// Words in any order are an expression or an error, and every error can be said.
    #[test]
    fn no_words_panic(words in proptest::collection::vec(
        proptest::sample::select(vec![
            "NS", "TYPE", "COMMAND", "x", "1", "2K", "1.5", "'net'", "\"\"", "true", "not", "and",
            "||", "==", "!=", "<", ">=", "=~", "!~", "(", ")",
        ]),
        0..24,
    )) {
        if let Err(error) = passing(&words.join(" ")) {
            proptest::prop_assert!(!error.to_string().is_empty());
        }
    }
}
