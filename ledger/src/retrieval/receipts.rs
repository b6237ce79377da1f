//! What the receipts of all departments together say.
//!
//! Only what proves itself counts: a receipt whose asker signed the request it shows, an acknowledgement of the department's
//! own request, and of several for one retrieval in a log the first. Everything is bounded for each log by itself, so that
//! no department can push out what another recorded.
//!
//! What is dated further ahead of the reader's clock than clocks may be apart belongs to no day yet: it is reported
//! separately, whichever days are asked for, until its time comes.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::catalogue::Catalogue;
use crate::crypto::catalogue_keys::CatalogueKeys;
use crate::id::{Date, DepartmentCode, TypeCode};
use crate::log::{Log, ReadError, ReceiptKind};
use crate::membership::Membership;
use crate::names::LogId;
use crate::record::{
    Asked, CaseAccepted, Decision, Entry, MAX_AHEAD_MS, MatterRef, Received, RetrievalAcknowledged,
    RetrievalDecided, RetrievalHash, SignedRecord, SubjectTag, is_dated_ahead,
};

/// Most findings of an audit in one log at a time; the answer says where the next stands.
pub const MAX_FINDINGS: usize = 1_000;
/// Most receipts of a kind that an audit looks at in one log at a time.
const MAX_AUDITED: usize = 100_000;
/// An asker's log that is known this long past a receipt must hold its counterpart, ms.
pub(super) const GRACE_MS: u64 = 10 * 60 * 1000;
/// So long after a receipt its counterpart is missed however little is known of the other log, ms.
pub(super) const PATIENCE_MS: u64 = 24 * 3600 * 1000;
/// Most days with records dated ahead that an access log looks at in one log at a time.
const MAX_DAYS_AHEAD: usize = 400;
/// Records read at a time.
const BATCH: usize = 4096;

/// What an audit found in a time, by the log that has the receipts.
pub type Audit = BTreeMap<LogId, LogAudit>;

/// What an audit found in one log.
#[derive(Clone, Debug, Default)]
pub struct LogAudit {
    /// Retrievals on which both sides agree.
    pub matched: u64,
    /// Receipts whose counterpart may still be in flight.
    pub awaited: u64,
    /// Answers that never reached the one who asked, as that department's log says itself.
    pub lost: u64,
    /// How many are wrong.
    pub wrong: u64,
    /// Receipts that prove nothing, and so are not counted elsewhere.
    pub unproven: u64,
    /// Receipts dated ahead of the reader's clock, whichever time was asked for: not looked at further.
    pub ahead: u64,
    /// Position of the first of those.
    pub first_ahead: Option<u64>,
    /// The first of those that are wrong, in the log's order.
    pub findings: Vec<Finding>,
    /// Position to continue from, when there is more.
    pub next: Option<u64>,
}

/// A retrieval on which the two sides disagree.
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
    /// The asker acknowledges an answer for which the issuer has no receipt.
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

/// Holds the receipts made from one time to before another against their counterparts, in one log from a position on or in
/// all; those dated ahead of `now_ms` are counted by themselves.
///
/// # Errors
/// [`ReadError`].
pub fn audit(
    catalogue: &Catalogue,
    times: (u64, u64),
    page: Option<(LogId, u64)>,
    now_ms: u64,
) -> Result<Audit, ReadError> {
    // What is known is noted before it is looked through: a counterpart that comes meanwhile is not missed.
    let known = catalogue.logs().map(|log| {
        let known_ms = log.last_ms().unwrap_or(0);
        // A log dated ahead is known up to now, not up to what its clock says.
        (log.name().id.department, known_ms.min(now_ms))
    });
    let known: BTreeMap<DepartmentCode, u64> = known.collect();
    let mut audits = Audit::new();
    for log in catalogue.logs() {
        let id = log.name().id;
        let from = match page {
            Some((only, _)) if only != id => continue,
            Some((_, from)) => from,
            None => 0,
        };
        let mut auditor = Auditor {
            catalogue,
            log: &log,
            known: &known,
            now_ms,
            counted: Vec::new(),
            ahead: Vec::new(),
            found: LogAudit::default(),
        };
        for kind in [ReceiptKind::Decided, ReceiptKind::Acknowledged] {
            auditor.run(kind, times, from)?;
        }
        let mut found = auditor.found;
        found.findings.sort_by_key(|finding| finding.record.1);
        // Those further on belong to the next page.
        let next = found.next.unwrap_or(u64::MAX);
        found.findings.retain(|finding| finding.record.1 < next);
        found.wrong = found.findings.len() as u64;
        for (_, counter) in auditor.counted.iter().filter(|(seq, _)| *seq < next) {
            *counter(&mut found) += 1;
        }
        auditor.ahead.retain(|seq| *seq < next);
        found.ahead = auditor.ahead.len() as u64;
        found.first_ahead = auditor.ahead.into_iter().min();
        audits.insert(id, found);
    }
    Ok(audits)
}

