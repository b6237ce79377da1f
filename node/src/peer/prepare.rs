//! What the API checked, made into entries: holders become tags, fields commitments, and each certificate is held against
//! its type's standard. What a standard adds where a request is silent is noted in [`Kept`], so that the writer's plan
//! recognises a retry whatever the standard says by then.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use certmesh_api::draft::{Attached, Draft};
use certmesh_api::faults::{FaultList, shown};
use certmesh_api::{Caution, Fault, FaultKind};
use certmesh_ledger::bodies::{Body, SealedBody, Upload};
use certmesh_ledger::catalogue::{self, Departure, Proposed, Standard};
use certmesh_ledger::crypto::keys::{BodyKey, Secret};
use certmesh_ledger::id::{CertificateId, DepartmentCode, TypeCode};
use certmesh_ledger::log::ReadError;
use certmesh_ledger::record::{
    CertificateIssued, DefinitionRef, Entry, Inherited, RecordHash, SharingClass, StatusChanged,
    TypeDefined, commit_fields,
};

use serde::Serialize;
use zeroize::{Zeroize, Zeroizing};

use super::Peer;
use super::writer::{Append, not_allowed};
use crate::peer::Refusal;

/// An entry, the name of its answer, and what was corrected in the request.
pub(crate) struct Prepared {
    pub(crate) id: String,
    pub(crate) warnings: Vec<Fault<Caution>>,
    pub(crate) entry: Entry,
    /// The record's body.
    pub(crate) kept: Option<Kept>,
    /// Position of a record whose body has to be kept still.
    pub(crate) needs: Option<u64>,
    /// Position of the record that it continues, of which it is no repetition.
    pub(crate) continues: Option<u64>,
    /// Why it may not be appended, unless the log says it already: a standard may have changed since.
    pub(crate) departs: Option<Refusal>,
}

/// A record's body.
pub(crate) struct Kept {
    /// What an issued certificate says.
    pub(crate) body: Option<Body>,
    pub(crate) sealed: SealedBody,
    /// Whether the sharing class is the standard's, since the request names none.
    pub(crate) default_sharing: bool,
    /// The uploads that become its attachments, each with the part of the request that names it.
    pub(crate) uploads: Vec<(String, Upload)>,
}

/// Types' standards, compiled when they are first used and again when they change.
#[derive(Default)]
pub(crate) struct Standards(HashMap<TypeCode, Known>);

struct Known {
    named: DefinitionRef,
    definition: Arc<TypeDefined>,
    standard: Result<Standard, Vec<Departure>>,
}

impl Standards {
    /// Brings the standard of a type up to date; of one that nobody defines nothing is kept.
    ///
    /// # Errors
    /// [`ReadError`]; then nothing is kept either, and nothing of the type can be issued.
    pub(crate) fn refresh(&mut self, peer: &Peer, code: TypeCode) -> Result<(), ReadError> {
        let catalogue = &peer.catalogue;
        let current = catalogue.current_definition(&code, &peer.department);
        let known = self.0.get(&code).map(|known| known.named);
        if known.is_some() && known == current.map(|(named, _)| named) {
            return Ok(());
        }
        self.0.remove(&code);
        if let Some(latest) = catalogue.type_definition(&code)? {
            let known = Known {
                named: latest.named,
                standard: Standard::new(Arc::clone(&latest.definition)),
                definition: latest.definition,
            };
            self.0.insert(code, known);
        }
        Ok(())
    }
}

impl Known {
    /// How a certificate departs from its type's standard.
    fn departs(&self, department: DepartmentCode, draft: &Draft) -> Option<Refusal> {
        let Ok(standard) = &self.standard else {
            return Some(Refusal::field("type", FaultKind::DefinitionUnusable));
        };
        let departures = standard.departures(&Proposed {
            department,
            holder_kind: draft.holder_kind,
            validity: draft.validity,
            fields: &draft.fields,
        });
        if departures.is_empty() {
            return None;
        }
        let fault = |departure: Departure| {
            let at = match departure.place.strip_prefix("fields.") {
                // The standard's own names may be shown; any other may be a value in the wrong place.
                Some(name) if departure.what == catalogue::Fault::Unknown => {
                    format!("fields.{}", shown(name))
                }
                _ => departure.place,
            };
            Fault::new(at, departure.what)
        };
        Some(Refusal::InvalidField(
            departures.into_iter().map(fault).collect(),
        ))
    }
}

/// What stands in for a missing definition.
pub(crate) fn undefined(peer: &Peer) -> DefinitionRef {
    DefinitionRef {
        log: peer.catalogue.own(),
        seq: 0,
        hash: RecordHash::NONE,
    }
}

/// A body's key and the nonce it is wrapped with, drawn at random.
pub(crate) struct Fresh {
    key: BodyKey,
    nonce: [u8; 24],
}

impl Fresh {
    /// Encrypts a body under the key; `about` names what it is the body of.
    pub(crate) fn seal(&self, peer: &Peer, about: &str, body: &impl Serialize) -> SealedBody {
        SealedBody::seal(&peer.field_key, about, &self.key, self.nonce, body)
    }

    pub(crate) fn draw() -> Result<Fresh, getrandom::Error> {
        let mut drawn = Zeroizing::new([0; 56]);
        getrandom::fill(drawn.as_mut_slice())?;
        let (mut key, mut nonce) = ([0; 32], [0; 24]);
        key.copy_from_slice(&drawn[..32]);
        nonce.copy_from_slice(&drawn[32..]);
        let secret = Secret::from_bytes(key);
        key.zeroize();
        Ok(Fresh {
            key: BodyKey(secret),
            nonce,
        })
    }
}

