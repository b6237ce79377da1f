//! Accepting a case for good: all that may be seen is collected from its issuers at once, and the log tells how the
//! requirements stood.

use std::collections::BTreeMap;
use std::sync::Arc;

use certmesh_api::{Acceptance, AcceptedCase, Position, RequirementState, Retrieved};
use certmesh_ledger::acceptance::State;
use certmesh_ledger::bodies::BodyError;
use certmesh_ledger::codec::{Bounded, Text};
use certmesh_ledger::id::{CertificateId, Date, TypeCode};
use certmesh_ledger::record::{
    CaseAccepted, CaseTag, Entry, MatterRef, RequirementMet, RetrievalHash, SignedRecord,
};
use certmesh_ledger::retrieval::{ATTACHMENTS, CaseFile};
use futures::future::join_all;

use super::asking::Asking;
use super::copies;
use crate::app::accept;
use crate::app::questions::Fetch;
use crate::app::questions::{Case, Collect, MatterName};
use crate::peer::Refusal;
use crate::peer::journal::Recorded;
use crate::peer::prepare::Fresh;
use crate::peer::writer::Receipt;
use crate::peer::{Peer, now_ms};

const NOT_THEN: &str =
    "its fields were not collected when the case was accepted; retrieve them by themselves";
const LOST: &str = "what was collected for the case is lost on this node's disk; retrieve the fields by themselves";
const PARTLY: &str = "its attachments are not here whole yet; asking for them gets the rest";

/// What came for each certificate, or why nothing did.
type Collected = BTreeMap<CertificateId, Result<Retrieved, Refusal>>;

/// Accepts a case: the first time its fields are collected and it is recorded; from then on what was collected is told
/// again, and nothing is asked or recorded.
pub(crate) async fn accept(
    asking: Asking,
    case: Case,
    recorded: Recorded,
) -> Result<Acceptance, Refusal> {
    let collect = case.collect.clone().ok_or(Refusal::Internal)?;
    if let Some(refusal) = asking.peer().append_refusal() {
        return Err(refusal);
    }
    let mut begun = {
        let (peer, collect) = (Arc::clone(asking.peer()), collect.clone());
        asking
            .read(move || Begun::read(&peer, &case, &collect, &recorded))
            .await?
    };
    if let Some(before) = begun.before.take() {
        let mut acceptance = begun.acceptance;
        tell_all(&mut acceptance, &before.collected);
        for requirement in &mut acceptance.requirements {
            if requirement.state == State::Held.as_str()
                && requirement.retrieval.is_none()
                && !requirement.visible.is_empty()
            {
                let why = if before.lost { LOST } else { NOT_THEN };
                requirement.hindrance = Some(why.to_owned());
            }
        }
        acceptance.case = Some(AcceptedCase {
            position: before.position,
            replayed: true,
        });
        return Ok(acceptance);
    }
    let collected = gather(&asking, &begun, &collect).await;
    let mut acceptance = begun.acceptance;
    tell_all(&mut acceptance, &collected);
    let entry = CaseAccepted {
        case: begun.tag,
        matter: begun.matter,
        requirements: Bounded::first(acceptance.requirements.iter().filter_map(met)),
    };
    let retrievals = collected.iter().filter_map(|(id, result)| {
        let name: RetrievalHash = result.as_ref().ok()?.retrieval.parse().ok()?;
        Some((id.clone(), name))
    });
    let file = CaseFile {
        retrievals: Bounded::first(retrievals),
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
        })
        .await?;
    acceptance.case = Some(AcceptedCase {
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
    matter: MatterRef,
    tag: CaseTag,
    before: Option<Before>,
}

/// The same case, accepted before.
struct Before {
    position: Position,
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
        let matter = accept::resolve(peer, &case.matter)?;
        if matter.department != peer.department {
            let detail =
                "is another department's; a department accepts cases of its own matters for good";
            return Err(Refusal::field("matter", detail));
        }
        let acceptance = accept::answer(peer, case, recorded)?;
        let subject = peer
            .catalogue_key
            .subject_tag(case.kind, case.code.expose());
        let reference = match &collect.reference {
            Some(reference) => format!("reference {reference}"),
            None => {
                let on = case.on.unwrap_or_else(|| Date::in_china(now_ms()));
                format!("day {on}")
            }
        };
        let tag = peer.field_key.case_tag(&subject, &matter, &reference);
        let held = peer.own.log.accepted_case(&tag);
        let before = match held.map_err(|error| internal(&error))? {
            Some(record) => Some(Before::read(peer, &tag, &record)?),
            None => None,
        };
        Ok(Begun {
            acceptance,
            matter,
            tag,
            before,
        })
    }
}

