//! What a proposal is made of.

use std::path::{Path, PathBuf};

use certmesh_ledger::codec::{self, Ascending, Bounded, Text};
use certmesh_ledger::crypto::keys::PublicKey;
use certmesh_ledger::genesis::{Policy, RecoveryKey, RecoveryKeys, Role, Share, Terms};
use certmesh_ledger::governance::{
    Action, Admit, ChangeRoles, Cut, CutReason, Govern, Introduction, MAX_ACTION, Proposal,
    RaiseVersion, Remove, ReplaceIdentity, ReplacePolicy, Resume, Suspend,
};
use certmesh_ledger::id::DepartmentCode;
use clap::{Args, Subcommand, ValueEnum};

use super::Signer;
use super::catalogue_key::{self, Made};
use super::envelope::{INTRODUCTION, RENEWAL, open};
use super::network::Network;
use super::position::{CutAt, Whose};
use super::sign::{self, HandedOver};
use crate::args::{Global, parsed};
use crate::client::Client;
use crate::moment::now_ms;
use crate::screen::Screen;
use crate::{Error, Outcome};

pub(super) const EXAMPLES: &str = "\
Examples:
  certmesh govern propose admit health.introduction --reason \"council of 3 March\" --identity-key ministry-identity.key
  certmesh govern propose suspend 11430000006122244L --reason \"its node is in other hands\" \\
      --identity-key ministry-identity.key
  certmesh govern propose policy --decide 3/4 --reason \"annual review\" --identity-key ministry-identity.key";

const ADMIT_EXAMPLES: &str = "\
Examples:
  certmesh govern propose admit health.introduction --reason \"council of 3 March\" --identity-key ministry-identity.key
  certmesh govern propose admit health.introduction --role issue --role define:11100000MB03271699 --governs \\
      --reason \"council of 3 March\" --export admit.unsigned";

const SUSPEND_EXAMPLES: &str = "\
Examples:
  certmesh govern propose suspend 11430000006122244L --reason \"its node is in other hands\" \\
      --identity-key ministry-identity.key";

const RESUME_EXAMPLES: &str = "\
Examples:
  certmesh govern propose resume 11430000006122244L --reason \"its node was set up again\" \\
      --identity-key ministry-identity.key";

const REMOVE_EXAMPLES: &str = "\
Examples:
  certmesh govern propose remove 11430000006122244L --reason \"dissolved\" --identity-key ministry-identity.key
  certmesh govern propose remove 11430000006122244L --successor 11330105002500287C --reason \"merged\" \\
      --identity-key ministry-identity.key";

const CUT_EXAMPLES: &str = "\
Examples:
  certmesh govern propose cut 11430000006122244L --why forked --reason \"its node ran twice\" --identity-key ministry-identity.key
  certmesh govern propose cut 11430000006122244L --why stolen --size 4711 --reason \"key copied on 3 March\" \\
      --identity-key ministry-identity.key";

const ROLES_EXAMPLES: &str = "\
Examples:
  certmesh govern propose roles 11430000006122244L --give define:11100000MB03271699 --reason \"as agreed\" \\
      --identity-key ministry-identity.key
  certmesh govern propose roles 11430000006122244L --take issue --reason \"as agreed\" --identity-key ministry-identity.key";

const GOVERNING_EXAMPLES: &str = "\
Examples:
  certmesh govern propose governing 11430000006122244L --end --reason \"by turns\" --identity-key ministry-identity.key";

const IDENTITY_EXAMPLES: &str = "\
Examples:
  certmesh govern propose identity health.renewal --reason \"its safe burnt\" --identity-key ministry-identity.key";

const CATALOGUE_KEY_EXAMPLES: &str = "\
Examples:
  certmesh govern propose catalogue-key --dir ministry --reason \"transport was removed\" --identity-key ministry-identity.key";

const POLICY_EXAMPLES: &str = "\
Examples:
  certmesh govern propose policy --decide 3/4 --reason \"annual review\" --identity-key ministry-identity.key
  certmesh govern propose policy --least-governors 3 --reason \"annual review\" --export policy.unsigned
  certmesh govern propose policy --recovery-key ed25519:7c1b… --recovery-key ed25519:09fe… --recovery-need 2 \\
      --reason \"two of three safes\" --identity-key ministry-identity.key";

