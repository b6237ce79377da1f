//! What an operator should know of: logs that can't be answered for, and what stands in the own log's way.

use std::collections::{BTreeMap, BTreeSet};

use certmesh_api::{LogState, OwnLogState};
use certmesh_ledger::catalogue::Stale;
use certmesh_ledger::crypto::hash::Hash;
use certmesh_ledger::id::{ChinaTime, DepartmentCode};
use certmesh_ledger::log::{Log, VerifiedCheckpoint};
use certmesh_ledger::names::LogId;
use certmesh_ledger::record::is_dated_ahead;
use certmesh_text::{NotNewest, say};

use super::alarms::GovernanceStanding;
use super::clock::Clock;
use super::reasons::Names;
use super::warnings::{LogDetail, Warning};
use super::{Connection, Peer, Refusal, now_ms};
use crate::metrics;

/// How a log that is held stands.
pub(crate) struct LogStanding {
    /// Whose log.
    pub id: LogId,
    /// Records under the accepted checkpoint; before the first of a generation, those that this began with.
    pub size: u64,
    /// Root over them.
    pub root: Option<Hash>,
    /// Time of the last, ms.
    pub last_ms: Option<u64>,
    /// Root over its first records, where that was asked for.
    pub root_at: Option<Hash>,
    /// Records before the first in dispute, where it has stopped.
    pub undisputed: Option<u64>,
    /// Records that some member says there are.
    pub known_size: u64,
    /// The accepted checkpoint.
    pub checkpoint: Option<VerifiedCheckpoint>,
    /// Certificates issued in it.
    pub certificates: u64,
    /// Its state.
    pub state: LogState,
    /// What happened, or what is missing, and what to do.
    pub detail: Option<LogDetail>,
    /// When a member last confirmed that what is held is the newest, ms; `None` when nothing is valid by it at present.
    pub confirmed_ms: Option<u64>,
    /// Members whose signature under the accepted checkpoint is held.
    pub cosigned_by: Vec<DepartmentCode>,
}

/// What is known of another member.
pub(crate) struct MemberStanding {
    /// Which member.
    pub code: DepartmentCode,
    /// Its connection, if one is up.
    pub connection: Option<Connection>,
    /// When its heads were last heard, ms.
    pub heard_ms: Option<u64>,
    /// How far its clock is ahead of this machine's, ms; less than zero: behind.
    pub clock_offset_ms: Option<i64>,
}

/// How this node stands.
pub(crate) struct NodeStanding {
    /// This peer's department.
    pub department: DepartmentCode,
    /// Its libp2p identity.
    pub peer_id: String,
    /// State of the own log.
    pub log_state: OwnLogState,
    /// Why it takes no appends.
    pub log_detail: Option<Refusal>,
    /// Records in the own log.
    pub own_size: u64,
    /// Records in all logs held.
    pub records: u64,
    /// Certificates in all logs held.
    pub certificates: u64,
    /// Members connected.
    pub connected: usize,
    /// Since when the process runs, ms.
    pub started_ms: u64,
    /// How governance stands for this department.
    pub governance: GovernanceStanding,
    /// What an operator should know of.
    pub warnings: Vec<Warning>,
}

/// Whether questions can be answered.
pub(crate) struct Readiness {
    /// Whether the copy of at least one log counts as complete.
    pub ready: bool,
    /// What is wrong: why not, or what is wrong nevertheless.
    pub troubles: Vec<Warning>,
}

impl Peer {
    /// How a log stands.
    pub(crate) fn log_standing(&self, log: &Log) -> LogStanding {
        let id = log.name().id;
        let checkpoint = log.checkpoint();
        let (state, detail) = self.state_of(log);
        let size = log.size();
        let heard = self.heard.read().known.get(&id).copied().unwrap_or(0);
        let known = heard.max(self.catalogue.newest_known(&id).unwrap_or(0));
        let kept = || log.root_at(size).filter(|_| size > 0);
        let witnesses = checkpoint.as_ref().map(|of| self.witnesses_of(of));
        let witnesses = witnesses.unwrap_or_default().into_iter();
        LogStanding {
            id,
            size,
            root: checkpoint.as_ref().map(|it| it.root).or_else(kept),
            last_ms: log.last_ms(),
            root_at: None,
            undisputed: log.stopped().map(|stopped| stopped.undisputed()),
            known_size: known.max(size),
            checkpoint,
            certificates: log.issued().values().sum(),
            state,
            detail,
            confirmed_ms: self.confirmed_ms(&id),
            cosigned_by: witnesses.map(|signed| signed.witness).collect(),
        }
    }

    /// How each other member stands.
    pub(crate) fn member_standings(&self) -> Vec<MemberStanding> {
        let offsets = self.clock_offsets();
        let heard = self.heard.read();
        let members = self.catalogue.members().members();
        let others = members.filter(|member| member.code != self.department);
        others
            .map(|member| MemberStanding {
                code: member.code,
                connection: heard.connected.get(&member.code).copied(),
                heard_ms: heard.heads_ms.get(&member.code).copied(),
                clock_offset_ms: offsets.get(&member.code).copied(),
            })
            .collect()
    }

