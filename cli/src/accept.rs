//! `certmesh accept`: what a subject holds of what a matter requires.

use certmesh_api::limits::MAX_KEEP_DAYS;
use certmesh_api::{
    AcceptRequest, Acceptance, CollectRequest, RequirementState, RequirementStatus,
};
use certmesh_ledger::id::Date;
use certmesh_text::say;
use clap::Args;

use crate::args::{Global, within};
use crate::client::Client;
use crate::holder::SubjectArgs;
use crate::message::Message;
use crate::moment::{china_time_and_age, now_ms};
use crate::names::{FieldNames, named};
use crate::screen::{Screen, Tone, counted, printable};
use crate::{Error, Outcome};
use crate::{complete, lookup};

/// See which certificates that a matter requires some department has issued to a subject already
///
/// What is held counts as submitted: it is not asked for or checked again. The node answers from the logs it holds,
/// also when other nodes are down. Your question is in your department's look-up journal before anything is shown. It
/// takes a client with the role clerk.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Accept {
    /// Matter: [DEPARTMENT/]MATTER[/SUB]; this department's, and its only sub-matter, where nothing else is named. Parts of
    /// the names do as well as codes
    #[arg(short, long, value_name = "MATTER", add = complete::own_parts())]
    matter: String,
    #[command(flatten)]
    subject: SubjectArgs,
    /// Day to accept for; today when absent
    #[arg(long, value_name = "YYYY-MM-DD")]
    on: Option<Date>,
    /// Accept the case for good: retrieve all fields that may be seen, and record how the requirements stood
    #[arg(short, long, requires = "purpose")]
    collect: bool,
    /// What the fields are for, in words. The issuers read it
    #[arg(short, long, value_name = "TEXT", requires = "collect")]
    purpose: Option<String>,
    /// The case's number in your own system: accepting it again gives what was collected, and collects what could not be
    /// before. Without it subject, matter and day make the case
    #[arg(short, long, value_name = "NUMBER", requires = "collect")]
    reference: Option<String>,
    /// Days for which your node keeps the copies
    #[arg(long, value_name = "DAYS", requires = "collect", value_parser = within(1_u16, MAX_KEEP_DAYS))]
    keep_days: Option<u16>,
}

const EXAMPLES: &str = "\
Examples:
  certmesh accept -m SL-001/01
  certmesh accept -m 企业设立登记 -s - < subject.txt
  certmesh accept --matter SL-001/01 --subject-kind 111 --subject-file subject.txt
  certmesh accept --matter 11430000006122244L/SP-001/02 --subject-kind 001 --subject 91420100MA4KNJJ260 --json
  certmesh accept --matter SL-001/01 --subject-kind 111 --subject-file subject.txt \\
    --collect --purpose 'change of business address' --reference 2026-1187

Exit code: 0 if everything required is held, 1 if something is not, 2 if the question could not be asked.";

pub(crate) fn run(args: &Accept, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let collect = args.collect.then(|| CollectRequest {
        purpose: args.purpose.clone().unwrap_or_default(),
        reference: args.reference.clone(),
        keep_days: args.keep_days,
    });
    let mut request = AcceptRequest {
        matter: String::new(),
        subject: args.subject.read(screen)?,
        on: args.on.map(|day| day.to_string()),
        collect,
    };
    let client = Client::new(global)?;
    let answer = lookup::with_matter(&args.matter, &client, screen, |matter| {
        request.matter = matter.to_owned();
        let answer = client.post("/v1/accept", &request, None);
        answer.map_err(Error::misused)
    })?;
    let acceptance: Acceptance = answer.parse()?;
    let all = acceptance.held as usize == acceptance.requirements.len();
    let outcome = if all { Outcome::Yes } else { Outcome::No };
    if screen.json() {
        screen.pass(&answer)?;
        return Ok(outcome);
    }
    let name = screen.paint(Tone::Strong, &printable(&acceptance.matter_name));
    screen.line(format!("{name}  {}", printable(&acceptance.part_name)))?;
    screen.line(printable(&acceptance.matter))?;
    let mut fields = FieldNames::default();
    for requirement in &acceptance.requirements {
        present(requirement, &client, &mut fields, screen)?;
    }
    let missing = acceptance.requirements.len() - acceptance.held as usize;
    screen.line(format!(
        "{} of {} held; {}",
        acceptance.held,
        counted(acceptance.requirements.len() as u64, "requirement"),
        match missing {
            0 => "nothing has to be handed in".to_owned(),
            _ => format!("{missing} to be dealt with"),
        }
    ))?;
    if args.collect && acceptance.case.is_none() {
        screen.line(say(&Message::WaitsForGrant))?;
    }
    if let Some(case) = &acceptance.case {
        screen.line(format!(
            "{} as record {} of {}",
            match case.replayed {
                true => "accepted before,",
                false => "accepted,",
            },
            case.position.seq,
            printable(&case.position.log)
        ))?;
        let waits = |one: &RequirementState| match one.state.known() {
            Some(RequirementStatus::NeedsGrant) => true,
            Some(RequirementStatus::Held) => {
                !case.replayed && one.obstacle.is_some() && one.retrieval.is_none()
            }
            _ => false,
        };
        if acceptance.requirements.iter().any(waits) {
            screen.line(say(&Message::CaseContinues))?;
        }
    }
    Ok(outcome)
}

fn present(
    requirement: &RequirementState,
    client: &Client,
    fields: &mut FieldNames,
    screen: &mut Screen,
) -> Result<(), Error> {
    // Of what is not valid the state says why: revoked, expired …
    let state = requirement.state.known();
    let tone = match state {
        Some(RequirementStatus::Held) => Tone::Good,
        Some(RequirementStatus::NeedsGrant | RequirementStatus::Unknown) | None => Tone::Doubt,
        Some(_) => Tone::Bad,
    };
    let word = printable(&requirement.state.as_str().replace('-', " ")).to_uppercase();
    let word = screen.paint(tone, &format!("{word:<11}"));
    screen.line(format!(
        "{word}  {}",
        named(&requirement.type_code, requirement.type_name.as_deref())
    ))?;
    if let Some(id) = &requirement.certificate {
        screen.line(format!("             {}", printable(id)))?;
    }
    let verification = requirement.verification.as_ref();
    let provenance = verification.and_then(|verification| verification.provenance.as_ref());
    if let Some(provenance) = provenance {
        screen.line(format!(
            "             issued by {}, known as of {}",
            named(&provenance.department, Some(&provenance.department_name)),
            china_time_and_age(provenance.checkpoint_time_ms, now_ms())
        ))?;
    }
    if let Some(retrieval) = &requirement.retrieval {
        let names = fields.of(&requirement.type_code, client);
        let values = requirement.values.iter();
        let values: Vec<String> = values
            .map(|(code, value)| format!("{} {}", names.name(code), names.value(code, value)))
            .map(|field| printable(&field))
            .collect();
        if !values.is_empty() {
            screen.line(format!("             {}", values.join(" · ")))?;
        }
        let copy = printable(retrieval);
        screen.line(format!("             collected; its copy is {copy}"))?;
    }
    if let Some(obstacle) = &requirement.obstacle {
        screen.line(format!("             {}", printable(obstacle)))?;
    }
    if state == Some(RequirementStatus::Missing) && requirement.types.len() > 1 {
        let types = printable(&requirement.types.join(", "));
        screen.line(format!("             any one of {types}"))?;
    }
    Ok(())
}
