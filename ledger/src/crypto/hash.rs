//! BLAKE3-256, keyed by purpose so that a hash made for one thing can never be mistaken for another.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A 32-byte hash.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// All zeros: the `prev` of a log's first record, and the root of an empty status map.
    pub const ZERO: Hash = Hash([0; 32]);

    /// A hash of these bytes' value (nothing is hashed).
    pub const fn from_bytes(bytes: [u8; 32]) -> Hash {
        Hash(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first eight bytes as a little-endian number: a fingerprint for indexes, never an identity.
    pub fn fingerprint(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        u64::from_le_bytes(first)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", hex::encode(&self.0[..4]))
    }
}

/// A text that is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits")]
pub struct NotAHash;

impl FromStr for Hash {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Hash, NotAHash> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| NotAHash)?;
        Ok(Hash(bytes))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            words(&self.0).serialize(serializer)
        }
    }
}

/// The bytes as four floating-point numbers, which is how serde takes eight bytes at a time: bincode writes these as they
/// are in memory, least byte first, where it makes a call for each byte of an array and shortens integers. The bytes are
/// the same as those of `[u8; 32]`. Nothing is ever computed with the numbers, so every bit stays.
fn words(bytes: &[u8; 32]) -> [f64; 4] {
    let (eights, _) = bytes.as_chunks::<8>();
    std::array::from_fn(|at| f64::from_le_bytes(eights[at]))
}

fn bytes(words: [f64; 4]) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (eight, word) in bytes.chunks_exact_mut(8).zip(words) {
        eight.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?
                .parse()
                .map_err(serde::de::Error::custom)
        } else {
            <[f64; 4]>::deserialize(deserializer).map(|words| Hash(bytes(words)))
        }
    }
}

/// What a hash is for. Each purpose has its own key, `derive_key("certmesh v1 <name>", "")`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Purpose {
    /// Network identifier, over the canonical genesis.
    Network,
    /// Record hash, over network, log and the record's bytes.
    Record,
    /// Leaf of a log's tree, over record hash and signature.
    Leaf,
    /// Inner node of a log's tree.
    Node,
    /// Checkpoint hash, over network and checkpoint.
    Checkpoint,
    /// What a witness signs: checkpoint hash, witness and time.
    Cosignature,
    /// Commitment to the network's catalogue key.
    CatalogueKey,
    /// Subject tag, under the network's catalogue key.
    Subject,
    /// Commitment to one field.
    Field,
    /// Inner node of the tree of field commitments.
    FieldNode,
    /// Salt of one field, under the department's field key.
    FieldSalt,
    /// Root of all commitments to a certificate's fields.
    FieldRoot,
    /// Place of a field that its type's definition doesn't name.
    FieldPlace,
    /// Key of the status map, over a certificate identifier.
    StatusKey,
    /// Key of the status map, over the department that issued an inherited certificate and its identifier.
    InheritedKey,
    /// Value of the status map, over a canonical status.
    StatusValue,
    /// Leaf of the status map.
    StatusLeaf,
    /// Inner node of the status map.
    StatusNode,
    /// Key of the status map, over a type code.
    DefinitionKey,
    /// Value of the status map, over a canonical definition entry.
    DefinitionValue,
    /// Chain of a type's definitions in a log.
    DefinitionChain,
    /// Fingerprints in index files.
    Index,
    /// Checksums of files.
    File,
    /// Hashes of requests, for idempotency and rate limits.
    Request,
    /// What a department signs when it asks for fields, over network and request.
    Retrieval,
    /// The part of a request for fields that no receipt shows.
    RetrievalRest,
    /// A subject for one day, under the network's catalogue key.
    BlindedSubject,
    /// A case, under the department's field key.
    Case,
    /// A block of governance, over its canonical bytes.
    Block,
    /// What a governor's node signs about a block.
    Vote,
    /// What a governor's node signs to offer a block in a round.
    Offer,
    /// What a proposer signs, over a proposal to the members.
    Proposal,
    /// What a governor signs to approve a proposal.
    Approval,
    /// What a proposer signs to withdraw a proposal.
    Withdrawal,
    /// What a department signs with all of its keys to be admitted.
    Introduction,
    /// What a new identity key signs, to show that it is held.
    Identity,
    /// What a department signs to change its own keys.
    OwnChange,
    /// What a new key of an own change signs, to show that it is held.
    Possession,
    /// What a department signs about where an epoch of its keys ended.
    EpochEnded,
    /// What a member signs that knows nothing of an epoch beyond its end.
    EpochWitnessed,
    /// What a member signs about how much it holds of a log that was lost.
    LogHeld,
    /// What ends the governing of members that can't be reached.
    Recovery,
    /// What the catalogue key is sealed for: in which network, to whom.
    SealedCatalogueKey,
    /// What a peer signs about where it can be reached.
    Addresses,
    /// What a governor's node signs about a block with a recovery.
    RecoveryVote,
}

