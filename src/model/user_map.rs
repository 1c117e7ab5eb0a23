//! The ids of a new user namespace: what is asked for, and the map that comes of it. Pure; see
//! user_namespaces(7) and subuid(5).

use super::security::IdRange;
use std::fmt::Write;

/// A finished map. Numbers outside are those of the user namespace of who writes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserMap {
    /// Lines of `/proc/PID/uid_map`.
    pub users: Vec<IdRange>,
    /// Lines of `/proc/PID/gid_map`.
    pub groups: Vec<IdRange>,
    /// Absent: it is not written, and stays as the kernel has it.
    pub setgroups: Option<Setgroups>,
    /// The process inside may write it; else somebody outside must.
    pub from_inside: bool,
}

/// Whether setgroups(2) is there inside: `/proc/PID/setgroups`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setgroups {
    /// setgroups(2) works once groups are mapped.
    Allow,
    /// It fails; without privileges a map of groups takes this.
    Deny,
}

impl Setgroups {
    /// What is written to the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
    }
}

/// One side of it, users or groups, as asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// One of the caller's own id; it goes before the ranges.
    pub own: Option<u32>,
    /// In the order in which they are asked for.
    pub ranges: Vec<Source>,
}

/// Where a range of ids comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// As they were spelled out: INSIDE:OUTSIDE:COUNT.
    These(IdRange),
    /// The caller's subordinate ids, from 0 on.
    Auto,
    /// The caller's subordinate ids, each as itself.
    Subordinate,
    /// All that the caller's own user namespace has, each as itself.
    All,
}

impl Wish {
    /// Nothing is asked for: there is no map.
    pub const fn is_empty(&self) -> bool {
        self.own.is_none() && self.ranges.is_empty()
    }

    /// The caller's lines of /etc/subuid or /etc/subgid have to be read.
    pub fn needs_subordinates(&self) -> bool {
        self.ranges.iter().any(|source| matches!(source, Source::Auto | Source::Subordinate))
    }
}

/// What there is to make a map of.
#[derive(Clone, Copy, Debug)]
pub struct Stock<'a> {
    /// The caller's effective id.
    pub own: u32,
    /// Its first block of subordinate ids: first, count.
    pub subordinate: Option<(u32, u32)>,
    /// The map of its user namespace.
    pub ours: &'a [IdRange],
}

/// What to do where the caller's own id and a range claim the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overlap {
    /// It is an error.
    Refuse,
    /// The range gives way: both sides are without the id, and what is then behind the last of the
    /// other is lost.
    Yield,
}

/// Why no map comes of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MapError {
    /// The caller has no lines in /etc/subuid or /etc/subgid.
    #[error("there are no subordinate ids to map")]
    NoSubordinates,
    /// An id of the new namespace that two ranges claim.
    #[error("id {0} inside is mapped twice")]
    Inside(u32),
    /// An id of the writer's namespace that two ranges claim.
    #[error("id {0} outside is mapped twice")]
    Outside(u32),
    /// Its count is 0, or it would pass 4294967295, which is no id.
    #[error("a range is empty or reaches beyond the last id")]
    Range,
    /// The kernel takes no more lines: user_namespaces(7).
    #[error("more than 340 ranges")]
    TooMany,
}

/// The kernel takes no more lines.
const MOST: usize = 340;

/// The ranges of one side.
pub fn compose(wish: &Wish, stock: Stock<'_>, overlap: Overlap) -> Result<Vec<IdRange>, MapError> {
    let mut ranges = Vec::new();
    for source in &wish.ranges {
        match source {
            Source::These(range) => ranges.push(*range),
            Source::All => ranges
                .extend(stock.ours.iter().map(|range| IdRange { outside: range.inside, ..*range })),
            Source::Auto | Source::Subordinate => {
                let (outside, count) = stock.subordinate.ok_or(MapError::NoSubordinates)?;
                let inside = if *source == Source::Auto { 0 } else { outside };
                ranges.push(IdRange { inside, outside, count });
            }
        }
    }
    if ranges.iter().any(|range| !is_sound(*range)) {
        return Err(MapError::Range);
    }
    if let Some(inside) = wish.own {
        let own = IdRange { inside, outside: stock.own, count: 1 };
        // Of a block from 0 on nobody said which is which: nothing is lost by moving it up.
        let is_movable = wish.ranges.iter().all(|source| *source == Source::Auto);
        if overlap == Overlap::Yield || is_movable {
            let most = if is_movable { u32::MAX } else { 0 };
            ranges = ranges.into_iter().flat_map(|range| beside(range, own, most)).collect();
        }
        ranges.insert(0, own);
    }
    check(&ranges)?;
    Ok(ranges)
}

