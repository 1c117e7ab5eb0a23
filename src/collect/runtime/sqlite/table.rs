//! The rows of a table, in the bytes of a SQLite database.

use crate::sys::error::Problem;
use std::cell::Cell;

type Result<T> = std::result::Result<T, Problem>;

/// A payload is at most this long; the specification of a container has some 10 KiB.
const LONGEST: usize = 4 << 20;
/// Rows of a table: many can claim the same bytes.
const MOST: usize = 65_536;
/// Pages that a reading may look at for each page that there is: in a sound database one, and one
/// more for each table.
const LOOKS: usize = 8;

/// A value in a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL, and any number with a fraction: nobody asks for one.
    Null,
    /// An integer of up to 64 bits.
    Number(i64),
    /// A text, or bytes.
    Bytes(Vec<u8>),
}

impl Value {
    /// `None` for a number and for null.
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }
}

/// A database.
#[derive(Debug)]
pub struct Image<'a> {
    bytes: &'a [u8],
    page_size: usize,
    /// What of a page is the database's own.
    usable: usize,
    /// Pages that may still be looked at.
    looks: Cell<usize>,
    /// Bytes that may still be put together from several pages.
    copies: Cell<usize>,
}

impl<'a> Image<'a> {
    /// The header must be SQLite's and the text UTF-8; pages are looked at only when they are read.
    pub fn new(bytes: &'a [u8]) -> Result<Self> {
        let head = bytes.get(..100).ok_or(Problem::Malformed("header"))?;
        let byte = |at: usize| head.get(at).copied().map(usize::from).unwrap_or_default();
        // 65536 is written as 1.
        let page_size = match byte(16) << 8 | byte(17) {
            1 => 65_536,
            size => size,
        };
        let usable = page_size.saturating_sub(byte(20));
        let sized = page_size.is_power_of_two() && page_size >= 512 && usable >= 480;
        if !head.starts_with(b"SQLite format 3\0") || !sized {
            return Err(Problem::Malformed("header"));
        }
        // 1 is UTF-8; nothing is said while there are no tables.
        if head.get(56..60).is_none_or(|encoding| encoding != [0, 0, 0, 1] && encoding != [0; 4]) {
            return Err(Problem::Malformed("encoding"));
        }
        let pages = bytes.len() / page_size;
        Ok(Self {
            bytes,
            page_size,
            usable,
            looks: Cell::new(pages.saturating_mul(LOOKS)),
            copies: Cell::new(bytes.len().saturating_mul(2)),
        })
    }

    /// The rows of a table, each the first `columns` values of it; none where there is no such
    /// table.
    pub fn rows(&self, table: &str, columns: usize) -> Result<Vec<Vec<Value>>> {
        // type, name, tbl_name, rootpage
        let schema = self.rows_from(1, 4)?;
        let is_it = |row: &&Vec<Value>| {
            let text = |at: usize| row.get(at).and_then(Value::bytes);
            text(0) == Some(b"table")
                && text(1).is_some_and(|name| name.eq_ignore_ascii_case(table.as_bytes()))
        };
        match schema.iter().find(is_it).and_then(|row| row.get(3)) {
            Some(Value::Number(root)) => self.rows_from(number(*root)?, columns),
            Some(_) => Err(Problem::Malformed("schema")),
            None => Ok(Vec::new()),
        }
    }

    fn rows_from(&self, root: usize, columns: usize) -> Result<Vec<Vec<Value>>> {
        let mut rows = Vec::new();
        let mut rest = vec![root];
        while let Some(place) = rest.pop() {
            let page = Page::parse(self, place)?;
            for cell in 0..page.cells {
                let cell = page.cell(cell)?;
                if rows.len() == MOST {
                    return Err(Problem::Truncated);
                }
                if page.is_leaf {
                    rows.push(values(&self.payload(cell)?, columns)?);
                } else {
                    rest.push(page_number(cell, 0)?);
                }
            }
            rest.extend(page.last);
        }
        Ok(rows)
    }

