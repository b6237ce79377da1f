//! Identity keys in PKCS#11 tokens: smart cards, hardware security modules.
//!
//! Such a key never leaves its token: the hash to be signed goes in, the signature comes out. It is named by a `pkcs11:` URI in
//! the place of a file. Reaching a token means to load its maker's library into this process, so it takes a build that has the
//! feature `pkcs11`; whatever doesn't need a token, such as reading the URI, is the same without.

use std::path::PathBuf;

#[cfg(feature = "pkcs11")]
mod token;
mod uri;

#[cfg(feature = "pkcs11")]
pub(crate) use token::{TokenKey, open, public};
pub(crate) use uri::{SCHEME, Uri};

/// The variable of the environment that names the library.
#[cfg(feature = "pkcs11")]
const MODULE: &str = "CERTMESH_PKCS11_MODULE";

/// Why a key in a token can't be used. No variant holds anything secret.
#[derive(Debug, thiserror::Error)]
pub enum Pkcs11Error {
    /// What names the key is not a URI that this command takes.
    #[error("the pkcs11: URI: {0}")]
    Uri(String),
    /// This program was built without.
    #[error("this certmesh was built without support for PKCS#11 tokens")]
    NotBuiltIn,
    /// No library was named.
    #[error("the library that reaches the token is not known")]
    NoModule,
    /// The library can't be loaded.
    #[error("{}: the library that reaches the token can't be used: {error}", path.display())]
    Module {
        /// The library.
        path: PathBuf,
        /// Why not.
        error: String,
    },
    /// No token is the one that is named.
    #[error("no token is as the URI says; {}", found(.0))]
    NoToken(Vec<String>),
    /// More than one is.
    #[error("several tokens are as the URI says; {}", found(.0))]
    Tokens(Vec<String>),
    /// Too many wrong PINs were given.
    #[error("token {0} is locked: a wrong PIN was given too often")]
    Locked(String),
    /// It has none yet.
    #[error("token {0} has no user PIN yet")]
    NoPin(String),
    /// It is not that.
    #[error("token {token} refuses the PIN{}", if *.last { "; it allows one more attempt" } else { "" })]
    Pin {
        /// The token.
        token: String,
        /// Whether the next wrong one locks it.
        last: bool,
    },
    /// What can't be a PIN.
    #[error("{from}: {what}")]
    NotAPin {
        /// Where it is from.
        from: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The token has no such key.
    #[error("token {token} has no {half} key as the URI says")]
    NoKey {
        /// The token.
        token: String,
        /// Private or public.
        half: &'static str,
    },
    /// It has several.
    #[error("token {0} has several keys as the URI says: give `id` as well as `object`")]
    Keys(String),
    /// A key of another kind.
    #[error("the key in token {0} is not an Ed25519 key, and no other is an identity key")]
    OtherKind(String),
    /// A signature that is not by the public key beside it.
    #[error(
        "token {0} signed with another key than the public key beside it says: the two have the same name and don't belong together"
    )]
    OtherKey(String),
    /// The token, in its own words.
    #[error("token {token}: {what}: {error}")]
    Failed {
        /// The token.
        token: String,
        /// What was tried.
        what: &'static str,
        /// What it said.
        error: String,
    },
}

fn found(tokens: &[String]) -> String {
    match tokens {
        [] => "the library shows none: is it plugged in?".to_owned(),
        tokens => format!("there are: {}", tokens.join(", ")),
    }
}

impl Pkcs11Error {
    /// What to do about it.
    pub(crate) fn hint(&self) -> &'static str {
        match self {
            Self::Uri(_) => {
                "name the key as in `pkcs11:token=POLICE;object=identity`, in quotation marks for the shell"
            }
            Self::NotBuiltIn => {
                "build it with `cargo build --release -p certmesh-cli --features pkcs11`, or give the file of an identity key"
            }
            Self::NoModule => {
                "set CERTMESH_PKCS11_MODULE, or end the URI with `?module-path=`, to the library of the token's maker"
            }
            Self::Module { .. } => {
                "check the path of the library, and that it is one for this kind of machine"
            }
            Self::NoToken(_) | Self::Tokens(_) => {
                "`pkcs11-tool --module LIBRARY --list-token-slots` shows labels and serial numbers"
            }
            Self::Locked(_) => "its security officer unlocks it; certmesh can't",
            Self::NoPin(_) => "its security officer sets one",
            Self::Pin { .. } => {
                "each wrong PIN counts, and too many lock the token: check it first"
            }
            Self::NotAPin { .. } => "give the token's user PIN, in a file on one line",
            Self::NoKey { .. } | Self::Keys(_) => {
                "`pkcs11-tool --module LIBRARY --token-label LABEL --list-objects --login` shows the keys by label and ID"
            }
            Self::OtherKind(_) => {
                "make one: `pkcs11-tool --module LIBRARY --token-label LABEL --login --keypairgen --key-type EC:edwards25519`"
            }
            Self::OtherKey(_) => {
                "give `id` as well as `object`, or delete the public key that is wrong"
            }
            Self::Failed { .. } => "check the token and its library; nothing was signed",
        }
    }
}