const PURPOSES: usize = Purpose::RecoveryVote as usize + 1;

impl Purpose {
    /// The name in the key-derivation context.
    pub const fn name(self) -> &'static str {
        match self {
            Purpose::Network => "network",
            Purpose::Record => "record",
            Purpose::Leaf => "leaf",
            Purpose::Node => "node",
            Purpose::Checkpoint => "checkpoint",
            Purpose::Cosignature => "cosignature",
            Purpose::CatalogueKey => "catalogue-key",
            Purpose::Subject => "subject",
            Purpose::Field => "field",
            Purpose::FieldNode => "field-node",
            Purpose::FieldSalt => "field-salt",
            Purpose::FieldRoot => "field-root",
            Purpose::FieldPlace => "field-place",
            Purpose::StatusKey => "status-key",
            Purpose::InheritedKey => "inherited-key",
            Purpose::StatusValue => "status-value",
            Purpose::StatusLeaf => "status-leaf",
            Purpose::StatusNode => "status-node",
            Purpose::DefinitionKey => "definition-key",
            Purpose::DefinitionValue => "definition-value",
            Purpose::DefinitionChain => "definition-chain",
            Purpose::Index => "index",
            Purpose::File => "file",
            Purpose::Request => "request",
            Purpose::Retrieval => "retrieval",
            Purpose::RetrievalRest => "retrieval-rest",
            Purpose::BlindedSubject => "blinded-subject",
            Purpose::Case => "case",
            Purpose::Block => "block",
            Purpose::Vote => "vote",
            Purpose::Offer => "offer",
            Purpose::Proposal => "proposal",
            Purpose::Approval => "approval",
            Purpose::Withdrawal => "withdrawal",
            Purpose::Introduction => "introduction",
            Purpose::Identity => "identity",
            Purpose::OwnChange => "own-change",
            Purpose::Possession => "possession",
            Purpose::EpochEnded => "epoch-ended",
            Purpose::EpochWitnessed => "epoch-witnessed",
            Purpose::LogHeld => "log-held",
            Purpose::Recovery => "recovery",
            Purpose::SealedCatalogueKey => "sealed-catalogue-key",
            Purpose::Addresses => "addresses",
            Purpose::RecoveryVote => "recovery-vote",
        }
    }
}

/// The key of a purpose, derived once.
pub fn keyed(purpose: Purpose) -> &'static [u8; 32] {
    static KEYS: [OnceLock<[u8; 32]>; PURPOSES] = [const { OnceLock::new() }; PURPOSES];
    KEYS[purpose as usize]
        .get_or_init(|| blake3::derive_key(&format!("certmesh v1 {}", purpose.name()), b""))
}

/// Hashes `bytes` for a purpose.
pub fn hash(purpose: Purpose, bytes: &[u8]) -> Hash {
    Hash(*blake3::keyed_hash(keyed(purpose), bytes).as_bytes())
}

/// Hashes the concatenation of `parts` for a purpose.
pub fn hash_parts(purpose: Purpose, parts: &[&[u8]]) -> Hash {
    let mut hasher = blake3::Hasher::new_keyed(keyed(purpose));
    for part in parts {
        hasher.update(part);
    }
    Hash(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_purpose_has_a_key_of_its_own() {
        let one = hash(Purpose::Record, b"x");
        assert_ne!(one, hash(Purpose::Leaf, b"x"));
        assert_eq!(hash_parts(Purpose::Record, &[b"x", b""]), one);
        assert_eq!(
            *keyed(Purpose::Node),
            blake3::derive_key("certmesh v1 node", b"")
        );
    }

    #[test]
    fn the_text_form_round_trips_and_refuses_anything_else() {
        let h = hash(Purpose::File, b"abc");
        assert_eq!(h.to_string().parse(), Ok(h));
        assert_eq!("ab".parse::<Hash>(), Err(NotAHash));
    }
    #[test]
    fn the_canonical_bytes_are_the_hash_itself_whatever_numbers_they_make() {
        // Zeros of both signs, infinities, NaNs of both kinds.
        let eights = [
            0,
            1 << 63,
            0x7FF0 << 48,
            0xFFF0 << 48,
            (0x7FF0 << 48) | 1,
            (0xFFF8 << 48) | 0xABC,
            0x0123_4567_89AB_CDEF,
            u64::MAX,
        ];
        for eight in eights.map(u64::to_le_bytes) {
            let all: [u8; 32] = std::array::from_fn(|at| eight[at % 8]);
            let encoded = crate::codec::encode(&Hash(all));
            assert_eq!(encoded, all);
            assert_eq!(encoded, crate::codec::encode(&all));
            let read: Hash = crate::codec::decode(&encoded, 32).unwrap();
            assert_eq!(read, Hash(all));
        }
    }
}
