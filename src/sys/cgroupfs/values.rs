//! The forms that values have in cgroup files. Pure: bytes in, numbers out, `None` for any other
//! form.

use crate::model::cgroup::Pressure;
use crate::model::text::Text;

pub use crate::model::cgroup::Bound;

/// v1 writes "no limit" as the largest number of whole pages in an i64: 9223372036854771712 where
/// a page has 4 KiB, less where it has more, and of huge pages up to 16 GiB less. No machine has
/// this much memory.
const V1_UNLIMITED_BYTES: u64 = i64::MAX.cast_unsigned() - (16 << 30);

/// A line as it is: a list of CPUs.
pub fn text(bytes: &[u8]) -> Option<Text> {
    let line = bytes.trim_ascii_end();
    (!line.contains(&b'\n')).then(|| Text::new(line))
}

/// One decimal number.
pub fn number(bytes: &[u8]) -> Option<u64> {
    let digits = bytes.trim_ascii();
    if !digits.first()?.is_ascii_digit() {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// A number or `max`: v2's limits and pids.max.
pub fn number_or_max(bytes: &[u8]) -> Option<Bound> {
    if bytes.trim_ascii() == b"max" {
        return Some(Bound::Unlimited);
    }
    number(bytes).map(Bound::At)
}

/// v1 memory.limit_in_bytes.
pub fn v1_bytes(bytes: &[u8]) -> Option<Bound> {
    Some(match number_or_max(bytes)? {
        Bound::At(value) if value < V1_UNLIMITED_BYTES => Bound::At(value),
        _ => Bound::Unlimited,
    })
}

/// v1 cpu.cfs_quota_us: microseconds a period, `-1` for no limit.
pub fn v1_quota(bytes: &[u8]) -> Option<Bound> {
    if bytes.trim_ascii() == b"-1" {
        return Some(Bound::Unlimited);
    }
    number(bytes).map(Bound::At)
}

/// v2 cpu.max, `50000 100000` or `max 100000`, in thousandths of a core.
pub fn cpu_max(bytes: &[u8]) -> Option<Bound> {
    let line = bytes.trim_ascii();
    let mut fields = line.split(|byte| *byte == b' ');
    let (quota, period) = (fields.next()?, number(fields.next()?)?);
    match number_or_max(quota)? {
        Bound::Unlimited => Some(Bound::Unlimited),
        Bound::At(quota) => millicores(quota, period).map(Bound::At),
    }
}

/// Thousandths of a core, rounded down.
pub fn millicores(quota: u64, period: u64) -> Option<u64> {
    let millicores = (u128::from(quota) * 1000).checked_div(u128::from(period))?;
    u64::try_from(millicores).ok()
}

/// The lines of a flat keyed file: `key value`. Other lines are skipped.
pub fn keyed(bytes: &[u8]) -> impl Iterator<Item = (&[u8], u64)> {
    bytes.split(|byte| *byte == b'\n').filter_map(|line| {
        let at = line.iter().position(|byte| *byte == b' ')?;
        let (key, value) = line.split_at_checked(at)?;
        Some((key, number(value)?))
    })
}

/// One value of a flat keyed file.
pub fn keyed_value(bytes: &[u8], key: &[u8]) -> Option<u64> {
    keyed(bytes).find_map(|(name, value)| (name == key).then_some(value))
}

/// A pressure file: Documentation/accounting/psi.rst. `full` is missing for cpu before 5.13.
pub fn pressure(bytes: &[u8]) -> Option<Pressure> {
    let of = |kind: &[u8]| {
        let lines = bytes.split(|byte| *byte == b'\n');
        let mut rest = lines.filter_map(|line| line.strip_prefix(kind));
        let fields = std::str::from_utf8(rest.next()?).ok()?;
        let field = |key| {
            let mut fields = fields.split(' ');
            fields.find_map(|field| field.strip_prefix(key))
        };
        let average = |key| {
            let average: f64 = field(key)?.parse().ok()?;
            average.is_finite().then_some(average)
        };
        let averages = (average("avg10=")?, average("avg60=")?, average("avg300=")?);
        Some((averages, field("total=")?.parse::<u64>().ok()?))
    };
    let (some, some_total_usec) = of(b"some ")?;
    let full = of(b"full ");
    let averages = full.map(|(averages, _)| averages);
    Some(Pressure {
        some_avg10_percent: some.0,
        some_avg60_percent: some.1,
        some_avg300_percent: some.2,
        some_total_usec,
        full_avg10_percent: averages.map(|averages| averages.0),
        full_avg60_percent: averages.map(|averages| averages.1),
        full_avg300_percent: averages.map(|averages| averages.2),
        full_total_usec: full.map(|(_, total)| total),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_and_nothing_else() {
        assert_eq!(number(b"4771840\n"), Some(4_771_840));
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        for other in ["", "\n", "max", "-1", "+1", "1 2", "0x10", "18446744073709551616"] {
            assert_eq!(number(other.as_bytes()), None, "{other:?}");
        }
    }

    #[test]
    fn every_spelling_of_no_limit() {
        assert_eq!(number_or_max(b"max\n"), Some(Bound::Unlimited));
        assert_eq!(v1_quota(b"-1\n"), Some(Bound::Unlimited));
        assert_eq!(cpu_max(b"max 100000\n"), Some(Bound::Unlimited));
        // Pages of 4 KiB and of 64 KiB.
        assert_eq!(v1_bytes(b"9223372036854771712\n"), Some(Bound::Unlimited));
        // Of huge pages of 1 GiB.
        assert_eq!(v1_bytes(b"9223372035781033984\n"), Some(Bound::Unlimited));
        assert_eq!(v1_bytes(b"9223372036854710272\n"), Some(Bound::Unlimited));
        assert_eq!(v1_bytes(b"67108864\n"), Some(Bound::At(67_108_864)));
        assert_eq!(v1_quota(b"-2\n"), None);
    }

    #[test]
    fn cpu_limits_in_thousandths() {
        assert_eq!(cpu_max(b"50000 100000\n"), Some(Bound::At(500)));
        assert_eq!(cpu_max(b"33333 100000\n"), Some(Bound::At(333)));
        assert_eq!(cpu_max(b"250000 50000\n"), Some(Bound::At(5000)));
        assert_eq!(cpu_max(b"50000 0\n"), None);
        assert_eq!(cpu_max(b"50000\n"), None);
        assert_eq!(millicores(u64::MAX, 1), None);
    }

    #[test]
    fn keyed_lines_and_what_is_none() {
        let bytes = b"low 0\nhigh 3\noom_kill 12\noom_kill_disable 1\nodd\nodd x\n";
        assert_eq!(keyed(bytes).count(), 4);
        assert_eq!(keyed_value(bytes, b"oom_kill"), Some(12));
        assert_eq!(keyed_value(bytes, b"oom"), None);
    }

    #[test]
    fn pressure_with_and_without_full() {
        let bytes = b"some avg10=0.09 avg60=1.40 avg300=1.13 total=26419187\nfull avg10=23.80 avg60=0.00 avg300=0.00 total=7\n";
        let both = pressure(bytes).unwrap();
        assert!((both.some_avg10_percent - 0.09).abs() < 1e-9);
        assert_eq!(both.some_total_usec, 26_419_187);
        assert!((both.some_avg300_percent - 1.13).abs() < 1e-9);
        assert_eq!((both.full_avg10_percent, both.full_avg60_percent), (Some(23.8), Some(0.0)));
        assert_eq!(both.full_total_usec, Some(7));
        let some = pressure(b"some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n").unwrap();
        assert_eq!(some.full_total_usec, None);
        assert_eq!(pressure(b"some avg10=nan total=0\n"), None);
        assert_eq!(pressure(b""), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (number(&bytes), number_or_max(&bytes), v1_bytes(&bytes), v1_quota(&bytes));
            let _ = (cpu_max(&bytes), pressure(&bytes), keyed(&bytes).count());
        }

        #[test]
        fn no_words_panic(words in "(some |full |avg10=|total=|max |-1|[0-9]{1,21}|[ \n]){0,12}") {
            let bytes = words.as_bytes();
            let _ = (cpu_max(bytes), pressure(bytes), keyed_value(bytes, b"some"));
        }
    }
}
