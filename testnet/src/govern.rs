//! Deciding with the other members, as people do with `certmesh govern`: items are signed here with the departments' identity
//! keys, and handed to their nodes over the API. What is signed rests on the chain as a node hands it out, verified from the
//! genesis on.

use std::fs;
use std::io;
use std::time::{Duration, Instant};

use certmesh_ledger::codec::{self, Ascending, Bounded, Text};
use certmesh_ledger::crypto::identity_file::IdentityFile;
use certmesh_ledger::crypto::keys::{SecretFile, SigningKey};
use certmesh_ledger::crypto::passphrase::Passphrase;
use certmesh_ledger::crypto::secret_files::successor;
use certmesh_ledger::governance::{
    Action, Decision, Introduction, Item, MAX_BLOCK, Newcomer, OwnChange, Position, Proposal,
    ProposalId, SignedChange, TrustFile, approve,
};
use certmesh_ledger::names::NetworkId;
use zeroize::Zeroizing;

use crate::Error;
use crate::client::Client;
use crate::network::{Member, now_ms, replace, write_new};
use crate::patience::Deadline;
use crate::testnet::{Testnet, read_file};

/// How long a proposal may wait, ms.
const LAPSES_MS: u64 = 86_400_000;

/// How something was decided.
#[derive(Clone, Copy, Debug)]
pub struct Decided {
    /// Departments that signed it, its proposer among them.
    pub approvals: usize,
    /// Departments that govern.
    pub governors: usize,
    /// The block.
    pub height: u64,
    /// From the proposal until every running member's node had the block, or only the proposer's ([`pass`]).
    pub took: Duration,
}

#[expect(clippy::needless_pass_by_value, reason = "errors are mapped by it")]
fn broken(error: impl ToString) -> Error {
    Error::Broken(error.to_string())
}

/// Opens a department's identity key.
///
/// # Errors
/// [`Error::File`], [`Error::Malformed`].
pub fn identity_key(member: &Member) -> Result<SigningKey, Error> {
    let (path, passphrase) = (member.identity_key(), member.passphrase_file());
    let text = Zeroizing::new(fs::read_to_string(&passphrase).map_err(Error::file(&passphrase))?);
    let passphrase =
        Passphrase::of_file(&text).map_err(|error| Error::malformed(&passphrase, &error))?;
    let file = IdentityFile::from_bytes(&read_file(&path)?);
    let key = file.and_then(|file| file.open(&passphrase));
    key.map_err(|error| Error::malformed(&path, &error))
}

/// The chain as a node hands it out, verified.
///
/// # Errors
/// [`Error::Client`], and [`Error::Broken`] for one that does not hold.
pub fn chain(net: &Testnet, at: usize) -> Result<TrustFile, Error> {
    let expected = net.network().genesis().network_id();
    TrustFile::read(&net.client(at)?.trust_file()?, Some(expected)).map_err(broken)
}

/// How far a log stands at a node, as a suspension or a removal names it.
///
/// # Errors
/// [`Error::Client`].
pub fn position(net: &Testnet, at: usize, of: usize) -> Result<Position, Error> {
    let chain = chain(net, at)?;
    let code = net.member(of).code();
    let member = chain.history.state().member(&code);
    let member = member.ok_or_else(|| broken(format!("{code} is not a member")))?;
    let held = net.client(at)?.log(code.as_str())?;
    let Some(root) = held.root else {
        return Ok(Position::beginning(member.log()));
    };
    Ok(Position {
        log: member.log(),
        size: held.size,
        root: root.parse().map_err(broken)?,
    })
}

/// Has something decided as [`pass`] does, and waits until every running member's node has the block.
///
/// # Errors
/// [`Error::Client`] when a node refuses, [`Error::Deadline`].
pub fn decide(
    net: &Testnet,
    proposer: usize,
    action: Action,
    reason: &str,
    deadline: Deadline,
) -> Result<Decided, Error> {
    let begun = Instant::now();
    let decided = pass(net, proposer, action, reason, deadline)?;
    wait_height(net, proposer, decided.height, deadline)?;
    Ok(Decided {
        took: begun.elapsed(),
        ..decided
    })
}

