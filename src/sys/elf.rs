//! How the kernel starts a file: by itself, through a dynamic loader, or through an interpreter.
//! elf(5), execve(2). Only what it looks at is read.

use super::error::{Context, Result};
use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStringExt;

/// What the kernel needs besides the file to start it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Form {
    /// Nothing else is needed.
    Static,
    /// By the loader at this path.
    Dynamic(OsString),
    /// By the program at this path, with at most one word before the script.
    Script(OsString, Option<OsString>),
    /// Of another kind of machine, or no program at all.
    Other,
}

/// What the kernel reads of a script, and more than a header has.
const HEAD: usize = 256;
/// As many program headers as a program of any linker.
const MOST_HEADERS: usize = 256;
const LONGEST_PATH: usize = 4096;
const PT_INTERP: u32 = 3;
const HEADER: usize = 56;

/// Looks at an open regular file.
pub fn examine(file: BorrowedFd<'_>) -> Result<Form> {
    let read = |at: usize, length: usize| {
        let mut bytes = Vec::with_capacity(length);
        let at = u64::try_from(at).unwrap_or(u64::MAX);
        let spare = rustix::buffer::spare_capacity(&mut bytes);
        rustix::io::pread(file, spare, at)?;
        bytes.truncate(length);
        Ok(bytes)
    };
    form(read).context("read", "a program")
}

/// The same of anything that gives so many bytes from some place on, or fewer at its end.
pub fn form(
    read: impl Fn(usize, usize) -> rustix::io::Result<Vec<u8>>,
) -> rustix::io::Result<Form> {
    let head = read(0, HEAD)?;
    if let Some(line) = head.strip_prefix(b"#!") {
        return Ok(script(line).unwrap_or(Form::Other));
    }
    // 64 bits, in the order of this machine.
    let order = if cfg!(target_endian = "little") { 1 } else { 2 };
    if !head.starts_with(&[0x7f, b'E', b'L', b'F', 2, order]) {
        return Ok(Form::Other);
    }
    let (Some(at), Some(size), Some(count)) = (long(&head, 32), short(&head, 54), short(&head, 56))
    else {
        return Ok(Form::Other);
    };
    if size != HEADER || count > MOST_HEADERS {
        return Ok(Form::Other);
    }
    let headers = read(at, size * count)?;
    for header in headers.chunks_exact(HEADER) {
        let kind = header.first_chunk().map(|word| u32::from_ne_bytes(*word));
        if kind != Some(PT_INTERP) {
            continue;
        }
        let (Some(at), Some(length)) = (long(header, 8), long(header, 32)) else { break };
        let path = read(at, length.min(LONGEST_PATH))?;
        let path = path.split(|byte| *byte == 0).next().unwrap_or_default();
        return Ok(Form::Dynamic(OsString::from_vec(path.to_vec())));
    }
    Ok(Form::Static)
}

fn script(line: &[u8]) -> Option<Form> {
    let line = line.split(|byte| *byte == b'\n').next()?.trim_ascii();
    let end = line.iter().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(line.len());
    let (program, rest) = line.split_at_checked(end)?;
    let word = |bytes: &[u8]| OsString::from_vec(bytes.to_vec());
    let argument = Some(rest.trim_ascii()).filter(|rest| !rest.is_empty()).map(word);
    (!program.is_empty()).then(|| Form::Script(word(program), argument))
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_ne_bytes(*word).into())
}

fn long(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u64::from_ne_bytes(*word)).ok()
}

/// Where glibc's loader looks for libraries without being told.
pub fn library_directories() -> [String; 6] {
    let arch = std::env::consts::ARCH;
    [
        format!("/lib/{arch}-linux-gnu"),
        format!("/usr/lib/{arch}-linux-gnu"),
        "/lib64".to_owned(),
        "/usr/lib64".to_owned(),
        "/lib".to_owned(),
        "/usr/lib".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Form {
        let read = |at: usize, length: usize| {
            let rest = bytes.get(at..).unwrap_or_default();
            Ok(rest.get(..length.min(rest.len())).unwrap_or_default().to_vec())
        };
        form(read).unwrap()
    }

    fn elf(interpreter: Option<&[u8]>) -> Vec<u8> {
        let mut bytes = vec![0; 64 + HEADER];
        let order = if cfg!(target_endian = "little") { 1 } else { 2 };
        bytes[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, order]);
        bytes[32..40].copy_from_slice(&64_u64.to_ne_bytes());
        bytes[54..56].copy_from_slice(&56_u16.to_ne_bytes());
        bytes[56..58].copy_from_slice(&1_u16.to_ne_bytes());
        if let Some(path) = interpreter {
            bytes[64..68].copy_from_slice(&PT_INTERP.to_ne_bytes());
            bytes[72..80].copy_from_slice(&120_u64.to_ne_bytes());
            bytes[96..104].copy_from_slice(&(path.len() as u64).to_ne_bytes());
            bytes.extend_from_slice(path);
        }
        bytes
    }

    #[test]
    fn forms_are_told_apart() {
        assert_eq!(of(&elf(None)), Form::Static);
        assert_eq!(of(&elf(Some(b"/lib64/ld.so\0"))), Form::Dynamic("/lib64/ld.so".into()));
        assert_eq!(
            of(b"#! /usr/bin/env  perl -w\nx"),
            Form::Script("/usr/bin/env".into(), Some("perl -w".into()))
        );
        assert_eq!(of(b"#!/bin/sh"), Form::Script("/bin/sh".into(), None));
        for other in [&b""[..], b"#!\n", b"MZ", b"\x7fELF\x01\x01"] {
            assert_eq!(of(other), Form::Other);
        }
    }

    #[test]
    fn the_programs_of_this_machine_are_known() {
        let open = |path| std::fs::File::open(path).unwrap();
        let form = |path| examine(std::os::fd::AsFd::as_fd(&open(path))).unwrap();
        assert_ne!(form("/proc/self/exe"), Form::Other);
        assert_eq!(form("/etc/passwd"), Form::Other);
    }

    #[test]
    fn what_lies_of_its_headers_is_no_program() {
        let with = |at: usize, value: u16| {
            let mut bytes = elf(Some(b"/lib64/ld.so\0"));
            bytes[at..at + 2].copy_from_slice(&value.to_ne_bytes());
            of(&bytes)
        };
        assert_eq!(with(54, 55), Form::Other, "the size of one");
        let most = u16::try_from(MOST_HEADERS).unwrap();
        assert_eq!(with(56, most), Form::Dynamic("/lib64/ld.so".into()));
        assert_eq!(with(56, most + 1), Form::Other, "how many");
        assert_eq!(with(56, 0), Form::Static);
        assert_eq!(of(&elf(None)[..57]), Form::Other, "cut");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = of(&bytes);
            let _ = of(&[elf(None).as_slice(), &bytes].concat());
        }
    }
}
