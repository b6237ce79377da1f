//! Taking records of the own log back from copies that were set aside.
//!
//! Everything is read and checked before the first byte is written. Then the order of durability is that of any append:
//! frames, their sync, the checkpoint. A crash before the checkpoint leaves records that the next opening cuts off; the
//! copies still have them.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use crate::crypto::hash::Hash;
use crate::merkle::CompactRange;
use crate::record::Entry;

use super::append::{AppendError, Appender};
use super::checkpoint::Reached;
use super::definitions::PendingDefinitions;
use super::link::Link;
use super::link::Tip;
use super::reading::Log;
use super::salvage::{Copy, End, Source};
use super::statuses::{MapEntry, changes_of, status_key};
use super::writer::{WriteError, Writer};
use super::{Checkpoint, VerifiedCheckpoint};

/// What taking records back did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TakenBack {
    /// Nothing: no record is known to be missing, and no copy has one that continues the log.
    Nothing,
    /// Records came back.
    Records {
        /// How many.
        count: u64,
        /// Names of the copies' directories, in the order in which they were read.
        copies: Vec<String>,
        /// The checkpoint they are under.
        checkpoint: Box<VerifiedCheckpoint>,
    },
}

/// Why no record was taken back.
#[derive(Debug, thiserror::Error)]
pub enum TakeBackError {
    /// The log can't be appended to.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The directory of the copies, or the log, can't be read.
    #[error("the copies set aside can't be listed, or the log can't be read: {0}")]
    Copies(#[from] io::Error),
    /// The copies don't reach the checkpoint signed last.
    #[error(
        "{whole} of the {missing} records that are missing are whole in what was set aside; the first that is not is record \
         {at}: {end}"
    )]
    NotWhole {
        /// Records that are whole and continue the log.
        whole: u64,
        /// Records from the end of what is held to the checkpoint signed last.
        missing: u64,
        /// Position of the first that is not whole.
        at: u64,
        /// What is wrong there.
        end: End,
    },
    /// They reach it and are not what it covers.
    #[error(
        "the records set aside are whole and continue the log, but they are not those under the checkpoint of size {size} \
         that this department signed last"
    )]
    Differs {
        /// Size of that checkpoint.
        size: u64,
    },
}

impl From<AppendError> for TakeBackError {
    fn from(error: AppendError) -> TakeBackError {
        TakeBackError::Write(error.into())
    }
}

/// What the log would become with records that were read, as far as a checkpoint says it.
#[derive(Clone)]
struct Trial {
    tip: Tip,
    range: CompactRange,
    statuses: HashMap<Hash, Option<MapEntry>>,
    /// Keys of the certificates that those records issue.
    issued: HashSet<Hash>,
    definitions: PendingDefinitions,
    /// The first record whose entry this version can't read.
    unread: Option<u64>,
}

impl Trial {
    fn of(appender: &Appender, log: &Log) -> Trial {
        Trial {
            tip: appender.tip,
            range: appender.range.clone(),
            statuses: HashMap::new(),
            issued: HashSet::new(),
            definitions: appender.pending.definitions.clone(),
            unread: appender.unread(log).map(|unread| unread.seq),
        }
    }

    fn add(&mut self, log: &Log, links: &[Link]) -> io::Result<()> {
        for link in links {
            self.range.push(link.leaf, &mut |_, _, _| ());
            match &link.record.entry {
                Entry::CertificateIssued(issued) => {
                    self.issued.insert(status_key(&issued.id));
                }
                _ => {
                    self.unread = self
                        .unread
                        .or_else(|| Some(log.unreadable(&link.record)?.seq));
                }
            }
            let may = self.definitions.take(|| log.definitions(), link);
            let may = may && log.inherits(&link.record);
            let (statuses, issued) = (&self.statuses, &self.issued);
            let current = |key: &Hash| match statuses.get(key) {
                Some(entry) => Ok(*entry),
                None => log.statuses.lock().map().latest(key),
            };
            let changes = changes_of(link, may, current, |id| {
                let here = issued.contains(&status_key(id));
                Ok(here || log.issued_before(id, link.record.seq)?)
            })?;
            self.statuses.extend(changes);
        }
        Ok(())
    }

    /// Whether a checkpoint of its size says what the log would be.
    fn is_under(&self, log: &Log, checkpoint: &Checkpoint) -> io::Result<bool> {
        let status_root = match self.unread {
            Some(_) => None,
            None => Some(self.status_root(log)?),
        };
        let found = checkpoint.agreement(&Reached {
            tip: self.tip,
            root: self.range.root(),
            status_root,
        });
        Ok(found.is_whole())
    }

    fn status_root(&self, log: &Log) -> io::Result<Hash> {
        let changes = self.statuses.iter().map(|(key, entry)| (*key, *entry));
        let mut statuses = log.statuses.lock();
        statuses.map().root_with(changes, self.tip.size)
    }
}

/// Where the records to be taken back are.
struct Plan {
    /// Which copy has them, and up to which position.
    pieces: Vec<(usize, u64)>,
    /// The log with them.
    after: Trial,
    /// Why there are no more.
    end: End,
}

