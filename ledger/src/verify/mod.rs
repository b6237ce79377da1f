//! Verdicts: is this certificate genuine and in force, and how do you know?
//!
//! - [`verify()`] asks the logs held by a peer;
//! - a [`Bundle`] carries the same proof in a file, to be checked with the network's genesis and nothing else.
//!
//! Both end in [`judge`], the one place where facts become a [`Verdict`]. Unknown never reads as valid: where something
//! is missing, the verdict says what.

mod bundle;
mod definition_proof;
mod successor_proof;
mod verdict;

pub use bundle::{Bundle, BundleError, GatherError, MAX_BUNDLE, Reader, VerifiedBundle};
pub use successor_proof::VerifiedSuccessor;
pub use verdict::{Facts, Missing, NotValid, Verdict, judge};

use crate::catalogue::{Catalogue, CertificateState, Lacking, Successor, Unproven};
use crate::id::{CertificateId, Date};
use crate::log::{Checkpoint, ReadError};
use crate::names::LogId;
use crate::record::{Entry, SignedRecord, Status};

/// A verdict and the records behind it.
#[derive(Clone, Debug)]
pub struct Verification {
    /// Which certificate.
    pub id: CertificateId,
    /// The day it is for, in China Standard Time.
    pub on: Date,
    /// The verdict.
    pub verdict: Verdict,
    /// The certificate, when its record is held.
    pub state: Option<CertificateState>,
    /// The record that gave it its status, when it is not plainly valid.
    pub change: Option<SignedRecord>,
    /// What took its place, wherever that is.
    pub successors: Vec<Successor>,
    /// What the checkpoint says that its record is under.
    pub checkpoint: Option<Checkpoint>,
    /// The log by which its status is known: of who changes that by now, or of who ended it.
    pub known_by: Option<LogId>,
    /// What the checkpoint of that log says, if it has one.
    pub known_as_of: Option<Checkpoint>,
}

impl Verification {
    fn unknown(id: &CertificateId, on: Date, missing: Vec<Missing>) -> Verification {
        Verification {
            id: id.clone(),
            on,
            verdict: Verdict::Unknown(missing),
            state: None,
            change: None,
            successors: Vec::new(),
            checkpoint: None,
            known_by: None,
            known_as_of: None,
        }
    }
}

/// What a verdict is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// The day, in China Standard Time.
    pub on: Date,
    /// The time at this peer, by the clock that never goes back, ms: it decides how new the copies are.
    pub now_ms: u64,
}

/// Judges a certificate by the logs held here.
///
/// # Errors
/// [`ReadError`] when a log cannot be read: then nothing is said about the certificate.
pub fn verify(
    catalogue: &Catalogue,
    id: &CertificateId,
    question: Question,
) -> Result<Verification, ReadError> {
    let claims = catalogue.claims(id)?;
    by_claims(catalogue, id, claims, question)
}

fn by_claims(
    catalogue: &Catalogue,
    id: &CertificateId,
    mut claims: Vec<CertificateState>,
    question: Question,
) -> Result<Verification, ReadError> {
    let Question { on, now_ms } = question;
    let unknown = |missing| Verification::unknown(id, on, vec![missing]);
    // A copy that may not be the newest is named: the record may be there.
    let no_record = || {
        let logs = catalogue.known_of(id);
        let stale = logs
            .iter()
            .filter_map(|(log, _, _)| catalogue.freshness(log, now_ms).err());
        let stale: Vec<Missing> = stale.map(Missing::Newest).collect();
        let missing = [vec![Missing::Record { logs }], stale].concat();
        Verification::unknown(id, on, missing)
    };
    if claims.len() > 1 {
        let departments = claims.iter().map(|state| state.log.department).collect();
        return Ok(unknown(Missing::RightfulIssuer { departments }));
    }
    // A record in somebody else's log says something only where no member could rightfully have issued it: otherwise
    // any member could make a certificate read as not valid before its own issuer's record arrives.
    let state = match claims.pop() {
        // What one says that was not entitled to speak says nothing before another has spoken that may be. Nor does one where
        // another's log, which may have the certificate as well, is still being filled.
        Some(state) if catalogue.awaits_issuer(&state)? || catalogue.is_filling(id, &state.log) => {
            return Ok(no_record());
        }
        Some(state) => state,
        None if catalogue.knows_issuer(id) => return Ok(no_record()),
        None => match catalogue.impostor(id)? {
            Some(state) => state,
            None => return Ok(unknown(Missing::Issuer(id.issuer()))),
        },
    };
    judged(catalogue, state, question)
}

