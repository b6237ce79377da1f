//! What the receipts of all departments together say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::catalogue::Catalogue;
use crate::id::{Date, DepartmentCode, TypeCode};
use crate::keys::CatalogueKey;
use crate::log::{Log, LogId, ReadError, ReceiptKind};
use crate::record::{
    CaseAccepted, Decision, Entry, MatterRef, Received, RetrievalAcknowledged, RetrievalDecided,
    RetrievalHash, Rule, SignedRecord, SubjectTag,
};

/// Most findings of an audit; further ones are only counted.
pub const MAX_FINDINGS: usize = 10_000;
/// An asker's log that is known this long past a receipt must hold its counterpart, ms.
pub(super) const GRACE_MS: u64 = 10 * 60 * 1000;
/// So long after a receipt its counterpart is missed however little is known of the other log, ms.
pub(super) const PATIENCE_MS: u64 = 24 * 3600 * 1000;
/// Records read at a time.
const BATCH: usize = 4096;

/// What an audit found in a time.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// Retrievals of which both sides say the same.
    pub matched: u64,
    /// Receipts whose counterpart may still be on its way.
    pub awaited: u64,
    /// Answers that never reached the one who asked, as that department's log says itself.
    pub lost: u64,
    /// How many are wrong.
    pub wrong: u64,
    /// The first of those.
    pub findings: Vec<Finding>,
}

/// A retrieval of which the two sides don't say the same.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which.
    pub retrieval: RetrievalHash,
    /// What is wrong.
    pub what: Discrepancy,
    /// Who was asked.
    pub issuer: DepartmentCode,
    /// Who asked.
    pub asker: DepartmentCode,
    /// For which matter.
    pub matter: MatterRef,
    /// Of which type the certificate is.
    pub type_code: TypeCode,
    /// The log that has the record, and where.
    pub record: (LogId, u64),
    /// When that was made, ms.
    pub time_ms: u64,
}

/// How the two sides of a retrieval differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discrepancy {
    /// The issuer has a receipt, the asker acknowledges nothing.
    NotAcknowledged,
    /// The asker acknowledges an answer of which the issuer has no receipt.
    NoReceipt,
    /// Both have one, and they say different things, or the answer was wrong.
    Differs,
    /// A log has a second record of one kind for one retrieval.
    Twice,
}

impl Discrepancy {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Discrepancy::NotAcknowledged => "not-acknowledged",
            Discrepancy::NoReceipt => "no-receipt",
            Discrepancy::Differs => "differs",
            Discrepancy::Twice => "twice",
        }
    }
}

/// Holds every receipt made from one time to before another against its counterpart.
///
/// # Errors
/// [`ReadError`].
pub fn audit(
    catalogue: &Catalogue,
    from_ms: u64,
    until_ms: u64,
    now_ms: u64,
) -> Result<Audit, ReadError> {
    let mut audit = Audit::default();
    let times = (from_ms, until_ms);
    // What is known is noted before it is looked through: a counterpart that comes meanwhile is not missed.
    let known = catalogue.logs().map(|log| {
        let checkpoint = log.checkpoint();
        let known_ms = checkpoint.map_or(0, |checkpoint| checkpoint.time_ms);
        (log.name().id, known_ms)
    });
    let known: BTreeMap<LogId, u64> = known.collect();
    let may_come = |other: &LogId, record: &SignedRecord| {
        let known_ms = known.get(other).copied().unwrap_or(0);
        may_come(known_ms, record.record().time_ms, now_ms)
    };
    for log in catalogue.logs() {
        let own = log.name().id;
        each(log, ReceiptKind::Decided, times, |record| {
            let Entry::RetrievalDecided(decided) = &record.record().entry else {
                return Ok(());
            };
            let other = LogId::first(decided.asker);
            let other_log = catalogue.log(&other);
            let found = counterpart(other_log, &decided.retrieval, |entry| match entry {
                Entry::RetrievalAcknowledged(acknowledged) => {
                    Some(agree(decided, own, acknowledged))
                }
                _ => None,
            })?;
            let finding = |what| Finding {
                retrieval: decided.retrieval,
                what,
                issuer: own.department,
                asker: decided.asker,
                matter: decided.matter.clone(),
                type_code: decided.type_code,
                record: (own, record.record().seq),
                time_ms: record.record().time_ms,
            };
            if is_second(log, &decided.retrieval, record)? {
                audit.add(finding(Discrepancy::Twice));
                return Ok(());
            }
            match found {
                Some(Agreement::Same) => audit.matched += 1,
                Some(Agreement::Lost) => audit.lost += 1,
                Some(Agreement::None) => audit.add(finding(Discrepancy::Differs)),
                None if may_come(&other, record) => audit.awaited += 1,
                None => audit.add(finding(Discrepancy::NotAcknowledged)),
            }
            Ok(())
        })?;
        // What both sides have was looked at with the issuer's.
        each(log, ReceiptKind::Acknowledged, times, |record| {
            let Entry::RetrievalAcknowledged(acknowledged) = &record.record().entry else {
                return Ok(());
            };
            let other = LogId::first(acknowledged.issuer);
            // A receipt for someone else's request is none for this.
            let own_receipt = |entry: &Entry| {
                matches!(entry, Entry::RetrievalDecided(decided) if decided.asker == own.department)
                    .then_some(true)
            };
            let found = counterpart(catalogue.log(&other), &acknowledged.retrieval, own_receipt)?;
            let second = is_second(log, &acknowledged.retrieval, record)?;
            // A request that was not answered may never have arrived.
            let unanswered = acknowledged.outcome == Received::Nothing;
            if !second && (found.is_some() || unanswered) {
                return Ok(());
            }
            if !second && may_come(&other, record) {
                audit.awaited += 1;
                return Ok(());
            }
            audit.add(Finding {
                retrieval: acknowledged.retrieval,
                what: match second {
                    true => Discrepancy::Twice,
                    false => Discrepancy::NoReceipt,
                },
                issuer: acknowledged.issuer,
                asker: own.department,
                matter: acknowledged.matter.clone(),
                type_code: acknowledged.type_code,
                record: (own, record.record().seq),
                time_ms: record.record().time_ms,
            });
            Ok(())
        })?;
    }
    Ok(audit)
}

