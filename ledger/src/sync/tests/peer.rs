//! A peer of the simulated network: what a driver does around the state machine, without sockets and threads.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use crate::catalogue::Catalogue;
use crate::codec::{Bounded, Text};
use crate::crypto::hash::{Hash, Purpose, hash};
use crate::crypto::keys::SigningKey;
use crate::disk::MemoryDisk;
use crate::genesis::Role;
use crate::genesis::testing::{department, network};
use crate::governance::engine::Known;
use crate::id::{CertificateId, Date, DepartmentCode, HolderKind, IssuerCode};
use crate::log::{Cosignature, ForkEvidence, Log, Place, VerifiedCheckpoint, Writer};
use crate::membership::Membership;
use crate::names::LogId;
use crate::record::{
    Action, CertificateIssued, DefinitionRef, Entry, FieldRoot, Reason, RecordHash, SharingClass,
    StatusChanged, SubjectTag, Validity,
};
use crate::sync::{
    Announcement, ConnectionId, GossipId, Heads, Instance, OwnLog, Request, Response, Settings,
    Standing, Sync, announcement, serve,
};

use super::adversary::Conduct;
use super::world::Message;

/// What the clocks of the simulated world say at its beginning.
pub(super) const EPOCH_MS: u64 = 1_790_000_000_000;
/// Records in a segment: few, so that logs have several.
const SEGMENT_RECORDS: u64 = 32;

/// What a peer has while it runs.
pub(super) struct Running {
    pub(super) sync: Sync,
    pub(super) catalogue: Catalogue,
    pub(super) writer: Writer,
    /// Its own signatures under checkpoints it accepted.
    cosignatures: BTreeMap<LogId, (VerifiedCheckpoint, Cosignature)>,
    /// Whether it may append to its own log.
    pub(super) confirmed: bool,
    /// Who says that another run of it is connected.
    pub(super) other_instance_reported_by: BTreeSet<DepartmentCode>,
    /// Own records announced.
    announced: u64,
    /// What other peers' clocks said, and when.
    pub(super) clocks: BTreeMap<usize, (u64, u64)>,
}

/// A member's peer.
pub(super) struct Peer {
    pub(super) code: DepartmentCode,
    pub(super) key: SigningKey,
    pub(super) disk: MemoryDisk,
    pub(super) conduct: Conduct,
    /// `None` while it is down.
    pub(super) running: Option<Running>,
    /// Which of its lives: what was meant for an earlier one is dropped.
    pub(super) life: u64,
    /// How far its clock is off.
    pub(super) clock_off_ms: i64,
    /// Its disk was lost: what it starts with is not what it ran with last.
    pub(super) lost: bool,
    /// A disk write will be refused at any moment.
    pub(super) dying: bool,
    /// Its disk was damaged: a log may be set aside when it starts.
    pub(super) damaged: bool,
    /// Hashes of gossip it got, as the gossip layer below it remembers them.
    pub(super) seen: BTreeSet<Hash>,
    pub(super) judging: BTreeMap<GossipId, (usize, Vec<u8>)>,
    /// Storing is done one page after the other.
    pub(super) storage_free_ms: u64,
    pub(super) accepted: BTreeMap<LogId, u64>,
    /// Others' signatures under checkpoints, kept.
    pub(super) kept: usize,
    /// What it sent since this was last cleared.
    pub(super) sent: Sent,
}

/// Messages that a peer sent, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) requests: u64,
    pub(super) request_bytes: u64,
    pub(super) answers: u64,
    pub(super) answer_bytes: u64,
    /// Announcements, its own and those it passed on: here to every neighbour, since there is no mesh.
    pub(super) announcements: u64,
}

impl Sent {
    pub(super) fn count(&mut self, message: &Message) {
        match message {
            Message::Request(_, bytes) => {
                self.requests += 1;
                self.request_bytes += bytes.len() as u64;
            }
            Message::Response(_, bytes) => {
                self.answers += 1;
                self.answer_bytes += bytes.len() as u64;
            }
            Message::Gossip(_) => self.announcements += 1,
        }
    }
}

