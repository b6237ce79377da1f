//! The peer: what it holds, and the threads that change it.
//!
//! - `Peer`: everything shared: the catalogue, keys, who was last heard when
//! - `prepare`: checked requests made into entries
//! - `writer`: the thread that commits this department's own log, many requests at a time
//! - `requests`: what can be appended to the own log, and where it then stands
//! - `refusal`: why a request is refused, and how to add a refusal; `reasons`: why the own log takes no appends, and others
//! - `driver`: the loop between network, state machine and storage; `driving`: its thread and its runtime
//! - `answering`: fields of the own certificates shown to those who may see them
//! - `uploads`: files that wait for the certificates they belong to
//! - `own_log`: whether the own log may be appended to, and why not
//! - `retries`: which content was sent under which idempotency key, and how long that is remembered
//! - `clock`: how long ago something was, even if the machine's clock is changed
//! - `journal`: every look at what a person holds, durable before it is answered
//! - `key_files`: this node's keys on disk, and those that are to take their place
//! - `joining`: what changes here when members join, are suspended or removed; `roster`: whose peer is whose
//! - `newcomers`: what members that joined need of this one
//! - `whereabouts`: where members say that they can be reached
//! - `governance`: the thread of this peer's part in governance
//! - `ending`: where epochs of the own operating keys ended, and the others' words on it
//! - `governors`: a question to all other governors; `stating`: what is held here of the log of one that lost records
//! - `health`: what an operator should know of, `alarms`: of governance; `warnings`: what of it there is to say
//! - `lost`: fields, copies and attachments that are missing though no record says that they were erased
//! - `reopening`: copies of other logs that failed on disk, opened again once the disk works
//! - `cosignatures`: members' signatures under the checkpoints accepted here
//! - `serving`: bounds on what other members ask for
//! - `storage`: the threads that verify and store pages

pub(crate) mod alarms;
pub(crate) mod answering;
pub(crate) mod catalogue_keys;
pub(crate) mod clock;
pub(crate) mod cosignatures;
pub(crate) mod driver;
pub(crate) mod driving;
pub(crate) mod ending;
pub(crate) mod governance;
pub(crate) mod governors;
pub(crate) mod health;
pub(crate) mod joining;
pub(crate) mod journal;
pub(crate) mod key_files;
pub(crate) mod lost;
pub(crate) mod newcomers;
pub(crate) mod own_log;
pub(crate) mod prepare;
pub(crate) mod reasons;
pub(crate) mod refusal;
pub(crate) mod reopening;
pub(crate) mod requests;
pub(crate) mod retries;
pub(crate) mod roster;
pub(crate) mod serving;
pub(crate) mod stating;
pub(crate) mod storage;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod upkeep;
pub(crate) mod uploads;
pub(crate) mod warnings;
pub(crate) mod whereabouts;
pub(crate) mod writer;

pub(crate) use refusal::{Item, Mib, Refusal, Unreachable};
pub(crate) use requests::{Definition, Outcomes, RetryKey};

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use certmesh_ledger::bodies::{Attachments, Bodies};
use certmesh_ledger::catalogue::Catalogue;
use certmesh_ledger::clocks::{ClockFault, Clocks, MAX_OFF_MS, come_to};
use certmesh_ledger::crypto::keys::FieldKey;
use certmesh_ledger::governance::Member;
use certmesh_ledger::id::{Date, DepartmentCode};
use certmesh_ledger::names::LogId;
use certmesh_ledger::operating::OperatingKeys;
use certmesh_ledger::store::Store;
use certmesh_ledger::sync::Instance;
use certmesh_ledger::verify::Question;
use parking_lot::{Mutex, RwLock};
use tokio::sync::Notify;

use crate::metrics::Metrics;
use catalogue_keys::CatalogueKeyFiles;
use clock::Clock;
use cosignatures::Signed;
use journal::Lookups;
use key_files::KeyFiles;
use own_log::OwnLog;
use stating::Stated;
use uploads::Uploads;

/// Milliseconds since 1970-01-01 UTC.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A connected member.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection {
    pub(crate) since_ms: u64,
    pub(crate) rtt_ms: Option<f64>,
}

/// What the network has reported, for the API to show.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) connected: BTreeMap<DepartmentCode, Connection>,
    /// When a member's heads were last heard, ms.
    pub(crate) heads_ms: BTreeMap<DepartmentCode, u64>,
    /// Records of a log that some member said it holds.
    pub(crate) known: BTreeMap<LogId, u64>,
    /// What connected members' clocks said, ms since 1970 UTC, and when that was, ms since the machine started.
    pub(crate) clocks: BTreeMap<DepartmentCode, (u64, u64)>,
    /// Copies of other logs that stall, and what the disk said.
    pub(crate) refused: BTreeMap<LogId, String>,
    /// Members that say that another run of this peer is connected to them.
    pub(crate) other_instance: BTreeSet<DepartmentCode>,
}

