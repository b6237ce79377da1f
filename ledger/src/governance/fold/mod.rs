//! The fold: a state and a block give the next state, or the block is not one.
//!
//! **A block holds if every item in it holds, in order, each under what the ones before it left; otherwise the block is
//! refused whole.** So whatever stands in a final block took effect, and a governor that puts something else into one gets no
//! honest vote for it: the alternative, items without effect, would let each fill the chain with whatever it likes, for
//! good. What doesn't hold yet, or not any more, waits outside or is forgotten.
//!
//! The fold is total (any state and any block give an answer), pure, and needs no clock: times are those of blocks.

mod actions;
mod certificate;
mod decision;
mod lost;
mod own;
mod recovery;

use crate::codec;

use super::block::{Block, FinalBlock, Item, MAX_BLOCK};
use super::fault::{BlockError, Fault};
use super::state::{FORMAT_VERSION, State};

pub use certificate::{quorum, recovery_quorum};

impl State {
    /// What is so after a block, whoever voted for it.
    ///
    /// # Errors
    /// [`BlockError`] if the block does not hold, or is of a later version.
    pub fn apply(&self, block: &Block) -> Result<State, BlockError> {
        self.check_place(block)?;
        let height = block.height;
        if block.items.is_empty() {
            return Err(BlockError::Empty(height));
        }
        let found = codec::encode(block).len();
        if found > MAX_BLOCK {
            return Err(BlockError::TooLong {
                height,
                found,
                limit: MAX_BLOCK,
            });
        }
        if block.items.len() > 1 && block.items.iter().any(Item::stands_alone) {
            return Err(BlockError::Beside(height));
        }
        let mut next = self.at(block.time_ms);
        for (at, item) in block.items.iter().enumerate() {
            let refused = |fault| BlockError::Item { height, at, fault };
            next = next.with(item).map_err(refused)?;
        }
        next.head = block.id(self.network);
        Ok(next)
    }

    /// What is so after a final block.
    ///
    /// # Errors
    /// [`BlockError`] if the block does not hold, or is not final by the votes of those who governed before it.
    pub fn accept(&self, block: &FinalBlock) -> Result<State, BlockError> {
        self.check_place(&block.block)?;
        // Votes before items: whoever sends blocks that nobody voted for makes nobody fold them.
        self.check_certificate(block)?;
        self.apply(&block.block)
    }

    /// Whether a block follows from here.
    fn check_place(&self, block: &Block) -> Result<(), BlockError> {
        self.check_version()?;
        let height = self.height.saturating_add(1);
        if block.height != height {
            return Err(BlockError::Height {
                found: block.height,
                expected: height,
            });
        }
        if block.before != self.head {
            return Err(BlockError::Before {
                height,
                found: block.before,
                expected: self.head,
            });
        }
        if block.time_ms < self.time_ms {
            return Err(BlockError::Time {
                height,
                found: block.time_ms,
                least: self.time_ms,
            });
        }
        Ok(())
    }

    /// Whether this program knows the version in force. If not it folds nothing beyond.
    pub fn is_readable(&self) -> bool {
        self.version <= FORMAT_VERSION
    }

    fn check_version(&self) -> Result<(), BlockError> {
        match self.is_readable() {
            true => Ok(()),
            false => Err(BlockError::LaterVersion {
                version: self.version,
                known: FORMAT_VERSION,
                after: self.height,
            }),
        }
    }

    /// The state that the items of the next block, made at a time, are held against, one after the other. What is so after
    /// some of them is not so for anybody until the block is final.
    pub fn at(&self, time_ms: u64) -> State {
        State {
            height: self.height.saturating_add(1),
            time_ms: time_ms.max(self.time_ms),
            ..self.clone()
        }
    }

    /// What one more item of the next block would change; see [`State::at`].
    ///
    /// # Errors
    /// [`Fault`] if the item does not hold.
    pub fn with(&self, item: &Item) -> Result<State, Fault> {
        // On a copy: of an item that doesn't hold in the end nothing stays.
        let mut next = self.clone();
        match item {
            Item::Decision(decision) => next.decide(decision),
            Item::Withdrawal(withdrawal) => next.withdraw(withdrawal),
            Item::OwnChange(change) => next.change_own(change),
            Item::EpochEnded(ended) => next.end_epoch(ended),
            Item::Recovery(recovery) => next.recover(recovery),
            Item::Unreadable(unreadable) => Err(Fault::Unreadable(unreadable.kind)),
        }?;
        Ok(next)
    }
}
