//! The commands, and the options all of them share.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use certmesh_api::{Action, FaultKind, Words};
use certmesh_text::say;
use clap::builder::{PossibleValuesParser, StyledStr, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::profile::Profile;
use crate::screen::Screen;
use crate::{Error, Outcome};
use crate::{
    accept, change, department, fetch, files, fsck, govern, graph, id, identity, import, issue,
    life, manual, network, query, receipts, report, standards, state, verify,
};

const LONG_ABOUT: &str = "\
Certificates between government departments, from the department that issued them.

Every department runs a node that keeps its own signed log and verified copies of the other departments' logs. \
`certmesh` asks such a node (--node, --token-file, or a profile) to issue, change, find and verify certificates. Setting up a \
department or a network, checking identifiers, verifying a proof bundle and re-verifying a data directory need no node.";

const EXAMPLES: &str = "\
Examples:
  certmesh verify 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U
  certmesh import licences.jsonl --rejects rejected.jsonl
  certmesh department init --code 11430000006122244L --name Transport --dir transport

Profile: ~/.config/certmesh/profile.toml, or the file that CERTMESH_PROFILE names, says what options leave out:
  node = \"https://node.transport.example:7480\"
  token_file = \"counter-3.token\"          # beside the profile
  ca = \"authority.pem\"
  network = \"network.toml\"               # the genesis, by which proofs are verified

Exit codes:
  0  yes, or done
  1  no: not valid, faults found, rows rejected, or refused by the ledger's rules
  2  used wrongly, or could not be done
  3  unknown: what is known here does not decide it";

/// Certificates between government departments, from the department that issued them
#[derive(Debug, Parser)]
#[command(name = "certmesh", version, long_about = LONG_ABOUT, after_help = EXAMPLES)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options that every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Address of the department's node [env: CERTMESH_NODE] [default: http://127.0.0.1:7480]
    #[arg(long, global = true, value_name = "URL")]
    node: Option<String>,
    /// File that holds the client's token, one line [env: CERTMESH_TOKEN_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Certificate authority (PEM) that the node's TLS certificate is checked against
    #[arg(long, global = true, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Answer in JSON
    #[arg(short, long, global = true)]
    pub(crate) json: bool,
    /// When to use colours (`auto`: on a terminal, unless NO_COLOR is set)
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Colour::Auto)]
    pub(crate) color: Colour,
    /// What the options leave out.
    #[arg(skip)]
    profile: Profile,
}

/// The environment is asked here and not by the parser, whose usage lines would show what it gives as if it were required.
impl Global {
    /// No options: what the environment and the profile say.
    ///
    /// # Errors
    /// As [`Profile::load`].
    pub(crate) fn of_environment() -> Result<Global, Error> {
        Ok(Global {
            node: None,
            token_file: None,
            ca: None,
            json: false,
            color: Colour::Never,
            profile: Profile::load()?,
        })
    }

    /// Address of the node.
    pub(crate) fn node(&self) -> String {
        let from_environment = || {
            std::env::var("CERTMESH_NODE")
                .ok()
                .filter(|url| !url.is_empty())
        };
        self.node
            .clone()
            .or_else(from_environment)
            .or_else(|| self.profile.node.clone())
            .unwrap_or_else(|| "http://127.0.0.1:7480".to_owned())
    }

    /// File of the token.
    pub(crate) fn token_file(&self) -> Option<PathBuf> {
        let from_environment = || {
            std::env::var_os("CERTMESH_TOKEN_FILE")
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        };
        self.token_file
            .clone()
            .or_else(from_environment)
            .or_else(|| self.profile.token_file.clone())
    }

    /// The network's genesis.
    pub(crate) fn network(&self) -> Option<&Path> {
        self.profile.network.as_deref()
    }

    /// Authority of the node's TLS certificate.
    pub(crate) fn ca(&self) -> Option<&Path> {
        self.ca.as_deref().or(self.profile.ca.as_deref())
    }
}

