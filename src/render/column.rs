//! A column: the one place where a value meets its heading, its key and its cell.

/// How cells are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// Plain numbers instead of human units.
    pub bytes: bool,
    /// Whole values instead of ones shortened for reading.
    pub whole: bool,
}

/// What a column's cells are: how they stand in a table and how a filter compares them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellKind {
    /// Stands to the left; a filter compares it as text.
    Text,
    /// Stands to the right.
    Number,
}

/// One column of rows of `T`.
pub struct Column<T: ?Sized> {
    /// As `--columns` and TSV spell it.
    pub key: &'static str,
    /// In capitals, over a table: `PID`.
    pub heading: &'static str,
    /// To which side it stands, and how a filter compares it.
    pub kind: CellKind,
    /// May lose its end when the terminal is too narrow.
    pub cuttable: bool,
    /// The value, escaped; `-` for none.
    pub cell: fn(&T, Style) -> String,
}

/// Text that is never cut.
pub const fn left<T>(
    key: &'static str,
    heading: &'static str,
    cell: fn(&T, Style) -> String,
) -> Column<T> {
    Column { key, heading, kind: CellKind::Text, cuttable: false, cell }
}

/// Text that may lose its end.
pub const fn cuttable<T>(
    key: &'static str,
    heading: &'static str,
    cell: fn(&T, Style) -> String,
) -> Column<T> {
    Column { key, heading, kind: CellKind::Text, cuttable: true, cell }
}

/// A number.
pub const fn number<T>(
    key: &'static str,
    heading: &'static str,
    cell: fn(&T, Style) -> String,
) -> Column<T> {
    Column { key, heading, kind: CellKind::Number, cuttable: false, cell }
}

impl<T> std::fmt::Debug for Column<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.key)
    }
}

/// `-` for what is not known.
pub fn or_dash<T: std::fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// Chooses columns by key: `a,b` these, `+a,b` these after the default ones.
pub fn choose<'a, T>(
    all: &'a [Column<T>],
    default: &[&str],
    chosen: Option<&str>,
) -> Result<Vec<&'a Column<T>>, UnknownColumn> {
    let by_key = |key: &str| {
        all.iter().find(|column| column.key.eq_ignore_ascii_case(key)).ok_or_else(|| {
            UnknownColumn {
                key: key.to_owned(),
                known: all.iter().map(|column| column.key).collect::<Vec<_>>().join(", "),
            }
        })
    };
    let (with_default, keys) = match chosen {
        None => (true, ""),
        Some(list) => match list.strip_prefix('+') {
            Some(more) => (true, more),
            None => (false, list),
        },
    };
    let default = default.iter().copied().filter(|_| with_default);
    let keys = default.chain(keys.split(',').filter(|key| !key.is_empty()));
    let columns: Vec<_> = keys.map(by_key).collect::<Result<_, _>>()?;
    if columns.is_empty() { by_key("").map(|column| vec![column]) } else { Ok(columns) }
}

/// A key that no column has, and those that there are.
#[derive(Debug, thiserror::Error)]
#[error("unknown column {key:?}; there are {known}")]
pub struct UnknownColumn {
    key: String,
    known: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Column<u8>; 3] = [column("a"), column("b"), column("c")];

    const fn column(key: &'static str) -> Column<u8> {
        let cell = |_: &u8, _| String::new();
        Column { key, heading: "", kind: CellKind::Text, cuttable: false, cell }
    }

    fn keys(chosen: Option<&str>) -> Result<Vec<&'static str>, UnknownColumn> {
        Ok(choose(&ALL, &["a", "b"], chosen)?.iter().map(|column| column.key).collect())
    }

    #[test]
    fn columns_are_chosen_added_or_refused() {
        assert_eq!(keys(None).unwrap(), ["a", "b"]);
        assert_eq!(keys(Some("c,A")).unwrap(), ["c", "a"]);
        assert_eq!(keys(Some("+c")).unwrap(), ["a", "b", "c"]);
        assert_eq!(
            keys(Some("x")).unwrap_err().to_string(),
            "unknown column \"x\"; there are a, b, c"
        );
    }
}
