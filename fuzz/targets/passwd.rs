//! `/etc/passwd`: whatever lines stand around it, a name is given to its uid.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::sys::passwd::parse;

fuzz_target!(|bytes: &[u8]| {
    let _ = parse(bytes);
    let first = parse(&[b"first:x:4242:4242::/:\n", bytes].concat());
    assert_eq!(first.name(4242), Some(&"first".into()));
    let last = parse(&[bytes, b"\nlast:x:4294967295:1::/:"].concat());
    assert!(last.name(u32::MAX).is_some());
});
