//! `certmesh renew`, `amend`, `merge`, `split` and `transfer`: certificates in the place of others.
//!
//! What stays the same is taken from the old certificate: type, days and sharing from the log, holder and fields from its
//! issuer's node. Only what changes is given, and personal data never in the arguments.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use certmesh_api::draft::Draft;
use certmesh_api::{
    Appended, Certificate, CertificateFields, Holder, IssueRequest, ProblemType, SharingClass,
    Status, Word,
};
use certmesh_ledger::id::{CertificateId, Date};
use certmesh_ledger::record::SuccessionKind;
use certmesh_text::at_field;
use clap::Args;
use serde_json::Value;

use crate::args::{Global, word};
use crate::change::read_id;
use crate::client::{Answer, Client, segment};
use crate::holder::HolderArgs;
use crate::issue::{content_key, read_value, tell_appended};
use crate::message::Advice;
use crate::moment::now_ms;
use crate::screen::Screen;
use crate::{Error, Outcome, attachments, complete, lookup};

/// Renew a certificate for a further time
///
/// Issues its next version, with what the old one says: same serial number, holder, fields and sharing. The old one then
/// reads as superseded and names the new one. A certificate that is valid can be renewed, expired or not.
#[derive(Debug, Args)]
#[command(after_help = RENEW_EXAMPLES)]
pub(crate) struct Renew {
    /// The certificate to renew
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    changes: Changes,
}

const RENEW_EXAMPLES: &str = "\
Examples:
  certmesh renew 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U \\
      --valid-until 2031-12-31
  certmesh renew 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U \\
      --valid-from 2027-01-01 --valid-until 2031-12-31 --fields changed.json

The new certificate is in force from today, unless --valid-from says otherwise.";

/// Amend a certificate: something in it has changed
///
/// Issues its next version, with what the old one says but for what is given here. The old one then reads as superseded and
/// names the new one.
#[derive(Debug, Args)]
#[command(after_help = AMEND_EXAMPLES)]
pub(crate) struct Amend {
    /// The certificate to amend
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    changes: Changes,
}

const AMEND_EXAMPLES: &str = "\
Examples:
  certmesh amend 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U \\
      --fields changed.json
  echo '{\"KZ_DZ\": \"新址\", \"KZ_BZ\": null}' | certmesh amend --fields - \\
      1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U

The second changes one field and drops another.";

/// Merge certificates: one in the place of several
///
/// Holder, fields, days and sharing are those of the first one named, but for what is given here. All of them must be valid
/// and this department's; they then read as superseded and name the new one.
#[derive(Debug, Args)]
#[command(after_help = MERGE_EXAMPLES)]
pub(crate) struct Merge {
    /// The certificates to merge, two to sixteen
    #[arg(value_name = "ID", required = true, num_args = 2..=16)]
    ids: Vec<String>,
    #[command(flatten)]
    changes: Changes,
}

const MERGE_EXAMPLES: &str = "\
Examples:
  certmesh merge --serial 20260000001 --fields merged.json \\
      1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U \\
      1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000404.001.E";

/// Split a certificate: several in the place of one
///
/// Each part is a file with what sets it apart: a serial number (or id) and whatever else differs, as for `certmesh issue
/// --from`; fields that it does not name are those of the old certificate. The old one reads as superseded from the first
/// part on and names all parts. Run it again after a failure to issue the missing parts.
#[derive(Debug, Args)]
#[command(after_help = SPLIT_EXAMPLES)]
pub(crate) struct Split {
    /// The certificate to split
    #[arg(value_name = "ID")]
    id: String,
    /// A part: JSON, or TOML if its name ends in .toml; once for each
    #[arg(long = "part", value_name = "FILE", required = true)]
    parts: Vec<PathBuf>,
}

const SPLIT_EXAMPLES: &str = "\
Examples:
  certmesh split 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U \\
      --part north.json --part south.json

