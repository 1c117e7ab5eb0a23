//! Namespaces below each other.

use super::branches::grow;
use super::ns::Row;
use crate::model::census::{NsKey, Relation};
use std::collections::HashMap;

/// Longer than any chain of owners or parents that the kernel allows.
const LONGEST: usize = 64;

/// The rows that are kept, each below the next one above it that is kept too.
pub fn hang<'a>(
    rows: Vec<Row<'a>>,
    relation: Relation,
    kept: impl Fn(&Row<'a>) -> bool,
) -> Vec<Row<'a>> {
    let above: HashMap<NsKey, Option<NsKey>> =
        rows.iter().map(|row| (row.key(), relation.above(row))).collect();
    let kept: Vec<Row<'_>> = rows.into_iter().filter(|row| kept(row)).collect();
    let places: HashMap<NsKey, usize> =
        kept.iter().enumerate().map(|(at, row)| (row.key(), at)).collect();
    let place_above = |at: usize| {
        let mut key = kept.get(at)?.key();
        for _ in 0..LONGEST {
            key = (*above.get(&key)?)?;
            if let Some(place) = places.get(&key) {
                return Some(*place);
            }
        }
        None
    };
    let twigs = grow(kept.len(), place_above);
    let mut kept: Vec<Option<Row<'_>>> = kept.into_iter().map(Some).collect();
    let placed = twigs.into_iter().filter_map(|twig| {
        let row = kept.get_mut(twig.at)?.take()?;
        Some(Row { branch: twig.branch, ..row })
    });
    placed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::census::{Fact, Namespace};
    use crate::model::namespace::Kind;

    fn namespace(kind: Kind, inode: u64, owner: Option<u64>) -> Namespace {
        let mut namespace = Namespace::new(NsKey { inode, kind });
        namespace.owner = Fact::Known(owner);
        namespace
    }

    fn drawn(kept: impl Fn(&Row<'_>) -> bool) -> Vec<String> {
        let namespaces = [
            namespace(Kind::Net, 1, Some(3)),
            namespace(Kind::User, 2, None),
            namespace(Kind::User, 3, Some(2)),
            namespace(Kind::Uts, 4, Some(2)),
        ];
        let rows =
            hang(namespaces.iter().map(|one| Row::new(one, &[])).collect(), Relation::Owner, kept);
        rows.iter().map(|row| format!("{}{}", row.branch, row.inode)).collect()
    }

    #[test]
    fn each_hangs_below_its_owner_or_the_next_that_is_shown() {
        assert_eq!(drawn(|_| true), ["2", "├─3", "│ └─1", "└─4"]);
        assert_eq!(drawn(|row| row.inode != 3), ["2", "├─1", "└─4"]);
        assert_eq!(drawn(|row| row.kind != Kind::User), ["1", "4"]);
    }
}
