//! Certificates, what happened to them, and verdicts.

use std::collections::BTreeMap;

use certmesh_api::{CertificateEvent, coded};
use certmesh_ledger::bodies::Body;
use certmesh_ledger::catalogue::{CertificateState, Chain, Life, Successor};
use certmesh_ledger::crypto::hash::Hash;
use certmesh_ledger::id::CertificateId;
use certmesh_ledger::log::Checkpoint;
use certmesh_ledger::membership::Membership;
use certmesh_ledger::record::{
    Action, Attachment, Entry, ImpossibleTransition, Record, SignedRecord, Status, SuccessionKind,
};
use certmesh_ledger::verify::Verdict;
use certmesh_text::{Basis, Explained, at_field, say};

use super::name_of;
use crate::app::find::{FoundPage, Held};
use crate::app::issue::Uploaded;
use crate::app::verify::Verified;
use crate::app::{Appended, Position};
use crate::http::cursors::Cursor;

pub(in crate::http) fn position(position: &Position) -> certmesh_api::Position {
    certmesh_api::Position {
        log: position.log.to_string(),
        seq: position.seq,
        record: position.record.to_string(),
        time_ms: position.time_ms,
        checkpoint_size: position.checkpoint_size,
        checkpoint_root: position.checkpoint_root.to_string(),
    }
}

pub(in crate::http) fn appended(appended: Appended) -> certmesh_api::Appended {
    certmesh_api::Appended {
        id: appended.id,
        position: self::position(&appended.position),
        replayed: appended.replayed,
        warnings: appended.warnings.iter().map(at_field).collect(),
    }
}

pub(in crate::http) fn uploaded(uploaded: Uploaded) -> certmesh_api::Uploaded {
    certmesh_api::Uploaded {
        upload: uploaded.token,
        media_type: uploaded.media_type.into(),
        size: uploaded.size,
        content: uploaded.content.to_string(),
    }
}

pub(in crate::http) fn certificate(members: &Membership, held: &Held) -> certmesh_api::Certificate {
    recorded(
        members,
        &held.state,
        &held.checkpoint,
        held.type_name.clone(),
    )
}

fn recorded(
    members: &Membership,
    state: &CertificateState,
    checkpoint: &Checkpoint,
    type_name: Option<String>,
) -> certmesh_api::Certificate {
    certmesh_api::Certificate::recorded(
        state.certificate(),
        &state.issued,
        state.status,
        checkpoint,
        members,
        type_name,
    )
}

/// A page of certificates, each with the verdict on it.
pub(in crate::http) fn found(members: &Membership, page: &FoundPage) -> certmesh_api::Found {
    let judged = |(held, verdict): &(Held, Verdict)| certmesh_api::Certificate {
        verdict: Some(verdict.into()),
        reason: match verdict {
            Verdict::NotValid(why) => Some(why.into()),
            _ => None,
        },
        ..certificate(members, held)
    };
    certmesh_api::Found {
        certificates: page.certificates.iter().map(judged).collect(),
        next: page.next.as_ref().map(Cursor::write),
    }
}

/// What an attachment is.
pub(super) fn attachment(attachment: &Attachment) -> certmesh_api::AttachmentView {
    certmesh_api::AttachmentView {
        name: attachment.name.to_string(),
        media_type: attachment.media_type.into(),
        size: attachment.size,
        content: attachment.content.to_string(),
    }
}

/// What a certificate says, its attachments separate from the other fields.
pub(in crate::http) fn fields(id: &CertificateId, body: &Body) -> certmesh_api::CertificateFields {
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
            kind: body.holder_kind.into(),
            code: body.holder_code.clone(),
        },
        fields,
        attachments,
    }
}

