//! `certmesh type`.

use certmesh_api::{FieldType, FieldView, SharingClass, TypeRequest, TypeStandard, Word};
use clap::{Args, Subcommand};

use super::compare::{Two, compare};
use super::{File, any_of, define, existing, tell_versions, versioned};
use crate::args::Global;
use crate::client::{Client, segment};
use crate::issue::read_value;
use crate::names::Names;
use crate::screen::{Screen, Tone, cell, printable};
use crate::{Error, Outcome, complete, lookup, state};

pub(crate) const EXAMPLES: &str = "\
Examples:
  certmesh type define licence.toml
  certmesh type list
  certmesh type show 11100000000013338W011
  certmesh type compare 11100000000013338W011 --from 1 --to 2";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Define a certificate type and its standard, or the next version of one
    ///
    /// The file gives the type's code, name, who may hold and issue it, how long it may run, and its fields. Certificates
    /// that do not meet the standard are refused. It takes a client with the role admin.
    #[command(after_help = DEFINE)]
    Define(File),
    /// List the types of the catalogue
    #[command(after_help = "Examples:\n  certmesh type list")]
    List,
    /// Show a type's standard
    #[command(
        after_help = "Examples:\n  certmesh type show 11100000000013338W011\n  certmesh type show 11100000000013338W011 --version 1"
    )]
    Show(Show),
    /// Show what changed between two versions of a type's standard
    #[command(
        after_help = "Examples:\n  certmesh type compare 11100000000013338W011\n  certmesh type compare 11100000000013338W011 --from 1 --to 3"
    )]
    Compare(Compare),
}

const DEFINE: &str = "\
Examples:
  certmesh type define licence.toml

with licence.toml:
  code = \"11100000000013338W011\"
  name = \"道路运输经营许可证\"
  authority_name = \"交通运输部\"
  holder = [\"001\"]              # kinds of holder's code; any when absent
  sharing = \"conditional\"       # or unconditional, not-shared
  validity = \"4 years\"          # or any, long-term, 30 days, 6 months
  issuers = []                  # codes of departments; all with the role issue when empty
  [[fields]]
  code = \"ZZBH\"
  name = \"证照编号\"
  required = true
  pattern = \"^[0-9]{12}$\"
  [[fields]]
  code = \"KZ_LX\"
  name = \"经营类型\"
  type = \"code\"                 # or text, integer, decimal, date
  codes = { 1 = \"客运\", 2 = \"货运\" }";

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Type code, or part of the type's name
    #[arg(value_name = "CODE", add = complete::types())]
    code: String,
    /// Version; the latest when absent
    #[arg(long, value_name = "N")]
    version: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// Type code, or part of the type's name
    #[arg(value_name = "CODE", add = complete::types())]
    code: String,
    #[command(flatten)]
    versions: Two,
}

pub(crate) fn run(
    command: &Command,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    match command {
        Command::Define(args) => {
            let request: TypeRequest = read_value(&args.file, "a type definition", screen)?;
            if !args.force {
                existing::check_type(&Client::new(global)?, &request)?;
            }
            define("/v1/types", "type", &request, global, screen)
        }
        Command::List => state::catalogue(global, screen),
        Command::Show(args) => {
            let client = Client::new(global)?;
            let code = lookup::type_code(&args.code, &client, screen)?;
            let path = versioned(&format!("/v1/types/{}", segment(&code)), args.version);
            let unknown = |error| lookup::unknown_type(error, &code, &client);
            let answer = client.get(&path).map_err(unknown)?;
            if screen.json() {
                return screen.pass(&answer);
            }
            show(&answer.parse()?, &Names::ask(&client), screen)
        }
        Command::Compare(args) => {
            let client = Client::new(global)?;
            let code = lookup::type_code(&args.code, &client, screen)?;
            let path = format!("/v1/types/{}", segment(&code));
            compare(&args.versions, screen, |version| {
                let unknown = |error| lookup::unknown_type(error, &code, &client);
                let answer = client.get(&versioned(&path, version)).map_err(unknown)?;
                let shown: TypeStandard = answer.parse()?;
                Ok((
                    shown.version,
                    serde_json::to_value(&shown.definition).map_err(std::io::Error::from)?,
                ))
            })
        }
    }
}

fn show(standard: &TypeStandard, names: &Names, screen: &mut Screen) -> Result<Outcome, Error> {
    let definition = &standard.definition;
    let name = screen.paint(Tone::Strong, &printable(&definition.name));
    screen.line(format!("{name}  {}", printable(&definition.code)))?;
    screen.field("defined by", names.full(&standard.defined_by))?;
    let authority = [&definition.authority_name, &definition.authority_level];
    let authority: Vec<String> = authority
        .into_iter()
        .filter(|text| !text.is_empty())
        .map(|text| printable(text))
        .collect();
    if !authority.is_empty() {
        screen.field("authority", authority.join(", "))?;
    }
    if !definition.issuing_level.is_empty() {
        screen.field("issued at", printable(&definition.issuing_level))?;
    }
    if let Some(item) = &definition.item {
        screen.field(
            "item",
            format!("{} {}", printable(&item.code), printable(&item.name)),
        )?;
    }
    let kinds: Vec<String> = definition.holder.iter().map(Word::to_string).collect();
    screen.field("holder", any_of(&kinds, "any kind"))?;
    screen.field(
        "sharing",
        printable(
            definition
                .sharing
                .as_ref()
                .map_or(SharingClass::Conditional.as_str(), Word::as_str),
        ),
    )?;
    screen.field("validity", definition.validity.as_deref().unwrap_or("any"))?;
    let issuers: Vec<String> = definition
        .issuers
        .iter()
        .map(|code| names.full(code))
        .collect();
    screen.field(
        "issuers",
        any_of(&issuers, "every member with the role issue"),
    )?;
    let rows = definition.fields.iter().map(|field| {
        let mark = |set: bool| cell(if set { "yes" } else { "" });
        vec![
            cell(printable(&field.code)),
            cell(printable(&field.name)),
            cell(rule(field)),
            mark(field.required),
            mark(field.personal),
        ]
    });
    screen.table(
        &["FIELD", "NAME", "VALUE", "REQUIRED", "PERSONAL"],
        &[0],
        rows.collect(),
    )?;
    tell_versions(standard.version, &standard.versions, screen)
}

/// What a field's value may be, in words.
fn rule(field: &FieldView) -> String {
    let data = field.data.as_ref();
    match data.map_or(Some(FieldType::Text), Word::known) {
        Some(FieldType::Text) => {
            let max = field.max.map(|max| format!(", at most {max} characters"));
            let pattern = field
                .pattern
                .as_ref()
                .map(|pattern| format!(", {}", printable(pattern)));
            format!(
                "text{}{}",
                max.unwrap_or_default(),
                pattern.unwrap_or_default()
            )
        }
        Some(FieldType::Code) => {
            let pair = |(code, name): (&String, &String)| {
                format!("{} {}", printable(code), printable(name))
            };
            let codes: Vec<String> = field.codes.iter().take(6).map(pair).collect();
            let rest = if field.codes.len() > codes.len() {
                ", …"
            } else {
                ""
            };
            format!("{}{rest}", codes.join(", "))
        }
        _ => printable(data.map_or("", Word::as_str)),
    }
}
