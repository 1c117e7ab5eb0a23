//! What a filter can answer to one system call, its arguments not known.
//!
//! A program of the classic BPF jumps forward only. It is run from the first instruction to the
//! last with every state that can reach each; where too many do, they are taken for one in which
//! what differs is unknown. So no program is too branched, and no answer is missed.

use super::outcome::Outcomes;
use super::program::{Arithmetic, Condition, Instruction, Operation, Register, Source};
use std::collections::BTreeMap;

/// `struct seccomp_data`
const DATA_BYTES: u32 = 64;
const OFFSET_NUMBER: u32 = 0;
const OFFSET_ARCH: u32 = 4;

/// What it takes to begin, in instructions: there may be thousands of filters of one instruction.
const START: u32 = 16;
/// States kept apart at one instruction.
const APART: usize = 4;
const MEMORY: usize = 16;

/// The call that is asked about.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// `seccomp_data.nr`, with the bit that tells x32 from x86_64.
    pub number: u32,
    /// AUDIT_ARCH_* of linux/audit.h.
    pub arch: u32,
}

/// Instructions that may still be run: a process may give itself filters that nobody has the time
/// to go through for every call. What common ones need is a hundredth of it.
#[derive(Clone, Copy, Debug)]
pub struct Budget(pub u32);

impl Default for Budget {
    fn default() -> Self {
        Self(30_000_000)
    }
}

impl Budget {
    const fn spend(&mut self, instructions: u32) -> bool {
        let is_enough = self.0 >= instructions;
        self.0 = self.0.saturating_sub(instructions);
        is_enough
    }

    /// What was not gone through is undetermined from here on.
    pub const fn is_exhausted(self) -> bool {
        self.0 == 0
    }
}

/// Known, or depending on arguments.
type Value = Option<u32>;

/// The kernel clears both registers before a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    a: Value,
    x: Value,
    memory: [Value; MEMORY],
}

/// Where a run goes on.
enum Next {
    At(usize, State),
    /// Either way.
    Both((usize, State), (usize, State)),
    Return(Value),
    /// What the kernel would not have taken.
    Lost,
}

/// Every answer that some arguments lead to.
pub fn outcomes(program: &[Instruction], call: Call, budget: &mut Budget) -> Outcomes {
    let mut found = Outcomes::default();
    if !budget.spend(START) {
        found.add_any();
        return found;
    }
    let mut waiting: BTreeMap<usize, Vec<State>> = BTreeMap::new();
    let mut next = Some((0, State { a: Some(0), x: Some(0), memory: [Some(0); MEMORY] }));
    loop {
        // A run goes on alone as long as none waits at or before its place.
        let (at, state) = match next.take() {
            Some((at, state)) => {
                if waiting.first_key_value().is_some_and(|(first, _)| *first <= at) {
                    wait(&mut waiting, at, state);
                    continue;
                }
                (at, state)
            }
            None => match take(&mut waiting) {
                Some(taken) => taken,
                None => return found,
            },
        };
        if !budget.spend(1) || found.is_any() {
            found.add_any();
            return found;
        }
        match step(program, call, at, state) {
            Next::At(at, state) => next = Some((at, state)),
            Next::Both((at, state), other) => {
                wait(&mut waiting, at, state);
                wait(&mut waiting, other.0, other.1);
            }
            Next::Return(Some(value)) => found.add(value),
            Next::Return(None) | Next::Lost => found.add_any(),
        }
    }
}

/// All that wait at the first place are taken before any goes on: each goes on to a later one.
fn take(waiting: &mut BTreeMap<usize, Vec<State>>) -> Option<(usize, State)> {
    let mut first = waiting.first_entry()?;
    let at = *first.key();
    let state = first.get_mut().pop();
    if first.get().is_empty() {
        first.remove();
    }
    Some((at, state?))
}

fn wait(waiting: &mut BTreeMap<usize, Vec<State>>, at: usize, state: State) {
    let states = waiting.entry(at).or_default();
    if states.contains(&state) {
        return;
    }
    states.push(state);
    if states.len() > APART {
        let joined = states.iter().copied().reduce(State::or);
        states.clear();
        states.extend(joined);
    }
}

impl State {
    /// What is known of both.
    fn or(self, other: Self) -> Self {
        let both = |one: Value, other: Value| if one == other { one } else { None };
        let mut memory = self.memory;
        for (one, other) in memory.iter_mut().zip(other.memory) {
            *one = both(*one, other);
        }
        Self { a: both(self.a, other.a), x: both(self.x, other.x), memory }
    }

    fn value(&self, source: Source, k: u32) -> Option<Value> {
        Some(match source {
            Source::Constant => Some(k),
            Source::A => self.a,
            Source::X => self.x,
            Source::Memory => *self.memory.get(usize::try_from(k).ok()?)?,
            Source::Length => Some(DATA_BYTES),
        })
    }