impl Audit {
    pub(super) fn add(&mut self, finding: Finding) {
        self.wrong += 1;
        if self.findings.len() < MAX_FINDINGS {
            self.findings.push(finding);
        }
    }
}

/// Whether a log has another record of this kind for the retrieval before this one.
fn is_second(
    log: &Log,
    retrieval: &RetrievalHash,
    record: &SignedRecord,
) -> Result<bool, ReadError> {
    let kind = std::mem::discriminant(&record.record().entry);
    let records = log.by_retrieval(retrieval)?;
    Ok(records.iter().any(|other| {
        other.record().seq < record.record().seq
            && std::mem::discriminant(&other.record().entry) == kind
    }))
}

/// What two sides of a retrieval say of each other.
enum Agreement {
    Same,
    /// The one who asked got no answer.
    Lost,
    None,
}

/// The other side of a retrieval in the other department's log: `agrees` says of an entry what it makes of it, if it is
/// that.
fn counterpart<T>(
    other: Option<&Arc<Log>>,
    retrieval: &RetrievalHash,
    agrees: impl Fn(&Entry) -> Option<T>,
) -> Result<Option<T>, ReadError> {
    let Some(log) = other else { return Ok(None) };
    let records = log.by_retrieval(retrieval)?;
    Ok(records
        .iter()
        .find_map(|record| agrees(&record.record().entry)))
}

/// Whether the counterpart of a receipt made at `time_ms` may still be on its way here, when the other log is known up to
/// `known_ms`.
const fn may_come(known_ms: u64, time_ms: u64, now_ms: u64) -> bool {
    known_ms < time_ms.saturating_add(GRACE_MS) && now_ms < time_ms.saturating_add(PATIENCE_MS)
}

/// Whether an issuer's receipt and an asker's acknowledgement say the same.
fn agree(
    decided: &RetrievalDecided,
    issuer: LogId,
    acknowledged: &RetrievalAcknowledged,
) -> Agreement {
    let lost = acknowledged.outcome == Received::Nothing;
    let same_outcome = match (&decided.decision, &acknowledged.outcome) {
        (Decision::Answered { fields, .. }, Received::Fields { fields: came, .. }) => {
            let (fields, came): (BTreeSet<_>, BTreeSet<_>) =
                (fields.iter().collect(), came.iter().collect());
            fields == came
        }
        (Decision::Refused(rule), Received::Refused(came)) => rule == came,
        (_, Received::Nothing) => true,
        _ => false,
    };
    let same_subject = match (decided.subject, &decided.decision) {
        (Some(subject), _) => subject == acknowledged.subject,
        // Only of a certificate that it doesn't have can an issuer not say whom it is about.
        (None, Decision::Refused(rule)) => matches!(rule, Rule::UnknownCertificate | Rule::Stale),
        (None, Decision::Answered { .. }) => false,
    };
    let same = same_outcome
        && same_subject
        && acknowledged.issuer == issuer.department
        && acknowledged.matter == decided.matter
        && acknowledged.type_code == decided.type_code;
    match (same, lost) {
        (false, _) => Agreement::None,
        (true, true) => Agreement::Lost,
        (true, false) => Agreement::Same,
    }
}

