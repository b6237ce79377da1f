//! `certmesh network join`: a department that did not found the network becomes ready to run its node.

use std::path::{Path, PathBuf};

use certmesh_ledger::codec;
use certmesh_ledger::crypto::keys::{SecretFile, SigningKey};
use certmesh_ledger::crypto::secret_files;
use certmesh_ledger::crypto::signer::Signer as _;
use certmesh_ledger::genesis::Department;
use certmesh_ledger::governance::{Introduction, Member, Newcomer, Standing, TrustFile};
use clap::Args;
use serde_json::json;

use super::{read_department, read_genesis};
use crate::department::usual_place;
use crate::files::{Access, write_whole};
use crate::govern::envelope::{INTRODUCTION, seal};
use crate::identity::{self, KeyPlace, PassphraseFile};
use crate::screen::{Screen, Tone};
use crate::{Error, Outcome};

/// Join a network that runs already: introduce a department to its members, and take in what they decide
///
/// The trust file comes from a member (`certmesh govern trust-file`). Before the members have admitted the department this writes
/// its `introduction`, which a member's governor proposes with `certmesh govern propose admit`. Given a trust file of after that,
/// it leaves the directory ready for the node, which asks the other members for the catalogue key when it starts.
#[derive(Debug, Args)]
#[command(after_help = JOIN_EXAMPLES)]
pub(crate) struct Join {
    /// The network's trust file, as a member has it now
    #[arg(value_name = "TRUST")]
    trust: PathBuf,
    /// The department's directory, as `certmesh department init` made it
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// The file of the department's identity key, or the `pkcs11:` URI of one in a token [default: beside the directory, as
    /// `certmesh department init` puts it]
    #[arg(long, value_name = "FILE|URI", value_parser = KeyPlace::parser())]
    identity_key: Option<KeyPlace>,
    #[command(flatten)]
    passphrase: PassphraseFile,
}

const JOIN_EXAMPLES: &str = "\
Examples:
  certmesh network join network.trust --dir health
  certmesh network join network.trust --dir health --identity-key safe/health-identity.key";

pub(super) fn join(args: &Join, screen: &mut Screen) -> Result<Outcome, Error> {
    let department = own_department(&args.dir)?;
    let trust = take_in(args)?;
    let history = &trust.history;
    match history.department_at(&department.code, history.height()) {
        None => introduce(args, &department, &trust, screen),
        Some(member) => admitted(args, &department, member, &trust, screen),
    }
}

fn own_department(dir: &Path) -> Result<Department, Error> {
    let mut faults = Vec::new();
    let department = read_department(&dir.join("department.toml"), &mut faults);
    department.ok_or(Error::Faults {
        what: "the department can't join:",
        faults,
    })
}

/// Verifies the trust file and puts it into the directory, with its genesis, unless what is there is of another network or newer.
fn take_in(args: &Join) -> Result<TrustFile, Error> {
    let genesis_path = args.dir.join("network.toml");
    let expected = match genesis_path.exists() {
        true => Some(read_genesis(&genesis_path)?.network_id()),
        false => None,
    };
    let read = |path: &Path| -> Result<(TrustFile, Vec<u8>), Error> {
        let bytes = std::fs::read(path).map_err(|error| Error::read(path, error))?;
        let trust = TrustFile::read(&bytes, expected);
        let trust = trust
            .map_err(|error| Error::malformed(path, "a network's trust file", error.to_string()))?;
        Ok((trust, bytes))
    };
    let (trust, bytes) = read(&args.trust)?;
    let place = args.dir.join("network.trust");
    if place.exists() {
        let (before, _) = read(&place)?;
        let (height, head) = (before.history.height(), before.history.state().head());
        if trust.history.head_at(height) != Some(head) {
            let why = format!(
                "it does not lead to block {height} ({head}), the last one in {}: it is older, or of people who hold stolen keys",
                place.display()
            );
            return Err(Error::malformed(&args.trust, "a newer trust file", why));
        }
    }
    if expected.is_none() {
        let text = trust.genesis.to_toml();
        write_whole(&genesis_path, text.as_bytes(), false, Access::Everyone)?;
    }
    write_whole(&place, &bytes, true, Access::Everyone)?;
    Ok(trust)
}

