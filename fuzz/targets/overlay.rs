//! The options of an overlay file system: any directories survive both escapings, whatever options
//! stand before them, and the other kinds of directories are not touched by them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::model::text::Text;
use nsx::sys::overlay::parse;

fuzz_target!(|bytes: &[u8]| {
    let overlay = parse(bytes);
    let given = bytes.split(|byte| matches!(byte, b',' | b':')).count();
    assert!(overlay.lower.len() + overlay.data_only.len() <= given);

    let layers: Vec<&[u8]> =
        bytes.split(|byte| *byte == 0).filter(|layer| !layer.is_empty()).take(8).collect();
    if layers.is_empty() {
        return;
    }
    let all = layers.iter().map(|layer| for_mount(layer)).collect::<Vec<_>>().join(&b':');
    let line = [&b"rw,lowerdir="[..], &for_mountinfo(&all), b",upperdir=/u,workdir=/w"].concat();
    let overlay = parse(&line);
    assert_eq!(overlay.lower, layers.iter().map(Text::new).collect::<Vec<_>>());
    assert_eq!((overlay.upper, overlay.work), (Some("/u".into()), Some("/w".into())));
    assert!(overlay.data_only.is_empty());

    let one = for_mountinfo(layers[0]);
    let overlay = parse(&[&b"ro,lowerdir+=/a,datadir+="[..], &one].concat());
    assert_eq!((overlay.lower, overlay.data_only), (vec!["/a".into()], vec![Text::new(layers[0])]));
});

/// As whoever mounts it writes a directory.
fn for_mount(layer: &[u8]) -> Vec<u8> {
    let escaped = |byte: &u8| match byte {
        b':' | b',' | b'\\' => vec![b'\\', *byte],
        byte => vec![*byte],
    };
    layer.iter().flat_map(escaped).collect()
}

/// As the kernel shows it.
fn for_mountinfo(option: &[u8]) -> Vec<u8> {
    let escaped = |byte: &u8| match byte {
        b',' | b' ' | b'\t' | b'\n' | b'\\' => format!("\\{byte:03o}").into_bytes(),
        byte => vec![*byte],
    };
    option.iter().flat_map(escaped).collect()
}
