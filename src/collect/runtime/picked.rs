//! A few values out of a JSON document that may be large, deep and hostile.
//!
//! What is not asked for is passed over without recursion and never kept.

use crate::model::container::Label;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;
use std::rc::Rc;

/// Where a value stands: a key for each level; `*` is any key and any place of an array.
pub type Path = &'static [&'static str];

/// More values than this are not kept of one path: a record has some dozens.
const MOST: usize = 1 << 14;

/// Values by the path that asked for them.
#[derive(Debug, Default)]
pub struct Picked(Vec<Answers>);

/// The values of one path.
#[derive(Debug)]
struct Answers {
    path: Path,
    values: Vec<Value>,
}

#[derive(Debug)]
struct Value {
    keys: Keys,
    scalar: Scalar,
}

/// The key or place that each `*` stood for, the outermost first. They are shared: one key may stand
/// above thousands of values.
pub type Keys = Vec<Rc<str>>;

#[derive(Debug)]
enum Scalar {
    Text(String),
    Number(i64),
    Bool(bool),
}

impl Picked {
    /// `None`: the document is no JSON.
    pub fn from_json(bytes: &[u8], paths: &[Path]) -> Option<Self> {
        let mut picked = Self::of_paths(paths);
        let mut json = serde_json::Deserializer::from_slice(bytes);
        picked.whole().deserialize(&mut json).ok()?;
        json.end().ok()?;
        Some(picked)
    }

    /// The same of each element of an array, one after the other: there may be millions.
    pub fn each_from_json(bytes: &[u8], paths: &[Path], take: impl FnMut(Self)) -> Option<()> {
        let mut json = serde_json::Deserializer::from_slice(bytes);
        json.deserialize_seq(Each { paths, take }).ok()?;
        json.end().ok()
    }

    fn of_paths(paths: &[Path]) -> Self {
        Self(paths.iter().map(|path| Answers { path, values: Vec::new() }).collect())
    }

    fn whole(&mut self) -> Pick<'_> {
        let wanted = self.0.iter().enumerate();
        let wanted =
            wanted.map(|(at, answers)| Wanted { at, rest: answers.path, keys: Vec::new() });
        Pick { wanted: wanted.collect(), into: &mut self.0 }
    }

    /// The first text at this path; `None` where it is of another type.
    pub fn text(&self, path: Path) -> Option<&str> {
        self.all(path).next().map(|(_, text)| text)
    }

    /// The texts below a path with `*`, by what the last one stood for.
    pub fn all(&self, path: Path) -> impl Iterator<Item = (&str, &str)> {
        self.texts(path).map(|(keys, text)| (keys.last().map_or("", |key| &**key), text))
    }

    /// The same by what each `*` stood for.
    pub fn texts(&self, path: Path) -> impl Iterator<Item = (&Keys, &str)> {
        self.of(path).filter_map(|value| match &value.scalar {
            Scalar::Text(text) => Some((&value.keys, text.as_str())),
            _ => None,
        })
    }

    /// Those of a path with `*`, by what each stood for; negative ones are left out.
    pub fn numbers(&self, path: Path) -> impl Iterator<Item = (&Keys, u64)> {
        self.of(path).filter_map(|value| match &value.scalar {
            Scalar::Number(number) => Some((&value.keys, u64::try_from(*number).ok()?)),
            _ => None,
        })
    }

    /// The same as labels, by key.
    pub fn labels(&self, path: Path) -> Vec<Label> {
        let mut labels: Vec<Label> =
            self.all(path).map(|(key, value)| (key.into(), value.into())).collect();
        labels.sort_unstable();
        labels
    }

    /// The first number at this path; `None` too where it is negative.
    pub fn number(&self, path: Path) -> Option<u64> {
        self.numbers(path).next().map(|(_, number)| number)
    }

    /// `true` is at this path, at least once.
    pub fn is_true(&self, path: Path) -> bool {
        self.of(path).any(|value| matches!(value.scalar, Scalar::Bool(true)))
    }

    fn of(&self, path: Path) -> impl Iterator<Item = &Value> {
        let answers = self.0.iter().find(move |answers| answers.path == path);
        answers.into_iter().flat_map(|answers| &answers.values)
    }
}