pub(super) fn code(n: usize) -> DepartmentCode {
    DepartmentCode::from_body(&format!("11{:06}{n:09}", 110_000)).unwrap()
}

pub(super) fn key(n: usize) -> SigningKey {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&(n as u64).to_le_bytes());
    SigningKey::from_seed(&seed)
}

/// A network of this many departments.
pub(super) fn members(peers: usize) -> Membership {
    let member = |n| department(code(n).as_str(), key(n).public(), &[Role::Issue]);
    Membership::from_genesis(&network("simulated", (0..peers).map(member).collect()))
}

pub(super) fn place(disk: &MemoryDisk) -> Place {
    Place {
        disk: Arc::new(disk.clone()),
        data: PathBuf::from("/data"),
        segment_records: SEGMENT_RECORDS,
        index_key: crate::crypto::keys::IndexKey::from_transport_seed(&[7; 32]),
    }
}

impl Peer {
    pub(super) fn new(n: usize, disk: MemoryDisk) -> Peer {
        Peer {
            code: code(n),
            key: key(n),
            disk,
            conduct: Conduct::Honest,
            running: None,
            life: 0,
            clock_off_ms: 0,
            lost: false,
            dying: false,
            damaged: false,
            seen: BTreeSet::new(),
            judging: BTreeMap::new(),
            storage_free_ms: 0,
            accepted: BTreeMap::new(),
            kept: 0,
            sent: Sent::default(),
        }
    }

    pub(super) fn own(&self) -> LogId {
        LogId::first(self.code)
    }

    pub(super) fn start(&mut self, members: &Membership, settings: Settings) {
        let opened = Catalogue::open(place(&self.disk), members.clone(), self.code).unwrap();
        assert_eq!(opened.bad_evidence, []);
        for (log, opening) in &opened.openings {
            let aside = &opening.set_aside;
            assert!(
                self.damaged || aside.is_none(),
                "a crash damages no log: {log}"
            );
        }
        let catalogue = opened.catalogue;
        let own = catalogue.log(&self.own()).unwrap();
        let announced = own.size();
        self.life += 1;
        let own_log = match (self.lost, own.size() + own.missing()) {
            (true, _) => OwnLog::Lost,
            (false, 0) => OwnLog::New,
            (false, _) => OwnLog::Kept,
        };
        self.accepted = catalogue
            .logs()
            .map(|log| (log.name().id, log.size()))
            .collect();
        self.running = Some(Running {
            sync: Sync::new(
                self.own(),
                own_log,
                Instance(self.life),
                catalogue.members().clone(),
                settings,
            ),
            writer: Writer::new(own, self.key.clone()),
            catalogue,
            cosignatures: BTreeMap::new(),
            confirmed: false,
            other_instance_reported_by: BTreeSet::new(),
            announced,
            clocks: BTreeMap::new(),
        });
    }

    /// The power goes: of what was not synced, `survives` decides.
    pub(super) fn crash(&mut self, survives: impl FnMut() -> bool) {
        self.running = None;
        self.dying = false;
        self.disk = self.disk.crash(survives);
        self.seen.clear();
        self.judging.clear();
        self.storage_free_ms = 0;
    }

    pub(super) fn log(&self, log: &LogId) -> Option<Arc<Log>> {
        self.running.as_ref()?.catalogue.log(log)
    }

