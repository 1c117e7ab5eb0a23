//! The environment and the arguments that this process was started with, as the kernel shows them
//! in `/proc/PID/environ` and `cmdline`: the strings themselves, not a copy.

use libc::{c_char, size_t};

unsafe extern "C" {
    /// environ(7)
    static environ: *mut *mut c_char;
}

/// Overwrites it with NUL bytes. From then on nobody who reads this process's memory finds it there,
/// and it is empty for this process too.
///
/// For a process with one thread that holds nothing borrowed from its environment: std hands out
/// copies alone.
pub fn forget() {
    for at in 0.. {
        // SAFETY: the C library's own variable, which nobody changes: there is one thread.
        let strings = unsafe { environ };
        if strings.is_null() {
            return;
        }
        // SAFETY: the array ends with a null pointer, at which the loop stops.
        let string = unsafe { strings.add(at) };
        // SAFETY: an element of that array.
        let string = unsafe { *string };
        if string.is_null() {
            return;
        }
        // SAFETY: each is a string that ends with NUL.
        let length: size_t = unsafe { libc::strlen(string) };
        // SAFETY: the kernel has put it on the stack, which is writable, and nobody borrows it.
        unsafe { std::ptr::write_bytes(string, 0, length) };
    }
}

/// Overwrites the arguments too: what is left of them is `name`. As with the environment: std hands out
/// copies alone, and this is for one thread.
pub fn forget_arguments(name: &[u8]) {
    let (arguments, count) = super::start::strings();
    for at in 0..count {
        // SAFETY: there are that many.
        let string = unsafe { arguments.add(at) };
        // SAFETY: an element of that array.
        let string = unsafe { *string }.cast_mut();
        // SAFETY: each is a string that ends with NUL.
        let length: size_t = unsafe { libc::strlen(string) };
        // SAFETY: the kernel has put it on the stack, which is writable, and nobody borrows it.
        unsafe { std::ptr::write_bytes(string, 0, length) };
        if at == 0 {
            let kept = name.len().min(length);
            // SAFETY: no longer than what was there.
            unsafe { std::ptr::copy_nonoverlapping(name.as_ptr(), string.cast(), kept) };
        }
    }
}