/// One of the department's keys.
fn key(dir: &Path, name: &str, kind: SecretFile) -> Result<SigningKey, Error> {
    let path = dir.join("keys").join(name);
    let wrong = |detail: String| Error::malformed(&path, "a key file", detail);
    let text = secret_files::read(&path).map_err(|error| wrong(error.to_string()))?;
    let seed = kind.read(text.expose());
    let seed = seed.map_err(|error| wrong(error.to_string()))?;
    Ok(SigningKey::from_seed(&seed))
}

fn introduce(
    args: &Join,
    department: &Department,
    trust: &TrustFile,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let place = args.identity_key.clone();
    let place = place.or_else(|| usual_place(&args.dir).map(KeyPlace::File));
    let place = place.ok_or(Error::Usage("give --identity-key"))?;
    let identity = identity::open(&place, &args.passphrase, screen)?;
    if identity.public() != department.identity_key {
        return Err(Error::govern(format!(
            "{place} is not this department's identity key: the one in the directory's department.toml is another"
        )));
    }
    let operating = key(&args.dir, "signing.key", SecretFile::Signing)?;
    let transport = key(&args.dir, "transport.key", SecretFile::Transport)?;
    let newcomer = Newcomer::from(department);
    let network = trust.genesis.network_id();
    let introduction = Introduction::sign(network, newcomer, &identity, &operating, &transport)?;
    if !introduction.is_proved(network) {
        let detail = "keys/signing.key or keys/transport.key is not the one in department.toml";
        return Err(Error::malformed(
            &args.dir,
            "a department's directory",
            detail,
        ));
    }
    let out = args.dir.join("introduction");
    let text = seal(INTRODUCTION, &codec::encode(&introduction));
    write_whole(&out, text.as_bytes(), true, Access::Everyone)?;
    let height = trust.history.height();
    if screen.json() {
        screen.print_json(&json!({
            "department": department.code, "network": network.to_string(), "height": height, "admitted": false,
            "introduction": out,
        }))?;
        return Ok(Outcome::Yes);
    }
    let word = screen.paint(Tone::Good, "INTRODUCED");
    let name = department.display_name();
    screen.line(format!(
        "{word}  {name} ({}) to {}",
        department.code,
        trust.genesis.name()
    ))?;
    screen.field("network", network.to_string())?;
    screen.field("identity key", department.identity_key.to_string())?;
    screen.line("")?;
    screen.line("Next:")?;
    screen.line("  1. Compare the network with what a member says: `certmesh govern members` shows it there.")?;
    screen.line(format!(
        "  2. Send {} to a governor, who proposes: certmesh govern propose admit introduction. Others compare the identity key \
         with you before they approve.",
        out.display()
    ))?;
    screen.line("  3. Once the members have decided, join again with a new trust file.")?;
    Ok(Outcome::Yes)
}

fn admitted(
    args: &Join,
    department: &Department,
    member: &Member,
    trust: &TrustFile,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    let height = trust.history.height();
    if let Standing::Removed { since, .. } = member.standing {
        return Err(Error::govern(format!(
            "the members removed {} in block {since}, and this version of certmesh admits no department a second time",
            member.display_name()
        )));
    }
    if member.keys.transport != department.peer_id {
        return Err(Error::govern(format!(
            "the network has another peer for {} ({}) than this directory's keys make ({}): is it another directory of the \
             department?",
            member.display_name(),
            member.keys.transport,
            department.peer_id
        )));
    }
    let network = trust.genesis.network_id();
    if screen.json() {
        screen.print_json(&json!({
            "department": department.code, "network": network.to_string(), "height": height, "admitted": true,
        }))?;
        return Ok(Outcome::Yes);
    }
    let word = screen.paint(Tone::Good, "MEMBER");
    let dir = args.dir.display();
    let name = member.display_name();
    screen.line(format!(
        "{word}  {name} ({}) belongs to {}",
        member.code,
        trust.genesis.name()
    ))?;
    screen.field("network", network.to_string())?;
    screen.line("")?;
    screen.line("Next:")?;
    screen.line(format!(
        "  - Start the node: certmesh-node run --config {dir}/node.toml"
    ))?;
    if !args.dir.join("keys/catalogue.key").exists() {
        screen.line(
            "    It gets the network's catalogue key from another member, sealed to this department: nothing has to be copied.",
        )?;
    }
    screen.line(
        "  - It states to the others where it can be reached: `external` under [net] in node.toml, else where it listens.",
    )?;
    Ok(Outcome::Yes)
}
