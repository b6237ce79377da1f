//! The ends of this department's epochs: once its next operating key is in force, the governors are asked to witness where the
//! one before ended, and with enough of their signatures that is put into a block. From there on a thief of the old key can
//! sign nothing that counts.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use certmesh_ledger::codec::Ascending;
use certmesh_ledger::governance::{EndReason, EpochEnd, EpochEnded, Item, Member, Signed};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::log::ReadError;
use certmesh_ledger::operating::NoKey;
use certmesh_ledger::sync::{Request, Response};

use super::Peer;
use super::governance::{Governing, NotTaken};
use super::governors::Governors;

/// How often it is looked whether an epoch has to be ended. It hurries nothing: records under the next key count meanwhile.
const EVERY: Duration = Duration::from_secs(3);

/// Why an epoch has not been ended.
#[derive(Debug)]
pub(crate) enum NotEnded {
    /// It is in force, or there is no such epoch.
    InForce {
        /// The one in force.
        present: u32,
    },
    /// Where it ended by its rotation is not final yet.
    Open {
        /// The epoch.
        epoch: u32,
    },
    /// Nothing can be signed for this department.
    NoKey(NoKey),
    /// Too few governors witness it.
    Witnesses {
        /// How many do.
        found: usize,
    },
    /// It was not taken up.
    NotTaken(NotTaken),
}

/// Asks the governors for their words on ends, and hands over what they come to.
#[derive(Clone)]
pub(crate) struct Ending {
    pub(crate) peer: Arc<Peer>,
    pub(crate) governors: Governors,
    pub(crate) governing: Governing,
}

impl Ending {
    /// Ends epochs as long as it is not aborted.
    pub(crate) async fn keep_ending(self) {
        let mut turns = tokio::time::interval(EVERY);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            turns.tick().await;
            // Of a log that others may hold more of, the end is not known.
            if self.peer.own.is_confirmed()
                && let Some(end) = self.open_end().await
                && !self.waits(&end)
                && let Err(why) = self.end(end).await
            {
                tracing::debug!(?why, "an operating key before has not been ended yet");
            }
        }
    }

    async fn open_end(&self) -> Option<EpochEnd> {
        let peer = Arc::clone(&self.peer);
        let found = tokio::task::spawn_blocking(move || peer.catalogue.open_end()).await;
        match found {
            Ok(Ok(end)) => end,
            Ok(Err(error)) => {
                tracing::warn!(%error, "the own log can't be read, to say where an operating key ended");
                None
            }
            Err(_) => None,
        }
    }

    /// Whether it waits for a block already.
    fn waits(&self, end: &EpochEnd) -> bool {
        let shown = self.peer.governance.read();
        let is_it = |item: &Item| matches!(item, Item::EpochEnded(ended) if ended.end == *end);
        shown.pending.iter().any(is_it)
    }

    /// Ends an epoch that has ended by its rotation once more, as stolen; by default the one before the present one. One that has
    /// ended so already needs nothing more.
    ///
    /// # Errors
    /// [`NotEnded`].
    pub(crate) async fn end_as_stolen(&self, epoch: Option<u32>) -> Result<(), NotEnded> {
        let history = self.peer.catalogue.members().history();
        let own = &self.peer.department;
        let present = history.state().member(own).map_or(0, |own| own.epoch);
        let epoch = epoch.or(present.checked_sub(1));
        let epoch = epoch.filter(|epoch| *epoch < present);
        let epoch = epoch.ok_or(NotEnded::InForce { present })?;
        let trail = history.trail(own);
        let ended = trail.and_then(|trail| trail.epoch(epoch)?.ended);
        let ended = ended.ok_or(NotEnded::Open { epoch })?;
        let end = EpochEnd {
            position: ended.position,
            epoch,
            why: EndReason::Stolen,
        };
        match ended.why == EndReason::Stolen || self.waits(&end) {
            true => Ok(()),
            false => self.end(end).await,
        }
    }

    async fn end(&self, end: EpochEnd) -> Result<(), NotEnded> {
        let signs = self.peer.keys.in_force().map_err(NotEnded::NoKey)?;
        let members = self.peer.catalogue.members();
        let witnesses = self.witnesses(&end).await;
        let by = witnesses.keys().copied();
        if !members.history().is_witnessed(&self.peer.department, by) {
            let found = witnesses.len();
            return Err(NotEnded::Witnesses { found });
        }
        let witnesses = Ascending::new(witnesses.into_values().collect());
        let witnesses = witnesses.expect("by department, each once");
        let ended = EpochEnded::sign(members.network(), end, &signs.key);
        let item = Item::from(EpochEnded { witnesses, ..ended });
        self.governing
            .submit(item)
            .await
            .map_err(NotEnded::NotTaken)?;
        tracing::info!(
            epoch = end.epoch,
            size = end.position.size,
            why = ?end.why,
            "where an operating key before ended is on its way into a block"
        );
        Ok(())
    }

    /// The words of the governors that are connected.
    async fn witnesses(&self, end: &EpochEnd) -> BTreeMap<DepartmentCode, Signed> {
        let answers = self
            .governors
            .ask(&Request::WitnessEnd(Box::new(*end)))
            .await;
        let history = self.peer.catalogue.members().history();
        let network = history.chain();
        let mut words = BTreeMap::new();
        for (by, answer) in answers {
            let Ok(Response::EndWitnessed(word)) = answer else {
                continue;
            };
            let governor = history.state().governor(&by);
            let key = governor.and_then(Member::operating_key);
            let verifies = |key| word.by == by && end.is_witnessed(network, &word, key);
            if key.is_some_and(verifies) {
                words.insert(by, word);
            }
        }
        words
    }
}

impl Peer {
    /// This department's word that an epoch of the asker's ended there; `None` if it isn't so, as far as is known here.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(crate) fn witness_end(
        &self,
        asker: &DepartmentCode,
        end: &EpochEnd,
    ) -> Result<Option<Signed>, ReadError> {
        let Ok(signs) = self.keys.in_force() else {
            return Ok(None);
        };
        let members = self.catalogue.members();
        let is_end = end.position.log.department == *asker
            && match end.why {
                EndReason::Rotated => self.catalogue.is_end(end)?,
                // Where it ended is final; that its key was in other hands, its department says.
                EndReason::Stolen => members.history().ended_by_rotation(end),
            };
        if !is_end {
            return Ok(None);
        }
        let network = members.network();
        let word = EpochEnded::witness(network, end, self.department, &signs.key);
        Ok(Some(word))
    }
}
