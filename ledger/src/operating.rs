//! The operating keys that a department's node holds, and which of them signs now.
//!
//! Governance says which epoch is in force; the node may hold the key of the next one as well, so that a rotation leaves no
//! gap. Key, epoch and height are taken from one snapshot: whatever is signed names the height as of which its key counts.

use std::fmt;

use crate::crypto::keys::{KeyRing, PublicKey, SigningKey};
use crate::governance::History;
use crate::id::DepartmentCode;
use crate::membership::Membership;

/// Which of a node's keys signs for its department. Cheap to clone; all clones say the same.
#[derive(Clone, Debug)]
pub struct OperatingKeys(Of);

#[derive(Clone, Debug)]
enum Of {
    /// What governance says is in force.
    Member(Membership, DepartmentCode, KeyRing),
    /// The key of a founder, as long as nothing was decided.
    Founder(SigningKey),
}

/// The key that signs for a department at a height.
#[derive(Clone)]
pub struct InForce {
    /// The key.
    pub key: SigningKey,
    /// Its epoch.
    pub epoch: u32,
    /// The governance height as of which it is: the last one that this program can judge by. A department that has not upgraded
    /// goes on by the version before.
    pub height: u64,
    /// The generation of the department's log as of there.
    pub generation: u32,
}

/// Why nothing can be signed for a department.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// It does not belong.
    #[error("department {0} is not a member of this network")]
    NotAMember(DepartmentCode),
    /// It is suspended.
    #[error(
        "department {department} was suspended in block {height}: what it signs counts for nothing until the members resume it"
    )]
    Suspended {
        /// The department.
        department: DepartmentCode,
        /// In which block.
        height: u64,
    },
    /// Its operating key ended with a generation of its log.
    #[error("the operating key of department {0} has ended: change it (`certmesh govern rotate`)")]
    Ended(DepartmentCode),
    /// The key in force is not held here.
    #[error(
        "the operating key of epoch {epoch}, which is in force for department {department}, is not held by this node"
    )]
    NotHeld {
        /// The department.
        department: DepartmentCode,
        /// The epoch.
        epoch: u32,
    },
}

impl OperatingKeys {
    /// The keys that a member's node holds, whichever of them is in force.
    pub fn new(members: Membership, department: DepartmentCode, held: KeyRing) -> OperatingKeys {
        OperatingKeys(Of::Member(members, department, held))
    }

    /// The public key of an epoch of the department's, in force or not.
    pub fn public(&self, epoch: u32) -> Option<PublicKey> {
        match &self.0 {
            Of::Member(members, department, _) => members.key(department, epoch),
            Of::Founder(key) => (epoch == 0).then(|| key.public()),
        }
    }

    /// The key in force as of all that is known of governance.
    ///
    /// # Errors
    /// [`NoKey`].
    pub fn in_force(&self) -> Result<InForce, NoKey> {
        match &self.0 {
            Of::Member(members, department, held) => as_of(&members.history(), department, held),
            Of::Founder(key) => Ok(key.clone().into()),
        }
    }
}

fn as_of(history: &History, code: &DepartmentCode, held: &KeyRing) -> Result<InForce, NoKey> {
    let member = history.state().member(code);
    let member = member.ok_or(NoKey::NotAMember(*code))?;
    if let Some(height) = member.suspended_since() {
        let department = *code;
        return Err(NoKey::Suspended { department, height });
    }
    let public = member.operating_key().ok_or(NoKey::Ended(*code))?;
    let not_held = NoKey::NotHeld {
        department: *code,
        epoch: member.epoch,
    };
    Ok(InForce {
        key: held.find(public).ok_or(not_held)?,
        epoch: member.epoch,
        // A raise of the version changes nothing else, so what is so now was so then.
        height: history.readable_height(),
        generation: member.generation,
    })
}

/// The key of a founder: for a log that is written where no governance is at hand.
impl From<SigningKey> for OperatingKeys {
    fn from(key: SigningKey) -> OperatingKeys {
        OperatingKeys(Of::Founder(key))
    }
}

/// The key of a founder, as of the genesis.
impl From<SigningKey> for InForce {
    fn from(key: SigningKey) -> InForce {
        InForce {
            key,
            epoch: 0,
            height: 0,
            generation: 0,
        }
    }
}

impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InForce(epoch {} at {})", self.epoch, self.height)
    }
}
