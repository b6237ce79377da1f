//! What a peer knows: every member's log it holds, and the questions that can be asked of them together.
//!
//! The view is derived: each log's indexes stand beside its segments and are rebuilt from them when missing. Only
//! evidence of forks cannot be derived, and lives in files of its own under `evidence/`.

mod authority;
mod chain;
mod counted;
mod defined;
mod ending;
mod evidence;
mod freshness;
mod holding;
mod inherited;
mod kept;
mod rules;
mod sharing;
mod standard;
#[cfg(test)]
mod tests;

pub use authority::{
    Authority, DEFINITION_LAG_MS, DefinitionEvidence, NotAuthorised, Unproven, authority,
    may_define,
};
pub use chain::{Chain, Life, MAX_CHAIN, Successor};
pub use defined::{Defined, DefinedPage};
pub use freshness::{FreshnessLimits, Stale};
pub use holding::Holding;
pub(crate) use inherited::Lacking;
pub use inherited::deciding;
pub use kept::{Filling, NotFilled};
pub use rules::{Batch, NotAllowed, NotReplaceable};
pub use sharing::{Access, Denial};
pub use standard::{Departure, Fault, Proposed, Standard};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};
use rayon::prelude::*;

use crate::id::{CertificateId, Date, DepartmentCode, TypeCode};
use crate::log::{self, ForkEvidence, Log, OpenError, Opening, Place, ReadError, Stopped};
use crate::lookup::MAX_READ;
use crate::membership::Membership;
use crate::names::{LogId, LogName};
use crate::record::{CertificateIssued, Entry, MatterRef, SignedRecord, Status, SubjectTag};
use freshness::News;

/// Every log this peer holds.
pub struct Catalogue {
    members: Membership,
    own: LogId,
    place: Place,
    /// Each log; one that was opened again takes the place of the one before. Locked for as long as it takes to look one up
    /// or to put one in, and never while a log is opened.
    logs: RwLock<BTreeMap<LogId, Arc<Log>>>,
    /// What was heard of each log.
    news: RwLock<BTreeMap<LogId, News>>,
    limits: FreshnessLimits,
    /// When enough governors last confirmed that no later block is known to them.
    decisions_ms: AtomicU64,
    /// Definitions recently asked for.
    defined: defined::Cache,
    /// Logs of which all is known to count, though keys ended in them.
    settled: RwLock<BTreeMap<LogId, counted::Settled>>,
    /// Whether other members have confirmed that the own log on disk is whole.
    own_whole: AtomicBool,
    /// Locked while a log is opened again, which writes to its files.
    reopening: Mutex<()>,
    /// Locked while a newcomer's log is opened.
    beginning: Mutex<()>,
}

/// A log that a department writes by now.
pub struct Begun {
    /// Which.
    pub log: LogId,
    /// What opening it found and did.
    pub opening: Opening,
    /// What brings over what is kept of the generation before, if that was open here.
    pub filling: Option<Filling>,
}

/// What happened while the logs were opened.
pub struct Opened {
    /// The catalogue.
    pub catalogue: Catalogue,
    /// What opening each log found and did.
    pub openings: Vec<(LogId, Opening)>,
    /// Evidence files that could not be used, and why.
    pub bad_evidence: Vec<(String, String)>,
}

/// A certificate with what became of it.
#[derive(Clone, Debug)]
pub struct CertificateState {
    /// Whose log it is in.
    pub log: LogId,
    /// The record that issued it.
    pub issued: SignedRecord,
    /// Current status.
    pub status: Status,
    /// Log and position of the record that gave the status; `None` for plainly valid. The log is another one where a successor
    /// of the department did.
    pub status_at: Option<(LogId, u64)>,
}

impl CertificateState {
    /// What the issuing record says.
    pub fn certificate(&self) -> &CertificateIssued {
        match &self.issued.record().entry {
            Entry::CertificateIssued(issued) => issued,
            _ => unreachable!("only issuing records make a certificate state"),
        }
    }

