//! `certmesh issue`: one certificate, appended to the department's own log.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use certmesh_api::{Appended, IssueRequest, Position, SharingClass, SuccessionKind};
use certmesh_ledger::crypto::hash::{Purpose, hash_parts};
use certmesh_ledger::id::Date;
use certmesh_tables::toml_fault;
use clap::Args;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::args::{Global, word};
use crate::client::Client;
use crate::holder::HolderArgs;
use crate::message::{Advice, Message};
use crate::moment::china_time;
use crate::screen::{Screen, Tone, counted, grouped, printable};
use crate::{Error, Outcome, attachments, complete, files, lookup};

/// Issue one certificate in the department's own log
///
/// The answer comes once the record is durable. Asking again with the same content returns the first result. Personal
/// data never stand in the arguments: the holder's code and the fields are read from files, standard input or the
/// keyboard.
#[derive(Debug, Args)]
#[command(after_help = ISSUE_EXAMPLES)]
pub(crate) struct Issue {
    /// The whole certificate from a file (JSON, or TOML if its name ends in .toml), or `-` for JSON on standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "id", "type_code", "serial", "certificate_version", "valid_from", "valid_until", "sharing", "fields", "succession",
        "predecessor", "holder_kind", "holder_code_file",
    ])]
    from: Option<PathBuf>,
    /// Full certificate identifier; or give --type and --serial
    #[arg(long, value_name = "ID", conflicts_with_all = ["type_code", "serial", "certificate_version"])]
    id: Option<String>,
    /// Type, by its code of 21 characters or part of its name
    #[arg(long = "type", value_name = "TYPE", add = complete::types())]
    type_code: Option<String>,
    /// The department's own serial number, of 0-9 and A-Z
    #[arg(long, value_name = "SERIAL")]
    serial: Option<String>,
    /// Version of the certificate [default: 1]
    #[arg(long, value_name = "N")]
    certificate_version: Option<u16>,
    #[command(flatten)]
    holder: HolderArgs,
    /// First day of validity, YYYY-MM-DD
    #[arg(long, value_name = "DATE")]
    valid_from: Option<Date>,
    /// Last day of validity, YYYY-MM-DD; without it the certificate has no end
    #[arg(long, value_name = "DATE")]
    valid_until: Option<Date>,
    /// Sharing class: unconditional, conditional or not-shared [default: conditional]
    #[arg(long, value_name = "CLASS", value_parser = word::<SharingClass>())]
    sharing: Option<SharingClass>,
    /// The certificate's fields, by standard name: JSON or TOML (.toml), or `-` for JSON on standard input
    #[arg(long, value_name = "FILE")]
    fields: Option<PathBuf>,
    /// How it replaces other certificates [default: amendment of one, merge of several]; `certmesh renew`, `amend`, `merge`,
    /// `split` and `transfer` take what stays the same from the old one
    #[arg(long, value_name = "KIND", value_parser = word::<SuccessionKind>())]
    succession: Option<SuccessionKind>,
    /// Identifier of a certificate that this one replaces; more than once for several
    #[arg(long, value_name = "ID")]
    predecessor: Vec<String>,
    /// A file to attach under its own name, at most 64 MiB: PDF, OFD, PNG, JPEG or TIFF; once for each file
    #[arg(long, value_name = "FILE")]
    attach: Vec<PathBuf>,
}

const ISSUE_EXAMPLES: &str = "\
Examples:
  certmesh issue --type 11100000000013338W011 --serial 20230000403 \\
      --holder-kind 001 --holder-code-file holder.txt \\
      --valid-from 2026-01-01 --valid-until 2030-12-31 --fields fields.json
  certmesh issue --from certificate.json
  certmesh issue --from certificate.json --attach 执照.pdf --attach 附图.png
  certmesh issue --from - < certificate.json

