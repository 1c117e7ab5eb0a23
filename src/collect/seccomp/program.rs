//! Programs of the classic BPF, and how they are written: linux/filter.h, and the assembler's
//! spelling of Documentation/networking/filter.rst.

use std::fmt;

/// `struct sock_filter`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// Class, mode and operation: BPF_* of linux/bpf_common.h.
    pub code: u16,
    /// How many instructions are skipped where a condition holds.
    pub jump_true: u8,
    /// How many where it does not.
    pub jump_false: u8,
    /// The constant, place or distance that the operation uses.
    pub k: u32,
}

/// What an instruction does, as far as seccomp lets a program do it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A word of `struct seccomp_data`.
    Load,
    /// A register takes a value: BPF_LD, BPF_LDX, BPF_MISC.
    Set(Register, Source),
    /// Into the memory of the program.
    Store(Register),
    /// The accumulator takes the result.
    Arithmetic(Arithmetic, Source),
    /// The accumulator takes its two's complement.
    Negate,
    /// Forward, over `k` instructions.
    Jump,
    /// Forward, over `jump_true` or `jump_false` instructions.
    Branch(Condition, Source),
    /// Of a constant, or of the accumulator.
    Return(Source),
}

/// The accumulator, and the index register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// The accumulator, 32 bits.
    A,
    /// The index register, 32 bits.
    X,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// `k` itself.
    Constant,
    /// The accumulator.
    A,
    /// The index register.
    X,
    /// Word `k` of the program's memory: 0 to 15.
    Memory,
    /// The size of `struct seccomp_data`.
    Length,
}

/// Of the accumulator with a value, on 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arithmetic {
    /// `add`, wrapping.
    Add,
    /// `sub`, wrapping.
    Sub,
    /// `mul`, wrapping.
    Mul,
    /// `div`, unsigned; by zero it ends the program with 0.
    Div,
    /// `or`, of bits.
    Or,
    /// `and`, of bits.
    And,
    /// `lsh`: to the left.
    Shl,
    /// `rsh`: to the right, without the sign.
    Shr,
    /// `xor`, of bits.
    Xor,
}

/// How the accumulator is compared with a value; greater is unsigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `jeq`
    Equal,
    /// `jgt`
    Greater,
    /// `jge`
    GreaterOrEqual,
    /// `jset`: they have a bit in common.
    AnyBit,
}

/// What is left over after the last whole instruction is none.
pub fn parse(bytes: &[u8]) -> Vec<Instruction> {
    let (chunks, _) = bytes.as_chunks::<8>();
    let instruction = |chunk: &[u8; 8]| {
        let [c0, c1, jump_true, jump_false, k @ ..] = *chunk;
        let (code, k) = (u16::from_ne_bytes([c0, c1]), u32::from_ne_bytes(k));
        Instruction { code, jump_true, jump_false, k }
    };
    chunks.iter().map(instruction).collect()
}

/// BPF_X: the other operand is the index register.
const fn operand(code: u16) -> Source {
    if code & 0x08 == 0 { Source::Constant } else { Source::X }
}

impl Instruction {
    /// `None` for what seccomp_check_filter() in the kernel refuses.
    pub const fn operation(self) -> Option<Operation> {
        use Operation::{Arithmetic as Alu, Branch, Jump, Load, Negate, Return, Set, Store};
        Some(match self.code {
            0x20 => Load,
            0x00 => Set(Register::A, Source::Constant),
            0x01 => Set(Register::X, Source::Constant),
            0x60 => Set(Register::A, Source::Memory),
            0x61 => Set(Register::X, Source::Memory),
            0x80 => Set(Register::A, Source::Length),
            0x81 => Set(Register::X, Source::Length),
            0x07 => Set(Register::X, Source::A),
            0x87 => Set(Register::A, Source::X),
            0x02 => Store(Register::A),
            0x03 => Store(Register::X),
            0x04 | 0x0c => Alu(Arithmetic::Add, operand(self.code)),
            0x14 | 0x1c => Alu(Arithmetic::Sub, operand(self.code)),
            0x24 | 0x2c => Alu(Arithmetic::Mul, operand(self.code)),
            0x34 | 0x3c => Alu(Arithmetic::Div, operand(self.code)),
            0x44 | 0x4c => Alu(Arithmetic::Or, operand(self.code)),
            0x54 | 0x5c => Alu(Arithmetic::And, operand(self.code)),
            0x64 | 0x6c => Alu(Arithmetic::Shl, operand(self.code)),
            0x74 | 0x7c => Alu(Arithmetic::Shr, operand(self.code)),
            0xa4 | 0xac => Alu(Arithmetic::Xor, operand(self.code)),
            0x84 => Negate,
            0x05 => Jump,
            0x15 | 0x1d => Branch(Condition::Equal, operand(self.code)),
            0x25 | 0x2d => Branch(Condition::Greater, operand(self.code)),
            0x35 | 0x3d => Branch(Condition::GreaterOrEqual, operand(self.code)),
            0x45 | 0x4d => Branch(Condition::AnyBit, operand(self.code)),
            0x06 => Return(Source::Constant),
            0x16 => Return(Source::A),
            _ => return None,
        })
    }
}

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { code, jump_true, jump_false, k } = *self;
        let Some(operation) = self.operation() else {
            return write!(f, ".word {code:#06x}, {jump_true}, {jump_false}, {k:#x}");
        };
        let operand = |source| match source {
            Source::Constant => format!("#{k:#x}"),
            Source::A => "a".to_owned(),
            Source::X => "x".to_owned(),
            Source::Memory => format!("M[{k}]"),
            Source::Length => "#len".to_owned(),
        };
        match operation {
            Operation::Load => write!(f, "ld [{k}]"),
            Operation::Set(Register::A, Source::X) => f.write_str("txa"),
            Operation::Set(Register::X, Source::A) => f.write_str("tax"),
            Operation::Set(Register::A, source) => write!(f, "ld {}", operand(source)),
            Operation::Set(Register::X, source) => write!(f, "ldx {}", operand(source)),
            Operation::Store(Register::A) => write!(f, "st M[{k}]"),
            Operation::Store(Register::X) => write!(f, "stx M[{k}]"),
            Operation::Arithmetic(which, source) => {
                write!(f, "{} {}", which.name(), operand(source))
            }
            Operation::Negate => f.write_str("neg"),
            Operation::Jump => write!(f, "jmp {k}"),
            Operation::Branch(which, source) => {
                write!(f, "{} {}, {jump_true}, {jump_false}", which.name(), operand(source))
            }
            Operation::Return(source) => write!(f, "ret {}", operand(source)),
        }
    }
}

