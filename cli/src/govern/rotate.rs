//! `certmesh govern rotate`: a department changes its node's keys by itself.

use std::path::{Path, PathBuf};

use certmesh_ledger::crypto::keys::{SecretFile, SigningKey};
use certmesh_ledger::crypto::sealing::SealingSecret;
use certmesh_ledger::crypto::secret_files::successor;
use certmesh_ledger::genesis::PeerId;
use certmesh_ledger::governance::{OwnChange, UnsignedChange};
use clap::{Args, ValueEnum};
use zeroize::Zeroizing;

use super::Signer;
use super::end_epoch;
use super::loss::AfterLoss;
use super::network::Network;
use super::sign::{self, Request};
use crate::args::Global;
use crate::files::{Access, directory_of, sync_directory, write_whole};
use crate::node_keys::KeyFiles;
use crate::screen::Screen;
use crate::{Error, Outcome, passphrase};

/// Change this department's own keys
///
/// The new keys are made here and written beside the present ones (`keys/signing.key.1`), encrypted if these are, so run it where
/// the node's directory is. The identity key signs that they take their place; nobody else has to approve. The node goes on with
/// the next operating key without a pause; with another transport key it reconnects, which takes some seconds. Keep the files of
/// the keys before: the first transport key has the indexes' key, and what was sealed to an earlier sealing key is opened with
/// that.
///
/// With --lost, for a node that lost its disk and whose log is not confirmed: the other governors state what they hold of the log,
/// which goes on from there. What the department signed beyond that counts for nothing any more.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Rotate {
    /// The node's directory, as `certmesh department init` made it
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// Which key; may be repeated
    #[arg(long, value_name = "KEY", default_values_t = [Which::Operating])]
    key: Vec<Which>,
    /// Go on after a loss: from the largest that enough other governors hold of this department's log, in its next generation
    #[arg(long)]
    lost: bool,
    /// Go on even if records that this node knows of would be void
    #[arg(long, requires = "lost")]
    void_records: bool,
    /// The operating key was, or may have been, in other hands: once the next one is in force, say so (`certmesh govern end-epoch`)
    #[arg(long, conflicts_with_all = ["lost", "export"])]
    stolen: bool,
    /// File with the passphrase of the node's keys, one line, mode 0600, where these are encrypted [default: asked for]
    #[arg(long, value_name = "FILE")]
    keys_passphrase_file: Option<PathBuf>,
    #[command(flatten)]
    signer: Signer,
}

const EXAMPLES: &str = "\
Examples:
  certmesh govern rotate --dir transport --identity-key transport-identity.key
  certmesh govern rotate --dir transport --key operating --key transport --key sealing \\
      --identity-key transport-identity.key
  certmesh govern rotate --dir transport --lost --identity-key transport-identity.key
  certmesh govern rotate --dir transport --stolen --identity-key transport-identity.key
  certmesh govern rotate --dir transport --export rotate.unsigned      sign it where the key is: certmesh govern sign";

/// A key that a department changes by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Which {
    /// What the node signs records with
    Operating,
    /// What the node is known by in connections
    Transport,
    /// What others seal to
    Sealing,
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Which::Operating => "operating",
            Which::Transport => "transport",
            Which::Sealing => "sealing",
        })
    }
}

pub(super) fn run(args: &Rotate, global: &Global, screen: &mut Screen) -> Result<Outcome, Error> {
    let (client, network) = Network::of(global)?;
    let own = sign::own(&client)?;
    let member = network.state().member(&own);
    let member = member.ok_or_else(|| Error::govern(format!("{own} is not a member")))?;
    let (number, epoch) = (member.changes.saturating_add(1), member.epoch);
    if (args.lost || args.stolen) && !args.key.contains(&Which::Operating) {
        let what = "--lost and --stolen change the operating key: give --key operating as well";
        return Err(Error::Usage(what));
    }
    let after_loss = match args.lost {
        true => Some(AfterLoss::ask(own, number, &client, &network)?),
        false => None,
    };
    if let Some(after_loss) = &after_loss {
        if !screen.json() {
            after_loss.show(&network, screen)?;
        }
        after_loss.check(args.void_records)?;
    }
    let keys = args.dir.join("keys");
    let present = keys.join("signing.key");
    is_there(&present)?;
    let files = KeyFiles::like(&present, SecretFile::Signing, || {
        let file = args.keys_passphrase_file.as_deref();
        passphrase::of_node_keys(
            file,
            "give --keys-passphrase-file",
            &args.dir,
            false,
            screen,
        )
    })?;
    let new = |which: Which, name: &str, kind| match args.key.contains(&which) {
        true => next_key(&keys.join(name), number, kind, &files).map(Some),
        false => Ok(None),
    };
    let operating = new(Which::Operating, "signing.key", SecretFile::Signing)?;
    let transport = new(Which::Transport, "transport.key", SecretFile::Transport)?;
    let sealing = new(Which::Sealing, "sealing.key", SecretFile::Sealing)?;
    let signs = |seed: &Zeroizing<[u8; 32]>| SigningKey::from_seed(seed);
    let operating = operating.as_ref().map(signs);
    let change = OwnChange {
        department: own,
        number,
        operating: operating.as_ref().map(SigningKey::public),
        transport: transport
            .as_ref()
            .map(|seed| PeerId::from_transport_seed(seed)),
        sealing: sealing
            .as_ref()
            .map(|seed| SealingSecret::from_seed(seed).public()),
        lost: after_loss.as_ref().map(|after| after.lost.clone()),
    };
    let transport = transport.as_ref().map(signs);
    let chain = network.state().network();
    let change = UnsignedChange::new(chain, change, operating.as_ref(), transport.as_ref());
    let beside = after_loss.map(|after| ("after_loss", after.json()));
    let request = Request::Change(Box::new(change));
    if !args.stolen {
        return sign::decide_with(&request, beside, &args.signer, &client, &network, screen);
    }
    sign::sign_and_submit(&request, &args.signer, &client, &network, screen)?;
    if !screen.json() {
        screen.line(
            "The next operating key takes its place; where the stolen one ended is being witnessed",
        )?;
    }
    let ended = end_epoch::as_stolen(own, epoch, &client, Some(chain))?;
    end_epoch::report(own, epoch, &ended, screen)
}

/// The key that takes the place of one: made and written durably, unless an attempt before did that.
fn next_key(
    path: &Path,
    number: u64,
    kind: SecretFile,
    files: &KeyFiles,
) -> Result<Zeroizing<[u8; 32]>, Error> {
    is_there(path)?;
    let next = successor(path, number);
    if next.exists() {
        return files.read(&next, kind);
    }
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(&mut *seed).map_err(Error::Randomness)?;
    // Whole or not at all: a node reads it at its next start.
    let text = files.text(kind, &seed)?;
    write_whole(&next, text.as_bytes(), false, Access::Owner)?;
    sync_directory(&directory_of(&next))?;
    Ok(seed)
}

fn is_there(key: &Path) -> Result<(), Error> {
    match key.exists() {
        true => Ok(()),
        false => Err(Error::govern(format!(
            "{}: there is no such key; give the directory of this department's node with --dir",
            key.display()
        ))),
    }
}
