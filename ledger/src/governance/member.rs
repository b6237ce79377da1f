//! A department as governance knows it: what is so now, and what its records are judged by.

use serde::Serialize;

use crate::codec::{Ascending, Text};
use crate::crypto::hash::Hash;
use crate::crypto::keys::PublicKey;
use crate::genesis::{MAX_ROLES, Role};
use crate::id::DepartmentCode;
use crate::names::LogId;

use super::action::{CutReason, Position};
use super::kinds::Keys;
use super::own::EndReason;

/// Whether a department belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Standing {
    /// It does.
    Present,
    /// It does, and neither governs nor counts nor writes.
    Suspended {
        /// Since this height.
        since: u64,
        /// Up to where its log counts.
        position: Position,
    },
    /// It does no longer.
    Removed {
        /// Since this height.
        since: u64,
        /// Who changes the statuses of its certificates.
        successor: Option<DepartmentCode>,
    },
}

/// A department at one height. Small, since a history keeps one for each height at which it changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Member {
    /// Its unified social credit code.
    pub code: DepartmentCode,
    /// Its name.
    pub name: Text<128>,
    /// Its Chinese name.
    pub name_zh: Option<Text<128>>,
    /// Whether it belongs.
    pub standing: Standing,
    /// Whether it governs while it is not suspended.
    pub governs: bool,
    /// What it may do while it is not suspended.
    pub roles: Ascending<Role, MAX_ROLES>,
    /// Its keys.
    pub keys: Keys,
    /// The epoch of its operating key.
    pub epoch: u32,
    /// The first epoch that writes in the present generation. If it is the next one, the department has to change its
    /// operating key first: the present one signs nothing that counts.
    pub first_epoch: u32,
    /// The generation of its log.
    pub generation: u32,
    /// The number of its last own change.
    pub changes: u64,
    /// Own changes in 24 hours.
    pub(super) quota: Quota,
}

/// How many own changes a department made since a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Quota {
    since_ms: u64,
    used: u8,
}

impl Quota {
    const WINDOW_MS: u64 = 86_400_000;

    /// Takes one, if there is one left.
    pub(super) fn take(&mut self, time_ms: u64, limit: u8) -> bool {
        if self.used == 0 || time_ms.saturating_sub(self.since_ms) >= Quota::WINDOW_MS {
            *self = Quota {
                since_ms: time_ms,
                used: 0,
            };
        }
        let left = self.used < limit;
        self.used += u8::from(left);
        left
    }
}

impl Member {
    /// Its log of the present generation.
    pub fn log(&self) -> LogId {
        LogId {
            department: self.code,
            generation: self.generation,
        }
    }

    /// The Chinese name where there is one, else the name.
    pub fn display_name(&self) -> &str {
        self.name_zh.as_ref().unwrap_or(&self.name).as_str()
    }

    /// Whether it belongs, suspended or not.
    pub fn belongs(&self) -> bool {
        !matches!(self.standing, Standing::Removed { .. })
    }

    /// Whether it belongs and is not suspended.
    pub fn is_active(&self) -> bool {
        self.standing == Standing::Present
    }

    /// Whether it decides with the others.
    pub fn is_governor(&self) -> bool {
        self.governs && self.is_active()
    }

    /// Since when it is suspended.
    pub fn suspended_since(&self) -> Option<u64> {
        match self.standing {
            Standing::Suspended { since, .. } => Some(since),
            _ => None,
        }
    }

    /// The operating key that signs for it, unless that ended with a generation and no other has replaced it yet.
    pub fn operating_key(&self) -> Option<&PublicKey> {
        (self.belongs() && self.epoch >= self.first_epoch).then_some(&self.keys.operating)
    }
}

/// An epoch of a department's operating keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Epoch {
    /// Its key.
    pub key: PublicKey,
    /// The height from which on it is in force.
    pub since: u64,
    /// Where it ended. One that isn't the last and has no end is not in force either; what it signed before counts.
    pub ended: Option<Ended>,
}

