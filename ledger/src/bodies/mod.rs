//! Bodies, which a department keeps beside its log: fields and holders of its own certificates, and copies of what it
//! retrieved, encrypted.
//!
//! Two files that only the department has. Encrypted bodies are appended to `bodies`; `keys` has a slot of 96 bytes for
//! each record of the department's log: where the body is, and the body's key, wrapped under the department's field
//! key. After its header `keys` has a value derived from that field key, so that nothing is kept under another by
//! mistake. A body is made durable together with the checkpoint over its record, through the log's redo journal, so that no
//! acknowledged certificate has lost its fields. Destroying a slot makes the body unreadable for good, and the salts of its
//! commitments with it; before that the journal is cleared, which may hold the key as well.
//!
//! Slot: place in `bodies` (u64) · length (u32) · attachments (u32) · wrapped key (72) · checksum of all that (8). Zeros
//! stand for no body. All integers little-endian.
//!
//! Attachments are files of their own ([`Attachments`]), whose keys stand in the bodies.
//!
//! Nobody else has any of this, so what is lost stays lost: [`Lost`] is what a start finds missing, without opening
//! anything, and [`check_bodies`] opens everything; [`reread()`] does so while a peer runs, a part at a time.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

use crate::codec;
use crate::crypto::hash::{Purpose, hash};
use crate::crypto::keys::{BodyKey, FieldKey, WRAPPED_LEN};
use crate::disk::{Disk, DiskFile};
use crate::header::HeaderError;
use crate::header::{HEADER_LEN, Kind, check_header, header};
use crate::id::HolderKind;
use crate::log::redo::Target;
use crate::log::{Change, Log};
use crate::names::LogName;
use crate::record::{ATTACHMENT_MARK, Attachment, AttachmentName};

mod attachments;
mod check;
mod chunks;
mod compare;
mod lost;
mod reread;
mod void;

pub use attachments::{Arriving, AttachmentKey, Attachments, FileId, Receiving, Upload};
pub use check::{BodiesReport, BodyFault, check_bodies};
pub use chunks::{AttachmentError, AttachmentFile, CHUNK, Partial, file_len};
pub use compare::Records;
pub use lost::{About, Lost, LostError, Slot};
pub use reread::{Reread, reread};
pub use void::{erase_void, go_on_in_generation, set_aside_generations};

impl FieldKey {
    /// Shows whether files were kept under this key, and reveals nothing else of it.
    pub(crate) fn check_value(&self, log: &LogName) -> [u8; 24] {
        let parts = [b"check".as_slice(), &log.prefix()];
        let hash = self.0.hash(Purpose::FieldSalt, &parts);
        let mut value = [0; 24];
        value.copy_from_slice(&hash.as_bytes()[..24]);
        value
    }
}

#[cfg(test)]
mod tests;

const SLOT_LEN: usize = 96;
/// Bytes before the first slot: the header, the field key's check value, and a checksum of both.
const KEYS_HEADER_LEN: u64 = HEADER_LEN + 24 + 8;
/// Most bytes of a body: 64 fields of 4 KiB and their names, and room for more to come.
const MAX_BODY: usize = 1 << 19;

/// A certificate's holder and fields. Wiped when dropped; never shown.
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

    /// An attachment and where it is kept; `None` if none has that name.
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
    attachments: u32,
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
            attachments: 0,
        }
    }

    /// The same with the number of attachments that are kept beside it, so that one that is lost is missed.
    #[must_use]
    pub fn with_attachments(self, count: usize) -> SealedBody {
        let attachments = u32::try_from(count).unwrap_or(u32::MAX);
        SealedBody {
            attachments,
            ..self
        }
    }
}

