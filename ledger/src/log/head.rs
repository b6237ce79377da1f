//! The head file of a log: the last checkpoint signed (own log) or accepted (replica).
//!
//! Two slots of 4 KiB take turns, so that a torn write hits only the older of the two: the head changes atomically with
//! one write and one sync. Layout: a header block, then each slot as counter (u64), length (u32), body, checksum (32).
//!
//! A write whose sync failed, or that the process did not live to sync, may be on the medium or not; until the machine goes
//! down it reads as if it were. Opening takes what it reads for the head, and makes it durable before anyone acts upon it:
//! a head that was shown and then vanished in a crash would be signed a second time, over other records.

use std::io;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::codec::{self, Bounded};
use crate::crypto::hash::{Hash, Purpose, hash};

use crate::disk::{Disk, DiskFile};
use crate::governance::GenerationEnded;
use crate::header::{HEADER_LEN, HeaderError, Kind, check_header, header};
use crate::membership::Membership;
use crate::merkle::{CompactRange, root_from};
use crate::names::{Lineage, LogName};

use super::redo::{Change, Target};
use super::{CheckpointError, SignedCheckpoint, VerifiedCheckpoint};

const BLOCK: u64 = 4096;
const MAX_BODY: usize = BLOCK as usize - 8 - 4 - 32;

/// What the head file remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// Last checkpoint signed or accepted. Outlives the log's own files: whatever replaces them must agree with it.
    pub(crate) accepted: Option<SignedCheckpoint>,
    /// How far a replica has come towards a later checkpoint.
    pub(crate) progress: Option<Progress>,
    /// The records under `accepted` are gone (set aside) and have not all come back yet.
    pub(crate) restoring: bool,
    /// What the generation began with, once all of it is on disk; what that must lead to governance says.
    pub(crate) kept: Option<KeptHead>,
}

/// What a generation began with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KeptHead {
    /// Records.
    pub(crate) size: u64,
    /// A checkpoint of the generation before over just these.
    pub(crate) signed: Option<SignedCheckpoint>,
}

impl Head {
    /// Records that must be on disk.
    pub(crate) fn vouched(&self) -> u64 {
        match (&self.progress, &self.accepted) {
            (Some(progress), _) => progress.size,
            (None, Some(accepted)) if !self.restoring => accepted.checkpoint.size,
            _ => self.kept.as_ref().map_or(0, |kept| kept.size),
        }
    }

    /// Records under what it remembers, on disk or not; `None` when it remembers nothing.
    pub(crate) fn known(&self) -> Option<u64> {
        let accepted = self
            .accepted
            .as_ref()
            .map(|accepted| accepted.checkpoint.size);
        accepted.max(self.progress.as_ref().map(|progress| progress.size))
    }
}

/// Records verified and on disk beyond the accepted checkpoint, with what proves them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The checkpoint being caught up with.
    pub(crate) target: SignedCheckpoint,
    /// Records on disk.
    pub(crate) size: u64,
    /// Compact range of what follows them up to the target.
    pub(crate) right: Bounded<Hash, 64>,
}

impl Progress {
    /// Whether the records that a tree is over are those that the target covers.
    pub(crate) fn is_of(&self, range: &CompactRange) -> bool {
        let target = &self.target.checkpoint;
        let root = root_from(range, &self.right, target.size);
        root.is_ok_and(|root| root == target.root)
    }
}

/// What a head file vouches for, its signatures checked.
pub(crate) struct Vouched {
    pub(crate) accepted: Option<VerifiedCheckpoint>,
    pub(crate) head: Head,
    /// The log's generations, and what the present one begins with.
    pub(crate) lineage: (Lineage, Option<GenerationEnded>),
    /// A checkpoint of the generation before over just that.
    pub(crate) kept: Option<VerifiedCheckpoint>,
    /// Who belonged when.
    pub(crate) members: Membership,
}

impl Head {
    /// The checkpoints that it holds.
    pub(crate) fn checkpoints(&self) -> impl Iterator<Item = &SignedCheckpoint> {
        let targets = self.progress.iter().map(|progress| &progress.target);
        self.accepted.iter().chain(targets)
    }

    /// Checks that all of its checkpoints are the log's own.
    pub(crate) fn verify(
        self,
        log: &LogName,
        members: &Membership,
    ) -> Result<Vouched, CheckpointError> {
        let verified = |signed| own(signed, log, members);
        let target = self.progress.as_ref().map(|progress| &progress.target);
        target.map(verified).transpose()?;
        let history = members.history();
        let beginning = history.beginning(log.id).copied();
        let kept = self.kept.as_ref().and_then(|kept| kept.signed.clone());
        let kept = kept.filter(|signed| {
            let of = &signed.checkpoint;
            let ends = |ended: GenerationEnded| (ended.size, ended.root) == (of.size, of.root);
            of.log.department == log.id.department && beginning.is_some_and(ends)
        });
        Ok(Vouched {
            lineage: (history.lineage_of(*log), beginning),
            members: members.clone(),
            // Without it nothing is missing but proofs.
            kept: kept.and_then(|signed| signed.verify_kept(members).ok()),
            accepted: self.accepted.as_ref().map(verified).transpose()?,
            head: self,
        })
    }
}

/// Checks that a checkpoint of a head file is the log's own: of that log, and signed by its department. What it was accepted
/// by was checked then.
pub(crate) fn own(
    signed: &SignedCheckpoint,
    log: &LogName,
    members: &Membership,
) -> Result<VerifiedCheckpoint, CheckpointError> {
    match signed.checkpoint.log == log.id {
        true => signed.clone().verify_kept(members),
        false => Err(CheckpointError::OtherLog(signed.checkpoint.log)),
    }
}

