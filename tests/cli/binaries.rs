//! The files themselves: static, and small enough to be copied anywhere.

#![allow(clippy::disallowed_methods, reason = "reads the files under test")]

use super::support;
use std::process::Command;

const NAMES: [&str; 8] =
    ["nsx", "nsx-ps", "nsx-ns", "nsx-inspect", "nsx-who", "nsx-pid", "nsx-enter", "nsx-spawn"];

#[test]
fn every_binary_is_statically_linked() {
    for name in NAMES {
        let path = support::binary(name);
        let said = support::output(Command::new("ldd").arg(&path));
        let said = support::stdout(&said) + &support::stderr(&said);
        let is_static =
            said.contains("statically linked") || said.contains("not a dynamic executable");
        assert!(is_static, "{name}: {said}");
        // ldd says the same of a file that is no program at all.
        assert!(std::fs::read(&path).unwrap().starts_with(b"\x7fELF"), "{name}");
    }
}

/// The promise is about release binaries; others carry what debuggers need. See docs/adr/0004.
#[test]
fn release_binaries_are_small() {
    let limits = [("nsx", 6_500_000), ("nsx-enter", 2_000_000), ("nsx-spawn", 3_000_000)];
    for (name, most) in limits {
        let path = support::binary(name);
        if path.components().any(|part| part.as_os_str() == "release") {
            let size = path.metadata().unwrap().len();
            assert!(size <= most, "{name} has {size} bytes, more than {most}");
        }
    }
}
