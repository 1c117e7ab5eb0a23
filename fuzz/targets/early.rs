//! The glance at a command line before the C library is there: by pointers alone.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[cfg(target_arch = "x86_64")]
fuzz_target!(|bytes: &[u8]| {
    use std::ffi::{CStr, CString};
    let words: Vec<CString> =
        bytes.split(|byte| *byte == 0).map(|word| CString::new(word).expect("no NUL")).collect();
    let words: Vec<&CStr> = words.iter().map(CString::as_c_str).collect();
    let would = nsx::sys::raw::early::would_seal(&words);
    // Who is called otherwise is never run again.
    let name = words[0].to_bytes().rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    assert!(!would || matches!(name, b"nsx" | b"nsx-enter" | b"nsx-spawn" | b"nsenter"));
});

#[cfg(not(target_arch = "x86_64"))]
fuzz_target!(|_bytes: &[u8]| {});
