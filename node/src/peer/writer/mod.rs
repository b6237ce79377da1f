//! Group commit: one thread takes whatever waits and appends it under one checkpoint, so that thousands of concurrent
//! issuers share a few syncs.
//!
//! Each group goes through three steps: `plan` checks every append against the logs and the others of the group, and
//! changes nothing; `apply` makes durable what was planned; `answer` says what became of each. `salvage` takes back records
//! that nobody else holds, on the same thread, since nothing else may append meanwhile.

mod answer;
mod apply;
mod plan;
mod salvage;

use std::sync::Arc;
use std::thread;

use certmesh_api::draft::Draft;
use certmesh_ledger::bodies::SealedBody;
use certmesh_ledger::disk::too_many_files;
use certmesh_ledger::log::{VerifiedCheckpoint, Writer};
use certmesh_ledger::record::{CertificateErased, Entry, StatusChanged};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

pub(super) use answer::not_allowed;

use super::prepare::Standards;
use super::requests::Appended;
use super::{Definition, Outcomes, Peer, Refusal, RetryKey};
use plan::Plan;

pub(crate) use salvage::Salvaged;

/// Most records under one commit, but for the rows of its last request.
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
    /// Position of the record that it continues, of which it is no repetition.
    pub(crate) continues: Option<u64>,
}

/// Where the outcomes of a request go.
type Reply = oneshot::Sender<Result<Outcomes, Refusal>>;

/// The appends of one request.
struct Job {
    appends: Vec<Append>,
    retry: Option<RetryKey>,
    reply: Reply,
}

/// What the thread is asked for.
enum Task {
    Append(Job),
    Salvage(oneshot::Sender<Result<Salvaged, Refusal>>),
    /// What the log's generation begins with is signed.
    SignBeginning,
}

impl Job {
    fn defines(&self) -> bool {
        let defines = |append: &Append| matches!(append, Append::Define(_));
        self.appends.iter().any(defines)
    }
}

/// Where appends are handed over.
#[derive(Clone)]
pub(crate) struct WriterHandle(mpsc::Sender<Task>);

impl WriterHandle {
    /// Starts the thread; it ends when every handle is dropped. New heads go to `heads`.
    pub(crate) fn start(
        peer: Arc<Peer>,
        writer: Writer,
        heads: watch::Sender<Option<VerifiedCheckpoint>>,
    ) -> std::io::Result<(WriterHandle, thread::JoinHandle<()>)> {
        let (sender, mut tasks) = mpsc::channel(QUEUE);
        let mut committing = GroupCommit {
            peer,
            writer,
            heads,
            standards: Standards::default(),
            settled: false,
        };
        let thread = thread::Builder::new()
            .name("writer".into())
            .spawn(move || committing.run(&mut tasks))?;
        Ok((WriterHandle(sender), thread))
    }

    /// Hands over appends, if there is room; the receiver gets their outcomes once they are durable.
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

    /// Appends a receipt. Waits for room: what it records has happened.
    pub(crate) async fn record(&self, receipt: Receipt) -> Result<Appended, Refusal> {
        let (reply, outcomes) = oneshot::channel();
        let job = Job {
            appends: vec![Append::Receipt(Box::new(receipt))],
            retry: None,
            reply,
        };
        let handed_over = self.0.send(Task::Append(job)).await;
        handed_over.map_err(|_ended| Refusal::Internal)?;
        let outcome = outcomes.await.unwrap_or(Err(Refusal::Internal))?.pop();
        outcome.unwrap_or(Err(Refusal::Internal))
    }

    /// Has records that nobody else holds taken back from what was set aside; the receiver gets what came of it.
    pub(crate) fn salvage(&self) -> Result<oneshot::Receiver<Result<Salvaged, Refusal>>, Refusal> {
        let (reply, outcome) = oneshot::channel();
        self.hand_over(Task::Salvage(reply)).map(|()| outcome)
    }

    /// Has what the log's generation begins with signed.
    pub(crate) fn sign_beginning(&self) -> Result<(), Refusal> {
        self.hand_over(Task::SignBeginning)
    }

    fn hand_over(&self, task: Task) -> Result<(), Refusal> {
        self.0.try_send(task).map_err(|error| match error {
            TrySendError::Full(_) => Refusal::Overloaded { retry_after_s: 1 },
            TrySendError::Closed(_) => Refusal::Internal,
        })
    }
}

/// The thread that alone appends to the own log.
struct GroupCommit {
    peer: Arc<Peer>,
    writer: Writer,
    heads: watch::Sender<Option<VerifiedCheckpoint>>,
    standards: Standards,
    /// Whether no attachment is kept for a record that never came.
    settled: bool,
}

impl GroupCommit {
    fn run(&mut self, tasks: &mut mpsc::Receiver<Task>) {
        let mut next = None;
        while let Some(task) = next.take().or_else(|| tasks.blocking_recv()) {
            let first = match task {
                Task::Append(job) => job,
                Task::SignBeginning => {
                    self.sign_beginning();
                    continue;
                }
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
                    Task::Salvage(_) | Task::SignBeginning => {
                        next = Some(task);
                        break;
                    }
                }
            }
            self.commit(group);
        }
        // Whoever copies or looks at the files of a node that has stopped finds all of it in its place.
        if let Err(error) = self.writer.log().clear_redo() {
            tracing::warn!(%error, "the redo journal was not cleared; the next start replays it");
        }
    }

    fn sign_beginning(&mut self) {
        if self.refusal().is_some() {
            return;
        }
        // Before anything is signed: whoever loses the disk from then on has lost something.
        let begun = self.peer.own.begin().map_err(|error| error.to_string());
        let signed = begun.and_then(|()| {
            let signed = self.writer.sign_beginning();
            signed.map_err(|error| error.to_string())
        });
        match signed {
            Ok(None) => {}
            Ok(Some(checkpoint)) => {
                tracing::info!(
                    size = checkpoint.size,
                    "what this generation of the own log begins with is signed"
                );
                self.heads.send_replace(Some(checkpoint));
            }
            Err(error) => tracing::error!(error, "what the own log begins with was not signed"),
        }
    }

    fn commit(&mut self, jobs: Vec<Job>) {
        if let Some(refusal) = self.refusal() {
            for job in jobs {
                let _ = job.reply.send(Err(refusal.clone()));
            }
            return;
        }
        let (mut plan, replies) = Plan::of(jobs, self);
        let applied = self.apply(&mut plan);
        self.answer(plan.answers, replies, applied);
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
}

fn internal(error: &dyn std::error::Error) -> Refusal {
    tracing::error!(%error, "a log or body could not be read");
    Refusal::Internal
}
