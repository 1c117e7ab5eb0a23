//! What tells LXC, nspawn, bubblewrap, flatpak, snap, gVisor and Kata: titles and command lines,
//! files of runtimes and of users. What is named is part of what was said.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::collect::runtime::{bubblewrap, flatpak, gvisor, kata, lxc, nspawn, snap};
use nsx::model::text::Text;

fuzz_target!(|bytes: &[u8]| {
    if let Some((lxcpath, name)) = lxc::parse(bytes) {
        assert!(lxcpath.starts_with(b"/"));
        assert!(!name.is_empty() && !name.contains(&b' '));
    }
    let arguments: Vec<Text> = bytes.split(|byte| *byte == 0).map(Text::new).collect();
    for name in
        [nspawn::name_of_arguments(&arguments), bubblewrap::program_of_arguments(&arguments)]
    {
        let Some(name) = name else { continue };
        assert!(!name.is_empty() && contains(bytes, name.as_bytes()));
    }
    if let Some((record, _)) = nspawn::parse(bytes) {
        assert!(contains(bytes, record.id.as_bytes()));
        assert!(record.id.as_bytes().ends_with(record.name.as_ref().expect("a name").as_bytes()));
    }
    if let Some(name) = flatpak::parse(bytes).name {
        assert!(contains(bytes, name.as_bytes()));
    }
    let _ = flatpak::parse_child(bytes);
    if let Some((record, processes)) = gvisor::parse(bytes) {
        assert!(!record.id.is_empty() && processes.len() <= 2);
    }
    if let Some((place, _)) = gvisor::parse_arguments(&arguments) {
        assert!(place.is_absolute());
    }
    let _ = kata::parse(bytes);
    if let Ok(file) = std::str::from_utf8(bytes)
        && let Some((snap, _)) = snap::parse(file)
    {
        assert!(!snap.is_empty() && !snap.contains('.'));
    }
});

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    part.is_empty() || bytes.windows(part.len()).any(|window| window == part)
}
