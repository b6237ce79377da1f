//! The second act: departments agree on a matter, bring in what they have, accept a case with it, and answer for every look.

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use certmesh_api::{
    AcceptRequest, Acceptance, AccessKind, AccessLogRequest, CollectRequest, DepartmentUse,
    FetchRequest, GrantRequest, Holder, IssueRequest, MatterRequest, RequirementState,
    RequirementStatus, RequirementView, SubMatterView,
};
use certmesh_ledger::id::{Date, HolderKind};
use serde_json::{Value, json};

use super::Details;
use super::stage::{Stage, details};
use crate::client::{Client, ClientError};
use crate::network::now_ms;
use crate::screen::spoken;
use crate::stats::grouped;
use crate::{Error, departments, sample};

/// Code of the matter.
const MATTER: &str = "GTSL";
/// The department that accepts the case: the market regulators.
const ACCEPTS: usize = 1;
/// The department that brings in its old table: the police.
const LEGACY: usize = 0;
/// Rows of that table.
const ROWS: u64 = 500;
/// Departments whose first type a person holds, after the first two.
const OTHERS: [usize; 3] = [2, 3, 4];
/// Fields the matter needs of each certificate.
const FIELDS: [&str; 2] = ["CZZT", "ZZBH"];

/// How the old table's columns become certificates.
const MAP: &str = r#"
serial = "证件编号"
holder = { kind = "111", column = "公民身份号码" }
valid_from = { column = "签发日期", date = "%Y.%m.%d" }
[fields]
ZZMC = { value = "居民身份证" }
ZZBH = "证件编号"
CZZT = { column = "姓名", clean = ["half-width", "collapse-spaces"] }
ZZBFJG = { value = "公安局" }
"#;

/// The applicant: a person who does not exist, and whom no sample knows.
fn applicant() -> (Holder, String) {
    let (code, name) = sample::stranger(7);
    let kind = HolderKind::IdentityCard.into();
    (Holder { kind, code }, name)
}

/// The folder whose tables the first department's peer takes in.
fn folder(stage: &Stage) -> PathBuf {
    stage.net.member(LEGACY).dir.join("inbox")
}

/// Settings for that peer, written before it starts.
pub(super) fn prepare(stage: &Stage) -> Result<(), Error> {
    let (member, folder) = (stage.net.member(LEGACY), folder(stage));
    fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    let map = member.dir.join("inbox.toml");
    fs::write(&map, MAP).map_err(Error::file(&map))?;
    let code = departments::type_code(LEGACY, 0)?;
    let settings =
        format!("[[watch]]\nfolder = \"inbox\"\ntype = \"{code}\"\nmap = \"inbox.toml\"\n");
    let config = member.more_config();
    fs::write(&config, settings).map_err(Error::file(&config))
}

/// Departments of this network whose certificates the matter needs, beside the first.
fn others(stage: &Stage) -> impl Iterator<Item = usize> {
    let all = stage.net.founders();
    OTHERS.into_iter().filter(move |index| *index < all)
}

/// Departments agree on what a matter needs, and who may see it.
pub(super) fn standards(stage: &mut Stage) -> Result<Details, Error> {
    let mut types = vec![departments::type_code(LEGACY, 0)?];
    for index in others(stage) {
        types.push(departments::type_code(index, 0)?);
    }
    types.push(departments::type_code(LEGACY, 1)?);
    let requires = types.iter().map(|code| RequirementView {
        types: vec![code.to_string()],
        fields: FIELDS.map(str::to_owned).to_vec(),
    });
    let matter = MatterRequest {
        code: MATTER.to_owned(),
        name: "个体工商户设立登记".to_owned(),
        sub: vec![SubMatterView {
            code: "01".to_owned(),
            name: "家庭经营".to_owned(),
            requires: requires.collect(),
        }],
    };
    stage.net.client(ACCEPTS)?.define_matter(&matter)?;
    stage.say(format!(
        "{} defines the matter 个体工商户设立登记 (registration of a family business): {} certificates, {} fields of each",
        stage.name(ACCEPTS),
        types.len(),
        FIELDS.len()
    ));
    let mut grants = 0;
    for index in others(stage) {
        grant(stage, index)?;
        grants += 1;
    }
    stage.wait_converged()?;
    stage.say(format!(
        "certificates are shared on conditions (有条件共享): granted sight of those fields by {grants} of its issuers, by {} not yet",
        stage.name(LEGACY)
    ));
    Ok(details(
        json!({ "matter": MATTER, "demands": types.len(), "grants": grants }),
    ))
}

