//! Where an identity key is, and signing with it there.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use certmesh_ledger::crypto::hash::Hash;
use certmesh_ledger::crypto::keys::{PublicKey, Signature, SigningKey};
use certmesh_ledger::crypto::signer::Signer;
use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::Error;
#[cfg(feature = "pkcs11")]
use crate::pkcs11::TokenKey;
use crate::pkcs11::{SCHEME, Uri};

/// A file, or a key in a PKCS#11 token.
#[derive(Clone, Debug)]
pub(crate) enum KeyPlace {
    /// The file.
    File(PathBuf),
    /// What the argument says; read when it is used, since clap repeats arguments that it refuses, and a PIN could be in it.
    Token(TokenText),
}

/// The text of a `pkcs11:` URI.
#[derive(Clone)]
pub(crate) struct TokenText(String);

/// Of something that may have a PIN in it nothing is shown.
impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pkcs11:…")
    }
}

impl TokenText {
    /// What it names.
    pub(crate) fn uri(&self) -> Result<Uri, Error> {
        Ok(Uri::parse(&self.0)?)
    }
}

/// A file's path; of a token, no more than that it is one.
impl fmt::Display for KeyPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyPlace::File(path) => path.display().fmt(f),
            KeyPlace::Token(_) => f.write_str("the key in the token"),
        }
    }
}

impl From<OsString> for KeyPlace {
    fn from(argument: OsString) -> KeyPlace {
        match argument.to_str() {
            Some(text) if text.starts_with(SCHEME) => KeyPlace::Token(TokenText(text.to_owned())),
            _ => KeyPlace::File(argument.into()),
        }
    }
}

impl KeyPlace {
    /// As an argument.
    pub(crate) fn parser() -> impl TypedValueParser<Value = KeyPlace> {
        OsStringValueParser::new().map(KeyPlace::from)
    }

    /// The file, if it is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            KeyPlace::File(path) => Some(path),
            KeyPlace::Token(_) => None,
        }
    }
}

/// An identity key that signs.
pub(crate) enum IdentityKey {
    /// At hand.
    File(SigningKey),
    /// In its token.
    #[cfg(feature = "pkcs11")]
    Token(TokenKey),
}

impl IdentityKey {
    fn sign(&self, message: &Hash) -> Result<Signature, Error> {
        match self {
            IdentityKey::File(key) => Ok(key.sign(message)),
            #[cfg(feature = "pkcs11")]
            IdentityKey::Token(key) => Ok(key.sign(message)?),
        }
    }
}

/// A token may fail.
impl Signer for IdentityKey {
    type Made<T> = Result<T, Error>;

    fn public(&self) -> PublicKey {
        match self {
            IdentityKey::File(key) => key.public(),
            #[cfg(feature = "pkcs11")]
            IdentityKey::Token(key) => key.public(),
        }
    }

    fn sign_into<T>(&self, message: &Hash, make: impl FnOnce(Signature) -> T) -> Result<T, Error> {
        Ok(make(self.sign(message)?))
    }
}
