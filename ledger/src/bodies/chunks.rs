//! An attachment's file: encrypted in chunks, so that it is written as it comes and any part is read by itself.
//!
//! After the header stand chunks of 64 KiB of the content, the last one shorter, each encrypted with XChaCha20-Poly1305
//! under the attachment's own key. The nonce is the chunk's number; the associated data are the number and whether it is
//! the last. So a chunk that is changed, moved, left out or added is found out by whoever reads there, and a file that
//! was cut off by whoever opens it.

use std::fmt;
use std::io;
use std::path::Path;

use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};
use zeroize::{Zeroize, Zeroizing};

use crate::crypto::hash::Hash;
use crate::crypto::keys::{Secret, cipher};
use crate::disk::{Disk, DiskFile};
use crate::header::{HEADER_LEN, Kind, check_header, header};
use crate::names::LogName;
use crate::record::MAX_ATTACHMENT;

/// Bytes of the content in a chunk.
pub const CHUNK: usize = 1 << 16;
const TAG: usize = 16;
const SEALED: usize = CHUNK + TAG;

/// Why an attachment can't be written or read.
#[derive(Debug, thiserror::Error)]
pub enum AttachmentError {
    /// The medium failed.
    #[error("attachments: {0}")]
    Io(#[from] io::Error),
    /// There is no such file.
    #[error("the attachment's file is missing")]
    Missing,
    /// A file of another log, or none of this program's.
    #[error("the attachment's file: {0}")]
    Header(#[from] crate::header::HeaderError),
    /// The file is not as long as its content asks for.
    #[error("the attachment's file is damaged: it has {found} bytes, {expected} were written")]
    Length {
        /// Bytes found.
        found: u64,
        /// Bytes that were written.
        expected: u64,
    },
    /// A chunk is not what was written there.
    #[error(
        "the attachment's file is damaged: chunk {0} is not what was written, or the key is another"
    )]
    Damaged(u64),
    /// More than an attachment can have.
    #[error("longer than {MAX_ATTACHMENT} bytes, the most an attachment can have")]
    TooLarge,
    /// The content is not the one expected.
    #[error("the content is not the one that was promised: another length or another hash")]
    OtherContent,
}

fn seal(key: &Secret, number: u64, last: bool, plain: &[u8]) -> Vec<u8> {
    let (nonce, bound) = place(number, last);
    let payload = Payload {
        msg: plain,
        aad: &bound,
    };
    cipher(key)
        .encrypt(&nonce, payload)
        .expect("a chunk is far shorter than the cipher's limit")
}

fn open(key: &Secret, number: u64, last: bool, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, bound) = place(number, last);
    let payload = Payload {
        msg: sealed,
        aad: &bound,
    };
    cipher(key)
        .decrypt(&nonce, payload)
        .ok()
        .map(Zeroizing::new)
}

fn place(number: u64, last: bool) -> (XNonce, [u8; 9]) {
    let mut nonce = XNonce::default();
    nonce[..8].copy_from_slice(&number.to_le_bytes());
    let mut bound = [0; 9];
    bound[..8].copy_from_slice(&number.to_le_bytes());
    bound[8] = u8::from(last);
    (nonce, bound)
}

fn begin_of(number: u64) -> u64 {
    HEADER_LEN + number * SEALED as u64
}

/// Chunks of a content of this many bytes.
fn chunks_of(size: u64) -> u64 {
    size.div_ceil(CHUNK as u64).max(1)
}

/// Bytes of the file for a content of this many bytes.
pub fn file_len(size: u64) -> u64 {
    HEADER_LEN + size + chunks_of(size) * TAG as u64
}

/// An attachment's file that is not whole yet.
///
/// It can be dropped at any time, also by a crash, and [resumed](Partial::resume) with all whole chunks that had reached
/// the disk. A key is for one content: a file begun again for another needs another key.
pub struct Partial {
    file: Box<dyn DiskFile>,
    key: Secret,
    /// Whole chunks in the file.
    written: u64,
    /// What comes after them; not empty once anything came, since the last chunk is known as such only at the end.
    rest: Zeroizing<Vec<u8>>,
    hasher: blake3::Hasher,
}

impl fmt::Debug for Partial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Partial({} bytes)", self.len())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        self.hasher.zeroize();
    }
}

impl Partial {
    /// Begins a file; one that is there already is emptied.
    ///
    /// # Errors
    /// [`AttachmentError::Io`].
    pub fn begin(
        disk: &dyn Disk,
        path: &Path,
        log: &LogName,
        key: Secret,
    ) -> Result<Partial, AttachmentError> {
        let file = disk.open(path, true)?;
        file.set_len(0)?;
        file.write_at(&header(Kind::Attachment, log, 0), 0)?;
        Ok(Partial::over(file, key))
    }

    fn over(file: Box<dyn DiskFile>, key: Secret) -> Partial {
        Partial {
            file,
            key,
            written: 0,
            rest: Zeroizing::new(Vec::with_capacity(CHUNK)),
            hasher: blake3::Hasher::new(),
        }
    }

