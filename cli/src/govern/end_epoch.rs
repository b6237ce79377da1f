//! `certmesh govern end-epoch`: an operating key that was replaced turns out to have been in other hands.

use std::thread;
use std::time::{Duration, Instant};

use certmesh_api::{GovernanceView, StolenEpochRequest};
use certmesh_ledger::governance::{EndReason, Ended, Item};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::names::NetworkId;
use clap::Args;
use serde_json::json;

use super::network::Network;
use super::sign::{self, agreed};
use crate::args::Global;
use crate::client::Client;
use crate::screen::{Screen, Tone};
use crate::{Error, Outcome};

/// How long a block may take. The node looks every few seconds whether an epoch has to be ended.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked whether there is one.
const EVERY: Duration = Duration::from_millis(500);

/// What to do when it does not come to an end here.
const AGAIN: &str =
    "run `certmesh govern end-epoch --stolen` again: it goes on where this one stopped";

/// Say of an operating key that was replaced that it was in other hands
///
/// What it signed up to where it ended stays as it is, since other governors witnessed that. Its cosignatures of other logs
/// count no more, and a proof under a checkpoint that it signed only with enough witnesses. It can't be taken back. May be
/// repeated: if it is so already, nothing happens.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct EndEpoch {
    /// Its key was, or may have been, in other hands
    #[arg(long, required = true)]
    stolen: bool,
    /// Which epoch [default: the one before the present one]
    #[arg(long, value_name = "EPOCH")]
    epoch: Option<u32>,
    /// Do it without asking
    #[arg(long)]
    yes: bool,
}

const EXAMPLES: &str = "\
Examples:
  certmesh govern end-epoch --stolen
  certmesh govern end-epoch --stolen --epoch 3 --yes";

pub(super) fn run(args: &EndEpoch, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let (client, network) = Network::of(global)?;
    let own = sign::own(&client)?;
    let present = network.member(&own)?.epoch;
    // Of one whose next waits for a block the end is awaited as well.
    let rotates = |item: Item| match item {
        Item::OwnChange(change) => {
            change.change.department == own && change.change.operating.is_some()
        }
        _ => false,
    };
    let next = present.saturating_add(network.pool.items().any(rotates).into());
    let epoch = args.epoch.or(next.checked_sub(1));
    let epoch = epoch.filter(|epoch| *epoch < next).ok_or_else(|| {
        Error::govern(format!(
            "epoch {} of this department's operating keys is in force: replace it first (`certmesh govern rotate --stolen`); if that \
             was done, this node has not heard of the block yet, so try again",
            args.epoch.unwrap_or(present)
        ))
    })?;
    if !screen.json() {
        screen.line(format!(
            "The operating key of epoch {epoch} of {} will count as stolen. This can't be taken back.",
            network.name(&own)
        ))?;
    }
    agreed("say that it was stolen", args.yes, screen)?;
    let expected = Some(network.state().network());
    let ended = as_stolen(own, epoch, &client, expected)?;
    report(own, epoch, &ended, screen)
}

/// Waits until an epoch has ended by its rotation, and has it ended as stolen.
pub(super) fn as_stolen(
    own: DepartmentCode,
    epoch: u32,
    client: &Client,
    expected: Option<NetworkId>,
) -> Result<Ended, Error> {
    let what = "the end of the key by its rotation is not final yet";
    let ended = wait(own, epoch, client, expected, what, |_| true)?;
    if ended.why == EndReason::Stolen {
        return Ok(ended);
    }
    let request = StolenEpochRequest { epoch: Some(epoch) };
    let taken = client.post("/v1/governance/stolen-epoch", &request, None)?;
    taken.parse::<GovernanceView>()?;
    let what = "that the key was stolen waits for a block";
    wait(own, epoch, client, expected, what, |ended| {
        ended.why == EndReason::Stolen
    })
}

/// Waits until an epoch has ended so.
fn wait(
    own: DepartmentCode,
    epoch: u32,
    client: &Client,
    expected: Option<NetworkId>,
    what: &str,
    is_it: impl Fn(&Ended) -> bool,
) -> Result<Ended, Error> {
    let begun = Instant::now();
    loop {
        let network = Network::ask(client, expected)?;
        let trail = network.trust.history.trail(&own);
        let ended = trail.and_then(|trail| trail.epoch(epoch)?.ended);
        if let Some(ended) = ended.filter(&is_it) {
            return Ok(ended);
        }
        if begun.elapsed() > PATIENCE {
            return Err(Error::govern(format!(
                "{what}: too few governors' nodes may be running. {AGAIN}"
            )));
        }
        thread::sleep(EVERY);
    }
}

pub(super) fn report(
    own: DepartmentCode,
    epoch: u32,
    ended: &Ended,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    if screen.json() {
        screen.print_json(&json!({
            "department": own, "epoch": epoch, "ended": "stolen", "height": ended.height, "size": ended.position.size,
        }))?;
        return Ok(Outcome::Yes);
    }
    let word = screen.paint(Tone::Good, "ENDED");
    screen.line(format!(
        "{word}  epoch {epoch} counts as stolen since block {}; it ended at record {}",
        ended.height, ended.position.size
    ))?;
    Ok(Outcome::Yes)
}
