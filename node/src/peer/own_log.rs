//! Whether this department's own log may be appended to.
//!
//! A log on a disk that was restored from an old backup would fork at its next record. So after each start nothing is
//! appended until more than half of the other members have reported what they hold of it, or an operator vouches for
//! the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;

use certmesh_api::OwnLogState;
use certmesh_ledger::bodies::Bodies;
use certmesh_ledger::governance::Member;
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::log::{Log, Opening};
use certmesh_ledger::membership::Membership;
use certmesh_ledger::sync;
use parking_lot::{Mutex, RwLock};

use super::reasons::{Awaiting, Loss, Names, ReadOnly, Unconfirmed};
use super::{Connection, Refusal};
use crate::metrics::Metrics;
use certmesh_ledger::last_run::{LastRun, Mark};

#[derive(Clone, Debug, PartialEq, Eq)]
enum Trust {
    Confirming(Awaited),
    Restoring {
        known: u64,
    },
    Confirmed,
    /// Another run of this peer has it, so many members say.
    Elsewhere {
        reported_by: usize,
    },
}

/// Whose word on the own log is awaited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Awaited {
    confirmed: usize,
    needed: usize,
    /// Whether a loss has to be made good.
    lost: bool,
    /// Names of members that are not connected.
    absent: Names,
    /// Names of members that are connected and have not confirmed.
    silent: Names,
}

impl Awaited {
    pub(crate) fn of(
        members: &Membership,
        own: &DepartmentCode,
        confirmed_by: &BTreeSet<DepartmentCode>,
        connected: &BTreeMap<DepartmentCode, Connection>,
        (needed, lost): (usize, bool),
    ) -> Awaited {
        let counts = |member: &Arc<Member>| member.code != *own && member.is_active();
        let others = members.members().filter(counts);
        let name = |member: Arc<Member>| member.display_name().to_owned();
        let (here, gone): (Vec<_>, Vec<_>) = others
            .filter(|member| !confirmed_by.contains(&member.code))
            .partition(|member| connected.contains_key(&member.code));
        Awaited {
            confirmed: confirmed_by.len(),
            needed,
            lost,
            absent: Names(gone.into_iter().map(name).collect()),
            silent: Names(here.into_iter().map(name).collect()),
        }
    }
}

impl From<&Awaited> for Awaiting {
    fn from(awaited: &Awaited) -> Awaiting {
        Awaiting::Members {
            confirmed: awaited.confirmed,
            needed: awaited.needed,
            absent: awaited.absent.clone(),
            silent: awaited.silent.clone(),
        }
    }
}

/// What a start found of the own log.
pub(crate) struct Found {
    pub(crate) mark: Mark,
    /// Nothing was ever appended.
    pub(crate) new: bool,
    /// What was lost.
    pub(crate) loss: Option<Loss>,
    /// Something was lost in an earlier generation of the log, and not made good.
    pub(crate) lost_earlier: bool,
}

impl Found {
    /// Compares what the mark says with what opening the log found. A loss is written into the mark, so that it is known as
    /// one until it is made good, however often the node starts.
    pub(crate) fn at_start(mark: Mark, log: &Log, opening: &Opening) -> io::Result<Found> {
        let last = mark.read()?;
        let empty = !log.is_begun();
        let loss = match (&opening.set_aside, last) {
            (Some((path, damage)), _) => Some(Loss::Damaged {
                damage: damage.into(),
                path: path.display().to_string(),
            }),
            (None, LastRun::NeverAppended | LastRun::EarlierGeneration { .. }) if empty => None,
            (None, LastRun::Here | LastRun::Elsewhere) if opening.head_lost => {
                Some(Loss::HeadMissing)
            }
            (None, LastRun::Here) if !empty => None,
            // An earlier start may have found the head missing, made another, and not come far enough to write that down. A
            // crash before the very first record looks the same.
            (None, LastRun::Here) => Some(Loss::Begun),
            (None, LastRun::Lost) => Some(Loss::Earlier),
            (
                None,
                LastRun::NeverAppended | LastRun::EarlierGeneration { .. } | LastRun::Elsewhere,
            ) => Some(Loss::OtherDirectory {
                mark: mark.path().display().to_string(),
            }),
        };
        if loss.is_some() {
            mark.write_lost()?;
        }
        Ok(Found {
            lost_earlier: last == LastRun::EarlierGeneration { lost: true },
            new: loss.is_none() && empty,
            loss,
            mark,
        })
    }
}

