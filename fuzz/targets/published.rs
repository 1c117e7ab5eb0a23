//! Ports that lead to containers, in the words of each engine, and what the kubelet's files are called:
//! each port once, in order, no more than the bound, and within the time for one record.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::collect::runtime::picked::Picked;
use nsx::collect::runtime::{cni, kubernetes, published};
use nsx::model::trail::Published;

fuzz_target!(|bytes: &[u8]| {
    let engines = [published::PODMAN, published::OLD_PODMAN, published::NERDCTL, published::CNI];
    for dialect in engines {
        check(&dialect.parse(bytes));
    }
    if let Some(picked) = Picked::from_json(bytes, &published::DOCKERS) {
        check(&published::dockers(&picked));
    }
    if let Some((id, ports)) = cni::parse(bytes) {
        assert!(!id.is_empty() && !ports.is_empty());
        check(&ports);
    }
    let Ok(name) = std::str::from_utf8(bytes) else { return };
    if let Some((uid, (namespace, pod))) = kubernetes::parse_pod(name) {
        let parts = [namespace.as_bytes(), pod.as_bytes(), uid.as_bytes()];
        assert_eq!(parts.join(&b'_'), bytes);
    }
    if let Some((id, _)) = kubernetes::parse_container(name) {
        assert!(id.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
});

fn check(ports: &[Published]) {
    assert!(ports.len() <= 1 << 14);
    assert!(ports.is_sorted() && ports.windows(2).all(|pair| pair[0] != pair[1]));
    assert!(ports.iter().all(|one| one.host_port != 0 && one.container_port != 0));
}
