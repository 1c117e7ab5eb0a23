//! What exec makes of capabilities, and what to have before it so that a program is left with what
//! its target has, or with less. Pure: the rules of capabilities(7) for a file without capabilities
//! of its own.

use crate::model::capability::CapSet;
use crate::model::standing::{CapSets, Shortfall};

/// What decides about it besides.
#[derive(Clone, Copy, Debug)]
pub(in crate::action) struct Program {
    /// The user is 0 in the namespace that the program is in.
    pub is_root: bool,
    pub no_new_privs: bool,
}

/// The sets to have before exec.
///
/// exec gives root all that the bounding and inheritable sets hold, and with no_new_privs nothing
/// that is not permitted before; it leaves others their ambient set.
pub(super) fn before(target: &CapSets, program: Program) -> CapSets {
    let Program { is_root, no_new_privs } = program;
    let CapSets { inheritable, effective, bounding, ambient, .. } = *target;
    // What is permitted and not in force could be put in force: the program gets it neither way.
    let ambient = ambient.and(effective).and(inheritable);
    if !is_root {
        return CapSets { permitted: ambient, effective: ambient, ambient, ..*target };
    }
    let sets = CapSets { permitted: effective, effective, ambient, ..*target };
    if no_new_privs {
        return sets;
    }
    CapSets { inheritable: inheritable.and(effective), bounding: bounding.and(effective), ..sets }
}

/// What exec makes of them.
pub(in crate::action) fn after(sets: &CapSets, program: Program) -> CapSets {
    let given = sets.bounding.or(sets.inheritable);
    let permitted = match program {
        Program { is_root: false, .. } => sets.ambient,
        Program { no_new_privs: true, .. } => given.and(sets.permitted).or(sets.ambient),
        Program { no_new_privs: false, .. } => given.or(sets.ambient),
    };
    CapSets { permitted, effective: permitted, ..*sets }
}

/// What of the target's sets one can have who has these.
pub(super) fn within(target: &CapSets, ours: &CapSets) -> CapSets {
    CapSets {
        inheritable: target.inheritable.and(ours.inheritable.or(ours.permitted.and(ours.bounding))),
        permitted: target.permitted.and(ours.permitted),
        effective: target.effective.and(ours.permitted),
        bounding: target.bounding.and(ours.bounding),
        ambient: target.ambient.and(ours.permitted),
    }
}

/// One for each set of which the program will have less.
pub(super) fn shortfalls<'a>(
    target: &CapSets,
    program: &CapSets,
    why: &'a str,
) -> impl Iterator<Item = Shortfall> + use<'a> {
    let lost = [
        ("inheritable capabilities", target.inheritable.without(program.inheritable)),
        ("permitted capabilities", target.permitted.without(program.permitted)),
        ("effective capabilities", target.effective.without(program.effective)),
        ("capability bounding set", target.bounding.without(program.bounding)),
        ("ambient capabilities", target.ambient.without(program.ambient)),
    ];
    let lost = lost.into_iter().filter(|(_, lost)| !lost.is_empty());
    lost.map(move |(what, lost)| Shortfall::new(what, format!("without {}: {why}", named(lost))))
}

/// A list, unless nobody would read it.
fn named(set: CapSet) -> String {
    match set.len() {
        0..=8 => set.short_names().join(", "),
        count => format!("{count} of them"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(bits: u64) -> CapSet {
        CapSet::of_bits(bits)
    }

    fn sets([inheritable, permitted, effective, bounding, ambient]: [u64; 5]) -> CapSets {
        CapSets {
            inheritable: set(inheritable),
            permitted: set(permitted),
            effective: set(effective),
            bounding: set(bounding),
            ambient: set(ambient),
        }
    }

    /// What a program is left with.
    fn left(target: [u64; 5], is_root: bool, no_new_privs: bool) -> CapSets {
        let program = Program { is_root, no_new_privs };
        after(&before(&sets(target), program), program)
    }

    #[test]
    fn what_engines_set_up_is_taken_over_as_it_is() {
        let usual = [0, 15, 15, 15, 0];
        let user_with_ambient = [3, 3, 3, 15, 3];
        let user = [0, 0, 0, 15, 0];
        for no_new_privs in [false, true] {
            assert_eq!(left(usual, true, no_new_privs), sets(usual));
            assert_eq!(left([15, 15, 15, 15, 0], true, no_new_privs), sets([15, 15, 15, 15, 0]));
            assert_eq!(left(user_with_ambient, false, no_new_privs), sets(user_with_ambient));
            assert_eq!(left(user, false, no_new_privs), sets(user));
        }
    }

    #[test]
    fn root_that_dropped_what_it_is_permitted_does_not_get_it_back() {
        let dropped = [12, 3, 3, 15, 0];
        assert_eq!(left(dropped, true, true), sets([12, 3, 3, 15, 0]));
        assert_eq!(left(dropped, true, false), sets([0, 3, 3, 3, 0]));
        let nothing_in_force = [0, 3, 1, 15, 0];
        assert_eq!(left(nothing_in_force, true, false), sets([0, 1, 1, 1, 0]));
    }

    #[test]
    fn a_user_is_left_what_is_ambient() {
        assert_eq!(left([1, 7, 7, 15, 1], false, false), sets([1, 1, 1, 15, 1]));
    }

    #[test]
    fn each_set_that_lost_something_is_told() {
        let told: Vec<_> = shortfalls(&sets([1, 7, 7, 15, 1]), &sets([1, 1, 1, 15, 1]), "exec")
            .map(|one| one.to_string())
            .collect();
        assert_eq!(
            told,
            [
                "permitted capabilities: without DAC_OVERRIDE, DAC_READ_SEARCH: exec",
                "effective capabilities: without DAC_OVERRIDE, DAC_READ_SEARCH: exec",
            ]
        );
        let all = sets([0, 0, 0, 511, 0]);
        let told = shortfalls(&all, &CapSets::default(), "exec").next().unwrap();
        assert_eq!(told.to_string(), "capability bounding set: without 9 of them: exec");
    }

    proptest::proptest! {
        /// Whatever the target has, as far as the kernel lets a process have it.
        #[test]
        fn never_more(i: u8, p: u8, e: u8, b: u8, a: u8, is_root: bool, no_new_privs: bool) {
            let [i, p, e, b, a] = [i, p, e, b, a].map(u64::from);
            let target = [i, p, e & p, b, a & p & i];
            let left = left(target, is_root, no_new_privs);
            let told: Vec<_> = shortfalls(&left, &sets(target), "").collect();
            proptest::prop_assert_eq!(told, []);
            proptest::prop_assert!(left.permitted.contains_all(left.ambient));
            proptest::prop_assert!(left.inheritable.contains_all(left.ambient));
        }
    }
}
