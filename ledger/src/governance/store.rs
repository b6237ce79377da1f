//! What a peer keeps of governance on disk: the blocks, what moved its votes, and what waits for a block.
//!
//! Blocks are derived from nothing here, but every member has them: a tail that was torn, or a block that was damaged, is cut
//! off and fetched again. Votes are this node's own. A node that lost some could vote otherwise than before, so the directory
//! also says by which keys it votes no more, and the engine votes on no height before the last that it has votes of.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::codec;
use crate::crypto::hash::{Purpose, hash};
use crate::crypto::keys::PublicKey;
use crate::disk::{Disk, DiskFile};
use crate::header::{HEADER_LEN, HeaderError, Kind, check_header_of, header_of};

use super::block::{FinalBlock, Item, MAX_FINAL_BLOCK, MAX_ITEM};
use super::consensus::Entry;
use super::engine::{Chain, Left};

const BLOCKS: &str = "blocks";
const PENDING: &str = "pending";
const BARRED: &str = "barred";
const NEW: &str = ".new";
const VOTES: &str = "votes-";

/// Before the content of a frame: its length and its checksum.
const FRAME: usize = 12;

/// What is kept beside the content of an item or a block that was offered.
const AROUND: usize = 8_192;

/// Why a directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The medium.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Not this network's.
    #[error("{file}: {error}")]
    Header {
        /// Which file.
        file: PathBuf,
        /// What is wrong.
        error: HeaderError,
    },
}

/// What a directory held.
pub struct Kept {
    /// Blocks of the chain, which was extended by them.
    pub blocks: Vec<FinalBlock>,
    /// What the run before left to this one.
    pub left: Left,
    /// Bytes of blocks that could not be read, and were cut off.
    pub cut_off: u64,
}

/// A peer's files of governance.
pub struct Store {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    network: [u8; 32],
    blocks: Frames,
    votes: Option<(u64, Frames)>,
}

impl Store {
    /// Extends a chain by the blocks that a directory holds, as far as they go on from it, and changes nothing there.
    ///
    /// # Errors
    /// [`StoreError`]; a directory that isn't there holds none.
    pub fn read(disk: &dyn Disk, dir: &Path, chain: &dyn Chain) -> Result<(), StoreError> {
        let network = *chain.history().state().network().0.as_bytes();
        let path = dir.join(BLOCKS);
        let file = match disk.open(&path, false) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        let header = header_of(Kind::Blocks, &network, 0);
        let contents = Frames::contents(&*file, &path, &header, MAX_FINAL_BLOCK)?;
        extend(chain, &contents.unwrap_or_default());
        Ok(())
    }

