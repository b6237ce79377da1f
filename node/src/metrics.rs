//! A peer's metrics, in the OpenMetrics text format (`GET /metrics`).
//!
//! Every label comes from a fixed list or is a department's code, so the number of series is bounded; no label ever
//! holds a certificate's identifier or a subject's data.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use certmesh_api::OwnLogState;
use certmesh_ledger::id::DepartmentCode;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// Content type of what [`Metrics::encode`] gives.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A counter for each answered request.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    route: &'static str,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Of {
    of: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Department {
    department: String,
}

impl Department {
    fn of(code: &DepartmentCode) -> Self {
        Self {
            department: code.as_str().to_owned(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Part {
    part: &'static str,
}

/// How the copy of a log stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LogState {
    /// It counts as its department's newest.
    pub current: bool,
    /// It stalls because the disk refused it.
    pub refused: bool,
    /// It is forked, or breaks a rule of logs.
    pub frozen: bool,
    /// It was found damaged, and nothing of it has been fetched back yet.
    pub set_aside: bool,
}

/// How governance stands for this department.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Governance {
    /// Governors whose nodes can be reached and vote.
    pub reached: usize,
    /// Governors whose nodes have to vote.
    pub needed: usize,
    /// Proposals that lack approvals, this department's among them.
    pub unapproved: usize,
    /// Whether a change of its own keys waits for a block.
    pub own_change: bool,
    /// Catalogue keys of the network that are not here.
    pub catalogue_keys_missing: usize,
    /// Whether this node votes.
    pub votes: bool,
    /// Since when its operating key is in force, ms since 1970 UTC.
    pub key_since_ms: u64,
}

/// The measurements; shared by reference, every method may be called from any thread.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Answered, Counter>,
    request_seconds: Family<Route, Histogram>,
    rows_issued: Counter,
    rows_replayed: Counter,
    rows_refused: Family<Reason, Counter>,
    retrievals: Family<Outcome, Counter>,
    own_log_state: Family<State, Gauge>,
    log_records: Family<Department, Gauge>,
    sync_lag: Family<Department, Gauge>,
    log_current: Family<Department, Gauge>,
    log_refused: Family<Department, Gauge>,
    log_frozen: Family<Department, Gauge>,
    log_set_aside: Family<Department, Gauge>,
    log_unread: Family<Department, Gauge>,
    bodies_unread: Gauge,
    member_connected: Family<Department, Gauge>,
    clock_offset: Family<Department, Gauge<f64, AtomicU64>>,
    retrievals_asked: Family<Outcome, Counter>,
    watch_rows: Family<Outcome, Counter>,
    watch_tables: Family<Outcome, Counter>,
    disk_available: Gauge,
    disk_size: Gauge,
    data_used: Family<Part, Gauge>,
    lost_bodies: Family<Of, Gauge>,
    /// Whether members see another run of this peer: 0 or 1.
    pub other_instance: Gauge,
    /// Final blocks of governance held.
    pub governance_height: Gauge,
    /// What waits for a block of governance.
    pub governance_pending: Gauge,
    /// Governors that have shown nothing newer of late, this department among them if it governs.
    pub governors_heard: Gauge,
    /// How many have to have.
    pub governors_to_hear: Gauge,
    /// Governors.
    pub governors: Gauge,
    governors_reached: Gauge,
    governors_needed: Gauge,
    governance_unapproved: Gauge,
    governance_own_change: Gauge,
    catalogue_keys_missing: Gauge,
    governance_votes: Gauge,
    operating_key_since: Gauge,
    peers_connected: Gauge,
    members_missing: Gauge,
    /// Pages of records fetched from other peers, verified and stored.
    pub pages_stored: Counter,
    /// Pages of records served to other peers.
    pub pages_served: Counter,
    /// Pages from other peers that failed verification.
    pub pages_rejected: Counter,
    fsync_seconds: Histogram,
    commit_records: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn gauge(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn request_histogram() -> Histogram {
    Histogram::new(exponential_buckets(0.000_5, 2.0, 16))
}

impl Metrics {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("certmesh"),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(request_histogram),
            rows_issued: Counter::default(),
            rows_replayed: Counter::default(),
            rows_refused: Family::default(),
            retrievals: Family::default(),
            own_log_state: Family::default(),
            log_records: Family::default(),
            sync_lag: Family::default(),
            log_current: Family::default(),
            log_refused: Family::default(),
            log_frozen: Family::default(),
            log_set_aside: Family::default(),
            log_unread: Family::default(),
            bodies_unread: Gauge::default(),
            member_connected: Family::default(),
            clock_offset: Family::default(),
            retrievals_asked: Family::default(),
            watch_rows: Family::default(),
            watch_tables: Family::default(),
            disk_available: Gauge::default(),
            disk_size: Gauge::default(),
            data_used: Family::default(),
            lost_bodies: Family::default(),
            other_instance: Gauge::default(),
            governance_height: Gauge::default(),
            governance_pending: Gauge::default(),
            governors_heard: Gauge::default(),
            governors_to_hear: Gauge::default(),
            governors: Gauge::default(),
            governors_reached: Gauge::default(),
            governors_needed: Gauge::default(),
            governance_unapproved: Gauge::default(),
            governance_own_change: Gauge::default(),
            catalogue_keys_missing: Gauge::default(),
            governance_votes: Gauge::default(),
            operating_key_since: Gauge::default(),
            peers_connected: Gauge::default(),
            members_missing: Gauge::default(),
            pages_stored: Counter::default(),
            pages_served: Counter::default(),
            pages_rejected: Counter::default(),
            fsync_seconds: Histogram::new(exponential_buckets(0.000_05, 2.0, 16)),
            commit_records: Histogram::new(exponential_buckets(1.0, 2.0, 14)),
        };
        metrics.register_process();
        metrics.register_api();
        metrics.register_peer();
        metrics.register_watch();
        metrics.register_disk();
        metrics.set_own_log_state(OwnLogState::Confirming);
        metrics
    }

    fn register_process(&mut self) {
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        self.registry
            .register("build", "The version that runs", version);
        self.registry.register(
            "log_lines_lost",
            "Lines of the node's log that could not be written",
            crate::logging::lines_lost(),
        );
    }

    fn register_watch(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "watch_rows",
            "Rows of tables in watched folders, by what became of them",
            self.watch_rows.clone(),
        );
        registry.register(
            "watch_tables",
            "Tables in watched folders, by where they went",
            self.watch_tables.clone(),
        );
    }

