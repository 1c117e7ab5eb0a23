//! Times as engines written in Go leave them on disk: as text (RFC 3339) or as Go's binary form.

/// Between Go's zero (the first of January of the year 1) and 1970.
const UNIX_EPOCH: i64 = 62_135_596_800;

/// Seconds since 1970 of `time.Time.MarshalBinary`: a version, then seconds, nanoseconds and the
/// zone, most significant byte first. The seconds are UTC's, whatever the zone.
pub fn parse_binary(bytes: &[u8]) -> Option<u64> {
    let (version, rest) = bytes.split_first()?;
    // Version 2 has a longer zone.
    if !matches!((version, rest.len()), (1, 14) | (2, 15)) {
        return None;
    }
    let seconds = i64::from_be_bytes(*rest.first_chunk()?);
    u64::try_from(seconds.checked_sub(UNIX_EPOCH)?).ok()
}

/// Seconds since 1970 of `2024-05-06T07:08:09.123456789+02:00`.
pub fn parse_text(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(digits);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let zone_at = time.find(['Z', '+', '-'])?;
    let (time, zone) = time.split_at(zone_at);
    let time = time.split_once('.').map_or(time, |(whole, _)| whole);
    let mut time = time.splitn(3, ':').map(digits);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    let plausible = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !plausible {
        return None;
    }
    let local = days_since_1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    u64::try_from(local - offset(zone)?).ok()
}

fn digits(text: &str) -> Option<i64> {
    let plain = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// Seconds east of Greenwich.
fn offset(zone: &str) -> Option<i64> {
    let sign = match zone.chars().next()? {
        'Z' => return (zone.len() == 1).then_some(0),
        '-' => -1,
        _ => 1,
    };
    let (hours, minutes) = zone.get(1..)?.split_once(':')?;
    Some(sign * (digits(hours)? * 3600 + digits(minutes)? * 60))
}

/// Of the Gregorian calendar. A year that begins in March has its leap day last.
const fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    365 * year + year / 4 - year / 100 + year / 400 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_with_and_without_a_zone() {
        assert_eq!(parse_text("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse_text("2000-02-29T12:00:00.5Z"), Some(951_825_600));
        assert_eq!(parse_text("2024-03-01T01:30:00.123456789+02:00"), Some(1_709_249_400));
        assert_eq!(parse_text("2024-02-29T18:00:00-05:30"), Some(1_709_249_400));
        assert_eq!(parse_text("0001-01-01T00:00:00Z"), None, "what Go has for never");
        for malformed in ["", "T", "2024-03-01", "2024-13-01T00:00:00Z", "2024-03-01T00:00:00", "a"]
        {
            assert_eq!(parse_text(malformed), None, "{malformed}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_is_one_after_the_other() {
        let length = |year: i64, month: i64| match month {
            2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let mut expected = 0;
        for (year, month) in (1970..2370).flat_map(|year| (1..=12).map(move |month| (year, month)))
        {
            for day in 1..=length(year, month) {
                assert_eq!(days_since_1970(year, month, day), expected, "{year}-{month}-{day}");
                expected += 1;
            }
        }
    }

    #[test]
    fn the_binary_form() {
        let seconds = (UNIX_EPOCH + 1_709_249_400).to_be_bytes();
        let utc = [&[1][..], &seconds, &[0, 0, 0, 7], &[0xff, 0xff]].concat();
        assert_eq!(parse_binary(&utc), Some(1_709_249_400));
        assert_eq!(parse_binary(&utc[..14]), None);
        assert_eq!(parse_binary(&[]), None);
        let zoned = [&[2][..], &seconds, &[0, 0, 0, 7], &[0, 60, 30]].concat();
        assert_eq!(parse_binary(&zoned), Some(1_709_249_400));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (parse_binary(&bytes), parse_text(&String::from_utf8_lossy(&bytes)));
        }
    }
}