const VERSION_EXAMPLES: &str = "\
Examples:
  certmesh govern propose version --reason \"all nodes are upgraded\" --identity-key ministry-identity.key";

/// How long a proposal may wait, when nothing else is given.
const LAPSES_DAYS: u64 = 30;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Admit a department, by the introduction that `certmesh network join` made of it
    #[command(after_help = ADMIT_EXAMPLES)]
    Admit {
        /// The introduction
        #[arg(value_name = "FILE")]
        introduction: PathBuf,
        /// What it may do; may be given several times [default: issue]
        #[arg(long, value_name = "ROLE", value_parser = parsed_role)]
        role: Vec<Role>,
        /// It governs
        #[arg(long)]
        governs: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Suspend a member: until it is resumed it neither governs nor counts nor writes
    #[command(after_help = SUSPEND_EXAMPLES)]
    Suspend {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        common: Common,
    },
    /// End a suspension
    #[command(after_help = RESUME_EXAMPLES)]
    Resume {
        /// The member
        #[arg(value_name = "DEPARTMENT", value_parser = parsed::<DepartmentCode>)]
        department: DepartmentCode,
        #[command(flatten)]
        common: Common,
    },
    /// Remove a suspended member: its log ends, and stays readable everywhere
    #[command(after_help = REMOVE_EXAMPLES)]
    Remove {
        #[command(flatten)]
        whose: Whose,
        /// Who changes the statuses of its certificates from then on, for good: a member; it can't be admitted again [default:
        /// nobody]
        #[arg(long, value_name = "DEPARTMENT", value_parser = parsed::<DepartmentCode>)]
        successor: Option<DepartmentCode>,
        #[command(flatten)]
        common: Common,
    },
    /// End a member's log where it forked, or was written with a stolen key: what is kept goes on, and what comes after it counts
    /// for nothing
    #[command(after_help = CUT_EXAMPLES)]
    Cut {
        #[command(flatten)]
        whose: CutAt,
        /// Why
        #[arg(long, value_name = "WHY", value_enum)]
        why: Why,
        /// Its operating key may have been copied: it writes on once it has another one [default: if it was stolen]
        #[arg(long)]
        next_key: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Give a member roles, or take them
    #[command(after_help = ROLES_EXAMPLES)]
    Roles {
        #[command(flatten)]
        whose: Whose,
        /// A role that it gets; may be given several times
        #[arg(long, value_name = "ROLE", value_parser = parsed_role)]
        give: Vec<Role>,
        /// A role that it loses; may be given several times
        #[arg(long, value_name = "ROLE", value_parser = parsed_role)]
        take: Vec<Role>,
        #[command(flatten)]
        common: Common,
    },
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
    /// Replace a member's identity key, which was lost or is in other hands, by what `certmesh govern renew-identity` made
    #[command(after_help = IDENTITY_EXAMPLES)]
    Identity {
        /// The renewal
        #[arg(value_name = "FILE")]
        renewal: PathBuf,
        #[command(flatten)]
        common: Common,
    },
    /// Replace the catalogue key, under which holders are tagged: by one that is made here, and written beside the present one
    ///
    /// Each run makes a new key; if nothing is signed, or the node refuses the proposal, its file is removed. Run it where the
    /// node's directory is: the node takes the proposal up only if it holds the key, and hands it to the nodes of those who
    /// decide, and to all members once it is in force. What is issued from then on is tagged under it, and look-ups search under
    /// all keys. What was tagged before stays as it is: whoever has an earlier key still finds that, and nothing undoes it.
    #[command(after_help = CATALOGUE_KEY_EXAMPLES)]
    CatalogueKey {
        /// The node's directory, as `certmesh department init` made it
        #[arg(long, value_name = "DIR")]
        dir: PathBuf,
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
        /// A recovery key, as `certmesh identity new-recovery` shows it; may be given several times. All that are to be, in the
        /// place of those before
        #[arg(long, value_name = "KEY", value_parser = parsed_key)]
        recovery_key: Vec<PublicKey>,
        /// So many of the recovery keys have to sign a recovery
        #[arg(long, value_name = "N")]
        recovery_need: Option<u8>,
        /// No recovery keys any more
        #[arg(long, conflicts_with_all = ["recovery_key", "recovery_need"])]
        no_recovery: bool,
        #[command(flatten)]
        common: Common,
    },
    /// Raise the format by one version, once the nodes are upgraded: a node that does not know it falls behind until it is
    #[command(after_help = VERSION_EXAMPLES)]
    Version {
        #[command(flatten)]
        common: Common,
    },
}

/// Why a log is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Why {
    /// Its operating key is in other hands: what that key signed counts only below the cut
    Stolen,
    /// It was signed with two histories
    Forked,
    /// Its department has lost what no member holds
    Lost,
}

