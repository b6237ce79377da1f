//! Signing with an identity key: here, or where the key is.
//!
//! What leaves for another machine is a file of text that has all that a person needs to see there: the chain, and what is to
//! be signed. What comes back is signed, and anybody may hand it to a node.

use std::path::{Path, PathBuf};

use certmesh_api::GovernanceView;
use certmesh_ledger::codec::{self, Ascending};
use certmesh_ledger::crypto::signer::Signer as _;
use certmesh_ledger::governance::{
    Decision, Item, MAX_BLOCK, Member, Proposal, Recovery, State, TrustFile, UnsignedChange,
    Withdrawal, approve as approval,
};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::names::NetworkId;
use certmesh_text::governance as words;
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::envelope::{SIGNED, UNSIGNED, open, seal};
use super::network::{Network, Standing, expected};
use super::{Decide, Signer, position, recover, show};
use crate::args::Global;
use crate::client::Client;
use crate::files::{Access, write_new};
use crate::identity::{self, IdentityKey, KeyPlace, PassphraseFile};
use crate::moment::{china_time_and_age, now_ms};
use crate::screen::{Screen, Tone, printable};
use crate::{Error, Outcome};

/// Sign a file that `--export` wrote, on a machine that needs no network
#[derive(Debug, Args)]
#[command(after_help = SIGN_EXAMPLES)]
pub(crate) struct SignFile {
    /// What is to be signed
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The file of the department's identity key, or the `pkcs11:` URI of one in a token; of a recovery, or that of a recovery key
    #[arg(long, value_name = "FILE|URI", value_parser = KeyPlace::parser())]
    identity_key: KeyPlace,
    #[command(flatten)]
    passphrase: PassphraseFile,
    /// What is signed
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Sign without asking
    #[arg(long)]
    yes: bool,
}

const SIGN_EXAMPLES: &str = "\
Examples:
  certmesh govern sign 3fa2.unsigned --identity-key transport-identity.key --out 3fa2.signed";

/// Hand a signed file to the node
#[derive(Debug, Args)]
#[command(after_help = SUBMIT_EXAMPLES)]
pub(crate) struct SubmitFile {
    /// What was signed; of a recovery, all the files that were signed of it
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

const SUBMIT_EXAMPLES: &str = "\
Examples:
  certmesh govern submit 3fa2.signed
  certmesh govern submit recovery-1.signed ministry.signed";

/// What is to be signed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Request {
    Propose(Proposal),
    Approve(Decision),
    Withdraw(Decision),
    Change(Box<UnsignedChange>),
    Recover(Recovery),
}

impl Request {
    /// The item that it comes to.
    ///
    /// # Errors
    /// Whose signature is asked for, if the key is another's.
    fn sign(&self, state: &State, key: &IdentityKey) -> Result<Item, Error> {
        let chain = state.network();
        Ok(match self {
            Request::Recover(recovery) => recover::sign(recovery, key, state)?.into(),
            Request::Propose(proposal) => {
                self.signer(key, state)?;
                Decision::propose(chain, proposal.clone(), key)?.into()
            }
            Request::Approve(decision) => {
                let by = self.signer(key, state)?;
                let id = decision.proposal.id(chain);
                let own = approval(chain, id, by, key)?;
                let approvals = Ascending::new(vec![own]).expect("a single one ascends");
                let decision = Decision {
                    approvals,
                    ..decision.clone()
                };
                decision.into()
            }
            Request::Withdraw(decision) => {
                let by = self.signer(key, state)?;
                let id = decision.proposal.id(chain);
                Withdrawal::sign(chain, id, decision.proposal.sitting, by, key)?.into()
            }
            Request::Change(change) => {
                self.signer(key, state)?;
                (**change).clone().sign(chain, key)?.into()
            }
        })
    }

    /// The department whose key this is, if it may sign it.
    fn signer(&self, key: &IdentityKey, state: &State) -> Result<DepartmentCode, Error> {
        let member = whose(key, state)?;
        let by = member.code;
        let (whom, only) = match self {
            Request::Change(change) => ("that department", change.change.department),
            Request::Propose(proposal) => ("its proposer", proposal.proposer),
            Request::Withdraw(decision) => ("its proposer", decision.proposal.proposer),
            Request::Approve(_) | Request::Recover(_) => ("", by),
        };
        if by != only {
            return Err(Error::govern(format!(
                "only {whom}, {only}, can {}; the key is that of {by}",
                self.purpose()
            )));
        }
        match self {
            Request::Change(_) => Ok(by),
            _ if member.is_governor() => Ok(by),
            _ => Err(Error::govern(format!(
                "{} ({by}) does not govern",
                member.name
            ))),
        }
    }

