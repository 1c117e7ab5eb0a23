//! What the kernel says of one open namespace, as it travels from a member of the crew: written and
//! read by the same program.

use crate::model::census::NsKey;
use crate::model::namespace::Kind;

/// One answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Answer {
    /// The report does not show it, or it is of no namespace of this kind.
    #[default]
    NotAsked,
    /// The kernel says that there is none.
    None,
    /// A number: an inode, an id or a uid.
    Is(u64),
    /// With this errno.
    Refused(i32),
}

/// All of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The namespace that was asked.
    pub key: NsKey,
    /// The inode of the user namespace that owns it (NS_GET_USERNS).
    pub owner: Answer,
    /// The inode of the namespace above (NS_GET_PARENT); none for kinds other than user and pid.
    pub parent: Answer,
    /// The number that is never given twice (NS_GET_ID, Linux 6.18).
    pub id: Answer,
    /// What our network namespace calls it, of network namespaces; none where it has no number.
    pub net_id: Answer,
    /// Who made it, of user namespaces (NS_GET_OWNER_UID), in the reader's user namespace.
    pub owner_uid: Answer,
}

impl Facts {
    /// One of which nothing was asked yet.
    pub fn none(key: NsKey) -> Self {
        let not = Answer::NotAsked;
        Self { key, owner: not, parent: not, id: not, net_id: not, owner_uid: not }
    }

    /// The other end is `read_all`.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.key.kind as u8);
        out.extend(self.key.inode.to_ne_bytes());
        for answer in [self.owner, self.parent, self.id, self.net_id, self.owner_uid] {
            let (tag, value) = match answer {
                Answer::NotAsked => (0, 0),
                Answer::None => (1, 0),
                Answer::Is(value) => (2, value),
                Answer::Refused(errno) => (3, u64::from(errno.unsigned_abs())),
            };
            out.push(tag);
            out.extend(value.to_ne_bytes());
        }
    }

    /// All that were written one after the other.
    pub fn read_all(bytes: &[u8]) -> impl Iterator<Item = Self> {
        bytes.chunks_exact(9 * 6).filter_map(Self::read)
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut fields = bytes
            .as_chunks::<9>()
            .0
            .iter()
            .map(|[tag, value @ ..]| (*tag, u64::from_ne_bytes(*value)));
        let (kind, inode) = fields.next()?;
        let mut answer = || {
            Some(match fields.next()? {
                (1, _) => Answer::None,
                (2, value) => Answer::Is(value),
                (3, errno) => Answer::Refused(i32::try_from(errno).ok()?),
                _ => Answer::NotAsked,
            })
        };
        Some(Self {
            key: NsKey { kind: *Kind::ALL.get(usize::from(kind))?, inode },
            owner: answer()?,
            parent: answer()?,
            id: answer()?,
            net_id: answer()?,
            owner_uid: answer()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_arrive_as_they_were() {
        let facts = Facts {
            owner: Answer::Is(u64::MAX),
            parent: Answer::None,
            id: Answer::Refused(25),
            ..Facts::none(NsKey { kind: Kind::Time, inode: 1 << 40 })
        };
        let mut bytes = Vec::new();
        facts.write(&mut bytes);
        facts.write(&mut bytes);
        assert_eq!(Facts::read_all(&bytes).collect::<Vec<_>>(), [facts, facts]);
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Facts::read_all(&bytes).count();
        }
    }
}