/// Where an epoch ended, and since when that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Ended {
    /// Since this height.
    pub height: u64,
    /// From here on its key authorises nothing, and before only what leads to the root.
    pub position: Position,
    /// Why.
    pub why: EndReason,
}

/// Why a generation of a log ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum GenerationEnd {
    /// Its log goes on in the next one.
    Cut(CutReason),
    /// Its department was suspended there; since it was resumed its log goes on in the next one.
    Suspended,
    /// Its department was removed.
    Removed,
}

/// Where a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct GenerationEnded {
    /// Since this height.
    pub height: u64,
    /// What is kept of it.
    pub size: u64,
    /// Merkle root over that.
    pub root: Hash,
    /// Why.
    pub why: GenerationEnd,
}

/// From a position on, a log is judged by a later height than its records may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Marker {
    /// By this height, or a later one that a record names.
    pub height: u64,
    /// From here on.
    pub position: Position,
    /// Whether the department was suspended or removed there: no record counts from there on. Otherwise a role was taken.
    pub suspends: bool,
}

/// What a department's records are judged by, besides what it was at the height they name. Each part states its height, so
/// the latest trail answers for all heights.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Trail {
    /// Its epochs, the first being 0.
    pub epochs: Vec<Epoch>,
    /// How the generations before the present one ended; that of a removed department as well.
    pub generations: Vec<GenerationEnded>,
    /// Suspensions, removals, roles taken.
    pub markers: Vec<Marker>,
}

impl Trail {
    /// The trail of a department that comes with a key.
    pub(super) fn begin(key: PublicKey, since: u64) -> Trail {
        let mut trail = Trail::default();
        trail.add_epoch(key, since);
        trail
    }

    pub(super) fn add_epoch(&mut self, key: PublicKey, since: u64) {
        self.epochs.push(Epoch {
            key,
            since,
            ended: None,
        });
    }

    /// An epoch.
    pub fn epoch(&self, epoch: u32) -> Option<&Epoch> {
        self.epochs.get(usize::try_from(epoch).ok()?)
    }

    /// The first epoch whose end is not known.
    pub(crate) fn first_open_epoch(&self) -> usize {
        let ended = self.epochs.iter().take_while(|epoch| epoch.ended.is_some());
        ended.count()
    }

    /// Ends one epoch, or says otherwise why it ended.
    pub(super) fn end_epoch(&mut self, epoch: u32, end: Ended) {
        let at = usize::try_from(epoch).unwrap_or(usize::MAX);
        if let Some(epoch) = self.epochs.get_mut(at) {
            epoch.ended = Some(end);
        }
    }

    /// Ends all epochs before one that have not ended yet.
    pub(super) fn end_epochs(&mut self, before: u32, end: Ended) {
        let before = usize::try_from(before).unwrap_or(usize::MAX);
        for epoch in self.epochs.iter_mut().take(before) {
            epoch.ended.get_or_insert(end);
        }
    }

    /// How a generation ended, if it did.
    pub fn generation_end(&self, generation: u32) -> Option<&GenerationEnded> {
        self.generations.get(usize::try_from(generation).ok()?)
    }

    /// Whether a position is one of the log as it is by now: what its generation held beyond where that ended was cut off.
    pub fn keeps(&self, position: &Position) -> bool {
        let end = self.generation_end(position.log.generation);
        end.is_none_or(|end| position.size <= end.size)
    }

    /// Records that the log's present generation began with.
    pub(super) fn kept(&self) -> u64 {
        self.generations.last().map_or(0, |end| end.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_for_a_day_that_begins_with_its_first_use() {
        let mut quota = Quota::default();
        let day = Quota::WINDOW_MS;
        let taken: Vec<bool> = [5, 5, 6, day + 4, day + 5, day + 5, 3 * day]
            .map(|time| quota.take(time, 2))
            .into();
        assert_eq!(taken, [true, true, false, false, true, true, true]);
        // A clock that stands at the end of time neither overflows nor frees anybody.
        let mut quota = Quota::default();
        assert!(quota.take(u64::MAX, 1));
        assert!(!quota.take(u64::MAX, 1));
    }
}
