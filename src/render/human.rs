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