impl Arithmetic {
    const fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Sub => "sub",
            Self::Mul => "mul",
            Self::Div => "div",
            Self::Or => "or",
            Self::And => "and",
            Self::Shl => "lsh",
            Self::Shr => "rsh",
            Self::Xor => "xor",
        }
    }
}

impl Condition {
    const fn name(self) -> &'static str {
        match self {
            Self::Equal => "jeq",
            Self::Greater => "jgt",
            Self::GreaterOrEqual => "jge",
            Self::AnyBit => "jset",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(code: u16, jump_true: u8, jump_false: u8, k: u32) -> String {
        Instruction { code, jump_true, jump_false, k }.to_string()
    }

    #[test]
    fn instructions_read_as_an_assembler_writes_them() {
        assert_eq!(written(0x20, 0, 0, 4), "ld [4]");
        assert_eq!(written(0x15, 1, 0, 0xc000_003e), "jeq #0xc000003e, 1, 0");
        assert_eq!(written(0x1d, 1, 2, 9), "jeq x, 1, 2");
        assert_eq!(written(0x06, 0, 0, 0x7fff_0000), "ret #0x7fff0000");
        assert_eq!(written(0x16, 0, 0, 0), "ret a");
        assert_eq!(written(0x05, 0, 0, 7), "jmp 7");
        assert_eq!(written(0x54, 0, 0, 0xff), "and #0xff");
        assert_eq!(written(0x61, 0, 0, 3), "ldx M[3]");
        assert_eq!(written(0x80, 0, 0, 0), "ld #len");
        assert_eq!(written(0x07, 0, 0, 0), "tax");
        let all = [
            (0x00, "ld #0x3"),
            (0x01, "ldx #0x3"),
            (0x60, "ld M[3]"),
            (0x81, "ldx #len"),
            (0x87, "txa"),
            (0x02, "st M[3]"),
            (0x03, "stx M[3]"),
            (0x84, "neg"),
            (0x25, "jgt #0x3, 1, 2"),
            (0x3d, "jge x, 1, 2"),
            (0x45, "jset #0x3, 1, 2"),
        ];
        for (code, words) in all {
            assert_eq!(written(code, 1, 2, 3), words);
        }
        let names = ["add", "sub", "mul", "div", "or", "and", "lsh", "rsh"];
        for (code, name) in (0x04..).step_by(0x10).zip(names).chain([(0xa4, "xor")]) {
            assert_eq!(written(code, 0, 0, 3), format!("{name} #0x3"));
            assert_eq!(written(code | 0x08, 0, 0, 3), format!("{name} x"));
        }
        // Half words, packets and the remainder are not for seccomp.
        assert_eq!(written(0x28, 0, 0, 12), ".word 0x0028, 0, 0, 0xc");
        assert_eq!(written(0x94, 1, 2, 3), ".word 0x0094, 1, 2, 0x3");
    }

    #[test]
    fn half_an_instruction_is_none() {
        assert_eq!(parse(&[0; 15]).len(), 1);
        let bytes = [0x15_u16.to_ne_bytes().as_slice(), &[1, 2], &7_u32.to_ne_bytes()].concat();
        let expected = Instruction { code: 0x15, jump_true: 1, jump_false: 2, k: 7 };
        assert_eq!(parse(&bytes), [expected]);
    }
}
