mod naive;

use std::collections::HashMap;

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use self::naive::{Digest, Rfc6962, file, leaves, mth, path, sha_leaves, subproof};
use super::*;
use crate::crypto::hash::Hash;

#[test]
fn pushing_completes_every_perfect_subtree_with_the_naive_root_in_post_order() {
    let leaves = sha_leaves(70);
    let mut seen = HashMap::new();
    let mut range = CompactRange::<Rfc6962>::empty();
    for n in 0..=70usize {
        assert_eq!(range.root(), mth::<Rfc6962>(&leaves[..n]));
        assert_eq!(range.size(), n as u64);
        if n < 70 {
            range.push(leaves[n], &mut |level, index, digest| {
                assert_eq!(seen.insert((level, index), digest), None);
            });
        }
    }
    for (&(level, index), &digest) in &seen {
        let begin = usize::try_from(index << level).unwrap();
        assert_eq!(digest, mth::<Rfc6962>(&leaves[begin..begin + (1 << level)]));
    }
    assert_eq!(seen.len() as u64, nodes_before(70));
}

#[test]
fn the_public_example_tree_has_its_published_root() {
    let inputs = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ];
    let mut range = CompactRange::<Rfc6962>::empty();
    for input in inputs {
        let leaf = Sha256::new()
            .chain_update([0])
            .chain_update(hex::decode(input).unwrap())
            .finalize()
            .into();
        range.push(leaf, &mut |_, _, _| {});
    }
    assert_eq!(
        hex::encode(range.root()),
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
    );
}

#[test]
fn consistency_proofs_of_all_pairs_are_the_naive_ones_and_hold_only_as_they_are() {
    let leaves = sha_leaves(48);
    let file = file::<Rfc6962>(&leaves);
    for new in 1..=48u64 {
        let tree = &leaves[..new as usize];
        let new_root = mth::<Rfc6962>(tree);
        for old in 1..=new {
            let old_root = mth::<Rfc6962>(&tree[..old as usize]);
            let proof = consistency_proof(&file, old, new).unwrap();
            assert_eq!(
                proof,
                subproof::<Rfc6962>(old as usize, tree, true),
                "{old} {new}"
            );
            let check = |proof: &[Digest]| {
                verify_consistency::<Rfc6962>(old, &old_root, new, &new_root, proof)
            };
            assert_eq!(check(&proof), Ok(()));
            for at in 0..proof.len() {
                let mut changed = proof.clone();
                changed[at][at % 32] ^= 1;
                assert!(check(&changed).is_err());
                assert!(check(&[&proof[..at], &proof[at + 1..]].concat()).is_err());
            }
            assert_eq!(
                check(&[&proof[..], &[new_root]].concat()),
                Err(VerifyError::TooLong)
            );
            if old < new {
                let wrong = Rfc6962::empty();
                // An old root that is itself where the proof begins can only be found wrong at the other end.
                let expected = if old.is_power_of_two() {
                    VerifyError::NewRoot
                } else {
                    VerifyError::OldRoot
                };
                let result = verify_consistency::<Rfc6962>(old, &wrong, new, &new_root, &proof);
                assert_eq!(result, Err(expected), "{old} {new}");
                let result = verify_consistency::<Rfc6962>(old, &old_root, new, &wrong, &proof);
                assert_eq!(result, Err(VerifyError::NewRoot));
            }
        }
    }
}

#[test]
fn root_from_joins_every_left_range_with_every_right_range() {
    let leaves = leaves(40);
    let file = file::<Blake3Tree>(&leaves);
    for n in 0..=40u64 {
        let whole = mth::<Blake3Tree>(&leaves[..n as usize]);
        assert_eq!(root(&file, n).unwrap(), whole);
        for k in 0..=n {
            let left = left_range(&file, k).unwrap();
            assert_eq!(left.root(), mth::<Blake3Tree>(&leaves[..k as usize]));
            let right = right_range(&file, k, n).unwrap();
            assert_eq!(root_from(&left, &right, n), Ok(whole));
            for at in 0..right.len() {
                let mut changed = right.clone();
                changed[at] = Hash::ZERO;
                assert_ne!(root_from(&left, &changed, n), Ok(whole));
                let fewer = root_from(&left, &right[1..], n);
                assert!(matches!(fewer, Err(CompactRangeError::NodeCount { .. })));
            }
            let more = root_from(&left, &[&right[..], &[whole]].concat(), n);
            assert!(matches!(more, Err(CompactRangeError::NodeCount { .. })));
        }
    }
}