/// One of the numbers of an audit.
type Counter = fn(&mut LogAudit) -> &mut u64;

/// Goes through one log's receipts.
struct Auditor<'a> {
    catalogue: &'a Catalogue,
    log: &'a Log,
    /// Up to when each log is known, ms.
    known: &'a BTreeMap<DepartmentCode, u64>,
    now_ms: u64,
    /// What is to be counted of each record but findings, by its position: one kind may get further than the other.
    counted: Vec<(u64, Counter)>,
    /// Positions of the records dated ahead.
    ahead: Vec<u64>,
    found: LogAudit,
}

impl Auditor<'_> {
    fn run(&mut self, kind: ReceiptKind, times: (u64, u64), from: u64) -> Result<(), ReadError> {
        let (mut seen, mut listed) = (0, 0);
        let (log, members) = (self.log, self.catalogue.members());
        let times_by_now = (times.0, times.1.min(ahead_from(self.now_ms)));
        each(log, members, kind, times_by_now, from, |record, counts| {
            let seq = record.record().seq;
            if seen == MAX_AUDITED || listed == MAX_FINDINGS {
                self.go_on_at(seq);
                return Ok(false);
            }
            seen += 1;
            let before = self.found.findings.len();
            match (counts, &record.record().entry) {
                (false, _) => self.count(record, |found| &mut found.unproven),
                (true, Entry::RetrievalDecided(decided)) => self.decided(record, decided)?,
                (true, Entry::RetrievalAcknowledged(acknowledged)) => {
                    self.acknowledged(record, acknowledged)?;
                }
                _ => {}
            }
            listed += self.found.findings.len() - before;
            Ok(true)
        })?;
        // Times never go back in a log, so those dated ahead come after all others.
        let times_ahead = (ahead_from(self.now_ms), u64::MAX);
        batches(log, kind, times_ahead, from, |records| {
            for record in records {
                let seq = record.record().seq;
                if seen == MAX_AUDITED {
                    self.go_on_at(seq);
                    return Ok(false);
                }
                seen += 1;
                self.ahead.push(seq);
            }
            Ok(true)
        })
    }

    fn go_on_at(&mut self, seq: u64) {
        self.found.next = Some(self.found.next.map_or(seq, |next| next.min(seq)));
    }

    fn decided(
        &mut self,
        record: &SignedRecord,
        decided: &RetrievalDecided,
    ) -> Result<(), ReadError> {
        let asked = &decided.asked;
        let name = self.name(asked);
        if !is_first(self.log, &name, record)? {
            self.find(record, asked, Discrepancy::Twice);
            return Ok(());
        }
        let other_log = self.catalogue.log_of(&asked.asker);
        let counterpart = other_log
            .map(|log| log.acknowledgement_of(&name))
            .transpose()?;
        let acknowledged = counterpart.flatten();
        let acknowledged = acknowledged.as_ref().map(|record| &record.record().entry);
        match acknowledged {
            Some(Entry::RetrievalAcknowledged(acknowledged))
                if acknowledged.is_own(&asked.asker) =>
            {
                match agree(decided, acknowledged) {
                    Agreement::Same => self.count(record, |found| &mut found.matched),
                    Agreement::Lost => self.count(record, |found| &mut found.lost),
                    Agreement::None => self.find(record, asked, Discrepancy::Differs),
                }
            }
            _ if self.may_come(&asked.asker, record) => {
                self.count(record, |found| &mut found.awaited);
            }
            _ => self.find(record, asked, Discrepancy::NotAcknowledged),
        }
        Ok(())
    }

    /// What both sides have is looked at with the issuer's.
    fn acknowledged(
        &mut self,
        record: &SignedRecord,
        acknowledged: &RetrievalAcknowledged,
    ) -> Result<(), ReadError> {
        let asked = &acknowledged.asked;
        let name = self.name(asked);
        if !is_first(self.log, &name, record)? {
            self.find(record, asked, Discrepancy::Twice);
            return Ok(());
        }
        let receipt_log = self.catalogue.log_of(&asked.issuer);
        let receipt = receipt_log.map(|log| log.decision_of(&name));
        let receipt = receipt.transpose()?.flatten();
        let proved = receipt.is_some_and(|record| {
            matches!(&record.record().entry, Entry::RetrievalDecided(decided)
                if decided.is_proof(self.catalogue.members(), &asked.issuer, as_of(&record)))
        });
        // A request that was not answered may never have arrived.
        if proved || acknowledged.outcome == Received::Nothing {
            return Ok(());
        }
        match self.may_come(&asked.issuer, record) {
            true => self.count(record, |found| &mut found.awaited),
            false => self.find(record, asked, Discrepancy::NoReceipt),
        }
        Ok(())
    }

    fn name(&self, asked: &Asked) -> RetrievalHash {
        asked.name(self.log.name().network)
    }

    fn may_come(&self, other: &DepartmentCode, record: &SignedRecord) -> bool {
        let known_ms = self.known.get(other).copied().unwrap_or(0);
        may_come(known_ms, record.record().time_ms, self.now_ms)
    }

    fn count(&mut self, record: &SignedRecord, counter: Counter) {
        self.counted.push((record.record().seq, counter));
    }

    fn find(&mut self, record: &SignedRecord, asked: &Asked, what: Discrepancy) {
        self.found.findings.push(Finding {
            retrieval: self.name(asked),
            what,
            issuer: asked.issuer,
            asker: asked.asker,
            matter: asked.matter.clone(),
            type_code: asked.type_code,
            record: (self.log.name().id, record.record().seq),
            time_ms: record.record().time_ms,
        });
    }
}

