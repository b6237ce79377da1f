//! Cases: how the requirements of a matter stand for a subject, and a case accepted for good: all that may be seen is
//! collected from its issuers at once, and the log records how the requirements stood.
//!
//! Two requests are the same case when subject, matter and reference (without one, the day) are the same: [`Begun::read`] makes
//! the case's tag of these. Any other field may differ when a case is accepted again.
//!
//! A case accepted again is continued: what could not be collected before, for want of a grant or of an answer, is collected
//! if it can be now, and another record says how the requirements stand then. What was collected is never asked for again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use certmesh_api::FaultKind;
use certmesh_api::draft::HolderCode;
use certmesh_ledger::acceptance::{AssessError, Assessment, State, assess};
use certmesh_ledger::bodies::BodyError;
use certmesh_ledger::codec::{Bounded, Text};
use certmesh_ledger::id::{CertificateId, Date, DepartmentCode, HolderKind, MatterCode, TypeCode};
use certmesh_ledger::journal::Looked;
use certmesh_ledger::log::ReadError;
use certmesh_ledger::record::{
    CaseAccepted, CaseTag, Entry, MatterDefined, MatterRef, RequirementMet, RetrievalHash,
    SignedRecord,
};
use certmesh_ledger::retrieval::{ATTACHMENTS, CaseFile};
use futures::future::{BoxFuture, join_all};

use super::find::type_name;
use super::retrieve::asking::Asking;
use super::retrieve::copies::{self, Retrieved};
use super::retrieve::{Fetch, detached};
use super::verify::Verified;
use super::{PeerService, Position, look};
use crate::peer::journal::{NewLook, Recorded};
use crate::peer::prepare::Fresh;
use crate::peer::writer::Receipt;
use crate::peer::{Item, Peer, Refusal, now_ms};

/// Accepting cases.
pub(crate) trait Cases {
    /// How each requirement of a matter stands for a subject. The client's look-up is durable before the answer.
    fn accept(&self, case: &Case, client: &str) -> Result<Acceptance, Refusal>;

    /// Accepts a case for good: collects the fields that may be seen and records how the requirements stood. A case that
    /// was accepted before is reported again, and continued where more can be collected than then; one of which nothing is
    /// held for want of a grant is not accepted yet. The client's look-up is durable first.
    fn accept_for_good(
        &self,
        case: Case,
        client: &str,
    ) -> BoxFuture<'static, Result<Acceptance, Refusal>>;
}

/// A checked question: what does this subject hold of what that matter requires?
#[derive(Debug)]
pub(crate) struct Case {
    /// The matter.
    pub(crate) matter: MatterName,
    /// Kind of the subject's code.
    pub(crate) kind: HolderKind,
    /// The subject's code.
    pub(crate) code: HolderCode,
    /// The day; today when absent.
    pub(crate) on: Option<Date>,
    /// Whether it is accepted for good, and how.
    pub(crate) collect: Option<Collect>,
}

/// How a case is accepted for good.
#[derive(Clone)]
pub(crate) struct Collect {
    /// What the fields are for.
    pub(crate) purpose: Text<512>,
    /// The case's number in this department's own system.
    pub(crate) reference: Option<Text<128>>,
    /// Days for which copies are kept.
    pub(crate) keep_days: u16,
}

/// A sub-matter as people name it: whole, or with the department or the sub-matter left out where that is clear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MatterName {
    /// The department; this peer's when absent.
    pub(crate) department: Option<DepartmentCode>,
    /// The matter.
    pub(crate) matter: MatterCode,
    /// The sub-matter; the only one when absent.
    pub(crate) part: Option<MatterCode>,
}

impl MatterName {
    /// Reads `[department/]matter[/sub-matter]`. Two parts are department and matter if the first is a department's code.
    pub(crate) fn read(text: &str) -> Option<MatterName> {
        let parts: Vec<&str> = text.split('/').collect();
        let code = |text: &str| text.parse::<MatterCode>().ok();
        match parts.as_slice() {
            [matter] => Some(MatterName {
                department: None,
                matter: code(matter)?,
                part: None,
            }),
            [first, second] => match first.parse() {
                Ok(department) => Some(MatterName {
                    department: Some(department),
                    matter: code(second)?,
                    part: None,
                }),
                Err(_) => Some(MatterName {
                    department: None,
                    matter: code(first)?,
                    part: Some(code(second)?),
                }),
            },
            [_, _, _] => {
                let whole: MatterRef = text.parse().ok()?;
                Some(MatterName {
                    department: Some(whole.department),
                    matter: whole.matter,
                    part: Some(whole.part),
                })
            }
            _ => None,
        }
    }
}

