//! What processes of nsx tell each other through pipes, which holds names that containers chose: what
//! was read is read again when it is written again, and nothing in a name becomes another answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nsx::collect::namespaces::{facts, record};
use nsx::collect::scan;
use nsx::collect::who::files::search::{Found, Known};
use nsx::sys::crew::travel::Rest;
use nsx::sys::entries::{self, Entry, What};
use nsx::sys::netlink::roam::answer::{self, Table};
use nsx::sys::seccomp;
use std::ffi::CString;

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    let mut again = Vec::new();
    match which % 7 {
        0 => {
            let Some(listed) = entries::read(bytes) else { return };
            listed.iter().for_each(|entry| entries::write(entry, &mut again));
            assert_eq!(entries::read(&again), Some(listed));
        }
        1 => {
            let Some(visit) = record::Visit::read(bytes) else { return };
            visit.write(&mut again);
            assert_eq!(record::Visit::read(&again), Some(visit));
        }
        2 => {
            let all: Vec<_> = facts::Facts::read_all(bytes).collect();
            all.iter().for_each(|facts| facts.write(&mut again));
            assert_eq!(facts::Facts::read_all(&again).collect::<Vec<_>>(), all);
        }
        3 => {
            let visit = scan::Visit::read(bytes);
            visit.write(&mut again);
            assert_eq!(format!("{:?}", scan::Visit::read(&again)), format!("{visit:?}"));
        }
        4 => {
            if let Some(found) = Found::read(&mut Rest(bytes)) {
                found.write(&mut again);
                assert_eq!(Found::read(&mut Rest(&again)), Some(found));
            }
            again.clear();
            if let Some(known) = Known::read(&mut Rest(bytes)) {
                known.write(&mut again);
                assert_eq!(Known::read(&mut Rest(&again)), Some(known));
            }
        }
        5 => {
            let _ = answer::read(bytes);
            // Whatever the kernel's message is, what follows it is read as it was written.
            answer::row(&mut again, Table::Links, bytes);
            answer::row(&mut again, Table::Unix, bytes);
            answer::number(&mut again, 7, 4_026_532_000);
            let found = answer::read(&again).expect("an answer");
            assert_eq!(found.numbers, [(7, 4_026_532_000)]);
            assert_eq!(found.rows.len() + found.incomplete.len(), 2);
        }
        _ => {
            if let Some(filters) = seccomp::decode(bytes) {
                let all: usize = filters.iter().map(|filter| 12 + filter.bytes.len()).sum();
                assert_eq!(all, bytes.len());
            }
            let mut words =
                bytes.split(|byte| *byte == 0).map(|word| CString::new(word).expect("no NUL"));
            let (name, target) =
                (words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let listed = [
                Entry { name: name.clone(), what: What::Directory },
                Entry { name, what: What::Link(target) },
                Entry { name: c"z".into(), what: What::Other },
            ];
            listed.iter().for_each(|entry| entries::write(entry, &mut again));
            assert_eq!(entries::read(&again).as_deref(), Some(&listed[..]));
        }
    }
});
