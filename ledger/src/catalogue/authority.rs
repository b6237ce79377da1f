//! Whether a department was entitled to issue a certificate, by what every peer can check: the definition that the
//! certificate names, in the log of the one department that may define its type.

use std::sync::Arc;

use crate::genesis::Role;
use crate::governance::{History, Judgement, Why};
use crate::id::{DepartmentCode, TypeCode};
use crate::log::{Definitions, Listing, Log, ReadError, Unread};
use crate::names::{Claim, LogId};
use crate::record::{CertificateIssued, DefinitionRef, Record, TypeDefined};

use super::counted::Standing;
use super::{Catalogue, CertificateState};

/// How long an issuer may continue by a definition after a later one excludes it, and how old what is known of the
/// definitions may be when a certificate is issued, ms: news takes its time.
pub const DEFINITION_LAG_MS: u64 = 24 * 3600 * 1000;

/// Whether a department was entitled to issue a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// It was.
    Given,
    /// It was not.
    NotGiven(NotAuthorised),
    /// It can't be said.
    Unknown(Unproven),
}

/// Why a department was not entitled to issue a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotAuthorised {
    /// The identifier names another issuer.
    NotNamed,
    /// What the department signed there counts for nothing.
    Void(Why),
    /// Its log, or the key that signed it, ended at this size with other records than those held.
    OtherEnd {
        /// Records that are kept.
        size: u64,
    },
    /// The department lacked the role to issue.
    NoRole,
    /// No member may define the type.
    NobodyDefines,
    /// The definition it names is in the log of a department that may not define the type.
    OthersDefinition,
    /// What it names is not a definition of its type.
    NotADefinition,
    /// The definition it names doesn't list the department.
    NotListed,
    /// A later definition, made well before the certificate, no longer lists the department.
    Excluded {
        /// Position of that definition.
        seq: u64,
    },
}

/// What is not known of the definitions of a certificate's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unproven {
    /// The definition it names hasn't arrived.
    NotHeld {
        /// The log.
        log: LogId,
        /// Position of the definition.
        seq: u64,
    },
    /// The definition it names, or one that came later, is in dispute.
    Disputed {
        /// The log.
        log: LogId,
        /// The first record in dispute.
        at: u64,
    },
    /// Later definitions may exist: the log is not known up to that time.
    KnownTo {
        /// The log.
        log: LogId,
        /// All of it that was made before this is known, ms.
        known_ms: u64,
        /// It would have to be known up to this, ms.
        needed_ms: u64,
    },
    /// The log has an entry that this version can't read.
    LaterVersion {
        /// The log.
        log: LogId,
        /// Position of the entry.
        seq: u64,
    },
    /// The certificate's record, or one of the log, names a governance height that isn't known here.
    Decisions {
        /// The height.
        height: u64,
    },
    /// The key that vouches for the record has ended, and whether the log that it ended with has the record can't be seen
    /// from what is held.
    KeyEnded {
        /// The log.
        log: LogId,
        /// Where it ended.
        size: u64,
    },
}

impl Unproven {
    /// What the first record of a log may say of which it can't be known here what it changes.
    fn unread(log: LogId, unread: Unread) -> Unproven {
        match unread.behind {
            Some(height) => Unproven::Decisions { height },
            None => Unproven::LaterVersion {
                log,
                seq: unread.seq,
            },
        }
    }
}

/// What is known of a type's definitions from the one on that a certificate names.
#[derive(Clone, Debug)]
pub struct DefinitionEvidence {
    /// The definition at the position named, if there is one, and all later ones known.
    pub listings: Vec<Listing>,
    /// Records known of the log.
    pub size: u64,
    /// All records of the log that were made before this are known, ms.
    pub known_ms: u64,
    /// The first record of the log in dispute.
    pub disputed_from: Option<u64>,
    /// The first entry of the log that this version can't read.
    pub unread: Option<Unread>,
}

