//! A department of a test network: its directory and what is in it.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use certmesh_ledger::codec::{Ascending, Bounded, Text};
use certmesh_ledger::crypto::keys::{SecretFile, SigningKey};
use certmesh_ledger::crypto::sealing::SealingSecret;
use certmesh_ledger::genesis::{Department, MAX_GOVERNORS, PeerId, Role};
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::last_run::Mark;
use certmesh_ledger::names::LogId;
use zeroize::Zeroizing;

use super::identities::{self, Identities};
use super::{Founder, member_dir, replace, write_new};
use crate::Error;

/// Where the network's secrets come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Randomness {
    /// The operating system.
    System,
    /// A number: the same keys each time, for tests.
    Seed(u64),
}

impl Randomness {
    pub(super) fn secret(self, what: &str) -> Result<Zeroizing<[u8; 32]>, Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        match self {
            Randomness::System => {
                getrandom::fill(bytes.as_mut_slice()).map_err(|error| {
                    Error::system("randomness")(io::Error::other(error.to_string()))
                })?;
            }
            Randomness::Seed(seed) => {
                let material = format!("{seed} {what}");
                *bytes =
                    blake3::derive_key("certmesh testnet 2026 seeded secrets", material.as_bytes());
            }
        }
        Ok(bytes)
    }
}

/// A department of a test network and where its things are.
#[derive(Clone, Debug)]
pub struct Member {
    /// Place in the network, from 0.
    pub index: usize,
    /// What the genesis says of it.
    pub department: Department,
    /// Its directory.
    pub dir: PathBuf,
}

impl Member {
    /// Its code.
    pub fn code(&self) -> DepartmentCode {
        self.department.code
    }

    /// Its English name.
    pub fn name(&self) -> &str {
        self.department.name.as_str()
    }

    /// Its node's configuration file.
    pub fn config(&self) -> PathBuf {
        self.dir.join("node.toml")
    }

    /// Its node's data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.join("data")
    }

    /// The file its node writes while it runs.
    pub fn node_file(&self) -> PathBuf {
        self.data().join("node.json")
    }

    /// The file with an administrator's token.
    pub fn token_file(&self) -> PathBuf {
        self.dir.join("admin.token")
    }

    /// The file of its identity key, apart from its directory as from the node of a real department.
    pub fn identity_key(&self) -> PathBuf {
        identities::key_file(self.network_dir(), self.index)
    }

    /// The file of the passphrase of its identity key, the same for all of the network.
    pub fn passphrase_file(&self) -> PathBuf {
        identities::passphrase_file(self.network_dir())
    }

    fn network_dir(&self) -> &Path {
        self.dir.parent().expect("it is in its network's directory")
    }

    /// What its node prints.
    pub fn node_log(&self) -> PathBuf {
        self.dir.join("node.log")
    }

    /// The signing key of its log.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Key`] when the file cannot be read.
    pub fn signing_key(&self) -> Result<SigningKey, Error> {
        let path = self.dir.join("keys/signing.key");
        let text = Zeroizing::new(fs::read_to_string(&path).map_err(Error::file(&path))?);
        Ok(SigningKey::from_seed(&*SecretFile::Signing.read(&text)?))
    }

    /// The mark beside its keys that says which data directory its node ran with last.
    pub(crate) fn mark(&self) -> Mark {
        let heads = self.data().join("heads");
        let mark = Mark::new(&self.dir.join("keys/signing.key"), &self.data());
        mark.with_head(&heads, LogId::first(self.code()))
    }

    /// Writes the node's configuration. `peers` says where it finds the others: multiaddresses by code, which stand in
    /// place of those in the genesis.
    ///
    /// # Errors
    /// [`Error::File`].
    pub fn write_config(&self, peers: &[(DepartmentCode, String)]) -> Result<(), Error> {
        let mut text = format!(
            "# Configuration of the department's node; written again by certmesh-testnet at every start, with\n\
             # what stands in more.toml beside it at the end.\n\n\
             department = \"{code}\"\n\
             data_dir = \"data\"\n\
             network = \"network.toml\"\n\n\
             [keys]\n\
             signing = \"keys/signing.key\"\n\
             transport = \"keys/transport.key\"\n\
             sealing = \"keys/sealing.key\"\n\
             field = \"keys/field.key\"\n\
             catalogue = \"keys/catalogue.key\"\n\n\
             [api]\n\
             listen = \"127.0.0.1:0\"\n\
             tokens = \"tokens.toml\"\n\
             # One machine plays all departments, and may be measured.\n\
             lookups_per_second = 100000\n\n\
             [log]\n\
             format = \"text\"\n\
             level = \"info,certmesh_node::access=warn\"\n\n\
             [net]\n\
             listen = [\"/ip4/127.0.0.1/tcp/0\"]\n\
             retrievals_per_second = 100000\n",
            code = self.code(),
        );
        if !peers.is_empty() {
            text.push_str("\n[net.peers]\n");
        }
        for (code, address) in peers {
            text.push_str(&format!("\"{code}\" = [\"{address}\"]\n"));
        }
        let more = self.more_config();
        match fs::read_to_string(&more) {
            Ok(settings) => text.push_str(&format!("\n{settings}")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::file(&more)(error)),
        }
        replace(&self.config(), text.as_bytes())
    }

    /// Settings of one's own, such as folders to watch; they are added to the configuration at every start.
    pub fn more_config(&self) -> PathBuf {
        self.dir.join("more.toml")
    }
}

