//! Asks other members for the catalogue keys that are missing here: all of them where its department has just joined or lost its
//! files, the newest where one was replaced, and one that is proposed before it is approved here. While it serves, and until it has
//! them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use certmesh_ledger::crypto::keys::{CatalogueCommitment, CatalogueKey, SecretFile};
use certmesh_ledger::crypto::sealing::{Sealed, SealingSecret};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::sync::{Request, Response, open_catalogue_key};
use certmesh_text::governance::short;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot};

use crate::net::RequestFailure;
use crate::peer::Peer;
use crate::peer::catalogue_keys::CatalogueKeyFiles;
use crate::peer::driver::Ask;
use crate::peer::key_files::KeyFault;

/// A member is asked again for the same key after this long.
const AGAIN: Duration = Duration::from_secs(10);
/// How often it is looked at who has not been asked, and whether somebody has put the file there.
const LOOK: Duration = Duration::from_secs(1);

/// How many members are asked at a time for one key, and how long each has for its answer. Silent ones cost a key no more than
/// this, and no other key waits longer for it.
const AT_ONCE: usize = 3;
const ANSWERS_IN: Duration = Duration::from_secs(3);

/// How long somebody who approves a proposal waits for its key.
const PATIENCE: Duration = Duration::from_secs(5);
/// How soon it is noticed that it is there.
const NOTICE: Duration = Duration::from_millis(50);

/// Whom this node asked for which key, and when.
type Asked = BTreeMap<(DepartmentCode, String), Instant>;

/// A key that somebody here is about to approve, and waits for.
#[derive(Clone)]
pub(crate) struct Proposed {
    key: CatalogueCommitment,
    proposer: DepartmentCode,
    /// From when on somebody waits: whoever was asked before may have it by now.
    since: Instant,
    /// Who was asked for it since.
    asked: BTreeSet<DepartmentCode>,
}

impl Proposed {
    fn is_over(&self) -> bool {
        self.since.elapsed() >= PATIENCE
    }
}

/// What came of waiting for a key.
pub(crate) enum Obtained {
    /// It is here.
    Held,
    /// No member sent it of those that were asked.
    NotSent(BTreeSet<DepartmentCode>),
}

/// Gets the keys that are missing, as soon as some are.
pub(crate) async fn keep_fetching(peer: Arc<Peer>, asks: mpsc::Sender<Ask>) {
    let mut fetching = Fetching {
        peer,
        asks,
        asked: Asked::new(),
        answered: None,
        turn: 0,
        fault: None,
    };
    loop {
        fetching.read_files().await;
        let mut has_asked = false;
        for wanted in fetching.wanted() {
            has_asked |= fetching.fetch(wanted).await;
            // There may be many of them to get, and somebody waits for that one.
            if fetching.is_overtaken(&wanted) {
                break;
            }
        }
        let changed = fetching.peer.catalogue_key_files.changed.notified();
        match fetching.wanted().is_empty() {
            true => {
                fetching.asked.clear();
                changed.await;
            }
            // There may be more of them to ask.
            false if has_asked => {}
            false => drop(tokio::time::timeout(LOOK, changed).await),
        }
    }
}

/// Gets a key that is proposed, unless it is here, within some seconds.
///
/// # Errors
/// [`KeyFault`], of a file that is here, if it is not.
pub(crate) async fn obtain(
    peer: &Arc<Peer>,
    wanted: CatalogueCommitment,
    proposer: DepartmentCode,
) -> Result<Obtained, KeyFault> {
    let reading = Arc::clone(peer);
    let read = tokio::task::spawn_blocking(move || reading.catalogue_key_files.read_again()).await;
    let keys = &peer.catalogue_key_files;
    if keys.holds(&wanted) {
        return Ok(Obtained::Held);
    }
    let since = Instant::now();
    keys.proposed.lock().push(Proposed {
        key: wanted,
        proposer,
        since,
        asked: BTreeSet::new(),
    });
    keys.changed.notify_one();
    while !keys.holds(&wanted) && since.elapsed() < PATIENCE {
        tokio::time::sleep(NOTICE).await;
    }
    let mut asked = BTreeSet::new();
    keys.proposed.lock().retain(|proposed| {
        let is_this = proposed.key == wanted && proposed.since == since;
        if is_this {
            asked.clone_from(&proposed.asked);
        }
        !is_this
    });
    match keys.holds(&wanted) {
        true => Ok(Obtained::Held),
        // It may be the one that can't be read.
        false => read.unwrap_or(Ok(())).map(|()| Obtained::NotSent(asked)),
    }
}

