//! A peer made of memory.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use certmesh_api::draft::{Draft, HolderCode};
use certmesh_api::{Caution, Fault, OwnLogState};
use certmesh_ledger::bodies::{AttachmentFile, AttachmentKey, Attachments, Body};
use certmesh_ledger::catalogue::{CertificateState, Chain, DefinedPage, Life};
use certmesh_ledger::crypto::hash::Hash;
use certmesh_ledger::disk::MemoryDisk;
use certmesh_ledger::governance::Item as GovernanceItem;
use certmesh_ledger::id::{CertificateId, Date, DepartmentCode, HolderKind, MatterCode, TypeCode};
use certmesh_ledger::journal::Looks;
use certmesh_ledger::log::Checkpoint;
use certmesh_ledger::membership::Membership;
use certmesh_ledger::names::{LogId, LogName, NetworkId};
use certmesh_ledger::record::{
    Attachment, AttachmentName, CertificateErased, CertificateIssued, DefinitionRef, Entry,
    FieldRoot, MatterDefined, MediaType, Record, RecordHash, RetrievalHash, SharingClass,
    SignedRecord, Status, StatusChanged, TypeDefined, Validity,
};
use certmesh_ledger::retrieval::{LogAudit, Page, Used};
use certmesh_ledger::verify::{Verdict, Verification};
use futures::future::BoxFuture;
use parking_lot::Mutex;

use super::OWN;
use crate::app::cases::{Acceptance, Case, Cases};
use crate::app::change::Change;
use crate::app::define::{Define, Definition, Grants, ListPage, Types, Versioned};
use crate::app::find::{Find, FoundPage, Held, Search, Wanted};
use crate::app::govern::{Govern, HeldByOthers, Shown};
use crate::app::issue::{Incoming, Issue, Uploaded};
use crate::app::operate::{
    LogStanding, MemberStanding, NodeStanding, Operate, Readiness, Salvaged, Word,
};
use crate::app::reasons::Unprovable;
use crate::app::report::{AccessLog, Days, Lookups, Report};
use crate::app::retrieve::{Fetch, Retrieve, Retrieved};
use crate::app::verify::{Proof, Verified, Verify};
use crate::app::warnings::Warning;
use crate::app::{Appended, Item, Outcomes, Position, Refusal, RetryKey, Service};
use crate::peer::Mib;
use crate::peer::testing::{catalogue_key, members, signing_key};

/// How the fake peer behaves and what it saw.
pub(crate) struct Fake {
    members: Membership,
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
    pub(crate) standard: Mutex<Option<Versioned<TypeDefined>>>,
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

impl Default for Fake {
    fn default() -> Self {
        Fake {
            members: members(),
            looked: Mutex::default(),
            issued: Mutex::default(),
            refuse: Mutex::default(),
            delay: Mutex::default(),
            blocks: Mutex::default(),
            began: AtomicUsize::default(),
            panics: Mutex::default(),
            standard: Mutex::default(),
            groups: Mutex::default(),
            disk: MemoryDisk::default(),
            free: Arc::default(),
            serves: Mutex::default(),
            cosigned_in: Arc::default(),
        }
    }
}

impl Fake {
    /// A certificate as a record of this position would issue it.
    fn held(&self, id: &CertificateId, seq: u64) -> Held {
        let log = LogName {
            network: self.members.network(),
            id: LogId::first(own()),
        };
        let kind = HolderKind::CreditCode;
        let issued = CertificateIssued {
            id: id.clone(),
            subject: catalogue_key().subject_tag(kind, super::HOLDER_CODE),
            holder_kind: kind,
            validity: Validity::new(Date::MIN, None).unwrap(),
            sharing: SharingClass::Conditional,
            definition: DefinitionRef {
                log: log.id,
                seq: 0,
                hash: RecordHash::NONE,
            },
            field_root: FieldRoot(Hash::ZERO),
            succession: None,
        };
        let record = Record {
            seq,
            prev: RecordHash::NONE,
            time_ms: 1,
            height: 0,
            key_epoch: 0,
            entry: Entry::CertificateIssued(issued),
        };
        let issued = SignedRecord::sign(&log, record, &signing_key());
        let checkpoint = Checkpoint {
            log: log.id,
            size: seq + 1,
            root: Hash::ZERO,
            head: issued.hash(),
            status_root: Hash::ZERO,
            time_ms: 1,
            height: 0,
            key_epoch: 0,
        };
        Held {
            state: CertificateState {
                log: log.id,
                issued,
                status: Status::Valid,
                status_at: None,
            },
            checkpoint,
            type_name: None,
        }
    }

    pub(super) fn attachments(&self) -> Attachments {
        let log = LogName {
            network: NetworkId(Hash::ZERO),
            id: LogId::first(own()),
        };
        Attachments::open(Arc::new(self.disk.clone()), Path::new("/d"), log).unwrap()
    }

