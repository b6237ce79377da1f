//! Rows in flight: gathered, sent on a thread of their own, and returned with their answers.

use std::sync::mpsc::{Receiver, SyncSender};

use certmesh_ledger::id::CertificateId;

use crate::bulk::{self, Chunk, Sent};
use crate::client::Client;
use crate::retry::Retry;
use crate::{Error, Outcome};

/// Rows of a table in flight.
pub(super) type Batch = certmesh_tables::Batch<Wanted>;

/// What is sent of them.
#[derive(Default)]
pub(super) struct Wanted {
    pub(super) chunk: Chunk,
    /// In a dry run, what the rows that would be sent name: their certificates' identifiers.
    pub(super) ids: Vec<CertificateId>,
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
            let mut there = Vec::with_capacity(batch.wanted.ids.len());
            let looked = batch.wanted.ids.iter().try_for_each(|id| {
                there.push(is_there(client, id, Retry::patient(retries), &mut note)?);
                Ok(())
            });
            Event::Looked(batch, there, looked.err())
        } else if batch.wanted.chunk.is_empty() {
            let sent = Sent {
                results: Vec::new(),
                error: None,
            };
            Event::Done(batch, sent)
        } else {
            let sent = bulk::send(
                client,
                &batch.wanted.chunk,
                Retry::patient(retries),
                &mut note,
            );
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
