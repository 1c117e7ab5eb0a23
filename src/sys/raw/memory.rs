//! Where memory comes from, with either C library: from dlmalloc what is small, from the kernel what
//! is large, which grows there without being copied. Where there is none, nsx says so and ends.
//!
//! musl's own allocator asks the kernel for every other piece; an allocation that fails would end
//! the process by a signal.

use super::fork;
use dlmalloc::Dlmalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::ptr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// In bytes. glibc begins at half of it.
const LARGE: usize = 256 << 10;
const PAGE: usize = 4096;

/// The exit code of a process without memory.
static CODE: AtomicU8 = AtomicU8::new(1);

/// For commands whose own failure has a code of its own.
pub fn exits_with(code: u8) {
    CODE.store(code, Ordering::Relaxed);
}

/// Nobody panics with it.
static SMALL: Mutex<Dlmalloc> = Mutex::new(Dlmalloc::new());

fn small() -> MutexGuard<'static, Dlmalloc> {
    SMALL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does what makes a process while no other thread allocates: the child, in which that thread is not,
/// may allocate too.
pub fn at_rest<T>(fork: impl FnOnce() -> T) -> T {
    let _held = small();
    fork()
}

struct Memory;

// AddressSanitizer sees what the C library hands out.
#[cfg_attr(not(fuzzing), global_allocator)]
static MEMORY: Memory = Memory;

const fn is_large(size: usize, align: usize) -> bool {
    size >= LARGE && align <= PAGE
}

// SAFETY: what is large by its layout comes from the kernel and goes back to it, all else is
// dlmalloc's, and what changes sides is copied; nothing unwinds.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if is_large(layout.size(), layout.align()) {
            return map(layout.size());
        }
        // SAFETY: the caller's promise is the same.
        found(unsafe { small().malloc(layout.size(), layout.align()) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if is_large(layout.size(), layout.align()) {
            return map(layout.size());
        }
        // SAFETY: the caller's promise is the same.
        found(unsafe { small().calloc(layout.size(), layout.align()) })
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if is_large(layout.size(), layout.align()) {
            // SAFETY: `map` made it of that size, and the caller uses it no more.
            unsafe { libc::munmap(memory.cast(), layout.size()) };
            return;
        }
        // SAFETY: of that layout it came from there.
        unsafe { small().free(memory, layout.size(), layout.align()) };
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let (old, align) = (layout.size(), layout.align());
        match (is_large(old, align), is_large(size, align)) {
            (true, true) => {
                // SAFETY: `map` made it of that size, and the caller uses the answer from now on.
                let moved = unsafe { libc::mremap(memory.cast(), old, size, libc::MREMAP_MAYMOVE) };
                mapped(moved)
            }
            (false, false) => {
                // SAFETY: of that layout it came from there.
                found(unsafe { small().realloc(memory, old, align, size) })
            }
            _ => {
                // SAFETY: the caller promises a size that a layout can have.
                let layout_now = unsafe { Layout::from_size_align_unchecked(size, align) };
                // SAFETY: the caller's promise: it is not 0.
                let moved = unsafe { self.alloc(layout_now) };
                // SAFETY: both are as long as that, and one is new.
                unsafe { ptr::copy_nonoverlapping(memory, moved, old.min(size)) };
                // SAFETY: of that layout we made it.
                unsafe { self.dealloc(memory, layout) };
                moved
            }
        }
    }
}

fn map(size: usize) -> *mut u8 {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: new pages where nothing is.
    mapped(unsafe { libc::mmap(ptr::null_mut(), size, access, kind, -1, 0) })
}

fn mapped(memory: *mut libc::c_void) -> *mut u8 {
    if memory == libc::MAP_FAILED { exhausted() } else { memory.cast() }
}

fn found(memory: *mut u8) -> *mut u8 {
    if memory.is_null() { exhausted() } else { memory }
}

#[cold]
fn exhausted() -> ! {
    const WORDS: &[u8] = b"nsx: out of memory\n";
    // SAFETY: it reads the bytes of a constant.
    unsafe { libc::write(2, WORDS.as_ptr().cast(), WORDS.len()) };
    fork::exit_now(i32::from(CODE.load(Ordering::Relaxed)))
}

#[cfg(test)]
mod tests {
    use super::LARGE;

    #[test]
    fn what_grows_and_shrinks_keeps_its_bytes() {
        let sizes = [1, LARGE / 2, LARGE - 1, LARGE, LARGE + 1, 40 * LARGE, 3 * LARGE, LARGE, 7];
        let mut bytes: Vec<u8> = Vec::new();
        for size in sizes {
            let kept = bytes.len().min(size);
            bytes.truncate(kept);
            bytes.shrink_to(size);
            bytes.reserve_exact(size - kept);
            bytes.extend((kept..size).map(|at| u8::try_from(at % 251).unwrap()));
            assert!(bytes.iter().enumerate().all(|(at, byte)| usize::from(*byte) == at % 251));
        }
    }

    #[test]
    fn what_is_asked_for_as_zero_is_zero() {
        for size in [10, LARGE, 9 * LARGE] {
            drop(vec![0xff_u8; size]);
            assert!(vec![0_u8; size].iter().all(|byte| *byte == 0));
        }
    }

    #[test]
    fn what_wants_more_than_a_page_gets_it() {
        #[repr(align(65536))]
        struct Wide(#[expect(dead_code, reason = "it is the size that matters")] [u8; 2 * LARGE]);
        for count in 1..5 {
            let wide = Vec::<Wide>::with_capacity(count);
            assert_eq!(wide.as_ptr().addr() % 65536, 0);
        }
    }
}
