//! Changing the status of a certificate, and releasing a node that waits for its own log to be confirmed.

use certmesh_api::{
    Action, Appended, Caution, Certificate, ErasureRequest, NodeStatus, OwnLogState, Reason,
    Salvaged, StatusRequest,
};
use certmesh_ledger::id::{CertificateId, DepartmentCode, IdError};
use certmesh_ledger::record;
use certmesh_text::say;
use clap::Args;

use crate::args::{Global, parsed};
use crate::client::{Client, segment};
use crate::issue::tell_appended;
use crate::message::{Advice, Message};
use crate::names::named;
use crate::screen::{Screen, Tone, counted, grouped, printable};
use crate::{Error, Outcome};

pub(crate) const SUSPEND_EXAMPLES: &str = "\
Examples:
  certmesh suspend 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U \\
      --reason 04 --text 'vehicle inspection overdue'";
pub(crate) const REINSTATE_EXAMPLES: &str = "\
Examples:
  certmesh reinstate 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U \\
      --reason 99 --text 'inspection passed'";
pub(crate) const REVOKE_EXAMPLES: &str = "\
Examples:
  certmesh revoke 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U \\
      --reason 03 --text 'forged evidence of premises'";
pub(crate) const CANCEL_EXAMPLES: &str = "\
Examples:
  certmesh cancel 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U \\
      --reason 01";

pub(crate) const WITHDRAW_EXAMPLES: &str = "\
Examples:
  certmesh withdraw 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U \\
      --reason 02";
pub(crate) const LAPSE_EXAMPLES: &str = "\
Examples:
  certmesh lapse 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U \\
      --reason 99 --text 'not taken up within a year'

A certificate whose last day is past needs no record: it reads as expired by itself.";
pub(crate) const TRANSFER_OUT_EXAMPLES: &str = "\
Examples:
  certmesh transfer-out 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U \\
      --to 11330105002500287C --reason 01 --text 'moved to Hangzhou'

Only the department named can take the certificate over, and there is no way back: check its code.";

/// What every change of status takes.
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// Certificate identifier
    #[arg(value_name = "ID")]
    id: String,
    /// Reason code: 01 holder's request, 02 issued in error, 03 obtained by deception, 04 conditions broken, 05 holder
    /// died or dissolved, 06 lost or damaged, 07 decision of a court or superior authority, 99 see the text
    #[arg(short, long, value_name = "NN", value_parser = reason_code)]
    reason: Option<Reason>,
    /// Reason in words, for everyone to read; it must not name the holder
    #[arg(short, long, value_name = "TEXT")]
    text: Option<String>,
}

/// What a change of status takes that cannot be undone.
#[derive(Debug, Args)]
pub(crate) struct Final {
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    asking: Asking,
}

/// Whether a person is asked before what cannot be undone.
#[derive(Debug, Args)]
pub(crate) struct Asking {
    /// Do not ask whether this is meant. Only a terminal is asked; a program is not
    #[arg(short, long)]
    yes: bool,
}

impl Asking {
    /// Asks whether what cannot be undone is meant for this certificate.
    ///
    /// # Errors
    /// [`Error::Said`] unless the person says yes, and what the node says where it does not know the certificate.
    fn confirm(
        &self,
        what: &str,
        id: &CertificateId,
        client: &Client,
        screen: &mut Screen,
    ) -> Result<(), Error> {
        if self.yes || !screen.can_ask() {
            return Ok(());
        }
        let path = format!("/v1/certificates/{}", segment(id.as_str()));
        let certificate: Certificate = client.get(&path)?.parse()?;
        let question = say(&Message::Confirm {
            what: what.to_owned(),
            certificate: named(id.as_str(), certificate.type_name.as_deref()),
        });
        ask(&question, screen)
    }
}

/// Asks a question that only a yes answers.
fn ask(question: &str, screen: &mut Screen) -> Result<(), Error> {
    let answer = screen.ask(question)?.unwrap_or_default();
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" | "是" => Ok(()),
        _ => Err(Error::said(Message::NotConfirmed, Advice::Yes)),
    }
}

/// What letting a certificate go takes.
#[derive(Debug, Args)]
pub(crate) struct TransferOut {
    #[command(flatten)]
    change: Change,
    #[command(flatten)]
    asking: Asking,
    /// The department that may take it over, and no other
    #[arg(long, value_name = "DEPARTMENT", value_parser = parsed::<DepartmentCode>)]
    to: DepartmentCode,
}

