//! Ed25519 keys: signing, strict verification, and the text forms of keys in files.
//!
//! Every signature is over a purpose's hash ([`crate::crypto::hash::Purpose`]), so one made for a record can never pass for a
//! checkpoint's. An algorithm byte stands beside every key and signature: 1 is Ed25519 (RFC 8032, verified strictly,
//! as `verify_strict` of ed25519-dalek does: no small-order key, no non-canonical point or scalar).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use ed25519_dalek::{Signer, VerifyingKey};
use parking_lot::RwLock;
use serde::{Deserialize, Deserializer, Serialize};
use siphasher::sip::SipHasher24;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::crypto::hash::{Hash, NotAHash, Purpose, hash, hash_parts};

const ED25519: u8 = 1;

/// Bytes of a signature, algorithm byte included.
pub const SIGNATURE_LEN: usize = 65;

/// Why a key or a signature is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// An algorithm byte or name this version does not know.
    #[error("unknown key algorithm; this version knows ed25519")]
    UnknownAlgorithm,
    /// Not `ed25519:` and 64 hexadecimal digits.
    #[error("expected `ed25519:` and 64 hexadecimal digits")]
    Malformed,
    /// Not a point of the curve, not in canonical form, or of small order.
    #[error("not a usable ed25519 public key (not a canonical point of full order)")]
    Weak,
    /// The signature does not fit key and message.
    #[error("signature does not verify")]
    BadSignature,
    /// A secret file's text is not `<label>:<64 hexadecimal digits>`.
    #[error("expected one line, `{0}:` and 64 hexadecimal digits")]
    SecretFile(&'static str),
    /// A secret file that is encrypted.
    #[error(
        "it is encrypted (`certmesh department seal-keys`): where a passphrase can't be given, decrypt it first, with `--undo`"
    )]
    Sealed,
}

/// A public key, checked to be usable.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads 32 bytes as an Ed25519 public key.
    ///
    /// # Errors
    /// [`KeyError::Weak`] for anything but a canonical encoding of a point that is not of small order.
    pub fn from_bytes(bytes: &[u8; 32]) -> Result<PublicKey, KeyError> {
        let key = VerifyingKey::from_bytes(bytes).map_err(|_| KeyError::Weak)?;
        // dalek reads non-canonical encodings too; re-encoding the decompressed point shows it.
        if key.is_weak() || key.to_edwards().compress().as_bytes() != bytes {
            return Err(KeyError::Weak);
        }
        Ok(PublicKey(key))
    }

    /// The 32 bytes of the key.
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }

    /// Checks a signature over a hash.
    ///
    /// # Errors
    /// [`KeyError::BadSignature`] when it does not verify strictly.
    pub fn verify(&self, message: &Hash, signature: &Signature) -> Result<(), KeyError> {
        self.verify_bytes(message.as_bytes(), &signature.0)
    }

    /// Checks a plain Ed25519 signature over arbitrary bytes: what [`PublicKey::verify`] and the public vectors use.
    ///
    /// # Errors
    /// [`KeyError::BadSignature`] when it does not verify strictly.
    pub fn verify_bytes(&self, message: &[u8], signature: &[u8; 64]) -> Result<(), KeyError> {
        let signature = ed25519_dalek::Signature::from_bytes(signature);
        self.0
            .verify_strict(message, &signature)
            .map_err(|_| KeyError::BadSignature)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ed25519:{}", hex::encode(self.as_bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for PublicKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<PublicKey, KeyError> {
        let (algorithm, digits) = text.split_once(':').ok_or(KeyError::Malformed)?;
        if algorithm != "ed25519" {
            return Err(KeyError::UnknownAlgorithm);
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| KeyError::Malformed)?;
        PublicKey::from_bytes(&bytes)
    }
}

