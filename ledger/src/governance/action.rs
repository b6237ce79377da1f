//! What the members can decide.
//!
//! Each action names the value that it replaces, so that a decision overtaken by another has no effect instead of
//! another effect than was approved.

use serde::{Deserialize, Serialize};

use crate::codec::{Ascending, Text};
use crate::crypto::hash::{Hash, Purpose};
use crate::crypto::keys::{CatalogueCommitment, PublicKey, Signature, SigningKey};
use crate::crypto::signer::Signer;
use crate::genesis::{Department, MAX_ROLES, Policy, Role};
use crate::id::DepartmentCode;
use crate::names::{LogId, NetworkId};

use super::kinds::{Keys, kinds};
use super::state::FORMAT_VERSION;

/// Most bytes of an action's content.
pub const MAX_ACTION: usize = 12_288;

kinds! {
    /// One thing that a proposal would change.
    #[expect(clippy::large_enum_variant, reason = "at most 16 of them are held at a time")]
    Action, MAX_ACTION;
    /// A department becomes a member, or a removed one becomes a member again.
    0 Admit(Admit),
    /// A member is suspended: it keeps its keys, and neither governs nor counts nor writes until it is resumed.
    1 Suspend(Suspend),
    /// A suspension ends.
    2 Resume(Resume),
    /// A suspended member is removed.
    3 Remove(Remove),
    /// A member's roles change.
    4 ChangeRoles(ChangeRoles),
    /// A member governs from now on, or no longer.
    5 Govern(Govern),
    /// A log's generation ends.
    6 Cut(Cut),
    /// A member has another identity key from now on.
    7 ReplaceIdentity(ReplaceIdentity),
    /// The network has another catalogue key from now on.
    8 ReplaceCatalogueKey(ReplaceCatalogueKey),
    /// Another policy is in force from now on.
    9 ReplacePolicy(ReplacePolicy),
    /// The next version of the format is in force from the next block on.
    10 RaiseVersion(RaiseVersion),
}

/// How far a log goes that its members agree on: what stands from `size` on is judged by the later state, whatever governance
/// height it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Which log; its generation must be the present one.
    pub log: LogId,
    /// Records before it.
    pub size: u64,
    /// Merkle root over them.
    pub root: Hash,
}

impl Position {
    /// Before the first record of a log.
    pub fn beginning(log: LogId) -> Position {
        let root = crate::merkle::CompactRange::<crate::merkle::Blake3Tree>::empty().root();
        Position { log, size: 0, root }
    }
}

/// Admits a department. Nobody who is a member already is admitted: that is the value that it replaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admit {
    /// What the department says of itself.
    pub introduction: Introduction,
    /// What it may do.
    pub roles: Ascending<Role, MAX_ROLES>,
    /// Whether it governs.
    pub governs: bool,
}

/// A department as it describes itself to be admitted, signed with the keys that it names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// What it says.
    pub newcomer: Newcomer,
    /// By its identity key.
    pub identity: Signature,
    /// By its operating key.
    pub operating: Signature,
    /// By its transport key.
    pub transport: Signature,
}

/// What a department says of itself to be admitted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Newcomer {
    /// Its unified social credit code.
    pub code: DepartmentCode,
    /// Its name.
    pub name: Text<128>,
    /// Its Chinese name.
    pub name_zh: Option<Text<128>>,
    /// Its keys, none of which any department had before.
    pub keys: Keys,
}

/// What it says of itself in its `department.toml`.
impl From<&Department> for Newcomer {
    fn from(department: &Department) -> Newcomer {
        Newcomer {
            code: department.code,
            name: department.name.clone(),
            name_zh: department.name_zh.clone(),
            keys: department.into(),
        }
    }
}

impl Introduction {
    /// Introduces a department to a network.
    pub fn sign<K: Signer>(
        network: NetworkId,
        newcomer: Newcomer,
        identity: &K,
        operating: &SigningKey,
        transport: &SigningKey,
    ) -> K::Made<Introduction> {
        let message = network.message(Purpose::Introduction, &newcomer);
        identity.sign_into(&message, |identity| Introduction {
            newcomer,
            identity,
            operating: operating.sign(&message),
            transport: transport.sign(&message),
        })
    }