/// The receipts of a kind in a log made from one time to before another.
fn each(
    log: &Log,
    kind: ReceiptKind,
    (from_ms, until_ms): (u64, u64),
    mut see: impl FnMut(&SignedRecord) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let mut from = log.first_since(from_ms)?;
    loop {
        let batch = log.receipts(kind, from, BATCH)?;
        for record in &batch {
            if record.record().time_ms >= until_ms {
                return Ok(());
            }
            see(record)?;
        }
        match batch.last() {
            Some(last) if batch.len() == BATCH => from = last.record().seq + 1,
            _ => return Ok(()),
        }
    }
}

/// Every receipt about a subject, of the requests made on the days from `from` to `to`, oldest first, with the log it
/// is in.
///
/// # Errors
/// [`ReadError`].
pub fn access_log(
    catalogue: &Catalogue,
    key: &CatalogueKey,
    subject: &SubjectTag,
    from: Date,
    to: Date,
) -> Result<Vec<(LogId, SignedRecord)>, ReadError> {
    let mut found = Vec::new();
    for day in from.days()..=to.days() {
        let Ok(day) = Date::from_days(day) else {
            continue;
        };
        let blinded = key.blind(subject, day);
        for log in catalogue.logs() {
            let records = log.receipts_about(&blinded)?;
            found.extend(records.into_iter().map(|record| (log.name().id, record)));
        }
    }
    found.sort_by_key(|(log, record)| (record.record().time_ms, *log, record.record().seq));
    Ok(found)
}

/// How a department shared and used data in a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Requests it answered with fields.
    pub shared: u64,
    /// Requests it refused.
    pub refused: u64,
    /// Answers with fields that it got.
    pub retrieved: u64,
    /// Cases it accepted.
    pub cases: u64,
    /// Requirements of those cases.
    pub required: u64,
    /// Of these, those for which nothing had to be handed in.
    pub saved: u64,
    /// Time of each answer it got, ms, in order of length.
    pub took_ms: Vec<u32>,
}

/// The middle of numbers in order; the lower of two.
pub fn median(sorted: &[u32]) -> Option<u32> {
    sorted.get(sorted.len().checked_sub(1)? / 2).copied()
}

/// Use by department, from one time to before another. Every member is there.
///
/// # Errors
/// [`ReadError`].
pub fn usage(
    catalogue: &Catalogue,
    from_ms: u64,
    until_ms: u64,
) -> Result<BTreeMap<DepartmentCode, Usage>, ReadError> {
    let mut all = BTreeMap::new();
    let times = (from_ms, until_ms);
    for log in catalogue.logs() {
        let mut usage = Usage::default();
        for kind in [
            ReceiptKind::Decided,
            ReceiptKind::Acknowledged,
            ReceiptKind::Accepted,
        ] {
            each(log, kind, times, |record| {
                usage.count(log.name().id.department, &record.record().entry);
                Ok(())
            })?;
        }
        usage.took_ms.sort_unstable();
        all.insert(log.name().id.department, usage);
    }
    Ok(all)
}

impl Usage {
    /// What a department asks itself is no use of another's data.
    fn count(&mut self, own: DepartmentCode, entry: &Entry) {
        match entry {
            Entry::RetrievalDecided(decided) if decided.asker == own => {}
            Entry::RetrievalAcknowledged(acknowledged) if acknowledged.issuer == own => {}
            Entry::RetrievalDecided(RetrievalDecided { decision, .. }) => match decision {
                Decision::Answered { .. } => self.shared += 1,
                Decision::Refused(_) => self.refused += 1,
            },
            Entry::RetrievalAcknowledged(RetrievalAcknowledged {
                outcome: Received::Fields { .. },
                took_ms,
                ..
            }) => {
                self.retrieved += 1;
                self.took_ms.push(*took_ms);
            }
            Entry::CaseAccepted(CaseAccepted { requirements, .. }) => {
                self.cases += 1;
                self.required += requirements.len() as u64;
                let saved = requirements.iter().filter(|(_, met)| met.saved());
                self.saved += saved.count() as u64;
            }
            _ => {}
        }
    }
}
