//! What a department keeps beside its log: fields and holders of its own certificates, and copies of what it retrieved,
//! encrypted.
//!
//! Two files that only the department has. `bodies` grows by encrypted bodies; `keys` has a slot of 96 bytes for each
//! record of the department's log: where the body is, and the body's key, wrapped under the department's field key. A body
//! is durable before the checkpoint over its record is, so that no certificate is acknowledged whose fields are lost; a
//! crash between the two leaves a body that the slot of the next record with a body replaces. Destroying a slot makes the
//! body unreadable for good, and the salts of its commitments with it.
//!
//! Slot: place in `bodies` (u64) · length (u32) · zero (u32) · wrapped key (72) · checksum of all that (8). Zeros stand for
//! no body. All integers little-endian.
//!
//! Attachments are files of their own ([`Attachments`]), whose keys stand in the bodies.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::codec;
use crate::hash::{Purpose, hash};
use crate::id::HolderKind;
use crate::keys::{BodyKey, FieldKey, WRAPPED_LEN};
use crate::log::LogName;
use crate::log::disk::{Disk, DiskFile};
use crate::log::header::{HEADER_LEN, Kind, check_header, header};
use crate::record::{ATTACHMENT_MARK, Attachment, AttachmentName};

mod attachments;
mod chunks;

pub use attachments::{Arriving, AttachmentKey, Attachments, FileId, Receiving, Upload};
pub use chunks::{AttachmentError, AttachmentFile, CHUNK, Partial, file_len};

#[cfg(test)]
mod tests;

const SLOT_LEN: usize = 96;
/// Most bytes of a body: 64 fields of 4 KiB and their names, and room for more to come.
const MAX_BODY: usize = 1 << 19;

/// What a certificate says of its holder and in its fields. Wiped when dropped; never shown.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// Kind of the holder's code.
    pub holder_kind: HolderKind,
    /// The holder's code, normalised.
    pub holder_code: String,
    /// Fields by name, those that commit to attachments among them.
    pub fields: BTreeMap<String, String>,
    /// Where attachments are kept, by their names.
    pub attachments: BTreeMap<String, AttachmentKey>,
}

impl Body {
    /// Whether two bodies say the same. Where attachments are kept does not matter: what they are stands in the fields.
    pub fn says_the_same(&self, other: &Body) -> bool {
        (self.holder_kind, &self.holder_code, &self.fields)
            == (other.holder_kind, &other.holder_code, &other.fields)
    }

    /// An attachment and where it is kept; `None` when there is none of that name.
    pub fn attachment(&self, name: &AttachmentName) -> Option<(Attachment, &AttachmentKey)> {
        let (field, value) = self
            .fields
            .get_key_value(&format!("{ATTACHMENT_MARK}{name}"))?;
        let attachment = Attachment::of_field(field, value).ok()??;
        Some((attachment, self.attachments.get(name.as_str())?))
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        self.holder_code.zeroize();
        self.fields.values_mut().for_each(Zeroize::zeroize);
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} fields)", self.fields.len())
    }
}

/// A body ready to be kept.
#[derive(Clone, Debug)]
pub struct SealedBody {
    wrapped: [u8; WRAPPED_LEN],
    bytes: Vec<u8>,
}

impl SealedBody {
    /// Encrypts a body under its key, and the key under the department's. `about` names what it is the body of: nothing
    /// else reads as its body. The nonce must be random.
    pub fn seal(
        department: &FieldKey,
        about: &str,
        key: &BodyKey,
        nonce: [u8; 24],
        body: &impl Serialize,
    ) -> SealedBody {
        let plain = codec::encode_secret(body);
        SealedBody {
            wrapped: department.wrap(about, nonce, key),
            bytes: key.seal(about, &plain),
        }
    }
}