impl Serialize for PublicKey {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            (ED25519, self.as_bytes()).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for PublicKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PublicKey, D::Error> {
        let key = if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse()
        } else {
            match <(u8, [u8; 32])>::deserialize(deserializer)? {
                (ED25519, bytes) => PublicKey::from_bytes(&bytes),
                _ => Err(KeyError::UnknownAlgorithm),
            }
        };
        key.map_err(serde::de::Error::custom)
    }
}

/// An Ed25519 signature: 65 bytes on the wire, the algorithm byte first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Signature([u8; 64]);

impl Signature {
    /// The 65 bytes.
    pub fn to_bytes(&self) -> [u8; SIGNATURE_LEN] {
        let mut bytes = [ED25519; SIGNATURE_LEN];
        bytes[1..].copy_from_slice(&self.0);
        bytes
    }

    /// Reads the 65 bytes; does not verify the signature.
    ///
    /// # Errors
    /// [`KeyError::UnknownAlgorithm`] for an algorithm byte other than 1.
    pub fn from_bytes(bytes: &[u8; SIGNATURE_LEN]) -> Result<Signature, KeyError> {
        if bytes[0] != ED25519 {
            return Err(KeyError::UnknownAlgorithm);
        }
        let mut rest = [0; 64];
        rest.copy_from_slice(&bytes[1..]);
        Ok(Signature(rest))
    }
}

impl Signature {
    /// The signature of R and S, as whoever else signs with Ed25519 gives it. It verifies or it doesn't.
    pub fn from_ed25519(bytes: [u8; 64]) -> Signature {
        Signature(bytes)
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({}…)", hex::encode(&self.0[..4]))
    }
}

impl Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeTuple;
        let mut tuple = serializer.serialize_tuple(SIGNATURE_LEN)?;
        for byte in self.to_bytes() {
            tuple.serialize_element(&byte)?;
        }
        tuple.end()
    }
}

impl<'de> Deserialize<'de> for Signature {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Signature, D::Error> {
        // serde has arrays up to 32 elements; 65 bytes are read as a tuple of three.
        let (algorithm, r, s) = <(u8, [u8; 32], [u8; 32])>::deserialize(deserializer)?;
        if algorithm != ED25519 {
            return Err(serde::de::Error::custom(KeyError::UnknownAlgorithm));
        }
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&r);
        bytes[32..].copy_from_slice(&s);
        Ok(Signature(bytes))
    }
}

/// A department's signing key. Zeroised when dropped; never shown.
#[derive(Clone)]
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// The key of a 32-byte seed.
    pub fn from_seed(seed: &[u8; 32]) -> SigningKey {
        SigningKey(ed25519_dalek::SigningKey::from_bytes(seed))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs a hash.
    pub fn sign(&self, message: &Hash) -> Signature {
        Signature(self.0.sign(message.as_bytes()).to_bytes())
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(secret)")
    }
}

/// The signing keys that a node holds: those of past epochs do no harm, and that of the next one has to be there before it
/// comes into force. Cheap to clone; all clones hold the same keys.
#[derive(Clone)]
pub struct KeyRing(Arc<RwLock<Vec<SigningKey>>>);

impl KeyRing {
    /// Takes up one more.
    pub fn add(&self, key: SigningKey) {
        if self.find(&key.public()).is_none() {
            self.0.write().push(key);
        }
    }

    /// The one with this public half.
    pub fn find(&self, public: &PublicKey) -> Option<SigningKey> {
        let held = self.0.read();
        held.iter().find(|key| key.public() == *public).cloned()
    }
}

impl From<Vec<SigningKey>> for KeyRing {
    fn from(keys: Vec<SigningKey>) -> KeyRing {
        KeyRing(Arc::new(RwLock::new(keys)))
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys)", self.0.read().len())
    }
}

/// A 32-byte secret that only keys hashes. Zeroised when dropped; never shown.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret([u8; 32]);

