//! One record as a link of its log: what its bytes must be at its position, and what it must follow.

use rayon::prelude::*;

use crate::crypto::hash::Hash;
use crate::crypto::keys::{PublicKey, SIGNATURE_LEN, Signature};
use crate::governance::Why;
use crate::names::{Lineage, LogName};
use crate::record::{Frame, Record, RecordError, RecordHash, leaf_hash, record_hash};

/// A rule of the log that its own department broke under its own signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BrokenRule {
    /// Not a record.
    #[error("record {seq}: {error}")]
    Record {
        /// Its position.
        seq: u64,
        /// What is wrong.
        error: RecordError,
    },
    /// The record names another position.
    #[error("record {seq} says it is record {says}")]
    Seq {
        /// Where it is.
        seq: u64,
        /// Where it says it is.
        says: u64,
    },
    /// The record does not name the one before it.
    #[error("record {seq} does not link to the record before it")]
    Prev {
        /// Its position.
        seq: u64,
    },
    /// Time went backwards.
    #[error("record {seq} is older than the record before it")]
    Time {
        /// Its position.
        seq: u64,
    },
    /// The record names an earlier governance height than the one before it.
    #[error("record {seq} names an earlier governance height than the record before it")]
    Height {
        /// Its position.
        seq: u64,
    },
    /// The record is signed with an earlier key than the one before it.
    #[error("record {seq} is signed with a key of an earlier epoch than the record before it")]
    Epoch {
        /// Its position.
        seq: u64,
    },
    /// The record names a key that wasn't its department's as of the governance height that it names.
    #[error("record {seq} names a key and a governance height that don't go together: {why}")]
    Claim {
        /// Its position.
        seq: u64,
        /// Why not.
        why: Why,
    },
    /// The checkpoint's head is not the last record.
    #[error("the checkpoint of size {size} names another last record")]
    Head {
        /// The checkpoint's size.
        size: u64,
    },
    /// The checkpoint's time is not that of the last record.
    #[error("the checkpoint of size {size} is not of the time of its last record")]
    CheckpointTime {
        /// The checkpoint's size.
        size: u64,
    },
    /// The checkpoint names an earlier governance height, or an earlier key, than its last record.
    #[error(
        "the checkpoint of size {size} names an earlier governance height or key epoch than its last record"
    )]
    CheckpointClaim {
        /// The checkpoint's size.
        size: u64,
    },
    /// The log no longer begins with what one of its checkpoints covered.
    #[error("the log no longer begins with the {size} records of a checkpoint accepted before")]
    Rewritten {
        /// That checkpoint's size.
        size: u64,
    },
    /// The checkpoint's status root is not what the records say.
    #[error("the checkpoint of size {size} commits to other statuses than its records give")]
    StatusRoot {
        /// The checkpoint's size.
        size: u64,
    },
}

impl BrokenRule {
    /// Records before the broken rule.
    pub fn position(&self) -> u64 {
        match self {
            BrokenRule::Record { seq, .. }
            | BrokenRule::Seq { seq, .. }
            | BrokenRule::Prev { seq }
            | BrokenRule::Time { seq }
            | BrokenRule::Height { seq }
            | BrokenRule::Epoch { seq }
            | BrokenRule::Claim { seq, .. } => *seq,
            BrokenRule::Rewritten { .. } => 0,
            BrokenRule::Head { size }
            | BrokenRule::CheckpointTime { size }
            | BrokenRule::CheckpointClaim { size }
            | BrokenRule::StatusRoot { size } => size.saturating_sub(1),
        }
    }
}

/// A record as a log holds it: decoded, hashed, and known to be under a checkpoint of its department.
#[derive(Clone, Debug)]
pub struct Link {
    /// What it says.
    pub record: Record,
    /// Its hash.
    pub hash: RecordHash,
    /// Its leaf in the tree.
    pub leaf: Hash,
    /// Bytes of its frame.
    pub frame_len: u32,
}