/// Judges what one log's record says about a certificate, for those who show that record. It is never valid because
/// another department's record of the same identifier is.
///
/// # Errors
/// [`ReadError`].
pub fn verify_record(
    catalogue: &Catalogue,
    state: &CertificateState,
    question: Question,
) -> Result<Verification, ReadError> {
    let id = &state.certificate().id;
    let claims = catalogue.claims_beside(id, Some(state))?;
    let found = by_claims(catalogue, id, claims, question)?;
    if found
        .state
        .as_ref()
        .is_some_and(|judged| judged.log == state.log)
    {
        return Ok(found);
    }
    let here = judged(catalogue, state.clone(), question)?;
    if matches!(here.verdict, Verdict::NotValid(_)) || found.state.is_none() {
        return Ok(match here.verdict {
            Verdict::NotValid(_) => here,
            _ => found,
        });
    }
    let others = found.state.iter().map(|other| other.log.department);
    let departments = others.chain([state.log.department]).collect();
    Ok(Verification::unknown(
        id,
        question.on,
        vec![Missing::RightfulIssuer { departments }],
    ))
}

/// Judges a certificate as one log has it, whoever else has it.
fn judged(
    catalogue: &Catalogue,
    state: CertificateState,
    Question { on, now_ms }: Question,
) -> Result<Verification, ReadError> {
    let id = state.certificate().id.clone();
    // How new the copy is comes first, then the copy itself and the status: one that catches up meanwhile, or is opened again,
    // must not lend its freshness to a status read before. The own log may lack what was recorded last, and it may be the one with the definition.
    let own = catalogue.own();
    let defined = state.certificate().definition.log;
    let stale = catalogue
        .check_decisions(now_ms)
        .and_then(|()| catalogue.freshness(&state.log, now_ms))
        .and_then(|age_ms| match defined.department == own.department {
            true => catalogue.freshness(&own, now_ms),
            false => Ok(age_ms),
        })
        .err();
    let mut missing_of_successors: Vec<Missing> = {
        let history = catalogue.members().history();
        let lacking = catalogue.lacking_of_successors(&history, &state.log.department, now_ms)?;
        lacking.into_iter().map(Missing::from).collect()
    };
    let Some(log) = catalogue.log(&state.log) else {
        let missing = vec![Missing::Issuer(id.issuer())];
        return Ok(Verification::unknown(&id, on, missing));
    };
    let at = state.issued.record().seq;
    let Some(state) = catalogue.with_counted_status(&log, state)? else {
        let missing = vec![Missing::StatusSince { at }];
        return Ok(Verification::unknown(&id, on, missing));
    };
    let given = state.status_at;
    let given = given.and_then(|(of, seq)| Some((catalogue.log(&of)?, seq)));
    let change = given.map(|(log, seq)| log.record(seq)).transpose()?;
    let record = state.issued.record();
    let unread = log.unread();
    let behind = unread.and_then(|unread| unread.behind);
    missing_of_successors.extend(behind.map(|height| Lacking::Decisions { height }.into()));
    let verdict = judge(&Facts {
        certificate: state.certificate(),
        seq: record.seq,
        status: state.status,
        successor: successor(change.as_ref()),
        authority: catalogue.authority(&state.log, record, state.certificate())?,
        unread_at: unread
            .filter(|unread| unread.behind.is_none())
            .map(|unread| unread.seq),
        stopped_at: log.stopped().map(|stopped| stopped.undisputed()),
        stale,
        missing_of_successors,
        on,
    });
    let known_by = known_by(catalogue, &state);
    let known_in = catalogue.log(&known_by);
    Ok(Verification {
        id,
        on,
        verdict,
        change,
        successors: catalogue.successors(&state)?,
        known_by: Some(known_by),
        known_as_of: known_in.and_then(|log| log.covered()),
        checkpoint: log.covered(),
        state: Some(state),
    })
}

/// The log by which a certificate's status is known: that in which it ended, else that of who changes it by now, or of the last who
/// did.
fn known_by(catalogue: &Catalogue, state: &CertificateState) -> LogId {
    let ended = state.status_at.filter(|_| state.status.is_final());
    let history = catalogue.members().history();
    match (ended, history.way(&state.log.department).as_slice()) {
        (Some((log, _)), _) => log,
        (None, [] | [_]) => state.log,
        (None, [.., last]) => history.present_log(last),
    }
}

impl From<Lacking> for Missing {
    fn from(lacking: Lacking) -> Missing {
        match lacking {
            Lacking::Newest(stale) => Missing::Newest(stale),
            Lacking::Since { log, at } => Missing::SuccessorSince { log, at },
            Lacking::Decisions { height } => Missing::Definition(Unproven::Decisions { height }),
            Lacking::Unread { log, at } => Missing::SuccessorUnread { log, at },
        }
    }
}

/// The certificate issued by a record that superseded another.
fn successor(change: Option<&SignedRecord>) -> Option<CertificateId> {
    match &change?.record().entry {
        Entry::CertificateIssued(issued) => Some(issued.id.clone()),
        _ => None,
    }
}

/// Whether a record gives a certificate this status.
fn gives(record: &SignedRecord, id: &CertificateId, status: Status) -> bool {
    match &record.record().entry {
        Entry::CertificateIssued(issued) => {
            status == Status::Superseded && issued.supersedes().contains(id)
        }
        Entry::StatusChanged(changed) => changed.id == *id && changed.action.result() == status,
        _ => false,
    }
}
