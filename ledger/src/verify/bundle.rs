//! A proof in a file: everything needed to judge one certificate without asking anyone.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::catalogue::{Authority, Catalogue, NotAuthorised, Unproven, authority, deciding};
use crate::codec::{self, Blob, Bounded, DecodeError};
use crate::governance::{History, Judgement, MAX_SUCCESSORS};
use crate::id::{CertificateId, Date, DepartmentCode};
use crate::log::{
    CheckpointError, Cosignature, Log, ReadError, SignedCheckpoint, StatusEntry,
    VerifiedCheckpoint, status_key,
};
use crate::membership::Membership;
use crate::merkle::{InclusionProof, VerifyError};
use crate::names::LogId;
use crate::record::{
    CertificateIssued, Entry, Frame, FrameError, MAX_RECORD, RecordError, SignedRecord, Status,
    is_dated_ahead,
};
use crate::status_map::{StatusProof, StatusProofError};

use super::definition_proof::DefinitionProof;
use super::successor_proof::{SuccessorProof, VerifiedSuccessor};
use super::{Facts, Missing, Verdict, gives, judge, successor};

/// Most bytes of an encoded bundle.
pub const MAX_BUNDLE: usize = 256 * 1024;

/// What every bundle file begins with.
const MAGIC: &[u8; 16] = b"certmesh-proof\0\x01";

/// A record with the proof that it is under the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Proved {
    frame: Blob<{ MAX_RECORD + 128 }>,
    inclusion: InclusionProof,
}

/// The proof of one certificate: its issuing record, its status, and the signed checkpoint over both; and the definition it
/// rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bundle {
    checkpoint: SignedCheckpoint,
    cosignatures: Bounded<Cosignature, 64>,
    issued: Proved,
    status: StatusProof,
    /// The record that gave the status, when the certificate is not plainly valid.
    change: Option<Proved>,
    /// The definition it names, unless the certificate is not its department's to issue whatever the definition says.
    definition: Option<DefinitionProof>,
    /// What each successor on its department's way says of it, in that order.
    successors: Bounded<SuccessorProof, MAX_SUCCESSORS>,
}

/// Why no bundle can be made of a certificate.
#[derive(Debug, thiserror::Error)]
pub enum GatherError {
    /// A log could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The definition the certificate names can't be shown.
    #[error("the definition that the certificate names can't be shown")]
    Definition(Unproven),
    /// What the certificate names is not a definition of its type; only a peer can show that.
    #[error("what the certificate names is not a definition of its type")]
    NotAuthorised(NotAuthorised),
    /// Several departments of its division say that they issued it.
    #[error(
        "several departments of its division claim to have issued it; they have to settle which of them did"
    )]
    Claimed,
    /// A successor of its department has recorded nothing since it is that, so what that one says of it can't be shown.
    #[error(
        "{log}, the log of a successor of its department, has no signed head yet of since it changes the certificate's status"
    )]
    Successor {
        /// That log.
        log: LogId,
    },
    /// A successor of its department was removed, and no head over what was kept of its log is held here.
    #[error(
        "no signed head over just what was kept of {log} is held here, the log of a successor of its department that was removed"
    )]
    Ended {
        /// That log.
        log: LogId,
    },
    /// The definitions take more than a proof may hold.
    #[error(
        "the proof would take {0} bytes, at most {MAX_BUNDLE} are allowed: its type was defined again too often"
    )]
    TooLarge(usize),
}