    /// The same with the status that its own log gives it by now.
    pub(crate) fn with_current_status(self, log: &Log) -> Result<CertificateState, ReadError> {
        let entry = log.status(&self.certificate().id)?;
        Ok(CertificateState {
            status: entry.map_or(Status::Valid, |entry| entry.status),
            status_at: entry.map(|entry| (log.name().id, entry.seq)),
            ..self
        })
    }
}

impl Catalogue {
    /// Opens the present logs of all departments that belong or once did, several at a time, each as [`Log::open`] does. Another
    /// department's log that can't be opened is set aside, so that one damaged copy keeps nobody from asking about the others.
    ///
    /// # Errors
    /// [`OpenError`] of the own log, or of a medium that is of no use at all.
    pub fn open(
        place: Place,
        members: Membership,
        own: DepartmentCode,
    ) -> Result<Opened, OpenError> {
        let network = members.network();
        let history = members.history();
        let names: Vec<LogName> = history
            .departments()
            .map(|department| LogName {
                network,
                id: history.present_log(&department.code),
            })
            .collect();
        log::begin(&place, &names)?;
        let opened: Vec<_> = names
            .par_iter()
            .map(|&name| {
                let opened = match Log::open_in(&place, name, &members) {
                    Err(error) if name.id.department != own => {
                        Log::open_after_failure(&place, name, &members, &error)
                    }
                    opened => opened,
                };
                let (log, opening) = opened?;
                Ok((name.id, Arc::new(log), opening))
            })
            .collect::<Result<_, OpenError>>()?;
        // Before any of them has records: a head that is gone by a crash would make these a loss.
        log::end(&place, &names)?;
        opened
            .par_iter()
            .for_each(|(_, log, _)| kept::fill_from_disk(&place, log, &members));
        let mut logs = BTreeMap::new();
        let mut openings = Vec::new();
        let (found, mut bad_evidence) = evidence::load(&place, &members);
        for (id, log, opening) in opened {
            logs.insert(id, log);
            let unproved = opening.unproved_stop.clone();
            bad_evidence.extend(unproved.map(|error| (format!("{id}.broken"), error)));
            openings.push((id, opening));
        }
        let own = members.present_log(&own);
        let catalogue = Catalogue {
            members,
            own,
            place,
            logs: RwLock::new(logs),
            news: RwLock::default(),
            limits: FreshnessLimits::default(),
            decisions_ms: AtomicU64::new(freshness::NEVER),
            defined: defined::Cache::default(),
            settled: RwLock::default(),
            own_whole: AtomicBool::new(false),
            reopening: Mutex::new(()),
            beginning: Mutex::new(()),
        };
        for evidence in found {
            if let Some(log) = catalogue.log(&evidence.log()) {
                log.stop(Stopped::Forked(Arc::new(evidence)));
            }
        }
        Ok(Opened {
            catalogue,
            openings,
            bad_evidence,
        })
    }

    /// Sets for how long a copy may lag or go unconfirmed.
    pub fn limit_age(&mut self, limits: FreshnessLimits) {
        self.limits = limits;
    }

    /// Opens another department's log again: after a refused write, or when what is on disk turned out to be damaged.
    /// Questions are answered from what was open before until this is done.
    ///
    /// # Errors
    /// [`OpenError`]; what was open before stays.
    pub fn reopen(&self, id: &LogId) -> Result<Opening, OpenError> {
        let Some(open) = self.log(id).filter(|_| *id != self.own) else {
            return Ok(Opening::default());
        };
        let name = LogName {
            network: self.members.network(),
            id: *id,
        };
        let _reopening = self.reopening.lock();
        // What is still being written to the copy that is open must not be written beside the one that is being opened.
        open.close("it is being opened again");
        // Whatever was saved: something on disk is not as it should be, or could not be written.
        let (log, opening) = match Log::open_checked(&self.place, name, &self.members) {
            Err(error) => Log::open_after_failure(&self.place, name, &self.members, &error)?,
            opened => opened?,
        };
        let mut logs = self.logs.write();
        // It may go on in another generation by now.
        if !logs.contains_key(id) {
            drop(logs);
            log.close("its generation has ended");
            return Ok(Opening::default());
        }
        // Evidence may have come meanwhile.
        if let Some(stopped) = open.stopped() {
            log.stop(stopped);
        }
        let size = log.size();
        logs.insert(*id, Arc::new(log));
        self.settled.write().remove(id);
        drop(logs);
        // What it held and lost has to come back before anything is valid by it.
        if size < open.size() {
            let mut news = self.news.write();
            news.entry(*id).or_default().lost(open.size());
        }
        Ok(opening)
    }

