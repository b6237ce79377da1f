//! Which appends of a group go into the log, and what has to happen before: everything is checked, nothing is changed.

use std::collections::{HashMap, HashSet};

use certmesh_api::{Fault, FaultKind};
use certmesh_ledger::bodies::{Body, FileId};
use certmesh_ledger::catalogue::Batch;
use certmesh_ledger::crypto::hash::{Hash, Purpose, hash_parts};
use certmesh_ledger::crypto::keys::{CatalogueKey, FieldKey, Secret};
use certmesh_ledger::id::{Date, is_born_after};
use certmesh_ledger::log::Log;
use certmesh_ledger::record::{
    CertificateErased, CertificateIssued, Entry, SharingClass, SignedRecord, commit_fields,
};
use rayon::prelude::*;

use super::answer::{Answer, not_allowed};
use super::{Append, GroupCommit, Job, Reply, internal};
use crate::peer::prepare::{Kept, Prepared, prepare, undefined};
use crate::peer::uploads::not_received;
use crate::peer::{Peer, Refusal, RetryKey, now_ms, retries};

/// Fewer appends are prepared on this thread: handing them to others costs more.
const PARALLEL: usize = 32;

/// What a group comes to.
pub(super) struct Plan {
    /// What to append, in its order.
    pub(super) planned: Vec<Planned>,
    /// Of every append, in the order they were asked for.
    pub(super) answers: Vec<Answer>,
}

/// An entry to append.
pub(super) struct Planned {
    pub(super) entry: Entry,
    pub(super) kept: Option<Kept>,
    /// Which answer it is for.
    pub(super) answer: usize,
    /// What has to be destroyed before its record says so.
    pub(super) destroys: Option<Destroys>,
    /// The key it came under, with its content.
    pub(super) key: Option<Keyed>,
}

/// A request's key and what it asks for.
type Keyed = (RetryKey, Hash);

/// A certificate's fields and attachments, by the position of its record.
#[derive(Clone, Copy)]
pub(super) struct Destroys {
    pub(super) seq: u64,
    /// Whether it has, or may have, attachments.
    pub(super) attachments: bool,
}

/// What is to be said of one append once the group is durable.
pub(super) enum Outcome {
    /// It is planned.
    New,
    /// A record that says the same already.
    Replayed(Box<SignedRecord>),
    Refused(Refusal),
}

impl From<Refusal> for Outcome {
    fn from(refusal: Refusal) -> Outcome {
        Outcome::Refused(refusal)
    }
}

impl Plan {
    /// Checks the appends of a group, each as if those before it were in the log.
    pub(super) fn of(jobs: Vec<Job>, committing: &mut GroupCommit) -> (Plan, Vec<(usize, Reply)>) {
        let mut appends = Vec::new();
        let mut replies = Vec::with_capacity(jobs.len());
        let mut asked = Vec::new();
        for job in jobs {
            let rows = job.appends.len();
            asked.extend(std::iter::repeat_n((job.retry, rows), rows));
            appends.extend(job.appends);
            replies.push((rows, job.reply));
        }
        let prepared = prepare_all(appends, committing);
        let mut planning = Planning {
            peer: &committing.peer,
            log: committing.writer.log(),
            batch: Batch::new(&committing.peer.catalogue, committing.writer.log()),
            plan: Plan {
                planned: Vec::new(),
                answers: Vec::with_capacity(prepared.len()),
            },
            taken: HashSet::new(),
            destroyed: HashSet::new(),
            keys: HashMap::new(),
        };
        for (prepared, (retry, rows)) in prepared.into_iter().zip(asked) {
            planning.add(prepared, retry, rows);
        }
        (planning.plan, replies)
    }
}

/// Makes entries of what the API checked, each held against its type's standard.
fn prepare_all(
    appends: Vec<Append>,
    committing: &mut GroupCommit,
) -> Vec<Result<Prepared, (String, Refusal)>> {
    let (peer, standards) = (&committing.peer, &mut committing.standards);
    let mut before = None;
    for append in &appends {
        if let Append::Issue(draft) = append
            && before != Some(draft.id.type_code())
        {
            before = Some(draft.id.type_code());
            if let Err(error) = standards.refresh(peer, draft.id.type_code()) {
                tracing::error!(%error, "a type's definition could not be read");
            }
        }
    }
    let ready = |append| prepare(peer, standards, append);
    match appends.len() {
        0..PARALLEL => appends.into_iter().map(ready).collect(),
        _ => appends
            .into_par_iter()
            .with_min_len(PARALLEL)
            .map(ready)
            .collect(),
    }
}

/// What is issued with all that is made under keys of the moment put under one that is the same each time: a retry is the same
/// request after the catalogue key was replaced, and where an older one is missing.
fn asked_for(field_key: &FieldKey, issued: CertificateIssued, body: &Body) -> CertificateIssued {
    let key = field_key.content_key(&issued.id);
    let tagging = CatalogueKey(Secret::from_bytes(*key.0.expose()));
    CertificateIssued {
        subject: tagging.subject_tag(body.holder_kind, &body.holder_code),
        field_root: commit_fields(&key, &issued.id, &[], &body.fields),
        ..issued
    }
}

