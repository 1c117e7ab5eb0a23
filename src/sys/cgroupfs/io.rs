//! What the io controller (v2) and the blkio controller (v1) write, by device. Pure.

use super::values::{number, number_or_max};
use crate::model::cgroup::{Bound, IoDevice, IoKind};
use crate::model::text::Text;

/// No machine has more devices; a file can hold no more of them.
const MOST: usize = 4096;

/// `MAJOR:MINOR`, nothing else: the name is looked up in `/sys/dev/block`.
fn device(field: &[u8]) -> Option<Text> {
    let at = field.iter().position(|byte| *byte == b':')?;
    let (major, minor) = (field.get(..at)?, field.get(at + 1..)?);
    let is_number =
        |digits: &[u8]| (1..=10).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
    (is_number(major) && is_number(minor)).then(|| Text::new(field))
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = (Text, impl Iterator<Item = &[u8]>)> {
    bytes.split(|byte| *byte == b'\n').take(MOST).filter_map(|line| {
        let mut fields = line.split(|byte| *byte == b' ');
        Some((device(fields.next()?)?, fields))
    })
}

fn pair(field: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = field.iter().position(|byte| *byte == b'=')?;
    Some((field.get(..at)?, field.get(at + 1..)?))
}

/// v2 io.stat: `8:16 rbytes=1 wbytes=2 rios=3 wios=4 dbytes=5 dios=6`. A device may stand there
/// without numbers.
pub fn stat(bytes: &[u8]) -> Vec<IoDevice> {
    let of_line = |(device, fields)| {
        let mut found = IoDevice { device, ..IoDevice::default() };
        let mut is_used = false;
        for (key, value) in Iterator::filter_map(fields, pair) {
            let field = match key {
                b"rbytes" => &mut found.read_bytes,
                b"wbytes" => &mut found.written_bytes,
                b"dbytes" => &mut found.discarded_bytes,
                b"rios" => &mut found.reads,
                b"wios" => &mut found.writes,
                b"dios" => &mut found.discards,
                _ => continue,
            };
            *field = number(value).unwrap_or_default();
            is_used = true;
        }
        is_used.then_some(found)
    };
    lines(bytes).filter_map(of_line).collect()
}

/// v2 io.max: `8:16 rbps=2097152 wbps=max riops=max wiops=120`; what is set.
pub fn max(bytes: &[u8]) -> Vec<(Text, IoKind, u64)> {
    let mut limits = Vec::new();
    for (device, fields) in lines(bytes) {
        for (key, value) in fields.filter_map(pair) {
            let kind = match key {
                b"rbps" => IoKind::ReadBytes,
                b"wbps" => IoKind::WrittenBytes,
                b"riops" => IoKind::Reads,
                b"wiops" => IoKind::Writes,
                _ => continue,
            };
            if let Some(Bound::At(value)) = number_or_max(value) {
                limits.push((device.clone(), kind, value));
            }
        }
    }
    limits
}

/// v1 blkio.throttle.*_device: `8:16 2097152`.
pub fn v1_max(bytes: &[u8]) -> Vec<(Text, u64)> {
    let of_line =
        |(device, mut fields): (Text, _)| Some((device, number(Iterator::next(&mut fields)?)?));
    lines(bytes).filter_map(of_line).collect()
}

/// v1 blkio.throttle.io_service_bytes_recursive and io_serviced_recursive: `8:16 Read 1` and so on,
/// a line for each operation and device. `add` gets device, operation, number.
fn v1_counters(bytes: &[u8], mut add: impl FnMut(Text, &[u8], u64)) {
    for (device, mut fields) in lines(bytes) {
        if let (Some(operation), Some(Some(value))) = (fields.next(), fields.next().map(number)) {
            add(device, operation, value);
        }
    }
}

/// Both counters of v1 together. A device that did nothing is left out.
pub fn v1_stat(bytes_moved: &[u8], operations: &[u8]) -> Vec<IoDevice> {
    let mut devices: Vec<IoDevice> = Vec::new();
    let mut at = |device: Text, write: &dyn Fn(&mut IoDevice)| match devices
        .iter_mut()
        .find(|one| one.device == device)
    {
        Some(known) => write(known),
        None => {
            let mut new = IoDevice { device, ..IoDevice::default() };
            write(&mut new);
            devices.push(new);
        }
    };
    v1_counters(bytes_moved, |device, operation, value| match operation {
        b"Read" => at(device, &|one| one.read_bytes = value),
        b"Write" => at(device, &|one| one.written_bytes = value),
        b"Discard" => at(device, &|one| one.discarded_bytes = value),
        _ => {}
    });
    v1_counters(operations, |device, operation, value| match operation {
        b"Read" => at(device, &|one| one.reads = value),
        b"Write" => at(device, &|one| one.writes = value),
        b"Discard" => at(device, &|one| one.discards = value),
        _ => {}
    });
    devices.retain(|one| {
        (one.reads, one.writes, one.discards) != (0, 0, 0)
            || (one.read_bytes, one.written_bytes, one.discarded_bytes) != (0, 0, 0)
    });
    devices
}

/// The name of a device in `/proc/partitions`: `major minor #blocks name`.
pub fn partition_name(partitions: &[u8], device: &Text) -> Option<Text> {
    partitions.split(|byte| *byte == b'\n').find_map(|line| {
        let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let (major, minor) = (words.next()?, words.next()?);
        let name = words.nth(1)?;
        ([major, b":", minor].concat() == device.as_bytes()).then(|| Text::new(name))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v2_by_device_and_those_without_numbers_left_out() {
        let found = stat(
            b"254:0 rbytes=1318912 wbytes=4096 rios=35 wios=1 dbytes=7 dios=2\n7:0 \n8:x rbytes=1\n",
        );
        let expected = IoDevice {
            device: "254:0".into(),
            name: None,
            read_bytes: 1_318_912,
            written_bytes: 4096,
            discarded_bytes: 7,
            reads: 35,
            writes: 1,
            discards: 2,
        };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn v2_limits_that_are_set() {
        let found = max(b"254:0 rbps=2097152 wbps=max riops=max wiops=120\n");
        let device = Text::from("254:0");
        assert_eq!(
            found,
            [(device.clone(), IoKind::ReadBytes, 2_097_152), (device, IoKind::Writes, 120)]
        );
    }

    #[test]
    fn v1_by_operation_with_the_total_left_out() {
        let moved = b"254:0 Read 1318912\n254:0 Write 4096\n254:0 Sync 5\n254:0 Async 6\n254:0 Discard 7\n254:0 Total 8\n7:0 Read 0\nTotal 8\n";
        let operations = b"254:0 Read 35\n254:0 Write 1\n254:0 Discard 2\nTotal 38\n";
        let found = v1_stat(moved, operations);
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].read_bytes, found[0].written_bytes), (1_318_912, 4096));
        assert_eq!((found[0].reads, found[0].writes, found[0].discards), (35, 1, 2));
        assert_eq!(found[0].discarded_bytes, 7);
        // Only one of both files could be read.
        assert_eq!((v1_stat(moved, b"").len(), v1_stat(b"", operations).len()), (1, 1));
        assert_eq!(v1_max(b"254:0 1048576\n"), [("254:0".into(), 1_048_576)]);
        assert_eq!(v1_stat(b"Total 0\n", b""), []);
    }

    #[test]
    fn a_device_has_the_name_that_the_partitions_give_it() {
        let table =
            b"major minor  #blocks  name\n\n 254        0  268435456 vda\n 254        1  1 vda1\n";
        assert_eq!(partition_name(table, &"254:1".into()), Some("vda1".into()));
        assert_eq!(partition_name(table, &"54:0".into()), None);
    }

    #[test]
    fn nothing_but_two_numbers_is_a_device() {
        for odd in ["", ":", "8:", ":0", "8:0:1", "../8:0", "-8:0", "8:12345678901"] {
            assert_eq!(device(odd.as_bytes()), None, "{odd}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, more: Vec<u8>) {
            let _ = (stat(&bytes), max(&bytes), v1_max(&bytes), v1_stat(&bytes, &more));
            let _ = partition_name(&bytes, &"8:0".into());
        }

        #[test]
        fn no_words_panic(text in "([0-9]{1,3}:[0-9]{1,3}|rbytes=|wbps=|max|Read|Total|[0-9]{1,21}|[ \n]){0,20}") {
            let bytes = text.as_bytes();
            let _ = (stat(bytes), max(bytes), v1_max(bytes), v1_stat(bytes, bytes));
        }
    }
}
