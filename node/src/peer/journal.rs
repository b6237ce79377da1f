//! The look-up journal: every look at what a person holds is in it before it is answered.
//!
//! One thread takes whatever waits and records it in one frame, so that many looks share a sync. A look that can't be
//! recorded is not answered; the ledger's own log is not affected.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use certmesh_ledger::codec::{Bounded, Text};
use certmesh_ledger::id::Date;
use certmesh_ledger::journal::{Journal, Look, Looked, MAX_LOOKS, Unreadable};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::catalogue_keys::Subject;
use super::reasons::Unrecorded;
use super::warnings::Warning;
use super::{Peer, now_ms};
use crate::peer::Refusal;

/// Looks that may wait.
const QUEUE: usize = 8192;
/// How often old months are looked for.
const EVERY: Duration = Duration::from_secs(3600);
/// Until members are asked again what time it is.
const AGAIN: Duration = Duration::from_secs(10);

/// The journal, and whether it takes looks.
pub(crate) struct Lookups {
    pub(crate) journal: Journal,
    /// Why the last look was not recorded.
    refused: Mutex<Option<Unrecorded>>,
}

/// A look to record. Its time is that of the frame it gets into.
pub(crate) struct NewLook {
    pub(crate) client: Text<64>,
    /// Blinded for the day when it is recorded.
    pub(crate) subject: Option<Subject>,
    pub(crate) looked: Looked,
}

/// Proof that a look is durable. Every answer that shows what a person holds requires one.
pub(crate) struct Recorded(());

struct Job {
    look: NewLook,
    reply: oneshot::Sender<Result<(), Refusal>>,
}

/// Hands looks to the thread that records them. The thread ends once this is dropped.
pub(crate) struct Recorder(Sender<Job>);

impl Lookups {
    /// Opens the journal and reports what is damaged. One that can't be opened is tried again with the next look.
    pub(crate) fn open(journal: Journal) -> Lookups {
        let refused = match journal.recover() {
            Ok(opened) => {
                if let Some(opened) = opened.filter(|opened| opened.cut_off > 0) {
                    tracing::warn!(
                        month = %opened.month,
                        bytes = opened.cut_off,
                        "look-up journal: the end of an unfinished write was cut off; no answer had depended on it"
                    );
                }
                None
            }
            Err(error) => {
                tracing::error!(%error, "the look-up journal can't be opened: look-ups by holder are refused until it can");
                Some((&error).into())
            }
        };
        for damage in journal.damage() {
            report(&damage);
        }
        Lookups {
            journal,
            refused: Mutex::new(refused),
        }
    }

    /// What an operator should know of.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let refused = self.refused.lock().clone().map(Warning::NotRecorded);
        let damage = self.journal.damage();
        let damaged = damage.iter().map(|damage| Warning::JournalDamaged {
            file: damage.month.file_name(),
            from: damage.from,
            to: damage.to,
            other_key: damage.what == Unreadable::OtherKey,
        });
        refused.into_iter().chain(damaged).collect()
    }

    /// Records a group of looks; returns why none of them counts, if so.
    fn record(&self, group: &[Job]) -> Result<(), Refusal> {
        let time_ms = now_ms();
        let day = Date::in_china(time_ms);
        let looks = Bounded::first(group.iter().map(|job| {
            Look {
                time_ms,
                client: job.look.client.clone(),
                subject: job
                    .look
                    .subject
                    .as_ref()
                    .map(|subject| subject.blinded(day)),
                looked: job.look.looked.clone(),
            }
        }));
        let mut nonces = [[0; 24]; 2];
        let recorded = getrandom::fill(nonces.as_flattened_mut())
            .map_err(|error| Unrecorded::Random {
                error: error.to_string(),
            })
            .and_then(|()| {
                let recorded = self.journal.record(time_ms, nonces, &looks);
                recorded.map_err(|error| (&error).into())
            });
        let mut refused = self.refused.lock();
        let before = std::mem::replace(&mut *refused, recorded.as_ref().err().cloned());
        let recorded = recorded.map_err(Refusal::LookupNotRecorded);
        // Logged when it begins and when it is over: clients may keep asking.
        match (&recorded, before) {
            (Err(refusal), None) => tracing::error!("{refusal}"),
            (Ok(()), Some(_)) => tracing::info!("look-ups are recorded again"),
            _ => {}
        }
        recorded
    }
}