    /// Continues a file that an earlier process began, after the last whole chunk; a file that is absent, or
    /// whose beginning did not reach the disk, is begun again. Reads what is there, which checks it.
    ///
    /// # Errors
    /// [`AttachmentError::Io`], and [`AttachmentError::Header`] for a file that is whole and of another kind or log.
    pub fn resume(
        disk: &dyn Disk,
        path: &Path,
        log: &LogName,
        key: Secret,
    ) -> Result<Partial, AttachmentError> {
        let file = disk.open(path, true)?;
        let mut found = [0; HEADER_LEN as usize];
        if file.read_at(&mut found, 0)? < found.len() || found == [0; HEADER_LEN as usize] {
            return Partial::begin(disk, path, log, key);
        }
        check_header(&found, Kind::Attachment, log, 0)?;
        let mut partial = Partial::over(file, key);
        let mut sealed = vec![0; SEALED];
        let mut whole = 0;
        while whole < MAX_ATTACHMENT / CHUNK as u64
            && partial.file.read_at(&mut sealed, begin_of(whole))? == SEALED
            && let Some(plain) = open(&partial.key, whole, false, &sealed)
        {
            partial.hasher.update(&plain);
            partial.rest = plain;
            whole += 1;
        }
        // It may turn out to be the last.
        partial.written = whole.saturating_sub(1);
        partial.file.set_len(begin_of(partial.written))?;
        Ok(partial)
    }

    /// Bytes of the content that are there: what comes next begins at this place.
    #[expect(
        clippy::len_without_is_empty,
        reason = "callers ask where to continue, never whether anything is there"
    )]
    pub fn len(&self) -> u64 {
        self.written * CHUNK as u64 + self.rest.len() as u64
    }

    /// Takes the next bytes.
    ///
    /// # Errors
    /// [`AttachmentError::TooLarge`], which takes none of them; [`AttachmentError::Io`], after which the file must be
    /// resumed.
    pub fn append(&mut self, mut bytes: &[u8]) -> Result<(), AttachmentError> {
        if self.len() + bytes.len() as u64 > MAX_ATTACHMENT {
            return Err(AttachmentError::TooLarge);
        }
        self.hasher.update(bytes);
        while !bytes.is_empty() {
            if self.rest.len() == CHUNK {
                let sealed = seal(&self.key, self.written, false, &self.rest);
                self.file.write_at(&sealed, begin_of(self.written))?;
                self.written += 1;
                self.rest.zeroize();
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.rest.len()));
            self.rest.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Length and BLAKE3 of what has come.
    pub fn content(&self) -> (u64, Hash) {
        let hash = self.hasher.finalize();
        (self.len(), Hash::from_bytes(*hash.as_bytes()))
    }

    /// Ends the file, if what has come is the content that was promised. Durable when this returns; that its name is, is
    /// the caller's to see to.
    ///
    /// # Errors
    /// [`AttachmentError::OtherContent`], and then the file is of no use; [`AttachmentError::Io`].
    pub fn finish(self, size: u64, content: &Hash) -> Result<(), AttachmentError> {
        if self.content() != (size, *content) || size == 0 {
            return Err(AttachmentError::OtherContent);
        }
        let sealed = seal(&self.key, self.written, true, &self.rest);
        self.file.write_at(&sealed, begin_of(self.written))?;
        self.file.set_len(file_len(size))?;
        self.file.sync()?;
        Ok(())
    }
}

/// A whole attachment's file, read at any place.
pub struct AttachmentFile {
    file: Box<dyn DiskFile>,
    key: Secret,
    size: u64,
}

impl fmt::Debug for AttachmentFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AttachmentFile({} bytes)", self.size)
    }
}

impl AttachmentFile {
    /// Opens the file of a content of this many bytes.
    ///
    /// # Errors
    /// [`AttachmentError::Missing`], [`AttachmentError::Header`], [`AttachmentError::Length`], [`AttachmentError::Io`].
    pub fn open(
        disk: &dyn Disk,
        path: &Path,
        log: &LogName,
        key: Secret,
        size: u64,
    ) -> Result<AttachmentFile, AttachmentError> {
        let file = disk.open(path, false).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => AttachmentError::Missing,
            _ => AttachmentError::Io(error),
        })?;
        let (found, expected) = (file.len()?, file_len(size));
        if found != expected {
            return Err(AttachmentError::Length { found, expected });
        }
        let mut bytes = [0; HEADER_LEN as usize];
        file.read_exact_at(&mut bytes, 0)?;
        check_header(&bytes, Kind::Attachment, log, 0)?;
        Ok(AttachmentFile { file, key, size })
    }

    /// Bytes of the content.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Number of chunks.
    pub fn chunks(&self) -> u64 {
        chunks_of(self.size)
    }

    /// The content of a chunk; nothing beyond the last.
    ///
    /// # Errors
    /// [`AttachmentError::Damaged`] and [`AttachmentError::Io`].
    pub fn read(&self, number: u64) -> Result<Zeroizing<Vec<u8>>, AttachmentError> {
        let chunks = self.chunks();
        if number >= chunks {
            return Ok(Zeroizing::default());
        }
        let plain = (self.size - number * CHUNK as u64).min(CHUNK as u64) as usize;
        let mut sealed = vec![0; plain + TAG];
        let damaged = AttachmentError::Damaged(number);
        if self.file.read_at(&mut sealed, begin_of(number))? < sealed.len() {
            return Err(damaged);
        }
        open(&self.key, number, number + 1 == chunks, &sealed).ok_or(damaged)
    }

    /// Up to `len` bytes of the content from a place on; fewer only where it ends.
    ///
    /// # Errors
    /// [`AttachmentError::Damaged`] and [`AttachmentError::Io`].
    pub fn range(&self, from: u64, len: usize) -> Result<Zeroizing<Vec<u8>>, AttachmentError> {
        let end = from.saturating_add(len as u64).min(self.size);
        let mut range = Zeroizing::new(Vec::with_capacity(end.saturating_sub(from) as usize));
        let mut at = from;
        while at < end {
            let number = at / CHUNK as u64;
            let begin = number * CHUNK as u64;
            let chunk = self.read(number)?;
            let stop = (end - begin).min(chunk.len() as u64) as usize;
            range.extend_from_slice(&chunk[(at - begin) as usize..stop]);
            at = begin + stop as u64;
        }
        Ok(range)
    }
}
