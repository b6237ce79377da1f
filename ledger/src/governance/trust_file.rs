//! Genesis and chain in one file, for whoever verifies where there is no network.
//!
//! Whoever has the genesis can check every byte of the rest. That the file is the newest, the file can't show: a reader
//! keeps the largest head it has seen, and takes none that leads elsewhere.

use crate::codec::{self, DecodeError};
use crate::genesis::{Genesis, GenesisFaults};
use crate::names::NetworkId;

use super::block::{FinalBlock, MAX_FINAL_BLOCK};
use super::chain::BlockId;
use super::fault::BlockError;
use super::history::History;
use crate::crypto::hash::Hash;

/// What every trust file of this version begins with.
const MAGIC: &[u8; 16] = b"certmesh-trust\0\x01";

/// Most bytes of a genesis in one.
const MAX_GENESIS: usize = 16 << 20;

/// Why bytes are not a trust file that can be trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustFileError {
    /// Another file.
    #[error("not a trust file")]
    NotOne,
    /// Of a later version.
    #[error("a trust file of version {0}, which a later version of certmesh wrote; upgrade")]
    Later(u8),
    /// Ends before what it says it holds.
    #[error("the trust file is cut off at {at}; copy it again")]
    CutOff {
        /// Where.
        at: Part,
    },
    /// Longer than what it says it holds.
    #[error("{0} bytes stand after the last block of the trust file; copy it again")]
    Trailing(usize),
    /// A part longer than any can be.
    #[error("{at} of {found} bytes, more than the {limit} allowed")]
    TooLong {
        /// Which.
        at: Part,
        /// Its bytes, as the file says.
        found: usize,
        /// Those allowed.
        limit: usize,
    },
    /// A part that isn't canonical.
    #[error("{at} of the trust file: {error}")]
    Decode {
        /// Which.
        at: Part,
        /// What is wrong.
        error: DecodeError,
    },
    /// A genesis that isn't one.
    #[error("genesis in the trust file: {0}")]
    Genesis(#[from] GenesisFaults),
    /// The genesis of another network.
    #[error("the trust file is of network {found}, not {expected}")]
    Network {
        /// That of the file.
        found: NetworkId,
        /// The one asked for.
        expected: NetworkId,
    },
    /// A block that doesn't follow from what stands before it.
    #[error("trust file: {0}")]
    Block(#[from] BlockError),
    /// The last block isn't the one that the file begins by naming.
    #[error(
        "the trust file ends with block {found}, not with {expected} as it says; copy it again"
    )]
    Head {
        /// The last block.
        found: BlockId,
        /// The one named.
        expected: BlockId,
    },
}

/// A part of a trust file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What it begins with.
    Beginning,
    /// The genesis.
    Genesis,
    /// The block of a height.
    Block(u64),
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Part::Beginning => f.write_str("its beginning"),
            Part::Genesis => f.write_str("genesis"),
            Part::Block(height) => write!(f, "block {height}"),
        }
    }
}

/// What a trust file holds, verified.
#[derive(Clone, Debug)]
pub struct TrustFile {
    /// What the network began with.
    pub genesis: Genesis,
    /// All of it up to the file's last block.
    pub history: History,
}

impl TrustFile {
    /// Writes a trust file of a genesis and all blocks of the chain up to one.
    pub fn write(genesis: &Genesis, blocks: &[FinalBlock]) -> Vec<u8> {
        let network = genesis.network_id();
        let last = blocks.last().map(|last| last.block.id(network));
        let head = last.unwrap_or_else(|| BlockId::genesis(network));
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&(blocks.len() as u64).to_le_bytes());
        out.extend_from_slice(head.0.as_bytes());
        let mut part = |bytes: &[u8]| {
            let len = u32::try_from(bytes.len()).expect("no part is as long as that");
            out.extend_from_slice(&len.to_le_bytes());
            out.extend_from_slice(bytes);
        };
        part(genesis.to_toml().as_bytes());
        for block in blocks {
            part(&codec::encode(block));
        }
        out
    }

    /// Reads a trust file and verifies all of it from its genesis on. Whoever expects a network says so: otherwise the file
    /// is that of any, and whose is for people to compare.
    ///
    /// # Errors
    /// [`TrustFileError`]: what is wrong, and where.
    pub fn read(bytes: &[u8], expected: Option<NetworkId>) -> Result<TrustFile, TrustFileError> {
        let rest = match bytes.split_first_chunk::<16>() {
            Some((magic, rest)) if magic == MAGIC => rest,
            Some((magic, _)) if magic[..15] == MAGIC[..15] => {
                return Err(TrustFileError::Later(magic[15]));
            }
            None if MAGIC.starts_with(bytes) && !bytes.is_empty() => {
                return Err(TrustFileError::CutOff {
                    at: Part::Beginning,
                });
            }
            _ => return Err(TrustFileError::NotOne),
        };
        let cut_off = || TrustFileError::CutOff {
            at: Part::Beginning,
        };
        let (height, rest) = rest.split_first_chunk::<8>().ok_or_else(cut_off)?;
        let (head, rest) = rest.split_first_chunk::<32>().ok_or_else(cut_off)?;
        let height = u64::from_le_bytes(*height);
        let mut parts = Parts(rest);

        let text = parts.next(Part::Genesis, MAX_GENESIS)?;
        let text = std::str::from_utf8(text).map_err(|error| TrustFileError::Decode {
            at: Part::Genesis,
            error: DecodeError::Malformed(error.to_string()),
        })?;
        let genesis = Genesis::from_toml(text)?;
        let found = genesis.network_id();
        if let Some(expected) = expected.filter(|expected| *expected != found) {
            return Err(TrustFileError::Network { found, expected });
        }
        let mut history = History::begin(&genesis);
        while history.height() < height {
            let at = Part::Block(history.height() + 1);
            let block = parts.next(at, MAX_FINAL_BLOCK)?;
            let block = FinalBlock::decode(block).map_err(malformed(at))?;
            history.extend(&block)?;
        }
        if !parts.0.is_empty() {
            return Err(TrustFileError::Trailing(parts.0.len()));
        }
        let (found, expected) = (history.state().head(), BlockId(Hash::from_bytes(*head)));
        match found == expected {
            true => Ok(TrustFile { genesis, history }),
            false => Err(TrustFileError::Head { found, expected }),
        }
    }
}

fn malformed(at: Part) -> impl Fn(DecodeError) -> TrustFileError {
    move |error| TrustFileError::Decode { at, error }
}

/// Parts that each begin with their length.
struct Parts<'b>(&'b [u8]);

impl<'b> Parts<'b> {
    fn next(&mut self, at: Part, limit: usize) -> Result<&'b [u8], TrustFileError> {
        let cut_off = || TrustFileError::CutOff { at };
        let (len, rest) = self.0.split_first_chunk::<4>().ok_or_else(cut_off)?;
        let found = u32::from_le_bytes(*len) as usize;
        if found > limit {
            return Err(TrustFileError::TooLong { at, found, limit });
        }
        let (part, rest) = rest.split_at_checked(found).ok_or_else(cut_off)?;
        self.0 = rest;
        Ok(part)
    }
}