/// Whether a record is its log's first of its kind for a retrieval.
fn is_first(log: &Log, name: &RetrievalHash, record: &SignedRecord) -> Result<bool, ReadError> {
    let first = match &record.record().entry {
        Entry::RetrievalDecided(_) => log.decision_of(name)?,
        _ => log.acknowledgement_of(name)?,
    };
    Ok(first.is_none_or(|first| first.record().seq == record.record().seq))
}

/// What two sides of a retrieval say about each other.
enum Agreement {
    Same,
    /// The one who asked got no answer.
    Lost,
    None,
}

/// Whether the counterpart of a receipt made at `time_ms` may still be in transit, when the other log is known up to
/// `known_ms`.
const fn may_come(known_ms: u64, time_ms: u64, now_ms: u64) -> bool {
    known_ms < time_ms.saturating_add(GRACE_MS) && now_ms < time_ms.saturating_add(PATIENCE_MS)
}

/// Whether an issuer's receipt and an asker's acknowledgement of one request say the same.
fn agree(decided: &RetrievalDecided, acknowledged: &RetrievalAcknowledged) -> Agreement {
    let same = match (&decided.decision, &acknowledged.outcome) {
        (_, Received::Nothing) => return Agreement::Lost,
        (Decision::Answered { fields, .. }, Received::Fields { fields: came, .. }) => {
            let (fields, came): (BTreeSet<_>, BTreeSet<_>) =
                (fields.iter().collect(), came.iter().collect());
            fields == came
        }
        (Decision::Refused(rule), Received::Refused(came)) => rule == came,
        _ => false,
    };
    match same {
        true => Agreement::Same,
        false => Agreement::None,
    }
}

/// The governance height that a record names, and its time.
fn as_of(record: &SignedRecord) -> (u64, u64) {
    (record.record().height, record.record().time_ms)
}

/// Whether a receipt or acknowledgement counts as a record of this department's log.
fn counts(members: &Membership, department: &DepartmentCode, record: &SignedRecord) -> bool {
    match &record.record().entry {
        Entry::RetrievalDecided(decided) => decided.is_proof(members, department, as_of(record)),
        Entry::RetrievalAcknowledged(acknowledged) => acknowledged.is_own(department),
        _ => true,
    }
}

/// From when on what is dated is dated ahead, ms.
const fn ahead_from(now_ms: u64) -> u64 {
    now_ms.saturating_add(MAX_AHEAD_MS).saturating_add(1)
}

