//! Why a block, or an item in it, does not hold.

use crate::genesis::Role;
use crate::id::DepartmentCode;

use super::chain::BlockId;

/// Why a block is not the next one. Every peer of the version in force comes to the same.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The version in force is later than what this program knows: nothing can be said of the block.
    #[error(
        "governance is of format version {version} from height {after} on, this program knows versions up to {known}; upgrade it"
    )]
    LaterVersion {
        /// The version in force.
        version: u32,
        /// What this program knows.
        known: u32,
        /// The last height that it can read.
        after: u64,
    },
    /// Not of the next height.
    #[error("a block of height {found} stands where that of height {expected} should")]
    Height {
        /// Its height.
        found: u64,
        /// The next one.
        expected: u64,
    },
    /// Follows another block: it is of another history.
    #[error(
        "block {height} follows {found}, not {expected}, which is the block before here: it is of another network or another history"
    )]
    Before {
        /// Its height.
        height: u64,
        /// What it names.
        found: BlockId,
        /// The block before.
        expected: BlockId,
    },
    /// Time goes back.
    #[error("block {height} is of {found}, before the {least} of the block before (ms since 1970)")]
    Time {
        /// Its height.
        height: u64,
        /// Its time.
        found: u64,
        /// That of the block before.
        least: u64,
    },
    /// Nothing in it.
    #[error("block {0} has no item")]
    Empty(u64),
    /// Too large.
    #[error("block {height} takes {found} bytes, more than the {limit} allowed")]
    TooLong {
        /// Its height.
        height: u64,
        /// Its bytes.
        found: usize,
        /// Those allowed.
        limit: usize,
    },
    /// A recovery beside something else: who remains after it could not vote on that. Or a raise of the version: whoever does not
    /// know that has to know everything else that is so.
    #[error("block {0} has a recovery, or a raise of the version, beside other items")]
    Beside(u64),
    /// An item that does not hold.
    #[error("block {height}, item {at}: {fault}")]
    Item {
        /// The block's height.
        height: u64,
        /// The item's place, from 0.
        at: usize,
        /// What is wrong.
        fault: Fault,
    },
    /// Not enough, or wrong, votes.
    #[error("block {height}: {fault}")]
    Certificate {
        /// The block's height.
        height: u64,
        /// What is wrong.
        fault: CertificateFault,
    },
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// A vote of someone who has none.
    #[error("{0} has no vote on it")]
    NoVoter(DepartmentCode),
    /// A vote that isn't by the voter's operating key.
    #[error("the vote of {0} does not verify under its operating key")]
    BadVote(DepartmentCode),
    /// Too few votes.
    #[error("{found} votes; {needed} of the {voters} governors are needed")]
    TooFew {
        /// Votes.
        found: usize,
        /// Votes needed.
        needed: usize,
        /// Who could vote.
        voters: usize,
    },
}

