//! What can be appended to the own log, and the result.

use certmesh_api::Appended;
use certmesh_ledger::record::{Entry, GrantMade, GrantWithdrawn, MatterDefined, TypeDefined};

use super::Refusal;

/// The outcome of each draft, in the order of the drafts.
pub(crate) type Outcomes = Vec<Result<Appended, Refusal>>;

/// An `Idempotency-Key`, bound to the client that sent it: 32 bytes that can be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RetryKey([u8; 32]);

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
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// A checked definition.
#[derive(Clone, Debug)]
pub enum Definition {
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
    pub fn name(&self) -> String {
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
