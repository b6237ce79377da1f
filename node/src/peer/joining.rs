//! What this peer does when members join, are suspended or are removed while it runs.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use certmesh_ledger::catalogue::{Begun, Filling};
use certmesh_ledger::governance::Changes;
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::log::Opening;
use certmesh_ledger::names::LogId;

use super::writer::WriterHandle;
use super::{Peer, Refusal};

impl Peer {
    /// Opens the logs of those that joined, and of those that go on in another generation. Waits for the disk: before anybody is
    /// told of them, on a thread that may.
    pub(crate) fn open_logs_of_newcomers(&self, changes: &Changes) {
        for code in &changes.departments {
            match self.catalogue.begin(code) {
                Ok(None) => {}
                Ok(Some(Begun {
                    log,
                    opening,
                    filling,
                })) => {
                    report_opening(&log, &opening);
                    if let Some(filling) = filling {
                        fill(log, filling);
                    }
                    if let Some((path, _)) = opening.set_aside {
                        let path = path.display().to_string();
                        self.set_aside.write().insert(log, path);
                    }
                }
                Err(error) => tracing::error!(
                    department = %code,
                    %error,
                    "the log that a member writes by now can't be opened: nothing of it is taken in before the node is started again"
                ),
            }
        }
    }

    /// Forgets what was heard of a department's peer that no longer belongs to a member.
    pub(crate) fn forget_peer_of(&self, code: &DepartmentCode) {
        let mut heard = self.heard.write();
        heard.clocks.remove(code);
        heard.heads_ms.remove(code);
        drop(heard);
        self.metrics.forget_member(code);
    }

    /// Why nothing that this department signs would count: it is suspended or removed, or its key is not here.
    pub(crate) fn key_refusal(&self) -> Option<Refusal> {
        self.keys.in_force().err().map(Refusal::from)
    }

    /// Takes up keys that were put beside those before, for a change of this department's own.
    pub(crate) fn take_up_keys(&self) {
        if let Err(error) = self.key_files.read_again() {
            tracing::error!(%error, "a key that is to take the place of this node's can't be read");
        }
    }
}

/// Brings over what is kept of a log's generation before, on a thread of its own: a long log takes its time, and those who vote
/// must not wait for it.
fn fill(log: LogId, filling: Filling) {
    const FROM_OTHERS: &str = "what is kept of a log that ended has to come from other members";
    let run = move || {
        if let Err(error) = filling.run() {
            tracing::warn!(%log, %error, "{FROM_OTHERS}");
        }
    };
    if let Err(error) = thread::Builder::new().name("fill".into()).spawn(run) {
        tracing::error!(%log, %error, "{FROM_OTHERS}");
    }
}

/// Between two looks at whether the own log may be written.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Has what a new generation of the own log begins with signed, once members have confirmed that it is theirs to begin.
pub(crate) async fn sign_beginning(peer: Arc<Peer>, writer: WriterHandle) {
    let log = &peer.own.log;
    while log.lineage().kept() > 0 && !log.is_begun() {
        if peer.own.is_confirmed() {
            // With too much waiting it is asked for again.
            let _ = writer.sign_beginning();
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Logs for the operator what opening a log found.
pub(crate) fn report_opening(log: &LogId, opening: &Opening) {
    match &opening.set_aside {
        Some((path, damage)) => tracing::error!(
            %log,
            path = %path.display(),
            %damage,
            "log set aside: it is damaged and will be fetched again from other members"
        ),
        None if opening.closed.is_some() => tracing::error!(
            %log,
            reason = opening.closed,
            "the copy of a log can't be opened: its state is unknown until the disk allows it"
        ),
        None if opening.cut_off > 0 || opening.repaired > 0 => tracing::warn!(
            %log,
            records = opening.records,
            cut_off_bytes = opening.cut_off,
            repaired_files = opening.repaired,
            "log recovered: what was never acknowledged was cut off, what can be derived was rebuilt"
        ),
        None => tracing::info!(
            %log,
            records = opening.records,
            from_snapshot = opening.from,
            "log opened"
        ),
    }
}