    /// How this node stands.
    pub(crate) fn standing(&self) -> NodeStanding {
        let logs = self.catalogue.logs();
        let sizes = logs.map(|log| (log.size(), log.issued().values().sum::<u64>()));
        let (records, certificates) =
            sizes.fold((0, 0), |(r, c), (records, certs)| (r + records, c + certs));
        // Locked for this alone: the warnings lock it again, and a thread that waits to write would lock both out.
        let connected = self.heard.read().connected.len();
        NodeStanding {
            department: self.department,
            peer_id: self.peer_id.clone(),
            log_state: self.log_state(),
            log_detail: self.append_refusal(),
            own_size: self.own.log.size(),
            records,
            certificates,
            connected,
            started_ms: self.started_ms,
            governance: self.governance_standing(),
            warnings: self.warnings(),
        }
    }

    /// A log's state, and what is to be said of it.
    fn state_of(&self, log: &Log) -> (LogState, Option<LogDetail>) {
        let id = log.name().id;
        if let Some(stopped) = log.stopped() {
            let why = (&stopped).into();
            return (LogState::Frozen, Some(LogDetail::Stopped(why)));
        }
        if id == self.catalogue.own() {
            return (LogState::Own, self.append_refusal().map(LogDetail::Own));
        }
        if let Some(reason) = self.refused(log) {
            let missing = self.stale(&id);
            let detail = LogDetail::Refused { reason, missing };
            return (LogState::Refused, Some(detail));
        }
        if let Some(path) = self.set_aside_in(log) {
            return (LogState::SetAside, Some(LogDetail::SetAside { path }));
        }
        if let Some(unread) = log.unread() {
            let detail = LogDetail::LaterVersion { seq: unread.seq };
            return (LogState::Replica, Some(detail));
        }
        // Before anything of it has arrived there is nothing to answer for.
        let missing = self.stale(&id).filter(|_| log.size() > 0);
        let stale = missing.map(|missing| LogDetail::NotNewest { missing });
        (LogState::Replica, stale.or_else(|| self.ahead(log)))
    }

    /// Gives the metrics how each log stands, which members are connected, and how far their clocks are off.
    pub(crate) fn show_health(&self) {
        let now_ms = self.clock.now_ms();
        for log in self.catalogue.logs() {
            let id = log.name().id;
            let state = metrics::LogState {
                current: self.catalogue.freshness(&id, now_ms).is_ok(),
                refused: self.refused(&log).is_some(),
                frozen: log.stopped().is_some(),
                set_aside: self.set_aside_in(&log).is_some(),
            };
            self.metrics.set_log_state(&id.department, state);
        }
        let offsets = self.clock_offsets();
        let members = self.catalogue.members().members();
        let others = members.map(|member| member.code);
        let others: Vec<_> = others.filter(|code| *code != self.department).collect();
        for code in &others {
            let offset_ms = offsets.get(code).copied();
            self.metrics.set_clock_offset(code, offset_ms);
        }
        let heard = self.heard.read();
        let connected = |code| (code, heard.connected.contains_key(code));
        self.metrics.set_connected(others.iter().map(connected));
    }

    /// Why the disk does not let a copy continue.
    fn refused(&self, log: &Log) -> Option<String> {
        let refused = self.heard.read().refused.get(&log.name().id).cloned();
        refused.or_else(|| log.refused_write())
    }

    /// Where a copy was set aside that has not been fetched back yet.
    fn set_aside_in(&self, log: &Log) -> Option<String> {
        let path = self.set_aside.read().get(&log.name().id).cloned();
        path.filter(|_| log.size() == 0)
    }

    /// How the own log stands.
    pub(crate) fn log_state(&self) -> OwnLogState {
        match self.own.state() {
            OwnLogState::Writable if self.key_refusal().is_some() => OwnLogState::ReadOnly,
            OwnLogState::Writable if self.clock_fault().is_some() => OwnLogState::ClockOff,
            state => state,
        }
    }

    /// What this machine's clock and a connected member's say.
    pub(crate) fn clocks_of(&self, member: &DepartmentCode) -> Option<(u64, u64)> {
        let offset_ms = self.clock_offsets().get(member).copied()?;
        let own_ms = now_ms();
        Some((own_ms, own_ms.saturating_add_signed(offset_ms)))
    }

    /// How far each connected member's clock is ahead of this machine's, ms.
    pub(crate) fn clock_offsets(&self) -> BTreeMap<DepartmentCode, i64> {
        let (boot_ms, now_ms) = (Clock::boot_ms(), now_ms());
        let heard = self.heard.read();
        let offset = |(code, (said_ms, at_ms)): (&DepartmentCode, &(u64, u64))| {
            let theirs = said_ms.saturating_add(boot_ms.saturating_sub(*at_ms));
            let off = i128::from(theirs) - i128::from(now_ms);
            let off = off.clamp(i64::MIN.into(), i64::MAX.into());
            (*code, i64::try_from(off).unwrap_or(0))
        };
        let connected = heard.clocks.iter();
        let connected = connected.filter(|(code, _)| heard.connected.contains_key(code));
        connected.map(offset).collect()
    }