/// A department grants the accepting one sight of the fields of its types, for the matter.
fn grant(stage: &Stage, index: usize) -> Result<(), Error> {
    let accepts = stage.net.member(ACCEPTS).code();
    let client = stage.net.client(index)?;
    for place in 0..departments::types(index).len() {
        client.grant(&GrantRequest {
            department: Some(accepts.to_string()),
            role: None,
            type_code: departments::type_code(index, place)?.to_string(),
            matters: vec![format!("{accepts}/{MATTER}/01")],
            fields: FIELDS.map(str::to_owned).to_vec(),
            until: None,
        })?;
    }
    Ok(())
}

/// One department drops the table of its old system into a folder; others issue.
pub(super) fn legacy(stage: &mut Stage) -> Result<Details, Error> {
    let (holder, name) = applicant();
    let mut table = String::from("姓名,公民身份号码,证件编号,签发日期\n");
    for number in 0..ROWS {
        let (code, name) = match number {
            0 => (holder.code.clone(), name.clone()),
            _ => sample::stranger(1_000 + number),
        };
        // What old systems hold: a row twice, an invalid date, a number with a digit wrong, full-width digits.
        let (code, day) = match number {
            17 => (code, "不详"),
            18 => (wrong_digit(&code), "2016.03.01"),
            19 => (full_width(&code), "2016.03.01"),
            _ => (code, "2016.03.01"),
        };
        let line = format!("{name},{code},SFZ{number:06},{day}\n");
        table.push_str(&line);
        if number == 20 {
            table.push_str(&line);
        }
    }
    let (bytes, _, _) = encoding_rs::GB18030.encode(&table);
    let folder = folder(stage);
    let path = folder.join("户籍系统.csv");
    let part = folder.join("户籍系统.csv.part");
    fs::write(&part, bytes).map_err(Error::file(&part))?;
    let start = Instant::now();
    fs::rename(&part, &path).map_err(Error::file(&path))?;
    stage.say(format!(
        "{} drops an old system's table into its peer's folder: 户籍系统.csv, GB18030, {} rows",
        stage.name(LEGACY),
        ROWS + 1
    ));
    let summary = folder.join("done/户籍系统.csv.summary.json");
    let what = || format!("{} to be there", summary.display());
    let summary: Value = stage.deadline.wait(what, || {
        let text = fs::read_to_string(&summary).ok();
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    })?;
    stage.say(format!(
        "after {} {} certificates are issued, {} doubled row is merged, {} rows come back with their reasons",
        spoken(start.elapsed()),
        summary["issued"],
        summary["merged"],
        summary["rejected"]
    ));
    for (reason, count) in summary["rejected_by_reason"]
        .as_object()
        .into_iter()
        .flatten()
    {
        stage.say(format!("  {count}: {reason}"));
    }
    for index in others(stage) {
        issue_to(stage, index, &holder, &name)?;
    }
    stage.wait_converged()?;
    if summary["issued"] != ROWS - 2 {
        return Err(Error::Broken(format!(
            "{} rows of {ROWS} were issued, not all but two",
            summary["issued"]
        )));
    }
    Ok(details(json!({ "summary": summary })))
}

/// The same number with another check character.
fn wrong_digit(code: &str) -> String {
    let (body, check) = code.split_at(code.len() - 1);
    format!("{body}{}", if check == "1" { "2" } else { "1" })
}

fn full_width(digits: &str) -> String {
    let wide = |c: char| char::from_u32(c as u32 + 0xFEE0).unwrap_or(c);
    digits.chars().map(wide).collect()
}

