//! The attachments of a department's own certificates: an encrypted file each.
//!
//! An upload is written to `uploads/<file>.part`, becomes `uploads/<file>` when it is whole and durable, and is moved to
//! `attachments/<position>-<file>` before the record of its certificate is appended. A file whose record never came goes
//! back to the uploads before the next record takes its position. The key of a file stands in its certificate's body and
//! nowhere else, so that destroying the body makes the attachments unreadable for good; before that it is sealed in the
//! upload's token, which the client keeps.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::chunks::{AttachmentError, AttachmentFile, Partial};
use crate::codec;
use crate::crypto::hash::Hash;
use crate::crypto::hash::Purpose;
use crate::crypto::keys::BodyKey;
use crate::crypto::keys::{FieldKey, Secret, cipher};
use crate::disk::Disk;
use crate::names::LogName;
use crate::record::{Attachment, AttachmentName, MAX_ATTACHMENT, MediaType};

const PART: &str = ".part";
/// Longest token, in bytes: what is sealed is some hundred bytes long.
const MAX_TOKEN: usize = 512;
const NONCE: usize = 24;
const TOKEN_OF: &[u8] = b"certmesh v1 upload";

/// The name of an attachment's file, drawn at random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FileId([u8; 16]);

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl FromStr for FileId {
    type Err = hex::FromHexError;

    fn from_str(text: &str) -> Result<FileId, hex::FromHexError> {
        let mut bytes = [0; 16];
        hex::decode_to_slice(text, &mut bytes)?;
        Ok(FileId(bytes))
    }
}

/// Where an attachment is kept, and its key. Wiped when dropped; the key is never shown.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
pub struct AttachmentKey {
    #[zeroize(skip)]
    file: FileId,
    key: [u8; 32],
}

impl AttachmentKey {
    /// A file's name and key; both must be random.
    pub fn new(drawn: &[u8; 48]) -> AttachmentKey {
        let (mut file, mut key) = ([0; 16], [0; 32]);
        file.copy_from_slice(&drawn[..16]);
        key.copy_from_slice(&drawn[16..]);
        AttachmentKey {
            file: FileId(file),
            key,
        }
    }

    /// The file.
    pub fn file(&self) -> FileId {
        self.file
    }

    /// Its key.
    pub fn key(&self) -> Secret {
        Secret::from_bytes(self.key)
    }
}

impl fmt::Debug for AttachmentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AttachmentKey({})", self.file)
    }
}

/// A complete upload: what its token holds, readable only by the department that issued it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// Its file and key.
    pub key: AttachmentKey,
    /// What kind of file it is.
    pub media_type: MediaType,
    /// Bytes of the content.
    pub size: u64,
    /// BLAKE3 of the content.
    pub content: Hash,
    /// Until when a certificate can take it, in milliseconds since 1970-01-01 UTC.
    pub expires_ms: u64,
}

type TokenContent = (AttachmentKey, String, u64, Hash, u64);

impl Upload {
    /// The token. The nonce must be random.
    pub fn seal(&self, department: &FieldKey, nonce: [u8; NONCE]) -> String {
        let content: TokenContent = (
            self.key.clone(),
            self.media_type.to_string(),
            self.size,
            self.content,
            self.expires_ms,
        );
        let plain = codec::encode_secret(&content);
        let payload = Payload {
            msg: &plain,
            aad: TOKEN_OF,
        };
        let sealed = cipher(&department.upload_key())
            .encrypt(&nonce.into(), payload)
            .expect("a token is far shorter than the cipher's limit");
        hex::encode([&nonce[..], &sealed].concat())
    }

    /// What a token holds; `None` for one that this department did not issue.
    pub fn open(department: &FieldKey, token: &str) -> Option<Upload> {
        if token.len() > MAX_TOKEN {
            return None;
        }
        let bytes = hex::decode(token).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE)?;
        let payload = Payload {
            msg: sealed,
            aad: TOKEN_OF,
        };
        let plain = cipher(&department.upload_key()).decrypt(XNonce::from_slice(nonce), payload);
        let plain = Zeroizing::new(plain.ok()?);
        let (key, media_type, size, content, expires_ms) =
            codec::decode::<TokenContent>(&plain, MAX_TOKEN).ok()?;
        Some(Upload {
            key,
            media_type: media_type.parse().ok()?,
            size: Some(size).filter(|size| (1..=MAX_ATTACHMENT).contains(size))?,
            content,
            expires_ms,
        })
    }

    /// The attachment it becomes under a name.
    pub fn attachment(&self, name: AttachmentName) -> Attachment {
        Attachment {
            name,
            media_type: self.media_type,
            size: self.size,
            content: self.content,
        }
    }
}

/// The files of attachments.
#[derive(Clone)]
pub struct Attachments {
    disk: Arc<dyn Disk>,
    log: LogName,
    uploads: PathBuf,
    kept: PathBuf,
}

