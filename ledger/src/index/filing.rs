//! Which keys a record is filed under.

use crate::crypto::keys::IndexKey;
use crate::names::LogName;
use crate::record::Entry;

use super::key::{Filed, Key, ReceiptKind};

/// Records on the way into the index of a segment: fingerprint and place, by run.
#[derive(Default)]
pub(crate) struct Filing(pub(super) [Vec<(u64, u32)>; 3]);

impl Filing {
    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }

    /// Files the record at a place under each of its keys; a certificate also under what it replaces, so that the history
    /// of that shows its successor.
    pub(crate) fn add(&mut self, key: &IndexKey, log: &LogName, entry: &Entry, place: u32) {
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
            }
            Entry::StatusChanged(changed) => file(Key::certificate(&changed.id)),
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
            }
            Entry::RetrievalAcknowledged(acknowledged) => {
                let name = acknowledged.asked.name(log.network);
                file(Key::retrieval(ReceiptKind::Acknowledged, &name));
                file(Key::blinded(&acknowledged.asked.subject));
                file(Key::receipts(ReceiptKind::Acknowledged));
            }
            Entry::CaseAccepted(accepted) => {
                file(Key::case(&accepted.case));
                file(Key::receipts(ReceiptKind::Accepted));
            }
            Entry::AccessLogRead(read) => {
                file(Key::blinded(&read.subject));
                file(Key::receipts(ReceiptKind::Looked));
            }
        }
    }
}
