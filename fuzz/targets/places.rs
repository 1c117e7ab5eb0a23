//! Mounts that have to do with a path, and layers of overlays: a rest of a path leads back to it, and
//! no more is found than the bound, whatever a namespace has mounted.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::collect::who::files::layers::{beside, store_of};
use nsx::collect::who::files::place::{
    Lies, Place, join, mount_at, normal, removed, rest_below, unlinked,
};
use nsx::collect::who::files::search::{Own, Wanted, search};
use nsx::sys::proc::mountinfo;

fuzz_target!(|bytes: &[u8]| {
    // A path, a directory, and the mounts of a namespace.
    let mut parts = bytes.splitn(3, |byte| *byte == 0);
    let mut next = || parts.next().unwrap_or_default();
    let (path, directory, mounts) = (next(), next(), next());

    let written = normal(path);
    assert!(written.starts_with(b"/") && normal(&written) == written);
    let directory_written = normal(directory);
    if let Some(rest) = rest_below(&directory_written, &written) {
        assert_eq!(join(&directory_written, rest), written);
        assert!(rest.is_empty() || rest.starts_with(b"/"));
    }
    let _ = rest_below(directory, path);
    if let Some(store) = store_of(path) {
        assert!(path.starts_with(store) && store.starts_with(b"/"));
    }
    assert!(beside(path).is_none_or(|store| store.starts_with(b"/")));
    assert!(removed(path).is_none_or(|root| path.starts_with(root)));
    assert!(path.starts_with(unlinked(path)));

    let (mounts, _) = mountinfo::parse(mounts);
    let top = mount_at(&mounts, &written);
    assert!(top.is_none_or(|top| rest_below(top.target.as_bytes(), &written).is_some()));
    let place = top.and_then(|top| Place::of(top, &written));
    if let (Some(top), Some(place)) = (top, &place) {
        assert!(matches!(place.lies(top.root.as_bytes()), Some(Lies::Here | Lies::Inside(_))));
    }
    let wanted = Wanted {
        paths: vec![written],
        place,
        exists: true,
        mount: top.cloned(),
        ..Wanted::default()
    };
    for own in [None, Some(Own::new(&mounts)), Some(Own::new(&[]))] {
        let found = search(&mounts, &wanted, own.as_ref());
        assert!(found.len() <= 256 && found.len() <= mounts.len());
    }
});
