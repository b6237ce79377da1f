//! `certmesh audit` and `certmesh access-log`: what the receipts in all departments' logs say.

use certmesh_api::{
    AccessEvent, AccessKind, AccessLog, AccessLogRequest, AuditView, FindingView, LookupLog,
    LookupView, LookupsRequest, More,
};
use certmesh_ledger::id::Date;
use clap::Args;

use crate::args::{Global, from_one};
use crate::client::{Client, segment};
use crate::holder::SubjectArgs;
use crate::moment::china_time;
use crate::names::{Names, named};
use crate::screen::{Screen, Tone, cell, counted, grouped, printable, toned};
use crate::{Error, Outcome};

/// Compare every receipt of a retrieval with its counterpart in the other department's log
///
/// An issuer leaves a receipt of each answer and each refusal, the department that asked an acknowledgement. One
/// without the other, or two that say different things, are findings. A counterpart that may still be in transit is not
/// a finding. Receipts dated more than 10 minutes ahead of the node's clock belong to no day yet: they are counted by
/// themselves.
#[derive(Debug, Args)]
#[command(after_help = AUDIT_EXAMPLES)]
pub(crate) struct Audit {
    /// First day; 31 days before the last when absent
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<Date>,
    /// Last day; today when absent
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<Date>,
    /// Continue in one department's log, from an earlier answer's cursor
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
}

const AUDIT_EXAMPLES: &str = "\
Examples:
  certmesh audit
  certmesh audit --from 2026-11-01 --to 2026-11-30 --json

Exit code: 0 if all receipts fit, 1 if there are findings, 2 if it could not be asked.";

/// List who looked at a subject's data, in the logs of all departments
///
/// Your question is recorded in your department's log, with --local in its look-up journal, before anything is shown.
/// Events dated more than 10 minutes ahead of the node's clock are shown whichever days are asked for, and marked. It
/// takes a client with the role admin.
#[derive(Debug, Args)]
#[command(after_help = ACCESS_EXAMPLES)]
pub(crate) struct Accesses {
    #[command(flatten)]
    subject: Option<SubjectArgs>,
    /// List your own department's look-ups instead, of a subject or of everyone: each time one of its clients asked what a
    /// person holds, whether or not anything was retrieved
    #[arg(long)]
    local: bool,
    /// First day; a year before the last when absent
    #[arg(long, value_name = "YYYY-MM-DD")]
    from: Option<Date>,
    /// Last day; today when absent
    #[arg(long, value_name = "YYYY-MM-DD")]
    to: Option<Date>,
    /// Continue in one department's log or in the look-ups, from an earlier answer's cursor
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// At most this many look-ups; 100 when absent
    #[arg(long, value_name = "N", requires = "local", value_parser = from_one)]
    limit: Option<u64>,
    /// All look-ups there are
    #[arg(long, requires = "local", conflicts_with = "limit")]
    all: bool,
}

const ACCESS_EXAMPLES: &str = "\
Examples:
  certmesh access-log --subject-kind 111 --subject-file subject.txt
  certmesh access-log --subject-kind 001 --subject 91420100MA4KNJJ260 --from 2026-11-01 --json
  certmesh access-log --local --from 2026-11-01 --all
  certmesh access-log --local --subject-kind 111 --subject-file subject.txt";