    /// Whether whoever wrote it holds the keys that it names. Without this a department could be admitted with a key that
    /// is another's, and keep that one from ever using it.
    pub fn is_proved(&self, network: NetworkId) -> bool {
        let message = network.message(Purpose::Introduction, &self.newcomer);
        let keys = &self.newcomer.keys;
        let transport = keys.transport.public_key();
        let held = |key: &PublicKey, signature| key.verify(&message, signature).is_ok();
        held(&keys.identity, &self.identity)
            && held(&keys.operating, &self.operating)
            && transport.is_ok_and(|key| held(&key, &self.transport))
    }
}

/// Suspends the department of a log, which is not suspended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspend {
    /// From here on its records are judged as a suspended member's.
    pub position: Position,
}

/// Ends a suspension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// Whose.
    pub department: DepartmentCode,
    /// The height at which it was suspended.
    pub since: u64,
}

/// Removes the department of a log, which an earlier block suspended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remove {
    /// Here its log ends.
    pub position: Position,
    /// The height at which it was suspended.
    pub since: u64,
    /// Who changes the statuses of its certificates from now on.
    pub successor: Option<DepartmentCode>,
}

/// Gives a member roles that it lacks and takes roles that it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeRoles {
    /// Which member.
    pub department: DepartmentCode,
    /// Roles that it lacks.
    pub give: Ascending<Role, MAX_ROLES>,
    /// Roles that it has.
    pub take: Ascending<Role, MAX_ROLES>,
    /// From here on its records are judged without what is taken; given just when something is.
    pub position: Option<Position>,
}

/// Lets a member govern that doesn't, or the other way round.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Govern {
    /// Which member.
    pub department: DepartmentCode,
    /// Whether it governs from now on.
    pub governs: bool,
}

/// Why members end a generation of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Hash)]
pub enum CutReason {
    /// The department's operating key was in other hands.
    Compromised,
    /// The log has two histories.
    Forked,
    /// The department lost records that it can't get back by itself.
    Lost,
}

/// Ends a log's present generation. The next one goes on after the last record that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Which log, and how much of it is kept.
    pub position: Position,
    /// Why.
    pub why: CutReason,
    /// The first epoch that writes in the next generation: the department's present one, or the one after it, if that in
    /// force is not to be trusted either. All before it end here.
    pub first_epoch: u32,
}

/// Replaces an identity key that was lost or is in other hands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplaceIdentity {
    /// Whose.
    pub department: DepartmentCode,
    /// The present one.
    pub before: PublicKey,
    /// The new one.
    pub after: PublicKey,
    /// By the new one, over department and both keys.
    pub proof: Signature,
}

impl ReplaceIdentity {
    /// Proves that the new key is held.
    pub fn sign<K: Signer>(
        network: NetworkId,
        department: DepartmentCode,
        before: PublicKey,
        next: &K,
    ) -> K::Made<ReplaceIdentity> {
        let after = next.public();
        let content = (department, before, after);
        let message = network.message(Purpose::Identity, &content);
        next.sign_into(&message, |proof| ReplaceIdentity {
            department,
            before,
            after,
            proof,
        })
    }

    pub(super) fn is_proved(&self, network: NetworkId) -> bool {
        let content = (self.department, self.before, self.after);
        network.verifies(Purpose::Identity, &content, &self.proof, &self.after)
    }
}

/// Replaces the commitment to the catalogue key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplaceCatalogueKey {
    /// The present one.
    pub before: CatalogueCommitment,
    /// The new one.
    pub after: CatalogueCommitment,
}

/// Replaces the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplacePolicy {
    /// The present one.
    pub before: Policy,
    /// The new one.
    pub after: Policy,
}

/// Raises the format version by one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaiseVersion {
    /// The next version; the one it replaces is the one before it.
    pub after: u32,
}

impl RaiseVersion {
    /// Whether this program knows the version.
    pub fn is_known(&self) -> bool {
        self.after <= FORMAT_VERSION
    }
}
