//! Who may do what: clients with bearer tokens and roles.
//!
//! The file holds the BLAKE3 hash of each token, never the token. A token is compared by its hash, with all clients and
//! in constant time, so the time of an answer says nothing about how much of a token was right.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use certmesh_ledger::crypto::secret_files::{self, KeyFileError};
use serde::Deserialize;
use thiserror::Error;

/// Most clients a node has.
pub const MAX_CLIENTS: usize = 1024;
/// Longest token that is looked at, in bytes.
const MAX_TOKEN: usize = 1024;

/// What a client may do. Everyone may verify and look up what is about no one person; an admin may do everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Verify, and look up certificates by number, type or issuer.
    Read,
    /// See what a person holds, at all or of what a matter requires, and retrieve it: each look is in the look-up journal.
    Clerk,
    /// Issue certificates and change their status.
    Issue,
    /// Define types and confirm the own log.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Read, Self::Clerk, Self::Issue, Self::Admin];

    /// Whether a client of this role may do what takes that one.
    pub fn may(self, needed: Self) -> bool {
        needed == Self::Read || self == Self::Admin || self == needed
    }

    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Clerk => "clerk",
            Self::Issue => "issue",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is not a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected read, clerk, issue or admin")]
pub struct UnknownRole;

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or(UnknownRole)
    }
}

/// A client of the API.
#[derive(Debug, PartialEq, Eq)]
pub struct Client {
    /// Its name, as logs show it.
    pub name: Arc<str>,
    /// What it may do.
    pub role: Role,
    token: blake3::Hash,
}

/// Why a token file isn't accepted.
#[derive(Debug, Error)]
pub enum TokensError {
    /// It can't be read, or others than its owner could.
    #[error(transparent)]
    File(#[from] KeyFileError),
    /// It isn't TOML with a list of `[[client]]`.
    #[error("{}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, without its content.
        message: String,
    },
    /// Clients are wrong; every fault is listed.
    #[error("{}:{}", path.display(), faults.iter().map(|fault| format!("\n  {fault}")).collect::<String>())]
    Faults {
        /// The file.
        path: PathBuf,
        /// The faults, each with its client.
        faults: Vec<String>,
    },
}

/// The clients of a node.
#[derive(Debug, Default)]
pub struct Clients(Vec<Client>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenFile {
    #[serde(default)]
    client: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    role: String,
    token_blake3: String,
}

impl Clients {
    /// Reads a token file of mode 0600 or 0400.
    ///
    /// # Errors
    /// [`TokensError`], with all faults of all clients at once.
    pub fn load(path: &Path) -> Result<Self, TokensError> {
        Self::parse(secret_files::read(path)?.expose(), path)
    }

    /// Reads the text of a token file; `path` is named where it is wrong.
    ///
    /// # Errors
    /// As for [`Clients::load`], but for [`TokensError::File`].
    pub fn parse(text: &str, path: &Path) -> Result<Self, TokensError> {
        let file: TokenFile = toml::from_str(text).map_err(|error| {
            // The error's own display quotes the line, which may be a token put here by mistake.
            let line = error
                .span()
                .map_or(1, |span| text[..span.start].lines().count().max(1));
            let message = format!(
                "line {line}: expected [[client]] with name, role and token_blake3 as strings"
            );
            TokensError::Syntax {
                path: path.to_owned(),
                message,
            }
        })?;
        let mut faults = Vec::new();
        if file.client.is_empty() {
            faults.push("no [[client]]: nobody could use the API".to_owned());
        }
        if file.client.len() > MAX_CLIENTS {
            faults.push(format!(
                "{} clients, at most {MAX_CLIENTS} are allowed",
                file.client.len()
            ));
        }
        let mut clients = Vec::new();
        let mut names = BTreeMap::new();
        for (i, entry) in file.client.into_iter().enumerate().take(MAX_CLIENTS) {
            let number = i + 1;
            if let Some(before) = names.insert(entry.name.clone(), number) {
                faults.push(format!("client {number}: has the name of client {before}"));
            }
            let client = entry.check(number, &mut faults);
            if clients
                .iter()
                .flatten()
                .any(|other: &Client| client.as_ref().is_some_and(|c| c.token == other.token))
            {
                faults.push(format!("client {number}: has the token of another client"));
            }
            clients.push(client);
        }
        if faults.is_empty() {
            Ok(Self(clients.into_iter().flatten().collect()))
        } else {
            Err(TokensError::Faults {
                path: path.to_owned(),
                faults,
            })
        }
    }

    /// Clients by name, role and token.
    pub fn of(clients: &[(&str, Role, &str)]) -> Self {
        let client = |&(name, role, token): &(&str, Role, &str)| Client {
            name: name.into(),
            role,
            token: blake3::hash(token.as_bytes()),
        };
        Self(clients.iter().map(client).collect())
    }

    /// The client that has this token, and its place in the file, from 0.
    pub fn find(&self, token: &[u8]) -> Option<(usize, &Client)> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let hash = blake3::hash(token);
        // Hashes compare in constant time; going through all of them hides which client it was.
        self.0.iter().enumerate().fold(
            None,
            |found, at| if at.1.token == hash { Some(at) } else { found },
        )
    }

    /// The clients, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Client> {
        self.0.iter()
    }
}

