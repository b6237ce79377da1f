//! What the ledger knows, in the API's shapes.

use std::collections::BTreeMap;

use certmesh_api::{AcceptedCase, CopiedAttachment, RequirementState};
use certmesh_api::{LookupLog, LookupView};
use certmesh_ledger::acceptance::{Assessment, State};
use certmesh_ledger::bodies::Body;
use certmesh_ledger::catalogue::{
    Catalogue, CertificateState, Chain, Cursor, Found, Life, Successor,
};
use certmesh_ledger::codec::Text;
use certmesh_ledger::id::{CertificateId, TypeCode};
use certmesh_ledger::journal::{Look, Looked};
use certmesh_ledger::log::ReadError;
use certmesh_ledger::record::{
    Action, Attachment, Entry, Record, SignedRecord, Status, SubjectTag, SuccessionKind,
};
use certmesh_ledger::verify::{NotValid, Question, Verdict, Verification, verify_record};

use super::cases::{Acceptance, Obstacle, Standing};
use super::retrieval::copies::Retrieved;
use crate::app::questions::{Lookups, lookups_cursor};
use crate::peer::Peer;
use crate::peer::Refusal;
use crate::peer::journal::Recorded;

pub(crate) fn certificate(
    catalogue: &Catalogue,
    state: &CertificateState,
) -> Option<certmesh_api::Certificate> {
    let issued = state.certificate();
    let checkpoint = catalogue.log(&state.log)?.checkpoint()?;
    Some(certmesh_api::Certificate::recorded(
        issued,
        &state.issued,
        state.status,
        &checkpoint,
        catalogue.members(),
        type_name(catalogue, &issued.id.type_code()),
    ))
}

/// The name of a type by its latest definition; none when that can't be read either.
pub(crate) fn type_name(catalogue: &Catalogue, code: &TypeCode) -> Option<String> {
    match catalogue.type_definition(code) {
        Ok(latest) => latest.map(|latest| latest.definition.name.to_string()),
        Err(error) => {
            tracing::error!(%error, "a type's definition could not be read");
            None
        }
    }
}

/// A certificate as a search finds it, with the verdict on it.
pub(crate) fn found(
    peer: &Peer,
    state: &CertificateState,
    question: Question,
) -> Result<Option<certmesh_api::Certificate>, Refusal> {
    let unreadable = |error| {
        tracing::error!(%error, "a log could not be read");
        Refusal::Internal
    };
    let catalogue = &peer.catalogue;
    let judged = verify_record(catalogue, state, question).map_err(unreadable)?;
    Ok(
        certificate(catalogue, state).map(|certificate| certmesh_api::Certificate {
            verdict: Some(judged.verdict.as_str().to_owned()),
            reason: match &judged.verdict {
                Verdict::NotValid(why) => Some(why.code().to_owned()),
                _ => None,
            },
            ..certificate
        }),
    )
}

/// The certificates about a subject; the look is durable already.
pub(crate) fn held_by(
    catalogue: &Catalogue,
    subject: &SubjectTag,
    cursor: Cursor,
    limit: usize,
    _: &Recorded,
) -> Result<Found, ReadError> {
    catalogue.by_subject(subject, cursor, limit)
}

/// Most look-ups read for one answer: a second or two's work.
const MAX_LOOKUPS_READ: usize = 500_000;

/// A page of the look-up journal; that it is read stands in it already.
pub(crate) fn lookups(
    peer: &Peer,
    question: &Lookups,
    subject: Option<SubjectTag>,
    _: &Recorded,
) -> Result<LookupLog, Refusal> {
    let days = question.days;
    let about = subject
        .as_ref()
        .map(|subject| (&peer.catalogue_key, subject));
    let found = peer.lookups.journal.read(
        (days.from, days.to),
        about,
        question.place,
        question.limit,
        MAX_LOOKUPS_READ,
    );
    let found = found.map_err(|error| {
        tracing::error!(%error, "the look-up journal could not be read");
        Refusal::Internal
    })?;
    Ok(LookupLog {
        from: days.from.to_string(),
        to: days.to.to_string(),
        lookups: found.looks.into_iter().map(lookup).collect(),
        damaged: found.damage.iter().map(ToString::to_string).collect(),
        next: found.next.as_ref().map(lookups_cursor),
    })
}