/// When to use colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The commands by what they are for, as the help lists them.
const GROUPS: [(&str, &[&str]); 7] = [
    (
        "Certificates",
        &["verify", "show", "history", "find", "prove"],
    ),
    ("Cases", &["accept", "fetch", "copy"]),
    (
        "Issuing",
        &[
            "issue",
            "import",
            "renew",
            "amend",
            "merge",
            "split",
            "transfer",
            "transfer-out",
        ],
    ),
    (
        "Status",
        &[
            "suspend",
            "reinstate",
            "revoke",
            "cancel",
            "withdraw",
            "lapse",
            "erase",
        ],
    ),
    (
        "What departments agree on, and do",
        &[
            "type",
            "matter",
            "grant",
            "catalogue",
            "report",
            "graph",
            "audit",
            "access-log",
        ],
    ),
    (
        "The node",
        &[
            "status",
            "logs",
            "peers",
            "resume",
            "salvage",
            "fsck",
            "department",
            "identity",
            "network",
            "govern",
        ],
    ),
    ("Tools", &["id", "completions", "man", "help"]),
];

/// The command with its help's list in groups.
pub(crate) fn grouped(mut command: clap::Command) -> clap::Command {
    command.build();
    let heading = *command.get_styles().get_header();
    let name = *command.get_styles().get_literal();
    let mut list = String::new();
    for (title, names) in GROUPS {
        list.push_str(&format!("{heading}{title}:{heading:#}\n"));
        for one in names {
            let about = command
                .find_subcommand(one)
                .and_then(clap::Command::get_about);
            let about = about.map(ToString::to_string).unwrap_or_default();
            list.push_str(&format!("  {name}{one:<13}{name:#} {about}\n"));
        }
        list.push('\n');
    }
    let template = format!(
        "{{before-help}}{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{list}{heading}Options:{heading:#}\n{{options}}{{after-help}}"
    );
    command.help_template(StyledStr::from(template))
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up a department: keys, tokens and configuration
    #[command(subcommand, after_help = department::EXAMPLES)]
    Department(department::Command),
    /// The department's identity key: show whose it is, change its passphrase
    #[command(subcommand, after_help = identity::EXAMPLES)]
    Identity(identity::Command),
    /// Found a network of departments, or look at one
    #[command(subcommand, after_help = network::EXAMPLES)]
    Network(network::Command),
    /// Decide with the other members: who belongs, with which keys and roles, by which policy
    #[command(subcommand, after_help = govern::EXAMPLES)]
    Govern(govern::Command),
    /// Certificate types and their standards: define, list, show, compare
    #[command(subcommand, after_help = standards::types::EXAMPLES)]
    Type(standards::types::Command),
    /// Matters and what they require: define, list, show, compare
    #[command(subcommand, after_help = standards::matters::EXAMPLES)]
    Matter(standards::matters::Command),
    /// Grants: who may see which fields of this department's certificates
    #[command(subcommand, after_help = standards::grants::EXAMPLES)]
    Grant(standards::grants::Command),
    /// Figures about the network's matters and certificates
    #[command(subcommand, after_help = report::EXAMPLES)]
    Report(report::Command),
    Graph(graph::GraphArgs),
    Issue(issue::Issue),
    Import(import::Import),
    Renew(life::Renew),
    Amend(life::Amend),
    Merge(life::Merge),
    Split(life::Split),
    #[command(visible_alias = "transfer-in")]
    Transfer(life::Transfer),
    /// Suspend a certificate: not in force until it is reinstated
    #[command(after_help = change::SUSPEND_EXAMPLES)]
    Suspend(change::Change),
    /// Reinstate a suspended certificate
    #[command(after_help = change::REINSTATE_EXAMPLES)]
    Reinstate(change::Change),
    /// Revoke a certificate for good
    #[command(after_help = change::REVOKE_EXAMPLES)]
    Revoke(change::Final),
    /// Cancel a certificate at its holder's request, or because its basis no longer exists
    #[command(after_help = change::CANCEL_EXAMPLES)]
    Cancel(change::Final),
    /// Withdraw a certificate: its issuer takes it back
    #[command(after_help = change::WITHDRAW_EXAMPLES)]
    Withdraw(change::Final),
    /// Record that a certificate has lapsed by operation of law
    #[command(after_help = change::LAPSE_EXAMPLES)]
    Lapse(change::Final),
    /// Let a certificate go, for another department to take over with `certmesh transfer`
    #[command(after_help = change::TRANSFER_OUT_EXAMPLES)]
    TransferOut(change::TransferOut),
    Accept(accept::Accept),
    Fetch(fetch::Fetch),
    Copy(fetch::Copy),
    Audit(receipts::Audit),
    AccessLog(receipts::Accesses),
    Show(query::Show),
    Erase(change::Erase),
    History(query::History),
    Find(query::Find),
    Catalogue(state::Catalogue),
    Logs(state::Logs),
    Peers(state::Peers),
    Status(state::Status),
    Resume(change::Resume),
    Salvage(change::Salvage),
    Verify(verify::Verify),
    Prove(verify::Prove),
    Fsck(fsck::Fsck),
    /// Check certificate identifiers and department codes, without a node
    #[command(subcommand, after_help = id::EXAMPLES)]
    Id(id::Command),
    Completions(manual::Completions),
    Man(manual::Man),
}

