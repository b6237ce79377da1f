//! Going on after a loss: what the other governors state to hold of this department's log, and what that would come to.

use certmesh_api::{HeldByOthers, LogView, MissingStatement, NotStated};
use certmesh_ledger::codec::{self, Ascending};
use certmesh_ledger::governance::{Held, Lost};
use certmesh_ledger::id::DepartmentCode;
use certmesh_text::all_of;
use serde_json::{Value, json};

use super::network::Network;
use crate::Error;
use crate::client::{Client, segment};
use crate::screen::{Screen, counted, printable};

/// Most bytes of a statement.
const MAX_STATEMENT: usize = 4_096;

/// What a change after a loss would come to.
pub(super) struct AfterLoss {
    pub(super) lost: Lost,
    asked: HeldByOthers,
    /// Records that this node holds, and of how many it knows.
    here: (u64, u64),
}

impl AfterLoss {
    /// Has the node ask the governors, and checks what they state.
    pub(super) fn ask(
        own: DepartmentCode,
        number: u64,
        client: &Client,
        network: &Network,
    ) -> Result<AfterLoss, Error> {
        let path = "/v1/governance/held";
        let asked: HeldByOthers = client.post_nothing(path)?.parse()?;
        if asked.number != number {
            return Err(Error::govern(format!(
                "the node asked for own change {}, and the next one is {number}: something was decided meanwhile, try again",
                asked.number
            )));
        }
        let statement = |text: &String| {
            let bytes = hex::decode(text).ok()?;
            codec::decode::<Held>(&bytes, MAX_STATEMENT).ok()
        };
        let stated = asked.stated.iter().map(|one| statement(&one.statement));
        let stated: Option<Vec<Held>> = stated.collect();
        let held = stated.and_then(|held| Ascending::new(held).ok());
        let held = held.ok_or_else(|| client.bad_answer(path, "a statement is not one"))?;
        let position = network.state().after_loss(&own, &held);
        let position = position.map_err(|fault| {
            Error::govern(format!(
                "this department's log can't go on yet: {fault}. {}",
                who(&asked, network)
            ))
        })?;
        let path = format!("/v1/logs/{}", segment(own.as_str()));
        let log: LogView = client.get(&path)?.parse()?;
        Ok(AfterLoss {
            lost: Lost { position, held },
            asked,
            here: (log.size, log.known_size.max(log.size)),
        })
    }

    /// Records that would be void: from which one on, and how many are known of.
    fn void(&self) -> Option<(u64, u64)> {
        let (from, (_, known)) = (self.lost.position.size, self.here);
        (known > from).then_some((from, known))
    }

    /// Shows what would be so.
    pub(super) fn show(&self, network: &Network, screen: &mut Screen) -> Result<(), Error> {
        let position = &self.lost.position;
        screen.fields([
            (
                "goes on from",
                format!("record {} (root {})", position.size, position.root),
            ),
            (
                "stated by",
                format!(
                    "{}, {} needed",
                    counted(self.asked.stated.len() as u64, "other governor"),
                    self.asked.needed
                ),
            ),
        ])?;
        for one in &self.asked.stated {
            let name = name(&one.department, network);
            let held = counted(one.size, "record");
            screen.line(printable(&format!("  - {name}: {held}")))?;
        }
        for line in missing(&self.asked.missing, network) {
            screen.line(printable(&format!("  - {line}")))?;
        }
        let (held, known) = self.here;
        screen.field(
            "held here",
            format!("{} of {known} known of", counted(held, "record")),
        )?;
        let void = match self.void() {
            None => "no record that is known of here".to_owned(),
            Some((from, known)) => format!(
                "{} known of here, from record {from} on: repeat what is still meant",
                counted(known - from, "record")
            ),
        };
        screen.field("would be void", void)?;
        screen.line(
            "Whatever this department signed beyond that counts for nothing once this is final, also what turns up later. Until a \
             change of its keys is final, those who stated something cosign nothing newer of its log.",
        )
    }

    /// The same as data.
    pub(super) fn json(&self) -> Value {
        let stated = self.asked.stated.iter();
        let stated = stated.map(|one| json!({"department": one.department, "size": one.size}));
        let void = self.void();
        let void = void.map(|(from, known)| json!({"from": from, "records": known - from}));
        json!({
            "log": self.asked.log, "number": self.asked.number, "size": self.lost.position.size,
            "root": self.lost.position.root.to_string(), "stated": stated.collect::<Vec<_>>(),
            "missing": self.asked.missing, "needed": self.asked.needed, "held": self.here.0, "known": self.here.1, "void": void,
        })
    }

    /// Refuses to give up what is known of, unless that is meant.
    pub(super) fn check(&self, void_records: bool) -> Result<(), Error> {
        match self.void().filter(|_| !void_records) {
            None => Ok(()),
            Some((from, known)) => Err(Error::govern(format!(
                "{} of this department's log that this node knows of would be void, from record {from} on, since no governor that \
                 stated something holds more: wait until one has them and run it again, or give --void-records if that is meant",
                counted(known - from, "record")
            ))),
        }
    }
}

/// Who stated something, and who did not.
fn who(asked: &HeldByOthers, network: &Network) -> String {
    let stated = asked.stated.iter();
    let stated: Vec<String> = stated.map(|one| name(&one.department, network)).collect();
    let missing = missing(&asked.missing, network);
    let mut text = format!("{} statements are needed", asked.needed);
    if !stated.is_empty() {
        text.push_str(&format!("; there is that of {}", all_of(&stated)));
    }
    if !missing.is_empty() {
        text.push_str(&format!("; missing: {}", missing.join("; ")));
    }
    text
}

fn missing(missing: &[MissingStatement], network: &Network) -> Vec<String> {
    let line = |one: &MissingStatement| {
        let why = match one.why.known() {
            Some(NotStated::NotConnected) => "its node is not connected",
            Some(NotStated::NoAnswer) => {
                "its node did not answer, or was asked too often; try again in a minute"
            }
            Some(NotStated::CannotSay) => {
                "its node can't say: it is behind or ahead of this one, lost its own disk, or holds the log as one that has stopped"
            }
            Some(NotStated::Invalid) => "its node sent something else",
            None => one.why.as_str(),
        };
        format!("{}: {why}", name(&one.department, network))
    };
    missing.iter().map(line).collect()
}

fn name(code: &str, network: &Network) -> String {
    match code.parse() {
        Ok(code) => network.name(&code),
        Err(_) => code.to_owned(),
    }
}