/// The last number means no id at all.
const fn is_sound(range: IdRange) -> bool {
    let IdRange { inside, outside, count } = range;
    count > 0 && inside.checked_add(count).is_some() && outside.checked_add(count).is_some()
}

/// What is left of a range beside one id: the ids inside and those outside in their order, each
/// side without that id. `last`: as far as ids inside may be, at least to the end of the range.
fn beside(range: IdRange, own: IdRange, last: u32) -> Vec<IdRange> {
    let at = |id: u32, first: u32| id.checked_sub(first).filter(|at| *at < range.count);
    let (inside, outside) = (at(own.inside, range.inside), at(own.outside, range.outside));
    let room = last.saturating_sub(range.inside).max(range.count);
    let left = |ids: u32, without: Option<u32>| ids - u32::from(without.is_some());
    let count = left(room, inside).min(left(range.count, outside));
    let mut cuts = [Some(0), inside, outside, Some(count)].map(|at| at.unwrap_or(0).min(count));
    cuts.sort_unstable();
    let parts = cuts.windows(2).filter_map(|cut| {
        let (&from, &to) = (cut.first()?, cut.last()?);
        let behind = |gap: Option<u32>| u32::from(gap.is_some_and(|gap| gap <= from));
        (from < to).then(|| IdRange {
            inside: range.inside + from + behind(inside),
            outside: range.outside + from + behind(outside),
            count: to - from,
        })
    });
    parts.collect()
}

fn check(ranges: &[IdRange]) -> Result<(), MapError> {
    if ranges.len() > MOST {
        return Err(MapError::TooMany);
    }
    let twice = |first: fn(&IdRange) -> u32| {
        let mut spans: Vec<(u64, u64)> =
            ranges.iter().map(|range| (first(range).into(), range.count.into())).collect();
        spans.sort_unstable();
        let mut end = 0;
        spans.into_iter().find_map(|(first, count)| {
            let before = std::mem::replace(&mut end, first + count);
            (first < before).then_some(u32::try_from(first).unwrap_or(u32::MAX))
        })
    };
    if let Some(id) = twice(|range| range.inside) {
        return Err(MapError::Inside(id));
    }
    twice(|range| range.outside).map_or(Ok(()), |id| Err(MapError::Outside(id)))
}

/// Lines as the kernel takes them.
pub fn lines(ranges: &[IdRange]) -> String {
    ranges.iter().fold(String::new(), |mut lines, range| {
        let _ = writeln!(lines, "{} {} {}", range.inside, range.outside, range.count);
        lines
    })
}