fn lookup(look: Look) -> LookupView {
    let (event, purpose, matter) = match look.looked {
        Looked::Find(purpose) => ("find", Some(purpose.to_string()), None),
        Looked::Accept(matter) => ("accept", None, Some(matter.to_string())),
        Looked::Journal => ("access-log", None, None),
    };
    LookupView {
        time_ms: look.time_ms,
        client: look.client.to_string(),
        event: event.to_owned(),
        purpose,
        matter,
    }
}

/// What an attachment is.
pub(crate) fn attachment(attachment: &Attachment) -> certmesh_api::AttachmentView {
    certmesh_api::AttachmentView {
        name: attachment.name.to_string(),
        media_type: attachment.media_type.to_string(),
        size: attachment.size,
        content: attachment.content.to_string(),
    }
}

/// What a certificate says, its attachments separate from the other fields.
pub(crate) fn fields(id: &CertificateId, body: &Body) -> certmesh_api::CertificateFields {
    let mut fields = BTreeMap::new();
    let mut attachments = Vec::new();
    for (name, value) in &body.fields {
        match Attachment::of_field(name, value) {
            Ok(Some(found)) => attachments.push(attachment(&found)),
            _ => drop(fields.insert(name.clone(), value.clone())),
        }
    }
    certmesh_api::CertificateFields {
        id: id.to_string(),
        holder: certmesh_api::Holder {
            kind: body.holder_kind.to_string(),
            code: body.holder_code.clone(),
        },
        fields,
        attachments,
    }
}

/// The events of a chain of certificates, oldest first, with the effect each had: the rules of the status map, shown as
/// a story.
pub(crate) fn history(id: &CertificateId, chain: &Chain) -> certmesh_api::History {
    let mut events: Vec<_> = chain.lives.iter().flat_map(life).collect();
    // One record issues a certificate first and supersedes others by it.
    let at = |event: &certmesh_api::HistoryEvent| {
        let position = &event.position;
        let place = (position.time_ms, position.log.clone(), position.seq);
        (place, event.successor.is_some(), event.id.clone())
    };
    events.sort_by_cached_key(at);
    certmesh_api::History {
        id: id.to_string(),
        events,
        cut: chain.cut,
    }
}

fn life(life: &Life) -> Vec<certmesh_api::HistoryEvent> {
    let mut stage = None;
    let records = life.records.iter();
    records
        .map(|record| event(life, record, &mut stage))
        .collect()
}

/// A certificate's status, and how it was superseded if it was.
type Stage = (Status, Option<SuccessionKind>);

fn event(
    life: &Life,
    signed: &SignedRecord,
    stage: &mut Option<Stage>,
) -> certmesh_api::HistoryEvent {
    let record: &Record = signed.record();
    let id = &life.id;
    let mut event = certmesh_api::HistoryEvent {
        id: id.to_string(),
        event: String::new(),
        reason: None,
        text: None,
        to: None,
        succession: None,
        predecessors: Vec::new(),
        successor: None,
        ignored: None,
        position: certmesh_api::Position::of(&life.checkpoint, signed),
    };
    match &record.entry {
        Entry::CertificateIssued(issued) if issued.id == *id => {
            event.event = "issued".into();
            event.succession = issued.succession_kind().map(|kind| kind.to_string());
            let predecessors = issued.predecessors().iter();
            event.predecessors = predecessors.map(ToString::to_string).collect();
            match stage {
                None => *stage = Some((Status::Valid, None)),
                Some(_) => event.ignored = Some("the identifier had been issued before".into()),
            }
        }
        Entry::CertificateIssued(issued) => {
            event.event = Status::Superseded.as_str().into();
            event.successor = Some(issued.id.to_string());
            let kind = issued.succession_kind();
            match stage {
                _ if kind == Some(SuccessionKind::Transfer) => {
                    event.ignored = Some("a transfer is from another department's log".into());
                }
                Some((Status::Valid, _)) => *stage = Some((Status::Superseded, kind)),
                // A further part of a split.
                Some((Status::Superseded, Some(SuccessionKind::Split)))
                    if kind == Some(SuccessionKind::Split) => {}
                _ => event.ignored = Some("the certificate was not valid by then".into()),
            }
        }
        Entry::StatusChanged(changed) => {
            let action: Action = changed.action;
            event.event = action.past().into();
            event.reason = Some(changed.reason.code().into());
            event.text = Some(changed.text.to_string()).filter(|text| !text.is_empty());
            event.to = action.receiver().map(|to| to.to_string());
            let before = stage.map_or(Status::Valid, |(status, _)| status);
            match before.after(action) {
                Ok(next) => *stage = Some((next, None)),
                Err(error) => event.ignored = Some(error.to_string()),
            }
        }
        Entry::CertificateErased(erased) => {
            event.event = "fields-erased".into();
            event.text = Some(erased.text.to_string());
        }
        Entry::TypeDefined(_)
        | Entry::MatterDefined(_)
        | Entry::GrantMade(_)
        | Entry::GrantWithdrawn(_)
        | Entry::RetrievalDecided(_)
        | Entry::RetrievalAcknowledged(_)
        | Entry::CaseAccepted(_)
        | Entry::AccessLogRead(_)
        | Entry::Unknown(_) => {}
    }
    event
}

