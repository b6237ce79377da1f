//! What a department changes by itself: its keys, and where its log goes on after a loss.

use serde::{Deserialize, Serialize};

use crate::checkpoint::SignedCheckpoint;
use crate::codec::{Ascending, Ordered};
use crate::crypto::hash::{Hash, Purpose};
use crate::crypto::keys::{PublicKey, Signature, SigningKey};
use crate::crypto::sealing::SealingKey;
use crate::crypto::signer::Signer;
use crate::genesis::{MAX_GOVERNORS, PeerId};
use crate::id::DepartmentCode;
use crate::names::{LogId, NetworkId};

use super::action::Position;
use super::kinds::Signed;

/// A change of a department's own keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnChange {
    /// Whose.
    pub department: DepartmentCode,
    /// From 1, each the next: an old one, seen again, does nothing.
    pub number: u64,
    /// The key of the next epoch.
    pub operating: Option<PublicKey>,
    /// The node's next identity in connections.
    pub transport: Option<PeerId>,
    /// What is sealed to the department from now on is sealed to this.
    pub sealing: Option<SealingKey>,
    /// Ends the log's generation after a loss. Only with a key of the next epoch: what the node signed with the present one,
    /// it no longer knows.
    pub lost: Option<Lost>,
}

/// How a department goes on without records that it lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The largest of what the members hold.
    pub position: Position,
    /// What they hold, in their words.
    pub held: Ascending<Held, MAX_GOVERNORS>,
}

/// A member's word on the largest checkpoint of a log that it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The checkpoint, with its department's signature: a member that lies can name less than it holds, not more than there
    /// was. None if the member holds no record.
    pub checkpoint: Option<SignedCheckpoint>,
    /// The member's signature, by its operating key.
    pub signed: Signed,
}

impl Ordered for Held {
    type Key = DepartmentCode;

    fn key(&self) -> DepartmentCode {
        self.signed.by
    }
}

impl Held {
    /// States it for one own change of the log's department: for a later loss other records count.
    pub fn sign(
        network: NetworkId,
        log: LogId,
        number: u64,
        checkpoint: Option<SignedCheckpoint>,
        by: DepartmentCode,
        operating: &SigningKey,
    ) -> Held {
        let content = (log, number, &checkpoint);
        let signed = network.sign(Purpose::LogHeld, &content, by, operating);
        Held { checkpoint, signed }
    }

    pub(super) fn is_signed(
        &self,
        network: NetworkId,
        log: LogId,
        number: u64,
        key: &PublicKey,
    ) -> bool {
        let content = (log, number, &self.checkpoint);
        network.is_signed(Purpose::LogHeld, &content, &self.signed, key)
    }
}

/// An own change that its new keys have signed, and the identity key not yet: that may be somewhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnsignedChange {
    /// What changes.
    pub change: OwnChange,
    operating: Option<Signature>,
    transport: Option<Signature>,
}

impl UnsignedChange {
    /// Signs a change with those of its new keys that sign.
    pub fn new(
        network: NetworkId,
        change: OwnChange,
        operating: Option<&SigningKey>,
        transport: Option<&SigningKey>,
    ) -> UnsignedChange {
        let possession = network.message(Purpose::Possession, &change);
        UnsignedChange {
            operating: operating.map(|key| key.sign(&possession)),
            transport: transport.map(|key| key.sign(&possession)),
            change,
        }
    }

    /// Signs it with the identity key.
    pub fn sign<K: Signer>(self, network: NetworkId, identity: &K) -> K::Made<SignedChange> {
        let message = network.message(Purpose::OwnChange, &self.change);
        identity.sign_into(&message, |identity| SignedChange {
            identity,
            operating: self.operating,
            transport: self.transport,
            change: self.change,
        })
    }
}

/// An own change with its signatures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedChange {
    /// What changes.
    pub change: OwnChange,
    /// By the department's identity key.
    pub identity: Signature,
    /// By the new operating key, if there is one.
    pub operating: Option<Signature>,
    /// By the new transport key, if there is one.
    pub transport: Option<Signature>,
}

impl SignedChange {
    /// Signs a change with the identity key and with those of the new keys that sign.
    pub fn sign(
        network: NetworkId,
        change: OwnChange,
        identity: &SigningKey,
        operating: Option<&SigningKey>,
        transport: Option<&SigningKey>,
    ) -> SignedChange {
        UnsignedChange::new(network, change, operating, transport).sign(network, identity)
    }

    /// Whether each new key that signs has signed, and nothing else has. Otherwise whoever sees a key before it is final
    /// could take it for its own department, and keep the other from ever using it.
    pub(super) fn is_possessed(&self, network: NetworkId) -> bool {
        let message = network.message(Purpose::Possession, &self.change);
        let held = |key: Option<PublicKey>, signature: &Option<Signature>| match (key, signature) {
            (None, None) => true,
            (Some(key), Some(signature)) => key.verify(&message, signature).is_ok(),
            _ => false,
        };
        let transport = self.change.transport.as_ref().map(PeerId::public_key);
        match transport.transpose() {
            Ok(transport) => {
                held(self.change.operating, &self.operating) && held(transport, &self.transport)
            }
            Err(_) => false,
        }
    }
}

/// Why an epoch of a department's operating keys ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub enum EndReason {
    /// Its key was replaced in good order.
    Rotated,
    /// Its key was, or may have been, in other hands.
    Stolen,
}

/// Where an epoch ended: its key authorises nothing from there on, and before only what leads to the root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochEnd {
    /// In which log, of which size and root.
    pub position: Position,
    /// Which epoch of the log's department.
    pub epoch: u32,
    /// Why.
    pub why: EndReason,
}

impl EpochEnd {
    /// Whether it is a witness's word on it that this key signed.
    pub fn is_witnessed(&self, network: NetworkId, word: &Signed, key: &PublicKey) -> bool {
        network.is_signed(Purpose::EpochWitnessed, self, word, key)
    }
}

/// An end with its signatures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochEnded {
    /// What ended.
    pub end: EpochEnd,
    /// By the department's present operating key, which is of a later epoch.
    pub signature: Signature,
    /// Governors that hold every record under it and know of none beyond it by that epoch, by their operating keys. A
    /// cosignature is not enough: one made when the log was shorter would do for an end that cuts off what came after.
    pub witnesses: Ascending<Signed, MAX_GOVERNORS>,
}

impl EpochEnded {
    /// Ends an epoch; nobody has witnessed it yet.
    pub fn sign(network: NetworkId, end: EpochEnd, operating: &SigningKey) -> EpochEnded {
        EpochEnded {
            end,
            signature: operating.sign(&EpochEnded::message(network, &end)),
            witnesses: Ascending::default(),
        }
    }

    pub(super) fn message(network: NetworkId, end: &EpochEnd) -> Hash {
        network.message(Purpose::EpochEnded, end)
    }

    /// Witnesses an end.
    pub fn witness(
        network: NetworkId,
        end: &EpochEnd,
        by: DepartmentCode,
        operating: &SigningKey,
    ) -> Signed {
        network.sign(Purpose::EpochWitnessed, end, by, operating)
    }
}
