//! The thread of this peer's part in governance.
//!
//! The engine of the ledger decides; here its commands are carried out in their order, on a thread that may wait for the disk:
//! what moved a vote is durable before the vote leaves, and neither keeps the driver's loop waiting. The driver sends and
//! receives for it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use certmesh_ledger::governance::consensus::Moment;
use certmesh_ledger::governance::engine::{
    Command, Engine, Event, Heard, Known, News, NewsId, Question, QuestionId, Seat, Verdict,
};
use certmesh_ledger::governance::{BlockId, Changes, FinalBlock, Item, Refused, Store};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::sync::{Request, Response};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use tokio::sync::{mpsc, oneshot};

use super::{Peer, now_ms};
use crate::net::InboundId;

/// How often time passes for the engine.
const TICK: Duration = Duration::from_millis(100);

/// What may wait for the thread. It waits for a sync now and then, and for nothing else.
const WAITING: usize = 1_024;

/// What reaches the thread.
pub(crate) enum Input {
    /// Something happened.
    Event(Event),
    /// Another peer asks.
    Question(Question, InboundId),
    /// People of this department want something decided.
    Submit(Box<Item>, oneshot::Sender<Result<(), NotTaken>>),
}

/// Why something is not taken up.
#[derive(Debug)]
pub(crate) enum NotTaken {
    /// It does not hold.
    Refused(Refused),
    /// This peer can't keep it now.
    Unavailable,
}

/// What the thread has the driver do.
pub(crate) enum Output {
    Publish(Box<News>),
    Judge(NewsId, Verdict),
    Ask(DepartmentCode, QuestionId, Request),
    Answer(InboundId, Vec<u8>),
    /// A block is in force, and changed this. The logs of those that joined are open.
    Changed(Changes),
    Blame(DepartmentCode, &'static str),
}

/// What of it is shown.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    /// The blocks so far.
    pub(crate) blocks: Arc<Vec<FinalBlock>>,
    /// What this peer knows, for other peers.
    pub(crate) known: Known,
    /// What waits for a block.
    pub(crate) pending: Vec<Item>,
    /// Which attempt at the next block this node takes part in.
    pub(crate) round: Option<u32>,
    /// Governors that have shown nothing newer of late.
    pub(crate) governors: Heard,
    /// Whether this node votes.
    pub(crate) seat: Seat,
    /// The block that keeps this node from voting for a recovery that waits.
    pub(crate) withholds: Option<BlockId>,
    /// What the disk said when something could not be kept: this run takes no part any more.
    pub(crate) failed: Option<String>,
}

impl Shown {
    /// Whether enough governors have shown nothing newer.
    pub(crate) fn is_current(&self) -> bool {
        self.failed.is_none() && self.governors.is_enough()
    }
}

/// Hands things to the thread; ends it when dropped.
#[derive(Clone)]
pub(crate) struct Governing(Sender<Input>);

impl Governing {
    /// Gives it to the thread; what there is no room for comes again or is asked for again.
    pub(crate) fn give(&self, input: Input) -> Result<(), Input> {
        self.0.try_send(input).map_err(|error| match error {
            TrySendError::Full(input) | TrySendError::Disconnected(input) => input,
        })
    }

    /// Has something decided, if enough want it. It is durable here, and on its way to the others, when this returns.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub(crate) async fn submit(&self, item: Item) -> Result<(), NotTaken> {
        let (taken, answer) = oneshot::channel();
        let given = self.give(Input::Submit(Box::new(item), taken));
        given.map_err(|_| NotTaken::Unavailable)?;
        answer.await.unwrap_or(Err(NotTaken::Unavailable))
    }
}

/// What the thread begins with.
pub(crate) struct Parts {
    pub(crate) peer: Arc<Peer>,
    pub(crate) store: Store,
    pub(crate) engine: Engine,
    /// What the engine wants done first.
    pub(crate) commands: Vec<Command>,
    /// When the engine's clock began.
    pub(crate) begun: Instant,
}

/// Starts the thread. Outputs wait for the driver as long as it takes.
pub(crate) fn start(
    parts: Parts,
    outputs: mpsc::Sender<Output>,
) -> std::io::Result<(Governing, thread::JoinHandle<()>)> {
    let (sender, inputs) = bounded(WAITING);
    let mut running = Running {
        peer: parts.peer,
        store: parts.store,
        engine: parts.engine,
        begun: parts.begun,
        outputs,
        connected: BTreeSet::new(),
    };
    // Before anybody asks: heads say what it holds.
    running.show();
    let commands = parts.commands;
    let thread = thread::Builder::new().name("governance".to_owned());
    let thread = thread.spawn(move || {
        let ended = running
            .carry_out(commands)
            .and_then(|()| running.run(&inputs));
        match ended {
            Ok(()) | Err(Ended::Stopped) => {}
            Err(Ended::Failed(error)) => {
                tracing::error!(
                    %error,
                    "governance can't be kept on disk: this run takes no part in it any more"
                );
                running.peer.governance.write().failed = Some(error.to_string());
                running.refuse_all(&inputs);
            }
        }
    })?;
    Ok((Governing(sender), thread))
}

/// The time, as the engine takes it.
pub(crate) fn moment(begun: Instant) -> Moment {
    Moment {
        running_ms: u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        clock_ms: now_ms(),
    }
}

enum Ended {
    /// The driver has ended.
    Stopped,
    Failed(std::io::Error),
}