impl Secret {
    /// A secret of these bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Secret {
        Secret(bytes)
    }

    /// The bytes, for those who must derive from them.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    pub(crate) fn hash(&self, purpose: Purpose, parts: &[&[u8]]) -> Hash {
        let inner = hash_parts(purpose, parts);
        Hash::from_bytes(*blake3::keyed_hash(&self.0, inner.as_bytes()).as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// The network's catalogue key: turns holders into subject tags that only members can compute.
#[derive(Clone, Debug)]
pub struct CatalogueKey(pub Secret);

impl CatalogueKey {
    /// The genesis's commitment to the key, so that a member with another network's key finds out.
    pub fn commitment(&self) -> CatalogueCommitment {
        CatalogueCommitment(hash(Purpose::CatalogueKey, self.0.expose()))
    }
}

/// The secret under which a peer makes the fingerprints of its index files, so that nobody else can choose records whose
/// fingerprints collide at it. It protects nothing but the cost of questions, and stands in the index files themselves.
#[derive(Clone, Debug)]
pub struct IndexKey(pub Secret);

impl IndexKey {
    /// The index key of the peer with a transport key: no file of its own is needed. It is the same at
    /// each start, until a version that adds an index changes the text (see [`index`](crate::index)).
    pub fn from_transport_seed(seed: &[u8; 32]) -> IndexKey {
        let derived = Secret::from_bytes(*seed).hash(Purpose::Index, &[b"key"]);
        IndexKey(Secret::from_bytes(*derived.as_bytes()))
    }

    /// The fingerprint of what a record is about.
    pub(crate) fn fingerprint(&self, of: &[u8]) -> u64 {
        let key = self.0.0.first_chunk().expect("a secret has 32 bytes");
        SipHasher24::new_with_key(key).hash(of)
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        self.0.expose()
    }
}

/// Hash of a network's catalogue key: shows whether a key is the network's, and reveals nothing else of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CatalogueCommitment(pub Hash);

impl fmt::Display for CatalogueCommitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for CatalogueCommitment {
    type Err = NotAHash;

    fn from_str(text: &str) -> Result<Self, NotAHash> {
        text.parse().map(CatalogueCommitment)
    }
}

/// The key of one certificate's body, made at random when the certificate is issued: its fields are encrypted under it and
/// the salts of their commitments come from it. Once it is destroyed nobody can read the fields again, nor find out what
/// was committed to.
#[derive(Clone, Debug)]
pub struct BodyKey(pub Secret);

impl BodyKey {
    /// The salt of one field of one certificate.
    pub fn salt(&self, certificate: &crate::id::CertificateId, field: &str) -> Hash {
        self.0.hash(
            Purpose::FieldSalt,
            &[certificate.as_str().as_bytes(), b"\0", field.as_bytes()],
        )
    }

    /// The n-th salt to try for the places of a certificate's fields that its type's definition doesn't name.
    pub(crate) fn place_salt(&self, certificate: &crate::id::CertificateId, attempt: u32) -> Hash {
        self.0.hash(
            Purpose::FieldPlace,
            &[
                certificate.as_str().as_bytes(),
                b"\0s",
                &attempt.to_le_bytes(),
            ],
        )
    }

    /// What stands for a subtree without fields: to whoever lacks this key it looks as if there were some.
    pub(crate) fn no_fields(
        &self,
        certificate: &crate::id::CertificateId,
        depth: u8,
        prefix: u16,
    ) -> Hash {
        let node = [depth, prefix.to_le_bytes()[0], prefix.to_le_bytes()[1]];
        self.0.hash(
            Purpose::FieldPlace,
            &[certificate.as_str().as_bytes(), b"\0e", &node],
        )
    }

    /// Encrypts a body; `about` names what it is the body of. A key encrypts one body only, so the nonce is fixed.
    pub fn seal(&self, about: &str, body: &[u8]) -> Vec<u8> {
        let payload = Payload {
            msg: body,
            aad: about.as_bytes(),
        };
        cipher(&self.0)
            .encrypt(&XNonce::default(), payload)
            .expect("a body is far shorter than the cipher's limit")
    }

    /// Decrypts a body; `None` when it is another's or damaged.
    pub fn open(&self, about: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let payload = Payload {
            msg: sealed,
            aad: about.as_bytes(),
        };
        let body = cipher(&self.0).decrypt(&XNonce::default(), payload);
        body.ok().map(Zeroizing::new)
    }
}

pub(crate) fn cipher(key: &Secret) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.expose().into())
}

