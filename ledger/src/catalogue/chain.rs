//! What a certificate replaced, what replaced it, and so on, through all logs.

use std::collections::{BTreeSet, VecDeque};

use crate::id::{CertificateId, DepartmentCode};
use crate::log::{Checkpoint, Log, ReadError, inherits};
use crate::names::LogId;
use crate::record::{CertificateIssued, Entry, SignedRecord, Status, SuccessionKind};

use super::{Authority, Catalogue, CertificateState};

/// Most certificates of a chain that are shown.
pub const MAX_CHAIN: usize = 256;
/// Most records of a chain that are read.
const MAX_EVENTS: usize = 10_000;
/// Most records read, of one log, to find what replaced a certificate.
const MAX_SEARCH: usize = 256;

/// A certificate that took another's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Successor {
    /// Which.
    pub id: CertificateId,
    /// How.
    pub kind: SuccessionKind,
    /// Whose log it is in.
    pub log: LogId,
    /// Where it stands there.
    pub seq: u64,
}

/// What one log says about one certificate: its own, or one that its department inherited.
#[derive(Clone, Debug)]
pub struct Life {
    /// Which certificate.
    pub id: CertificateId,
    /// The checkpoint of the log.
    pub checkpoint: Checkpoint,
    /// The records that concern it, in their order.
    pub records: Vec<SignedRecord>,
}

/// A certificate with all it is linked to by what replaced what.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// The certificate asked for first, then by their distance from it. Empty when there is no record of it.
    pub lives: Vec<Life>,
    /// Whether there was more than is shown.
    pub cut: bool,
}

impl Catalogue {
    /// What took the place of a certificate, its own department agreeing: the certificate whose record superseded it, with
    /// all others of its split; of one transferred out, what other departments took over. Whatever else names it as
    /// predecessor replaced nothing.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn successors(&self, state: &CertificateState) -> Result<Vec<Successor>, ReadError> {
        let id = &state.certificate().id;
        match (state.status, state.status_at) {
            (Status::Superseded, Some((log, seq))) => {
                let Some(log) = self.log(&log) else {
                    return Ok(Vec::new());
                };
                let first = successor_in(log.name().id, &log.record(seq)?, id);
                match first {
                    Some(first) if first.kind == SuccessionKind::Split => {
                        let (records, _) = log.about(id, seq, MAX_SEARCH)?;
                        let parts = records
                            .iter()
                            .filter_map(|record| successor_in(log.name().id, record, id));
                        Ok(parts.filter(|part| part.kind == first.kind).collect())
                    }
                    first => Ok(first.into_iter().collect()),
                }
            }
            (Status::TransferredOut, Some(_)) => {
                let receiver = self.receiver(state)?;
                let log = receiver.and_then(|receiver| self.log_of(&receiver));
                let taken = log.map(|log| self.taken_over(&log, id)).transpose()?;
                Ok(taken.flatten().into_iter().collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The receiver named by the record that transferred a certificate out; `None` if none did.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn receiver(&self, state: &CertificateState) -> Result<Option<DepartmentCode>, ReadError> {
        let given = state.status_at;
        let Some((log, seq)) = given.and_then(|(log, seq)| Some((self.log(&log)?, seq))) else {
            return Ok(None);
        };
        Ok(match &log.record(seq)?.record().entry {
            Entry::StatusChanged(changed) => changed.action.receiver(),
            _ => None,
        })
    }

    /// The certificate by which a department took over another's: the first of its log that it could rightfully issue and
    /// nobody disputes.
    fn taken_over(&self, log: &Log, id: &CertificateId) -> Result<Option<Successor>, ReadError> {
        let own = log.name().id;
        let undisputed = log
            .stopped()
            .map_or(u64::MAX, |stopped| stopped.undisputed());
        for record in log.about(id, 0, MAX_SEARCH)?.0 {
            let seq = record.record().seq;
            let Entry::CertificateIssued(issued) = &record.record().entry else {
                continue;
            };
            if let Some(found) = successor_in(own, &record, id)
                && found.kind == SuccessionKind::Transfer
                && seq < undisputed
                && !matches!(self.authority(&own, record.record(), issued)?, Authority::NotGiven(_))
                // Issued again, a certificate says what its first record says.
                && log.issue_of(&found.id)?.is_some_and(|first| first.record().seq == seq)
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Every record that concerns a certificate, what it replaced and what replaced it, and so on: at most [`MAX_CHAIN`]
    /// certificates. A department can write links that form a circle; each certificate is shown once.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn chain(&self, id: &CertificateId) -> Result<Chain, ReadError> {
        let mut chain = Chain::default();
        let mut left = MAX_EVENTS;
        let mut seen = BTreeSet::from([id.clone()]);
        let mut open = VecDeque::from([id.clone()]);
        while let Some(id) = open.pop_front() {
            // What a department writes about certificates that it doesn't have says nothing about them.
            for state in self.claims(&id)? {
                let log = self.log(&state.log);
                let known = log.and_then(|log| log.covered().map(|checkpoint| (log, checkpoint)));
                let Some((log, checkpoint)) = known else {
                    continue;
                };
                let (records, more) = log.about(&id, 0, left)?;
                left -= records.len();
                chain.cut |= more;
                let mut linked = state.certificate().predecessors().to_vec();
                linked.extend(self.successors(&state)?.into_iter().map(|next| next.id));
                for next in linked {
                    if seen.len() == MAX_CHAIN && !seen.contains(&next) {
                        chain.cut = true;
                    } else if seen.insert(next.clone()) {
                        open.push_back(next);
                    }
                }
                chain.lives.push(Life {
                    id: id.clone(),
                    checkpoint,
                    records,
                });
                chain.cut |= self.add_inherited(&state, &mut chain.lives, &mut left)?;
            }
        }
        Ok(chain)
    }

    /// Adds what the successors of a certificate's department wrote about it while it was theirs to change; returns whether
    /// there is more.
    fn add_inherited(
        &self,
        state: &CertificateState,
        lives: &mut Vec<Life>,
        left: &mut usize,
    ) -> Result<bool, ReadError> {
        let history = self.members.history();
        let (department, id) = (state.log.department, &state.certificate().id);
        let mut cut = false;
        for successor in history.way(&department).iter().skip(1) {
            let log = self.log_of(successor);
            let known = log.and_then(|log| log.covered().map(|checkpoint| (log, checkpoint)));
            let Some((log, checkpoint)) = known else {
                continue;
            };
            let (mut records, more) = log.about_inherited(&department, id, *left)?;
            *left -= records.len();
            cut |= more;
            records.retain(|record| inherits(&history, successor, record.record()));
            if !records.is_empty() {
                lives.push(Life {
                    id: id.clone(),
                    checkpoint,
                    records,
                });
            }
        }
        Ok(cut)
    }
}

#[cfg(test)]
#[path = "chain_tests.rs"]
mod tests;

/// The certificate that a record puts in the place of another.
fn successor_in(log: LogId, record: &SignedRecord, id: &CertificateId) -> Option<Successor> {
    let Entry::CertificateIssued(issued) = &record.record().entry else {
        return None;
    };
    let issued: &CertificateIssued = issued;
    let kind = issued.succession_kind()?;
    issued.predecessors().contains(id).then(|| Successor {
        id: issued.id.clone(),
        kind,
        log,
        seq: record.record().seq,
    })
}