/// Judges whether a department was entitled to issue a certificate by a record that claims to be judged so, made at
/// `time_ms`. Only times and heights in records count, never when one arrived. Of what doesn't depend on the definitions
/// nothing is asked of `evidence`. Whether the log has the record where its key or generation ended is not asked here.
///
/// # Errors
/// Those of `evidence`.
pub fn authority<E>(
    history: &History,
    claim: &Claim,
    certificate: &CertificateIssued,
    time_ms: u64,
    evidence: impl FnOnce(&DefinitionRef) -> Result<DefinitionEvidence, E>,
) -> Result<Authority, E> {
    let department = claim.log.department;
    let not_given = |why| Ok(Authority::NotGiven(why));
    if !certificate.id.issuer().names(&department) {
        return not_given(NotAuthorised::NotNamed);
    }
    let height = claim.height;
    match history.judge(claim) {
        Judgement::Early => return Ok(Authority::Unknown(Unproven::Decisions { height })),
        Judgement::Nothing(why) => return not_given(NotAuthorised::Void(why)),
        Judgement::By(judge) if !judge.has_role(Role::Issue) => {
            return not_given(NotAuthorised::NoRole);
        }
        Judgement::By(_) => {}
    }
    let Some(definer) = history.definer_at(&certificate.id.type_code(), height) else {
        return not_given(NotAuthorised::NobodyDefines);
    };
    // An old height keeps nobody's right to define for longer than news takes.
    let lagged = history.height_before(time_ms.saturating_sub(DEFINITION_LAG_MS));
    let since = match lagged > height {
        true => history.definer_at(&certificate.id.type_code(), lagged),
        false => Some(definer),
    };
    let named = &certificate.definition;
    // Of its log as it is by now: what the members cut off defines nothing.
    let lineage = history.lineage(history.present_log(&definer));
    if named.log != lineage.at(named.seq).id || since != Some(definer) {
        return not_given(NotAuthorised::OthersDefinition);
    }
    let known = evidence(named)?;
    Ok(by_definitions(
        &department,
        named,
        time_ms.saturating_sub(DEFINITION_LAG_MS),
        &known,
    ))
}

fn by_definitions(
    department: &DepartmentCode,
    named: &DefinitionRef,
    since_ms: u64,
    known: &DefinitionEvidence,
) -> Authority {
    let (log, seq) = (named.log, named.seq);
    if let Some(at) = known.disputed_from.filter(|at| *at <= seq) {
        return Authority::Unknown(Unproven::Disputed { log, at });
    }
    if known.size <= seq {
        return Authority::Unknown(Unproven::NotHeld { log, seq });
    }
    let Some((first, later)) = known.listings.split_first() else {
        // What can't be read may be the definition.
        return match known.unread.filter(|unread| unread.seq <= seq) {
            Some(unread) => Authority::Unknown(Unproven::unread(log, unread)),
            None => Authority::NotGiven(NotAuthorised::NotADefinition),
        };
    };
    if (first.seq, first.hash) != (seq, named.hash) {
        return Authority::NotGiven(NotAuthorised::NotADefinition);
    }
    if !first.lets_issue(department) {
        return Authority::NotGiven(NotAuthorised::NotListed);
    }
    // What is in dispute other peers may hold otherwise.
    let undisputed = known.disputed_from.unwrap_or(u64::MAX);
    let mut made_before = later
        .iter()
        .filter(|version| version.time_ms < since_ms && version.seq < undisputed);
    if let Some(excludes) = made_before.find(|version| !version.lets_issue(department)) {
        let seq = excludes.seq;
        return Authority::NotGiven(NotAuthorised::Excluded { seq });
    }
    // It may say anything about the definitions before it and after it.
    if let Some(unread) = known.unread.filter(|unread| unread.time_ms < since_ms) {
        return Authority::Unknown(Unproven::unread(log, unread));
    }
    if known.known_ms < since_ms {
        return Authority::Unknown(match known.disputed_from {
            Some(at) => Unproven::Disputed { log, at },
            None => Unproven::KnownTo {
                log,
                known_ms: known.known_ms,
                needed_ms: since_ms,
            },
        });
    }
    Authority::Given
}

/// Who said last that a log's head is the newest it knows, and when: the latest two departments, so that one of them is
/// not the issuer in question.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Confirmations([Option<(DepartmentCode, u64)>; 2]);

impl Confirmations {
    pub(super) fn add(&mut self, by: DepartmentCode, time_ms: u64) {
        let [latest, _] = self.0;
        let other = match latest {
            Some((department, _)) if department == by => self.0[1],
            latest => latest,
        };
        self.0 = [Some((by, time_ms)), other];
    }

    /// When a department other than this one confirmed it last, ms.
    fn by_others(&self, than: &DepartmentCode) -> u64 {
        let confirmed = self.0.iter().flatten();
        let others = confirmed.filter(|(department, _)| department != than);
        others.map(|(_, time_ms)| *time_ms).max().unwrap_or(0)
    }
}

