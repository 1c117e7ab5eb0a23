//! The head of a program's file: how the kernel would start it. What is read of it is bounded, and a
//! path is a path.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::sys::elf::{Form, form};
use std::cell::Cell;
use std::os::unix::ffi::OsStrExt;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    // A file for this machine, with a few headers for certain.
    let mut head = vec![0; 64];
    head[..6].copy_from_slice(b"\x7fELF\x02\x01");
    head[32..40].copy_from_slice(&64_u64.to_le_bytes());
    head[54..56].copy_from_slice(&56_u16.to_le_bytes());
    head[56..58].copy_from_slice(&4_u16.to_le_bytes());
    check(&[&head, bytes].concat());
});

fn check(bytes: &[u8]) {
    let (times, all) = (Cell::new(0), Cell::new(0));
    let read = |at: usize, length: usize| {
        times.set(times.get() + 1);
        all.set(all.get() + length);
        let rest = bytes.get(at..).unwrap_or_default();
        Ok(rest[..length.min(rest.len())].to_vec())
    };
    let form = form(read).expect("nothing fails here");
    assert!(times.get() <= 3 && all.get() <= 256 + 256 * 56 + 4096);
    match form {
        Form::Static => assert!(bytes.starts_with(b"\x7fELF")),
        Form::Dynamic(path) => {
            assert!(bytes.starts_with(b"\x7fELF"));
            assert!(path.len() <= 4096 && !path.as_bytes().contains(&0));
        }
        Form::Script(program, argument) => {
            assert!(bytes.starts_with(b"#!") && program.len() <= 254);
            assert!(!program.is_empty());
            assert!(!program.as_bytes().iter().any(|byte| matches!(byte, b' ' | b'\t' | b'\n')));
            assert!(
                argument.is_none_or(|word| !word.is_empty() && !word.as_bytes().contains(&b'\n'))
            );
        }
        Form::Other => {}
    }
}
