//! What members' peers say to each other of governance.

use serde::{Deserialize, Serialize};

use crate::codec::{self, Bounded};
use crate::governance::block::{FinalBlock, Item};
use crate::governance::chain::BlockId;
use crate::governance::consensus::Message;

/// Most bytes of the blocks, or of the items, of one answer.
pub const MAX_ANSWER: usize = 1 << 20;

/// Most blocks of one answer.
pub const MAX_BLOCKS: usize = 256;

/// Most items of one answer: more than the governors and the members of a large network have pending.
pub const MAX_PENDING: usize = 4096;

/// What is gossiped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum News {
    /// A governor's node says something about the next block.
    Said {
        /// Counts the repetitions: gossip passes the same bytes on once only, and who comes back has to hear it.
        again: u64,
        /// What.
        message: Box<Message>,
    },
    /// Something waits for a block.
    Pending {
        /// The height of whoever says so.
        height: u64,
        /// What.
        item: Box<Item>,
    },
    /// A block is final, and can be had of whoever passes this on.
    Final {
        /// Counts as in [`News::Said`], and tells the news of several governors apart.
        again: u64,
        /// Its height.
        height: u64,
        /// Which.
        block: BlockId,
    },
}

/// What a peer knows of governance; it stands in its heads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The last final block it holds.
    pub height: u64,
    /// What that is called.
    pub head: BlockId,
    /// A sum over what waits for a block there: two peers that have the same say the same.
    pub pending: u64,
}

/// What one peer asks of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// Final blocks from a height on.
    Blocks {
        /// From 1.
        from: u64,
    },
    /// What waits for a block.
    Pending,
}

/// The answer to a [`Question`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// Blocks, one after the other, as many as fit; none if there are none of that height.
    Blocks(Bounded<FinalBlock, MAX_BLOCKS>),
    /// Items, as many as fit.
    Pending(Bounded<Item, MAX_PENDING>),
}

/// As many as fit into an answer.
pub(super) fn fitting<T: Serialize, const N: usize>(all: impl Iterator<Item = T>) -> Bounded<T, N> {
    let mut room = MAX_ANSWER;
    let fit = |one: &T| {
        let size = codec::encode(one).len();
        let fits = size <= room;
        room = room.saturating_sub(size);
        fits
    };
    Bounded::first(all.take_while(fit))
}