    /// Other departments' logs in which records named decisions of the members that were not known here, and are by now: what those
    /// changed is known once the log is [opened again](Catalogue::reopen).
    pub fn caught_up(&self) -> Vec<LogId> {
        let known = self.members.history().height();
        let waits = |log: &Log| log.unread().and_then(|unread| unread.behind);
        let others = self.logs().filter(|log| log.name().id != self.own);
        others
            .filter(|log| waits(log).is_some_and(|height| height <= known))
            .map(|log| log.name().id)
            .collect()
    }

    /// Opens the log that a department writes by now, making its files, since the department was admitted or its log ended and
    /// goes on in the next generation: whoever asks sees it once this is done, in place of the one before. `None` if it is open
    /// already, or the own one, which takes another run. Waits for the disk, and nobody who reads waits for it. What is kept of
    /// the one before comes after that.
    ///
    /// # Errors
    /// [`OpenError`] of a medium that is of no use at all.
    pub fn begin(&self, department: &DepartmentCode) -> Result<Option<Begun>, OpenError> {
        let _one_at_a_time = self.beginning.lock();
        let id = self.members.present_log(department);
        if self.log(&id).is_some() || *department == self.own.department {
            return Ok(None);
        }
        let name = LogName {
            network: self.members.network(),
            id,
        };
        let (log, opening) = match Log::open(&self.place, name, &self.members) {
            Err(error) => Log::open_after_failure(&self.place, name, &self.members, &error)?,
            opened => opened?,
        };
        let log = Arc::new(log);
        let before = self.log_of(department);
        let mut logs = self.logs.write();
        if let Some(before) = &before {
            logs.remove(&before.name().id);
            self.settled.write().remove(&before.name().id);
        }
        logs.insert(id, Arc::clone(&log));
        drop(logs);
        let members = self.members.clone();
        Ok(Some(Begun {
            log: id,
            opening,
            filling: before.map(|before| Filling::new(log, before, members)),
        }))
    }

    /// Gives up merging parts of the logs' indexes, which whoever stops would have to wait for. Nothing is merged any more.
    pub fn stop_merging(&self) {
        for log in self.logs() {
            log.stop_merging();
        }
    }

    /// Saves a snapshot of every log that has none as new as itself, several at a time; returns those of which none could be
    /// saved, and why.
    pub fn save_snapshots(&self) -> Vec<(LogId, std::io::Error)> {
        let logs: Vec<Arc<Log>> = self.logs().collect();
        let saved = logs.into_par_iter().filter_map(|log| {
            let error = log.save_snapshot().err()?;
            Some((log.name().id, error))
        });
        saved.collect()
    }

    /// Takes nothing more into any log and writes to no file of theirs, whoever still has this catalogue: before the logs are opened
    /// again by another. The own log's journal was cleared.
    pub fn close(&self) {
        for log in self.logs() {
            log.close("the run has ended");
        }
    }

    /// Who belongs to the network.
    pub fn members(&self) -> &Membership {
        &self.members
    }

    /// This department's own log.
    pub fn own(&self) -> LogId {
        self.own
    }

    /// Says whether other members have confirmed that the own log on disk is whole.
    pub fn set_own_log_whole(&self, whole: bool) {
        self.own_whole.store(whole, Ordering::Release);
    }

    /// Whether other members have confirmed since the start that the own log on disk is whole, or an operator vouched for
    /// it.
    pub fn is_own_log_whole(&self) -> bool {
        self.own_whole.load(Ordering::Acquire)
    }

    /// One log.
    pub fn log(&self, id: &LogId) -> Option<Arc<Log>> {
        self.logs.read().get(id).map(Arc::clone)
    }

    /// The log that a department writes, or last wrote, as it is open now.
    pub fn log_of(&self, department: &DepartmentCode) -> Option<Arc<Log>> {
        let of = |generation| LogId {
            department: *department,
            generation,
        };
        let logs = self.logs.read();
        let last = logs.range(of(0)..=of(u32::MAX)).next_back();
        last.map(|(_, log)| Arc::clone(log))
    }

