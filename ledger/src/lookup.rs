//! Questions to one log: its records by what they are about.
//!
//! The log's [`index`](crate::index) gives positions; the records there are read, checked against the tree and compared with
//! what was asked, since a fingerprint can be shared by chance. A lookup reads a bounded number of records, whatever the log's
//! department wrote: the number its caller names, or the few that are candidates for the one asked for. One that stops early
//! returns where to continue.

use crate::id::{CertificateId, Date, DepartmentCode, TypeCode};
use crate::index::{Key, ReceiptKind};
use crate::log::{Log, ReadError};
use crate::record::{
    Action, BlindedSubject, CaseTag, CertificateIssued, Entry, RetrievalHash, SignedRecord,
    SubjectTag,
};

/// Most records given of one certificate.
const MAX_HISTORY: usize = 10_000;

/// Most records that are read to find a log's certificates, in [`Log::certificates`].
pub const MAX_READ: usize = 1_024;

/// Most records under a case's key that are looked at for its latest. The key is of that case alone, but for a chance of
/// 2^-64.
const CASE_CANDIDATES: usize = 4;

impl Log {
    /// Committed records that concern a certificate of this log (its issue, its changes of status, its successors), oldest first;
    /// of more than 10,000 the first.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn by_certificate(&self, id: &CertificateId) -> Result<Vec<SignedRecord>, ReadError> {
        Ok(self.about(id, 0, MAX_HISTORY)?.0)
    }

    /// The same from a position on, read from at most `limit` records; whether there may be more.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn about(
        &self,
        id: &CertificateId,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<SignedRecord>, bool), ReadError> {
        let keys = [Key::issue(id), Key::certificate(id), Key::erasure(id)];
        let mut records = self.candidates(&keys, from, limit)?;
        let more = records.len() == limit;
        records.retain(|record| match &record.record().entry {
            Entry::CertificateIssued(issued) => {
                issued.id == *id || issued.predecessors().contains(id)
            }
            Entry::StatusChanged(changed) => changed.id == *id && changed.inherited.is_none(),
            Entry::CertificateErased(erased) => erased.id == *id,
            _ => false,
        });
        Ok((records, more))
    }

    /// Committed records that change the status of another department's certificate, which this log's department may have
    /// inherited, oldest first, read from at most `limit` records; and whether there may be more.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn about_inherited(
        &self,
        department: &DepartmentCode,
        id: &CertificateId,
        limit: usize,
    ) -> Result<(Vec<SignedRecord>, bool), ReadError> {
        let mut records = self.candidates(&[Key::certificate(id)], 0, limit)?;
        let more = records.len() == limit;
        records.retain(|record| match &record.record().entry {
            Entry::StatusChanged(changed) => {
                let of = changed.inherited.as_ref();
                changed.id == *id && of.is_some_and(|of| of.department == *department)
            }
            _ => false,
        });
        Ok((records, more))
    }

    /// The record that issued a certificate; the first, should there be several. It has a key of its own: what else a
    /// department wrote about the certificate, before it or after, costs those who look it up nothing.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn issue_of(&self, id: &CertificateId) -> Result<Option<SignedRecord>, ReadError> {
        self.first(&Key::issue(id), |entry| entry.issues(id))
    }

    /// The latest record that changes a certificate's status: by an action, or by issuing what takes its place.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn last_change_of(&self, id: &CertificateId) -> Result<Option<SignedRecord>, ReadError> {
        let (records, _) = self.latest(&[Key::certificate(id)], 1)?;
        Ok(records.into_iter().next())
    }

    /// The record that says that a certificate's fields were erased; the first, should there be several.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn erasure_of(&self, id: &CertificateId) -> Result<Option<SignedRecord>, ReadError> {
        self.first(
            &Key::erasure(id),
            |entry| matches!(entry, Entry::CertificateErased(erased) if erased.id == *id),
        )
    }

    /// Certificates about a subject, under any of its tags, from a position on, read from at most `limit` records; and where to
    /// continue when there may be more.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn by_subject(
        &self,
        tags: &[SubjectTag],
        from: u64,
        limit: usize,
    ) -> Result<(Vec<SignedRecord>, Option<u64>), ReadError> {
        let keys: Vec<Key> = tags.iter().map(Key::subject).collect();
        self.matching(&keys, from, limit, |issued| tags.contains(&issued.subject))
    }

    /// The latest certificates of a type about a subject, under any of its tags, newest first, read from the latest `limit`
    /// records; and whether there may be more.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn latest_of(
        &self,
        tags: &[SubjectTag],
        code: &TypeCode,
        limit: usize,
    ) -> Result<(Vec<SignedRecord>, bool), ReadError> {
        let keys: Vec<Key> = tags.iter().map(|tag| Key::of_subject(tag, code)).collect();
        let (mut records, more) = self.latest(&keys, limit)?;
        records.retain(|record| {
            matches!(&record.record().entry, Entry::CertificateIssued(issued)
                if tags.contains(&issued.subject) && issued.id.type_code() == *code)
        });
        Ok((records, more))
    }

    /// Certificates of a type, from a position on, read from at most `limit` records; and where to continue when there
    /// may be more.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn by_type(
        &self,
        code: &TypeCode,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<SignedRecord>, Option<u64>), ReadError> {
        self.matching(&[Key::type_code(code)], from, limit, |issued| {
            issued.id.type_code() == *code
        })
    }

    /// Certificates of this log, from a position on: at most `limit`, read from at most [`MAX_READ`] records; and where to
    /// continue when there may be more.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn certificates(
        &self,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<SignedRecord>, Option<u64>), ReadError> {
        let mut found = Vec::new();
        let (size, end) = (self.size(), from.saturating_add(MAX_READ as u64));
        for seq in from..size {
            if found.len() == limit || seq == end {
                return Ok((found, Some(seq)));
            }
            let record = self.record(seq)?;
            if matches!(record.record().entry, Entry::CertificateIssued(_)) {
                found.push(record);
            }
        }
        Ok((found, None))
    }

    /// The record that answered or refused a request; the first, should there be several.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn decision_of(&self, name: &RetrievalHash) -> Result<Option<SignedRecord>, ReadError> {
        self.first(&Key::retrieval(ReceiptKind::Decided, name), |entry| {
            matches!(entry, Entry::RetrievalDecided(decided) if decided.asked.name(self.name().network) == *name)
        })
    }

    /// The record that acknowledges what a request brought; the first, should there be several.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn acknowledgement_of(
        &self,
        name: &RetrievalHash,
    ) -> Result<Option<SignedRecord>, ReadError> {
        self.first(&Key::retrieval(ReceiptKind::Acknowledged, name), |entry| {
            matches!(entry, Entry::RetrievalAcknowledged(acknowledged)
                if acknowledged.asked.name(self.name().network) == *name)
        })
    }

    /// The record that accepted a case; the first, should there be several.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn accepted_case(&self, tag: &CaseTag) -> Result<Option<SignedRecord>, ReadError> {
        self.first(
            &Key::case(tag),
            |entry| matches!(entry, Entry::CaseAccepted(accepted) if accepted.case == *tag),
        )
    }

    /// The latest record of a case: where it was continued, of its continuation.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn latest_of_case(&self, tag: &CaseTag) -> Result<Option<SignedRecord>, ReadError> {
        let (mut records, _) = self.latest(&[Key::case(tag)], CASE_CANDIDATES)?;
        records.retain(
            |record| matches!(&record.record().entry, Entry::CaseAccepted(accepted) if accepted.case == *tag),
        );
        Ok(records.into_iter().next())
    }

    /// The first record under a key that is wanted. Each key is of such records alone, so the first candidate is the one but
    /// for a chance of 2^-64.
    fn first(
        &self,
        key: &Key,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Option<SignedRecord>, ReadError> {
        let mut from = 0;
        loop {
            let batch = self.candidates(std::slice::from_ref(key), from, 1)?;
            let Some(record) = batch.into_iter().next() else {
                return Ok(None);
            };
            if wanted(&record.record().entry) {
                return Ok(Some(record));
            }
            from = record.record().seq + 1;
        }
    }

    /// The latest records under any of some keys, newest first, at most `limit`; and whether there may be more.
    fn latest(&self, keys: &[Key], limit: usize) -> Result<(Vec<SignedRecord>, bool), ReadError> {
        let mut positions = Vec::new();
        for key in keys {
            positions.extend(self.latest_positions(key, limit.saturating_add(1))?);
        }
        positions.sort_unstable_by(|one, other| other.cmp(one));
        positions.dedup();
        let more = positions.len() > limit;
        positions.truncate(limit);
        let records = positions.into_iter().map(|seq| self.record(seq));
        Ok((records.collect::<Result<_, _>>()?, more))
    }

    /// The receipts about a subject on a day, as any of these names it, oldest first, from a position on, looked for among the
    /// next `limit` candidates; and where to continue when there may be more.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn receipts_about(
        &self,
        subject: &[BlindedSubject],
        from: u64,
        limit: usize,
    ) -> Result<(Vec<SignedRecord>, Option<u64>), ReadError> {
        let keys: Vec<Key> = subject.iter().map(Key::blinded).collect();
        let mut records = self.candidates(&keys, from, limit)?;
        let full = records.len() == limit;
        let next = records.last().map(|last| last.record().seq + 1);
        records.retain(|record| match &record.record().entry {
            Entry::RetrievalDecided(decided) => subject.contains(&decided.asked.subject),
            Entry::RetrievalAcknowledged(acknowledged) => {
                subject.contains(&acknowledged.asked.subject)
            }
            Entry::AccessLogRead(read) => subject.contains(&read.subject),
            _ => false,
        });
        Ok((records, next.filter(|_| full)))
    }

    /// Receipts of a kind, from a position on, at most `limit`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn receipts(
        &self,
        kind: ReceiptKind,
        from: u64,
        limit: usize,
    ) -> Result<Vec<SignedRecord>, ReadError> {
        self.candidates(&[Key::receipts(kind)], from, limit)
    }

    /// Receipts of a kind that were made on a day in China, from a position on, at most `limit`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn receipts_on(
        &self,
        kind: ReceiptKind,
        day: Date,
        from: u64,
        limit: usize,
    ) -> Result<Vec<SignedRecord>, ReadError> {
        self.candidates(&[Key::receipts_on(kind, day)], from, limit)
    }

    /// Certificates of this log whose last day is this one, whatever became of them, from a position on, at most `limit`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn ending_on(
        &self,
        day: Date,
        from: u64,
        limit: usize,
    ) -> Result<Vec<SignedRecord>, ReadError> {
        self.candidates(&[Key::last_day(day)], from, limit)
    }

    /// Changes of status by one kind of action (transfers to whomever), from a position on, at most `limit`. Whether one still
    /// stands, [`Log::status`] of its certificate says.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn changes_by(
        &self,
        action: Action,
        from: u64,
        limit: usize,
    ) -> Result<Vec<SignedRecord>, ReadError> {
        self.candidates(&[Key::action(action)], from, limit)
    }

    /// Position of the first committed record made at a time or later; the log's size when there is none.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn first_since(&self, time_ms: u64) -> Result<u64, ReadError> {
        let (mut low, mut high) = (0, self.size());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.record(middle)?.record().time_ms < time_ms {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn matching(
        &self,
        keys: &[Key],
        from: u64,
        limit: usize,
        wanted: impl Fn(&CertificateIssued) -> bool,
    ) -> Result<(Vec<SignedRecord>, Option<u64>), ReadError> {
        let mut records = self.candidates(keys, from, limit)?;
        let full = records.len() == limit;
        let next = records.last().map(|last| last.record().seq + 1);
        records.retain(
            |record| matches!(&record.record().entry, Entry::CertificateIssued(i) if wanted(i)),
        );
        Ok((records, next.filter(|_| full)))
    }

    /// Committed records that stand under any of some keys, in order, from a position on, at most `limit`.
    fn candidates(
        &self,
        keys: &[Key],
        from: u64,
        limit: usize,
    ) -> Result<Vec<SignedRecord>, ReadError> {
        let positions = self.positions(keys, from, limit)?.into_iter();
        positions.map(|seq| self.record(seq)).collect()
    }
}