/// Why a bundle proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Not a bundle file.
    #[error("this is not a certmesh proof (it does not begin like one)")]
    NotABundle,
    /// Not the canonical encoding of a bundle.
    #[error("the proof is damaged: {0}")]
    Decode(#[from] DecodeError),
    /// A checkpoint or cosignature is not signed by a member of this network.
    #[error("{0}; is this proof from another network?")]
    Checkpoint(CheckpointError),
    /// It rests on decisions of the members that the reader does not have: it may be right.
    #[error(
        "the proof was made by the members' decisions up to {named}, and those known here end at {known}; get a newer trust \
         file from a peer (GET /v1/governance/trust-file)"
    )]
    Early {
        /// The governance height that it names.
        named: u64,
        /// The last one known here.
        known: u64,
    },
    /// It was made by a version of the format that this program does not know: it may be right.
    #[error(
        "the proof was made by version {0} of the format, to which the members raised it, and this program does not know that: \
         upgrade it"
    )]
    LaterVersion(u32),
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
    #[error("the status proved and the record shown for it do not match")]
    StatusMismatch,
    /// The definition the certificate names is not shown, or not all that came after it.
    #[error(
        "the definitions shown of the certificate's type are not those that their department's checkpoint commits to"
    )]
    Definition,
    /// The successors shown are not those that the members decided, in their order.
    #[error(
        "the proof shows what {found} says in the place of {expected}: by the members' decisions known here these are not the \
         successors of the certificate's department; if the proof is newer than those, get a newer trust file from a peer \
         (GET /v1/governance/trust-file)",
        found = found.map_or("nobody".to_owned(), |code| code.to_string()),
        expected = expected.map_or("nobody".to_owned(), |code| code.to_string())
    )]
    Way {
        /// The department shown.
        found: Option<DepartmentCode>,
        /// The one whose place that is.
        expected: Option<DepartmentCode>,
    },
    /// A removed department's log, on which successors go on, is not shown up to where it ended.
    #[error(
        "the proof shows the log of {department} up to record {found}; by the members' decisions it ended at {expected} when that \
         department was removed"
    )]
    NotWhole {
        /// Whose log.
        department: DepartmentCode,
        /// Records under the checkpoint shown.
        found: u64,
        /// Where it ended.
        expected: u64,
    },
    /// A witness stands there twice, or is the department itself.
    #[error("department {0} cosigned its own log, or is listed twice")]
    Witness(DepartmentCode),
    /// No key of the record's epoch is known.
    #[error("no key of the record's epoch is known for its department")]
    UnknownKey,
    /// A time in it is further ahead of the reader's clock than clocks may be apart.
    #[error(
        "department {by} dated it {time_ms} ms after 1970, more than 10 minutes ahead of the reader's clock, which says {now_ms} ms"
    )]
    DatedAhead {
        /// Who signed the latest time in it.
        by: DepartmentCode,
        /// That time, ms.
        time_ms: u64,
        /// The reader's clock, ms.
        now_ms: u64,
    },
}

/// Who judges a proof: when, for which day, and whose word is enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    /// The day asked for.
    pub on: Date,
    /// The reader's clock, ms.
    pub now_ms: u64,
    /// Whether the issuer's word is enough, without a signature by another member.
    pub issuer_only: bool,
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
    /// What each successor on its department's way says of it, in that order.
    pub successors: Vec<VerifiedSuccessor>,
    /// Status and the position of the record that gave it, in the log of the certificate or of a successor; `None` for plainly
    /// valid.
    pub status: Option<StatusEntry>,
    /// The record that gave the status.
    pub change: Option<SignedRecord>,
    /// Which of the successors gave the status, if one did.
    status_by: Option<usize>,
    /// What it doesn't show of what those on the department's way said by now.
    unshown: Option<Missing>,
    authority: Authority,
    /// The latest time in it, ms, and the department that signed it.
    dated: (u64, DepartmentCode),
}

impl Bundle {
    /// Gathers the proof of a certificate under the accepted checkpoint of its log; `None` when it is not known here.
    /// `cosignatures` gives members' signatures under a checkpoint, its own department's among them.
    ///
    /// # Errors
    /// [`GatherError`].
    pub fn gather(
        catalogue: &Catalogue,
        id: &CertificateId,
        cosignatures: impl Fn(&VerifiedCheckpoint) -> Vec<Cosignature>,
    ) -> Result<Option<Bundle>, GatherError> {
        let mut claims = catalogue.claims(id)?;
        if claims.len() > 1 {
            return Err(GatherError::Claimed);
        }
        let Some(state) = claims.pop() else {
            return Ok(None);
        };
        let Some(log) = catalogue.log(&state.log) else {
            return Ok(None);
        };
        let (checkpoint, entry, status) = log.prove_status(id)?;
        let prove = |record: &SignedRecord| Proved::of(&log, record, &checkpoint);
        let change = entry.map(|entry| log.record(entry.seq)).transpose()?;
        let witnesses = cosignatures(&checkpoint).into_iter();
        let mut successors = Vec::new();
        let department = state.log.department;
        let history = catalogue.members().history();
        for successor in history.way_shown(&department).iter().skip(1) {
            let of = (&department, id);
            successors.push(SuccessorProof::gather(
                catalogue,
                successor,
                of,
                &cosignatures,
            )?);
        }
        if let (Some(last), Some(since)) = (successors.last(), history.inherited_since(&department))
        {
            let log = last.checkpoint.checkpoint.log;
            let ended = history.ended_by_removal(&log.department).is_some();
            if !ended && !last.is_since(since) {
                return Err(GatherError::Successor { log });
            }
        }
        let bundle = Bundle {
            successors: Bounded::first(successors),
            definition: DefinitionProof::gather(catalogue, &state, &checkpoint, &cosignatures)?,
            issued: prove(&state.issued)?,
            change: change.as_ref().map(prove).transpose()?,
            status,
            cosignatures: Bounded::first(
                witnesses.filter(|c| c.witness != checkpoint.log.department),
            ),
            checkpoint: checkpoint.signed().clone(),
        };
        match codec::encode(&bundle).len() {
            0..=MAX_BUNDLE => Ok(Some(bundle)),
            bytes => Err(GatherError::TooLarge(bytes)),
        }
    }

