//! A target's resolv.conf, hosts and nsswitch.conf, as they are told and as `enter --dns` puts them
//! before programs of the host: no word of the target's becomes a library that the host has not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::action::dns::nsswitch::merge;
use nsx::collect::network::resolver::of_files;
use nsx::model::process::Pid;
use nsx::sys::bounded::Bytes;

const HOST: &[u8] = b"passwd: files\nhosts: files dns\nrpc: db\n";

fuzz_target!(|bytes: &[u8]| {
    let has = |module: &str| matches!(module, "files" | "dns" | "resolve" | "mdns4_minimal");
    let (file, left_out) = merge(Some(HOST), Some(bytes), has);
    assert!(left_out.len() <= 8);
    let rest =
        file.strip_prefix(b"passwd: files\nrpc: db\nhosts: ").expect("the host's come first");
    let line = rest.strip_suffix(b"\n").expect("a line");
    assert!(!line.contains(&b'\n') && !line.contains(&0) && !line.is_empty());
    let mut inside = false;
    for word in line.split(|byte| *byte == b' ') {
        inside |= word.starts_with(b"[");
        assert!(inside || std::str::from_utf8(word).is_ok_and(has), "{}", word.escape_ascii());
        inside &= !word.ends_with(b"]");
    }
    // What the host says is untrusted too, where its file is damaged: one line is ours.
    let (file, _) = merge(Some(bytes), Some(b"hosts: dns"), has);
    assert!(file.ends_with(b"hosts: dns\n"));

    let file = || Ok(Bytes { bytes: bytes.to_vec(), truncated: false });
    let pid = Pid::new(1).expect("a pid");
    let (resolver, gap) = of_files(pid, &[file(), file(), file()]);
    assert!(gap.is_none());
    let resolver = resolver.expect("it may be read");
    assert!(resolver.resolv_conf.lines.len() <= 200);
    for word in resolver.nameservers.iter().chain(&resolver.search).chain(&resolver.options) {
        assert!(!word.is_empty() && !word.as_bytes().iter().any(u8::is_ascii_whitespace));
    }
});
