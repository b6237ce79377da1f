//! Asking a node about certificates: show, history, find.

use std::path::PathBuf;

use certmesh_api::{
    Certificate, CertificateEvent, CertificateFields, FindRequest, History as HistoryView,
    HistoryEvent, NodeStatus, PeerView, ProblemType, Status, Verdict, Word,
};
use certmesh_ledger::id::{CertificateId, DepartmentCode, HolderKind};
use certmesh_ledger::record;
use clap::Args;
use comfy_table::Cell;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::args::{Global, from_one, parsed};
use crate::change::read_id;
use crate::client::{Client, segment};
use crate::holder::HolderArgs;
use crate::message::Advice;
use crate::moment::{china_time, china_time_and_age, now_ms};
use crate::names::{FieldNames, Names, named};
use crate::provenance::outcome_of;
use crate::screen::{Screen, Tone, cell, counted, grouped, number, printable, toned};
use crate::{Error, Outcome, attachments, complete, lookup};

/// Show a certificate as its issuer's log records it
///
/// The status shown says nothing about dates, forks or freshness: whether a certificate is genuine and in force is what
/// `certmesh verify` answers.
#[derive(Debug, Args)]
#[command(after_help = SHOW_EXAMPLES)]
pub(crate) struct Show {
    /// Certificate identifier
    #[arg(value_name = "ID")]
    id: String,
    /// Its holder and fields, which only its issuer's node has; it takes a client with the role issue
    #[arg(short, long)]
    fields: bool,
    /// Save its attachments, which only its issuer's node has, in this directory; it takes a client with the role issue
    #[arg(long, value_name = "DIR", conflicts_with = "fields")]
    attachments: Option<PathBuf>,
}

const SHOW_EXAMPLES: &str = "\
Examples:
  certmesh show 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U
  certmesh show 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U --fields
  certmesh show 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U \\
      --attachments scans";

/// Show everything that happened to a certificate, oldest first
///
/// Also shows what happened to all certificates it replaced and all that replaced it, in any department's log.
#[derive(Debug, Args)]
#[command(after_help = HISTORY_EXAMPLES)]
pub(crate) struct History {
    /// Certificate identifier
    #[arg(value_name = "ID")]
    id: String,
}

const HISTORY_EXAMPLES: &str = "\
Examples:
  certmesh history 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U";

/// Find certificates by holder, type or issuer
///
/// By holder it takes a client with the role clerk, and a purpose: who looked and what for is in your department's look-up
/// journal before anything is shown. The holder's code is never an argument, which others on the machine could see: it is
/// read from a file, from standard input, or from the keyboard.
#[derive(Debug, Args)]
#[command(after_help = FIND_EXAMPLES)]
#[command(group = clap::ArgGroup::new("holder").multiple(true).args(["holder_kind", "holder_code_file", "purpose"])
    .conflicts_with_all(["type_code", "issuer"]))]
#[command(group = clap::ArgGroup::new("what").args(["type_code", "issuer"]))]
pub(crate) struct Find {
    #[command(flatten)]
    holder: HolderArgs,
    /// What a search by holder is for, in words: a case's number, a reason
    #[arg(
        short,
        long,
        value_name = "TEXT",
        required_unless_present_any = ["type_code", "issuer"]
    )]
    purpose: Option<String>,
    /// Certificates of this type: its code, or part of its name
    #[arg(short, long = "type", value_name = "TYPE", add = complete::types())]
    type_code: Option<String>,
    /// Certificates issued by this department
    #[arg(short, long, value_name = "CODE", value_parser = parsed::<DepartmentCode>, add = complete::departments())]
    issuer: Option<DepartmentCode>,
    /// At most this many
    #[arg(short, long, value_name = "N", default_value_t = 100, value_parser = from_one)]
    limit: u64,
    /// All of them
    #[arg(short, long, conflicts_with = "limit")]
    all: bool,
}

const FIND_EXAMPLES: &str = "\
Examples:
  certmesh find --holder-kind 001 --purpose 'case 2026-17'
  certmesh find --holder-kind 111 --holder-code-file holder.txt --purpose 'case 2026-17'
  certmesh find -p 'case 2026-17'
  certmesh find -t 道路运输 -l 20
  certmesh find --type 11100000000013338W011 --limit 20
  certmesh find --issuer 11430000006122244L --all --json

