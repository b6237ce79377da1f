//! Opens bodies and compares them with what the records commit to: for [`check_bodies`](super::check_bodies), which looks at the
//! files of a peer that need not run, and for [`reread`](super::reread()), which looks at those of one that does.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;

use super::attachments::{self, AttachmentKey};
use super::chunks::{AttachmentError, AttachmentFile};
use super::lost::{About, Slot};
use super::{Body, FullSlot, Opened, SLOT_LEN, open_body, read_slot};
use crate::codec::Text;
use crate::crypto::hash::Hash;
use crate::crypto::keys::FieldKey;
use crate::disk::{Disk, DiskFile};
use crate::names::{LogId, LogName};
use crate::record::{
    Attachment, CertificateIssued, DefinitionRef, Entry, Received, Record, RecordHash,
    RetrievalAcknowledged, TypeDefined, commit_fields,
};
use crate::retrieval::{CaseFile, EvidenceCopy, code_of};

/// A record whose body is to be looked at.
pub(super) struct Asked {
    pub(super) seq: u64,
    pub(super) about: About,
    pub(super) entry: Entry,
    pub(super) slot: Slot,
}

/// The outcome of one.
#[derive(Default)]
pub(super) struct Found {
    pub(super) opened: bool,
    /// Attachments that were read.
    pub(super) attachments: u64,
    /// Bytes that were read, of attachments and all.
    pub(super) bytes: u64,
    /// The file in which something is wrong, and what.
    pub(super) faults: Vec<(String, String)>,
}

impl Found {
    pub(super) fn fault(&mut self, file: impl Into<String>, rule: impl fmt::Display) {
        self.faults.push((file.into(), rule.to_string()));
    }
}

pub(super) const KEYS: &str = "bodies/keys";
pub(super) const BODIES: &str = "bodies/bodies";
pub(super) const ATTACHMENTS: &str = "bodies/attachments";

/// A definition that a certificate names; `None` when no log at hand has it.
type Defined = Option<Arc<TypeDefined>>;

/// Reads a record of a log, with its hash; `None` for one that is not at hand.
pub type Records<'r> = dyn Fn(&LogId, u64) -> io::Result<Option<(Record, RecordHash)>> + Sync + 'r;

/// What bodies are compared with.
pub(super) struct Compare<'c> {
    own: LogName,
    disk: &'c dyn Disk,
    /// Where attachments are kept.
    dir: &'c Path,
    keys: &'c dyn DiskFile,
    bodies: &'c dyn DiskFile,
    /// Without it nothing is opened.
    key: Option<&'c FieldKey>,
    /// Attachment files by position.
    attached: BTreeMap<u64, u32>,
    records: &'c Records<'c>,
    definitions: Mutex<HashMap<(LogId, u64), Defined>>,
    /// Records whose bodies could not be compared, since another log lacks what they name.
    undefined: Mutex<BTreeSet<u64>>,
}

