//! Programs of seccomp: a process gives itself what it likes, as far as the kernel takes it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::collect::seccomp::explain;
use nsx::sys::calls::Abi;
use nsx::sys::seccomp::RawFilter;

fuzz_target!(|bytes: &[u8]| {
    let filter = |bytes: &[u8]| RawFilter { bytes: bytes.to_vec(), flags: None };
    let one = [filter(bytes)];
    let (alone, is_whole) = explain(&one, &[Abi::X86_64]);
    assert_eq!(alone.filters[0].instructions, bytes.len() / 8);
    assert_eq!(alone.filters[0].program.len(), bytes.len() / 8);
    let [native] = alone.architectures.as_slice() else { panic!("one was asked for") };
    assert_eq!(native.allowed + native.calls.len(), Abi::X86_64.calls().count());
    // A filter twice is what it is once.
    let (twice, twice_whole) = explain(&[filter(bytes), filter(bytes)], &[Abi::X86_64]);
    if is_whole && twice_whole {
        assert_eq!(alone.architectures, twice.architectures);
    }
});
