//! `certmesh grant`.

use certmesh_api::{Appended, GrantRequest, Grants};
use certmesh_ledger::id::Date;
use clap::{Args, Subcommand};

use super::{OfDepartment, any_of, existing, of_department};
use crate::args::Global;
use crate::client::Client;
use crate::issue::tell_appended;
use crate::names::Names;
use crate::screen::{Screen, cell, number, printable};
use crate::{Error, Outcome};
use crate::{complete, lookup};

pub(crate) const EXAMPLES: &str = "\
Examples:
  certmesh grant make --to 11330105002500287C --type 11100000000013338W011 --field ZZBH --until 2027-12-31
  certmesh grant list
  certmesh grant withdraw 41";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
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

#[derive(Debug, Args)]
pub(crate) struct Make {
    /// Department that may see them
    #[arg(
        long,
        value_name = "CODE",
        add = complete::departments(),
        required_unless_present = "to_role",
        conflicts_with = "to_role"
    )]
    to: Option<String>,
    /// Every member with this role: issue, or define:AUTHORITY
    #[arg(long, value_name = "ROLE")]
    to_role: Option<String>,
    /// Type of the certificates: its code, or part of its name
    #[arg(long = "type", value_name = "CODE", add = complete::types())]
    type_code: String,
    /// Sub-matter, as DEPARTMENT/MATTER/SUB; all that require the type when absent. May be given several times
    #[arg(long = "matter", value_name = "MATTER")]
    matters: Vec<String>,
    /// Field, such as ZZMC, or `@` for attachments; all when absent. May be given several times
    #[arg(long = "field", value_name = "CODE")]
    fields: Vec<String>,
    /// Last day on which the grant holds; until it is withdrawn when absent
    #[arg(long, value_name = "YYYY-MM-DD")]
    until: Option<Date>,
    /// Grant it also if the type, a field or a matter does not exist here yet
    #[arg(long)]
    force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Withdraw {
    /// Number of the grant, as `certmesh grant list` shows it
    #[arg(value_name = "NUMBER")]
    grant: u64,
}

pub(crate) fn run(
    command: &Command,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    match command {
        Command::Make(args) => {
            let client = Client::new(global)?;
            let request = GrantRequest {
                department: args.to.clone(),
                role: args.to_role.clone(),
                type_code: lookup::type_code(&args.type_code, &client, screen)?,
                matters: args.matters.clone(),
                fields: args.fields.clone(),
                until: args.until.map(|day| day.to_string()),
            };
            if !args.force {
                existing::check_grant(&client, &request)?;
            }
            let answer = client.post("/v1/grants", &request, None)?;
            if screen.json() {
                return screen.pass(&answer);
            }
            let appended: Appended = answer.parse()?;
            tell_appended("GRANTED", &appended, screen)?;
            screen.line(format!("  grant {}", appended.position.seq))?;
            Ok(Outcome::Yes)
        }
        Command::List(args) => list(args, global, screen),
        Command::Withdraw(args) => {
            let path = format!("/v1/grants/{}/withdrawal", args.grant);
            let answer = Client::new(global)?.post_nothing(&path)?;
            if screen.json() {
                return screen.pass(&answer);
            }
            tell_appended("WITHDRAWN", &answer.parse::<Appended>()?, screen)
        }
    }
}

fn list(args: &OfDepartment, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let client = Client::new(global)?;
    let found: Grants = client.get_list(&of_department("/v1/grants", args))?;
    if screen.json() {
        screen.print_json(&found)?;
        return Ok(Outcome::Yes);
    }
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