/// What opening a head file found.
pub(crate) struct Found {
    pub(crate) head: Head,
    /// There may have been a head that can no longer be read. A file is made, header and all, before the first record
    /// of its log is written, so a log with records and without a readable head, except one never written, lost it.
    pub(crate) lost: bool,
}

pub(crate) struct HeadFile {
    file: Arc<dyn DiskFile>,
    counter: u64,
}

impl HeadFile {
    /// Opens or creates the head file; what it found is durable when this returns. A damaged header is written again: the
    /// slots carry their own checksums and signed content.
    pub(crate) fn open(
        disk: &dyn Disk,
        path: &Path,
        log: &LogName,
    ) -> io::Result<(HeadFile, Found)> {
        let file: Arc<dyn DiskFile> = Arc::from(disk.open(path, true)?);
        let mut found = [0; HEADER_LEN as usize];
        let read = file.read_at(&mut found, 0)?;
        let header_whole = match check_header(&found[..read], Kind::Head, log, 0) {
            Ok(()) => true,
            Err(HeaderError::Damaged) => {
                if file.len()? < 3 * BLOCK {
                    file.set_len(3 * BLOCK)?;
                }
                file.write_at(&header(Kind::Head, log, 0), 0)?;
                file.sync()?;
                false
            }
            Err(error) => return Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        };
        let slots = slots(&*file)?;
        let (counter, head, lost) = match newest(&slots) {
            Some((slot, counter, head)) => {
                // Written again, not only synced: after a sync that failed the system may take what it did not write for
                // written. To the same block: the other one has the head before it, should this write tear. From here on
                // the head is durable, so that nothing the opening shows can vanish in a crash.
                file.write_at(&slots[slot], (1 + slot as u64) * BLOCK)?;
                file.sync()?;
                (counter, head, false)
            }
            None => {
                let unwritten = slots.iter().flatten().all(|byte| *byte == 0);
                (0, Head::default(), !(header_whole && unwritten))
            }
        };
        Ok((HeadFile { file, counter }, Found { head, lost }))
    }

    /// Reads a head file without changing it.
    pub(crate) fn read(disk: &dyn Disk, path: &Path, log: &LogName) -> io::Result<Head> {
        let file = disk.open(path, false)?;
        let mut found = [0; HEADER_LEN as usize];
        let read = file.read_at(&mut found, 0)?;
        check_header(&found[..read], Kind::Head, log, 0)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        let newest = newest(&slots(&*file)?);
        Ok(newest.map(|(_, _, head)| head).unwrap_or_default())
    }

    /// Replaces the head; durable when this returns. After a failure the next opening may find the new one or the old one.
    pub(crate) fn write(&mut self, head: &Head) -> io::Result<()> {
        let change = self.next(head);
        change.write()?;
        change.file.sync()
    }

    /// What replaces the head once it is written. Whoever fails to write it writes no other: that would go into the slot of the
    /// head that counts.
    pub(super) fn next(&mut self, head: &Head) -> Change {
        let body = codec::encode(head);
        debug_assert!(
            body.len() <= MAX_BODY,
            "two checkpoints and 64 hashes take less than 3 KiB"
        );
        self.counter += 1;
        let counter = self.counter;
        // Into the slot that is older: torn by a crash, it fails its checksum, and the one before it counts.
        let mut block = Vec::with_capacity(BLOCK as usize);
        block.extend_from_slice(&counter.to_le_bytes());
        block.extend_from_slice(&(body.len() as u32).to_le_bytes());
        block.extend_from_slice(&body);
        block.extend_from_slice(hash(Purpose::File, &block).as_bytes());
        Change {
            target: Target::Head,
            file: Arc::clone(&self.file),
            at: (1 + counter % 2) * BLOCK,
            bytes: block,
        }
    }
}

/// The counter of a slot; `None` of one that is torn or was never written.
pub(super) fn counter(slot: &[u8]) -> Option<u64> {
    parse(slot).map(|(counter, _)| counter)
}

fn slots(file: &dyn DiskFile) -> io::Result<[Vec<u8>; 2]> {
    Ok([block(file, 1)?, block(file, 2)?])
}

fn block(file: &dyn DiskFile, at: u64) -> io::Result<Vec<u8>> {
    let mut block = vec![0; BLOCK as usize];
    let read = file.read_at(&mut block, at * BLOCK)?;
    block.truncate(read);
    Ok(block)
}

/// Which valid slot was written last, its counter and its content.
fn newest(slots: &[Vec<u8>; 2]) -> Option<(usize, u64, Head)> {
    let valid = slots.iter().enumerate().filter_map(|(at, slot)| {
        let (counter, head) = parse(slot)?;
        Some((at, counter, head))
    });
    valid.max_by_key(|(_, counter, _)| *counter)
}

fn parse(block: &[u8]) -> Option<(u64, Head)> {
    let (counter, rest) = block.split_first_chunk::<8>()?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let len = u32::from_le_bytes(*len) as usize;
    let (body, rest) = rest.split_at_checked(len)?;
    let (sum, _) = rest.split_first_chunk::<32>()?;
    if hash(Purpose::File, &block[..12 + len]).as_bytes() != sum {
        return None;
    }
    Some((
        u64::from_le_bytes(*counter),
        codec::decode(body, MAX_BODY).ok()?,
    ))
}