/// Issues a department's first type to the applicant.
fn issue_to(stage: &Stage, index: usize, holder: &Holder, name: &str) -> Result<(), Error> {
    let kind = departments::types(index)[0];
    let fields = [
        ("ZZMC", kind.name.to_owned()),
        ("ZZBH", format!("{index}-2021-0417")),
        ("CZZT", name.to_owned()),
        ("ZZBFJG", departments::chinese_name(index)),
    ];
    stage.net.client(index)?.issue(&IssueRequest {
        type_code: Some(departments::type_code(index, 0)?.to_string()),
        serial: Some("DEMO20210417".to_owned()),
        holder: Some(holder.clone()),
        valid_from: Some("2021-04-17".to_owned()),
        fields: fields.map(|(name, value)| (name.to_owned(), value)).into(),
        ..IssueRequest::default()
    })?;
    Ok(())
}

fn question(holder: &Holder, collect: bool) -> AcceptRequest {
    AcceptRequest {
        matter: MATTER.to_owned(),
        subject: holder.clone(),
        on: None,
        collect: collect.then(|| CollectRequest {
            purpose: "registration of a family business, case 2026-0417".to_owned(),
            reference: Some("2026-0417".to_owned()),
            keep_days: Some(90),
        }),
    }
}

/// A clerk accepts the case: what is held is not asked for again.
pub(super) fn accept(stage: &mut Stage) -> Result<Details, Error> {
    let (holder, _) = applicant();
    let clerk = stage.net.client(ACCEPTS)?;
    let start = Instant::now();
    let before = clerk.accept(&question(&holder, false))?;
    stage.say(format!(
        "{} asks its own peer what the applicant holds of what the matter needs: {} later",
        stage.name(ACCEPTS),
        spoken(start.elapsed())
    ));
    tell(stage, &before);
    let needs: Vec<&RequirementState> = of_state(&before, RequirementStatus::NeedsGrant).collect();
    if needs.len() != 1 || of_state(&before, RequirementStatus::Missing).count() != 1 {
        return Err(Error::Broken(format!(
            "{} of {} held, which is not all but a grant and one",
            before.held,
            before.requirements.len()
        )));
    }
    grant(stage, LEGACY)?;
    stage.wait_converged()?;
    stage.say(format!(
        "{} grants it too; the case is accepted, and the fields come from their issuers",
        stage.name(LEGACY)
    ));
    let start = Instant::now();
    let accepted = clerk.accept(&question(&holder, true))?;
    let took = start.elapsed();
    tell(stage, &accepted);
    let collected = accepted
        .requirements
        .iter()
        .filter(|one| one.retrieval.is_some());
    let (collected, all) = (collected.count(), accepted.requirements.len());
    let missing: Vec<String> = of_state(&accepted, RequirementStatus::Missing)
        .map(named)
        .collect();
    if collected + 1 != all {
        return Err(Error::Broken(format!(
            "{collected} of {all} were collected"
        )));
    }
    stage.say(format!(
        "{collected} of {all} in {}, each checked against its issuer's signed record; to be handed in: {}",
        spoken(took),
        missing.join(", ")
    ));
    let again = clerk.accept(&question(&holder, true))?;
    let replayed = again.case.as_ref().is_some_and(|case| case.replayed);
    if !replayed {
        return Err(Error::Broken("the same case was accepted twice".to_owned()));
    }
    stage.say("accepted once more, the same case gives the same and records nothing");
    Ok(details(json!({
        "required": all, "collected": collected, "missing": missing, "accepted_again": replayed,
    })))
}

fn of_state(
    acceptance: &Acceptance,
    state: RequirementStatus,
) -> impl Iterator<Item = &RequirementState> {
    let all = acceptance.requirements.iter();
    all.filter(move |requirement| requirement.state == state)
}

fn named(requirement: &RequirementState) -> String {
    let name = requirement.type_name.as_ref();
    name.unwrap_or(&requirement.type_code).clone()
}

fn tell(stage: &Stage, acceptance: &Acceptance) {
    for requirement in &acceptance.requirements {
        let what = match (requirement.state.known(), requirement.retrieval.is_some()) {
            (Some(RequirementStatus::Held), true) => {
                let values = requirement.values.iter();
                let shown: Vec<String> = values
                    .map(|(code, value)| format!("{code} {value}"))
                    .collect();
                format!("held     {}: {}", named(requirement), shown.join(", "))
            }
            (Some(RequirementStatus::Held), false) => format!("held     {}", named(requirement)),
            (Some(RequirementStatus::NeedsGrant), _) => format!("no grant {}", named(requirement)),
            _ => format!("{:<8} {}", requirement.state, named(requirement)),
        };
        stage.say(format!("  {what}"));
    }
}

