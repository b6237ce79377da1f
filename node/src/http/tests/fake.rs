//! A peer made of memory.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use certmesh_api::draft::{Draft, HolderCode};
use certmesh_api::{
    AccessLog, AuditView, FaultKind, Grants, LookupLog, Matter, Matters, Retrieved, TypeStandard,
    UseReport,
};
use certmesh_ledger::bodies::{AttachmentFile, AttachmentKey, Attachments};
use certmesh_ledger::crypto::hash::Hash;
use certmesh_ledger::disk::MemoryDisk;
use certmesh_ledger::id::{CertificateId, Date, DepartmentCode, HolderKind, MatterCode, TypeCode};
use certmesh_ledger::names::NetworkId;
use certmesh_ledger::names::{LogId, LogName};
use certmesh_ledger::record::{
    Attachment, AttachmentName, CertificateErased, MediaType, RetrievalHash, Status, StatusChanged,
};
use certmesh_ledger::retrieval::Page;
use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::OWN;
use crate::app::Refusal;
use crate::app::questions::Case;
use crate::app::questions::Days;
use crate::app::questions::Fetch;
use crate::app::questions::Lookups;
use crate::app::{
    Definition, Find, Incoming, ListPage, Outcomes, Proof, RetryKey, Service, Wanted, Word,
};
use crate::peer::Mib;
use certmesh_api::*;

/// How the fake peer behaves and what it saw.
#[derive(Default)]
pub(crate) struct Fake {
    /// Clients that looked at what a person holds.
    pub(crate) looked: Mutex<Vec<String>>,
    issued: Mutex<HashMap<CertificateId, (u64, String)>>,
    /// Refuses every append with this.
    pub(crate) refuse: Mutex<Option<Refusal>>,
    /// Takes this long for an append.
    pub(crate) delay: Mutex<Duration>,
    /// Blocks the thread of a query for a certificate's events for this long.
    pub(crate) blocks: Mutex<Duration>,
    /// Queries for a certificate's events that began.
    pub(crate) began: AtomicUsize,
    /// Panics in queries.
    pub(crate) panics: Mutex<bool>,
    /// The standard of every type.
    pub(crate) standard: Mutex<Option<TypeStandard>>,
    /// Sizes of the groups handed over.
    pub(crate) groups: Mutex<Vec<usize>>,
    /// Where uploads go.
    pub(crate) disk: MemoryDisk,
    /// Bytes that uploads may still take; without end when `None`.
    pub(crate) free: Arc<Mutex<Option<u64>>>,
    /// The attachment it gives to the next who asks.
    pub(crate) serves: Mutex<Option<(Attachment, AttachmentFile)>>,
    /// How long it takes until another member signs; `None` once one has.
    pub(crate) cosigned_in: Arc<Mutex<Option<Duration>>>,
}

impl Fake {
    pub(super) fn attachments(&self) -> Attachments {
        let log = LogName {
            network: NetworkId(Hash::ZERO),
            id: LogId::first(OWN.parse().unwrap()),
        };
        Attachments::open(Arc::new(self.disk.clone()), Path::new("/d"), log).unwrap()
    }

    fn looked(&self, client: &str) -> Result<(), Refusal> {
        self.looked.lock().push(client.to_owned());
        self.refuse.lock().clone().map_or(Ok(()), Err)
    }

    fn append(&self, draft: &Draft, retry: bool) -> Result<Appended, Refusal> {
        let own: DepartmentCode = OWN.parse().unwrap();
        if !draft.id.issuer().names(&own) {
            return Err(Refusal::NotThisDepartment {
                named: draft.id.issuer().as_str().to_owned(),
                own,
            });
        }
        let content = format!(
            "{} {:?} {:?}",
            draft.holder_code.expose(),
            draft.validity,
            *draft.fields
        );
        let mut issued = self.issued.lock();
        let next = issued.len() as u64;
        let (seq, replayed) = match issued.get(&draft.id) {
            Some((seq, before)) if retry && *before == content => (*seq, true),
            Some(_) if retry => return Err(Refusal::IdempotencyMismatch),
            Some(_) => {
                return Err(Refusal::DuplicateCertificate);
            }
            None => (next, false),
        };
        issued.insert(draft.id.clone(), (seq, content));
        Ok(appended(
            draft.id.as_str(),
            seq,
            replayed,
            draft.warnings.clone(),
        ))
    }
}

