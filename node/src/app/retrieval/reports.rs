//! What the receipts say, in the API's shapes.

use certmesh_api::{
    AccessEvent, AccessKind, AccessLog, AccessRule, AuditView, DatedAhead, DepartmentUse,
    FindingView, More, Unproven, UseAhead, UseReport,
};
use certmesh_ledger::id::Date;
use certmesh_ledger::names::LogId;
use certmesh_ledger::record::{
    AccessLogRead, Asked, Decision, Entry, Received, RetrievalAcknowledged, RetrievalDecided,
    SignedRecord, SubjectTag, is_dated_ahead,
};
use certmesh_ledger::retrieval::{Finding, Page, Usage, access_log, audit, median, usage};

use super::asking::Asking;
use crate::app::questions::{Days, access_cursor, audit_cursor};
use crate::peer::Refusal;
use crate::peer::writer::Receipt;
use crate::peer::{Peer, now_ms};

/// Most receipts of one log that are looked at for one answer.
const MAX_RECEIPTS: usize = 1_000;

fn unreadable(error: &dyn std::error::Error) -> Refusal {
    tracing::error!(%error, "a log could not be read");
    Refusal::Internal
}

fn name_of(peer: &Peer, department: &certmesh_ledger::id::DepartmentCode) -> String {
    let member = peer.catalogue.members().member(department);
    member
        .map(|member| member.display_name().to_owned())
        .unwrap_or_default()
}

/// Holds receipts against their counterparts.
pub(crate) fn audited(
    peer: &Peer,
    days: Days,
    page: Option<(LogId, u64)>,
) -> Result<AuditView, Refusal> {
    let audit = audit(&peer.catalogue, days.times(), page, now_ms());
    let audit = audit.map_err(|error| unreadable(&error))?;
    let view = |finding: &Finding| FindingView {
        what: finding.what.into(),
        retrieval: finding.retrieval.to_string(),
        issuer: finding.issuer.to_string(),
        issuer_name: name_of(peer, &finding.issuer),
        asker: finding.asker.to_string(),
        asker_name: name_of(peer, &finding.asker),
        matter: finding.matter.to_string(),
        type_code: finding.type_code.to_string(),
        log: finding.record.0.department.to_string(),
        seq: finding.record.1,
        time_ms: finding.time_ms,
    };
    Ok(AuditView {
        from: days.from.to_string(),
        to: days.to.to_string(),
        matched: audit.values().map(|log| log.matched).sum(),
        awaited: audit.values().map(|log| log.awaited).sum(),
        lost: audit.values().map(|log| log.lost).sum(),
        wrong: audit.values().map(|log| log.wrong).sum(),
        unproven: audit.values().map(|log| log.unproven).sum(),
        unproven_in: audit
            .iter()
            .filter(|(_, found)| found.unproven > 0)
            .map(|(log, found)| Unproven {
                department: log.department.to_string(),
                department_name: name_of(peer, &log.department),
                receipts: found.unproven,
            })
            .collect(),
        dated_ahead: audit.values().map(|log| log.ahead).sum(),
        dated_ahead_in: audit
            .iter()
            .filter_map(|(log, found)| {
                Some(DatedAhead {
                    department: log.department.to_string(),
                    department_name: name_of(peer, &log.department),
                    receipts: found.ahead,
                    first_seq: found.first_ahead?,
                })
            })
            .collect(),
        findings: audit
            .values()
            .flat_map(|log| log.findings.iter().map(view))
            .collect(),
        more: audit
            .iter()
            .filter_map(|(log, found)| Some(more(peer, log, audit_cursor(*log, found.next?))))
            .collect(),
    })
}

fn more(peer: &Peer, log: &LogId, cursor: String) -> More {
    More {
        department: log.department.to_string(),
        department_name: name_of(peer, &log.department),
        cursor,
    }
}

/// Use by department.
pub(crate) fn used(peer: &Peer, days: Days) -> Result<UseReport, Refusal> {
    let (from_ms, until_ms) = days.times();
    let all = usage(&peer.catalogue, from_ms, until_ms, now_ms());
    let all = all.map_err(|error| unreadable(&error))?;
    let departments = all.into_iter().map(|(department, used)| {
        let (within, ahead) = (used.within, used.ahead);
        DepartmentUse {
            department: department.to_string(),
            name: name_of(peer, &department),
            shared: within.shared,
            refused: within.refused,
            retrieved: within.retrieved,
            cases: within.cases,
            required: within.required,
            saved: within.saved,
            median_retrieval_ms: median(&within.took_ms),
            dated_ahead: (ahead != Usage::default()).then_some(UseAhead {
                shared: ahead.shared,
                refused: ahead.refused,
                retrieved: ahead.retrieved,
                cases: ahead.cases,
                required: ahead.required,
                saved: ahead.saved,
            }),
        }
    });
    Ok(UseReport {
        from: days.from.to_string(),
        to: days.to.to_string(),
        departments: departments.collect(),
    })
}

