//! A sealed index answers as the growing one did that it was made of.

use std::path::Path;

use proptest::prelude::*;

use crate::log::disk::Disk;
use crate::log::tests::name;
use crate::log::{LogName, MemoryDisk};

use super::*;

fn sealed(tail: &TailIndex, log: &LogName) -> SealedIndex {
    let file = MemoryDisk::new().open(Path::new("/index"), true).unwrap();
    file.write_at(&tail.seal(log, 0), 0).unwrap();
    SealedIndex::open(file, log, 0).unwrap().unwrap()
}

/// Keys of the subject run: some uniform, as honest ones are, some close together or alike, as an issuer can choose them.
fn keys() -> impl Strategy<Value = Vec<u64>> {
    let near = (any::<bool>(), 0..4u64).prop_map(|(top, low)| match top {
        true => u64::MAX - low,
        false => low << 23,
    });
    let key = prop_oneof![any::<u64>(), near];
    let runs = prop::collection::vec((key, 1..700usize), 0..9);
    runs.prop_map(|runs| {
        let repeat = |(key, times): &(u64, usize)| std::iter::repeat_n(*key, *times);
        runs.iter().flat_map(repeat).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_sealed_index_answers_as_the_growing_one(
        keys in keys(),
        shift in 0..9_973usize,
        other in any::<u64>(),
        from in 0..5_000u32,
        limit in 0..900usize,
    ) {
        let mut tail = TailIndex::default();
        for place in 0..keys.len() {
            let key = keys[(place * 9_973 + shift) % keys.len()];
            tail.add(&[Key::Subject(key)], place as u32);
        }
        let sealed = sealed(&tail, &name());
        let mut asked = keys.clone();
        asked.dedup();
        asked.push(other);
        for key in asked {
            let open = (1 << TYPE_BITS) - 1;
            let exact = Query { run: 1, first: key, last: key };
            let subject = Query { run: 1, first: key & !open, last: key | open };
            for query in [exact, subject] {
                let first = sealed.first(query, from, limit).unwrap();
                prop_assert_eq!(first, tail.first(query, from, limit));
            }
            prop_assert_eq!(sealed.latest(exact, limit).unwrap(), tail.latest(exact, limit));
        }
    }
}