/// Why a body can't be had.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The medium failed.
    #[error("bodies: {0}")]
    Io(#[from] io::Error),
    /// What is kept is not what was written, or the field key is another.
    #[error(
        "the body of record {0} can't be read: it is damaged, or the department's field key is not the one it was kept under"
    )]
    Damaged(u64),
    /// A file of another log, or none of this program's.
    #[error("{0}")]
    Header(#[from] crate::log::HeaderError),
    /// An earlier write was refused.
    #[error("bodies: a disk write was refused ({0}); free or mend the disk, then restart the peer")]
    ReadOnly(String),
}

/// A body and its key.
#[derive(Debug)]
pub struct Opened<T> {
    /// The body's key.
    pub key: BodyKey,
    /// What it protects.
    pub body: T,
}

/// The bodies of a department's own certificates.
pub struct Bodies {
    department: FieldKey,
    keys: Box<dyn DiskFile>,
    bodies: Box<dyn DiskFile>,
    end: Mutex<Result<u64, String>>,
}

impl Bodies {
    /// Opens the files below `dir`, or begins them.
    ///
    /// # Errors
    /// [`BodyError`] of the medium or for files of another log.
    pub fn open(
        disk: &dyn Disk,
        dir: &Path,
        log: &LogName,
        department: FieldKey,
    ) -> Result<Bodies, BodyError> {
        disk.create_dir_all(dir)?;
        let keys = begun(disk, &dir.join("keys"), Kind::BodyKeys, log)?;
        let bodies = begun(disk, &dir.join("bodies"), Kind::Bodies, log)?;
        disk.sync_dir(dir)?;
        let end = bodies.len()?.max(HEADER_LEN);
        Ok(Bodies {
            department,
            keys,
            bodies,
            end: Mutex::new(Ok(end)),
        })
    }

    /// Keeps the bodies of the records from `first` on; `None` for records that have none: of a record that was cut off
    /// nothing stays that another could be taken to have. Durable when this returns.
    ///
    /// # Errors
    /// [`BodyError::Io`], then and from then on [`BodyError::ReadOnly`]: nothing is retried after a refused write.
    pub fn keep(&self, first: u64, bodies: &[Option<SealedBody>]) -> Result<(), BodyError> {
        let mut end = self.end.lock();
        let mut at = end.clone().map_err(BodyError::ReadOnly)?;
        let none = bodies.iter().all(Option::is_none);
        if none && self.keys.len()? <= place(first) {
            return Ok(());
        }
        let begin = at;
        let mut slots = Vec::with_capacity(bodies.len() * SLOT_LEN);
        let mut bytes = Vec::new();
        for body in bodies {
            match body {
                Some(body) => {
                    slots.extend_from_slice(&slot(at, body));
                    bytes.extend_from_slice(&body.bytes);
                    at += body.bytes.len() as u64;
                }
                None => slots.extend_from_slice(&[0; SLOT_LEN]),
            }
        }
        let written = self
            .bodies
            .write_at(&bytes, begin)
            .and_then(|()| self.keys.write_at(&slots, place(first)))
            .and_then(|()| {
                let (bodies, keys) = rayon::join(|| self.bodies.sync(), || self.keys.sync());
                bodies.and(keys)
            });
        match written {
            Ok(()) => {
                *end = Ok(at);
                Ok(())
            }
            Err(error) => {
                *end = Err(error.to_string());
                Err(error.into())
            }
        }
    }

    /// The body of the record at `seq`, which is about `about`; `None` when none is kept, or it was destroyed.
    ///
    /// # Errors
    /// [`BodyError`].
    pub fn get<T: Serialize + DeserializeOwned>(
        &self,
        seq: u64,
        about: &str,
    ) -> Result<Option<Opened<T>>, BodyError> {
        let mut found = [0; SLOT_LEN];
        let read = self.keys.read_at(&mut found, place(seq))?;
        if read < SLOT_LEN || found == [0; SLOT_LEN] {
            return Ok(None);
        }
        let damaged = || BodyError::Damaged(seq);
        let (at, len, wrapped) = read_slot(&found).ok_or_else(damaged)?;
        let key = self
            .department
            .unwrap(about, &wrapped)
            .ok_or_else(damaged)?;
        if len > MAX_BODY {
            return Err(damaged());
        }
        let mut sealed = vec![0; len];
        if self.bodies.read_at(&mut sealed, at)? < len {
            return Err(damaged());
        }
        let plain = key.open(about, &sealed).ok_or_else(damaged)?;
        let body = codec::decode(&plain, MAX_BODY).map_err(|_| damaged())?;
        Ok(Some(Opened { key, body }))
    }