    /// The answer of an honest peer.
    pub(super) fn answer(
        &mut self,
        from: DepartmentCode,
        connection: ConnectionId,
        request: &Request,
        wall_ms: u64,
    ) -> Option<Response> {
        let running = self.running.as_mut()?;
        let log = match request {
            Request::Heads { instance } => {
                let standing = running.sync.heard_instance(from, connection, *instance);
                if standing == Standing::Later {
                    return Some(Response::OtherInstance);
                }
                let cosignature = |checkpoint: &VerifiedCheckpoint| {
                    let (signed, cosignature) = running.cosignatures.get(&checkpoint.log)?;
                    (signed == checkpoint).then(|| cosignature.clone())
                };
                let heads = running.sync.heads(&running.catalogue, wall_ms, cosignature);
                return Some(Response::Heads(Heads {
                    rival: standing == Standing::First,
                    governance: Known::default(),
                    ..heads
                }));
            }
            Request::Page { log, .. } | Request::Evidence { log } => log,
            // Replication never asks this: no peer here has fields to show.
            Request::Retrieve(_)
            | Request::Piece(_)
            | Request::Governance(_)
            | Request::WitnessEnd(_)
            | Request::CatalogueKey(_)
            | Request::Addresses
            | Request::LogHeld { .. } => {
                return Some(Response::NotHeld);
            }
        };
        let served = running.catalogue.log(log).map(|log| serve(&log, request));
        Some(served.and_then(Result::ok).unwrap_or(Response::NotHeld))
    }

    /// What it lets itself hear of an answer: whoever forks its own log does not want to know.
    pub(super) fn hears(&self, response: Response) -> Response {
        match response {
            Response::Heads(mut heads) if matches!(self.conduct, Conduct::Forks(_)) => {
                let mut others = heads.heads.into_vec();
                others.retain(|head| head.checkpoint.checkpoint.log != self.own());
                heads.heads = Bounded::first(others);
                Response::Heads(heads)
            }
            response => response,
        }
    }

    pub(super) fn cosign(&mut self, checkpoint: VerifiedCheckpoint, now_ms: u64) {
        let Some(running) = &mut self.running else {
            return;
        };
        let log = running.catalogue.log(&checkpoint.log).unwrap();
        assert_eq!(
            log.checkpoint().as_ref(),
            Some(&checkpoint),
            "cosigned what is not held"
        );
        let members = running.catalogue.members();
        let cosignature = Cosignature::sign(
            members,
            &checkpoint,
            self.code,
            now_ms,
            &self.key.clone().into(),
        );
        running
            .cosignatures
            .insert(checkpoint.log, (checkpoint, cosignature));
    }

    pub(super) fn freeze(&mut self, evidence: &ForkEvidence) {
        if let Some(running) = &self.running {
            evidence.verify(running.catalogue.members()).unwrap();
            let kept = running.catalogue.freeze(evidence);
            assert!(kept.is_ok() || self.dying, "{kept:?}");
        }
    }

    /// The own head, with the records since the last announcement while they fit.
    pub(super) fn announcement(&mut self) -> Option<Announcement> {
        let running = self.running.as_mut()?;
        let log = running.writer.log();
        let page = announcement(log, running.announced)?;
        running.announced = page.checkpoint.checkpoint.size;
        Some(Announcement::Head(page))
    }
}

/// Entries for a batch: certificates and, last, a change of status of an earlier one.
pub(super) fn entries(department: DepartmentCode, from: u64, count: u64, salt: u64) -> Vec<Entry> {
    let id = |n: u64| {
        let issuer = IssuerCode::Department(department);
        let serial = format!("S{salt:04}{n:08}");
        CertificateId::new("11100000000013338W011".parse().unwrap(), issuer, &serial, 1).unwrap()
    };
    let issue = |n: u64| {
        Entry::CertificateIssued(CertificateIssued {
            id: id(n),
            subject: SubjectTag(hash(Purpose::Subject, &n.to_le_bytes())),
            holder_kind: HolderKind::IdentityCard,
            validity: Validity::new(Date::from_days(20_000).unwrap(), None).unwrap(),
            sharing: SharingClass::Conditional,
            definition: DefinitionRef {
                log: LogId::first(department),
                seq: 0,
                hash: RecordHash::NONE,
            },
            field_root: FieldRoot(Hash::ZERO),
            succession: None,
        })
    };
    let mut entries: Vec<Entry> = (from..from + count).map(issue).collect();
    let actions = [Action::Suspend, Action::Reinstate, Action::Revoke];
    entries.push(Entry::StatusChanged(StatusChanged {
        id: id(from / 2),
        action: actions[(from % 3) as usize],
        reason: Reason::Other,
        text: Text::new("simulated").unwrap(),
        inherited: None,
    }));
    entries
}