fn content_of(asked: &Entry) -> Hash {
    let parts: [&[u8]; 2] = [&asked.kind().to_le_bytes(), &asked.content()];
    hash_parts(Purpose::Request, &parts)
}

/// A plan as it grows.
struct Planning<'a> {
    peer: &'a Peer,
    log: &'a Log,
    batch: Batch<'a>,
    plan: Plan,
    /// Uploads that planned certificates take; each can be taken once.
    taken: HashSet<FileId>,
    /// Positions of records whose bodies are destroyed.
    destroyed: HashSet<u64>,
    /// The content that came under each key.
    keys: HashMap<RetryKey, Hash>,
}

impl Planning<'_> {
    fn add(
        &mut self,
        prepared: Result<Prepared, (String, Refusal)>,
        retry: Option<RetryKey>,
        rows: usize,
    ) {
        let prepared = match prepared {
            Ok(prepared) => prepared,
            Err((id, refusal)) => {
                self.plan.answers.push(Answer {
                    id,
                    warnings: Vec::new(),
                    outcome: Outcome::Refused(refusal),
                });
                return;
            }
        };
        let outcome = match self.check(&prepared, retry, rows) {
            Ok((destroys, key)) => {
                if let Some(destroys) = destroys {
                    self.destroyed.insert(destroys.seq);
                }
                self.keys.extend(key);
                let uploads = prepared.kept.iter().flat_map(|kept| &kept.uploads);
                self.taken
                    .extend(uploads.map(|(_, upload)| upload.key.file()));
                self.plan.planned.push(Planned {
                    entry: prepared.entry,
                    kept: prepared.kept,
                    answer: self.plan.answers.len(),
                    destroys,
                    key,
                });
                Outcome::New
            }
            Err(outcome) => outcome,
        };
        self.plan.answers.push(Answer {
            id: prepared.id,
            warnings: prepared.warnings,
            outcome,
        });
    }

    /// What has to be destroyed for an append, and the key to remember it by; what to say of one that isn't to be appended.
    fn check(
        &mut self,
        prepared: &Prepared,
        retry: Option<RetryKey>,
        rows: usize,
    ) -> Result<(Option<Destroys>, Option<Keyed>), Outcome> {
        let (entry, kept) = (&prepared.entry, prepared.kept.as_ref());
        // An erasure may have come between a decision and its receipt.
        if let Some(seq) = prepared.needs
            && !self.is_kept(seq)
        {
            return Err(Refusal::Erased.into());
        }
        // Defining the same again changes nothing, so it answers like a retry.
        if retry.is_some()
            || !matches!(entry, Entry::CertificateIssued(_) | Entry::StatusChanged(_))
        {
            // Before the standard is asked: what is in the log stays, whatever its type's standard says by now.
            // Of two that continue the same, the second finds the first.
            if let Some(record) = self.existing(entry, kept)?
                && prepared.continues != Some(record.record().seq)
            {
                return Err(Outcome::Replayed(Box::new(record)));
            }
        }
        if let Some(refusal) = &prepared.departs {
            return Err(refusal.clone().into());
        }
        if let Some(body) = kept.and_then(|kept| kept.body.as_ref())
            && is_born_after(body.holder_kind, &body.holder_code, self.day())
        {
            return Err(Refusal::field("holder.code", FaultKind::BornLater).into());
        }
        let key = retry.filter(|_| rows == 1);
        let keyed = key.map(|key| (key, self.content(entry, kept)));
        if keyed.is_some_and(|(key, content)| self.used_otherwise(&key, &content)) {
            return Err(Refusal::IdempotencyMismatch.into());
        }
        if let (Entry::CertificateIssued(issued), Some(kept)) = (entry, kept)
            && let Err(refusal) = self.can_take(kept)
        {
            // The rules report a certificate that was issued before.
            let issued = self.log.issue_of(&issued.id);
            if issued.map_err(|error| internal(&error))?.is_none() {
                return Err(refusal.into());
            }
        }
        self.batch.check(entry).map_err(not_allowed)?;
        let destroys = match entry {
            Entry::CertificateErased(erased) => self.destroys(erased)?,
            _ => None,
        };
        Ok((destroys, keyed))
    }

    /// The day in China on which the records will be: none is dated before the one before it.
    fn day(&self) -> Date {
        Date::in_china(now_ms().max(self.log.last_ms().unwrap_or_default()))
    }

    fn is_kept(&self, seq: u64) -> bool {
        !self.destroyed.contains(&seq) && self.peer.bodies.is_kept(seq).unwrap_or(false)
    }

    /// The record that says the same already. What an issue says of its fields is under a key made at random, so it is the
    /// body kept with the record that is compared.
    fn existing(
        &self,
        entry: &Entry,
        kept: Option<&Kept>,
    ) -> Result<Option<SignedRecord>, Refusal> {
        let (Entry::CertificateIssued(asked), Some((kept, wanted))) = (
            entry,
            kept.and_then(|kept| Some((kept, kept.body.as_ref()?))),
        ) else {
            let existing = self.batch.existing(entry);
            return existing.map_err(|error| internal(&error));
        };
        let held = self.log.issue_of(&asked.id);
        let Some(record) = held.map_err(|error| internal(&error))? else {
            return Ok(None);
        };
        let Entry::CertificateIssued(issued) = &record.record().entry else {
            return Ok(None);
        };
        let seq = record.record().seq;
        if self.destroyed.contains(&seq) {
            return Ok(None);
        }
        // What a definition adds may have changed since, and the catalogue key. That it is about the same holder, the bodies
        // show.
        let same = issued.says_the_same(&CertificateIssued {
            field_root: issued.field_root,
            subject: issued.subject,
            sharing: match kept.default_sharing {
                true => issued.sharing,
                false => asked.sharing,
            },
            ..asked.clone()
        });
        let kept = self.peer.bodies.get::<Body>(seq, asked.id.as_str());
        match kept.map_err(|error| internal(&error))? {
            Some(kept) if same && kept.body.says_the_same(wanted) => Ok(Some(record)),
            _ => Ok(None),
        }
    }

    /// Whether the uploads that a certificate names can be taken.
    fn can_take(&self, kept: &Kept) -> Result<(), Refusal> {
        let mut faults = Vec::new();
        for (place, upload) in &kept.uploads {
            let file = upload.key.file();
            let waiting = self.peer.attachments.is_waiting(file);
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
        match faults.is_empty() {
            true => Ok(()),
            false => Err(Refusal::InvalidField(faults.into())),
        }
    }

    /// What is kept of a certificate that is to be erased.
    fn destroys(&self, erased: &CertificateErased) -> Result<Option<Destroys>, Refusal> {
        let issued = self.log.issue_of(&erased.id);
        let Some(record) = issued.map_err(|error| internal(&error))? else {
            return Ok(None);
        };
        let seq = record.record().seq;
        // Of a body that can't be read nobody knows what attachments it has.
        let kept = self.peer.bodies.get::<Body>(seq, erased.id.as_str());
        let bare = matches!(&kept, Ok(Some(kept)) if kept.body.attachments.is_empty());
        Ok(Some(Destroys {
            seq,
            attachments: !bare,
        }))
    }

    /// What a request asks for, as a hash: an issue's holder and fields under a key that is the same each time, and nothing of
    /// what its type's definition adds.
    fn content(&self, entry: &Entry, kept: Option<&Kept>) -> Hash {
        let asked = match (
            entry,
            kept.and_then(|kept| Some((kept, kept.body.as_ref()?))),
        ) {
            (Entry::CertificateIssued(issued), Some((kept, body))) => {
                let asked = CertificateIssued {
                    definition: undefined(self.peer),
                    sharing: match kept.default_sharing {
                        true => SharingClass::Conditional,
                        false => issued.sharing,
                    },
                    ..issued.clone()
                };
                &asked_for(&self.peer.field_key, asked, body).into()
            }
            _ => entry,
        };
        content_of(asked)
    }

    /// Whether the key came with another content before.
    fn used_otherwise(&self, key: &RetryKey, content: &Hash) -> bool {
        if let Some(before) = self.keys.get(key) {
            return before != content;
        }
        retries::used_otherwise(&*self.peer.store, key.as_bytes(), content, now_ms())
            .unwrap_or_else(|error| {
                tracing::warn!(%error, "idempotency key not looked up");
                false
            })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use certmesh_ledger::id::HolderKind;
    use certmesh_ledger::record::{DefinitionRef, FieldRoot, RecordHash, Validity};

    use super::*;

    #[test]
    fn a_retry_asks_for_the_same_after_the_catalogue_key_was_replaced() {
        let field_key = FieldKey(Secret::from_bytes([1; 32]));
        let kind = HolderKind::OrdinaryPassport;
        let content = |catalogue_key: u8, code: &str| {
            let tagging = CatalogueKey(Secret::from_bytes([catalogue_key; 32]));
            let body = Body {
                holder_kind: kind,
                holder_code: code.to_owned(),
                fields: BTreeMap::new(),
                attachments: BTreeMap::new(),
            };
            let definition = DefinitionRef {
                log: certmesh_ledger::names::LogId::first("11430000006122244L".parse().unwrap()),
                seq: 0,
                hash: RecordHash::NONE,
            };
            let issued = CertificateIssued {
                id: "1.2.156.3005.2.11100000000013338W011.11430000006122244L.20230000403.001.U"
                    .parse()
                    .unwrap(),
                holder_kind: kind,
                subject: tagging.subject_tag(kind, code),
                validity: Validity::new(Date::MIN, None).unwrap(),
                sharing: SharingClass::Conditional,
                definition,
                field_root: FieldRoot(Hash::ZERO),
                succession: None,
            };
            content_of(&asked_for(&field_key, issued, &body).into())
        };
        assert_eq!(content(3, "E00000001"), content(4, "E00000001"));
        assert_ne!(content(3, "E00000001"), content(3, "E00000002"));
    }
}