/// Bytes of a wrapped key: nonce (24), the key encrypted (32), authentication tag (16).
pub const WRAPPED_LEN: usize = 72;

/// A department's field key: each certificate's [`BodyKey`] is kept wrapped under it.
#[derive(Clone, Debug)]
pub struct FieldKey(pub Secret);

impl FieldKey {
    /// Wraps a body's key; `about` names what it is the body of. The nonce must be random, a new one each time.
    pub fn wrap(&self, about: &str, nonce: [u8; 24], key: &BodyKey) -> [u8; WRAPPED_LEN] {
        let payload = Payload {
            msg: key.0.expose(),
            aad: about.as_bytes(),
        };
        let sealed = cipher(&self.0)
            .encrypt(&nonce.into(), payload)
            .expect("a key is far shorter than the cipher's limit");
        let mut wrapped = [0; WRAPPED_LEN];
        wrapped[..24].copy_from_slice(&nonce);
        wrapped[24..].copy_from_slice(&sealed);
        wrapped
    }

    /// A body's key; `None` when it was wrapped for another, under another key, or is damaged.
    pub fn unwrap(&self, about: &str, wrapped: &[u8; WRAPPED_LEN]) -> Option<BodyKey> {
        let (nonce, sealed) = wrapped.split_at(24);
        let payload = Payload {
            msg: sealed,
            aad: about.as_bytes(),
        };
        let opened = cipher(&self.0).decrypt(XNonce::from_slice(nonce), payload);
        let opened = Zeroizing::new(opened.ok()?);
        let bytes = <[u8; 32]>::try_from(opened.as_slice()).ok()?;
        Some(BodyKey(Secret::from_bytes(bytes)))
    }

    /// A key that follows from the certificate's identifier: with it a request's content can be distinguished from
    /// another's without keeping either.
    pub fn content_key(&self, certificate: &crate::id::CertificateId) -> BodyKey {
        let parts = [b"content".as_slice(), certificate.as_str().as_bytes()];
        BodyKey(Secret::from_bytes(
            *self.0.hash(Purpose::FieldSalt, &parts).as_bytes(),
        ))
    }

    /// The key that the look-up journal is encrypted under.
    pub(crate) fn journal_key(&self) -> Secret {
        Secret::from_bytes(*self.0.hash(Purpose::FieldSalt, &[b"journal"]).as_bytes())
    }

    /// The key that tokens of uploads are sealed under.
    pub(crate) fn upload_key(&self) -> Secret {
        Secret::from_bytes(*self.0.hash(Purpose::FieldSalt, &[b"upload"]).as_bytes())
    }
}

/// The kinds of secret file, each one line: a label, a colon, 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretFile {
    /// A department's signing key.
    Signing,
    /// A peer's transport (libp2p) key.
    Transport,
    /// A department's sealing (X25519) key.
    Sealing,
    /// A department's field key.
    Field,
    /// A network's catalogue key.
    Catalogue,
}

