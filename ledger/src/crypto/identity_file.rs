//! The file of a key that people sign with, a department's identity key or a recovery key: encrypted under a passphrase, and
//! kept apart from the node.
//!
//! Whose key it is and the public key stand in it in the clear, so that a person sees that without the
//! passphrase; they are authenticated with the rest. Salt and nonce are handed in, random ones, new each time.
//!
//! The key that encrypts comes from the passphrase by argon2id (RFC 9106), whose parameters stand in the file. A file may
//! come from anybody, so they are held against bounds before any memory is taken for them.

use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};
use zeroize::Zeroizing;

use crate::crypto::keys::{PublicKey, Secret, SigningKey, cipher};
use crate::crypto::passphrase::{Cost, CostError, Passphrase};
use crate::id::DepartmentCode;

/// Bytes of an identity key file.
pub const IDENTITY_FILE_LEN: usize = HEAD_LEN + SEALED_LEN;

const IDENTITY: &[u8; 12] = b"CERTMESHIDKY";
const RECOVERY: &[u8; 12] = b"CERTMESHRCKY";
/// In the place of a department's code.
const NOBODY: [u8; 18] = [0; 18];
const VERSION: u32 = 1;
/// What stands before the encrypted seed, and is authenticated with it.
const HEAD_LEN: usize = 118;
/// The seed (32) and the authentication tag (16).
const SEALED_LEN: usize = 48;

/// Why an identity key file can't be read or opened. No variant holds anything secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IdentityFileError {
    /// Something else.
    #[error("not an identity key file, nor one of a recovery key: it begins otherwise")]
    Other,
    /// Written by a later version.
    #[error(
        "written by a later version of certmesh (file format {0}, this version reads {VERSION}): upgrade certmesh"
    )]
    Later(u32),
    /// Its end is missing.
    #[error("cut off: it has {0} of {IDENTITY_FILE_LEN} bytes; use another copy of it")]
    CutOff(usize),
    /// Something stands behind its end.
    #[error("damaged: {0} bytes follow its end; use another copy of it")]
    Longer(usize),
    /// What stands in the clear can't be so.
    #[error("damaged: {0} in it is not valid; use another copy of it")]
    Damaged(&'static str),
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

/// What a key in such a file signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyHolder {
    /// What a department decides with the others.
    Department(DepartmentCode),
    /// Recoveries.
    Recovery,
}

impl From<DepartmentCode> for KeyHolder {
    fn from(department: DepartmentCode) -> KeyHolder {
        KeyHolder::Department(department)
    }
}

/// The file of a key that people sign with, closed: what is secret in it is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityFile {
    holder: KeyHolder,
    public: PublicKey,
    cost: Cost,
    salt: [u8; 16],
    nonce: [u8; 24],
    sealed: [u8; SEALED_LEN],
}

impl IdentityFile {
    /// Encrypts the seed of a key. Salt and nonce must be random, new ones each time.
    ///
    /// # Errors
    /// [`IdentityFileError::Memory`].
    pub fn seal(
        holder: impl Into<KeyHolder>,
        seed: &[u8; 32],
        passphrase: &Passphrase,
        cost: Cost,
        salt: [u8; 16],
        nonce: [u8; 24],
    ) -> Result<IdentityFile, IdentityFileError> {
        let mut file = IdentityFile {
            holder: holder.into(),
            public: SigningKey::from_seed(seed).public(),
            cost,
            salt,
            nonce,
            sealed: [0; SEALED_LEN],
        };
        let payload = Payload {
            msg: seed,
            aad: &file.head(),
        };
        let sealed = cipher(&file.key(passphrase)?).encrypt(&nonce.into(), payload);
        let sealed = sealed.expect("a seed is far shorter than the cipher's limit");
        file.sealed.copy_from_slice(&sealed);
        Ok(file)
    }

