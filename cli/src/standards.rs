//! `certmesh type`, `certmesh matter` and `certmesh grant`: what the departments agree on.

use std::collections::BTreeMap;
use std::path::PathBuf;

use certmesh_ledger::id::Date;
use certmesh_node::api::standards::{
    FieldView, GrantRequest, Grants, Matter, MatterRequest, Matters, TypeRequest, TypeStandard,
    VersionView,
};
use certmesh_node::api::types::Appended;
use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::Value;

use crate::args::Global;
use crate::client::{Client, segment};
use crate::issue::{content_key, read_value, tell_appended};
use crate::moment::china_time;
use crate::names::Names;
use crate::screen::{Screen, Tone, cell, grouped, number, printable};
use crate::{Error, Outcome, state};

pub(crate) const TYPE_EXAMPLES: &str = "\
Examples:
  certmesh type define licence.toml
  certmesh type list
  certmesh type show 11100000000013338W011
  certmesh type compare 11100000000013338W011 --from 1 --to 2";

#[derive(Debug, Subcommand)]
pub(crate) enum TypeCommand {
    /// Define a certificate type and its standard, or the next version of one
    ///
    /// The file gives the type's code, name, who may hold and issue it, how long it may run, and its fields. Certificates
    /// that do not meet the standard are refused. It takes a client with the role admin.
    #[command(after_help = DEFINE_TYPE)]
    Define(File),
    /// List the types of the catalogue
    #[command(after_help = "Examples:\n  certmesh type list")]
    List,
    /// Show a type's standard
    #[command(
        after_help = "Examples:\n  certmesh type show 11100000000013338W011\n  certmesh type show 11100000000013338W011 --version 1"
    )]
    Show(ShowType),
    /// Show what changed between two versions of a type's standard
    #[command(
        after_help = "Examples:\n  certmesh type compare 11100000000013338W011\n  certmesh type compare 11100000000013338W011 --from 1 --to 3"
    )]
    Compare(CompareType),
}

const DEFINE_TYPE: &str = "\
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

pub(crate) const MATTER_EXAMPLES: &str = "\
Examples:
  certmesh matter define registration.toml
  certmesh matter list --department 11430000006122244L
  certmesh matter show 11430000006122244L/SL-001";

#[derive(Debug, Subcommand)]
pub(crate) enum MatterCommand {
    /// Define a matter of this department and what it requires, or the next version of one
    ///
    /// It takes a client with the role admin.
    #[command(after_help = DEFINE_MATTER)]
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
    Show(ShowMatter),
    /// Show what changed between two versions of a matter
    #[command(
        after_help = "Examples:\n  certmesh matter compare 11430000006122244L/SL-001\n  certmesh matter compare SL-001 --from 1 --to 3"
    )]
    Compare(CompareMatter),
}

const DEFINE_MATTER: &str = "\
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
  fields = [\"ZZBH\"]                                           # what is needed of it";

pub(crate) const GRANT_EXAMPLES: &str = "\
Examples:
  certmesh grant make --to 11330105002500287C --type 11100000000013338W011 --field ZZBH --until 2027-12-31
  certmesh grant list
  certmesh grant withdraw 41";

#[derive(Debug, Subcommand)]
pub(crate) enum GrantCommand {
    /// Let others see fields of this department's certificates of a type
    ///
    /// It takes a client with the role admin.
    #[command(
        after_help = "Examples:\n  certmesh grant make --to 11330105002500287C --type 11100000000013338W011 --field ZZBH"
    )]
    Make(Make),
    /// List the grants in force
    #[command(
        after_help = "Examples:\n  certmesh grant list\n  certmesh grant list --department 11430000006122244L"
    )]
    List(OfDepartment),
    /// Withdraw a grant of this department
    ///
    /// It takes a client with the role admin.
    #[command(after_help = "Examples:\n  certmesh grant withdraw 41")]
    Withdraw(Withdraw),
}

