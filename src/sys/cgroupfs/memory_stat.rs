//! memory.stat, of v1 and v2: what is used of it. Pure.

use super::values::keyed;

/// Bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryStat {
    /// Anonymous memory: `anon`; v1: `total_rss`.
    pub anon: Option<u64>,
    /// Page cache, tmpfs and shared memory too: `file`; v1: `total_cache`.
    pub file: Option<u64>,
    /// Page cache on the active list: reclaimed last.
    pub active_file: Option<u64>,
    /// Page cache on the inactive list: reclaimed first, and no part of the working set.
    pub inactive_file: Option<u64>,
    /// tmpfs and shared memory, which only swap can take.
    pub shmem: Option<u64>,
    /// Page cache that is mapped.
    pub file_mapped: Option<u64>,
    /// Page cache that has yet to be written.
    pub file_dirty: Option<u64>,
    /// The kernel's own objects; v2 alone.
    pub slab: Option<u64>,
    /// Kernel stacks of its threads; v2 alone.
    pub kernel_stack: Option<u64>,
    /// Page tables; v2 alone.
    pub page_tables: Option<u64>,
    /// Buffers of network sockets; v2 alone.
    pub sock: Option<u64>,
    /// v2, since 5.18; before that the sum of its parts.
    pub kernel: Option<u64>,
    /// v1, there exactly where memory.memsw.* are. memsw less usage is the same number, but taken
    /// from two moments, and so shows swap on a machine that has none.
    pub swap: Option<u64>,
    /// v1: the tightest limit of the group and all above it, mounted or not.
    pub hierarchical_limit: Option<u64>,
}

/// v1. Its `total_` lines count the groups below, as usage does.
pub fn parse_v1(bytes: &[u8]) -> MemoryStat {
    let mut stat = MemoryStat::default();
    for (key, value) in keyed(bytes) {
        let field = match key {
            b"total_rss" => &mut stat.anon,
            b"total_cache" => &mut stat.file,
            b"total_active_file" => &mut stat.active_file,
            b"total_inactive_file" => &mut stat.inactive_file,
            b"total_shmem" => &mut stat.shmem,
            b"total_mapped_file" => &mut stat.file_mapped,
            b"total_dirty" => &mut stat.file_dirty,
            b"total_swap" => &mut stat.swap,
            b"hierarchical_memory_limit" => &mut stat.hierarchical_limit,
            _ => continue,
        };
        *field = Some(value);
    }
    stat
}

/// v2: its lines count the groups below.
pub fn parse_v2(bytes: &[u8]) -> MemoryStat {
    let mut stat = MemoryStat::default();
    let mut kernel_parts: Option<u64> = None;
    for (key, value) in keyed(bytes) {
        if matches!(key, b"kernel_stack" | b"pagetables" | b"percpu" | b"vmalloc" | b"slab") {
            kernel_parts = Some(kernel_parts.unwrap_or_default().saturating_add(value));
        }
        let field = match key {
            b"anon" => &mut stat.anon,
            b"file" => &mut stat.file,
            b"active_file" => &mut stat.active_file,
            b"inactive_file" => &mut stat.inactive_file,
            b"shmem" => &mut stat.shmem,
            b"file_mapped" => &mut stat.file_mapped,
            b"file_dirty" => &mut stat.file_dirty,
            b"slab" => &mut stat.slab,
            b"kernel_stack" => &mut stat.kernel_stack,
            b"pagetables" => &mut stat.page_tables,
            b"sock" => &mut stat.sock,
            b"kernel" => &mut stat.kernel,
            _ => continue,
        };
        *field = Some(value);
    }
    stat.kernel = stat.kernel.or(kernel_parts);
    stat
}

#[cfg(test)]
mod tests {
    use super::*;

    // Cut from Linux 6.18, `docker run` on v1, and 6.1 with v2.
    const V1: &[u8] = b"cache 1\nrss 2\ninactive_file 3\nactive_file 4\n\
        hierarchical_memory_limit 67108864\nhierarchical_memsw_limit 134217728\n\
        total_cache 7668183040\ntotal_rss 13443072\ntotal_shmem 172032\ntotal_mapped_file 13033472\n\
        total_dirty 311296\ntotal_swap 0\ntotal_inactive_file 4518989824\ntotal_active_file 3149021184\n";
    const V2: &[u8] =
        b"anon 1744896\nfile 1318912\nkernel_stack 16384\npagetables 81920\nsec_pagetables 0\n\
        percpu 720\nsock 4096\nvmalloc 8\nshmem 12288\nfile_mapped 819200\nfile_dirty 8192\n\
        inactive_file 954368\nactive_file 352256\nslab_reclaimable 7\nslab 252136\n";

    #[test]
    fn v1_counts_the_groups_below() {
        let stat = parse_v1(V1);
        assert_eq!((stat.anon, stat.file), (Some(13_443_072), Some(7_668_183_040)));
        assert_eq!(stat.inactive_file, Some(4_518_989_824));
        assert_eq!((stat.file_dirty, stat.shmem), (Some(311_296), Some(172_032)));
        assert_eq!((stat.file_mapped, stat.active_file), (Some(13_033_472), Some(3_149_021_184)));
        assert_eq!((stat.swap, stat.hierarchical_limit), (Some(0), Some(67_108_864)));
        assert_eq!((stat.slab, stat.kernel), (None, None));
    }

    #[test]
    fn v2_sums_the_kernels_parts_where_it_does_not_say() {
        let expected = MemoryStat {
            anon: Some(1_744_896),
            file: Some(1_318_912),
            active_file: Some(352_256),
            inactive_file: Some(954_368),
            shmem: Some(12288),
            file_mapped: Some(819_200),
            file_dirty: Some(8192),
            slab: Some(252_136),
            kernel_stack: Some(16384),
            page_tables: Some(81920),
            sock: Some(4096),
            kernel: Some(16384 + 81920 + 720 + 8 + 252_136),
            swap: None,
            hierarchical_limit: None,
        };
        assert_eq!(parse_v2(V2), expected);
        assert_eq!(parse_v2(b"slab 5\nkernel 9\n").kernel, Some(9));
        assert_eq!(parse_v2(b""), MemoryStat::default());
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (parse_v1(&bytes), parse_v2(&bytes));
        }

        #[test]
        fn no_sum_overflows(lines in "((kernel_stack|slab|percpu) [0-9]{1,20}\n){0,9}") {
            let _ = parse_v2(lines.as_bytes());
        }
    }
}
