//! A proof in a file: everything needed to judge one certificate without asking anyone.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::catalogue::Catalogue;
use crate::codec::{self, Blob, Bounded, DecodeError};
use crate::id::{CertificateId, Date, DepartmentCode};
use crate::log::{
    CheckpointError, Cosignature, LogName, ReadError, SignedCheckpoint, StatusEntry,
    VerifiedCheckpoint, status_key,
};
use crate::membership::{Membership, Role};
use crate::merkle::{InclusionProof, VerifyError};
use crate::record::{
    CertificateIssued, Entry, Frame, FrameError, MAX_RECORD, RecordError, SignedRecord, Status,
};
use crate::status_map::{StatusProof, StatusProofError};

use super::{Facts, Verdict, gives, judge, successor};

/// Most bytes of an encoded bundle.
pub const MAX_BUNDLE: usize = 128 * 1024;

/// What every bundle file begins with.
const MAGIC: &[u8; 16] = b"certmesh-proof\0\x01";

/// A record with the proof that it is under the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Proved {
    frame: Blob<{ MAX_RECORD + 128 }>,
    inclusion: InclusionProof,
}

/// The proof of one certificate: its issuing record, its status, and the signed checkpoint over both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    checkpoint: SignedCheckpoint,
    cosignatures: Bounded<Cosignature, 64>,
    issued: Proved,
    status: StatusProof,
    /// The record that gave the status, when the certificate is not plainly valid.
    change: Option<Proved>,
}

