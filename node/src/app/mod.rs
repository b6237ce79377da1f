//! What a peer does for its callers: the HTTP API, and folders that are watched. Each use case takes and gives what the
//! ledger and the peer speak of; callers put it into words and shapes.
//!
//! One module a topic. Each has a trait that lists its use cases (object-safe, so that callers can be tested with a peer in
//! memory), what is asked, checked in every part that can be checked without logs, and the answers:
//! - [`govern`]: governance: what is known of it, and what this department wants decided
//! - [`issue`]: certificates and the files that belong to them
//! - [`change`]: statuses of certificates, fields erased
//! - [`define`]: types, matters and grants, defined and listed
//! - [`find`]: what is held of a certificate, certificates by holder, type or issuer
//! - [`verify`]: verdicts and proofs
//! - [`cases`]: what a subject holds of what a matter requires, and cases accepted for good
//! - [`retrieve`]: fields requested from their issuers, kept until their last day
//! - [`report`]: figures and lists that go through many records: what receipts and the look-up journal show
//! - [`operate`]: the state of the node and its logs, and what an operator can do about it
//!
//! A new use case is a method of its topic's trait. What it asks all logs is a question to the ledger first: a method of
//! [`catalogue`](certmesh_ledger::catalogue), or for reports over receipts a function beside
//! [`usage`](certmesh_ledger::retrieval::usage); what it asks the own log, a method in
//! [`lookup`](certmesh_ledger::lookup). Whether an index has the records: [`index`](certmesh_ledger::index). Another way to search is a variant of [`find::Wanted`]. Why a use case is
//! refused is a [`Refusal`], declared in [`crate::peer::refusal`]. A request to issue, change or erase is checked by
//! `certmesh_api::draft`, before it comes here.
//!
//! Queries (`&self`, returning at once) may read files: callers use them on threads that may block. Appends return
//! futures that complete once the records are durable or refused. Dropping an append's future doesn't undo it: what was
//! handed over may still become durable.

pub(crate) mod cases;
pub(crate) mod change;
pub(crate) mod define;
pub(crate) mod find;
pub(crate) mod govern;
pub(crate) mod issue;
pub(crate) mod operate;
pub(crate) mod report;
pub(crate) mod retrieve;
pub(crate) mod verify;

use std::sync::Arc;

use certmesh_api::draft::HolderCode;
use certmesh_ledger::codec::Text;
use certmesh_ledger::id::HolderKind;
use certmesh_ledger::journal::Looked;
use certmesh_ledger::log::ReadError;
use certmesh_ledger::membership::Membership;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Notify;

use crate::peer::Peer;
use crate::peer::catalogue_keys::Subject;
use crate::peer::ending::Ending;
use crate::peer::governance::Governing;
use crate::peer::journal::{NewLook, Recorder};
use crate::peer::writer::{Append, WriterHandle};
use retrieve::asking::Asking;

pub(crate) use crate::peer::requests::{Appended, Position};
pub(crate) use crate::peer::uploads::not_received;
pub(crate) use crate::peer::{Item, Outcomes, Refusal, RetryKey, now_ms};
#[cfg(test)]
pub(crate) use crate::peer::{reasons, warnings};

/// All that a peer does for its callers.
pub(crate) trait Service:
    issue::Issue
    + change::Change
    + define::Define
    + find::Find
    + govern::Govern
    + verify::Verify
    + cases::Cases
    + retrieve::Retrieve
    + report::Report
    + operate::Operate
    + Send
    + Sync
    + 'static
{
    /// The members of the network, for their names.
    fn members(&self) -> &Membership;
}

/// A real peer, as its callers use it.
pub(crate) struct PeerService {
    pub(crate) peer: Arc<Peer>,
    pub(crate) writer: WriterHandle,
    pub(crate) asking: Asking,
    pub(crate) recorder: Recorder,
    pub(crate) governing: Governing,
    pub(crate) ending: Ending,
    /// Notifies the driver that an operator vouches for the own log.
    pub(crate) vouched: Arc<Notify>,
}

impl Service for PeerService {
    fn members(&self) -> &Membership {
        self.peer.catalogue.members()
    }
}

impl PeerService {
    fn append(
        &self,
        appends: Vec<Append>,
        retry: Option<RetryKey>,
    ) -> BoxFuture<'static, Result<Outcomes, Refusal>> {
        let issues = |append: &Append| matches!(append, Append::Issue(_));
        let refusal = self.peer.append_refusal().or_else(|| {
            // All of it, so that nobody has to find out which rows were issued.
            let needed = appends.iter().any(issues);
            needed.then(|| self.peer.tagging_refusal()).flatten()
        });
        if let Some(refusal) = refusal {
            return async { Err(refusal) }.boxed();
        }
        let writer = self.writer.clone();
        async move {
            writer
                .submit(appends, retry)?
                .await
                .unwrap_or(Err(Refusal::Internal))
        }
        .boxed()
    }

    fn append_one(
        &self,
        append: Append,
        retry: Option<RetryKey>,
    ) -> BoxFuture<'static, Result<Appended, Refusal>> {
        let outcomes = self.append(vec![append], retry);
        async move { outcomes.await?.pop().unwrap_or(Err(Refusal::Internal)) }.boxed()
    }

    fn subject(&self, kind: HolderKind, code: &HolderCode) -> Result<Subject, Refusal> {
        self.peer.subject(kind, code.expose())
    }
}

fn look(client: &str, subject: Option<Subject>, looked: Looked) -> Result<NewLook, Refusal> {
    Ok(NewLook {
        client: Text::new(client).map_err(|_| Refusal::Internal)?,
        subject,
        looked,
    })
}

fn unreadable(error: &ReadError) -> Refusal {
    tracing::error!(%error, "a log could not be read");
    Refusal::Internal
}
