//! The two meta pages of a bbolt database, which say where its newest state is.

use super::page::{HEADER, number_at};
use super::{Result, Source};

/// As powers of two: bbolt has 1 KiB to 16 MiB.
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 10..=24;
pub(super) const META_LENGTH: usize = HEADER + 64;
pub(super) const MAGIC: u32 = 0xED0C_DAED;
pub(super) const VERSION: u32 = 2;

/// What a meta page says of the state it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Meta {
    pub(super) page_size: u32,
    pub(super) root: u64,
    /// No page has this number or a higher one.
    pub(super) end: u64,
    transaction: u64,
}

impl Meta {
    /// One that is complete: the sum shows a half-written one.
    fn parse(page: &[u8]) -> Option<Self> {
        let meta = page.get(HEADER..META_LENGTH)?;
        let word = |at| number_at::<4>(meta, at).map(u32::from_ne_bytes);
        let long = |at| number_at::<8>(meta, at).map(u64::from_ne_bytes);
        let valid = word(0)? == MAGIC && word(4)? == VERSION && long(56)? == sum(meta.get(..56)?);
        let page_size = word(8)?;
        let sized = page_size.is_power_of_two() && PAGE_SIZES.contains(&page_size.trailing_zeros());
        (valid && sized).then_some(Self {
            page_size,
            root: long(16)?,
            end: long(40)?,
            transaction: long(48)?,
        })
    }
}

/// FNV-1a.
pub(super) fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// The newer of the two meta pages, as far as they are complete: commits write them in turn. The
/// second one's place depends on the page size; where the first does not tell it, all are tried.
pub(super) fn newest_meta(source: &dyn Source) -> Result<Option<Meta>> {
    let read = |offset| {
        let mut page = [0; META_LENGTH];
        source.read_at(&mut page, offset)?;
        Ok(Meta::parse(&page))
    };
    let second = |page_size: u32| {
        let meta = read(u64::from(page_size))?;
        Ok(meta.filter(|meta| meta.page_size == page_size))
    };
    let Some(first) = read(0)? else {
        for exponent in PAGE_SIZES {
            if let Some(meta) = second(1 << exponent)? {
                return Ok(Some(meta));
            }
        }
        return Ok(None);
    };
    let second = second(first.page_size)?;
    Ok(Some(second.filter(|second| second.transaction > first.transaction).unwrap_or(first)))
}
