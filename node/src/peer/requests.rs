//! What can be appended to the own log, and the result.

use certmesh_api::{Caution, Fault};
use certmesh_ledger::crypto::hash::Hash;
use certmesh_ledger::log::Checkpoint;
use certmesh_ledger::names::LogId;
use certmesh_ledger::record::{
    Entry, GrantMade, GrantWithdrawn, MatterDefined, RecordHash, SignedRecord, TypeDefined,
};

use super::Refusal;

/// Where a record stands under a checkpoint of its log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Position {
    /// Whose log.
    pub log: LogId,
    /// Its place in the log.
    pub seq: u64,
    /// Its hash.
    pub record: RecordHash,
    /// Its time, ms.
    pub time_ms: u64,
    /// Records under the checkpoint.
    pub checkpoint_size: u64,
    /// Root of the checkpoint's tree.
    pub checkpoint_root: Hash,
}

impl Position {
    /// Where a record of this place, hash and time stands in the checkpoint's log.
    pub(crate) fn at(
        checkpoint: &Checkpoint,
        seq: u64,
        record: RecordHash,
        time_ms: u64,
    ) -> Position {
        Position {
            log: checkpoint.log,
            seq,
            record,
            time_ms,
            checkpoint_size: checkpoint.size,
            checkpoint_root: checkpoint.root,
        }
    }

    /// Where a record of the checkpoint's log stands in it.
    pub(crate) fn of(checkpoint: &Checkpoint, signed: &SignedRecord) -> Position {
        let record = signed.record();
        Position::at(checkpoint, record.seq, signed.hash(), record.time_ms)
    }
}

/// A record that is in the own log, durably.
#[derive(Clone, Debug)]
pub(crate) struct Appended {
    /// What it is named by: an identifier, a code, a number.
    pub id: String,
    /// Where it is.
    pub position: Position,
    /// Whether an earlier request with the same content appended it.
    pub replayed: bool,
    /// What is suspicious about what was asked for, though not wrong.
    pub warnings: Vec<Fault<Caution>>,
}

/// The outcome of each draft, in the order of the drafts.
pub(crate) type Outcomes = Vec<Result<Appended, Refusal>>;

/// An `Idempotency-Key`, bound to the client that sent it: 32 bytes that can be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct RetryKey([u8; 32]);

impl RetryKey {
    /// Hash of client and key.
    pub(crate) fn new(client: &str, key: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("certmesh v1 idempotency");
        // A client's name holds no zero byte, so the two parts can't run into each other.
        hasher.update(client.as_bytes()).update(&[0]).update(key);
        Self(*hasher.finalize().as_bytes())
    }

    /// A key that nothing came under before, for one who sends a request again only while he remembers it.
    ///
    /// # Errors
    /// When the system provides no random bytes.
    pub(crate) fn drawn() -> Result<Self, getrandom::Error> {
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        Ok(Self(key))
    }

    /// The bytes.
    pub(crate) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A checked definition.
#[derive(Clone, Debug)]
pub(crate) enum Definition {
    /// Of a type.
    Type(TypeDefined),
    /// Of a matter.
    Matter(MatterDefined),
    /// A grant.
    Grant(GrantMade),
    /// A grant's withdrawal.
    Withdrawal(GrantWithdrawn),
}

impl Definition {
    /// What the answer names it by.
    pub(crate) fn name(&self) -> String {
        match self {
            Definition::Type(definition) => definition.code.to_string(),
            Definition::Matter(definition) => definition.code.to_string(),
            Definition::Grant(grant) => grant.type_code.to_string(),
            Definition::Withdrawal(withdrawn) => withdrawn.grant.to_string(),
        }
    }
}

impl From<Definition> for Entry {
    fn from(definition: Definition) -> Entry {
        match definition {
            Definition::Type(definition) => definition.into(),
            Definition::Matter(definition) => Entry::MatterDefined(definition),
            Definition::Grant(grant) => Entry::GrantMade(grant),
            Definition::Withdrawal(withdrawn) => Entry::GrantWithdrawn(withdrawn),
        }
    }
}