with north.json:
  {\"serial\": \"20260000002\", \"fields\": {\"KZ_DZ\": \"北区\"}}";

/// Take over a certificate from another department
///
/// That department first lets it go (`certmesh transfer-out`). Type, days and sharing are those of the old certificate,
/// but for what is given here; only its issuer has holder and fields, so they are given again. The old one then names
/// the new one.
#[derive(Debug, Args)]
#[command(after_help = TRANSFER_EXAMPLES)]
pub(crate) struct Transfer {
    /// The other department's certificate
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    changes: Changes,
}

const TRANSFER_EXAMPLES: &str = "\
Examples:
  certmesh transfer 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U \\
      --serial 20260000003 --holder-kind 001 --holder-code-file holder.txt --fields fields.json";

/// What differs from the old certificate.
#[derive(Debug, Args)]
pub(crate) struct Changes {
    /// Type, by its code or part of its name [default: the old one's]
    #[arg(long = "type", value_name = "TYPE", add = complete::types())]
    type_code: Option<String>,
    /// The department's own serial number [default when renewing or amending: the old one's, in its next version]
    #[arg(long, value_name = "SERIAL")]
    serial: Option<String>,
    /// Version of the certificate
    #[arg(long, value_name = "N")]
    certificate_version: Option<u16>,
    #[command(flatten)]
    holder: HolderArgs,
    /// First day of validity, YYYY-MM-DD [default: the old one's; when renewing: today]
    #[arg(long, value_name = "DATE")]
    valid_from: Option<Date>,
    /// Last day of validity, YYYY-MM-DD [default: the old one's; when renewing it has to be given]
    #[arg(short = 'u', long, value_name = "DATE", conflicts_with = "no_end")]
    valid_until: Option<Date>,
    /// The new certificate has no last day
    #[arg(long)]
    no_end: bool,
    /// A file to attach under its own name, once for each: a new certificate takes none of the old one's
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
    /// Sharing class: unconditional, conditional or not-shared [default: the old one's]
    #[arg(long, value_name = "CLASS", value_parser = word::<SharingClass>())]
    sharing: Option<SharingClass>,
    /// The fields that change, by standard name: JSON or TOML (.toml), or `-` for JSON on standard input; others stay as they
    /// are, and null drops one
    #[arg(long, value_name = "FILE")]
    fields: Option<PathBuf>,
}

pub(crate) fn renew(args: &Renew, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let ids = [args.id.as_str()];
    succeed(SuccessionKind::Renewal, &ids, &args.changes, global, screen)
}

pub(crate) fn amend(args: &Amend, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let ids = [args.id.as_str()];
    succeed(
        SuccessionKind::Amendment,
        &ids,
        &args.changes,
        global,
        screen,
    )
}

pub(crate) fn merge(args: &Merge, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let ids: Vec<&str> = args.ids.iter().map(String::as_str).collect();
    numbered(&args.changes)?;
    succeed(SuccessionKind::Merge, &ids, &args.changes, global, screen)
}

pub(crate) fn transfer(
    args: &Transfer,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let ids = [args.id.as_str()];
    numbered(&args.changes)?;
    succeed(
        SuccessionKind::Transfer,
        &ids,
        &args.changes,
        global,
        screen,
    )
}

fn numbered(changes: &Changes) -> Result<(), Error> {
    match changes.serial {
        Some(_) => Ok(()),
        None => Err(Error::Usage(
            "the new certificate's number is missing: give --serial",
        )),
    }
}

/// The certificate that others take the place of.
struct Old {
    id: CertificateId,
    certificate: Certificate,
    /// Holder and fields, where this node has them.
    kept: Option<CertificateFields>,
}

impl Old {
    fn ask(client: &Client, id: CertificateId) -> Result<Old, Error> {
        let path = format!("/v1/certificates/{}", segment(id.as_str()));
        let certificate = client.get(&path)?.parse()?;
        let kept = match client.get(&format!("{path}/fields")) {
            Ok(answer) => Some(answer.parse()?),
            // Another department's, erased, or lost.
            Err(Error::Refused { problem, .. })
                if matches!(problem.status, 404 | 409 | 410)
                    || problem.kind == ProblemType::Lost =>
            {
                None
            }
            Err(error) => return Err(error),
        };
        Ok(Old {
            id,
            certificate,
            kept,
        })
    }

    /// What a successor says when nothing is changed, but for its identifier.
    fn successor(&self, kind: SuccessionKind, predecessors: &[CertificateId]) -> IssueRequest {
        let kept = self.kept.as_ref();
        IssueRequest {
            holder: kept.map(|kept| kept.holder.clone()),
            valid_from: Some(self.certificate.valid_from.clone()),
            valid_until: self.certificate.valid_until.clone(),
            sharing: Some(self.certificate.sharing.clone()),
            fields: kept.map(|kept| kept.fields.clone()).unwrap_or_default(),
            succession: Some(kind.into()),
            predecessors: predecessors.iter().map(ToString::to_string).collect(),
            ..IssueRequest::default()
        }
    }
}

const NOT_KEPT: &str = "this node has no holder and fields of the old certificate (another department's, erased or lost): give \
                        --holder-kind and --fields";

fn succeed(
    kind: SuccessionKind,
    ids: &[&str],
    changes: &Changes,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let ids: Vec<CertificateId> = ids
        .iter()
        .map(|id| read_id(id, screen))
        .collect::<Result<_, _>>()?;
    if changes.holder.uses_input() && changes.fields.as_deref() == Some(Path::new("-")) {
        return Err(Error::Usage(
            "standard input can give the holder's code or the fields, not both",
        ));
    }
    let client = Client::new(global)?;
    let Some(first) = ids.first() else {
        return Err(Error::Usage("which certificate is meant is missing"));
    };
    let old = Old::ask(&client, first.clone())?;
    let mut request = old.successor(kind, &ids);
    if old.kept.is_none() && (!changes.holder.is_named() || changes.fields.is_none()) {
        return Err(Error::Usage(NOT_KEPT));
    }
    let type_code = match &changes.type_code {
        Some(text) => Some(lookup::type_code(text, &client, screen)?),
        None => None,
    };
    number(&mut request, kind, changes, type_code, &old);
    days(&mut request, kind, changes, screen)?;
    if let Some(sharing) = changes.sharing {
        request.sharing = Some(sharing.into());
    }
    if let Some(holder) = changes.holder.read(screen)? {
        request.holder = Some(holder);
    }
    if let Some(path) = &changes.fields {
        let changed: BTreeMap<String, Option<String>> =
            read_value(path, "a list of fields (names and texts)", screen)?;
        for (name, value) in changed {
            match value {
                Some(value) => request.fields.insert(name, value),
                None => request.fields.remove(&name),
            };
        }
    }
    let attaching = attachments::look(&changes.attach, screen)?;
    request.attachments = attachments::send(&client, &attaching, screen)?.tokens;
    let had = old.kept.as_ref().map_or(0, |kept| kept.attachments.len());
    if had > 0 && attaching.is_empty() {
        screen.note(&format!(
            "note: the old certificate's attachments ({had}) are not the new one's: --attach gives it files"
        ));
    }
    let answer = issue(&client, &request).map_err(|error| replaced_before(error, &old))?;
    if screen.json() {
        return screen.pass(&answer);
    }
    tell_appended(done(kind), &answer.parse::<Appended>()?, screen)
}

/// Where the next version is there already, it is the one to replace.
fn replaced_before(error: Error, old: &Old) -> Error {
    let problem = error.problem().and_then(|problem| problem.kind.known());
    match problem {
        Some(ProblemType::DuplicateCertificate) if old.certificate.status == Status::Superseded => {
            error.advised(Advice::Newest)
        }
        _ => error,
    }
}

/// The identifier; the node chooses it where the old one's continues.
fn number(
    request: &mut IssueRequest,
    kind: SuccessionKind,
    changes: &Changes,
    type_code: Option<String>,
    old: &Old,
) {
    let given =
        changes.serial.is_some() || changes.certificate_version.is_some() || type_code.is_some();
    if kind.keeps_identifier() && !given {
        return;
    }
    let old_type = || old.certificate.type_code.clone();
    let old_serial = || old.id.serial().to_owned();
    request.type_code = Some(type_code.unwrap_or_else(old_type));
    request.serial = Some(changes.serial.clone().unwrap_or_else(old_serial));
    request.version = changes.certificate_version;
}

fn days(
    request: &mut IssueRequest,
    kind: SuccessionKind,
    changes: &Changes,
    screen: &mut Screen,
) -> Result<(), Error> {
    let renewal = kind == SuccessionKind::Renewal;
    let today = Date::in_china(now_ms());
    if let Some(from) = changes.valid_from {
        if from > today && kind != SuccessionKind::Transfer {
            screen.note(&format!(
                "note: the old certificate ends now, and the new one begins on {from}: until then none is in force"
            ));
        }
        request.valid_from = Some(from.to_string());
    } else if renewal {
        // The old one ends with this record, so that the new one must not begin later by itself.
        request.valid_from = Some(today.to_string());
    }
    if let Some(until) = changes.valid_until {
        request.valid_until = Some(until.to_string());
    } else if changes.no_end {
        request.valid_until = None;
    } else if renewal && request.valid_until.is_some() {
        return Err(Error::Usage(
            "give the new last day: --valid-until DATE, or --no-end",
        ));
    }
    Ok(())
}

fn issue(client: &Client, request: &IssueRequest) -> Result<Answer, Error> {
    let content = serde_json::to_vec(request).map_err(std::io::Error::from)?;
    let key = content_key(client, "issue", &content);
    client.post("/v1/certificates", request, Some(&key))
}

fn done(kind: SuccessionKind) -> &'static str {
    match kind {
        SuccessionKind::Renewal => "RENEWED",
        SuccessionKind::Amendment => "AMENDED",
        SuccessionKind::Merge => "MERGED",
        SuccessionKind::Split => "SPLIT OFF",
        SuccessionKind::Transfer => "TAKEN OVER",
    }
}