/// Everything the threads of a peer share.
pub(crate) struct Peer {
    pub(crate) department: DepartmentCode,
    pub(crate) peer_id: String,
    pub(crate) catalogue: Catalogue,
    /// What signs for this department.
    pub(crate) keys: OperatingKeys,
    /// The files of the keys, among which that is.
    pub(crate) key_files: KeyFiles,
    /// The keys under which holders are tagged.
    pub(crate) catalogue_key_files: CatalogueKeyFiles,
    pub(crate) field_key: FieldKey,
    /// Fields of this department's own certificates.
    pub(crate) bodies: Arc<Bodies>,
    /// Their attachments.
    pub(crate) attachments: Attachments,
    /// Who looked up what people hold.
    pub(crate) lookups: Arc<Lookups>,
    /// Uploads that no certificate has taken yet.
    pub(crate) uploads: Arc<Uploads>,
    /// What is lost of both.
    pub(crate) lost: lost::Found,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) own: OwnLog,
    pub(crate) heard: RwLock<Heard>,
    /// What is shown of governance.
    pub(crate) governance: RwLock<governance::Shown>,
    pub(crate) cosignatures: RwLock<HashMap<LogId, Signed>>,
    /// What this node stated to hold of logs, beyond which it cosigns nothing.
    pub(crate) stated: Stated,
    /// The upkeep found the own log damaged below its snapshot.
    pub(crate) own_is_damaged: Notify,
    /// This node's transport key was replaced.
    pub(crate) restart: Notify,
    /// Logs that were set aside in this run, and where.
    pub(crate) set_aside: RwLock<BTreeMap<LogId, String>>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) started_ms: u64,
    pub(crate) clock: Clock,
    /// How far the calendar was ahead of the time since the machine started, ms, when an operator said that it is right.
    pub(crate) clock_is_right: Mutex<Option<u64>>,
    /// This run of the peer.
    pub(crate) instance: Instance,
}

impl Peer {
    /// The question for a verdict: a day, today when none is named, by what is held here now.
    pub(crate) fn question(&self, on: Option<Date>) -> Question {
        Question {
            on: on.unwrap_or_else(|| Date::in_china(now_ms())),
            now_ms: self.clock.now_ms(),
        }
    }

    /// Takes an operator's word that the own log on disk is whole; returns whether it was taken.
    pub(crate) fn vouch_for_own_log(&self, after_loss: bool) -> bool {
        let taken = self.own.vouch(after_loss);
        self.show_own_log();
        taken
    }

    /// Passes what is known of the own log to the catalogue and the metrics.
    pub(crate) fn show_own_log(&self) {
        self.catalogue.set_own_log_whole(self.own.is_confirmed());
        self.own.show();
    }

    /// What is known of the time.
    pub(crate) fn clocks(&self) -> Clocks {
        let boot_ms = Clock::boot_ms();
        let heard = self.heard.read();
        let history = self.catalogue.members().history();
        let counts = |code| history.state().member(code).is_some_and(Member::is_active);
        // While none is connected, what members said before advances with the machine's own time.
        let alone = heard.connected.is_empty();
        let members = heard
            .clocks
            .iter()
            .filter(|(code, _)| counts(code) && (alone || heard.connected.contains_key(code)));
        let members_ms = members
            .map(|(_, (said_ms, at_ms))| said_ms.saturating_add(boot_ms.saturating_sub(*at_ms)));
        let others = self
            .catalogue
            .logs()
            .filter(|log| log.name().id != self.catalogue.own())
            .filter_map(|log| log.last_ms());
        Clocks {
            own_ms: now_ms(),
            members_ms: members_ms.collect(),
            last_ms: self.own.log.last_ms(),
            come_to_ms: come_to(others.collect()),
        }
    }

    /// Why this machine's clock is not trusted to date a record.
    pub(crate) fn clock_fault(&self) -> Option<ClockFault> {
        self.clock_fault_of(&self.clocks())
    }

    /// The same of what is known of the time.
    pub(crate) fn clock_fault_of(&self, clocks: &Clocks) -> Option<ClockFault> {
        let ahead_ms = clocks.own_ms.saturating_sub(Clock::boot_ms());
        match *self.clock_is_right.lock() {
            // An operator's word is about the clock as it was: not about one that has jumped since.
            Some(then_ms) if then_ms.abs_diff(ahead_ms) <= MAX_OFF_MS => None,
            _ => clocks.fault(),
        }
    }

    /// Takes an operator's word that the machine's clock is right as it is.
    pub(crate) fn trust_clock(&self) {
        tracing::warn!("an operator confirms that the machine's clock is right");
        *self.clock_is_right.lock() = Some(now_ms().saturating_sub(Clock::boot_ms()));
    }

    /// Why nothing can be appended to the own log; `None` when it can.
    pub(crate) fn append_refusal(&self) -> Option<Refusal> {
        let refusal = self.own.refusal().or_else(|| self.key_refusal());
        refusal.or_else(|| {
            let fault = self.clock_fault()?;
            Some(Refusal::ClockOff((&fault).into()))
        })
    }

    /// The time by which something may be destroyed; `None` while members don't agree on it.
    pub(crate) fn agreed_ms(&self) -> Option<u64> {
        let members = self.catalogue.members();
        let clocks = self.clocks();
        // One member's word is not agreement.
        let enough = clocks.members_ms.len() >= members.majority_of_others(&self.department);
        let alone = members.others(&self.department) == 0;
        enough.then(|| clocks.agreed_ms(alone)).flatten()
    }

    /// When it was last confirmed that what is held of a log is its department's newest, ms since 1970 UTC; `None` when
    /// that is too long ago, or more was signed.
    pub(crate) fn confirmed_ms(&self, log: &LogId) -> Option<u64> {
        let age_ms = self.catalogue.freshness(log, self.clock.now_ms()).ok()?;
        Some(now_ms().saturating_sub(age_ms))
    }
}