    /// Opens the directory, or makes it, and extends a chain by the blocks that it holds, unless they are in it already.
    ///
    /// # Errors
    /// [`StoreError`]; what can be fetched again is cut off instead.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        chain: &dyn Chain,
    ) -> Result<(Store, Kept), StoreError> {
        let network = *chain.history().state().network().0.as_bytes();
        disk.create_dir_all(dir)?;
        if let Some(parent) = dir.parent() {
            disk.sync_dir(parent)?;
        }
        let path = dir.join(BLOCKS);
        let header = header_of(Kind::Blocks, &network, 0);
        let (mut file, contents) = Frames::open(&*disk, &path, &header, MAX_FINAL_BLOCK)?;
        let (blocks, good) = extend(chain, &contents);
        let cut_off = file.cut(good)?;
        disk.sync_dir(dir)?;
        let mut store = Store {
            disk,
            dir: dir.to_owned(),
            network,
            blocks: file,
            votes: None,
        };
        let left = Left {
            votes: store.votes()?,
            pending: store.list(PENDING, MAX_ITEM + AROUND)?,
            barred: store.list(BARRED, AROUND)?,
        };
        let kept = Kept {
            blocks,
            left,
            cut_off,
        };
        Ok((store, kept))
    }

    /// Adds the next block, durably.
    ///
    /// # Errors
    /// Those of the medium. After one of a sync nothing more is to be written.
    pub fn append(&mut self, block: &FinalBlock) -> io::Result<()> {
        self.blocks.add(&[block])
    }

    /// Adds what moved this node's part in the decision on a height, durably; that of earlier heights goes.
    ///
    /// # Errors
    /// As for [`Store::append`].
    pub fn keep(&mut self, height: u64, entries: &[Entry]) -> io::Result<()> {
        if self.votes.as_ref().is_none_or(|(of, _)| *of != height) {
            let path = self.dir.join(votes_name(height));
            let header = header_of(Kind::Votes, &self.network, height);
            let (file, _) = Frames::open(&*self.disk, &path, &header, MAX_FINAL_BLOCK + AROUND)
                .map_err(|error| io::Error::other(error.to_string()))?;
            // Before a vote: a file that a crash takes away was not one.
            self.disk.sync_dir(&self.dir)?;
            if let Some((before, _)) = self.votes.replace((height, file)) {
                self.disk.remove(&self.dir.join(votes_name(before)))?;
            }
        }
        let (_, file) = self.votes.as_mut().expect("made above");
        file.add(&entries.iter().collect::<Vec<_>>())
    }

    /// Replaces what waits for a block, durably.
    ///
    /// # Errors
    /// As for [`Store::append`].
    pub fn keep_pending(&mut self, items: &[Item]) -> io::Result<()> {
        self.replace(PENDING, items)
    }

    /// Keys by which this node votes no more: it may have forgotten what it voted. Durable before it takes part in anything.
    ///
    /// # Errors
    /// As for [`Store::append`].
    pub fn bar(&mut self, keys: &[PublicKey]) -> io::Result<()> {
        self.replace(BARRED, keys)
    }

    /// The votes of the largest height that there are any of.
    fn votes(&mut self) -> Result<(u64, Vec<Entry>), StoreError> {
        let names = self.disk.list(&self.dir)?;
        let mut heights: Vec<u64> = names.iter().filter_map(|name| votes_height(name)).collect();
        heights.sort_unstable();
        let Some(height) = heights.pop() else {
            return Ok((0, Vec::new()));
        };
        for before in heights {
            self.disk.remove(&self.dir.join(votes_name(before)))?;
        }
        let path = self.dir.join(votes_name(height));
        let header = header_of(Kind::Votes, &self.network, height);
        let (mut file, contents) =
            Frames::open(&*self.disk, &path, &header, MAX_FINAL_BLOCK + AROUND)?;
        let (mut entries, mut good) = (Vec::new(), HEADER_LEN);
        for (content, end) in contents {
            let Ok(entry) = codec::decode(&content, MAX_FINAL_BLOCK + AROUND) else {
                break;
            };
            entries.push(entry);
            good = end;
        }
        // What was torn nothing came of.
        file.cut(good)?;
        self.votes = Some((height, file));
        Ok((height, entries))
    }

    fn list<T: Serialize + DeserializeOwned>(
        &self,
        name: &str,
        limit: usize,
    ) -> Result<Vec<T>, StoreError> {
        let path = self.dir.join(name);
        if !self.disk.list(&self.dir)?.iter().any(|found| found == name) {
            return Ok(Vec::new());
        }
        let header = header_of(Kind::Pending, &self.network, 0);
        let (_, contents) = Frames::open(&*self.disk, &path, &header, limit)?;
        let read = |(content, _): &(Vec<u8>, u64)| codec::decode(content, limit).ok();
        Ok(contents.iter().filter_map(read).collect())
    }

    fn replace<T: Serialize>(&mut self, name: &str, all: &[T]) -> io::Result<()> {
        let new = self.dir.join(format!("{name}{NEW}"));
        let header = header_of(Kind::Pending, &self.network, 0);
        let file = self.disk.open(&new, true)?;
        file.set_len(0)?;
        file.write_at(&header, 0)?;
        let mut frames = Frames {
            file,
            end: HEADER_LEN,
        };
        frames.add(&all.iter().collect::<Vec<_>>())?;
        self.disk.rename(&new, &self.dir.join(name))?;
        self.disk.sync_dir(&self.dir)
    }
}

/// Extends a chain by blocks as far as they go on from it, or are in it; returns those, and where the last one ends.
fn extend(chain: &dyn Chain, contents: &[Content]) -> (Vec<FinalBlock>, u64) {
    let (mut blocks, mut good) = (Vec::new(), HEADER_LEN);
    for (content, end) in contents {
        // What does not go on from here was damaged, or kept by a program that knew a later version: it comes again.
        let Ok(block) = FinalBlock::decode(content) else {
            break;
        };
        let history = chain.history();
        let goes_on = match history.head_at(block.block.height) {
            Some(known) => block.block.height > 0 && known == block.block.id(history.chain()),
            None => chain.extend(&block).is_ok(),
        };
        if !goes_on {
            break;
        }
        blocks.push(block);
        good = *end;
    }
    (blocks, good)
}

