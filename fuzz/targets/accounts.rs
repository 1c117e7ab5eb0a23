//! passwd(5), group(5), subuid(5) of a container or a user: a name or number is who its own line
//! says, whatever lines follow, and never the number that means nobody.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::collect::subordinate::first;
use nsx::sys::accounts::{Account, by_numbers, find, gid, uid};

fuzz_target!(|bytes: &[u8]| {
    // What is asked for, passwd and group, which hold no NUL.
    let mut parts = bytes.splitn(3, |byte| *byte == 0);
    let mut next = || parts.next().unwrap_or_default();
    let (spelled, passwd, group) = (next(), next(), next());
    if let Ok(account) = find(spelled, passwd, group) {
        is_somebody(&account);
        assert!(account.groups.is_sorted() && account.groups.len() <= 65536);
        assert!(account.groups.is_empty() || account.groups.contains(&account.gid));
        if spelled.contains(&b':') {
            assert!(account.groups.is_empty(), "a group that is named is the only one");
        }
    }
    if let Some(account) = by_numbers(spelled) {
        is_somebody(&account);
        let written = format!("{}:{}", account.uid, account.gid);
        assert_eq!(by_numbers(written.as_bytes()), Some(account));
    }
    assert!(uid(spelled, passwd) != Some(u32::MAX) && gid(spelled, group) != Some(u32::MAX));

    let passwd = [b"first:x:4242:77::/home:/bin/sh\n", passwd].concat();
    let group = [b"first:x:88:\n", group].concat();
    let account = find(b"first", &passwd, &group).expect("the first line is its own");
    assert_eq!((account.uid, account.gid), (4242, 77));
    let account = find(b"first:first", &passwd, &group).expect("the first lines are its own");
    assert_eq!((account.gid, account.groups.len()), (88, 0));

    let block = first(&[b"ann:100000:65536\n", bytes].concat(), &[b"ann", b"1000"]);
    assert_eq!(block, Some((100_000, 65536)));
    assert!(first(bytes, &[spelled]).is_none_or(|(_, count)| count > 0));
});

fn is_somebody(account: &Account) {
    assert!(account.uid != u32::MAX && account.gid != u32::MAX);
    assert!(account.name.as_ref().is_none_or(|name| !name.is_empty()));
}