impl Attachments {
    /// Opens the directories below `dir`, or makes them. What an earlier process had not received whole is removed.
    ///
    /// # Errors
    /// Those of the medium.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, log: LogName) -> io::Result<Attachments> {
        let (uploads, kept) = (dir.join("uploads"), dir.join("attachments"));
        disk.create_dir_all(&uploads)?;
        disk.create_dir_all(&kept)?;
        disk.sync_dir(dir)?;
        for name in disk.list(&uploads)? {
            if name.ends_with(PART) {
                disk.remove(&uploads.join(name))?;
            }
        }
        disk.sync_dir(&uploads)?;
        Ok(Attachments {
            disk,
            log,
            uploads,
            kept,
        })
    }

    /// Begins to receive an upload.
    ///
    /// # Errors
    /// Those of the medium.
    pub fn receive(&self, key: AttachmentKey) -> Result<Receiving, AttachmentError> {
        let path = self.uploads.join(format!("{}{PART}", key.file));
        let abandoned = Abandoned {
            disk: Arc::clone(&self.disk),
            path: Some(path.clone()),
        };
        let partial = Partial::begin(&*self.disk, &path, &self.log, key.key())?;
        Ok(Receiving {
            partial,
            key,
            abandoned,
            uploads: self.uploads.clone(),
        })
    }

    /// Whether an upload is there and no certificate has it.
    ///
    /// # Errors
    /// Those of the medium.
    pub fn is_waiting(&self, file: FileId) -> io::Result<bool> {
        match self.disk.open(&self.waiting(file), false) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Moves uploads to the certificates that the records at these positions will issue. Durable when this returns.
    ///
    /// # Errors
    /// Those of the medium: some may have been moved; [`Attachments::settle`] moves them back.
    pub fn keep(&self, files: impl IntoIterator<Item = (u64, FileId)>) -> io::Result<()> {
        let mut any = false;
        for (seq, file) in files {
            self.disk
                .rename(&self.waiting(file), &self.place(seq, file))?;
            any = true;
        }
        if any {
            self.disk.sync_dir(&self.kept)?;
            self.disk.sync_dir(&self.uploads)?;
        }
        Ok(())
    }

    /// Makes uploads again of files whose records never came: those of positions from `held` on, the length of a log that
    /// is known to be whole. Gives how many.
    ///
    /// # Errors
    /// Those of the medium.
    pub fn settle(&self, held: u64) -> io::Result<usize> {
        let mut moved = 0;
        for name in self.disk.list(&self.kept)? {
            if let Some((seq, file)) = position_of(&name)
                && seq >= held
            {
                self.disk
                    .rename(&self.kept.join(&name), &self.waiting(file))?;
                moved += 1;
            }
        }
        if moved > 0 {
            self.disk.sync_dir(&self.uploads)?;
            self.disk.sync_dir(&self.kept)?;
        }
        Ok(moved)
    }

    /// Opens an attachment of the certificate that the record at `seq` issued. `size` is the one committed to.
    ///
    /// # Errors
    /// [`AttachmentError`].
    pub fn read(
        &self,
        seq: u64,
        key: &AttachmentKey,
        size: u64,
    ) -> Result<AttachmentFile, AttachmentError> {
        let path = self.place(seq, key.file);
        AttachmentFile::open(&*self.disk, &path, &self.log, key.key(), size)
    }

    /// Continues an attachment that comes from another peer for the record at `seq`; begins it when nothing of it is
    /// there. `None` when it is there whole.
    ///
    /// # Errors
    /// [`AttachmentError`].
    pub fn arrive(
        &self,
        seq: u64,
        key: &AttachmentKey,
        attachment: &Attachment,
    ) -> Result<Option<Arriving>, AttachmentError> {
        match self.read(seq, key, attachment.size) {
            Ok(_) => return Ok(None),
            Err(AttachmentError::Missing) => {}
            Err(error) => return Err(error),
        }
        let whole = self.place(seq, key.file);
        let part = whole.with_extension("part");
        let partial = Partial::resume(&*self.disk, &part, &self.log, key.key())?;
        Ok(Some(Arriving {
            partial,
            disk: Arc::clone(&self.disk),
            part,
            whole,
            kept: self.kept.clone(),
            size: attachment.size,
            content: attachment.content,
        }))
    }

    /// Removes the files of a certificate whose body was destroyed, durably. Looks through all names: also those are
    /// found whose body a crash took before their turn.
    ///
    /// # Errors
    /// Those of the medium.
    pub fn remove(&self, seq: u64) -> io::Result<()> {
        let mut any = false;
        for name in self.disk.list(&self.kept)? {
            if position_of(name.trim_end_matches(PART)).is_some_and(|(of, _)| of == seq) {
                self.disk.remove(&self.kept.join(name))?;
                any = true;
            }
        }
        if any {
            self.disk.sync_dir(&self.kept)?;
        }
        Ok(())
    }

    /// How many whole files there are for each position that has any.
    ///
    /// # Errors
    /// Those of the medium.
    pub fn counts(&self) -> io::Result<BTreeMap<u64, u32>> {
        counts(&*self.disk, &self.kept)
    }

    /// Where those of certificates and copies are.
    pub(super) fn kept(&self) -> (&dyn Disk, &Path) {
        (&*self.disk, &self.kept)
    }

    fn waiting(&self, file: FileId) -> PathBuf {
        self.uploads.join(file.to_string())
    }

    fn place(&self, seq: u64, file: FileId) -> PathBuf {
        place(&self.kept, seq, file)
    }
}