#[test]
fn ranges_with_a_wrong_count_or_an_impossible_size_are_refused() {
    let node = Blake3Tree::empty();
    let parts = |size, count| CompactRange::<Blake3Tree>::from_parts(size, vec![node; count]);
    assert!(parts(5, 2).is_ok());
    assert_eq!(
        parts(5, 3),
        Err(CompactRangeError::NodeCount {
            begin: 0,
            end: 5,
            expected: 2,
            actual: 3
        }),
    );
    assert_eq!(
        parts(0, 1),
        Err(CompactRangeError::NodeCount {
            begin: 0,
            end: 0,
            expected: 0,
            actual: 1
        })
    );
    assert_eq!(
        parts(u64::MAX, 64),
        Err(CompactRangeError::TooLarge(u64::MAX))
    );
    assert!(parts(MAX_SIZE, 1).is_ok());
    let five = parts(5, 2).unwrap();
    assert_eq!(
        root_from(&five, &[], 4),
        Err(CompactRangeError::LeftTooLong { left: 5, size: 4 })
    );
    assert_eq!(
        root_from(&five, &[], MAX_SIZE + 1),
        Err(CompactRangeError::TooLarge(MAX_SIZE + 1))
    );
}

#[test]
fn proofs_that_no_tree_has_are_refused_before_anything_is_read() {
    let file = file::<Blake3Tree>(&leaves(8));
    assert_eq!(
        inclusion_proof(&file, 8, 8),
        Err(GenerateError::LeafOutside { leaf: 8, size: 8 })
    );
    assert_eq!(
        inclusion_proof(&file, 0, 0),
        Err(GenerateError::LeafOutside { leaf: 0, size: 0 })
    );
    assert_eq!(consistency_proof(&file, 0, 8), Err(GenerateError::EmptyOld));
    assert_eq!(
        consistency_proof(&file, 8, 7),
        Err(GenerateError::SizesDecrease { old: 8, new: 7 })
    );
    assert_eq!(
        right_range(&file, 8, 7),
        Err(GenerateError::SizesDecrease { old: 8, new: 7 })
    );
    assert_eq!(
        root(&file, u64::MAX),
        Err(GenerateError::TooLarge(u64::MAX))
    );
    assert_eq!(file.reads.get(), 0);
}

#[test]
fn arithmetic_at_the_edges_of_u64_neither_panics_nor_wraps() {
    assert_eq!(nodes_before(0), 0);
    assert_eq!(nodes_before(1 << 63), u64::MAX);
    assert_eq!(nodes_before(u64::MAX), u64::MAX);
    assert_eq!(position(62, 0), (1 << 63) - 2);
    assert_eq!(position(62, 1), u64::MAX - 2);
    for (level, index) in [
        (63, 0),
        (64, 0),
        (u32::MAX, 1),
        (62, 4),
        (1, u64::MAX),
        (0, u64::MAX),
    ] {
        assert_eq!(position(level, index), u64::MAX, "{level} {index}");
    }
    for (k, n) in [
        (0, u64::MAX),
        (1, u64::MAX),
        (1, MAX_SIZE),
        (MAX_SIZE - 1, u64::MAX),
        (u64::MAX, 0),
    ] {
        let shape = right_range_shape(k, n);
        assert!(shape.len() < 128);
        let end = shape.iter().fold(u128::from(k), |begin, (level, index)| {
            assert_eq!(u128::from(*index) << level, begin);
            begin + (1 << level)
        });
        assert_eq!(end, u128::from(n.max(k)));
    }
    let node = Blake3Tree::empty();
    let huge = verify_inclusion::<Blake3Tree>(&node, u64::MAX - 1, u64::MAX, &[node; 64], &node);
    assert!(huge.is_err());
    assert!(
        verify_consistency::<Blake3Tree>(1 << 63, &node, u64::MAX, &node, &[node; 64]).is_err()
    );
}

