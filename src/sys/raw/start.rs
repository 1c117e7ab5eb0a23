//! The start of a binary without the standard library's own: no look at `/proc/self/maps`, no
//! signal stack, no change to SIGPIPE, which a program started later would inherit.

use std::ffi::{CStr, OsStr, OsString, c_char, c_int};
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, Ordering};

/// Of this process. The standard library knows them only where the C library hands them to everybody
/// at its start, as musl does not.
static ARGUMENTS: OnceLock<Vec<OsString>> = OnceLock::new();

/// The strings themselves.
static STRINGS: AtomicPtr<*const c_char> = AtomicPtr::new(std::ptr::null_mut());

/// The strings that the kernel has put on the stack, and how many they are; of a program with another
/// `main` none.
pub(super) fn strings() -> (*const *const c_char, usize) {
    (STRINGS.load(Ordering::Relaxed), ARGUMENTS.get().map_or(0, Vec::len))
}

/// How this process was started, its own name first; of a program with another `main` nothing.
pub fn given() -> Vec<OsString> {
    ARGUMENTS.get().cloned().unwrap_or_default()
}

/// The arguments that the C library hands to `main`.
///
/// # Safety
/// `argv` points to `argc` strings that live as long as the process, as C promises of `main`'s.
pub unsafe fn arguments(argc: c_int, argv: *const *const c_char) -> Vec<OsString> {
    let count = usize::try_from(argc).unwrap_or(0);
    let argument = |at: usize| {
        // SAFETY: `at` is below `argc`.
        let entry = unsafe { argv.add(at) };
        // SAFETY: the entry is inside the array that the caller vouches for.
        let string = unsafe { *entry };
        // SAFETY: each of the first `argc` entries is a string ended by NUL.
        let string = unsafe { CStr::from_ptr(string) };
        OsStr::from_bytes(string.to_bytes()).to_owned()
    };
    let arguments: Vec<OsString> = (0..count).map(argument).collect();
    STRINGS.store(argv.cast_mut(), Ordering::Relaxed);
    ARGUMENTS.get_or_init(|| arguments).clone()
}

/// Defines `main` of a binary: `$run` takes the arguments and gives the exit code.
#[macro_export]
macro_rules! entry_point {
    ($run:expr) => {
        #[allow(unsafe_code)]
        #[unsafe(no_mangle)]
        extern "C" fn main(
            argc: ::std::ffi::c_int,
            argv: *const *const ::std::ffi::c_char,
        ) -> ::std::ffi::c_int {
            // SAFETY: these are the arguments of `main`, unchanged.
            let arguments = unsafe { $crate::sys::raw::start::arguments(argc, argv) };
            let code = ::std::ffi::c_int::from($run(arguments));
            // Nothing is buffered, and nothing else waits for the C library's end.
            $crate::sys::raw::fork::exit_now(code)
        }
    };
}

/// Defines the first instruction of a binary, for which `build.rs` tells the linker: it may run
/// itself from a sealed file (`early`), and goes on as the C library begins.
#[macro_export]
macro_rules! early_seal {
    () => {
        #[cfg(target_arch = "x86_64")]
        ::std::arch::global_asm!(
            ".globl nsx_start",
            ".type nsx_start, @function",
            "nsx_start:",
            // The stack is aligned to 16 bytes here, and is to be 8 off in a function; rdx is the C
            // library's.
            "mov rdi, rsp",
            "push rdx",
            "sub rsp, 8",
            "call {seal}",
            "add rsp, 8",
            "pop rdx",
            "jmp _start",
            seal = sym $crate::sys::raw::early::seal,
        );
    };
}