/// The receipts of a kind in a log made from one time to before another, from a position on, and whether each counts, as
/// long as `see` wants more.
fn each(
    log: &Log,
    members: &Membership,
    kind: ReceiptKind,
    times: (u64, u64),
    from: u64,
    mut see: impl FnMut(&SignedRecord, bool) -> Result<bool, ReadError>,
) -> Result<(), ReadError> {
    let department = log.name().id.department;
    batches(log, kind, times, from, |batch| {
        // Signatures take most of the time.
        let counted: Vec<bool> = batch
            .par_iter()
            .map(|record| counts(members, &department, record))
            .collect();
        for (record, counts) in batch.iter().zip(counted) {
            if !see(record, counts)? {
                return Ok(false);
            }
        }
        Ok(true)
    })
}

/// The same many at a time, whether they count or not.
fn batches(
    log: &Log,
    kind: ReceiptKind,
    (from_ms, until_ms): (u64, u64),
    from: u64,
    mut see: impl FnMut(&[SignedRecord]) -> Result<bool, ReadError>,
) -> Result<(), ReadError> {
    let mut from = from.max(log.first_since(from_ms)?);
    loop {
        let mut batch = log.receipts(kind, from, BATCH)?;
        let read = batch.len();
        let next = batch.last().map(|last| last.record().seq + 1);
        // The end of time has nothing after it.
        batch.retain(|record| record.record().time_ms < until_ms || until_ms == u64::MAX);
        // Times never go back in a log: after the first that is too late all are.
        let goes_on = read == BATCH && batch.len() == read;
        match next {
            Some(next) if see(&batch)? && goes_on => from = next,
            _ => return Ok(()),
        }
    }
}

/// Where the receipts about a subject continue in one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Which log.
    pub log: LogId,
    /// On the receipts of which day.
    pub day: Date,
    /// From which position on.
    pub seq: u64,
}

/// Receipts about a subject.
#[derive(Clone, Debug, Default)]
pub struct Accesses {
    /// The receipts, oldest first, and the log each is in.
    pub receipts: Vec<(LogId, SignedRecord)>,
    /// The logs that may have more, and where.
    pub more: Vec<Page>,
}

/// The receipts about a subject, whose tags these are, of the requests made on the days from `from` to `to`, and those dated
/// ahead of `now_ms`: of one log from a place on, or of all. At most `limit` records of each log are looked at, so that none can
/// hide what another has.
///
/// # Errors
/// [`ReadError`].
pub fn access_log(
    catalogue: &Catalogue,
    keys: &CatalogueKeys,
    subject: &[SubjectTag],
    (from, to): (Date, Date),
    page: Option<Page>,
    now_ms: u64,
    limit: usize,
) -> Result<Accesses, ReadError> {
    let mut found = Accesses::default();
    let begin = page.map_or(Date::MIN, |page| page.day);
    let asked = (from.max(begin).days()..=to.days()).filter_map(|day| Date::from_days(day).ok());
    let asked: BTreeSet<Date> = asked.collect();
    let mut blinded = BTreeMap::new();
    let members = catalogue.members();
    for log in catalogue.logs() {
        let id = log.name().id;
        if page.is_some_and(|page| page.log != id) {
            continue;
        }
        let (ahead, cut) = days_ahead(&log, begin, now_ms)?;
        let days = asked.union(&ahead);
        let mut left = limit;
        let mut more = cut.map(|day| (day, 0));
        for day in days.take_while(|day| cut.is_none_or(|cut| **day < cut)) {
            let seq = match page {
                Some(page) if page.day == *day => page.seq,
                _ => 0,
            };
            let of_day = blinded
                .entry(*day)
                .or_insert_with(|| keys.blinded(subject, *day));
            let (records, next) = log.receipts_about(of_day, seq, left)?;
            left = left.saturating_sub(records.len());
            for record in records {
                let wanted = asked.contains(day) || is_dated_ahead(record.record().time_ms, now_ms);
                if wanted
                    && counts(members, &id.department, &record)
                    && is_first_receipt(&log, &record)?
                {
                    found.receipts.push((id, record));
                }
            }
            if let Some(seq) = next {
                more = Some((*day, seq));
                break;
            }
        }
        let more = more.map(|(day, seq)| Page { log: id, day, seq });
        found.more.extend(more);
    }
    found
        .receipts
        .sort_by_key(|(log, record)| (record.record().time_ms, *log, record.record().seq));
    Ok(found)
}