    /// Whether another member signed the checkpoint of who changes its status: its department, or the last successor.
    pub fn is_witnessed(&self) -> bool {
        let last = self.successors.last();
        let cosignatures = last.map_or(&self.cosignatures, |last| &last.cosignatures);
        !cosignatures.is_empty()
    }

    /// The log of who changes its status.
    pub fn changed_in(&self) -> LogId {
        let last = self.successors.last();
        let checkpoint = last.map_or(&self.checkpoint, |last| &last.checkpoint);
        checkpoint.checkpoint.log
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
        let refused = |error| BundleError::of(error, members);
        let checkpoint = self.checkpoint.verify(members).map_err(refused)?;
        let witnesses = BTreeSet::from([checkpoint.log.department]);
        let cosignatures = counting(self.cosignatures, witnesses, &checkpoint, members)?;
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
        let time_ms = issued.record().time_ms;
        let log = checkpoint.log;
        let cosigned = cosignatures.iter().map(|c| (c.time_ms, c.witness));
        let records = change.iter().chain([&issued]);
        let records = records.map(|record| (record.record().time_ms, log.department));
        let mut dated = (checkpoint.time_ms, log.department);
        dated = cosigned.chain(records).fold(dated, Ord::max);
        let mut definition = self.definition;
        let history = members.history();
        let claim = issued.record().claim(&history.lineage(log));
        let way = history.way_shown(&log.department);
        let mut on_way = way.iter().skip(1);
        let mut successors = Vec::with_capacity(self.successors.len());
        for proof in self.successors.into_vec() {
            let found = proof.checkpoint.checkpoint.log.department;
            let expected = on_way.next().copied();
            if expected != Some(found) {
                let found = Some(found);
                return Err(BundleError::Way { found, expected });
            }
            // One that was removed may have said more than an older head shows, and those after it go on from all of it.
            let before = successors.last();
            let before = before.map_or(&checkpoint, |one: &VerifiedSuccessor| &one.checkpoint);
            is_whole(&history, before)?;
            successors.push(proof.verify(members, (&log.department, &certificate.id))?);
        }
        // A proof from before the last removal says what was so then, and nothing of what that one's successor did since.
        let unshown = match on_way.next() {
            Some(next) => Some(Missing::Successor(*next)),
            None => unshown(&history, &checkpoint, successors.last()),
        };
        let said = std::iter::once(status).chain(successors.iter().map(|one| one.says));
        let decided = deciding(said);
        let change = match decided {
            Some((place, _)) if place > 0 => successors[place - 1].change.clone(),
            _ => change,
        };
        let status = decided.map(|(_, entry)| entry);
        let status_by = decided.and_then(|(place, _)| place.checked_sub(1));
        dated = successors
            .iter()
            .map(VerifiedSuccessor::dated)
            .fold(dated, Ord::max);
        let mut unvouched = unvouched(&history, &checkpoint, &cosignatures);
        for one in &successors {
            unvouched = unvouched.or_else(|| one.unvouched(&history));
        }
        let authority = authority(&history, &claim, certificate, time_ms, |named| {
            let proof = definition.take().ok_or(BundleError::Definition)?;
            dated = dated.max(proof.dated(named));
            let of = (&certificate.id.type_code(), time_ms);
            let (evidence, of_definition) = proof.verify(members, &checkpoint, named, of)?;
            unvouched = unvouched.take().or(of_definition);
            Ok::<_, BundleError>(evidence)
        })?;
        let authority = match (authority, unvouched) {
            (no @ Authority::NotGiven(_), _) => no,
            (_, Some(unproven)) => Authority::Unknown(unproven),
            (authority, None) => authority,
        };
        // What was not looked at could be anything.
        if definition.is_some() {
            return Err(BundleError::Definition);
        }
        Ok(VerifiedBundle {
            authority,
            cosignatures,
            checkpoint,
            issued,
            successors,
            status,
            change,
            status_by,
            unshown,
            dated,
        })
    }
}