impl Writer {
    /// Takes back the records that continue what is held here from the copies of this log that were set aside, as they
    /// are. If a checkpoint signed before covers more than is held, only what leads to exactly that checkpoint is taken,
    /// and the checkpoint is accepted again; else all that is whole, under a new checkpoint with the time of the last
    /// record. All of it is durable when this returns.
    ///
    /// Only once other members have shown what they hold, and all of that is held here, may this be called: what they
    /// hold comes first.
    ///
    /// # Errors
    /// [`TakeBackError`]; then none of the records is in the log. After [`WriteError::Append`] the restart finds all of them
    /// or none.
    pub fn take_back(&mut self) -> Result<TakenBack, TakeBackError> {
        let log = Arc::clone(&self.log);
        let mut appender = log.appender.lock();
        if let Some(stopped) = log.stopped() {
            return Err(WriteError::Stopped(stopped).into());
        }
        appender.writable(&log)?;
        let held = appender.tip.size;
        // What the generation begins with comes from the one before, or from other members.
        if held < log.lineage.kept() {
            let missing = log.lineage.kept() - held;
            return Err(WriteError::Restoring { missing }.into());
        }
        let floor = appender.floor.clone().filter(|floor| floor.size > held);
        if floor.is_none() && held > log.size() {
            let missing = held - log.size();
            return Err(WriteError::Restoring { missing }.into());
        }
        let source = Source {
            disk: &*log.disk,
            log: &log.lineage,
            keys: &self.keys,
        };
        let signs = self.signs(&appender)?;
        let copies = Copy::all(source.disk, &log.aside, &log.name)?;
        let until = floor.as_ref().map_or(u64::MAX, |floor| floor.size);
        let plan = plan(&log, &appender, &source, &copies, until)?;
        check(&log, &plan, floor.as_ref(), held)?;
        if plan.pieces.is_empty() {
            return Ok(TakenBack::Nothing);
        }
        log.open_ahead(&appender, plan.after.tip.size - held)
            .map_err(WriteError::OutOfFiles)?;
        for (copy, until) in &plan.pieces {
            let tip = appender.tip;
            let mut take = |links: &[Link], frames: &[u8]| -> Result<(), AppendError> {
                appender.append(&log, links, frames, None)
            };
            let (reached, _) = copies[*copy].read(&source, tip, *until, &mut take)?;
            if reached.size != *until {
                // The copy changed since it was read for the plan. What was written of it has no checkpoint, so the next
                // opening cuts it off.
                return Err(appender.give_up(&log, CHANGED).into());
            }
        }
        if appender.tip != plan.after.tip || appender.range.root() != plan.after.range.root() {
            return Err(appender.give_up(&log, CHANGED).into());
        }
        // Durable before the checkpoint over them. A crash up to here leaves records that the next opening cuts off, and the
        // copies still have them.
        appender.sync(&log)?;
        let checkpoint = match floor {
            Some(floor) => match log.accept(&mut appender, &floor) {
                Ok(()) => floor,
                Err(super::ApplyError::Append(error)) => return Err(error.into()),
                Err(_) => return Err(appender.give_up(&log, CHANGED).into()),
            },
            None => {
                let checkpoint = self.sign(&mut appender, &signs)?;
                appender.commit(&log, checkpoint.clone())?;
                checkpoint
            }
        };
        let names = plan
            .pieces
            .iter()
            .map(|(copy, _)| copies[*copy].name.clone());
        Ok(TakenBack::Records {
            count: checkpoint.size - held,
            copies: names.collect(),
            checkpoint: Box::new(checkpoint),
        })
    }
}

const CHANGED: &str = "what was set aside reads differently the second time";

/// Finds the longest run of whole records in the copies: where one is damaged, another may continue.
fn plan(
    log: &Log,
    appender: &Appender,
    source: &Source<'_>,
    copies: &[Copy],
    until: u64,
) -> io::Result<Plan> {
    let mut plan = Plan {
        pieces: Vec::new(),
        after: Trial::of(appender, log),
        end: End::Absent,
    };
    while plan.after.tip.size < until {
        let mut best: Option<(usize, Trial, End)> = None;
        for (copy, at) in copies.iter().zip(0..) {
            let mut trial = plan.after.clone();
            let mut take = |links: &[Link], _: &[u8]| trial.add(log, links);
            let (tip, end) = copy.read(source, plan.after.tip, until, &mut take)?;
            trial.tip = tip;
            let longest = best
                .as_ref()
                .map_or(plan.after.tip.size, |(_, best, _)| best.tip.size);
            if tip.size > longest {
                best = Some((at, trial, end));
            } else if best.is_none() && plan.end == End::Absent {
                // Nothing follows in this copy; why not may be all there is to say.
                plan.end = end;
            }
        }
        let Some((copy, trial, end)) = best else {
            break;
        };
        plan.pieces.push((copy, trial.tip.size));
        (plan.after, plan.end) = (trial, end);
    }
    Ok(plan)
}

/// Checks that the log may become what the plan makes of it.
fn check(
    log: &Log,
    plan: &Plan,
    floor: Option<&VerifiedCheckpoint>,
    held: u64,
) -> Result<(), TakeBackError> {
    let after = &plan.after;
    match floor {
        Some(floor) if after.tip.size < floor.size => Err(TakeBackError::NotWhole {
            whole: after.tip.size - held,
            missing: floor.size - held,
            at: after.tip.size,
            end: plan.end.clone(),
        }),
        Some(floor) if !after.is_under(log, floor)? => {
            Err(TakeBackError::Differs { size: floor.size })
        }
        Some(_) => Ok(()),
        None => match after.unread {
            // No checkpoint can be signed over it.
            Some(seq) if !plan.pieces.is_empty() => Err(WriteError::LaterVersion(seq).into()),
            _ => Ok(()),
        },
    }
}
