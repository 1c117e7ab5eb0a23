//! System calls by name and number, for the ways in which a program can call this kernel.
//!
//! seccomp(2) tells those ways apart by `arch`, and x32 from x86_64 by a bit of the number.

/// linux/audit.h: the machine of ELF, a bit for 64 and one for little endian.
const AUDIT_ARCH_X86_64: u32 = 0xc000_003e;
const AUDIT_ARCH_I386: u32 = 0x4000_0003;
const AUDIT_ARCH_AARCH64: u32 = 0xc000_00b7;
/// `__X32_SYSCALL_BIT`
const X32_BIT: u32 = 0x4000_0000;

static TABLE: &str = include_str!("calls/table.tsv");

/// A way to call the kernel, with numbers of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Abi {
    /// 64-bit programs on x86_64.
    X86_64,
    /// 32-bit programs of x86, also on a 64-bit kernel.
    I386,
    /// 64-bit registers and 32-bit pointers on x86_64: numbers have bit 30 set.
    X32,
    /// 64-bit programs on arm64.
    Aarch64,
}

impl Abi {
    /// Of every machine that there is a table for, not only this one's.
    pub const ALL: [Self; 4] = [Self::X86_64, Self::I386, Self::X32, Self::Aarch64];

    /// Those that this kernel may offer; the first is its own. (An arm64 kernel may run 32-bit
    /// programs too, which few processors still can.)
    pub const HERE: &'static [Self] = if cfg!(target_arch = "x86_64") {
        &[Self::X86_64, Self::I386, Self::X32]
    } else if cfg!(target_arch = "aarch64") {
        &[Self::Aarch64]
    } else {
        &[]
    };

    /// As reports and profiles spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::I386 => "i386",
            Self::X32 => "x32",
            Self::Aarch64 => "aarch64",
        }
    }

    /// `seccomp_data.arch`
    pub const fn audit_arch(self) -> u32 {
        match self {
            Self::X86_64 | Self::X32 => AUDIT_ARCH_X86_64,
            Self::I386 => AUDIT_ARCH_I386,
            Self::Aarch64 => AUDIT_ARCH_AARCH64,
        }
    }

    /// A number among the known ones that no system call has.
    pub const fn unused(self) -> u32 {
        match self {
            Self::X32 => X32_BIT + 380,
            Self::I386 => 390,
            Self::X86_64 | Self::Aarch64 => 380,
        }
    }

    /// A number that no system call will have for long.
    pub const fn beyond(self) -> u32 {
        match self {
            Self::X32 => X32_BIT + 0xffff,
            _ => 0xffff,
        }
    }

    /// Name and number of every system call, by name.
    pub fn calls(self) -> impl Iterator<Item = (&'static str, u32)> {
        let lines = TABLE.lines().filter(|line| !line.starts_with('#'));
        lines.filter_map(move |line| self.entry(line))
    }

    fn entry(self, line: &'static str) -> Option<(&'static str, u32)> {
        let mut fields = line.split('\t');
        let name = fields.next()?;
        let mut number = |at: usize| fields.nth(at)?.parse::<u32>().ok();
        let number = match self {
            Self::X86_64 => number(0),
            Self::I386 => number(1),
            Self::Aarch64 => number(2),
            Self::X32 => {
                let common = number(0);
                match fields.nth(2)? {
                    "=" => common,
                    own => own.parse().ok(),
                }
                .map(|number| number + X32_BIT)
            }
        };
        Some((name, number?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn number(abi: Abi, name: &str) -> Option<u32> {
        abi.calls().find(|(known, _)| *known == name).map(|(_, number)| number)
    }

    #[test]
    fn every_way_has_its_own_numbers() {
        for (name, numbers) in [
            ("read", [Some(0), Some(3), Some(X32_BIT), Some(63)]),
            ("execve", [Some(59), Some(11), Some(X32_BIT + 520), Some(221)]),
            ("open", [Some(2), Some(5), Some(X32_BIT + 2), None]),
            ("uselib", [Some(134), Some(86), None, None]),
            ("clone3", [Some(435), Some(435), Some(X32_BIT + 435), Some(435)]),
            ("socketcall", [None, Some(102), None, None]),
        ] {
            assert_eq!(Abi::ALL.map(|abi| number(abi, name)), numbers, "{name}");
        }
    }

    #[test]
    fn no_number_and_no_name_is_there_twice() {
        for abi in Abi::ALL {
            let numbers: BTreeSet<u32> = abi.calls().map(|(_, number)| number).collect();
            let names: BTreeSet<&str> = abi.calls().map(|(name, _)| name).collect();
            assert_eq!(numbers.len(), abi.calls().count(), "{abi:?}");
            assert_eq!(names.len(), abi.calls().count(), "{abi:?}");
            assert!(names.len() > 300, "{abi:?}");
            for none in [abi.unused(), abi.beyond()] {
                assert!(!numbers.contains(&none), "{abi:?} {none}");
            }
            let last = *numbers.last().unwrap();
            assert!((last..last + 0x1_0000).contains(&abi.beyond()), "{abi:?}");
        }
    }

    /// What the C library knows, which was made from the kernel's headers.
    #[test]
    fn the_numbers_are_the_c_librarys() {
        let Some(own) = Abi::HERE.first() else { return };
        for (name, theirs) in [
            ("openat", libc::SYS_openat),
            ("mount", libc::SYS_mount),
            ("bpf", libc::SYS_bpf),
            ("keyctl", libc::SYS_keyctl),
            ("ptrace", libc::SYS_ptrace),
            ("setns", libc::SYS_setns),
            ("unshare", libc::SYS_unshare),
            ("newfstatat", libc::SYS_newfstatat),
            ("pidfd_open", libc::SYS_pidfd_open),
            ("landlock_restrict_self", libc::SYS_landlock_restrict_self),
        ] {
            assert_eq!(number(*own, name).map(i64::from), Some(theirs), "{name}");
        }
    }
}