impl BundleError {
    pub(super) fn of(error: CheckpointError, members: &Membership) -> BundleError {
        let history = members.history();
        match error {
            CheckpointError::Early { height, .. } if history.head_at(height).is_some() => {
                BundleError::LaterVersion(history.state().version())
            }
            CheckpointError::Early { height: named, .. } => BundleError::Early {
                named,
                known: history.height(),
            },
            other => BundleError::Checkpoint(other),
        }
    }
}

/// The cosignatures that count. That of a witness whose key is known as stolen by now doesn't, and the rest of the proof is as
/// good as before.
pub(super) fn counting(
    cosignatures: Bounded<Cosignature, 64>,
    mut witnesses: BTreeSet<DepartmentCode>,
    checkpoint: &VerifiedCheckpoint,
    members: &Membership,
) -> Result<Vec<Cosignature>, BundleError> {
    let mut counting = Vec::with_capacity(cosignatures.len());
    for cosignature in cosignatures.into_vec() {
        if !witnesses.insert(cosignature.witness) {
            return Err(BundleError::Witness(cosignature.witness));
        }
        match cosignature.verify(checkpoint, members) {
            Ok(()) => counting.push(cosignature),
            Err(CheckpointError::Nothing { why, .. }) if !why.is_plain() => {}
            Err(error) => return Err(BundleError::of(error, members)),
        }
    }
    Ok(counting)
}

/// What of all that those on a department's way said is under none of the checkpoints shown, the last of which is given.
fn unshown(
    history: &History,
    own: &VerifiedCheckpoint,
    last: Option<&VerifiedSuccessor>,
) -> Option<Missing> {
    // Of a certificate that nobody inherited a proof speaks as of its own checkpoint, as any does.
    let since = history.inherited_since(&own.log.department)?;
    let checkpoint = last.map_or(own, |last| &last.checkpoint);
    let log = checkpoint.log;
    match (history.ended_by_removal(&log.department), last) {
        (Some(size), _) => (checkpoint.size != size).then_some(Missing::Rest { log, size }),
        // From before it inherited: what it said since may be anything, however many witnessed that.
        (None, Some(last)) => (!last.is_since(since)).then_some(Missing::Successor(log.department)),
        (None, None) => None,
    }
}

/// Checks that a checkpoint of a removed department's log covers all that is kept of it.
fn is_whole(history: &History, checkpoint: &VerifiedCheckpoint) -> Result<(), BundleError> {
    let (department, found) = (checkpoint.log.department, checkpoint.size);
    match history.ended_by_removal(&department) {
        Some(expected) if expected != found => Err(BundleError::NotWhole {
            department,
            found,
            expected,
        }),
        _ => Ok(()),
    }
}

/// Where the key of a checkpoint, or the generation of its log, ended since, or a later decision judges it from some position on,
/// unless it was witnessed: then a proof can't show that it was signed before, and that what is under it is kept.
pub(super) fn unvouched(
    history: &History,
    checkpoint: &VerifiedCheckpoint,
    cosignatures: &[Cosignature],
) -> Option<Unproven> {
    let log = checkpoint.log;
    // The status map is of all records, and which of them count a proof can't show.
    if let Some(size) = history.marked_below(log, checkpoint.size) {
        return Some(Unproven::KeyEnded { log, size });
    }
    let Judgement::By(judge) = history.judge(&checkpoint.claim()) else {
        return None;
    };
    // Also of one of just that size and root: its statuses and its time are its signer's word alone, who may have dated it back.
    let leads_to = judge.leads_to.first().map(|(size, _)| *size);
    // That it leads to the records that a decision named a file can't show: another history with the same key is as good.
    let marks = history.marks_in(log).map(|mark| mark.size);
    let size = leads_to.or_else(|| marks.filter(|mark| *mark < checkpoint.size).min())?;
    let by = cosignatures.iter().map(|cosignature| cosignature.witness);
    match history.is_witnessed(&log.department, by) {
        true => None,
        false => Some(Unproven::KeyEnded { log, size }),
    }
}

