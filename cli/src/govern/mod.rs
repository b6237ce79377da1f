//! `certmesh govern`: what the members decide, and what is to be decided.
//!
//! Everything shown and signed here comes of the chain itself: the node hands out genesis and blocks as a trust file, which is
//! verified from the genesis on: of the network that the profile names, if it names one. A node that lies about that network can
//! hide the newest blocks, and no more.

mod catalogue_key;
mod end_epoch;
pub(crate) mod envelope;
mod loss;
mod network;
mod position;
mod propose;
mod recover;
mod renew;
mod rotate;
mod show;
mod sign;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use sign::Request;

use crate::args::Global;
use crate::identity::{KeyPlace, PassphraseFile};
use crate::screen::Screen;
use crate::{Error, Outcome};

pub(crate) const EXAMPLES: &str = "\
Examples:
  certmesh govern list
  certmesh govern propose admit health.introduction --reason \"council of 3 March\" --identity-key transport-identity.key
  certmesh govern approve 3fa2 --identity-key transport-identity.key
  certmesh govern log";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show who belongs to the network, who governs, and by which policy
    #[command(
        after_help = "Examples:\n  certmesh govern members\n  certmesh govern members --json"
    )]
    Members,
    /// Show what waits for approvals
    #[command(after_help = "Examples:\n  certmesh govern list")]
    List,
    /// Show a proposal: what it would change, who approves
    #[command(after_help = "Examples:\n  certmesh govern show 3fa2")]
    Show(One),
    /// Show every decision so far
    #[command(after_help = "Examples:\n  certmesh govern log\n  certmesh govern log --json")]
    Log,
    /// Propose something: all of it takes effect once enough governors approve
    #[command(subcommand, after_help = propose::EXAMPLES)]
    Propose(propose::Command),
    Approve(Decide),
    Withdraw(Decide),
    Rotate(rotate::Rotate),
    EndEpoch(end_epoch::EndEpoch),
    RenewIdentity(renew::RenewIdentity),
    Recover(recover::Recover),
    TrustFile(show::TrustFileOut),
    Sign(sign::SignFile),
    Submit(sign::SubmitFile),
}

/// A proposal.
#[derive(Debug, Args)]
pub(crate) struct One {
    /// The proposal, by the beginning of its hash
    #[arg(value_name = "PROPOSAL")]
    proposal: String,
}

/// Approve a proposal, or withdraw an own one
#[derive(Debug, Args)]
#[command(after_help = DECIDE_EXAMPLES)]
pub(crate) struct Decide {
    #[command(flatten)]
    one: One,
    /// Approve even if records that this node holds would count for nothing
    #[arg(long)]
    void_records: bool,
    #[command(flatten)]
    signer: Signer,
}

const DECIDE_EXAMPLES: &str = "\
Examples:
  certmesh govern approve 3fa2 --identity-key transport-identity.key
  certmesh govern approve 3fa2 --export 3fa2.unsigned      sign it where the key is: certmesh govern sign
  certmesh govern withdraw 3fa2 --identity-key transport-identity.key --yes";

/// With which key, and where.
#[derive(Debug, Args)]
pub(crate) struct Signer {
    /// The file of the department's identity key, or the `pkcs11:` URI of one in a token
    #[arg(long, value_name = "FILE|URI", required_unless_present = "export", value_parser = KeyPlace::parser())]
    identity_key: Option<KeyPlace>,
    #[command(flatten)]
    passphrase: PassphraseFile,
    /// Write it to a file to be signed where the key is, with `certmesh govern sign`, instead of signing it here
    #[arg(long, value_name = "FILE", conflicts_with = "identity_key")]
    export: Option<PathBuf>,
    /// Sign without asking
    #[arg(long)]
    yes: bool,
}

pub(crate) fn run(
    command: &Command,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    match command {
        Command::Members => show::members(global, screen),
        Command::List => show::list(global, screen),
        Command::Show(one) => show::proposal(one, global, screen),
        Command::Log => show::log(global, screen),
        Command::Propose(command) => propose::run(command, global, screen),
        Command::Approve(args) => sign::about(args, Request::Approve, global, screen),
        Command::Withdraw(args) => sign::about(args, Request::Withdraw, global, screen),
        Command::Rotate(args) => rotate::run(args, global, screen),
        Command::EndEpoch(args) => end_epoch::run(args, global, screen),
        Command::RenewIdentity(args) => renew::run(args, global, screen),
        Command::Recover(args) => recover::run(args, global, screen),
        Command::TrustFile(args) => show::trust_file(args, global, screen),
        Command::Sign(args) => sign::sign_file(args, screen),
        Command::Submit(args) => sign::submit_file(args, global, screen),
    }
}
