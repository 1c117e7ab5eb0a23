//! Capabilities of this process, as sets: capabilities(7). It has one thread.

use crate::model::capability::CapSet;
use crate::model::standing::CapSets;
use rustix::io::{Errno, Result};
use rustix::thread::{self, CapabilitySet, CapabilitySets};

fn set(set: CapSet) -> CapabilitySet {
    CapabilitySet::from_bits_retain(set.bits())
}

/// What this process has. The ambient set, which holds nothing beyond the others, is not asked for.
pub fn own() -> Result<CapSets> {
    Ok(CapSets { bounding: bounding()?, ..three()? })
}

fn three() -> Result<CapSets> {
    let three = thread::capabilities(None)?;
    Ok(CapSets {
        inheritable: CapSet::of_bits(three.inheritable.bits()),
        permitted: CapSet::of_bits(three.permitted.bits()),
        effective: CapSet::of_bits(three.effective.bits()),
        ..CapSets::default()
    })
}

/// Puts in force all that is permitted, and makes `inheritable` inheritable.
pub fn use_all(inheritable: Option<CapSet>) -> Result<()> {
    let three = three()?;
    take(inheritable.unwrap_or(three.inheritable), three.permitted, three.permitted)
}

/// Keeps no more than that of what is permitted and in force.
pub fn keep(inheritable: CapSet, permitted: CapSet, effective: CapSet) -> Result<()> {
    let three = three()?;
    take(inheritable, permitted.and(three.permitted), effective.and(three.permitted))
}

/// What the program would have because we have it, whoever it is, it has not: the inheritable set, and
/// the ambient one, which holds nothing beyond.
pub fn hand_on_nothing() -> Result<()> {
    let three = three()?;
    if three.inheritable == CapSet::default() {
        return Ok(());
    }
    take(CapSet::default(), three.permitted, three.effective)
}

/// The ambient set, which is no more than `inheritable`.
pub fn ambient(inheritable: CapSet) -> CapSet {
    let is_ambient = |one: &CapSet| thread::capability_is_in_ambient_set(set(*one)) == Ok(true);
    inheritable.each().filter(is_ambient).fold(CapSet::default(), CapSet::or)
}

fn every() -> impl Iterator<Item = CapSet> {
    CapSet::of_bits(u64::MAX).each()
}

fn bounding() -> Result<CapSet> {
    let mut found = CapSet::default();
    for one in every() {
        match thread::capability_is_in_bounding_set(set(one)) {
            Ok(true) => found = found.or(one),
            Ok(false) => {}
            // The kernel has no more.
            Err(Errno::INVAL) => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(found)
}

/// All that this kernel has.
pub fn known() -> Result<CapSet> {
    let mut known = CapSet::default();
    for one in every() {
        match thread::capability_is_in_bounding_set(set(one)) {
            Ok(_) => known = known.or(one),
            Err(Errno::INVAL) => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(known)
}

/// Drops what is not in `kept` for good; EPERM without CAP_SETPCAP.
pub fn bound(kept: CapSet) -> Result<()> {
    let is_absent = |one| thread::capability_is_in_bounding_set(set(one)) == Ok(false);
    for one in CapSet::of_bits(u64::MAX).without(kept).each() {
        match thread::remove_capability_from_bounding_set(set(one)) {
            Ok(()) => {}
            // The kernel has no more.
            Err(Errno::INVAL) => break,
            Err(Errno::PERM) if is_absent(one) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// What one has and what is in force; the inheritable set is to be there already, or permitted.
pub fn take(inheritable: CapSet, permitted: CapSet, effective: CapSet) -> Result<()> {
    let sets = CapabilitySets {
        inheritable: set(inheritable),
        permitted: set(permitted),
        effective: set(effective),
    };
    thread::set_capabilities(None, sets)
}

/// What is permitted now is so to the program too, whoever it is: Linux 4.3.
pub fn hand_on() -> Result<()> {
    let permitted = three()?.permitted;
    take(permitted, permitted, permitted)?;
    make_ambient(permitted)
}

/// The ambient set is made `wanted`, all of which is permitted and inheritable. Linux 4.3.
pub fn make_ambient(wanted: CapSet) -> Result<()> {
    match thread::clear_ambient_capability_set() {
        Err(errno) if errno != Errno::INVAL => return Err(errno),
        _ => {}
    }
    for one in wanted.each() {
        thread::configure_capability_in_ambient_set(set(one), true)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_are_what_the_kernel_says() {
        let root = crate::sys::root::SysRoot::real().unwrap();
        let bytes = crate::sys::bounded::read(root.proc(), "thread-self/status", 1 << 20);
        let status = bytes.unwrap();
        let status = crate::sys::proc::status::parse(&status).unwrap();
        let own = own().unwrap();
        assert_eq!(own.permitted, status.cap_permitted);
        assert_eq!(own.effective, status.cap_effective);
        assert_eq!(own.inheritable, status.cap_inheritable);
        assert_eq!(own.bounding, status.cap_bounding);
    }
}