    /// Reads a file's bytes. Nothing of it is authenticated before it is opened.
    ///
    /// # Errors
    /// [`IdentityFileError`], but for a wrong passphrase.
    pub fn from_bytes(bytes: &[u8]) -> Result<IdentityFile, IdentityFileError> {
        use IdentityFileError::{CutOff, Damaged, Later, Longer, Other};

        let (magic, mut rest) = bytes.split_first_chunk().ok_or(Other)?;
        if ![IDENTITY, RECOVERY].contains(&magic) {
            return Err(Other);
        }
        let cut_off = CutOff(bytes.len());
        let rest = &mut rest;
        match u32::from_le_bytes(*take(rest).ok_or(cut_off)?) {
            VERSION => {}
            // Before the length: later versions may have another.
            version if version > VERSION => return Err(Later(version)),
            _ => return Err(Other),
        }
        if bytes.len() < IDENTITY_FILE_LEN {
            return Err(cut_off);
        }
        let code = take::<18>(rest).ok_or(cut_off)?;
        let holder = match magic == RECOVERY {
            true => (*code == NOBODY).then_some(KeyHolder::Recovery),
            false => {
                let code = std::str::from_utf8(code).ok();
                code.and_then(|code| code.parse().ok().map(KeyHolder::Department))
            }
        };
        let public = PublicKey::from_bytes(take(rest).ok_or(cut_off)?);
        let mut number = || Some(u32::from_le_bytes(*take(rest)?));
        let (memory_kib, passes, lanes) = (number(), number(), number());
        let cost = Cost::new(
            memory_kib.ok_or(cut_off)?,
            passes.ok_or(cut_off)?,
            lanes.ok_or(cut_off)?,
        )?;
        let file = IdentityFile {
            holder: holder.ok_or(Damaged("the department's code"))?,
            public: public.map_err(|_| Damaged("the public key"))?,
            cost,
            salt: *take(rest).ok_or(cut_off)?,
            nonce: *take(rest).ok_or(cut_off)?,
            sealed: *take(rest).ok_or(cut_off)?,
        };
        match rest.is_empty() {
            true => Ok(file),
            false => Err(Longer(rest.len())),
        }
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&self.head()[..], &self.sealed].concat()
    }

    /// Whose it is, as the file says: authenticated once it was opened.
    pub fn holder(&self) -> KeyHolder {
        self.holder
    }

    /// The public key, as the file says: authenticated once it was opened.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// What trying one passphrase costs.
    pub fn cost(&self) -> Cost {
        self.cost
    }

    /// The key.
    ///
    /// # Errors
    /// [`IdentityFileError::Passphrase`], and [`IdentityFileError::Memory`].
    pub fn open(&self, passphrase: &Passphrase) -> Result<SigningKey, IdentityFileError> {
        Ok(SigningKey::from_seed(&*self.seed(passphrase)?))
    }

    /// The same key under another passphrase. Salt and nonce must be random, new ones each time.
    ///
    /// # Errors
    /// [`IdentityFileError::Passphrase`] if the present one is wrong, and [`IdentityFileError::Memory`].
    pub fn change(
        &self,
        present: &Passphrase,
        next: &Passphrase,
        cost: Cost,
        salt: [u8; 16],
        nonce: [u8; 24],
    ) -> Result<IdentityFile, IdentityFileError> {
        let seed = self.seed(present)?;
        IdentityFile::seal(self.holder, &seed, next, cost, salt, nonce)
    }

    fn seed(&self, passphrase: &Passphrase) -> Result<Zeroizing<[u8; 32]>, IdentityFileError> {
        let payload = Payload {
            msg: &self.sealed,
            aad: &self.head(),
        };
        let opened =
            cipher(&self.key(passphrase)?).decrypt(XNonce::from_slice(&self.nonce), payload);
        let opened = Zeroizing::new(opened.map_err(|_| IdentityFileError::Passphrase)?);
        let mut seed = Zeroizing::new([0; 32]);
        seed.copy_from_slice(&opened);
        // Whoever knows a passphrase can make a file that shows another's public key.
        match SigningKey::from_seed(&seed).public() == self.public {
            true => Ok(seed),
            false => Err(IdentityFileError::Damaged("the public key")),
        }
    }

    fn key(&self, passphrase: &Passphrase) -> Result<Secret, IdentityFileError> {
        let key = passphrase.key(&self.salt, self.cost);
        key.ok_or(IdentityFileError::Memory(self.cost.memory_kib()))
    }

    fn head(&self) -> [u8; HEAD_LEN] {
        let cost = &self.cost;
        let cost = [cost.memory_kib(), cost.passes(), cost.lanes()];
        let cost = cost.map(u32::to_le_bytes).concat();
        let version = VERSION.to_le_bytes();
        let (magic, code) = match &self.holder {
            KeyHolder::Department(code) => (IDENTITY, code.as_str().as_bytes()),
            KeyHolder::Recovery => (RECOVERY, &NOBODY[..]),
        };
        let parts: [&[u8]; 7] = [
            magic,
            &version,
            code,
            self.public.as_bytes(),
            &cost,
            &self.salt,
            &self.nonce,
        ];
        let head = parts.concat();
        head.try_into().expect("each part has its length")
    }
}

/// Takes the next bytes off the front.
fn take<'b, const N: usize>(rest: &mut &'b [u8]) -> Option<&'b [u8; N]> {
    let (first, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(first)
}

#[cfg(test)]
#[path = "identity_file_tests.rs"]
mod tests;