/// Makes fields of attachments. Only the writer knows whether the uploads are still there and free.
fn attach(
    peer: &Peer,
    attachments: Vec<Attached>,
    body: &mut Body,
) -> Result<Vec<(String, Upload)>, Refusal> {
    let mut faults = FaultList::default();
    let mut uploads = Vec::with_capacity(attachments.len());
    let mut files = BTreeSet::new();
    for Attached { name, token, place } in attachments {
        let mut fault = |kind: FaultKind| faults.add_with(|| Fault::new(place.clone(), kind));
        let Some(upload) = Upload::open(&peer.field_key, &token) else {
            fault(FaultKind::NotAnUpload);
            continue;
        };
        if !files.insert(upload.key.file()) {
            fault(FaultKind::UploadTwice);
            continue;
        }
        let (field, value) = upload.attachment(name.clone()).field();
        body.fields.insert(field, value);
        body.attachments
            .insert(name.to_string(), upload.key.clone());
        uploads.push((place, upload));
    }
    if faults.is_empty() {
        Ok(uploads)
    } else {
        Err(Refusal::InvalidField(faults))
    }
}

/// Whose certificate a change is of, if this department inherited it.
fn inherited(peer: &Peer, id: &CertificateId) -> Result<Option<Inherited>, (String, Refusal)> {
    match peer.catalogue.inheritance(id) {
        Ok(found) => Ok(found.map(|(inherited, _)| inherited)),
        Err(why) => Err((id.to_string(), not_allowed(why))),
    }
}

/// Makes an entry of what the API checked.
pub(crate) fn prepare(
    peer: &Peer,
    standards: &Standards,
    append: Append,
) -> Result<Prepared, (String, Refusal)> {
    Ok(match append {
        Append::Issue(mut draft) => {
            let key = peer.present_catalogue_key();
            let key = key.map_err(|refusal| (draft.id.to_string(), refusal))?;
            let known = standards.0.get(&draft.id.type_code());
            let departs = known.and_then(|known| known.departs(peer.department, &draft));
            let definition = known.map(|known| &known.definition);
            let fresh = Fresh::draw().map_err(|error| {
                tracing::error!(%error, "the system provides no random bytes");
                (draft.id.to_string(), Refusal::Internal)
            })?;
            let mut body = Body {
                holder_kind: draft.holder_kind,
                holder_code: draft.holder_code.expose().to_owned(),
                fields: draft.fields.take(),
                attachments: BTreeMap::new(),
            };
            let uploads = attach(peer, draft.attachments, &mut body)
                .map_err(|refusal| (draft.id.to_string(), refusal))?;
            let sealed = fresh.seal(peer, draft.id.as_str(), &body);
            let sealed = sealed.with_attachments(body.attachments.len());
            let entry = CertificateIssued {
                subject: key.subject_tag(draft.holder_kind, draft.holder_code.expose()),
                holder_kind: draft.holder_kind,
                validity: draft.validity,
                sharing: draft
                    .sharing
                    .or(definition.map(|definition| definition.sharing))
                    .unwrap_or(SharingClass::Conditional),
                // The rules of the log refuse a type that nobody defines.
                definition: known.map_or_else(|| undefined(peer), |known| known.named),
                field_root: commit_fields(
                    &fresh.key,
                    &draft.id,
                    definition.map_or(&[], |definition| &definition.fields),
                    &body.fields,
                ),
                succession: draft.succession,
                id: draft.id.clone(),
            };
            Prepared {
                id: draft.id.to_string(),
                warnings: draft.warnings,
                entry: Entry::CertificateIssued(entry),
                kept: Some(Kept {
                    body: Some(body),
                    sealed,
                    default_sharing: draft.sharing.is_none(),
                    uploads,
                }),
                needs: None,
                continues: None,
                departs,
            }
        }
        Append::Change(change) => Prepared {
            id: change.id.to_string(),
            warnings: change
                .action
                .receiver()
                .filter(|to| peer.catalogue.members().member(to).is_none())
                .map(|to| Fault::new("to", Caution::ReceiverNotAMember { to }))
                .into_iter()
                .collect(),
            entry: Entry::StatusChanged(StatusChanged {
                inherited: inherited(peer, &change.id)?,
                ..change
            }),
            kept: None,
            needs: None,
            continues: None,
            departs: None,
        },
        Append::Erase(erased) => Prepared {
            id: erased.id.to_string(),
            warnings: Vec::new(),
            entry: Entry::CertificateErased(erased),
            kept: None,
            needs: None,
            continues: None,
            departs: None,
        },
        Append::Receipt(receipt) => Prepared {
            id: receipt.name,
            warnings: Vec::new(),
            entry: receipt.entry,
            kept: receipt.kept.map(|sealed| Kept {
                body: None,
                sealed,
                default_sharing: false,
                uploads: Vec::new(),
            }),
            needs: receipt.needs,
            continues: receipt.continues,
            departs: None,
        },
        Append::Define(definition) => Prepared {
            id: definition.name(),
            warnings: Vec::new(),
            entry: Entry::from(*definition),
            kept: None,
            needs: None,
            continues: None,
            departs: None,
        },
    })
}
