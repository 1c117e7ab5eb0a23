//! Numbers as people read them.

/// `512`, `12K`, `1.5M`, `64M`, `1.2G`: binary units, three figures at most.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [char; 6] = ['K', 'M', 'G', 'T', 'P', 'E'];
    if bytes < 1024 {
        return bytes.to_string();
    }
    let mut scaled = bytes;
    let mut tenths = 0;
    let mut unit = ' ';
    for next in UNITS {
        if scaled < 1024 {
            break;
        }
        tenths = (scaled % 1024) * 10 / 1024;
        scaled /= 1024;
        unit = next;
    }
    if scaled < 10 && tenths > 0 {
        format!("{scaled}.{tenths}{unit}")
    } else {
        format!("{scaled}{unit}")
    }
}

/// `4s`, `12m`, `3h`, `9d`: the largest unit only.
pub fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86400),
    }
}

/// Microseconds as `850us`, `12ms`, `3.4s`, `12m`.
pub fn usec(usec: u64) -> String {
    match usec {
        0..1000 => format!("{usec}us"),
        1000..1_000_000 => format!("{}ms", usec / 1000),
        1_000_000..100_000_000 => format!("{}.{}s", usec / 1_000_000, usec / 100_000 % 10),
        _ => age(usec / 1_000_000),
    }
}

/// Thousandths of a core: `0.5`, `2`, `1.25`.
pub fn cores(millicores: u64) -> String {
    let (whole, rest) = (millicores / 1000, millicores % 1000);
    if rest == 0 {
        return whole.to_string();
    }
    format!("{whole}.{rest:03}").trim_end_matches('0').to_owned()
}

/// `2026-11-28 08:29:03 UTC`, of seconds since 1970.
pub fn moment(unix_seconds: u64) -> String {
    let (days, time) = (unix_seconds / 86400, unix_seconds % 86400);
    // Years begin in March here, so that the day that comes and goes is the last one. Within 400
    // years there are 146,097 days; 719,468 of them lie between that era's first day and 1970.
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + next;
    let (hour, minute, second) = (time / 3600, time / 60 % 60, time % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// `1 mount`, `3 mounts`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let shown = [0, 1023, 1024, 1536, 12 << 20, 64 << 20, (12 << 30) / 10, u64::MAX].map(bytes);
        assert_eq!(shown, ["0", "1023", "1K", "1.5K", "12M", "64M", "1.1G", "15E"]);
    }

    #[test]
    fn moments() {
        let shown = [0, 951_782_399, 951_782_400, 1_764_318_543, 4_107_542_400].map(moment);
        assert_eq!(
            shown,
            [
                "1970-01-01 00:00:00 UTC",
                "2000-02-28 23:59:59 UTC",
                "2000-02-29 00:00:00 UTC",
                "2025-11-28 08:29:03 UTC",
                "2100-03-01 00:00:00 UTC",
            ]
        );
    }

    #[test]
    fn times_and_cores() {
        assert_eq!([4, 59, 60, 10_800, 800_000].map(age), ["4s", "59s", "1m", "3h", "9d"]);
        assert_eq!(
            [850, 12_300, 3_450_000, 720_000_000].map(usec),
            ["850us", "12ms", "3.4s", "12m"]
        );
        assert_eq!([500, 2000, 1250, 1].map(cores), ["0.5", "2", "1.25", "0.001"]);
        assert_eq!([count(1, "mount"), count(0, "mount")], ["1 mount", "0 mounts"]);
    }
}
