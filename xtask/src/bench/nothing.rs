//! A program that does nothing, so that what a launcher itself costs is seen: its start is that of
//! the kernel alone, without a C library.

use anyhow::{Context, Result};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// `exit(0)` of x86-64: `mov eax, 60; xor edi, edi; syscall`.
const CODE: [u8; 9] = [0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05];
const ADDRESS: u64 = 0x40_0000;
/// The two headers of elf(5).
const HEADERS: u64 = 64 + 56;

/// Removed when dropped.
pub(super) struct Nothing {
    _directory: tempfile::TempDir,
    pub(super) path: PathBuf,
}

impl Nothing {
    pub(super) fn write() -> Result<Self> {
        let directory = tempfile::tempdir().context("make a directory")?;
        let path = directory.path().join("nothing");
        std::fs::write(&path, file()).context("write a program")?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
        Ok(Self { _directory: directory, path })
    }
}

fn file() -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    let mut put = |bytes: &[u8]| file.extend_from_slice(bytes);
    // An executable of x86-64.
    put(&2_u16.to_le_bytes());
    put(&62_u16.to_le_bytes());
    put(&1_u32.to_le_bytes());
    // Entry; where the program headers are, and no sections.
    put(&(ADDRESS + HEADERS).to_le_bytes());
    put(&64_u64.to_le_bytes());
    put(&0_u64.to_le_bytes());
    put(&0_u32.to_le_bytes());
    for half in [64_u16, 56, 1, 64, 0, 0] {
        put(&half.to_le_bytes());
    }
    // One segment, read and executed: the whole file.
    let length = HEADERS + CODE.len() as u64;
    put(&1_u32.to_le_bytes());
    put(&5_u32.to_le_bytes());
    for word in [0, ADDRESS, ADDRESS, length, length, 0x1000] {
        put(&word.to_le_bytes());
    }
    put(&CODE);
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_program_that_ends_well() {
        assert_eq!(file().len() as u64, HEADERS + CODE.len() as u64);
        if cfg!(target_arch = "x86_64") {
            let nothing = Nothing::write().unwrap();
            assert!(std::process::Command::new(&nothing.path).status().unwrap().success());
        }
    }
}
