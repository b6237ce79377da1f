//! What a proposal is made of.

use certmesh_ledger::codec::{Bounded, Text};
use certmesh_ledger::genesis::{Policy, Share, Terms};
use certmesh_ledger::governance::{Action, Govern, Proposal, ReplacePolicy};
use certmesh_ledger::id::DepartmentCode;
use clap::{Args, Subcommand};

use super::network::Network;
use super::{Signer, sign};
use crate::args::{Global, parsed};
use crate::moment::now_ms;
use crate::screen::Screen;
use crate::{Error, Outcome};

pub(super) const EXAMPLES: &str = "\
Examples:
  certmesh govern propose governing 11430000006122244L --end --reason \"by turns\" --identity-key ministry-identity.key
  certmesh govern propose policy --decide 3/4 --reason \"annual review\" --identity-key ministry-identity.key";

const GOVERNING_EXAMPLES: &str = "\
Examples:
  certmesh govern propose governing 11430000006122244L --end --reason \"by turns\" --identity-key ministry-identity.key";

const POLICY_EXAMPLES: &str = "\
Examples:
  certmesh govern propose policy --decide 3/4 --reason \"annual review\" --identity-key ministry-identity.key
  certmesh govern propose policy --least-governors 3 --reason \"annual review\" --export policy.unsigned";

/// How long a proposal may wait, when nothing else is given.
const LAPSES_DAYS: u64 = 30;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Let a member govern, or end that
    #[command(after_help = GOVERNING_EXAMPLES)]
    Governing {
        /// The member
        #[arg(value_name = "DEPARTMENT", value_parser = parsed::<DepartmentCode>)]
        department: DepartmentCode,
        /// It governs no longer
        #[arg(long)]
        end: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Replace the policy; what is not given stays
    #[command(after_help = POLICY_EXAMPLES)]
    Policy {
        /// More than this share of the governors decides, such as 2/3
        #[arg(long, value_name = "OF/PARTS", value_parser = parsed_share)]
        decide: Option<Share>,
        /// No decision leaves fewer governors
        #[arg(long, value_name = "N")]
        least_governors: Option<u8>,
        /// How long a governor's word that it knows of no later decision counts, in seconds
        #[arg(long, value_name = "SECONDS")]
        fresh: Option<u64>,
        #[command(flatten)]
        common: Common,
    },
}

/// Of every proposal.
#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Why, for those who approve
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// How long it may wait for approvals
    #[arg(long, value_name = "DAYS", default_value_t = LAPSES_DAYS)]
    lapses: u64,
    /// The department that proposes [default: this node's]
    #[arg(long, value_name = "DEPARTMENT", value_parser = parsed::<DepartmentCode>)]
    proposer: Option<DepartmentCode>,
    #[command(flatten)]
    pub(super) signer: Signer,
}

fn parsed_share(text: &str) -> Result<Share, String> {
    let numbers = text.split_once('/');
    let share = numbers.and_then(|(of, parts)| {
        Some(Share {
            of: of.trim().parse().ok()?,
            parts: parts.trim().parse().ok()?,
        })
    });
    share.ok_or_else(|| "expected a share such as 2/3".to_owned())
}

pub(super) fn run(
    command: &Command,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let (client, network) = Network::of(global)?;
    let (action, common) = action(command, &network)?;
    let proposer = match common.proposer {
        Some(proposer) => proposer,
        None => sign::own(&client)?,
    };
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce).map_err(Error::Randomness)?;
    let days = common.lapses.saturating_mul(86_400_000);
    let reason = Text::new(common.reason.as_str());
    let proposal = Proposal {
        proposer,
        sitting: network.state().sitting(),
        lapses_ms: now_ms().saturating_add(days),
        nonce: u64::from_le_bytes(nonce),
        reason: reason.map_err(|error| Error::govern(format!("--reason: {error}")))?,
        actions: Bounded::first([action]),
    };
    sign::propose(proposal, &common.signer, &client, &network, screen)
}

fn action<'c>(command: &'c Command, network: &Network) -> Result<(Action, &'c Common), Error> {
    Ok(match command {
        Command::Governing {
            department,
            end,
            common,
        } => {
            network.member(department)?;
            let govern = Govern {
                department: *department,
                governs: !end,
            };
            (govern.into(), common)
        }
        Command::Policy {
            decide,
            least_governors,
            fresh,
            common,
        } => {
            let before = network.state().policy().clone();
            let now = Terms::from(before.clone());
            let after = Terms {
                decide: decide.unwrap_or(now.decide),
                least_governors: least_governors.unwrap_or(now.least_governors),
                fresh_ms: fresh.map_or(now.fresh_ms, |seconds| seconds.saturating_mul(1_000)),
                ..now
            };
            let after = Policy::new(after).map_err(|error| Error::govern(error.to_string()))?;
            if after == before {
                return Err(Error::Usage(
                    "give what is to be other than it is, such as --decide 3/4",
                ));
            }
            (ReplacePolicy { before, after }.into(), common)
        }
    })
}
