//! Whether this department's own log may be appended to.
//!
//! A log on a disk that was restored from an old backup would fork at its next record. So after each start nothing is
//! appended until more than half of the other members have told what they hold of it, or an operator vouches for the
//! disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use certmesh_ledger::bodies::Bodies;
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::log::Log;
use certmesh_ledger::membership::{Department, Membership};
use parking_lot::RwLock;

use super::{Connection, views};
use crate::api::Refusal;
use crate::api::types::OwnLogState;
use crate::metrics::Metrics;

/// Most members named in one list.
const NAMED: usize = 5;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Trust {
    Confirming(Awaited),
    Restoring { known: u64 },
    Confirmed,
}

/// Whose word on the own log is awaited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Awaited {
    confirmed: usize,
    needed: usize,
    /// Names of members that are not connected.
    absent: Vec<String>,
    /// Names of members that are connected and have not confirmed.
    silent: Vec<String>,
}

impl Awaited {
    pub(crate) fn of(
        members: &Membership,
        own: &DepartmentCode,
        confirmed_by: &BTreeSet<DepartmentCode>,
        connected: &BTreeMap<DepartmentCode, Connection>,
    ) -> Awaited {
        let others = members.members().filter(|member| member.code != *own);
        let name = |member: &Department| member.display_name().to_owned();
        let (here, gone): (Vec<_>, Vec<_>) = others
            .filter(|member| !confirmed_by.contains(&member.code))
            .partition(|member| connected.contains_key(&member.code));
        Awaited {
            confirmed: confirmed_by.len(),
            needed: members.majority_of_others(),
            absent: gone.into_iter().map(name).collect(),
            silent: here.into_iter().map(name).collect(),
        }
    }
}

impl fmt::Display for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Awaited {
            confirmed, needed, ..
        } = self;
        write!(f, "{confirmed} of {needed} needed confirmations")?;
        for (what, names) in [
            ("not connected", &self.absent),
            ("not answered yet", &self.silent),
        ] {
            if names.is_empty() {
                continue;
            }
            let first: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
            write!(f, "; {what}: {}", first.join(", "))?;
            if names.len() > NAMED {
                write!(f, " and {} more", names.len() - NAMED)?;
            }
        }
        Ok(())
    }
}

/// The own log and how far it can be trusted.
pub(crate) struct OwnLog {
    pub(crate) log: Arc<Log>,
    bodies: Arc<Bodies>,
    trust: RwLock<Trust>,
    /// Whose word is awaited, or was last.
    awaited: RwLock<Awaited>,
    metrics: Arc<Metrics>,
}