fn report(damage: &certmesh_ledger::journal::Damage) {
    tracing::error!(%damage, "the look-up journal can't be read completely; there is no other copy of it");
}

impl Recorder {
    /// Starts the thread.
    pub(crate) fn start(lookups: Arc<Lookups>) -> io::Result<(Recorder, thread::JoinHandle<()>)> {
        let (sender, jobs) = bounded(QUEUE);
        let thread = thread::Builder::new().name("lookups".to_owned());
        let thread = thread.spawn(move || run(&lookups, &jobs))?;
        Ok((Recorder(sender), thread))
    }

    fn hand_over(&self, look: NewLook) -> Result<oneshot::Receiver<Result<(), Refusal>>, Refusal> {
        let (reply, recorded) = oneshot::channel();
        match self.0.try_send(Job { look, reply }) {
            Ok(()) => Ok(recorded),
            Err(TrySendError::Full(_)) => Err(Refusal::Overloaded { retry_after_s: 1 }),
            Err(TrySendError::Disconnected(_)) => Err(Refusal::Internal),
        }
    }

    /// Records a look; it is durable when this returns. For threads that may block.
    ///
    /// # Errors
    /// [`Refusal::LookupNotRecorded`]: nothing may be shown.
    pub(crate) fn record_blocking(&self, look: NewLook) -> Result<Recorded, Refusal> {
        let recorded = self.hand_over(look)?.blocking_recv();
        recorded.unwrap_or(Err(Refusal::Internal))?;
        Ok(Recorded(()))
    }

    /// The same for a task.
    ///
    /// # Errors
    /// As for [`Recorder::record_blocking`].
    pub(crate) fn record(
        &self,
        look: NewLook,
    ) -> impl Future<Output = Result<Recorded, Refusal>> + Send + 'static {
        let handed_over = self.hand_over(look);
        async move {
            handed_over?.await.unwrap_or(Err(Refusal::Internal))?;
            Ok(Recorded(()))
        }
    }
}

fn run(lookups: &Lookups, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let mut group = vec![first];
        group.extend(jobs.try_iter().take(MAX_LOOKS - 1));
        let recorded = lookups.record(&group);
        for job in group {
            // Whoever gave up meanwhile gets no answer; the look stays recorded.
            let _ = job.reply.send(recorded.clone());
        }
    }
}

/// Checks the older months once, and removes expired ones, now and every hour.
pub(crate) async fn keep_removing(peer: Arc<Peer>, keep_days: u16) {
    check(&peer).await;
    let mut every = tokio::time::interval(EVERY);
    loop {
        every.tick().await;
        // A clock that jumped destroys nothing: the members agree on the day.
        let Some(agreed_ms) = peer.agreed_ms() else {
            every.reset_after(AGAIN);
            continue;
        };
        let today = Date::in_china(agreed_ms).days();
        let first_kept = Date::from_days(today - i32::from(keep_days)).unwrap_or(Date::MIN);
        let lookups = Arc::clone(&peer.lookups);
        let remove = move || lookups.journal.remove_before(first_kept);
        match tokio::task::spawn_blocking(remove).await {
            Ok(Ok(months)) => {
                for month in months {
                    tracing::info!(%month, "look-up journal: an expired month was removed");
                }
            }
            Ok(Err(error)) => {
                tracing::error!(%error, "old months of the look-up journal not removed");
            }
            Err(_) => return,
        }
    }
}