    /// All logs as they are open now, by name.
    pub fn logs(&self) -> impl Iterator<Item = Arc<Log>> + use<> {
        let logs: Vec<Arc<Log>> = self.logs.read().values().cloned().collect();
        logs.into_iter()
    }

    /// The greatest governance height that a log held here names, if the decisions up to there are not known here: they were lost
    /// since, and what they brought, as another catalogue key, nobody here knows of.
    pub fn ahead_of_decisions(&self) -> Option<u64> {
        let named = self.logs().map(|log| log.height()).max()?;
        // Read after the logs: whatever one of them takes up meanwhile, the decisions were there before it.
        (named > self.members.history().height()).then_some(named)
    }

    /// Keeps evidence of a fork durably and stops the log it concerns.
    ///
    /// # Errors
    /// Those of the medium; the log has stopped nevertheless.
    pub fn freeze(&self, evidence: &ForkEvidence) -> std::io::Result<()> {
        // Held, so that one being opened again stops as well.
        let logs = self.logs.read();
        if let Some(log) = logs.get(&evidence.log()) {
            log.stop(Stopped::Forked(Arc::new(evidence.clone())));
        }
        drop(logs);
        evidence::save(&self.place, self.members.network(), evidence)
    }

    /// Logs in which a certificate of this identifier may have been issued: its issuer's, or those of the departments
    /// of its issuer's division.
    fn logs_of(&self, id: &CertificateId) -> impl Iterator<Item = Arc<Log>> + use<> {
        let issuer = id.issuer();
        self.logs()
            .filter(move |log| issuer.names(&log.name().id.department))
    }

