//! Asks other members for the catalogue keys that this node lacks: all of them where its department has just joined or lost its
//! files, the newest where one was replaced, and one that is proposed before it is approved here. While it serves, and until it has
//! them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use certmesh_ledger::crypto::keys::{CatalogueCommitment, CatalogueKey, SecretFile};
use certmesh_ledger::crypto::sealing::{Sealed, SealingSecret};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::sync::{Request, Response, open_catalogue_key};
use certmesh_text::governance::short;
use tokio::sync::{mpsc, oneshot};

use crate::net::RequestFailure;
use crate::peer::Peer;
use crate::peer::driver::Ask;
use crate::peer::key_files::KeyFault;

/// A member is asked again for the same key after this long.
const AGAIN: Duration = Duration::from_secs(10);
/// How often it is looked at who has not been asked, and whether somebody has put the file there.
const LOOK: Duration = Duration::from_secs(1);

/// How long somebody who approves a proposal waits for its key.
const PATIENCE: Duration = Duration::from_secs(5);
/// How soon it is noticed that it is there.
const NOTICE: Duration = Duration::from_millis(50);

/// Whom this node asked for which key, and when.
type Asked = BTreeMap<(DepartmentCode, String), Instant>;

/// Gets the keys that lack, as soon as some do.
pub(crate) async fn keep_fetching(peer: Arc<Peer>, asks: mpsc::Sender<Ask>) {
    let mut fetching = Fetching {
        peer,
        asks,
        asked: Asked::new(),
        fault: None,
    };
    loop {
        fetching.read_files().await;
        for wanted in fetching.wanted() {
            fetching.fetch(wanted).await;
        }
        match fetching.wanted().is_empty() {
            true => {
                fetching.asked.clear();
                fetching.peer.catalogue_keys.changed.notified().await;
            }
            false => tokio::time::sleep(LOOK).await,
        }
    }
}

/// Gets a key that is proposed, unless it is here; returns whether it is after some seconds.
///
/// # Errors
/// [`KeyFault`], of a file that is here, if it is not.
pub(crate) async fn obtain(
    peer: &Arc<Peer>,
    wanted: CatalogueCommitment,
) -> Result<bool, KeyFault> {
    let reading = Arc::clone(peer);
    let read = tokio::task::spawn_blocking(move || reading.catalogue_keys.read_again()).await;
    let keys = &peer.catalogue_keys;
    if keys.holds(&wanted) {
        return Ok(true);
    }
    let until = Instant::now() + PATIENCE;
    keys.proposed.lock().push((wanted, until));
    keys.changed.notify_one();
    while !keys.holds(&wanted) && Instant::now() < until {
        tokio::time::sleep(NOTICE).await;
    }
    match keys.holds(&wanted) {
        true => Ok(true),
        // It may be the one that can't be read.
        false => read.unwrap_or(Ok(())).map(|()| false),
    }
}

struct Fetching {
    peer: Arc<Peer>,
    asks: mpsc::Sender<Ask>,
    asked: Asked,
    /// What was wrong with a file.
    fault: Option<String>,
}

impl Fetching {
    /// The keys that lack, and those of proposals that somebody is about to approve here.
    fn wanted(&self) -> Vec<CatalogueCommitment> {
        let keys = &self.peer.catalogue_keys;
        let mut wanted = self.peer.lacking_catalogue_keys();
        let mut proposed = keys.proposed.lock();
        proposed.retain(|(_, until)| Instant::now() < *until);
        for (proposed, _) in proposed.iter() {
            if !keys.holds(proposed) && !wanted.contains(proposed) {
                wanted.push(*proposed);
            }
        }
        wanted
    }

    /// Takes up keys that somebody has put there, and reports once what is no key of the network's.
    async fn read_files(&mut self) {
        if self.peer.lacking_catalogue_keys().is_empty() {
            return;
        }
        let peer = Arc::clone(&self.peer);
        let read = tokio::task::spawn_blocking(move || peer.read_catalogue_keys()).await;
        let fault = read.ok().and_then(Result::err);
        if let Some(error) = fault.as_ref().filter(|_| fault != self.fault) {
            tracing::error!(error, "a catalogue key that is here is not used");
        }
        self.fault = fault;
    }

