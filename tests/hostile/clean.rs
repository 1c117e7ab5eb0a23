//! What every output must be, whatever stands in it: harmless to a terminal, strict as JSON.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// Fails on any character that a terminal acts upon. Tabs separate in one format only.
pub fn harmless(what: &str, bytes: &[u8], tabs: bool) -> String {
    let text = std::str::from_utf8(bytes).unwrap_or_else(|error| {
        panic!("{what}: {error}: {:?}", String::from_utf8_lossy(bytes));
    });
    for c in text.chars() {
        let allowed = c == '\n' || (tabs && c == '\t');
        let acts = c.is_control()
            || matches!(u32::from(c), 0x61c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff);
        assert!(allowed || !acts, "{what}: {c:?} in {text:?}");
    }
    text.to_owned()
}

/// A JSON value in which no object has a key twice.
struct Strict(Value);

/// One document and nothing after it.
pub fn strict(what: &str, text: &str) -> Value {
    match serde_json::from_str::<Strict>(text) {
        Ok(strict) => strict.0,
        Err(error) => panic!("{what}: {error}: {text}"),
    }
}

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Whole).map(Strict)
    }
}

struct Whole;

impl<'de> Visitor<'de> for Whole {
    type Value = Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut all = Vec::new();
        while let Some(Strict(item)) = items.next_element()? {
            all.push(item);
        }
        Ok(all.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut all = serde_json::Map::new();
        while let Some((key, Strict(value))) = entries.next_entry::<String, Strict>()? {
            if all.insert(key.clone(), value).is_some() {
                return Err(A::Error::custom(format!("{key:?} twice")));
            }
        }
        Ok(all.into())
    }
}

/// The bytes that a string of the output stands for.
pub fn original(value: &Value) -> Vec<u8> {
    let spelled = value.as_str().unwrap_or_else(|| panic!("{value} is no string"));
    nsx::model::text::unescape(spelled).unwrap_or_else(|| panic!("{spelled:?} cannot be undone"))
}
