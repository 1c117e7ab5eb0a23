//! Rows that hang below each other: their order, and the lines that are drawn before them.

/// A row in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twig {
    /// Which row.
    pub at: usize,
    /// `├─` and its like, for a row that hangs below another.
    pub branch: String,
}

/// Deeper ones are drawn no further to the right: whoever makes processes decides how deep.
const DEEPEST: usize = 40;

/// Puts `count` rows below those that `above` names; the order of siblings is that of the rows. None
/// is lost: what hangs in a ring stands at the top.
pub fn grow(count: usize, above: impl Fn(usize) -> Option<usize>) -> Vec<Twig> {
    let mut below: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut tops = Vec::new();
    for at in 0..count {
        match above(at).filter(|above| *above != at).and_then(|above| below.get_mut(above)) {
            Some(siblings) => siblings.push(at),
            None => tops.push(at),
        }
    }
    let mut grown = vec![false; count];
    let mut twigs = Vec::with_capacity(count);
    for top in tops.into_iter().chain(0..count) {
        let mut pending = vec![(top, String::new(), String::new(), 0)];
        while let Some((at, branch, trunk, depth)) = pending.pop() {
            match grown.get_mut(at) {
                Some(grown) if !*grown => *grown = true,
                _ => continue,
            }
            twigs.push(Twig { at, branch });
            let siblings = below.get(at).map(Vec::as_slice).unwrap_or_default();
            for (nth, child) in siblings.iter().enumerate().rev() {
                let is_last = nth + 1 == siblings.len();
                let branch = format!("{trunk}{}", if is_last { "└─" } else { "├─" });
                let trunk = match depth {
                    DEEPEST.. => trunk.clone(),
                    _ => format!("{trunk}{}", if is_last { "  " } else { "│ " }),
                };
                pending.push((*child, branch, trunk, depth + 1));
            }
        }
    }
    twigs
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(above: &[Option<usize>]) -> Vec<String> {
        let twigs = grow(above.len(), |at| above[at]);
        twigs.iter().map(|twig| format!("{}{}", twig.branch, twig.at)).collect()
    }

    #[test]
    fn children_stand_below_their_parents_in_order() {
        let above = [None, Some(0), Some(0), Some(1), None, Some(4), Some(1)];
        assert_eq!(drawn(&above), ["0", "├─1", "│ ├─3", "│ └─6", "└─2", "4", "└─5"]);
    }

    #[test]
    fn a_ring_and_a_row_above_that_is_none_lose_nothing() {
        assert_eq!(drawn(&[Some(1), Some(0), Some(9), Some(3)]), ["2", "3", "0", "└─1"]);
    }

    #[test]
    fn a_long_chain_is_drawn_in_bounded_room() {
        let above: Vec<_> = (0..20_000_usize).map(|at| at.checked_sub(1)).collect();
        let twigs = grow(above.len(), |at| above[at]);
        assert_eq!(twigs.len(), 20_000);
        assert!(twigs.iter().all(|twig| twig.branch.chars().count() <= 2 * DEEPEST + 2));
    }

    proptest::proptest! {
        #[test]
        fn every_row_is_drawn_once(above in proptest::collection::vec(proptest::option::of(0_usize..40), 0..40)) {
            let mut seen: Vec<usize> = grow(above.len(), |at| above[at]).iter().map(|twig| twig.at).collect();
            seen.sort_unstable();
            proptest::prop_assert_eq!(seen, (0..above.len()).collect::<Vec<_>>());
        }
    }
}
