//! Command lines of the launchers and of the personalities: what is refused is said without acting on
//! a terminal, and what is taken is within the kernel's bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::cli::cmd::{enter, spawn};
use nsx::cli::compat::{lsns, nsenter, unshare};
use nsx::cli::context::Context;
use nsx::cli::error::Failure;
use nsx::cli::spawn::request::Request;
use nsx::model::cgroup::Bound;
use nsx::model::files::More;
use nsx::model::net_wish::{IfName, NetWish, Subnet};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Component;

/// Who is who, without a file.
struct Nobody;

impl unshare::options::Names for Nobody {
    fn uid(&self, name: &[u8]) -> Option<u32> {
        (name == b"ann").then_some(1000)
    }

    fn gid(&self, name: &[u8]) -> Option<u32> {
        self.uid(name)
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let words: Vec<OsString> =
        bytes.split(|byte| *byte == 0).map(|word| OsStr::from_bytes(word).to_owned()).collect();
    match which % 5 {
        // Help is printed.
        0 | 1 if words.iter().any(|word| is_about_us(word.as_bytes())) => {}
        0 => refused(
            spawn::request(&Context::new("spawn"), words)
                .map(|asked| asked.ok().map(|asked| check(&asked))),
        ),
        1 => refused(enter::request(&Context::new("enter"), words)),
        2 => plain(nsenter::options::parse(words).err()),
        3 => plain(unshare::options::parse(words, &Nobody).err()),
        _ => plain(lsns::options::parse(words, which > &127).err()),
    }
});

fn is_about_us(word: &[u8]) -> bool {
    word.starts_with(b"-") && word.iter().any(|byte| matches!(byte, b'h' | b'V' | b'v'))
}

fn refused<T>(asked: Result<T, Failure>) {
    let Err(failure) = asked else { return };
    let hint = failure.hint.unwrap_or_default();
    assert!(
        !failure.message.chars().chain(hint.chars()).any(char::is_control),
        "{}",
        failure.message
    );
}

/// Theirs has a second line.
fn plain(error: Option<impl std::fmt::Display>) {
    let Some(error) = error else { return };
    let said = error.to_string();
    assert!(!said.replacen('\n', "", 1).chars().any(char::is_control), "{said}");
}

fn check(asked: &Request) {
    for more in &asked.files.more {
        let at = match more {
            More::Bind { at, .. } => at,
            More::Memory { at, size_bytes, mode } => {
                assert!(
                    size_bytes.is_none_or(|size| size > 0)
                        && mode.is_none_or(|mode| mode <= 0o7777)
                );
                at
            }
        };
        assert!(at.is_absolute() && !at.components().any(|part| part == Component::ParentDir));
    }
    if let Some(NetWish::Veth(veth)) = &asked.network {
        assert!(IfName::new(veth.name.as_str().as_bytes()).is_some());
        for Subnet { address, prefix_length } in veth.addresses.iter().chain(&veth.peer.addresses) {
            assert!((1..=Subnet::bits(*address)).contains(prefix_length));
            assert!(!address.is_unspecified() && !address.is_loopback() && !address.is_multicast());
        }
        assert!(veth.mtu_bytes.is_none_or(|mtu| (68..=65535).contains(&mtu)));
        assert!(veth.gateways.len() <= 2);
    }
    let limits = &asked.limits.checked;
    assert!(limits.memory_bytes.is_none_or(|size| size > 0));
    assert!(limits.pids.is_none_or(|count| (1..=1 << 22).contains(&count)));
    assert!(
        limits
            .cpu_quota_usec
            .is_none_or(|quota| (1000..=8192 * 100_000 + 100_000).contains(&quota))
    );
    let wanted = &asked.restrictions;
    for limit in &wanted.rlimits {
        match (limit.soft, limit.hard) {
            (Bound::At(soft), Bound::At(hard)) => assert!(soft <= hard),
            (soft, hard) => assert!(soft != Bound::Unlimited || hard == Bound::Unlimited),
        }
    }
    assert!(wanted.umask.is_none_or(|mask| mask <= 0o777));
    assert!(wanted.nice.is_none_or(|nice| (-20..=19).contains(&nice)));
    for id in [asked.uid, asked.gid].into_iter().flatten() {
        assert_ne!(id, u32::MAX);
    }
}
