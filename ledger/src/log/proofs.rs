//! Proofs from a log: that a record or a status is under its checkpoint, and the tree over what is held.
//!
//! What is read from the tree file is held against a root in memory or the checkpoint's before it is given to anybody: a node
//! that the medium changed is an error here, and would be another history to whoever compares.

use std::io;

use crate::crypto::hash::Hash;
use crate::id::{CertificateId, DepartmentCode, TypeCode};
use crate::merkle::{
    CompactRange, GenerateError, InclusionProof, left_range, right_range, root_from,
};
use crate::status_map::StatusProof;

use super::VerifiedCheckpoint;
use super::reading::{Log, ReadError, Unread};
use super::statuses::{
    DefinitionEntry, StatusEntry, Statuses, definition_key, inherited_key, status_key,
};
use super::tree_file;

impl Log {
    /// Proof that a committed record is under the accepted checkpoint, and that checkpoint.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn inclusion(
        &self,
        seq: u64,
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<InclusionProof, ReadError> {
        if seq >= checkpoint.size {
            return Err(ReadError::Beyond {
                log: self.name.id,
                seq,
                size: checkpoint.size,
            });
        }
        let leaf = self.leaf(seq).map_err(|e| self.io(e))?;
        let proof = InclusionProof::generate(&self.tree, seq, checkpoint.size)
            .map_err(|e| self.tree_error(e))?;
        match proof.verify(&leaf, &checkpoint.root) {
            Ok(()) => Ok(proof),
            Err(_) => Err(self.io(tree_file::damaged())),
        }
    }

    /// A certificate's status and the proof of it, with the checkpoint whose status root that leads to.
    ///
    /// # Errors
    /// [`ReadError::Empty`] without a checkpoint; [`ReadError::LaterVersion`] or [`ReadError::Decisions`] when the map can't be
    /// derived here.
    pub fn prove_status(
        &self,
        id: &CertificateId,
    ) -> Result<(VerifiedCheckpoint, Option<StatusEntry>, StatusProof), ReadError> {
        self.prove(&status_key(id), |statuses| statuses.get(id))
    }

    /// What its department says of a certificate that it inherited from another, and the proof of it, with the checkpoint
    /// whose status root that leads to.
    ///
    /// # Errors
    /// As for [`Log::prove_status`].
    pub fn prove_inherited(
        &self,
        department: &DepartmentCode,
        id: &CertificateId,
    ) -> Result<(VerifiedCheckpoint, Option<StatusEntry>, StatusProof), ReadError> {
        let key = inherited_key(department, id);
        self.prove(&key, |statuses| statuses.inherited(department, id))
    }

    /// A type's definitions and the proof of them, with the checkpoint whose status root that leads to.
    ///
    /// # Errors
    /// As for [`Log::prove_status`].
    pub fn prove_definition(
        &self,
        code: &TypeCode,
    ) -> Result<(VerifiedCheckpoint, Option<DefinitionEntry>, StatusProof), ReadError> {
        self.prove(&definition_key(code), |statuses| statuses.definition(code))
    }

    fn prove<T>(
        &self,
        key: &Hash,
        entry: impl FnOnce(&Statuses) -> io::Result<T>,
    ) -> Result<(VerifiedCheckpoint, T, StatusProof), ReadError> {
        let log = self.name.id;
        // Held while the checkpoint is read: publishing takes both locks, so the proof is never of one checkpoint and the root of
        // another.
        let mut statuses = self.statuses.lock();
        let (checkpoint, unread) = {
            let view = self.view.read();
            (view.signed().cloned(), view.unread)
        };
        let checkpoint = checkpoint.ok_or(ReadError::Empty(log))?;
        if let Some(Unread { seq, behind, .. }) = unread {
            return Err(match behind {
                Some(height) => ReadError::Decisions { log, height },
                None => ReadError::LaterVersion { log, seq },
            });
        }
        let entry = entry(&statuses).map_err(|e| self.io(e))?;
        let proof = statuses.map().prove(key).map_err(|e| self.io(e))?;
        Ok((checkpoint, entry, proof))
    }

    /// Merkle root over the first `size` records held; `None` when fewer are held or the tree can't be read, also because the
    /// medium changed it.
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        self.range_at(size).ok().map(|range| range.root())
    }

    /// The tree of the first `size` records held. A node that the medium changed is an error and no other history: what is
    /// read has to lead to the root over all that is held.
    pub(crate) fn range_at(&self, size: u64) -> Result<CompactRange, ReadError> {
        let (held, root) = *self.tip.read();
        let log = self.name.id;
        if size > held {
            let (seq, size) = (size, held);
            return Err(ReadError::Beyond { log, seq, size });
        }
        let left = left_range(&self.tree, size).map_err(|e| self.tree_error(e))?;
        let right = right_range(&self.tree, size, held).map_err(|e| self.tree_error(e))?;
        match root_from(&left, &right, held) {
            Ok(found) if found == root => Ok(left),
            _ => Err(self.io(tree_file::damaged())),
        }
    }

    pub(super) fn tree_error(&self, error: GenerateError<io::Error>) -> ReadError {
        match error {
            GenerateError::Read(error) => self.io(error),
            other => self.io(io::Error::other(other.to_string())),
        }
    }
}
