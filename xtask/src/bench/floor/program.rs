//! The least that could be done: eight links of every process for a listing of namespaces, the
//! kernel's own text for one of mounts. A program of its own, built by `bench::floor`; not a module.

use std::io::{Read, Write};

const KINDS: [&str; 8] = ["mnt", "uts", "ipc", "net", "pid", "cgroup", "user", "time"];

fn main() {
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let bytes = match arguments.next() {
        Some(file) if name.as_encoded_bytes().ends_with(b"read") => read(file.as_ref()),
        _ => links(),
    };
    let _ = writeln!(std::io::stdout(), "{bytes}");
}

fn links() -> usize {
    let mut bytes = 0;
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let name = entry.file_name();
        if !name.as_encoded_bytes().iter().all(u8::is_ascii_digit) {
            continue;
        }
        for kind in KINDS {
            let path = std::path::Path::new("/proc").join(&name).join("ns").join(kind);
            bytes += std::fs::read_link(path).map_or(0, |link| link.as_os_str().len());
        }
    }
    bytes
}

fn read(file: &std::path::Path) -> usize {
    let mut buffer = vec![0; 1 << 16];
    let Ok(mut file) = std::fs::File::open(file) else { return 0 };
    let counts = std::iter::from_fn(|| file.read(&mut buffer).ok().filter(|count| *count > 0));
    counts.sum()
}