pub(crate) fn split(args: &Split, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let id = read_id(&args.id, screen)?;
    let mut parts: Vec<IssueRequest> = Vec::new();
    for path in &args.parts {
        parts.push(read_value(path, "a part of a certificate", screen)?);
    }
    let client = Client::new(global)?;
    let old = Old::ask(&client, id)?;
    let split_before = old.certificate.status == Status::Superseded;
    if parts.len() < 2 && !split_before {
        return Err(Error::Usage(
            "one part is not a split: give --part for each of the certificates in its place",
        ));
    }
    let mut faults = Vec::new();
    let mut requests = Vec::new();
    for (part, path) in parts.into_iter().zip(&args.parts) {
        let request = part_of(&old, part);
        faults.extend(wrong(&request, &old).map(|why| format!("{}: {why}", path.display())));
        requests.push(request);
    }
    if !faults.is_empty() {
        let what = "the certificate cannot be split like this";
        return Err(Error::Faults { what, faults });
    }
    let mut issued: Vec<Value> = Vec::new();
    for request in &requests {
        let answer = issue(&client, request);
        if screen.json() {
            // What was issued is reported, also when a later part is refused.
            match answer.and_then(|answer| answer.parse()) {
                Ok(appended) => issued.push(appended),
                Err(error) => {
                    screen.print_json(&issued)?;
                    return Err(error);
                }
            }
        } else {
            tell_appended(done(SuccessionKind::Split), &answer?.parse()?, screen)?;
        }
    }
    if screen.json() {
        screen.print_json(&issued)?;
    }
    Ok(Outcome::Yes)
}

