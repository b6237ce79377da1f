//! `certmesh matter`.

use std::collections::BTreeMap;

use certmesh_api::{CatalogueView, Matter, MatterRequest, Matters};
use clap::{Args, Subcommand};

use super::compare::{Two, compare};
use super::{File, OfDepartment, define, existing, of_department, tell_versions, versioned};
use crate::args::Global;
use crate::client::{Client, segment};
use crate::complete;
use crate::issue::read_value;
use crate::lookup::{self, Known};
use crate::message::Advice;
use crate::screen::{Screen, Tone, cell, number, printable};
use crate::{Error, Outcome};

pub(crate) const EXAMPLES: &str = "\
Examples:
  certmesh matter define registration.toml
  certmesh matter list --department 11430000006122244L
  certmesh matter show 11430000006122244L/SL-001";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Define a matter of this department and what it requires, or the next version of one
    ///
    /// It takes a client with the role admin.
    #[command(after_help = DEFINE)]
    Define(File),
    /// List the matters of the catalogue
    #[command(
        after_help = "Examples:\n  certmesh matter list\n  certmesh matter list --department 11430000006122244L"
    )]
    List(OfDepartment),
    /// Show a matter and what it requires
    #[command(
        after_help = "Examples:\n  certmesh matter show SL-001\n  certmesh matter show 11430000006122244L/SL-001 --version 1"
    )]
    Show(Show),
    /// Show what changed between two versions of a matter
    #[command(
        after_help = "Examples:\n  certmesh matter compare 11430000006122244L/SL-001\n  certmesh matter compare SL-001 --from 1 --to 3"
    )]
    Compare(Compare),
}

const DEFINE: &str = "\
Examples:
  certmesh matter define registration.toml

with registration.toml:
  code = \"SL-001\"
  name = \"企业设立登记\"
  [[sub]]
  code = \"01\"
  name = \"有限责任公司设立\"
  [[sub.requires]]
  types = [\"11100000000013338W011\", \"11100000000013338W009\"]   # any one of them
  fields = [\"ZZBH\", \"@\"]                                      # what is needed of it; `@` stands for its attachments";

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// Matter: its code, or DEPARTMENT/CODE where several departments use the code, or part of its name
    #[arg(value_name = "MATTER", add = complete::matters())]
    matter: String,
    /// Version; the latest when absent
    #[arg(long, value_name = "N")]
    version: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct Compare {
    /// Matter: its code, or DEPARTMENT/CODE where several departments use the code, or part of its name
    #[arg(value_name = "MATTER", add = complete::matters())]
    matter: String,
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
            let request: MatterRequest = read_value(&args.file, "a matter's definition", screen)?;
            if !args.force {
                existing::check_matter(&Client::new(global)?, &request)?;
            }
            define("/v1/matters", "matter", &request, global, screen)
        }
        Command::List(args) => list(args, global, screen),
        Command::Show(args) => {
            let client = Client::new(global)?;
            let path = versioned(&matter_path(&client, &args.matter, screen)?, args.version);
            let answer = client.get(&path).map_err(unknown)?;
            if screen.json() {
                return screen.pass(&answer);
            }
            show(&client, &answer.parse()?, screen)
        }
        Command::Compare(args) => {
            let client = Client::new(global)?;
            let path = matter_path(&client, &args.matter, screen)?;
            compare(&args.versions, screen, |version| {
                let answer = client.get(&versioned(&path, version)).map_err(unknown)?;
                let shown: Matter = answer.parse()?;
                Ok((
                    shown.version,
                    serde_json::to_value(&shown.definition).map_err(std::io::Error::from)?,
                ))
            })
        }
    }
}

/// A matter, or a version of one, that the node does not know.
fn unknown(error: Error) -> Error {
    match error.is_not_found() {
        true => error.advised(Advice::Matters),
        false => error,
    }
}

/// The path of a matter that is named by its code, by department and code, or by part of its name.
fn matter_path(client: &Client, text: &str, screen: &mut Screen) -> Result<String, Error> {
    let path = |department: &str, code: &str| {
        format!("/v1/matters/{}/{}", segment(department), segment(code))
    };
    if let Some((department, code)) = text.split_once('/') {
        return Ok(path(department, code));
    }
    let all: Matters = client.get_list("/v1/matters")?;
    let mut found = all
        .matters
        .iter()
        .filter(|matter| matter.definition.code == text);
    match (found.next(), found.next()) {
        (Some(matter), None) => Ok(path(&matter.department, text)),
        (Some(_), Some(_)) => Err(Error::Usage(
            "several departments have a matter of this code: name it as DEPARTMENT/CODE",
        )),
        (None, _) => {
            let known = all.matters.iter().map(|matter| {
                let code = format!("{}/{}", matter.department, matter.definition.code);
                Known::new(code, &*matter.definition.name)
            });
            let known: Vec<Known> = known.collect();
            let found = lookup::one_of(text, &known, Advice::Matters, screen)?;
            Ok(found.split_once('/').map_or_else(
                || path(&found, ""),
                |(department, code)| path(department, code),
            ))
        }
    }
}

fn list(args: &OfDepartment, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let client = Client::new(global)?;
    let found: Matters = client.get_list(&of_department("/v1/matters", args))?;
    if screen.json() {
        screen.print_json(&found)?;
        return Ok(Outcome::Yes);
    }
    if found.matters.is_empty() {
        screen.line("no matter is defined")?;
        return Ok(Outcome::Yes);
    }
    let rows = found.matters.iter().map(|matter| {
        let definition = &matter.definition;
        let demands: usize = definition.sub.iter().map(|part| part.requires.len()).sum();
        vec![
            cell(printable(&definition.code)),
            cell(printable(&definition.name)),
            cell(printable(&matter.department_name)),
            number(definition.sub.len() as u64),
            number(demands as u64),
            number(matter.version as u64),
        ]
    });
    screen.table(
        &["MATTER", "NAME", "DEPARTMENT", "SUBS", "DEMANDS", "VERSION"],
        &[0],
        rows.collect(),
    )?;
    Ok(Outcome::Yes)
}

fn show(client: &Client, matter: &Matter, screen: &mut Screen) -> Result<Outcome, Error> {
    let catalogue: CatalogueView = client.get_list("/v1/catalogue")?;
    let types: BTreeMap<&str, &str> = catalogue
        .types
        .iter()
        .filter_map(|kind| Some((kind.code.as_str(), kind.name.as_deref()?)))
        .collect();
    let definition = &matter.definition;
    let name = screen.paint(Tone::Strong, &printable(&definition.name));
    screen.line(format!("{name}  {}", printable(&definition.code)))?;
    screen.field(
        "department",
        format!(
            "{} ({})",
            printable(&matter.department_name),
            printable(&matter.department)
        ),
    )?;
    for part in &definition.sub {
        screen.line(format!(
            "{}  {}",
            printable(&part.code),
            printable(&part.name)
        ))?;
        for requirement in &part.requires {
            let kind = |code: &String| match types.get(code.as_str()) {
                Some(name) => format!("{} ({})", printable(name), printable(code)),
                None => format!("{} (not defined)", printable(code)),
            };
            let kinds: Vec<String> = requirement.types.iter().map(kind).collect();
            let fields = match requirement.fields.as_slice() {
                [] => String::new(),
                fields => format!(": {}", printable(&fields.join(", "))),
            };
            screen.line(format!("    {}{fields}", kinds.join(" or ")))?;
        }
    }
    tell_versions(matter.version, &matter.versions, screen)
}
