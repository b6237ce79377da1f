//! Rows in flight: gathered, sent on a thread of their own, and returned with their answers.

use std::sync::mpsc::{Receiver, SyncSender};

use certmesh_api::Fault;
use certmesh_ledger::id::CertificateId;

use crate::bulk::{self, Chunk, Sent};
use crate::client::Client;
use crate::retry::Retry;
use crate::{Error, Outcome};

/// Rows that are reported together, at most; of them no more are sent than a chunk holds.
const BATCH_ROWS: usize = 2_000;
/// Bytes of rows as they were that are held for the rejects file, at most but for one row.
const BATCH_BYTES: usize = 8 << 20;

/// Rows in their order, those among them that are to be sent, and what is known of the others.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) chunk: Chunk,
    /// In a dry run, what the rows that would be sent name: their certificates' identifiers.
    pub(super) ids: Vec<CertificateId>,
    pub(super) rows: Vec<Entry>,
    /// Bytes of the rows as they were.
    pub(super) bytes: usize,
    /// How far the input was read.
    pub(super) position: u64,
}

impl Batch {
    /// Whether it is time to send.
    pub(super) fn is_full(&self) -> bool {
        self.rows.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES || self.chunk.is_full()
    }
}

/// A row and what is known of it.
pub(super) struct Entry {
    pub(super) number: u64,
    /// The row as the rejects file keeps it.
    pub(super) original: Vec<u8>,
    pub(super) fate: Fate,
}

/// What is to become of a row.
pub(super) enum Fate {
    ToSend,
    Merged,
    Rejected(Vec<Fault>),
}

/// What the sender reports.
pub(super) enum Event {
    Waiting(String),
    Done(Batch, Sent),
    /// Of each row that would be sent, whether the log has its certificate; and why the import cannot continue.
    Looked(Batch, Vec<bool>, Option<Error>),
}

/// Sends one batch after the other, never two at once: a row may replace a certificate that an earlier one issues.
pub(super) fn send_all(
    client: &Client,
    retries: u32,
    dry_run: bool,
    batches: &Receiver<Batch>,
    events: &SyncSender<Event>,
) {
    let mut note = |error: &Error, retry: &Retry| {
        let wait = retry.next_wait().as_secs_f64();
        let why = error.in_one_line();
        // Nobody waits for it when the import has failed.
        let _ = events.send(Event::Waiting(format!(
            "waiting {wait:.1} s to try again: {why}"
        )));
    };
    for batch in batches {
        let event = if dry_run {
            let mut there = Vec::with_capacity(batch.ids.len());
            let looked = batch.ids.iter().try_for_each(|id| {
                there.push(is_there(client, id, Retry::patient(retries), &mut note)?);
                Ok(())
            });
            Event::Looked(batch, there, looked.err())
        } else if batch.chunk.is_empty() {
            let sent = Sent {
                results: Vec::new(),
                error: None,
            };
            Event::Done(batch, sent)
        } else {
            let sent = bulk::send(client, &batch.chunk, Retry::patient(retries), &mut note);
            Event::Done(batch, sent)
        };
        if events.send(event).is_err() {
            return;
        }
    }
}

/// Whether the node has a certificate of this identifier.
fn is_there(
    client: &Client,
    id: &CertificateId,
    mut retry: Retry,
    note: &mut dyn FnMut(&Error, &Retry),
) -> Result<bool, Error> {
    loop {
        let error = match client.get(&format!("/v1/certificates/{id}")) {
            Ok(_) => return Ok(true),
            Err(error) if error.outcome() == Outcome::Unknown => return Ok(false),
            Err(error) => error,
        };
        if !retry.again(&error) {
            return Err(error);
        }
        note(&error, &retry);
        retry.wait();
    }
}
