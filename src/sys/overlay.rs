//! The options of an overlay file system, as the kernel writes them: overlayfs.rst.
//!
//! A comma, a space and a backslash within a path are written `\054`, `\040`, `\134`, so that a plain
//! comma always separates. What is left then is what whoever mounted it wrote: `\:` and `\,` in the
//! options that go back to mount(2), and plain paths in `lowerdir+=` and `datadir+=` (Linux 6.8).

use super::proc::mountinfo::unescape;
use crate::model::mount::Overlay;
use crate::model::text::Text;

/// From the last field of a line of mountinfo, as it stands there.
pub fn parse(options: &[u8]) -> Overlay {
    let mut overlay = Overlay::default();
    for option in options.split(|byte| *byte == b',') {
        let Some(at) = option.iter().position(|byte| *byte == b'=') else { continue };
        let (key, value) = option.split_at(at);
        let value = unescape(value.get(1..).unwrap_or_default());
        match key {
            b"lowerdir" => add_lower(value.as_bytes(), &mut overlay),
            b"lowerdir+" => overlay.lower.push(value),
            b"datadir+" => overlay.data_only.push(value),
            b"upperdir" => overlay.upper = Some(plain(value.as_bytes())),
            b"workdir" => overlay.work = Some(plain(value.as_bytes())),
            _ => {}
        }
    }
    overlay
}

/// `A:B::DATA`: layers after a double colon give data only (Linux 6.6).
fn add_lower(list: &[u8], overlay: &mut Overlay) {
    let mut is_data = false;
    let mut layer = Vec::new();
    let mut bytes = list.iter().copied().peekable();
    let mut done = |layer: &mut Vec<u8>, is_data: bool| {
        if !layer.is_empty() {
            let layers = if is_data { &mut overlay.data_only } else { &mut overlay.lower };
            layers.push(std::mem::take(layer).into());
        }
    };
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => layer.extend(bytes.next()),
            b':' => {
                done(&mut layer, is_data);
                is_data |= bytes.peek() == Some(&b':');
            }
            byte => layer.push(byte),
        }
    }
    done(&mut layer, is_data);
}

/// Without the backslashes that keep a character from being a separator.
fn plain(path: &[u8]) -> Text {
    if !path.contains(&b'\\') {
        return Text::new(path);
    }
    let mut bytes = path.iter().copied();
    let mut plain = Vec::with_capacity(path.len());
    while let Some(byte) = bytes.next() {
        plain.extend(if byte == b'\\' { bytes.next() } else { Some(byte) });
    }
    plain.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(list: &[Text]) -> Vec<&[u8]> {
        list.iter().map(Text::as_bytes).collect()
    }

    /// From Linux 6.18, where the directories are `l:1`, `l,2`, `l\3`, `x=y` and `u,p`.
    #[test]
    fn names_with_separators() {
        let overlay = parse(
            br"rw,lowerdir=l\134:1:l\134\0542:l\134\1343:x=y,upperdir=u\134\054p,workdir=w2,uuid=on",
        );
        assert_eq!(texts(&overlay.lower), [&b"l:1"[..], b"l,2", b"l\\3", b"x=y"]);
        assert_eq!(overlay.upper.unwrap(), "u,p");
        assert_eq!(overlay.work.unwrap(), "w2");
    }

    #[test]
    fn layers_one_by_one() {
        let overlay = parse(
            br"ro,lowerdir+=/m/l:1,lowerdir+=/m/l\0542,lowerdir+=/m/l\1343,datadir+=/d,redirect_dir=on",
        );
        assert_eq!(texts(&overlay.lower), [&b"/m/l:1"[..], b"/m/l,2", b"/m/l\\3"]);
        assert_eq!(texts(&overlay.data_only), [b"/d"]);
        assert_eq!(overlay.upper, None);
    }

    #[test]
    fn layers_of_data_alone() {
        let overlay = parse(br"ro,lowerdir=l\134:1:l\0404::dd::ee,metacopy=on");
        assert_eq!(texts(&overlay.lower), [&b"l:1"[..], b"l 4"]);
        assert_eq!(texts(&overlay.data_only), [b"dd", b"ee"]);
    }

    proptest::proptest! {
        #[test]
        fn no_options_panic(bytes: Vec<u8>, like in r"(lowerdir=|upperdir=|lowerdir\+=|:|::|\\|\\134|,|a){0,12}") {
            let _ = (parse(&bytes), parse(like.as_bytes()));
        }

        #[test]
        fn any_layers_survive_both_escapings(layers in proptest::collection::vec(
            proptest::collection::vec(1_u8.., 1..20), 1..5)) {
            let mut given = Vec::new();
            for layer in &layers {
                given.push(b':');
                for byte in layer {
                    if b":,\\".contains(byte) {
                        given.push(b'\\');
                    }
                    given.push(*byte);
                }
            }
            let mut line = b"rw,lowerdir=".to_vec();
            for byte in &given[1..] {
                match byte {
                    b',' | b' ' | b'\t' | b'\n' | b'\\' => line.extend(format!("\\{byte:03o}").bytes()),
                    byte => line.push(*byte),
                }
            }
            let layers: Vec<Text> = layers.iter().map(Text::new).collect();
            proptest::prop_assert_eq!(parse(&line).lower, layers);
        }
    }
}