Exit code: 0, also if nothing is found; 1 if there is no such type or member; 2 if the question could not be asked.";

pub(crate) fn show(args: &Show, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let id = read_id(&args.id, screen)?;
    let client = Client::new(global)?;
    if let Some(directory) = &args.attachments {
        let saved = attachments::save(&client, &id, directory, screen);
        return saved.map_err(|error| kept_elsewhere(error, &id));
    }
    if args.fields {
        return show_fields(&client, &id, screen).map_err(|error| kept_elsewhere(error, &id));
    }
    let answer = client.get(&format!("/v1/certificates/{}", segment(id.as_str())))?;
    if screen.json() {
        return screen.pass(&answer);
    }
    let certificate: Certificate = answer.parse()?;
    let strong = screen.paint(Tone::Strong, &printable(&certificate.id));
    screen.line(strong)?;
    show_certificate(&certificate, screen)?;
    Ok(Outcome::Yes)
}

/// What its issuer alone keeps is asked of it for a matter.
fn kept_elsewhere(error: Error, id: &CertificateId) -> Error {
    let problem = error.problem().and_then(|problem| problem.kind.known());
    match problem {
        Some(ProblemType::OtherDepartment) => error.advised(Advice::Fetch { id: id.clone() }),
        _ => error,
    }
}

/// What a certificate says, one field a line.
fn show_fields(client: &Client, id: &CertificateId, screen: &mut Screen) -> Result<Outcome, Error> {
    let answer = client.get(&format!("/v1/certificates/{}/fields", segment(id.as_str())))?;
    if screen.json() {
        return screen.pass(&answer);
    }
    let shown: CertificateFields = answer.parse()?;
    let strong = screen.paint(Tone::Strong, &printable(&shown.id));
    screen.line(strong)?;
    let kind = kind_of_holder(&shown.holder.kind);
    screen.field(
        "holder",
        format!("{kind} {}", printable(&shown.holder.code)),
    )?;
    let mut fields = FieldNames::default();
    let fields = fields.of(&id.type_code().to_string(), client);
    let values = shown.fields.iter();
    screen.fields(values.map(|(code, value)| (fields.name(code), fields.value(code, value))))?;
    for attachment in &shown.attachments {
        attachments::show(attachment, screen)?;
    }
    Ok(Outcome::Yes)
}

/// What the log says of a certificate, one property a line.
pub(crate) fn show_certificate(
    certificate: &Certificate,
    screen: &mut Screen,
) -> Result<(), Error> {
    let name = certificate.type_name.as_deref();
    screen.field("type", named(&certificate.type_code, name))?;
    screen.field(
        "issuer",
        named(&certificate.issuer, certificate.issuer_name.as_deref()),
    )?;
    let status = screen.paint(
        tone_of_status(&certificate.status),
        &printable(certificate.status.as_str()),
    );
    screen.field(
        "status",
        format!("{status} ({})", printable(certificate.status_code.as_str())),
    )?;
    screen.field("validity", validity(certificate))?;
    screen.field("sharing", printable(certificate.sharing.as_str()))?;
    screen.field("holder", kind_of_holder(&certificate.holder_kind))?;
    for (place, predecessor) in certificate.predecessors.iter().enumerate() {
        let label = if place == 0 { "replaces" } else { "" };
        let kind = certificate.succession.as_ref();
        let kind = printable(kind.map_or("", Word::as_str));
        screen.field(label, format!("{} ({kind})", printable(predecessor)))?;
    }
    let position = &certificate.position;
    screen.field(
        "record",
        format!(
            "{} of the log of {}",
            grouped(position.seq),
            printable(&position.log)
        ),
    )?;
    screen.field("recorded", china_time_and_age(position.time_ms, now_ms()))?;
    screen.field("record hash", printable(&position.record))?;
    screen.field("field root", printable(&certificate.field_root))
}

/// `2026-01-01 to 2030-12-31`, or without end.
pub(crate) fn validity(certificate: &Certificate) -> String {
    match &certificate.valid_until {
        Some(until) => format!(
            "{} to {}",
            printable(&certificate.valid_from),
            printable(until)
        ),
        None => format!("from {}, without end", printable(&certificate.valid_from)),
    }
}

fn kind_of_holder(code: &Word<certmesh_api::HolderKind>) -> String {
    match code.known().map(HolderKind::from) {
        Some(kind) => format!("{} ({code}, {})", kind.name(), kind.chinese_name()),
        None => printable(code.as_str()),
    }
}