    /// A certificate as its issuer's log has it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn certificate(&self, id: &CertificateId) -> Result<Option<CertificateState>, ReadError> {
        Ok(self.claims(id)?.into_iter().next())
    }

    /// A certificate in every log that may hold it. An identifier that names a division can be claimed by several of its
    /// departments; then those that were not entitled to issue it are left out, and which of the others is right, only
    /// people can say.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn claims(&self, id: &CertificateId) -> Result<Vec<CertificateState>, ReadError> {
        self.claims_beside(id, None)
    }

    /// The same where one log's is at hand.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(crate) fn claims_beside(
        &self,
        id: &CertificateId,
        at_hand: Option<&CertificateState>,
    ) -> Result<Vec<CertificateState>, ReadError> {
        let found = self.logs_of(id).map(|log| match at_hand {
            Some(state) if state.log == log.name().id => Ok(Some(state.clone())),
            _ => self.state_in(&log, id),
        });
        let mut claims: Vec<CertificateState> = found
            .filter_map(Result::transpose)
            .collect::<Result<_, _>>()?;
        if claims.len() > 1 {
            let mut entitled = Vec::new();
            for state in &claims {
                if self.is_entitled(state)? {
                    entitled.push(state.clone());
                }
            }
            match entitled.is_empty() {
                true => claims.truncate(1),
                false => claims = entitled,
            }
        }
        Ok(claims)
    }

    /// Whether the only claim to a certificate is by a department that was not entitled to issue it, while another that its
    /// identifier names may have issued it: that record may still come.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn awaits_issuer(&self, claim: &CertificateState) -> Result<bool, ReadError> {
        let id = &claim.certificate().id;
        let code = id.type_code();
        let mut others = self.logs_of(id).filter(|log| log.name().id != claim.log);
        let may_come = others.any(|log| self.may_issue(&code, &log.name().id.department));
        Ok(may_come && !self.is_entitled(claim)?)
    }

    /// Whether a log besides one, in which a certificate may have been issued, lacks records that its generation begins with.
    pub(crate) fn is_filling(&self, id: &CertificateId, besides: &LogId) -> bool {
        let mut others = self.logs_of(id).filter(|log| log.name().id != *besides);
        others.any(|log| log.kept_missing() > 0)
    }

    /// A certificate as one log has it, whoever else has it.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn certificate_in(
        &self,
        log: &LogId,
        id: &CertificateId,
    ) -> Result<Option<CertificateState>, ReadError> {
        let log = self.log(log);
        let state = log.map(|log| self.state_in(&log, id)).transpose()?;
        Ok(state.flatten())
    }

    /// The log of a department that issued a certificate in another's name, if any did.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn impostor(&self, id: &CertificateId) -> Result<Option<CertificateState>, ReadError> {
        let issuer = id.issuer();
        for log in self
            .logs()
            .filter(|log| !issuer.names(&log.name().id.department))
        {
            if let Some(state) = self.state_in(&log, id)? {
                return Ok(Some(state));
            }
        }
        Ok(None)
    }

    /// Whether this network has a member that could have issued the certificate.
    pub fn knows_issuer(&self, id: &CertificateId) -> bool {
        self.logs_of(id).next().is_some()
    }

    /// Size and time of what is known of the logs that could hold a certificate.
    pub fn known_of(&self, id: &CertificateId) -> Vec<(LogId, u64, u64)> {
        self.logs_of(id)
            .map(|log| {
                let (size, last_ms) = log.newest();
                (log.name().id, size, last_ms.unwrap_or(0))
            })
            .collect()
    }

    /// Certificates about a subject, under any of its tags, in all logs in their order, from a place on: at most `limit`, read
    /// from at most [`MAX_READ`] records, or `limit` if that is more. Each costs one more, to see that it is the first to issue
    /// its certificate.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn by_subject(
        &self,
        tags: &[SubjectTag],
        from: Cursor,
        limit: usize,
    ) -> Result<Found, ReadError> {
        self.walk(from, limit, |log, from, limit| {
            log.by_subject(tags, from, limit)
        })
    }

    /// The latest certificates of a type about a subject in every log that issued the type, of departments entitled to
    /// issue as far as is known: at most this many of each log, so that none hides what another wrote. And whether a
    /// log may have more.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn latest_of(
        &self,
        tags: &[SubjectTag],
        code: &TypeCode,
        limit: usize,
    ) -> Result<(Vec<CertificateState>, bool), ReadError> {
        let (mut found, mut cut) = (Vec::new(), false);
        for log in self.logs() {
            // One that is being filled with what its generation begins with shows nothing yet.
            cut |= log.kept_missing() > 0 && self.may_issue(code, &log.name().id.department);
            if !log.may_have_issued(code) {
                continue;
            }
            let (records, more) = log.latest_of(tags, code, limit)?;
            let before = found.len();
            for state in self.states(&log, records)? {
                if self.is_entitled(&state)? {
                    found.push(state);
                }
            }
            // What a log has no right to say is nothing, however much it is.
            cut |=
                more && (found.len() > before || self.may_issue(code, &log.name().id.department));
        }
        Ok((found, cut))
    }

    /// The same of a type.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn by_type(&self, code: &TypeCode, from: Cursor, limit: usize) -> Result<Found, ReadError> {
        self.walk(from, limit, |log, from, limit| {
            log.by_type(code, from, limit)
        })
    }

    /// Certificates of one department, from a place on: at most `limit`, read from at most [`MAX_READ`] records and as many
    /// again as are found.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn by_issuer(
        &self,
        department: &DepartmentCode,
        from: u64,
        limit: usize,
    ) -> Result<Found, ReadError> {
        let Some(log) = self.log_of(department) else {
            return Ok(Found::default());
        };
        let id = log.name().id;
        let (records, next) = log.certificates(from, limit)?;
        let next = next.map(|seq| Cursor { log: Some(id), seq });
        Ok(Found {
            certificates: self.states(&log, records)?,
            next,
        })
    }

    fn walk(
        &self,
        from: Cursor,
        limit: usize,
        ask: impl Fn(&Log, u64, usize) -> Result<(Vec<SignedRecord>, Option<u64>), ReadError>,
    ) -> Result<Found, ReadError> {
        let mut found = Found::default();
        // What was read is bounded, not what was found: a department can issue one certificate over and over.
        let mut left = limit.max(MAX_READ);
        for log in self.logs() {
            let id = log.name().id;
            let mut seq = match from.log {
                Some(first) if id < first => continue,
                Some(first) if id == first => from.seq,
                _ => 0,
            };
            loop {
                let wanted = (limit - found.certificates.len()).min(left);
                if wanted == 0 {
                    found.next = Some(Cursor { log: Some(id), seq });
                    return Ok(found);
                }
                let (records, next) = ask(&log, seq, wanted)?;
                left -= wanted.min(records.len());
                found.certificates.extend(self.states(&log, records)?);
                match next {
                    Some(next) => seq = next,
                    None => break,
                }
            }
        }
        Ok(found)
    }

    /// What `asker` may see of a certificate for a matter of its own on a day.
    ///
    /// # Errors
    /// [`ReadError`]; within it, [`Denial`] names the rule.
    pub fn access(
        &self,
        certificate: &CertificateState,
        asker: &DepartmentCode,
        matter: &MatterRef,
        on: Date,
    ) -> Result<Result<Access, Denial>, ReadError> {
        let definition = self.matter(&matter.department, &matter.matter)?;
        let request = sharing::Request {
            asker,
            matter,
            definition: definition.as_ref().map(|defined| &*defined.definition),
            on,
        };
        let issuer = &certificate.log.department;
        let held = self.log(&certificate.log).map(|log| log.definitions());
        let held = held.unwrap_or_default();
        let certificate = certificate.certificate();
        let grants = held.grants_of(certificate.id.type_code());
        Ok(sharing::access(
            &self.members,
            issuer,
            grants,
            certificate,
            &request,
        ))
    }

    /// Certificates issued, by type and department, of those that some definition of the type lets issue.
    pub fn issued(&self) -> BTreeMap<TypeCode, BTreeMap<DepartmentCode, u64>> {
        let mut counts: BTreeMap<TypeCode, BTreeMap<DepartmentCode, u64>> = BTreeMap::new();
        for log in self.logs() {
            let department = log.name().id.department;
            for (code, count) in log.issued() {
                if self.may_issue(&code, &department) {
                    *counts
                        .entry(code)
                        .or_default()
                        .entry(department)
                        .or_default() += count;
                }
            }
        }
        counts
    }
}

