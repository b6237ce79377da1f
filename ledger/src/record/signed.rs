//! Records as links of a log: hash, signature, and the frames they are stored and sent in.

use serde::{Deserialize, Serialize, Serializer};

use crate::codec::{self, Borrowed, DecodeError};
use crate::crypto::hash::{Hash, Purpose, hash_parts};
use crate::crypto::keys::{KeyError, PublicKey, SIGNATURE_LEN, Signature, SigningKey};
use crate::names::{Claim, Lineage, LogName, RecordHash};

use super::{Entry, MAX_RECORD};

/// One link of a hash-linked log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Position in the log, from 0.
    pub seq: u64,
    /// Hash of the record before it; [`RecordHash::NONE`] for the first.
    pub prev: RecordHash,
    /// When it was made, ms since 1970 UTC; never less than the record before it.
    pub time_ms: u64,
    /// The governance height that it was written by: who its department was, and what it might do, is judged as of there.
    /// Never less than the record before it.
    pub height: u64,
    /// Which of the department's keys signed it; never an earlier one than the record before it.
    pub key_epoch: u32,
    /// What it says.
    pub entry: Entry,
}

/// A record as it is encoded: the entry's content is bytes with their length.
#[derive(Serialize, Deserialize)]
struct Encoded<'b> {
    seq: u64,
    prev: RecordHash,
    time_ms: u64,
    height: u64,
    key_epoch: u32,
    kind: u32,
    #[serde(borrow)]
    content: Borrowed<'b>,
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let content = self.entry.content();
        let encoded = Encoded {
            seq: self.seq,
            prev: self.prev,
            time_ms: self.time_ms,
            height: self.height,
            key_epoch: self.key_epoch,
            kind: self.entry.kind(),
            content: Borrowed(&content),
        };
        encoded.serialize(serializer)
    }
}

impl Record {
    /// What it claims to be judged by, as a record of a log, or of one of the generations before that it goes on with.
    pub fn claim(&self, lineage: &Lineage) -> Claim {
        Claim {
            log: lineage.at(self.seq).id,
            seq: self.seq,
            epoch: self.key_epoch,
            height: self.height,
        }
    }

    /// Reads a record from its canonical bytes. An entry this version can't read is not a fault of the record.
    ///
    /// # Errors
    /// [`RecordError`], by the rule that is broken.
    pub fn decode(bytes: &[u8]) -> Result<Record, RecordError> {
        let encoded: Encoded<'_> = codec::decode_borrowed(bytes, MAX_RECORD)?;
        Ok(Record {
            seq: encoded.seq,
            prev: encoded.prev,
            time_ms: encoded.time_ms,
            height: encoded.height,
            key_epoch: encoded.key_epoch,
            entry: Entry::read(encoded.kind, encoded.content.0),
        })
    }
}

/// Hash of the record whose canonical bytes these are.
pub fn record_hash(log: &LogName, bytes: &[u8]) -> RecordHash {
    RecordHash(hash_parts(Purpose::Record, &[&log.prefix(), bytes]))
}

/// Leaf of the log's tree for a record: it commits to the signature too, so that a checkpoint makes every stored byte
/// checkable without checking each signature.
pub fn leaf_hash(record: &RecordHash, signature: &[u8; SIGNATURE_LEN]) -> Hash {
    let mut bytes = [0; 32 + SIGNATURE_LEN];
    bytes[..32].copy_from_slice(record.0.as_bytes());
    bytes[32..].copy_from_slice(signature);
    crate::crypto::hash::hash(Purpose::Leaf, &bytes)
}

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Not the canonical encoding of a record.
    #[error("record: {0}")]
    Decode(#[from] DecodeError),
    /// The signature's algorithm is unknown or it does not verify.
    #[error("record: {0}")]
    Signature(#[from] KeyError),
}

/// A record with its signature, decoded; whether the signature verifies is for [`SignedRecord::verify`] to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedRecord {
    record: Record,
    bytes: Vec<u8>,
    hash: RecordHash,
    signature: Signature,
}

impl SignedRecord {
    /// Signs a record.
    pub fn sign(log: &LogName, record: Record, key: &SigningKey) -> SignedRecord {
        let bytes = codec::encode(&record);
        let hash = record_hash(log, &bytes);
        SignedRecord {
            record,
            hash,
            signature: key.sign(&hash.0),
            bytes,
        }
    }