pub(crate) fn audit(args: &Audit, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let given = [("from", args.from), ("to", args.to)];
    let given = given
        .into_iter()
        .filter_map(|(name, day)| Some((name, day?)));
    let mut query: Vec<String> = given.map(|(name, day)| format!("{name}={day}")).collect();
    query.extend(
        args.cursor
            .as_ref()
            .map(|cursor| format!("cursor={}", segment(cursor))),
    );
    let path = format!("/v1/audit?{}", query.join("&"));
    let answer = Client::new(global)?.get(&path).map_err(Error::misused)?;
    let audit: AuditView = answer.parse()?;
    let outcome = if audit.wrong == 0 {
        Outcome::Yes
    } else {
        Outcome::No
    };
    if screen.json() {
        screen.pass(&answer)?;
        return Ok(outcome);
    }
    screen.field(
        "days",
        format!("{} to {}", printable(&audit.from), printable(&audit.to)),
    )?;
    screen.field("agree", grouped(audit.matched))?;
    screen.field("on the way", grouped(audit.awaited))?;
    screen.field("lost answers", grouped(audit.lost))?;
    let tone = if audit.wrong == 0 {
        Tone::Good
    } else {
        Tone::Bad
    };
    let wrong = screen.paint(tone, &grouped(audit.wrong));
    screen.field("findings", wrong)?;
    for unproven in &audit.unproven_in {
        screen.field(
            "not counted",
            format!(
                "{} in the log of {}, without the asker's signature",
                counted(unproven.receipts, "receipt"),
                named(&unproven.department, Some(&unproven.department_name))
            ),
        )?;
    }
    for ahead in &audit.dated_ahead_in {
        screen.field(
            "dated ahead",
            format!(
                "{} in the log of {}, from record {} on: counted when their time comes",
                counted(ahead.receipts, "receipt"),
                named(&ahead.department, Some(&ahead.department_name)),
                grouped(ahead.first_seq)
            ),
        )?;
    }
    if audit.findings.is_empty() {
        tell_more(&audit.more, screen);
        return Ok(outcome);
    }
    let rows = audit.findings.iter().map(|finding| {
        vec![
            toned(Tone::Bad, &finding.what),
            cell(china_time(finding.time_ms)),
            cell(named(&finding.asker, Some(&finding.asker_name))),
            cell(named(&finding.issuer, Some(&finding.issuer_name))),
            cell(&finding.matter),
            cell(&finding.type_code),
            cell(record_of(finding)),
        ]
    });
    let header = [
        "FINDING", "TIME", "ASKED BY", "ASKED", "MATTER", "TYPE", "RECORD",
    ];
    screen.table(&header, &[0, 1, 6], rows.collect())?;
    tell_more(&audit.more, screen);
    Ok(outcome)
}

/// Says whose logs have more, and how to see it.
fn tell_more(more: &[More], screen: &mut Screen) {
    for more in more {
        screen.note(&format!(
            "note: the log of {} has more: --cursor {}",
            named(&more.department, Some(&more.department_name)),
            printable(&more.cursor)
        ));
    }
}

fn record_of(finding: &FindingView) -> String {
    format!("{} {}", finding.log, finding.seq)
}

pub(crate) fn accesses(
    args: &Accesses,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    if args.local {
        return lookups(args, global, screen);
    }
    let whose = SubjectArgs::default();
    let subject = match &args.subject {
        Some(subject) => subject,
        None if screen.can_ask() => &whose,
        None => {
            return Err(Error::Usage(
                "name the subject with --subject-file FILE and, where its form does not show it, --subject-kind KIND; only \
                 --local lists the looks at everyone's data",
            ));
        }
    };
    let request = AccessLogRequest {
        subject: subject.read(screen)?,
        from: args.from.map(|day| day.to_string()),
        to: args.to.map(|day| day.to_string()),
        cursor: args.cursor.clone(),
    };
    let client = Client::new(global)?;
    let answer = client
        .post("/v1/access-log", &request, None)
        .map_err(Error::misused)?;
    if screen.json() {
        return screen.pass(&answer);
    }
    let log: AccessLog = answer.parse()?;
    let names = Names::ask(&client);
    let short = |code: &Option<String>| match code {
        Some(code) => names.short(code),
        None => String::new(),
    };
    let rows = log.events.iter().map(|event| {
        vec![
            match event.dated_ahead {
                true => toned(
                    Tone::Bad,
                    format!("{} dated ahead", china_time(event.time_ms)),
                ),
                false => cell(china_time(event.time_ms)),
            },
            toned(tone_of(event), &event.event),
            cell(short(&event.asker)),
            cell(short(&event.issuer)),
            cell(event.matter.as_deref().unwrap_or_default()),
            cell(event.type_code.as_deref().unwrap_or_default()),
            cell(match &event.rule {
                Some(rule) => rule.to_string(),
                None => event.fields.join(", "),
            }),
            cell(format!("{} {}", names.short(&event.log), event.seq)),
        ]
    });
    let header = [
        "TIME",
        "EVENT",
        "ASKED BY",
        "ASKED",
        "MATTER",
        "TYPE",
        "FIELDS OR RULE",
        "RECORD",
    ];
    screen.table(&header, &[0, 1, 7], rows.collect())?;
    screen.line(format!(
        "{}, {} to {}; that you asked is record {} of your department's log",
        counted(log.events.len() as u64, "event"),
        printable(&log.from),
        printable(&log.to),
        log.recorded.seq
    ))?;
    let ahead = log.events.iter().filter(|event| event.dated_ahead).count();
    if ahead > 0 {
        screen.line(format!(
            "{} of them dated more than 10 minutes ahead of the node's clock: no day's yet, whichever were asked for",
            grouped(ahead as u64)
        ))?;
    }
    tell_more(&log.more, screen);
    Ok(Outcome::Yes)
}