    fn looked(&self, client: &str) -> Result<(), Refusal> {
        self.looked.lock().push(client.to_owned());
        self.refuse.lock().clone().map_or(Ok(()), Err)
    }

    fn append(&self, draft: &Draft, retry: bool) -> Result<Appended, Refusal> {
        let own = own();
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

fn own() -> DepartmentCode {
    OWN.parse().unwrap()
}

fn appended(id: &str, seq: u64, replayed: bool, warnings: Vec<Fault<Caution>>) -> Appended {
    let position = Position {
        log: LogId::first(own()),
        seq,
        record: RecordHash::NONE,
        time_ms: 1,
        checkpoint_size: seq + 1,
        checkpoint_root: Hash::ZERO,
    };
    Appended {
        id: id.to_owned(),
        position,
        replayed,
        warnings,
    }
}

impl Issue for Fake {
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
            token: upload.key.file().to_string(),
            media_type,
            size: upload.size,
            content: upload.content,
        })
    }
}

impl Change for Fake {
    fn change_status(
        &self,
        change: StatusChanged,
        _retry: Option<RetryKey>,
    ) -> BoxFuture<'static, Result<Appended, Refusal>> {
        let own = own();
        let result = if !change.id.issuer().names(&own) {
            Err(Refusal::OtherDepartment {
                issuer: change.id.issuer().as_str().to_owned(),
                removed: false,
                successor: None,
                own: false,
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

    fn erase(&self, erasure: CertificateErased) -> BoxFuture<'static, Result<Appended, Refusal>> {
        let result = appended(erasure.id.as_str(), 4, false, Vec::new());
        Box::pin(async { Ok(result) })
    }
}

impl Define for Fake {
    fn define(&self, definition: Definition) -> BoxFuture<'static, Result<Appended, Refusal>> {
        let result = appended(&definition.name(), 3, false, Vec::new());
        Box::pin(async { Ok(result) })
    }

    fn types(&self, _page: &ListPage<TypeCode>) -> Result<Types, Refusal> {
        Ok(Types {
            certificates: self.issued.lock().len() as u64,
            ..Types::default()
        })
    }

    fn type_standard(
        &self,
        _code: &TypeCode,
        _version: Option<usize>,
    ) -> Result<Option<Versioned<TypeDefined>>, Refusal> {
        Ok(self.standard.lock().clone())
    }

    fn matters(
        &self,
        _department: Option<&DepartmentCode>,
        _page: &ListPage<(DepartmentCode, MatterCode)>,
    ) -> Result<DefinedPage<MatterDefined>, Refusal> {
        Ok(DefinedPage {
            definitions: Vec::new(),
            more: false,
        })
    }

    fn matter(
        &self,
        _department: &DepartmentCode,
        _code: &MatterCode,
        _version: Option<usize>,
    ) -> Result<Option<Versioned<MatterDefined>>, Refusal> {
        Ok(None)
    }

    fn grants(
        &self,
        _department: Option<&DepartmentCode>,
        _page: &ListPage<(DepartmentCode, u64)>,
    ) -> Result<Grants, Refusal> {
        Ok(Grants::default())
    }
}

impl Find for Fake {
    fn certificate(&self, id: &CertificateId) -> Result<Option<Held>, Refusal> {
        assert!(
            !*self.panics.lock(),
            "as asked, with {} in the message",
            super::HOLDER_CODE
        );
        let found = self.issued.lock().get(id).map(|(seq, _)| *seq);
        Ok(found.map(|seq| self.held(id, seq)))
    }

    fn fields(&self, _id: &CertificateId) -> Result<Option<Body>, Refusal> {
        Ok(None)
    }

    fn attachment(
        &self,
        _id: &CertificateId,
        _name: &AttachmentName,
    ) -> Result<Option<(Attachment, AttachmentFile)>, Refusal> {
        Ok(self.serves.lock().take())
    }

    fn history(&self, id: &CertificateId) -> Result<Option<Chain>, Refusal> {
        self.began.fetch_add(1, Ordering::Relaxed);
        let blocks = *self.blocks.lock();
        std::thread::sleep(blocks);
        let known = self.issued.lock().get(id).map(|(seq, _)| *seq);
        Ok(known.map(|seq| {
            let held = self.held(id, seq);
            Chain {
                lives: vec![Life {
                    id: id.clone(),
                    records: vec![held.state.issued],
                    checkpoint: held.checkpoint,
                }],
                cut: false,
            }
        }))
    }

