//! How long the parsers take on what a busy host shows: for comparing one change with another on
//! one machine. What whole programs cost beside their peers is `cargo xtask bench`.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nsx::collect::runtime::recognise;
use nsx::model::text::Text;
use nsx::sys::proc::{fib, mountinfo, stat, status};
use std::fmt::Write as _;
use std::hint::black_box;

const ID: &str = "6961dd4fce83c1e2a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f80912";

const STAT: &[u8] = b"30176 (nginx) S 30150 30176 30176 0 -1 4194560 1021 0 0 0 1 2 0 0 20 0 1 0 \
    123456 5824512 1180 18446744073709551615 1 1 0 0 0 0 0 1073746048 402745863 0 0 0 17 1 0 0 0 0 0 \
    0 0 0 0 0 0 0 0\n";

const STATUS: &[u8] = b"Name:\tnginx\nUmask:\t0022\nState:\tS (sleeping)\nTgid:\t30221\nNgid:\t0\n\
    Pid:\t30221\nPPid:\t30176\nTracerPid:\t0\nUid:\t0\t101\t0\t0\nGid:\t0\t0\t0\t0\nFDSize:\t64\n\
    Groups:\t1 27 \nNStgid:\t30221\t29\nNSpid:\t30221\t29\nNSpgid:\t30176\t1\nNSsid:\t30176\t1\n\
    Kthread:\t0\nVmPeak:\t   11408 kB\nVmSize:\t   11408 kB\nVmLck:\t       0 kB\nVmPin:\t       0 kB\n\
    VmHWM:\t    7388 kB\nVmRSS:\t    7388 kB\nRssAnon:\t    1148 kB\nRssFile:\t    6240 kB\n\
    RssShmem:\t       0 kB\nVmData:\t    1660 kB\nVmStk:\t     132 kB\nVmExe:\t     956 kB\n\
    VmLib:\t    6664 kB\nVmPTE:\t      60 kB\nVmSwap:\t       0 kB\nHugetlbPages:\t       0 kB\n\
    CoreDumping:\t0\nTHP_enabled:\t1\nuntag_mask:\t0xffffffffffffffff\nThreads:\t1\n\
    SigQ:\t0/95951\nSigPnd:\t0000000000000000\nShdPnd:\t0000000000000000\n\
    SigBlk:\t0000000000000000\nSigIgn:\t0000000040001000\nSigCgt:\t0000000198016a07\n\
    CapInh:\t0000000000000000\nCapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\n\
    CapBnd:\t00000000a80425fb\nCapAmb:\t0000000000000000\nNoNewPrivs:\t1\nSeccomp:\t2\n\
    Seccomp_filters:\t1\nSpeculation_Store_Bypass:\tvulnerable\n\
    SpeculationIndirectBranch:\tconditional enabled\nCpus_allowed:\tf\nCpus_allowed_list:\t0-3\n\
    Mems_allowed:\t1\nMems_allowed_list:\t0\nvoluntary_ctxt_switches:\t35\n\
    nonvoluntary_ctxt_switches:\t1\n";

/// `lines` mounts, one in four with an escaped name.
fn mountinfo_of(lines: usize) -> String {
    let mut text = String::new();
    for at in 0..lines {
        let gap = if at % 4 == 0 { "\\040" } else { "-" };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{at} 22 0:{at} / /var/lib/docker/overlay2/layer{gap}{at}/merged rw,relatime shared:{at} - \
             overlay overlay rw,lowerdir=/l/AB:/l/CD,upperdir=/u/{at},workdir=/w/{at},uuid=on"
        );
    }
    text
}

/// As the kernel draws the two tables of a namespace with `addresses` addresses.
fn fib_trie_of(addresses: usize) -> String {
    let mut text = String::new();
    for table in ["Main", "Local"] {
        let _ = writeln!(text, "{table}:\n  +-- 0.0.0.0/0 3 0 5");
        for at in 0..addresses {
            let (high, low) = (at / 250, at % 250 + 1);
            let _ = writeln!(
                text,
                "     +-- 10.{high}.{low}.0/24 2 0 1\n        |-- 10.{high}.{low}.0\n           \
                 /24 link UNICAST\n        |-- 10.{high}.{low}.2\n           /32 host LOCAL\n        \
                 |-- 10.{high}.{low}.255\n           /32 link BROADCAST"
            );
        }
    }
    text
}

fn proc_files(c: &mut Criterion) {
    c.bench_function("stat", |b| b.iter(|| stat::parse(black_box(STAT))));
    c.bench_function("status", |b| b.iter(|| status::parse(black_box(STATUS))));

    let mounts = mountinfo_of(1000);
    let mut group = c.benchmark_group("mountinfo");
    group.throughput(Throughput::Elements(1000));
    group.bench_function("1000 lines", |b| {
        b.iter(|| mountinfo::parse(black_box(mounts.as_bytes())));
    });
    group.finish();

    let trie = fib_trie_of(500);
    let mut group = c.benchmark_group("fib_trie");
    group.throughput(Throughput::Elements(500));
    group.bench_function("500 addresses", |b| {
        b.iter(|| fib::parse_v4(black_box(trie.as_bytes())));
    });
    group.finish();
}

fn recognising(c: &mut Criterion) {
    let files = [
        ("docker", format!("0::/system.slice/docker-{ID}.scope\n")),
        ("service", "0::/system.slice/system-getty.slice/getty@tty1.service\n".to_owned()),
        ("nothing", "0::/user.slice/user-1000.slice/session-3.scope\n".to_owned()),
        (
            "hybrid",
            format!(
                "12:pids:/docker/{ID}\n11:memory:/docker/{ID}\n10:cpu,cpuacct:/docker/{ID}\n\
                 1:name=systemd:/docker/{ID}\n0::/system.slice/containerd.service\n"
            ),
        ),
    ];
    let mut group = c.benchmark_group("recognise");
    for (name, lines) in &files {
        group.bench_function(*name, |b| {
            b.iter(|| recognise::cgroup(black_box(lines.as_bytes())));
        });
    }
    group.finish();
}

fn text(c: &mut Criterion) {
    let samples: [(&str, Vec<u8>); 3] = [
        ("ordinary", b"nginx: worker process".to_vec()),
        ("languages", "naïve/Привет/日本語/🦀".into()),
        ("hostile", b"\x1b]0;owned\x07\xe2\x80\xaegpj\xff\xfe\\\xc2\x9b31m\r\n".repeat(100)),
    ];
    let mut group = c.benchmark_group("text");
    for (name, bytes) in samples {
        let text = Text::from(bytes);
        group.bench_function(name, |b| b.iter(|| black_box(&text).to_string()));
    }
    group.finish();
}

criterion_group!(benches, proc_files, recognising, text);
criterion_main!(benches);
