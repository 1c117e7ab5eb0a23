//! How much is read at most.

use super::*;

#[test]
fn pages_that_all_lead_to_the_same_ones_are_counted_each_time() {
    // Twenty levels, each of which names the next one forty times.
    let mut writer = Writer::new(1024, 10);
    let mut below = writer.page(leaf(&[]));
    for _ in 0..20 {
        let page: Vec<(Vec<u8>, u64)> = (0..40).map(|n| (vec![n], below)).collect();
        below = writer.page(branch(&page));
    }
    writer.meta(0, below, 1);
    let source = Changing { states: vec![writer.bytes], at: vec![], reads: Cell::new(0) };
    let database = Database::new(source, PathBuf::new());
    let listing = database.read(|one| one.bucket(&[])?.unwrap().buckets(10));
    assert_eq!(listing.unwrap_err().problem, Problem::Truncated);
    assert!(database.source.reads.get() < READS + 10);
}

#[test]
fn many_keys_that_claim_the_same_bytes_are_paid_for_one_by_one() {
    let mut page = header(2, 3000);
    for at in 0..3000_u32 {
        for word in [0, (3000 - at) * 16, 20_000, 0] {
            page.extend_from_slice(&word.to_ne_bytes());
        }
    }
    page.extend(std::iter::repeat_n(b'k', 20_000));
    let mut writer = Writer::new(65536, 10);
    let root = writer.page(page);
    writer.meta(0, root, 1);
    let database = of_bytes(&writer.bytes);
    let listing = database.read(|one| one.bucket(&[])?.unwrap().values(3000));
    assert_eq!(listing.unwrap_err().problem, Problem::Truncated);
    assert!(database.spent.get() < BYTES + (1 << 20));
}

#[test]
fn all_readings_of_one_database_together_are_bounded() {
    let bytes = database(4096, 10, vec![named("k", V(vec![7; 1 << 20]))]);
    let database = of_bytes(&bytes);
    let read = || database.read(|one| one.bucket(&[])?.unwrap().get(b"k"));
    let read = (0..1000).map_while(|_| read().ok()).count();
    assert!((100..=256).contains(&read), "{read}");
}

#[test]
fn all_databases_of_a_user_have_one_bound() {
    let temp = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(temp.path().join("data")).unwrap();
    std::fs::create_dir(temp.path().join("proc")).unwrap();
    let bytes = database(4096, 4, vec![named("k", V(vec![0; 1 << 20]))]);
    for name in ["a", "b"] {
        std::fs::write(temp.path().join("data").join(name), &bytes).unwrap();
    }
    let root = SysRoot::fixture(temp.path()).unwrap();
    let reads = |uid| {
        let place = Place::claimed(&root, Path::new("/data"), uid).unwrap();
        ["a", "b"].map(|name| {
            let database = Database::open(&place, name).unwrap();
            let read = || database.read(|one| one.bucket(&[])?.unwrap().get(b"k"));
            (0..40).filter(|_| read().is_ok()).count()
        })
    };
    let [first, second] = reads(1000);
    assert!((1..40).contains(&first) && second == 0, "{first} {second}");
    assert_eq!(reads(0), [40, 40]);
}

#[test]
fn a_reading_has_so_many_reads_and_bytes_and_all_together_have() {
    let bytes = database(1024, 10, vec![named("k", V(b"v".to_vec()))]);
    let reads = of_bytes(&bytes).read(|one| {
        let reads = (0..READS + 9).take_while(|_| one.fetch(0, 1).is_ok()).count();
        assert_eq!(one.fetch(0, 1), Err(Problem::Truncated), "one that has ended begins anew");
        Ok(reads)
    });
    assert_eq!(reads, Ok(READS));
    let database = of_bytes(&bytes);
    let readings = TOTAL_BYTES / BYTES;
    for _ in 0..readings {
        assert_eq!(database.read(|one| one.spend(BYTES)), Ok(()));
    }
    assert_eq!(database.read(|one| one.spend(1)).unwrap_err().problem, Problem::Truncated);
    let more = of_bytes(&bytes).read(|one| one.spend(BYTES + 1));
    assert_eq!(more.unwrap_err().problem, Problem::Truncated);
}

#[test]
fn a_key_is_as_long_as_bbolt_lets_it_be() {
    let of = |length: usize| {
        let key = "k".repeat(length);
        let bytes = database(4096, 10, vec![named(&key, V(b"v".to_vec()))]);
        get(&bytes, &[], &key).map_err(|error| error.problem)
    };
    assert_eq!(of(32_768), Ok(Some(b"v".to_vec())));
    assert_eq!(of(32_769), Err(Problem::Malformed("key")));
}