/// A part as the node is asked for it: what its file says, and the old certificate where that says nothing.
fn part_of(old: &Old, part: IssueRequest) -> IssueRequest {
    let base = old.successor(SuccessionKind::Split, std::slice::from_ref(&old.id));
    let type_code = match part.id {
        Some(_) => part.type_code,
        None => part
            .type_code
            .or_else(|| Some(old.certificate.type_code.clone())),
    };
    let mut fields = base.fields;
    fields.extend(part.fields);
    let holder: Option<Holder> = part.holder.or(base.holder);
    IssueRequest {
        type_code,
        holder,
        fields,
        // The old one's are files of its own: a new certificate takes new uploads.
        attachments: part.attachments,
        valid_from: part.valid_from.or(base.valid_from),
        valid_until: part.valid_until.or(base.valid_until),
        sharing: part.sharing.or(base.sharing),
        // What a file says of these itself is reported as a fault unless it is the same.
        succession: part.succession.or(base.succession),
        predecessors: match part.predecessors.is_empty() {
            true => base.predecessors,
            false => part.predecessors,
        },
        id: part.id,
        serial: part.serial,
        version: part.version,
        predecessor: part.predecessor,
    }
}

/// What the node would say against a part whatever stands in its log.
fn wrong(request: &IssueRequest, old: &Old) -> Option<String> {
    if request.succession.as_ref().and_then(Word::known)
        != Some(certmesh_api::SuccessionKind::Split)
        || request.predecessors != [old.id.as_str()]
        || request.predecessor.is_some()
    {
        return Some(format!(
            "a part replaces {} by a split, nothing else",
            old.id
        ));
    }
    let own = old.certificate.issuer.parse().ok()?;
    let faults = Draft::check(request.clone(), &own).err()?;
    let texts: Vec<String> = faults.iter().map(at_field).collect();
    Some(texts.join("; "))
}