    /// What it would change, line by line.
    pub(super) fn lines(&self, name: &dyn Fn(&DepartmentCode) -> String) -> Vec<String> {
        match self {
            Request::Propose(proposal) => words::proposal(proposal, name),
            Request::Approve(decision) | Request::Withdraw(decision) => {
                words::proposal(&decision.proposal, name)
            }
            Request::Change(change) => words::own_change(&change.change, name),
            Request::Recover(recovery) => words::recovery(recovery, name),
        }
    }

    /// What stands above the lines.
    pub(super) fn heading(&self) -> &'static str {
        match self {
            Request::Change(_) => "It says that",
            _ => "It would",
        }
    }

    /// What signing it does.
    fn purpose(&self) -> &'static str {
        match self {
            Request::Propose(_) => "propose it",
            Request::Approve(_) => "approve it",
            Request::Withdraw(_) => "withdraw it",
            Request::Change(_) => "change its keys",
            Request::Recover(_) => "recover",
        }
    }
}

/// The department of the node that is asked.
pub(super) fn own(client: &Client) -> Result<DepartmentCode, Error> {
    let path = "/v1/status";
    let status: certmesh_api::NodeStatus = client.get(path)?.parse()?;
    let code = status.department.parse();
    code.map_err(|_| client.bad_answer(path, "the department is not a code"))
}

/// Signs something about a pending proposal.
pub(super) fn about(
    args: &Decide,
    request: impl FnOnce(Decision) -> Request,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let (client, network) = Network::of(global)?;
    let (_, decision) = network.proposal(&args.one.proposal)?;
    let request = request(decision.clone());
    if let Request::Approve(decision) = &request {
        position::check(&decision.proposal, args.void_records, &client, &network)?;
    }
    decide(&request, &args.signer, &client, &network, screen)
}

/// Shows what is to be signed and what it would change, and signs it here or writes it down for where the key is.
pub(super) fn decide(
    request: &Request,
    signer: &Signer,
    client: &Client,
    network: &Network,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    decide_with(request, None, signer, client, network, screen)
}

