//! memcpy(3), memmove(3), memcmp(3) and bcmp(3) for musl on x86-64, whose own are made to be small: a
//! copy of a few bytes, of which lists and JSON are full, costs there as much as one of a hundred, and
//! two names are compared byte by byte.
//!
//! Up to 32 bytes everything is read before anything is written, so that it does not matter whether
//! the two places overlap. Beyond, a copy runs from whichever end reads each byte before it is
//! overwritten; long ones are left to the processor.

#[cfg(target_env = "musl")]
std::arch::global_asm!(
    ".globl memcpy",
    ".globl memmove",
    ".globl memcmp",
    ".globl bcmp",
    ".set memcpy, nsx_copy",
    ".set memmove, nsx_copy",
    ".set memcmp, nsx_compare",
    ".set bcmp, nsx_compare",
);

std::arch::global_asm!(
    ".globl nsx_copy",
    ".type nsx_copy, @function",
    "nsx_copy:",
    // rdi: to, rsi: from, rdx: how many; rax is the answer.
    "mov rax, rdi",
    "cmp rdx, 16",
    "jb 3f",
    "movups xmm0, [rsi]",
    "movups xmm1, [rsi + rdx - 16]",
    "cmp rdx, 32",
    "ja 2f",
    "movups [rdi], xmm0",
    "movups [rdi + rdx - 16], xmm1",
    "ret",
    // More than 32. xmm0 and xmm1 are its ends, written last.
    "2:",
    "mov rcx, rdi",
    "sub rcx, rsi",
    "cmp rcx, rdx",
    "jb 7f",
    "cmp rdx, 2048",
    "jae 6f",
    "mov rcx, 16",
    "lea r8, [rdx - 16]",
    "5:",
    "movups xmm2, [rsi + rcx]",
    "movups [rdi + rcx], xmm2",
    "add rcx, 16",
    "cmp rcx, r8",
    "jb 5b",
    "movups [rdi], xmm0",
    "movups [rdi + rdx - 16], xmm1",
    "ret",
    "6:",
    "mov rcx, rdx",
    "rep movsb",
    "ret",
    // The end of where it comes from is the beginning of where it goes: backwards.
    "7:",
    "lea rcx, [rdx - 16]",
    "8:",
    "movups xmm2, [rsi + rcx - 16]",
    "movups [rdi + rcx - 16], xmm2",
    "sub rcx, 16",
    "cmp rcx, 16",
    "ja 8b",
    "movups [rdi], xmm0",
    "movups [rdi + rdx - 16], xmm1",
    "ret",
    // Fewer than 16.
    "3:",
    "cmp edx, 8",
    "jb 4f",
    "mov rcx, [rsi]",
    "mov r8, [rsi + rdx - 8]",
    "mov [rdi], rcx",
    "mov [rdi + rdx - 8], r8",
    "ret",
    "4:",
    "cmp edx, 4",
    "jb 9f",
    "mov ecx, [rsi]",
    "mov r8d, [rsi + rdx - 4]",
    "mov [rdi], ecx",
    "mov [rdi + rdx - 4], r8d",
    "ret",
    "9:",
    "test edx, edx",
    "jz 20f",
    "movzx ecx, byte ptr [rsi]",
    "movzx r8d, byte ptr [rsi + rdx - 1]",
    "mov r9, rdx",
    "shr r9, 1",
    "movzx r10d, byte ptr [rsi + r9]",
    "mov [rdi], cl",
    "mov [rdi + r9], r10b",
    "mov [rdi + rdx - 1], r8b",
    "20:",
    "ret",
    ".size nsx_copy, . - nsx_copy",
);