fn votes_name(height: u64) -> String {
    format!("{VOTES}{height:012}")
}

fn votes_height(name: &str) -> Option<u64> {
    let height = name.strip_prefix(VOTES)?.parse().ok()?;
    (votes_name(height) == name).then_some(height)
}

/// The content of a frame, and where the frame ends.
type Content = (Vec<u8>, u64);

/// A file of frames: length (u32le), the first 8 bytes of the hash of the content, the content.
struct Frames {
    file: Box<dyn DiskFile>,
    end: u64,
}

impl Frames {
    /// Opens a file or makes it, and reads its frames up to the first that is torn or damaged.
    fn open(
        disk: &dyn Disk,
        path: &Path,
        header: &[u8; HEADER_LEN as usize],
        limit: usize,
    ) -> Result<(Frames, Vec<Content>), StoreError> {
        let file = disk.open(path, true)?;
        let Some(contents) = Frames::contents(&*file, path, header, limit)? else {
            file.set_len(0)?;
            file.write_at(header, 0)?;
            file.sync()?;
            let end = HEADER_LEN;
            return Ok((Frames { file, end }, Vec::new()));
        };
        let end = file.len()?;
        Ok((Frames { file, end }, contents))
    }

    /// The frames of a file up to the first that is torn or damaged; `None` of a file without a header: it is new, or a crash
    /// left it so, since its length may be durable before what is in it. Nothing came of that.
    fn contents(
        file: &dyn DiskFile,
        path: &Path,
        header: &[u8; HEADER_LEN as usize],
        limit: usize,
    ) -> Result<Option<Vec<Content>>, StoreError> {
        let len = file.len()?;
        let mut found = [0; HEADER_LEN as usize];
        file.read_at(&mut found, 0)?;
        if len < HEADER_LEN || found == [0; HEADER_LEN as usize] {
            return Ok(None);
        }
        check_header_of(&found, header).map_err(|error| StoreError::Header {
            file: path.to_owned(),
            error,
        })?;
        let (mut contents, mut at) = (Vec::new(), HEADER_LEN);
        while let Some(content) = read_frame(file, at, len, limit)? {
            at += (FRAME + content.len()) as u64;
            contents.push((content, at));
        }
        Ok(Some(contents))
    }

    /// Cuts off what is beyond a place; how much that was.
    fn cut(&mut self, end: u64) -> io::Result<u64> {
        let beyond = self.end.saturating_sub(end);
        if beyond > 0 {
            self.file.set_len(end)?;
            self.file.sync()?;
        }
        self.end = end;
        Ok(beyond)
    }

    fn add<T: Serialize>(&mut self, values: &[&T]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for value in values {
            let content = codec::encode(value);
            let len = u32::try_from(content.len()).map_err(io::Error::other)?;
            bytes.extend_from_slice(&len.to_le_bytes());
            bytes.extend_from_slice(&checksum(&content));
            bytes.extend_from_slice(&content);
        }
        self.file.write_at(&bytes, self.end)?;
        self.file.sync()?;
        self.end += bytes.len() as u64;
        Ok(())
    }
}

/// A frame; none at the end, and none that is torn or damaged.
fn read_frame(file: &dyn DiskFile, at: u64, end: u64, limit: usize) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; FRAME];
    if at + FRAME as u64 > end {
        return Ok(None);
    }
    file.read_exact_at(&mut head, at)?;
    let (len, sum) = head.split_first_chunk().expect("twelve bytes");
    let len = u32::from_le_bytes(*len) as usize;
    if len > limit || at + (FRAME + len) as u64 > end {
        return Ok(None);
    }
    let mut content = vec![0; len];
    file.read_exact_at(&mut content, at + FRAME as u64)?;
    Ok((checksum(&content) == sum).then_some(content))
}

fn checksum(content: &[u8]) -> [u8; 8] {
    let hash = hash(Purpose::File, content);
    let (first, _) = hash.as_bytes().split_first_chunk().expect("32 bytes");
    *first
}