impl fmt::Debug for Collect {
    /// Leaves out purpose and reference, which may name people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Collect").finish_non_exhaustive()
    }
}

impl fmt::Display for MatterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(department) = &self.department {
            write!(f, "{department}/")?;
        }
        write!(f, "{}", self.matter)?;
        match &self.part {
            Some(part) => write!(f, "/{part}"),
            None => Ok(()),
        }
    }
}

/// How a case stands.
pub(crate) struct Acceptance {
    /// The sub-matter.
    pub(crate) matter: MatterRef,
    /// The matter it is part of.
    pub(crate) definition: Arc<MatterDefined>,
    /// The day this is for.
    pub(crate) on: Date,
    /// Each requirement, in the matter's order.
    pub(crate) requirements: Vec<Standing>,
    /// Where it is recorded, once it was accepted for good.
    pub(crate) accepted: Option<Accepted>,
}

impl Acceptance {
    /// Whether nothing is held and something could be with a grant. Such a case is not recorded: accepted again under the
    /// same reference once the grant is there, it collects what may be seen then.
    fn waits_for_grants(&self) -> bool {
        let has = |state| self.requirements.iter().any(|one| one.state == state);
        has(State::NeedsGrant) && !has(State::Held)
    }
}

/// A case that was accepted for good.
pub(crate) struct Accepted {
    /// Where its record is.
    pub(crate) position: Position,
    /// Whether an earlier request accepted it.
    pub(crate) replayed: bool,
}

/// How one requirement stands.
pub(crate) struct Standing {
    /// By the logs held here.
    pub(crate) assessment: Assessment,
    /// The verdict on the certificate that meets it best.
    pub(crate) verified: Option<Verified>,
    /// The name of the type that is meant.
    pub(crate) type_name: Option<String>,
    /// The same, once it is known what the issuer shows.
    pub(crate) state: State,
    /// What was collected for it.
    pub(crate) collected: Option<Arc<Retrieved>>,
    /// What prevented collecting it, or all of it.
    pub(crate) obstacle: Option<Obstacle>,
    /// Whether the case has what was collected for it before, or nobody knows: it is not asked for again.
    settled: bool,
}

/// Why fields are not here though the certificate is held.
pub(crate) enum Obstacle {
    /// Nothing came.
    NotCollected(Refusal),
    /// The answer lacks these.
    Lacks(Vec<Text<64>>),
    /// Attachments are not here whole.
    Incomplete,
    /// They are not among what the case has: its copy is no longer kept, or was of another certificate.
    NotThen,
    /// What was collected is lost on this disk.
    Lost,
}

/// What was received for each certificate, or why nothing was.
type Collected = BTreeMap<CertificateId, Result<Arc<Retrieved>, Refusal>>;

impl Standing {
    /// The certificate that meets the requirement best.
    pub(crate) fn certificate(&self) -> Option<&CertificateId> {
        let best = self.assessment.best.as_ref()?;
        let state = best.verification.state.as_ref()?;
        Some(&state.certificate().id)
    }

    /// Type of that certificate; without one, the first type that would do.
    pub(crate) fn type_code(&self) -> Option<TypeCode> {
        let first = self.assessment.requirement.types.first().copied();
        self.certificate().map(CertificateId::type_code).or(first)
    }

    /// Codes of the fields needed that may be seen.
    pub(crate) fn visible(&self) -> &[Text<64>] {
        self.assessment
            .best
            .as_ref()
            .map_or(&[], |best| &best.fields)
    }

    fn is_collectable(&self) -> bool {
        self.state == State::Held && !self.visible().is_empty()
    }

    /// Whether its fields are to be collected now.
    fn is_open(&self) -> bool {
        self.is_collectable() && self.collected.is_none() && !self.settled
    }

