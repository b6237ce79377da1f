//! What a department may append to its own log, checked before anything is signed.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::crypto::hash::Hash;
use crate::genesis::Role;
use crate::id::{CertificateId, DepartmentCode, IssuerCode, TypeCode};
use crate::log::{Definitions, Log, NoEffect, Position, ReadError, inherited_key, status_key};
use crate::names::LogId;
use crate::record::{
    Basis, CaseTag, CertificateIssued, Decision, DefinitionRef, Entry, GrantMade, GrantWithdrawn,
    Grantee, ImpossibleTransition, Inherited, Misfit, RecordHash, RetrievalDecided, RetrievalHash,
    SignedRecord, Status, StatusChanged, Succession, SuccessionKind, TypeDefined,
};

use super::{Catalogue, CertificateState};

/// Why an entry may not be appended.
#[derive(Debug, thiserror::Error)]
pub enum NotAllowed {
    /// The department has no such role.
    #[error("department {department} has no role `{role}` in this network")]
    NoRole {
        /// This department.
        department: DepartmentCode,
        /// The role it lacks.
        role: Role,
    },
    /// The certificate names another issuer.
    #[error("the identifier names {issuer} as issuer; this log is department {department}'s")]
    NotThisDepartment {
        /// The issuer named.
        issuer: IssuerCode,
        /// This department.
        department: DepartmentCode,
    },
    /// The type has no definition in the catalogue.
    #[error("type {0} is not in the catalogue; define it first")]
    UnknownType(TypeCode),
    /// The type's definition doesn't list this department.
    #[error("the definition of type {0} does not allow this department to issue it")]
    NotListed(TypeCode),
    /// It names another definition than the current one.
    #[error("the definition of type {0} has changed; ask again")]
    OtherDefinition(TypeCode),
    /// A definition that would have no effect at any peer.
    #[error(transparent)]
    NoEffect(NoEffect),
    /// A department lets its certificate go to itself.
    #[error("the receiver of a transfer is another department than this one")]
    OwnReceiver,
    /// An entry of a kind that this version doesn't write.
    #[error("entries of kind {0} are of a later version")]
    UnknownKind(u32),
    /// The identifier is taken.
    #[error("a certificate {id} was issued before, as record {seq}")]
    Duplicate {
        /// The identifier.
        id: CertificateId,
        /// Position of its record.
        seq: u64,
    },
    /// The identifier is taken by an earlier row of the same request.
    #[error("this request already has a certificate {0}")]
    DuplicateInRequest(CertificateId),
    /// The certificate to change is not known.
    #[error("no certificate {0} is known")]
    UnknownCertificate(CertificateId),
    /// The certificate is another department's.
    #[error("certificate {id} is in the log of department {department}; {}", who_changes(department, changed_by.as_ref()))]
    OtherDepartment {
        /// The certificate.
        id: CertificateId,
        /// Whose log it is in.
        department: DepartmentCode,
        /// Who changes its status: that department, its successor, or nobody any more.
        changed_by: Option<DepartmentCode>,
    },
    /// It is inherited: this department changes its status, and nothing else.
    #[error(
        "certificate {id} is in the log of department {department}, which was removed; this department, its successor {own}, changes its \
         status and nothing else: it has none of its fields, and issues its own instead of renewing it"
    )]
    StatusOnly {
        /// The certificate.
        id: CertificateId,
        /// Whose log it is in.
        department: DepartmentCode,
        /// This department.
        own: DepartmentCode,
    },
    /// Several departments say that they issued it.
    #[error(
        "certificate {0} is in the logs of several departments; they have to settle which of them issued it"
    )]
    Claimed(CertificateId),
    /// Less is held of a removed department's log than what was kept of it.
    #[error(
        "not all that was kept of log {0} is held here yet, so what it says is not known; ask again"
    )]
    NotWhole(LogId),
    /// Too many records say something of it.
    #[error(
        "the status of certificate {0} can't be said, since there are too many records of it; only what ends it can be recorded"
    )]
    Unsaid(CertificateId),
    /// It was changed since the request was prepared.
    #[error("certificate {0} was changed meanwhile; ask again")]
    ChangedMeanwhile(CertificateId),
    /// The change cannot follow the current status.
    #[error("{0}")]
    Impossible(ImpossibleTransition),
    /// The identifier does not fit those of the predecessors.
    #[error("{}", listed(.0))]
    Misfits(Vec<Misfit>),
    /// Predecessors that cannot be replaced.
    #[error("{}", listed(.0))]
    NotReplaceable(Vec<NotReplaceable>),
    /// The type is another member's to define.
    #[error("type {code} is defined by its own authority {authority}, a member of this network")]
    OthersType {
        /// The type.
        code: TypeCode,
        /// Its authority.
        authority: DepartmentCode,
    },
    /// A grant names a department that is not a member.
    #[error("{0} is not a member of this network")]
    NotAMember(DepartmentCode),
    /// No such grant is in force.
    #[error(
        "no grant {0} is in force in this department's log; `certmesh grant list` shows those that are"
    )]
    UnknownGrant(u64),
    /// The case is being accepted by another request at this moment.
    #[error("the same case is being accepted at this moment; ask again")]
    CaseInRequest,
    /// The request was answered or refused before.
    #[error("this request was answered or refused before, by record {0}; make a new request")]
    Replayed(u64),
    /// The logs could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Why a certificate cannot be replaced as it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotReplaceable {
    /// No record of it is held.
    #[error(
        "predecessor {0} is in no log held here; its issuer's latest records may not have arrived yet"
    )]
    Unknown(CertificateId),
    /// It is in another department's log.
    #[error(
        "predecessor {id} is in the log of department {department}; only that department replaces it, or records it as \
         transferred-out for this one to issue a `transfer`"
    )]
    Elsewhere {
        /// The predecessor.
        id: CertificateId,
        /// Whose it is.
        department: DepartmentCode,
    },
    /// It was inherited from a removed department.
    #[error(
        "predecessor {id} is in the log of department {department}, which was removed: its successor issues a certificate of its own \
         without predecessor, and revokes this one"
    )]
    Inherited {
        /// The predecessor.
        id: CertificateId,
        /// Whose it was.
        department: DepartmentCode,
    },
    /// It is not in force.
    #[error("predecessor {id} is {status}; only a valid certificate can be replaced")]
    Status {
        /// The predecessor.
        id: CertificateId,
        /// Its status.
        status: Status,
    },
    /// A transfer of one's own certificate.
    #[error(
        "predecessor {0} is in this department's own log; a transfer is from another department"
    )]
    OwnTransfer(CertificateId),
    /// A transfer from outside the network.
    #[error(
        "predecessor {0} was issued by no member of this network, so its transfer can't be checked; issue without predecessor"
    )]
    Outside(CertificateId),
    /// A transfer of a certificate that its department has not transferred out.
    #[error(
        "predecessor {id} is {status} as far as is known here; department {department} has to record it as transferred-out first"
    )]
    NotTransferredOut {
        /// The predecessor.
        id: CertificateId,
        /// Its status.
        status: Status,
        /// Whose it is.
        department: DepartmentCode,
    },
    /// A transfer of a certificate that was transferred out to another department.
    #[error(
        "predecessor {id} was transferred out to department {to}; only that department can take it over"
    )]
    OtherReceiver {
        /// The predecessor.
        id: CertificateId,
        /// The department it was transferred out to.
        to: DepartmentCode,
    },
    /// A transfer of what several departments say they issued.
    #[error(
        "predecessor {0} is in the logs of several departments; only they can determine which of them issued it"
    )]
    Claimed(CertificateId),
    /// A transfer of what its department signed two histories of.
    #[error(
        "predecessor {id} is in dispute: the log of department {department} has stopped, and what it says about it is uncertain"
    )]
    Disputed {
        /// The predecessor.
        id: CertificateId,
        /// Whose it is.
        department: DepartmentCode,
    },
    /// A transfer of what was taken over before.
    #[error("predecessor {id} was taken over before, as {by}")]
    TakenOver {
        /// The predecessor.
        id: CertificateId,
        /// The certificate in its place.
        by: CertificateId,
    },
}