/// Reads the months that no start opens, and reports what is damaged: one at a time, so that a stop does not wait long.
async fn check(peer: &Arc<Peer>) {
    let mut months = peer.lookups.journal.months().unwrap_or_default();
    months.pop();
    for month in months {
        let lookups = Arc::clone(&peer.lookups);
        let checked = tokio::task::spawn_blocking(move || lookups.journal.check(month)).await;
        match checked {
            Ok(Ok(damage)) => damage.iter().for_each(report),
            Ok(Err(error)) => {
                tracing::error!(%month, %error, "look-up journal: a month can't be read");
            }
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use certmesh_ledger::crypto::hash::Hash;
    use certmesh_ledger::crypto::keys::{CatalogueKey, FieldKey, Secret};
    use certmesh_ledger::disk::MemoryDisk;
    use certmesh_ledger::id::HolderKind;
    use certmesh_ledger::names::NetworkId;
    use certmesh_ledger::names::{LogId, LogName};

    use super::*;

    fn lookups(disk: &MemoryDisk) -> Arc<Lookups> {
        let log = LogName {
            network: NetworkId(Hash::ZERO),
            id: LogId::first("11430000006122244L".parse().unwrap()),
        };
        let key = FieldKey(Secret::from_bytes([1; 32]));
        let disk = Arc::new(disk.clone());
        Arc::new(Lookups::open(Journal::new(
            disk,
            "/d/lookups".into(),
            log,
            &key,
        )))
    }

    fn key() -> CatalogueKey {
        CatalogueKey(Secret::from_bytes([3; 32]))
    }

    fn person() -> Subject {
        Subject::new(key().into(), HolderKind::OrdinaryPassport, "E00000001")
    }

    fn look() -> NewLook {
        NewLook {
            client: Text::new("clerk").unwrap(),
            subject: Some(person()),
            looked: Looked::Find(Text::new("a case").unwrap()),
        }
    }

    fn recorded(lookups: &Lookups) -> usize {
        let person = person();
        let about = Some((person.keys(), person.tags()));
        let days = (Date::MIN, Date::MAX);
        let found = lookups
            .journal
            .read(days, about, None, usize::MAX, usize::MAX);
        found.unwrap().looks.len()
    }

    #[test]
    fn looks_that_wait_together_share_their_syncs_and_are_all_there() {
        let disk = MemoryDisk::new();
        let lookups = lookups(&disk);
        let (sender, jobs) = bounded(QUEUE);
        let recorder = Recorder(sender);
        let waiting: Vec<_> = (0..1000)
            .map(|_| recorder.hand_over(look()).unwrap())
            .collect();
        drop(recorder);
        run(&lookups, &jobs);
        for reply in waiting {
            assert_eq!(reply.blocking_recv().unwrap(), Ok(()));
        }
        assert_eq!(recorded(&lookups), 1000);
        // Four frames of 256 at most: write, sync and mark each, and what beginning the file takes.
        assert!(disk.operations() < 25, "{}", disk.operations());
    }

    #[test]
    fn a_look_that_can_not_be_recorded_is_refused_until_the_disk_lets_it() {
        let disk = MemoryDisk::new();
        let lookups = lookups(&disk);
        let (recorder, thread) = Recorder::start(Arc::clone(&lookups)).unwrap();
        assert!(recorder.record_blocking(look()).is_ok());
        disk.set_full(true);
        let refusal = recorder.record_blocking(look()).map(drop).unwrap_err();
        assert_eq!(refusal.name(), "lookup-not-recorded");
        assert!(refusal.to_string().contains("no space left"), "{refusal}");
        assert_eq!(lookups.warnings().len(), 1);
        disk.set_full(false);
        assert!(recorder.record_blocking(look()).is_ok());
        assert_eq!(lookups.warnings(), []);
        drop(recorder);
        thread.join().unwrap();
        assert_eq!(recorded(&lookups), 2);
    }
}