/// A verdict for the API.
pub(crate) fn verification(peer: &Peer, found: &Verification) -> certmesh_api::Verification {
    let catalogue = &peer.catalogue;
    let own = found.state.as_ref().map(|state| state.log) == Some(catalogue.own());
    let (reason, mut explanation, missing) = match &found.verdict {
        Verdict::Valid => (None, "genuine and in force".to_owned(), Vec::new()),
        Verdict::NotValid(reason) => (
            Some(reason.code().to_owned()),
            explain(peer, reason, found),
            Vec::new(),
        ),
        Verdict::Unknown(missing) => {
            let missing: Vec<String> = missing.iter().map(certmesh_text::missing).collect();
            (
                None,
                format!(
                    "it can't be decided here; what is missing: {}",
                    missing.join("; ")
                ),
                missing,
            )
        }
    };
    if own && !peer.own.is_confirmed() && matches!(found.verdict, Verdict::NotValid(_)) {
        explanation.push_str(UNCONFIRMED);
    }
    certmesh_api::Verification {
        id: found.id.to_string(),
        verdict: found.verdict.as_str().to_owned(),
        reason,
        explanation,
        missing,
        successors: found
            .successors
            .iter()
            .map(|next| successor(peer, next))
            .collect(),
        on: found.on.to_string(),
        certificate: found
            .state
            .as_ref()
            .and_then(|state| certificate(catalogue, state)),
        provenance: provenance(peer, found),
    }
}

/// Added to the verdict on a certificate of the own log.
const UNCONFIRMED: &str = "; this department's own log is not yet confirmed by other members, so what was recorded last may \
                           be missing here";

fn successor(peer: &Peer, next: &Successor) -> certmesh_api::SuccessorView {
    let department = next.log.department;
    let member = peer.catalogue.members().member(&department);
    certmesh_api::SuccessorView {
        id: next.id.to_string(),
        succession: next.kind.to_string(),
        department: department.to_string(),
        department_name: member
            .map(|member| member.display_name().to_owned())
            .unwrap_or_default(),
        seq: next.seq,
    }
}

/// Successors that a verdict's sentence names; the others are counted.
const NAMED: usize = 4;

