//! What was seen of one process, as it travels from a member of the crew: fixed fields in the
//! machine's byte order, written and read by the same program.

use crate::model::census::NsKey;
use crate::model::gap::Reason;
use crate::model::namespace::{Kind, NsSet};
use crate::model::process::Pid;
use crate::model::text::Text;
use crate::sys::crew::travel::{self, Rest};

/// One visit to `/proc/PID`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Visit {
    /// Unless it is [`Status::Seen`] all the rest is empty.
    pub status: Status,
    /// By inode; what its first thread has left is taken from its other threads.
    pub namespaces: NsSet,
    /// Where the process was described.
    pub about: Option<About>,
    /// The thread that was asked what the first one has left.
    pub asked: Option<Pid>,
    /// Threads in other namespaces than their process.
    pub threads: Vec<(Pid, NsSet)>,
    /// Namespaces of children to come that are not its own.
    pub for_children: NsSet,
    /// Bind mounts of its mount namespace, where it is the first one seen there.
    pub mounts: Vec<(NsKey, Text)>,
    /// Those are all that are mounted there.
    pub has_all_mounts: bool,
    /// Those of its descriptors that hold a namespace; empty where holders are not asked for.
    pub descriptors: Vec<Descriptor>,
    /// Why some of its threads, descriptors or mounts could not be seen.
    pub lacks: Lacks,
}

/// A set of reasons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lacks(u8);

impl Lacks {
    /// With one more.
    pub fn add(&mut self, reason: Reason) {
        self.0 |= 1 << reason as u8;
    }

    /// In the order of [`Reason::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Reason> {
        Reason::ALL.into_iter().filter(move |reason| self.0 & (1 << *reason as u8) != 0)
    }
}

/// What came of a visit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Status {
    /// It has ended: ENOENT or ESRCH, or no namespace is left.
    #[default]
    Gone,
    /// Its namespaces were read.
    Seen,
    /// Its namespaces are not ours to read.
    Hidden,
    /// It is there, and something went wrong.
    Failed,
    /// One of the kernel's own, in the namespaces that all of them are in.
    Kernel,
}

/// A process as it is described in a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Owner of `/proc/PID`: the effective uid, root's for a process that is not dumpable.
    pub uid: u32,
    /// 0 for none.
    pub parent: u32,
    /// Arguments separated by blanks; where there are none, the name of `/proc/PID/stat`.
    pub command: Vec<u8>,
    /// Whether that is all of the command line, and why not.
    pub quality: Quality,
}

/// What became of a command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quality {
    /// All of it; or there is none, and the name is all there is.
    #[default]
    Whole,
    /// It is longer than the cap.
    Cut,
    /// It did not answer, and the name stands in its place.
    NoAnswer,
    /// EACCES or EPERM: the name stands in its place.
    Denied,
    /// It could not be read for another reason, and the name stands in its place.
    Failed,
}

/// A descriptor that is a namespace, or a socket in a network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// The name in `/proc/PID/fd`.
    pub number: u32,
    /// Of the namespace; net for a socket.
    pub kind: Kind,
    /// Of the namespace, also where the descriptor is a socket in it.
    pub inode: u64,
    /// A socket in it, and not the namespace itself.
    pub socket: bool,
}

impl Visit {
    /// Something of it could not be seen; what has ended meanwhile lacks nothing.
    pub(super) fn lack(&mut self, reason: Reason) {
        if reason != Reason::Gone {
            self.lacks.add(reason);
        }
    }

    /// The other end is `read`.
    pub fn write(&self, out: &mut Vec<u8>) {
        let status = match self.status {
            Status::Gone => 0_u8,
            Status::Seen => 1,
            Status::Hidden => 2,
            Status::Kernel => 3,
            Status::Failed => 4,
        };
        out.push(status);
        out.push(self.lacks.0);
        out.push(self.has_all_mounts.into());
        out.extend(self.asked.map_or(0, Pid::number).to_ne_bytes());
        write_set(&self.namespaces, out);
        write_set(&self.for_children, out);
        match &self.about {
            None => out.push(0),
            Some(about) => {
                out.push(match about.quality {
                    Quality::Whole => 1,
                    Quality::Cut => 2,
                    Quality::NoAnswer => 3,
                    Quality::Denied => 4,
                    Quality::Failed => 5,
                });
                out.extend(about.uid.to_ne_bytes());
                out.extend(about.parent.to_ne_bytes());
                travel::write(&about.command, out);
            }
        }
        out.extend(u32::try_from(self.threads.len()).unwrap_or(0).to_ne_bytes());
        for (thread, namespaces) in &self.threads {
            out.extend(thread.number().to_ne_bytes());
            write_set(namespaces, out);
        }
        out.extend(u32::try_from(self.mounts.len()).unwrap_or(0).to_ne_bytes());
        for (key, target) in &self.mounts {
            out.push(key.kind as u8);
            out.extend(key.inode.to_ne_bytes());
            travel::write(target.as_bytes(), out);
        }
        for descriptor in &self.descriptors {
            out.push(descriptor.kind as u8 | u8::from(descriptor.socket) << 7);
            out.extend(descriptor.number.to_ne_bytes());
            out.extend(descriptor.inode.to_ne_bytes());
        }
    }

