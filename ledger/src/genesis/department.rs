//! A member department and its own file.

use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::codec::{Ascending, Bounded, Ordered, Text, TooMany};
use crate::crypto::keys::PublicKey;
use crate::crypto::sealing::SealingKey;
use crate::id::{DepartmentCode, IdError};

use super::{GenesisError, GenesisFaults, PeerId};

/// What a department may do in its log beyond replicating and cosigning, which every member does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Role {
    /// Issue certificates and change their status.
    Issue,
    /// Define the certificate types of this authority, which is not a member. No other department has the role for it.
    Define(DepartmentCode),
}

impl Ordered for Role {
    type Key = Role;

    fn key(&self) -> Role {
        *self
    }
}

/// Most roles of one department.
pub const MAX_ROLES: usize = 256;

/// A text that is not a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotARole {
    /// An unknown word.
    #[error("must be `issue`, or `define:` and the code of an authority that is not a member")]
    Word,
    /// `define` without an authority.
    #[error(
        "role `define` names the authority whose types it is for, as in `define:11100000000013338W`; give it once for each"
    )]
    NoAuthority,
    /// The authority is not a department code.
    #[error("the authority: {0}")]
    Authority(IdError),
}

impl fmt::Display for Role {
    /// The word in the file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Issue => f.write_str("issue"),
            Role::Define(authority) => write!(f, "define:{authority}"),
        }
    }
}

impl FromStr for Role {
    type Err = NotARole;

    fn from_str(text: &str) -> Result<Role, NotARole> {
        match text.split_once(':') {
            None if text == "issue" => Ok(Role::Issue),
            None if text == "define" => Err(NotARole::NoAuthority),
            Some(("define", authority)) => authority
                .parse()
                .map(Role::Define)
                .map_err(NotARole::Authority),
            _ => Err(NotARole::Word),
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
    /// What it may do.
    pub roles: Ascending<Role, MAX_ROLES>,
    /// Whether it decides with the others.
    pub governs: bool,
    /// The key that signs its proposals, approvals and changes of its own keys.
    pub identity_key: PublicKey,
    /// The key that signs its log, epoch 0.
    pub signing_key: PublicKey,
    /// Its peer's transport identity.
    pub peer_id: PeerId,
    /// What is for this department alone is sealed to this key.
    pub sealing_key: SealingKey,
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
            list(self.roles.iter().map(|r| quote(&r.to_string())).collect())
        );
        let _ = writeln!(out, "governs = {}", self.governs);
        for (key, value) in [
            ("identity_key", self.identity_key.to_string()),
            ("signing_key", self.signing_key.to_string()),
            ("peer_id", self.peer_id.to_string()),
            ("sealing_key", self.sealing_key.to_string()),
        ] {
            let _ = writeln!(out, "{key} = {}", quote(&value));
        }
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
    /// Whoever belongs decides, unless the founders say otherwise.
    #[serde(default = "yes")]
    governs: bool,
    identity_key: String,
    signing_key: String,
    peer_id: String,
    sealing_key: String,
    #[serde(default)]
    addresses: Vec<String>,
}

fn yes() -> bool {
    true
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
        let (found, limit) = (roles.len(), MAX_ROLES);
        let roles = faults.check(Ascending::new(roles), |_| GenesisError::TooMany {
            at: at.to_owned(),
            key: "roles",
            error: TooMany { found, limit },
        });
        let identity_key = faults.key(at, "identity_key", &self.identity_key);
        let signing_key = faults.key(at, "signing_key", &self.signing_key);
        let peer_id = faults.check(self.peer_id.parse(), |error| GenesisError::PeerId {
            at: at.to_owned(),
            error,
        });
        let sealing_key =
            faults.check(self.sealing_key.parse(), |error| GenesisError::SealingKey {
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
            roles: roles?,
            governs: self.governs,
            identity_key: identity_key?,
            signing_key: signing_key?,
            peer_id: peer_id?,
            sealing_key: sealing_key?,
            addresses: addresses?,
        })
    }
}
