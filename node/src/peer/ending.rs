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
use certmesh_ledger::sync::{Request, Response};
use tokio::sync::{mpsc, oneshot};

use super::Peer;
use super::driver::Ask;
use super::governance::Governing;

/// How often it is looked whether an epoch has to be ended. It hurries nothing: records under the next key count meanwhile.
const EVERY: Duration = Duration::from_secs(3);

/// Asks the governors for their words on ends, and hands over what they come to.
pub(crate) struct Ending {
    pub(crate) peer: Arc<Peer>,
    pub(crate) asks: mpsc::Sender<Ask>,
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
            {
                self.end(end).await;
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

    async fn end(&self, end: EpochEnd) {
        let Ok(signs) = self.peer.keys.in_force() else {
            return;
        };
        let members = self.peer.catalogue.members();
        let witnesses = self.witnesses(&end).await;
        let by = witnesses.keys().copied();
        if !members.history().is_witnessed(&self.peer.department, by) {
            let found = witnesses.len();
            tracing::debug!(
                found,
                "too few witnesses yet of where an operating key ended"
            );
            return;
        }
        let witnesses = Ascending::new(witnesses.into_values().collect());
        let witnesses = witnesses.expect("by department, each once");
        let ended = EpochEnded::sign(members.network(), end, &signs.key);
        let item = Item::from(EpochEnded { witnesses, ..ended });
        match self.governing.submit(item).await {
            Ok(()) => tracing::info!(
                epoch = end.epoch,
                size = end.position.size,
                "where the operating key before ended is on its way into a block"
            ),
            Err(why) => tracing::debug!(?why, "the end of an operating key was not taken up"),
        }
    }

    /// The words of the governors that are connected.
    async fn witnesses(&self, end: &EpochEnd) -> BTreeMap<DepartmentCode, Signed> {
        let history = self.peer.catalogue.members().history();
        let connected: Vec<DepartmentCode> = {
            let heard = self.peer.heard.read();
            let governs = |code: &&DepartmentCode| history.state().governor(code).is_some();
            heard.connected.keys().filter(governs).copied().collect()
        };
        let asked = connected.into_iter().map(|by| self.ask(by, end));
        let words = futures::future::join_all(asked).await;
        let network = history.chain();
        let verifies = |word: &Signed| {
            let governor = history.state().governor(&word.by);
            let key = governor.and_then(Member::operating_key);
            key.is_some_and(|key| end.is_witnessed(network, word, key))
        };
        let words = words.into_iter().flatten().filter(verifies);
        words.map(|word| (word.by, word)).collect()
    }

    async fn ask(&self, to: DepartmentCode, end: &EpochEnd) -> Option<Signed> {
        let (reply, answer) = oneshot::channel();
        let request = Request::WitnessEnd(Box::new(*end));
        self.asks.send(Ask { to, request, reply }).await.ok()?;
        match answer.await.ok()?.ok()? {
            Response::EndWitnessed(word) if word.by == to => Some(word),
            _ => None,
        }
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
        let own_end = end.position.log.department == *asker && end.why == EndReason::Rotated;
        let Ok(signs) = self.keys.in_force() else {
            return Ok(None);
        };
        if !own_end || !self.catalogue.is_end(end)? {
            return Ok(None);
        }
        let network = self.catalogue.members().network();
        let word = EpochEnded::witness(network, end, self.department, &signs.key);
        Ok(Some(word))
    }
}
