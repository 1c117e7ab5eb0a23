//! What a group reads and writes, by device, and its huge pages.

use super::{Limit, flat};
use crate::model::text::Text;

/// What a group reads and writes, and may.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Io {
    /// Those that it has used. v1 knows nothing of what was written through the page cache.
    pub devices: Vec<IoDevice>,
    /// As they are set, by the group itself and, on v2, those above it. Those of groups above do not
    /// concern a group of v1.
    pub limits: Vec<IoLimit>,
}

/// Since the group was made.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IoDevice {
    /// `MAJOR:MINOR`
    pub device: Text,
    /// `sda`; null where the machine does not have it any more.
    pub name: Option<Text>,
    /// v1 `Read` of blkio.throttle.io_service_bytes_recursive, v2 `rbytes` of io.stat.
    pub read_bytes: u64,
    /// v1 `Write` of the same file, v2 `wbytes`.
    pub written_bytes: u64,
    /// What the device was told to forget (TRIM): v1 `Discard` of the same file, v2 `dbytes`.
    pub discarded_bytes: u64,
    /// Operations: v1 `Read` of blkio.throttle.io_serviced_recursive, v2 `rios` of io.stat.
    pub reads: u64,
    /// Operations: v1 `Write` of the same file, v2 `wios`.
    pub writes: u64,
    /// Operations: v1 `Discard` of the same file, v2 `dios`.
    pub discards: u64,
}

/// What is limited, per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum IoKind {
    /// v1 blkio.throttle.read_bps_device, v2 `rbps` of io.max.
    ReadBytes,
    /// v1 blkio.throttle.write_bps_device, v2 `wbps` of io.max.
    WrittenBytes,
    /// Operations: v1 blkio.throttle.read_iops_device, v2 `riops` of io.max.
    Reads,
    /// Operations: v1 blkio.throttle.write_iops_device, v2 `wiops` of io.max.
    Writes,
}

impl IoKind {
    /// As io.max of v2 calls it.
    pub const fn key(self) -> &'static str {
        match self {
            Self::ReadBytes => "rbps",
            Self::WrittenBytes => "wbps",
            Self::Reads => "riops",
            Self::Writes => "wiops",
        }
    }
}

/// A limit of one group on one device.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct IoLimit {
    /// `MAJOR:MINOR`
    pub device: Text,
    /// `sda`; null where the machine does not have it.
    pub name: Option<Text>,
    /// Whether bytes or operations, read or written, are limited.
    pub kind: IoKind,
    /// Bytes or operations, as the kind says.
    pub per_second: u64,
    /// The group, itself or an ancestor, that states it.
    pub set_by: Text,
    /// It is the tightest for this device.
    pub binds: bool,
}

impl Io {
    /// Marks for each device and kind the tightest, of equals the nearest (which stands first).
    pub fn mark_binding(&mut self) {
        let limits = &self.limits;
        let binds = |at: usize, mine: &IoLimit| {
            limits.iter().enumerate().all(|(other_at, other)| {
                let rivals = (&other.device, other.kind) == (&mine.device, mine.kind);
                !rivals || (mine.per_second, at) <= (other.per_second, other_at)
            })
        };
        let marks: Vec<bool> = limits.iter().enumerate().map(|(at, one)| binds(at, one)).collect();
        for (limit, binds) in self.limits.iter_mut().zip(marks) {
            limit.binds = binds;
        }
    }
}

/// Huge pages of one size.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HugePages {
    /// As the kernel names the file: `2MB`, `1GB`.
    pub size: Text,
    /// v1 hugetlb.SIZE.usage_in_bytes, v2 hugetlb.SIZE.current.
    pub usage_bytes: u64,
    /// v1 hugetlb.SIZE.limit_in_bytes, v2 hugetlb.SIZE.max: the tightest from the group upwards.
    #[serde(flatten, serialize_with = "flat::bytes")]
    #[cfg_attr(feature = "schema", schemars(with = "flat::MemoryLimit"))]
    pub limit: Limit,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_binds_for_its_device_and_kind_alone() {
        let limit = |device: &str, kind, per_second| IoLimit {
            device: device.into(),
            name: None,
            kind,
            per_second,
            set_by: "/".into(),
            binds: false,
        };
        let mut io = Io {
            limits: vec![
                limit("8:0", IoKind::Reads, 7),
                limit("8:0", IoKind::ReadBytes, 5),
                limit("8:16", IoKind::Reads, 9),
                limit("8:0", IoKind::Reads, 7),
                limit("8:0", IoKind::ReadBytes, 4),
            ],
            ..Io::default()
        };
        io.mark_binding();
        let binding: Vec<bool> = io.limits.iter().map(|limit| limit.binds).collect();
        assert_eq!(binding, [true, false, true, false, true]);
    }
}