/// A department proposes something, others approve until it is decided. Waits until the proposer's node has the block. Those
/// whose own node is down come last, and hand their approvals to the proposer's.
///
/// # Errors
/// [`Error::Client`] when a node refuses, [`Error::Deadline`].
pub fn pass(
    net: &Testnet,
    proposer: usize,
    action: Action,
    reason: &str,
    deadline: Deadline,
) -> Result<Decided, Error> {
    let chain = chain(net, proposer)?;
    let state = chain.history.state();
    let network = state.network();
    let governors = state.governors().count();
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce)
        .map_err(|error| Error::system("randomness")(io::Error::other(error.to_string())))?;
    let proposal = Proposal {
        proposer: net.member(proposer).code(),
        sitting: state.sitting(),
        lapses_ms: now_ms() + LAPSES_MS,
        nonce: u64::from_le_bytes(nonce),
        reason: Text::new(reason).map_err(broken)?,
        actions: Bounded::first([action]),
    };
    let needed = state.approvals_needed(&proposal);
    let begun = Instant::now();
    let key = identity_key(net.member(proposer))?;
    let decision = Decision::propose(network, proposal, &key);
    net.client(proposer)?
        .submit(&decision.clone().into())
        .map(drop)?;
    let governs = |member: &&Member| state.governor(&member.code()).is_some();
    let others = net.members().iter().filter(governs);
    let mut others: Vec<&Member> = others.filter(|other| other.index != proposer).collect();
    others.sort_by_key(|other| net.node_file(other.index).is_none());
    for other in others.into_iter().take(needed.saturating_sub(1)) {
        let at = match net.node_file(other.index) {
            Some(_) => other.index,
            None => proposer,
        };
        let client = net.client(at)?;
        let id = decision.proposal.id(network);
        let what = || format!("the proposal to arrive at {}", net.member(at).name());
        deadline.wait(what, || Ok(is_pending(&client, network, id)?.then_some(())))?;
        let approval = approve(network, id, other.code(), &identity_key(other)?);
        let approved = Decision {
            approvals: Ascending::new(vec![approval]).map_err(broken)?,
            ..decision.clone()
        };
        client.submit(&approved.into())?;
    }
    // Another block may come first: a node has the end of its department's epoch decided by itself.
    let id = decision.proposal.id(network);
    let what = || format!("a decision at {}", net.member(proposer).name());
    let height = deadline.wait(what, || {
        let known = self::chain(net, proposer)?;
        let mut blocks = known.blocks.iter();
        let block = blocks.find(|block| {
            block
                .block
                .items
                .iter()
                .any(|item| decides(item, network, id))
        });
        Ok(block.map(|block| block.block.height))
    })?;
    Ok(Decided {
        approvals: needed,
        governors,
        height,
        took: begun.elapsed(),
    })
}

fn decides(item: &Item, network: NetworkId, id: ProposalId) -> bool {
    matches!(item, Item::Decision(decision) if decision.proposal.id(network) == id)
}

fn is_pending(client: &Client, network: NetworkId, id: ProposalId) -> Result<bool, Error> {
    let is_it = |text: &String| {
        let item = hex::decode(text).ok();
        let item = item.and_then(|bytes| codec::decode::<Item>(&bytes, MAX_BLOCK).ok());
        item.is_some_and(|item| decides(&item, network, id))
    };
    Ok(client.governance()?.pending.iter().any(is_it))
}

