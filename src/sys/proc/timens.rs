//! `/proc/PID/timens_offsets`: time_namespaces(7).

use crate::model::uts::ClockOffsets;

/// Lines of a clock's name, seconds, and nanoseconds to be added; the seconds may be negative.
pub fn parse(bytes: &[u8]) -> Option<ClockOffsets> {
    let text = std::str::from_utf8(bytes).ok()?;
    let of = |clock: &str| {
        text.lines().find_map(|line| {
            let mut words = line.split_ascii_whitespace();
            if words.next() != Some(clock) {
                return None;
            }
            let seconds: i64 = words.next()?.parse().ok()?;
            let rest: i64 = words.next()?.parse().ok()?;
            seconds.checked_mul(1_000_000_000)?.checked_add(rest)
        })
    };
    Some(ClockOffsets { monotonic_nsec: of("monotonic")?, boottime_nsec: of("boottime")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_ahead_and_behind() {
        let file = b"monotonic      172800         0\nboottime           -1 500000000\n";
        let offsets =
            ClockOffsets { monotonic_nsec: 172_800_000_000_000, boottime_nsec: -500_000_000 };
        assert_eq!(parse(file), Some(offsets));
        assert_eq!(parse(b"monotonic 0 0\n"), None);
        assert_eq!(parse(b"monotonic 9223372036854775807 0\nboottime 0 0\n"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