    /// Takes in what was collected, or why nothing was.
    fn take(&mut self, collected: &Collected) {
        let came = self.certificate().and_then(|id| collected.get(id));
        match came {
            Some(Ok(copy)) => {
                let copy = Arc::clone(copy);
                let has = |code: &Text<64>| match code.as_str() {
                    ATTACHMENTS => !copy.attachments().is_empty(),
                    code => copy.fields().any(|(name, _)| name == code),
                };
                let lacks: Vec<Text<64>> = self
                    .visible()
                    .iter()
                    .filter(|code| !has(code))
                    .cloned()
                    .collect();
                self.obstacle = match lacks.is_empty() {
                    false => Some(Obstacle::Lacks(lacks)),
                    true if copy.is_whole() => None,
                    true => Some(Obstacle::Incomplete),
                };
                self.collected = Some(copy);
            }
            Some(Err(why)) => {
                // What its issuer does not show has to be submitted after all.
                if matches!(
                    why,
                    Refusal::RetrievalRefused { .. } | Refusal::WrongAnswer { .. }
                ) {
                    self.state = State::NeedsGrant;
                }
                self.obstacle = Some(Obstacle::NotCollected(why.clone()));
            }
            None => {}
        }
    }

    /// As the log records it.
    fn met(&self) -> Option<(TypeCode, RequirementMet)> {
        let met = match self.state {
            State::Held if self.collected.is_some() || self.settled => RequirementMet::Collected,
            State::Held => RequirementMet::Held,
            State::NeedsGrant => RequirementMet::NeedsGrant,
            State::Unknown => RequirementMet::Unknown,
            State::Missing => RequirementMet::Missing,
            State::NotValid => RequirementMet::NotValid,
        };
        Some((self.type_code()?, met))
    }
}

impl Cases for PeerService {
    fn accept(&self, case: &Case, client: &str) -> Result<Acceptance, Refusal> {
        let look = self.look_at_case(case, client)?;
        let recorded = self.recorder.record_blocking(look)?;
        answer(&self.peer, case, &recorded)
    }

    fn accept_for_good(
        &self,
        case: Case,
        client: &str,
    ) -> BoxFuture<'static, Result<Acceptance, Refusal>> {
        let look = self.look_at_case(&case, client);
        let recorded = look.map(|look| self.recorder.record(look));
        let asking = self.asking.clone();
        detached(async move { accept(asking, case, recorded?.await?).await })
    }
}

impl PeerService {
    /// A look at what a subject holds of what a matter requires.
    fn look_at_case(&self, case: &Case, client: &str) -> Result<NewLook, Refusal> {
        let matter = resolve(&self.peer, &case.matter)?;
        let subject = self.subject(case.kind, &case.code)?;
        look(client, Some(subject), Looked::Accept(matter))
    }
}

/// How the requirements stand; the look is durable already.
fn answer(peer: &Peer, case: &Case, _: &Recorded) -> Result<Acceptance, Refusal> {
    let catalogue = &peer.catalogue;
    let matter = resolve(peer, &case.matter)?;
    let question = peer.question(case.on);
    let own = &peer.department;
    let assessed = peer.search((case.kind, case.code.expose()), |subject| {
        let assessed = assess(catalogue, own, &matter, subject.tags(), question);
        assessed.map_err(|error| match error {
            AssessError::UnknownMatter(_) => unknown(),
            AssessError::Read(error) => unreadable(&error),
        })
    })?;
    let definition = catalogue
        .matter(&matter.department, &matter.matter)
        .map_err(|error| unreadable(&error))?
        .ok_or_else(unknown)?
        .definition;
    let standing = |assessment: Assessment| {
        let best = assessment.best.as_ref();
        let verified = best.map(|best| Verified::of(peer, best.verification.clone()));
        let mut standing = Standing {
            state: assessment.state,
            assessment,
            verified,
            type_name: None,
            collected: None,
            obstacle: None,
            settled: false,
        };
        let code = standing.type_code();
        standing.type_name = code.and_then(|code| type_name(peer, &code));
        standing
    };
    Ok(Acceptance {
        matter,
        definition,
        on: question.on,
        requirements: assessed.into_iter().map(standing).collect(),
        accepted: None,
    })
}

fn unreadable(error: &ReadError) -> Refusal {
    tracing::error!(%error, "a log could not be read");
    Refusal::Internal
}

fn unknown() -> Refusal {
    Refusal::NotFound {
        what: Item::SubMatter,
    }
}

