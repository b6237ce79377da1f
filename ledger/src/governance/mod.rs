//! Who belongs, with which keys, decided by the members.
//!
//! Governance is a chain of blocks that begins with the genesis. The governors' nodes vote on each block, in which order
//! things happen; what a block changes counts only with enough signatures by the departments' identity keys, made by people,
//! offline if they like. So stolen nodes decide nothing, and absent people stop nothing that is decided.
//!
//! Where to look:
//! - [`Proposal`], [`Action`], [`Decision`]: what the members decide; [`OwnChange`], [`EpochEnded`]: what a department changes by
//!   itself; [`Recovery`]: when too many can't be reached
//! - [`Pool`]: what waits for a block
//! - [`Block`], [`Certificate`]: links of the chain, and the votes that make one final
//! - [`State`]: what is so at a height, and the fold that leads from one to the next: [`State::apply`]
//! - [`History`]: the chain, and what was so at any height of it; [`History::judge`]: which rule judges which record
//! - [`History::way`]: who changes the statuses of a removed department's certificates
//! - [`consensus`]: how the governors' nodes agree on the next block
//! - [`engine`]: a member's part in it: blocks fetched, items passed on, votes cast
//! - [`Store`]: what a peer keeps of all this on disk
//! - [`TrustFile`]: genesis and chain, for whoever verifies where there is no network

mod action;
mod block;
mod chain;
pub mod consensus;
pub mod engine;
mod fault;
mod fold;
mod history;
mod judge;
mod kinds;
mod member;
mod own;
mod pool;
mod proposal;
mod state;
mod store;
#[cfg(test)]
pub(crate) mod tests;
mod trust_file;
mod way;

pub use action::{
    Action, Admit, ChangeRoles, Cut, CutReason, Govern, Introduction, MAX_ACTION, Newcomer,
    Position, RaiseVersion, Remove, ReplaceCatalogueKey, ReplaceIdentity, ReplacePolicy, Resume,
    Suspend,
};
pub use block::{
    Block, Certificate, FinalBlock, Item, MAX_BLOCK, MAX_FINAL_BLOCK, MAX_ITEM, MAX_ITEMS,
    Recovery, RecoverySignature, SignedRecovery, Stage, Vote,
};
pub use chain::{BlockId, ChainHead, ProposalId, RecoveryId};
pub use fault::{ActionFault, BlockError, CertificateFault, Fault, PositionFault};
pub use fold::{quorum, recovery_quorum};
pub use history::{Changes, History, Rules};
pub(crate) use judge::WORD_LAG_MS;
pub use judge::{Judge, Judgement, Why};
pub use kinds::{Keys, Signed, Unreadable};
pub use member::{Ended, Epoch, GenerationEnd, GenerationEnded, Marker, Member, Standing, Trail};
pub use own::{
    EndReason, EpochEnd, EpochEnded, Held, Lost, OwnChange, SignedChange, UnsignedChange,
};
pub use pool::{Pool, Refused};
pub use proposal::{Decision, MAX_ACTIONS, Proposal, Withdrawal, approve};
pub use state::{FORMAT_VERSION, State};
pub use store::{Kept, Store, StoreError};
pub use trust_file::{Part, TrustFile, TrustFileError};
pub use way::MAX_SUCCESSORS;
