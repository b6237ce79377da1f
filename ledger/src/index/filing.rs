//! Which keys a record is filed under.

use crate::crypto::keys::IndexKey;
use crate::id::Date;
use crate::names::LogName;
use crate::record::{Entry, Record};

use super::key::{Filed, Key, ReceiptKind};

/// Records on the way into a part of the index: fingerprint and place, by run.
#[derive(Default)]
pub(crate) struct Filing(pub(super) [Vec<(u64, u32)>; 3]);

impl Filing {
    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Files the record at a place under each of its keys; a certificate also under what it replaces, so that the history
    /// of that shows its successor.
    pub(crate) fn add(&mut self, key: &IndexKey, log: &LogName, record: &Record, place: u32) {
        let entry = &record.entry;
        let day = || Date::in_china(record.time_ms);
        let mut file = |of: Key| {
            let Filed { run, fingerprint } = of.under(key);
            self.0[run as usize].push((fingerprint, place));
        };
        match entry {
            Entry::CertificateIssued(issued) => {
                let code = issued.id.type_code();
                file(Key::issue(&issued.id));
                for predecessor in issued.predecessors() {
                    file(Key::certificate(predecessor));
                }
                file(Key::subject(&issued.subject));
                file(Key::of_subject(&issued.subject, &code));
                file(Key::type_code(&code));
                if let Some(last) = issued.validity.until() {
                    file(Key::last_day(last));
                }
            }
            Entry::StatusChanged(changed) => {
                file(Key::certificate(&changed.id));
                file(Key::action(changed.action));
            }
            Entry::CertificateErased(erased) => file(Key::erasure(&erased.id)),
            Entry::TypeDefined(_)
            | Entry::MatterDefined(_)
            | Entry::GrantMade(_)
            | Entry::GrantWithdrawn(_)
            | Entry::Unknown(_) => {}
            Entry::RetrievalDecided(decided) => {
                let name = decided.asked.name(log.network);
                file(Key::retrieval(ReceiptKind::Decided, &name));
                file(Key::blinded(&decided.asked.subject));
                file(Key::receipts(ReceiptKind::Decided));
                file(Key::receipts_on(ReceiptKind::Decided, day()));
            }
            Entry::RetrievalAcknowledged(acknowledged) => {
                let name = acknowledged.asked.name(log.network);
                file(Key::retrieval(ReceiptKind::Acknowledged, &name));
                file(Key::blinded(&acknowledged.asked.subject));
                file(Key::receipts(ReceiptKind::Acknowledged));
                file(Key::receipts_on(ReceiptKind::Acknowledged, day()));
            }
            Entry::CaseAccepted(accepted) => {
                file(Key::case(&accepted.case));
                file(Key::receipts(ReceiptKind::Accepted));
                file(Key::receipts_on(ReceiptKind::Accepted, day()));
            }
            Entry::AccessLogRead(read) => {
                file(Key::blinded(&read.subject));
                file(Key::receipts(ReceiptKind::Looked));
                file(Key::receipts_on(ReceiptKind::Looked, day()));
            }
        }
    }
}
