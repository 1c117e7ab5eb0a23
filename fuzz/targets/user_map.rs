//! Maps of a new user namespace: whatever ranges are asked for, the kernel takes what comes of it, and
//! the caller's own id is in it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::model::security::IdRange;
use nsx::model::user_map::{Overlap, Source, Stock, Wish, compose, lines};

fuzz_target!(|bytes: &[u8]| {
    let mut words = bytes.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word));
    let mut next = || words.next().unwrap_or_default();
    // The last number is nobody's, and no option takes it.
    let id = |word: u32| word.min(u32::MAX - 1);
    let (flags, own, inside) = (next(), id(next()), id(next()));
    let subordinate = (flags & 1 != 0).then(|| (next(), next()));
    let mut ours = Vec::new();
    for _ in 0..flags >> 1 & 3 {
        ours.push(IdRange { inside: next(), outside: next(), count: next() });
    }
    let mut ranges = Vec::new();
    for nth in 0..flags >> 3 & 7 {
        ranges.push(match flags >> (8 + 2 * nth) & 3 {
            0 => Source::Auto,
            1 => Source::Subordinate,
            2 => Source::All,
            _ => Source::These(IdRange { inside: next(), outside: next(), count: next() }),
        });
    }
    let wish = Wish { own: (flags & 64 != 0).then_some(inside), ranges };
    let overlap = if flags & 128 != 0 { Overlap::Yield } else { Overlap::Refuse };
    let stock = Stock { own, subordinate, ours: &ours };
    let Ok(map) = compose(&wish, stock, overlap) else { return };

    assert!(map.len() <= 340 && lines(&map).lines().count() == map.len());
    for (at, range) in map.iter().enumerate() {
        // As the kernel has it: map_write() of kernel/user_namespace.c.
        assert!(range.count > 0, "{map:?}");
        assert!(range.inside.checked_add(range.count).is_some(), "{map:?}");
        assert!(range.outside.checked_add(range.count).is_some(), "{map:?}");
        for other in &map[..at] {
            let apart = |first: fn(&IdRange) -> u32| {
                let (one, two) = (u64::from(first(range)), u64::from(first(other)));
                one + u64::from(range.count) <= two || two + u64::from(other.count) <= one
            };
            assert!(apart(|range| range.inside) && apart(|range| range.outside), "{map:?}");
        }
    }
    if let Some(inside) = wish.own {
        let first = IdRange { inside, outside: own, count: 1 };
        assert_eq!(map.first(), Some(&first));
    }
});
