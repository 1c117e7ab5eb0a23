//! A database that SQLite itself made, with podman's schema (`tests/fixtures/sqlite`).

use super::*;
use crate::sys::root::SysRoot;
use std::path::Path;

pub(crate) const REAL: &[u8] = include_bytes!("../../../../tests/fixtures/sqlite/podman.db");

#[test]
fn rows_are_found_through_inner_pages() {
    let image = Image::new(REAL).unwrap();
    let rows = image.rows("containerconfig", 2).unwrap();
    assert_eq!(rows.len(), 101);
    assert!(rows.iter().all(|row| row.len() == 2 && row[0].bytes().unwrap().len() == 64));
    assert!(image.rows("None", 2).unwrap().is_empty());
    let config = image.rows("DBConfig", 9).unwrap();
    // A column that is the number of the row is not stored again.
    assert_eq!(config[0][..2], [Value::Null, Value::Number(1)]);
}

#[test]
fn numbers_have_every_length() {
    let image = Image::new(REAL).unwrap();
    let numbers: Vec<Value> =
        image.rows("Numbers", 1).unwrap().into_iter().map(|mut row| row.remove(0)).collect();
    let expected =
        [0, 1, -1, 127, -128, 32767, -8_388_608, 1 << 31, -(1 << 40), i64::MAX, i64::MIN];
    assert_eq!(numbers, expected.map(Value::Number));
}

#[test]
fn what_is_cut_or_of_another_kind_is_said() {
    for cut in [0, 50, 99, 4096, REAL.len() / 2, REAL.len() - 4096] {
        let image = Image::new(&REAL[..cut]);
        let rows = image.and_then(|image| image.rows("ContainerConfig", 4));
        assert!(rows.is_err(), "{cut}");
    }
    assert!(Image::new(b"bolt").is_err());
    let mut encoded = REAL.to_vec();
    encoded[59] = 2;
    assert!(Image::new(&encoded).is_err());
}

#[test]
fn a_tree_that_leads_back_to_itself_ends() {
    let image = Image::new(REAL).unwrap();
    let schema = image.rows("sqlite_schema", 4).unwrap();
    assert!(schema.is_empty());
    // The first inner page's last child becomes the page itself.
    let mut looped = REAL.to_vec();
    let at = (4096..REAL.len()).step_by(4096).find(|at| REAL[*at] == 0x05).unwrap();
    let number = u32::try_from(at / 4096 + 1).unwrap();
    looped[at + 8..at + 12].copy_from_slice(&number.to_be_bytes());
    let image = Image::new(&looped).unwrap();
    let tables = ["ContainerConfig", "ContainerState", "PodConfig", "DBConfig"];
    assert!(tables.iter().any(|table| image.rows(table, 4).is_err()));
}

fn place(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Place) {
    let temp = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(temp.path().join("proc")).unwrap();
    std::fs::create_dir_all(temp.path().join("d")).unwrap();
    for (name, bytes) in files {
        std::fs::write(temp.path().join("d").join(name), bytes).unwrap();
    }
    let root = SysRoot::fixture(temp.path()).unwrap();
    let place = Place::of_root(&root, Path::new("/d")).unwrap();
    (temp, place)
}

#[test]
fn a_journal_that_counts_means_a_change() {
    let reading = |journal: Option<&[u8]>| {
        let mut files = vec![("db.sql", REAL)];
        files.extend(journal.map(|journal| ("db.sql-journal", journal)));
        let (_temp, place) = place(&files);
        read(&place, "db.sql").map_err(|error| error.problem)
    };
    assert_eq!(reading(None).unwrap(), REAL);
    assert_eq!(reading(Some(b"")).unwrap(), REAL);
    assert_eq!(reading(Some(&[0; 512])).unwrap(), REAL);
    assert_eq!(reading(Some(&JOURNAL)), Err(Problem::TimedOut));
}

#[test]
fn what_is_read_while_the_database_changes_does_not_count() {
    let read_while = |change: fn(&Path)| {
        let (temp, place) = place(&[("db.sql", REAL)]);
        let read = |_: &OwnedFd| {
            change(&temp.path().join("d"));
            Ok("read")
        };
        undisturbed(&place, "db.sql", read).unwrap()
    };
    let commit = |directory: &Path| {
        let mut later = REAL.to_vec();
        later[27] = later[27].wrapping_add(1);
        std::fs::write(directory.join("db.sql"), later).unwrap();
    };
    let begin =
        |directory: &Path| std::fs::write(directory.join("db.sql-journal"), JOURNAL).unwrap();
    assert_eq!(read_while(|_| ()), Some("read"));
    assert_eq!(read_while(commit), None, "a commit is complete");
    assert_eq!(read_while(begin), None, "one has begun");
}

#[test]
fn a_journal_that_cannot_be_opened_is_not_passed_over() {
    let (temp, place) = place(&[("db.sql", REAL)]);
    std::os::unix::fs::symlink("db.sql", temp.path().join("d/db.sql-journal")).unwrap();
    assert_eq!(read(&place, "db.sql").unwrap_err().errno(), Some(Errno::ELOOP));
}

#[test]
fn of_a_user_less_is_read_and_what_he_has_left_is_the_most() {
    let (temp, roots) = place(&[("db.sql", REAL)]);
    let file = std::fs::File::options().write(true).open(temp.path().join("d/db.sql")).unwrap();
    file.set_len(20 << 20).unwrap();
    assert_eq!(read(&roots, "db.sql").unwrap().len(), 20 << 20);
    file.set_len(40 << 20).unwrap();
    assert_eq!(read(&roots, "db.sql").unwrap_err().problem, Problem::Truncated);
    file.set_len(20 << 20).unwrap();
    // It is said that there is more of him only where it is he who has said too much before.
    for (left, gaps) in [(usize::MAX, 0), (CAP_OF_USERS, 0), (CAP_OF_USERS - 1, 1)] {
        let root = SysRoot::fixture(temp.path()).unwrap();
        let place = Place::claimed(&root, Path::new("/d"), 1000).unwrap();
        place.spend(place.left().saturating_sub(left));
        assert_eq!(read(&place, "db.sql").unwrap_err().problem, Problem::Truncated);
        assert_eq!(root.reach().gaps().len(), gaps, "{left}");
    }
}

#[test]
fn newer_pages_in_a_log_are_not_passed_over() {
    let mut logged = REAL.to_vec();
    logged[18..20].copy_from_slice(&[2, 2]);
    let (_temp, place_without) = place(&[("db.sql", &logged), ("db.sql-wal", b"")]);
    assert_eq!(read(&place_without, "db.sql").unwrap(), logged);
    let (_temp, place_with) = place(&[("db.sql", &logged), ("db.sql-wal", b"x")]);
    assert_eq!(read(&place_with, "db.sql").unwrap_err().errno(), Some(Errno::EOPNOTSUPP));
}

#[test]
fn a_version_is_the_counter_the_time_and_the_length() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("db");
    let of = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        let file = std::fs::File::options().write(true).read(true).open(&path).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::new(7, 8);
        file.set_modified(time).unwrap();
        version(&file.into())
    };
    let mut bytes = vec![0; 30];
    bytes[24..28].copy_from_slice(&[1, 2, 3, 4]);
    assert_eq!(of(&bytes), ([1, 2, 3, 4], Some((7, 8, 30))));
    assert_eq!(of(b"short"), ([0; 4], Some((7, 8, 5))));
}
