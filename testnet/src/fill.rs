//! Certificates written straight into a department's own log while its node does not run: seconds where issuing over the
//! API takes minutes. The records are the same, signed one by one.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Deref;
use std::sync::Arc;

use certmesh_api::draft::Draft;
use certmesh_ledger::bodies::{Bodies, Body, SealedBody};
use certmesh_ledger::crypto::keys::{
    BodyKey, CatalogueKey, FieldKey, IndexKey, Secret, SecretFile,
};
use certmesh_ledger::disk::RealDisk;
use certmesh_ledger::id::TypeCode;
use certmesh_ledger::log::{Log, Place, SEGMENT_RECORDS, Writer};
use certmesh_ledger::record::{
    CertificateIssued, DefinitionRef, Entry, SharingClass, TypeDefined, commit_fields,
};
use zeroize::Zeroizing;

use crate::Error;
use crate::network::{Member, now_ms};

/// Entries under one checkpoint.
pub(crate) const BATCH: usize = 5_000;

/// Logs in a member's data directory, as its node keeps them.
///
/// # Errors
/// [`Error::File`] or [`Error::Key`] when its transport key cannot be read.
pub(crate) fn place(member: &Member) -> Result<Place, Error> {
    let transport = secret(member, SecretFile::Transport, "transport.key")?;
    Ok(Place {
        disk: Arc::new(RealDisk::default()),
        data: member.data(),
        segment_records: SEGMENT_RECORDS,
        index_key: IndexKey::from_transport_seed(transport.expose()),
    })
}

/// A log that cannot be written or read.
pub(crate) fn broken(error: &dyn std::fmt::Display) -> Error {
    Error::Broken(format!("filling a log: {error}"))
}

/// The key that makes subjects' tags, as a member has it.
///
/// # Errors
/// [`Error::File`] or [`Error::Key`] when it cannot be read.
pub(crate) fn catalogue_key(member: &Member) -> Result<CatalogueKey, Error> {
    secret(member, SecretFile::Catalogue, "catalogue.key").map(CatalogueKey)
}

fn secret(member: &Member, kind: SecretFile, name: &str) -> Result<Secret, Error> {
    let path = member.dir.join("keys").join(name);
    let text = Zeroizing::new(fs::read_to_string(&path).map_err(Error::file(&path))?);
    Ok(Secret::from_bytes(*kind.read(&text)?))
}

/// Writes a department's own log with its own keys.
pub(crate) struct Filler {
    writer: Writer,
    catalogue: CatalogueKey,
    /// Bodies are not kept, so one key serves for all commitments.
    field: BodyKey,
}

impl Filler {
    /// For a member's log, with the keys in its directory.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Key`] when a key cannot be read.
    pub(crate) fn new(log: Arc<Log>, member: &Member) -> Result<Filler, Error> {
        Ok(Filler {
            writer: Writer::new(log, member.signing_key()?),
            catalogue: catalogue_key(member)?,
            field: BodyKey(secret(member, SecretFile::Field, "field.key")?),
        })
    }

    /// The current definition of a type in this log.
    ///
    /// # Errors
    /// [`Error::Broken`] when it defines none.
    pub(crate) fn own_definition(
        &self,
        code: &TypeCode,
    ) -> Result<(DefinitionRef, Arc<TypeDefined>), Error> {
        let log = self.writer.log();
        let definitions = log.definitions();
        let versions = definitions.types().get(code);
        let versions = versions.ok_or_else(|| broken(&format!("type {code} is not defined")))?;
        let named = DefinitionRef {
            log: log.name().id,
            seq: versions.seq(),
            hash: versions.hash(),
        };
        let record = log.record(named.seq).map_err(|error| broken(&error))?;
        match &record.record().entry {
            Entry::TypeDefined(definition) => Ok((named, Arc::from(definition.clone()))),
            _ => Err(broken(&format!("record {} defines no type", named.seq))),
        }
    }

