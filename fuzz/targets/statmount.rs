//! What statmount(2) answers: numbers, and offsets of names in what follows them. An offset leads
//! nowhere else, and a name is read to its end.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::sys::mounts::mount_of;
use nsx::sys::raw::mounts::Statmount;

fuzz_target!(|bytes: &[u8]| {
    let word = |at: usize| {
        let word = bytes.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or_default();
        u64::from_le_bytes(word)
    };
    let offset = |at: usize| (word(at) & 0xff) as u32;
    let stat = Statmount {
        size: 512,
        mask: word(0) | 0x2 | 0x8 | 0x10,
        mnt_opts: offset(8),
        sb_dev_major: 0,
        sb_dev_minor: 7,
        sb_magic: 0,
        sb_flags: word(9) as u32,
        fs_type: offset(13),
        mnt_id: 1,
        mnt_parent_id: 1,
        mnt_id_old: 1,
        mnt_parent_id_old: 1,
        mnt_attr: word(14),
        mnt_propagation: word(22),
        mnt_peer_group: 0,
        mnt_master: 0,
        propagate_from: 0,
        mnt_root: offset(30),
        mnt_point: offset(31),
        mnt_ns_id: 0,
        fs_subtype: offset(32),
        sb_source: offset(33),
        rest: [0; 48],
    };
    let strings = bytes.get(34..).unwrap_or_default();
    let buffer = [&[0; size_of::<Statmount>()], strings].concat();
    let found = mount_of(&stat, &buffer);
    let name = |offset: u32| {
        let rest = strings.get(offset as usize..)?;
        Some(&rest[..rest.iter().position(|byte| *byte == 0)?])
    };
    match (name(stat.mnt_root), name(stat.mnt_point), found) {
        (Some(root), Some(point), Some(mount)) => {
            assert_eq!((mount.root.as_bytes(), mount.target.as_bytes()), (root, point));
            assert_eq!(mount.device.to_string(), "0:7");
        }
        (root, point, found) => assert!(found.is_none(), "{root:?} {point:?}"),
    }
});