/// Whom to ask next for a key, of those that are connected and due: first those that are likely to have it, and then each in turn.
fn next(
    connected: &[DepartmentCode],
    likely: &[DepartmentCode],
    turn: usize,
    is_due: impl Fn(&DepartmentCode) -> bool,
) -> Vec<DepartmentCode> {
    let begin = turn % connected.len().max(1);
    let (before, after) = connected.split_at(begin);
    let (first, rest): (Vec<_>, Vec<_>) = [after, before]
        .concat()
        .into_iter()
        .filter(|member| is_due(member))
        .partition(|member| likely.contains(member));
    first.into_iter().chain(rest).take(AT_ONCE).collect()
}

impl CatalogueKeyFiles {
    /// Keys of proposals that somebody waits for.
    fn waited_for(&self) -> Vec<CatalogueCommitment> {
        let mut proposed = self.proposed.lock();
        // Whoever gave up took nothing away with it.
        proposed.retain(|proposed| proposed.since.elapsed() < 2 * PATIENCE);
        let mut keys = Vec::new();
        for proposed in proposed.iter() {
            let is_wanted = !proposed.is_over() && !self.holds(&proposed.key);
            if is_wanted && !keys.contains(&proposed.key) {
                keys.push(proposed.key);
            }
        }
        keys
    }
}

struct Fetching {
    peer: Arc<Peer>,
    asks: mpsc::Sender<Ask>,
    asked: Asked,
    /// Who sent a key last.
    answered: Option<DepartmentCode>,
    /// How often somebody was asked: who is asked first changes with it.
    turn: usize,
    /// What was wrong with a file.
    fault: Option<String>,
}

impl Fetching {
    /// The keys that are missing; first those of proposals that somebody is about to approve here.
    fn wanted(&self) -> Vec<CatalogueCommitment> {
        let keys = &self.peer.catalogue_key_files;
        let mut wanted = keys.waited_for();
        let mut missing = self.peer.missing_catalogue_keys();
        missing.retain(|key| !wanted.contains(key));
        wanted.extend(missing);
        wanted
    }

    /// Whether somebody waits for another key than this one.
    fn is_overtaken(&self, asked_for: &CatalogueCommitment) -> bool {
        let waited_for = self.peer.catalogue_key_files.waited_for();
        !waited_for.is_empty() && !waited_for.contains(asked_for)
    }