impl From<Why> for CutReason {
    fn from(why: Why) -> CutReason {
        match why {
            Why::Stolen => CutReason::Compromised,
            Why::Forked => CutReason::Forked,
            Why::Lost => CutReason::Lost,
        }
    }
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

fn parsed_key(text: &str) -> Result<PublicKey, String> {
    let key = text.parse::<PublicKey>();
    key.map_err(|error| error.to_string())
}

fn parsed_role(text: &str) -> Result<Role, String> {
    text.parse().map_err(certmesh_text::parse_fault)
}

pub(super) fn run(
    command: &Command,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let (client, network) = Network::of(global)?;
    let mut made = None;
    let handed_over = hand_over(command, &client, &network, &mut made, screen);
    if let Some(made) = made {
        made.settle(&handed_over, screen);
    }
    let (handed_over, common) = handed_over?;
    sign::shown(handed_over, &common.signer, &client, &network, screen)
}

/// Proposes it. With the key that was made for it, whatever becomes of it.
fn hand_over<'c>(
    command: &'c Command,
    client: &Client,
    network: &Network,
    made: &mut Option<Made>,
    screen: &mut Screen,
) -> Result<(HandedOver, &'c Common), Error> {
    let (action, common) = action(command, client, network, made)?;
    let proposal = proposal(action, common, client, network)?;
    let handed_over = sign::hand_over(proposal, &common.signer, client, network, screen)?;
    Ok((handed_over, common))
}

/// A proposal to do this.
fn proposal(
    action: Action,
    common: &Common,
    client: &Client,
    network: &Network,
) -> Result<Proposal, Error> {
    let proposer = match common.proposer {
        Some(proposer) => proposer,
        None => sign::own(client)?,
    };
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce).map_err(Error::Randomness)?;
    let days = common.lapses.saturating_mul(86_400_000);
    let reason = Text::new(common.reason.as_str());
    Ok(Proposal {
        proposer,
        sitting: network.state().sitting(),
        lapses_ms: now_ms().saturating_add(days),
        nonce: u64::from_le_bytes(nonce),
        reason: reason.map_err(|error| Error::govern(format!("--reason: {error}")))?,
        actions: Bounded::first([action]),
    })
}

