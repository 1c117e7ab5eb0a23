//! What a launcher may do before the C library is set up: run itself from a sealed file.
//!
//! A start of the C library is most of what a start of `nsx enter` costs (it asks the processor some
//! forty times what it is, each time a trap in a virtual machine), and where nsx has to run itself
//! once more (`sys::seal`) it would be paid twice. So the first instructions of the binary are these
//! and the C library's follow. Nothing here decides: what is not sealed here, for whatever reason,
//! is sealed later or refused.
//!
//! There is no C library yet: no thread-local storage, no `memcpy`, no `memset`, which the compiler
//! would make of an array of zeroes. All that happens is system calls on numbers and on memory that
//! the kernel has filled.

use core::arch::asm;
use core::ptr::{null, read_volatile};

const PROGRAM: &[u8] = b"/proc/self/exe\0";
/// linux/fcntl.h, linux/mount.h
const AT_FDCWD: usize = (-100_isize).cast_unsigned();
const AT_EMPTY_PATH: usize = 0x1000;
const O_PATH_CLOEXEC: usize = 0o12_000_000;
const OPEN_TREE_CLONE_CLOEXEC: usize = 0o2_000_000 | 1;
const RDONLY_NOSUID_NODEV: u64 = 1 | 2 | 4;
/// No word of a command line that is longer is looked at.
const WORDS: usize = 64;

/// The kernel's answer: negative numbers down to -4095 are errors.
fn call(
    number: i64,
    (first, second, third): (usize, usize, usize),
    (fourth, fifth): (usize, usize),
) -> i64 {
    let result: i64;
    // SAFETY: each caller passes what its call takes; the kernel changes no register but these.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") first, in("rsi") second, in("rdx") third, in("r10") fourth, in("r8") fifth,
            lateout("rcx") _, lateout("r11") _,
            options(nostack)
        );
    }
    result
}

/// One byte of a string that ends with NUL; the compiler makes no `memcmp` of it.
fn byte(string: *const u8, at: usize) -> u8 {
    // SAFETY: callers stop at the NUL, before which every byte is the string's.
    let place = unsafe { string.add(at) };
    // SAFETY: as above.
    unsafe { read_volatile(place) }
}

/// Whether a string begins with some text, or is it.
fn begins(string: *const u8, text: &[u8], whole: bool) -> bool {
    let mut at = 0;
    for expected in text {
        if byte(string, at) != *expected {
            return false;
        }
        at += 1;
    }
    !whole || byte(string, at) == 0
}

/// The last part of a path.
fn base(path: *const u8) -> *const u8 {
    let (mut at, mut start) = (0, 0);
    loop {
        match byte(path, at) {
            // SAFETY: the start is at most where the NUL is.
            0 => return unsafe { path.add(start) },
            b'/' => start = at + 1,
            _ => {}
        }
        at += 1;
    }
}

/// The arguments and the environment, as the kernel has put them on the stack.
#[derive(Clone, Copy)]
struct Words {
    count: usize,
    arguments: *const *const u8,
}

impl Words {
    /// Null beyond the last.
    fn get(self, at: usize) -> *const u8 {
        if at >= self.count {
            return null();
        }
        // SAFETY: below the count there is a pointer to a string.
        let place = unsafe { self.arguments.add(at) };
        // SAFETY: as above.
        unsafe { read_volatile(place) }
    }

    /// Behind the null pointer that ends the arguments.
    fn environment(self) -> *const *const u8 {
        // SAFETY: the kernel puts it there.
        unsafe { self.arguments.add(self.count + 1) }
    }
}

/// Whether these words, the name of the program first, are such that [`seal`] would run it once more.
pub fn would_seal(words: &[&core::ffi::CStr]) -> bool {
    const MOST: usize = 2 * WORDS;
    let mut arguments = [null(); MOST];
    for (place, word) in arguments.iter_mut().zip(words) {
        *place = word.as_ptr().cast::<u8>();
    }
    will_be_seen(Words { count: words.len().min(MOST), arguments: arguments.as_ptr() })
}

/// Whether the command is one that the program will be seen in, by whatever name it was called.
fn will_be_seen(words: Words) -> bool {
    let called = words.get(0);
    if called.is_null() {
        return false;
    }
    let name = base(called);
    if begins(name, b"nsx-enter", true) || begins(name, b"nsenter", true) {
        return may_be_seen(words, 1);
    }
    if begins(name, b"nsx-spawn", true) {
        return names_a_root(words, 1);
    }
    let command = words.get(1);
    if !begins(name, b"nsx", true) || command.is_null() {
        return false;
    }
    if begins(command, b"spawn", true) {
        return names_a_root(words, 2);
    }
    begins(command, b"enter", true) && may_be_seen(words, 2)
}

/// Whether `spawn` is to run a program of another root. A value may be between the options.
fn names_a_root(words: Words, first: usize) -> bool {
    let mut at = first;
    while at < first + WORDS {
        let word = words.get(at);
        if word.is_null() || begins(word, b"--", true) || begins(word, b"--dry-run", true) {
            return false;
        }
        if begins(word, b"--rootfs", false) {
            return true;
        }
        at += 1;
    }
    false
}

