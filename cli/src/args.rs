//! The commands, and the options all of them share.

use std::path::PathBuf;

use certmesh_api::{Action, Words};
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::screen::Screen;
use crate::{Error, Outcome};
use crate::{
    accept, change, department, fetch, files, fsck, graph, id, import, issue, life, manual,
    network, query, receipts, report, standards, state, verify,
};

const LONG_ABOUT: &str = "\
Certificates between government departments, from the department that issued them.

Every department runs a node that keeps its own signed log and verified copies of the other departments' logs. \
`certmesh` asks such a node (--node, --token-file) to issue, change, find and verify certificates. Setting up a \
department or a network, checking identifiers, verifying a proof bundle and re-verifying a data directory need no node.";

const EXAMPLES: &str = "\
Examples:
  certmesh verify 1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U
  certmesh import licences.jsonl --rejects rejected.jsonl
  certmesh department init --code 11430000006122244L --name Transport --dir transport

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
    pub(crate) ca: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colours (`auto`: on a terminal, unless NO_COLOR is set)
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t = Colour::Auto)]
    pub(crate) color: Colour,
}

/// The environment is asked here and not by the parser, whose usage lines would show what it gives as if it were required.
impl Global {
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
            .unwrap_or_else(|| "http://127.0.0.1:7480".to_owned())
    }

    /// File of the token.
    pub(crate) fn token_file(&self) -> Option<PathBuf> {
        let from_environment = || {
            std::env::var_os("CERTMESH_TOKEN_FILE")
                .filter(|path| !path.is_empty())
                .map(PathBuf::from)
        };
        self.token_file.clone().or_else(from_environment)
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

#[derive(Debug, Subcommand)]
enum Command {
    /// Set up a department: keys, tokens and configuration
    #[command(subcommand, after_help = department::EXAMPLES)]
    Department(department::Command),
    /// Found a network of departments, or look at one
    #[command(subcommand, after_help = network::EXAMPLES)]
    Network(network::Command),
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
                | Command::Completions(_)
                | Command::Man(_)
        )
    }

    fn asks_a_node(&self) -> bool {
        !matches!(
            self.command,
            Command::Department(_)
                | Command::Network(_)
                | Command::Fsck(_)
                | Command::Id(_)
                | Command::Completions(_)
                | Command::Man(_)
        )
    }
}

/// Does what the arguments ask for.
pub(crate) fn dispatch(cli: Cli, screen: &mut Screen) -> Result<Outcome, Error> {
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
        Command::Network(command) => network::run(command, screen),
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
        Command::Status(_) => state::status(global, screen),
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

/// Reads a word of a set of the API; help and errors list its words.
pub(crate) fn word<T: Words>() -> impl TypedValueParser<Value = T> {
    let words = T::ALL.iter().map(|word| word.as_str());
    PossibleValuesParser::new(words).try_map(|text| {
        let found = T::ALL.iter().find(|word| word.as_str() == text);
        found.copied().ok_or("not one of the words")
    })
}
