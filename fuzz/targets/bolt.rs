//! bbolt databases, their sums made right again, so that what else is in them is believed; and the
//! records that containerd and podman keep in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::collect::runtime::bolt::{Bucket, Database, Result};
use nsx::collect::runtime::containerd_meta::{self, Metadata};
use nsx::collect::runtime::{podman_state, timestamp};
use std::path::PathBuf;

const LIMIT: usize = 50;

/// Writes the sum of the meta page at `at`.
fn seal(bytes: &mut [u8], at: usize) {
    let Some((meta, sum)) =
        bytes.get_mut(at + 16..at + 80).and_then(|m| m.split_at_mut_checked(56))
    else {
        return;
    };
    let fnv = meta.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    sum.copy_from_slice(&fnv.to_ne_bytes());
}

fn look(bucket: &Bucket<'_>, depth: usize, left: &mut usize) -> Result<()> {
    let values = bucket.values(LIMIT)?;
    assert!(values.items.len() <= LIMIT);
    for (key, value) in &values.items {
        assert!(key.len() <= 32 << 10 && value.len() <= 1 << 20);
        bucket.get(key)?;
    }
    for name in bucket.buckets(LIMIT)?.items {
        if depth < 6 && *left > 0 {
            *left -= 1;
            if let Some(inner) = bucket.bucket(&name)? {
                look(&inner, depth + 1, left)?;
            }
        }
    }
    Ok(())
}

fuzz_target!(|bytes: &[u8]| {
    let _ = (containerd_meta::parse_container(bytes), containerd_meta::parse_sandbox(bytes));
    let _ = (podman_state::parse_config(bytes, b"abc"), podman_state::parse_state(bytes));
    let _ = (podman_state::parse_pod(bytes, b"abc"), timestamp::unix_seconds_of_binary(bytes));

    let mut bytes = bytes.to_vec();
    for at in [0, 1024, 4096] {
        seal(&mut bytes, at);
    }
    let database = || Database::new(&bytes[..], PathBuf::new());
    let _ = database().read(|snapshot| match snapshot.bucket(&[])? {
        Some(outermost) => look(&outermost, 0, &mut 60),
        None => Ok(()),
    });
    let containerd = Metadata::new(database());
    for namespace in containerd.namespaces(4).map(|some| some.items).unwrap_or_default() {
        for id in containerd.ids(&namespace, 4).map(|some| some.items).unwrap_or_default() {
            if let Ok(Some(record)) = containerd.container(&namespace, &id) {
                assert!(record.labels.len() <= 4096);
            }
        }
    }
    let podman = podman_state::Records::new(database());
    for id in podman.ids(4).map(|some| some.items).unwrap_or_default() {
        let _ = podman.container(&id);
    }
});