fn who_changes(department: &DepartmentCode, by: Option<&DepartmentCode>) -> String {
    match by {
        Some(by) if by == department => "only that department can change it".into(),
        Some(by) => format!("that was removed, and only its successor {by} can change it"),
        None => "that was removed without a successor, and nobody can change it any more".into(),
    }
}

fn listed<T: fmt::Display>(reasons: &[T]) -> String {
    let texts: Vec<String> = reasons.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

/// Checks entries one after the other, each as if those before it had been appended.
pub struct Batch<'c> {
    catalogue: &'c Catalogue,
    log: Arc<Log>,
    department: DepartmentCode,
    issued: HashSet<CertificateId>,
    statuses: HashMap<Hash, Status>,
    /// What took the place of others by a split or a transfer, by what it replaced.
    replaced: HashMap<CertificateId, (SuccessionKind, CertificateId)>,
    withdrawn: HashSet<u64>,
    /// The log's definitions with those of this batch, once there is one.
    definitions: Option<Definitions>,
    /// Definitions in this batch.
    defined: u64,
    decided: HashSet<RetrievalHash>,
    accepted: HashSet<CaseTag>,
    /// Definitions by which this department may issue: bulk requests are of few types.
    issuable: HashMap<TypeCode, DefinitionRef>,
}

