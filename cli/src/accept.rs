//! `certmesh accept`: what a subject holds of what a matter requires.

use std::path::PathBuf;

use certmesh_ledger::id::{Date, HolderKind};
use certmesh_node::api::types::{AcceptRequest, Acceptance, RequirementState};
use clap::Args;

use crate::args::Global;
use crate::client::Client;
use crate::holder;
use crate::moment::{china_time_and_age, now_ms};
use crate::names::named;
use crate::screen::{Screen, Tone, counted, printable};
use crate::{Error, Outcome};

/// See which certificates that a matter requires some department has issued to a subject already
///
/// What is held counts as submitted: it is not asked for again and not checked again. Answered by the node from the logs it
/// holds, also when other nodes are down. It takes a client with the role clerk.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Accept {
    /// Matter: [DEPARTMENT/]MATTER[/SUB]; this department's, and its only sub-matter, where nothing else is named
    #[arg(long, value_name = "MATTER")]
    matter: String,
    /// Kind of the subject's code, as for `find --holder-kind`
    #[arg(long, value_name = "KIND")]
    subject_kind: HolderKind,
    /// The subject's code. Others on this machine can see it among the arguments: --subject-file keeps it to yourself
    #[arg(long, value_name = "CODE", conflicts_with = "subject_file")]
    subject: Option<String>,
    /// File with the subject's code, or `-` for standard input; without it and without --subject you are asked
    #[arg(long, value_name = "FILE")]
    subject_file: Option<PathBuf>,
    /// Day to accept for; today when absent
    #[arg(long, value_name = "YYYY-MM-DD")]
    on: Option<Date>,
}

const EXAMPLES: &str = "\
Examples:
  certmesh accept --matter SL-001/01 --subject-kind 111 --subject-file subject.txt
  certmesh accept --matter 11430000006122244L/SP-001/02 --subject-kind 001 --subject 91420100MA4KNJJ260 --json

Exit code: 0 if everything required is held, 1 if something is not, 2 if the question could not be asked.";

pub(crate) fn run(args: &Accept, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let missing = "the subject's code is missing: give --subject-file FILE, or `-`";
    let subject = match &args.subject {
        Some(code) => holder::given(args.subject_kind, code)?,
        None => holder::read(
            args.subject_kind,
            args.subject_file.as_deref(),
            missing,
            screen,
        )?,
    };
    let request = AcceptRequest {
        matter: args.matter.clone(),
        subject,
        on: args.on.map(|day| day.to_string()),
    };
    let answer = Client::new(global)?.post("/v1/accept", &request, None)?;
    let acceptance: Acceptance = answer.parse()?;
    let all = acceptance.held as usize == acceptance.requirements.len();
    let outcome = if all { Outcome::Yes } else { Outcome::No };
    if screen.json() {
        screen.pass(&answer.body)?;
        return Ok(outcome);
    }
    let name = screen.paint(Tone::Strong, &printable(&acceptance.matter_name));
    screen.line(format!("{name}  {}", printable(&acceptance.part_name)))?;
    screen.line(printable(&acceptance.matter))?;
    for requirement in &acceptance.requirements {
        tell(requirement, screen)?;
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
    Ok(outcome)
}

fn tell(requirement: &RequirementState, screen: &mut Screen) -> Result<(), Error> {
    let (word, tone) = match requirement.state.as_str() {
        "held" => ("HELD       ", Tone::Good),
        "needs-grant" => ("NEEDS GRANT", Tone::Doubt),
        "lapsed" => ("LAPSED     ", Tone::Bad),
        _ => ("MISSING    ", Tone::Bad),
    };
    let word = screen.paint(tone, word);
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
    if let Some(hindrance) = &requirement.hindrance {
        screen.line(format!("             {}", printable(hindrance)))?;
    }
    if requirement.state == "missing" && requirement.types.len() > 1 {
        let types = printable(&requirement.types.join(", "));
        screen.line(format!("             any one of {types}"))?;
    }
    Ok(())
}