/// Why an item does not hold. Then the block it stands in doesn't either, and as long as it waits it is not taken into one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Of a later version, or malformed.
    #[error("an item of kind {0} that the version in force does not have, or malformed")]
    Unreadable(u32),
    /// It raises the version beside other actions.
    #[error("it raises the version, and does something else as well: propose that by itself")]
    RaisesBeside,
    /// It raises the format to a version that this program does not know. The block holds all the same, once enough have approved
    /// it whose programs do.
    #[error(
        "it raises the format to version {version}, and this program knows versions up to {known}: upgrade it first, and the node"
    )]
    LaterVersion {
        /// The version.
        version: u32,
        /// The latest one that this program knows.
        known: u32,
    },
    /// Not one of those who govern.
    #[error("{0} does not govern")]
    NotAGovernor(DepartmentCode),
    /// Not a member.
    #[error("{0} is not a member")]
    NotAMember(DepartmentCode),
    /// The signature of a department does not verify.
    #[error("the signature of {0} does not verify under its present key")]
    Signature(DepartmentCode),
    /// A proposal or withdrawal for another sitting.
    #[error(
        "it is for sitting {found}; now is sitting {now}, with other governors, keys or rules: propose it again"
    )]
    Sitting {
        /// The sitting it names.
        found: u64,
        /// The present one.
        now: u64,
    },
    /// Too late.
    #[error(
        "the proposal lapsed at {lapsed}, the block is of {time} (ms since 1970): propose it again"
    )]
    Lapsed {
        /// When it lapsed.
        lapsed: u64,
        /// The block's time.
        time: u64,
    },
    /// Decided or withdrawn already.
    #[error("the proposal was decided or withdrawn before")]
    Closed,
    /// Its proposer withdrew more than it may in one sitting.
    #[error("{0} has withdrawn as many proposals as it may in one sitting")]
    Withdrawals(DepartmentCode),
    /// The proposer's approval stands among the others'.
    #[error("the proposer's signature is its approval; it approves a second time")]
    ProposerTwice,
    /// Too few approvals.
    #[error("{found} of {governors} governors approve, not more than {of}/{parts}")]
    Approvals {
        /// Who approves, the proposer counted.
        found: usize,
        /// Who governs.
        governors: usize,
        /// The share to be exceeded.
        of: u8,
        /// Its denominator.
        parts: u8,
    },
    /// A proposal of nothing.
    #[error("the proposal has no action")]
    NoAction,
    /// One of its actions does not hold, so none does.
    #[error("action {at}: {fault}")]
    Action {
        /// Its place, from 0.
        at: usize,
        /// What is wrong.
        fault: ActionFault,
    },
    /// Too few would govern.
    #[error("{left} governors would be left; the policy asks for {least} at least")]
    TooFewGovernors {
        /// How many.
        left: usize,
        /// How many must.
        least: usize,
    },
    /// Not the next own change.
    #[error("own change {found} of {department}, whose next is {next}")]
    Number {
        /// Whose.
        department: DepartmentCode,
        /// Its number.
        found: u64,
        /// The next number.
        next: u64,
    },
    /// An own change of nothing.
    #[error("the own change changes nothing")]
    NoChange,
    /// Too many own changes.
    #[error("{0} has changed its own keys as often as the policy allows in 24 hours")]
    Quota(DepartmentCode),
    /// A new key that its holder has not signed with.
    #[error("a new key of {0} has not signed, or the key is not one that can")]
    NotPossessed(DepartmentCode),
    /// A key that was used before.
    #[error("a key of {0} was used before; every key is used once")]
    KeyUsed(DepartmentCode),
    /// A position in another log, or below where the log's generation began.
    #[error(transparent)]
    Position(#[from] PositionFault),
    /// A loss is ended without a new operating key.
    #[error("after a loss {0} needs a new operating key")]
    NoNewEpoch(DepartmentCode),
    /// A suspended department can't end a generation by itself.
    #[error("{0} is suspended: where its log ends is for the other members to decide")]
    Suspended(DepartmentCode),
    /// Too few members have said what they hold, or know of an end.
    #[error("{found} of {others} other governors have signed, less than the policy's {of}/{parts}")]
    Witnesses {
        /// Who has.
        found: usize,
        /// Who could.
        others: usize,
        /// The share to be reached.
        of: u8,
        /// Its denominator.
        parts: u8,
    },
    /// A member holds more, or other records, than the position says.
    #[error("{0} holds another checkpoint as large as the position, or a larger one")]
    HoldsMore(DepartmentCode),
    /// Nobody holds what the position says.
    #[error("nobody who signed holds a checkpoint of the position")]
    NobodyHolds,
    /// A checkpoint that the department did not sign.
    #[error("the checkpoint that {0} states to hold is not signed by the log's department")]
    Checkpoint(DepartmentCode),
    /// An epoch that can't end now.
    #[error("epoch {epoch} of {department} cannot end: {why}")]
    Epoch {
        /// Whose.
        department: DepartmentCode,
        /// Which.
        epoch: u32,
        /// Why not.
        why: &'static str,
    },
    /// A recovery of another block.
    #[error(
        "the recovery was made to follow another block than the last one: if it is still needed, make and sign it again"
    )]
    RecoveryPlace,
    /// The policy has none.
    #[error("the policy has no recovery keys, so nothing can be recovered")]
    NoRecoveryKeys,
    /// A signature is not that of a recovery key, or there are too few.
    #[error("{found} of the {need} recovery keys needed have signed")]
    RecoveryKeys {
        /// Signatures that verify.
        found: usize,
        /// Needed.
        need: usize,
    },
    /// Not more than a third.
    #[error(
        "{found} of {governors} governors agree to the recovery, not more than a third, or no more are left to"
    )]
    RecoveryGovernors {
        /// Who agrees.
        found: usize,
        /// Who governs.
        governors: usize,
    },
}