/// Where the file of a kept attachment is, below the directory of all of them.
pub(super) fn place(kept: &Path, seq: u64, file: FileId) -> PathBuf {
    kept.join(format!("{seq:012}-{file}"))
}

/// Number of whole files for each position.
pub(super) fn counts(disk: &dyn Disk, kept: &Path) -> io::Result<BTreeMap<u64, u32>> {
    let mut counts = BTreeMap::new();
    for name in disk.list(kept)? {
        if let Some((seq, _)) = position_of(&name) {
            *counts.entry(seq).or_default() += 1;
        }
    }
    Ok(counts)
}

/// Position and file of a kept attachment's name.
pub(super) fn position_of(name: &str) -> Option<(u64, FileId)> {
    let (seq, file) = name.split_once('-')?;
    Some((seq.parse().ok()?, file.parse().ok()?))
}

/// A file that is removed unless it is completed.
struct Abandoned {
    disk: Arc<dyn Disk>,
    path: Option<PathBuf>,
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            // What stays after all is removed at the next start.
            let _ = self.disk.remove(path);
        }
    }
}

/// An attachment in transfer from another peer. The part received stays when this is dropped.
pub struct Arriving {
    partial: Partial,
    disk: Arc<dyn Disk>,
    part: PathBuf,
    whole: PathBuf,
    kept: PathBuf,
    size: u64,
    content: Hash,
}

impl fmt::Debug for Arriving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Arriving({} of {} bytes)", self.partial.len(), self.size)
    }
}

impl Arriving {
    /// Where to continue; `None` when all has come.
    pub fn next(&self) -> Option<u64> {
        Some(self.partial.len()).filter(|len| *len < self.size)
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`AttachmentError::OtherContent`] for more than there is to come, [`AttachmentError::Io`].
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), AttachmentError> {
        if self.partial.len() + bytes.len() as u64 > self.size {
            return Err(AttachmentError::OtherContent);
        }
        self.partial.append(bytes)
    }

    /// Makes the attachment whole and durable, if it is the one that was promised; otherwise nothing of it stays.
    ///
    /// # Errors
    /// [`AttachmentError::OtherContent`], [`AttachmentError::Io`].
    pub fn finish(self) -> Result<(), AttachmentError> {
        let done = self.partial.finish(self.size, &self.content);
        if matches!(done, Err(AttachmentError::OtherContent)) {
            self.disk.remove(&self.part)?;
        }
        done?;
        self.disk.rename(&self.part, &self.whole)?;
        self.disk.sync_dir(&self.kept)?;
        Ok(())
    }
}

/// An upload in progress. Dropped before it is finished, it leaves nothing.
pub struct Receiving {
    partial: Partial,
    key: AttachmentKey,
    abandoned: Abandoned,
    uploads: PathBuf,
}

impl fmt::Debug for Receiving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiving({} bytes)", self.partial.len())
    }
}

impl Receiving {
    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`AttachmentError::TooLarge`], [`AttachmentError::Io`].
    pub fn append(&mut self, bytes: &[u8]) -> Result<(), AttachmentError> {
        self.partial.append(bytes)
    }

    /// Makes the upload whole and durable.
    ///
    /// # Errors
    /// [`AttachmentError::OtherContent`] when nothing came, [`AttachmentError::Io`].
    pub fn finish(self, media_type: MediaType, expires_ms: u64) -> Result<Upload, AttachmentError> {
        let Receiving {
            partial,
            key,
            mut abandoned,
            uploads,
        } = self;
        let (size, content) = partial.content();
        partial.finish(size, &content)?;
        let whole = uploads.join(key.file.to_string());
        if let Some(part) = &abandoned.path {
            abandoned.disk.rename(part, &whole)?;
        }
        abandoned.path = Some(whole);
        abandoned.disk.sync_dir(&uploads)?;
        abandoned.path = None;
        Ok(Upload {
            key,
            media_type,
            size,
            content,
            expires_ms,
        })
    }
}

impl BodyKey {
    /// File and key of an attachment that came with the body: both follow from this key, so that they go with it.
    pub fn attachment(&self, name: &AttachmentName) -> AttachmentKey {
        let part = |what: &[u8]| {
            self.0
                .hash(Purpose::FieldSalt, &[what, b"\0", name.as_str().as_bytes()])
        };
        let mut drawn = Zeroizing::new([0; 48]);
        drawn[..16].copy_from_slice(&part(b"attachment file").as_bytes()[..16]);
        drawn[16..].copy_from_slice(part(b"attachment key").as_bytes());
        AttachmentKey::new(&drawn)
    }
}
