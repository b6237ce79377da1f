//! The peer behind the API: what it holds, and the threads that change it.
//!
//! - `Peer`: everything shared: the catalogue, keys, who was heard when
//! - `writer`: the thread that commits this department's own log, many requests at a time
//! - `driver`: the loop between network, state machine and storage
//! - `own_log`: whether the own log may be appended to, and why not
//! - `retries`: which content came under which idempotency key, and for how long that is known
//! - `serving`: bounds on what other members ask for
//! - `storage`: the threads that verify and store pages
//! - `service` and `views`: the API's questions, answered from the catalogue
//! - `identity`: who is who: this peer's keys, checked against the genesis, and the other members
//! - `data_dir`: the data directory's lock, its network and `node.json`
//! - `start`: from a configuration to a running peer, and down again

mod data_dir;
mod driver;
mod identity;
mod own_log;
mod retries;
mod service;
mod serving;
mod start;
mod storage;
mod views;
mod writer;

pub use start::{RunError, check, run};

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use certmesh_ledger::catalogue::Catalogue;
use certmesh_ledger::id::DepartmentCode;
use certmesh_ledger::keys::{CatalogueKey, FieldKey};
use certmesh_ledger::log::{Cosignature, LogId, Opening, VerifiedCheckpoint};
use certmesh_ledger::store::{Store, Table};
use parking_lot::RwLock;

use crate::metrics::Metrics;
use own_log::OwnLog;

/// Milliseconds since 1970-01-01 UTC.
pub(crate) fn now_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A connected member.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connection {
    pub(crate) since_ms: u64,
    pub(crate) rtt_ms: Option<f64>,
}

/// What the network has told, for the API to show.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) connected: BTreeMap<DepartmentCode, Connection>,
    /// When a member's heads were last heard, ms.
    pub(crate) heads_ms: BTreeMap<DepartmentCode, u64>,
    /// Records of a log that some member said it holds.
    pub(crate) known: BTreeMap<LogId, u64>,
}

type Signed = BTreeMap<DepartmentCode, (VerifiedCheckpoint, Cosignature)>;

/// Everything the threads of a peer share.
pub(crate) struct Peer {
    pub(crate) department: DepartmentCode,
    pub(crate) peer_id: String,
    pub(crate) catalogue: Catalogue,
    pub(crate) catalogue_key: CatalogueKey,
    pub(crate) field_key: FieldKey,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) own: OwnLog,
    pub(crate) heard: RwLock<Heard>,
    pub(crate) cosignatures: RwLock<HashMap<LogId, Signed>>,
    /// Logs that were set aside at this start, and where.
    pub(crate) set_aside: BTreeMap<LogId, String>,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) started_ms: u64,
}

impl Peer {
    /// Keeps a member's signature under a checkpoint accepted here.
    pub(crate) fn keep_cosignature(
        &self,
        checkpoint: VerifiedCheckpoint,
        cosignature: Cosignature,
    ) {
        let (log, witness) = (checkpoint.log, cosignature.witness);
        let key = format!("{log}/{witness}");
        let value = certmesh_ledger::codec::encode(&(checkpoint.signed(), &cosignature));
        if let Err(error) = self.store.set(Table::Cosignatures, key.as_bytes(), &value) {
            tracing::warn!(%error, "cosignature not kept in the state store");
        }
        self.cosignatures
            .write()
            .entry(log)
            .or_default()
            .insert(witness, (checkpoint, cosignature));
    }

    /// Members' signatures under exactly this checkpoint.
    pub(crate) fn cosignatures_of(&self, checkpoint: &VerifiedCheckpoint) -> Vec<Cosignature> {
        let all = self.cosignatures.read();
        let of_log = all
            .get(&checkpoint.log)
            .into_iter()
            .flat_map(BTreeMap::values);
        of_log
            .filter(|(signed, _)| signed == checkpoint)
            .map(|(_, cosignature)| cosignature.clone())
            .collect()
    }

    /// One member's signature under exactly this checkpoint.
    pub(crate) fn cosignature_by(
        &self,
        witness: &DepartmentCode,
        checkpoint: &VerifiedCheckpoint,
    ) -> Option<Cosignature> {
        let all = self.cosignatures.read();
        let (signed, cosignature) = all.get(&checkpoint.log)?.get(witness)?;
        (signed == checkpoint).then(|| cosignature.clone())
    }

    /// Reads back what the state store kept of cosignatures; whatever cannot be read comes again with the next heads.
    pub(crate) fn load_cosignatures(&self) {
        let kept = match self.store.scan(Table::Cosignatures, b"", 1 << 20) {
            Ok(kept) => kept,
            Err(error) => {
                return tracing::warn!(%error, "cosignatures not read from the state store");
            }
        };
        let members = self.catalogue.members();
        let mut all = self.cosignatures.write();
        for (_, value) in kept {
            use certmesh_ledger::log::SignedCheckpoint;
            let Ok((checkpoint, cosignature)) =
                certmesh_ledger::codec::decode::<(SignedCheckpoint, Cosignature)>(&value, 4096)
            else {
                continue;
            };
            if let Ok(checkpoint) = checkpoint.verify(members)
                && cosignature.verify(&checkpoint, members).is_ok()
            {
                let of_log = all.entry(checkpoint.log).or_default();
                of_log.insert(cosignature.witness, (checkpoint, cosignature));
            }
        }
    }

    /// Tells the operator what opening the logs found.
    fn report_openings(openings: &[(LogId, Opening)]) {
        for (log, opening) in openings {
            match &opening.set_aside {
                Some((path, damage)) => tracing::error!(
                    %log,
                    path = %path.display(),
                    %damage,
                    "log set aside: it is damaged and will be fetched again from other members"
                ),
                None if opening.cut_off > 0 || opening.mended > 0 => tracing::warn!(
                    %log,
                    records = opening.records,
                    cut_off_bytes = opening.cut_off,
                    mended_files = opening.mended,
                    "log recovered: what was never acknowledged was cut off, what can be derived was made anew"
                ),
                None => tracing::info!(%log, records = opening.records, "log opened"),
            }
        }
    }
}
