//! What a seccomp filter may answer to a call: whatever its arguments are, the answer that the kernel
//! would give is among those that are told.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::collect::seccomp::interpret::{Budget, Call, outcomes};
use nsx::collect::seccomp::program::{
    Arithmetic, Condition, Instruction, Operation, Register, Source, parse,
};

fuzz_target!(|bytes: &[u8]| {
    let Some((data, program)) = bytes.split_first_chunk::<64>() else { return };
    let words: Vec<u32> =
        data.as_chunks::<4>().0.iter().map(|word| u32::from_le_bytes(*word)).collect();
    let program = parse(program);
    let mut budget = Budget(100_000);
    let told = outcomes(&program, Call { number: words[0], arch: words[1] }, &mut budget);
    // What the kernel would not have taken may be told as anything.
    if let Some(answer) = answer(&program, &words) {
        assert!(told.may_be(answer), "{answer:#x} is not in {told:?}");
    }
});

/// As the kernel runs a program. Jumps go forward, so it ends.
fn answer(program: &[Instruction], words: &[u32]) -> Option<u32> {
    let (mut a, mut x, mut memory) = (0_u32, 0_u32, [0_u32; 16]);
    let mut at = 0;
    loop {
        let instruction = program.get(at)?;
        let k = instruction.k;
        let value = |source, a, x, memory: &[u32; 16]| {
            Some(match source {
                Source::Constant => k,
                Source::A => a,
                Source::X => x,
                Source::Memory => *memory.get(k as usize)?,
                Source::Length => 64,
            })
        };
        at += 1;
        match instruction.operation()? {
            Operation::Load if k % 4 == 0 => a = *words.get(k as usize / 4)?,
            Operation::Load => return None,
            Operation::Set(register, source) => {
                let value = value(source, a, x, &memory)?;
                match register {
                    Register::A => a = value,
                    Register::X => x = value,
                }
            }
            Operation::Store(register) => {
                let stored = if register == Register::A { a } else { x };
                *memory.get_mut(k as usize)? = stored;
            }
            Operation::Negate => a = a.wrapping_neg(),
            Operation::Arithmetic(which, source) => {
                let by = value(source, a, x, &memory)?;
                a = match which {
                    Arithmetic::Add => a.wrapping_add(by),
                    Arithmetic::Sub => a.wrapping_sub(by),
                    Arithmetic::Mul => a.wrapping_mul(by),
                    Arithmetic::Div if by == 0 => return Some(0),
                    Arithmetic::Div => a / by,
                    Arithmetic::Or => a | by,
                    Arithmetic::And => a & by,
                    Arithmetic::Xor => a ^ by,
                    Arithmetic::Shl => a << (by & 31),
                    Arithmetic::Shr => a >> (by & 31),
                };
            }
            Operation::Jump => at = at.checked_add(k as usize)?,
            Operation::Branch(which, source) => {
                let with = value(source, a, x, &memory)?;
                let holds = match which {
                    Condition::Equal => a == with,
                    Condition::Greater => a > with,
                    Condition::GreaterOrEqual => a >= with,
                    Condition::AnyBit => a & with != 0,
                };
                let distance = if holds { instruction.jump_true } else { instruction.jump_false };
                at += usize::from(distance);
            }
            Operation::Return(source) => return value(source, a, x, &memory),
        }
    }
}