/// Why a position is not one of the log as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PositionFault {
    /// Not the present generation of the department's log.
    #[error("log {0} is not the present log of its department")]
    Log(crate::names::LogId),
    /// Below what the generation began with.
    #[error("position {found} is before {kept}, where the log's present generation began")]
    Kept {
        /// The size it names.
        found: u64,
        /// What was kept.
        kept: u64,
    },
}

/// Why an action does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionFault {
    /// Of a later version, or malformed.
    #[error("of kind {0}, which the version in force does not have, or malformed")]
    Unreadable(u32),
    /// The value it replaces is not the present one.
    #[error("it replaces {0}, which is not so any more")]
    Overtaken(&'static str),
    /// A cut beyond where the log of a suspended member counts.
    #[error(
        "the department is suspended, and its log counts up to {0} records: cut it there or before, with --size"
    )]
    BeyondSuspension(u64),
    /// Not a member.
    #[error("{0} is not a member")]
    NotAMember(DepartmentCode),
    /// A member already.
    #[error("{0} is a member already")]
    Member(DepartmentCode),
    /// The department did not sign with the keys that it names.
    #[error("the keys of {0} have not signed, or one is not a key that can")]
    NotPossessed(DepartmentCode),
    /// A key that was used before.
    #[error("a key of {0} was used before; every key is used once")]
    KeyUsed(DepartmentCode),
    /// A department without a name.
    #[error("{0} has a name of nothing")]
    NoName(DepartmentCode),
    /// As many as can.
    #[error("{0} are the most")]
    TooMany(usize),
    /// Two departments would define one authority's types.
    #[error("role {0} is another member's, or of types that a member defines itself")]
    Role(Role),
    /// Takes and gives nothing, or gives what it takes.
    #[error("roles are neither given nor taken, or both")]
    Roles,
    /// A position is missing, or superfluous.
    #[error("a position is needed just where a role is taken")]
    NoPosition,
    /// A position that isn't one.
    #[error(transparent)]
    Position(#[from] PositionFault),
    /// Removed before anybody could know of the suspension.
    #[error("{0} is removed in the block that suspends it; remove it in a later one")]
    TooSoon(DepartmentCode),
    /// Nobody who could take over its certificates.
    #[error("{0} cannot take over the certificates: it is not a member, or the one removed")]
    Successor(DepartmentCode),
    /// Its certificates went through as many successors as can be.
    #[error(
        "certificates that {0} changes have come through {max} successors already, the most there can be: remove it without one",
        max = super::way::MAX_SUCCESSORS
    )]
    TooManySuccessors(DepartmentCode),
    /// A department whose certificates are another's for good.
    #[error(
        "{department} was removed with {successor} as successor, whose its certificates are for good: it can't be admitted again \
         under this code"
    )]
    Succeeded {
        /// The department.
        department: DepartmentCode,
        /// Whose its certificates are since.
        successor: DepartmentCode,
    },
    /// An epoch that can't be the first of the next generation.
    #[error("the next generation begins with an epoch from {living} to {next}, not {found}")]
    FirstEpoch {
        /// As given.
        found: u32,
        /// The first one that has not ended.
        living: u32,
        /// The one after the present one.
        next: u32,
    },
    /// A catalogue key that was in force before.
    #[error(
        "the catalogue key was in force before; every catalogue key is used once: make another"
    )]
    CatalogueKeyUsed,
    /// A second catalogue key in one block.
    #[error(
        "one block replaces the catalogue key once: leave out the key that nothing would be tagged under"
    )]
    CatalogueKeyTwice,
    /// As many catalogue keys as can be.
    #[error("there have been {0} catalogue keys, and no more can be looked up under")]
    TooManyCatalogueKeys(usize),
    /// A recovery key that was used before.
    #[error("a new recovery key was used before; every key is used once")]
    RecoveryKeyUsed,
}
