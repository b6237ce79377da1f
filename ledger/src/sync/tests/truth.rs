//! What departments signed, and what must hold of every honest peer's copies of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::crypto::hash::Hash;
use crate::id::DepartmentCode;
use crate::log::Log;
use crate::names::LogId;
use crate::sync::fetch::MAX_STORING;
use crate::sync::pace::Wait;
use crate::sync::{Settings, Sync};

/// For each history of a log, the root after each of its records. Honest departments have one history, a fork has two.
#[derive(Default)]
pub(super) struct Truth {
    histories: BTreeMap<LogId, Vec<Vec<Hash>>>,
}

impl Truth {
    /// Notes what was just appended to a log; `history` 1 is the second branch of a fork.
    pub(super) fn appended(&mut self, log: &Log, history: usize) {
        let histories = self.histories.entry(log.name().id).or_default();
        while histories.len() <= history {
            let first = histories.first().cloned().unwrap_or_default();
            histories.push(first);
        }
        let roots = &mut histories[history];
        if history > 0 {
            // The branch diverged from the first somewhere: its roots show where.
            let same = (1..=log.size().min(roots.len() as u64))
                .take_while(|size| log.root_at(*size).as_ref() == roots.get(*size as usize - 1))
                .count();
            roots.truncate(same);
        }
        for size in roots.len() as u64 + 1..=log.size() {
            roots.push(log.root_at(size).unwrap());
        }
    }

    /// Records of the log as its honest department signed it.
    pub(super) fn size(&self, log: &LogId) -> u64 {
        self.histories
            .get(log)
            .map_or(0, |histories| histories[0].len() as u64)
    }

    pub(super) fn forked(&self, log: &LogId) -> bool {
        self.histories
            .get(log)
            .is_some_and(|histories| histories.len() > 1)
    }

    /// The first record in which the two branches of a fork differ.
    pub(super) fn fork_position(&self, log: &LogId) -> u64 {
        let histories = &self.histories[log];
        let pairs = histories[0].iter().zip(&histories[1]);
        pairs.take_while(|(one, other)| one == other).count() as u64
    }

    /// Logs somebody appended to.
    pub(super) fn logs(&self) -> impl Iterator<Item = &LogId> {
        self.histories.keys()
    }

    /// Everything held is the beginning of a history, so is everything accepted, and accepted never shrinks.
    pub(super) fn check(&self, log: &Log, accepted_before: u64) {
        let id = log.name().id;
        let (held, accepted) = (log.held(), log.size());
        assert!(
            accepted >= accepted_before,
            "{id}: {accepted} accepted, {accepted_before} before"
        );
        assert!(accepted <= held, "{id}: {accepted} accepted, {held} held");
        if held == 0 {
            return;
        }
        let root = log.root_at(held).expect("what is held can be read");
        let of_history = |roots: &Vec<Hash>| roots.get(held as usize - 1) == Some(&root);
        assert!(
            self.histories
                .get(&id)
                .is_some_and(|histories| histories.iter().any(of_history)),
            "{id}: the {held} records held are the beginning of nothing that was signed"
        );
    }
}

/// The state machine keeps to its bounds.
pub(super) fn check_bounds(sync: &Sync, settings: &Settings) {
    // Of each log, of whom pages were asked that have not come.
    let mut asked: BTreeSet<(LogId, DepartmentCode)> = BTreeSet::new();
    let mut of_peer: BTreeMap<DepartmentCode, usize> = BTreeMap::new();
    let mut awaited: BTreeSet<LogId> = BTreeSet::new();
    for waiting in sync.waiting.values() {
        let Some((log, _)) = waiting.page() else {
            continue;
        };
        assert!(
            asked.insert((log, waiting.to)),
            "{log} is asked of {} twice at once",
            waiting.to
        );
        *of_peer.entry(waiting.to).or_default() += 1;
        if waiting.wait == Wait::InTime {
            awaited.insert(log);
        }
    }
    assert!(
        awaited.len() <= settings.pages_in_flight,
        "pages of {} logs awaited at once",
        awaited.len()
    );
    for (code, peer) in &sync.peers {
        let waiting = of_peer.remove(code).unwrap_or(0);
        assert_eq!(waiting, peer.in_flight, "{code} holds other slots");
        assert!(
            waiting <= settings.pages_per_peer,
            "{waiting} pages asked of {code} at once"
        );
        assert!(peer.sizes.len() <= sync.logs.len());
        assert!((settings.least_page_bytes..=settings.page_bytes).contains(&peer.page_bytes));
    }
    assert!(of_peer.is_empty(), "pages asked of peers that are gone");
    let storing = sync.logs.values().map(|progress| progress.storing);
    assert!(storing.max().unwrap_or(0) <= MAX_STORING);
    // Of each peer its heads, and evidence.
    let most = sync.peers.len() * (settings.pages_per_peer + 1 + 4);
    assert!(
        sync.waiting.len() <= most,
        "{} requests waiting",
        sync.waiting.len()
    );
}
