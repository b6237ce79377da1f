//! The founding file of a network.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::codec::{self, Bounded, Text, TextError, TooMany};
use crate::hash::{Purpose, hash};
use crate::id::{DepartmentCode, IdError};
use crate::keys::{KeyError, PublicKey};

use super::{MAX_DEPARTMENTS, NetworkId, PeerId, PeerIdError};

/// The `format` line of a genesis file.
pub const GENESIS_FORMAT: &str = "certmesh-genesis-1";

/// What a department may do in its log beyond replicating and cosigning, which every member does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Issue certificates and change their status.
    Issue,
    /// Define certificate types of authorities that are not members.
    Define,
}

impl Role {
    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Role::Issue => "issue",
            Role::Define => "define",
        }
    }
}

impl FromStr for Role {
    type Err = crate::record::UnknownWord;

    fn from_str(text: &str) -> Result<Role, Self::Err> {
        match text {
            "issue" => Ok(Role::Issue),
            "define" => Ok(Role::Define),
            _ => Err(crate::record::UnknownWord {
                expected: "issue or define",
            }),
        }
    }
}

/// A member department, as it describes itself in its `department.toml` and as a genesis lists it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Department {
    /// Its unified social credit code.
    pub code: DepartmentCode,
    /// Its name.
    pub name: Text<128>,
    /// Its Chinese name.
    pub name_zh: Option<Text<128>>,
    /// What it may do, in ascending order, each once.
    pub roles: Bounded<Role, 8>,
    /// The key that signs its log, epoch 0.
    pub signing_key: PublicKey,
    /// Its peer's transport identity.
    pub peer_id: PeerId,
    /// Where its peer listens (multiaddresses).
    pub addresses: Bounded<Text<256>, 8>,
}

impl Department {
    /// The Chinese name where there is one, else the name.
    pub fn display_name(&self) -> &str {
        self.name_zh.as_ref().unwrap_or(&self.name).as_str()
    }

    /// Reads a `department.toml`.
    ///
    /// # Errors
    /// Every fault in it at once.
    pub fn from_toml(text: &str) -> Result<Department, GenesisFaults> {
        let raw: RawDepartment =
            toml::from_str(text).map_err(|e| GenesisFaults(vec![GenesisError::syntax(&e)]))?;
        let mut faults = Vec::new();
        let department = raw.check("department.toml", &mut faults);
        department
            .filter(|_| faults.is_empty())
            .ok_or(GenesisFaults(faults))
    }

    /// Writes a `department.toml`, or one table of a genesis.
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        let list = |items: Vec<String>| format!("[{}]", items.join(", "));
        let quote = |text: &str| toml::Value::from(text).to_string();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "code = {}", quote(self.code.as_str()));
        let _ = writeln!(out, "name = {}", quote(self.name.as_str()));
        if let Some(name) = &self.name_zh {
            let _ = writeln!(out, "name_zh = {}", quote(name.as_str()));
        }
        let _ = writeln!(
            out,
            "roles = {}",
            list(self.roles.iter().map(|r| quote(r.as_str())).collect())
        );
        let _ = writeln!(
            out,
            "signing_key = {}",
            quote(&self.signing_key.to_string())
        );
        let _ = writeln!(out, "peer_id = {}", quote(&self.peer_id.to_string()));
        let _ = writeln!(
            out,
            "addresses = {}",
            list(self.addresses.iter().map(|a| quote(a.as_str())).collect())
        );
        out
    }
}

/// The founding departments of a network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Genesis {
    format: Text<32>,
    name: Text<128>,
    created_ms: u64,
    departments: Bounded<Department, MAX_DEPARTMENTS>,
}

/// One fault of a genesis or department file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// Not TOML, or a value of the wrong type, or a key that does not belong there.
    #[error("{0}")]
    Syntax(String),
    /// Another format or version.
    #[error("format is `{0}`; this version reads `{GENESIS_FORMAT}`")]
    Format(String),
    /// A department code that is none.
    #[error("{at}: code: {error}")]
    Code {
        /// Which department.
        at: String,
        /// What is wrong.
        error: IdError,
    },
    /// A text too long or with control characters.
    #[error("{at}: {key}: {error}")]
    Text {
        /// Which department, or `genesis`.
        at: String,
        /// Which key.
        key: &'static str,
        /// What is wrong.
        error: TextError,
    },
    /// A name of nothing.
    #[error("{at}: name is empty")]
    NoName {
        /// Which department, or `genesis`.
        at: String,
    },
    /// An unknown role.
    #[error("{at}: roles: `{role}` is no role; expected issue or define")]
    Role {
        /// Which department.
        at: String,
        /// The word.
        role: String,
    },
    /// A signing key that cannot be used.
    #[error("{at}: signing_key: {error}")]
    Key {
        /// Which department.
        at: String,
        /// What is wrong.
        error: KeyError,
    },
    /// A peer identity that is none.
    #[error("{at}: peer_id: {error}")]
    PeerId {
        /// Which department.
        at: String,
        /// What is wrong.
        error: PeerIdError,
    },
    /// Too many of something.
    #[error("{at}: {key}: {error}")]
    TooMany {
        /// Which department, or `genesis`.
        at: String,
        /// Which key.
        key: &'static str,
        /// What is wrong.
        error: TooMany,
    },
    /// Two departments share what must be each one's own.
    #[error("{at}: {key} is also that of {other}")]
    Duplicate {
        /// Which department.
        at: String,
        /// Which key.
        key: &'static str,
        /// The earlier department.
        other: String,
    },
    /// No department at all.
    #[error("a network needs at least one [[department]]")]
    NoDepartment,
}