/// The sub-matter that is meant.
pub(crate) fn resolve(peer: &Peer, name: &MatterName) -> Result<MatterRef, Refusal> {
    let department = name.department.unwrap_or(peer.department);
    let definition = peer
        .catalogue
        .matter(&department, &name.matter)
        .map_err(|error| unreadable(&error))?
        .ok_or_else(unknown)?
        .definition;
    let parts = &definition.parts;
    let part = match (&name.part, &**parts) {
        (Some(part), _) => part.clone(),
        (None, [only]) => only.code.clone(),
        (None, _) => {
            let parts = parts.iter().map(|part| part.code.to_string()).collect();
            return Err(Refusal::field(
                "matter",
                FaultKind::SeveralSubMatters { parts },
            ));
        }
    };
    Ok(MatterRef {
        department,
        matter: name.matter.clone(),
        part,
    })
}

/// Accepts a case: the first time its fields are collected and it is recorded. From then on the answer is what was collected;
/// asked for and recorded is only what can be collected in addition.
async fn accept(asking: Asking, case: Case, recorded: Recorded) -> Result<Acceptance, Refusal> {
    let collect = case.collect.clone().ok_or(Refusal::Internal)?;
    if let Some(refusal) = asking.peer().append_refusal() {
        return Err(refusal);
    }
    let begun = {
        let (peer, collect) = (Arc::clone(asking.peer()), collect.clone());
        asking
            .read(move || Begun::read(&peer, &case, &collect, &recorded))
            .await?
    };
    let mut acceptance = begun.acceptance;
    if let Some(before) = &begun.before {
        for standing in &mut acceptance.requirements {
            standing.take(&before.collected);
            standing.settled = before.settles(standing);
        }
    }
    let collected = gather(&asking, &acceptance, &collect).await;
    for standing in &mut acceptance.requirements {
        standing.take(&collected);
    }
    match &begun.before {
        Some(before) => {
            for standing in &mut acceptance.requirements {
                if standing.settled && standing.is_collectable() && standing.collected.is_none() {
                    standing.obstacle = Some(match before.lost {
                        true => Obstacle::Lost,
                        false => Obstacle::NotThen,
                    });
                }
            }
            if !collected.values().any(Result::is_ok) {
                acceptance.accepted = Some(Accepted {
                    position: before.position,
                    replayed: true,
                });
                return Ok(acceptance);
            }
        }
        None if acceptance.waits_for_grants() => return Ok(acceptance),
        None => {}
    }
    let entry = CaseAccepted {
        case: begun.tag,
        matter: acceptance.matter.clone(),
        requirements: Bounded::first(acceptance.requirements.iter().filter_map(Standing::met)),
    };
    let before = begun.before.iter().flat_map(|before| &before.retrievals);
    let retrievals = collected
        .iter()
        .filter_map(|(id, result)| Some((id.clone(), result.as_ref().ok()?.name)));
    let file = CaseFile {
        retrievals: Bounded::first(before.cloned().chain(retrievals)),
    };
    let fresh = Fresh::draw().map_err(|error| internal(&error))?;
    let name = begun.tag.to_string();
    let kept = fresh.seal(asking.peer(), &name, &file);
    let appended = asking
        .record(Receipt {
            name,
            entry: Entry::CaseAccepted(entry),
            kept: Some(kept),
            needs: None,
            continues: begun.before.map(|before| before.position.seq),
        })
        .await?;
    acceptance.accepted = Some(Accepted {
        position: appended.position,
        replayed: appended.replayed,
    });
    Ok(acceptance)
}

fn internal(error: &dyn std::error::Error) -> Refusal {
    tracing::error!(%error, "a case could not be read or recorded");
    Refusal::Internal
}

/// A case as it stands before anything is asked.
struct Begun {
    acceptance: Acceptance,
    tag: CaseTag,
    before: Option<Before>,
}

/// The same case, accepted before.
struct Before {
    /// Of its latest record.
    position: Position,
    /// How its requirements stood then.
    requirements: Vec<(TypeCode, RequirementMet)>,
    /// What was retrieved for it until then.
    retrievals: Vec<(CertificateId, RetrievalHash)>,
    /// The same, as far as it is kept still.
    collected: Collected,
    /// Whether it is no longer known what was collected.
    lost: bool,
}

