//! Group commit: one thread takes whatever waits, checks it, and appends it under one checkpoint, so that thousands of
//! concurrent issuers share a few syncs.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use certmesh_api::draft::Draft;
use certmesh_api::{Fault, FaultKind, Position};
use certmesh_ledger::bodies::{Body, SealedBody};
use certmesh_ledger::catalogue::{Batch, NotAllowed};
use certmesh_ledger::clocks::ClockFault;
use certmesh_ledger::crypto::hash::{Hash, Purpose, hash_parts};
use certmesh_ledger::disk::too_many_files;
use certmesh_ledger::log::{
    self, NoEffect, TakeBackError, TakenBack, VerifiedCheckpoint, WriteError, Writer,
};
use certmesh_ledger::record::{
    CertificateErased, CertificateIssued, Entry, MAX_RECORD, SharingClass, SignedRecord,
    StatusChanged, commit_fields,
};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use rayon::prelude::*;
use tokio::sync::{mpsc, oneshot};

use super::group::Group;
use super::prepare::{Kept, Prepared, Standards, prepare, undefined};
use super::{Definition, Outcomes, RetryKey};
use super::{Peer, now_ms, retries};
use crate::peer::Refusal;

/// Most records under one commit.
const GROUP: usize = 8192;
/// Requests that may wait.
const QUEUE: usize = 8192;

/// Something to append.
pub(crate) enum Append {
    Issue(Box<Draft>),
    Change(StatusChanged),
    Define(Box<Definition>),
    Erase(CertificateErased),
    Receipt(Box<Receipt>),
}

/// A receipt and its body.
pub(crate) struct Receipt {
    /// What the answer names it by.
    pub(crate) name: String,
    pub(crate) entry: Entry,
    pub(crate) kept: Option<SealedBody>,
    /// Position of a record whose body has to be kept still when the receipt is appended.
    pub(crate) needs: Option<u64>,
}

/// Where the outcomes of a request go.
type Reply = oneshot::Sender<Result<Outcomes, Refusal>>;

struct Job {
    appends: Vec<Append>,
    retry: Option<RetryKey>,
    reply: Reply,
}

/// Where the outcome of taking records back goes.
type Salvage = oneshot::Sender<Result<certmesh_api::Salvaged, Refusal>>;

/// What the thread is asked for.
enum Task {
    Append(Job),
    Salvage(Salvage),
}

impl Job {
    fn defines(&self) -> bool {
        let defines = |append: &Append| matches!(append, Append::Define(_));
        self.appends.iter().any(defines)
    }
}

/// Where appends are handed over.
#[derive(Clone)]
pub(crate) struct WriterHandle(Sender<Task>);

impl WriterHandle {
    /// Starts the thread; it ends when every handle is dropped. New heads go to `heads`.
    pub(crate) fn start(
        peer: Arc<Peer>,
        writer: Writer,
        heads: mpsc::UnboundedSender<VerifiedCheckpoint>,
    ) -> std::io::Result<(WriterHandle, thread::JoinHandle<()>)> {
        let (sender, receiver) = bounded(QUEUE);
        let mut group = GroupCommit {
            peer,
            writer,
            heads,
            standards: Standards::default(),
            settled: false,
        };
        let thread = thread::Builder::new()
            .name("writer".into())
            .spawn(move || group.run(&receiver))?;
        Ok((WriterHandle(sender), thread))
    }

    /// Hands over appends; the receiver gets their outcomes once they are durable.
    pub(crate) fn submit(
        &self,
        appends: Vec<Append>,
        retry: Option<RetryKey>,
    ) -> Result<oneshot::Receiver<Result<Outcomes, Refusal>>, Refusal> {
        let (reply, outcomes) = oneshot::channel();
        let job = Job {
            appends,
            retry,
            reply,
        };
        self.hand_over(Task::Append(job)).map(|()| outcomes)
    }

    /// Has records that nobody else holds taken back from what was set aside; the receiver gets what came of it.
    pub(crate) fn salvage(
        &self,
    ) -> Result<oneshot::Receiver<Result<certmesh_api::Salvaged, Refusal>>, Refusal> {
        let (reply, outcome) = oneshot::channel();
        self.hand_over(Task::Salvage(reply)).map(|()| outcome)
    }