/// Let a node issue before other members have confirmed that its own log is whole
///
/// After each start a node waits until more than half of the other members have reported how much of its log they hold,
/// so that a disk restored from an old backup never writes a second history. Use this only if this disk was not
/// restored from a backup and no second node of the department runs: a second history forks the log for good. After a
/// loss (a disk, the data directory, the log's head file) it waits for all other members, since the newest records may
/// be with any of them; and while this machine's clock may be wrong it records nothing. It takes a client with the role
/// admin.
#[derive(Debug, Args)]
#[command(after_help = RESUME_EXAMPLES)]
pub(crate) struct Resume {
    /// After a loss: continue without the members that have not answered; what only they hold, or nobody, is lost
    #[arg(long, conflicts_with = "clock_is_right")]
    after_loss: bool,
    /// The machine's clock is right, whatever the other members' clocks or the log's last record say
    #[arg(long)]
    clock_is_right: bool,
}

const RESUME_EXAMPLES: &str = "\
Examples:
  certmesh status
  certmesh resume
  certmesh resume --after-loss
  certmesh resume --clock-is-right";

/// Take back records of this department's log that only its damaged disk still has
///
/// A log that is damaged on disk is set aside whole and fetched back from the other members. Records that had reached none of
/// them are only in what was set aside. Once everything that the others hold is back, this takes those that are whole and
/// continue the log, as they are. If any up to the last signed checkpoint is damaged, it takes none and names the first.
/// It takes a client with the role admin.
#[derive(Debug, Args)]
#[command(after_help = SALVAGE_EXAMPLES)]
pub(crate) struct Salvage {}

const SALVAGE_EXAMPLES: &str = "\
Examples:
  certmesh status
  certmesh salvage";

/// Erase a certificate's fields for good
///
/// Its issuer's node destroys the key of holder and fields; nobody can read them again. The certificate, its status and
/// its history stand. It takes a client with the role admin.
#[derive(Debug, Args)]
#[command(after_help = ERASE_EXAMPLES)]
pub(crate) struct Erase {
    /// Certificate identifier
    #[arg(value_name = "ID")]
    id: String,
    /// Why, for everyone to read; it must not name the holder
    #[arg(short, long, value_name = "TEXT")]
    text: String,
    #[command(flatten)]
    asking: Asking,
}

const ERASE_EXAMPLES: &str = "\
Examples:
  certmesh erase 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U \\
      --text 'kept as long as the law asks'";

pub(crate) fn erase(args: &Erase, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let id = read_id(&args.id, screen)?;
    let request = ErasureRequest {
        text: args.text.clone(),
    };
    let path = format!("/v1/certificates/{}/erasure", segment(id.as_str()));
    let client = Client::new(global)?;
    args.asking
        .confirm("Erase the fields of", &id, &client, screen)?;
    let answer = client.post(&path, &request, None)?;
    if screen.json() {
        return screen.pass(&answer);
    }
    tell_appended("FIELDS ERASED", &answer.parse::<Appended>()?, screen)
}

fn reason_code(text: &str) -> Result<Reason, record::NotAReason> {
    text.parse::<record::Reason>().map(Reason::from)
}

/// Reads an identifier in any form in use; a departure from the standard's is reported, not refused.
pub(crate) fn read_id(text: &str, screen: &mut Screen) -> Result<CertificateId, Error> {
    let (id, variants) =
        CertificateId::parse_lenient(text).map_err(|error| not_an_identifier(text, error))?;
    for variant in variants {
        screen.note(&format!("note: {}", say(&Caution::from(variant))));
    }
    Ok(id)
}

/// What a text is instead of an identifier. A person's number is not repeated.
fn not_an_identifier(text: &str, error: IdError) -> Error {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let is_person = text.len() == digits && digits == 15
        || text.len() == 18 && (digits == 18 || digits == 17 && text.ends_with(['x', 'X']));
    if let Ok(code) = text.parse::<DepartmentCode>() {
        return Error::said(Message::IsDepartment { code }, Advice::FindIssued { code });
    }
    if is_person {
        return Error::said(Message::IsPerson, Advice::FindHeld);
    }
    let what = match error {
        _ if text.is_empty() => Message::NoIdentifier,
        IdError::PartCount { found } => Message::NotAnIdentifier {
            text: text.to_owned(),
            parts: found,
        },
        other => return other.into(),
    };
    Error::said(what, Advice::Compare)
}

pub(crate) fn run(
    action: Action,
    args: &Change,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    change(action, args, None, None, global, screen)
}

pub(crate) fn run_final(
    action: Action,
    args: &Final,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let asking = Some(&args.asking);
    change(action, &args.change, None, asking, global, screen)
}

pub(crate) fn transfer_out(
    args: &TransferOut,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    change(
        Action::TransferOut,
        &args.change,
        Some(&args.to),
        Some(&args.asking),
        global,
        screen,
    )
}

