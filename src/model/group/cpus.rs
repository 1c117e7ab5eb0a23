//! A list of CPUs as the kernel writes it: `0-3,8`. cpuset(7), "List format".

use std::fmt;

/// The largest NR_CPUS that a kernel can be built with; numbers end below it.
const MOST: u32 = 8192;

/// Ascending, neither overlapping nor touching; at least one CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuList(Vec<(u32, u32)>);

impl CpuList {
    /// `None` for anything else, for no CPU at all, and for numbers that no kernel has.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let ranges = text.split(|byte| *byte == b',').map(range);
        let mut ranges = ranges.collect::<Option<Vec<_>>>()?;
        ranges.sort_unstable();
        let mut merged: Vec<(u32, u32)> = Vec::new();
        for (first, last) in ranges {
            match merged.last_mut() {
                Some((_, end)) if first <= *end + 1 => *end = last.max(*end),
                _ => merged.push((first, last)),
            }
        }
        Some(Self(merged))
    }

    /// One after the other.
    pub fn each(&self) -> impl Iterator<Item = u32> {
        self.0.iter().flat_map(|(first, last)| *first..=*last)
    }
}

fn range(text: &[u8]) -> Option<(u32, u32)> {
    let (first, last) = match text.iter().position(|byte| *byte == b'-') {
        Some(dash) => (cpu(text.get(..dash)?)?, cpu(text.get(dash + 1..)?)?),
        None => (cpu(text)?, cpu(text)?),
    };
    (first <= last).then_some((first, last))
}

fn cpu(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|number| *number < MOST)
}

impl fmt::Display for CpuList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (first, last)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{first}")?;
            if first != last {
                write!(f, "-{last}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Option<String> {
        CpuList::parse(text.as_bytes()).map(|list| list.to_string())
    }

    #[test]
    fn every_spelling_of_the_same_cpus_is_the_same_list() {
        for (text, expected) in [
            ("0", "0"),
            ("0-3,8", "0-3,8"),
            ("8,3,1-2,0", "0-3,8"),
            ("1,1,1-1", "1"),
            ("0-5,2-3", "0-5"),
            ("8191", "8191"),
        ] {
            assert_eq!(written(text).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in ["", ",", "0,", "-1", "1-", "3-1", "a", "0 1", "+1", "8192", "0-99999999999"] {
            assert_eq!(written(text), None, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_reads_back(text in "[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}){0,4}") {
            if let Some(list) = CpuList::parse(text.as_bytes()) {
                let again = CpuList::parse(list.to_string().as_bytes());
                proptest::prop_assert_eq!(again, Some(list));
            }
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = CpuList::parse(&bytes);
        }
    }
}
