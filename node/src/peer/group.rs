//! What is appended under one checkpoint, with its bodies.

use std::collections::HashSet;

use certmesh_api::{Fault, FaultKind};
use certmesh_ledger::bodies::{FileId, SealedBody};
use certmesh_ledger::record::Entry;

use super::prepare::Kept;
use super::uploads::not_received;
use super::{Peer, now_ms};
use crate::peer::Refusal;

/// Entries to append, in their order.
#[derive(Default)]
pub(crate) struct Group {
    pub(crate) entries: Vec<Entry>,
    pub(crate) bodies: Vec<Option<SealedBody>>,
    /// Uploads that become attachments, each with its entry's place in the group.
    pub(crate) files: Vec<(usize, FileId)>,
    /// The same uploads; each can be taken once.
    taken: HashSet<FileId>,
}

impl Group {
    /// Adds an entry; returns its place.
    pub(crate) fn push(&mut self, entry: Entry, kept: Option<Kept>) -> usize {
        let at = self.entries.len();
        self.entries.push(entry);
        let (sealed, uploads) = kept.map(|kept| (kept.sealed, kept.uploads)).unzip();
        self.bodies.push(sealed);
        for (_, upload) in uploads.unwrap_or_default() {
            self.files.push((at, upload.key.file()));
            self.taken.insert(upload.key.file());
        }
        at
    }

    /// Whether the uploads that a certificate names can be taken.
    pub(crate) fn can_take(&self, peer: &Peer, kept: &Kept) -> Result<(), Refusal> {
        let mut faults = Vec::new();
        for (place, upload) in &kept.uploads {
            let file = upload.key.file();
            let waiting = peer.attachments.is_waiting(file);
            let kind = if upload.expires_ms < now_ms() {
                FaultKind::UploadExpired
            } else if self.taken.contains(&file)
                || !waiting.map_err(|error| not_received(&error.into()))?
            {
                FaultKind::UploadUsed
            } else {
                continue;
            };
            faults.push(Fault::new(place.clone(), kind));
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Refusal::InvalidField(faults.into()))
        }
    }
}