fn appended(id: &str, seq: u64, replayed: bool, warnings: Vec<String>) -> Appended {
    let position = Position {
        log: OWN.to_owned(),
        seq,
        record: "00".repeat(32),
        time_ms: 1,
        checkpoint_size: seq + 1,
        checkpoint_root: "11".repeat(32),
    };
    Appended {
        id: id.to_owned(),
        position,
        replayed,
        warnings,
    }
}

impl Service for Fake {
    fn submit(
        &self,
        drafts: Vec<Draft>,
        retry: Option<RetryKey>,
    ) -> BoxFuture<'static, Result<Outcomes, Refusal>> {
        self.groups.lock().push(drafts.len());
        let outcome = match self.refuse.lock().clone() {
            Some(refusal) => Err(refusal),
            None => Ok(drafts
                .iter()
                .map(|draft| self.append(draft, retry.is_some()))
                .collect()),
        };
        let delay = *self.delay.lock();
        Box::pin(async move {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            outcome
        })
    }

    fn change_status(
        &self,
        change: StatusChanged,
        _retry: Option<RetryKey>,
    ) -> BoxFuture<'static, Result<Appended, Refusal>> {
        let own: DepartmentCode = OWN.parse().unwrap();
        let result = if !change.id.issuer().names(&own) {
            Err(Refusal::OtherDepartment {
                issuer: change.id.issuer().as_str().to_owned(),
            })
        } else if !self.issued.lock().contains_key(&change.id) {
            Err(Refusal::UnknownCertificate)
        } else {
            Status::Valid
                .after(change.action)
                .map(|_| appended(change.id.as_str(), 9, false, Vec::new()))
                .map_err(Refusal::from)
        };
        Box::pin(async { result })
    }

    fn define(&self, definition: Definition) -> BoxFuture<'static, Result<Appended, Refusal>> {
        let result = appended(&definition.name(), 3, false, Vec::new());
        Box::pin(async { Ok(result) })
    }

    fn type_standard(
        &self,
        _code: &TypeCode,
        _version: Option<usize>,
    ) -> Result<Option<TypeStandard>, Refusal> {
        Ok(self.standard.lock().clone())
    }

    fn matters(
        &self,
        _department: Option<&DepartmentCode>,
        page: &ListPage,
    ) -> Result<Matters, Refusal> {
        page.begins(|_| None::<()>)?;
        Ok(Matters::default())
    }

    fn matter(
        &self,
        _department: &DepartmentCode,
        _code: &MatterCode,
        _version: Option<usize>,
    ) -> Result<Option<Matter>, Refusal> {
        Ok(None)
    }

    fn grants(
        &self,
        _department: Option<&DepartmentCode>,
        page: &ListPage,
    ) -> Result<Grants, Refusal> {
        page.begins(|_| None::<()>)?;
        Ok(Grants::default())
    }

    fn vouch_for_own_log(&self, _word: Word) -> Result<NodeStatus, Refusal> {
        Ok(self.status())
    }

    fn salvage(&self) -> BoxFuture<'static, Result<Salvaged, Refusal>> {
        let salvaged = Salvaged {
            records: 2,
            copies: vec!["set-aside/one".to_owned()],
            size: 5,
        };
        let result = self.refuse.lock().clone().map_or(Ok(salvaged), Err);
        Box::pin(async { result })
    }

    fn certificate(&self, id: &CertificateId) -> Result<Option<Certificate>, Refusal> {
        assert!(
            !*self.panics.lock(),
            "as asked, with {} in the message",
            super::HOLDER_CODE
        );
        let found = self.issued.lock().get(id).map(|(seq, _)| *seq);
        Ok(found.map(|seq| Certificate {
            id: id.as_str().to_owned(),
            type_code: id.type_code().as_str().to_owned(),
            type_name: None,
            issuer: OWN.to_owned(),
            issuer_name: None,
            holder_kind: "001".to_owned(),
            valid_from: "2026-01-01".to_owned(),
            valid_until: None,
            sharing: "conditional".to_owned(),
            field_root: "33".repeat(32),
            succession: None,
            predecessors: Vec::new(),
            status: "valid".to_owned(),
            status_code: "01".to_owned(),
            position: appended("", seq, false, Vec::new()).position,
            definition: None,
            verdict: None,
            reason: None,
        }))
    }

    fn receive(&self, _client: &str, declared: u64) -> Result<Incoming, Refusal> {
        let free = Arc::clone(&self.free);
        let room = move |more| match &mut *free.lock() {
            Some(free) if *free < more => Err(Refusal::StorageFull {
                free: Mib::of_free(*free),
                needed: Mib::of_needed(more),
            }),
            free => {
                *free = free.map(|free| free - more);
                Ok(())
            }
        };
        if self.free.lock().is_some_and(|free| declared > free) {
            room(declared)?;
        }
        let mut drawn = [0; 48];
        getrandom::fill(&mut drawn).unwrap();
        let receiving = self.attachments().receive(AttachmentKey::new(&drawn));
        Ok(Incoming {
            receiving: receiving.unwrap(),
            room: Box::new(room),
        })
    }

    fn uploaded(&self, incoming: Incoming, media_type: MediaType) -> Result<Uploaded, Refusal> {
        let upload = incoming.receiving.finish(media_type, 0).unwrap();
        Ok(Uploaded {
            upload: upload.key.file().to_string(),
            media_type: media_type.to_string(),
            size: upload.size,
            content: upload.content.to_string(),
        })
    }

    fn attachment(
        &self,
        _id: &CertificateId,
        _name: &AttachmentName,
    ) -> Result<Option<(Attachment, AttachmentFile)>, Refusal> {
        Ok(self.serves.lock().take())
    }

    fn fields(&self, _id: &CertificateId) -> Result<Option<CertificateFields>, Refusal> {
        Ok(None)
    }

    fn erase(&self, erasure: CertificateErased) -> BoxFuture<'static, Result<Appended, Refusal>> {
        let result = appended(erasure.id.as_str(), 4, false, Vec::new());
        Box::pin(async { Ok(result) })
    }

    fn history(&self, id: &CertificateId) -> Result<Option<History>, Refusal> {
        self.began.fetch_add(1, Ordering::Relaxed);
        let blocks = *self.blocks.lock();
        std::thread::sleep(blocks);
        let known = self.issued.lock().contains_key(id);
        Ok(known.then(|| History {
            id: id.as_str().to_owned(),
            events: Vec::new(),
            cut: false,
        }))
    }

    fn verification(&self, id: &CertificateId, on: Option<Date>) -> Result<Verification, Refusal> {
        let known = self.issued.lock().contains_key(id);
        Ok(Verification {
            id: id.as_str().to_owned(),
            verdict: if known { "valid" } else { "unknown" }.to_owned(),
            reason: None,
            explanation: String::new(),
            successors: Vec::new(),
            missing: Vec::new(),
            on: on.map_or("today".to_owned(), |on| on.to_string()),
            certificate: None,
            provenance: None,
        })
    }

    fn proof(&self, id: &CertificateId) -> Result<Proof, Refusal> {
        match self.issued.lock().get(id) {
            Some((0, _)) => Err(Refusal::ProofNotAvailable(
                "not under a checkpoint yet".to_owned(),
            )),
            Some(_) => {
                let signed = self.cosigned_in.lock().is_none();
                Ok(Proof {
                    bytes: vec![if signed { 0 } else { 7 }, 1, 2, 255],
                    alone: (!signed).then(|| LogId::first(OWN.parse().unwrap())),
                })
            }
            None => Err(Refusal::UnknownCertificate),
        }
    }

    fn cosigned(&self, _: LogId, patience: Duration) -> BoxFuture<'static, bool> {
        let signed_in = Arc::clone(&self.cosigned_in);
        Box::pin(async move {
            let after = signed_in.lock().unwrap();
            tokio::time::sleep(after.min(patience)).await;
            if after > patience {
                return false;
            }
            *signed_in.lock() = None;
            true
        })
    }

    fn accept_for_good(&self, _: Case, _: &str) -> BoxFuture<'static, Result<Acceptance, Refusal>> {
        Box::pin(async { Err(Refusal::Internal) })
    }

    fn retrieve(&self, _: Fetch) -> BoxFuture<'static, Result<Retrieved, Refusal>> {
        Box::pin(async { Err(Refusal::Internal) })
    }

    fn retrieved_attachment(
        &self,
        _: RetrievalHash,
        _: AttachmentName,
    ) -> BoxFuture<'static, Result<Option<(Attachment, AttachmentFile)>, Refusal>> {
        Box::pin(async { Ok(None) })
    }

    fn evidence_copy(&self, _: &RetrievalHash) -> Result<Option<Retrieved>, Refusal> {
        Ok(None)
    }

    fn audit(&self, _: Days, _: Option<(LogId, u64)>) -> Result<AuditView, Refusal> {
        Err(Refusal::NotFound { what: "log" })
    }

    fn access_log(
        &self,
        _: HolderKind,
        _: HolderCode,
        _: Days,
        _: Option<Page>,
    ) -> BoxFuture<'static, Result<AccessLog, Refusal>> {
        Box::pin(async { Err(Refusal::Internal) })
    }

    fn lookups(&self, question: &Lookups, client: &str) -> Result<LookupLog, Refusal> {
        self.looked(client)?;
        Ok(LookupLog {
            from: question.days.from.to_string(),
            to: question.days.to.to_string(),
            lookups: Vec::new(),
            damaged: Vec::new(),
            next: None,
        })
    }

    fn usage(&self, _: Days) -> Result<UseReport, Refusal> {
        Err(Refusal::NotFound { what: "log" })
    }

    fn accept(&self, case: &Case, client: &str) -> Result<Acceptance, Refusal> {
        self.looked(client)?;
        assert_eq!(case.code.expose(), super::HOLDER_CODE);
        Err(Refusal::NotFound { what: "matter" })
    }

    fn find(&self, query: &Find, client: &str) -> Result<Found, Refusal> {
        if query.cursor.is_some() {
            return Err(Refusal::field("cursor", FaultKind::Cursor));
        }
        if let Wanted::Holder { code, .. } = &query.wanted {
            assert_eq!(code.expose(), super::HOLDER_CODE);
            self.looked(client)?;
        }
        Ok(Found {
            certificates: Vec::new(),
            next: None,
        })
    }

    fn catalogue(&self, page: &ListPage) -> Result<CatalogueView, Refusal> {
        page.begins(|_| None::<()>)?;
        Ok(CatalogueView {
            types: Vec::new(),
            next: None,
            certificates: self.issued.lock().len() as u64,
        })
    }

    fn logs(&self) -> Result<Vec<LogView>, Refusal> {
        Ok(Vec::new())
    }

    fn log(&self, _department: &DepartmentCode) -> Result<Option<LogView>, Refusal> {
        Ok(None)
    }

    fn peers(&self) -> Vec<PeerView> {
        Vec::new()
    }

    fn status(&self) -> NodeStatus {
        NodeStatus {
            department: OWN.to_owned(),
            name: "Bureau".to_owned(),
            network_name: "Test".to_owned(),
            network: "44".repeat(32),
            version: "0".to_owned(),
            peer_id: String::new(),
            log_state: "writable".to_owned(),
            log_detail: None,
            own_size: 0,
            records: 0,
            certificates: 0,
            peers_connected: 0,
            peers_total: 0,
            warnings: Vec::new(),
            started_ms: 0,
        }
    }

    fn readiness(&self) -> Readiness {
        let refuse = self.refuse.lock();
        Readiness {
            ready: refuse.is_none(),
            reasons: refuse.iter().map(ToString::to_string).collect(),
            warnings: Vec::new(),
        }
    }
}