impl<'c> Compare<'c> {
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one of the things compared"
    )]
    pub(super) fn new(
        own: LogName,
        disk: &'c dyn Disk,
        dir: &'c Path,
        keys: &'c dyn DiskFile,
        bodies: &'c dyn DiskFile,
        key: Option<&'c FieldKey>,
        attached: BTreeMap<u64, u32>,
        records: &'c Records<'c>,
    ) -> Compare<'c> {
        Compare {
            own,
            disk,
            dir,
            keys,
            bodies,
            key,
            attached,
            records,
            definitions: Mutex::default(),
            undefined: Mutex::default(),
        }
    }

    /// How many bodies could not be compared.
    pub(super) fn undefined(&self) -> usize {
        self.undefined.lock().len()
    }

    /// The slot of a position; only for one that was found kept.
    fn slot(&self, seq: u64) -> io::Result<Option<FullSlot>> {
        let mut bytes = [0; SLOT_LEN];
        let read = self.keys.read_at(&mut bytes, super::place(seq))?;
        Ok(read_slot(&bytes[..read]))
    }

    /// Looks at one body.
    pub(super) fn look_at(&self, asked: &Asked) -> io::Result<Found> {
        let mut found = Found::default();
        match asked.slot {
            Slot::Empty => found.fault(
                KEYS,
                match asked.about {
                    About::Fields(_) => {
                        "the certificate's fields are lost: none are kept, and no record says that they were erased"
                    }
                    About::Copy { .. } => "the copy of what was retrieved is lost before its last day",
                    About::Case(_) => "what was collected for the case is lost",
                },
            ),
            Slot::Damaged => found.fault(KEYS, DAMAGED),
            Slot::CutOff => found.fault(BODIES, CUT_OFF),
            Slot::Kept { attachments } => self.look_in(asked, attachments, &mut found)?,
        }
        Ok(found)
    }

    fn look_in(&self, asked: &Asked, attachments: u32, found: &mut Found) -> io::Result<()> {
        let there = self.attached.get(&asked.seq).copied().unwrap_or(0);
        let Some(key) = self.key else {
            if there < attachments {
                let rule =
                    format!("{there} of the certificate's {attachments} attachments are here");
                found.fault(ATTACHMENTS, rule);
            }
            return Ok(());
        };
        let Some(slot) = self.slot(asked.seq)? else {
            found.fault(KEYS, DAMAGED);
            return Ok(());
        };
        found.bytes += (SLOT_LEN + slot.len) as u64;
        let about = asked.about.text();
        let bodies = self.bodies;
        let before = found.faults.len();
        match &asked.entry {
            Entry::CertificateIssued(issued) => {
                match open_body::<Body>(bodies, key, &slot, about)? {
                    Some(opened) => self.certificate(asked.seq, issued, &opened, found)?,
                    None => found.fault(BODIES, UNREADABLE),
                }
            }
            Entry::RetrievalAcknowledged(acknowledged) => {
                match open_body::<EvidenceCopy>(bodies, key, &slot, about)? {
                    Some(opened) => self.copy(asked.seq, acknowledged, &opened, found)?,
                    None => found.fault(BODIES, UNREADABLE),
                }
            }
            _ => {
                if open_body::<CaseFile>(bodies, key, &slot, about)?.is_none() {
                    found.fault(BODIES, UNREADABLE);
                }
            }
        }
        found.opened = found.faults.len() == before;
        Ok(())
    }

    fn certificate(
        &self,
        seq: u64,
        issued: &CertificateIssued,
        opened: &Opened<Body>,
        found: &mut Found,
    ) -> io::Result<()> {
        let body = &opened.body;
        match self.definition(&issued.definition)? {
            None => drop(self.undefined.lock().insert(seq)),
            Some(definition) => {
                let fields = &definition.fields;
                let root = commit_fields(&opened.key, &issued.id, fields, &body.fields);
                if root != issued.field_root || body.holder_kind != issued.holder_kind {
                    let rule =
                        "the fields kept are not those that the certificate's record commits to";
                    found.fault(BODIES, rule);
                }
            }
        }
        for (name, value) in &body.fields {
            if let Ok(Some(attachment)) = Attachment::of_field(name, value) {
                match body.attachments.get(attachment.name.as_str()) {
                    Some(key) => self.attachment(seq, key, &attachment, true, found)?,
                    None => found.fault(
                        BODIES,
                        format!(
                            "it is not recorded where attachment {} is kept",
                            attachment.name
                        ),
                    ),
                }
            }
        }
        Ok(())
    }

    fn copy(
        &self,
        seq: u64,
        acknowledged: &RetrievalAcknowledged,
        opened: &Opened<EvidenceCopy>,
        found: &mut Found,
    ) -> io::Result<()> {
        let copy = &opened.body;
        let shown: BTreeSet<&str> = copy
            .disclosure
            .shown()
            .map(|field| code_of(&field.name))
            .collect();
        let expected = match &acknowledged.outcome {
            Received::Fields { fields, .. } => fields.iter().map(Text::as_str).collect(),
            _ => BTreeSet::new(),
        };
        if copy.request.retrieval().asked() != acknowledged.asked || shown != expected {
            let rule = "the copy kept does not match what the acknowledgement says was retrieved";
            found.fault(BODIES, rule);
        }
        let record = (self.records)(&copy.log, copy.seq)?;
        let issued = record.and_then(|(record, _)| match record.entry {
            Entry::CertificateIssued(issued) => Some(issued),
            _ => None,
        });
        let issued = issued.filter(|issued| issued.id == copy.request.retrieval().certificate);
        let definition = match &issued {
            Some(issued) => self.definition(&issued.definition)?,
            None => None,
        };
        match issued.zip(definition) {
            None => drop(self.undefined.lock().insert(seq)),
            Some((issued, definition)) => {
                let request = &copy.request;
                if let Err(why) = request.check_answer(&issued, &definition, &copy.disclosure) {
                    found.fault(BODIES, why);
                }
            }
        }
        for field in copy.disclosure.shown() {
            if let Ok(Some(attachment)) = Attachment::of_field(&field.name, &field.value) {
                let key = opened.key.attachment(&attachment.name);
                // It may never have been asked for.
                self.attachment(seq, &key, &attachment, false, found)?;
            }
        }
        Ok(())
    }

    /// Reads a whole attachment.
    fn attachment(
        &self,
        seq: u64,
        key: &AttachmentKey,
        attachment: &Attachment,
        must_be: bool,
        found: &mut Found,
    ) -> io::Result<()> {
        let path = attachments::place(self.dir, seq, key.file());
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let shown = format!("{ATTACHMENTS}/{name}");
        found.bytes += attachment.size;
        let (disk, own) = (self.disk, &self.own);
        match hash_of(AttachmentFile::open(
            disk,
            &path,
            own,
            key.key(),
            attachment.size,
        )) {
            Ok(content) if content == attachment.content => found.attachments += 1,
            Ok(_) => found.fault(
                shown,
                "the attachment is not the one that the fields commit to",
            ),
            Err(AttachmentError::Missing) if !must_be => {}
            Err(AttachmentError::Io(error)) => return Err(error),
            Err(error) => found.fault(shown, error),
        }
        Ok(())
    }

    /// A definition that a certificate names, where its log is here.
    fn definition(&self, named: &DefinitionRef) -> io::Result<Option<Arc<TypeDefined>>> {
        let place = (named.log, named.seq);
        if let Some(known) = self.definitions.lock().get(&place) {
            return Ok(known.clone());
        }
        let record = (self.records)(&named.log, named.seq)?;
        let definition = record.and_then(|(record, hash)| match record.entry {
            Entry::TypeDefined(definition) if hash == named.hash => Some(Arc::new(*definition)),
            _ => None,
        });
        self.definitions.lock().insert(place, definition.clone());
        Ok(definition)
    }
}

pub(super) const DAMAGED: &str = "the body's slot is damaged: its key and place are lost";
pub(super) const CUT_OFF: &str =
    "the body is lost: the file ends before it, or other bodies were written over it";
const UNREADABLE: &str = "the body is damaged, or its key was wrapped under another field key";

fn hash_of(file: Result<AttachmentFile, AttachmentError>) -> Result<Hash, AttachmentError> {
    let file = file?;
    let mut hasher = blake3::Hasher::new();
    for number in 0..file.chunks() {
        hasher.update(&file.read(number)?);
    }
    Ok(Hash::from_bytes(*hasher.finalize().as_bytes()))
}