/// Why a bundle proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Not a bundle file.
    #[error("this is no certmesh proof (it does not begin like one)")]
    NotABundle,
    /// Not the canonical encoding of a bundle.
    #[error("the proof is damaged: {0}")]
    Decode(#[from] DecodeError),
    /// A checkpoint or cosignature is not signed by a member of this network.
    #[error("{0}; is this proof from another network?")]
    Checkpoint(#[from] CheckpointError),
    /// A record is malformed.
    #[error("{0}")]
    Record(#[from] RecordError),
    /// A frame is malformed.
    #[error("{0}")]
    Frame(#[from] FrameError),
    /// A record is not under the checkpoint.
    #[error("a record is not under the checkpoint: {0}")]
    Inclusion(#[from] VerifyError),
    /// The status is not under the checkpoint.
    #[error("the status is not under the checkpoint: {0}")]
    Status(#[from] StatusProofError),
    /// A proof is for another place or size.
    #[error("a proof of inclusion is for another record or checkpoint")]
    OtherPlace,
    /// The first record issues no certificate.
    #[error("the record shown does not issue a certificate")]
    NotIssued,
    /// The status proved is not the one the record shown gives.
    #[error("the status proved and the record shown for it do not fit together")]
    StatusMismatch,
    /// A witness stands there twice, or is the department itself.
    #[error("department {0} is no further witness of its own log, or stands there twice")]
    Witness(DepartmentCode),
    /// No key of the record's epoch is known.
    #[error("no key of the record's epoch is known for its department")]
    UnknownKey,
}

/// A bundle all of whose proofs hold.
#[derive(Clone, Debug)]
pub struct VerifiedBundle {
    /// The checkpoint it rests on: its time is the time as of which the status is known.
    pub checkpoint: VerifiedCheckpoint,
    /// The witnesses that cosigned it.
    pub cosignatures: Vec<Cosignature>,
    /// The issuing record.
    pub issued: SignedRecord,
    /// Status and the position of the record that gave it; `None` for plainly valid.
    pub status: Option<StatusEntry>,
    /// The record that gave the status.
    pub change: Option<SignedRecord>,
    authorised: bool,
}

impl Bundle {
    /// Gathers the proof of a certificate under the accepted checkpoint of its log; `None` when it is not known here.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn gather(
        catalogue: &Catalogue,
        id: &CertificateId,
        cosignatures: impl FnOnce(&VerifiedCheckpoint) -> Vec<Cosignature>,
    ) -> Result<Option<Bundle>, ReadError> {
        let Some(state) = catalogue.certificate(id)? else {
            return Ok(None);
        };
        let Some(log) = catalogue.log(&state.log) else {
            return Ok(None);
        };
        let (checkpoint, entry, status) = log.prove_status(id)?;
        let prove = |record: &SignedRecord| -> Result<Proved, ReadError> {
            let inclusion = log.inclusion(record.record().seq, &checkpoint)?;
            Ok(Proved {
                frame: Blob::new(record.frame()).expect("a frame is within its bound"),
                inclusion,
            })
        };
        let change = entry.map(|entry| log.record(entry.seq)).transpose()?;
        Ok(Some(Bundle {
            issued: prove(&state.issued)?,
            change: change.as_ref().map(prove).transpose()?,
            status,
            cosignatures: Bounded::first(cosignatures(&checkpoint)),
            checkpoint: checkpoint.signed().clone(),
        }))
    }

    /// The bytes of a bundle file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        codec::encode_into(self, &mut bytes);
        bytes
    }

    /// Reads a bundle file.
    ///
    /// # Errors
    /// [`BundleError::NotABundle`] or [`BundleError::Decode`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Bundle, BundleError> {
        let body = bytes.strip_prefix(MAGIC).ok_or(BundleError::NotABundle)?;
        Ok(codec::decode(body, MAX_BUNDLE)?)
    }

    /// Checks every signature and proof; needs nothing but the membership.
    ///
    /// # Errors
    /// [`BundleError`]: then the bundle says nothing about the certificate.
    pub fn verify(self, members: &Membership) -> Result<VerifiedBundle, BundleError> {
        let checkpoint = self.checkpoint.verify(members)?;
        let mut witnesses = BTreeSet::from([checkpoint.log.department]);
        for cosignature in self.cosignatures.iter() {
            cosignature.verify(&checkpoint, members)?;
            if !witnesses.insert(cosignature.witness) {
                return Err(BundleError::Witness(cosignature.witness));
            }
        }
        let issued = self.issued.verify(&checkpoint, members)?;
        let Entry::CertificateIssued(certificate) = &issued.record().entry else {
            return Err(BundleError::NotIssued);
        };
        let proved = self
            .status
            .verify(&checkpoint.status_root, &status_key(&certificate.id))?;
        let change = self
            .change
            .map(|change| change.verify(&checkpoint, members))
            .transpose()?;
        let status = match (proved, &change) {
            (None, None) => None,
            (Some(value), Some(change)) => Some(status_given(value, change, &certificate.id)?),
            _ => return Err(BundleError::StatusMismatch),
        };
        let department = checkpoint.log.department;
        let authorised = certificate.id.issuer().names(&department)
            && members.had_role(&department, Role::Issue, issued.record().time_ms);
        Ok(VerifiedBundle {
            authorised,
            cosignatures: self.cosignatures.into_vec(),
            checkpoint,
            issued,
            status,
            change,
        })
    }
}

/// The status that both the proved value and the record say.
fn status_given(
    value: crate::hash::Hash,
    change: &SignedRecord,
    id: &CertificateId,
) -> Result<StatusEntry, BundleError> {
    let status = match &change.record().entry {
        Entry::StatusChanged(changed) => changed.action.result(),
        _ => Status::Superseded,
    };
    let entry = StatusEntry {
        status,
        seq: change.record().seq,
    };
    // A map that replicas derive holds no plainly valid certificate.
    if status != Status::Valid && gives(change, id, status) && entry.value() == value {
        Ok(entry)
    } else {
        Err(BundleError::StatusMismatch)
    }
}

impl Proved {
    fn verify(
        &self,
        checkpoint: &VerifiedCheckpoint,
        members: &Membership,
    ) -> Result<SignedRecord, BundleError> {
        let name = LogName {
            network: members.network(),
            id: checkpoint.log,
        };
        let (frame, len) = Frame::read(&self.frame)?;
        if len < self.frame.len() {
            return Err(DecodeError::Trailing(self.frame.len() - len).into());
        }
        let record = SignedRecord::decode(&name, &frame)?;
        if self.inclusion.size != checkpoint.size || self.inclusion.index != record.record().seq {
            return Err(BundleError::OtherPlace);
        }
        self.inclusion.verify(&record.leaf(), &checkpoint.root)?;
        let epoch = record.record().key_epoch;
        let key = members
            .key(&checkpoint.log.department, epoch)
            .ok_or(BundleError::UnknownKey)?;
        record.verify(key)?;
        Ok(record)
    }
}

impl VerifiedBundle {
    /// What the issuing record says.
    pub fn certificate(&self) -> &CertificateIssued {
        match &self.issued.record().entry {
            Entry::CertificateIssued(issued) => issued,
            _ => unreachable!("checked when the bundle was verified"),
        }
    }

    /// The verdict for a day, as of the checkpoint.
    pub fn judge(&self, on: Date) -> Verdict {
        judge(&Facts {
            certificate: self.certificate(),
            seq: self.issued.record().seq,
            status: self.status.map_or(Status::Valid, |entry| entry.status),
            successor: successor(self.change.as_ref()),
            authorised: self.authorised,
            stopped_at: None,
            on,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Text;
    use crate::hash::Hash;
    use crate::keys::SigningKey;
    use crate::log::LogId;
    use crate::membership::NetworkId;
    use crate::record::{Action, Reason, Record, RecordHash, StatusChanged};

    #[test]
    fn a_map_that_calls_a_certificate_plainly_valid_is_none_a_replica_derives() {
        let id: CertificateId =
            "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"
                .parse()
                .unwrap();
        let log = LogName {
            network: NetworkId(Hash::ZERO),
            id: LogId::first("11430000006122244L".parse().unwrap()),
        };
        for (action, fits) in [(Action::Suspend, true), (Action::Reinstate, false)] {
            let record = Record {
                seq: 7,
                prev: RecordHash::NONE,
                time_ms: 0,
                key_epoch: 0,
                entry: Entry::StatusChanged(StatusChanged {
                    id: id.clone(),
                    action,
                    reason: Reason::Other,
                    text: Text::default(),
                }),
            };
            let change = SignedRecord::sign(&log, record, &SigningKey::from_seed(&[1; 32]));
            let entry = StatusEntry {
                status: action.result(),
                seq: 7,
            };
            let given = status_given(entry.value(), &change, &id);
            assert_eq!(given.is_ok(), fits, "{action:?}");
        }
    }
}