impl Entry {
    fn check(self, number: usize, faults: &mut Vec<String>) -> Option<Client> {
        let before = faults.len();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !(1..=64).contains(&self.name.len()) || !self.name.chars().all(plain) {
            faults.push(format!(
                "client {number}: name must be 1 to 64 of A-Z a-z 0-9 . _ -"
            ));
        }
        let role = self.role.parse();
        if let Err(error) = &role {
            faults.push(format!("client {number}: role: {error}"));
        }
        let token = blake3::Hash::from_hex(&self.token_blake3);
        if token.is_err() {
            faults.push(format!(
                "client {number}: token_blake3 must be 64 hexadecimal digits (the token's hash)"
            ));
        }
        match (role, token) {
            (Ok(role), Ok(token)) if faults.len() == before => Some(Client {
                name: self.name.into(),
                role,
                token,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Clients, TokensError> {
        Clients::parse(text, Path::new("tokens.toml"))
    }

    #[test]
    fn a_token_finds_its_client_and_nothing_else_does() {
        let hash = |token: &str| blake3::hash(token.as_bytes()).to_hex();
        let text = format!(
            "[[client]]\nname=\"a\"\nrole=\"read\"\ntoken_blake3=\"{}\"\n[[client]]\nname=\"b\"\nrole=\"admin\"\n\
             token_blake3=\"{}\"\n",
            hash("one"),
            hash("two")
        );
        let clients = parse(&text).unwrap();
        assert_eq!(
            clients.find(b"one").map(|(i, c)| (i, &*c.name, c.role)),
            Some((0, "a", Role::Read))
        );
        assert_eq!(
            clients.find(b"two").map(|(i, c)| (i, &*c.name, c.role)),
            Some((1, "b", Role::Admin))
        );
        for wrong in ["", "one ", "ONE", "three"] {
            assert!(clients.find(wrong.as_bytes()).is_none());
        }
        assert!(clients.find(hash("one").as_bytes()).is_none());
    }

    #[test]
    fn all_faults_of_a_token_file_are_reported_at_once() {
        let text = "[[client]]\nname=\"a b\"\nrole=\"root\"\ntoken_blake3=\"secret\"\n\
                    [[client]]\nname=\"a b\"\nrole=\"read\"\ntoken_blake3=\"00\"\n";
        let message = parse(text).unwrap_err().to_string();
        for part in [
            "client 1: name",
            "client 1: role",
            "client 1: token_blake3",
            "client 2: has the name",
        ] {
            assert!(message.contains(part), "{part} is missing in {message}");
        }
        assert!(
            parse("")
                .unwrap_err()
                .to_string()
                .contains("nobody could use")
        );
    }

    #[test]
    fn a_syntax_error_names_the_line_and_quotes_nothing() {
        let error = parse("[[client]]\nname=\"a\"\ntoken=\"s3cret\"\n")
            .unwrap_err()
            .to_string();
        assert!(error.contains("line "), "{error}");
        assert!(!error.contains("s3cret"));
    }

    #[test]
    fn roles_are_ordered_from_read_to_admin() {
        let allowed = |role: Role| Role::ALL.map(|needed| role.may(needed));
        assert_eq!(allowed(Role::Read), [true, false, false, false]);
        assert_eq!(allowed(Role::Clerk), [true, true, false, false]);
        assert_eq!(allowed(Role::Issue), [true, false, true, false]);
        assert_eq!(allowed(Role::Admin), [true; 4]);
    }
}
