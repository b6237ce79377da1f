//! Looking up records of a log by what they are about, with its indexes.

use crate::id::{CertificateId, TypeCode};
use crate::record::{BlindedSubject, CaseTag, Entry, RetrievalHash, SignedRecord, SubjectTag};

use super::index::{Key, Query, ReceiptKind};
use super::reading::{Log, ReadError};
use super::segment::Segment;

/// Most records given of one certificate.
const MAX_HISTORY: usize = 10_000;

impl Log {
    /// Committed records that concern a certificate (its issue, its changes of status, its successors), oldest first; of
    /// more than 10,000 the first.
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
        let mut records = self.candidates(Key::certificate(id).into(), from, limit)?;
        let more = records.len() == limit;
        records.retain(|record| match &record.record().entry {
            Entry::CertificateIssued(issued) => {
                issued.id == *id || issued.predecessors().contains(id)
            }
            Entry::StatusChanged(changed) => changed.id == *id,
            Entry::CertificateErased(erased) => erased.id == *id,
            _ => false,
        });
        Ok((records, more))
    }

    /// The record that issued a certificate; the first, should there be several. Reads no more than it must: what else a
    /// department wrote about the certificate costs those who look it up nothing.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn issue_of(&self, id: &CertificateId) -> Result<Option<SignedRecord>, ReadError> {
        self.first(
            Key::certificate(id),
            |entry| matches!(entry, Entry::CertificateIssued(issued) if issued.id == *id),
        )
    }

    /// Whether a certificate's fields were erased, as this log says. If they are missing and it does not, they are lost.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn is_erased(&self, id: &CertificateId) -> Result<bool, ReadError> {
        let found = self.first(
            Key::certificate(id),
            |entry| matches!(entry, Entry::CertificateErased(erased) if erased.id == *id),
        );
        Ok(found?.is_some())
    }

    /// Certificates about a subject, from a position on, at most `limit`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn by_subject(
        &self,
        tag: &SubjectTag,
        from: u64,
        limit: usize,
    ) -> Result<Vec<SignedRecord>, ReadError> {
        self.matching(Query::subject(tag), from, limit, |issued| {
            issued.subject == *tag
        })
    }

    /// The latest certificates of a type about a subject, newest first, looked for among the latest `limit` candidates; and
    /// whether there may be more.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn latest_of(
        &self,
        tag: &SubjectTag,
        code: &TypeCode,
        limit: usize,
    ) -> Result<(Vec<SignedRecord>, bool), ReadError> {
        let query = Query::from(Key::of_subject(tag, Key::type_code(code)));
        let (segments, size) = {
            let view = self.view.read();
            (view.segments.clone(), view.size())
        };
        let (mut records, mut read) = (Vec::new(), 0);
        for segment in segments.iter().rev() {
            // Those that are not committed yet are few, and at the end.
            for place in self.latest_places(segment, query, limit - read + 1)? {
                let seq = segment.first + u64::from(place);
                if seq >= size {
                    continue;
                }
                if read == limit {
                    return Ok((records, true));
                }
                read += 1;
                let record = self.read_record(segment, seq)?;
                if matches!(&record.record().entry, Entry::CertificateIssued(issued)
                    if issued.subject == *tag && issued.id.type_code() == *code)
                {
                    records.push(record);
                }
            }
        }
        Ok((records, false))
    }

    /// Certificates of a type, from a position on, at most `limit`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn by_type(
        &self,
        code: &TypeCode,
        from: u64,
        limit: usize,
    ) -> Result<Vec<SignedRecord>, ReadError> {
        self.matching(Key::type_code(code).into(), from, limit, |issued| {
            issued.id.type_code() == *code
        })
    }

    /// Certificates of this log, from a position on, at most `limit`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn certificates(&self, from: u64, limit: usize) -> Result<Vec<SignedRecord>, ReadError> {
        let mut found = Vec::new();
        for seq in from..self.size() {
            if found.len() == limit {
                break;
            }
            let record = self.record(seq)?;
            if issued_id(&record).is_some() {
                found.push(record);
            }
        }
        Ok(found)
    }

    /// The record that answered or refused a request; the first, should there be several.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn decision_of(&self, name: &RetrievalHash) -> Result<Option<SignedRecord>, ReadError> {
        self.first(Key::retrieval(ReceiptKind::Decided, name), |entry| {
            matches!(entry, Entry::RetrievalDecided(decided) if decided.asked.name(self.name.network) == *name)
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
        self.first(Key::retrieval(ReceiptKind::Acknowledged, name), |entry| {
            matches!(entry, Entry::RetrievalAcknowledged(acknowledged)
                if acknowledged.asked.name(self.name.network) == *name)
        })
    }

    /// The record that accepted a case; the first, should there be several.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn accepted_case(&self, tag: &CaseTag) -> Result<Option<SignedRecord>, ReadError> {
        self.first(
            Key::case(tag),
            |entry| matches!(entry, Entry::CaseAccepted(accepted) if accepted.case == *tag),
        )
    }

    /// The first record under a key that is wanted; reads no more than it must.
    fn first(
        &self,
        key: Key,
        wanted: impl Fn(&Entry) -> bool,
    ) -> Result<Option<SignedRecord>, ReadError> {
        let (mut from, mut limit) = (0, 1);
        loop {
            let batch = self.candidates(key.into(), from, limit)?;
            let Some(last) = batch.last() else {
                return Ok(None);
            };
            (from, limit) = (last.record().seq + 1, (limit * 2).min(1024));
            let mut batch = batch.into_iter();
            if let Some(found) = batch.find(|record| wanted(&record.record().entry)) {
                return Ok(Some(found));
            }
        }
    }

    /// The receipts about a subject on a day, oldest first, from a position on, looked for among the next `limit` candidates;
    /// and where to go on when there may be more.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn receipts_about(
        &self,
        subject: &BlindedSubject,
        from: u64,
        limit: usize,
    ) -> Result<(Vec<SignedRecord>, Option<u64>), ReadError> {
        let mut records = self.candidates(Key::blinded(subject).into(), from, limit)?;
        let full = records.len() == limit;
        let next = records.last().map(|last| last.record().seq + 1);
        records.retain(|record| match &record.record().entry {
            Entry::RetrievalDecided(decided) => decided.asked.subject == *subject,
            Entry::RetrievalAcknowledged(acknowledged) => acknowledged.asked.subject == *subject,
            Entry::AccessLogRead(read) => read.subject == *subject,
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
        self.candidates(Key::receipts(kind).into(), from, limit)
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
        query: Query,
        from: u64,
        limit: usize,
        wanted: impl Fn(&crate::record::CertificateIssued) -> bool,
    ) -> Result<Vec<SignedRecord>, ReadError> {
        let mut found = Vec::new();
        let mut from = from;
        // Fingerprints may collide, so a batch can hold fewer matches than candidates.
        while found.len() < limit {
            let batch = self.candidates(query, from, limit - found.len())?;
            let Some(last) = batch.last() else { break };
            from = last.record().seq + 1;
            found.extend(batch.into_iter().filter(
                |record| matches!(&record.record().entry, Entry::CertificateIssued(i) if wanted(i)),
            ));
        }
        Ok(found)
    }

    /// Records whose key is asked for, in order, from a position on.
    fn candidates(
        &self,
        query: Query,
        from: u64,
        limit: usize,
    ) -> Result<Vec<SignedRecord>, ReadError> {
        let (segments, size) = {
            let view = self.view.read();
            (view.segments.clone(), view.size())
        };
        let mut records = Vec::new();
        for (i, segment) in segments.iter().enumerate() {
            if records.len() == limit {
                break;
            }
            if segments.get(i + 1).is_some_and(|next| next.first <= from) {
                continue;
            }
            let first = u32::try_from(from.saturating_sub(segment.first)).unwrap_or(u32::MAX);
            let wanted = limit - records.len();
            for place in self.places(segment, query, first, wanted)? {
                let seq = segment.first + u64::from(place);
                if seq < size {
                    records.push(self.read_record(segment, seq)?);
                }
            }
        }
        Ok(records)
    }

    /// The first places in a segment, in order, from one on.
    fn places(
        &self,
        segment: &Segment,
        query: Query,
        from: u32,
        limit: usize,
    ) -> Result<Vec<u32>, ReadError> {
        match segment.index.get() {
            Some(index) => index.first(query, from, limit).map_err(|e| self.io(e)),
            None => {
                let view = self.view.read();
                match segment.index.get() {
                    // Sealed meanwhile.
                    Some(index) => index.first(query, from, limit).map_err(|e| self.io(e)),
                    None => Ok(view.tail.first(query, from, limit)),
                }
            }
        }
    }

    /// The latest places in a segment, newest first, up to so many.
    fn latest_places(
        &self,
        segment: &Segment,
        query: Query,
        limit: usize,
    ) -> Result<Vec<u32>, ReadError> {
        if let Some(index) = segment.index.get() {
            return index.latest(query, limit).map_err(|e| self.io(e));
        }
        let view = self.view.read();
        match segment.index.get() {
            Some(index) => index.latest(query, limit).map_err(|e| self.io(e)),
            None => Ok(view.tail.latest(query, limit)),
        }
    }
}

fn issued_id(record: &SignedRecord) -> Option<&CertificateId> {
    match &record.record().entry {
        Entry::CertificateIssued(issued) => Some(&issued.id),
        _ => None,
    }
}
