//! What a real peer does for its callers.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::Bound;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use certmesh_api::draft::{Draft, HolderCode};
use certmesh_api::{
    AccessLog, AuditView, FaultKind, FieldView, GrantRequest, GrantView, Grants, LookupLog, Matter,
    MatterRequest, MatterSummary, Matters, OwnLogState, Retrieved, TypeRequest, TypeStandard,
    UseReport, VersionView,
};
use certmesh_ledger::bodies::{AttachmentError, AttachmentFile, Body, Opened};
use certmesh_ledger::catalogue::{Cursor, Defined, Found};
use certmesh_ledger::codec::Text;
use certmesh_ledger::id::{CertificateId, Date, DepartmentCode, HolderKind, MatterCode, TypeCode};
use certmesh_ledger::journal::Looked;
use certmesh_ledger::log::{HeaderError, Listing, Log, MatterVersion, ReadError};
use certmesh_ledger::names::LogId;
use certmesh_ledger::record::{
    Attachment, AttachmentName, CertificateErased, Entry, MatterDefined, MediaType, RetrievalHash,
    StatusChanged, SubjectTag, TypeDefined, is_dated_ahead,
};
use certmesh_ledger::retrieval::Page;
use certmesh_ledger::verify::{Bundle, GatherError, verify};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use super::retrieval::{copies, reports};
use super::{cases, views};
use crate::app::retrieval::asking::Asking;
use crate::app::{
    Case, Days, Definition, Fetch, Find, Incoming, ListPage, Lookups, Outcomes, Proof, RetryKey,
    Service, Wanted, Word,
};
use crate::peer::Refusal;
use crate::peer::journal::{NewLook, Recorder};
use crate::peer::writer::{Append, WriterHandle};
use crate::peer::{Peer, now_ms, uploads};

/// A real peer, as its callers use it.
pub(crate) struct PeerService {
    pub(crate) peer: Arc<Peer>,
    pub(crate) writer: WriterHandle,
    pub(crate) asking: Asking,
    pub(crate) recorder: Recorder,
    /// Notifies the driver that an operator vouches for the own log.
    pub(crate) vouch: mpsc::UnboundedSender<()>,
}

/// Between two looks at whether somebody has signed a checkpoint: signatures come in seconds, and a look reads no file.
const LOOK_EVERY: Duration = Duration::from_millis(50);

fn unreadable(error: &ReadError) -> Refusal {
    tracing::error!(%error, "a log could not be read");
    Refusal::Internal
}

/// Position of a certificate's record and its body.
type IssuedBody = (u64, Opened<Body>);

/// Continues when the client goes away: what was requested from another department has to be acknowledged.
fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> BoxFuture<'static, Result<T, Refusal>> {
    let running = tokio::spawn(work);
    // An error of the task is a panic, which the panic hook logged.
    async move { running.await.unwrap_or(Err(Refusal::Internal)) }.boxed()
}

fn look(client: &str, subject: Option<SubjectTag>, looked: Looked) -> Result<NewLook, Refusal> {
    Ok(NewLook {
        client: Text::new(client).map_err(|_| Refusal::Internal)?,
        subject,
        looked,
    })
}

impl PeerService {
    fn append(
        &self,
        appends: Vec<Append>,
        retry: Option<RetryKey>,
    ) -> BoxFuture<'static, Result<Outcomes, Refusal>> {
        if let Some(refusal) = self.peer.append_refusal() {
            return async { Err(refusal) }.boxed();
        }
        let writer = self.writer.clone();
        async move {
            writer
                .submit(appends, retry)?
                .await
                .unwrap_or(Err(Refusal::Internal))
        }
        .boxed()
    }

    /// A look at what a subject holds of what a matter requires.
    fn look_at_case(&self, case: &Case, client: &str) -> Result<NewLook, Refusal> {
        let matter = cases::resolve(&self.peer, &case.matter)?;
        let subject = self.subject(case.kind, &case.code);
        look(client, Some(subject), Looked::Accept(matter))
    }

    fn subject(&self, kind: HolderKind, code: &HolderCode) -> SubjectTag {
        self.peer.catalogue_key.subject_tag(kind, code.expose())
    }

    fn append_one(
        &self,
        append: Append,
        retry: Option<RetryKey>,
    ) -> BoxFuture<'static, Result<certmesh_api::Appended, Refusal>> {
        let outcomes = self.append(vec![append], retry);
        async move { outcomes.await?.pop().unwrap_or(Err(Refusal::Internal)) }.boxed()
    }

    /// Position and body of a certificate of this department; `None` when no record of it is held.
    fn body(&self, id: &CertificateId) -> Result<Option<IssuedBody>, Refusal> {
        let peer = &self.peer;
        let found = peer.catalogue.certificate(id);
        let Some(state) = found.map_err(|error| unreadable(&error))? else {
            return Ok(None);
        };
        if state.log != peer.catalogue.own() {
            return Err(Refusal::OtherDepartment {
                issuer: state.log.department.to_string(),
            });
        }
        let seq = state.issued.record().seq;
        Ok(Some((seq, peer.fields_of(seq, id)?)))
    }
}