fn action<'c>(
    command: &'c Command,
    client: &Client,
    network: &Network,
    made: &mut Option<Made>,
) -> Result<(Action, &'c Common), Error> {
    Ok(match command {
        Command::Admit {
            introduction,
            role,
            governs,
            common,
        } => {
            let usual = [Role::Issue];
            let roles = if role.is_empty() { &usual[..] } else { role };
            let admit = Admit {
                introduction: read_introduction(introduction, network)?,
                roles: roles_of(roles)?,
                governs: *governs,
            };
            (admit.into(), common)
        }
        Command::Suspend { whose, common } => {
            let position = whose.position(client, network)?;
            (Suspend { position }.into(), common)
        }
        Command::Resume { department, common } => {
            let resume = Resume {
                department: *department,
                since: suspended_since(department, network)?,
            };
            (resume.into(), common)
        }
        Command::Remove {
            whose,
            successor,
            common,
        } => {
            if let Some(successor) = successor {
                network.member(successor)?;
            }
            let remove = Remove {
                since: suspended_since(&whose.department, network)?,
                position: whose.position(client, network)?,
                successor: *successor,
            };
            (remove.into(), common)
        }
        Command::Cut {
            whose,
            why,
            next_key,
            common,
        } => {
            let epoch = network.member(&whose.department)?.epoch;
            let next_key = *next_key || *why == Why::Stolen;
            let cut = Cut {
                position: whose.position(client, network)?,
                why: (*why).into(),
                first_epoch: epoch.saturating_add(next_key.into()),
            };
            (cut.into(), common)
        }
        Command::Roles {
            whose,
            give,
            take,
            common,
        } => {
            let takes = !take.is_empty();
            let position = takes.then(|| whose.position(client, network));
            let change = ChangeRoles {
                department: whose.department,
                give: roles_of(give)?,
                take: roles_of(take)?,
                position: position.transpose()?,
            };
            (change.into(), common)
        }
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
        Command::Identity { renewal, common } => (read_renewal(renewal, network)?.into(), common),
        Command::CatalogueKey { dir, common } => {
            let made = made.insert(catalogue_key::make(dir, network.state())?);
            (made.replace.clone().into(), common)
        }
        Command::Policy {
            decide,
            least_governors,
            fresh,
            recovery_key,
            recovery_need,
            no_recovery,
            common,
        } => {
            let before = network.state().policy().clone();
            let now = Terms::from(before.clone());
            let recovery = match no_recovery {
                true => None,
                false => recovery_of(now.recovery.clone(), recovery_key, *recovery_need)?,
            };
            let after = Terms {
                recovery,
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
        Command::Version { common } => {
            let after = network.state().version().saturating_add(1);
            (RaiseVersion { after }.into(), common)
        }
    })
}

/// The recovery keys that are to be: what is not given stays.
fn recovery_of(
    before: Option<RecoveryKeys>,
    keys: &[PublicKey],
    need: Option<u8>,
) -> Result<Option<RecoveryKeys>, Error> {
    let need = need.or(before.as_ref().map(|before| before.need));
    let keys = match keys {
        [] => before.map(|before| before.keys),
        keys => {
            let keys = keys.iter().copied().map(RecoveryKey).collect();
            let keys = Ascending::new(keys);
            Some(keys.map_err(|error| Error::govern(format!("--recovery-key: {error}")))?)
        }
    };
    match (keys, need) {
        (None, None) => Ok(None),
        (Some(keys), Some(need)) => Ok(Some(RecoveryKeys { keys, need })),
        (None, Some(_)) => Err(Error::Usage("give the recovery keys with --recovery-key")),
        (Some(_), None) => Err(Error::Usage(
            "say with --recovery-need how many of the recovery keys have to sign",
        )),
    }
}

fn roles_of<const N: usize>(roles: &[Role]) -> Result<Ascending<Role, N>, Error> {
    let mut roles = roles.to_vec();
    roles.sort_unstable();
    roles.dedup();
    Ascending::new(roles).map_err(|error| Error::govern(format!("roles: {error}")))
}

fn suspended_since(department: &DepartmentCode, network: &Network) -> Result<u64, Error> {
    let since = network.member(department)?.suspended_since();
    since.ok_or_else(|| {
        let name = network.name(department);
        Error::govern(format!("{name} is not suspended"))
    })
}

/// Reads an introduction and checks that it is one to this network.
fn read_introduction(path: &Path, network: &Network) -> Result<Introduction, Error> {
    let expected = "an introduction to this network";
    let content = open(INTRODUCTION, path, MAX_ACTION)?;
    let introduction: Introduction = codec::decode(&content, MAX_ACTION)
        .map_err(|error| Error::malformed(path, expected, error.to_string()))?;
    match introduction.is_proved(network.state().network()) {
        true => Ok(introduction),
        false => Err(Error::malformed(
            path,
            expected,
            "its keys have not signed it: was it made with another network's trust file?",
        )),
    }
}

/// Reads a renewal and checks that it is of a member's present identity key.
fn read_renewal(path: &Path, network: &Network) -> Result<ReplaceIdentity, Error> {
    let expected = "a renewal of a member's identity key";
    let content = open(RENEWAL, path, MAX_ACTION)?;
    let renewal: ReplaceIdentity = codec::decode(&content, MAX_ACTION)
        .map_err(|error| Error::malformed(path, expected, error.to_string()))?;
    if network.member(&renewal.department)?.keys.identity != renewal.before {
        let detail =
            "the key that it would replace is not the member's present one: have it made again";
        return Err(Error::malformed(path, expected, detail));
    }
    // Whether the new key has signed it shows when it is held against what is in force.
    Ok(renewal)
}
