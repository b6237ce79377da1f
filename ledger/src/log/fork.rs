//! Evidence that a department signed two histories.

use serde::{Deserialize, Serialize};

use crate::codec::{self, Blob, DecodeError};
use crate::governance::Judgement;
use crate::membership::Membership;
use crate::names::NetworkId;
use crate::record::{Frame, FrameError, MAX_RECORD, RecordError, SignedRecord};

use super::{CheckpointError, SignedCheckpoint, VerifiedCheckpoint};
use crate::header::{HEADER_LEN, HeaderError, Kind, check_header, header};
use crate::names::{Lineage, LogId, LogName};

/// Most bytes of encoded evidence.
pub const MAX_EVIDENCE: usize = 2 * (MAX_RECORD + 128) + 1024;

/// Most bytes of a file of evidence.
pub const MAX_EVIDENCE_FILE: usize = HEADER_LEN as usize + MAX_EVIDENCE;

type FrameBytes = Blob<{ MAX_RECORD + 128 }>;

/// Two statements of one department that cannot both be true of one log. Anyone with the membership can check it, which
/// is why it spreads to every peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "rare, and never held in numbers")]
pub enum ForkEvidence {
    /// Two different signed records for one position.
    Records {
        /// Which log.
        log: LogId,
        /// Frame of one.
        one: FrameBytes,
        /// Frame of the other.
        other: FrameBytes,
        /// The position both name.
        seq: u64,
    },
    /// Two different signed checkpoints of one size.
    Checkpoints {
        /// One.
        one: SignedCheckpoint,
        /// The other.
        other: SignedCheckpoint,
        /// Records that both are known to share; what lies between there and their size is in dispute.
        shared: u64,
    },
}