    const fn register(&mut self, register: Register) -> &mut Value {
        match register {
            Register::A => &mut self.a,
            Register::X => &mut self.x,
        }
    }
}

fn step(program: &[Instruction], call: Call, at: usize, state: State) -> Next {
    run(program, call, at, state).unwrap_or(Next::Lost)
}

/// `None` past the end and for what is no instruction.
fn run(program: &[Instruction], call: Call, at: usize, mut state: State) -> Option<Next> {
    let instruction = *program.get(at)?;
    let k = instruction.k;
    match instruction.operation()? {
        Operation::Load => {
            state.a = match k {
                OFFSET_NUMBER => Some(call.number),
                OFFSET_ARCH => Some(call.arch),
                _ if k < DATA_BYTES && k.is_multiple_of(4) => None,
                _ => return None,
            };
        }
        Operation::Set(register, source) => {
            let value = state.value(source, k)?;
            *state.register(register) = value;
        }
        Operation::Store(register) => {
            let value = *state.register(register);
            *state.memory.get_mut(usize::try_from(k).ok()?)? = value;
        }
        Operation::Arithmetic(which, source) => {
            let operand = state.value(source, k)?;
            // The kernel ends a program that divides by zero with the answer 0.
            if which == Arithmetic::Div && operand.is_none_or(|by| by == 0) {
                return Some(Next::Return(operand));
            }
            state.a = computed(which, state.a, operand);
        }
        Operation::Negate => state.a = state.a.map(u32::wrapping_neg),
        Operation::Jump => return Some(Next::At(beyond(at, k)?, state)),
        Operation::Branch(which, source) => return branch(instruction, which, source, at, state),
        Operation::Return(source) => return Some(Next::Return(state.value(source, k)?)),
    }
    Some(Next::At(at.checked_add(1)?, state))
}

fn branch(
    instruction: Instruction,
    which: Condition,
    source: Source,
    at: usize,
    state: State,
) -> Option<Next> {
    let operand = state.value(source, instruction.k)?;
    let yes = beyond(at, u32::from(instruction.jump_true))?;
    let no = beyond(at, u32::from(instruction.jump_false))?;
    let holds = state.a.zip(operand).map(|(a, operand)| match which {
        Condition::Equal => a == operand,
        Condition::Greater => a > operand,
        Condition::GreaterOrEqual => a >= operand,
        Condition::AnyBit => a & operand != 0,
    });
    Some(match holds {
        Some(true) => Next::At(yes, state),
        Some(false) => Next::At(no, state),
        None if yes == no => Next::At(yes, state),
        None => {
            let mut equal = state;
            if which == Condition::Equal {
                equal.a = state.a.or(operand);
            }
            Next::Both((yes, equal), (no, state))
        }
    })
}

fn beyond(at: usize, distance: u32) -> Option<usize> {
    at.checked_add(1)?.checked_add(usize::try_from(distance).ok()?)
}

fn computed(which: Arithmetic, a: Value, operand: Value) -> Value {
    let (a, operand) = match (a, operand) {
        (Some(a), Some(operand)) => (a, operand),
        (_, Some(0)) | (Some(0), _) if matches!(which, Arithmetic::And | Arithmetic::Mul) => {
            return Some(0);
        }
        _ => return None,
    };
    match which {
        Arithmetic::Add => Some(a.wrapping_add(operand)),
        Arithmetic::Sub => Some(a.wrapping_sub(operand)),
        Arithmetic::Mul => Some(a.wrapping_mul(operand)),
        Arithmetic::Div => a.checked_div(operand),
        Arithmetic::Or => Some(a | operand),
        Arithmetic::And => Some(a & operand),
        Arithmetic::Xor => Some(a ^ operand),
        // As the processor shifts, beyond the width: by the rest.
        Arithmetic::Shl => Some(a.wrapping_shl(operand)),
        Arithmetic::Shr => Some(a.wrapping_shr(operand)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(a: u32, x: u32) -> State {
        State { a: Some(a), x: Some(x), memory: [Some(7); MEMORY] }
    }

    #[test]
    fn of_joined_runs_only_what_is_the_same_is_known() {
        let joined = state(1, 5).or(state(2, 5));
        assert_eq!((joined.a, joined.x, joined.memory), (None, Some(5), [Some(7); MEMORY]));
    }

    #[test]
    fn runs_that_wait_at_one_place_are_kept_apart_up_to_a_bound() {
        let mut waiting = BTreeMap::new();
        for a in (0..).take(APART) {
            wait(&mut waiting, 3, state(a, 5));
            wait(&mut waiting, 3, state(a, 5));
        }
        assert_eq!(waiting[&3].len(), APART);
        wait(&mut waiting, 3, state(99, 5));
        let joined = State { a: None, ..state(0, 5) };
        assert_eq!(waiting[&3], [joined]);
    }
}
