//! The uts section: names, and how far its clocks are off.

use crate::model::uts::{ClockOffsets, Uts};

pub(super) fn lines(uts: Option<&Uts>, offsets: Option<&ClockOffsets>) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(uts) = uts {
        let domain = match uts.domainname.as_bytes() {
            b"" | b"(none)" => String::new(),
            _ => format!("   domain {}", uts.domainname),
        };
        lines.push(format!("hostname {}{domain}", uts.hostname));
    }
    if let Some(offsets) = offsets {
        let (monotonic, boottime) =
            (seconds(offsets.monotonic_nsec), seconds(offsets.boottime_nsec));
        lines.push(format!("clocks off by {monotonic} s (monotonic), {boottime} s (since boot)"));
    }
    lines
}

/// `172800`, `-0.5`
fn seconds(nsec: i64) -> String {
    let sign = if nsec < 0 { "-" } else { "" };
    let (whole, rest) = (nsec.unsigned_abs() / 1_000_000_000, nsec.unsigned_abs() % 1_000_000_000);
    let text = format!("{sign}{whole}.{rest:09}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_clocks() {
        let uts = Uts { hostname: "web".into(), domainname: "(none)".into() };
        let offsets =
            ClockOffsets { monotonic_nsec: 172_800_000_000_000, boottime_nsec: -500_000_000 };
        assert_eq!(
            lines(Some(&uts), Some(&offsets)),
            ["hostname web", "clocks off by 172800 s (monotonic), -0.5 s (since boot)"]
        );
        assert!(lines(None, None).is_empty());
    }
}