    fn hand_over(&self, task: Task) -> Result<(), Refusal> {
        self.0.try_send(task).map_err(|error| match error {
            TrySendError::Full(_) => Refusal::Overloaded { retry_after_s: 1 },
            TrySendError::Disconnected(_) => Refusal::Internal,
        })
    }

    /// Hands over one append, or gives it back when the queue is full; `None` when the writer has ended.
    pub(crate) fn offer(
        &self,
        append: Append,
    ) -> Result<oneshot::Receiver<Result<Outcomes, Refusal>>, Option<Append>> {
        let (reply, outcomes) = oneshot::channel();
        let job = Job {
            appends: vec![append],
            retry: None,
            reply,
        };
        match self.0.try_send(Task::Append(job)) {
            Ok(()) => Ok(outcomes),
            Err(TrySendError::Full(Task::Append(mut job))) => Err(job.appends.pop()),
            Err(TrySendError::Full(Task::Salvage(_)) | TrySendError::Disconnected(_)) => Err(None),
        }
    }
}

/// Why a group was not appended.
#[derive(Debug, thiserror::Error)]
enum AppendFailed {
    #[error(transparent)]
    Log(#[from] WriteError),
    #[error("attachments: {0}")]
    Attachments(#[from] io::Error),
    #[error("the mark of the last run beside the keys can't be written: {0}")]
    Mark(io::Error),
    #[error("{0}")]
    Clock(ClockFault),
}

/// What is to be said of one append once the group is durable.
enum Outcome {
    /// The n-th entry of the group.
    New(usize),
    /// A record that says the same already.
    Replayed(Box<SignedRecord>),
    Refused(Refusal),
}

/// An append and how it was asked for.
#[derive(Clone, Copy)]
struct Asked<'a> {
    entry: &'a Entry,
    kept: Option<&'a Kept>,
    needs: Option<u64>,
    departs: Option<&'a Refusal>,
    retry: Option<RetryKey>,
    /// Rows of the request.
    rows: usize,
}

struct GroupCommit {
    peer: Arc<Peer>,
    writer: Writer,
    heads: mpsc::UnboundedSender<VerifiedCheckpoint>,
    standards: Standards,
    /// Whether no attachment is kept for a record that never came.
    settled: bool,
}

impl GroupCommit {
    fn run(&mut self, tasks: &Receiver<Task>) {
        let mut next = None;
        while let Some(task) = next.take().or_else(|| tasks.recv().ok()) {
            let first = match task {
                Task::Append(job) => job,
                Task::Salvage(reply) => {
                    // Whoever asked may have gone; what was taken back is in the log anyway.
                    let _ = reply.send(self.salvage());
                    continue;
                }
            };
            let mut rows = first.appends.len();
            let mut group = vec![first];
            // What a job defines is in force for those after it: they are checked once it is committed.
            while rows < GROUP
                && !group.last().is_some_and(Job::defines)
                && let Ok(task) = tasks.try_recv()
            {
                match task {
                    Task::Append(job) => {
                        rows += job.appends.len();
                        group.push(job);
                    }
                    Task::Salvage(_) => {
                        next = Some(task);
                        break;
                    }
                }
            }
            self.commit(group);
        }
    }

    /// Takes back the records of the own log that nobody else holds from what was set aside.
    fn salvage(&mut self) -> Result<certmesh_api::Salvaged, Refusal> {
        let peer = &self.peer;
        let log = self.writer.log().name().id;
        let shown = || peer.heard.read().known.get(&log).copied().unwrap_or(0);
        if let Some(refusal) = peer.own.too_early_to_salvage(shown) {
            return Err(refusal);
        }
        let taken = self.writer.take_back();
        peer.own.show();
        let taken = taken.map_err(|error| {
            tracing::error!(%error, "nothing was taken back from what was set aside");
            match error {
                TakeBackError::Write(error) => not_written(&error),
                TakeBackError::Copies(_) => Refusal::Internal,
                TakeBackError::NotWhole { .. } | TakeBackError::Differs { .. } => {
                    Refusal::NotSalvageable(error.to_string())
                }
            }
        })?;
        let (records, copies) = match taken {
            TakenBack::Nothing => (0, Vec::new()),
            TakenBack::Records {
                count,
                copies,
                checkpoint,
            } => {
                tracing::warn!(
                    records = count,
                    ?copies,
                    "records taken back from what was set aside"
                );
                // Of attachments, only those that no record has are uploads again.
                self.settled = false;
                self.peer.look_for_lost();
                let _ = self.heads.send(*checkpoint);
                (count, copies)
            }
        };
        let copies = copies.iter().map(|copy| format!("set-aside/{copy}"));
        Ok(certmesh_api::Salvaged {
            records,
            copies: copies.collect(),
            size: self.writer.log().size(),
        })
    }

