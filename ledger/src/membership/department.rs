//! A member department and its own file.

use std::fmt::Write as _;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::codec::{Bounded, Text};
use crate::id::DepartmentCode;
use crate::keys::PublicKey;
use crate::record::UnknownWord;

use super::{GenesisError, GenesisFaults, PeerId};

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
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Role, Self::Err> {
        match text {
            "issue" => Ok(Role::Issue),
            "define" => Ok(Role::Define),
            _ => Err(UnknownWord {
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
        let raw: RawDepartment = GenesisFaults::read(text)?;
        let mut faults = GenesisFaults::default();
        let department = raw.check("department.toml", &mut faults);
        faults.unless_any(department)
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

/// A department as a file spells it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDepartment {
    pub(super) code: String,
    name: String,
    name_zh: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
    signing_key: String,
    peer_id: String,
    #[serde(default)]
    addresses: Vec<String>,
}

impl RawDepartment {
    /// The department, unless something is wrong with it; `at` says where that stands.
    pub(super) fn check(&self, at: &str, faults: &mut GenesisFaults) -> Option<Department> {
        let before = faults.0.len();
        let code = faults.check(self.code.parse(), |error| GenesisError::Code {
            at: at.to_owned(),
            error,
        });
        let name = faults.name(at, "name", &self.name);
        let name_zh = self.name_zh.as_ref();
        let name_zh = name_zh.and_then(|name| faults.name(at, "name_zh", name));
        let mut roles = Vec::new();
        for role in &self.roles {
            let read = faults.check(role.parse::<Role>(), |error| GenesisError::Role {
                at: at.to_owned(),
                role: role.clone(),
                error,
            });
            roles.extend(read);
        }
        roles.sort_unstable();
        roles.dedup();
        let signing_key = faults.check(self.signing_key.parse(), |error| GenesisError::Key {
            at: at.to_owned(),
            error,
        });
        let peer_id = faults.check(self.peer_id.parse(), |error| GenesisError::PeerId {
            at: at.to_owned(),
            error,
        });
        let addresses = self.addresses.iter();
        let addresses = addresses
            .filter_map(|address| faults.text(at, "addresses", address))
            .collect();
        let addresses = faults.check(Bounded::new(addresses), |error| GenesisError::TooMany {
            at: at.to_owned(),
            key: "addresses",
            error,
        });
        if faults.0.len() > before {
            return None;
        }
        Some(Department {
            code: code?,
            name: name?,
            name_zh,
            roles: Bounded::first(roles),
            signing_key: signing_key?,
            peer_id: peer_id?,
            addresses: addresses?,
        })
    }
}