/// What belongs to what is signed and does not stand in it: a name and a value of the answer in JSON.
pub(super) type Beside = Option<(&'static str, Value)>;

/// The same, with something beside it.
pub(super) fn decide_with(
    request: &Request,
    beside: Beside,
    signer: &Signer,
    client: &Client,
    network: &Network,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let state = network.state();
    if let Some(out) = &signer.export {
        export(request, out, network)?;
        return exported(out, beside, screen);
    }
    let (item, view) = sign_and_submit(request, signer, client, network, screen)?;
    report(&item, &view, beside, client, Some(state.network()), screen)
}

fn exported(out: &Path, beside: Beside, screen: &mut Screen) -> Result<Outcome, Error> {
    match beside {
        Some((name, value)) if screen.json() => screen.print_json(&json!({name: value}))?,
        _ if screen.json() => {}
        _ => screen.line(format!(
            "{}: sign it with `certmesh govern sign`, where the key is",
            out.display()
        ))?,
    }
    Ok(Outcome::Yes)
}

/// What became of a proposal that was signed here, or written down for where the key is.
pub(super) type HandedOver = Option<(Item, GovernanceView)>;

/// Signs a proposal here and hands it to the node, or writes it down for where the key is.
///
/// # Errors
/// The node has it only if it could not be understood what that answered.
pub(super) fn hand_over(
    proposal: Proposal,
    signer: &Signer,
    client: &Client,
    network: &Network,
    screen: &mut Screen,
) -> Result<HandedOver, Error> {
    let request = Request::Propose(proposal);
    match &signer.export {
        Some(out) => export(&request, out, network).map(|()| None),
        None => sign_and_submit(&request, signer, client, network, screen).map(Some),
    }
}

/// Says what became of it.
pub(super) fn shown(
    handed_over: HandedOver,
    signer: &Signer,
    client: &Client,
    network: &Network,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    match (handed_over, &signer.export) {
        (Some((item, view)), _) => {
            let chain = network.state().network();
            report(&item, &view, None, client, Some(chain), screen)
        }
        (None, Some(out)) => exported(out, None, screen),
        (None, None) => Ok(Outcome::Yes),
    }
}

/// Shows what is to be signed, signs it here, and hands it to the node.
pub(super) fn sign_and_submit(
    request: &Request,
    signer: &Signer,
    client: &Client,
    network: &Network,
    screen: &mut Screen,
) -> Result<(Item, GovernanceView), Error> {
    let state = network.state();
    check(request, state)?;
    let place = signer.identity_key.as_ref();
    let place = place.ok_or(Error::Usage("give --identity-key, or --export"))?;
    if !screen.json() {
        screen.field("network", state.network().to_string())?;
        present(request, network, screen)?;
    }
    agreed(request.purpose(), signer.yes, screen)?;
    let key = identity::open(place, &signer.passphrase, screen)?;
    let item = request.sign(state, &key)?;
    let view = Network::submit(client, &item)?;
    Ok((item, view))
}

/// Writes to a file what is to be signed somewhere else.
pub(super) fn export(request: &Request, out: &Path, network: &Network) -> Result<(), Error> {
    check(request, network.state())?;
    // What was verified here, and nothing that the node might say now.
    let trust = TrustFile::write(&network.trust.genesis, &network.trust.blocks);
    let content = codec::encode(&(request, trust));
    write_new(out, seal(UNSIGNED, &content).as_bytes(), Access::Everyone)
}

/// Whether signing it would change anything.
fn check(request: &Request, state: &State) -> Result<(), Error> {
    let proposal = match request {
        Request::Propose(proposal) => proposal,
        Request::Approve(decision) => &decision.proposal,
        // Whether it holds shows once it is signed.
        Request::Withdraw(_) | Request::Change(_) => return Ok(()),
        Request::Recover(recovery) => {
            let next = state.at(now_ms());
            let checked = next.check_recovery(recovery);
            return checked.map_err(|fault| Error::govern(fault.to_string()));
        }
    };
    let after = state.after(proposal, now_ms());
    after
        .map(drop)
        .map_err(|fault| Error::govern(fault.to_string()))
}

fn present(request: &Request, network: &Network, screen: &mut Screen) -> Result<(), Error> {
    match request {
        Request::Propose(_) | Request::Change(_) | Request::Recover(_) => {
            screen.line(request.heading())?;
            for line in request.lines(&|code| network.name(code)) {
                screen.line(format!("  - {}", printable(&line)))?;
            }
            Ok(())
        }
        Request::Approve(decision) | Request::Withdraw(decision) => {
            let id = decision.proposal.id(network.state().network());
            show::describe(network, &id.to_string(), decision, screen)
        }
    }
}

pub(super) fn agreed(purpose: &str, yes: bool, screen: &mut Screen) -> Result<(), Error> {
    if yes {
        return Ok(());
    }
    if screen.json() || !screen.can_ask() {
        return Err(Error::Usage("give --yes to sign without being asked"));
    }
    let answer = screen.ask(&format!("Sign, to {purpose}? [y/N]"))?;
    match answer.is_some_and(|answer| matches!(answer.trim(), "y" | "Y" | "yes")) {
        true => Ok(()),
        false => Err(Error::govern("nothing was signed".to_owned())),
    }
}

/// The member whose identity key this is.
fn whose<'s>(key: &IdentityKey, state: &'s State) -> Result<&'s Member, Error> {
    let public = key.public();
    let member = state
        .members()
        .find(|member| member.keys.identity == public);
    member.ok_or_else(|| {
        Error::govern(format!("no member has the identity key {public}: is it another department's, or was it replaced?"))
    })
}