/// What the reason itself does not say of what took the certificate's place.
fn in_its_place(peer: &Peer, reason: &NotValid, found: &Verification) -> String {
    let mut names: Vec<String> = match reason {
        // The first is named by the reason.
        NotValid::Superseded { .. } => {
            let parts = found.successors.iter().skip(1);
            parts.map(|next| next.id.to_string()).collect()
        }
        NotValid::Status(Status::TransferredOut) => {
            let taken = found.successors.iter().map(|next| successor(peer, next));
            taken
                .map(|next| {
                    let (name, code) = (next.department_name, next.department);
                    format!("{name} ({code}) took it over as {}", next.id)
                })
                .collect()
        }
        _ => return String::new(),
    };
    let more = names.len().saturating_sub(NAMED);
    names.truncate(NAMED);
    if more > 0 {
        names.push(format!("{more} more"));
    }
    match reason {
        NotValid::Superseded { .. } if names.is_empty() => String::new(),
        NotValid::Superseded { .. } => format!(" and by {}", names.join(", ")),
        _ if names.is_empty() => match receiver(peer, found) {
            Some(to) => format!("; {to} may take it over, which is not known here to have done so"),
            None => String::new(),
        },
        _ => format!("; {}", names.join("; ")),
    }
}

/// Whom a certificate was let go to, by name and code.
fn receiver(peer: &Peer, found: &Verification) -> Option<String> {
    let Entry::StatusChanged(changed) = &found.change.as_ref()?.record().entry else {
        return None;
    };
    let to = changed.action.receiver()?;
    let member = peer.catalogue.members().member(&to);
    Some(match member {
        Some(member) => format!("{} ({to})", member.display_name()),
        None => format!("department {to}, which is not a member of this network,"),
    })
}

fn explain(peer: &Peer, reason: &NotValid, found: &Verification) -> String {
    let mut text = certmesh_text::not_valid(reason);
    if let Some(Entry::StatusChanged(changed)) =
        found.change.as_ref().map(|change| &change.record().entry)
    {
        text.push_str(": ");
        text.push_str(changed.reason.as_str());
        if !changed.text.as_str().is_empty() {
            text.push_str(" (");
            text.push_str(changed.text.as_str());
            text.push(')');
        }
    }
    text.push_str(&in_its_place(peer, reason, found));
    text
}

fn provenance(peer: &Peer, found: &Verification) -> Option<certmesh_api::Provenance> {
    let (state, checkpoint) = (found.state.as_ref()?, found.checkpoint.as_ref()?);
    let members = peer.catalogue.members();
    let department = state.log.department;
    let cosigned_by = peer
        .witnesses_of(checkpoint)
        .into_iter()
        .map(|c| c.witness.to_string())
        .collect();
    Some(certmesh_api::Provenance {
        department: department.to_string(),
        department_name: members
            .member(&department)
            .map(|m| m.display_name().to_owned())
            .unwrap_or_default(),
        network: members.network().to_string(),
        record: state.issued.hash().to_string(),
        seq: state.issued.record().seq,
        record_time_ms: state.issued.record().time_ms,
        checkpoint_size: checkpoint.size,
        checkpoint_root: checkpoint.root.to_string(),
        checkpoint_time_ms: checkpoint.time_ms,
        cosigned_by,
        confirmed_ms: peer.confirmed_ms(&state.log),
        answered_by: peer.department.to_string(),
    })
}

/// How a case stands.
pub(super) fn acceptance(peer: &Peer, case: &Acceptance) -> certmesh_api::Acceptance {
    let requirements = &case.requirements;
    let held = requirements
        .iter()
        .filter(|standing| standing.state == State::Held);
    let part = case.definition.part(&case.matter.part);
    certmesh_api::Acceptance {
        held: held.count() as u32,
        matter_name: case.definition.name.to_string(),
        part_name: part.map(|part| part.name.to_string()).unwrap_or_default(),
        matter: case.matter.to_string(),
        on: case.on.to_string(),
        requirements: requirements
            .iter()
            .map(|standing| requirement(peer, standing))
            .collect(),
        case: case.accepted.as_ref().map(|accepted| AcceptedCase {
            position: accepted.position.clone(),
            replayed: accepted.replayed,
        }),
    }
}

const TOO_MANY: &str = "a department issued more certificates of this type to the subject than are looked at, and none of \
                        those is valid; look the certificate up by its number";
const NOT_THEN: &str =
    "its fields were not collected when the case was accepted; retrieve them by themselves";
const LOST: &str =
    "what was collected for the case is lost on this node's disk; retrieve the fields separately";
const INCOMPLETE: &str = "its attachments are not here whole yet; asking for them gets the rest";