impl Before {
    fn read(peer: &Peer, tag: &CaseTag, record: &SignedRecord) -> Result<Before, Refusal> {
        let checkpoint = peer.own.log.checkpoint().ok_or(Refusal::Internal)?;
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
        let mut collected = Collected::new();
        for (id, name) in retrievals.iter() {
            // Copies whose day is over are told as not collected.
            match copies::find(peer, name) {
                Ok(Some(copy)) => drop(collected.insert(id.clone(), Ok(copy))),
                Ok(None) => {}
                Err(lost @ Refusal::Lost(_)) => drop(collected.insert(id.clone(), Err(lost))),
                Err(error) => return Err(error),
            }
        }
        Ok(Before {
            position,
            collected,
            lost,
        })
    }
}

/// Asks for the fields of every certificate held, each once, all at the same time.
async fn gather(asking: &Asking, begun: &Begun, collect: &Collect) -> Collected {
    let mut wanted: BTreeMap<CertificateId, Vec<Text<64>>> = BTreeMap::new();
    for requirement in &begun.acceptance.requirements {
        let id = requirement.certificate.as_deref().map(str::parse);
        if let Some(Ok(id)) = id
            && requirement.state == State::Held.as_str()
            && !requirement.visible.is_empty()
        {
            let codes = requirement.visible.iter();
            let fields = wanted.entry(id).or_default();
            fields.extend(codes.filter_map(|code| Text::new(code.as_str()).ok()));
            fields.sort();
            fields.dedup();
        }
    }
    let matter = &begun.matter;
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
        async move { (id, fetching.await) }
    });
    join_all(fetches).await.into_iter().collect()
}

fn tell_all(acceptance: &mut Acceptance, collected: &Collected) {
    for requirement in &mut acceptance.requirements {
        tell(requirement, collected);
    }
    let held = |requirement: &&RequirementState| requirement.state == State::Held.as_str();
    acceptance.held = acceptance.requirements.iter().filter(held).count() as u32;
}

/// Adds what was collected, or why nothing was, to a requirement.
fn tell(requirement: &mut RequirementState, collected: &Collected) {
    let id = requirement.certificate.as_deref().map(str::parse);
    let Some(Ok(id)) = id else { return };
    match collected.get::<CertificateId>(&id) {
        Some(Ok(copy)) => {
            requirement.retrieval = Some(copy.retrieval.clone());
            let needed = |name: &String| requirement.fields.contains(name);
            let values = copy.fields.iter().filter(|(name, _)| needed(name));
            requirement.values = values
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            let has = |code: &&String| match code.as_str() {
                ATTACHMENTS => !copy.attachments.is_empty(),
                code => copy.fields.contains_key(code),
            };
            let lacks: Vec<&str> = requirement
                .visible
                .iter()
                .filter(|code| !has(code))
                .map(String::as_str)
                .collect();
            if !lacks.is_empty() {
                requirement.hindrance = Some(format!(
                    "the certificate has no {}, which the matter needs",
                    lacks.join(", ")
                ));
            } else if copy.attachments.iter().any(|attachment| !attachment.whole) {
                requirement.hindrance = Some(PARTLY.to_owned());
            }
        }
        Some(Err(why)) => {
            // What its issuer does not show has to be handed in after all.
            if matches!(
                why,
                Refusal::RetrievalRefused { .. } | Refusal::WrongAnswer { .. }
            ) {
                requirement.state = State::NeedsGrant.as_str().to_owned();
            }
            requirement.hindrance = Some(format!("its fields were not collected: {why}"));
        }
        None => {}
    }
}

/// How a requirement stood, as the log tells it.
fn met(requirement: &RequirementState) -> Option<(TypeCode, RequirementMet)> {
    let code = requirement.type_code.parse().ok()?;
    let met = match requirement.state.as_str() {
        "held" if requirement.retrieval.is_some() => RequirementMet::Collected,
        "held" => RequirementMet::Held,
        "needs-grant" => RequirementMet::NeedsGrant,
        "unknown" => RequirementMet::Unknown,
        "missing" => RequirementMet::Missing,
        _ => RequirementMet::NotValid,
    };
    Some((code, met))
}
