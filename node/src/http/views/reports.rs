//! What receipts and the look-up journal show.

use std::collections::BTreeMap;

use certmesh_api::{
    AccessEvent, AccessKind, AccessLog, AccessRule, AuditView, DatedAhead, DepartmentUse,
    FindingView, LookupKind, LookupLog, LookupView, More, Unproven, UseAhead, UseReport,
};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::journal::{Look, Looked, Looks};
use certmesh_ledger::membership::Membership;
use certmesh_ledger::names::LogId;
use certmesh_ledger::record::{
    Asked, Decision, Entry, Received, RetrievalAcknowledged, RetrievalDecided, SignedRecord,
    is_dated_ahead,
};
use certmesh_ledger::retrieval::{Finding, LogAudit, Usage, Used, median};

use super::{name_of, position};
use crate::app::report::{self, Days};
use crate::http::cursors::Cursor;

pub(in crate::http) fn audit(
    members: &Membership,
    days: Days,
    audit: &BTreeMap<LogId, LogAudit>,
) -> AuditView {
    let view = |finding: &Finding| FindingView {
        what: finding.what.into(),
        retrieval: finding.retrieval.to_string(),
        issuer: finding.issuer.to_string(),
        issuer_name: name_of(members, &finding.issuer),
        asker: finding.asker.to_string(),
        asker_name: name_of(members, &finding.asker),
        matter: finding.matter.to_string(),
        type_code: finding.type_code.to_string(),
        log: finding.record.0.department.to_string(),
        seq: finding.record.1,
        time_ms: finding.time_ms,
    };
    let unproven = audit.iter().filter(|(_, found)| found.unproven > 0);
    let ahead = audit
        .iter()
        .filter_map(|(log, found)| Some((log, found, found.first_ahead?)));
    let findings = audit.values().flat_map(|log| &log.findings);
    let rest = audit
        .iter()
        .filter_map(|(log, found)| Some((*log, found.next?)));
    AuditView {
        from: days.from.to_string(),
        to: days.to.to_string(),
        matched: audit.values().map(|log| log.matched).sum(),
        awaited: audit.values().map(|log| log.awaited).sum(),
        lost: audit.values().map(|log| log.lost).sum(),
        wrong: audit.values().map(|log| log.wrong).sum(),
        unproven: audit.values().map(|log| log.unproven).sum(),
        unproven_in: unproven
            .map(|(log, found)| Unproven {
                department: log.department.to_string(),
                department_name: name_of(members, &log.department),
                receipts: found.unproven,
            })
            .collect(),
        dated_ahead: audit.values().map(|log| log.ahead).sum(),
        dated_ahead_in: ahead
            .map(|(log, found, first_seq)| DatedAhead {
                department: log.department.to_string(),
                department_name: name_of(members, &log.department),
                receipts: found.ahead,
                first_seq,
            })
            .collect(),
        findings: findings.map(view).collect(),
        more: rest
            .map(|(log, seq)| more(members, &log.department, (log, seq).write()))
            .collect(),
    }
}

fn more(members: &Membership, department: &DepartmentCode, cursor: String) -> More {
    More {
        department: department.to_string(),
        department_name: name_of(members, department),
        cursor,
    }
}

pub(in crate::http) fn usage(
    members: &Membership,
    days: Days,
    used: BTreeMap<DepartmentCode, Used>,
) -> UseReport {
    let departments = used.into_iter().map(|(department, used)| {
        let (within, ahead) = (used.within, used.ahead);
        DepartmentUse {
            department: department.to_string(),
            name: name_of(members, &department),
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
    UseReport {
        from: days.from.to_string(),
        to: days.to.to_string(),
        departments: departments.collect(),
    }
}

pub(in crate::http) fn lookups(days: Days, found: Looks) -> LookupLog {
    LookupLog {
        from: days.from.to_string(),
        to: days.to.to_string(),
        lookups: found.looks.into_iter().map(lookup).collect(),
        damaged: found.damage.iter().map(ToString::to_string).collect(),
        next: found.next.as_ref().map(Cursor::write),
    }
}

fn lookup(look: Look) -> LookupView {
    let (event, purpose, matter) = match look.looked {
        Looked::Find(purpose) => (LookupKind::Find, Some(purpose.to_string()), None),
        Looked::Accept(matter) => (LookupKind::Accept, None, Some(matter.to_string())),
        Looked::Journal => (LookupKind::AccessLog, None, None),
    };
    LookupView {
        time_ms: look.time_ms,
        client: look.client.to_string(),
        event: event.into(),
        purpose,
        matter,
    }
}

pub(in crate::http) fn access_log(
    members: &Membership,
    days: Days,
    log: &report::AccessLog,
) -> AccessLog {
    let receipts = log.found.receipts.iter();
    let events = receipts.filter_map(|(of, record)| event(members, of, record, log.now_ms));
    let rest = log.found.more.iter();
    AccessLog {
        more: rest
            .map(|page| more(members, &page.log.department, page.write()))
            .collect(),
        from: days.from.to_string(),
        to: days.to.to_string(),
        events: events.collect(),
        recorded: position(&log.recorded),
    }
}

fn event(
    members: &Membership,
    log: &LogId,
    record: &SignedRecord,
    now_ms: u64,
) -> Option<AccessEvent> {
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
        log_name: name_of(members, &by),
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
            fill_asked(members, &mut event, &decided.asked);
            fill_decided(&mut event, decided);
            event.issuer = Some(by.to_string());
            event.asker_name = Some(name_of(members, &decided.asked.asker));
        }
        Entry::RetrievalAcknowledged(acknowledged) => {
            fill_asked(members, &mut event, &acknowledged.asked);
            fill_acknowledged(&mut event, acknowledged);
            event.asker = Some(by.to_string());
            event.asker_name = Some(name_of(members, &by));
        }
        _ => {}
    }
    Some(event)
}

fn fill_asked(members: &Membership, event: &mut AccessEvent, asked: &Asked) {
    let network = members.network();
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