/// Makes a department's directory.
pub(super) fn create_member(
    dir: &Path,
    index: usize,
    founder: &Founder,
    randomness: Randomness,
    identities: &Identities<'_>,
) -> Result<Member, Error> {
    let place = member_dir(dir, index);
    fs::create_dir(&place).map_err(Error::file(&place))?;
    for private in ["keys", "data"].map(|name| place.join(name)) {
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&private)
            .map_err(Error::file(&private))?;
    }
    let secret = |what: &str| randomness.secret(&format!("{index} {what}"));
    let (signing, transport, field) = (secret("signing")?, secret("transport")?, secret("field")?);
    let (identity, sealing) = (secret("identity")?, secret("sealing")?);
    for (file, secret, name) in [
        (SecretFile::Signing, &signing, "signing.key"),
        (SecretFile::Transport, &transport, "transport.key"),
        (SecretFile::Sealing, &sealing, "sealing.key"),
        (SecretFile::Field, &field, "field.key"),
    ] {
        write_new(
            &place.join("keys").join(name),
            file.write(secret).as_bytes(),
            0o600,
        )?;
    }
    identities.write(index, founder.code, &identity)?;
    let mark = Mark::new(&place.join("keys/signing.key"), &place.join("data"));
    mark.write_never_appended()
        .map_err(Error::file(mark.path()))?;
    let token = Zeroizing::new(hex::encode(secret("token")?.as_slice()));
    write_new(
        &place.join("admin.token"),
        format!("{}\n", *token).as_bytes(),
        0o600,
    )?;
    let tokens = format!(
        "[[client]]\nname = \"admin\"\nrole = \"admin\"\ntoken_blake3 = \"{}\"\n",
        blake3::hash(token.as_bytes()).to_hex()
    );
    write_new(&place.join("tokens.toml"), tokens.as_bytes(), 0o600)?;
    let text = |text: &str| Text::new(text).map_err(|error| Error::Broken(error.to_string()));
    let department = Department {
        code: founder.code,
        name: text(&founder.name)?,
        name_zh: Some(text(&founder.name_zh)?),
        roles: Ascending::first([Role::Issue]),
        // No more can govern.
        governs: founder.governs && index < MAX_GOVERNORS,
        identity_key: SigningKey::from_seed(&identity).public(),
        signing_key: SigningKey::from_seed(&signing).public(),
        peer_id: PeerId::from_transport_seed(&transport),
        sealing_key: SealingSecret::from_seed(&sealing).public(),
        // Peers are found through the links of the test network, whose ports are known only while it runs.
        addresses: Bounded::first([]),
    };
    write_new(
        &place.join("department.toml"),
        department.to_toml().as_bytes(),
        0o644,
    )?;
    Ok(Member {
        index,
        department,
        dir: place,
    })
}