impl Catalogue {
    /// Whether the department of a log was entitled to issue a certificate by a record of it, as far as is known here.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn authority(
        &self,
        log: &LogId,
        record: &Record,
        certificate: &CertificateIssued,
    ) -> Result<Authority, ReadError> {
        let history = self.members.history();
        let claim = record.claim(&history.lineage(*log));
        let code = certificate.id.type_code();
        let authority = authority(&history, &claim, certificate, record.time_ms, |named| {
            self.evidence(&history, named, &code, &log.department)
        })?;
        match authority {
            Authority::NotGiven(_) => Ok(authority),
            _ => Ok(self.other_end(&history, &claim)?.unwrap_or(authority)),
        }
    }

    /// What keeps a record from counting where its key or generation ended since: below that only what leads to the end does.
    /// The members agreed on the end, or enough witnesses signed it, so it is vouched for whatever became of the key.
    pub(super) fn other_end(
        &self,
        history: &History,
        claim: &Claim,
    ) -> Result<Option<Authority>, ReadError> {
        if history.is_unbroken(&claim.log.department) {
            return Ok(None);
        }
        let log = self.log_of(&claim.log.department);
        if let Some(log) = &log
            && self.standing(history, log)? == Standing::Whole
        {
            return Ok(None);
        }
        let Judgement::By(judge) = history.judge(claim) else {
            return Ok(None);
        };
        for (size, root) in judge.leads_to {
            match &log {
                Some(log) if log.size() >= size => {
                    if log.range_at(size)?.root() != root {
                        let why = NotAuthorised::OtherEnd { size };
                        return Ok(Some(Authority::NotGiven(why)));
                    }
                }
                _ => {
                    let log = claim.log;
                    return Ok(Some(Authority::Unknown(Unproven::KeyEnded { log, size })));
                }
            }
        }
        Ok(None)
    }

    /// Whether the record of a definition counts, in the log of the department that defines its type as of the
    /// certificate's record.
    fn definition_counts(
        &self,
        history: &History,
        log: &Log,
        seq: u64,
        code: &TypeCode,
    ) -> Result<bool, ReadError> {
        let id = log.name().id;
        let had_right = always_had_right(history, &id.department, code);
        let whole = had_right && self.standing(history, log)? == Standing::Whole;
        if whole || seq >= log.size() {
            return Ok(true);
        }
        let claim = log.record(seq)?.record().claim(log.lineage());
        Ok(may_define(history, &claim, code) && self.other_end(history, &claim)?.is_none())
    }

    fn evidence(
        &self,
        history: &History,
        named: &DefinitionRef,
        code: &TypeCode,
        issuer: &DepartmentCode,
    ) -> Result<DefinitionEvidence, ReadError> {
        let Some(log) = self.log_of(&named.log.department) else {
            return Ok(DefinitionEvidence {
                listings: Vec::new(),
                size: 0,
                known_ms: 0,
                disputed_from: None,
                unread: None,
            });
        };
        // What the answer rests on is read before the definitions are: what comes meanwhile makes them no older.
        let (size, last_ms) = log.newest();
        let disputed_from = log.stopped().map(|stopped| stopped.undisputed());
        let known_ms = match (disputed_from, last_ms) {
            (Some(at), _) => match at.min(size).checked_sub(1) {
                Some(last) => log.record(last)?.record().time_ms,
                None => 0,
            },
            _ if log.name().id == self.own => u64::MAX,
            (None, Some(last_ms)) => {
                let news = self.news.read();
                let confirmed = news
                    .get(&log.name().id)
                    .map_or(0, |news| news.confirmations.by_others(issuer));
                confirmed.max(last_ms)
            }
            (None, None) => 0,
        };
        let definitions = log.definitions();
        let mut listings = Vec::new();
        for listing in from(definitions.listings(code), named.seq) {
            match self.definition_counts(history, &log, listing.seq, code)? {
                true => listings.push(listing.clone()),
                // Then what comes after it doesn't matter.
                false if listing.seq == named.seq => break,
                false => {}
            }
        }
        Ok(DefinitionEvidence {
            listings,
            size,
            known_ms,
            disputed_from,
            unread: log.unread(),
        })
    }

    /// Whether what a department says of a certificate counts beside what others say of it: nothing known here
    /// contradicts its having been entitled to issue it, and it was listed when it did, unless a definition that lists
    /// it may still come. A claim that names a definition nobody holds is for ever unknown; by itself that must not
    /// leave another's open.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(super) fn is_entitled(&self, state: &CertificateState) -> Result<bool, ReadError> {
        let record = state.issued.record();
        let history = self.members.history();
        let claim = record.claim(&history.lineage(state.log));
        let (time_ms, issuer, certificate) =
            (record.time_ms, &state.log.department, state.certificate());
        let code = certificate.id.type_code();
        let mut known_ms = 0;
        let authority = authority(&history, &claim, certificate, time_ms, |named| {
            let evidence = self.evidence(&history, named, &code, issuer)?;
            known_ms = match evidence.unread {
                Some(unread) => evidence.known_ms.min(unread.time_ms),
                None => evidence.known_ms,
            };
            Ok::<_, ReadError>(evidence)
        })?;
        if matches!(authority, Authority::NotGiven(_)) {
            return Ok(false);
        }
        let definer = history.definer_at(&code, claim.height);
        let may_be_listed = known_ms < time_ms
            || definer.is_some_and(|definer| self.listed(&definer, &code, issuer, time_ms));
        let other_end = self.other_end(&history, &claim)?;
        Ok(may_be_listed && !matches!(other_end, Some(Authority::NotGiven(_))))
    }

    /// Whether a definition of a type that counted at a time lists a department: the last one made a day before, or one made
    /// later.
    fn listed(
        &self,
        definer: &DepartmentCode,
        code: &TypeCode,
        department: &DepartmentCode,
        time_ms: u64,
    ) -> bool {
        let since_ms = time_ms.saturating_sub(DEFINITION_LAG_MS);
        let definitions = self.definitions(definer);
        let listings = definitions.as_ref().map(|held| held.listings(code));
        let listings = listings.unwrap_or_default();
        let last_before = listings
            .iter()
            .rposition(|listing| listing.time_ms < since_ms);
        let counted = &listings[last_before.unwrap_or(0)..];
        counted.iter().any(|listing| listing.lets_issue(department))
    }

    /// Whether a department that has or had the role may have issued a type by some definition of it, whenever it was made, or
    /// by one that may still come where none is held.
    pub(super) fn may_issue(&self, code: &TypeCode, department: &DepartmentCode) -> bool {
        let history = self.members.history();
        if !history.ever_had_role(department, Role::Issue) {
            return false;
        }
        let by_definitions_of = |definer: DepartmentCode| {
            let definitions = self.definitions(&definer);
            let listings = definitions.as_ref().map(|held| held.listings(code));
            let listings = listings.unwrap_or_default();
            let mut listings = listings.iter();
            listings.len() == 0 || listings.any(|listing| listing.lets_issue(department))
        };
        history
            .definers_ever(code)
            .into_iter()
            .any(by_definitions_of)
    }

    /// What is held of a department's definitions.
    fn definitions(&self, definer: &DepartmentCode) -> Option<Arc<Definitions>> {
        Some(self.log_of(definer)?.definitions())
    }

    /// The definition that a certificate names, if its record is held and is one of its type that counts.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn definition_of(
        &self,
        certificate: &CertificateIssued,
    ) -> Result<Option<Arc<TypeDefined>>, ReadError> {
        let (named, code) = (&certificate.definition, certificate.id.type_code());
        let held = self.log_of(&named.log.department);
        let Some(log) = held.filter(|log| log.lineage().at(named.seq).id == named.log) else {
            return Ok(None);
        };
        let definitions = log.definitions();
        let first = from(definitions.listings(&code), named.seq).first();
        if first.is_none_or(|first| (first.seq, first.hash) != (named.seq, named.hash)) {
            return Ok(None);
        }
        self.definition_at(&log, named.seq, named.hash)
    }
}

/// Whether a department might define a type whenever it belonged.
fn always_had_right(history: &History, department: &DepartmentCode, code: &TypeCode) -> bool {
    let authority = code.authority();
    *department == authority || history.always_had_role(department, Role::Define(authority))
}

/// Whether a department might define a type by a record that claims to be judged so.
pub fn may_define(history: &History, claim: &Claim, code: &TypeCode) -> bool {
    let (authority, department) = (code.authority(), claim.log.department);
    match history.judge(claim) {
        Judgement::By(judge) => department == authority || judge.has_role(Role::Define(authority)),
        Judgement::Early | Judgement::Nothing(_) => false,
    }
}

/// The listings from the one at a position on; empty when no definition of the type stands there.
fn from(listings: &[Listing], seq: u64) -> &[Listing] {
    match listings.binary_search_by_key(&seq, |listing| listing.seq) {
        Ok(at) => &listings[at..],
        Err(_) => &[],
    }
}

#[cfg(test)]
#[path = "authority_tests.rs"]
mod tests;