impl UserMap {
    /// The kernel lets everybody map his own user and group, each to one id, and nothing else, if
    /// the groups that he has stay what they are.
    pub fn is_own_alone(&self, uid: u32, gid: u32) -> bool {
        let alone = |ranges: &[IdRange], id| match ranges {
            [] => true,
            [range] => range.count == 1 && range.outside == id,
            _ => false,
        };
        let denied = self.groups.is_empty() || self.setgroups == Some(Setgroups::Deny);
        denied && alone(&self.users, uid) && alone(&self.groups, gid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(inside: u32, outside: u32, count: u32) -> IdRange {
        IdRange { inside, outside, count }
    }

    const HOST: [IdRange; 1] = [IdRange { inside: 0, outside: 0, count: u32::MAX }];

    fn composed(own: Option<u32>, ranges: &[Source], overlap: Overlap) -> Result<String, MapError> {
        let stock = Stock { own: 1000, subordinate: Some((100_000, 65536)), ours: &HOST };
        let wish = Wish { own, ranges: ranges.to_vec() };
        compose(&wish, stock, overlap).map(|ranges| lines(&ranges).replace('\n', ";"))
    }

    #[test]
    fn each_source_is_what_it_says() {
        for (own, ranges, expected) in [
            (Some(0), &[][..], "0 1000 1;"),
            (None, &[Source::Auto], "0 100000 65536;"),
            (None, &[Source::Subordinate], "100000 100000 65536;"),
            (None, &[Source::All], "0 0 4294967295;"),
            (None, &[Source::These(range(5, 6, 7)), Source::These(range(1, 1, 1))], "5 6 7;1 1 1;"),
            (Some(0), &[Source::Auto], "0 1000 1;1 100000 65536;"),
            (Some(5), &[Source::Auto], "5 1000 1;0 100000 5;6 100005 65531;"),
        ] {
            for overlap in [Overlap::Refuse, Overlap::Yield] {
                assert_eq!(composed(own, ranges, overlap).as_deref(), Ok(expected));
            }
        }
    }

    #[test]
    fn what_overlaps_is_refused_or_gives_way() {
        for (own, ranges, refused, given) in [
            (
                Some(0),
                &[Source::All][..],
                MapError::Inside(0),
                "0 1000 1;1 0 1000;1001 1001 4294966294;",
            ),
            (
                Some(1000),
                &[Source::All],
                MapError::Inside(1000),
                "1000 1000 1;0 0 1000;1001 1001 4294966294;",
            ),
            (
                Some(2000),
                &[Source::All],
                MapError::Inside(2000),
                "2000 1000 1;0 0 1000;1000 1001 1000;2001 2001 4294965294;",
            ),
            (
                Some(3),
                &[Source::These(range(0, 7, 9))],
                MapError::Inside(3),
                "3 1000 1;0 7 3;4 10 5;",
            ),
            (
                Some(3),
                &[Source::These(range(9, 999, 3))],
                MapError::Outside(1000),
                "3 1000 1;9 999 1;10 1001 1;",
            ),
        ] {
            assert_eq!(composed(own, ranges, Overlap::Refuse), Err(refused));
            assert_eq!(composed(own, ranges, Overlap::Yield).as_deref(), Ok(given));
        }
    }

    #[test]
    fn all_ids_are_those_that_our_own_namespace_has() {
        // Of a namespace that is itself mapped: outside of ours is of no concern to one within.
        let ours = [range(0, 100_000, 1000), range(5000, 7000, 10)];
        let stock = Stock { own: 0, subordinate: None, ours: &ours };
        let wish = Wish { own: None, ranges: vec![Source::All] };
        let all = compose(&wish, stock, Overlap::Refuse);
        assert_eq!(all, Ok(vec![range(0, 0, 1000), range(5000, 5000, 10)]));
    }

    #[test]
    fn an_id_right_behind_a_range_takes_nothing_from_it() {
        for (own, these, expected) in [
            (9, range(0, 7, 9), "9 1000 1;0 7 9;"),
            (8, range(0, 7, 9), "8 1000 1;0 7 8;"),
            (20, range(0, 991, 9), "20 1000 1;0 991 9;"),
            (20, range(0, 992, 9), "20 1000 1;0 992 8;"),
        ] {
            let composed = composed(Some(own), &[Source::These(these)], Overlap::Yield);
            assert_eq!(composed.as_deref(), Ok(expected));
        }
    }

    #[test]
    fn what_the_kernel_would_not_take_is_refused() {
        let these = |ranges: &[IdRange]| {
            let ranges: Vec<_> = ranges.iter().copied().map(Source::These).collect();
            composed(None, &ranges, Overlap::Yield)
        };
        assert_eq!(these(&[range(0, 0, 0)]), Err(MapError::Range));
        assert_eq!(these(&[range(u32::MAX, 0, 1)]), Err(MapError::Range));
        assert_eq!(these(&[range(0, 0, 2), range(1, 9, 1)]), Err(MapError::Inside(1)));
        assert_eq!(these(&[range(0, 5, 2), range(9, 6, 1)]), Err(MapError::Outside(6)));
        let many: Vec<_> = (0..341).map(|at| range(at, at, 1)).collect();
        assert_eq!(these(&many), Err(MapError::TooMany));
        assert!(these(&many[..340]).is_ok());
        let stock = Stock { own: 0, subordinate: None, ours: &HOST };
        let wish = Wish { own: None, ranges: vec![Source::Auto] };
        assert_eq!(compose(&wish, stock, Overlap::Refuse), Err(MapError::NoSubordinates));
    }

    #[test]
    fn everybody_may_map_himself_alone() {
        let own = UserMap {
            users: vec![range(0, 1000, 1)],
            groups: vec![range(0, 100, 1)],
            setgroups: Some(Setgroups::Deny),
            from_inside: false,
        };
        assert!(own.is_own_alone(1000, 100) && !own.is_own_alone(1000, 101));
        assert!(!UserMap { setgroups: None, ..own.clone() }.is_own_alone(1000, 100));
        assert!(UserMap { groups: vec![], setgroups: None, ..own }.is_own_alone(1000, 100));
    }

    #[test]
    fn subordinate_ids_are_needed_where_they_are_asked_for() {
        let needs =
            |ranges: &[Source]| Wish { own: Some(0), ranges: ranges.to_vec() }.needs_subordinates();
        assert!(needs(&[Source::All, Source::Auto]) && needs(&[Source::Subordinate]));
        assert!(!needs(&[Source::All, Source::These(range(0, 1, 2))]) && !needs(&[]));
        assert!(Wish::default().is_empty());
        assert!(!Wish { own: Some(0), ranges: Vec::new() }.is_empty());
        assert!(!Wish { own: None, ranges: vec![Source::All] }.is_empty());
        assert_eq!([Setgroups::Allow, Setgroups::Deny].map(Setgroups::word), ["allow", "deny"]);
    }
}