fn change(
    action: Action,
    args: &Change,
    to: Option<&DepartmentCode>,
    asking: Option<&Asking>,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let id = read_id(&args.id, screen)?;
    if args.reason.is_none() && args.text.is_none() {
        return Err(Error::Usage(
            "the reason is missing: give --reason NN, --text TEXT or both",
        ));
    }
    let text = args.text.as_deref().unwrap_or_default();
    if args.reason == Some(Reason::Other) && text.trim().is_empty() {
        return Err(Error::Usage(
            "--reason 99 (other) needs a text: give --text TEXT too",
        ));
    }
    let request = StatusRequest {
        action: action.into(),
        to: to.map(ToString::to_string),
        reason: args.reason.map(Into::into),
        text: text.to_owned(),
    };
    let client = Client::new(global)?;
    if let Some(asking) = asking {
        asking.confirm(verb(action), &id, &client, screen)?;
    }
    // Random, unlike an issue's: suspending once more after a reinstatement is a new change with the same content.
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(Error::Randomness)?;
    let path = format!("/v1/certificates/{}/status", segment(id.as_str()));
    let answer = client.post(&path, &request, Some(&hex::encode(key)))?;
    if screen.json() {
        return screen.pass(&answer);
    }
    let appended: Appended = answer.parse()?;
    tell_appended(done(action), &appended, screen)
}

/// The action in a question.
fn verb(action: Action) -> &'static str {
    match action {
        Action::Suspend => "Suspend",
        Action::Reinstate => "Reinstate",
        Action::Revoke => "Revoke",
        Action::Cancel => "Cancel",
        Action::Withdraw => "Withdraw",
        Action::Lapse => "Record as lapsed",
        Action::TransferOut => "Let go",
    }
}

fn done(action: Action) -> &'static str {
    match action {
        Action::Suspend => "SUSPENDED",
        Action::Reinstate => "REINSTATED",
        Action::Revoke => "REVOKED",
        Action::Cancel => "CANCELLED",
        Action::Withdraw => "WITHDRAWN",
        Action::Lapse => "LAPSED",
        Action::TransferOut => "TRANSFERRED OUT",
    }
}

pub(crate) fn resume(
    args: &Resume,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let path = match (args.after_loss, args.clock_is_right) {
        (true, _) => "/v1/log/vouch?after_loss=true",
        (_, true) => "/v1/log/vouch?clock_is_right=true",
        _ => "/v1/log/vouch",
    };
    let client = Client::new(global)?;
    if args.after_loss && !screen.json() {
        // Who is absent, and so what may be lost.
        let before: NodeStatus = client.get("/v1/status")?.parse()?;
        if let Some(detail) = before.log_detail {
            screen.line(printable(&detail))?;
        }
    }
    let answer = client.post_nothing(path)?;
    let status: NodeStatus = answer.parse()?;
    let writable = status.log_state == OwnLogState::Writable;
    let outcome = if writable { Outcome::Yes } else { Outcome::No };
    if screen.json() {
        screen.pass(&answer)?;
        return Ok(outcome);
    }
    let tone = if writable { Tone::Good } else { Tone::Bad };
    let state = screen.paint(tone, &printable(status.log_state.as_str()).to_uppercase());
    screen.line(format!(
        "{state}  the log of {} ({})",
        printable(&status.name),
        printable(&status.department)
    ))?;
    if let Some(detail) = &status.log_detail {
        screen.line(format!("  {}", printable(detail)))?;
    }
    Ok(outcome)
}

pub(crate) fn salvage(global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let answer = Client::new(global)?.post_nothing("/v1/log/salvage")?;
    if screen.json() {
        return screen.pass(&answer);
    }
    let salvaged: Salvaged = answer.parse()?;
    if salvaged.records == 0 {
        let nothing = screen.paint(Tone::Good, "NOTHING TO TAKE BACK");
        screen.line(format!(
            "{nothing}  no record is known to be missing, and nothing set aside continues the log"
        ))?;
        return Ok(Outcome::Yes);
    }
    let done = screen.paint(Tone::Good, "TAKEN BACK");
    screen.line(format!(
        "{done}  {}; the log has {} now",
        counted(salvaged.records, "record"),
        grouped(salvaged.size)
    ))?;
    for copy in &salvaged.copies {
        screen.line(format!("  from {}", printable(copy)))?;
    }
    Ok(Outcome::Yes)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, sink};

    use super::*;

    fn answered(answer: &'static str) -> bool {
        let input = Box::new(Cursor::new(answer));
        let mut screen = Screen::over(input, Box::new(sink()), Box::new(sink()));
        ask("Revoke it? [y/N]", &mut screen).is_ok()
    }

    #[test]
    fn only_a_yes_confirms_what_cannot_be_undone() {
        for yes in ["y\n", "Y\n", "yes\n", "是\n", " y \r\n"] {
            assert!(answered(yes), "{yes:?}");
        }
        for no in ["", "\n", "n\n", "yy\n", "1\n"] {
            assert!(!answered(no), "{no:?}");
        }
    }
}
