use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

type Model = BTreeMap<Hash, Hash>;

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
    fn any_sequence_of_changes_gives_the_roots_values_and_order_of_the_naive_model(
        changes in vec((any_key(), proptest::option::weighted(0.6, value()), any::<bool>()), 0..120),
    ) {
        let (mut map, mut model) = (StatusMap::new(), Model::new());
        for (key, change, look) in changes {
            match change {
                Some(value) => prop_assert_eq!(map.insert(key, value), model.insert(key, value)),
                None => prop_assert_eq!(map.remove(&key), model.remove(&key)),
            }
            prop_assert_eq!(map.get(&key), change);
            // Roots asked for at odd moments must not leave stale hashes behind.
            if look {
                prop_assert_eq!(map.root(), model_root(&model));
            }
        }
        prop_assert_eq!(map.root(), model_root(&model));
        prop_assert_eq!(map.len(), model.len());
        prop_assert_eq!(map.is_empty(), model.is_empty());
        prop_assert!(map.iter().eq(model));
    }

    #[test]
    fn the_root_does_not_depend_on_history(
        kept in vec((any_key(), value()), 0..40),
        removed in vec((any_key(), value()), 0..40),
        order in any::<prop::sample::Index>(),
    ) {
        let kept: Model = kept.into_iter().collect();
        let mut plain: StatusMap = kept.clone().into_iter().collect();
        let mut entries: Vec<_> = kept.iter().map(|(key, value)| (*key, *value)).collect();
        entries.reverse();
        if !entries.is_empty() {
            let middle = order.index(entries.len());
            entries.rotate_left(middle);
        }
        let mut detour: StatusMap = removed.iter().copied().chain(entries).collect();
        let _ = detour.root();
        for (key, _) in removed.iter().filter(|(key, _)| !kept.contains_key(key)) {
            detour.remove(key);
        }
        prop_assert_eq!(detour.root(), plain.root());
        prop_assert_eq!(detour.prove(&Hash::ZERO), plain.prove(&Hash::ZERO));
    }

    #[test]
    fn proofs_of_present_and_absent_keys_hold_without_the_map_being_hashed_before(
        entries in vec((any_key(), value()), 0..60),
        asked in vec(any_key(), 1..20),
    ) {
        let model: Model = entries.iter().copied().collect();
        let root = model_root(&model);
        let mut map: StatusMap = entries.iter().copied().collect();
        for key in asked.iter().chain(model.keys()) {
            let proof = map.prove(key);
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
        let mut map: StatusMap = entries.into_iter().collect();
        let root = map.root();
        if let Ok(answer) = map.prove(&asked).verify(&root, &other) {
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
        let mut map: StatusMap = entries.iter().copied().collect();
        let root = map.root();
        for key in [asked, entries[0].0] {
            let proof = map.prove(&key);
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
    let mut map = StatusMap::new();
    assert_eq!(map.root(), Hash::ZERO);
    assert_eq!(map.prove(&key).verify(&Hash::ZERO, &key), Ok(None));
    map.insert(key, value);
    assert_eq!(map.root(), leaf_hash(&key, &value));
    map.remove(&key);
    assert_eq!(map.root(), Hash::ZERO);
}

#[test]
fn keys_that_part_at_the_last_bit_have_proofs_of_256_siblings_and_are_dropped_without_harm() {
    let (first, second) = (key_ending_in(0), key_ending_in(1));
    let mut map: StatusMap = [(first, Hash::ZERO), (second, first)].into_iter().collect();
    let root = map.root();
    let proof = map.prove(&second);
    assert_eq!(proof.siblings.len(), MAX_DEPTH);
    assert_eq!(proof.verify(&root, &second), Ok(Some(first)));
    assert_eq!(
        map.prove(&first).verify(&root, &first),
        Ok(Some(Hash::ZERO))
    );
    assert_eq!(map.clone().remove(&first), Some(Hash::ZERO));
    map.remove(&first);
    assert_eq!(map.root(), leaf_hash(&second, &first));
    assert_eq!(map.prove(&second).siblings.len(), 0);
}

#[test]
fn another_keys_leaf_off_the_way_proves_nothing() {
    let (left, right) = (Hash::from_bytes([0; 32]), Hash::from_bytes([0xff; 32]));
    let mut map: StatusMap = [(left, left), (right, right)].into_iter().collect();
    let root = map.root();
    // The true proof of `left`, handed out as if it showed that `right` is absent.
    assert_eq!(
        map.prove(&left).verify(&root, &right),
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

#[test]
fn an_insert_that_changes_nothing_keeps_the_hashes() {
    let mut map: StatusMap = (0..9)
        .map(|at| (Hash::from_bytes([at * 28; 32]), Hash::ZERO))
        .collect();
    let root = map.root();
    map.insert(Hash::from_bytes([28; 32]), Hash::ZERO);
    map.remove(&Hash::from_bytes([1; 32]));
    assert!(matches!(&map.top, Subtree::Branch(branch) if branch.hash == Some(root)));
}