impl GenesisError {
    fn syntax(error: &toml::de::Error) -> GenesisError {
        GenesisError::Syntax(error.to_string().trim_end().to_owned())
    }
}

/// All faults of a genesis or department file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenesisFaults(pub Vec<GenesisError>);

impl fmt::Display for GenesisFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{fault}")?;
        }
        Ok(())
    }
}

impl std::error::Error for GenesisFaults {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGenesis {
    format: String,
    name: String,
    created_ms: u64,
    #[serde(default)]
    department: Vec<RawDepartment>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDepartment {
    code: String,
    name: String,
    name_zh: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    signing_key: String,
    peer_id: String,
    #[serde(default)]
    addresses: Vec<String>,
}

fn text<const N: usize>(
    at: &str,
    key: &'static str,
    value: &str,
    faults: &mut Vec<GenesisError>,
) -> Option<Text<N>> {
    Text::new(value)
        .map_err(|error| {
            faults.push(GenesisError::Text {
                at: at.to_owned(),
                key,
                error,
            });
        })
        .ok()
}

fn name(at: &str, value: &str, faults: &mut Vec<GenesisError>) -> Option<Text<128>> {
    if value.trim().is_empty() {
        faults.push(GenesisError::NoName { at: at.to_owned() });
        return None;
    }
    text(at, "name", value, faults)
}

impl RawDepartment {
    fn check(&self, at: &str, faults: &mut Vec<GenesisError>) -> Option<Department> {
        let before = faults.len();
        let at = at.to_owned();
        let code = self
            .code
            .parse()
            .map_err(|error| {
                faults.push(GenesisError::Code {
                    at: at.clone(),
                    error,
                });
            })
            .ok();
        let name = name(&at, &self.name, faults);
        let name_zh = self
            .name_zh
            .as_ref()
            .map(|zh| text(&at, "name_zh", zh, faults));
        let mut roles = Vec::new();
        for role in &self.roles {
            match role.parse() {
                Ok(role) => roles.push(role),
                Err(_) => faults.push(GenesisError::Role {
                    at: at.clone(),
                    role: role.clone(),
                }),
            }
        }
        roles.sort_unstable();
        roles.dedup();
        let signing_key = self
            .signing_key
            .parse()
            .map_err(|error| {
                faults.push(GenesisError::Key {
                    at: at.clone(),
                    error,
                });
            })
            .ok();
        let peer_id = self
            .peer_id
            .parse()
            .map_err(|error| {
                faults.push(GenesisError::PeerId {
                    at: at.clone(),
                    error,
                });
            })
            .ok();
        let addresses = self
            .addresses
            .iter()
            .filter_map(|a| text(&at, "addresses", a, faults))
            .collect();
        let addresses = Bounded::new(addresses)
            .map_err(|error| {
                faults.push(GenesisError::TooMany {
                    at: at.clone(),
                    key: "addresses",
                    error,
                });
            })
            .ok();
        if faults.len() > before {
            return None;
        }
        Some(Department {
            code: code?,
            name: name?,
            name_zh: name_zh.flatten(),
            roles: Bounded::first(roles),
            signing_key: signing_key?,
            peer_id: peer_id?,
            addresses: addresses?,
        })
    }
}

impl Genesis {
    /// A genesis of these departments, in the order of their codes.
    ///
    /// # Errors
    /// Every fault at once: no department, an empty name, codes, keys or peer identities used twice.
    pub fn new(
        name: &str,
        created_ms: u64,
        departments: Vec<Department>,
    ) -> Result<Genesis, GenesisFaults> {
        let mut faults = Vec::new();
        let name = self::name("genesis", name, &mut faults);
        Genesis::assemble(name, created_ms, departments, faults)
    }

    fn assemble(
        name: Option<Text<128>>,
        created_ms: u64,
        mut departments: Vec<Department>,
        mut faults: Vec<GenesisError>,
    ) -> Result<Genesis, GenesisFaults> {
        if departments.is_empty() && faults.is_empty() {
            faults.push(GenesisError::NoDepartment);
        }
        duplicates(&departments, &mut faults);
        departments.sort_by_key(|department| department.code);
        let departments = Bounded::new(departments)
            .map_err(|error| {
                faults.push(GenesisError::TooMany {
                    at: "genesis".into(),
                    key: "department",
                    error,
                });
            })
            .ok();
        match (name, departments) {
            (Some(name), Some(departments)) if faults.is_empty() => {
                let format = Text::new(GENESIS_FORMAT).expect("a short constant");
                Ok(Genesis {
                    format,
                    name,
                    created_ms,
                    departments,
                })
            }
            _ => Err(GenesisFaults(faults)),
        }
    }