std::arch::global_asm!(
    ".globl nsx_compare",
    ".type nsx_compare, @function",
    "nsx_compare:",
    // rdi and rsi: what is compared, rdx: how much of each; eax is the answer.
    "xor ecx, ecx",
    "cmp rdx, 16",
    "jb 4f",
    // Sixteen at a time, the last time the last sixteen.
    "2:",
    "movdqu xmm0, [rdi + rcx]",
    "movdqu xmm1, [rsi + rcx]",
    "pcmpeqb xmm0, xmm1",
    "pmovmskb eax, xmm0",
    "xor eax, 0xffff",
    "jnz 3f",
    "add rcx, 16",
    "lea r8, [rcx + 16]",
    "cmp r8, rdx",
    "jbe 2b",
    "cmp rcx, rdx",
    "je 9f",
    "lea rcx, [rdx - 16]",
    "jmp 2b",
    // The first that differs.
    "3:",
    "bsf eax, eax",
    "add rcx, rax",
    "movzx eax, byte ptr [rdi + rcx]",
    "movzx edx, byte ptr [rsi + rcx]",
    "sub eax, edx",
    "ret",
    // Fewer than 16: as numbers, with the first byte the most.
    "4:",
    "cmp edx, 8",
    "jb 5f",
    "mov rax, [rdi]",
    "mov rcx, [rsi]",
    "cmp rax, rcx",
    "jne 7f",
    "mov rax, [rdi + rdx - 8]",
    "mov rcx, [rsi + rdx - 8]",
    "cmp rax, rcx",
    "jne 7f",
    "xor eax, eax",
    "ret",
    "5:",
    "cmp edx, 4",
    "jb 6f",
    "mov eax, [rdi]",
    "mov ecx, [rsi]",
    "cmp eax, ecx",
    "jne 7f",
    "mov eax, [rdi + rdx - 4]",
    "mov ecx, [rsi + rdx - 4]",
    "cmp eax, ecx",
    "jne 7f",
    "xor eax, eax",
    "ret",
    "6:",
    "cmp rcx, rdx",
    "je 9f",
    "movzx eax, byte ptr [rdi + rcx]",
    "movzx r8d, byte ptr [rsi + rcx]",
    "add rcx, 1",
    "sub eax, r8d",
    "jz 6b",
    "ret",
    "7:",
    "bswap rax",
    "bswap rcx",
    "cmp rax, rcx",
    "sbb eax, eax",
    "or eax, 1",
    "ret",
    "9:",
    "xor eax, eax",
    "ret",
    ".size nsx_compare, . - nsx_compare",
);

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    unsafe extern "C" {
        fn nsx_copy(to: *mut u8, from: *const u8, count: usize) -> *mut u8;
        fn nsx_compare(one: *const u8, other: *const u8, count: usize) -> i32;
    }

    fn compared(one: &[u8], other: &[u8]) -> Ordering {
        assert_eq!(one.len(), other.len());
        // SAFETY: both are as long as that.
        unsafe { nsx_compare(one.as_ptr(), other.as_ptr(), one.len()) }.cmp(&0)
    }

    #[test]
    fn what_is_compared_differs_by_its_first_byte_that_does() {
        for count in 0..=70 {
            let one: Vec<u8> = (0..count).map(|at| 0x7e + u8::from(at % 3 == 0)).collect();
            assert_eq!(compared(&one, &one.clone()), Ordering::Equal, "{count}");
            for (at, more) in (0..count).flat_map(|at| [(at, 1_u8), (at, 0x80)]) {
                let mut other = one.clone();
                other[at] = other[at].wrapping_add(more);
                // What comes after decides nothing.
                other[at + 1..].fill(0);
                let expected = one[at].cmp(&other[at]);
                assert_eq!(compared(&one, &other), expected, "{more} more at {at} of {count}");
                assert_eq!(compared(&other, &one), expected.reverse(), "{more} at {at} of {count}");
            }
        }
    }

    /// Within one place, whether or not the two overlap.
    fn copied(mut place: Vec<u8>, to: usize, from: usize, count: usize) -> Vec<u8> {
        assert!(to.max(from) + count <= place.len());
        let base = place.as_mut_ptr();
        let (to, from) = (base.wrapping_add(to), base.wrapping_add(from));
        // SAFETY: both are as long as that, and it minds that they may overlap.
        assert_eq!(unsafe { nsx_copy(to, from, count) }, to);
        place
    }

    #[test]
    fn what_is_copied_is_what_was_there_and_nothing_else_changes() {
        let counts = (0_usize..=100).chain([127, 128, 129, 500, 2047, 2048, 2049, 5000]);
        for count in counts {
            let place: Vec<u8> = (0..count + 200).map(|at| (at % 253).to_le_bytes()[0]).collect();
            let shifts = [0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 63, 100];
            for (to, from) in shifts.iter().flat_map(|to| shifts.map(|from| (*to, from))) {
                let mut expected = place.clone();
                expected.copy_within(from..from + count, to);
                let found = copied(place.clone(), to, from, count);
                assert!(found == expected, "{count} bytes from {from} to {to}");
            }
        }
    }
}