impl<'c> Batch<'c> {
    /// A batch for this department's own log.
    pub fn new(catalogue: &'c Catalogue, log: &Arc<Log>) -> Batch<'c> {
        Batch {
            catalogue,
            log: Arc::clone(log),
            department: log.name().id.department,
            issued: HashSet::new(),
            statuses: HashMap::new(),
            replaced: HashMap::new(),
            withdrawn: HashSet::new(),
            definitions: None,
            defined: 0,
            decided: HashSet::new(),
            accepted: HashSet::new(),
            issuable: HashMap::new(),
        }
    }

    /// The record that already says exactly this, if there is one: a retry of a request then gets its first result. Which
    /// definition an issue was checked against is not part of what it says: that may have changed since.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn existing(&self, entry: &Entry) -> Result<Option<SignedRecord>, ReadError> {
        let same = |record: &SignedRecord| record.record().entry == *entry;
        match entry {
            Entry::CertificateIssued(issued) => {
                let held = self.log.issue_of(&issued.id)?;
                Ok(held.filter(|record| match &record.record().entry {
                    Entry::CertificateIssued(held) => held.says_the_same(issued),
                    _ => false,
                }))
            }
            // Of status changes only the one in effect counts: an older one was followed by others.
            // Nor does one by a record that counts for nothing: what is meant has to be said again.
            Entry::StatusChanged(changed) => {
                let latest = self.log.last_change_of(&changed.id)?.filter(same);
                match latest {
                    Some(record) if self.catalogue.counts(&self.log, record.record())? => {
                        Ok(Some(record))
                    }
                    _ => Ok(None),
                }
            }
            Entry::TypeDefined(defined) => {
                let definitions = self.log.definitions();
                let held = definitions.types().get(&defined.code);
                let latest = self.at(held.map(|held| held.seq()))?;
                Ok(latest.filter(same))
            }
            Entry::MatterDefined(defined) => {
                let definitions = self.log.definitions();
                let held = definitions.matters().get(&defined.code);
                let latest = self.at(held.map(|held| held.seq()))?;
                Ok(latest.filter(same))
            }
            Entry::CertificateErased(erased) => self.log.erasure_of(&erased.id),
            Entry::GrantMade(grant) => self.at(self.log.definitions().same_grant(grant)),
            Entry::RetrievalAcknowledged(acknowledged) => {
                let name = acknowledged.asked.name(self.log.name().network);
                self.log.acknowledgement_of(&name)
            }
            // Whatever it says: who continues a case says which record it continues.
            Entry::CaseAccepted(accepted) => self.log.latest_of_case(&accepted.case),
            // A request is decided once: the same again is a replay.
            Entry::GrantWithdrawn(_)
            | Entry::RetrievalDecided(_)
            | Entry::AccessLogRead(_)
            | Entry::Unknown(_) => Ok(None),
        }
    }

    fn at(&self, seq: Option<u64>) -> Result<Option<SignedRecord>, ReadError> {
        seq.map(|seq| self.log.record(seq)).transpose()
    }

    /// Checks an entry and remembers it.
    ///
    /// # Errors
    /// [`NotAllowed`]; then it is not remembered.
    pub fn check(&mut self, entry: &Entry) -> Result<(), NotAllowed> {
        match entry {
            Entry::CertificateIssued(issued) => self.check_issue(issued),
            Entry::StatusChanged(changed) => self.check_change(changed),
            Entry::TypeDefined(defined) => {
                self.check_type(defined)?;
                self.check_effect(entry)
            }
            // A department's own matters, in its own log: nobody else's permission is needed.
            Entry::MatterDefined(_) => self.check_effect(entry),
            Entry::GrantMade(grant) => {
                self.check_grant(grant)?;
                self.check_effect(entry)
            }
            Entry::GrantWithdrawn(withdrawn) => self.check_withdrawal(withdrawn),
            Entry::CertificateErased(erased) => self.status(&erased.id).map(drop),
            Entry::RetrievalDecided(decided) => self.check_decided(decided),
            Entry::CaseAccepted(accepted) => match self.accepted.insert(accepted.case) {
                true => Ok(()),
                false => Err(NotAllowed::CaseInRequest),
            },
            Entry::RetrievalAcknowledged(_) | Entry::AccessLogRead(_) => Ok(()),
            Entry::Unknown(_) => Err(NotAllowed::UnknownKind(entry.kind())),
        }
    }