/// Who looked at a subject's data. The question is in this department's log before anything is shown.
pub(crate) async fn accesses(
    asking: Asking,
    subject: SubjectTag,
    days: Days,
    page: Option<Page>,
) -> Result<AccessLog, Refusal> {
    let key = asking.peer().catalogue_key.clone();
    let looked = AccessLogRead {
        subject: key.blind(&subject, Date::in_china(now_ms())),
    };
    let receipt = Receipt {
        name: "access-log".to_owned(),
        entry: Entry::AccessLogRead(looked),
        kept: None,
        needs: None,
    };
    let recorded = asking.record(receipt).await?;
    let reading = asking.clone();
    let search = move || {
        let peer = asking.peer();
        let days_asked = (days.from, days.to);
        let catalogue = &peer.catalogue;
        let now_ms = now_ms();
        let found = access_log(
            catalogue,
            &key,
            &subject,
            days_asked,
            page,
            now_ms,
            MAX_RECEIPTS,
        );
        let found = found.map_err(|error| unreadable(&error))?;
        let events = found
            .receipts
            .iter()
            .filter_map(|(log, record)| event(peer, log, record, now_ms));
        let rest = found.more.iter();
        Ok(AccessLog {
            more: rest
                .map(|page| more(peer, &page.log, access_cursor(page)))
                .collect(),
            from: days.from.to_string(),
            to: days.to.to_string(),
            events: events.collect(),
            recorded: recorded.position,
        })
    };
    reading.read(search).await
}

fn event(peer: &Peer, log: &LogId, record: &SignedRecord, now_ms: u64) -> Option<AccessEvent> {
    let by = log.department;
    let kind = match &record.record().entry {
        Entry::RetrievalDecided(decided) => match &decided.decision {
            Decision::Answered { .. } => AccessKind::Answered,
            Decision::Refused(_) => AccessKind::Refused,
        },
        Entry::RetrievalAcknowledged(_) => AccessKind::Acknowledged,
        Entry::AccessLogRead(_) => AccessKind::AccessLogRead,
        _ => return None,
    };
    let mut event = AccessEvent {
        time_ms: record.record().time_ms,
        dated_ahead: is_dated_ahead(record.record().time_ms, now_ms),
        log: by.to_string(),
        log_name: name_of(peer, &by),
        seq: record.record().seq,
        event: kind.into(),
        retrieval: None,
        issuer: None,
        asker: None,
        asker_name: None,
        matter: None,
        type_code: None,
        fields: Vec::new(),
        rule: None,
    };
    match &record.record().entry {
        Entry::RetrievalDecided(decided) => {
            fill_asked(peer, &mut event, &decided.asked);
            fill_decided(&mut event, decided);
            event.issuer = Some(by.to_string());
            event.asker_name = Some(name_of(peer, &decided.asked.asker));
        }
        Entry::RetrievalAcknowledged(acknowledged) => {
            fill_asked(peer, &mut event, &acknowledged.asked);
            fill_acknowledged(&mut event, acknowledged);
            event.asker = Some(by.to_string());
            event.asker_name = Some(name_of(peer, &by));
        }
        _ => {}
    }
    Some(event)
}

fn fill_asked(peer: &Peer, event: &mut AccessEvent, asked: &Asked) {
    let network = peer.catalogue.members().network();
    event.retrieval = Some(asked.name(network).to_string());
    event.matter = Some(asked.matter.to_string());
    event.type_code = Some(asked.type_code.to_string());
}

fn fill_decided(event: &mut AccessEvent, decided: &RetrievalDecided) {
    event.asker = Some(decided.asked.asker.to_string());
    match &decided.decision {
        Decision::Answered { fields, .. } => {
            event.fields = fields.iter().map(ToString::to_string).collect();
        }
        Decision::Refused(rule) => event.rule = Some(AccessRule::from(*rule).into()),
    }
}

fn fill_acknowledged(event: &mut AccessEvent, acknowledged: &RetrievalAcknowledged) {
    event.issuer = Some(acknowledged.asked.issuer.to_string());
    match &acknowledged.outcome {
        Received::Fields { fields, .. } => {
            event.fields = fields.iter().map(ToString::to_string).collect();
        }
        Received::Refused(rule) => event.rule = Some(AccessRule::from(*rule).into()),
        Received::Nothing => event.rule = Some(AccessRule::NoAnswer.into()),
        Received::Wrong => event.rule = Some(AccessRule::WrongAnswer.into()),
    }
}