/// A definition's file.
#[derive(Debug, Args)]
pub(crate) struct File {
    /// Definition: TOML, or JSON if its name ends in .json; `-` for JSON on standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct OfDepartment {
    /// Those of this department only
    #[arg(long, value_name = "CODE")]
    department: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ShowType {
    /// Type code
    #[arg(value_name = "CODE")]
    code: String,
    /// Version; the latest when absent
    #[arg(long, value_name = "N")]
    version: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct CompareType {
    /// Type code
    #[arg(value_name = "CODE")]
    code: String,
    #[command(flatten)]
    versions: Two,
}

#[derive(Debug, Args)]
pub(crate) struct ShowMatter {
    /// Matter: its code, or DEPARTMENT/CODE where several departments use the code
    #[arg(value_name = "MATTER")]
    matter: String,
    /// Version; the latest when absent
    #[arg(long, value_name = "N")]
    version: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct CompareMatter {
    /// Matter: its code, or DEPARTMENT/CODE where several departments use the code
    #[arg(value_name = "MATTER")]
    matter: String,
    #[command(flatten)]
    versions: Two,
}

/// Two versions.
#[derive(Debug, Args)]
pub(crate) struct Two {
    /// The earlier version; the one before `--to` when absent
    #[arg(long, value_name = "N")]
    from: Option<usize>,
    /// The later version; the latest when absent
    #[arg(long, value_name = "N")]
    to: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct Make {
    /// Department that may see them
    #[arg(
        long,
        value_name = "CODE",
        required_unless_present = "to_role",
        conflicts_with = "to_role"
    )]
    to: Option<String>,
    /// Every member with this role: issue or define
    #[arg(long, value_name = "ROLE")]
    to_role: Option<String>,
    /// Type of the certificates
    #[arg(long = "type", value_name = "CODE")]
    type_code: String,
    /// Sub-matter, as DEPARTMENT/MATTER/SUB; all that require the type when absent. May stand several times
    #[arg(long = "matter", value_name = "MATTER")]
    matters: Vec<String>,
    /// Field, such as ZZMC; all when absent. May stand several times
    #[arg(long = "field", value_name = "CODE")]
    fields: Vec<String>,
    /// Last day on which the grant holds; until it is withdrawn when absent
    #[arg(long, value_name = "YYYY-MM-DD")]
    until: Option<Date>,
}

#[derive(Debug, Args)]
pub(crate) struct Withdraw {
    /// Number of the grant, as `certmesh grant list` shows it
    #[arg(value_name = "NUMBER")]
    grant: u64,
}

pub(crate) fn run_type(
    command: &TypeCommand,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    match command {
        TypeCommand::Define(args) => {
            let request: TypeRequest = read_value(&args.file, "a type definition", screen)?;
            define("/v1/types", "type", &request, global, screen)
        }
        TypeCommand::List => state::catalogue(global, screen),
        TypeCommand::Show(args) => {
            let client = Client::new(global)?;
            let path = versioned(&format!("/v1/types/{}", segment(&args.code)), args.version);
            let answer = client.get(&path)?;
            if screen.json() {
                return screen.pass(&answer.body);
            }
            show_type(&answer.parse()?, &Names::ask(&client), screen)
        }
        TypeCommand::Compare(args) => {
            let client = Client::new(global)?;
            let path = format!("/v1/types/{}", segment(&args.code));
            compare(&args.versions, screen, |version| {
                let shown: TypeStandard = client.get(&versioned(&path, version))?.parse()?;
                Ok((
                    shown.version,
                    serde_json::to_value(&shown.definition).map_err(std::io::Error::from)?,
                ))
            })
        }
    }
}

pub(crate) fn run_matter(
    command: &MatterCommand,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    match command {
        MatterCommand::Define(args) => {
            let request: MatterRequest = read_value(&args.file, "a matter's definition", screen)?;
            define("/v1/matters", "matter", &request, global, screen)
        }
        MatterCommand::List(args) => list_matters(args, global, screen),
        MatterCommand::Show(args) => {
            let client = Client::new(global)?;
            let path = versioned(&matter_path(&client, &args.matter)?, args.version);
            let answer = client.get(&path)?;
            if screen.json() {
                return screen.pass(&answer.body);
            }
            show_matter(&client, &answer.parse()?, screen)
        }
        MatterCommand::Compare(args) => {
            let client = Client::new(global)?;
            let path = matter_path(&client, &args.matter)?;
            compare(&args.versions, screen, |version| {
                let shown: Matter = client.get(&versioned(&path, version))?.parse()?;
                Ok((
                    shown.version,
                    serde_json::to_value(&shown.definition).map_err(std::io::Error::from)?,
                ))
            })
        }
    }
}

pub(crate) fn run_grant(
    command: &GrantCommand,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    match command {
        GrantCommand::Make(args) => {
            let request = GrantRequest {
                department: args.to.clone(),
                role: args.to_role.clone(),
                type_code: args.type_code.clone(),
                matters: args.matters.clone(),
                fields: args.fields.clone(),
                until: args.until.map(|day| day.to_string()),
            };
            let answer = Client::new(global)?.post("/v1/grants", &request, None)?;
            if screen.json() {
                return screen.pass(&answer.body);
            }
            let appended: Appended = answer.parse()?;
            tell_appended("GRANTED", &appended, screen)?;
            screen.line(format!("  grant {}", appended.position.seq))?;
            Ok(Outcome::Yes)
        }
        GrantCommand::List(args) => list_grants(args, global, screen),
        GrantCommand::Withdraw(args) => {
            let path = format!("/v1/grants/{}/withdrawal", args.grant);
            let answer = Client::new(global)?.post_nothing(&path)?;
            if screen.json() {
                return screen.pass(&answer.body);
            }
            tell_appended("WITHDRAWN", &answer.parse::<Appended>()?, screen)
        }
    }
}

fn define(
    path: &str,
    what: &str,
    request: &impl Serialize,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let client = Client::new(global)?;
    let content = serde_json::to_vec(request).map_err(std::io::Error::from)?;
    let key = content_key(&client, what, &content);
    let answer = client.post(path, request, Some(&key))?;
    if screen.json() {
        return screen.pass(&answer.body);
    }
    let appended: Appended = answer.parse()?;
    tell_appended("DEFINED", &appended, screen)
}

fn versioned(path: &str, version: Option<usize>) -> String {
    match version {
        Some(version) => format!("{path}?version={version}"),
        None => path.to_owned(),
    }
}

/// The path of a matter that is named by its code or by department and code.
fn matter_path(client: &Client, text: &str) -> Result<String, Error> {
    let path = |department: &str, code: &str| {
        format!("/v1/matters/{}/{}", segment(department), segment(code))
    };
    if let Some((department, code)) = text.split_once('/') {
        return Ok(path(department, code));
    }
    let all: Matters = client.get("/v1/matters")?.parse()?;
    let mut found = all
        .matters
        .iter()
        .filter(|matter| matter.definition.code == text);
    match (found.next(), found.next()) {
        (Some(matter), None) => Ok(path(&matter.department, text)),
        (Some(_), Some(_)) => Err(Error::Usage(
            "several departments have a matter of this code: name it as DEPARTMENT/CODE",
        )),
        (None, _) => Err(Error::Usage(
            "no department has a matter of this code: `certmesh matter list` shows those there are",
        )),
    }
}

fn show_type(
    standard: &TypeStandard,
    names: &Names,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
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
    screen.field("holder", any_of(&definition.holder, "any kind"))?;
    screen.field(
        "sharing",
        definition.sharing.as_deref().unwrap_or("conditional"),
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

fn any_of(list: &[String], any: &str) -> String {
    if list.is_empty() {
        any.to_owned()
    } else {
        printable(&list.join(", "))
    }
}

/// What a field's value may be, in words.
fn rule(field: &FieldView) -> String {
    match field.data.as_deref() {
        None | Some("text") => {
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
        Some("code") => {
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
        Some(other) => printable(other),
    }
}

fn tell_versions(
    shown: usize,
    versions: &[VersionView],
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    for version in versions {
        let mark = if version.version == shown {
            "  (shown)"
        } else {
            ""
        };
        screen.line(format!(
            "version {} of {}, record {}{mark}",
            version.version,
            china_time(version.time_ms),
            grouped(version.seq)
        ))?;
    }
    Ok(Outcome::Yes)
}

fn list_matters(
    args: &OfDepartment,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let client = Client::new(global)?;
    let answer = client.get(&of_department("/v1/matters", args))?;
    if screen.json() {
        return screen.pass(&answer.body);
    }
    let found: Matters = answer.parse()?;
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

fn of_department(path: &str, args: &OfDepartment) -> String {
    match &args.department {
        Some(department) => format!("{path}?department={}", segment(department)),
        None => path.to_owned(),
    }
}

fn show_matter(client: &Client, matter: &Matter, screen: &mut Screen) -> Result<Outcome, Error> {
    let catalogue: certmesh_node::api::types::CatalogueView =
        client.get("/v1/catalogue")?.parse()?;
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

fn list_grants(
    args: &OfDepartment,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let client = Client::new(global)?;
    let answer = client.get(&of_department("/v1/grants", args))?;
    if screen.json() {
        return screen.pass(&answer.body);
    }
    let found: Grants = answer.parse()?;
    if found.grants.is_empty() {
        screen.line("no grant is in force")?;
        return Ok(Outcome::Yes);
    }
    let names = Names::ask(&client);
    let rows = found.grants.iter().map(|grant| {
        let what = &grant.definition;
        let to = match (&what.department, &what.role) {
            (Some(department), _) => names.short(department),
            (None, role) => format!("all with role {}", role.as_deref().unwrap_or_default()),
        };
        vec![
            number(grant.grant),
            cell(names.short(&grant.by)),
            cell(to),
            cell(printable(&what.type_code)),
            cell(any_of(&what.matters, "all that require it")),
            cell(any_of(&what.fields, "all")),
            cell(what.until.as_deref().map(printable).unwrap_or_default()),
        ]
    });
    screen.table(
        &["GRANT", "BY", "TO", "TYPE", "MATTERS", "FIELDS", "UNTIL"],
        &[0],
        rows.collect(),
    )?;
    Ok(Outcome::Yes)
}

/// One difference between two versions.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Change {
    /// Where, such as `fields.ZZBH.required`.
    path: String,
    /// Before; absent where something was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<String>,
    /// After; absent where something was taken away.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<String>,
}

fn compare(
    two: &Two,
    screen: &mut Screen,
    get: impl Fn(Option<usize>) -> Result<(usize, Value), Error>,
) -> Result<Outcome, Error> {
    let (to, after) = get(two.to)?;
    let from = match two.from {
        Some(from) => from,
        None if to > 1 => to - 1,
        None => {
            return Err(Error::Usage(
                "there is one version only: nothing to compare",
            ));
        }
    };
    let (from, before) = get(Some(from))?;
    let changes = changes(&before, &after);
    if screen.json() {
        screen.print_json(&serde_json::json!({ "from": from, "to": to, "changes": changes }))?;
        return Ok(Outcome::Yes);
    }
    screen.line(format!("version {from} -> version {to}"))?;
    if changes.is_empty() {
        screen.line("  no difference")?;
    }
    for change in &changes {
        let path = printable(&change.path);
        let line = match (&change.before, &change.after) {
            (Some(before), Some(after)) => {
                format!("  ~ {path}: {} -> {}", printable(before), printable(after))
            }
            (None, Some(after)) => {
                screen.paint(Tone::Good, &format!("  + {path}: {}", printable(after)))
            }
            (Some(before), None) => {
                screen.paint(Tone::Bad, &format!("  - {path}: {}", printable(before)))
            }
            (None, None) => continue,
        };
        screen.line(line)?;
    }
    Ok(Outcome::Yes)
}

fn changes(before: &Value, after: &Value) -> Vec<Change> {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    flatten(String::new(), before, &mut old);
    flatten(String::new(), after, &mut new);
    let paths: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    paths
        .into_iter()
        .filter(|path| old.get(*path) != new.get(*path))
        .map(|path| Change {
            path: path.clone(),
            before: old.get(path).cloned(),
            after: new.get(path).cloned(),
        })
        .collect()
}

/// Every scalar by its path; elements of a list go by their code where they have one, so that order does not count.
fn flatten(path: String, value: &Value, out: &mut BTreeMap<String, String>) {
    let below = |name: &str| match path.as_str() {
        "" => name.to_owned(),
        path => format!("{path}.{name}"),
    };
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                flatten(below(name), member, out);
            }
        }
        Value::Array(elements) => {
            for (i, element) in elements.iter().enumerate() {
                let name = match (element.get("code"), element) {
                    (Some(Value::String(code)), _) | (None, Value::String(code)) => code.clone(),
                    _ => i.to_string(),
                };
                flatten(below(&name), element, out);
            }
        }
        Value::String(text) => {
            out.insert(path, text.clone());
        }
        other => {
            out.insert(path, other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_named_by_path_and_order_of_fields_does_not_count() {
        let before = serde_json::json!({
            "name": "a", "holder": ["001", "111"],
            "fields": [{"code": "A", "required": true}, {"code": "B", "required": false}],
        });
        let after = serde_json::json!({
            "name": "b", "holder": ["111"],
            "fields": [{"code": "B", "required": false}, {"code": "A", "required": false}],
        });
        let found = changes(&before, &after);
        let paths: Vec<&str> = found.iter().map(|change| change.path.as_str()).collect();
        assert_eq!(paths, ["fields.A.required", "holder.001", "name"]);
        assert_eq!(found[1].after, None);
        assert!(changes(&after, &after).is_empty());
    }
}