    /// Whether a body is kept of the record at `seq`, readable or not.
    ///
    /// # Errors
    /// [`BodyError::Io`].
    pub fn is_kept(&self, seq: u64) -> Result<bool, BodyError> {
        let mut found = [0; SLOT_LEN];
        let read = self.keys.read_at(&mut found, place(seq))?;
        let kept = read == SLOT_LEN && found != [0; SLOT_LEN];
        found.zeroize();
        Ok(kept)
    }

    /// Why nothing more can be kept: a disk write that was refused.
    pub fn refused(&self) -> Option<String> {
        self.end.lock().as_ref().err().cloned()
    }

    /// Destroys the key of the body of the record at `seq`, durably; gives whether there was one. The encrypted bytes
    /// stay and mean nothing from then on.
    ///
    /// # Errors
    /// [`BodyError::Io`].
    pub fn destroy(&self, seq: u64) -> Result<bool, BodyError> {
        let held = self.is_kept(seq)?;
        if held {
            let mut end = self.end.lock();
            end.clone().map_err(BodyError::ReadOnly)?;
            let written = self.keys.write_at(&[0; SLOT_LEN], place(seq));
            // After a refused sync the zeros may be in memory only, and a second try would find nothing left to do.
            if let Err(error) = written.and_then(|()| self.keys.sync()) {
                *end = Err(error.to_string());
                return Err(error.into());
            }
        }
        Ok(held)
    }
}

/// A file with its header: that of the log's, or a new one.
fn begun(
    disk: &dyn Disk,
    path: &Path,
    kind: Kind,
    log: &LogName,
) -> Result<Box<dyn DiskFile>, BodyError> {
    let file = disk.open(path, true)?;
    if file.len()? < HEADER_LEN {
        file.set_len(0)?;
        file.write_at(&header(kind, log, 0), 0)?;
        file.sync()?;
    } else {
        let mut found = [0; HEADER_LEN as usize];
        file.read_exact_at(&mut found, 0)?;
        check_header(&found, kind, log, 0)?;
    }
    Ok(file)
}

fn place(seq: u64) -> u64 {
    HEADER_LEN + seq * SLOT_LEN as u64
}

fn checksum(bytes: &[u8]) -> [u8; 8] {
    hash(Purpose::File, bytes).fingerprint().to_le_bytes()
}

fn slot(at: u64, body: &SealedBody) -> [u8; SLOT_LEN] {
    let len = u32::try_from(body.bytes.len()).expect("a body is at most half a MiB");
    let mut slot = [0; SLOT_LEN];
    slot[..8].copy_from_slice(&at.to_le_bytes());
    slot[8..12].copy_from_slice(&len.to_le_bytes());
    slot[16..88].copy_from_slice(&body.wrapped);
    let sum = checksum(&slot[..88]);
    slot[88..].copy_from_slice(&sum);
    slot
}

fn read_slot(slot: &[u8; SLOT_LEN]) -> Option<(u64, usize, [u8; WRAPPED_LEN])> {
    if slot[88..] != checksum(&slot[..88]) {
        return None;
    }
    let at = u64::from_le_bytes(slot[..8].try_into().ok()?);
    let len = u32::from_le_bytes(slot[8..12].try_into().ok()?);
    Some((at, len as usize, slot[16..88].try_into().ok()?))
}