fn requirement(peer: &Peer, standing: &Standing) -> RequirementState {
    let assessment = &standing.assessment;
    let requirement = &assessment.requirement;
    let type_code = standing.type_code();
    let best = assessment.best.as_ref();
    let verification = best.map(|best| self::verification(peer, &best.verification));
    let hindrance = match &standing.obstacle {
        Some(obstacle) => Some(self::obstacle(obstacle)),
        None => unmet(assessment, verification.as_ref()),
    };
    let collected = standing.collected.as_ref();
    let needed = |name: &str| requirement.fields.iter().any(|code| code.as_str() == name);
    let values = collected.into_iter().flat_map(|copy| copy.fields());
    RequirementState {
        type_code: type_code.map(|code| code.to_string()).unwrap_or_default(),
        type_name: type_code.and_then(|code| type_name(&peer.catalogue, &code)),
        types: requirement.types.iter().map(ToString::to_string).collect(),
        state: match standing.state == assessment.state {
            true => assessment.word().to_owned(),
            false => standing.state.as_str().to_owned(),
        },
        certificate: standing.certificate().map(ToString::to_string),
        verification,
        fields: requirement.fields.iter().map(ToString::to_string).collect(),
        visible: standing.visible().iter().map(ToString::to_string).collect(),
        hindrance,
        retrieval: collected.map(|copy| copy.name.to_string()),
        values: values
            .filter(|(name, _)| needed(name))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }
}

fn obstacle(obstacle: &Obstacle) -> String {
    match obstacle {
        Obstacle::NotCollected(why) => format!("its fields were not collected: {why}"),
        Obstacle::Lacks(codes) => {
            let codes: Vec<&str> = codes.iter().map(Text::as_str).collect();
            format!(
                "the certificate has no {}, which the matter needs",
                codes.join(", ")
            )
        }
        Obstacle::Incomplete => INCOMPLETE.to_owned(),
        Obstacle::NotThen => NOT_THEN.to_owned(),
        Obstacle::Lost => LOST.to_owned(),
    }
}

/// What blocks it, by the logs held here.
fn unmet(
    assessment: &Assessment,
    verification: Option<&certmesh_api::Verification>,
) -> Option<String> {
    let best = assessment.best.as_ref();
    match (assessment.state, best) {
        (State::Held | State::Missing, _) => None,
        (State::Unknown, Some(best))
            if matches!(best.verification.verdict, Verdict::NotValid(_)) =>
        {
            Some(TOO_MANY.to_owned())
        }
        (State::Unknown, None) => Some(TOO_MANY.to_owned()),
        (State::NotValid | State::Unknown, _) => {
            verification.map(|shown| shown.explanation.clone())
        }
        (State::NeedsGrant, None) => None,
        (State::NeedsGrant, Some(best)) => Some(match &best.denial {
            Some(denial) => denial.to_string(),
            None => {
                let needed = assessment.requirement.fields.iter();
                let uncovered = needed.filter(|code| !best.fields.contains(code));
                let codes: Vec<&str> = uncovered.map(Text::as_str).collect();
                format!(
                    "the grant in force does not cover {}, which the matter needs; its issuer can grant it",
                    codes.join(", ")
                )
            }
        }),
    }
}

/// What was retrieved.
pub(super) fn retrieved(peer: &Peer, found: &Retrieved) -> certmesh_api::Retrieved {
    let copy = found.copy.body();
    let request = copy.request.retrieval();
    let attachments = found.attachments().iter();
    certmesh_api::Retrieved {
        verification: verification(peer, &found.verification),
        retrieval: found.name.to_string(),
        certificate: request.certificate.to_string(),
        type_code: request.certificate.type_code().to_string(),
        issuer: copy.log.department.to_string(),
        matter: request.matter.to_string(),
        purpose: request.purpose.to_string(),
        time_ms: copy.time_ms,
        keep_until: found.copy.until.to_string(),
        fields: found
            .fields()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        attachments: attachments
            .map(|(file, whole)| CopiedAttachment {
                whole: *whole,
                attachment: attachment(file),
            })
            .collect(),
        receipt: copy.receipt,
        acknowledged: found.copy.acknowledged.clone(),
    }
}