/// The days, from one on, for which a log's records dated ahead are blinded, and the day to continue with when those
/// are too many. A record is made on its request's day, but for the minutes around midnight, so each day's neighbours
/// are looked at as well.
fn days_ahead(
    log: &Log,
    begin: Date,
    now_ms: u64,
) -> Result<(BTreeSet<Date>, Option<Date>), ReadError> {
    let mut days = BTreeSet::new();
    let newest_ms = log.last_ms().unwrap_or(0);
    if !is_dated_ahead(newest_ms, now_ms) {
        return Ok((days, None));
    }
    let day_before = |day: Date| Date::from_days(day.days() - 1).unwrap_or(Date::MIN);
    let since_ms = ahead_from(now_ms).max(day_before(begin).begins_in_china_ms());
    let (mut seq, mut cut) = (log.first_since(since_ms)?, None);
    for turn in 0.. {
        if seq >= log.size() {
            break;
        }
        let day = Date::in_china(log.record(seq)?.record().time_ms);
        if turn == MAX_DAYS_AHEAD {
            cut = Some(day_before(day));
            break;
        }
        days.extend([day_before(day), day]);
        let Some(next) = day.plus_days(1) else { break };
        days.insert(next);
        seq = log.first_since(next.begins_in_china_ms())?;
    }
    days.retain(|day| *day >= begin);
    Ok((days, cut))
}

fn is_first_receipt(log: &Log, record: &SignedRecord) -> Result<bool, ReadError> {
    let network = log.name().network;
    match &record.record().entry {
        Entry::RetrievalDecided(decided) => is_first(log, &decided.asked.name(network), record),
        Entry::RetrievalAcknowledged(acknowledged) => {
            is_first(log, &acknowledged.asked.name(network), record)
        }
        Entry::CaseAccepted(accepted) => {
            let first = log.accepted_case(&accepted.case)?;
            Ok(first.is_none_or(|first| first.record().seq == record.record().seq))
        }
        _ => Ok(true),
    }
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

/// How a department shared and used data.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// In the time asked for.
    pub within: Usage,
    /// By records dated ahead of the reader's clock, whichever time was asked for.
    pub ahead: Usage,
}

/// Use by department, from one time to before another; what is dated ahead of `now_ms` is in no such time and counted by
/// itself. Every member is there.
///
/// # Errors
/// [`ReadError`].
pub fn usage(
    catalogue: &Catalogue,
    from_ms: u64,
    until_ms: u64,
    now_ms: u64,
) -> Result<BTreeMap<DepartmentCode, Used>, ReadError> {
    let mut all = BTreeMap::new();
    let ahead_ms = ahead_from(now_ms);
    for log in catalogue.logs() {
        let used = Used {
            within: used_within(catalogue, &log, (from_ms, until_ms.min(ahead_ms)))?,
            ahead: used_within(catalogue, &log, (ahead_ms, u64::MAX))?,
        };
        all.insert(log.name().id.department, used);
    }
    Ok(all)
}

fn used_within(catalogue: &Catalogue, log: &Log, times: (u64, u64)) -> Result<Usage, ReadError> {
    let (department, members) = (log.name().id.department, catalogue.members());
    let mut usage = Usage::default();
    for kind in [
        ReceiptKind::Decided,
        ReceiptKind::Acknowledged,
        ReceiptKind::Accepted,
    ] {
        each(log, members, kind, times, 0, |record, counts| {
            if counts && is_first_receipt(log, record)? {
                usage.count(department, &record.record().entry);
            }
            Ok(true)
        })?;
    }
    usage.took_ms.sort_unstable();
    Ok(usage)
}

impl Usage {
    /// What a department asks itself is not a use of another's data.
    fn count(&mut self, own: DepartmentCode, entry: &Entry) {
        match entry {
            Entry::RetrievalDecided(decided) if decided.asked.asker == own => {}
            Entry::RetrievalAcknowledged(acknowledged) if acknowledged.asked.issuer == own => {}
            Entry::RetrievalDecided(decided) => match &decided.decision {
                Decision::Answered { .. } => self.shared += 1,
                Decision::Refused(_) => self.refused += 1,
            },
            Entry::RetrievalAcknowledged(acknowledged) => {
                if let Received::Fields { .. } = acknowledged.outcome {
                    self.retrieved += 1;
                    self.took_ms.push(acknowledged.took_ms);
                }
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
