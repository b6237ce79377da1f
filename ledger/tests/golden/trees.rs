//! The tree over records and the status map.

use std::convert::Infallible;

use certmesh_ledger::crypto::hash::{Hash, Purpose, hash};
use certmesh_ledger::merkle::{
    Blake3Tree, CompactRange, ConsistencyProof, InclusionProof, NodeReader, left_range,
    nodes_before, position, right_range, right_range_shape, root,
};
use certmesh_ledger::status_map::StatusMap;
use serde_json::{Value, json};

use crate::Vectors;

/// Leaves of the largest tree here.
const LEAVES: u64 = 8;

/// A tree's nodes in post-order, as its file holds them.
struct Nodes(Vec<Hash>);

impl NodeReader for Nodes {
    type Hasher = Blake3Tree;
    type Error = Infallible;

    fn node(&self, level: u32, index: u64) -> Result<Hash, Infallible> {
        Ok(self.0[position(level, index) as usize])
    }
}

pub(crate) fn all(v: &mut Vectors) {
    let mut range = CompactRange::<Blake3Tree>::empty();
    let mut nodes = Nodes(Vec::new());
    for n in 0..LEAVES {
        let leaf = hash(Purpose::Leaf, &n.to_le_bytes());
        range.push(leaf, &mut |_, _, node| nodes.0.push(node));
    }
    tree(v, &nodes);
    status_map(v);
}

fn texts(hashes: &[Hash]) -> Value {
    hashes.iter().map(ToString::to_string).collect()
}

fn tree(v: &mut Vectors, nodes: &Nodes) {
    let hashed: Vec<String> = (0..LEAVES).map(|n| hex::encode(n.to_le_bytes())).collect();
    v.put("tree", "H_leaf of these is leaf 0 to 7", json!(hashed));
    v.put("tree", "nodes of 8 leaves in post-order", texts(&nodes.0));
    let positions: Vec<u64> = (0..=LEAVES).map(nodes_before).collect();
    v.put("tree", "nodes before leaf 0 to 8", json!(positions));
    let roots: Vec<Hash> = (0..=LEAVES)
        .map(|n| root(nodes, n).expect("a root"))
        .collect();
    v.put("tree", "roots of 0 to 8 leaves", texts(&roots));
    for index in 0..7 {
        let proof = InclusionProof::generate(nodes, index, 7).expect("a proof");
        let leaf = nodes.node(0, index).expect("a leaf");
        assert_eq!(proof.verify(&leaf, &roots[7]), Ok(()));
        v.shown("tree", &format!("leaf {index} of 7"), &proof);
    }
    for (old, new) in [
        (1, 7),
        (2, 7),
        (3, 7),
        (4, 7),
        (5, 7),
        (6, 7),
        (6, 8),
        (7, 7),
    ] {
        let proof = ConsistencyProof::generate(nodes, old, new).expect("a proof");
        assert_eq!(
            proof.verify(&roots[old as usize], &roots[new as usize]),
            Ok(())
        );
        v.shown("tree", &format!("{old} leaves before {new}"), &proof);
    }
    let left = left_range(nodes, 3).expect("a range");
    v.put("tree", "compact range before leaf 3", texts(left.nodes()));
    let right = right_range(nodes, 3, 7).expect("a range");
    v.put("tree", "compact range of leaves 3 to 6", texts(&right));
    v.put(
        "tree",
        "its subtrees (level, index)",
        json!(right_range_shape(3, 7)),
    );
}

fn status_map(v: &mut Vectors) {
    let mut map = StatusMap::in_memory();
    map.commit(u64::MAX);
    v.put(
        "status map",
        "root of 0",
        json!(map.root().unwrap().to_string()),
    );
    // First bytes 0x80, 0x81, 0x40 and 0x00: two share seven bits, so their branch has empty sides above it.
    let entries: Vec<(Hash, Hash)> = [0x80, 0x81, 0x40, 0x00]
        .into_iter()
        .map(|first| {
            (
                Hash::from_bytes([first; 32]),
                hash(Purpose::StatusValue, &[first]),
            )
        })
        .collect();
    for ((key, value), n) in entries.iter().zip(1..) {
        map.set(*key, Some(*value), 0).unwrap();
        v.put(
            "status map",
            &format!("root of {n}"),
            json!({ "added key": key.to_string(), "its value": value.to_string(), "root": map.root().unwrap().to_string() }),
        );
    }
    let root = map.root().unwrap();
    for (name, first, expected) in [
        ("present", 0x80, Some(entries[0].1)),
        ("absent, another leaf in its place", 0x10, None),
        ("absent, nothing in its place", 0x90, None),
    ] {
        let key = Hash::from_bytes([first; 32]);
        let proof = map.prove(&key).unwrap();
        assert_eq!(proof.verify(&root, &key), Ok(expected), "{name}");
        v.shown("status map", name, &proof);
        v.bytes("status map", &format!("{name}: key"), key.as_bytes());
    }
    map.set(entries[0].0, None, 0).unwrap();
    v.put(
        "status map",
        "root after the first key is removed",
        json!(map.root().unwrap().to_string()),
    );
}