    /// Appends entries under one checkpoint; none is nothing to do.
    ///
    /// # Errors
    /// [`Error::Broken`] when the log does not take them.
    pub(crate) fn append(&mut self, entries: Vec<Entry>) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let appended = self.writer.append(now_ms(), entries);
        appended.map(drop).map_err(|error| broken(&error))
    }

    /// Leaves the files as a node that ran and stopped does: parts of the index merged, and a snapshot to open from.
    ///
    /// # Errors
    /// [`Error::Broken`] when they cannot be written.
    pub(crate) fn finish(self) -> Result<(), Error> {
        let log = self.writer.log();
        let saved = log.maintain().and_then(|()| log.save_snapshot());
        saved.map_err(|error| broken(&error))
    }

    /// The same with a body for each entry, kept as a node keeps it.
    ///
    /// # Errors
    /// As for [`Filler::append`].
    pub(crate) fn append_kept(
        &mut self,
        entries: Vec<Entry>,
        bodies: &Bodies,
        sealed: Vec<SealedBody>,
    ) -> Result<(), Error> {
        let sealed: Vec<_> = sealed.into_iter().map(Some).collect();
        let keep = |first| bodies.keep(first, &sealed).map_err(std::io::Error::other);
        let appended = self.writer.append_with(now_ms(), entries, keep);
        appended.map(drop).map_err(|error| broken(&error))
    }

    /// What a node would record of a certificate that passed its checks, with the current definition of its type.
    pub(crate) fn issued(
        &self,
        draft: &Draft,
        sharing: SharingClass,
        definition: &(DefinitionRef, Arc<TypeDefined>),
    ) -> CertificateIssued {
        issued(&self.catalogue, &self.field, draft, sharing, definition)
    }
}

fn issued(
    catalogue: &CatalogueKey,
    key: &BodyKey,
    draft: &Draft,
    sharing: SharingClass,
    (named, definition): &(DefinitionRef, Arc<TypeDefined>),
) -> CertificateIssued {
    CertificateIssued {
        subject: catalogue.subject_tag(draft.holder_kind, draft.holder_code.expose()),
        holder_kind: draft.holder_kind,
        validity: draft.validity,
        sharing,
        definition: *named,
        field_root: commit_fields(key, &draft.id, &definition.fields, &draft.fields),
        succession: draft.succession.clone(),
        id: draft.id.clone(),
    }
}

/// Makes what a node keeps of certificates: records, and bodies under a key each.
pub(crate) struct Keeper {
    catalogue: CatalogueKey,
    department: FieldKey,
}

impl Keeper {
    /// For a member's certificates, with the keys in its directory.
    ///
    /// # Errors
    /// [`Error::File`] or [`Error::Key`] when a key cannot be read.
    pub(crate) fn new(member: &Member) -> Result<Keeper, Error> {
        Ok(Keeper {
            catalogue: catalogue_key(member)?,
            department: FieldKey(secret(member, SecretFile::Field, "field.key")?),
        })
    }

    /// The files that a member's bodies are kept in.
    ///
    /// # Errors
    /// [`Error::Broken`] when they cannot be opened.
    pub(crate) fn bodies(&self, log: &Log, member: &Member) -> Result<Bodies, Error> {
        let dir = member.data().join("bodies");
        let bodies = Bodies::open(
            &RealDisk::default(),
            &dir,
            log.name(),
            self.department.clone(),
        );
        bodies.map_err(|error| broken(&error))
    }

    /// A certificate that passed the checks, as an entry with its body.
    ///
    /// # Errors
    /// [`Error::System`] when the system provides no random bytes.
    pub(crate) fn issue(
        &self,
        draft: &Draft,
        definition: &(DefinitionRef, Arc<TypeDefined>),
    ) -> Result<(Entry, SealedBody), Error> {
        let mut drawn = Zeroizing::new([0; 56]);
        getrandom::fill(drawn.as_mut_slice()).map_err(|error| {
            Error::system("random bytes")(std::io::Error::other(error.to_string()))
        })?;
        let (mut key, mut nonce) = ([0; 32], [0; 24]);
        key.copy_from_slice(&drawn[..32]);
        nonce.copy_from_slice(&drawn[32..]);
        let key = BodyKey(Secret::from_bytes(key));
        let body = Body {
            holder_kind: draft.holder_kind,
            holder_code: draft.holder_code.expose().to_owned(),
            fields: draft.fields.deref().clone(),
            attachments: BTreeMap::new(),
        };
        let sealed = SealedBody::seal(&self.department, draft.id.as_str(), &key, nonce, &body);
        let sharing = draft.sharing.unwrap_or(SharingClass::Conditional);
        let issued = issued(&self.catalogue, &key, draft, sharing, definition);
        Ok((Entry::CertificateIssued(issued), sealed))
    }
}