    fn commit(&mut self, group: Vec<Job>) {
        if let Some(refusal) = self.refusal() {
            for job in group {
                let _ = job.reply.send(Err(refusal.clone()));
            }
            return;
        }
        let mut appends = Vec::new();
        let mut jobs = Vec::new();
        for job in group {
            jobs.push((job.appends.len(), job.retry, job.reply));
            appends.extend(job.appends);
        }
        let retries = jobs
            .iter()
            .flat_map(|(n, retry, _)| std::iter::repeat_n((*retry, *n), *n));
        let mut before = None;
        for append in &appends {
            if let Append::Issue(draft) = append
                && before != Some(draft.id.type_code())
            {
                before = Some(draft.id.type_code());
                let refreshed = self.standards.refresh(&self.peer, draft.id.type_code());
                if let Err(error) = refreshed {
                    tracing::error!(%error, "a type's definition could not be read");
                }
            }
        }
        let ready = |append| prepare(&self.peer, &self.standards, append);
        let prepared: Vec<Result<Prepared, _>> = match appends.len() {
            0..32 => appends.into_iter().map(ready).collect(),
            _ => appends
                .into_par_iter()
                .with_min_len(32)
                .map(ready)
                .collect(),
        };
        let mut batch = Batch::new(&self.peer.catalogue, self.writer.log());
        let mut group = Group::default();
        let mut outcomes = Vec::with_capacity(prepared.len());
        for (prepared, (retry, rows)) in prepared.into_iter().zip(retries) {
            let Prepared {
                id,
                warnings,
                entry,
                kept,
                needs,
                departs,
            } = match prepared {
                Ok(prepared) => prepared,
                Err((id, refusal)) => {
                    outcomes.push((id, Vec::new(), Outcome::Refused(refusal)));
                    continue;
                }
            };
            let asked = Asked {
                entry: &entry,
                kept: kept.as_ref(),
                needs,
                departs: departs.as_ref(),
                retry,
                rows,
            };
            let outcome = match self.judge(&mut batch, &asked, &group) {
                None => Outcome::New(group.push(entry, kept)),
                Some(outcome) => outcome,
            };
            outcomes.push((id, warnings, outcome));
        }
        drop(batch);
        let count = group.entries.len();
        let started = Instant::now();
        let appended = if count == 0 {
            // What is answered then stands under the checkpoint there is.
            Ok((Vec::new(), self.writer.log().checkpoint()))
        } else {
            self.append(group)
        };
        if count > 0 && appended.is_ok() {
            self.peer.metrics.fsynced(started.elapsed());
            self.peer.metrics.committed(count);
        }
        self.answer(outcomes, jobs, appended);
    }

    /// Why nothing can be appended now. Before anything is, attachments of records that never came are uploads again: the
    /// next record of that position is another's.
    fn refusal(&mut self) -> Option<Refusal> {
        let refusal = self.peer.append_refusal();
        if refusal.is_none() && !self.settled {
            match self.peer.attachments.settle(self.writer.log().held()) {
                Ok(_) => self.settled = true,
                Err(error) if too_many_files(&error) => {
                    tracing::error!(%error, "nothing is appended while no file can be opened");
                    return Some(Refusal::Overloaded { retry_after_s: 1 });
                }
                Err(error) => return Some(internal(&error)),
            }
        }
        refusal
    }

