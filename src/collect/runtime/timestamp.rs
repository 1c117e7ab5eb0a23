//! Points in time as engines write them: RFC 3339.

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
            ("0001-01-01T00:00:00Z", None),
            ("2026-13-24T13:51:25Z", None),
            ("2026-11-24", None),
            ("", None),
        ] {
            assert_eq!(unix_seconds(text), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text: String, other in "[0-9T:Z.+-]{0,40}") {
            let _ = (unix_seconds(&text), unix_seconds(&other));
        }
    }
}