/// Checks the signature that stands in a record's frame.
///
/// # Errors
/// [`RecordError::Signature`].
pub(crate) fn verify(
    hash: &RecordHash,
    signature: &[u8; SIGNATURE_LEN],
    key: &PublicKey,
) -> Result<(), RecordError> {
    let signature = Signature::from_bytes(signature)?;
    Ok(key.verify(&hash.0, &signature)?)
}

/// The end of a log: what the next record must follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tip {
    /// Records before it.
    pub(crate) size: u64,
    /// Hash of the last one.
    pub(crate) head: RecordHash,
    /// Time of the last one, ms.
    pub(crate) time_ms: u64,
    /// Governance height that the last one names.
    pub(crate) height: u64,
    /// Epoch of the key that signed the last one.
    pub(crate) key_epoch: u32,
}

impl Tip {
    /// That of an empty log.
    pub(crate) const NONE: Tip = Tip {
        size: 0,
        head: RecordHash::NONE,
        time_ms: 0,
        height: 0,
        key_epoch: 0,
    };

    /// That of a log whose last record is this one.
    pub(crate) fn after(link: &Link) -> Tip {
        Tip {
            size: link.record.seq + 1,
            head: link.hash,
            time_ms: link.record.time_ms,
            height: link.record.height,
            key_epoch: link.record.key_epoch,
        }
    }
}

/// Reads one frame as the record at a position.
///
/// # Errors
/// The rule it breaks.
pub(crate) fn link(log: &LogName, frame: &Frame<'_>, seq: u64) -> Result<Link, BrokenRule> {
    let broken = |error| BrokenRule::Record { seq, error };
    let record = Record::decode(frame.record).map_err(broken)?;
    Signature::from_bytes(frame.signature).map_err(|e| broken(e.into()))?;
    let hash = record_hash(log, frame.record);
    if record.seq != seq {
        return Err(BrokenRule::Seq {
            seq,
            says: record.seq,
        });
    }
    Ok(Link {
        record,
        hash,
        leaf: leaf_hash(&hash, frame.signature),
        frame_len: frame.byte_len() as u32,
    })
}

/// Reads consecutive frames as the records from a position on: one by one as they are asked for, or all of them by several
/// threads where that is worth it.
pub(crate) fn links<'f>(
    log: &'f Lineage,
    frames: &'f [Frame<'f>],
    from: u64,
) -> Box<dyn Iterator<Item = Result<Link, BrokenRule>> + 'f> {
    let read = move |(at, frame): (usize, &Frame<'_>)| {
        let seq = from + at as u64;
        link(&log.at(seq), frame, seq)
    };
    // Waking other threads takes longer than a few records do. On one of rayon's own threads (several logs are opened at once)
    // the others have work of their own, and to wait for a part would be to take up another log on the same stack, and in
    // the midst of that another.
    match frames.len() < 128 || rayon::current_thread_index().is_some() {
        true => Box::new(frames.iter().enumerate().map(read)),
        false => {
            let read = frames.par_iter().enumerate().with_min_len(64).map(read);
            Box::new(read.collect::<Vec<_>>().into_iter())
        }
    }
}

/// Checks that a record follows the end of a log.
pub(crate) fn follows(link: &Link, tip: &Tip) -> Result<(), BrokenRule> {
    let seq = link.record.seq;
    if link.record.prev != tip.head {
        return Err(BrokenRule::Prev { seq });
    }
    if link.record.time_ms < tip.time_ms {
        return Err(BrokenRule::Time { seq });
    }
    // Otherwise whoever has an old key could write as of when it was in force, wherever the log has come to.
    if link.record.height < tip.height {
        return Err(BrokenRule::Height { seq });
    }
    if link.record.key_epoch < tip.key_epoch {
        return Err(BrokenRule::Epoch { seq });
    }
    Ok(())
}