    fn role(&self, role: Role) -> Result<(), NotAllowed> {
        let department = self.department;
        if self.catalogue.members().has_role(&department, role) {
            Ok(())
        } else {
            Err(NotAllowed::NoRole { department, role })
        }
    }

    fn check_issue(&mut self, issued: &CertificateIssued) -> Result<(), NotAllowed> {
        self.role(Role::Issue)?;
        let (id, department) = (&issued.id, self.department);
        if !id.issuer().names(&department) {
            return Err(NotAllowed::NotThisDepartment {
                issuer: id.issuer(),
                department,
            });
        }
        let code = id.type_code();
        if self.issuable(code)? != issued.definition {
            return Err(NotAllowed::OtherDefinition(code));
        }
        if self.issued.contains(id) {
            return Err(NotAllowed::DuplicateInRequest(id.clone()));
        }
        if let Some(seq) = self.position(id)? {
            return Err(NotAllowed::Duplicate {
                id: id.clone(),
                seq,
            });
        }
        // An identifier that names a division may be another of its departments'.
        if matches!(id.issuer(), IssuerCode::Division(_))
            && let Some(other) = self.claimed_by_another(id)?
        {
            return Err(self.others(id, other));
        }
        if let Some(succession) = &issued.succession {
            self.check_succession(id, succession)?;
        }
        self.issued.insert(id.clone());
        Ok(())
    }

    /// Another department that says it issued a certificate, and may have been entitled to.
    fn claimed_by_another(&self, id: &CertificateId) -> Result<Option<DepartmentCode>, ReadError> {
        for state in self.catalogue.claims(id)? {
            if state.log.department != self.department && self.catalogue.is_entitled(&state)? {
                return Ok(Some(state.log.department));
            }
        }
        Ok(None)
    }

    /// The definition that a certificate of a type has to name, if it lets this department issue.
    fn issuable(&mut self, code: TypeCode) -> Result<DefinitionRef, NotAllowed> {
        if let Some(named) = self.issuable.get(&code) {
            return Ok(*named);
        }
        let found = self.catalogue.current_definition(&code, &self.department);
        let (named, lets_issue) = found.ok_or(NotAllowed::UnknownType(code))?;
        if !lets_issue {
            return Err(NotAllowed::NotListed(code));
        }
        self.issuable.insert(code, named);
        Ok(named)
    }

    fn check_succession(
        &mut self,
        id: &CertificateId,
        succession: &Succession,
    ) -> Result<(), NotAllowed> {
        let misfits = succession.misfits(id);
        if !misfits.is_empty() {
            return Err(NotAllowed::Misfits(misfits));
        }
        let (kind, predecessors) = (succession.kind(), succession.predecessors());
        let mut reasons = Vec::new();
        for predecessor in predecessors {
            reasons.extend(match kind {
                SuccessionKind::Transfer => self.not_transferable(predecessor)?,
                _ => self.not_replaceable(predecessor, kind)?,
            });
        }
        if !reasons.is_empty() {
            return Err(NotAllowed::NotReplaceable(reasons));
        }
        for predecessor in predecessors {
            if kind != SuccessionKind::Transfer {
                self.statuses
                    .insert(status_key(predecessor), Status::Superseded);
            }
            self.replaced
                .insert(predecessor.clone(), (kind, id.clone()));
        }
        Ok(())
    }