    fn register_disk(&mut self) {
        let registry = &mut self.registry;
        registry.register_with_unit(
            "disk_available",
            "Room on the file system of the data directory",
            Unit::Bytes,
            self.disk_available.clone(),
        );
        registry.register_with_unit(
            "disk_size",
            "Size of the file system of the data directory",
            Unit::Bytes,
            self.disk_size.clone(),
        );
        registry.register_with_unit(
            "data_used",
            "Length of the files in the data directory, by what they are of",
            Unit::Bytes,
            self.data_used.clone(),
        );
    }

    fn register_api(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "http_requests",
            "Requests answered, by route template, method and status",
            self.requests.clone(),
        );
        registry.register_with_unit(
            "http_request",
            "Time until a request's answer began",
            Unit::Seconds,
            self.request_seconds.clone(),
        );
        registry.register(
            "rows_issued",
            "Certificates issued through the API",
            self.rows_issued.clone(),
        );
        registry.register(
            "rows_replayed",
            "Certificates a retried request found issued already",
            self.rows_replayed.clone(),
        );
        registry.register(
            "rows_refused",
            "Certificates and status changes refused, by problem",
            self.rows_refused.clone(),
        );
        registry.register(
            "retrievals",
            "Other departments' requests for fields, by outcome",
            self.retrievals.clone(),
        );
        registry.register(
            "retrievals_asked",
            "This department's requests for fields, by outcome",
            self.retrievals_asked.clone(),
        );
    }

    fn register_peer(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "own_log_state",
            "1 for the state the own log is in, 0 for the others",
            self.own_log_state.clone(),
        );
        registry.register(
            "log_records",
            "Records in the accepted checkpoint, by department",
            self.log_records.clone(),
        );
        registry.register(
            "sync_lag_records",
            "Records known to exist at a department but not held yet",
            self.sync_lag.clone(),
        );
        registry.register(
            "log_current",
            "1 while the copy of a department's log counts as current, so that certificates can be valid by it",
            self.log_current.clone(),
        );
        registry.register(
            "log_refused",
            "1 while the copy of a department's log can't continue because the disk refused it",
            self.log_refused.clone(),
        );
        registry.register(
            "log_frozen",
            "1 while a department's log is in dispute or breaks a rule, so that nothing is valid by it",
            self.log_frozen.clone(),
        );
        registry.register(
            "log_set_aside",
            "1 while the copy of a department's log is set aside as damaged and nothing of it has come back",
            self.log_set_aside.clone(),
        );
        registry.register(
            "log_unread_records",
            "Records of a department's log that are still to be read where they lie: after a start from a snapshot, and again from time to time",
            self.log_unread.clone(),
        );
        registry.register(
            "bodies_unread_records",
            "Own records whose fields, copies or cases, with their attachments, are still to be read where they lie",
            self.bodies_unread.clone(),
        );
        registry.register_with_unit(
            "clock_offset",
            "How far a connected member's clock is ahead of this machine's",
            Unit::Seconds,
            self.clock_offset.clone(),
        );
        registry.register(
            "lost_bodies",
            "Own records whose fields, attachments, copies or cases are missing from this disk though they were not erased",
            self.lost_bodies.clone(),
        );
        registry.register(
            "other_instance",
            "1 while members see another run of this peer, with the same keys",
            self.other_instance.clone(),
        );
        registry.register(
            "governance_height",
            "Final blocks of governance held",
            self.governance_height.clone(),
        );
        registry.register(
            "governance_pending",
            "Proposals and changes that wait for a block of governance",
            self.governance_pending.clone(),
        );
        registry.register(
            "governors_heard",
            "Governors that have shown nothing newer of late, this department among them if it governs",
            self.governors_heard.clone(),
        );
        registry.register(
            "governors_to_hear",
            "Governors that have to have shown nothing newer before anything is valid here",
            self.governors_to_hear.clone(),
        );
        registry.register(
            "governors",
            "Departments that govern",
            self.governors.clone(),
        );
        registry.register(
            "governors_reached",
            "Governors whose nodes can be reached and vote, this one among them if it does",
            self.governors_reached.clone(),
        );
        registry.register(
            "governors_needed",
            "Governors whose nodes have to vote for anything to be decided",
            self.governors_needed.clone(),
        );
        registry.register(
            "governance_unapproved",
            "Proposals that lack approvals, this department's among them",
            self.governance_unapproved.clone(),
        );
        registry.register(
            "governance_own_change",
            "1 while a change of this department's own keys waits for a block",
            self.governance_own_change.clone(),
        );
        registry.register(
            "catalogue_keys_missing",
            "Catalogue keys of the network that are missing on this node, so that it looks nobody up",
            self.catalogue_keys_missing.clone(),
        );
        registry.register(
            "governance_votes",
            "1 while this node votes on decisions: its department governs, and it has its key and knows its votes",
            self.governance_votes.clone(),
        );
        registry.register_with_unit(
            "operating_key_since",
            "Since when this department's operating key is in force, since 1970 UTC",
            Unit::Seconds,
            self.operating_key_since.clone(),
        );
        registry.register(
            "peers_connected",
            "Members connected",
            self.peers_connected.clone(),
        );
        registry.register(
            "members_missing",
            "Other members that are not connected",
            self.members_missing.clone(),
        );
        registry.register(
            "member_connected",
            "1 while a member is connected",
            self.member_connected.clone(),
        );
        registry.register(
            "pages_stored",
            "Pages of records fetched, verified and stored",
            self.pages_stored.clone(),
        );
        registry.register(
            "pages_served",
            "Pages of records served to other peers",
            self.pages_served.clone(),
        );
        registry.register(
            "pages_rejected",
            "Pages of records that failed verification",
            self.pages_rejected.clone(),
        );
        registry.register_with_unit(
            "fsync",
            "Time of an fsync of the own log",
            Unit::Seconds,
            self.fsync_seconds.clone(),
        );
        registry.register(
            "group_commit_records",
            "Records made durable by one commit",
            self.commit_records.clone(),
        );
    }

    /// A request was answered. `route` is its template, such as `/v1/certificates/{id}`.
    pub fn answered(&self, route: &'static str, method: &'static str, status: u16, took: Duration) {
        self.requests
            .get_or_create(&Answered {
                route,
                method,
                status,
            })
            .inc();
        self.request_seconds
            .get_or_create(&Route { route })
            .observe(took.as_secs_f64());
    }

    /// A certificate was issued, or found issued already.
    pub fn row_issued(&self, replayed: bool) {
        if replayed {
            &self.rows_replayed
        } else {
            &self.rows_issued
        }
        .inc();
    }

    /// A certificate or status change was refused with this problem.
    pub fn row_refused(&self, problem: &'static str) {
        self.rows_refused
            .get_or_create(&Reason { reason: problem })
            .inc();
    }

    /// A request for fields was answered, refused by a rule, or not taken up.
    pub fn retrieval_decided(&self, outcome: &'static str) {
        self.retrievals.get_or_create(&Outcome { outcome }).inc();
    }

    /// The own log's state is now this one.
    pub fn set_own_log_state(&self, now: OwnLogState) {
        for state in OwnLogState::ALL {
            let label = State {
                state: state.as_str(),
            };
            self.own_log_state
                .get_or_create(&label)
                .set((*state == now).into());
        }
    }

    /// A log's accepted checkpoint covers `held` records, and `known` are known to exist.
    pub fn set_log(&self, department: &DepartmentCode, held: u64, known: u64) {
        let label = Department::of(department);
        self.log_records.get_or_create(&label).set(gauge(held));
        self.sync_lag
            .get_or_create(&label)
            .set(gauge(known.saturating_sub(held)));
    }

    /// How the copy of a log stands.
    pub fn set_log_state(&self, department: &DepartmentCode, state: LogState) {
        for (family, holds) in [
            (&self.log_current, state.current),
            (&self.log_refused, state.refused),
            (&self.log_frozen, state.frozen),
            (&self.log_set_aside, state.set_aside),
        ] {
            let gauge = family.get_or_create(&Department::of(department));
            gauge.set(holds.into());
        }
    }

    /// How many own records' bodies are still to be read.
    pub fn set_bodies_unread(&self, records: u64) {
        self.bodies_unread.set(gauge(records));
    }

    /// How many records of a department's log are still to be read.
    pub fn set_unread(&self, department: &DepartmentCode, records: u64) {
        let gauge = self.log_unread.get_or_create(&Department::of(department));
        gauge.set(records.try_into().unwrap_or(i64::MAX));
    }

    /// Which of the other members are connected.
    pub fn set_connected<'a>(&self, others: impl Iterator<Item = (&'a DepartmentCode, bool)>) {
        let (mut connected, mut missing) = (0, 0);
        for (code, is) in others {
            *(if is { &mut connected } else { &mut missing }) += 1;
            let gauge = self.member_connected.get_or_create(&Department::of(code));
            gauge.set(is.into());
        }
        self.peers_connected.set(connected);
        self.members_missing.set(missing);
    }

    /// How governance stands for this department.
    pub fn set_governance(&self, stands: &Governance) {
        let count = |count: usize| gauge(count as u64);
        self.governors_reached.set(count(stands.reached));
        self.governors_needed.set(count(stands.needed));
        self.governance_unapproved.set(count(stands.unapproved));
        self.governance_own_change.set(stands.own_change.into());
        self.catalogue_keys_missing
            .set(count(stands.catalogue_keys_missing));
        self.governance_votes.set(stands.votes.into());
        self.operating_key_since
            .set(gauge(stands.key_since_ms / 1_000));
    }

    /// A department is no member any more: whether it is connected is not asked.
    pub fn forget_member(&self, department: &DepartmentCode) {
        let label = Department::of(department);
        self.member_connected.remove(&label);
        self.clock_offset.remove(&label);
    }

    /// How far a member's clock is ahead of this machine's, ms; `None` when it isn't connected: what it said before says
    /// nothing of its clock now.
    pub fn set_clock_offset(&self, department: &DepartmentCode, ahead_ms: Option<i64>) {
        let label = Department::of(department);
        match ahead_ms {
            Some(ahead_ms) => {
                let gauge = self.clock_offset.get_or_create(&label);
                gauge.set(ahead_ms as f64 / 1000.0);
            }
            None => drop(self.clock_offset.remove(&label)),
        }
    }

    /// The outcome of this department's own request for fields.
    pub fn retrieval_asked(&self, outcome: &'static str) {
        self.retrievals_asked
            .get_or_create(&Outcome { outcome })
            .inc();
    }

    /// This many rows of a table in a watched folder had this outcome.
    pub fn watch_rows(&self, outcome: &'static str, rows: u64) {
        self.watch_rows
            .get_or_create(&Outcome { outcome })
            .inc_by(rows);
    }

    /// A table in a watched folder was imported, or rejected as a whole.
    pub fn watch_table(&self, outcome: &'static str) {
        self.watch_tables.get_or_create(&Outcome { outcome }).inc();
    }

    /// The room on the data directory's file system, and its size, in bytes.
    pub fn set_disk(&self, available: u64, size: u64) {
        self.disk_available.set(gauge(available));
        self.disk_size.set(gauge(size));
    }

    /// Bytes that a part of the data directory takes.
    pub fn set_data_used(&self, part: &'static str, bytes: u64) {
        self.data_used
            .get_or_create(&Part { part })
            .set(gauge(bytes));
    }

    /// Number of own records that have lost their bodies.
    pub fn set_lost(&self, of: &'static str, records: usize) {
        let gauge = self.lost_bodies.get_or_create(&Of { of });
        gauge.set(i64::try_from(records).unwrap_or(i64::MAX));
    }

    /// An fsync of the own log took this long.
    pub fn fsynced(&self, took: Duration) {
        self.fsync_seconds.observe(took.as_secs_f64());
    }

    /// One commit made this many records durable.
    pub fn committed(&self, records: usize) {
        self.commit_records.observe(records as f64);
    }

    /// Everything as OpenMetrics text.
    pub fn encode(&self) -> String {
        let mut out = String::new();
        match text::encode(&mut out, &self.registry) {
            Ok(()) => out,
            // Writing to a String doesn't fail, so this is a metric that can't encode itself; an empty page beats none.
            Err(_) => "# EOF\n".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_own_log_state_is_set() {
        let metrics = Metrics::new();
        metrics.set_own_log_state(OwnLogState::Writable);
        metrics.set_own_log_state(OwnLogState::ReadOnly);
        let text = metrics.encode();
        assert!(
            text.contains("certmesh_own_log_state{state=\"read-only\"} 1"),
            "{text}"
        );
        let set = text
            .lines()
            .filter(|l| l.contains("own_log_state{") && l.ends_with(" 1"));
        assert_eq!(set.count(), 1);
    }

    #[test]
    fn what_is_counted_is_shown_by_route_reason_and_department() {
        let metrics = Metrics::new();
        metrics.answered(
            "/v1/certificates/{id}",
            "GET",
            404,
            Duration::from_millis(3),
        );
        metrics.row_issued(false);
        metrics.row_issued(true);
        metrics.row_refused("duplicate-certificate");
        metrics.set_log(&"11100000000013338W".parse().unwrap(), 5, 12);
        metrics.fsynced(Duration::from_micros(120));
        metrics.committed(1000);
        let (here, away) = ("11330105002500287C", "11100000000013338W");
        let (here, away) = (here.parse().unwrap(), away.parse().unwrap());
        metrics.set_connected([(&here, true), (&away, false)].into_iter());
        metrics.set_lost("fields", 3);
        metrics.set_bodies_unread(8);
        let text = metrics.encode();
        for line in [
            "certmesh_http_requests_total{route=\"/v1/certificates/{id}\",method=\"GET\",status=\"404\"} 1",
            "certmesh_http_request_seconds_count{route=\"/v1/certificates/{id}\"} 1",
            "certmesh_rows_issued_total 1",
            "certmesh_rows_replayed_total 1",
            "certmesh_rows_refused_total{reason=\"duplicate-certificate\"} 1",
            "certmesh_log_records{department=\"11100000000013338W\"} 5",
            "certmesh_sync_lag_records{department=\"11100000000013338W\"} 7",
            "certmesh_fsync_seconds_count 1",
            "certmesh_group_commit_records_sum 1000.0",
            "certmesh_peers_connected 1",
            "certmesh_members_missing 1",
            "certmesh_member_connected{department=\"11100000000013338W\"} 0",
            "certmesh_log_lines_lost_total ",
            concat!(
                "certmesh_build_info{version=\"",
                env!("CARGO_PKG_VERSION"),
                "\"} 1"
            ),
            "certmesh_lost_bodies{of=\"fields\"} 3",
            "certmesh_bodies_unread_records 8",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn a_log_and_its_copy_show_each_way_in_which_they_stand_still() {
        let metrics = Metrics::new();
        let department = "11100000000013338W".parse().unwrap();
        let frozen = LogState {
            frozen: true,
            ..LogState::default()
        };
        metrics.set_log_state(&department, frozen);
        let text = metrics.encode();
        for (name, value) in [("frozen", 1), ("set_aside", 0), ("current", 0)] {
            let line = format!("certmesh_log_{name}{{department=\"11100000000013338W\"}} {value}");
            assert!(text.contains(&line), "{line} is missing in\n{text}");
        }
    }

    #[test]
    fn a_member_that_is_gone_has_no_clock() {
        let metrics = Metrics::new();
        let department = "11100000000013338W".parse().unwrap();
        metrics.set_clock_offset(&department, Some(-1500));
        let line = "certmesh_clock_offset_seconds{department=\"11100000000013338W\"} -1.5";
        assert!(metrics.encode().contains(line));
        metrics.set_clock_offset(&department, None);
        assert!(!metrics.encode().contains("clock_offset_seconds{"));
    }

    #[test]
    fn the_disk_is_shown_in_bytes_by_what_takes_them() {
        let metrics = Metrics::new();
        metrics.set_disk(5, 10);
        metrics.set_data_used("logs", 3);
        let text = metrics.encode();
        for line in [
            "certmesh_disk_available_bytes 5",
            "certmesh_disk_size_bytes 10",
            "certmesh_data_used_bytes{part=\"logs\"} 3",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