    /// Asks the connected members for a key, one after the other, until one has sent it.
    async fn fetch(&mut self, wanted: CatalogueCommitment) {
        let connected: Vec<DepartmentCode> =
            self.peer.heard.read().connected.keys().copied().collect();
        for member in connected {
            let turn = (member, wanted.to_string());
            let before = self.asked.get(&turn).copied();
            if before.is_some_and(|asked| asked.elapsed() < AGAIN) {
                continue;
            }
            self.asked.insert(turn, Instant::now());
            let Some(answer) = self.ask(member, wanted).await else {
                continue;
            };
            if self.take(member, wanted, answer, before.is_none()).await {
                return;
            }
        }
    }

    async fn ask(&self, to: DepartmentCode, wanted: CatalogueCommitment) -> Option<Response> {
        let (reply, answer) = oneshot::channel();
        let request = Request::CatalogueKey(wanted);
        self.asks.send(Ask { to, request, reply }).await.ok()?;
        let answer = answer.await.unwrap_or(Err(RequestFailure::NotConnected));
        let said = |error: &RequestFailure| {
            tracing::debug!(department = %to, ?error, "no answer about a catalogue key");
        };
        answer.inspect_err(said).ok()
    }

    /// Returns whether the key is there now.
    async fn take(
        &self,
        from: DepartmentCode,
        wanted: CatalogueCommitment,
        answer: Response,
        is_first_answer: bool,
    ) -> bool {
        let key = short(&wanted.to_string());
        match answer {
            Response::CatalogueKey(sealed) => {
                let peer = Arc::clone(&self.peer);
                let keep = move || keep(&peer, from, wanted, &sealed);
                tokio::task::spawn_blocking(keep).await.unwrap_or(false)
            }
            Response::NotHeld if is_first_answer => {
                tracing::warn!(
                    department = %from,
                    key,
                    "a member does not send the catalogue key: it lacks it as well, or to its knowledge this department is suspended"
                );
                false
            }
            Response::NotHeld => false,
            _ => {
                tracing::warn!(department = %from, key, "a member answered with something else than the catalogue key");
                false
            }
        }
    }
}

/// Keeps what a member sent if it is the key that was asked for. Reads and writes files.
fn keep(peer: &Peer, from: DepartmentCode, wanted: CatalogueCommitment, sealed: &Sealed) -> bool {
    let key = short(&wanted.to_string());
    let opened = match open(peer, wanted, sealed) {
        Ok(opened) => opened,
        Err(error) => {
            tracing::warn!(department = %from, key, error, "what a member sent as the catalogue key is not used");
            return false;
        }
    };
    let members = peer.catalogue.members();
    let is_first = members.genesis().catalogue_key() == wanted;
    match peer.catalogue_keys.keep(opened, is_first) {
        Ok(file) => {
            tracing::info!(
                department = %from,
                key,
                file = %file.display(),
                "a member sent the catalogue key: it is the one that was asked for, and is on disk"
            );
            true
        }
        Err(error) => {
            tracing::error!(%error, key, "the catalogue key that a member sent can't be kept, and so is not used");
            false
        }
    }
}

fn open(peer: &Peer, wanted: CatalogueCommitment, sealed: &Sealed) -> Result<CatalogueKey, String> {
    let files = &peer.key_files;
    // Read now: the department may have changed its sealing key since the start.
    let seeds = files.reader.all(&files.sealing, SecretFile::Sealing);
    let seeds = seeds.map_err(|error| error.to_string())?;
    let held: Vec<SealingSecret> = seeds
        .iter()
        .map(|seed| SealingSecret::from_seed(seed))
        .collect();
    let members = peer.catalogue.members();
    let opened = open_catalogue_key(sealed, wanted, members, &peer.department, &held);
    opened.map_err(|error| error.to_string())
}