    /// Takes up keys that somebody has put there, and reports once what is no key of the network's.
    async fn read_files(&mut self) {
        if self.peer.missing_catalogue_keys().is_empty() {
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

    /// Asks some of the connected members for a key; returns whether there was anybody to ask.
    async fn fetch(&mut self, wanted: CatalogueCommitment) -> bool {
        let members = self.whom(&wanted);
        let mut answers: FuturesUnordered<_> = members
            .iter()
            .map(|member| ask(self.asks.clone(), *member, wanted, ANSWERS_IN))
            .collect();
        let mut first = Vec::new();
        for member in &members {
            let turn = (*member, wanted.to_string());
            if self.asked.insert(turn, Instant::now()).is_none() {
                first.push(*member);
            }
        }
        self.turn = self.turn.wrapping_add(1);
        while let Some((member, answer)) = answers.next().await {
            let Some(answer) = answer else { continue };
            let is_first_answer = first.contains(&member);
            if self.take(member, wanted, answer, is_first_answer).await {
                self.answered = Some(member);
                break;
            }
        }
        !members.is_empty()
    }

    /// Whom to ask for a key now; for one that somebody waits for, it is noted who was asked.
    fn whom(&self, wanted: &CatalogueCommitment) -> Vec<DepartmentCode> {
        let connected: Vec<DepartmentCode> =
            self.peer.heard.read().connected.keys().copied().collect();
        let mut likely: Vec<DepartmentCode> = self.answered.into_iter().collect();
        likely.extend(self.peer.proposer_of(wanted));
        let mut proposed = self.peer.catalogue_key_files.proposed.lock();
        let mut of_this: Vec<&mut Proposed> = proposed
            .iter_mut()
            .filter(|proposed| proposed.key == *wanted && !proposed.is_over())
            .collect();
        likely.extend(of_this.iter().map(|proposed| proposed.proposer));
        let since = of_this.iter().map(|proposed| proposed.since).max();
        let is_due = |member: &DepartmentCode| {
            let before = self.asked.get(&(*member, wanted.to_string()));
            before.is_none_or(|asked| {
                asked.elapsed() >= AGAIN || since.is_some_and(|since| *asked < since)
            })
        };
        let members = next(&connected, &likely, self.turn, is_due);
        for proposed in &mut of_this {
            proposed.asked.extend(&members);
        }
        members
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
                    "a member does not send the catalogue key: it is missing there as well, or to its knowledge this department is suspended or does not decide on it"
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

/// What a member answers about a key, if it does in time.
async fn ask(
    asks: mpsc::Sender<Ask>,
    to: DepartmentCode,
    wanted: CatalogueCommitment,
    within: Duration,
) -> (DepartmentCode, Option<Response>) {
    let (reply, answer) = oneshot::channel();
    let request = Request::CatalogueKey(wanted);
    let asked = async {
        let gone = RequestFailure::NotConnected;
        asks.send(Ask { to, request, reply })
            .await
            .map_err(|_| gone)?;
        answer.await.unwrap_or(Err(gone))
    };
    let answer = tokio::time::timeout(within, asked).await;
    let answer = answer.unwrap_or(Err(RequestFailure::Timeout));
    let said = |error: &RequestFailure| {
        tracing::debug!(department = %to, ?error, "no answer about a catalogue key");
    };
    (to, answer.inspect_err(said).ok())
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
    match peer.catalogue_key_files.keep(opened, is_first) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likely_members_are_asked_first_and_all_others_in_turn() {
        let codes = [
            "11100000000013338W",
            "11100000MB03271699",
            "11330105002500287C",
            "11430000006122244L",
        ];
        let all: Vec<DepartmentCode> = codes.iter().map(|code| code.parse().unwrap()).collect();
        let any = |_: &DepartmentCode| true;
        assert_eq!(next(&all, &[], 0, any), all[..3]);
        // A silent one of a low code is not always among the first.
        assert_eq!(next(&all, &[], 1, any), all[1..]);
        assert_eq!(next(&all, &[], 4, any), all[..3]);
        assert_eq!(next(&all, &all[3..], 0, any), [all[3], all[0], all[1]]);
        let others = |member: &DepartmentCode| *member != all[0];
        assert_eq!(next(&all, &all[..1], 0, others), all[1..]);
        assert_eq!(next(&[], &all, 7, any), []);
    }

    #[tokio::test]
    async fn a_member_that_does_not_answer_is_given_up_after_its_time() {
        let (asks, mut asked) = mpsc::channel(1);
        let to: DepartmentCode = "11100000000013338W".parse().unwrap();
        let wanted = crate::peer::testing::catalogue_key().commitment();
        let within = Duration::from_millis(20);
        // Taken up, and never answered.
        let silent = async { asked.recv().await };
        let (answer, kept) = tokio::join!(ask(asks.clone(), to, wanted, within), silent);
        assert!(answer.1.is_none() && kept.is_some());
    }
}
