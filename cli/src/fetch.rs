//! `certmesh fetch` and `certmesh copy`: fields from their issuer, and what was kept of them.

use std::path::PathBuf;

use certmesh_api::limits::MAX_KEEP_DAYS;
use certmesh_api::{FetchRequest, Retrieved};
use certmesh_ledger::id::CertificateId;
use clap::Args;

use crate::args::{Global, within};
use crate::attachments;
use crate::change::read_id;
use crate::client::{Client, segment};
use crate::message::Advice;
use crate::moment::{china_time_and_age, now_ms};
use crate::names::{FieldNames, Names};
use crate::provenance::{outcome_of, verdict};
use crate::screen::{Screen, Tone, printable};
use crate::{Error, Outcome};
use crate::{complete, lookup};

/// Retrieve the fields of a certificate that a matter needs, from the department that issued it
///
/// The issuer's node decides by its own log and leaves a receipt there, whether it answers or refuses. The answer is
/// checked against the certificate's signed record, kept encrypted by your node until its last day is over, and
/// acknowledged in your department's log. The verdict is shown first: fields of a certificate that is suspended,
/// superseded or revoked are returned as well. It takes a client with the role clerk.
#[derive(Debug, Args)]
#[command(after_help = FETCH_EXAMPLES)]
pub(crate) struct Fetch {
    /// Certificate identifier
    #[arg(value_name = "ID")]
    id: String,
    /// The matter it is for: [DEPARTMENT/]MATTER[/SUB], one of this department's. Parts of the names do as well as codes
    #[arg(short, long, value_name = "MATTER", add = complete::own_parts())]
    matter: String,
    /// What the fields are for, in words. The issuer reads it
    #[arg(short, long, value_name = "TEXT")]
    purpose: String,
    /// Codes of the fields, separated by commas, `@` for its attachments; when absent all fields that the matter needs and
    /// that may be seen
    #[arg(short, long, value_name = "CODES", value_delimiter = ',')]
    fields: Vec<String>,
    /// Its attachments as well, where the matter needs them: your node keeps them, `certmesh copy --attachments DIR` saves them
    #[arg(long)]
    attachments: bool,
    /// Days for which your node keeps the copy
    #[arg(long, value_name = "DAYS", value_parser = within(1_u16, MAX_KEEP_DAYS))]
    keep_days: Option<u16>,
}

const FETCH_EXAMPLES: &str = "\
Examples:
  certmesh fetch 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U --matter SL-001/01 \\
    --purpose 'change of business address, case 2026-1187'
  certmesh fetch ID --matter SL-001/01 --purpose 'case 2026-1187' --fields ZZMC,ZZBH --keep-days 30 --json

Exit code: 0 if fields of a valid certificate came, 1 if it is not valid or the issuer refused, 2 if it could not be asked,
3 if there is no such certificate or it is unknown whether it is valid.";

/// Show what was retrieved: the copy that your node keeps until its last day is over
#[derive(Debug, Args)]
#[command(after_help = COPY_EXAMPLES)]
pub(crate) struct Copy {
    /// Name of the retrieval, as `fetch` and `accept --collect` show it
    #[arg(value_name = "RETRIEVAL")]
    retrieval: String,
    /// Save its attachments in this directory. What your node lacks comes from the issuer first, and resumes where it
    /// was cut off, until a day after the retrieval
    #[arg(long, value_name = "DIR")]
    attachments: Option<PathBuf>,
}

const COPY_EXAMPLES: &str = "\
Examples:
  certmesh copy 5f1c6a0be3f6a2d94c1f7f0be1d5c9a8b7261f3e4d5c6b7a8990a1b2c3d4e5f6
  certmesh copy 5f1c6a0be3f6a2d94c1f7f0be1d5c9a8b7261f3e4d5c6b7a8990a1b2c3d4e5f6 --attachments case-1187";

pub(crate) fn run(args: &Fetch, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let id = read_id(&args.id, screen)?;
    let mut request = FetchRequest {
        certificate: id.to_string(),
        matter: String::new(),
        purpose: args.purpose.clone(),
        fields: args.fields.clone(),
        attachments: args.attachments,
        keep_days: args.keep_days,
    };
    let client = Client::new(global)?;
    let answer = lookup::with_matter(&args.matter, &client, screen, |matter| {
        request.matter = matter.to_owned();
        let answer = client.post("/v1/retrievals", &request, None);
        answer.map_err(Error::misused)
    })?;
    let retrieved: Retrieved = answer.parse()?;
    let came = |code: &str| match code {
        "@" => !retrieved.attachments.is_empty(),
        code => retrieved.fields.contains_key(code),
    };
    for code in args.fields.iter().filter(|code| !came(code)) {
        let code = printable(code);
        screen.note(&format!(
            "note: {code} was not shown: the matter does not need it, it may not be seen, or the certificate has none"
        ));
    }
    let outcome = outcome_of(&retrieved.verification.verdict);
    match screen.json() {
        true => screen.pass(&answer)?,
        false => present(&retrieved, &client, screen)?,
    };
    Ok(outcome)
}

pub(crate) fn copy(args: &Copy, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let client = Client::new(global)?;
    let of = format!("/v1/retrievals/{}", segment(&args.retrieval));
    let answer = client
        .get(&of)
        .map_err(|error| match error.is_not_found() {
            true => error.advised(Advice::Copies),
            false => error.misused(),
        })?;
    if let Some(directory) = &args.attachments {
        let retrieved: Retrieved = answer.parse()?;
        let attachments = retrieved.attachments.into_iter().map(|one| one.attachment);
        return attachments::save_from(&client, &of, attachments.collect(), directory, screen);
    }
    if screen.json() {
        return screen.pass(&answer);
    }
    present(&answer.parse()?, &client, screen)
}

fn present(retrieved: &Retrieved, client: &Client, screen: &mut Screen) -> Result<Outcome, Error> {
    let names = Names::ask(client);
    let strong = screen.paint(Tone::Strong, &printable(&retrieved.certificate));
    screen.line(strong)?;
    verdict(&retrieved.verification, screen)?;
    let id = retrieved.certificate.parse::<CertificateId>().ok();
    let kind = id.map(|id| id.type_code().to_string()).unwrap_or_default();
    let mut fields = FieldNames::default();
    let fields = fields.of(&kind, client);
    let values = retrieved.fields.iter();
    screen.fields(values.map(|(code, value)| (fields.name(code), fields.value(code, value))))?;
    for one in &retrieved.attachments {
        attachments::show(&one.attachment, screen)?;
        if !one.whole {
            screen.field(
                "",
                "not here whole: `certmesh copy --attachments DIR` gets the rest",
            )?;
        }
    }
    screen.line("")?;
    screen.field("issuer", names.full(&retrieved.issuer))?;
    screen.field("matter", printable(&retrieved.matter))?;
    screen.field("purpose", printable(&retrieved.purpose))?;
    screen.field("received", china_time_and_age(retrieved.time_ms, now_ms()))?;
    screen.field("kept until", printable(&retrieved.keep_until))?;
    screen.field(
        "receipt",
        format!(
            "record {} of {}",
            retrieved.receipt,
            names.short(&retrieved.issuer)
        ),
    )?;
    let acknowledged = &retrieved.acknowledged;
    screen.field(
        "acknowledged",
        format!(
            "record {} of {}",
            acknowledged.seq,
            names.short(&acknowledged.log)
        ),
    )?;
    screen.field("retrieval", printable(&retrieved.retrieval))?;
    Ok(Outcome::Yes)
}
