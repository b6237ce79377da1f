//! What can be wrong with a genesis or department file, gathered so that all of it is reported at once.

use std::fmt;

use serde::de::DeserializeOwned;

use crate::codec::{Text, TextError, TooMany};
use crate::crypto::hash::NotAHash;
use crate::crypto::keys::KeyError;
use crate::id::{DepartmentCode, IdError};

use super::{GENESIS_FORMAT, NotARole, PeerIdError};

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
    /// A signing key that cannot be used.
    #[error("{at}: signing_key: {error}")]
    Key {
        /// Which department.
        at: String,
        /// What is wrong.
        error: KeyError,
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
