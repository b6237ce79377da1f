//! What can be wrong with a genesis or department file, gathered so that all of it is reported at once.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::codec::{Text, TextError, TooMany};
use crate::crypto::hash::NotAHash;
use crate::crypto::keys::{KeyError, PublicKey};
use crate::crypto::sealing::SealingKeyError;
use crate::id::{DepartmentCode, IdError};

use super::{GENESIS_FORMAT, MAX_GOVERNORS, NotARole, NotAShare, PeerIdError, PolicyError};

/// One fault of a genesis or department file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// Not TOML, or a value of the wrong type, or a key that does not belong there.
    #[error("{0}")]
    Syntax(String),
    /// Another format or version.
    #[error(
        "format is `{0}`; this version reads `{GENESIS_FORMAT}`: if a later version of certmesh wrote the file, upgrade"
    )]
    Format(String),
    /// The format before departments had identity keys.
    #[error(
        "format is `{0}`, in which departments have no identity keys; this version reads `{GENESIS_FORMAT}`: have each \
         department run `certmesh department init` for a new department.toml, and found the network again from those with \
         `certmesh network create`"
    )]
    Earlier(String),
    /// The catalogue key's value is not a hash.
    #[error("genesis: catalogue_key: {0}")]
    CatalogueKey(NotAHash),
    /// An invalid department code.
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
    #[error("{at}: {key} is empty")]
    NoName {
        /// Which department, or `genesis`.
        at: String,
        /// Which key.
        key: &'static str,
    },
    /// An unknown role.
    #[error("{at}: roles: `{role}`: {error}")]
    Role {
        /// Which department.
        at: String,
        /// The word.
        role: String,
        /// What is wrong.
        error: NotARole,
    },
    /// A key for signatures that cannot be used.
    #[error("{at}: {key}: {error}")]
    Key {
        /// Which department, or `policy`.
        at: String,
        /// Which key.
        key: &'static str,
        /// What is wrong.
        error: KeyError,
    },
    /// A sealing key that cannot be used.
    #[error("{at}: sealing_key: {error}")]
    SealingKey {
        /// Which department.
        at: String,
        /// What is wrong.
        error: SealingKeyError,
    },
    /// An invalid peer identity.
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
    /// One key in two places.
    #[error("{at}: {key} is also {used}; every key is used once, for one thing: make another")]
    KeyTwice {
        /// Which department, or `policy`.
        at: String,
        /// Which key.
        key: &'static str,
        /// Where it stood before, such as `the signing_key of department …`.
        used: String,
    },
    /// Nobody governs, or fewer than the policy asks for, or too many.
    #[error(
        "{found} department(s) govern, and must be {least} to {MAX_GOVERNORS}: set `governs` to true or false in \
         [[department]] tables, or least_governors in [policy]"
    )]
    Governors {
        /// How many do.
        found: usize,
        /// How many must.
        least: usize,
    },
    /// A share of the policy that can't be read.
    #[error("policy: {key}: `{text}`: {error}")]
    Share {
        /// Which.
        key: &'static str,
        /// As written.
        text: String,
        /// What is wrong.
        error: NotAShare,
    },
    /// A policy that would lock governance, or let a minority decide.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// An authority whose types two departments would define.
    #[error(
        "{at}: roles: define:{authority} is also a role of {other}; one department defines an authority's types"
    )]
    TwoDefiners {
        /// Which department.
        at: String,
        /// The authority.
        authority: DepartmentCode,
        /// The earlier department.
        other: DepartmentCode,
    },
    /// A member's types, which that member defines.
    #[error(
        "{at}: roles: define:{authority} is not a role anyone can have: {authority} is a member and defines its types itself"
    )]
    MemberDefines {
        /// Which department.
        at: String,
        /// The authority.
        authority: DepartmentCode,
    },
    /// No department at all.
    #[error("a network needs at least one [[department]]")]
    NoDepartment,
}

/// All faults of a genesis or department file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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

impl GenesisFaults {
    /// Reads TOML. A wrong shape is then the only fault reported.
    pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, GenesisFaults> {
        toml::from_str(text).map_err(|error| {
            let said = error.to_string().trim_end().to_owned();
            GenesisFaults(vec![GenesisError::Syntax(said)])
        })
    }

    pub(super) fn extend(&mut self, faults: impl IntoIterator<Item = GenesisError>) {
        self.0.extend(faults);
    }

    pub(super) fn push(&mut self, fault: GenesisError) {
        self.0.push(fault);
    }

    /// The value, where there is one; otherwise what is wrong is kept.
    pub(super) fn check<T, E>(
        &mut self,
        result: Result<T, E>,
        fault: impl FnOnce(E) -> GenesisError,
    ) -> Option<T> {
        result.map_err(|error| self.push(fault(error))).ok()
    }

    pub(super) fn key(&mut self, at: &str, key: &'static str, value: &str) -> Option<PublicKey> {
        let at = at.to_owned();
        self.check(value.parse(), |error| GenesisError::Key { at, key, error })
    }

    pub(super) fn text<const N: usize>(
        &mut self,
        at: &str,
        key: &'static str,
        value: &str,
    ) -> Option<Text<N>> {
        let at = at.to_owned();
        self.check(Text::new(value), |error| GenesisError::Text {
            at,
            key,
            error,
        })
    }

    pub(super) fn name(&mut self, at: &str, key: &'static str, value: &str) -> Option<Text<128>> {
        if value.trim().is_empty() {
            let at = at.to_owned();
            self.push(GenesisError::NoName { at, key });
            return None;
        }
        self.text(at, key, value)
    }

    /// What was made of the file, unless something is wrong with it.
    pub(super) fn unless_any<T>(self, made: Option<T>) -> Result<T, GenesisFaults> {
        made.filter(|_| self.0.is_empty()).ok_or(self)
    }
}