    fn page(&self, number: usize) -> Result<&'a [u8]> {
        let left = self.looks.get().checked_sub(1).ok_or(Problem::Malformed("tree"))?;
        self.looks.set(left);
        let start = number.checked_sub(1).and_then(|place| place.checked_mul(self.page_size));
        let page =
            start.and_then(|start| self.bytes.get(start..start.checked_add(self.page_size)?));
        page.ok_or(Problem::Malformed("page number"))
    }

    /// What a cell of a leaf holds; what does not fit in lies in a chain of other pages.
    fn payload(&self, cell: &[u8]) -> Result<Vec<u8>> {
        let (length, rest) = varint(cell)?;
        let (_, rest) = varint(rest)?;
        let length = number(length)?;
        let left = self.copies.get().checked_sub(length);
        if length > LONGEST || left.is_none() {
            return Err(Problem::Truncated);
        }
        self.copies.set(left.unwrap_or_default());
        let local = self.local(length);
        let mut bytes = rest.get(..local).ok_or(Problem::Malformed("cell"))?.to_vec();
        let mut next = if local < length { page_number(rest, local)? } else { 0 };
        while bytes.len() < length {
            let page = self.page(next)?;
            next = page_number(page, 0)?;
            let page = page.get(4..self.usable).ok_or(Problem::Malformed("page"))?;
            let wanted = page.len().min(length - bytes.len());
            bytes.extend(page.get(..wanted).unwrap_or_default());
        }
        Ok(bytes)
    }

    /// How much of a payload of this length lies in the leaf.
    fn local(&self, length: usize) -> usize {
        let most = self.usable - 35;
        if length <= most {
            return length;
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let local = least + (length - least) % (self.usable - 4);
        if local <= most { local } else { least }
    }
}

/// A page of a table's tree.
struct Page<'a> {
    bytes: &'a [u8],
    /// Where the places of its cells are.
    pointers: usize,
    cells: usize,
    is_leaf: bool,
    /// The page after those that cells lead to.
    last: Option<usize>,
}

impl<'a> Page<'a> {
    fn parse(image: &Image<'a>, place: usize) -> Result<Self> {
        let whole = image.page(place)?;
        let bytes = whole.get(..image.usable).ok_or(Problem::Malformed("page"))?;
        // The first one begins with the header of the file.
        let head = if place == 1 { 100 } else { 0 };
        let cells = half(bytes, head + 3)?;
        match bytes.get(head) {
            Some(0x0d) => Ok(Self { bytes, pointers: head + 8, cells, is_leaf: true, last: None }),
            Some(0x05) => {
                let last = Some(page_number(bytes, head + 8)?);
                Ok(Self { bytes, pointers: head + 12, cells, is_leaf: false, last })
            }
            _ => Err(Problem::Malformed("kind of page")),
        }
    }

    fn cell(&self, at: usize) -> Result<&'a [u8]> {
        let place = half(self.bytes, self.pointers + 2 * at)?;
        self.bytes.get(place..).ok_or(Problem::Malformed("cell"))
    }
}

/// The first values of a record.
fn values(record: &[u8], columns: usize) -> Result<Vec<Value>> {
    let (length, _) = varint(record)?;
    let (head, mut body) =
        record.split_at_checked(number(length)?).ok_or(Problem::Malformed("record"))?;
    let (_, mut head) = varint(head)?;
    let mut values = Vec::new();
    while !head.is_empty() && values.len() < columns {
        let (kind, rest) = varint(head)?;
        head = rest;
        let length = match kind {
            0 | 8 | 9 => 0,
            1..=4 => number(kind)?,
            5 => 6,
            6 | 7 => 8,
            12.. => number((kind - 12) / 2)?,
            _ => return Err(Problem::Malformed("type")),
        };
        let (value, rest) = body.split_at_checked(length).ok_or(Problem::Malformed("record"))?;
        body = rest;
        values.push(match kind {
            8 | 9 => Value::Number(kind - 8),
            1..=6 => Value::Number(signed(value)),
            12.. => Value::Bytes(value.to_vec()),
            // A number with a fraction is nothing that is asked for.
            _ => Value::Null,
        });
    }
    Ok(values)
}

/// Big-endian; the first bit is the sign.
fn signed(bytes: &[u8]) -> i64 {
    let sign = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { -1 } else { 0 };
    bytes.iter().fold(sign, |number, byte| number << 8 | i64::from(*byte))
}

