//! `certmesh govern renew-identity`: another identity key for a department whose own is lost, or in other hands.

use std::path::PathBuf;

use certmesh_ledger::codec;
use certmesh_ledger::crypto::keys::SigningKey;
use certmesh_ledger::crypto::signer::Signer as _;
use certmesh_ledger::governance::ReplaceIdentity;
use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use super::envelope::{RENEWAL, seal};
use super::network::Network;
use super::sign;
use crate::args::Global;
use crate::files::{Access, write_new};
use crate::identity::{self, IdentityKey, KeyPlace, PassphraseFile};
use crate::screen::{Screen, Tone};
use crate::{Error, Outcome};

/// Make this department another identity key, and ask the members to put it in the place of the present one
///
/// For a key that was lost, or may be in other hands: the present one is not needed. The new key is written encrypted, as
/// `certmesh department init` writes the first. The renewal goes to a governor, who proposes it (`certmesh govern propose
/// identity`). Until the members have decided, the present key is in force.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct RenewIdentity {
    /// Where the new key is kept: made there, or taken if an attempt before made it; or the `pkcs11:` URI of one that was made
    /// in a token
    #[arg(long, value_name = "FILE|URI", value_parser = KeyPlace::parser())]
    identity_key: KeyPlace,
    #[command(flatten)]
    passphrase: PassphraseFile,
    /// The renewal, for a governor
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

const EXAMPLES: &str = "\
Examples:
  certmesh govern renew-identity --identity-key health-identity-2.key --out health.renewal";

pub(super) fn run(
    args: &RenewIdentity,
    global: &Global,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let (client, network) = Network::of(global)?;
    let own = sign::own(&client)?;
    let before = network.member(&own)?.keys.identity;
    let place = &args.identity_key;
    let key = match place.file().filter(|path| !path.exists()) {
        None => identity::open(place, &args.passphrase, screen)?,
        Some(path) => {
            let passphrase = args.passphrase.of_new_key(path, screen)?;
            let mut seed = Zeroizing::new([0; 32]);
            getrandom::fill(&mut *seed).map_err(Error::Randomness)?;
            identity::make(path, own, &seed, &passphrase)?;
            IdentityKey::File(SigningKey::from_seed(&seed))
        }
    };
    let after = key.public();
    if after == before {
        return Err(Error::govern(format!(
            "{place} holds the present identity key: give another place for the new one"
        )));
    }
    let renewal = ReplaceIdentity::sign(network.state().network(), own, before, &key)?;
    let text = seal(RENEWAL, &codec::encode(&renewal));
    write_new(&args.out, text.as_bytes(), Access::Everyone)?;
    if screen.json() {
        screen.print_json(&json!({
            "department": own, "before": before.to_string(), "after": after.to_string(), "renewal": args.out,
        }))?;
        return Ok(Outcome::Yes);
    }
    let word = screen.paint(Tone::Good, "MADE");
    screen.line(format!("{word}  {place}"))?;
    screen.field("present key", before.to_string())?;
    screen.field("new key", after.to_string())?;
    screen.line("")?;
    screen.line("Next:")?;
    screen.line(format!(
        "  - Send {} to a governor, who proposes: certmesh govern propose identity FILE. Others compare the new key with you \
         before they approve.",
        args.out.display()
    ))?;
    Ok(Outcome::Yes)
}