/// Why evidence proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// A file that is not this log's evidence, or that a later version wrote.
    #[error("fork evidence: {0}")]
    Header(#[from] HeaderError),
    /// Not the canonical encoding of evidence.
    #[error("fork evidence: {0}")]
    Decode(#[from] DecodeError),
    /// A frame is malformed.
    #[error("fork evidence: {0}")]
    Frame(#[from] FrameError),
    /// A record is malformed or not signed by the department.
    #[error("fork evidence: {0}")]
    Record(#[from] RecordError),
    /// A checkpoint is not signed by the department.
    #[error("fork evidence: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// It lies below where the members, or witnesses, said since what the log's records are: whatever else was signed there.
    #[error(
        "fork evidence: the members settled since what the first {size} records of the log are"
    )]
    Settled {
        /// Records that are settled.
        size: u64,
    },
    /// The two do not contradict each other.
    #[error("fork evidence: the two statements do not contradict each other")]
    NoContradiction,
}

impl EvidenceError {
    /// Whether whoever showed it is at fault. Not where it depends on how much of governance either of the two knows.
    pub fn is_senders_fault(&self) -> bool {
        match self {
            EvidenceError::Checkpoint(error) => error.is_senders_fault(),
            EvidenceError::Settled { .. } => false,
            _ => true,
        }
    }
}

impl ForkEvidence {
    /// Evidence of two records of a log.
    pub fn records(log: LogId, one: &SignedRecord, other: &SignedRecord) -> ForkEvidence {
        let blob =
            |record: &SignedRecord| Blob::new(record.frame()).expect("a frame is within its bound");
        ForkEvidence::Records {
            log,
            seq: one.record().seq,
            one: blob(one),
            other: blob(other),
        }
    }

    /// Evidence of two checkpoints over the same records, with two words on their statuses. None where the records
    /// differ: then the first that does is the evidence.
    pub fn of_checkpoints(
        one: &VerifiedCheckpoint,
        other: &VerifiedCheckpoint,
    ) -> Option<ForkEvidence> {
        let same_records = one.root == other.root;
        (one.contradicts(other) && same_records).then(|| ForkEvidence::Checkpoints {
            one: one.signed().clone(),
            other: other.signed().clone(),
            shared: one.size,
        })
    }

    /// The same evidence, as far as a stranger's word can be taken.
    pub fn from_a_stranger(mut self) -> ForkEvidence {
        if let ForkEvidence::Checkpoints { one, other, shared } = &mut self {
            // One root means the same records; otherwise where they part is hearsay.
            *shared = if one.checkpoint.root == other.checkpoint.root {
                one.checkpoint.size
            } else {
                0
            };
        }
        self
    }

    /// Which log forked.
    pub fn log(&self) -> LogId {
        match self {
            ForkEvidence::Records { log, .. } => *log,
            ForkEvidence::Checkpoints { one, .. } => one.checkpoint.log,
        }
    }

    /// The first position in dispute.
    pub fn position(&self) -> u64 {
        match self {
            ForkEvidence::Records { seq, .. } => *seq,
            ForkEvidence::Checkpoints { shared, .. } => *shared,
        }
    }

    /// Checks that the department signed both and that they contradict each other. Of evidence in checkpoints, which
    /// records they share is the word of whoever found it: reading fewer is the safe side, so a stranger's word is
    /// taken as 0.
    ///
    /// # Errors
    /// [`EvidenceError`].
    pub fn verify(&self, members: &Membership) -> Result<(), EvidenceError> {
        match self {
            ForkEvidence::Records {
                log,
                one,
                other,
                seq,
            } => {
                let name = LogName {
                    network: members.network(),
                    id: *log,
                };
                let one = signed_by(&name, one, members)?;
                let other = signed_by(&name, other, members)?;
                let same_place = one.record().seq == *seq && other.record().seq == *seq;
                if same_place && one.hash() != other.hash() {
                    Ok(())
                } else {
                    Err(EvidenceError::NoContradiction)
                }
            }
            ForkEvidence::Checkpoints { one, other, .. } => {
                let history = members.history();
                for signed in [one, other] {
                    if let Judgement::By(judge) = history.judge(&signed.checkpoint.claim())
                        && let Some((size, _)) = judge.leads_to.first()
                    {
                        return Err(EvidenceError::Settled { size: *size });
                    }
                }
                let one = one.clone().verify(members)?;
                let other = other.clone().verify(members)?;
                if one.contradicts(&other) {
                    Ok(())
                } else {
                    Err(EvidenceError::NoContradiction)
                }
            }
        }
    }

    /// Reads evidence from its canonical bytes.
    ///
    /// # Errors
    /// [`EvidenceError::Decode`].
    pub fn decode(bytes: &[u8]) -> Result<ForkEvidence, EvidenceError> {
        Ok(codec::decode(bytes, MAX_EVIDENCE)?)
    }

    /// The content of the file that it is kept in.
    pub fn to_file(&self, network: NetworkId) -> Vec<u8> {
        let name = LogName {
            network,
            id: self.log(),
        };
        let mut bytes = header(Kind::Fork, &name, 0).to_vec();
        bytes.extend_from_slice(&codec::encode(self));
        bytes
    }

    /// Reads the file of a log's evidence.
    ///
    /// # Errors
    /// [`EvidenceError::Header`], [`EvidenceError::Decode`].
    pub fn from_file(bytes: &[u8], log: &LogName) -> Result<ForkEvidence, EvidenceError> {
        let (head, rest) = bytes.split_at(bytes.len().min(HEADER_LEN as usize));
        check_header(head, Kind::Fork, log, 0)?;
        let evidence = ForkEvidence::decode(rest)?;
        match evidence.log() == log.id {
            true => Ok(evidence),
            false => Err(HeaderError::Other.into()),
        }
    }
}

fn signed_by(
    name: &LogName,
    frame: &[u8],
    members: &Membership,
) -> Result<SignedRecord, EvidenceError> {
    let (parsed, len) = Frame::read(frame)?;
    if len < frame.len() {
        return Err(DecodeError::Trailing(frame.len() - len).into());
    }
    let record = SignedRecord::decode(name, &parsed)?;
    let (department, of) = (name.id.department, record.record());
    let claim = of.claim(&Lineage::from(*name));
    // What a stolen key signs beyond where it ended is no second history of the department's.
    match members.history().judge(&claim) {
        Judgement::By(judge) => {
            if let Some((size, _)) = judge.leads_to.first() {
                return Err(EvidenceError::Settled { size: *size });
            }
            record.verify(judge.key)?;
        }
        Judgement::Nothing(why) => return Err(CheckpointError::Nothing { department, why }.into()),
        Judgement::Early => {
            let height = claim.height;
            return Err(CheckpointError::Early { department, height }.into());
        }
    }
    Ok(record)
}