    /// What prevents replacing a certificate of this log.
    fn not_replaceable(
        &self,
        id: &CertificateId,
        kind: SuccessionKind,
    ) -> Result<Option<NotReplaceable>, ReadError> {
        let status = match self.status(id) {
            Ok(status) => status,
            Err(NotAllowed::Read(error)) => return Err(error),
            Err(NotAllowed::OtherDepartment { id, department, .. }) => {
                return Ok(Some(NotReplaceable::Elsewhere { id, department }));
            }
            Err(NotAllowed::StatusOnly { id, department, .. }) => {
                return Ok(Some(NotReplaceable::Inherited { id, department }));
            }
            Err(_) => return Ok(Some(NotReplaceable::Unknown(id.clone()))),
        };
        let further_part = kind == SuccessionKind::Split
            && status == Status::Superseded
            && self.replaced_by(id)? == Some(kind);
        Ok(
            (status != Status::Valid && !further_part).then(|| NotReplaceable::Status {
                id: id.clone(),
                status,
            }),
        )
    }

    /// How a superseded certificate of this log was replaced.
    fn replaced_by(&self, id: &CertificateId) -> Result<Option<SuccessionKind>, ReadError> {
        if let Some((kind, _)) = self.replaced.get(id) {
            return Ok(Some(*kind));
        }
        let Some(state) = self.catalogue.certificate_in(&self.log.name().id, id)? else {
            return Ok(None);
        };
        let Some((_, seq)) = state.status_at else {
            return Ok(None);
        };
        Ok(match &self.log.record(seq)?.record().entry {
            Entry::CertificateIssued(issued) => issued.succession_kind(),
            _ => None,
        })
    }

    /// What prevents taking over a certificate from another department, as far as is known here.
    fn not_transferable(&self, id: &CertificateId) -> Result<Option<NotReplaceable>, ReadError> {
        let id = id.clone();
        if self.issued.contains(&id) {
            return Ok(Some(NotReplaceable::OwnTransfer(id)));
        }
        if !self.catalogue.knows_issuer(&id) {
            return Ok(Some(NotReplaceable::Outside(id)));
        }
        let mut claims = self.catalogue.claims(&id)?;
        let Some(state) = claims.pop() else {
            return Ok(Some(NotReplaceable::Unknown(id)));
        };
        let department = state.log.department;
        Ok(Some(if !claims.is_empty() {
            NotReplaceable::Claimed(id)
        } else if department == self.department {
            NotReplaceable::OwnTransfer(id)
        } else if state.status != Status::TransferredOut {
            NotReplaceable::NotTransferredOut {
                id,
                status: state.status,
                department,
            }
        } else if let Some(to) = self
            .catalogue
            .receiver(&state)?
            .filter(|to| *to != self.department)
        {
            NotReplaceable::OtherReceiver { id, to }
        } else if self.disputed(&state) {
            NotReplaceable::Disputed { id, department }
        } else if let Some((_, by)) = self.replaced.get(&id) {
            let by = by.clone();
            NotReplaceable::TakenOver { id, by }
        } else if let Some(other) = self.catalogue.successors(&state)?.pop() {
            NotReplaceable::TakenOver { id, by: other.id }
        } else {
            return Ok(None);
        }))
    }

    /// Whether what is known of a certificate lies where its log is in dispute.
    fn disputed(&self, state: &CertificateState) -> bool {
        let issued = (state.log, state.issued.record().seq);
        let mut known = [Some(issued), state.status_at].into_iter().flatten();
        known.any(|(log, seq)| {
            let stopped = self.catalogue.log(&log).and_then(|log| log.stopped());
            stopped.is_some_and(|stopped| stopped.undisputed() <= seq)
        })
    }

    fn check_change(&mut self, changed: &StatusChanged) -> Result<(), NotAllowed> {
        if changed.action.receiver() == Some(self.department) {
            return Err(NotAllowed::OwnReceiver);
        }
        let (key, status) = match &changed.inherited {
            Some(of) => {
                let key = inherited_key(&of.department, &changed.id);
                (key, self.inherited_status(&changed.id, of)?)
            }
            None => {
                self.role(Role::Issue)?;
                (status_key(&changed.id), Some(self.status(&changed.id)?))
            }
        };
        let after = match status {
            Some(status) => status
                .after(changed.action)
                .map_err(NotAllowed::Impossible)?,
            // Whatever it was, it ends.
            None if changed.action.result().is_final() => changed.action.result(),
            None => return Err(NotAllowed::Unsaid(changed.id.clone())),
        };
        self.statuses.insert(key, after);
        Ok(())
    }

    fn check_type(&self, defined: &TypeDefined) -> Result<(), NotAllowed> {
        let (code, authority) = (defined.code, defined.code.authority());
        let members = self.catalogue.members();
        if members.definer(&code) != Some(self.department) {
            if members.member(&authority).is_some() {
                return Err(NotAllowed::OthersType { code, authority });
            }
            self.role(Role::Define(authority))?;
        }
        Ok(())
    }