    /// Makes records, their bodies and attachments durable, then the checkpoint: a certificate that is acknowledged has its
    /// fields.
    fn append(
        &mut self,
        group: Group,
    ) -> Result<(Vec<log::Appended>, Option<VerifiedCheckpoint>), AppendFailed> {
        // Before the first record: a crash between the two leaves an empty log that the next start takes for lost, never a
        // lost one that it takes for new.
        self.peer.own.begin().map_err(AppendFailed::Mark)?;
        if !group.files.is_empty() {
            // This thread is the only one that appends, so the positions are known.
            let first = self.writer.log().held();
            self.settled = false;
            let files = group.files.iter();
            let files = files.map(|(at, file)| (first + *at as u64, *file));
            self.peer.attachments.keep(files)?;
        }
        let (kept, bodies) = (&self.peer.bodies, &group.bodies);
        let keep = |first| kept.keep(first, bodies).map_err(io::Error::other);
        // The clock that was checked is the one that dates the records.
        let clocks = self.peer.clocks();
        if let Some(fault) = self.peer.clock_fault_of(&clocks) {
            return Err(AppendFailed::Clock(fault));
        }
        let (records, checkpoint) = self
            .writer
            .append_with(clocks.own_ms, group.entries, keep)?;
        self.settled = true;
        Ok((records, Some(checkpoint)))
    }

    /// What to say of an entry without appending it; `None` when it is to be appended.
    fn judge(&self, batch: &mut Batch<'_>, asked: &Asked<'_>, group: &Group) -> Option<Outcome> {
        let Asked {
            entry,
            kept,
            needs,
            departs,
            retry,
            rows,
        } = *asked;
        // An erasure may have come between a decision and its receipt.
        if let Some(seq) = needs
            && !self.peer.bodies.is_kept(seq).unwrap_or(false)
        {
            return Some(Outcome::Refused(Refusal::Erased));
        }
        // Defining the same again changes nothing, so it answers like a retry.
        if retry.is_some()
            || !matches!(entry, Entry::CertificateIssued(_) | Entry::StatusChanged(_))
        {
            match self.existing(batch, entry, kept) {
                Ok(Some(record)) => return Some(Outcome::Replayed(Box::new(record))),
                Ok(None) => {}
                Err(refusal) => return Some(Outcome::Refused(refusal)),
            }
        }
        if let Some(refusal) = departs {
            return Some(Outcome::Refused(refusal.clone()));
        }
        let key = retry.filter(|_| rows == 1);
        let keyed = key.map(|key| (key, self.content(entry, kept)));
        if keyed.is_some_and(|(key, content)| self.used_otherwise(&key, &content)) {
            return Some(Outcome::Refused(Refusal::IdempotencyMismatch));
        }
        if let (Entry::CertificateIssued(issued), Some(kept)) = (entry, kept)
            && let Err(refusal) = group.can_take(&self.peer, kept)
        {
            // The rules report a certificate that was issued before.
            match self.writer.log().issue_of(&issued.id) {
                Ok(Some(_)) => {}
                Ok(None) => return Some(Outcome::Refused(refusal)),
                Err(error) => return Some(Outcome::Refused(internal(&error))),
            }
        }
        if let Err(why) = batch.check(entry) {
            return Some(Outcome::Refused(refused(why)));
        }
        if let Entry::CertificateErased(erased) = entry
            && let Err(refusal) = self.destroy(erased)
        {
            return Some(Outcome::Refused(refusal));
        }
        if let Some((key, content)) = keyed {
            self.remember(&key, &content);
        }
        None
    }

    /// The record that says the same already. What an issue says of its fields is under a key made at random, so it is the
    /// body kept with the record that is compared.
    fn existing(
        &self,
        batch: &Batch<'_>,
        entry: &Entry,
        kept: Option<&Kept>,
    ) -> Result<Option<SignedRecord>, Refusal> {
        let (Entry::CertificateIssued(asked), Some((kept, wanted))) = (
            entry,
            kept.and_then(|kept| Some((kept, kept.body.as_ref()?))),
        ) else {
            return batch.existing(entry).map_err(|error| internal(&error));
        };
        let held = self.writer.log().issue_of(&asked.id);
        let Some(record) = held.map_err(|error| internal(&error))? else {
            return Ok(None);
        };
        let Entry::CertificateIssued(issued) = &record.record().entry else {
            return Ok(None);
        };
        // What a definition adds may have changed since.
        let same = issued.says_the_same(&CertificateIssued {
            field_root: issued.field_root,
            sharing: match kept.default_sharing {
                true => issued.sharing,
                false => asked.sharing,
            },
            ..asked.clone()
        });
        let kept = self
            .peer
            .bodies
            .get::<Body>(record.record().seq, asked.id.as_str());
        match kept.map_err(|error| internal(&error))? {
            Some(kept) if same && kept.body.says_the_same(wanted) => Ok(Some(record)),
            _ => Ok(None),
        }
    }

