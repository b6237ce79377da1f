//! The directory of a test network: what `certmesh department init` and `certmesh network create` would leave behind,
//! for every department at once.
//!
//! ```text
//! D/network.toml      genesis
//! D/catalogue.key     0600
//! D/01/ … D/NN/       a department's directory each, ready for its node
//! D/identities/       their identity keys, 01.key … NN.key, and the passphrase that opens them
//! ```

mod identities;
mod member;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use certmesh_ledger::crypto::keys::{CatalogueKey, Secret, SecretFile};
use certmesh_ledger::genesis::{Department, Genesis, Policy};
use certmesh_ledger::id::DepartmentCode;

use self::identities::Identities;
use self::member::create_member;
use crate::Error;
use crate::departments::{self, MAX_DEPARTMENTS};

pub use self::member::{Member, Randomness};

/// Who founds a network.
#[derive(Clone, Debug)]
pub struct Founder {
    /// Code.
    pub code: DepartmentCode,
    /// Name, of up to 128 bytes.
    pub name: String,
    /// Name in Chinese, likewise.
    pub name_zh: String,
    /// Whether it governs, if not too many do already.
    pub governs: bool,
}

impl Founder {
    /// The department of a number, from 0.
    ///
    /// # Errors
    /// [`Error::Departments`] beyond the last.
    pub fn numbered(index: usize) -> Result<Founder, Error> {
        Ok(Founder {
            code: departments::code(index)?,
            name: departments::name(index),
            name_zh: departments::chinese_name(index),
            governs: true,
        })
    }
}

/// A network in a directory, running or not.
#[derive(Clone, Debug)]
pub struct Network {
    dir: PathBuf,
    genesis: Genesis,
    members: Vec<Member>,
}

impl Network {
    /// Makes a network of this many departments. The directory must be empty or absent.
    ///
    /// # Errors
    /// [`Error::Departments`], [`Error::NotEmpty`], [`Error::File`].
    pub fn create(
        dir: &Path,
        departments: usize,
        randomness: Randomness,
    ) -> Result<Network, Error> {
        if !(1..=MAX_DEPARTMENTS).contains(&departments) {
            return Err(Error::Departments {
                found: departments,
                max: MAX_DEPARTMENTS,
            });
        }
        let founders: Result<Vec<Founder>, Error> =
            (0..departments).map(Founder::numbered).collect();
        Network::of(dir, &founders?, randomness)
    }

    /// Makes a network of these departments. The directory must be empty or absent.
    ///
    /// # Errors
    /// As for [`Network::create`], and [`Error::Genesis`] for departments that cannot be in one network.
    pub fn of(dir: &Path, founders: &[Founder], randomness: Randomness) -> Result<Network, Error> {
        Network::joined_later(dir, founders, 0, randomness)
    }

    /// The same, where the last few departments are not in the genesis: they have directories, as `certmesh department init`
    /// leaves them, and may be admitted later: without genesis and catalogue key.
    ///
    /// # Errors
    /// As for [`Network::of`].
    pub fn joined_later(
        dir: &Path,
        departments: &[Founder],
        newcomers: usize,
        randomness: Randomness,
    ) -> Result<Network, Error> {
        fs::create_dir_all(dir).map_err(Error::file(dir))?;
        if fs::read_dir(dir)
            .map_err(Error::file(dir))?
            .flatten()
            .any(|entry| !is_ours(&entry.path()))
        {
            return Err(Error::NotEmpty(dir.to_owned()));
        }
        let dir = dir.canonicalize().map_err(Error::file(dir))?;
        let mut members = Vec::new();
        let identities = Identities::make(&dir, randomness)?;
        for (index, department) in departments.iter().enumerate() {
            members.push(create_member(
                &dir,
                index,
                department,
                randomness,
                &identities,
            )?);
        }
        let founders = &members[..members.len().saturating_sub(newcomers)];
        let departments = founders
            .iter()
            .map(|member| member.department.clone())
            .collect();
        let secret = randomness.secret("catalogue")?;
        let commitment = CatalogueKey(Secret::from_bytes(*secret)).commitment();
        let genesis = Genesis::new(
            "Testnet",
            now_ms(),
            commitment,
            Policy::usual(),
            departments,
        )?;
        let text = genesis.to_toml();
        let catalogue_key = SecretFile::Catalogue.write(&secret);
        for member in &members {
            if member.index < genesis.departments().len() {
                write_new(&member.dir.join("network.toml"), text.as_bytes(), 0o644)?;
                write_new(
                    &member.dir.join("keys/catalogue.key"),
                    catalogue_key.as_bytes(),
                    0o600,
                )?;
            }
            member.write_config(&[])?;
        }
        write_new(&dir.join("catalogue.key"), catalogue_key.as_bytes(), 0o600)?;
        // Last: a directory with this file is a whole network.
        write_new(&dir.join("network.toml"), text.as_bytes(), 0o644)?;
        Ok(Network {
            dir,
            genesis,
            members,
        })
    }

