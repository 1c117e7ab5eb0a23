//! What the `/dev` that is made for a program has: the host's devices that no program does without,
//! and the names of its own descriptors.

use std::ffi::CStr;

/// Below the root.
pub(super) const DEVICES: [&CStr; 6] =
    [c"dev/full", c"dev/null", c"dev/random", c"dev/tty", c"dev/urandom", c"dev/zero"];

/// Below it too, and where they lead.
pub(super) const LINKS: [(&CStr, &CStr); 4] = [
    (c"dev/fd", c"/proc/self/fd"),
    (c"dev/stdin", c"/proc/self/fd/0"),
    (c"dev/stdout", c"/proc/self/fd/1"),
    (c"dev/stderr", c"/proc/self/fd/2"),
];

/// The same below `dev`.
pub(super) fn name(path: &'static CStr) -> &'static CStr {
    let bytes = path.to_bytes_with_nul();
    let name = bytes.strip_prefix(b"dev/").unwrap_or(bytes);
    CStr::from_bytes_with_nul(name).unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_is_behind_the_directory() {
        let names = DEVICES.map(name);
        assert_eq!(names, [c"full", c"null", c"random", c"tty", c"urandom", c"zero"]);
    }
}