/// Of `enter`, whether a pid namespace will be joined or is shared, as far as that can be told by a glance.
fn may_be_seen(words: Words, first: usize) -> bool {
    let (mut at, mut seen, mut kinds) = (first, false, false);
    while at < first + WORDS {
        let word = words.get(at);
        if word.is_null() || byte(word, 0) != b'-' {
            break;
        }
        at += 1;
        if byte(word, 1) != b'-' {
            let mut letter = 1;
            loop {
                match byte(word, letter) {
                    0 | b'=' | b'/' => break,
                    b'a' | b'p' => seen = true,
                    b'm' | b'u' | b'i' | b'n' | b'N' | b'C' | b'U' | b'T' => kinds = true,
                    _ => {}
                }
                letter += 1;
            }
            // What follows is a value: whose namespaces, who, where.
            let last = byte(word, letter - 1);
            if letter > 1 && matches!(last, b't' | b'S' | b'G' | b'W' | b'N') {
                kinds |= last == b't' && is_namespace(words.get(at));
                at += 1;
            }
            continue;
        }
        if begins(word, b"--dry-run", false) || begins(word, b"--", true) {
            return false;
        }
        seen |= begins(word, b"--all", false) || begins(word, b"--pid", false);
        kinds |= begins(word, b"--mount", false)
            || begins(word, b"--net", false)
            || begins(word, b"--uts", false)
            || begins(word, b"--ipc", false)
            || begins(word, b"--cgroup", false)
            || begins(word, b"--user", false)
            || begins(word, b"--time", false);
        if begins(word, b"--target", true) {
            kinds |= is_namespace(words.get(at));
            at += 1;
        }
    }
    seen || !kinds
}

/// Whether a target is one namespace, and not all of a process's.
fn is_namespace(target: *const u8) -> bool {
    !target.is_null()
        && (begins(target, b"netns:", false)
            || begins(target, b"ns:", false)
            || begins(target, b"/", false))
}

/// Runs this program from a read-only mount of its file that is in no mount namespace, if it will
/// be seen and is not there already. Returns where that is not so, or cannot be.
///
/// # Safety
/// `stack` is where the kernel has put the count of the arguments, and what follows.
pub unsafe extern "C" fn seal(stack: *const usize) {
    // SAFETY: the caller vouches for it.
    let count = unsafe { read_volatile(stack) };
    // SAFETY: the arguments follow their count.
    let arguments = unsafe { stack.add(1) };
    let words = Words { count, arguments: arguments.cast() };
    if !will_be_seen(words) || call(libc::SYS_geteuid, (0, 0, 0), (0, 0)) != 0 || is_detached() {
        return;
    }
    let program = PROGRAM.as_ptr() as usize;
    let tree = call(libc::SYS_open_tree, (AT_FDCWD, program, OPEN_TREE_CLONE_CLOEXEC), (0, 0));
    let Ok(tree) = usize::try_from(tree) else { return };
    run(tree, words);
    call(libc::SYS_close, (tree, 0, 0), (0, 0));
}

/// The kernel names a file from the root of its mount tree: of one that is in no namespace the file
/// is the root. `sys::seal` looks closer.
fn is_detached() -> bool {
    let mut name = 0_u16;
    let (path, into) = (PROGRAM.as_ptr() as usize, (&raw mut name) as usize);
    let length = call(libc::SYS_readlink, (path, into, 2), (0, 0));
    length == 1 && byte((&raw const name).cast(), 0) == b'/'
}

fn run(tree: usize, words: Words) {
    // `struct mount_attr`: set, clear, propagation, user namespace.
    let attributes = [RDONLY_NOSUID_NODEV, 0, 0, 0_u64];
    let (empty, size) = (c"".as_ptr() as usize, size_of::<[u64; 4]>());
    let pointer = attributes.as_ptr() as usize;
    if call(libc::SYS_mount_setattr, (tree, empty, AT_EMPTY_PATH), (pointer, size)) != 0 || tree > 9
    {
        return;
    }
    // As long as the descriptor of the tree is open, who has one on it may change the mount.
    let digit = b"0123456789".as_ptr().wrapping_add(tree);
    let mut path = *b"/proc/self/fd/0\0";
    if let Some(last) = path.get_mut(14) {
        *last = byte(digit, 0);
    }
    let place = call(libc::SYS_openat, (AT_FDCWD, path.as_ptr() as usize, O_PATH_CLOEXEC), (0, 0));
    let Ok(place) = usize::try_from(place) else { return };
    call(libc::SYS_close, (tree, 0, 0), (0, 0));
    let (arguments, environment) = (words.arguments as usize, words.environment() as usize);
    call(libc::SYS_execveat, (place, empty, arguments), (environment, AT_EMPTY_PATH));
    call(libc::SYS_close, (place, 0, 0), (0, 0));
}