#[derive(Clone)]
struct Wanted {
    /// Where its answers are.
    at: usize,
    rest: Path,
    keys: Keys,
}

/// One level of the document.
struct Pick<'a> {
    wanted: Vec<Wanted>,
    into: &'a mut [Answers],
}

impl Pick<'_> {
    fn keep(self, scalar: impl Fn() -> Scalar) {
        for wanted in self.wanted.into_iter().filter(|wanted| wanted.rest.is_empty()) {
            let answers = self.into.get_mut(wanted.at);
            if let Some(answers) = answers.filter(|answers| answers.values.len() < MOST) {
                answers.values.push(Value { keys: wanted.keys, scalar: scalar() });
            }
        }
    }

    fn below(&mut self, key: &str) -> Option<Pick<'_>> {
        let mut shared: Option<Rc<str>> = None;
        let mut wanted = Vec::new();
        for one in &self.wanted {
            let Some((first, rest)) = one.rest.split_first() else { continue };
            let mut keys = one.keys.clone();
            if *first == "*" {
                keys.push(shared.get_or_insert_with(|| key.into()).clone());
            } else if *first != key {
                continue;
            }
            wanted.push(Wanted { at: one.at, rest, keys });
        }
        (!wanted.is_empty()).then_some(Pick { wanted, into: self.into })
    }
}

/// What is wanted below a key, which is not kept.
struct Key<'a, 'b>(&'a mut Pick<'b>);

impl<'de, 'a> DeserializeSeed<'de> for Key<'a, '_> {
    type Value = Option<Pick<'a>>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Key<'a, '_> {
    type Value = Option<Pick<'a>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.0.below(key))
    }
}