impl From<std::io::Error> for Ended {
    fn from(error: std::io::Error) -> Ended {
        Ended::Failed(error)
    }
}

struct Running {
    peer: Arc<Peer>,
    store: Store,
    engine: Engine,
    begun: Instant,
    outputs: mpsc::Sender<Output>,
    /// Whom the engine takes for connected.
    connected: BTreeSet<DepartmentCode>,
}

impl Running {
    fn run(&mut self, inputs: &Receiver<Input>) -> Result<(), Ended> {
        let mut ticked = Instant::now();
        loop {
            let left = TICK.saturating_sub(ticked.elapsed());
            match inputs.recv_timeout(left) {
                Ok(input) => self.take(input)?,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.tick()?;
                self.show();
            }
        }
    }

    fn take(&mut self, input: Input) -> Result<(), Ended> {
        match input {
            Input::Event(event) => self.handle(event),
            Input::Question(question, asker) => {
                let reply = Box::new(self.engine.answer(&question));
                self.put(Output::Answer(asker, Response::Governance(reply).encode()))
            }
            Input::Submit(item, taken) => {
                let submitted = self.engine.submit(&item, moment(self.begun));
                let answer = match submitted {
                    Ok(commands) => {
                        self.carry_out(commands)?;
                        self.show();
                        Ok(())
                    }
                    Err(refused) => Err(NotTaken::Refused(refused)),
                };
                // Whoever asked may have gone.
                let _ = taken.send(answer);
                Ok(())
            }
        }
    }

    fn tick(&mut self) -> Result<(), Ended> {
        let connected: BTreeSet<DepartmentCode> =
            self.peer.heard.read().connected.keys().copied().collect();
        let before = std::mem::replace(&mut self.connected, connected);
        let gone: Vec<_> = before.difference(&self.connected).copied().collect();
        let come: Vec<_> = self.connected.difference(&before).copied().collect();
        for peer in gone {
            self.handle(Event::Disconnected(peer))?;
        }
        for peer in come {
            self.handle(Event::Connected(peer))?;
        }
        self.handle(Event::Tick)
    }

    fn handle(&mut self, event: Event) -> Result<(), Ended> {
        let commands = self.engine.handle(event, moment(self.begun));
        self.carry_out(commands)
    }

    fn carry_out(&mut self, commands: Vec<Command>) -> Result<(), Ended> {
        for command in commands {
            match command {
                Command::Keep(height, entries) => self.store.keep(height, &entries)?,
                Command::KeepPending(items) => self.store.keep_pending(&items)?,
                Command::Store(block) => {
                    self.store.append(&block)?;
                    tracing::info!(
                        height = block.block.height,
                        "a block of governance is final"
                    );
                }
                Command::Changed(changes) => {
                    self.peer.open_logs_of_newcomers(&changes);
                    if changes.departments.contains(&self.peer.department) {
                        self.peer.take_up_keys();
                    }
                    if changes.rules {
                        self.peer.catalogue_key_files.changed.notify_one();
                    }
                    self.show();
                    self.put(Output::Changed(changes))?;
                }
                Command::Publish(news) => self.put(Output::Publish(news))?,
                Command::Judge(id, verdict) => self.put(Output::Judge(id, verdict))?,
                Command::Ask(to, id, question) => {
                    self.put(Output::Ask(to, id, Request::Governance(question)))?;
                }
                Command::Blame(peer, what) => self.put(Output::Blame(peer, what))?,
            }
        }
        Ok(())
    }

    fn put(&mut self, output: Output) -> Result<(), Ended> {
        let put = self.outputs.blocking_send(output);
        put.map_err(|_| Ended::Stopped)
    }

    fn show(&self) {
        let at = moment(self.begun);
        let mut shown = self.peer.governance.write();
        let known = self.engine.known();
        let new = &self.engine.blocks()[shown.blocks.len()..];
        if !new.is_empty() {
            Arc::make_mut(&mut shown.blocks).extend_from_slice(new);
        }
        if shown.known.pending != known.pending {
            shown.pending = self.engine.pool().items().collect();
        }
        let metrics = &self.peer.metrics;
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        metrics
            .governance_height
            .set(i64::try_from(known.height).unwrap_or(i64::MAX));
        metrics.governance_pending.set(count(shown.pending.len()));
        shown.known = known;
        shown.round = self.engine.round_in_progress();
        shown.seat = self.engine.seat();
        shown.withholds = self.engine.withholds();
        shown.governors = self.engine.governors_heard(at);
        if shown.is_current() {
            let now_ms = self.peer.clock.now_ms();
            self.peer.catalogue.decisions_confirmed(now_ms);
        }
        metrics.governors_heard.set(count(shown.governors.shown));
        metrics.governors_to_hear.set(count(shown.governors.needed));
        metrics.governors.set(count(shown.governors.all));
    }

    /// Answers what still comes: nothing was taken.
    fn refuse_all(&mut self, inputs: &Receiver<Input>) {
        while let Ok(input) = inputs.recv() {
            match input {
                Input::Event(Event::News(_, id, _)) => {
                    let _ = self.put(Output::Judge(id, Verdict::Ignore));
                }
                Input::Submit(_, taken) => drop(taken.send(Err(NotTaken::Unavailable))),
                Input::Event(_) | Input::Question(..) => {}
            }
        }
    }
}