fn tone_of_status(status: &Word<Status>) -> Tone {
    match status.known() {
        Some(Status::Valid) => Tone::Good,
        Some(Status::Suspended) | None => Tone::Doubt,
        Some(_) => Tone::Bad,
    }
}

pub(crate) fn history(
    args: &History,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let id = read_id(&args.id, screen)?;
    let client = Client::new(global)?;
    let answer = client.get(&format!(
        "/v1/certificates/{}/history",
        segment(id.as_str())
    ))?;
    if screen.json() {
        return screen.pass(&answer);
    }
    let history: HistoryView = answer.parse()?;
    let names = Names::ask(&client);
    let strong = screen.paint(Tone::Strong, &printable(&history.id));
    screen.line(strong)?;
    // An identifier is as wide as a screen: each is shown once, and a number stands for it in the table.
    let mut certificates: Vec<&str> = Vec::new();
    for event in &history.events {
        if !certificates.contains(&event.id.as_str()) {
            certificates.push(&event.id);
        }
    }
    let several = certificates.len() > 1;
    for (n, id) in (1..).zip(certificates.iter().filter(|_| several)) {
        screen.line(format!("{n:>3}  {}", printable(id)))?;
    }
    let rows = history.events.iter().map(|event| {
        let tone = match event.ignored {
            Some(_) => Tone::Faint,
            None => tone_of_event(&event.event),
        };
        let seq = grouped(event.position.seq);
        let mut row = vec![
            cell(china_time(event.position.time_ms)),
            toned(tone, &event.event),
            cell(particulars(event, &certificates)),
            cell(format!(
                "record {seq} of {}",
                names.short(&event.position.log)
            )),
        ];
        if several {
            let place = certificates.iter().position(|id| *id == event.id);
            row.insert(0, number(place.map_or(0, |place| place as u64 + 1)));
        }
        row
    });
    let rows = rows.collect();
    match several {
        true => screen.table(&["", "WHEN", "WHAT", "WHY", "WHERE"], &[0, 1, 2], rows)?,
        false => screen.table(&["WHEN", "WHAT", "WHY", "WHERE"], &[0, 1], rows)?,
    }
    if history.cut {
        screen.note("note: the chain is longer than shown; ask for its first or last certificate shown to see further");
    }
    Ok(Outcome::Yes)
}

fn tone_of_event(event: &Word<CertificateEvent>) -> Tone {
    match event.known() {
        Some(CertificateEvent::Issued | CertificateEvent::Reinstated) => Tone::Good,
        Some(CertificateEvent::Suspended) | None => Tone::Doubt,
        Some(_) => Tone::Bad,
    }
}

/// Why, and what else is known of it; certificates that stand above the table are named by their numbers there.
fn particulars(event: &HistoryEvent, numbered: &[&str]) -> String {
    let place = |id: &str| numbered.iter().position(|one| *one == id);
    let name = |id: &String| match place(id) {
        Some(place) if numbered.len() > 1 => format!("certificate {}", place + 1),
        _ => id.clone(),
    };
    let reason = event.reason.as_ref().map(|code| match code.known() {
        Some(reason) => format!("{code} {}", record::Reason::from(reason).as_str()),
        None => code.to_string(),
    });
    let text = event.text.clone().filter(|text| !text.is_empty());
    let receiver = event.to.as_ref().map(|code| format!("to {code}"));
    let successor = event.successor.as_ref();
    let successor = successor.map(|id| format!("by {}", name(id)));
    let replaces = event.succession.as_ref().map(|kind| {
        let replaced: Vec<String> = event.predecessors.iter().map(name).collect();
        format!("{kind} of {}", replaced.join(", "))
    });
    let ignored = event
        .ignored
        .as_ref()
        .map(|why| format!("without effect: {why}"));
    [reason, text, receiver, replaces, successor, ignored]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join("; ")
}

/// A page of the answer, its certificates left as they came.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Page {
    certificates: Vec<Value>,
    next: Option<String>,
}