    /// Destroys a certificate's fields and attachments. Before the record says so: a crash between the two leaves them destroyed, and the
    /// record to be asked for again.
    fn destroy(&self, erased: &CertificateErased) -> Result<(), Refusal> {
        let issued = self.writer.log().issue_of(&erased.id);
        if let Some(record) = issued.map_err(|error| internal(&error))? {
            let seq = record.record().seq;
            let kept = self.peer.bodies.get::<Body>(seq, erased.id.as_str());
            let bare = matches!(&kept, Ok(Some(kept)) if kept.body.attachments.is_empty());
            let destroyed = self.peer.bodies.destroy(seq);
            destroyed.map_err(|error| internal(&error))?;
            if !bare {
                let removed = self.peer.attachments.remove(seq);
                removed.map_err(|error| internal(&error))?;
            }
            self.peer.no_longer_lost(seq);
        }
        Ok(())
    }

    /// What a request asks for, as a hash: an issue's fields under a key that is the same each time, and nothing of what
    /// its type's definition adds.
    fn content(&self, entry: &Entry, kept: Option<&Kept>) -> Hash {
        let asked = match (
            entry,
            kept.and_then(|kept| Some((kept, kept.body.as_ref()?))),
        ) {
            (Entry::CertificateIssued(issued), Some((kept, body))) => {
                let key = self.peer.field_key.content_key(&issued.id);
                &Entry::CertificateIssued(CertificateIssued {
                    field_root: commit_fields(&key, &issued.id, &[], &body.fields),
                    definition: undefined(&self.peer),
                    sharing: match kept.default_sharing {
                        true => SharingClass::Conditional,
                        false => issued.sharing,
                    },
                    ..issued.clone()
                })
            }
            _ => entry,
        };
        let parts: [&[u8]; 2] = [&asked.kind().to_le_bytes(), &asked.content()];
        hash_parts(Purpose::Request, &parts)
    }

    /// Whether the key came with another content before.
    fn used_otherwise(&self, key: &RetryKey, content: &Hash) -> bool {
        retries::used_otherwise(&*self.peer.store, key.as_bytes(), content, now_ms())
            .unwrap_or_else(|error| {
                tracing::warn!(%error, "idempotency key not looked up");
                false
            })
    }

    /// Only of what is appended: a request that was refused may be corrected under its key.
    fn remember(&self, key: &RetryKey, content: &Hash) {
        let store = &*self.peer.store;
        if let Err(error) = retries::remember(store, key.as_bytes(), content, now_ms()) {
            tracing::warn!(%error, "idempotency key not kept");
        }
    }