/// One version of a definition, the latest when none is named; `None` when there is no such version.
fn version_of<D>(
    log: &Log,
    versions: &[VersionView],
    version: Option<usize>,
    of: impl FnOnce(&Entry) -> Option<D>,
) -> Result<Option<(D, usize)>, Refusal> {
    let version = version.unwrap_or(versions.len());
    let wanted = version.checked_sub(1).and_then(|place| versions.get(place));
    let Some(wanted) = wanted else {
        return Ok(None);
    };
    let record = log.record(wanted.seq).map_err(|error| unreadable(&error))?;
    Ok(of(&record.record().entry).map(|definition| (definition, version)))
}

/// The cursor of a page that follows what a department's log has of this.
fn cursor_after(department: &DepartmentCode, what: &impl Display) -> String {
    // Both parts and the mark between them stand in an address as they are.
    format!("{department}~{what}")
}

fn read_cursor_after<T: FromStr>(text: &str) -> Option<(DepartmentCode, T)> {
    let (department, what) = text.split_once('~')?;
    Some((department.parse().ok()?, what.parse().ok()?))
}

impl Service for PeerService {
    fn submit(
        &self,
        drafts: Vec<Draft>,
        retry: Option<RetryKey>,
    ) -> BoxFuture<'static, Result<Outcomes, Refusal>> {
        self.append(
            drafts
                .into_iter()
                .map(|draft| Append::Issue(Box::new(draft)))
                .collect(),
            retry,
        )
    }

    fn change_status(
        &self,
        change: StatusChanged,
        retry: Option<RetryKey>,
    ) -> BoxFuture<'static, Result<certmesh_api::Appended, Refusal>> {
        self.append_one(Append::Change(change), retry)
    }

    fn define(
        &self,
        definition: Definition,
    ) -> BoxFuture<'static, Result<certmesh_api::Appended, Refusal>> {
        self.append_one(Append::Define(Box::new(definition)), None)
    }

    fn vouch_for_own_log(&self, word: Word) -> Result<certmesh_api::NodeStatus, Refusal> {
        if word.clock_is_right {
            self.peer.trust_clock();
            return Ok(self.status());
        }
        if self.peer.vouch_for_own_log(word.after_loss) {
            let _ = self.vouch.send(());
        }
        match self.peer.own.state() {
            OwnLogState::Restoring => Err(Refusal::OwnLogUnconfirmed(
                "more of this log was signed than is on disk: appending would fork it; the rest has to come back \
                 from other members"
                    .into(),
            )),
            OwnLogState::Confirming => Err(Refusal::OwnLogUnconfirmed(match word.after_loss {
                true => "nothing was lost: `certmesh resume` without --after-loss".to_owned(),
                false => self.peer.own.detail().unwrap_or_default(),
            })),
            OwnLogState::Elsewhere => Err(Refusal::OwnLogUnconfirmed(
                self.peer.own.detail().unwrap_or_default(),
            )),
            _ => Ok(self.status()),
        }
    }

    fn salvage(&self) -> BoxFuture<'static, Result<certmesh_api::Salvaged, Refusal>> {
        let writer = self.writer.clone();
        async move { writer.salvage()?.await.unwrap_or(Err(Refusal::Internal)) }.boxed()
    }

    fn certificate(
        &self,
        id: &CertificateId,
    ) -> Result<Option<certmesh_api::Certificate>, Refusal> {
        let state = self
            .peer
            .catalogue
            .certificate(id)
            .map_err(|e| unreadable(&e))?;
        Ok(state.and_then(|state| views::certificate(&self.peer.catalogue, &state)))
    }

    fn fields(
        &self,
        id: &CertificateId,
    ) -> Result<Option<certmesh_api::CertificateFields>, Refusal> {
        let kept = self.body(id)?;
        Ok(kept.map(|(_, kept)| views::fields(id, &kept.body)))
    }

    fn receive(&self, client: &str, declared: u64) -> Result<Incoming, Refusal> {
        uploads::receive(&self.peer, client, declared)
    }

    fn uploaded(
        &self,
        incoming: Incoming,
        media_type: MediaType,
    ) -> Result<certmesh_api::Uploaded, Refusal> {
        uploads::finish(&self.peer, incoming, media_type)
    }

    fn attachment(
        &self,
        id: &CertificateId,
        name: &AttachmentName,
    ) -> Result<Option<(Attachment, AttachmentFile)>, Refusal> {
        let Some((seq, kept)) = self.body(id)? else {
            return Ok(None);
        };
        let Some((attachment, key)) = kept.body.attachment(name) else {
            return Ok(None);
        };
        let file = self.peer.attachments.read(seq, key, attachment.size);
        let file = file.map_err(|error| {
            tracing::error!(%error, record = seq, "an attachment could not be opened");
            match error {
                AttachmentError::Io(_) | AttachmentError::Header(HeaderError::Later(_)) => {
                    Refusal::Internal
                }
                _ => Refusal::Lost("attachment"),
            }
        })?;
        Ok(Some((attachment, file)))
    }

    fn erase(
        &self,
        erasure: CertificateErased,
    ) -> BoxFuture<'static, Result<certmesh_api::Appended, Refusal>> {
        self.append_one(Append::Erase(erasure), None)
    }

    fn history(&self, id: &CertificateId) -> Result<Option<certmesh_api::History>, Refusal> {
        let chain = self.peer.catalogue.chain(id).map_err(|e| unreadable(&e))?;
        let known = chain.lives.first().is_some_and(|life| life.id == *id);
        Ok(known.then(|| views::history(id, &chain)))
    }

    fn verification(
        &self,
        id: &CertificateId,
        on: Option<Date>,
    ) -> Result<certmesh_api::Verification, Refusal> {
        let question = self.peer.question(on);
        let found = verify(&self.peer.catalogue, id, question).map_err(|e| unreadable(&e))?;
        Ok(views::verification(&self.peer, &found))
    }

    fn proof(&self, id: &CertificateId) -> Result<Proof, Refusal> {
        let catalogue = &self.peer.catalogue;
        let log = catalogue
            .certificate(id)
            .map_err(|e| unreadable(&e))?
            .map(|state| state.log);
        if let Some(stopped) = log.and_then(|log| catalogue.log(&log)?.stopped()) {
            return Err(Refusal::ProofNotAvailable(format!(
                "the log that holds it is in dispute from record {} on; a proof would rest on one side's word",
                stopped.undisputed()
            )));
        }
        let asked_ms = self.peer.clock.now_ms();
        if let Some(Err(stale)) = log
            .filter(|log| *log != catalogue.own())
            .map(|log| catalogue.freshness(&log, asked_ms))
        {
            return Err(Refusal::ProofNotAvailable(format!(
                "a proof could lack a revocation; what is missing: {}",
                certmesh_text::stale(&stale)
            )));
        }
        if log == Some(catalogue.own()) && !self.peer.own.is_confirmed() {
            return Err(Refusal::ProofNotAvailable(format!(
                "this department's own log is not confirmed by other members, so a proof could lack a revocation; {}",
                self.peer.own.detail().unwrap_or_default()
            )));
        }
        // A signature dated ahead would have its readers refuse the whole proof.
        let now_ms = now_ms();
        let bundle = Bundle::gather(catalogue, id, |checkpoint| {
            let mut all = self.peer.cosignatures_of(checkpoint);
            all.retain(|signed| !is_dated_ahead(signed.time_ms, now_ms));
            all
        });
        match bundle {
            Ok(Some(bundle)) => {
                let others = catalogue.members().members().count() > 1;
                Ok(Proof {
                    alone: log.filter(|_| others && !bundle.is_witnessed()),
                    bytes: bundle.to_bytes(),
                })
            }
            Ok(None) => Err(Refusal::UnknownCertificate),
            Err(GatherError::Read(error @ ReadError::LaterVersion { .. })) => {
                Err(Refusal::ProofNotAvailable(error.to_string()))
            }
            Err(GatherError::Read(error)) => Err(unreadable(&error)),
            Err(error) => Err(Refusal::ProofNotAvailable(certmesh_text::no_proof(&error))),
        }
    }

    fn cosigned(&self, log: LogId, patience: Duration) -> BoxFuture<'static, bool> {
        let peer = Arc::clone(&self.peer);
        let signed = move || {
            let checkpoint = peer.catalogue.log(&log)?.checkpoint()?;
            let now_ms = now_ms();
            let mut witnesses = peer.witnesses_of(&checkpoint).into_iter();
            witnesses.find(|signed| !is_dated_ahead(signed.time_ms, now_ms))
        };
        let wait = async move {
            while signed().is_none() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        async move { tokio::time::timeout(patience, wait).await.is_ok() }.boxed()
    }

    fn accept(&self, case: &Case, client: &str) -> Result<certmesh_api::Acceptance, Refusal> {
        let look = self.look_at_case(case, client)?;
        let recorded = self.recorder.record_blocking(look)?;
        let acceptance = cases::answer(&self.peer, case, &recorded)?;
        Ok(views::acceptance(&self.peer, &acceptance))
    }

    fn accept_for_good(
        &self,
        case: Case,
        client: &str,
    ) -> BoxFuture<'static, Result<certmesh_api::Acceptance, Refusal>> {
        let look = self.look_at_case(&case, client);
        let recorded = look.map(|look| self.recorder.record(look));
        let asking = self.asking.clone();
        let peer = Arc::clone(&self.peer);
        detached(async move {
            let acceptance = cases::accept(asking.clone(), case, recorded?.await?).await?;
            // What is shown of a certificate is read from files.
            asking
                .read(move || Ok(views::acceptance(&peer, &acceptance)))
                .await
        })
    }

    fn retrieve(&self, fetch: Fetch) -> BoxFuture<'static, Result<Retrieved, Refusal>> {
        let (asking, peer) = (self.asking.clone(), Arc::clone(&self.peer));
        detached(async move {
            let found = asking.clone().fetch(fetch).await?;
            asking
                .read(move || Ok(views::retrieved(&peer, &found)))
                .await
        })
    }

    fn retrieved_attachment(
        &self,
        retrieval: RetrievalHash,
        name: AttachmentName,
    ) -> BoxFuture<'static, Result<Option<(Attachment, AttachmentFile)>, Refusal>> {
        self.asking.clone().attachment(retrieval, name).boxed()
    }

    fn evidence_copy(&self, retrieval: &RetrievalHash) -> Result<Option<Retrieved>, Refusal> {
        let found = copies::find(&self.peer, retrieval)?;
        Ok(found.map(|found| views::retrieved(&self.peer, &found)))
    }

    fn audit(&self, days: Days, page: Option<(LogId, u64)>) -> Result<AuditView, Refusal> {
        reports::audited(&self.peer, days, page)
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
        let subject = self.subject(kind, &code);
        reports::accesses(self.asking.clone(), subject, days, page).boxed()
    }

    fn lookups(&self, question: &Lookups, client: &str) -> Result<LookupLog, Refusal> {
        let subject = question.subject.as_ref();
        let subject = subject.map(|(kind, code)| self.subject(*kind, code));
        let look = look(client, subject, Looked::Journal)?;
        let recorded = self.recorder.record_blocking(look)?;
        views::lookups(&self.peer, question, subject, &recorded)
    }

    fn usage(&self, days: Days) -> Result<UseReport, Refusal> {
        reports::used(&self.peer, days)
    }

    fn find(&self, query: &Find, client: &str) -> Result<certmesh_api::Found, Refusal> {
        let catalogue = &self.peer.catalogue;
        let cursor = match &query.cursor {
            None => Cursor::default(),
            Some(text) => {
                parse_cursor(text).ok_or_else(|| Refusal::field("cursor", FaultKind::Cursor))?
            }
        };
        let limit = query.limit as usize;
        let found: Result<Found, ReadError> = match &query.wanted {
            Wanted::Holder {
                kind,
                code,
                purpose,
            } => {
                let subject = self.subject(*kind, code);
                let looked = Looked::Find(purpose.clone());
                let look = look(client, Some(subject), looked)?;
                let recorded = self.recorder.record_blocking(look)?;
                views::held_by(catalogue, &subject, cursor, limit, &recorded)
            }
            Wanted::Type(code) => catalogue.by_type(code, cursor, limit),
            Wanted::Issuer(department) => catalogue.by_issuer(department, cursor.seq, limit),
        };
        let found = found.map_err(|e| unreadable(&e))?;
        let question = self.peer.question(None);
        let certificates: Result<Vec<_>, Refusal> = found
            .certificates
            .iter()
            .filter_map(|state| views::found(&self.peer, state, question).transpose())
            .collect();
        Ok(certmesh_api::Found {
            certificates: certificates?,
            next: found
                .next
                .and_then(|next| Some(format!("{}:{}", next.log?, next.seq))),
        })
    }

    fn catalogue(&self, page: &ListPage) -> Result<certmesh_api::CatalogueView, Refusal> {
        let catalogue = &self.peer.catalogue;
        let after: Option<TypeCode> = page.begins(|text| text.parse().ok())?;
        let mut issued = catalogue.issued();
        let certificates = issued.values().flat_map(|by| by.values()).sum();
        // One more than is asked for: it says whether another page follows.
        let limit = page.limit as usize;
        let defined = catalogue.types_after(after.as_ref(), limit + 1);
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = issued.range((from, Bound::Unbounded)).take(limit + 1);
        let codes: BTreeSet<TypeCode> = range.map(|(code, _)| *code).chain(defined).collect();
        let codes: Vec<TypeCode> = codes.into_iter().collect();
        let shown = &codes[..limit.min(codes.len())];
        let latest = catalogue.type_page(shown);
        let latest = latest.map_err(|error| unreadable(&error))?;
        let more = codes.len() > latest.len();
        let view =
            |(code, latest): (&TypeCode, Option<Defined<TypeDefined>>)| certmesh_api::TypeView {
                code: code.to_string(),
                name: latest
                    .as_ref()
                    .map(|latest| latest.definition.name.to_string()),
                defined_by: latest.as_ref().map(|latest| latest.department.to_string()),
                version: latest.as_ref().map(|latest| latest.version),
                fields: latest
                    .map(|latest| latest.definition.fields.iter().map(FieldView::of).collect())
                    .unwrap_or_default(),
                issued: issued
                    .remove(code)
                    .unwrap_or_default()
                    .into_iter()
                    .map(|(department, count)| (department.to_string(), count))
                    .collect(),
            };
        let types: Vec<certmesh_api::TypeView> = codes.iter().zip(latest).map(view).collect();
        Ok(certmesh_api::CatalogueView {
            next: types.last().filter(|_| more).map(|last| last.code.clone()),
            types,
            certificates,
        })
    }

    fn type_standard(
        &self,
        code: &TypeCode,
        version: Option<usize>,
    ) -> Result<Option<TypeStandard>, Refusal> {
        let Some((log, held)) = self.peer.catalogue.type_versions(code) else {
            return Ok(None);
        };
        let view = |(listing, version): (&Listing, usize)| VersionView {
            version,
            seq: listing.seq,
            time_ms: listing.time_ms,
        };
        let versions: Vec<VersionView> = held.listings().iter().zip(1..).map(view).collect();
        let found = version_of(&log, &versions, version, |entry| match entry {
            Entry::TypeDefined(definition) => Some(TypeRequest::of(definition)),
            _ => None,
        })?;
        Ok(found.map(|(definition, version)| TypeStandard {
            definition,
            version,
            defined_by: log.name().id.department.to_string(),
            versions,
        }))
    }

    fn matters(
        &self,
        department: Option<&DepartmentCode>,
        page: &ListPage,
    ) -> Result<Matters, Refusal> {
        let after: Option<(DepartmentCode, MatterCode)> = page.begins(read_cursor_after)?;
        let catalogue = &self.peer.catalogue;
        let found = catalogue.matters_after(after.as_ref(), department, page.limit as usize);
        let found = found.map_err(|error| unreadable(&error))?;
        let last = found.definitions.last().filter(|_| found.more);
        let summary = |held: &Defined<MatterDefined>| MatterSummary {
            department: held.department.to_string(),
            department_name: self.peer.name_of(&held.department),
            version: held.version,
            definition: MatterRequest::of(&held.definition),
        };
        Ok(Matters {
            matters: found.definitions.iter().map(summary).collect(),
            next: last.map(|held| cursor_after(&held.department, &held.definition.code)),
        })
    }

    fn matter(
        &self,
        department: &DepartmentCode,
        code: &MatterCode,
        version: Option<usize>,
    ) -> Result<Option<Matter>, Refusal> {
        let Some((log, held)) = self.peer.catalogue.matter_versions(department, code) else {
            return Ok(None);
        };
        let view = |(held, version): (&MatterVersion, usize)| VersionView {
            version,
            seq: held.seq,
            time_ms: held.time_ms,
        };
        let versions: Vec<VersionView> = held.versions().iter().zip(1..).map(view).collect();
        let found = version_of(&log, &versions, version, |entry| match entry {
            Entry::MatterDefined(definition) => Some(MatterRequest::of(definition)),
            _ => None,
        })?;
        Ok(found.map(|(definition, version)| Matter {
            definition,
            version,
            department: department.to_string(),
            department_name: self.peer.name_of(department),
            versions,
        }))
    }

    fn grants(
        &self,
        department: Option<&DepartmentCode>,
        page: &ListPage,
    ) -> Result<Grants, Refusal> {
        let after: Option<(DepartmentCode, u64)> = page.begins(read_cursor_after)?;
        let today = Date::in_china(now_ms());
        let (mut grants, mut last) = (Vec::new(), None);
        for log in self.peer.catalogue.logs() {
            let by = log.name().id.department;
            if department.is_some_and(|department| *department != by) {
                continue;
            }
            let from = match after {
                Some((first, _)) if by < first => continue,
                Some((first, seq)) if by == first => seq.saturating_add(1),
                _ => 0,
            };
            let definitions = log.definitions();
            let in_force = definitions
                .grants(from)
                .filter(|(_, grant)| grant.until.is_none_or(|until| until >= today));
            for (seq, grant) in in_force {
                if grants.len() >= page.limit as usize {
                    let next = last.map(|(by, seq)| cursor_after(&by, &seq));
                    return Ok(Grants { grants, next });
                }
                last = Some((by, seq));
                grants.push(GrantView {
                    by: by.to_string(),
                    grant: seq,
                    definition: GrantRequest::of(&grant),
                });
            }
        }
        Ok(Grants { grants, next: None })
    }

    fn logs(&self) -> Result<Vec<certmesh_api::LogView>, Refusal> {
        Ok(self
            .peer
            .catalogue
            .logs()
            .map(|log| self.peer.log_view(&log))
            .collect())
    }

    fn log(&self, department: &DepartmentCode) -> Result<Option<certmesh_api::LogView>, Refusal> {
        Ok(self
            .peer
            .catalogue
            .log(&LogId::first(*department))
            .map(|log| self.peer.log_view(&log)))
    }

    fn peers(&self) -> Vec<certmesh_api::PeerView> {
        let offsets = self.peer.clock_offsets();
        let heard = self.peer.heard.read();
        let members = self.peer.catalogue.members();
        let others = members
            .members()
            .filter(|member| member.code != self.peer.department);
        others
            .map(|member| {
                let connection = heard.connected.get(&member.code);
                certmesh_api::PeerView {
                    department: member.code.to_string(),
                    name: member.display_name().to_owned(),
                    peer_id: member.peer_id.to_string(),
                    connected: connection.is_some(),
                    since_ms: connection.map(|connection| connection.since_ms),
                    rtt_ms: connection.and_then(|connection| connection.rtt_ms),
                    heard_ms: heard.heads_ms.get(&member.code).copied(),
                    clock_offset_ms: offsets.get(&member.code).copied(),
                }
            })
            .collect()
    }

    fn status(&self) -> certmesh_api::NodeStatus {
        let peer = &self.peer;
        let members = peer.catalogue.members();
        let sizes = peer
            .catalogue
            .logs()
            .map(|log| (log.size(), log.issued().values().sum::<u64>()));
        let (records, certificates) =
            sizes.fold((0, 0), |(r, c), (records, certs)| (r + records, c + certs));
        // Locked for this alone: the warnings lock it again, and a thread that waits to write would lock both out.
        let peers_connected = peer.heard.read().connected.len() as u32;
        certmesh_api::NodeStatus {
            department: peer.department.to_string(),
            name: self.peer.name_of(&peer.department),
            network_name: members.name().to_owned(),
            network: members.network().to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            peer_id: peer.peer_id.clone(),
            log_state: peer.log_state().as_str().to_owned(),
            log_detail: peer.log_detail(),
            own_size: peer.own.log.size(),
            records,
            certificates,
            peers_connected,
            peers_total: members.members().len() as u32 - 1,
            started_ms: peer.started_ms,
            warnings: peer.warnings(),
        }
    }

    fn readiness(&self) -> certmesh_api::Readiness {
        self.peer.readiness()
    }
}

fn parse_cursor(text: &str) -> Option<Cursor> {
    let (log, seq) = text.rsplit_once(':')?;
    Some(Cursor {
        log: Some(log.parse().ok()?),
        seq: seq.parse().ok()?,
    })
}
