//! `/proc/PID/status`: no bytes panic, and no command name changes what the other lines say.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::sys::proc::status::parse;

const REST: &[u8] =
    b"\nUmask:\t0022\nUid:\t0\t101\t0\t0\nGid:\t1\t2\t3\t4\nGroups:\t1 27 \nNSpid:\t30221\t29\n\
    Threads:\t3\nSigIgn:\t0000000000001000\nSigCgt:\t0000000000004002\nCapEff:\t00000000a80425fb\n\
    CapBnd:\t00000000a80425fb\nNoNewPrivs:\t1\nSeccomp:\t2\n";

fuzz_target!(|bytes: &[u8]| {
    if let Some(status) = parse(bytes) {
        for signal in -1..=65 {
            let _ = status.leaves_default(signal);
        }
    }

    // The kernel writes a newline in a name as `\n`.
    let name: Vec<u8> = bytes.iter().copied().filter(|byte| *byte != b'\n').collect();
    let of = |name: &[u8]| parse(&[b"Name:\t", name, REST].concat());
    let plain = of(b"sleep");
    assert!(plain.is_some());
    assert_eq!(of(&name), plain);
});
