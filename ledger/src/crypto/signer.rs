//! Signing with a key that may be somewhere else.

use crate::crypto::hash::Hash;
use crate::crypto::keys::{PublicKey, Signature, SigningKey};

/// An Ed25519 key that signs, wherever it is kept. One in a token may fail to.
pub trait Signer {
    /// What comes of a signature: the thing that is made of it, or perhaps an error.
    type Made<T>;

    /// The public half.
    fn public(&self) -> PublicKey;

    /// Signs a hash, and makes something of the signature.
    fn sign_into<T>(&self, message: &Hash, make: impl FnOnce(Signature) -> T) -> Self::Made<T>;
}

/// A key at hand never fails.
impl Signer for SigningKey {
    type Made<T> = T;

    fn public(&self) -> PublicKey {
        SigningKey::public(self)
    }

    fn sign_into<T>(&self, message: &Hash, make: impl FnOnce(Signature) -> T) -> T {
        make(self.sign(message))
    }
}