#[test]
fn proofs_come_back_from_bytes_unchanged_and_longer_ones_are_refused_while_read() {
    let config = bincode::config::standard();
    let leaves = leaves(21);
    let file = file::<Blake3Tree>(&leaves);
    let (root, old_root) = (mth::<Blake3Tree>(&leaves), mth::<Blake3Tree>(&leaves[..13]));
    let inclusion = InclusionProof::generate(&file, 5, 21).unwrap();
    let bytes = bincode::serde::encode_to_vec(&inclusion, config).unwrap();
    let (read, _) = bincode::serde::decode_from_slice::<InclusionProof, _>(&bytes, config).unwrap();
    assert_eq!(read.verify(&leaves[5], &root), Ok(()));
    assert_eq!(read.verify(&leaves[6], &root), Err(VerifyError::Root));
    let consistency = ConsistencyProof::generate(&file, 13, 21).unwrap();
    let json = serde_json::to_string(&consistency).unwrap();
    let read = serde_json::from_str::<ConsistencyProof>(&json).unwrap();
    assert_eq!(read.verify(&old_root, &root), Ok(()));
    for (count, fits) in [(MAX_PATH, true), (MAX_PATH + 1, false)] {
        let long = InclusionProof {
            path: vec![root; count],
            ..inclusion.clone()
        };
        let bytes = bincode::serde::encode_to_vec(&long, config).unwrap();
        assert_eq!(
            bincode::serde::decode_from_slice::<InclusionProof, _>(&bytes, config).is_ok(),
            fits
        );
        let long = ConsistencyProof {
            path: vec![root; count],
            ..consistency.clone()
        };
        let json = serde_json::to_string(&long).unwrap();
        assert_eq!(
            serde_json::from_str::<ConsistencyProof>(&json).is_ok(),
            fits
        );
    }
    // A length that promises far more than follows must not be believed.
    let liar = [&bytes[..2], &[253, 255, 255, 255, 255, 255, 255, 255, 255]].concat();
    assert!(bincode::serde::decode_from_slice::<InclusionProof, _>(&liar, config).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_leafs_inclusion_proof_is_the_naive_one_and_holds_nowhere_else(n in 1usize..=300) {
        let leaves = sha_leaves(n);
        let file = file::<Rfc6962>(&leaves);
        let root = mth::<Rfc6962>(&leaves);
        let size = n as u64;
        for at in 0..n {
            file.reads.set(0);
            let proof = inclusion_proof(&file, at as u64, size).unwrap();
            prop_assert!(file.reads.get() <= 2 * (size.ilog2() + 1), "O(log n) reads");
            prop_assert_eq!(&proof, &path::<Rfc6962>(at, &leaves));
            let check = |index, proof: &[Digest]| verify_inclusion::<Rfc6962>(&leaves[at], index, size, proof, &root);
            prop_assert_eq!(check(at as u64, &proof), Ok(()));
            for elsewhere in [at as u64 + 1, at as u64 ^ 1, at as u64 / 2, size - 1].into_iter().filter(|i| *i != at as u64) {
                prop_assert!(check(elsewhere, &proof).is_err());
            }
            prop_assert_eq!(check(at as u64, &[&proof[..], &[root]].concat()), Err(VerifyError::TooLong));
            if let Some((_, shorter)) = proof.split_last() {
                prop_assert_eq!(check(at as u64, shorter), Err(VerifyError::TooShort));
                let mut changed = proof.clone();
                changed[at % proof.len()][at % 32] ^= 0x10;
                prop_assert_eq!(check(at as u64, &changed), Err(VerifyError::Root));
            }
        }
    }

    #[test]
    fn consistency_and_ranges_agree_with_the_naive_tree(n in 1usize..=300, seed in any::<prop::sample::Index>()) {
        let leaves = leaves(n);
        let file = file::<Blake3Tree>(&leaves);
        let (old, new) = (seed.index(n) as u64 + 1, n as u64);
        let (old_root, new_root) = (mth::<Blake3Tree>(&leaves[..old as usize]), mth::<Blake3Tree>(&leaves));
        file.reads.set(0);
        let proof = ConsistencyProof::generate(&file, old, new).unwrap();
        prop_assert!(file.reads.get() <= 2 * (new.ilog2() + 2), "O(log n) reads");
        prop_assert_eq!(&proof.path, &subproof::<Blake3Tree>(old as usize, &leaves, true));
        prop_assert_eq!(proof.verify(&old_root, &new_root), Ok(()));
        let right = right_range(&file, old, new).unwrap();
        prop_assert_eq!(root_from(&left_range(&file, old).unwrap(), &right, new), Ok(new_root));
    }
}
