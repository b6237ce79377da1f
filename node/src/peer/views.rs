//! What the ledger knows, in the API's shapes.

use std::collections::BTreeMap;

use certmesh_ledger::bodies::Body;
use certmesh_ledger::catalogue::{Catalogue, CertificateState};
use certmesh_ledger::id::CertificateId;
use certmesh_ledger::log::{Stopped, VerifiedCheckpoint};
use certmesh_ledger::record::{Action, Attachment, Entry, Record, SignedRecord, Status};
use certmesh_ledger::verify::{Verdict, Verification};

use super::Peer;
use crate::api::types;

/// Why a log stopped, as a sentence without its full stop.
pub(super) fn stopped(stopped: &Stopped) -> String {
    match stopped {
        Stopped::Forked(evidence) => format!(
            "its department signed two histories from record {} on; both are kept under evidence/",
            evidence.position()
        ),
        Stopped::Broken(rule) => format!("its department broke a rule: {rule}"),
    }
}

pub(super) fn certificate(
    catalogue: &Catalogue,
    state: &CertificateState,
) -> Option<types::Certificate> {
    let issued = state.certificate();
    let checkpoint = catalogue.log(&state.log)?.checkpoint()?;
    let definition = catalogue.type_definition(&issued.id.type_code());
    Some(types::Certificate::recorded(
        issued,
        &state.issued,
        state.status,
        &checkpoint,
        catalogue.members(),
        definition.map(|(_, versions)| versions.current().name.to_string()),
    ))
}

/// What a certificate says, its attachments told apart from the other fields.
pub(super) fn fields(id: &CertificateId, body: &Body) -> types::CertificateFields {
    let mut fields = BTreeMap::new();
    let mut attachments = Vec::new();
    for (name, value) in &body.fields {
        match Attachment::of_field(name, value) {
            Ok(Some(attachment)) => attachments.push(types::AttachmentView {
                name: attachment.name.to_string(),
                media_type: attachment.media_type.to_string(),
                size: attachment.size,
                content: attachment.content.to_string(),
            }),
            _ => drop(fields.insert(name.clone(), value.clone())),
        }
    }
    types::CertificateFields {
        id: id.to_string(),
        holder: types::Holder {
            kind: body.holder_kind.to_string(),
            code: body.holder_code.clone(),
        },
        fields,
        attachments,
    }
}

/// The events of a certificate, with the effect each had: the rules of the status map, told as a story.
pub(super) fn history(
    id: &CertificateId,
    records: &[SignedRecord],
    checkpoint: &VerifiedCheckpoint,
) -> Vec<types::HistoryEvent> {
    let mut status = None;
    records
        .iter()
        .map(|record| event(id, record, checkpoint, &mut status))
        .collect()
}

fn event(
    id: &CertificateId,
    signed: &SignedRecord,
    checkpoint: &VerifiedCheckpoint,
    status: &mut Option<Status>,
) -> types::HistoryEvent {
    let record: &Record = signed.record();
    let mut event = types::HistoryEvent {
        event: String::new(),
        reason: None,
        text: None,
        successor: None,
        ignored: None,
        position: types::Position::of(checkpoint, signed),
    };
    match &record.entry {
        Entry::CertificateIssued(issued) if issued.id == *id => {
            event.event = "issued".into();
            match status {
                None => *status = Some(Status::Valid),
                Some(_) => event.ignored = Some("the identifier had been issued before".into()),
            }
        }
        Entry::CertificateIssued(issued) => {
            event.event = Status::Superseded.as_str().into();
            event.successor = Some(issued.id.to_string());
            match status {
                Some(Status::Valid) => *status = Some(Status::Superseded),
                _ => event.ignored = Some("the certificate was not valid by then".into()),
            }
        }
        Entry::StatusChanged(changed) => {
            let action: Action = changed.action;
            event.event = action.past().into();
            event.reason = Some(changed.reason.code().into());
            event.text = Some(changed.text.to_string()).filter(|text| !text.is_empty());
            match status.unwrap_or(Status::Valid).after(action) {
                Ok(next) => *status = Some(next),
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
        | Entry::GrantWithdrawn(_) => {}
    }
    event
}

/// A verdict for the API; what rests on the own log takes account of whether that is confirmed.
pub(super) fn verification(peer: &Peer, found: Verification) -> types::Verification {
    let catalogue = &peer.catalogue;
    let unconfirmed = peer.own.is_unconfirmed();
    let found = match unconfirmed {
        true => &found.unconfirmed(&catalogue.own()),
        false => &found,
    };
    let own = found.state.as_ref().map(|state| state.log) == Some(catalogue.own());
    let (reason, mut explanation, missing) = match &found.verdict {
        Verdict::Valid => (None, "genuine and in force".to_owned(), Vec::new()),
        Verdict::NotValid(reason) => (
            Some(reason.code().to_owned()),
            explain(reason, found),
            Vec::new(),
        ),
        Verdict::Unknown(missing) => {
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            (
                None,
                format!("it can't be said; what is missing: {}", missing.join("; ")),
                missing,
            )
        }
    };
    if own && unconfirmed && matches!(found.verdict, Verdict::NotValid(_)) {
        explanation.push_str(UNCONFIRMED);
    }
    types::Verification {
        id: found.id.to_string(),
        verdict: found.verdict.as_str().to_owned(),
        reason,
        explanation,
        missing,
        on: found.on.to_string(),
        certificate: found
            .state
            .as_ref()
            .and_then(|state| certificate(catalogue, state)),
        provenance: provenance(peer, found),
    }
}

/// Added to what is said of a certificate of the own log.
const UNCONFIRMED: &str = "; this department's own log is not yet confirmed by other members, so what was recorded last may \
                           be missing here";

fn explain(reason: &certmesh_ledger::verify::NotValid, found: &Verification) -> String {
    let mut text = reason.to_string();
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
    text
}

fn provenance(peer: &Peer, found: &Verification) -> Option<types::Provenance> {
    let (state, checkpoint) = (found.state.as_ref()?, found.checkpoint.as_ref()?);
    let members = peer.catalogue.members();
    let department = state.log.department;
    let heard_ms = match department == peer.department {
        true if peer.own.is_unconfirmed() => None,
        true => Some(super::now_ms()),
        false => peer.heard.read().heads_ms.get(&department).copied(),
    };
    let cosigned_by = peer
        .cosignatures_of(checkpoint)
        .into_iter()
        .map(|c| c.witness.to_string())
        .collect();
    Some(types::Provenance {
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
        heard_ms,
        answered_by: peer.department.to_string(),
    })
}