impl SecretFile {
    /// The label that begins the line.
    pub const fn label(self) -> &'static str {
        match self {
            SecretFile::Signing => "certmesh-signing-key-v1",
            SecretFile::Transport => "certmesh-transport-key-v1",
            SecretFile::Sealing => "certmesh-sealing-key-v1",
            SecretFile::Field => "certmesh-field-key-v1",
            SecretFile::Catalogue => "certmesh-catalogue-key-v1",
        }
    }

    /// What begins the line if the secret in it is encrypted.
    pub(super) const fn sealed_label(self) -> &'static str {
        match self {
            SecretFile::Signing => "certmesh-signing-key-v1-sealed:",
            SecretFile::Transport => "certmesh-transport-key-v1-sealed:",
            SecretFile::Sealing => "certmesh-sealing-key-v1-sealed:",
            SecretFile::Field => "certmesh-field-key-v1-sealed:",
            SecretFile::Catalogue => "certmesh-catalogue-key-v1-sealed:",
        }
    }

    /// The digits of a text whose secret is encrypted.
    pub(super) fn sealed_digits(self, text: &str) -> Option<&str> {
        text.trim_end().strip_prefix(self.sealed_label())
    }

    /// Whether a text's secret is encrypted.
    pub fn is_sealed(self, text: &str) -> bool {
        self.sealed_digits(text).is_some()
    }

    /// The file's text for a secret.
    pub fn write(self, secret: &[u8; 32]) -> Zeroizing<String> {
        let digits = Zeroizing::new(hex::encode(secret));
        Zeroizing::new(format!("{}:{}\n", self.label(), *digits))
    }

    /// The secret in a file's text.
    ///
    /// # Errors
    /// [`KeyError::SecretFile`] names the form expected, [`KeyError::Sealed`] one that is encrypted; the text itself is never part
    /// of the error.
    pub fn read(self, text: &str) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        if self.is_sealed(text) {
            return Err(KeyError::Sealed);
        }
        let digits = text
            .trim_end()
            .strip_prefix(self.label())
            .and_then(|rest| rest.strip_prefix(':'));
        let mut secret = Zeroizing::new([0; 32]);
        digits
            .and_then(|digits| hex::decode_to_slice(digits, secret.as_mut_slice()).ok())
            .ok_or(KeyError::SecretFile(self.label()))?;
        Ok(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec;

    #[test]
    fn a_signature_verifies_only_over_its_own_hash() {
        let key = SigningKey::from_seed(&[7; 32]);
        let message = hash(Purpose::Record, b"m");
        let signature = key.sign(&message);
        assert_eq!(key.public().verify(&message, &signature), Ok(()));
        let other = hash(Purpose::Checkpoint, b"m");
        assert_eq!(
            key.public().verify(&other, &signature),
            Err(KeyError::BadSignature)
        );
    }

    #[test]
    fn keys_and_signatures_round_trip_in_text_and_bytes() {
        let key = SigningKey::from_seed(&[7; 32]);
        let public = key.public();
        assert_eq!(public.to_string().parse(), Ok(public));
        let bytes = codec::encode(&public);
        assert_eq!(bytes.len(), 33);
        assert_eq!(codec::decode::<PublicKey>(&bytes, 33), Ok(public));
        let signature = key.sign(&Hash::ZERO);
        let bytes = codec::encode(&signature);
        assert_eq!(bytes, signature.to_bytes());
        assert_eq!(codec::decode::<Signature>(&bytes, 65), Ok(signature));
    }

    #[test]
    fn secrets_never_show() {
        let seed = [0xAB; 32];
        let shown = format!(
            "{:?} {:?} {:?}",
            SigningKey::from_seed(&seed),
            CatalogueKey(Secret::from_bytes(seed)),
            SecretFile::Field.read("certmesh-field-key-v1:abababab")
        );
        assert!(!shown.to_lowercase().contains("abab"), "{shown}");
    }

    #[test]
    fn the_commitment_fits_its_own_catalogue_key_only() {
        let key = |n| CatalogueKey(Secret::from_bytes([n; 32]));
        let commitment = key(1).commitment();
        assert_eq!(commitment, key(1).commitment());
        assert_ne!(commitment, key(2).commitment());
        assert_eq!(commitment.to_string().parse(), Ok(commitment));
    }

    #[test]
    fn a_secret_file_of_another_kind_is_refused() {
        let text = SecretFile::Signing.write(&[3; 32]);
        assert_eq!(*SecretFile::Signing.read(&text).unwrap(), [3; 32]);
        assert!(SecretFile::Transport.read(&text).is_err());
    }
}
