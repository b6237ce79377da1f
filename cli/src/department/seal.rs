//! `certmesh department seal-keys`: the node's keys, encrypted under a passphrase.
//!
//! Each file is replaced as a whole by a rename. Whatever a crash leaves, each key is in a file, plain or sealed, and a node reads
//! both: the command is run again.

use std::path::{Path, PathBuf};

use certmesh_ledger::crypto::keys::SecretFile;
use certmesh_ledger::crypto::passphrase::Cost;
use certmesh_ledger::crypto::sealed_keys::{Derivation, KeySealer, derivation};
use certmesh_ledger::crypto::secret_files::{self, SecretText};
use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use crate::files::{Access, write_whole};
use crate::node_keys::KeyFiles;
use crate::screen::{Screen, Tone};
use crate::{Error, Outcome, passphrase};

/// Encrypt the node's keys under a passphrase, or decrypt them again
///
/// Encrypted, the files in `keys/` are of no use to whoever copies them without the passphrase, such as in a backup. The node
/// gets it from the file that `keys.passphrase_file` in node.toml names, or from a service manager, as the credential
/// `certmesh-keys`. `certmesh govern rotate` encrypts the keys that it makes in the same way, and the node those that it gets
/// from others; a key that `certmesh govern propose catalogue-key` makes is plain until this is run again. It may be run while
/// the node runs: that reads the keys at its start, and when one is replaced.
///
/// The disk may still hold what was in the files before.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SealKeys {
    /// The department's directory, as `certmesh department init` made it
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// File with the passphrase, one line, mode 0600 [default: asked for]
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Decrypt them
    #[arg(long)]
    undo: bool,
}

const EXAMPLES: &str = "\
Examples:
  certmesh department seal-keys --dir transport
  certmesh department seal-keys --dir transport --passphrase-file /etc/certmesh/passphrase
  certmesh department seal-keys --dir transport --passphrase-file /etc/certmesh/passphrase --undo";

const KINDS: [(&str, SecretFile); 5] = [
    ("signing.key", SecretFile::Signing),
    ("transport.key", SecretFile::Transport),
    ("sealing.key", SecretFile::Sealing),
    ("field.key", SecretFile::Field),
    ("catalogue.key", SecretFile::Catalogue),
];

/// A key file.
struct KeyFile {
    path: PathBuf,
    kind: SecretFile,
    text: SecretText,
}

impl KeyFile {
    fn is_sealed(&self) -> bool {
        self.kind.is_sealed(self.text.expose())
    }

    fn malformed(&self, error: &dyn ToString) -> Error {
        Error::malformed(&self.path, "a key file", error.to_string())
    }

    fn opened(&self, sealer: &KeySealer) -> Result<Zeroizing<[u8; 32]>, Error> {
        let opened = sealer.open(self.kind, self.text.expose());
        opened.map_err(|error| self.malformed(&error))
    }

    /// What it would hold if it were sealed, or weren't; none if it is so already.
    fn changed(
        &self,
        sealer: &KeySealer,
        how: Derivation,
        undo: bool,
    ) -> Result<Option<Zeroizing<String>>, Error> {
        if self.is_sealed() {
            // Under another passphrase the node would not start.
            let secret = self.opened(sealer)?;
            return Ok(undo.then(|| self.kind.write(&secret)));
        }
        let secret = self.kind.read(self.text.expose());
        let secret = secret.map_err(|error| self.malformed(&error))?;
        if undo {
            return Ok(None);
        }
        let files = KeyFiles::Sealed(sealer.clone(), how);
        files.text(self.kind, &secret).map(Some)
    }
}

pub(super) fn run(args: &SealKeys, screen: &mut Screen) -> Result<Outcome, Error> {
    let files = key_files(&args.dir.join("keys"))?;
    let sealed = files.iter().find(|file| file.is_sealed());
    let passphrase = passphrase::of_node_keys(
        args.passphrase_file.as_deref(),
        "give --passphrase-file",
        &args.dir,
        sealed.is_none(),
        screen,
    )?;
    let sealer = KeySealer::new(passphrase);
    // Those that are sealed have a salt already, and with one for all a start derives one key.
    let how = match sealed {
        Some(file) => {
            derivation(file.kind, file.text.expose()).map_err(|error| file.malformed(&error))?
        }
        None => new_derivation()?,
    };
    // All of them are made before any is replaced: what is wrong with one leaves all as they are.
    let mut changes = Vec::new();
    for file in &files {
        if let Some(text) = file.changed(&sealer, how, args.undo)? {
            changes.push((&file.path, text));
        }
    }
    for (path, text) in &changes {
        write_whole(path, text.as_bytes(), true, Access::Owner)?;
    }
    shown(args, changes.len(), files.len(), screen)
}

/// The key files there are, with those that took the place of others.
fn key_files(keys: &Path) -> Result<Vec<KeyFile>, Error> {
    let mut files = Vec::new();
    for (name, kind) in KINDS {
        let first = keys.join(name);
        for path in secret_files::with_successors(&first)? {
            // Nobody has the catalogue key before the network is founded; later the genesis's may lack.
            if kind == SecretFile::Catalogue && path == first && !first.exists() {
                continue;
            }
            let text = secret_files::read(&path)?;
            files.push(KeyFile { path, kind, text });
        }
    }
    Ok(files)
}

/// Whether any key file of a node is encrypted.
pub(crate) fn has_sealed_keys(keys: &Path) -> Result<bool, Error> {
    Ok(key_files(keys)?.iter().any(KeyFile::is_sealed))
}

fn new_derivation() -> Result<Derivation, Error> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(Error::Randomness)?;
    let cost = Cost::USUAL;
    Ok(Derivation { cost, salt })
}

fn shown(
    args: &SealKeys,
    changed: usize,
    all: usize,
    screen: &mut Screen,
) -> Result<Outcome, Error> {
    if screen.json() {
        screen.print_json(&json!({
            "directory": args.dir, "sealed": !args.undo, "changed": changed, "files": all,
        }))?;
        return Ok(Outcome::Yes);
    }
    let done = screen.paint(Tone::Good, "DONE");
    let how = if args.undo { "plain" } else { "encrypted" };
    screen.line(format!(
        "{done}  {all} key files in {} are {how}, {changed} of them since now",
        args.dir.join("keys").display()
    ))?;
    if !args.undo {
        screen.line("")?;
        screen.line("Next:")?;
        screen.line(
            "  - Name the file of the passphrase as `passphrase_file` under [keys] in node.toml, or have the service manager give it \
             as the credential certmesh-keys. Without it the node does not start.",
        )?;
        screen.line("  - Keep the passphrase elsewhere as well: nobody else can open the keys.")?;
    }
    Ok(Outcome::Yes)
}
