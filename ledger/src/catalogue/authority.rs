//! Whether a department was entitled to issue a certificate, by what every peer can check: the definition that the
//! certificate names, in the log of the one department that may define its type.

use std::sync::Arc;

use crate::genesis::Role;
use crate::id::{DepartmentCode, TypeCode};
use crate::log::{Definitions, Listing, ReadError, Unread};
use crate::membership::Membership;
use crate::names::LogId;
use crate::record::{CertificateIssued, DefinitionRef, TypeDefined};

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
    /// The department lacks the role to issue.
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

/// Judges whether the department of `log` was entitled to issue a certificate by a record made at `time_ms`. Only times in
/// records count, never when one arrived. Of what doesn't depend on the definitions nothing is asked of `evidence`.
///
/// # Errors
/// Those of `evidence`.
pub fn authority<E>(
    members: &Membership,
    log: &LogId,
    certificate: &CertificateIssued,
    time_ms: u64,
    evidence: impl FnOnce(&DefinitionRef) -> Result<DefinitionEvidence, E>,
) -> Result<Authority, E> {
    let department = log.department;
    let not_given = |why| Ok(Authority::NotGiven(why));
    if !certificate.id.issuer().names(&department) {
        return not_given(NotAuthorised::NotNamed);
    }
    if !members.has_role(&department, Role::Issue) {
        return not_given(NotAuthorised::NoRole);
    }
    let Some(definer) = members.definer(&certificate.id.type_code()) else {
        return not_given(NotAuthorised::NobodyDefines);
    };
    let named = &certificate.definition;
    if named.log != LogId::first(definer) {
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
            Some(Unread { seq, .. }) => Authority::Unknown(Unproven::LaterVersion { log, seq }),
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
    if let Some(Unread { seq, .. }) = known.unread.filter(|unread| unread.time_ms < since_ms) {
        return Authority::Unknown(Unproven::LaterVersion { log, seq });
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
    /// Whether the department of a log was entitled to issue a certificate by a record made at a time, as far as is known
    /// here.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn authority(
        &self,
        log: &LogId,
        certificate: &CertificateIssued,
        time_ms: u64,
    ) -> Result<Authority, ReadError> {
        authority(&self.members, log, certificate, time_ms, |named| {
            self.evidence(named, &certificate.id.type_code(), &log.department)
        })
    }

    fn evidence(
        &self,
        named: &DefinitionRef,
        code: &TypeCode,
        issuer: &DepartmentCode,
    ) -> Result<DefinitionEvidence, ReadError> {
        let Some(log) = self.log(&named.log) else {
            return Ok(DefinitionEvidence {
                listings: Vec::new(),
                size: 0,
                known_ms: 0,
                disputed_from: None,
                unread: None,
            });
        };
        // What the answer rests on is read before the definitions are: what comes meanwhile makes them no older.
        let checkpoint = log.checkpoint();
        let disputed_from = log.stopped().map(|stopped| stopped.undisputed());
        let size = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
        let known_ms = match (disputed_from, &checkpoint) {
            (Some(at), _) => match at.min(size).checked_sub(1) {
                Some(last) => log.record(last)?.record().time_ms,
                None => 0,
            },
            _ if named.log == self.own => u64::MAX,
            (None, Some(checkpoint)) => {
                let news = self.news.read();
                let confirmed = news
                    .get(&named.log)
                    .map_or(0, |news| news.confirmations.by_others(issuer));
                confirmed.max(checkpoint.time_ms)
            }
            (None, None) => 0,
        };
        Ok(DefinitionEvidence {
            listings: from(log.definitions().listings(code), named.seq).to_vec(),
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
        let time_ms = state.issued.record().time_ms;
        let (issuer, certificate) = (&state.log.department, state.certificate());
        let code = certificate.id.type_code();
        let mut known_ms = 0;
        let authority = authority(&self.members, &state.log, certificate, time_ms, |named| {
            let evidence = self.evidence(named, &code, issuer)?;
            known_ms = match evidence.unread {
                Some(unread) => evidence.known_ms.min(unread.time_ms),
                None => evidence.known_ms,
            };
            Ok::<_, ReadError>(evidence)
        })?;
        let may_be_listed = known_ms < time_ms || self.listed(&code, issuer, time_ms);
        Ok(may_be_listed && !matches!(authority, Authority::NotGiven(_)))
    }

    /// Whether a definition of a type that counted at a time lists a department: the last one made a day before, or one made
    /// later.
    fn listed(&self, code: &TypeCode, department: &DepartmentCode, time_ms: u64) -> bool {
        let since_ms = time_ms.saturating_sub(DEFINITION_LAG_MS);
        let definitions = self.definitions(code);
        let listings = definitions.as_ref().map(|held| held.listings(code));
        let listings = listings.unwrap_or_default();
        let last_before = listings
            .iter()
            .rposition(|listing| listing.time_ms < since_ms);
        let counted = &listings[last_before.unwrap_or(0)..];
        counted.iter().any(|listing| listing.lets_issue(department))
    }

    /// Whether a department with the role may issue a type by some definition of it, whenever it was made, or by one that may
    /// still come where none is held.
    pub(super) fn may_issue(&self, code: &TypeCode, department: &DepartmentCode) -> bool {
        if !self.members.has_role(department, Role::Issue) || self.members.definer(code).is_none() {
            return false;
        }
        let definitions = self.definitions(code);
        let listings = definitions.as_ref().map(|held| held.listings(code));
        let listings = listings.unwrap_or_default();
        listings.is_empty()
            || listings
                .iter()
                .any(|listing| listing.lets_issue(department))
    }

    /// What is held of the log of the department that may define a type.
    fn definitions(&self, code: &TypeCode) -> Option<Arc<Definitions>> {
        let definer = self.members.definer(code).map(LogId::first)?;
        Some(self.log(&definer)?.definitions())
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
        let Some(log) = self.log(&named.log) else {
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