    /// The warning that the clock is off those of the other members.
    pub(crate) fn clock_alarm(&self) -> Option<Warning> {
        let clocks = self.clocks();
        if self.heard.read().connected.is_empty() {
            return None;
        }
        let (off_ms, members_ms) = (clocks.alarm()?, clocks.members_say()?);
        Some(Warning::Clock {
            off_s: off_ms.unsigned_abs() / 1000,
            ahead: off_ms > 0,
            members: clocks.members_ms.len(),
            own: ChinaTime(clocks.own_ms),
            theirs: ChinaTime(members_ms),
        })
    }

    /// Why nothing is valid by a log at present.
    fn stale(&self, id: &LogId) -> Option<NotNewest> {
        let stale = self.catalogue.freshness(id, self.clock.now_ms()).err()?;
        Some((&stale).into())
    }

    /// The warning that a log's newest record is dated ahead of this peer's clock.
    pub(crate) fn ahead(&self, log: &Log) -> Option<LogDetail> {
        let (newest_ms, now_ms) = (log.last_ms()?, now_ms());
        is_dated_ahead(newest_ms, now_ms).then_some(LogDetail::DatedAhead {
            newest: ChinaTime(newest_ms),
            own: ChinaTime(now_ms),
        })
    }

    pub(crate) fn name_of(&self, department: &DepartmentCode) -> String {
        let name = self.catalogue.members().name_of(department);
        name.unwrap_or_default()
    }

    /// What an operator should know of beside the own log's state.
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        let mut warnings: Vec<Warning> = self.clock_alarm().into_iter().collect();
        warnings.extend(self.other_instance_warning());
        warnings.extend(self.lookups.warnings());
        warnings.extend(self.lost_warning());
        warnings.extend(self.own.log.is_damaged().then_some(Warning::OwnDamaged));
        let failed = self.governance.read().failed.clone();
        warnings.extend(failed.map(|error| Warning::Governance { error }));
        warnings.extend(self.governance_warnings());
        let known = self.catalogue.check_decisions(self.clock.now_ms());
        if let Err(Stale::Decisions { for_ms }) = known {
            let minutes = for_ms.map(|ms| ms / 60_000);
            warnings.push(Warning::DecisionsUnknown { minutes });
        }
        let mut silent = Vec::new();
        for log in self.catalogue.logs() {
            let id = log.name().id;
            if id == self.catalogue.own() {
                continue;
            }
            let name = self.name_of(&id.department);
            match self.state_of(&log) {
                (LogState::Replica, Some(_)) if self.is_silent(&id) => silent.push(name),
                (_, Some(detail)) => warnings.push(Warning::Log { name, detail }),
                (_, None) => {}
            }
        }
        if !silent.is_empty() {
            let logs = Names(silent);
            warnings.push(Warning::Silent { logs });
        }
        warnings
    }

    /// Keeps which members see another run of this peer.
    pub(crate) fn other_instance(&self, reported_by: BTreeSet<DepartmentCode>) {
        let before = std::mem::replace(&mut self.heard.write().other_instance, reported_by);
        let warning = self.other_instance_warning();
        self.metrics.other_instance.set(warning.is_some().into());
        match warning {
            Some(warning) if before.is_empty() => tracing::error!("{}", say(&warning)),
            Some(warning) => tracing::debug!("{}", say(&warning)),
            None => tracing::info!("no member sees another run of this peer any more"),
        }
    }

    /// The warning that another run of this peer is connected to members, and what to do.
    fn other_instance_warning(&self) -> Option<Warning> {
        let reported_by = self.heard.read().other_instance.clone();
        let names: Vec<String> = reported_by.iter().map(|code| self.name_of(code)).collect();
        let connected_to = Names(names);
        (!connected_to.0.is_empty()).then_some(Warning::OtherInstance { connected_to })
    }

    fn is_silent(&self, id: &LogId) -> bool {
        matches!(
            self.catalogue.freshness(id, self.clock.now_ms()),
            Err(Stale::Silent { .. })
        )
    }

    /// Whether questions can be answered, and what is amiss.
    pub(crate) fn readiness(&self) -> Readiness {
        let now_ms = self.clock.now_ms();
        // Also where decisions may be lacking: whoever records something is answered as ever.
        let ready = self.catalogue.logs().any(|log| {
            let answers = log.size() > 0 || log.name().id == self.catalogue.own();
            answers
                && log.stopped().is_none()
                && self.catalogue.freshness(&log.name().id, now_ms).is_ok()
        });
        let own = self.append_refusal().map(Warning::OwnLog).into_iter();
        Readiness {
            ready,
            troubles: own.chain(self.warnings()).collect(),
        }
    }
}