    /// `None` for what was cut off, or written by something else.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut rest = Rest(bytes);
        let [status, lacks, has_all_mounts] = rest.array()?;
        let mut visit = Self {
            status: match status {
                0 => Status::Gone,
                1 => Status::Seen,
                2 => Status::Hidden,
                3 => Status::Kernel,
                4 => Status::Failed,
                _ => return None,
            },
            lacks: Lacks(lacks),
            has_all_mounts: has_all_mounts != 0,
            asked: Pid::new(rest.u32()?),
            namespaces: read_set(&mut rest)?,
            for_children: read_set(&mut rest)?,
            ..Self::default()
        };
        let quality = match rest.byte()? {
            0 => None,
            1 => Some(Quality::Whole),
            2 => Some(Quality::Cut),
            3 => Some(Quality::NoAnswer),
            4 => Some(Quality::Denied),
            5 => Some(Quality::Failed),
            _ => return None,
        };
        if let Some(quality) = quality {
            let (uid, parent, command) = (rest.u32()?, rest.u32()?, rest.bytes()?.to_vec());
            visit.about = Some(About { uid, parent, command, quality });
        }
        for _ in 0..rest.u32()? {
            visit.threads.push((Pid::new(rest.u32()?)?, read_set(&mut rest)?));
        }
        for _ in 0..rest.u32()? {
            let key = NsKey { kind: kind_of(rest.byte()?)?, inode: rest.u64()? };
            visit.mounts.push((key, Text::new(rest.bytes()?)));
        }
        while !rest.0.is_empty() {
            let kind = rest.byte()?;
            visit.descriptors.push(Descriptor {
                kind: kind_of(kind & 0x7f)?,
                socket: kind & 0x80 != 0,
                number: rest.u32()?,
                inode: rest.u64()?,
            });
        }
        Some(visit)
    }
}

/// Which kinds are known, and their inodes.
fn write_set(set: &NsSet, out: &mut Vec<u8>) {
    let known = Kind::ALL.into_iter().filter_map(|kind| Some((kind, set.inode(kind)?)));
    let start = out.len();
    out.push(0);
    for (kind, inode) in known {
        if let Some(mask) = out.get_mut(start) {
            *mask |= 1 << kind as u8;
        }
        out.extend(inode.to_ne_bytes());
    }
}

fn kind_of(byte: u8) -> Option<Kind> {
    Kind::ALL.get(usize::from(byte)).copied()
}

fn read_set(rest: &mut Rest<'_>) -> Option<NsSet> {
    let mask = rest.byte()?;
    let mut set = NsSet::default();
    for kind in Kind::ALL.into_iter().filter(|kind| mask & (1 << *kind as u8) != 0) {
        set.set(kind, rest.u64()?);
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_arrives_as_it_was() {
        let mut namespaces = NsSet::default();
        namespaces.set(Kind::Net, u64::MAX);
        namespaces.set(Kind::Time, 7);
        let full = Visit {
            status: Status::Seen,
            namespaces,
            asked: Pid::new(8),
            for_children: namespaces,
            about: Some(About {
                uid: u32::MAX,
                parent: 1,
                command: b"a\0b".to_vec(),
                quality: Quality::Cut,
            }),
            threads: vec![(Pid::new(9).unwrap(), namespaces)],
            mounts: vec![(NsKey { kind: Kind::Uts, inode: 8 }, "/run/a b".into())],
            descriptors: vec![Descriptor {
                number: 3,
                kind: Kind::Time,
                inode: 1 << 40,
                socket: true,
            }],
            has_all_mounts: true,
            lacks: Lacks(0b101),
        };
        for visit in [full, Visit { status: Status::Hidden, ..Visit::default() }, Visit::default()]
        {
            let mut bytes = Vec::new();
            visit.write(&mut bytes);
            assert_eq!(Visit::read(&bytes), Some(visit));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Visit::read(&bytes);
        }
    }
}
