//! Bytes that came from outside (names, paths, argv, labels) and the one way they become text.
//!
//! The kernel lets a container put any byte into a hostname, a command name, an interface name or
//! a path. [`Text`] keeps those bytes as they are; its `Display` is the only way out, and it lets
//! no control, bidirectional or invalid byte through. The spelling is reversible: see [`unescape`].

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};

/// Foreign bytes, kept exactly; shown escaped.
#[derive(Clone)]
pub struct Text(Kept);

/// Most names are short, and a listing holds many: those need no memory of their own.
#[derive(Clone)]
enum Kept {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Box<[u8]>),
}

/// As many as there is room for beside a pointer's alignment.
const SHORT: usize = 22;

impl Text {
    /// Keeps the bytes as they are, whatever they are.
    pub fn new(bytes: impl AsRef<[u8]>) -> Self {
        let bytes = bytes.as_ref();
        Self::short(bytes).unwrap_or_else(|| Self(Kept::Long(bytes.into())))
    }

    fn short(from: &[u8]) -> Option<Self> {
        let mut bytes = [0; SHORT];
        bytes.get_mut(..from.len())?.copy_from_slice(from);
        Some(Self(Kept::Short { length: u8::try_from(from.len()).ok()?, bytes }))
    }

    /// The bytes as they came: compare and parse these, never print them.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Kept::Short { length, bytes } => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Kept::Long(bytes) => bytes,
        }
    }

    /// There is not one byte in it.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }

    /// What needs no escape, as nearly everything.
    fn plain(&self) -> Option<&str> {
        let is_plain = |byte: &u8| matches!(byte, b' '..=b'~') && *byte != b'\\';
        let bytes = self.as_bytes();
        bytes.iter().all(is_plain).then(|| std::str::from_utf8(bytes).ok())?
    }

    /// The escaped text, at most `columns` characters, the cut marked by `…`.
    pub fn shortened(&self, columns: usize) -> String {
        let text = self.to_string();
        if text.chars().count() <= columns {
            return text;
        }
        let mut cut: String = text.chars().take(columns.saturating_sub(1)).collect();
        cut.push('…');
        cut
    }
}

impl<T: AsRef<[u8]> + ?Sized> From<&T> for Text {
    fn from(bytes: &T) -> Self {
        Self::new(bytes)
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        Self::short(&bytes).unwrap_or_else(|| Self(Kept::Long(bytes.into())))
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        text.into_bytes().into()
    }
}

impl Default for Text {
    fn default() -> Self {
        Self(Kept::Short { length: 0, bytes: [0; SHORT] })
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_bytes().cmp(other.as_bytes())
    }
}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// Escaped for people and machines alike: a backslash is doubled, an invalid byte or a control
/// character below U+0080 is `\xNN`, any other character that could act on a terminal `\u{N}`.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        if let Some(plain) = self.plain() {
            return f.pad(plain);
        }
        let mut escaped = String::with_capacity(self.as_bytes().len());
        for chunk in self.as_bytes().utf8_chunks() {
            for c in chunk.valid().chars() {
                match c {
                    '\\' => escaped.push_str("\\\\"),
                    c if c.is_ascii_control() => write!(escaped, "\\x{:02x}", u32::from(c))?,
                    c if acts_on_a_terminal(c) => write!(escaped, "\\u{{{:x}}}", u32::from(c))?,
                    c => escaped.push(c),
                }
            }
            for byte in chunk.invalid() {
                write!(escaped, "\\x{byte:02x}")?;
            }
        }
        f.pad(&escaped)
    }
}

impl serde::Serialize for Text {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.plain() {
            Some(plain) => serializer.serialize_str(plain),
            None => serializer.collect_str(self),
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Text {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Text".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "Bytes from outside: a backslash is doubled, an invalid or control byte is \\xNN, a character that could act on a terminal is \\u{N}."
        })
    }
}

/// Controls beyond ASCII, separators, zero-width, bidirectional and other invisible characters.
fn acts_on_a_terminal(c: char) -> bool {
    matches!(u32::from(c),
        0x80..=0x9f            // C1 controls
        | 0xad                 // soft hyphen
        | 0x034f               // grapheme joiner
        | 0x061c               // Arabic letter mark
        | 0x115f | 0x1160 | 0x3164 | 0xffa0 // Hangul fillers
        | 0x17b4 | 0x17b5      // Khmer inherent vowels
        | 0x180b..=0x180f      // Mongolian selectors
        | 0x200b..=0x200f      // zero width, direction marks
        | 0x2028..=0x202e      // line and paragraph separators, bidirectional embeddings
        | 0x2060..=0x206f      // word joiner, isolates, deprecated formats
        | 0xfe00..=0xfe0f      // variation selectors
        | 0xfeff               // byte order mark
        | 0xfff0..=0xffff      // annotations, replacement, noncharacters
        | 0x1bca0..=0x1bca3    // shorthand formats
        | 0x1d173..=0x1d17a    // musical formats
        | 0xe000..=0xf8ff      // private use
        | 0xe0000..=0x10_ffff  // tags, selectors, private use
    )
}