/// Seven bits a byte, the most significant first; the ninth byte has eight.
fn varint(bytes: &[u8]) -> Result<(i64, &[u8])> {
    let mut number = 0_i64;
    for (at, byte) in bytes.iter().take(9).enumerate() {
        if at == 8 {
            number = number << 8 | i64::from(*byte);
        } else {
            number = number << 7 | i64::from(byte & 0x7f);
        }
        if at == 8 || byte & 0x80 == 0 {
            return Ok((number, bytes.get(at + 1..).unwrap_or_default()));
        }
    }
    Err(Problem::Malformed("number"))
}

fn number(number: i64) -> Result<usize> {
    usize::try_from(number).map_err(|_| Problem::Malformed("number"))
}

fn half(bytes: &[u8], at: usize) -> Result<usize> {
    let found = bytes.get(at..).and_then(|bytes| bytes.first_chunk::<2>());
    found.map(|half| usize::from(u16::from_be_bytes(*half))).ok_or(Problem::Malformed("page"))
}

fn page_number(bytes: &[u8], at: usize) -> Result<usize> {
    let found = bytes.get(at..).and_then(|bytes| bytes.first_chunk::<4>());
    let found = found.map(|word| u32::from_be_bytes(*word)).ok_or(Problem::Malformed("page"))?;
    usize::try_from(found).map_err(|_| Problem::Malformed("page number"))
}

#[cfg(test)]
mod tests {
    use super::super::tests::REAL;
    use super::*;

    #[test]
    fn a_long_value_is_put_together_from_its_pages() {
        let image = Image::new(REAL).unwrap();
        let rows = image.rows("ContainerConfig", 4).unwrap();
        let long = rows.iter().max_by_key(|row| row[3].bytes().unwrap().len()).unwrap();
        let json = long[3].bytes().unwrap();
        assert_eq!(json.len(), 25_227);
        let config: serde_json::Value = serde_json::from_slice(json).unwrap();
        assert_eq!(config["id"].as_str().unwrap().as_bytes(), long[0].bytes().unwrap());
        // By the formula of the format, for pages of 4096 bytes.
        let parts = [(4061, 4061), (4062, 489), (5000, 908), (25_227, 675)];
        for (length, local) in parts {
            assert_eq!(image.local(length), local, "{length}");
        }
    }

    #[test]
    fn what_is_put_together_is_bounded() {
        let cell = |length: usize| {
            let length = u32::try_from(length).unwrap();
            let seven = |shift: u32| u8::try_from(length >> shift & 0x7f).unwrap();
            let mut cell = vec![0x80 | seven(21), 0x80 | seven(14), 0x80 | seven(7), seven(0), 1];
            cell.resize(10_000, b'x');
            cell
        };
        let image = Image::new(REAL).unwrap();
        assert_eq!(image.payload(&cell(4000)).unwrap().len(), 4000);
        image.copies.set(usize::MAX);
        assert_eq!(image.payload(&cell(LONGEST + 1)), Err(Problem::Truncated));
        assert_ne!(image.payload(&cell(LONGEST)), Err(Problem::Truncated));
        image.copies.set(3999);
        assert_eq!(image.payload(&cell(4000)), Err(Problem::Truncated));
        assert_eq!(image.payload(&cell(3999)).unwrap().len(), 3999);
    }

    #[test]
    fn a_value_ends_within_the_last_of_its_pages() {
        let mut bytes = [&b"SQLite format 3\0\x02\0"[..], &[0; 494]].concat();
        // The page that holds what the cell has no room for, and more that is left of old.
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&[b'y'; 441]);
        bytes.extend_from_slice(&[b'z'; 67]);
        let image = Image::new(&bytes).unwrap();
        // A length of 480, the number of the row, what lies here, and where the rest is.
        let cell = [&[0x83, 0x60, 1][..], &[b'x'; 39], &[0, 0, 0, 2]].concat();
        let expected = [&[b'x'; 39][..], &[b'y'; 441]].concat();
        assert_eq!(image.payload(&cell), Ok(expected));
    }

    #[test]
    fn numbers_of_nine_bytes_have_all_of_the_last() {
        let after = |bytes: &[u8]| varint(bytes).map(|(number, rest)| (number, rest.len()));
        assert_eq!(after(&[0x7f, 9]), Ok((127, 1)));
        assert_eq!(after(&[0x81, 0x02]), Ok((130, 0)));
        let long = [0xc0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x85, 1];
        assert_eq!(after(&long), Ok((i64::MIN | 0x85, 1)));
        assert_eq!(after(&long[..8]), Err(Problem::Malformed("number")));
    }
}
