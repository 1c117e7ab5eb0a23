//! Process ids: exactly the canonical decimals within the kernel's limit.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::model::process::Pid;

fuzz_target!(|bytes: &[u8]| {
    let number = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<u32>().ok());
    let expected = number
        .filter(|number| (1..=Pid::MAX).contains(number))
        .filter(|number| number.to_string().as_bytes() == bytes);
    assert_eq!(Pid::parse(bytes).map(Pid::number), expected);
});
