//! Governance in the terms of the Tendermint library: governors with one vote each, blocks as values.
//!
//! The library's driver is a state machine for one height. It checks no signature, knows no time and signs nothing; what
//! is kept from it here is what it can't bear: messages of strangers, of other heights, of proposers whose turn it isn't.

use std::fmt;
use std::sync::Arc;

use malachitebft_core_types as core;
use malachitebft_core_types::{NilOrVal, Round, VoteType};

use crate::crypto::keys::{PublicKey, Signature};
use crate::governance::block::{Block, Stage, Vote};
use crate::governance::chain::BlockId;
use crate::governance::member::Member;
use crate::id::DepartmentCode;

/// Governance as the library sees it.
#[derive(Clone, Debug)]
pub(super) struct Governance;

/// A height.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Height(pub(super) u64);

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::Height for Height {
    const ZERO: Height = Height(0);
    const INITIAL: Height = Height(1);

    fn increment_by(&self, n: u64) -> Height {
        Height(self.0.saturating_add(n))
    }

    fn decrement_by(&self, n: u64) -> Option<Height> {
        self.0.checked_sub(n).map(Height)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

impl core::Address for DepartmentCode {}

/// A block that may become final, with its hash.
#[derive(Clone, Debug)]
pub(super) struct Candidate {
    pub(super) id: BlockId,
    pub(super) block: Arc<Block>,
}

impl PartialEq for Candidate {
    fn eq(&self, other: &Candidate) -> bool {
        self.id == other.id
    }
}

impl Eq for Candidate {}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Candidate) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Candidate {
    fn cmp(&self, other: &Candidate) -> std::cmp::Ordering {
        self.id.cmp(&other.id)
    }
}

impl core::Value for Candidate {
    type Id = BlockId;

    fn id(&self) -> BlockId {
        self.id
    }
}

/// A block offered in a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Offered {
    pub(super) height: Height,
    pub(super) round: Round,
    pub(super) candidate: Candidate,
    pub(super) valid_round: Round,
    pub(super) by: DepartmentCode,
}

impl core::Proposal<Governance> for Offered {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &Candidate {
        &self.candidate
    }

    fn take_value(self) -> Candidate {
        self.candidate
    }

    fn pol_round(&self) -> Round {
        self.valid_round
    }

    fn validator_address(&self) -> &DepartmentCode {
        &self.by
    }
}

/// Blocks are offered whole.
impl core::ProposalPart<Governance> for () {
    fn is_first(&self) -> bool {
        true
    }

    fn is_last(&self) -> bool {
        true
    }
}

/// A governor's vote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ballot {
    height: Height,
    round: Round,
    stage: VoteType,
    value: NilOrVal<BlockId>,
    by: DepartmentCode,
}

impl Ballot {
    pub(super) fn of(vote: &Vote, by: DepartmentCode) -> Ballot {
        Ballot {
            height: Height(vote.height),
            round: Round::new(vote.round),
            stage: match vote.stage {
                Stage::Prevote => VoteType::Prevote,
                Stage::Precommit => VoteType::Precommit,
            },
            value: vote.block.map_or(NilOrVal::Nil, NilOrVal::Val),
            by,
        }
    }

    /// What is signed; the library votes in rounds from 0 alone.
    pub(super) fn vote(&self) -> Option<Vote> {
        Some(Vote {
            height: self.height.0,
            round: self.round.as_u32()?,
            stage: match self.stage {
                VoteType::Prevote => Stage::Prevote,
                VoteType::Precommit => Stage::Precommit,
            },
            block: match self.value {
                NilOrVal::Nil => None,
                NilOrVal::Val(block) => Some(block),
            },
        })
    }
}

impl core::Vote<Governance> for Ballot {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<BlockId> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<BlockId> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.stage
    }

    fn validator_address(&self) -> &DepartmentCode {
        &self.by
    }

    fn extension(&self) -> Option<&core::SignedExtension<Governance>> {
        None
    }

    fn take_extension(&mut self) -> Option<core::SignedExtension<Governance>> {
        None
    }

    fn extend(self, _: core::SignedExtension<Governance>) -> Ballot {
        self
    }
}

