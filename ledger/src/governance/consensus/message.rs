//! What governors' nodes say to each other about the next block, and what each keeps of it.

use serde::{Deserialize, Serialize};

use crate::codec::Ascending;
use crate::crypto::hash::Purpose;
use crate::crypto::keys::{PublicKey, SigningKey};
use crate::genesis::MAX_GOVERNORS;
use crate::governance::block::{Block, SignedRecovery, Vote};
use crate::governance::chain::{BlockId, RecoveryId};
use crate::governance::kinds::Signed;
use crate::governance::state::State;
use crate::id::DepartmentCode;
use crate::names::NetworkId;

/// A block offered in a round, by the governor whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Which round.
    pub round: u32,
    /// Why a block of an earlier round is offered again, if it is one.
    pub again: Option<Again>,
    /// The block.
    pub block: Block,
    /// By the operating key of whoever offers it.
    pub signed: Signed,
}

/// The prevotes of an earlier round that were enough for this very block.
///
/// They come with the offer: a liar may have shown its own to one governor alone, which is bound to the block from then on
/// and could never show the others why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// Which round.
    pub round: u32,
    /// The prevotes.
    pub prevotes: Ascending<Signed, MAX_GOVERNORS>,
}

impl Offer {
    /// Offers a block.
    pub fn sign(
        network: NetworkId,
        block: Block,
        round: u32,
        again: Option<Again>,
        by: DepartmentCode,
        operating: &SigningKey,
    ) -> Offer {
        let content = (
            block.id(network),
            round,
            again.as_ref().map(|again| again.round),
        );
        Offer {
            round,
            signed: network.sign(Purpose::Offer, &content, by, operating),
            again,
            block,
        }
    }

    /// The earlier round.
    pub(super) fn valid_round(&self) -> Option<u32> {
        self.again.as_ref().map(|again| again.round)
    }

    pub(super) fn is_signed(&self, network: NetworkId, block: BlockId, key: &PublicKey) -> bool {
        let content = (block, self.round, self.valid_round());
        network.is_signed(Purpose::Offer, &content, &self.signed, key)
    }
}

/// What a governor's node sends to all the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// A block.
    Offer(Offer),
    /// A vote among all who govern.
    Vote(Vote, Signed),
    /// A vote among those who go on governing after a recovery.
    RecoveryVote(RecoveryId, Vote, Signed),
}

impl Message {
    /// The height that it is about.
    pub fn height(&self) -> u64 {
        match self {
            Message::Offer(offer) => offer.block.height,
            Message::Vote(vote, _) | Message::RecoveryVote(_, vote, _) => vote.height,
        }
    }

    /// The round of its height, and of its agreement.
    pub(super) fn round(&self) -> u32 {
        match self {
            Message::Offer(offer) => offer.round,
            Message::Vote(vote, _) | Message::RecoveryVote(_, vote, _) => vote.round,
        }
    }

    /// The recovery that it is about; none if all who govern agree on the block.
    pub(super) fn recovery(&self, network: NetworkId) -> Option<RecoveryId> {
        match self {
            Message::Offer(offer) => offer.block.recovery().map(|recovery| recovery.id(network)),
            Message::Vote(..) => None,
            Message::RecoveryVote(recovery, ..) => Some(*recovery),
        }
    }

    /// Whose it claims to be.
    pub fn by(&self) -> DepartmentCode {
        match self {
            Message::Offer(offer) => offer.signed.by,
            Message::Vote(_, signed) | Message::RecoveryVote(_, _, signed) => signed.by,
        }
    }

    /// Whether a governor after `state` signed it, for the next height: so much everybody can tell who holds the chain.
    pub fn is_authentic(&self, state: &State) -> bool {
        let governor = state.governor(&self.by());
        let Some(key) = governor.and_then(|governor| governor.operating_key()) else {
            return false;
        };
        let chain = state.network();
        match self {
            Message::Offer(offer) => offer.is_signed(chain, offer.block.id(chain), key),
            Message::Vote(vote, signed) => vote.is_signed(chain, None, signed, key),
            Message::RecoveryVote(recovery, vote, signed) => {
                vote.is_signed(chain, Some(*recovery), signed, key)
            }
        }
    }
}

/// Which time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Wait {
    /// For an offer.
    Offer,
    /// For more prevotes.
    Prevotes,
    /// For more precommits.
    Precommits,
}

/// What moved the node's part in the decision on one height. All of them, in their order, bring a node that was restarted to
/// where it was: to the same lock, and to the same votes in the same rounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Entry {
    /// It took part from then on.
    Begun,
    /// It had this block to offer.
    Own(u32, Block),
    /// It was offered a block, and found that it holds or doesn't.
    Offered(Offer, bool),
    /// A vote came, or was cast: what it cast it stands by, even if a later version of the program would vote otherwise.
    Voted(Vote, Signed),
    /// A time was over.
    Over(u32, Wait),
    /// It turned to a recovery: what follows is of the agreement on that, and it votes in none before it any more.
    Turned(SignedRecovery),
}