/// The own log and how far it can be trusted.
pub(crate) struct OwnLog {
    pub(crate) log: Arc<Log>,
    bodies: Arc<Bodies>,
    trust: RwLock<Trust>,
    /// Whose word is awaited, or was last.
    awaited: RwLock<Awaited>,
    mark: Mark,
    /// Whether nothing was ever appended, as the mark says.
    new: Mutex<bool>,
    /// Why the log on disk may not be all of it, if something was lost.
    loss: Option<Loss>,
    /// Something was lost in an earlier generation.
    lost_earlier: bool,
    metrics: Arc<Metrics>,
}

impl OwnLog {
    pub(crate) fn new(
        log: Arc<Log>,
        bodies: Arc<Bodies>,
        members: &Membership,
        found: Found,
        metrics: Arc<Metrics>,
    ) -> OwnLog {
        let own = log.name().id.department;
        let needed = match found.loss {
            Some(_) => members.others(&own),
            None => members.majority_of_others(&own),
        };
        let nobody = (&BTreeSet::new(), &BTreeMap::new());
        let needed = (needed, found.loss.is_some());
        let awaited = Awaited::of(members, &own, nobody.0, nobody.1, needed);
        let own = OwnLog {
            log,
            bodies,
            trust: RwLock::new(Trust::Confirming(awaited.clone())),
            awaited: RwLock::new(awaited),
            mark: found.mark,
            new: Mutex::new(found.new),
            loss: found.loss,
            lost_earlier: found.lost_earlier,
            metrics,
        };
        own.show();
        own
    }

    /// Whose word is awaited by now, if any is.
    pub(crate) fn confirming(&self, awaited: impl FnOnce() -> Awaited) {
        let awaited = awaited();
        self.awaited.write().clone_from(&awaited);
        let mut trust = self.trust.write();
        let waiting = match *trust {
            Trust::Confirming(_) => true,
            // All that any member showed is back; others may hold more.
            Trust::Restoring { known } => self.log.size() >= known && self.log.missing() == 0,
            Trust::Confirmed | Trust::Elsewhere { .. } => false,
        };
        if waiting {
            *trust = Trust::Confirming(awaited);
        }
    }

    /// Why records that nobody else holds can't be taken back yet; `None` when they can. What others hold comes first:
    /// records taken back too early could contradict it. `shown` gives how many records of the log others are known to
    /// hold.
    pub(crate) fn too_early_to_salvage(&self, shown: impl FnOnce() -> u64) -> Option<Refusal> {
        use OwnLogState::{Elsewhere, Frozen, ReadOnly};
        if matches!(self.state(), Elsewhere | Frozen | ReadOnly) {
            return self.refusal();
        }
        // Before what was shown: whoever counts as heard here has shown it by then.
        let awaited = self.awaited.read().clone();
        if awaited.confirmed < awaited.needed {
            let awaited = (&awaited).into();
            return Some(Refusal::OwnLogUnconfirmed(Unconfirmed::Unheard { awaited }));
        }
        let (held, signed) = (self.log.held(), self.log.size() + self.log.missing());
        // Its guard ends here: what others showed stands under a lock that is held while this one is taken.
        let gone = match *self.trust.read() {
            // Whoever showed it may be gone.
            Trust::Restoring { known } if known > signed => known,
            _ => 0,
        };
        let shown = shown().max(gone);
        let why = Unconfirmed::OthersHoldMore { held, shown };
        (shown > held).then_some(Refusal::OwnLogUnconfirmed(why))
    }

    /// Whether other members have confirmed that nothing of it is missing here, or an operator vouched for it.
    pub(crate) fn is_confirmed(&self) -> bool {
        *self.trust.read() == Trust::Confirmed
    }

    pub(crate) fn restoring(&self, known: u64) {
        let before = std::mem::replace(&mut *self.trust.write(), Trust::Restoring { known });
        if before != (Trust::Restoring { known }) {
            tracing::warn!(
                known,
                held = self.log.held(),
                "more of the own log was signed than is on disk: fetching it back from other members"
            );
        }
        self.show();
    }

    /// This many members report that another run of this peer connected to them first.
    pub(crate) fn elsewhere(&self, reported_by: usize) {
        let before = std::mem::replace(&mut *self.trust.write(), Trust::Elsewhere { reported_by });
        if !matches!(before, Trust::Elsewhere { .. }) {
            tracing::error!(
                reported_by,
                "another run of this department's peer, with the same keys, connected first: nothing is appended here until \
                 it has stopped"
            );
        }
        self.show();
    }