/// A governor and the key that its votes are checked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seat {
    code: DepartmentCode,
    key: PublicKey,
}

impl core::Validator<Governance> for Seat {
    fn address(&self) -> &DepartmentCode {
        &self.code
    }

    fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn voting_power(&self) -> core::VotingPower {
        1
    }
}

/// Those who vote at a height, by code. One whose key has ended counts, and no vote of it is passed on to the library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seats(Arc<[Seat]>);

impl Seats {
    pub(super) fn of(voters: &[&Member]) -> Seats {
        let seats = voters.iter().map(|voter| Seat {
            code: voter.code,
            key: voter.keys.operating,
        });
        Seats(seats.collect())
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn has(&self, code: &DepartmentCode) -> bool {
        core::ValidatorSet::get_by_address(self, code).is_some()
    }

    /// Whose turn it is: each in turn, so that of so many rounds only so many are a liar's.
    pub(super) fn proposer(&self, height: u64, round: u32) -> DepartmentCode {
        let turn = height.wrapping_add(u64::from(round)) % self.0.len() as u64;
        self.0[turn as usize].code
    }
}

impl core::ValidatorSet<Governance> for Seats {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn total_voting_power(&self) -> core::VotingPower {
        self.0.len() as u64
    }

    fn get_by_address(&self, address: &DepartmentCode) -> Option<&Seat> {
        let at = self.0.binary_search_by(|seat| seat.code.cmp(address));
        at.ok().map(|at| &self.0[at])
    }

    fn get_by_index(&self, index: usize) -> Option<&Seat> {
        self.0.get(index)
    }
}

/// Signatures are made and checked outside of the library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outside;

impl core::SigningScheme for Outside {
    type DecodingError = crate::crypto::keys::KeyError;
    type Signature = Signature;
    type PublicKey = PublicKey;
    type PrivateKey = ();

    fn decode_signature(bytes: &[u8]) -> Result<Signature, Self::DecodingError> {
        let bytes = bytes.try_into();
        Signature::from_bytes(bytes.map_err(|_| Self::DecodingError::Malformed)?)
    }

    fn encode_signature(signature: &Signature) -> Vec<u8> {
        signature.to_bytes().to_vec()
    }

    fn decode_public_key(bytes: &[u8]) -> Result<PublicKey, Self::DecodingError> {
        let bytes = bytes.try_into();
        PublicKey::from_bytes(bytes.map_err(|_| Self::DecodingError::Malformed)?)
    }

    fn encode_public_key(key: &PublicKey) -> Vec<u8> {
        key.as_bytes().to_vec()
    }
}

impl core::Context for Governance {
    type Address = DepartmentCode;
    type Height = Height;
    type ProposalPart = ();
    type Proposal = Offered;
    type Validator = Seat;
    type ValidatorSet = Seats;
    type Timeouts = core::LinearTimeouts;
    type Value = Candidate;
    type Vote = Ballot;
    type Extension = ();
    type SigningScheme = Outside;

    fn select_proposer<'a>(&self, seats: &'a Seats, height: Height, round: Round) -> &'a Seat {
        let round = round.as_u32().unwrap_or(0);
        let proposer = seats.proposer(height.0, round);
        core::ValidatorSet::get_by_address(seats, &proposer).expect("one of the seats")
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        candidate: Candidate,
        valid_round: Round,
        by: DepartmentCode,
    ) -> Offered {
        Offered {
            height,
            round,
            candidate,
            valid_round,
            by,
        }
    }

    fn new_prevote(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<BlockId>,
        by: DepartmentCode,
    ) -> Ballot {
        let stage = VoteType::Prevote;
        Ballot {
            height,
            round,
            stage,
            value,
            by,
        }
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<BlockId>,
        by: DepartmentCode,
    ) -> Ballot {
        let stage = VoteType::Precommit;
        Ballot {
            height,
            round,
            stage,
            value,
            by,
        }
    }
}
