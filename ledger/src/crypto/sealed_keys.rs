//! A node's secret files, encrypted under one passphrase.
//!
//! A sealed file is one line as a plain one is, with another label and more digits. It says itself how its key follows from the
//! passphrase. Those of one node share that, so that a start derives the key once (argon2id takes tenths of a second),
//! however many files there are; each has a nonce of its own.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};
use zeroize::Zeroizing;

use crate::crypto::keys::{Secret, SecretFile, cipher};
use crate::crypto::passphrase::{Cost, CostError, Passphrase};

/// Why a sealed secret can't be opened. No variant holds anything secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealedKeyError {
    /// Not a sealed secret of this kind.
    #[error("expected one line, `{0}-sealed:` and 200 hexadecimal digits")]
    Malformed(&'static str),
    /// Its parameters would take too much, or can't be.
    #[error("{0}; no version of certmesh has written it")]
    Cost(#[from] CostError),
    /// There isn't as much memory as it takes.
    #[error("no memory: opening it takes {0} KiB")]
    Memory(u32),
    /// The passphrase doesn't open it.
    #[error("wrong passphrase, or the file was changed")]
    Passphrase,
}

/// How a key follows from the passphrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Derivation {
    /// What trying one passphrase costs.
    pub cost: Cost,
    /// Random, for one node.
    pub salt: [u8; 16],
}

/// Bytes of parameters and salt.
const DERIVATION_LEN: usize = 28;
const NONCE_LEN: usize = 24;
/// The secret (32) and the authentication tag (16).
const SEALED_LEN: usize = 48;
const LEN: usize = DERIVATION_LEN + NONCE_LEN + SEALED_LEN;

impl Derivation {
    fn to_bytes(self) -> [u8; DERIVATION_LEN] {
        let numbers = [
            self.cost.memory_kib(),
            self.cost.passes(),
            self.cost.lanes(),
        ];
        let mut bytes = [0; DERIVATION_LEN];
        bytes[..12].copy_from_slice(&numbers.map(u32::to_le_bytes).concat());
        bytes[12..].copy_from_slice(&self.salt);
        bytes
    }

    fn from_bytes(bytes: &[u8; DERIVATION_LEN]) -> Result<Derivation, CostError> {
        let number = |at: usize| {
            let bytes = bytes[at..].first_chunk().expect("three numbers");
            u32::from_le_bytes(*bytes)
        };
        Ok(Derivation {
            cost: Cost::new(number(0), number(4), number(8))?,
            salt: *bytes[12..].first_chunk().expect("the salt is behind"),
        })
    }
}

/// What a sealed file holds.
struct Parts {
    derivation: Derivation,
    nonce: [u8; NONCE_LEN],
    sealed: [u8; SEALED_LEN],
}

fn parts(kind: SecretFile, text: &str) -> Result<Parts, SealedKeyError> {
    let malformed = SealedKeyError::Malformed(kind.label());
    let digits = kind.sealed_digits(text).ok_or(malformed)?;
    let mut bytes = [0; LEN];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| malformed)?;
    let (derivation, rest) = bytes.split_first_chunk().ok_or(malformed)?;
    let (nonce, sealed) = rest.split_first_chunk().ok_or(malformed)?;
    Ok(Parts {
        derivation: Derivation::from_bytes(derivation)?,
        nonce: *nonce,
        sealed: sealed.try_into().map_err(|_| malformed)?,
    })
}

/// What a sealed file says of how its key follows from the passphrase.
///
/// # Errors
/// [`SealedKeyError`] of one that isn't a sealed secret of this kind.
pub fn derivation(kind: SecretFile, text: &str) -> Result<Derivation, SealedKeyError> {
    parts(kind, text).map(|parts| parts.derivation)
}

/// Seals and opens the secret files of a node. The keys that it derived it keeps until it is dropped: whoever reads them in memory
/// finds what they open there as well.
#[derive(Clone)]
pub struct KeySealer {
    passphrase: Passphrase,
    derived: Arc<Mutex<Vec<(Derivation, Secret)>>>,
}

impl KeySealer {
    /// With this passphrase.
    pub fn new(passphrase: Passphrase) -> KeySealer {
        KeySealer {
            passphrase,
            derived: Arc::default(),
        }
    }

    /// Encrypts a secret: the text of its file. The nonce must be random, a new one each time.
    ///
    /// # Errors
    /// [`SealedKeyError::Memory`].
    pub fn seal(
        &self,
        kind: SecretFile,
        secret: &[u8; 32],
        derivation: Derivation,
        nonce: [u8; NONCE_LEN],
    ) -> Result<String, SealedKeyError> {
        let key = self.key(derivation)?;
        let payload = Payload {
            msg: secret,
            aad: &about(kind, derivation),
        };
        let sealed = cipher(&key).encrypt(&nonce.into(), payload);
        let sealed = sealed.expect("a secret is far shorter than the cipher's limit");
        let bytes = [&derivation.to_bytes()[..], &nonce, &sealed].concat();
        Ok(format!("{}{}\n", kind.sealed_label(), hex::encode(bytes)))
    }