impl OwnLog {
    pub(crate) fn new(
        log: Arc<Log>,
        bodies: Arc<Bodies>,
        members: &Membership,
        metrics: Arc<Metrics>,
    ) -> OwnLog {
        let own = log.name().id.department;
        let awaited = Awaited::of(members, &own, &BTreeSet::new(), &BTreeMap::new());
        let own = OwnLog {
            log,
            bodies,
            trust: RwLock::new(Trust::Confirming(awaited.clone())),
            awaited: RwLock::new(awaited),
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
        if matches!(*trust, Trust::Confirming(_)) {
            *trust = Trust::Confirming(awaited);
        }
    }

    /// Why records that nobody else holds can't be taken back yet; `None` when they can. What others hold comes first:
    /// records taken back too early could contradict it. `shown` gives how many records of the log others are known to
    /// hold.
    pub(crate) fn too_early_to_salvage(&self, shown: impl FnOnce() -> u64) -> Option<Refusal> {
        if matches!(self.state(), OwnLogState::Frozen | OwnLogState::ReadOnly) {
            return self.hindrance();
        }
        // Before what was shown: whoever counts as heard here has shown it by then.
        let awaited = self.awaited.read().clone();
        if awaited.confirmed < awaited.needed {
            return Some(Refusal::OwnLogUnconfirmed(format!(
                "records are taken back once other members have said how much of this log they hold: {awaited}"
            )));
        }
        let (held, signed) = (self.log.held(), self.log.size() + self.log.missing());
        let shown = match *self.trust.read() {
            // Whoever showed it may be gone.
            Trust::Restoring { known } if known > signed => known.max(shown()),
            _ => shown(),
        };
        (shown > held).then(|| {
            Refusal::OwnLogUnconfirmed(format!(
                "{held} of the {shown} records that other members hold are on disk; the rest comes from them first"
            ))
        })
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

    pub(crate) fn confirmed(&self) {
        let before = std::mem::replace(&mut *self.trust.write(), Trust::Confirmed);
        if before != Trust::Confirmed {
            tracing::info!(
                records = self.log.size(),
                "own log confirmed: appends are taken"
            );
        }
        self.show();
    }

    /// Takes an operator's word that the log on disk is whole. Not taken for a log of which records are known to be
    /// missing; gives whether it was.
    pub(crate) fn vouch(&self) -> bool {
        let confirming = matches!(*self.trust.read(), Trust::Confirming(_));
        let taken = confirming && self.log.missing() == 0;
        if taken {
            tracing::warn!("an operator vouches for the own log on disk");
            self.confirmed();
        }
        taken
    }

    /// Tells the metrics the current state.
    pub(crate) fn show(&self) {
        self.metrics.set_own_log_state(self.state());
    }

    pub(crate) fn state(&self) -> OwnLogState {
        self.look().0
    }

    /// Why the log takes no appends and what to do; `None` when it does.
    pub(crate) fn hindrance(&self) -> Option<Refusal> {
        let (state, detail) = self.look();
        let detail = detail?;
        Some(match state {
            OwnLogState::Frozen => Refusal::LogFrozen(detail),
            OwnLogState::ReadOnly => Refusal::LogReadOnly(detail),
            _ => Refusal::OwnLogUnconfirmed(detail),
        })
    }

    /// The same in words.
    pub(crate) fn detail(&self) -> Option<String> {
        self.look().1
    }

    /// The state, and in words what keeps the log from taking appends.
    fn look(&self) -> (OwnLogState, Option<String>) {
        if let Some(stopped) = self.log.stopped() {
            let what = views::stopped(&stopped);
            let detail = format!(
                "{what}; the log is frozen, and the members have to decide how it begins afresh"
            );
            return (OwnLogState::Frozen, Some(detail));
        }
        let refused = self.log.refused_write().or_else(|| self.bodies.refused());
        if let Some(reason) = refused {
            let detail = format!(
                "a disk write was refused ({reason}); nothing acknowledged is lost; free or mend the disk, then restart \
                 the peer"
            );
            return (OwnLogState::ReadOnly, Some(detail));
        }
        if let Some(unread) = self.log.unread() {
            let detail = format!(
                "record {} of this department's log is of a later version of certmesh: run that version again, since this one \
                 can't tell what the record changed",
                unread.seq
            );
            return (OwnLogState::ReadOnly, Some(detail));
        }
        match &*self.trust.read() {
            Trust::Confirmed => (OwnLogState::Writable, None),
            Trust::Confirming(awaited) => {
                let detail = format!(
                    "waiting until other members confirm that the log on disk is whole: {awaited}; `certmesh resume` skips \
                     this, but never run it after restoring data/ from a backup: records signed since would be lost"
                );
                (OwnLogState::Confirming, Some(detail))
            }
            Trust::Restoring { known } => {
                let mut detail = format!(
                    "{} of {known} records of this department's log are on disk; the rest is being fetched back from \
                     other members",
                    self.log.held()
                );
                if self.log.missing() > 0 {
                    detail += "; `certmesh salvage` takes back what none of them holds from the copy set aside here";
                }
                (OwnLogState::Restoring, Some(detail))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use certmesh_ledger::codec::Text;
    use certmesh_ledger::keys::{CatalogueKey, FieldKey, Secret, SigningKey};
    use certmesh_ledger::log::{LogId, LogName, MemoryDisk, Place};
    use certmesh_ledger::membership::{Genesis, PeerId};

    use super::*;

    const OWN: &str = "11430000006122244L";

    /// An own log without records.
    fn own_log() -> OwnLog {
        let department = Department {
            code: OWN.parse().unwrap(),
            name: Text::new("Transport").unwrap(),
            name_zh: None,
            roles: Default::default(),
            signing_key: SigningKey::from_seed(&[1; 32]).public(),
            peer_id: PeerId::from_transport_seed(&[2; 32]),
            addresses: Default::default(),
        };
        let key = CatalogueKey(Secret::from_bytes([3; 32])).commitment();
        let genesis = Genesis::new("Own", 1, key, vec![department]).unwrap();
        let members = Membership::from_genesis(&genesis);
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
        };
        let (log, _) = Log::open(&place, name, &members).unwrap();
        let metrics = Arc::new(Metrics::new());
        OwnLog::new(Arc::new(log), Arc::new(bodies), &members, metrics)
    }

    #[test]
    fn records_are_taken_back_only_when_enough_members_were_heard_and_all_they_showed_is_here() {
        let own = own_log();
        let heard = |confirmed| {
            own.confirming(|| Awaited {
                confirmed,
                needed: 2,
                absent: vec!["甲".to_owned()],
                silent: Vec::new(),
            });
        };
        let refused = |shown| match own.too_early_to_salvage(|| shown) {
            Some(Refusal::OwnLogUnconfirmed(detail)) => Some(detail),
            Some(other) => panic!("{other:?}"),
            None => None,
        };
        heard(1);
        let detail = refused(0).unwrap();
        let awaited = "1 of 2 needed confirmations; not connected: 甲";
        assert!(detail.ends_with(awaited), "{detail}");
        // An operator's word does not stand in for theirs.
        own.confirmed();
        assert!(refused(0).is_some());
        heard(2);
        assert_eq!(refused(0), None);
        let detail = refused(3).unwrap();
        assert!(detail.starts_with("0 of the 3 records"), "{detail}");
        // Shown by one that is gone again.
        own.restoring(5);
        let detail = refused(0).unwrap();
        assert!(detail.starts_with("0 of the 5 records"), "{detail}");
    }

    #[test]
    fn what_is_awaited_names_five_members_at_most_of_each_kind() {
        let names = |count: usize| (0..count).map(|n| format!("甲{n}")).collect();
        let awaited = |absent, silent| Awaited {
            confirmed: 0,
            needed: 1,
            absent: names(absent),
            silent: names(silent),
        };
        let (one, many) = (awaited(1, 0), awaited(7, 2));
        assert_eq!(
            one.to_string(),
            "0 of 1 needed confirmations; not connected: 甲0"
        );
        assert_eq!(
            many.to_string(),
            "0 of 1 needed confirmations; not connected: 甲0, 甲1, 甲2, 甲3, 甲4 and 2 more; not answered yet: 甲0, 甲1"
        );
    }
}