    /// Opens the network in a directory.
    ///
    /// # Errors
    /// [`Error::NoNetwork`], [`Error::File`], [`Error::Malformed`].
    pub fn open(dir: &Path) -> Result<Network, Error> {
        let path = dir.join("network.toml");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(Error::NoNetwork(dir.to_owned()));
            }
            Err(error) => return Err(Error::file(&path)(error)),
        };
        let genesis =
            Genesis::from_toml(&text).map_err(|faults| Error::malformed(&path, &faults))?;
        let dir = dir.canonicalize().map_err(Error::file(dir))?;
        let mut members = Vec::new();
        for index in 0..genesis.departments().len() {
            let place = member_dir(&dir, index);
            let path = place.join("department.toml");
            let text = fs::read_to_string(&path).map_err(Error::file(&path))?;
            let department =
                Department::from_toml(&text).map_err(|faults| Error::malformed(&path, &faults))?;
            if !genesis.departments().contains(&department) {
                return Err(Error::malformed(
                    &path,
                    &"the department is not in the network's genesis",
                ));
            }
            members.push(Member {
                index,
                department,
                dir: place,
            });
        }
        Ok(Network {
            dir,
            genesis,
            members,
        })
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its genesis.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// Its departments, those that may be admitted later last.
    pub fn members(&self) -> &[Member] {
        &self.members
    }
}

fn member_dir(dir: &Path, index: usize) -> PathBuf {
    dir.join(format!("{:02}", index + 1))
}

/// Files that a supervisor makes before the network.
fn is_ours(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name == "supervisor.lock" || name == "supervisor.log")
}

/// Milliseconds since 1970 UTC.
pub(crate) fn now_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(path)?;
        file.write_all(bytes)
    };
    write().map_err(Error::file(path))
}

/// Writes a file whole, so that a reader sees the old content or the new.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let new = path.with_extension("new");
    let write = || -> io::Result<()> {
        File::create(&new)?.write_all(bytes)?;
        fs::rename(&new, path)
    };
    write().map_err(Error::file(path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use certmesh_ledger::crypto::identity_file::{IdentityFile, KeyHolder};
    use certmesh_ledger::crypto::passphrase::Passphrase;

    use super::*;

    #[test]
    fn a_network_s_directory_holds_what_its_nodes_need_and_opens_again() {
        let dir = tempfile::tempdir().unwrap();
        let made = Network::create(&dir.path().join("net"), 3, Randomness::Seed(1)).unwrap();
        let opened = Network::open(made.dir()).unwrap();
        assert_eq!(opened.genesis(), made.genesis());
        assert_eq!(opened.members().len(), 3);
        for member in opened.members() {
            assert_eq!(
                member.signing_key().unwrap().public(),
                member.department.signing_key
            );
            for file in ["signing", "transport", "sealing", "field", "catalogue"] {
                let path = member.dir.join(format!("keys/{file}.key"));
                assert_eq!(
                    fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                    0o600
                );
            }
            let identity = fs::read(member.identity_key()).unwrap();
            let identity = IdentityFile::from_bytes(&identity).unwrap();
            assert_eq!(identity.holder(), KeyHolder::Department(member.code()));
            let passphrase = fs::read_to_string(member.passphrase_file()).unwrap();
            let opened = identity.open(&Passphrase::of_file(&passphrase).unwrap());
            let public = opened.unwrap().public();
            assert_eq!(public, member.department.identity_key);
            let tokens: toml::Table =
                toml::from_str(&fs::read_to_string(member.dir.join("tokens.toml")).unwrap())
                    .unwrap();
            let token = fs::read_to_string(member.token_file()).unwrap();
            let hash = blake3::hash(token.trim().as_bytes()).to_hex().to_string();
            assert_eq!(
                tokens["client"][0]["token_blake3"].as_str(),
                Some(hash.as_str())
            );
            let genesis = fs::read_to_string(member.dir.join("network.toml")).unwrap();
            assert_eq!(&Genesis::from_toml(&genesis).unwrap(), made.genesis());
        }
    }

    #[test]
    fn the_configuration_says_where_the_others_are() {
        let dir = tempfile::tempdir().unwrap();
        let network = Network::create(dir.path(), 2, Randomness::Seed(1)).unwrap();
        let [one, two] = network.members() else {
            panic!("two members")
        };
        one.write_config(&[(two.code(), "/ip4/127.0.0.1/tcp/7".to_owned())])
            .unwrap();
        let config: toml::Table =
            toml::from_str(&fs::read_to_string(one.config()).unwrap()).unwrap();
        assert_eq!(config["department"].as_str(), Some(one.code().as_str()));
        assert_eq!(
            config["net"]["peers"][two.code().as_str()][0].as_str(),
            Some("/ip4/127.0.0.1/tcp/7")
        );
    }

    #[test]
    fn a_seed_gives_the_same_keys_and_the_system_never_does() {
        let keys = |randomness| {
            let dir = tempfile::tempdir().unwrap();
            Network::create(dir.path(), 1, randomness)
                .unwrap()
                .members()[0]
                .department
                .clone()
        };
        assert_eq!(keys(Randomness::Seed(5)), keys(Randomness::Seed(5)));
        assert_ne!(keys(Randomness::Seed(5)), keys(Randomness::Seed(6)));
        assert_ne!(keys(Randomness::System), keys(Randomness::System));
    }

    #[test]
    fn a_directory_with_something_else_in_it_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("thesis.txt"), "years of work").unwrap();
        assert!(matches!(
            Network::create(dir.path(), 2, Randomness::Seed(1)),
            Err(Error::NotEmpty(_))
        ));
        assert!(matches!(
            Network::open(dir.path()),
            Err(Error::NoNetwork(_))
        ));
        let none = Network::create(&dir.path().join("n"), 0, Randomness::Seed(1));
        assert!(matches!(none, Err(Error::Departments { found: 0, .. })));
    }
}
