//! A log of many certificates, written straight to a department's data directory while its node is stopped.

use std::fs;
use std::sync::Arc;

use certmesh_ledger::id::{CertificateId, Date, HolderKind, normalise};
use certmesh_ledger::keys::{BodyKey, CatalogueKey, Secret, SecretFile};
use certmesh_ledger::log::disk::RealDisk;
use certmesh_ledger::log::{Log, LogId, LogName, Place, SEGMENT_RECORDS, Writer};
use certmesh_ledger::membership::{Genesis, Membership};
use certmesh_ledger::record::{CertificateIssued, Entry, SharingClass, Validity, commit_fields};
use certmesh_node::api::types::IssueRequest;
use zeroize::Zeroizing;

use super::Bench;
use crate::network::{Member, now_ms};
use crate::patience::Deadline;
use crate::sample::Sample;
use crate::testnet::Testnet;
use crate::{Error, departments};

/// Entries under one checkpoint.
const BATCH: usize = 5_000;

/// A network of two of which the first has so many certificates in its log; none of its nodes runs.
pub(super) fn network(
    bench: &Bench,
    records: u64,
    patience: Deadline,
) -> Result<(Testnet, Sample), Error> {
    let mut net = bench.network(2)?;
    // A first start makes the data directory; then the log is written straight into it, which takes seconds where issuing
    // over the API takes minutes. The records are the same, signed one by one.
    net.start(0, patience)?;
    net.stop(0)?;
    let sample = Sample::new(0, "B")?;
    fill(
        bench,
        net.network().genesis(),
        net.member(0),
        &sample,
        records,
    )?;
    Ok((net, sample))
}

/// Writes so many certificates of a sample into a member's own log, all signed as its node would sign them. Their bodies
/// are not kept, so one key serves for all commitments.
fn fill(
    bench: &Bench,
    genesis: &Genesis,
    member: &Member,
    sample: &Sample,
    records: u64,
) -> Result<(), Error> {
    let broken = |error: &dyn std::fmt::Display| Error::Broken(format!("filling a log: {error}"));
    let name = LogName {
        network: genesis.network_id(),
        id: LogId::first(member.code()),
    };
    let place = Place {
        disk: Arc::new(RealDisk),
        data: member.data(),
        segment_records: SEGMENT_RECORDS,
    };
    let (log, _) = Log::open(&place, name, &Membership::from_genesis(genesis))
        .map_err(|error| broken(&error))?;
    let mut writer = Writer::new(Arc::new(log), member.signing_key()?);
    let keys = Keys::read(member)?;
    writer
        .append(now_ms(), types(member.index)?)
        .map_err(|error| broken(&error))?;
    let bar = bench.screen.progress(records, "filling the log");
    let mut entries = Vec::with_capacity(BATCH);
    for number in 0..records {
        entries.push(
            keys.entry(&sample.row(number))
                .ok_or_else(|| broken(&"a made-up row is not valid"))?,
        );
        if entries.len() == BATCH || number + 1 == records {
            bar.inc(entries.len() as u64);
            writer
                .append(now_ms(), std::mem::take(&mut entries))
                .map_err(|error| broken(&error))?;
        }
    }
    bar.finish_and_clear();
    Ok(())
}

struct Keys {
    catalogue: CatalogueKey,
    field: BodyKey,
}

impl Keys {
    fn read(member: &Member) -> Result<Keys, Error> {
        let read = |kind: SecretFile, name: &str| -> Result<Secret, Error> {
            let path = member.dir.join("keys").join(name);
            let text = Zeroizing::new(fs::read_to_string(&path).map_err(Error::file(&path))?);
            Ok(Secret::from_bytes(*kind.read(&text)?))
        };
        Ok(Keys {
            catalogue: CatalogueKey(read(SecretFile::Catalogue, "catalogue.key")?),
            field: BodyKey(read(SecretFile::Field, "field.key")?),
        })
    }

    /// The entry that a node would make of a request; `None` if the request is not valid.
    fn entry(&self, row: &IssueRequest) -> Option<Entry> {
        let date = |text: &Option<String>| -> Option<Date> { text.as_deref()?.parse().ok() };
        let id: CertificateId = row.id.as_deref()?.parse().ok()?;
        let holder = row.holder.as_ref()?;
        let holder_kind: HolderKind = holder.kind.parse().ok()?;
        let sharing: SharingClass = row.sharing.as_deref()?.parse().ok()?;
        Some(Entry::CertificateIssued(CertificateIssued {
            subject: self
                .catalogue
                .subject_tag(holder_kind, &normalise(holder_kind, &holder.code).ok()?),
            holder_kind,
            validity: Validity::new(date(&row.valid_from)?, date(&row.valid_until)).ok()?,
            sharing,
            field_root: commit_fields(&self.field, &id, &row.fields),
            succession: None,
            id,
        }))
    }
}

/// Definitions of a department's types as entries.
fn types(index: usize) -> Result<Vec<Entry>, Error> {
    departments::type_definitions(index)?
        .into_iter()
        .map(|definition| match definition.check() {
            Ok(definition) => Ok(Entry::TypeDefined(definition)),
            Err(refusal) => Err(Error::Broken(refusal.to_string())),
        })
        .collect()
}