/// Says what became of something that was handed to the node.
fn report(
    item: &Item,
    view: &GovernanceView,
    beside: Beside,
    client: &Client,
    expected: Option<NetworkId>,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let network = Network::ask(client, expected)?;
    let Item::Decision(decision) = item else {
        if screen.json() {
            let mut shown = json!(view);
            if let Some((name, value)) = beside {
                shown[name] = value;
            }
            screen.print_json(&shown)?;
            return Ok(Outcome::Yes);
        }
        let taken = screen.paint(Tone::Good, "TAKEN UP");
        screen.line(format!("{taken}  it takes effect with the next block"))?;
        return Ok(Outcome::Yes);
    };
    let id = decision.proposal.id(network.state().network()).to_string();
    let Ok((_, pending)) = network.proposal(&id) else {
        let decided = network.decided(&id);
        if screen.json() {
            screen.print_json(&json!({
                "proposal": id, "decided": decided, "height": network.state().height(),
            }))?;
        } else if decided {
            let decided = screen.paint(Tone::Good, "DECIDED");
            screen.line(format!("{decided}  `certmesh govern log` shows it"))?;
        } else {
            let gone = screen.paint(Tone::Bad, "NO LONGER PENDING");
            screen.line(format!(
                "{gone}  it lapsed, was withdrawn, or who decides has changed: propose it again"
            ))?;
        }
        return Ok(match decided {
            true => Outcome::Yes,
            false => Outcome::No,
        });
    };
    let standing = Standing::of(network.state(), pending);
    if screen.json() {
        let mut shown = show::proposal_json(&network, &id, pending);
        shown["decided"] = json!(false);
        screen.print_json(&shown)?;
        return Ok(Outcome::Yes);
    }
    let (tone, word) = match standing.approve >= standing.needed {
        true => (Tone::Good, "APPROVED"),
        false => (Tone::Faint, "WAITS"),
    };
    let word = screen.paint(tone, word);
    screen.line(format!(
        "{word}  proposal {}: {} of {} approvals needed",
        words::short(&id),
        standing.approve,
        standing.needed
    ))?;
    Ok(Outcome::Yes)
}

pub(super) fn sign_file(args: &SignFile, screen: &mut Screen) -> Result<Outcome, Error> {
    let content = open(UNSIGNED, &args.file, MAX_UNSIGNED)?;
    let malformed = |detail: String| Error::malformed(&args.file, "a file to be signed", detail);
    let (request, trust): (Request, Vec<u8>) =
        codec::decode(&content, MAX_UNSIGNED).map_err(|error| malformed(error.to_string()))?;
    let trust = TrustFile::read(&trust, None).map_err(|error| malformed(error.to_string()))?;
    let state = trust.history.state().clone();
    check(&request, &state)?;
    if !screen.json() {
        let name = |code: &DepartmentCode| super::network::name(state.member(code), code);
        screen.fields([
            ("network", state.network().to_string()),
            (
                "block",
                format!("{}, the last one when this was exported", state.height()),
            ),
            ("to be signed", format!("to {}", request.purpose())),
        ])?;
        let proposal = match &request {
            Request::Propose(proposal) => Some(proposal),
            Request::Approve(decision) | Request::Withdraw(decision) => Some(&decision.proposal),
            Request::Change(_) | Request::Recover(_) => None,
        };
        if let Some(proposal) = proposal {
            screen.fields([
                ("by", name(&proposal.proposer)),
                ("reason", proposal.reason.to_string()),
                ("lapses", china_time_and_age(proposal.lapses_ms, now_ms())),
            ])?;
        }
        screen.line(request.heading())?;
        for line in request.lines(&name) {
            screen.line(format!("  - {}", printable(&line)))?;
        }
        if let Request::Recover(recovery) = &request {
            screen.line(recover::good_until(recovery))?;
        }
    }
    agreed(request.purpose(), args.yes, screen)?;
    let key = identity::open(&args.identity_key, &args.passphrase, screen)?;
    let item = request.sign(&state, &key)?;
    write_new(
        &args.out,
        seal(SIGNED, &codec::encode(&item)).as_bytes(),
        Access::Everyone,
    )?;
    if !screen.json() {
        screen.line(format!(
            "{}: `certmesh govern submit` hands it to a node",
            args.out.display()
        ))?;
    }
    Ok(Outcome::Yes)
}

pub(super) fn submit_file(
    args: &SubmitFile,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let read = |file: &PathBuf| -> Result<Item, Error> {
        let content = open(SIGNED, file, MAX_BLOCK)?;
        codec::decode(&content, MAX_BLOCK)
            .map_err(|error| Error::malformed(file, "a signed file", error.to_string()))
    };
    let item = match &*args.files {
        [file] => read(file)?,
        files => {
            let items = files.iter().map(|file| Ok((&**file, read(file)?)));
            recover::merged(items.collect::<Result<_, Error>>()?)?
        }
    };
    let client = Client::new(global)?;
    let view = Network::submit(&client, &item)?;
    report(&item, &view, None, &client, expected(global)?, screen)
}

/// Most bytes of a file to be signed: it has the whole chain.
const MAX_UNSIGNED: usize = 256 << 20;