/// Waits until a node has this many blocks, and the running nodes of all who belong by then.
///
/// # Errors
/// [`Error::Client`], [`Error::Deadline`].
pub fn wait_height(net: &Testnet, at: usize, height: u64, deadline: Deadline) -> Result<(), Error> {
    wait_height_at(net, at, height, deadline)?;
    let chain = chain(net, at)?;
    let running = net
        .members()
        .iter()
        .filter(|member| net.node_file(member.index).is_some());
    running
        .filter(|member| chain.history.state().member(&member.code()).is_some())
        .try_for_each(|member| wait_height_at(net, member.index, height, deadline))
}

fn wait_height_at(net: &Testnet, at: usize, height: u64, deadline: Deadline) -> Result<(), Error> {
    let client = net.client(at)?;
    let what = || format!("block {height} at {}", net.member(at).name());
    deadline.wait(what, || {
        Ok((client.governance()?.height >= height).then_some(()))
    })
}

/// What a department says of itself to be admitted.
///
/// # Errors
/// [`Error::File`], [`Error::Key`], [`Error::Malformed`].
pub fn introduction(member: &Member, network: NetworkId) -> Result<Introduction, Error> {
    let department = &member.department;
    let newcomer = Newcomer::from(department);
    let path = member.dir.join("keys/transport.key");
    let text = Zeroizing::new(fs::read_to_string(&path).map_err(Error::file(&path))?);
    let transport = SigningKey::from_seed(&*SecretFile::Transport.read(&text)?);
    let (identity, operating) = (identity_key(member)?, member.signing_key()?);
    Ok(Introduction::sign(
        network, newcomer, &identity, &operating, &transport,
    ))
}

/// Puts what was decided so far, as a node hands it out, into a department's directory, as `certmesh network join` does.
///
/// # Errors
/// [`Error::Client`], [`Error::File`], and [`Error::Broken`] for a chain that does not hold.
pub fn take_in(net: &Testnet, member: &Member, from: usize) -> Result<(), Error> {
    let bytes = net.client(from)?.trust_file()?;
    let expected = net.network().genesis().network_id();
    let trust = TrustFile::read(&bytes, Some(expected)).map_err(broken)?;
    replace(
        &member.dir.join("network.toml"),
        trust.genesis.to_toml().as_bytes(),
    )?;
    replace(&member.dir.join("network.trust"), &bytes)
}

/// Replaces a department's operating key by a new one, which is put beside the one before. Waits until every running node knows.
///
/// # Errors
/// [`Error::Client`] when its node refuses, [`Error::File`], [`Error::Deadline`].
pub fn rotate(net: &Testnet, index: usize, deadline: Deadline) -> Result<Duration, Error> {
    let member = net.member(index);
    let chain = chain(net, index)?;
    let state = chain.history.state();
    let (network, code) = (state.network(), member.code());
    let now = state.member(&code);
    let now = now.ok_or_else(|| broken(format!("{code} is not a member")))?;
    let (number, epoch) = (now.changes + 1, now.epoch + 1);
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed)
        .map_err(|error| Error::system("randomness")(io::Error::other(error.to_string())))?;
    let next = SigningKey::from_seed(&seed);
    let change = OwnChange {
        department: code,
        number,
        operating: Some(next.public()),
        transport: None,
        sealing: None,
        lost: None,
    };
    // Its node takes the change up only once it holds the key.
    let place = successor(&member.dir.join("keys/signing.key"), number);
    write_new(&place, SecretFile::Signing.write(&seed).as_bytes(), 0o600)?;
    let identity = identity_key(member)?;
    let change = SignedChange::sign(network, change, &identity, Some(&next), None);
    let begun = Instant::now();
    net.client(index)?.submit(&change.into())?;
    for (at, _) in net.clients()? {
        let what = || format!("the next key to be in force at {}", net.member(at).name());
        deadline.wait(what, || {
            let chain = self::chain(net, at)?;
            let now = chain.history.state().member(&code);
            Ok(now.filter(|now| now.epoch == epoch).map(drop))
        })?;
    }
    Ok(begun.elapsed())
}