    /// It has stopped: what members hold of the log is awaited again.
    pub(crate) fn unconfirmed(&self) {
        tracing::info!("the other run of this department's peer has stopped");
        *self.trust.write() = Trust::Confirming(self.awaited.read().clone());
        self.show();
    }

    pub(crate) fn confirmed(&self) {
        if !self.is_confirmed() {
            // Before anything can be appended: the mark must not say of a log with records that it has none.
            self.mark_confirmed();
        }
        let before = std::mem::replace(&mut *self.trust.write(), Trust::Confirmed);
        if before != Trust::Confirmed {
            tracing::info!(
                records = self.log.size(),
                "own log confirmed: appends are accepted"
            );
        }
        self.show();
    }

    /// A loss is made good: this directory counts from now on. A log that exists nowhere has nothing to lose.
    fn mark_confirmed(&self) {
        let mut new = self.new.lock();
        let empty = !self.log.is_begun();
        let written = match (empty, *new) {
            (true, true) => Ok(()),
            (true, false) => self.mark.write_never_appended(),
            (false, _) => self.mark.write_ran(),
        };
        match written {
            Ok(()) => *new = empty,
            Err(error) => tracing::error!(
                path = %self.mark.path().display(),
                %error,
                "the mark of the last run was not written: the next start will treat this as a loss"
            ),
        }
    }

    /// Whether a loss was found at an earlier start, and is not made good yet, or was not before the log ended.
    pub(crate) fn was_lost_before(&self) -> bool {
        self.lost_earlier || matches!(self.loss, Some(Loss::Earlier))
    }

    /// What is known of the log at a start.
    pub(crate) fn found(&self) -> sync::OwnLog {
        match (&self.loss, *self.new.lock()) {
            (Some(_), _) => sync::OwnLog::Lost,
            (None, true) => sync::OwnLog::New,
            (None, false) => sync::OwnLog::Kept,
        }
    }

    /// Records durably that the log may have records from now on. Before its first record is written:
    /// whoever loses the disk from then on has lost something.
    pub(crate) fn begin(&self) -> io::Result<()> {
        let mut new = self.new.lock();
        if *new {
            self.mark.write_ran()?;
            *new = false;
        }
        Ok(())
    }

    /// Takes an operator's word that the log on disk is whole, or after a loss that what is lost is known. Not taken for a
    /// log of which records are known to be missing; returns whether it was.
    pub(crate) fn vouch(&self, after_loss: bool) -> bool {
        // Decided and done under one lock: what members say meanwhile is not overruled.
        let mut trust = self.trust.write();
        let taken = match &*trust {
            Trust::Confirming(awaited) => awaited.lost == after_loss && self.log.missing() == 0,
            Trust::Restoring { .. } | Trust::Confirmed | Trust::Elsewhere { .. } => false,
        };
        if taken {
            tracing::warn!(after_loss, "an operator vouches for the own log on disk");
            self.mark_confirmed();
            *trust = Trust::Confirmed;
        }
        drop(trust);
        self.show();
        taken
    }

    /// Sets the current state in the metrics.
    pub(crate) fn show(&self) {
        self.metrics.set_own_log_state(self.state());
    }

    pub(crate) fn state(&self) -> OwnLogState {
        self.look().0
    }