impl Cli {
    /// Whether the command only shows something, so that its exit code answers no question.
    pub(crate) fn only_shows(&self) -> bool {
        matches!(
            self.command,
            Command::Show(_)
                | Command::History(_)
                | Command::Find(_)
                | Command::Catalogue(_)
                | Command::Logs(_)
                | Command::Peers(_)
                | Command::Status(_)
                | Command::Identity(identity::Command::Show(_))
                | Command::Completions(_)
                | Command::Man(_)
        )
    }

    fn asks_a_node(&self) -> bool {
        !matches!(
            self.command,
            Command::Department(_)
                | Command::Identity(_)
                | Command::Network(_)
                | Command::Fsck(_)
                | Command::Id(_)
                | Command::Completions(_)
                | Command::Man(_)
        )
    }
}

/// Does what the arguments ask for.
pub(crate) fn dispatch(mut cli: Cli, screen: &mut Screen) -> Result<Outcome, Error> {
    if cli.asks_a_node() {
        cli.global.profile = Profile::load()?;
    }
    let global = &cli.global;
    if cli.asks_a_node()
        && let Some(path) = global.token_file()
        && files::others_can_read(&path)
    {
        screen.note(&format!(
            "note: others on this machine can read the token in {path}; `chmod 600 {path}` keeps them out",
            path = path.display()
        ));
    }
    match cli.command {
        Command::Department(command) => department::run(command, screen),
        Command::Identity(command) => identity::run(&command, screen),
        Command::Network(command) => network::run(command, screen),
        Command::Govern(command) => govern::run(&command, global, screen),
        Command::Type(command) => standards::types::run(&command, global, screen),
        Command::Matter(command) => standards::matters::run(&command, global, screen),
        Command::Grant(command) => standards::grants::run(&command, global, screen),
        Command::Report(command) => report::run(&command, global, screen),
        Command::Graph(args) => graph::run(&args, global, screen),
        Command::Issue(args) => issue::run(&args, global, screen),
        Command::Import(args) => import::run(&args, global, screen),
        Command::Renew(args) => life::renew(&args, global, screen),
        Command::Amend(args) => life::amend(&args, global, screen),
        Command::Merge(args) => life::merge(&args, global, screen),
        Command::Split(args) => life::split(&args, global, screen),
        Command::Transfer(args) => life::transfer(&args, global, screen),
        Command::Suspend(args) => change::run(Action::Suspend, &args, global, screen),
        Command::Reinstate(args) => change::run(Action::Reinstate, &args, global, screen),
        Command::Revoke(args) => change::run_final(Action::Revoke, &args, global, screen),
        Command::Cancel(args) => change::run_final(Action::Cancel, &args, global, screen),
        Command::Withdraw(args) => change::run_final(Action::Withdraw, &args, global, screen),
        Command::Lapse(args) => change::run_final(Action::Lapse, &args, global, screen),
        Command::TransferOut(args) => change::transfer_out(&args, global, screen),
        Command::Erase(args) => change::erase(&args, global, screen),
        Command::Accept(args) => accept::run(&args, global, screen),
        Command::Fetch(args) => fetch::run(&args, global, screen),
        Command::Copy(args) => fetch::copy(&args, global, screen),
        Command::Audit(args) => receipts::audit(&args, global, screen),
        Command::AccessLog(args) => receipts::accesses(&args, global, screen),
        Command::Show(args) => query::show(&args, global, screen),
        Command::History(args) => query::history(&args, global, screen),
        Command::Find(args) => query::find(&args, global, screen),
        Command::Catalogue(_) => state::catalogue(global, screen),
        Command::Logs(args) => state::logs(&args, global, screen),
        Command::Peers(_) => state::peers(global, screen),
        Command::Status(args) => state::status(&args, global, screen),
        Command::Resume(args) => change::resume(&args, global, screen),
        Command::Salvage(_) => change::salvage(global, screen),
        Command::Verify(args) => verify::run(&args, global, screen),
        Command::Prove(args) => verify::prove(&args, global, screen),
        Command::Fsck(args) => fsck::run(&args, screen),
        Command::Id(command) => id::run(&command, screen),
        Command::Completions(args) => manual::completions(&args, screen),
        Command::Man(args) => manual::man(&args, screen),
    }
}