    /// Reads a genesis file.
    ///
    /// # Errors
    /// Every fault in it at once.
    pub fn from_toml(text: &str) -> Result<Genesis, GenesisFaults> {
        let raw: RawGenesis =
            toml::from_str(text).map_err(|e| GenesisFaults(vec![GenesisError::syntax(&e)]))?;
        let mut faults = Vec::new();
        if raw.format != GENESIS_FORMAT {
            faults.push(GenesisError::Format(raw.format.clone()));
        }
        let name = name("genesis", &raw.name, &mut faults);
        let mut departments = Vec::new();
        for (i, department) in raw.department.iter().enumerate() {
            departments.extend(department.check(
                &format!("department {} ({})", i + 1, department.code),
                &mut faults,
            ));
        }
        Genesis::assemble(name, raw.created_ms, departments, faults)
    }

    /// Writes the genesis file.
    pub fn to_toml(&self) -> String {
        let quote = |text: &str| toml::Value::from(text).to_string();
        let mut out = format!(
            "# The founding members of a certmesh network. Every member needs this very file: its content is the\n\
             # network's identity, {}.\n\
             format = {}\nname = {}\ncreated_ms = {}\n",
            self.network_id(),
            quote(self.format.as_str()),
            quote(self.name.as_str()),
            self.created_ms
        );
        for department in self.departments.iter() {
            out.push_str("\n[[department]]\n");
            out.push_str(&department.to_toml());
        }
        out
    }

    /// Hash of the canonical encoding: the same for every spelling of the same content.
    pub fn network_id(&self) -> NetworkId {
        NetworkId(hash(Purpose::Network, &codec::encode(self)))
    }

    /// Name of the network.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// When it was made, ms since 1970 UTC.
    pub fn created_ms(&self) -> u64 {
        self.created_ms
    }

    /// Its founding departments, by code.
    pub fn departments(&self) -> &[Department] {
        &self.departments
    }
}

fn duplicates(departments: &[Department], faults: &mut Vec<GenesisError>) {
    let mut seen: BTreeMap<(&'static str, String), &DepartmentCode> = BTreeMap::new();
    for department in departments {
        let own = [
            ("code", department.code.to_string()),
            ("signing_key", department.signing_key.to_string()),
            ("peer_id", department.peer_id.to_string()),
        ];
        for (key, value) in own {
            if let Some(other) = seen.insert((key, value), &department.code) {
                let at = format!("department {}", department.code);
                faults.push(GenesisError::Duplicate {
                    at,
                    key,
                    other: other.to_string(),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::SigningKey;

    fn department(code: &str, n: u8) -> Department {
        Department {
            code: code.parse().unwrap(),
            name: Text::new(format!("Department {n}")).unwrap(),
            name_zh: Some(Text::new("公安局 \"甲\"").unwrap()),
            roles: Bounded::first([Role::Issue]),
            signing_key: SigningKey::from_seed(&[n; 32]).public(),
            peer_id: PeerId::from_transport_seed(&[n; 32]),
            addresses: Bounded::first([Text::new("/ip4/127.0.0.1/tcp/7481").unwrap()]),
        }
    }

    #[test]
    fn the_file_round_trips_and_its_spelling_does_not_change_the_network() {
        let two = vec![
            department("11430000006122244L", 2),
            department("11100000000013338W", 1),
        ];
        let genesis = Genesis::new("Wuhan", 1, two).unwrap();
        let text = genesis.to_toml();
        let read = Genesis::from_toml(&text).unwrap();
        assert_eq!(read, genesis);
        let spelled = text
            .replace(" = ", "  =   ")
            .replace("[[department]]", "# again\n[[department]]");
        assert_eq!(
            Genesis::from_toml(&spelled).unwrap().network_id(),
            genesis.network_id()
        );
        let renamed = Genesis::from_toml(&text.replace("Wuhan", "Xiangyang")).unwrap();
        assert_ne!(renamed.network_id(), genesis.network_id());
        assert_eq!(
            Department::from_toml(&genesis.departments()[0].to_toml()).unwrap(),
            genesis.departments()[0]
        );
    }

    #[test]
    fn every_fault_is_reported_at_once() {
        let text = "format = \"certmesh-genesis-9\"\nname = \"\"\ncreated_ms = 0\n[[department]]\ncode = \"x\"\nname = \"a\"\n\
                    roles = [\"king\"]\nsigning_key = \"ed25519:00\"\npeer_id = \"p\"\n";
        let faults = Genesis::from_toml(text).unwrap_err();
        assert_eq!(faults.0.len(), 6, "{faults}");
        let same = vec![
            department("11100000000013338W", 1),
            department("11100000000013338W", 1),
        ];
        assert_eq!(Genesis::new("n", 1, same).unwrap_err().0.len(), 3);
        assert_eq!(
            Genesis::new("n", 1, vec![]).unwrap_err().0,
            vec![GenesisError::NoDepartment]
        );
        assert!(
            Genesis::from_toml("format = 3")
                .unwrap_err()
                .to_string()
                .contains("format")
        );
    }
}