/// The status that both the proved value and the record say.
fn status_given(
    value: crate::crypto::hash::Hash,
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
    /// The proof of a record of a log.
    pub(super) fn of(
        log: &Log,
        record: &SignedRecord,
        checkpoint: &VerifiedCheckpoint,
    ) -> Result<Proved, ReadError> {
        let inclusion = log.inclusion(record.record().seq, checkpoint)?;
        Ok(Proved {
            frame: Blob::new(record.frame()).expect("a frame is within its bound"),
            inclusion,
        })
    }

    pub(super) fn verify(
        &self,
        checkpoint: &VerifiedCheckpoint,
        members: &Membership,
    ) -> Result<SignedRecord, BundleError> {
        let (frame, len) = Frame::read(&self.frame)?;
        if len < self.frame.len() {
            return Err(DecodeError::Trailing(self.frame.len() - len).into());
        }
        // A wrong position hashes to another leaf, too.
        let name = members
            .history()
            .lineage(checkpoint.log)
            .at(self.inclusion.index);
        let record = SignedRecord::decode(&name, &frame)?;
        if self.inclusion.size != checkpoint.size || self.inclusion.index != record.record().seq {
            return Err(BundleError::OtherPlace);
        }
        self.inclusion.verify(&record.leaf(), &checkpoint.root)?;
        let epoch = record.record().key_epoch;
        let key = members
            .key(&checkpoint.log.department, epoch)
            .ok_or(BundleError::UnknownKey)?;
        record.verify(&key)?;
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

    /// The checkpoint of who changes its status, its department or the last successor shown: its time is the time as of
    /// which the status is known.
    pub fn known_by(&self) -> &VerifiedCheckpoint {
        let last = self.successors.last();
        last.map_or(&self.checkpoint, |last| &last.checkpoint)
    }

    /// Log and position of the record that gave the status; `None` for plainly valid.
    pub fn status_at(&self) -> Option<(LogId, u64)> {
        let seq = self.status?.seq;
        let log = self
            .status_by
            .map_or(&self.checkpoint, |n| &self.successors[n].checkpoint);
        Some((log.log, seq))
    }

    /// The witnesses of that checkpoint.
    pub fn witnesses(&self) -> &[Cosignature] {
        let last = self.successors.last();
        last.map_or(&self.cosignatures, |last| &last.cosignatures)
    }

    /// Whether a member other than who changes its status signed that checkpoint.
    pub fn is_witnessed(&self) -> bool {
        !self.witnesses().is_empty()
    }

    /// The verdict for a reader, as of the checkpoint. While no other member vouches for it, nothing is valid to a reader
    /// for whom the issuer's word is not enough: an issuer can arrange that nobody else has seen this checkpoint.
    ///
    /// # Errors
    /// [`BundleError::DatedAhead`]: then the bundle says nothing about the certificate.
    pub fn judge(&self, reader: &Reader) -> Result<Verdict, BundleError> {
        let (time_ms, by) = self.dated;
        let now_ms = reader.now_ms;
        if is_dated_ahead(time_ms, now_ms) {
            return Err(BundleError::DatedAhead {
                by,
                time_ms,
                now_ms,
            });
        }
        let verdict = judge(&Facts {
            certificate: self.certificate(),
            seq: self.issued.record().seq,
            status: self.status.map_or(Status::Valid, |entry| entry.status),
            successor: successor(self.change.as_ref()),
            authority: self.authority.clone(),
            unread_at: None,
            stopped_at: None,
            // It is judged as of its checkpoint.
            stale: None,
            missing_of_successors: self.unshown.iter().cloned().collect(),
            on: reader.on,
        });
        if self.is_witnessed() || reader.issuer_only {
            return Ok(verdict);
        }
        Ok(match verdict {
            Verdict::Valid => Verdict::Unknown(vec![Missing::Witness]),
            Verdict::Unknown(mut missing) => {
                missing.push(Missing::Witness);
                Verdict::Unknown(missing)
            }
            no @ Verdict::NotValid(_) => no,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Text;
    use crate::crypto::hash::Hash;
    use crate::crypto::keys::SigningKey;
    use crate::names::NetworkId;
    use crate::record::{Action, Reason, StatusChanged};
    use crate::record::{Record, RecordHash};

    #[test]
    fn a_map_that_calls_a_certificate_plainly_valid_is_none_a_replica_derives() {
        let id: CertificateId =
            "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"
                .parse()
                .unwrap();
        let log = crate::names::LogName {
            network: NetworkId(Hash::ZERO),
            id: LogId::first("11430000006122244L".parse().unwrap()),
        };
        for (action, fits) in [(Action::Suspend, true), (Action::Reinstate, false)] {
            let record = Record {
                seq: 7,
                prev: RecordHash::NONE,
                time_ms: 0,
                height: 0,
                key_epoch: 0,
                entry: Entry::StatusChanged(StatusChanged {
                    id: id.clone(),
                    action,
                    reason: Reason::Other,
                    text: Text::default(),
                    inherited: None,
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
