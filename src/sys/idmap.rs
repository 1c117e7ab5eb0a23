//! `/proc/PID/uid_map` and `gid_map`: user_namespaces(7).

pub use crate::model::security::IdRange as Range;

/// Lines of three numbers; at most 340 (the kernel's limit).
pub fn parse(bytes: &[u8]) -> Option<Vec<Range>> {
    let text = std::str::from_utf8(bytes).ok()?;
    text.lines()
        .take(340)
        .map(|line| {
            let mut numbers = line.split_ascii_whitespace().map(|number| number.parse().ok());
            Some(Range {
                inside: numbers.next()??,
                outside: numbers.next()??,
                count: numbers.next()??,
            })
        })
        .collect()
}

/// Whether `inside` means anything in this map.
pub fn maps(map: &[Range], inside: u32) -> bool {
    map.iter().any(|range| inside.checked_sub(range.inside).is_some_and(|at| at < range.count))
}

/// What a user of the reader's is called in this map.
pub fn to_inside(map: &[Range], outside: u32) -> Option<u32> {
    map.iter().find_map(|range| {
        let at = outside.checked_sub(range.outside).filter(|at| *at < range.count)?;
        range.inside.checked_add(at)
    })
}

/// What a user of this map is called to the reader.
pub fn to_outside(map: &[Range], inside: u32) -> Option<u32> {
    map.iter().find_map(|range| {
        let at = inside.checked_sub(range.inside).filter(|at| *at < range.count)?;
        range.outside.checked_add(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_of_the_host_and_of_a_rootless_container() {
        let host = parse(b"         0          0 4294967295\n").unwrap();
        assert!(maps(&host, 0) && maps(&host, 4_294_967_294));
        let rootless =
            parse(b"         0       1001          1\n         1     100000      65536\n").unwrap();
        assert_eq!(rootless[1], Range { inside: 1, outside: 100_000, count: 65536 });
        assert!(maps(&rootless, 65536) && !maps(&rootless, 65537));
        let inside = [1001, 100_000, 165_535, 165_536, 0].map(|uid| to_inside(&rootless, uid));
        assert_eq!(inside, [Some(0), Some(1), Some(65536), None, None]);
        assert_eq!(to_inside(&host, 33), Some(33));
        let outside = [0, 1, 65536, 65537].map(|uid| to_outside(&rootless, uid));
        assert_eq!(outside, [Some(1001), Some(100_000), Some(165_535), None]);
        assert_eq!(to_outside(&host, 33), Some(33));
        assert!(!maps(&parse(b"").unwrap(), 0));
        assert_eq!(parse(b"0 0\n"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
        }
    }
}