/// Every look left a receipt on both sides.
pub(super) fn receipts(stage: &mut Stage) -> Result<Details, Error> {
    let (holder, _) = applicant();
    // Somebody else tries its luck with the same matter.
    let curious = others(stage).next();
    if let Some(index) = curious {
        let accepted = stage
            .net
            .client(ACCEPTS)?
            .accept(&question(&holder, false))?;
        let certificate = accepted.requirements[0].certificate.clone();
        let matter = format!("{}/{MATTER}/01", stage.net.member(ACCEPTS).code());
        let refused = stage.net.client(index)?.fetch(&FetchRequest {
            certificate: certificate.unwrap_or_default(),
            matter,
            purpose: "curiosity".to_owned(),
            fields: Vec::new(),
            attachments: false,
            keep_days: None,
        });
        let why = match refused {
            Err(ClientError::Refused { problem, .. }) => problem.detail,
            Err(other) => return Err(other.into()),
            Ok(_) => {
                let what = "a department saw fields for another's matter";
                return Err(Error::Broken(what.to_owned()));
            }
        };
        stage.say(format!(
            "{} asks for the same without a case of its own: {why}",
            stage.name(index)
        ));
    }
    stage.wait_converged()?;
    let mut matched = 0;
    for (index, client) in stage.net.clients()? {
        let audit = client.audit()?;
        if audit.wrong > 0 || audit.awaited > 0 || audit.matched == 0 {
            return Err(Error::Broken(format!(
                "the audit at {} finds {} wrong and {} without counterpart",
                stage.name(index),
                audit.wrong,
                audit.awaited
            )));
        }
        matched = audit.matched;
    }
    stage.say(format!(
        "audited at every peer: {matched} retrievals, each with the issuer's receipt and the asker's acknowledgement"
    ));
    let log = stage.net.client(LEGACY)?.access_log(&AccessLogRequest {
        subject: holder,
        from: None,
        to: None,
        cursor: None,
    })?;
    let looks = log
        .events
        .iter()
        .filter(|event| event.event != AccessKind::Acknowledged);
    stage.say(format!(
        "{} lists who looked at the applicant's data:",
        stage.name(LEGACY)
    ));
    for event in looks {
        let who = event.asker_name.as_ref().unwrap_or(&event.log_name);
        let what = match &event.rule {
            Some(rule) => rule.to_string(),
            None => event.fields.join(", "),
        };
        let issuer = format!("record {} of {}", event.seq, event.log_name);
        stage.say(format!("  {:<15} {who}  {what}  ({issuer})", event.event));
    }
    Ok(details(
        json!({ "matched": matched, "events": log.events.len() }),
    ))
}

/// The month's figures, from the receipts alone.
pub(super) fn report(stage: &mut Stage) -> Result<Details, Error> {
    let client: Client = stage.net.client(LEGACY)?;
    let month = Date::in_china(now_ms()).to_string()[..7].to_owned();
    let report = client.usage(&month)?;
    for one in &report.departments {
        stage.say(format!("{}  {}", one.name, figures(one)));
    }
    let saved: u64 = report.departments.iter().map(|one| one.saved).sum();
    let cases: u64 = report.departments.iter().map(|one| one.cases).sum();
    stage.say(format!(
        "{} submissions saved in {} case; nobody was asked for a figure",
        grouped(saved),
        grouped(cases)
    ));
    if cases != 1 || saved == 0 {
        return Err(Error::Broken(format!(
            "{cases} cases, {saved} submissions saved"
        )));
    }
    Ok(details(
        json!({ "month": month, "cases": cases, "saved": saved, "use": report.departments }),
    ))
}

fn figures(one: &DepartmentUse) -> String {
    let mut parts = vec![
        format!("shared {}", one.shared),
        format!("refused {}", one.refused),
    ];
    if one.retrieved > 0 {
        let median = one.median_retrieval_ms.unwrap_or_default();
        parts.push(format!("retrieved {} (median {median} ms)", one.retrieved));
    }
    if one.cases > 0 {
        parts.push(format!(
            "cases {}, {} of {} saved",
            one.cases, one.saved, one.required
        ));
    }
    parts.join(", ")
}