/// Why a body can't be had.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The medium failed.
    #[error("bodies: {0}")]
    Io(#[from] io::Error),
    /// The body is not what was written, or the field key is another.
    #[error(
        "the body of record {0} can't be read: it is damaged, or the department's field key is not the one it was kept under"
    )]
    Damaged(u64),
    /// A file of another log or a later version, or none of this program's.
    #[error("{file}: {error}")]
    Header {
        /// Which file, from the data directory.
        file: &'static str,
        /// What is wrong with it.
        error: HeaderError,
    },
    /// The bodies were kept under another field key.
    #[error(
        "bodies/keys: kept under another field key than the one configured (keys.field): put the key back that this \
         directory was used with, or the directory that belongs to this key. Nothing was changed"
    )]
    OtherKey,
    /// An earlier write was refused.
    #[error(
        "bodies: a disk write was refused ({0}); free or repair the disk, then restart the peer"
    )]
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
    keys: Arc<dyn DiskFile>,
    bodies: Arc<dyn DiskFile>,
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
        // Both are looked at before either is written: a file of a later version, or another key, changes nothing.
        let (keys_path, bodies_path) = (dir.join("keys"), dir.join("bodies"));
        let had_keys = keys_begun(disk, &keys_path, log, &department)?;
        let had_bodies = bodies_begun(disk, &bodies_path, log)?;
        let keys = disk.open(&keys_path, true)?;
        begin(&*keys, had_keys, &keys_header(log, &department))?;
        let bodies = disk.open(&bodies_path, true)?;
        begin(&*bodies, had_bodies, &header(Kind::Bodies, log, 0))?;
        disk.sync_dir(dir)?;
        let end = bodies.len()?.max(HEADER_LEN);
        Ok(Bodies {
            department,
            keys: Arc::from(keys),
            bodies: Arc::from(bodies),
            end: Mutex::new(Ok(end)),
        })
    }

    /// Whether files below `dir`, if there are any, are this log's and were kept under this field key. Changes nothing.
    ///
    /// # Errors
    /// As for [`Bodies::open`].
    pub fn check(
        disk: &dyn Disk,
        dir: &Path,
        log: &LogName,
        department: &FieldKey,
    ) -> Result<(), BodyError> {
        keys_begun(disk, &dir.join("keys"), log, department)?;
        bodies_begun(disk, &dir.join("bodies"), log)?;
        Ok(())
    }

    /// What keeps the bodies of the records from `first` on, for the commit of these records: nothing is written before.
    /// `None` for records that have none: of a record that was cut off nothing stays that another could be taken to have.
    ///
    /// # Errors
    /// [`BodyError::Io`]; [`BodyError::ReadOnly`] after a refused write, since nothing is retried then.
    pub fn keep(
        &self,
        first: u64,
        bodies: &[Option<SealedBody>],
    ) -> Result<Vec<Change>, BodyError> {
        let mut end = self.end.lock();
        let mut at = end.clone().map_err(BodyError::ReadOnly)?;
        let none = bodies.iter().all(Option::is_none);
        if none && self.keys.len()? <= place(first) {
            return Ok(Vec::new());
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
        *end = Ok(at);
        let change = |target, file: &Arc<dyn DiskFile>, at, bytes| Change {
            target,
            file: Arc::clone(file),
            at,
            bytes,
        };
        Ok(vec![
            change(Target::Bodies, &self.bodies, begin, bytes),
            change(Target::BodyKeys, &self.keys, place(first), slots),
        ])
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
        let slot = read_slot(&found).ok_or_else(damaged)?;
        open_body(&*self.bodies, &self.department, &slot, about)?
            .ok_or_else(damaged)
            .map(Some)
    }

    /// What the slots of the first `records` positions say.
    ///
    /// # Errors
    /// Those of the medium.
    pub fn slots(&self, records: u64) -> io::Result<Vec<Slot>> {
        lost::slots(&*self.keys, self.bodies.len()?, records)
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

    /// Destroys the keys of the bodies of records of a log, durably; returns of how many there was one. The encrypted bytes stay
    /// and mean nothing from then on.
    ///
    /// # Errors
    /// [`BodyError::Io`], then and from then on [`BodyError::ReadOnly`] unless nothing was written.
    pub fn destroy(&self, log: &Log, seqs: &[u64]) -> Result<u64, BodyError> {
        let mut end = self.end.lock();
        end.clone().map_err(BodyError::ReadOnly)?;
        let len = self.keys.len()?;
        let slots = || seqs.iter().filter(|seq| place(**seq) < len);
        if slots().next().is_none() {
            return Ok(0);
        }
        let mut held = 0;
        for seq in slots() {
            held += u64::from(self.is_kept(*seq)?);
        }
        let destroying = log.redo()?;
        // The journal first: what it holds would be written to the slots again, and shows the keys until it is overwritten. A
        // crash in between leaves the keys, and the destroying to be asked for again. Also where a slot reads as zeros: an
        // earlier process may have written these without their being on the medium.
        let written = destroying.past(|| {
            for seq in slots() {
                self.keys.write_at(&[0; SLOT_LEN], place(*seq))?;
            }
            self.keys.sync()
        });
        if let Err(error) = written {
            *end = Err(error.to_string());
            return Err(error.into());
        }
        Ok(held)
    }
}

/// Opens the body that a slot points to; `None` when it is damaged or the key is another.
fn open_body<T: Serialize + DeserializeOwned>(
    bodies: &dyn DiskFile,
    department: &FieldKey,
    slot: &FullSlot,
    about: &str,
) -> io::Result<Option<Opened<T>>> {
    let Some(key) = department.unwrap(about, &slot.wrapped) else {
        return Ok(None);
    };
    if slot.len > MAX_BODY {
        return Ok(None);
    }
    let mut sealed = vec![0; slot.len];
    if bodies.read_at(&mut sealed, slot.at)? < slot.len {
        return Ok(None);
    }
    let plain = key.open(about, &sealed);
    let body = plain.and_then(|plain| codec::decode(&plain, MAX_BODY).ok());
    Ok(body.map(|body| Opened { key, body }))
}

/// The beginning of a file, up to this many bytes; `None` for one that is absent.
fn beginning(disk: &dyn Disk, path: &Path, len: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(path, false) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let mut found = vec![0; len as usize];
    let read = file.read_at(&mut found, 0)?;
    found.truncate(read);
    Ok(Some(found))
}

/// Whether the file of bodies was begun. One that is absent, or whose header did not reach the disk, holds nothing and was
/// not.
fn bodies_begun(disk: &dyn Disk, path: &Path, log: &LogName) -> Result<bool, BodyError> {
    let found = beginning(disk, path, HEADER_LEN + 1)?.unwrap_or_default();
    begun("bodies/bodies", Kind::Bodies, log, &found, HEADER_LEN)
}

/// The same of the file of keys, which must have been begun under this field key. One that has no slots yet is begun under
/// the key there is.
fn keys_begun(
    disk: &dyn Disk,
    path: &Path,
    log: &LogName,
    department: &FieldKey,
) -> Result<bool, BodyError> {
    const FILE: &str = "bodies/keys";
    let found = beginning(disk, path, KEYS_HEADER_LEN + 1)?.unwrap_or_default();
    if !begun(FILE, Kind::BodyKeys, log, &found, KEYS_HEADER_LEN)? {
        return Ok(false);
    }
    let own = keys_header(log, department);
    if found.starts_with(&own) {
        return Ok(true);
    }
    let whole = found.get(..own.len()).is_some_and(|found| {
        let (value, sum) = found.split_at(own.len() - 8);
        sum == checksum(value)
    });
    match whole {
        true => Err(BodyError::OtherKey),
        false if found.len() <= own.len() => Ok(false),
        false => Err(BodyError::Header {
            file: FILE,
            error: HeaderError::Damaged,
        }),
    }
}

/// Whether a file has its header. `found` is its beginning, up to a byte more than the `len` it has without content: while
/// it has none, a damaged header is one that a crash kept from the disk.
fn begun(
    file: &'static str,
    kind: Kind,
    log: &LogName,
    found: &[u8],
    len: u64,
) -> Result<bool, BodyError> {
    let head = &found[..found.len().min(HEADER_LEN as usize)];
    match check_header(head, kind, log, 0) {
        Ok(()) => Ok(true),
        Err(HeaderError::Damaged) if found.len() as u64 <= len => Ok(false),
        Err(error) => Err(BodyError::Header { file, error }),
    }
}

/// What the file of keys begins with.
fn keys_header(log: &LogName, department: &FieldKey) -> Vec<u8> {
    let mut bytes = header(Kind::BodyKeys, log, 0).to_vec();
    bytes.extend_from_slice(&department.check_value(log));
    let sum = checksum(&bytes);
    bytes.extend_from_slice(&sum);
    bytes
}

/// Makes a file's header durable, also one that is there: an earlier process may have failed to sync it.
fn begin(file: &dyn DiskFile, had: bool, header: &[u8]) -> io::Result<()> {
    if !had {
        file.set_len(0)?;
    }
    file.write_at(header, 0)?;
    file.sync()
}

fn place(seq: u64) -> u64 {
    KEYS_HEADER_LEN + seq * SLOT_LEN as u64
}

fn checksum(bytes: &[u8]) -> [u8; 8] {
    hash(Purpose::File, bytes).fingerprint().to_le_bytes()
}

/// A slot that has a body.
struct FullSlot {
    at: u64,
    len: usize,
    attachments: u32,
    wrapped: [u8; WRAPPED_LEN],
}

fn slot(at: u64, body: &SealedBody) -> [u8; SLOT_LEN] {
    let len = u32::try_from(body.bytes.len()).expect("a body is at most half a MiB");
    let mut slot = [0; SLOT_LEN];
    slot[..8].copy_from_slice(&at.to_le_bytes());
    slot[8..12].copy_from_slice(&len.to_le_bytes());
    slot[12..16].copy_from_slice(&body.attachments.to_le_bytes());
    slot[16..88].copy_from_slice(&body.wrapped);
    let sum = checksum(&slot[..88]);
    slot[88..].copy_from_slice(&sum);
    slot
}

fn read_slot(slot: &[u8]) -> Option<FullSlot> {
    let (rest, sum) = slot.split_last_chunk::<8>()?;
    if *sum != checksum(rest) {
        return None;
    }
    let number = |at: usize| Some(u32::from_le_bytes(rest.get(at..at + 4)?.try_into().ok()?));
    Some(FullSlot {
        at: u64::from_le_bytes(rest.get(..8)?.try_into().ok()?),
        len: number(8)? as usize,
        attachments: number(12)?,
        wrapped: rest.get(16..)?.try_into().ok()?,
    })
}