/// The bytes that [`Text`]'s `Display` spelled, or `None` where it is no such spelling.
pub fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let (plain, escape) = rest.split_at(at);
        bytes.extend_from_slice(plain.as_bytes());
        let escape = escape.get(1..)?;
        if let Some(after) = escape.strip_prefix('\\') {
            bytes.push(b'\\');
            rest = after;
        } else if let Some(after) = escape.strip_prefix('x') {
            bytes.push(u8::try_from(hexadecimal(after.get(..2)?)?).ok()?);
            rest = after.get(2..)?;
        } else {
            let (digits, after) = escape.strip_prefix("u{")?.split_once('}')?;
            let c = char::from_u32(hexadecimal(digits)?)?;
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            rest = after;
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}

/// Digits alone: the standard parser takes a sign too.
fn hexadecimal(digits: &str) -> Option<u32> {
    let all_digits = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    all_digits.then(|| u32::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

    #[test]
    fn nothing_that_acts_on_a_terminal_comes_out() {
        let planted: [(&[u8], &str); 8] = [
            (b"\x1b[31mred", "\\x1b[31mred"),
            (b"a\nb\rc\td", "a\\x0ab\\x0dc\\x09d"),
            (b"\x7f\x00", "\\x7f\\x00"),
            ("\u{9b}31m".as_bytes(), "\\u{9b}31m"),
            (b"\x9b31m", "\\x9b31m"),
            ("ab\u{202e}gpj.exe".as_bytes(), "ab\\u{202e}gpj.exe"),
            (b"\xff\xfe\xf0\x9f", "\\xff\\xfe\\xf0\\x9f"),
            (b"C:\\x41", "C:\\\\x41"),
        ];
        for (bytes, expected) in planted {
            assert_eq!(Text::new(bytes).to_string(), expected);
        }
    }

    #[test]
    fn ordinary_text_of_any_language_stays() {
        for text in ["web-1", "/srv/日本語", "naïve", "Привет", "🦀"] {
            assert_eq!(Text::new(text).to_string(), text);
        }
    }

    #[test]
    fn what_no_terminal_shows_is_spelled() {
        for c in ['\u{34f}', '\u{17b4}', '\u{3164}', '\u{1bca0}'] {
            assert_eq!(Text::new(c.to_string()).to_string(), format!("\\u{{{:x}}}", u32::from(c)));
        }
    }

    #[test]
    fn a_sign_is_no_digit_of_a_spelling() {
        for text in ["\\x+f", "\\u{+41}"] {
            assert_eq!(unescape(text), None, "{text}");
        }
    }

    #[test]
    fn a_cut_is_marked_and_counts_the_escaped_form() {
        assert_eq!(Text::new("abcdef").shortened(4), "abc…");
        assert_eq!(Text::new(b"\x1b\x1b").shortened(5), "\\x1b…");
        assert_eq!(Text::new("abcd").shortened(4), "abcd");
    }

    #[test]
    fn a_backslash_is_doubled_whatever_stands_around_it() {
        for (text, shown) in [("\\", "\\\\"), ("\\\\", "\\\\\\\\"), ("a\\b", "a\\\\b")] {
            assert_eq!(Text::new(text).to_string(), shown);
            let json = serde_json::to_string(&Text::new(text)).unwrap();
            assert_eq!(serde_json::from_str::<String>(&json).unwrap(), shown);
        }
    }

    #[test]
    fn the_bounds_of_what_is_plain() {
        for (byte, shown) in [(0x1f, "\\x1f"), (b' ', " "), (b'~', "~"), (0x7f, "\\x7f")] {
            assert_eq!(Text::new([byte]).to_string(), shown);
        }
        assert_eq!(format!("{:?}", Text::new("\x1b")), "\"\\x1b\"");
        assert_eq!(format!("{:>4}|{:<4}|", Text::new("ab"), Text::new("\x1b")), "  ab|\\x1b|");
    }

    #[test]
    fn how_many_bytes_there_are_makes_no_difference() {
        for length in 0..3 * SHORT {
            let bytes = vec![b'x'; length];
            let text = Text::new(&bytes);
            assert_eq!(text.as_bytes(), bytes);
            assert_eq!(text, Text::from(bytes.clone()));
            assert!(text > Text::default() || length == 0);
            assert!(text < Text::new([&bytes[..], b"y"].concat()));
            assert_eq!(matches!(text.0, Kept::Short { .. }), length <= SHORT);
        }
        assert_eq!(size_of::<Text>(), 3 * size_of::<usize>());
    }

    #[test]
    fn texts_that_differ_are_found_apart_and_those_that_do_not_together() {
        let hash = |text: &Text| BuildHasherDefault::<DefaultHasher>::default().hash_one(text);
        for length in [3, SHORT, SHORT + 1, 3 * SHORT] {
            let bytes = vec![b'x'; length];
            let other = Text::new([&bytes[1..], b"y"].concat());
            assert_eq!(hash(&Text::new(&bytes)), hash(&Text::from(bytes.clone())));
            assert_ne!(hash(&Text::new(&bytes)), hash(&other));
        }
    }

    proptest::proptest! {
        #[test]
        fn the_exact_bytes_can_be_recovered(bytes: Vec<u8>) {
            let shown = Text::new(&bytes).to_string();
            proptest::prop_assert!(!shown.chars().any(|c| c.is_control() || acts_on_a_terminal(c)));
            proptest::prop_assert_eq!(unescape(&shown), Some(bytes));
        }

        #[test]
        fn undoing_foreign_spellings_never_panics(text: String) {
            let _ = unescape(&text);
        }
    }
}