/// The events of a chain of certificates, oldest first, with the effect each had: the rules of the status map, shown as
/// a story.
pub(in crate::http) fn history(id: &CertificateId, chain: &Chain) -> certmesh_api::History {
    let mut events = Vec::new();
    let mut stage = None;
    for life in &chain.lives {
        // What successors did stands behind what their department did, and goes on from it.
        let mut says = None;
        if !is_inherited(life) {
            stage = None;
        }
        let records = life.records.iter();
        events.extend(records.filter_map(|record| event(life, record, &mut stage, &mut says)));
    }
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

fn is_inherited(life: &Life) -> bool {
    let first = life.records.first().map(|record| &record.record().entry);
    matches!(first, Some(Entry::StatusChanged(changed)) if changed.inherited.is_some())
}

coded! {
    /// Why an event had no effect.
    enum Ignored: "ignored" {
        "issued-before" IssuedBefore,
        "transfer-elsewhere" TransferElsewhere,
        "not-valid" NotValid,
        "impossible" Impossible { status: Status, action: Action },
    }
}

/// A certificate's status, and how it was superseded if it was.
type Stage = (Status, Option<SuccessionKind>);

fn event(
    life: &Life,
    signed: &SignedRecord,
    stage: &mut Option<Stage>,
    says: &mut Option<Status>,
) -> Option<certmesh_api::HistoryEvent> {
    let record: &Record = signed.record();
    let id = &life.id;
    let mut event = certmesh_api::HistoryEvent {
        id: id.to_string(),
        event: CertificateEvent::Issued.into(),
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
            event.succession = issued.succession_kind().map(Into::into);
            let predecessors = issued.predecessors().iter();
            event.predecessors = predecessors.map(ToString::to_string).collect();
            match stage {
                None => *stage = Some((Status::Valid, None)),
                Some(_) => event.ignored = Some(say(&Ignored::IssuedBefore)),
            }
        }
        Entry::CertificateIssued(issued) => {
            event.event = CertificateEvent::Superseded.into();
            event.successor = Some(issued.id.to_string());
            let kind = issued.succession_kind();
            match stage {
                _ if kind == Some(SuccessionKind::Transfer) => {
                    event.ignored = Some(say(&Ignored::TransferElsewhere));
                }
                Some((Status::Valid, _)) => *stage = Some((Status::Superseded, kind)),
                // A further part of a split.
                Some((Status::Superseded, Some(SuccessionKind::Split)))
                    if kind == Some(SuccessionKind::Split) => {}
                _ => event.ignored = Some(say(&Ignored::NotValid)),
            }
        }
        Entry::StatusChanged(changed) => {
            let action: Action = changed.action;
            event.event = CertificateEvent::from(action).into();
            event.reason = Some(changed.reason.into());
            event.text = Some(changed.text.to_string()).filter(|text| !text.is_empty());
            event.to = action.receiver().map(|to| to.to_string());
            let known = stage.map(|(status, _)| status);
            let after = match changed.inherited {
                Some(of) => inherited_after(known, says, (of.from, action)),
                None => known.unwrap_or(Status::Valid).after(action),
            };
            match after {
                Ok(next) => *stage = Some((next, None)),
                Err(ImpossibleTransition { from, action }) => {
                    let status = from;
                    event.ignored = Some(say(&Ignored::Impossible { status, action }));
                }
            }
        }
        Entry::CertificateErased(erased) => {
            event.event = CertificateEvent::FieldsErased.into();
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
        | Entry::Unknown(_) => return None,
    }
    Some(event)
}

/// The status after a successor's action. In its own log the action follows what that log says, which begins with `from` as its
/// first record has it; whether it is a change at all, what those before it left decides, as far as that is known.
fn inherited_after(
    known: Option<Status>,
    says: &mut Option<Status>,
    (from, action): (Status, Action),
) -> Result<Status, ImpossibleTransition> {
    let next = says.unwrap_or(from).after(action)?;
    *says = Some(next);
    match known {
        Some(known) if known.is_final() || known == next => Err(ImpossibleTransition {
            from: known,
            action,
        }),
        _ => Ok(next),
    }
}

/// A verdict for the API.
pub(in crate::http) fn verification(
    members: &Membership,
    verified: &Verified,
) -> certmesh_api::Verification {
    let found = &verified.verification;
    let (reason, missing) = match &found.verdict {
        Verdict::Valid => (None, Vec::new()),
        Verdict::NotValid(reason) => (Some(reason.into()), Vec::new()),
        Verdict::Unknown(missing) => (None, missing.iter().map(certmesh_text::missing).collect()),
    };
    let successors = found.successors.iter();
    let explanation = certmesh_text::explain(&Explained {
        verdict: &found.verdict,
        change: found.change.as_ref().map(SignedRecord::record),
        successors: successors
            .map(|next| (&next.id, next.log.department))
            .collect(),
        members,
        basis: Basis::Logs {
            unconfirmed: verified.unconfirmed,
        },
    });
    let held = found.state.as_ref().zip(found.checkpoint.as_ref());
    let certificate = held.map(|(state, checkpoint)| {
        recorded(members, state, checkpoint, verified.type_name.clone())
    });
    let successors = found.successors.iter();
    certmesh_api::Verification {
        id: found.id.to_string(),
        verdict: (&found.verdict).into(),
        reason,
        explanation,
        missing,
        successors: successors.map(|next| successor(members, next)).collect(),
        on: found.on.to_string(),
        certificate,
        provenance: provenance(members, verified),
    }
}

fn successor(members: &Membership, next: &Successor) -> certmesh_api::SuccessorView {
    let department = next.log.department;
    certmesh_api::SuccessorView {
        id: next.id.to_string(),
        succession: next.kind.into(),
        department: department.to_string(),
        department_name: name_of(members, &department),
        seq: next.seq,
    }
}

fn provenance(members: &Membership, verified: &Verified) -> Option<certmesh_api::Provenance> {
    let found = &verified.verification;
    let (state, known_by) = (found.state.as_ref()?, found.known_by?);
    let department = state.log.department;
    // Of who has recorded nothing there is no head, and nobody has signed one.
    let known = found.known_as_of.as_ref();
    let witnesses = verified.cosigned_by.iter();
    Some(certmesh_api::Provenance {
        department: department.to_string(),
        department_name: name_of(members, &department),
        network: members.network().to_string(),
        record: state.issued.hash().to_string(),
        seq: state.issued.record().seq,
        record_time_ms: state.issued.record().time_ms,
        known_by: Some(known_by.department.to_string()),
        known_by_name: Some(name_of(members, &known_by.department)),
        status_record: state
            .status_at
            .map(|(log, seq)| certmesh_api::StatusRecord {
                log: log.to_string(),
                seq,
            }),
        checkpoint_size: known.map_or(0, |known| known.size),
        checkpoint_root: known.map_or(Hash::ZERO, |known| known.root).to_string(),
        checkpoint_time_ms: known.map_or(0, |known| known.time_ms),
        cosigned_by: witnesses.map(ToString::to_string).collect(),
        confirmed_ms: verified.confirmed_ms,
        answered_by: verified.answered_by.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use certmesh_text::check::mismatches;

    use super::*;

    #[test]
    fn what_a_successor_changes_goes_on_from_what_is_known_and_ends_nothing_twice() {
        use Action::{Reinstate, Revoke, Suspend};
        use Status::{Revoked, Suspended, Valid};
        // What was known before, what the records say that it was, and what each of them makes of it.
        for (known, from, actions) in [
            (
                Some(Revoked),
                Suspended,
                vec![(Reinstate, None), (Suspend, None)],
            ),
            (
                Some(Valid),
                Suspended,
                vec![
                    (Suspend, None),
                    (Reinstate, None),
                    (Suspend, Some(Suspended)),
                ],
            ),
            (
                Some(Suspended),
                Suspended,
                vec![(Reinstate, Some(Valid)), (Revoke, Some(Revoked))],
            ),
            (
                Some(Suspended),
                Valid,
                vec![(Suspend, None), (Reinstate, Some(Valid))],
            ),
            (
                None,
                Suspended,
                vec![(Reinstate, Some(Valid)), (Reinstate, None)],
            ),
            (
                Some(Valid),
                Valid,
                vec![(Revoke, Some(Revoked)), (Reinstate, None)],
            ),
        ] {
            let (mut now, mut says) = (known, None);
            for (action, expected) in actions {
                let after = inherited_after(now, &mut says, (from, action)).ok();
                assert_eq!(after, expected, "{known:?} {from} {action:?}");
                now = after.or(now);
            }
        }
    }

    #[test]
    fn each_event_without_effect_has_a_text_with_its_arguments_and_each_text_an_event() {
        assert_eq!(mismatches::<Ignored>(), Vec::<String>::new());
    }
}