/// Reads a number from 1.
pub(crate) fn from_one(text: &str) -> Result<u64, String> {
    let number = text.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| say(&FaultKind::NumberFromOne))
}

/// Reads a number within bounds.
pub(crate) fn within<T>(least: T, most: T) -> impl TypedValueParser<Value = T>
where
    T: FromStr + PartialOrd + Copy + Into<u64> + Send + Sync + 'static,
{
    move |text: &str| {
        let number = text.parse().ok();
        let number = number.filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| {
            say(&FaultKind::OutOfRange {
                least: least.into(),
                most: most.into(),
            })
        })
    }
}

/// Parses an argument; what is wrong with it is explained as anywhere else.
pub(crate) fn parsed<T: FromStr>(text: &str) -> Result<T, String>
where
    FaultKind: From<T::Err>,
{
    text.parse().map_err(certmesh_text::parse_fault)
}

/// Reads a word of a set of the API; help and errors list its words.
pub(crate) fn word<T: Words>() -> impl TypedValueParser<Value = T> {
    let words = T::ALL.iter().map(|word| word.as_str());
    PossibleValuesParser::new(words).try_map(|text| {
        let found = T::ALL.iter().find(|word| word.as_str() == text);
        found.copied().ok_or("not one of the words")
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_command_is_in_one_group_of_the_help() {
        let mut command = Cli::command();
        command.build();
        let all: BTreeSet<&str> = command
            .get_subcommands()
            .map(clap::Command::get_name)
            .collect();
        let listed: Vec<&str> = GROUPS
            .iter()
            .flat_map(|(_, names)| *names)
            .copied()
            .collect();
        assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), all);
        assert_eq!(listed.len(), all.len());
    }

    #[test]
    fn a_number_out_of_bounds_is_answered_with_the_bounds() {
        assert_eq!(from_one("1"), Ok(1));
        for wrong in ["0", "-1", "x", ""] {
            let said = from_one(wrong).unwrap_err();
            assert!(
                said.contains("from 1") && !said.contains("18446744073709551615"),
                "{said}"
            );
        }
    }
}