/// A place in all logs, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    /// Log to continue in; `None` begins with the first.
    pub log: Option<LogId>,
    /// Position to continue from in it.
    pub seq: u64,
}

/// A page of certificates. It may be short, or empty, and not be the last: what was read for it is bounded.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The certificates.
    pub certificates: Vec<CertificateState>,
    /// Where the next page begins; `None` on the last.
    pub next: Option<Cursor>,
}

impl Catalogue {
    /// Certificates as records of one log issue them. A record that issues an identifier once more says nothing: it would show
    /// another holder what the first record says.
    fn states(
        &self,
        log: &Log,
        records: Vec<SignedRecord>,
    ) -> Result<Vec<CertificateState>, ReadError> {
        let mut states = Vec::with_capacity(records.len());
        for record in records {
            let seq = record.record().seq;
            if let Some(state) = self.state_of(log, record)?
                && log
                    .issue_of(&state.certificate().id)?
                    .is_some_and(|first| first.record().seq == seq)
            {
                states.push(state);
            }
        }
        Ok(states)
    }

    /// The certificate that a record issues, with its status by the changes that count, or by all where those are too many to
    /// say: a verdict says then that it is unknown.
    fn state_of(
        &self,
        log: &Log,
        issued: SignedRecord,
    ) -> Result<Option<CertificateState>, ReadError> {
        let Entry::CertificateIssued(_) = &issued.record().entry else {
            return Ok(None);
        };
        let state = CertificateState {
            log: log.name().id,
            status: Status::Valid,
            status_at: None,
            issued,
        };
        match self.with_counted_status(log, state.clone())? {
            Some(state) => Ok(Some(state)),
            None => state.with_current_status(log).map(Some),
        }
    }

    /// A certificate as one log has it. The first record that issued it counts: later ones have no effect.
    fn state_in(
        &self,
        log: &Log,
        id: &CertificateId,
    ) -> Result<Option<CertificateState>, ReadError> {
        match log.issue_of(id)? {
            Some(record) => self.state_of(log, record),
            None => Ok(None),
        }
    }
}
