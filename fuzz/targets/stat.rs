//! `/proc/PID/stat`: no bytes panic, and no command name forges the fields beside it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::model::process::Pid;
use nsx::sys::proc::stat::parse;

fuzz_target!(|bytes: &[u8]| {
    if let Some(stat) = parse(bytes) {
        assert!((1..=Pid::MAX).contains(&stat.pid.number()));
    }

    let line = [b"7 (", bytes, b") S 9 7 7 0 -1 64 ", &b"0 ".repeat(12), b"55 0\n"].concat();
    let stat = parse(&line).expect("a whole line");
    assert_eq!(stat.comm.as_bytes(), bytes);
    assert_eq!(stat.pid.number(), 7);
    assert_eq!(stat.state.0, b'S');
    assert_eq!(stat.parent.map(Pid::number), Some(9));
    assert_eq!(stat.flags, 64);
    assert_eq!(stat.start_ticks, 55);
});
