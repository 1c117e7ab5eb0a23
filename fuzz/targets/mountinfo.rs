//! `/proc/PID/mountinfo`: every line is a mount or counted as malformed, and names survive the
//! kernel's escaping without becoming other fields.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::sys::proc::mountinfo::{parse, parse_in_full};

/// As the kernel's mangle() writes a name.
fn mangled(name: &[u8]) -> Vec<u8> {
    let escaped = |byte: &u8| match byte {
        b' ' | b'\t' | b'\n' | b'\\' | b'#' => format!("\\{byte:03o}").into_bytes(),
        byte => vec![*byte],
    };
    name.iter().flat_map(escaped).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let (mounts, malformed) = parse(bytes);
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    assert_eq!(mounts.len() + malformed, lines.count());
    assert_eq!(parse_in_full(bytes).0.len(), mounts.len());

    // No name holds a NUL, so it can separate two of them.
    let mut names = bytes.splitn(2, |byte| *byte == 0);
    let (target, source) = (names.next().unwrap_or(b""), names.next().unwrap_or(b""));
    let (target_field, source_field) = (mangled(target), mangled(source));
    let fields: [&[u8]; 5] =
        [b"1 2 0:1 / ", &target_field, b" ro master:3 - tmpfs ", &source_field, b" rw\n"];
    let (mounts, malformed) = parse(&fields.concat());
    assert_eq!(malformed, 0);
    let [mount] = mounts.as_slice() else { panic!("one line, {} mounts", mounts.len()) };
    assert_eq!(mount.target.as_bytes(), target);
    assert_eq!(mount.source.as_bytes(), source);
    assert_eq!((mount.propagation, mount.read_only), ("slave", true));
    assert_eq!(
        (mount.fs_type.as_bytes(), mount.fs_options.as_bytes()),
        (&b"tmpfs"[..], &b"rw"[..])
    );
});