    /// Whether a definition has an effect after those of the log and of this batch.
    fn check_effect(&mut self, entry: &Entry) -> Result<(), NotAllowed> {
        let held = || Definitions::clone(&self.log.definitions());
        let definitions = self.definitions.get_or_insert_with(held);
        // Where its record will be is not known yet. No grant of the log has this position, nor one of the batch before.
        let position = Position {
            seq: self.log.size() + self.defined,
            hash: RecordHash::NONE,
            time_ms: 0,
        };
        definitions
            .add(entry, position)
            .map_err(NotAllowed::NoEffect)?;
        self.defined += 1;
        Ok(())
    }

    fn check_grant(&self, grant: &GrantMade) -> Result<(), NotAllowed> {
        self.role(Role::Issue)?;
        let members = self.catalogue.members();
        if let Grantee::Department(code) = grant.to
            && members.member(&code).is_none()
        {
            return Err(NotAllowed::NotAMember(code));
        }
        Ok(())
    }

    fn check_withdrawal(&mut self, withdrawn: &GrantWithdrawn) -> Result<(), NotAllowed> {
        let held = self.log.definitions().is_granted(withdrawn.grant);
        if held && self.withdrawn.insert(withdrawn.grant) {
            self.check_effect(&Entry::GrantWithdrawn(withdrawn.clone()))
        } else {
            Err(NotAllowed::UnknownGrant(withdrawn.grant))
        }
    }

    /// A request is decided once, and by what holds when its receipt is appended.
    fn check_decided(&mut self, decided: &RetrievalDecided) -> Result<(), NotAllowed> {
        let retrieval = decided.asked.name(self.log.name().network);
        if let Decision::Answered {
            basis: Basis::Grant(grant),
            ..
        } = decided.decision
        {
            let in_force = self.log.definitions().is_granted(grant);
            if !in_force || self.withdrawn.contains(&grant) {
                return Err(NotAllowed::UnknownGrant(grant));
            }
        }
        match self.log.decision_of(&retrieval)? {
            Some(record) => Err(NotAllowed::Replayed(record.record().seq)),
            None if self.decided.insert(retrieval) => Ok(()),
            None => Err(NotAllowed::Replayed(self.log.size())),
        }
    }

    /// Position of the record that issued a certificate in this log.
    fn position(&self, id: &CertificateId) -> Result<Option<u64>, ReadError> {
        Ok(self.log.issue_of(id)?.map(|record| record.record().seq))
    }

    /// Status of a certificate of this log, with this batch's changes.
    fn status(&self, id: &CertificateId) -> Result<Status, NotAllowed> {
        if let Some(status) = self.statuses.get(&status_key(id)) {
            return Ok(*status);
        }
        // By the records that count: what was void has to be said again.
        let held = self.catalogue.certificate_in(&self.log.name().id, id)?;
        if !self.issued.contains(id) && held.is_none() {
            let elsewhere = self.catalogue.certificate(id)?;
            return Err(match elsewhere {
                Some(state) if state.log.department != self.department => {
                    self.others(id, state.log.department)
                }
                _ => NotAllowed::UnknownCertificate(id.clone()),
            });
        }
        Ok(held.map_or(Status::Valid, |held| held.status))
    }

    /// Status of a certificate that this department inherited, with this batch's changes; `None` if it can't be said.
    fn inherited_status(
        &self,
        id: &CertificateId,
        of: &Inherited,
    ) -> Result<Option<Status>, NotAllowed> {
        let now = match self.catalogue.inheritance(id)? {
            Some((known, now)) if known == *of => now,
            Some(_) => return Err(NotAllowed::ChangedMeanwhile(id.clone())),
            None => return Err(self.others(id, of.department)),
        };
        let key = inherited_key(&of.department, id);
        Ok(self.statuses.get(&key).copied().or(now))
    }

    /// Why another department's certificate can't be changed.
    fn others(&self, id: &CertificateId, department: DepartmentCode) -> NotAllowed {
        let (id, own) = (id.clone(), self.department);
        let history = self.catalogue.members().history();
        match history.changes_statuses(&department) {
            Some(by) if by == own => NotAllowed::StatusOnly {
                id,
                department,
                own,
            },
            changed_by => NotAllowed::OtherDepartment {
                id,
                department,
                changed_by,
            },
        }
    }
}
