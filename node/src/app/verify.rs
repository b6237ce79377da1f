//! Verdicts on certificates, and proofs that others can check by themselves.

use std::sync::Arc;
use std::time::Duration;

use certmesh_ledger::catalogue::Stale;
use certmesh_ledger::id::{CertificateId, Date, DepartmentCode};
use certmesh_ledger::names::LogId;
use certmesh_ledger::record::is_dated_ahead;
use certmesh_ledger::verify::{Bundle, Verification, verify};
use certmesh_text::NoProof;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::find::type_name;
use super::{PeerService, Refusal, unreadable};
use crate::peer::reasons::Unprovable;
use crate::peer::{Peer, now_ms};

/// Verifying.
pub(crate) trait Verify {
    /// The verdict on a certificate on a day (today in China Standard Time when `None`). Not holding it is not a
    /// refusal but the verdict `unknown`.
    fn verification(&self, id: &CertificateId, on: Option<Date>) -> Result<Verified, Refusal>;

    /// The proof bundle of a certificate.
    fn proof(&self, id: &CertificateId) -> Result<Proof, Refusal>;

    /// Waits until another member has signed the accepted checkpoint of a log, or for a time; returns whether one has.
    fn cosigned(&self, log: LogId, patience: Duration) -> BoxFuture<'static, bool>;
}

/// A verdict, and what this peer knows beside it.
#[derive(Clone, Debug)]
pub(crate) struct Verified {
    /// The verdict and what it rests on.
    pub(crate) verification: Verification,
    /// The name of the certificate's type; `None` when no record is held, or no log defines it.
    pub(crate) type_name: Option<String>,
    /// Members whose signature is held under the checkpoint by which the status is known.
    pub(crate) cosigned_by: Vec<DepartmentCode>,
    /// When a member last confirmed that what is held of the log is its newest, ms.
    pub(crate) confirmed_ms: Option<u64>,
    /// Whether it is about this department's own log while other members have not confirmed that it is whole.
    pub(crate) unconfirmed: bool,
    /// The department whose peer this is.
    pub(crate) answered_by: DepartmentCode,
}

/// A proof bundle.
#[derive(Clone, Debug)]
pub(crate) struct Proof {
    /// The bundle, encoded.
    pub(crate) bytes: Vec<u8>,
    /// The log it rests on, while only its own department vouches for it and another member may still.
    pub(crate) alone: Option<LogId>,
}

/// Between two looks at whether somebody has signed a checkpoint: signatures come in seconds, and a look reads no file.
const LOOK_EVERY: Duration = Duration::from_millis(50);

impl Verified {
    /// A verdict with what this peer knows beside it.
    pub(super) fn of(peer: &Peer, verification: Verification) -> Verified {
        let state = verification.state.as_ref();
        let checkpoint = verification.known_as_of.as_ref();
        let witnesses = checkpoint.map(|checkpoint| peer.witnesses_of(checkpoint));
        let witnesses = witnesses.unwrap_or_default().into_iter();
        let history = peer.catalogue.members().history();
        let way = state.map(|state| history.way(&state.log.department));
        let way = way.unwrap_or_default();
        let own = way.contains(&peer.department);
        let known_by = verification.known_by;
        Verified {
            type_name: state.and_then(|state| type_name(peer, &state.certificate().id.type_code())),
            cosigned_by: witnesses.map(|signed| signed.witness).collect(),
            confirmed_ms: known_by.and_then(|log| peer.confirmed_ms(&log)),
            unconfirmed: own && !peer.own.is_confirmed(),
            answered_by: peer.department,
            verification,
        }
    }
}

impl Verify for PeerService {
    fn verification(&self, id: &CertificateId, on: Option<Date>) -> Result<Verified, Refusal> {
        let found = verify(&self.peer.catalogue, id, self.peer.question(on));
        let found = found.map_err(|error| unreadable(&error))?;
        Ok(Verified::of(&self.peer, found))
    }

    fn proof(&self, id: &CertificateId) -> Result<Proof, Refusal> {
        let catalogue = &self.peer.catalogue;
        let state = catalogue.certificate(id);
        let log = state
            .map_err(|error| unreadable(&error))?
            .map(|state| state.log);
        if let Some(log) = log {
            self.provable(&log)?;
            let history = catalogue.members().history();
            for successor in history.way(&log.department).iter().skip(1) {
                self.provable(&history.present_log(successor))?;
            }
        }
        // A signature dated ahead would have its readers refuse the whole proof.
        let now_ms = now_ms();
        let bundle = Bundle::gather(catalogue, id, |checkpoint| {
            let mut all = self.peer.cosignatures_of(checkpoint);
            all.retain(|signed| !is_dated_ahead(signed.time_ms, now_ms));
            all
        });
        match bundle {
            Ok(Some(bundle)) => {
                let others = catalogue.members().others(&self.peer.department) > 0;
                Ok(Proof {
                    alone: (others && !bundle.is_witnessed()).then(|| bundle.changed_in()),
                    bytes: bundle.to_bytes(),
                })
            }
            Ok(None) => Err(Refusal::UnknownCertificate),
            Err(error) => Err(match NoProof::of(&error) {
                Ok(why) => Refusal::ProofNotAvailable(Unprovable::NotMade { why }),
                Err(error) => unreadable(error),
            }),
        }
    }

    fn cosigned(&self, log: LogId, patience: Duration) -> BoxFuture<'static, bool> {
        let peer = Arc::clone(&self.peer);
        let signed = move || {
            let checkpoint = peer.catalogue.log(&log)?.provable()?;
            let now_ms = now_ms();
            let mut witnesses = peer.witnesses_of(&checkpoint).into_iter();
            witnesses.find(|signed| !is_dated_ahead(signed.time_ms, now_ms))
        };
        let wait = async move {
            while signed().is_none() {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        async move { tokio::time::timeout(patience, wait).await.is_ok() }.boxed()
    }
}

impl PeerService {
    /// Whether a proof by what is held of a log would say what its department says: readers can't ask anyone.
    fn provable(&self, log: &LogId) -> Result<(), Refusal> {
        let catalogue = &self.peer.catalogue;
        let stopped = catalogue.log(log).and_then(|log| log.stopped());
        if let Some(stopped) = stopped {
            let at = stopped.undisputed();
            return Err(Refusal::ProofNotAvailable(Unprovable::Disputed { at }));
        }
        let asked_ms = self.peer.clock.now_ms();
        let unprovable = |stale: &Stale| {
            let missing = stale.into();
            Refusal::ProofNotAvailable(Unprovable::NotNewestHeld { missing })
        };
        // Whoever reads it may know no more of what the members decided than this peer.
        catalogue
            .check_decisions(asked_ms)
            .map_err(|stale| unprovable(&stale))?;
        if *log != catalogue.own() {
            return match catalogue.freshness(log, asked_ms) {
                Ok(_) => Ok(()),
                Err(stale) => Err(unprovable(&stale)),
            };
        }
        if !self.peer.own.is_confirmed() {
            let why = self.peer.own.refusal().map(Box::new);
            return Err(Refusal::ProofNotAvailable(Unprovable::Unconfirmed { why }));
        }
        Ok(())
    }
}