    /// The secret in a sealed file's text.
    ///
    /// # Errors
    /// [`SealedKeyError`].
    pub fn open(
        &self,
        kind: SecretFile,
        text: &str,
    ) -> Result<Zeroizing<[u8; 32]>, SealedKeyError> {
        let parts = parts(kind, text)?;
        let key = self.key(parts.derivation)?;
        let payload = Payload {
            msg: &parts.sealed,
            aad: &about(kind, parts.derivation),
        };
        let opened = cipher(&key).decrypt(XNonce::from_slice(&parts.nonce), payload);
        let opened = Zeroizing::new(opened.map_err(|_| SealedKeyError::Passphrase)?);
        let mut secret = Zeroizing::new([0; 32]);
        secret.copy_from_slice(&opened);
        Ok(secret)
    }

    fn key(&self, derivation: Derivation) -> Result<Secret, SealedKeyError> {
        // Held while it is derived: another thread that wants the same waits instead of deriving it again.
        let mut derived = self.derived.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, key)) = derived.iter().find(|(known, _)| *known == derivation) {
            return Ok(key.clone());
        }
        let key = self.passphrase.key(&derivation.salt, derivation.cost);
        let key = key.ok_or(SealedKeyError::Memory(derivation.cost.memory_kib()))?;
        derived.push((derivation, key.clone()));
        Ok(key)
    }
}

impl fmt::Debug for KeySealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeySealer")
    }
}

/// What is authenticated beside the secret: a file under another's name is not opened.
fn about(kind: SecretFile, derivation: Derivation) -> Vec<u8> {
    [kind.sealed_label().as_bytes(), &derivation.to_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn derivation(salt: u8) -> Derivation {
        Derivation {
            cost: Cost::new(8, 1, 1).unwrap(),
            salt: [salt; 16],
        }
    }

    fn sealer(text: &str) -> KeySealer {
        KeySealer::new(Passphrase::new(text).unwrap())
    }

    #[test]
    fn a_sealed_secret_opens_with_its_passphrase_and_as_its_kind_alone() {
        let right = sealer("correct horse battery");
        let sealed = right.seal(SecretFile::Signing, &[0xAB; 32], derivation(1), [2; 24]);
        let sealed = sealed.unwrap();
        assert!(!sealed.contains("abab"), "{sealed}");
        assert!(SecretFile::Signing.is_sealed(&sealed) && !SecretFile::Field.is_sealed(&sealed));
        let opened = right.open(SecretFile::Signing, &sealed);
        assert_eq!(*opened.unwrap(), [0xAB; 32]);
        let wrong = sealer("correct horse batterz").open(SecretFile::Signing, &sealed);
        assert_eq!(wrong.err(), Some(SealedKeyError::Passphrase));
        let renamed = sealed.replace("signing", "field");
        let other = right.open(SecretFile::Field, &renamed);
        assert_eq!(other.err(), Some(SealedKeyError::Passphrase));
        // A program that reads plain ones says what it is.
        let plain = SecretFile::Signing.read(&sealed).unwrap_err();
        assert!(plain.to_string().contains("encrypted"), "{plain}");
    }

    #[test]
    fn any_digit_that_changes_is_noticed() {
        let sealer = sealer("correct horse battery");
        let sealed = sealer.seal(SecretFile::Field, &[7; 32], derivation(1), [2; 24]);
        let sealed = sealed.unwrap();
        let digits = SecretFile::Field.sealed_label().len();
        for at in digits..sealed.len() - 1 {
            let mut bytes = sealed.clone().into_bytes();
            bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
            let changed = String::from_utf8(bytes).unwrap();
            // Parameters in bounds that cost more would take a minute in all, and fail the same way.
            let cheap = super::derivation(SecretFile::Field, &changed)
                .is_ok_and(|found| found.cost.memory_kib() <= 4096 && found.cost.passes() <= 512);
            let in_parameters = at < digits + 24;
            assert!(
                in_parameters && !cheap || sealer.open(SecretFile::Field, &changed).is_err(),
                "digit {at}"
            );
        }
        for cut in [
            &sealed[..sealed.len() - 3],
            "",
            "certmesh-field-key-v1-sealed:",
        ] {
            let malformed = SealedKeyError::Malformed(SecretFile::Field.label());
            assert_eq!(sealer.open(SecretFile::Field, cut).err(), Some(malformed));
        }
    }

    #[test]
    fn files_that_share_a_derivation_cost_one() {
        let sealer = sealer("correct horse battery");
        for (kind, salt) in [
            (SecretFile::Signing, 1),
            (SecretFile::Field, 1),
            (SecretFile::Sealing, 2),
        ] {
            let sealed = sealer.seal(kind, &[7; 32], derivation(salt), [2; 24]);
            sealer.open(kind, &sealed.unwrap()).unwrap();
        }
        assert_eq!(sealer.derived.lock().unwrap().len(), 2);
    }
}