impl Begun {
    fn read(
        peer: &Peer,
        case: &Case,
        collect: &Collect,
        recorded: &Recorded,
    ) -> Result<Begun, Refusal> {
        let matter = resolve(peer, &case.matter)?;
        if matter.department != peer.department {
            return Err(Refusal::field("matter", FaultKind::OthersMatter));
        }
        let acceptance = answer(peer, case, recorded)?;
        let subject = peer.subject(case.kind, case.code.expose())?;
        let reference = match &collect.reference {
            Some(reference) => format!("reference {reference}"),
            None => {
                let on = case.on.unwrap_or_else(|| Date::in_china(now_ms()));
                format!("day {on}")
            }
        };
        let tag = peer
            .field_key
            .case_tag(subject.lasting(), &matter, &reference);
        let held = peer.own.log.latest_of_case(&tag);
        let before = match held.map_err(|error| internal(&error))? {
            Some(record) => Some(Before::read(peer, &tag, &record)?),
            None => None,
        };
        Ok(Begun {
            acceptance,
            tag,
            before,
        })
    }
}

impl Before {
    fn read(peer: &Peer, tag: &CaseTag, record: &SignedRecord) -> Result<Before, Refusal> {
        let checkpoint = peer.own.log.covered().ok_or(Refusal::Internal)?;
        let position = Position::of(&checkpoint, record);
        let seq = record.record().seq;
        let file = peer.bodies.get::<CaseFile>(seq, &tag.to_string());
        let file = match file {
            Err(error @ BodyError::Damaged(_)) => {
                tracing::error!(%error, "what was collected for a case is lost");
                None
            }
            file => file.map_err(|error| internal(&error))?,
        };
        let lost = file.is_none();
        let retrievals = file.map(|kept| kept.body.retrievals).unwrap_or_default();
        let requirements = match &record.record().entry {
            Entry::CaseAccepted(accepted) => accepted.requirements.to_vec(),
            _ => Vec::new(),
        };
        let mut collected = Collected::new();
        for (id, name) in retrievals.iter() {
            // Expired copies count as not collected.
            match copies::find(peer, name) {
                Ok(Some(copy)) => drop(collected.insert(id.clone(), Ok(Arc::new(copy)))),
                Ok(None) => {}
                Err(lost @ Refusal::Lost(_)) => drop(collected.insert(id.clone(), Err(lost))),
                Err(error) => return Err(error),
            }
        }
        Ok(Before {
            position,
            requirements,
            retrievals: retrievals.to_vec(),
            collected,
            lost,
        })
    }

    /// Whether what a requirement needs was collected, or that is not known. A copy that is no longer kept was collected, and
    /// so was that of a certificate which another has replaced since.
    fn settles(&self, standing: &Standing) -> bool {
        let types = &standing.assessment.requirement.types;
        let collected = |(code, met): &(TypeCode, RequirementMet)| {
            *met == RequirementMet::Collected && types.contains(code)
        };
        let certificate = standing.certificate();
        let retrieved = |(id, _): &(CertificateId, RetrievalHash)| Some(id) == certificate;
        self.lost
            || self.requirements.iter().any(collected)
            || self.retrievals.iter().any(retrieved)
    }
}

/// Asks for the fields of every certificate held that are not collected yet, each once, all at the same time.
async fn gather(asking: &Asking, acceptance: &Acceptance, collect: &Collect) -> Collected {
    let mut wanted: BTreeMap<CertificateId, Vec<Text<64>>> = BTreeMap::new();
    for standing in &acceptance.requirements {
        if let Some(id) = standing.certificate()
            && standing.is_open()
        {
            let fields = wanted.entry(id.clone()).or_default();
            fields.extend(standing.visible().iter().cloned());
            fields.sort();
            fields.dedup();
        }
    }
    let matter = &acceptance.matter;
    let fetches = wanted.into_iter().map(|(id, fields)| {
        let fetch = Fetch {
            certificate: id.clone(),
            matter: MatterName {
                department: Some(matter.department),
                matter: matter.matter.clone(),
                part: Some(matter.part.clone()),
            },
            purpose: collect.purpose.clone(),
            fields,
            attachments: false,
            keep_days: collect.keep_days,
        };
        let fetching = asking.clone().fetch(fetch);
        async move { (id, fetching.await.map(Arc::new)) }
    });
    join_all(fetches).await.into_iter().collect()
}
