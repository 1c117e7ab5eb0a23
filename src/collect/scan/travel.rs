//! What was seen of one process, as it travels from a member of the crew: fixed fields in the
//! machine's byte order, written and read by the same program.

use super::Visit;
use crate::model::namespace::{Kind, NsSet};
use crate::model::process::{Pid, Process, State};
use crate::model::text::Text;
use crate::sys::crew::travel::Rest;

const GONE: u8 = 0;
const OF_THE_HOST: u8 = 1;
const HIDDEN: u8 = 2;
const ISOLATED: u8 = 3;
const FAILED: u8 = 4;

impl Visit {
    /// The other end is `read`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let process = match self {
            Self::Gone => return out.push(GONE),
            Self::OfTheHost => return out.push(OF_THE_HOST),
            Self::Hidden => return out.push(HIDDEN),
            Self::Failed => return out.push(FAILED),
            Self::Isolated(process) => process,
        };
        out.extend([ISOLATED, process.state.0, u8::from(process.kernel_thread)]);
        out.extend(process.pid.number().to_ne_bytes());
        out.extend(process.parent.map_or(0, Pid::number).to_ne_bytes());
        out.extend(process.start_ticks.to_ne_bytes());
        for kind in Kind::ALL {
            out.extend(process.namespaces.inode(kind).unwrap_or(0).to_ne_bytes());
        }
        let comm = process.comm.as_bytes();
        out.push(u8::try_from(comm.len()).unwrap_or(u8::MAX));
        out.extend(comm.iter().take(usize::from(u8::MAX)));
        out.extend(process.cgroup.as_bytes());
    }

    /// What was cut off, or written by something else, counts as gone.
    pub fn read(bytes: &[u8]) -> Self {
        match bytes.split_first() {
            Some((&OF_THE_HOST, _)) => Self::OfTheHost,
            Some((&HIDDEN, _)) => Self::Hidden,
            Some((&FAILED, _)) => Self::Failed,
            Some((&ISOLATED, rest)) => {
                process(rest).map_or(Self::Gone, |process| Self::Isolated(Box::new(process)))
            }
            _ => Self::Gone,
        }
    }
}

fn process(bytes: &[u8]) -> Option<Process> {
    let mut rest = Rest(bytes);
    let [state, kernel_thread] = rest.array()?;
    let pid = Pid::new(rest.u32()?)?;
    let parent = Pid::new(rest.u32()?);
    let start_ticks = rest.u64()?;
    let mut namespaces = NsSet::default();
    for kind in Kind::ALL {
        match rest.u64()? {
            0 => {}
            inode => namespaces.set(kind, inode),
        }
    }
    let length = rest.byte()?;
    let (comm, cgroup) = rest.0.split_at_checked(usize::from(length))?;
    Some(Process {
        pid,
        parent,
        state: State(state),
        kernel_thread: kernel_thread != 0,
        comm: Text::new(comm),
        start_ticks,
        namespaces,
        cgroup: Text::new(cgroup),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut namespaces = NsSet::default();
        namespaces.set(Kind::Net, 4_026_532_000);
        let process = Process {
            pid: Pid::new(42).unwrap(),
            parent: None,
            state: State(b'S'),
            kernel_thread: false,
            comm: Text::new(b"a\n\xff"),
            start_ticks: 99,
            namespaces,
            cgroup: Text::new(b"0::/x\n"),
        };
        let mut bytes = Vec::new();
        Visit::Isolated(Box::new(process.clone())).write(&mut bytes);
        let Visit::Isolated(read) = Visit::read(&bytes) else { panic!("it was isolated") };
        assert_eq!(format!("{read:?}"), format!("{process:?}"));
        for cut in 0..bytes.len() - process.cgroup.as_bytes().len() {
            assert!(matches!(Visit::read(&bytes[..cut]), Visit::Gone));
        }
    }
}