fn tone_of(event: &AccessEvent) -> Tone {
    match event.event.known() {
        Some(AccessKind::Refused) => Tone::Doubt,
        _ => Tone::Strong,
    }
}

/// Most look-ups in one answer.
const PAGE: u64 = 1_000;

/// Lists this department's own look-ups, page by page up to the limit.
fn lookups(args: &Accesses, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let subject = args.subject.as_ref();
    let mut request = LookupsRequest {
        subject: subject.map(|subject| subject.read(screen)).transpose()?,
        from: args.from.map(|day| day.to_string()),
        to: args.to.map(|day| day.to_string()),
        limit: None,
        cursor: args.cursor.clone(),
    };
    let client = Client::new(global)?;
    let limit = if args.all {
        u64::MAX
    } else {
        args.limit.unwrap_or(100)
    };
    let mut log: Option<LookupLog> = None;
    loop {
        let have = log.as_ref().map_or(0, |log| log.lookups.len() as u64);
        request.limit = u32::try_from((limit - have).min(PAGE)).ok();
        let answer = client.post("/v1/access-log/local", &request, None);
        let page: LookupLog = answer.map_err(Error::misused)?.parse()?;
        let log = match &mut log {
            None => log.insert(page),
            Some(log) => {
                log.lookups.extend(page.lookups);
                log.damaged.extend(page.damaged);
                log.next = page.next;
                log
            }
        };
        // A node that repeats its cursor would keep us here for ever.
        let stuck = log.next == request.cursor;
        if log.next.is_none() || stuck || log.lookups.len() as u64 >= limit {
            return show_lookups(log, screen);
        }
        request.cursor.clone_from(&log.next);
    }
}

fn show_lookups(log: &LookupLog, screen: &mut Screen) -> Result<Outcome, Error> {
    if screen.json() {
        screen.print_json(log)?;
        return Ok(Outcome::Yes);
    }
    let reason = |lookup: &LookupView| {
        let said = lookup.purpose.as_ref().or(lookup.matter.as_ref());
        said.cloned().unwrap_or_default()
    };
    let rows = log.lookups.iter().map(|lookup| {
        vec![
            cell(china_time(lookup.time_ms)),
            cell(&lookup.client),
            toned(Tone::Strong, &lookup.event),
            cell(reason(lookup)),
        ]
    });
    let header = ["TIME", "CLIENT", "EVENT", "PURPOSE OR MATTER"];
    screen.table(&header, &[0, 1, 2], rows.collect())?;
    screen.line(format!(
        "{}, {} to {}; that you asked is in the journal too",
        counted(log.lookups.len() as u64, "look-up"),
        printable(&log.from),
        printable(&log.to)
    ))?;
    for damaged in &log.damaged {
        screen.note(&format!(
            "warning: the journal can't be read completely, look-ups may be missing: {}",
            printable(damaged)
        ));
    }
    if let Some(next) = &log.next {
        screen.note(&format!(
            "note: there are more: raise --limit, give --all, or continue with --cursor {}",
            printable(next)
        ));
    }
    Ok(Outcome::Yes)
}