impl<'de> DeserializeSeed<'de> for Pick<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Pick<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(below) = map.next_key_seed(Key(&mut self))? {
            match below {
                Some(pick) => map.next_value_seed(pick)?,
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        // No path names a place.
        if !self.wanted.iter().any(|wanted| wanted.rest.first() == Some(&"*")) {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        for place in 0_usize.. {
            let more = match self.below(&place.to_string()) {
                Some(pick) => seq.next_element_seed(pick)?.is_some(),
                None => seq.next_element::<IgnoredAny>()?.is_some(),
            };
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.keep(|| Scalar::Text(text.to_owned()));
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.keep(|| Scalar::Number(number));
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        if let Ok(number) = i64::try_from(number) {
            self.keep(|| Scalar::Number(number));
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, yes: bool) -> Result<(), E> {
        self.keep(|| Scalar::Bool(yes));
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

struct Each<'a, F> {
    paths: &'a [Path],
    take: F,
}

impl<'de, F: FnMut(Picked)> Visitor<'de> for Each<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON array")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        loop {
            let mut picked = Picked::of_paths(self.paths);
            if seq.next_element_seed(picked.whole())?.is_none() {
                return Ok(());
            }
            (self.take)(picked);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: Path = &["Name"];
    const PID: Path = &["State", "Pid"];
    const DEAD: Path = &["State", "Dead"];
    const LABELS: Path = &["Config", "Labels", "*"];
    const SOURCES: Path = &["mounts", "*", "source"];

    #[test]
    fn only_what_is_asked_for_is_kept() {
        let json = br#"{"Name":"/web","State":{"Pid":7,"Dead":true,"X":{"Pid":8}},"Pid":9,
            "Config":{"Labels":{"a":"1","b.c":"2"},"Image":"i"},"mounts":[{"source":"p"},{"x":1,"source":"q"}]}"#;
        let picked = Picked::from_json(json, &[NAME, PID, DEAD, LABELS, SOURCES]).unwrap();
        assert_eq!(picked.text(NAME), Some("/web"));
        assert_eq!(picked.number(PID), Some(7));
        assert!(picked.is_true(DEAD));
        assert_eq!(picked.all(LABELS).collect::<Vec<_>>(), [("a", "1"), ("b.c", "2")]);
        assert_eq!(picked.all(SOURCES).map(|(_, text)| text).collect::<Vec<_>>(), ["p", "q"]);
        assert_eq!(picked.0.iter().map(|answers| answers.values.len()).sum::<usize>(), 7);
    }

    #[test]
    fn a_value_is_told_by_every_key_above_it() {
        const PORTS: Path = &["Ports", "*", "*", "HostPort"];
        const FIRST: Path = &["Ports", "80/tcp", "*", "HostPort"];
        let json = br#"{"Ports":{"80/tcp":[{"HostPort":"1"},{"HostPort":"2"}],"90/udp":[{"HostPort":3}],"1/tcp":null}}"#;
        let picked = Picked::from_json(json, &[PORTS, FIRST]).unwrap();
        let told = |keys: &Keys| keys.join(" ");
        let texts = |path| picked.texts(path).map(|(keys, text)| (told(keys), text.to_owned()));
        assert_eq!(
            texts(PORTS).collect::<Vec<_>>(),
            [("80/tcp 0".into(), "1".into()), ("80/tcp 1".into(), "2".into())]
        );
        let numbers = picked.numbers(PORTS).map(|(keys, number)| (told(keys), number));
        assert_eq!(numbers.collect::<Vec<_>>(), [("90/udp 0".to_owned(), 3)]);
        assert_eq!(
            texts(FIRST).collect::<Vec<_>>(),
            [("0".into(), "1".into()), ("1".into(), "2".into())]
        );
    }

    #[test]
    fn what_has_another_type_is_absent() {
        let picked = Picked::from_json(br#"{"Name":7,"State":[1.5,null,-1]}"#, &[NAME, PID]);
        let picked = picked.unwrap();
        assert_eq!((picked.text(NAME), picked.number(PID)), (None, None));
        let number = |json: &str| Picked::from_json(json.as_bytes(), &[NAME]).unwrap().number(NAME);
        assert_eq!(number(r#"{"Name":-7}"#), None);
        assert_eq!(number(r#"{"Name":9223372036854775807}"#), Some(u64::MAX >> 1));
        assert_eq!(number(r#"{"Name":9223372036854775808}"#), None);
        assert!(Picked::from_json(b"{", &[NAME]).is_none());
        assert!(Picked::from_json(b"{} x", &[NAME]).is_none());
    }

    #[test]
    fn each_element_of_an_array_is_a_record() {
        let mut each = Vec::new();
        let json = br#"[{"Name":"a"},{"Name":"b"}]"#;
        Picked::each_from_json(json, &[NAME], |one| each.push(one)).unwrap();
        assert_eq!(each.iter().filter_map(|one| one.text(NAME)).collect::<Vec<_>>(), ["a", "b"]);
        assert!(Picked::each_from_json(b"{}", &[NAME], drop).is_none());
    }

    #[test]
    fn depth_does_no_harm_and_the_number_of_values_is_bounded() {
        let deep = [vec![b'['; 1 << 20], vec![b']'; 1 << 20]].concat();
        assert_eq!(Picked::from_json(&deep, &[NAME]).unwrap().text(NAME), None);
        let many = "{\"source\":\"x\"},".repeat(MOST + 9);
        let many = format!("{{\"mounts\":[{many}{{}}],\"Name\":\"web\"}}");
        let picked = Picked::from_json(many.as_bytes(), &[SOURCES, NAME]).unwrap();
        assert_eq!(picked.all(SOURCES).count(), MOST);
        assert_eq!(picked.text(NAME), Some("web"), "what is behind many is found all the same");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Picked::from_json(&bytes, &[NAME, SOURCES]);
            let _ = Picked::each_from_json(&bytes, &[NAME], drop);
        }
    }
}