    /// Decodes a frame.
    ///
    /// # Errors
    /// [`RecordError`] when the bytes are not a record or the signature's algorithm is unknown.
    pub fn decode(log: &LogName, frame: &Frame<'_>) -> Result<SignedRecord, RecordError> {
        let record = Record::decode(frame.record)?;
        let signature = Signature::from_bytes(frame.signature)?;
        let hash = record_hash(log, frame.record);
        Ok(SignedRecord {
            record,
            bytes: frame.record.to_vec(),
            hash,
            signature,
        })
    }

    /// Checks the department's signature.
    ///
    /// # Errors
    /// [`RecordError::Signature`] when it does not verify.
    pub fn verify(&self, key: &PublicKey) -> Result<(), RecordError> {
        Ok(key.verify(&self.hash.0, &self.signature)?)
    }

    /// The record.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// Its hash.
    pub fn hash(&self) -> RecordHash {
        self.hash
    }

    /// Its leaf in the log's tree.
    pub fn leaf(&self) -> Hash {
        leaf_hash(&self.hash, &self.signature.to_bytes())
    }

    /// Appends the frame to `out`.
    pub fn write_frame(&self, out: &mut Vec<u8>) {
        let signature = &self.signature.to_bytes();
        let record = &self.bytes;
        Frame { record, signature }.write(out);
    }

    /// The frame by itself.
    pub fn frame(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(4 + self.bytes.len() + SIGNATURE_LEN);
        self.write_frame(&mut out);
        out
    }
}

/// A record's bytes and signature as they stand in a segment or a page.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Canonical bytes of the record.
    pub record: &'a [u8],
    /// The 65 bytes of its signature.
    pub signature: &'a [u8; SIGNATURE_LEN],
}

/// Why bytes do not begin with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The bytes end within the frame.
    #[error("cut off within a frame")]
    Torn,
    /// No record can have this length.
    #[error("a record of {0} bytes, none or more than {MAX_RECORD}")]
    Length(u32),
}

impl<'a> Frame<'a> {
    /// Reads the frame at the start of `bytes`; returns it and its length.
    ///
    /// # Errors
    /// [`FrameError`] when there is none.
    pub fn read(bytes: &'a [u8]) -> Result<(Frame<'a>, usize), FrameError> {
        let (len, rest) = bytes.split_first_chunk::<4>().ok_or(FrameError::Torn)?;
        let len = u32::from_le_bytes(*len);
        if len == 0 || len as usize > MAX_RECORD {
            return Err(FrameError::Length(len));
        }
        let (record, rest) = rest
            .split_at_checked(len as usize)
            .ok_or(FrameError::Torn)?;
        let (signature, _) = rest
            .split_first_chunk::<SIGNATURE_LEN>()
            .ok_or(FrameError::Torn)?;
        Ok((
            Frame { record, signature },
            4 + record.len() + SIGNATURE_LEN,
        ))
    }

    /// Appends the frame to `out`: length of the record (u32, little-endian), the record's bytes, the 65 bytes of the
    /// signature.
    pub fn write(&self, out: &mut Vec<u8>) {
        let len = u32::try_from(self.record.len()).expect("records are at most 16 KiB");
        out.extend_from_slice(&len.to_le_bytes());
        out.extend_from_slice(self.record);
        out.extend_from_slice(self.signature);
    }

    /// Bytes of the frame.
    pub fn byte_len(&self) -> usize {
        4 + self.record.len() + SIGNATURE_LEN
    }
}

/// Iterates over consecutive frames; ends after the first error.
#[derive(Clone, Debug)]
pub struct Frames<'a>(&'a [u8]);

impl<'a> Frames<'a> {
    /// The frames in these bytes.
    pub fn new(bytes: &'a [u8]) -> Frames<'a> {
        Frames(bytes)
    }
}

impl<'a> Iterator for Frames<'a> {
    type Item = Result<Frame<'a>, FrameError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        Some(match Frame::read(self.0) {
            Ok((frame, len)) => {
                self.0 = &self.0[len..];
                Ok(frame)
            }
            Err(error) => {
                self.0 = &[];
                Err(error)
            }
        })
    }
}
