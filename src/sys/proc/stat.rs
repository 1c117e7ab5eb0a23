//! `/proc/PID/stat`: proc_pid_stat(5).
//!
//! The command name is chosen by the process and may hold `) R 1` or a newline, so fields are
//! counted from the last `)`.

use crate::model::process::{Pid, State};
use crate::model::standing::Schedule;
use crate::model::text::Text;

/// What scan and supervision need of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// In the numbering of that /proc.
    pub pid: Pid,
    /// As the process chose it, without the parentheses.
    pub comm: Text,
    /// Of all of it: a process whose first thread has ended lives on in others.
    pub state: State,
    /// Absent where the parent is outside the reader's pid namespace.
    pub parent: Option<Pid>,
    /// PF_* bits of linux/sched.h.
    pub flags: u32,
    /// Clock ticks since boot.
    pub start_ticks: u64,
}

impl Stat {
    /// PF_KTHREAD
    pub const fn is_kernel_thread(&self) -> bool {
        self.flags & 0x0020_0000 != 0
    }
}

/// The name is anything between the first `(` and the last `)`.
pub fn parse(bytes: &[u8]) -> Option<Stat> {
    let open = bytes.iter().position(|byte| *byte == b'(')?;
    let close = bytes.iter().rposition(|byte| *byte == b')')?;
    let pid = Pid::parse(bytes.get(..open)?.strip_suffix(b" ")?)?;
    let comm = Text::new(bytes.get(open + 1..close)?);
    // Field 3 (state) is the first after the name.
    let mut fields = bytes.get(close + 2..)?.split(u8::is_ascii_whitespace);
    let letter = *fields.next()?.first()?;
    let parent = Pid::parse(fields.next()?);
    let flags = number(fields.nth(4)?)?; // field 9
    let threads = number(fields.nth(10)?)?; // field 20
    let start_ticks = number(fields.nth(1)?)?; // field 22
    let state = State::of(letter, threads);
    Some(Stat { pid, comm, state, parent, flags, start_ticks })
}

/// Fields 19, 40 and 41 of the same file.
pub fn schedule(bytes: &[u8]) -> Option<Schedule> {
    let close = bytes.iter().rposition(|byte| *byte == b')')?;
    let mut fields = bytes.get(close + 2..)?.split(u8::is_ascii_whitespace);
    let nice = number(fields.nth(16)?)?;
    let priority = number(fields.nth(20)?)?;
    Some(Schedule { policy: number(fields.next()?)?, priority, nice })
}

fn number<T: std::str::FromStr>(field: &[u8]) -> Option<T> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"30176 (nginx) S 30150 30176 30176 0 -1 4194560 1021 0 0 0 1 2 0 0 20 0 1 0 \
        123456 5824512 1180 18446744073709551615 1 1 0 0 0 0 0 1073746048 402745863 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

    #[test]
    fn an_ordinary_line() {
        let stat = parse(LINE).unwrap();
        assert_eq!(stat.pid.number(), 30176);
        assert_eq!(stat.comm, "nginx");
        assert_eq!(stat.parent.map(Pid::number), Some(30150));
        assert_eq!(stat.start_ticks, 123_456);
        assert!(!stat.is_kernel_thread());
    }

    #[test]
    fn a_process_outlives_its_first_thread() {
        let state = |letter, threads| {
            let line = String::from_utf8(LINE.to_vec()).unwrap();
            let line = line.replacen(") S", &format!(") {letter}"), 1);
            let line = line.replacen(" 20 0 1 0 ", &format!(" 20 0 {threads} 0 "), 1);
            parse(line.as_bytes()).unwrap().state
        };
        assert!(state('Z', 1).ended() && !state('Z', 1).is_headless());
        assert!(!state('Z', 3).ended() && state('Z', 3).is_headless());
        assert_eq!(state('Z', 3).letter(), 'Z');
        assert_eq!(state('S', 3), State(b'S'));
    }

    #[test]
    fn a_name_cannot_forge_fields() {
        let line =
            [b"7 (a) R 1 (\n) S 9 7 7 0 -1 2097152 ".as_slice(), &b"0 ".repeat(12), b"55 0\n"];
        let stat = parse(&line.concat()).unwrap();
        assert_eq!(stat.comm, "a) R 1 (\n");
        assert_eq!(stat.parent.map(Pid::number), Some(9));
        assert_eq!(stat.start_ticks, 55);
        assert!(stat.is_kernel_thread());
    }

    #[test]
    fn its_share_of_the_cpu_is_told() {
        let ordinary = Schedule::default();
        assert_eq!(schedule(LINE), Some(ordinary));
        let line = String::from_utf8(LINE.to_vec()).unwrap();
        let line = line.replace(" 20 0 1 0 ", " -6 -7 1 0 ").replace(" 17 1 0 0 ", " 17 1 5 2 ");
        let real_time = Schedule { policy: 2, priority: 5, nice: -7 };
        assert_eq!(schedule(line.as_bytes()), Some(real_time));
        assert_eq!(schedule(b"7 (a) S 1"), None);
        let idle = Schedule { policy: 5, ..ordinary };
        let nice = Schedule { nice: 1, ..ordinary };
        assert!(idle.is_free_from(ordinary) && nice.is_free_from(ordinary));
        for (wanted, before) in [(ordinary, idle), (ordinary, nice), (real_time, ordinary)] {
            assert!(!wanted.is_free_from(before), "{wanted:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (parse(&bytes), schedule(&bytes));
        }

        #[test]
        fn a_cut_line_is_refused_or_right(cut in 0..LINE.len()) {
            if let Some(stat) = parse(&LINE[..cut]) {
                proptest::prop_assert_eq!(stat.pid.number(), 30176);
            }
        }
    }
}
