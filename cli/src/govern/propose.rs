//! What a proposal is made of.

use std::path::PathBuf;

use certmesh_api::LogView;
use certmesh_ledger::codec::{Ascending, Bounded, Text};
use certmesh_ledger::genesis::{Policy, Role, Share, Terms};
use certmesh_ledger::governance::{
    Action, Admit, ChangeRoles, Cut, CutReason, Govern, Position, Proposal, Remove, ReplacePolicy,
    Resume, Suspend,
};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::names::LogId;
use clap::{Args, Subcommand, ValueEnum};

use super::network::Network;
use super::{Signer, sign};
use crate::args::{Global, parsed};
use crate::client::{Client, segment};
use crate::moment::now_ms;
use crate::screen::Screen;
use crate::{Error, Outcome};

pub(super) const EXAMPLES: &str = "\
Examples:
  certmesh govern propose admit health.introduction --role issue --reason \"council of 3 March\" \\
      --identity-key transport.identity
  certmesh govern propose suspend 11430000006122244L --reason \"its node is in other hands\" \\
      --identity-key ministry.identity
  certmesh govern propose policy --decide 3/4 --reason \"annual review\" --identity-key ministry.identity";

/// How long a proposal may wait, when nothing else is given.
const LAPSES_DAYS: u64 = 30;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Admit a department, by the introduction that it made with `certmesh govern introduce`
    Admit {
        /// The introduction
        #[arg(value_name = "FILE")]
        introduction: PathBuf,
        /// What it may do; may be given several times [default: issue]
        #[arg(long, value_name = "ROLE", value_parser = parsed::<Role>)]
        role: Vec<Role>,
        /// It governs
        #[arg(long)]
        governs: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Suspend a member: from now on it neither governs nor counts nor writes, until it is resumed
    Suspend {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        common: Common,
    },
    /// End a suspension
    Resume {
        /// The member
        #[arg(value_name = "DEPARTMENT", value_parser = parsed::<DepartmentCode>)]
        department: DepartmentCode,
        #[command(flatten)]
        common: Common,
    },
    /// Remove a suspended member
    Remove {
        #[command(flatten)]
        whose: Whose,
        /// Who changes the statuses of its certificates from then on [default: nobody]
        #[arg(long, value_name = "DEPARTMENT", value_parser = parsed::<DepartmentCode>)]
        successor: Option<DepartmentCode>,
        #[command(flatten)]
        common: Common,
    },
    /// Give a member roles, or take them
    Roles {
        #[command(flatten)]
        whose: Whose,
        /// A role that it gets; may be given several times
        #[arg(long, value_name = "ROLE", value_parser = parsed::<Role>)]
        give: Vec<Role>,
        /// A role that it loses; may be given several times
        #[arg(long, value_name = "ROLE", value_parser = parsed::<Role>)]
        take: Vec<Role>,
        #[command(flatten)]
        common: Common,
    },
    /// Let a member govern, or end that
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
    /// End a log that forked, whose key was stolen, or whose last records are lost; its department goes on after it
    Cut {
        #[command(flatten)]
        whose: Whose,
        /// Why
        #[arg(long, value_enum)]
        why: Why,
        /// The present operating key is not to be trusted either: the department changes it first
        #[arg(long)]
        next_epoch: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Replace the policy; what is not given stays
    Policy {
        /// More than this share of the governors decides, such as 2/3
        #[arg(long, value_name = "OF/PARTS", value_parser = share)]
        decide: Option<Share>,
        /// At least this share of the other governors witnesses a checkpoint
        #[arg(long, value_name = "OF/PARTS", value_parser = share)]
        witness: Option<Share>,
        /// No decision leaves fewer governors
        #[arg(long, value_name = "N")]
        least_governors: Option<u8>,
        /// How long a governor's word counts, in seconds
        #[arg(long, value_name = "SECONDS")]
        fresh: Option<u64>,
        #[command(flatten)]
        common: Common,
    },
}

/// Whose log, and how far it stands.
#[derive(Debug, Args)]
pub(crate) struct Whose {
    /// The member
    #[arg(value_name = "DEPARTMENT", value_parser = parsed::<DepartmentCode>)]
    department: DepartmentCode,
    /// The record of its log from which on it counts [default: all that this node holds stands]
    #[arg(long, value_name = "RECORDS", requires = "root")]
    size: Option<u64>,
    /// The root over the records before
    #[arg(long, value_name = "HASH", requires = "size")]
    root: Option<String>,
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

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Why {
    /// The operating key was in other hands
    Compromised,
    /// It has two histories
    Forked,
    /// Records are lost that nobody has
    Lost,
}

impl From<Why> for CutReason {
    fn from(why: Why) -> CutReason {
        match why {
            Why::Compromised => CutReason::Compromised,
            Why::Forked => CutReason::Forked,
            Why::Lost => CutReason::Lost,
        }
    }
}

fn share(text: &str) -> Result<Share, String> {
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
    let (action, common) = action(command, &client, &network)?;
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

fn action<'c>(
    command: &'c Command,
    client: &Client,
    network: &Network,
) -> Result<(Action, &'c Common), Error> {
    Ok(match command {
        Command::Admit {
            introduction,
            role,
            governs,
            common,
        } => {
            let introduction = sign::read_introduction(introduction, network)?;
            let roles = if role.is_empty() {
                &[Role::Issue][..]
            } else {
                role
            };
            let admit = Admit {
                introduction,
                roles: roles_of(roles)?,
                governs: *governs,
            };
            (admit.into(), common)
        }
        Command::Suspend { whose, common } => {
            let position = position(whose, client, network)?;
            (Suspend { position }.into(), common)
        }
        Command::Resume { department, common } => {
            let since = suspended(department, network)?;
            let resume = Resume {
                department: *department,
                since,
            };
            (resume.into(), common)
        }
        Command::Remove {
            whose,
            successor,
            common,
        } => {
            let remove = Remove {
                position: position(whose, client, network)?,
                since: suspended(&whose.department, network)?,
                successor: *successor,
            };
            (remove.into(), common)
        }
        Command::Roles {
            whose,
            give,
            take,
            common,
        } => {
            let takes = !take.is_empty();
            let position = takes
                .then(|| position(whose, client, network))
                .transpose()?;
            let change = ChangeRoles {
                department: whose.department,
                give: roles_of(give)?,
                take: roles_of(take)?,
                position,
            };
            (change.into(), common)
        }
        Command::Governing {
            department,
            end,
            common,
        } => {
            let govern = Govern {
                department: *department,
                governs: !end,
            };
            (govern.into(), common)
        }
        Command::Cut {
            whose,
            why,
            next_epoch,
            common,
        } => {
            let member = network.member(&whose.department)?;
            let cut = Cut {
                position: position(whose, client, network)?,
                why: (*why).into(),
                first_epoch: member.epoch + u32::from(*next_epoch),
            };
            (cut.into(), common)
        }
        Command::Policy {
            decide,
            witness,
            least_governors,
            fresh,
            common,
        } => {
            let before = network.state().policy().clone();
            let now = Terms::from(before.clone());
            let after = Terms {
                decide: decide.unwrap_or(now.decide),
                witness: witness.unwrap_or(now.witness),
                least_governors: least_governors.unwrap_or(now.least_governors),
                fresh_ms: fresh.map_or(now.fresh_ms, |seconds| seconds.saturating_mul(1_000)),
                ..now
            };
            let after = Policy::new(after).map_err(|error| Error::govern(error.to_string()))?;
            (ReplacePolicy { before, after }.into(), common)
        }
    })
}

fn roles_of<const N: usize>(roles: &[Role]) -> Result<Ascending<Role, N>, Error> {
    Ascending::new(roles.to_vec()).map_err(|error| Error::govern(format!("roles: {error}")))
}

fn suspended(department: &DepartmentCode, network: &Network) -> Result<u64, Error> {
    let since = network.member(department)?.suspended_since();
    since.ok_or_else(|| Error::govern(format!("{} is not suspended", network.name(department))))
}

/// How far a log stands: as given, or as the node holds it.
fn position(whose: &Whose, client: &Client, network: &Network) -> Result<Position, Error> {
    let member = network.member(&whose.department)?;
    let log = member.log();
    if let (Some(size), Some(root)) = (whose.size, &whose.root) {
        let root = root
            .parse()
            .map_err(|error| Error::govern(format!("--root: {error}")))?;
        return Ok(Position { log, size, root });
    }
    held(log, client)
}

/// What the node holds of a log.
pub(super) fn held(log: LogId, client: &Client) -> Result<Position, Error> {
    let path = format!("/v1/logs/{}", segment(log.department.as_str()));
    let view: LogView = client.get(&path)?.parse()?;
    let Some(root) = view.root else {
        return Ok(Position::beginning(log));
    };
    let root = root
        .parse()
        .map_err(|_| client.bad_answer(&path, "the root is not a hash"))?;
    Ok(Position {
        log,
        size: view.size,
        root,
    })
}
