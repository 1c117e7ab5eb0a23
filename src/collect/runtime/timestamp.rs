//! Points in time as engines write them: RFC 3339, or Go's binary form.

/// Seconds since 1970 of `2026-11-24T13:51:25.5Z` or `…+01:00`; none before 1970, which is how
/// engines write "never".
pub fn unix_seconds(text: &str) -> Option<u64> {
    let (date, rest) = text.split_at_checked(10)?;
    let mut fields = date.split('-');
    let (year, month, day) = (next(&mut fields)?, next(&mut fields)?, next(&mut fields)?);
    let (clock, zone) = rest.get(1..)?.split_at_checked(8)?;
    let mut fields = clock.split(':');
    let (hour, minute, second) = (next(&mut fields)?, next(&mut fields)?, next(&mut fields)?);
    let possible =
        (1..=12).contains(&month) && (1..=31).contains(&day) && (0..10000).contains(&year);
    if !possible || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let local = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    let zone = zone.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    u64::try_from(local - offset(zone)?).ok()
}

/// Between Go's zero (the first of January of the year 1) and 1970.
const GO_EPOCH: i64 = -62_135_596_800;

/// Seconds since 1970 of what Go's `time.Time.MarshalBinary` makes: a version, then seconds,
/// nanoseconds and the zone, most significant byte first. The seconds are UTC's in any zone.
pub fn unix_seconds_of_binary(bytes: &[u8]) -> Option<u64> {
    let (version, rest) = bytes.split_first()?;
    // The second version has a longer zone.
    if !matches!((version, rest.len()), (1, 14) | (2, 15)) {
        return None;
    }
    let seconds = i64::from_be_bytes(*rest.first_chunk()?);
    u64::try_from(seconds.checked_add(GO_EPOCH)?).ok()
}

fn next<'a>(fields: &mut impl Iterator<Item = &'a str>) -> Option<i64> {
    let digits = fields.next()?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// Seconds east of Greenwich.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, rest) = match zone.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let mut fields = rest.split(':');
    Some(sign * (next(&mut fields)? * 3600 + next(&mut fields)? * 60))
}

/// From 1970-01-01 on, in the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March, so that the leap day is the last.
    let year = if month <= 2 { year - 1 } else { year };
    let month_from_march = (month + 9) % 12;
    let in_year = (153 * month_from_march + 2) / 5 + day - 1;
    year * 365 + year / 4 - year / 100 + year / 400 + in_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_those_of_date() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-11-24T13:51:25.123456789Z", Some(1_795_528_285)),
            ("2026-11-24T14:51:25+01:00", Some(1_795_528_285)),
            ("2024-02-29T23:59:59-00:30", Some(1_709_252_999)),
            // A leap second, and nothing beyond.
            ("2016-12-31T23:59:60Z", Some(1_483_228_800)),
            ("2016-12-31T23:59:61Z", None),
            ("2016-12-31T23:60:00Z", None),
            ("2016-12-31T24:00:00Z", None),
            ("0001-01-01T00:00:00Z", None),
            ("2026-13-24T13:51:25Z", None),
            ("2026-11-24", None),
            ("", None),
        ] {
            assert_eq!(unix_seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn the_binary_form_has_the_same_seconds() {
        let seconds = (1_795_528_285 - GO_EPOCH).to_be_bytes();
        let utc = [&[1][..], &seconds, &[0, 0, 0, 7], &[0xff, 0xff]].concat();
        assert_eq!(unix_seconds_of_binary(&utc), Some(1_795_528_285));
        assert_eq!(unix_seconds_of_binary(&utc[..14]), None);
        let odd_zone = [&[2][..], &seconds, &[0, 0, 0, 7], &[0, 60, 30]].concat();
        assert_eq!(unix_seconds_of_binary(&odd_zone), Some(1_795_528_285));
        let never = [&[1][..], &[0; 12], &[0xff, 0xff]].concat();
        assert_eq!(unix_seconds_of_binary(&never), None);
        assert_eq!(unix_seconds_of_binary(&[]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(0_u8..4, 0..20)) {
            let _ = unix_seconds_of_binary(&bytes);
        }

        #[test]
        fn no_text_panics(text: String, other in "[0-9T:Z.+-]{0,40}") {
            let _ = (unix_seconds(&text), unix_seconds(&other));
        }
    }
}
