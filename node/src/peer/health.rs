//! What an operator should know of: logs that can't be answered for, and what stands in the own log's way.

use certmesh_ledger::id::{ChinaTime, DepartmentCode};
use certmesh_ledger::log::{Log, LogId};

use super::{Peer, now_ms, views};
use crate::api::types::{LogView, Readiness};

/// How far ahead of this peer's clock a log's newest record may be dated before it is told, ms.
const AHEAD_MS: u64 = 600_000;
/// Logs named in one warning.
const NAMED: usize = 5;

impl Peer {
    /// A log, and how it stands.
    pub(super) fn log_view(&self, log: &Log) -> LogView {
        let id = log.name().id;
        let checkpoint = log.checkpoint();
        let (state, detail) = self.state_of(log);
        let size = log.size();
        let heard = self.heard.read().known.get(&id).copied().unwrap_or(0);
        let known = heard.max(self.catalogue.newest_known(&id).unwrap_or(0));
        LogView {
            department: id.department.to_string(),
            name: self.name_of(&id.department),
            generation: id.generation,
            size,
            known_size: known.max(size),
            root: checkpoint
                .as_ref()
                .map(|checkpoint| checkpoint.root.to_string()),
            status_root: checkpoint
                .as_ref()
                .map(|checkpoint| checkpoint.status_root.to_string()),
            time_ms: checkpoint.as_ref().map(|checkpoint| checkpoint.time_ms),
            certificates: log.issued().values().sum(),
            state: state.to_owned(),
            detail,
            confirmed_ms: self.confirmed_ms(&id),
            cosigned_by: checkpoint
                .map(|checkpoint| self.witnesses_of(&checkpoint))
                .unwrap_or_default()
                .into_iter()
                .map(|cosignature| cosignature.witness.to_string())
                .collect(),
        }
    }

    /// The word for a log's state, and what there is to say of it.
    fn state_of(&self, log: &Log) -> (&'static str, Option<String>) {
        let id = log.name().id;
        if let Some(stopped) = log.stopped() {
            return ("frozen", Some(views::stopped(&stopped)));
        }
        if id == self.catalogue.own() {
            return ("own", self.own.detail());
        }
        let refused = self.heard.read().refused.get(&id).cloned();
        if let Some(reason) = refused.or_else(|| log.refused_write()) {
            let lagging = self.stale(&id).map(|stale| format!("; {stale}"));
            let detail = format!(
                "the disk does not let its copy go on ({reason}); it is opened again by itself{}",
                lagging.unwrap_or_default()
            );
            return ("refused", Some(detail));
        }
        if let Some(path) = self.set_aside.get(&id).filter(|_| log.size() == 0) {
            let detail = format!("damaged on disk, kept in {path}; being fetched again");
            return ("set-aside", Some(detail));
        }
        if let Some(unread) = log.unread() {
            let detail = format!(
                "record {} is of a later version of certmesh: upgrade this peer, which can't tell what is valid in this log",
                unread.seq
            );
            return ("replica", Some(detail));
        }
        // Before anything of it has arrived there is nothing to answer for.
        let stale = self.stale(&id).filter(|_| log.size() > 0);
        ("replica", stale.or_else(|| self.ahead(log)))
    }

    /// Why nothing is valid by a log at present.
    fn stale(&self, id: &LogId) -> Option<String> {
        let stale = self.catalogue.freshness(id, self.clock.now_ms()).err()?;
        Some(format!(
            "nothing is valid by it at present, for want of {stale}"
        ))
    }

    /// That a log's newest record is dated ahead of this peer's clock.
    fn ahead(&self, log: &Log) -> Option<String> {
        let (newest_ms, now_ms) = (log.checkpoint()?.time_ms, now_ms());
        (newest_ms > now_ms.saturating_add(AHEAD_MS)).then(|| {
            format!(
                "its newest record is dated {}, ahead of this peer's clock ({})",
                ChinaTime(newest_ms),
                ChinaTime(now_ms)
            )
        })
    }

    pub(super) fn name_of(&self, department: &DepartmentCode) -> String {
        let member = self.catalogue.members().member(department);
        member
            .map(|member| member.display_name().to_owned())
            .unwrap_or_default()
    }

    /// What an operator should know of beside the own log's state, each a sentence.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        let mut silent = Vec::new();
        for log in self.catalogue.logs() {
            let id = log.name().id;
            if id == self.catalogue.own() {
                continue;
            }
            let name = self.name_of(&id.department);
            match self.state_of(&log) {
                ("replica", Some(_)) if self.is_silent(&id) => silent.push(name),
                (_, Some(detail)) => warnings.push(format!("the log of {name}: {detail}")),
                (_, None) => {}
            }
        }
        if !silent.is_empty() {
            let first = silent[..silent.len().min(NAMED)].join(", ");
            let more = match silent.len() - silent.len().min(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            warnings.push(format!(
                "no member has confirmed of late that what is held is the newest of the logs of {first}{more}: until one does, \
                 nothing is valid by them here"
            ));
        }
        warnings
    }

    fn is_silent(&self, id: &LogId) -> bool {
        use certmesh_ledger::catalogue::Stale;
        matches!(
            self.catalogue.freshness(id, self.clock.now_ms()),
            Err(Stale::Silent { .. })
        )
    }

    /// Whether questions can be answered, and what is amiss.
    pub(super) fn readiness(&self) -> Readiness {
        let now_ms = self.clock.now_ms();
        let ready = self.catalogue.logs().any(|log| {
            let answers = log.size() > 0 || log.name().id == self.catalogue.own();
            answers
                && log.stopped().is_none()
                && self.catalogue.freshness(&log.name().id, now_ms).is_ok()
        });
        let own = self.own.detail().into_iter();
        let warnings: Vec<String> = own.chain(self.warnings()).collect();
        match ready {
            true => Readiness {
                ready,
                reasons: Vec::new(),
                warnings,
            },
            false => Readiness {
                ready,
                reasons: warnings,
                warnings: Vec::new(),
            },
        }
    }
}