    fn find(&self, search: &Search, client: &str) -> Result<FoundPage, Refusal> {
        if let Wanted::Holder { code, .. } = &search.wanted {
            assert_eq!(code.expose(), super::HOLDER_CODE);
            self.looked(client)?;
        }
        Ok(FoundPage::default())
    }
}

impl Verify for Fake {
    fn verification(&self, id: &CertificateId, on: Option<Date>) -> Result<Verified, Refusal> {
        let known = self.issued.lock().contains_key(id);
        Ok(Verified {
            verification: Verification {
                id: id.clone(),
                on: on.unwrap_or(Date::MAX),
                verdict: match known {
                    true => Verdict::Valid,
                    false => Verdict::Unknown(Vec::new()),
                },
                state: None,
                change: None,
                successors: Vec::new(),
                checkpoint: None,
                known_by: None,
                known_as_of: None,
            },
            type_name: None,
            cosigned_by: Vec::new(),
            confirmed_ms: None,
            unconfirmed: false,
            answered_by: own(),
        })
    }

    fn proof(&self, id: &CertificateId) -> Result<Proof, Refusal> {
        match self.issued.lock().get(id) {
            Some((0, _)) => Err(Refusal::ProofNotAvailable(Unprovable::Disputed { at: 0 })),
            Some(_) => {
                let signed = self.cosigned_in.lock().is_none();
                Ok(Proof {
                    bytes: vec![if signed { 0 } else { 7 }, 1, 2, 255],
                    alone: (!signed).then(|| LogId::first(own())),
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
}

impl Cases for Fake {
    fn accept(&self, case: &Case, client: &str) -> Result<Acceptance, Refusal> {
        self.looked(client)?;
        assert_eq!(case.code.expose(), super::HOLDER_CODE);
        Err(Refusal::NotFound { what: Item::Matter })
    }

    fn accept_for_good(&self, _: Case, _: &str) -> BoxFuture<'static, Result<Acceptance, Refusal>> {
        Box::pin(async { Err(Refusal::Internal) })
    }
}

impl Retrieve for Fake {
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
}

impl Report for Fake {
    fn audit(
        &self,
        _: Days,
        _: Option<(LogId, u64)>,
    ) -> Result<BTreeMap<LogId, LogAudit>, Refusal> {
        Err(Refusal::NotFound { what: Item::Log })
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

    fn lookups(&self, _: &Lookups, client: &str) -> Result<Looks, Refusal> {
        self.looked(client)?;
        Ok(Looks::default())
    }

    fn usage(&self, _: Days) -> Result<BTreeMap<DepartmentCode, Used>, Refusal> {
        Err(Refusal::NotFound { what: Item::Log })
    }
}

impl Operate for Fake {
    fn vouch_for_own_log(&self, _word: Word) -> Result<NodeStanding, Refusal> {
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

    fn logs(&self) -> Result<Vec<LogStanding>, Refusal> {
        Ok(Vec::new())
    }

    fn log(
        &self,
        _department: &DepartmentCode,
        _root_at: Option<u64>,
    ) -> Result<Option<LogStanding>, Refusal> {
        Ok(None)
    }

    fn peers(&self) -> Vec<MemberStanding> {
        Vec::new()
    }

    fn status(&self) -> NodeStanding {
        NodeStanding {
            department: own(),
            peer_id: String::new(),
            log_state: OwnLogState::Writable,
            log_detail: None,
            own_size: 0,
            records: 0,
            certificates: 0,
            connected: 0,
            started_ms: 0,
            governance: Default::default(),
            warnings: Vec::new(),
        }
    }

    fn readiness(&self) -> Readiness {
        let refuse = self.refuse.lock();
        Readiness {
            ready: refuse.is_none(),
            troubles: refuse.iter().cloned().map(Warning::OwnLog).collect(),
        }
    }
}

impl Govern for Fake {
    fn governance(&self) -> Shown {
        Shown::default()
    }

    fn trust_file(&self) -> Vec<u8> {
        Vec::new()
    }

    fn propose(&self, _: GovernanceItem) -> BoxFuture<'static, Result<Shown, Refusal>> {
        let refused = self.refuse.lock().clone();
        Box::pin(async { refused.map_or_else(|| Ok(Shown::default()), Err) })
    }

    fn end_as_stolen(&self, _: Option<u32>) -> BoxFuture<'static, Result<Shown, Refusal>> {
        let refused = self.refuse.lock().clone();
        Box::pin(async { refused.map_or_else(|| Ok(Shown::default()), Err) })
    }

    fn ask_what_is_held(&self) -> BoxFuture<'static, Result<HeldByOthers, Refusal>> {
        let refused = self.refuse.lock().clone();
        let held = HeldByOthers {
            log: LogId::first(own()),
            number: 1,
            stated: Vec::new(),
            missing: Vec::new(),
            needed: 2,
            goes_on: Err("too few".to_owned()),
        };
        Box::pin(async { refused.map_or(Ok(held), Err) })
    }
}

impl Service for Fake {
    fn members(&self) -> &Membership {
        &self.members
    }
}
