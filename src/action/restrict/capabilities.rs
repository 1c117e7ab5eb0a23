//! Which capabilities a program is left with: capabilities(7). Pure but for the question what there
//! is.

use crate::action::confine::exec::{self, Program};
use crate::action::error::ActionError;
use crate::model::capability::CapSet;
use crate::model::restriction::{Change, Named};
use crate::model::standing::CapSets;

/// What a program is to have, and what to have before it so that exec leaves it that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Powers {
    pub sets: CapSets,
    /// Whether the bounding set is to be changed.
    pub bounds: bool,
}

impl Powers {
    /// For a program that is `is_root` where it is. Root has what the bounding set holds; others have
    /// what is added by name, and what there is where that is kept, which is made ambient.
    pub(super) fn of(
        changes: &[Change],
        is_root: bool,
        keeps: bool,
        own: &CapSets,
    ) -> Result<Self, ActionError> {
        let available = own.permitted.and(own.bounding);
        let base = match (is_root, keeps) {
            (true, _) => own.bounding,
            (false, true) => available,
            (false, false) => CapSet::default(),
        };
        let mut wanted = base;
        let mut bounding = own.bounding;
        for change in changes {
            match *change {
                Change::Drop(named) => {
                    let dropped = within(named, CapSet::of_bits(u64::MAX));
                    wanted = wanted.without(dropped);
                    bounding = bounding.without(dropped);
                }
                Change::Add(named) => {
                    let added = within(named, available);
                    wanted = wanted.or(added);
                    bounding = bounding.or(added);
                }
            }
        }
        let missing = wanted.without(base.or(available));
        if !missing.is_empty() {
            return Err(ActionError::refused(
                format!("--cap-add: nsx itself lacks {}", missing.short_names().join(", ")),
                "run it as root, or add --newuser, inside of which it has all of them",
            ));
        }
        let bounds = bounding != own.bounding;
        let sets = if is_root {
            let bounding = if changes.is_empty() { own.bounding } else { wanted };
            let had = wanted.and(own.permitted);
            CapSets { permitted: had, effective: had, bounding, ..CapSets::default() }
        } else {
            CapSets {
                inheritable: wanted,
                permitted: wanted,
                effective: wanted,
                bounding,
                ambient: wanted,
            }
        };
        Ok(Self { sets, bounds })
    }

    /// What the program is permitted.
    pub(super) fn left(&self, is_root: bool, no_new_privs: bool) -> CapSet {
        exec::after(&self.sets, Program { is_root, no_new_privs }).permitted
    }
}

const fn within(named: Named, all: CapSet) -> CapSet {
    match named {
        Named::All => all,
        Named::These(these) => these,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: CapSet = CapSet::of_bits(0x1ff_ffff_ffff);
    const NET_RAW: CapSet = CapSet::of_bits(1 << 13);

    fn own() -> CapSets {
        CapSets { permitted: ALL, effective: ALL, bounding: ALL, ..CapSets::default() }
    }

    fn drop(set: CapSet) -> Change {
        Change::Drop(Named::These(set))
    }

    fn add(set: CapSet) -> Change {
        Change::Add(Named::These(set))
    }

    const DROP_ALL: Change = Change::Drop(Named::All);
    const ADD_ALL: Change = Change::Add(Named::All);

    /// What exec leaves, and what can still be had by a set-user-ID program.
    fn left(changes: &[Change], is_root: bool) -> (CapSet, CapSet) {
        let powers = Powers::of(changes, is_root, false, &own()).unwrap();
        let program = powers.left(is_root, false);
        assert!(powers.sets.bounding.contains_all(program));
        assert_eq!(powers.bounds, powers.sets.bounding != ALL);
        (program, powers.sets.bounding)
    }

    #[test]
    fn root_is_left_what_the_bounding_set_is() {
        let none = CapSet::default();
        for (changes, expected) in [
            (&[][..], ALL),
            (&[ADD_ALL], ALL),
            (&[DROP_ALL], none),
            (&[DROP_ALL, add(NET_RAW)], NET_RAW),
            (&[add(NET_RAW), DROP_ALL], none),
            (&[drop(NET_RAW)], ALL.without(NET_RAW)),
            (&[drop(NET_RAW), add(NET_RAW)], ALL),
            (&[DROP_ALL, ADD_ALL, drop(NET_RAW)], ALL.without(NET_RAW)),
        ] {
            assert_eq!(left(changes, true), (expected, expected), "{changes:?}");
        }
    }

    #[test]
    fn others_are_left_what_is_added() {
        let none = CapSet::default();
        for (changes, program, bounding) in [
            (&[][..], none, ALL),
            (&[add(NET_RAW)], NET_RAW, ALL),
            (&[DROP_ALL], none, none),
            (&[DROP_ALL, add(NET_RAW)], NET_RAW, NET_RAW),
            (&[drop(NET_RAW)], none, ALL.without(NET_RAW)),
            (&[ADD_ALL, drop(NET_RAW)], ALL.without(NET_RAW), ALL.without(NET_RAW)),
        ] {
            assert_eq!(left(changes, false), (program, bounding), "{changes:?}");
        }
    }

    #[test]
    fn who_keeps_them_is_left_what_is_not_dropped() {
        for (changes, expected) in [
            (&[][..], ALL),
            (&[drop(NET_RAW)], ALL.without(NET_RAW)),
            (&[DROP_ALL, add(NET_RAW)], NET_RAW),
        ] {
            let powers = Powers::of(changes, false, true, &own()).unwrap();
            assert_eq!(powers.left(false, false), expected, "{changes:?}");
            assert_eq!(powers.sets.bounding, expected, "{changes:?}");
        }
    }

    #[test]
    fn what_nsx_lacks_cannot_be_given() {
        let lacking = ALL.without(NET_RAW.or(CapSet::SYS_ADMIN));
        let own = CapSets { permitted: lacking, effective: lacking, bounding: lacking, ..own() };
        for is_root in [true, false] {
            let refused = |changes: &[Change]| {
                Powers::of(changes, is_root, false, &own).err().map(|error| error.to_string())
            };
            let said = "--cap-add: nsx itself lacks NET_RAW, SYS_ADMIN".to_owned();
            assert_eq!(refused(&[add(NET_RAW.or(CapSet::SYS_ADMIN))]), Some(said));
            assert_eq!(refused(&[add(NET_RAW), drop(NET_RAW)]), None);
            assert_eq!(refused(&[ADD_ALL]), None, "all that there are to give");
            assert_eq!(refused(&[drop(NET_RAW)]), None);
        }
    }

    proptest::proptest! {
        /// Whatever is asked for, nothing is given that nsx has not, and nothing that was dropped last.
        #[test]
        fn never_more(
            p: u8, b: u8, changes: Vec<(bool, u8)>, last: u8, is_root: bool, keeps: bool, nnp: bool,
        ) {
            let set = |bits: u8| CapSet::of_bits(bits.into());
            let own = CapSets { permitted: set(p), effective: set(p), bounding: set(b), ..own() };
            let mut changes: Vec<Change> = changes
                .into_iter()
                .map(|(adds, bits)| if adds { add(set(bits)) } else { drop(set(bits)) })
                .collect();
            changes.push(drop(set(last)));
            if let Ok(powers) = Powers::of(&changes, is_root, keeps, &own) {
                let program = powers.left(is_root, nnp);
                proptest::prop_assert!(own.bounding.contains_all(program));
                proptest::prop_assert!(program.and(set(last)).is_empty());
                proptest::prop_assert!(own.bounding.contains_all(powers.sets.bounding));
            }
        }
    }
}