    fn answer(
        &self,
        outcomes: Vec<(String, Vec<String>, Outcome)>,
        jobs: Vec<(usize, Option<RetryKey>, Reply)>,
        appended: Result<(Vec<log::Appended>, Option<VerifiedCheckpoint>), AppendFailed>,
    ) {
        let (appended, checkpoint) = match appended {
            Ok(appended) => appended,
            Err(error) => {
                tracing::error!(%error, "an append failed");
                self.peer.own.show();
                let refusal = self.peer.append_refusal().unwrap_or_else(|| match &error {
                    AppendFailed::Log(error) => not_written(error),
                    AppendFailed::Attachments(error) | AppendFailed::Mark(error)
                        if too_many_files(error) =>
                    {
                        Refusal::Overloaded { retry_after_s: 1 }
                    }
                    AppendFailed::Attachments(_) => Refusal::Internal,
                    AppendFailed::Clock(_) => Refusal::ClockOff(error.to_string()),
                    AppendFailed::Mark(_) => Refusal::LogReadOnly(error.to_string()),
                });
                for (_, _, reply) in jobs {
                    let _ = reply.send(Err(refusal.clone()));
                }
                return;
            }
        };
        let finish = |(id, warnings, outcome)| match (outcome, &checkpoint) {
            (Outcome::Refused(refusal), _) => Err(refusal),
            (Outcome::New(n), Some(checkpoint)) => {
                let record: &log::Appended = appended.get(n).ok_or(Refusal::Internal)?;
                let position = Position::at(checkpoint, record.seq, record.hash, record.time_ms);
                Ok(certmesh_api::Appended {
                    id,
                    position,
                    replayed: false,
                    warnings,
                })
            }
            (Outcome::Replayed(record), Some(checkpoint)) => {
                let position = Position::of(checkpoint, &record);
                Ok(certmesh_api::Appended {
                    id,
                    position,
                    replayed: true,
                    warnings,
                })
            }
            (_, None) => Err(Refusal::Internal),
        };
        let mut outcomes = outcomes.into_iter().map(finish);
        for (rows, _, reply) in jobs {
            // A client that went away gets nothing; its records are in the log anyway.
            let _ = reply.send(Ok(outcomes.by_ref().take(rows).collect()));
        }
        if let Some(checkpoint) = checkpoint.filter(|_| !appended.is_empty()) {
            let _ = self.heads.send(checkpoint);
        }
    }
}

/// Why an append failed, in the API's words.
fn not_written(error: &WriteError) -> Refusal {
    match error {
        WriteError::TooLarge { found } => {
            let (found, limit) = (*found, MAX_RECORD);
            Refusal::field("fields", FaultKind::EntryTooLarge { found, limit })
        }
        WriteError::Restoring { .. } => Refusal::OwnLogUnconfirmed(error.to_string()),
        WriteError::Stopped(_) => Refusal::LogFrozen(error.to_string()),
        WriteError::OutOfFiles(_) => Refusal::Overloaded { retry_after_s: 1 },
        WriteError::NoEntries | WriteError::Unreadable(_) => Refusal::Internal,
        WriteError::Append(_) | WriteError::LaterVersion(_) => {
            Refusal::LogReadOnly(error.to_string())
        }
    }
}

fn succession_faults<T: Into<FaultKind>>(reasons: Vec<T>) -> Refusal {
    let faults = reasons.into_iter();
    Refusal::InvalidField(faults.map(|why| Fault::new("predecessors", why)).collect())
}

fn internal(error: &dyn std::error::Error) -> Refusal {
    tracing::error!(%error, "a log or body could not be read");
    Refusal::Internal
}

/// Why a rule does not allow an entry, in the API's words.
fn refused(why: NotAllowed) -> Refusal {
    match why {
        NotAllowed::NotThisDepartment { issuer, department } => Refusal::NotThisDepartment {
            named: issuer.as_str().to_owned(),
            own: department,
        },
        NotAllowed::UnknownType(type_code) => Refusal::UnknownType { type_code },
        NotAllowed::Duplicate { .. } | NotAllowed::DuplicateInRequest(_) => {
            Refusal::DuplicateCertificate
        }
        NotAllowed::UnknownCertificate(_) => Refusal::UnknownCertificate,
        NotAllowed::OtherDepartment { department, .. } => Refusal::OtherDepartment {
            issuer: department.as_str().to_owned(),
        },
        NotAllowed::Impossible(transition) => transition.into(),
        NotAllowed::OthersType { authority, .. } => {
            Refusal::field("code", FaultKind::OthersType { authority })
        }
        NotAllowed::Misfits(misfits) => succession_faults(misfits),
        NotAllowed::NotReplaceable(reasons) => succession_faults(reasons),
        NotAllowed::NotListed(type_code) => {
            Refusal::field("type", FaultKind::NotListed { type_code })
        }
        // It changed between the checks of the request and its turn.
        NotAllowed::OtherDefinition(_) => Refusal::Overloaded { retry_after_s: 1 },
        NotAllowed::NoEffect(why @ NoEffect::Grants(_)) => Refusal::field("grant", why),
        NotAllowed::NoEffect(why) => Refusal::field("code", why),
        NotAllowed::OwnReceiver => Refusal::field("to", FaultKind::OwnReceiver),
        NotAllowed::UnknownKind(_) => Refusal::Internal,
        NotAllowed::NotAMember(department) => {
            Refusal::field("department", FaultKind::NotAMember { department })
        }
        NotAllowed::UnknownGrant(grant) => {
            Refusal::field("grant", FaultKind::UnknownGrant { grant })
        }
        // The one who asks draws a nonce for each request, as a client does a key.
        NotAllowed::Replayed(_) => Refusal::IdempotencyMismatch,
        NotAllowed::CaseInRequest => Refusal::Overloaded { retry_after_s: 1 },
        NotAllowed::NoRole { department, role } => {
            Refusal::field("id", FaultKind::NoRole { department, role })
        }
        NotAllowed::Read(error) => internal(&error),
    }
}