    /// Why the log takes no appends; `None` when it does.
    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.look().1
    }

    /// The state, and why the log takes no appends.
    fn look(&self) -> (OwnLogState, Option<Refusal>) {
        if let Some(stopped) = self.log.stopped() {
            let refusal = Refusal::LogFrozen((&stopped).into());
            return (OwnLogState::Frozen, Some(refusal));
        }
        let refused = self.log.refused_write().or_else(|| self.bodies.refused());
        let unwritable = match (refused, self.log.unread()) {
            (Some(reason), _) => Some(ReadOnly::Refused { reason }),
            (None, Some(unread)) => Some(ReadOnly::LaterVersion { seq: unread.seq }),
            (None, None) => None,
        };
        if let Some(why) = unwritable {
            return (OwnLogState::ReadOnly, Some(Refusal::LogReadOnly(why)));
        }
        let (state, why) = match &*self.trust.read() {
            Trust::Confirmed => return (OwnLogState::Writable, None),
            Trust::Confirming(awaited) if awaited.lost => {
                let loss = self.loss.clone().unwrap_or(Loss::HeldByOthers);
                let awaited = Box::new(awaited.into());
                (OwnLogState::Confirming, Unconfirmed::Lost { loss, awaited })
            }
            Trust::Confirming(awaited) => {
                let awaited = awaited.into();
                (OwnLogState::Confirming, Unconfirmed::Confirming { awaited })
            }
            Trust::Elsewhere { reported_by } => {
                let reported_by = *reported_by;
                (
                    OwnLogState::Elsewhere,
                    Unconfirmed::Elsewhere { reported_by },
                )
            }
            Trust::Restoring { known } => {
                let why = Unconfirmed::Restoring {
                    held: self.log.held(),
                    known: *known,
                    set_aside: self.log.missing() > 0,
                };
                (OwnLogState::Restoring, why)
            }
        };
        (state, Some(Refusal::OwnLogUnconfirmed(why)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use certmesh_ledger::crypto::keys::{FieldKey, Secret};
    use certmesh_ledger::disk::MemoryDisk;
    use certmesh_ledger::log::Place;
    use certmesh_ledger::names::{LogId, LogName};

    use super::*;
    use crate::peer::testing::{OWN, members};

    /// An own log without records.
    fn own_log() -> OwnLog {
        let members = members();
        let name = LogName {
            network: members.network(),
            id: LogId::first(OWN.parse().unwrap()),
        };
        let disk = Arc::new(MemoryDisk::new());
        let field_key = FieldKey(Secret::from_bytes([4; 32]));
        let bodies = Bodies::open(&*disk, Path::new("/d/bodies"), &name, field_key).unwrap();
        let place = Place {
            disk,
            data: "/d".into(),
            segment_records: 4,
            index_key: certmesh_ledger::crypto::keys::IndexKey::from_transport_seed(&[7; 32]),
        };
        let (log, _) = Log::open(&place, name, &members).unwrap();
        let metrics = Arc::new(Metrics::new());
        let found = Found {
            mark: Mark::new(Path::new("/nowhere/signing.key"), Path::new("/nowhere")),
            new: false,
            loss: None,
            lost_earlier: false,
        };
        OwnLog::new(Arc::new(log), Arc::new(bodies), &members, found, metrics)
    }

    #[test]
    fn records_are_taken_back_only_when_enough_members_were_heard_and_all_they_showed_is_here() {
        let own = own_log();
        let heard = |confirmed| {
            own.confirming(|| Awaited {
                confirmed,
                needed: 2,
                lost: false,
                absent: Names(vec!["甲".to_owned()]),
                silent: Names::default(),
            });
        };
        let refused = |shown| match own.too_early_to_salvage(|| shown) {
            Some(Refusal::OwnLogUnconfirmed(why)) => Some(why),
            Some(other) => panic!("{other:?}"),
            None => None,
        };
        heard(1);
        let why = refused(0).unwrap();
        let awaited = "1 of 2 needed confirmations; not connected: 甲";
        let detail = certmesh_text::say(&why);
        assert!(detail.ends_with(awaited), "{detail}");
        // An operator's word does not stand in for theirs.
        own.confirmed();
        assert!(refused(0).is_some());
        heard(2);
        assert_eq!(refused(0), None);
        let (held, shown) = (0, 3);
        assert_eq!(
            refused(shown),
            Some(Unconfirmed::OthersHoldMore { held, shown })
        );
        // Shown by one that is gone again.
        own.restoring(5);
        let shown = 5;
        assert_eq!(
            refused(0),
            Some(Unconfirmed::OthersHoldMore { held, shown })
        );
    }

    #[test]
    fn a_log_that_another_run_has_takes_nothing_whatever_an_operator_says_until_that_run_is_gone() {
        let own = own_log();
        own.confirmed();
        own.elsewhere(2);
        assert_eq!(own.state(), OwnLogState::Elsewhere);
        assert!(!own.is_confirmed() && !own.vouch(false));
        let detail = own.refusal().unwrap().to_string();
        for part in [
            "connected to 2 members",
            "Stop one of the two",
            "`certmesh resume` changes nothing",
        ] {
            assert!(detail.contains(part), "{part}: {detail}");
        }
        assert!(matches!(
            own.too_early_to_salvage(|| 0),
            Some(Refusal::OwnLogUnconfirmed(_))
        ));
        own.unconfirmed();
        assert_eq!(own.state(), OwnLogState::Confirming);
        assert!(own.vouch(false));
    }
}