pub(crate) fn find(args: &Find, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let by_holder = args.type_code.is_none() && args.issuer.is_none();
    let holder = match by_holder {
        true => Some(args.holder.read_one(screen)?),
        false => None,
    };
    let client = Client::new(global)?;
    let kind = args.type_code.as_deref();
    let kind = kind
        .map(|text| lookup::type_code(text, &client, screen))
        .transpose()?;
    let limit = if args.all { u64::MAX } else { args.limit };
    let mut request = FindRequest {
        holder,
        purpose: args.purpose.clone(),
        type_code: kind.clone(),
        issuer: args.issuer.as_ref().map(ToString::to_string),
        ..FindRequest::default()
    };
    let mut found = Page::default();
    loop {
        let missing = limit - found.certificates.len() as u64;
        request.limit = Some(u32::try_from(missing).unwrap_or(u32::MAX).min(1_000));
        let page: Page = client.post("/v1/find", &request, None)?.parse()?;
        found.certificates.extend(page.certificates);
        // A node that repeats its cursor would keep us here for ever.
        let stuck = page.next.is_some() && page.next == request.cursor;
        found.next = page.next;
        if found.next.is_none() || stuck || found.certificates.len() as u64 >= limit {
            break;
        }
        request.cursor.clone_from(&found.next);
    }
    let nothing_there_to_find = found.certificates.is_empty();
    if screen.json() {
        screen.print_json(&found)?;
    } else {
        show_found(found, &client, screen)?;
    }
    if nothing_there_to_find && let Some(note) = asked_in_vain(kind.as_deref(), args, &client) {
        screen.note(&note);
        return Ok(Outcome::No);
    }
    Ok(Outcome::Yes)
}

/// Why nothing can be found: no such type, or no such member. A node that does not answer is no reason.
fn asked_in_vain(kind: Option<&str>, args: &Find, client: &Client) -> Option<String> {
    if let Some(code) = kind
        && let Ok(types) = lookup::types(client)
        && !types.iter().any(|kind| kind.code == code)
    {
        let near = lookup::near(code, &types);
        let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
        return Some(format!(
            "note: type {code} is not in the catalogue; `certmesh catalogue` lists the types{near}"
        ));
    }
    if let Some(code) = &args.issuer
        && let Ok(peers) = client
            .get("/v1/peers")
            .and_then(|a| a.parse::<Vec<PeerView>>())
        && let Ok(status) = client
            .get("/v1/status")
            .and_then(|a| a.parse::<NodeStatus>())
        && status.department != code.as_str()
        && !peers.iter().any(|peer| peer.department == code.as_str())
    {
        return Some(format!(
            "note: department {code} is not a member of this network; `certmesh logs` lists the members"
        ));
    }
    None
}

/// What a search says about a certificate: valid, why not, or unknown.
fn verdict_cell(certificate: &Certificate) -> Cell {
    let unknown = Verdict::Unknown.into();
    let verdict = certificate.verdict.as_ref().unwrap_or(&unknown);
    let tone = match outcome_of(verdict) {
        Outcome::Yes => Tone::Good,
        Outcome::No => Tone::Bad,
        _ => Tone::Doubt,
    };
    let reason = certificate.reason.as_ref().map(Word::as_str);
    toned(tone, reason.unwrap_or(verdict.as_str()))
}

fn show_found(found: Page, client: &Client, screen: &mut Screen) -> Result<(), Error> {
    let more = found.next.is_some();
    let certificates: Result<Vec<Certificate>, _> = found
        .certificates
        .into_iter()
        .map(serde_json::from_value)
        .collect();
    let certificates =
        certificates.map_err(|error| client.bad_answer("/v1/find", &error.to_string()))?;
    if certificates.is_empty() {
        return screen.line("no certificate found");
    }
    let rows = certificates
        .iter()
        .map(|certificate| {
            vec![
                cell(&certificate.id),
                verdict_cell(certificate),
                cell(validity(certificate)),
                cell(
                    certificate
                        .type_name
                        .as_deref()
                        .unwrap_or(&certificate.type_code),
                ),
                cell(
                    certificate
                        .issuer_name
                        .as_deref()
                        .unwrap_or(&certificate.issuer),
                ),
            ]
        })
        .collect();
    screen.table(
        &["CERTIFICATE", "VERDICT", "VALIDITY", "TYPE", "ISSUER"],
        &[0, 1],
        rows,
    )?;
    screen.line(counted(certificates.len() as u64, "certificate"))?;
    if more {
        screen.note("note: there are more: raise --limit, or give --all");
    }
    Ok(())
}
