mod saving;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::collection::vec;
use proptest::prelude::*;

use crate::disk::{Disk, MemoryDisk};

use super::pages::memory;
use super::*;

type Model = BTreeMap<Hash, Hash>;
type Map = StatusMap<Hash>;

/// A map that shows each change at once.
fn empty() -> Map {
    let mut map = Map::in_memory();
    map.commit(u64::MAX);
    map
}

fn map_of(entries: impl IntoIterator<Item = (Hash, Hash)>) -> Map {
    let mut map = empty();
    for (key, value) in entries {
        insert(&mut map, key, value);
    }
    map
}

fn insert(map: &mut Map, key: Hash, value: Hash) {
    map.set(key, Some(value), 0).unwrap();
}

fn remove(map: &mut Map, key: &Hash) {
    map.set(*key, None, 0).unwrap();
}

fn change(model: &mut Model, key: Hash, value: Option<Hash>) {
    match value {
        Some(value) => model.insert(key, value),
        None => model.remove(&key),
    };
}

/// The definition in the module's doc, word for word.
fn naive_root(entries: &[(Hash, Hash)], depth: usize) -> Hash {
    match entries {
        [] => Hash::ZERO,
        [(key, value)] => leaf_hash(key, value),
        _ => {
            let (right, left): (Vec<_>, Vec<_>) =
                entries.iter().partition(|(key, _)| bit(key, depth));
            node_hash(
                &naive_root(&left, depth + 1),
                &naive_root(&right, depth + 1),
            )
        }
    }
}

fn model_root(model: &Model) -> Hash {
    naive_root(
        &model
            .iter()
            .map(|(key, value)| (*key, *value))
            .collect::<Vec<_>>(),
        0,
    )
}

/// Keys of a small family, so that they repeat and share prefixes of every length: a few bits at the front, in the middle
/// and at the end differ.
fn key() -> impl Strategy<Value = Hash> {
    (0u8..4, 0u8..4, 0u8..8).prop_map(|(front, middle, end)| {
        let mut bytes = [0; 32];
        (bytes[0], bytes[15], bytes[31]) = (front << 6, middle, end);
        Hash::from_bytes(bytes)
    })
}

fn any_key() -> impl Strategy<Value = Hash> {
    prop_oneof![key(), any::<[u8; 32]>().prop_map(Hash::from_bytes)]
}

fn value() -> impl Strategy<Value = Hash> {
    (0u8..5).prop_map(|value| Hash::from_bytes([value; 32]))
}

fn flipped(hash: &Hash, bit: usize) -> Hash {
    let mut bytes = *hash.as_bytes();
    bytes[bit / 8] ^= 1 << (bit % 8);
    Hash::from_bytes(bytes)
}

/// Every proof that differs from `proof` in one bit of one hash.
fn with_one_bit_flipped(proof: &StatusProof) -> Vec<StatusProof> {
    let mut all = Vec::new();
    for bit in 0..256 {
        for at in 0..proof.siblings.len() {
            let mut changed = proof.clone();
            changed.siblings[at] = flipped(&changed.siblings[at], bit);
            all.push(changed);
        }
        if let Terminal::Leaf { key, value } = proof.terminal {
            for terminal in [
                Terminal::Leaf {
                    key: flipped(&key, bit),
                    value,
                },
                Terminal::Leaf {
                    key,
                    value: flipped(&value, bit),
                },
            ] {
                all.push(StatusProof {
                    siblings: proof.siblings.clone(),
                    terminal,
                });
            }
        }
    }
    all
}

