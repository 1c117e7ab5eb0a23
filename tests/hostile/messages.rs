//! Errors repeat what they were given: a name that was completed or pasted may be hostile too.

use crate::clean::harmless;
use crate::support::{Need, isolated, nsx, output, test};
use libtest_mimic::Trial;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

const ROOT: &[Need] = &[Need::Root];
const WORD: &[u8] = b"a\x1b[31m\nx: FORGED\r\x07\xc2\x9b\xe2\x80\xae\x7f";
const BROKEN: &[u8] = b"a\x1b]0;t\x07\xff\x9b";

pub fn tests() -> Vec<Trial> {
    vec![test("no error repeats a hostile argument raw", ROOT, messages)]
}

fn messages() {
    let (_held, pid) = isolated(&["-n", "-m"]);
    let pid = pid.to_string();
    let lines: [&[&str]; 18] = [
        &["@"],
        &["inspect", "@"],
        &["inspect", "docker:@"],
        &["inspect", "1", "@"],
        &["inspect", "--only", "@", "1"],
        &["ps", "@"],
        &["ps", "--columns", "@"],
        &["ps", "--color", "@"],
        &["ps", "-o", "@"],
        &["ps", "--@"],
        &["ps", "--sysroot", "@"],
        &["enter", "-t", "@", "true"],
        &["enter", "--@", "true"],
        &["enter", "-t", &pid, "-n", "@"],
        &["enter", "-t", &pid, "-m", "/@/@"],
        &["enter", "-t", &pid, "-n", "--wdns", "@", "true"],
        &["spawn", "-u", "@"],
        &["spawn", "-u", "--memory", "@", "true"],
    ];
    for line in lines {
        for word in [WORD, BROKEN] {
            let fill = |part: &&str| -> Vec<u8> {
                let parts: Vec<&[u8]> = part.split('@').map(str::as_bytes).collect();
                parts.join(word)
            };
            let arguments: Vec<Vec<u8>> = line.iter().map(fill).collect();
            let output = output(&mut nsx(arguments.iter().map(|bytes| OsStr::from_bytes(bytes))));
            assert!(!output.status.success(), "{line:?}");
            assert_ne!(output.status.code(), Some(70), "{line:?}");
            let said = harmless(&format!("{line:?}"), &output.stderr, false);
            assert!(said.lines().count() <= 2, "{line:?}: {said}");
            harmless(&format!("{line:?}"), &output.stdout, false);
        }
    }
}