with certificate.json:
  {\"type\": \"11100000000013338W011\", \"serial\": \"20230000403\",
   \"holder\": {\"kind\": \"001\", \"code\": \"91420100MA4KNJJ260\"},
   \"valid_from\": \"2026-01-01\", \"fields\": {\"ZZMC\": \"道路运输经营许可证\"}}";

pub(crate) fn run(args: &Issue, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let attaching = attachments::look(&args.attach, screen)?;
    let mut request = match &args.from {
        Some(path) => read_value(path, "a certificate to issue", screen)?,
        None => request(args, screen)?,
    };
    let client = Client::new(global)?;
    if let Some(text) = &args.type_code {
        request.type_code = Some(lookup::type_code(text, &client, screen)?);
    }
    let sent = attachments::send(&client, &attaching, screen)?;
    // An upload is another each time; what was uploaded is not.
    let mut content = request.clone();
    content.attachments.extend(sent.contents);
    request.attachments.extend(sent.tokens);
    let content = Zeroizing::new(serde_json::to_vec(&content).map_err(std::io::Error::from)?);
    let key = content_key(&client, "issue", &content);
    let answer = client.post("/v1/certificates", &request, Some(&key))?;
    if screen.json() {
        return screen.pass(&answer);
    }
    let appended: Appended = answer.parse()?;
    let outcome = tell_appended("ISSUED", &appended, screen)?;
    if !attaching.is_empty() {
        let count = counted(attaching.len() as u64, "attachment");
        screen.line(format!("  with {count}"))?;
    }
    Ok(outcome)
}

/// The request that the options describe.
fn request(args: &Issue, screen: &mut Screen) -> Result<IssueRequest, Error> {
    if args.id.is_none() && (args.type_code.is_none() || args.serial.is_none()) {
        return Err(Error::Usage(
            "which certificate to issue is missing: give --id, or --type and --serial, or --from",
        ));
    }
    if args.valid_from.is_none() {
        return Err(Error::Usage(
            "the first day of validity is missing: give --valid-from",
        ));
    }
    if args.holder.holder_kind.is_none() {
        return Err(Error::Usage(
            "the holder is missing: give --holder-kind, and the code when asked or in a file",
        ));
    }
    if args.holder.uses_input() && args.fields.as_deref() == Some(Path::new("-")) {
        return Err(Error::Usage(
            "standard input can give the holder's code or the fields, not both",
        ));
    }
    let fields: BTreeMap<String, String> = match &args.fields {
        Some(path) => read_value(path, "a list of fields (names and texts)", screen)?,
        None => BTreeMap::new(),
    };
    Ok(IssueRequest {
        id: args.id.clone(),
        type_code: args.type_code.clone(),
        serial: args.serial.clone(),
        version: args.certificate_version,
        holder: args.holder.read(screen)?,
        valid_from: args.valid_from.map(|day| day.to_string()),
        valid_until: args.valid_until.map(|day| day.to_string()),
        sharing: args.sharing.map(Into::into),
        fields,
        attachments: BTreeMap::new(),
        succession: args.succession.map(Into::into),
        predecessors: args.predecessor.clone(),
        predecessor: None,
    })
}

/// Reads JSON or TOML by the file's name; standard input is JSON.
pub(crate) fn read_value<T: DeserializeOwned>(
    path: &Path,
    expected: &'static str,
    screen: &mut Screen,
) -> Result<T, Error> {
    if is_table(path) {
        let file = path.display().to_string();
        return Err(Error::said(
            Message::IsTable { file, expected },
            Advice::Import,
        ));
    }
    let text = Zeroizing::new(if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        screen.input().read_to_end(&mut bytes)?;
        files::text_of(bytes, Path::new("standard input"))?
    } else {
        files::read_text(path)?
    });
    let value = if path
        .extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
    {
        toml::from_str(&text).map_err(|error| {
            let (line, why) = toml_fault(&text, &error);
            format!("line {line}: {why}")
        })
    } else {
        serde_json::from_str(&text).map_err(|error| error.to_string())
    };
    value.map_err(|detail| Error::malformed(path, expected, detail))
}

/// Whether a file's name says that it is a table, which has many certificates.
fn is_table(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|extension| {
        let known = ["xlsx", "xls", "csv", "tsv"];
        known
            .iter()
            .any(|table| extension.eq_ignore_ascii_case(table))
    })
}

/// An idempotency key that follows from the content, so that asking again after a lost answer is not a second request.
/// The token goes into it: nobody else can find out a holder's code by trying which one gives the key.
pub(crate) fn content_key(client: &Client, kind: &str, content: &[u8]) -> String {
    let token = client.token().as_bytes();
    let length = (token.len() as u64).to_le_bytes();
    hash_parts(
        Purpose::Request,
        &[&length, token, kind.as_bytes(), b"\0", content],
    )
    .to_string()
}

/// Reports that a record is in the log: what was done, now or when it was first asked for, its position, and what was
/// corrected.
pub(crate) fn tell_appended(
    done: &str,
    appended: &Appended,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let before = if appended.replayed { " BEFORE" } else { "" };
    let done = screen.paint(Tone::Good, &format!("{done}{before}"));
    screen.line(format!("{done}  {}", printable(&appended.id)))?;
    let Position {
        log,
        seq,
        time_ms,
        checkpoint_size,
        checkpoint_root,
        ..
    } = &appended.position;
    screen.line(format!(
        "  record {} of the log of {}, {}",
        grouped(*seq),
        printable(log),
        china_time(*time_ms)
    ))?;
    let root = printable(checkpoint_root.get(..16).unwrap_or(checkpoint_root));
    screen.line(format!(
        "  durable under the checkpoint of {}, root {root}…",
        counted(*checkpoint_size, "record")
    ))?;
    for warning in &appended.warnings {
        screen.note(&format!("note: {}", printable(warning)));
    }
    Ok(Outcome::Yes)
}