proptest! {
    #[test]
    fn any_sequence_of_changes_gives_the_roots_and_values_of_the_naive_model(
        changes in vec((any_key(), proptest::option::weighted(0.6, value()), any::<bool>()), 0..300),
    ) {
        let (mut map, mut model) = (empty(), Model::new());
        for (key, value, look) in changes {
            map.set(key, value, 0).unwrap();
            change(&mut model, key, value);
            prop_assert_eq!(map.get(&key).unwrap(), value);
            // Roots asked for at odd moments must not leave stale hashes behind.
            if look {
                prop_assert_eq!(map.root().unwrap(), model_root(&model));
            }
        }
        prop_assert_eq!(map.root().unwrap(), model_root(&model));
        for (key, value) in &model {
            prop_assert_eq!(map.get(key).unwrap(), Some(*value));
        }
    }

    #[test]
    fn readers_see_what_was_committed_while_the_map_runs_ahead(
        steps in vec((any_key(), proptest::option::weighted(0.7, value()), 0u8..8), 0..300),
        asked in vec(any_key(), 1..8),
        extra in vec((any_key(), proptest::option::weighted(0.7, value())), 0..40),
    ) {
        let file = MemoryDisk::new().open(Path::new("statuses"), true).unwrap();
        let mut map = Map::new(file).unwrap();
        let (mut latest, mut committed) = (Model::new(), Model::new());
        for ((key, value, then), at) in steps.into_iter().zip(0..) {
            map.set(key, value, at).unwrap();
            change(&mut latest, key, value);
            match then {
                0 => {
                    map.commit(at + 1);
                    committed = latest.clone();
                }
                1 => prop_assert_eq!(map.root().unwrap(), model_root(&latest)),
                2 => {
                    let extra: Model = extra.iter().map(|(key, value)| (*key, value.unwrap_or(Hash::ZERO))).collect();
                    let mut with = latest.clone();
                    with.extend(extra.clone());
                    let extra = extra.into_iter().map(|(key, value)| (key, Some(value)));
                    prop_assert_eq!(map.root_with(extra, at + 1).unwrap(), model_root(&with));
                }
                3 => {
                    let proof = map.prove(&key).unwrap();
                    let root = model_root(&committed);
                    prop_assert_eq!(proof.verify(&root, &key), Ok(committed.get(&key).copied()));
                }
                _ => {}
            }
            for key in asked.iter().chain([&key]) {
                prop_assert_eq!(map.get(key).unwrap(), committed.get(key).copied());
                prop_assert_eq!(map.latest(key).unwrap(), latest.get(key).copied());
            }
        }
    }

    #[test]
    fn the_root_does_not_depend_on_history(
        kept in vec((any_key(), value()), 0..40),
        removed in vec((any_key(), value()), 0..40),
        order in any::<prop::sample::Index>(),
    ) {
        let kept: Model = kept.into_iter().collect();
        let mut plain = map_of(kept.clone());
        let mut entries: Vec<_> = kept.iter().map(|(key, value)| (*key, *value)).collect();
        entries.reverse();
        if !entries.is_empty() {
            let middle = order.index(entries.len());
            entries.rotate_left(middle);
        }
        let mut detour = map_of(removed.iter().copied().chain(entries));
        detour.root().unwrap();
        for (key, _) in removed.iter().filter(|(key, _)| !kept.contains_key(key)) {
            remove(&mut detour, key);
        }
        prop_assert_eq!(detour.root().unwrap(), plain.root().unwrap());
        prop_assert_eq!(detour.prove(&Hash::ZERO).unwrap(), plain.prove(&Hash::ZERO).unwrap());
    }

    #[test]
    fn proofs_of_present_and_absent_keys_hold_without_the_map_being_hashed_before(
        entries in vec((any_key(), value()), 0..60),
        asked in vec(any_key(), 1..20),
    ) {
        let model: Model = entries.iter().copied().collect();
        let root = model_root(&model);
        let mut map = map_of(entries.iter().copied());
        for key in asked.iter().chain(model.keys()) {
            let proof = map.prove(key).unwrap();
            prop_assert_eq!(proof.verify(&root, key), Ok(model.get(key).copied()));
            let config = bincode::config::standard();
            let bytes = bincode::serde::encode_to_vec(&proof, config).unwrap();
            prop_assert_eq!(bincode::serde::decode_from_slice(&bytes, config).unwrap(), (proof, bytes.len()));
        }
    }

    #[test]
    fn a_proof_never_gives_another_answer_for_any_key(
        entries in vec((any_key(), value()), 0..40),
        asked in any_key(),
        other in any_key(),
    ) {
        let model: Model = entries.iter().copied().collect();
        let mut map = map_of(entries);
        let root = map.root().unwrap();
        if let Ok(answer) = map.prove(&asked).unwrap().verify(&root, &other) {
            prop_assert_eq!(answer, model.get(&other).copied());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn a_proof_with_any_bit_flipped_or_a_sibling_more_or_less_is_refused(
        entries in vec((any_key(), value()), 1..30),
        asked in any_key(),
    ) {
        let mut map = map_of(entries.iter().copied());
        let root = map.root().unwrap();
        for key in [asked, entries[0].0] {
            let proof = map.prove(&key).unwrap();
            for changed in with_one_bit_flipped(&proof) {
                prop_assert!(changed.verify(&root, &key).is_err());
            }
            let mut shorter = proof.clone();
            if shorter.siblings.pop().is_some() {
                prop_assert!(shorter.verify(&root, &key).is_err());
            }
            for extra in [Hash::ZERO, root] {
                let mut longer = proof.clone();
                longer.siblings.push(extra);
                prop_assert!(longer.verify(&root, &key).is_err());
            }
            prop_assert_eq!(proof.verify(&flipped(&root, 7), &key), Err(StatusProofError::Root));
        }
    }
}

fn key_ending_in(end: u8) -> Hash {
    let mut bytes = [0xaa; 32];
    bytes[31] = end;
    Hash::from_bytes(bytes)
}

#[test]
fn the_smallest_maps_have_the_roots_the_definition_names() {
    let (key, value) = (key_ending_in(1), Hash::from_bytes([7; 32]));
    let mut map = empty();
    assert_eq!(map.root().unwrap(), Hash::ZERO);
    let proof = map.prove(&key).unwrap();
    assert_eq!(proof.verify(&Hash::ZERO, &key), Ok(None));
    insert(&mut map, key, value);
    assert_eq!(map.root().unwrap(), leaf_hash(&key, &value));
    remove(&mut map, &key);
    assert_eq!(map.root().unwrap(), Hash::ZERO);
}

#[test]
fn keys_that_part_at_the_last_bit_have_proofs_of_256_siblings() {
    let (first, second) = (key_ending_in(0), key_ending_in(1));
    let mut map = map_of([(first, Hash::ZERO), (second, first)]);
    let root = map.root().unwrap();
    let proof = map.prove(&second).unwrap();
    assert_eq!(proof.siblings.len(), MAX_DEPTH);
    assert_eq!(proof.verify(&root, &second), Ok(Some(first)));
    let other = map.prove(&first).unwrap();
    assert_eq!(other.verify(&root, &first), Ok(Some(Hash::ZERO)));
    remove(&mut map, &first);
    assert_eq!(map.root().unwrap(), leaf_hash(&second, &first));
    assert_eq!(map.prove(&second).unwrap().siblings.len(), 0);
}

#[test]
fn another_keys_leaf_off_the_way_proves_nothing() {
    let (left, right) = (Hash::from_bytes([0; 32]), Hash::from_bytes([0xff; 32]));
    let mut map = map_of([(left, left), (right, right)]);
    let root = map.root().unwrap();
    // The true proof of `left`, handed out as if it showed that `right` is absent.
    assert_eq!(
        map.prove(&left).unwrap().verify(&root, &right),
        Err(StatusProofError::OffPath(0))
    );
}

#[test]
fn shapes_that_no_map_produces_are_refused_even_if_they_lead_to_the_root() {
    let key = Hash::from_bytes([0; 32]);
    let leaf = Terminal::Leaf { key, value: key };
    for (terminal, below) in [(Terminal::Empty, Hash::ZERO), (leaf, leaf_hash(&key, &key))] {
        let root = node_hash(&below, &Hash::ZERO);
        let proof = StatusProof {
            siblings: vec![Hash::ZERO],
            terminal,
        };
        assert_eq!(
            proof.verify(&root, &key),
            Err(StatusProofError::NotCanonical)
        );
    }
    let deepest = StatusProof {
        siblings: vec![key_ending_in(1); MAX_DEPTH],
        terminal: Terminal::Empty,
    };
    assert_eq!(
        deepest.verify(&key, &key),
        Err(StatusProofError::NotCanonical)
    );
    let deeper = StatusProof {
        siblings: vec![key_ending_in(1); MAX_DEPTH + 1],
        terminal: Terminal::Empty,
    };
    assert_eq!(
        deeper.verify(&key, &key),
        Err(StatusProofError::TooDeep(MAX_DEPTH + 1))
    );
}

#[test]
fn a_proof_of_more_than_256_siblings_is_refused_while_it_is_read() {
    let config = bincode::config::standard();
    for (count, fits) in [(MAX_DEPTH, true), (MAX_DEPTH + 1, false)] {
        let proof = StatusProof {
            siblings: vec![key_ending_in(1); count],
            terminal: Terminal::Empty,
        };
        let bytes = bincode::serde::encode_to_vec(&proof, config).unwrap();
        assert_eq!(
            bincode::serde::decode_from_slice::<StatusProof, _>(&bytes, config).is_ok(),
            fits
        );
        let json = serde_json::to_string(&proof).unwrap();
        assert_eq!(serde_json::from_str::<StatusProof>(&json).is_ok(), fits);
    }
}

fn many(n: u64) -> impl Iterator<Item = (Hash, Hash)> {
    (0..n).map(|n| {
        let key = hash(Purpose::StatusKey, &n.to_le_bytes());
        (key, hash(Purpose::StatusValue, key.as_bytes()))
    })
}

#[test]
fn memory_holds_a_few_bytes_an_entry_and_pages_that_are_no_longer_used_are_used_again() {
    let mut map = map_of(many(20_000));
    map.root().unwrap();
    let used = map.pages.slots.count as usize - map.pages.slots.free.len();
    let bytes = used * (size_of::<Page>() + size_of::<Branch>());
    assert!(bytes < 20_000 * 24, "{bytes} bytes for 20,000 entries");
    for _ in 0..5 {
        for (key, _) in many(2_000) {
            remove(&mut map, &key);
        }
        map.root().unwrap();
        for (key, value) in many(2_000) {
            insert(&mut map, key, value);
        }
        map.root().unwrap();
    }
    assert!(
        (map.pages.slots.count as usize) < used * 3,
        "{} slots",
        map.pages.slots.count
    );
}

/// A file that counts how often it is read.
struct Counted {
    file: Box<dyn DiskFile>,
    reads: Arc<AtomicUsize>,
}

impl DiskFile for Counted {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.file.read_at(buf, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
}

#[test]
fn however_many_changes_run_ahead_every_proof_but_the_first_reads_one_page() {
    let reads = Arc::new(AtomicUsize::new(0));
    let file = Counted {
        file: memory().unwrap(),
        reads: Arc::clone(&reads),
    };
    let mut map = Map::new(Box::new(file)).unwrap();
    // Of statuses that readers see: none, one, some hundreds.
    for (committed, at) in [(0, 0), (1, 2), (400, 4)] {
        for (key, value) in many(committed) {
            map.set(key, Some(value), at).unwrap();
        }
        map.commit(at + 1);
        let root = map_of(many(committed)).root().unwrap();
        for round in 0..2 {
            for (key, _) in many(20_000) {
                map.set(key, Some(Hash::from_bytes([round; 32])), at + 1)
                    .unwrap();
            }
            // With the changes that wait written, and every page that was read once.
            map.prove(&Hash::ZERO).unwrap();
            for (n, (key, value)) in many(1_000).enumerate() {
                let before = reads.load(Ordering::Relaxed);
                let proof = map.prove(&key).unwrap();
                let read = reads.load(Ordering::Relaxed) - before;
                assert!(read <= 1, "{read} pages read for one proof");
                let seen = (n < committed as usize).then_some(value);
                assert_eq!(proof.verify(&root, &key), Ok(seen));
            }
        }
        for (key, _) in many(20_000).skip(committed as usize) {
            map.set(key, None, at + 1).unwrap();
        }
    }
}

#[test]
fn a_proof_follows_what_is_committed_when_the_point_moves_on_and_when_pages_are_written_again() {
    let file = MemoryDisk::new().open(Path::new("statuses"), true).unwrap();
    let mut map = Map::new(file).unwrap();
    let mut committed = Model::new();
    for round in 0..6 {
        let mut next = committed.clone();
        // Each part is written over pages that proofs were made from already.
        for part in 0..3 {
            for (key, value) in many(900).skip(part).step_by(7 + round) {
                let value = (!next.contains_key(&key)).then_some(value);
                map.set(key, value, round as u64).unwrap();
                change(&mut next, key, value);
            }
            let root = model_root(&committed);
            for (key, _) in many(900).step_by(90) {
                let proof = map.prove(&key).unwrap();
                assert_eq!(proof.verify(&root, &key), Ok(committed.get(&key).copied()));
            }
            assert_eq!(map.root().unwrap(), model_root(&next));
        }
        map.commit(round as u64 + 1);
        committed = next;
    }
}

#[test]
fn a_map_whose_file_takes_no_more_goes_on_in_memory_and_forgets_nothing() {
    let disk = MemoryDisk::new();
    let mut map = Map::new(disk.open(Path::new("statuses"), true).unwrap()).unwrap();
    for (key, value) in many(200) {
        map.set(key, Some(value), 0).unwrap();
    }
    map.commit(1);
    map.root().unwrap();
    disk.set_full(true);
    let (new, value) = many(201).last().unwrap();
    let (old, _) = many(1).next().unwrap();
    map.set(new, Some(value), 1).unwrap();
    map.set(old, None, 1).unwrap();
    assert_eq!(
        map.root().unwrap(),
        map_of(many(201).skip(1)).root().unwrap()
    );
    for (key, value) in many(200) {
        assert_eq!(map.get(&key).unwrap(), Some(value));
    }
    assert_eq!(
        (map.get(&new).unwrap(), map.latest(&old).unwrap()),
        (None, None)
    );
    map.commit(2);
    assert_eq!(
        (map.get(&new).unwrap(), map.get(&old).unwrap()),
        (Some(value), None)
    );
}

#[test]
fn a_page_that_the_medium_changed_is_an_error_and_no_answer() {
    let disk = MemoryDisk::new();
    let path = Path::new("statuses");
    let mut map = Map::new(disk.open(path, true).unwrap()).unwrap();
    let (key, value) = many(1).next().unwrap();
    map.set(key, Some(value), 0).unwrap();
    map.commit(1);
    map.root().unwrap();
    assert_eq!(map.get(&key).unwrap(), Some(value));
    disk.open(path, false)
        .unwrap()
        .write_at(&[0xff], 40)
        .unwrap();
    assert!(map.get(&key).is_err());
    map.top = match std::mem::take(&mut map.top) {
        Node::Page(page) => Node::Page(Page {
            summaries: Summaries::default(),
            ..page
        }),
        other => other,
    };
    assert!(map.root().is_err() && map.prove(&key).is_err());
}
