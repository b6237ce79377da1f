//! What the receipts in all logs show, and this department's look-up journal.

use std::collections::BTreeMap;

use certmesh_api::draft::HolderCode;
use certmesh_ledger::id::{Date, DepartmentCode, HolderKind};
use certmesh_ledger::journal::{Looked, Looks, Place};
use certmesh_ledger::log::ReadError;
use certmesh_ledger::names::LogId;
use certmesh_ledger::record::{AccessLogRead, Entry};
use certmesh_ledger::retrieval::{Accesses, LogAudit, Page, Used, access_log, audit, usage};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::retrieve::asking::Asking;
use super::{PeerService, Position, Refusal, look, unreadable};
use crate::peer::catalogue_keys::Subject;
use crate::peer::now_ms;
use crate::peer::writer::Receipt;

/// Reports.
pub(crate) trait Report {
    /// Holds receipts against their counterparts, log by log; with a page, those of one log from a position on.
    fn audit(
        &self,
        days: Days,
        page: Option<(LogId, u64)>,
    ) -> Result<BTreeMap<LogId, LogAudit>, Refusal>;

    /// Who looked at a subject's data. The question is in this department's log before anything is shown.
    fn access_log(
        &self,
        kind: HolderKind,
        code: HolderCode,
        days: Days,
        page: Option<Page>,
    ) -> BoxFuture<'static, Result<AccessLog, Refusal>>;

    /// The look-ups that this department's clients made. The client's reading of them is durable first.
    fn lookups(&self, question: &Lookups, client: &str) -> Result<Looks, Refusal>;

    /// How departments shared and used data.
    fn usage(&self, days: Days) -> Result<BTreeMap<DepartmentCode, Used>, Refusal>;
}

/// Days from one to another, both included, in China Standard Time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Days {
    /// The first.
    pub(crate) from: Date,
    /// The last.
    pub(crate) to: Date,
}

impl Days {
    /// When they begin and when they are over, ms.
    fn times(&self) -> (u64, u64) {
        let after = self.to.plus_days(1).map(Date::begins_in_china_ms);
        (self.from.begins_in_china_ms(), after.unwrap_or(u64::MAX))
    }
}

/// A checked question about look-ups.
#[derive(Debug)]
pub(crate) struct Lookups {
    /// About whom; everyone when absent.
    pub(crate) subject: Option<(HolderKind, HolderCode)>,
    /// The days.
    pub(crate) days: Days,
    /// Most look-ups to give.
    pub(crate) limit: usize,
    /// Where to continue.
    pub(crate) place: Option<Place>,
}

/// Who looked at a subject's data.
pub(crate) struct AccessLog {
    /// The receipts, and where there are more.
    pub(crate) found: Accesses,
    /// Where the question itself is recorded.
    pub(crate) recorded: Position,
    /// The time by which a receipt is dated ahead, ms.
    pub(crate) now_ms: u64,
}

/// Most receipts of one log that are looked at for one answer.
const MAX_RECEIPTS: usize = 1_000;
/// Most look-ups read for one answer: a second or two's work.
const MAX_LOOKUPS_READ: usize = 500_000;

impl Report for PeerService {
    fn audit(
        &self,
        days: Days,
        page: Option<(LogId, u64)>,
    ) -> Result<BTreeMap<LogId, LogAudit>, Refusal> {
        let found = audit(&self.peer.catalogue, days.times(), page, now_ms());
        found.map_err(|error| unreadable(&error))
    }

    fn access_log(
        &self,
        kind: HolderKind,
        code: HolderCode,
        days: Days,
        page: Option<Page>,
    ) -> BoxFuture<'static, Result<AccessLog, Refusal>> {
        if let Some(refusal) = self.peer.append_refusal() {
            return async { Err(refusal) }.boxed();
        }
        let subject = match self.subject(kind, &code) {
            Ok(subject) => subject,
            Err(refusal) => return async { Err(refusal) }.boxed(),
        };
        accesses(self.asking.clone(), subject, (kind, code), days, page).boxed()
    }

    fn lookups(&self, question: &Lookups, client: &str) -> Result<Looks, Refusal> {
        let holder = question.subject.as_ref();
        let subject = holder.map(|(kind, code)| self.subject(*kind, code));
        let subject = subject.transpose()?;
        // Durable before anything is read: whoever reads the journal stands in it.
        let _recorded = self
            .recorder
            .record_blocking(look(client, subject, Looked::Journal)?)?;
        let read = |about: Option<&Subject>| {
            let found = self.peer.lookups.journal.read(
                (question.days.from, question.days.to),
                about.map(|subject| (subject.keys(), subject.tags())),
                question.place,
                question.limit,
                MAX_LOOKUPS_READ,
            );
            found.map_err(|error| {
                tracing::error!(%error, "the look-up journal could not be read");
                Refusal::Internal
            })
        };
        match holder {
            Some((kind, code)) => {
                let holder = (*kind, code.expose());
                self.peer.search(holder, |subject| read(Some(subject)))
            }
            None => read(None),
        }
    }

    fn usage(&self, days: Days) -> Result<BTreeMap<DepartmentCode, Used>, Refusal> {
        let (from_ms, until_ms) = days.times();
        let used = usage(&self.peer.catalogue, from_ms, until_ms, now_ms());
        used.map_err(|error| unreadable(&error))
    }
}

async fn accesses(
    asking: Asking,
    subject: Subject,
    (kind, code): (HolderKind, HolderCode),
    days: Days,
    page: Option<Page>,
) -> Result<AccessLog, Refusal> {
    let looked = AccessLogRead {
        subject: subject.blinded(Date::in_china(now_ms())),
    };
    let receipt = Receipt {
        name: "access-log".to_owned(),
        entry: Entry::AccessLogRead(looked),
        kept: None,
        needs: None,
        continues: None,
    };
    let recorded = asking.record(receipt).await?.position;
    let reading = asking.clone();
    let search = move || {
        let (days, now_ms) = ((days.from, days.to), now_ms());
        let catalogue = &asking.peer().catalogue;
        // Under the keys of now: the receipt took a while.
        let found = asking.peer().search((kind, code.expose()), |subject| {
            let (keys, tags) = (subject.keys(), subject.tags());
            let found = access_log(catalogue, keys, tags, days, page, now_ms, MAX_RECEIPTS);
            found.map_err(|error: ReadError| unreadable(&error))
        })?;
        Ok(AccessLog {
            found,
            recorded,
            now_ms,
        })
    };
    reading.read(search).await
}
